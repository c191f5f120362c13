//! Signals: the first asks for a clean stop between two files, the second ends the program at once.
//!
//! Both ends are safe: what a run has done is recorded, and a path holds its old or its new version, whole.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What was caught so far.
#[derive(Clone, Default)]
pub struct Stop {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// From here on the three signals are caught.
    pub fn listen() -> io::Result<Stop> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the shutdown is armed by the flag that the same first signal sets only afterwards.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.stop))?;
            flag::register_usize(signal, Arc::clone(&stop.signal), signal.unsigned_abs() as usize)?;
            flag::register(signal, Arc::clone(&stop.stop))?;
        }
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
}
