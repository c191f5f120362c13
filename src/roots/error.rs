//! Errors of the roots room.

use std::io;

use crate::disk;
use crate::model::shown::quoted;

pub type Result<T> = std::result::Result<T, Error>;

/// What keeps a root from being used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// `.driftless` is a link, a file or another mount: following it would leave the root.
    #[error("`.driftless` in the root is not a folder of its own ({0}); nothing was written there")]
    NotOurs(disk::Error),
    #[error("the marker `.driftless/root.toml` cannot be believed: {0}")]
    BadMarker(String),
    #[error("the root is not the one that was opened: its marker {0}")]
    Swapped(&'static str),
    #[error("cannot find out where {} is mounted: {source}", quoted(path))]
    Mounts {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the system gives no random numbers: {0}")]
    Random(io::Error),
}

impl Error {
    /// What callers branch on, where it came from the disk.
    pub fn kind(&self) -> Option<disk::ErrorKind> {
        match self {
            Error::Disk(error) | Error::NotOurs(error) => Some(error.kind),
            _ => None,
        }
    }

    /// The root cannot be reached: wait for it, and believe nothing that was measured meanwhile.
    pub fn is_gone(&self) -> bool {
        self.kind() == Some(disk::ErrorKind::Gone)
    }
}
