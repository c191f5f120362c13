//! Parts of the program, each alone on the same input every time: for `benches/micro.rs`, which takes their time, and
//! `benches/counted.rs`, which has their instructions counted.
//!
//! Invariant. What a part needs is made before it is measured, and nothing in it is random.

mod agreed;
mod pure;
mod roots;
mod rows;

/// What is measured: it was made ready, and tells how much it came to, so that nothing of it is optimised away.
pub type Ready = Box<dyn FnOnce() -> u64>;

/// One part, which can be measured as often as one likes.
pub struct Part {
    pub name: &'static str,
    /// Makes it ready once more.
    pub prepare: Box<dyn FnMut() -> Ready>,
}

impl Part {
    /// A part that takes what `input` gives.
    fn of<T: 'static>(
        name: &'static str,
        mut input: impl FnMut() -> T + 'static,
        act: impl Fn(T) -> u64 + Copy + 'static,
    ) -> Part {
        let prepare = move || -> Ready {
            let ready = input();
            Box::new(move || act(ready))
        };
        Part { name, prepare: Box::new(prepare) }
    }
}

pub use pure::parts as pure;
pub use roots::{CONTENT, Pair, copy, scan};
pub use rows::{load, store};
