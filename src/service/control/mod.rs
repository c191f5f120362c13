//! The control interface: HTTP and JSON on a Unix socket in the pair's state folder, or on the loopback with a token.
//!
//! Invariants. Nothing here runs the engine: it passes words to the deciding thread and tells what that tells. Only the user
//! who runs the watch process may ask: the socket is theirs alone, and whoever comes over TCP has to know the token, which lies
//! in a file that is theirs alone. Described with examples in `docs/control.md`.

mod address;
pub mod client;
mod metrics;
mod server;
mod wire;

pub use address::Address;
pub use server::{Server, serve};
pub use wire::{Asked, Done, Reported, Told, Words};

use tokio::sync::broadcast;

use super::Event;

/// Events that a slow listener may be behind before it misses some.
const BEHIND: usize = 256;

/// Where the process tells what happens, to whoever listens.
#[derive(Clone)]
pub struct Hub(broadcast::Sender<Event>);

impl Default for Hub {
    fn default() -> Hub {
        Hub(broadcast::Sender::new(BEHIND))
    }
}

impl Hub {
    pub fn tell(&self, event: Event) {
        // Nobody listens.
        let _ = self.0.send(event);
    }
}

#[cfg(test)]
mod tests;
