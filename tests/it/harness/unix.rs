//! What only Unix has: users, modes, names of any bytes, and strace.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::{Ended, World};

/// The user that owns nothing.
pub(crate) const NOBODY: u32 = 65_534;

/// Folders made for networks lie with the others.
pub(crate) fn place_of_networks() -> Option<PathBuf> {
    None
}

pub(super) fn real_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).expect("its real path")
}

/// The environment of a user who has nothing but a home.
pub(super) fn surround(command: &mut Command, home: &Path) {
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).env("LC_ALL", "C");
}

pub(super) fn run_as(command: &mut Command, user: u32) {
    command.uid(user).gid(user);
}

pub(super) fn signal(status: ExitStatus) -> i32 {
    status.signal().expect("a signal where there is no code")
}

impl World {
    /// From now on everything here belongs to an ordinary user and the program runs as one. Where the tests do not run
    /// as root they are that user already.
    pub(crate) fn as_nobody(&mut self) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let top = self.top();
        let program = top.join("driftless");
        // The build folder may not be open to everybody.
        fs::copy(&self.program, &program).expect("a copy of the program");
        self.program = program;
        self.user = Some(NOBODY);
        self.give_away(&top);
    }

    /// Everything below `path` belongs to the user that the program runs as.
    pub(crate) fn give_away(&self, path: &Path) {
        let Some(user) = self.user else { return };
        std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("a new owner");
        let is_folder = fs::symlink_metadata(path).expect("its kind").is_dir();
        for entry in is_folder.then(|| fs::read_dir(path).expect("a listing")).into_iter().flatten() {
            self.give_away(&entry.expect("an entry").path());
        }
    }

    /// The program on this world's two roots under strace, which does as `how` says.
    pub(crate) fn traced(&self, how: &[&str], arguments: &[&str]) -> Command {
        let plain = self.command(&self.top(), &self.arguments(arguments));
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null"]).args(how).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(self.top()).env_clear().stdin(Stdio::null());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Runs the program until before the call of that number, of all that `how` leaves; `false` where it made fewer.
    pub(crate) fn killed_at(&self, arguments: &[&str], calls: &str, number: u32, how: &[&str]) -> bool {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:signal=KILL:when={number}"));
        let how = [&["-e", &trace, "-e", &inject], how].concat();
        let ended = Ended::of(self.traced(&how, arguments).output().expect("strace starts"));
        assert!([-9, 0, 6].contains(&ended.code), "{ended}");
        ended.code == -9
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// A path below `folder` by its bytes.
pub(crate) fn below(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// Tests that need root or a mount ask this; where it is not to be had, they say so.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: not root");
    }
    root
}
