//! Folders of a user on Unix, by the XDG rules.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::disk::local;

/// The variable below which they lie.
pub const HOME: &str = "HOME";

pub fn state_folder(variable: &impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    let below_home = || Some(PathBuf::from(variable("HOME")?).join(".local/state"));
    Some(absolute(variable("XDG_STATE_HOME")).or_else(below_home)?.join("driftless"))
}

pub fn data_folder(variable: &impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    let below_home = || Some(PathBuf::from(variable("HOME")?).join(".local/share"));
    Some(absolute(variable("XDG_DATA_HOME")).or_else(below_home)?.join("driftless/staging"))
}

/// A relative path there is left out.
fn absolute(path: Option<OsString>) -> Option<PathBuf> {
    path.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A folder of this user on this machine's own disk, which outlives a reboot.
pub fn spare() -> Option<PathBuf> {
    Some(PathBuf::from(format!("/var/tmp/driftless-{}", local::user_id())))
}

/// The system tells the current folder without links.
pub fn settled(here: PathBuf) -> PathBuf {
    here
}
