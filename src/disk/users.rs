//! Which processes work below a folder, as far as the system tells this user.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::path::PathBuf;

#[cfg(unix)]
pub use unix::users_below;
#[cfg(windows)]
pub use windows::users_below;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub process: u32,
    /// Its command's name.
    pub name: String,
    /// A file that it has open, or a folder that it stands in or has mounted.
    pub at: PathBuf,
}
