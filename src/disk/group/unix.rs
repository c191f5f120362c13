//! A process group, headed by the child: its number is the group's.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group};

pub struct Kin;

pub fn set_apart(command: &mut Command) {
    command.process_group(0);
}

pub fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    command
}

pub fn signal(status: ExitStatus) -> i32 {
    status.signal().unwrap_or_default()
}

pub fn was_killed(status: ExitStatus) -> bool {
    status.code().is_none()
}

impl Kin {
    pub fn of(_: &Child) -> Kin {
        Kin
    }

    /// Could it be asked?
    pub fn ask(&self, head: &Child) -> bool {
        kill_process_group(Pid::from_child(head), Signal::TERM).is_ok()
    }

    pub fn kill(&self, head: &mut Child) {
        let _ = kill_process_group(Pid::from_child(head), Signal::KILL);
    }
}
