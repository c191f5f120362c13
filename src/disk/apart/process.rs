//! Start the process apart, hand lines to it, kill it, leave it behind.

use std::ffi::OsStr;
use std::io::IoSlice;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::WORD;

/// How long a process that was told to end, or killed, is waited for.
const FAREWELL: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(2);

/// Processes that did not end when they were to, to be reaped once they do. They are stuck in the kernel, and are gone as
/// soon as their mount answers.
static LEFT_BEHIND: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// A running process apart.
pub(super) struct Process {
    control: UnixStream,
    child: Mutex<Option<Child>>,
}

impl Process {
    pub fn start() -> std::io::Result<Process> {
        reap();
        let (control, theirs) = UnixStream::pair()?;
        let child = second(&[WORD.as_ref()])?.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).spawn()?;
        tracing::debug!(id = child.id(), "started a process apart");
        Ok(Process { control, child: Mutex::new(Some(child)) })
    }

    /// A new line to it.
    pub fn line(&self) -> std::io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let lines = [theirs.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&lines));
        sendmsg(&self.control, &[IoSlice::new(b"+")], &mut ancillary, SendFlags::empty())?;
        Ok(ours)
    }

    /// Kills it, and does not wait: it may be stuck.
    pub fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // It may have ended already.
            let _ = child.kill();
        }
    }
}

/// A second process of this program with `words`, to be started. It keeps nothing of ours open, where it could outlive us,
/// and is in a group of its own: Ctrl-C is for us alone, who may still have to put things in order through it.
pub fn second(words: &[&OsStr]) -> std::io::Result<Command> {
    // The very file that runs here, also where it was replaced by a newer one since: both sides speak alike.
    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    command.arg0("driftless").args(words).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Ok(command)
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(TICK),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = child.kill();
        tracing::debug!(id = child.id(), "left a process behind that is stuck");
        LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    }
}

/// Forgets those that have ended since.
fn reap() {
    let mut left = LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}
