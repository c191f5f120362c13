//! Being asked to end (signals; on Windows events of the console), in one of two ways: [`Stop::listen`] asks for a clean stop
//! between two files and ends the program at the second; [`hear`] ends nothing and tells each, for a `run` whose command is to
//! end first.
//!
//! Every end is safe: what a run has done is recorded, and a path holds its old or its new version, whole.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
#[path = "signals/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "signals/windows.rs"]
mod system;

pub use system::{Waker, hear};

/// What was caught so far.
#[derive(Clone, Default)]
pub struct Stop {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// From here on who asks for an end is heard: the first sets the flag, the second ends the program at once.
    pub fn listen() -> io::Result<Stop> {
        let stop = Stop::default();
        system::listen(&stop)?;
        Ok(stop)
    }

    /// The flag itself, for who outlives a borrow.
    pub fn shared(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    pub fn flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// The number of the signal that was caught.
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::SeqCst)).ok().filter(|&number| number != 0)
    }

    /// Stops as that signal would have.
    pub fn set(&self, signal: u8) {
        self.signal.store(usize::from(signal), Ordering::SeqCst);
        self.stop.store(true, Ordering::SeqCst);
    }
}
