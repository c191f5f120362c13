//! A child process that heads a group of its own: waited for, and ended with all that it started where its time is over or
//! somebody stops us: first asked, then killed.
//!
//! Invariant. Only a child that was not waited for is signalled, so that its number is still its own.

use std::io;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
#[path = "group/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "group/windows.rs"]
mod system;

pub use system::Kin;

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// One that hangs on a dead mount hears no signal, and is left behind.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// A child and what it started.
pub struct Group {
    head: Child,
    kin: Kin,
}

/// Why it is not waited for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Own(ExitStatus),
    /// It took longer than it may, and was ended.
    Late,
    /// Somebody asked us to stop, and it was ended.
    Stopped,
}

/// Starts a command at the head of a group of its own: a Ctrl-C in the terminal is not for it.
pub fn spawn(command: &mut Command) -> io::Result<Group> {
    system::set_apart(command);
    let head = command.spawn()?;
    let kin = Kin::of(&head);
    Ok(Group { head, kin })
}

/// A command for the system's own shell, as a person writes it in one line: `sh`, on Windows `cmd`.
pub fn shell(line: &str) -> Command {
    system::shell(line)
}

/// Runs again what never began: on a busy machine Wine cannot start a program now and then (`ERROR_INTERNAL_ERROR`), or gives it
/// up before its first instruction (`STATUS_DLL_INIT_FAILED`).
#[cfg(all(test, windows))]
pub fn begun<T>(mut run: impl FnMut() -> T, began: impl Fn(&T) -> bool) -> T {
    let mut ended = run();
    for _ in 0..3 {
        if !began(&ended) {
            ended = run();
        }
    }
    ended
}

/// The exit code; 128 + n where a signal n ended it.
pub fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128_i32.saturating_add(system::signal(status)))
}

/// Did somebody else than the program itself end it? Then its code says nothing.
pub fn was_killed(status: ExitStatus) -> bool {
    system::was_killed(status)
}

impl Deref for Group {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.head
    }
}

impl DerefMut for Group {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.head
    }
}

impl Group {
    /// Waits for its end, for no longer than `limit` where there is one, or until `stop` is set.
    pub fn wait_for(&mut self, limit: Option<Duration>, grace: Duration, stop: &AtomicBool) -> io::Result<End> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(End::Own(status));
            }
            let stopped = stop.load(Ordering::SeqCst);
            if stopped || limit.is_some_and(|limit| began.elapsed() > limit) {
                self.end(grace)?;
                return Ok(if stopped { End::Stopped } else { End::Late });
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks the whole group to end, and kills it where its head is still there after `grace`.
    pub fn end(&mut self, grace: Duration) -> io::Result<()> {
        // Whoever cannot be asked is not waited for.
        if !grace.is_zero() && self.kin.ask(&self.head) && self.ends_within(grace)? {
            return Ok(());
        }
        self.kin.kill(&mut self.head);
        self.ends_within(GONE_AFTER).map(drop)
    }

    fn ends_within(&mut self, patience: Duration) -> io::Result<bool> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if self.try_wait()?.is_some() {
                return Ok(true);
            }
            thread::sleep(PAUSE);
        }
        Ok(false)
    }
}
