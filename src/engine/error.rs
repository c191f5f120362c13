//! Why a command came to no report.

use super::report::Refusal;
use crate::disk;
use crate::manifest;
use crate::model::ignore::BadPattern;
use crate::model::shown::quoted;
use crate::model::side::Side;
use crate::roots;

use std::sync::atomic::{AtomicBool, Ordering};

/// What ends a command; each says which path it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    #[error(transparent)]
    Disk(#[from] disk::Error),
    #[error("{0}")]
    Base(String),
    #[error("the {side} root: {source}")]
    Root { side: Side, source: roots::Error },
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// Nothing was changed.
    #[error("{}", .0.sentence())]
    Refused(Refusal),
    /// The root is not reachable.
    #[error("the {side} root cannot be reached: {message}")]
    Offline { side: Side, message: String },
    #[error("another run is at work: {holder}")]
    Busy { holder: String },
    #[error("stopped")]
    Stopped,
    #[error("{0}")]
    NoSuchRun(String),
    #[error("the settings shared by {} cannot be used: {message}", quoted(path))]
    Shared { path: String, message: String },
}

/// What the command line branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    Failed,
    Refused,
    Offline,
    Busy,
    Stopped,
}

impl Error {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Refused(_) => ErrorKind::Refused,
            Error::Offline { .. } => ErrorKind::Offline,
            Error::Busy { .. } => ErrorKind::Busy,
            Error::Stopped => ErrorKind::Stopped,
            _ => ErrorKind::Failed,
        }
    }

    /// The manifest is damaged: the base cannot be believed.
    pub fn is_damage(&self) -> bool {
        matches!(self, Error::Manifest(error) if error.is_damage())
    }

    /// Who asks to stop while a root gives no answer is told of the stop.
    pub(super) fn unless_stopped(self, stop: &AtomicBool) -> Error {
        match self {
            Error::Offline { .. } if stop.load(Ordering::Relaxed) => Error::Stopped,
            other => other,
        }
    }

    /// An error of a root: out of reach, or a reason to stop.
    pub(super) fn at(side: Side) -> impl Fn(roots::Error) -> Error {
        move |source| {
            if source.is_gone() { Error::Offline { side, message: source.to_string() } } else { Error::Root { side, source } }
        }
    }

    pub(super) fn disk_at(side: Side) -> impl Fn(disk::Error) -> Error {
        move |source| match source.kind {
            disk::ErrorKind::Gone => Error::Offline { side, message: source.to_string() },
            _ => Error::Root { side, source: source.into() },
        }
    }
}

impl Refusal {
    /// One sentence, without advice.
    pub fn sentence(&self) -> String {
        match self {
            Refusal::Identity { side, message, .. } => format!("the {side} root is not the one that was paired: {message}"),
            Refusal::MostlyDifferent { only_staging, only_network, equal, different } => format!(
                "the two folders look like different projects: {equal} files are on both sides with equal size, {different} with \
                 another size, {only_staging} only in staging, {only_network} only on the network"
            ),
            Refusal::Space { side, needed, free } => {
                format!("the {side} root has {free} bytes free and the run needs {needed}")
            }
            Refusal::StateFull { path, free } => {
                format!(
                    "the disk with the records of this pair, {}, has {free} bytes free, which is too little to keep them",
                    quoted(path)
                )
            }
            Refusal::Roots { message } => message.clone(),
            Refusal::ReadOnly { side } => format!("the {side} root cannot be written"),
        }
    }
}
