//! A console of its own, without a window.
//!
//! Not without any: each program of the console that it starts (git, a hook) would open a window for itself. And with one a
//! program that it started can be asked to end.

use std::os::windows::process::CommandExt;
use std::process::Command;

use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

use crate::cli::settings::variable;

pub fn prepare(command: &mut Command) {
    keep_our_streams();
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    // A current folder cannot be removed, nor its drive taken off. The system's own stays anyway.
    if let Some(root) = variable("SystemRoot") {
        command.current_dir(root);
    }
}

/// What this program was given as its own streams can be inherited by every process that it starts: whoever reads our output to its
/// end would wait for the end of the one in the background, too.
fn keep_our_streams() {
    for which in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: the calls take a number and a handle of this process; one that is none is refused, and nothing depends on it.
        unsafe { SetHandleInformation(GetStdHandle(which), HANDLE_FLAG_INHERIT, 0) };
    }
}

/// It was started away from it.
pub fn leave_terminal() {}
