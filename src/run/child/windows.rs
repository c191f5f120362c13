//! Windows has no signals. What the console tells, it tells the command as well; who does not heed it can only be killed, with
//! all that it started.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::process::{Child, Command, ExitStatus};

use crossbeam_channel::{Receiver, Sender, bounded};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};

use crate::disk::group::Kin;
use crate::disk::signals;

/// The code of a command that was killed.
pub const KILLED: u8 = 1;

/// What a program ends with that Ctrl-C or Ctrl-Break ended (`STATUS_CONTROL_C_EXIT`), and the code that shells have for it.
const BY_CTRL_C: (u32, u8) = (0xc000_013a, 130);

/// What else has to be known of a command to end it.
pub struct Reach(Kin);

impl Reach {
    pub fn of(child: &Child) -> Reach {
        Reach(Kin::of(child))
    }

    /// All that we hear comes from the console, which has told the command too.
    pub fn pass_on(&self, _: &Child, _: i32) {}

    /// It has heard two of the console by now, and there is no other way to ask.
    pub fn ask(&self, _: &Child) {}

    pub fn kill(&self, child: &mut Child) {
        self.0.kill(child);
    }
}

/// Given a child, `over` closes when it has ended.
pub fn notice_end() -> io::Result<(Begun, Receiver<()>)> {
    let (begun, child) = bounded::<OwnedHandle>(1);
    let (told, over) = bounded::<()>(1);
    // Not joined: a process that the system does not let go would keep it.
    std::thread::Builder::new().name("command".to_owned()).spawn(move || {
        let _until_over = told;
        let Ok(process) = child.recv() else { return };
        // SAFETY: the handle is open and ours.
        unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
    })?;
    Ok((Begun(begun), over))
}

/// To say which child it is.
pub struct Begun(Sender<OwnedHandle>);

impl Begun {
    pub fn say(&self, child: &Child) -> io::Result<()> {
        self.0.send(child.as_handle().try_clone_to_owned()?).expect("the thread waits for it");
        Ok(())
    }
}

/// No process takes another one over here: this one waits for the command, heeds nothing meanwhile, and ends with its code.
///
/// # Errors
/// That it could not be started: it comes back with nothing else.
pub fn become_the_command(command: &mut Command) -> io::Error {
    if let Err(error) = signals::hear(|_| {}) {
        return error;
    }
    match command.status() {
        Ok(status) => signals::end_now(status.code().unwrap_or(1).cast_unsigned()),
        Err(error) => error,
    }
}

/// Codes have 32 bits here, ours only eight: none that is not 0 becomes 0.
pub fn code(status: ExitStatus) -> u8 {
    let whole = status.code().unwrap_or(1).cast_unsigned();
    if whole == BY_CTRL_C.0 { BY_CTRL_C.1 } else { u8::try_from(whole).unwrap_or(u8::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::process::ExitStatusExt;

    #[test]
    fn no_failure_becomes_a_success() {
        for (whole, expected) in [(0, 0), (7, 7), (255, 255), (256, 255), (0xc000_0005, 255), (0xc000_013a, 130)] {
            assert_eq!(code(ExitStatus::from_raw(whole)), expected, "{whole:#x}");
        }
    }
}
