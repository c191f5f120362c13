//! What Windows has instead.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Under Wine there is a network drive: network folders are made there, so that every test has a staging folder on one drive and
/// a network folder on another.
pub(crate) fn place_of_networks() -> Option<PathBuf> {
    let drive = PathBuf::from(r"N:\");
    std::env::var_os("WINEPREFIX")?;
    assert!(drive.is_dir(), "`scripts/windows` gives Wine a network drive N:");
    Some(drive)
}

/// As people write it: the program tells no path with a prefix.
pub(super) fn real_path(path: &Path) -> PathBuf {
    std::path::absolute(path).expect("its whole path")
}

/// What a program cannot do without: sockets are looked for below `SystemRoot`.
pub(super) fn surround(command: &mut Command, home: &Path) {
    for name in ["SystemRoot", "SystemDrive", "PATH", "PATHEXT", "COMSPEC", "TEMP", "TMP", "WINEPREFIX"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("USERPROFILE", home).env("LOCALAPPDATA", home.join("Local")).env("APPDATA", home.join("Roaming"));
}

pub(super) fn run_as(_: &mut Command, _: u32) {
    unreachable!("nobody becomes another user here");
}

pub(super) fn signal(status: ExitStatus) -> i32 {
    unreachable!("every process has a code here, not {status}");
}
