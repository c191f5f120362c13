//! How something with git fails. Texts of git come in redacted and tame (see [`super::words`]).

use std::io;

use crate::disk;

pub type Result<T> = std::result::Result<T, Error>;

/// A step that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no git, or it does not start.
    #[error("git cannot be started: {0}")]
    NoGit(#[source] io::Error),
    /// git ended with an error that has no kind of its own.
    #[error("git {verb}: {message}")]
    Git { verb: String, message: String },
    /// git gave no answer in time and was ended.
    #[error("git {verb} gave no answer for {seconds} s and was ended")]
    Silent { verb: String, seconds: u64 },
    /// The remote cannot be reached, or the connection broke: later it may work.
    #[error("the remote {remote} cannot be reached: {message}")]
    Unreachable { remote: String, message: String },
    /// The remote does not know us, or does not let us.
    #[error("the remote {remote} does not let us in: {message}")]
    Login { remote: String, message: String },
    /// The answer of git is not what this program knows.
    #[error("git {verb} answered something unknown: {message}")]
    Answer { verb: String, message: String },
    /// Nothing was changed, because of what was found. The second sentence says what to do.
    #[error("{message}")]
    Refused { message: String, advice: String },
    /// Another process is at work here.
    #[error("another process is at work in this repository: {holder}")]
    Busy { holder: String },
    /// Lost races, again and again, or a lock that somebody left there.
    #[error("others were at {remote} in the same moment each time, or left a lock there: {message}")]
    Outrun { remote: String, message: String },
    /// Somebody wrote to files while the work tree was about to be moved: another look is needed.
    #[error("files were written to while the work tree was about to be moved: {message}")]
    Stirred { message: String },
    /// Ctrl-C.
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    Disk(#[from] disk::Error),
}

impl Error {
    pub fn refused(message: impl Into<String>, advice: impl Into<String>) -> Error {
        Error::Refused { message: message.into(), advice: advice.into() }
    }

    /// May the same step work later, without anybody doing anything?
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Silent { .. } | Error::Outrun { .. })
    }
}
