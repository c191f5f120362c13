//! A console of its own, without a window.
//!
//! Not without any: each program of the console that it starts (git, a hook) would open a window for itself. And with one a
//! program that it started can be asked to end.

use std::os::windows::process::CommandExt;
use std::process::Command;

use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

use crate::cli::settings::variable;

pub fn prepare(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    // A current folder cannot be removed, nor its drive taken off. The system's own stays anyway.
    if let Some(root) = variable("SystemRoot") {
        command.current_dir(root);
    }
}

/// It was started away from it.
pub fn leave_terminal() {}
