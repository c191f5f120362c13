//! How a check or a rebuild of a container fails.

use crate::{disk, docker};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] docker::Error),
    /// There is no compose, or it does not start.
    #[error("compose cannot be started: {0}")]
    NoCompose(String),
    /// Compose ended with an error. Its last words, tame.
    #[error("`{command}` failed: {message}")]
    Compose { command: String, message: String },
    #[error("`{command}` was not done within {seconds} s and was ended")]
    Silent { command: String, seconds: u64 },
    /// Nothing says which local files belong where in the container.
    #[error("{0}")]
    Unmapped(String),
    /// What was asked for does not fit to what is there.
    #[error("{0}")]
    Asked(String),
    /// Nothing was changed, because of what was found. The second sentence says what to do.
    #[error("{message}")]
    Refused { message: String, advice: String },
    /// A file that says what is compared cannot be understood.
    #[error("{path}: {message}")]
    Unreadable { path: String, message: String },
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// Ctrl-C.
    #[error("stopped")]
    Stopped,
}
