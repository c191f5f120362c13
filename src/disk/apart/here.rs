//! On Windows: questions about a share are asked by this process. The redirector gives up by itself on a server that does
//! not answer, so that nothing is stuck without end.

use std::ffi::OsStr;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

use super::Patience;
use crate::disk::{self, Chain, Result, Root, local};

/// Asks about paths on one share, and opens roots there.
pub struct Asking(());

impl Asking {
    /// How long an answer may take is up to the system.
    pub fn new(_patience: Patience) -> Asking {
        Asking(())
    }

    /// As [`local::real_path`].
    pub fn real_path(&self, path: &Path) -> Result<PathBuf> {
        Ok(local::real_path(path))
    }

    /// As [`local::canonicalize`].
    pub fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        local::canonicalize(path)
    }

    /// The target of a link; `None` for everything else.
    pub fn link_target(&self, path: &Path) -> Result<Option<PathBuf>> {
        Ok(local::link_target(path))
    }

    pub fn is_folder(&self, path: &Path) -> Result<bool> {
        Ok(local::is_folder(path))
    }

    pub fn is_taken(&self, path: &Path) -> Result<bool> {
        Ok(local::is_taken(path))
    }

    /// As [`local::Lock::is_held`].
    pub fn is_locked(&self, path: &Path) -> Result<Option<bool>> {
        Ok(local::Lock::is_held(path))
    }

    /// As [`local::chain`].
    pub fn chain(&self, path: &Path) -> Result<Chain> {
        local::chain(path)
    }

    /// As [`local::read_text`].
    pub fn read_text(&self, path: &Path, limit: u64) -> Result<Option<String>> {
        local::read_text(path, limit)
    }

    /// As [`disk::open_root`].
    pub fn open_root(&self, path: &Path, remote: bool) -> Result<Arc<dyn Root>> {
        disk::open_root(path, remote)
    }
}

/// A second process of this program with `words`, to be started, without a window. It is in a group of its own: Ctrl-C is for
/// us alone, who may still have to put things in order through it.
pub fn second(words: &[&OsStr]) -> std::io::Result<Command> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    // A process keeps the folder that it stands in from being removed; nobody removes the program's while it runs.
    command.current_dir(program.parent().unwrap_or(Path::new("\\")));
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null()).creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    Ok(command)
}
