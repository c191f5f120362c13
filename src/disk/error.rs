//! Errors of single file operations, each with the operation and the path.

use std::io;

use serde::{Deserialize, Serialize};

use crate::model::shown::quoted;

pub type Result<T> = std::result::Result<T, Error>;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}: {source}", quoted(path))]
pub struct Error {
    /// A verb: "open", "rename", "list"…
    pub op: &'static str,
    /// The path below the root where known, else the name; for state files the whole path.
    pub path: String,
    pub kind: ErrorKind,
    #[source]
    pub source: io::Error,
}

/// What callers branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// ENOENT.
    Absent,
    /// EEXIST.
    Exists,
    /// EACCES, EPERM.
    Denied,
    /// EBUSY, ETXTBSY, EAGAIN; a sharing violation.
    Busy,
    /// ENOSPC, EDQUOT.
    Full,
    /// EROFS.
    ReadOnly,
    /// The root is not reachable: ENOTCONN, EHOSTDOWN, EHOSTUNREACH, ETIMEDOUT, ESTALE, ENETUNREACH, ENETDOWN, EIO on
    /// a remote root…: wait, do not blame the path.
    Gone,
    NotEmpty,
    /// ENAMETOOLONG, EILSEQ, EINVAL for a name: the file system cannot hold it.
    BadName,
    /// ENOTDIR, EISDIR.
    WrongKind,
    /// ELOOP, EXDEV from a lookup beneath the root: a link or a mount is in the way.
    Barred,
    /// ENOSYS, EOPNOTSUPP, EXDEV from a rename.
    Unsupported,
    /// EIO on a local root, and everything else.
    Other,
}

impl Error {
    pub fn new(op: &'static str, path: impl ToString, kind: ErrorKind, source: io::Error) -> Error {
        Error { op, path: path.to_string(), kind, source }
    }
}
