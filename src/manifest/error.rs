//! What can go wrong with a manifest.

use std::path::PathBuf;

use crate::disk;
use crate::sqlite;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Sqlite(#[from] sqlite::Error),
    /// Setting a damaged file aside failed.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// Written by a later version of the program; left as it is.
    #[error("the manifest {} has schema version {found}, this program knows versions up to {known}", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// A reader does not take the steps forward; the next open for writing does.
    #[error("the manifest {} has the old schema version {found}, the next sync brings it to version {known}", path.display())]
    Older { path: PathBuf, found: u32, known: u32 },
    /// Its digests cannot be compared with ours.
    #[error("the manifest {} holds digests of the kind {found:?}, this program makes {known:?}", path.display())]
    Algorithm { path: PathBuf, found: String, known: &'static str },
    /// Not a manifest, or its structure or a value in it is broken.
    #[error("the manifest {} is damaged: {message}", path.display())]
    Damaged { path: PathBuf, message: String },
    /// SQLite ended the batch by itself; nothing of it is kept.
    #[error("the batch in the manifest {} was rolled back", path.display())]
    BatchLost { path: PathBuf },
    /// A folder cannot move into itself.
    #[error("{from:?} cannot move to {to:?}, which lies in it")]
    MoveInto { from: String, to: String },
}

impl Error {
    /// The file is to be set aside ([`super::set_aside`]) and the base built anew.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::Sqlite(error) => error.kind == sqlite::ErrorKind::Damaged || is_senseless(&error.source),
            Error::Damaged { .. } => true,
            Error::Disk(_)
            | Error::Newer { .. }
            | Error::Older { .. }
            | Error::Algorithm { .. }
            | Error::BatchLost { .. }
            | Error::MoveInto { .. } => false,
        }
    }
}

/// What only a file that nobody like us wrote answers to questions that are always the same: no such table, no row where
/// there is always one, a key that is taken although it was never given.
fn is_senseless(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TypeMismatch, Unknown};
    match error {
        rusqlite::Error::SqlInputError { .. } | rusqlite::Error::QueryReturnedNoRows => true,
        rusqlite::Error::SqliteFailure(failure, _) => matches!(failure.code, ConstraintViolation | TypeMismatch | Unknown),
        _ => false,
    }
}
