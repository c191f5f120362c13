//! Signals, and an end that is noticed without taking it away.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// The code of a command that was killed.
pub const KILLED: u8 = 128 + 9;

/// What else has to be known of a command to end it.
pub struct Reach;

impl Reach {
    pub fn of(_: &Child) -> Reach {
        Reach
    }

    /// It is there: nobody has reaped it. What may not be signalled (a program with more rights) is left alone.
    pub fn pass_on(&self, child: &Child, number: i32) {
        if let Some(signal) = Signal::from_named_raw(number) {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    pub fn ask(&self, child: &Child) {
        self.pass_on(child, Signal::TERM.as_raw());
    }

    pub fn kill(&self, child: &mut Child) {
        self.pass_on(child, Signal::KILL.as_raw());
    }
}

/// Given a child, `over` closes when it has ended. It is not reaped then, so that its number stays its own.
pub fn notice_end() -> io::Result<(Begun, Receiver<()>)> {
    let (begun, child) = bounded::<Pid>(1);
    let (told, over) = bounded::<()>(1);
    // Not joined: a process that the kernel does not let go would keep it.
    std::thread::Builder::new().name("command".to_owned()).spawn(move || {
        let _until_over = told;
        let Ok(id) = child.recv() else { return };
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
    })?;
    Ok((Begun(begun), over))
}

/// To say which child it is.
pub struct Begun(Sender<Pid>);

impl Begun {
    pub fn say(&self, child: &Child) -> io::Result<()> {
        self.0.send(Pid::from_child(child)).expect("the thread waits for it");
        Ok(())
    }
}

/// The command takes this process over.
///
/// # Errors
/// That it could not be started: it comes back with nothing else.
pub fn become_the_command(command: &mut Command) -> io::Error {
    command.exec()
}

pub fn code(status: ExitStatus) -> u8 {
    let by_signal = || 128_i32.saturating_add(status.signal().unwrap_or_default());
    u8::try_from(status.code().unwrap_or_else(by_signal)).unwrap_or(u8::MAX)
}
