//! A child process that heads a group of its own: waited for, and ended with all that it started where its time is over or
//! somebody stops us: first asked, then killed.
//!
//! Invariant. Only a child that was not waited for is signalled, so that its number is still its own.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// One that hangs on a dead mount hears no signal, and is left behind.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// Why it is not waited for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Own(ExitStatus),
    /// It took longer than it may, and was ended.
    Late,
    /// Somebody asked us to stop, and it was ended.
    Stopped,
}

/// Waits for its end, for no longer than `limit` where there is one, or until `stop` is set.
pub fn wait(child: &mut Child, limit: Option<Duration>, grace: Duration, stop: &AtomicBool) -> io::Result<End> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Own(status));
        }
        let stopped = stop.load(Ordering::SeqCst);
        if stopped || limit.is_some_and(|limit| began.elapsed() > limit) {
            end(child, grace)?;
            return Ok(if stopped { End::Stopped } else { End::Late });
        }
        thread::sleep(PAUSE);
    }
}

/// Asks the whole group to end, and kills it where its head is still there after `grace`.
pub fn end(child: &mut Child, grace: Duration) -> io::Result<()> {
    let group = Pid::from_child(child);
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, GONE_AFTER)] {
        let _ = kill_process_group(group, signal);
        let began = Instant::now();
        while began.elapsed() < patience {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
