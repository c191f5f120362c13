//! One part of the program, once: `counted PART`. `benches/instructions` runs it under valgrind, which counts the instructions
//! between the beginning and the end of `counted_part`. Without a name it lists the parts.

use std::hint::black_box;
use std::process::ExitCode;

use driftless::measured::parts::{self, Ready};

/// Its name is told to valgrind, so it must stay as it is written.
// SAFETY: no other symbol of this program has that name.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn counted_part(ready: &mut Option<Ready>) -> u64 {
    ready.take().map_or(0, |ready| ready())
}

/// Files that the parts are about. Valgrind makes fifty instructions of each.
const FILES: u64 = 400;
const LOAD: &str = "manifest-load";

fn main() -> ExitCode {
    let mut all = parts::pure(FILES);
    // Cargo adds words of its own for its harness.
    let Some(asked) = std::env::args().skip(1).find(|word| !word.starts_with("--")) else {
        all.iter().map(|part| part.name).chain([LOAD]).for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let place = tempfile::tempdir().expect("a temporary folder");
    if asked == LOAD {
        all = vec![parts::load(place.path(), FILES).expect("a manifest")];
    }
    let Some(part) = all.iter_mut().find(|part| part.name == asked) else {
        eprintln!("counted: no part is called `{asked}`");
        return ExitCode::from(2);
    };
    let mut ready = Some((part.prepare)());
    black_box(counted_part(&mut ready));
    ExitCode::SUCCESS
}
