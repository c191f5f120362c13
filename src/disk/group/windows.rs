//! A job, with the child and all that it starts from then on in it; and a process group, which is for events of the console
//! alone.
//!
//! RACE: what the child starts before it is in its job stays outside. The worst is a program that outlives the end of the rest.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::ptr;

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::JobObjects::{AssignProcessToJobObject, CreateJobObjectW, TerminateJobObject};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// The exit code of what is killed, as of a process that `taskkill` ends.
const KILLED: u32 = 1;

/// All that a child started. Closing it ends nobody: what a child leaves running on purpose goes on.
pub struct Kin(Option<OwnedHandle>);

pub fn set_apart(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// `cmd` reads the rest of its own command line by rules of its own, so the line goes to it as it is: after `/S` it takes away the
/// outer quotes alone.
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd.exe");
    command.raw_arg("/D /S /C").raw_arg(format!("\"{line}\""));
    command
}

/// There are none.
pub fn signal(_: ExitStatus) -> i32 {
    0
}

/// A crash, or the end by Ctrl-C, has a system error for its code; those are below 0.
pub fn was_killed(status: ExitStatus) -> bool {
    status.code().is_none_or(|code| code < 0)
}

impl Kin {
    /// A job with this child in it. Where Windows makes none (the child has ended), the child stands alone.
    pub fn of(head: &Child) -> Kin {
        // SAFETY: without attributes and a name; the handle is new, or null.
        let job = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if job.is_null() {
            return Kin(None);
        }
        // SAFETY: the handle was just made and is nobody else's.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        // SAFETY: both handles are open: the job's is ours, the process's is the child's.
        let taken = unsafe { AssignProcessToJobObject(job.as_raw_handle(), head.as_raw_handle()) };
        Kin((taken != 0).then_some(job))
    }

    /// Asks by Ctrl-Break. Without a console that we share, nobody can be asked.
    pub fn ask(&self, head: &Child) -> bool {
        // SAFETY: the call takes numbers only. The child was not waited for, so that its number is its own.
        unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, head.id()) != 0 }
    }

    pub fn kill(&self, head: &mut Child) {
        if let Some(job) = &self.0 {
            // SAFETY: the handle is open and ours.
            unsafe { TerminateJobObject(job.as_raw_handle(), KILLED) };
        }
        // It has ended, or was in no job.
        let _ = head.kill();
    }
}
