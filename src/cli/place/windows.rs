//! Folders of a user on Windows: in the part of the profile that stays on this machine.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::disk::local;

/// The variable below which they lie.
pub const HOME: &str = "LOCALAPPDATA";

pub fn state_folder(variable: &impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    Some(PathBuf::from(variable(HOME)?).join("driftless"))
}

/// No pair has a name that begins with a dot.
pub fn data_folder(variable: &impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    Some(state_folder(variable)?.join(".staging"))
}

/// A profile that lies on a share as a whole has no place on this machine.
pub fn spare() -> Option<PathBuf> {
    None
}

/// Windows tells the current folder by the letter and the case in which it was typed; pairs are known by their real paths. One
/// that is out of reach stays as it is.
pub fn settled(here: PathBuf) -> PathBuf {
    local::canonicalize(&here).unwrap_or(here)
}
