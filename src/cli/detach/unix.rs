//! A session of its own.

use std::process::Command;

pub fn prepare(command: &mut Command) {
    command.current_dir("/");
}

/// Ends with no terminal, and is not ended with one.
pub fn leave_terminal() {
    // It leads a session of its own already.
    let _ = rustix::process::setsid();
}
