//! Calls that may hang, made in a process apart, which can be left behind.
//!
//! A process with one thread that is stuck in the kernel cannot end, not even when it is killed. So all calls on a mount
//! that somebody else answers for (network, FUSE) are made in a second process of this binary. This one waits for an
//! answer with a limit and an ear for Ctrl-C; where none comes the other one is killed and not waited for.
//!
//! Invariants. Nothing here touches the path that it is asked about, nor ever has a handle on that mount open. Once a
//! line was given up the root is gone for good: no call on it is made any more. The process apart ends with this one,
//! unless it is stuck; it decides nothing, and holds no lock.
//!
//! On Windows there is no such process: calls on a share that does not answer end with an error of their own, after the
//! time that the system's redirector gives them.

#[cfg(unix)]
mod client;
#[cfg(windows)]
mod here;
#[cfg(unix)]
mod line;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod protocol;
#[cfg(unix)]
mod server;
#[cfg(all(test, unix))]
pub(super) mod tests;

#[cfg(unix)]
pub use client::Asking;
#[cfg(windows)]
pub use here::{Asking, second};
#[cfg(unix)]
pub use process::second;
#[cfg(unix)]
pub use server::serve_stdin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The word on the command line by which the binary knows that it is the process apart.
#[cfg(unix)]
pub const WORD: &str = "serve-a-root-apart";

/// Less is no time to answer in, in milliseconds.
const LEAST_MS: u64 = 100;

/// How long an answer is waited for.
#[derive(Clone, Debug)]
pub struct Patience {
    /// No answer at all for so long: the mount hangs.
    silence_ms: Arc<AtomicU64>,
    /// Set once the user wants to stop: then no silence is waited for that is longer than a moment.
    #[cfg_attr(windows, expect(dead_code, reason = "nothing is waited for in a process apart there"))]
    stop: Arc<AtomicBool>,
}

impl Patience {
    pub fn new(silence: Duration, stop: Arc<AtomicBool>) -> Patience {
        let patience = Patience { silence_ms: Arc::default(), stop };
        patience.set_silence(silence);
        patience
    }

    /// From now on, for all clones too.
    pub fn set_silence(&self, silence: Duration) {
        let silence = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        self.silence_ms.store(silence.max(LEAST_MS), Ordering::Relaxed);
    }

    #[cfg(unix)]
    fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms.load(Ordering::Relaxed))
    }

    #[cfg(unix)]
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
