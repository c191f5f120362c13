//! What a run has to say about single paths: problems (one path, the rest goes on), conflicts and notes.

use super::path::RelPath;
use super::side::Side;

/// Why a path could not be synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// No right to read, list or write.
    Permission,
    /// Open for writing, still growing, or changed while it was copied.
    Busy,
    /// The target cannot hold the name, the link or the kind.
    NotRepresentable,
    /// The place is taken by something that is not synchronised.
    Taken,
    /// Could not be listed or read: present or not, we could not see.
    Unreadable,
    /// No room for this file.
    Full,
    /// Any other error of the file system.
    Io,
}

impl ProblemKind {
    /// The word that reports and the manifest use.
    pub fn word(self) -> &'static str {
        match self {
            ProblemKind::Permission => "permission",
            ProblemKind::Busy => "busy",
            ProblemKind::NotRepresentable => "not_representable",
            ProblemKind::Taken => "taken",
            ProblemKind::Unreadable => "unreadable",
            ProblemKind::Full => "full",
            ProblemKind::Io => "io",
        }
    }
}

/// One path that could not be synchronised; it stays pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: RelPath,
    pub side: Side,
    pub kind: ProblemKind,
    /// A sentence without the path: what happened.
    pub message: String,
}

/// Something a user may want to know; changes no exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub path: RelPath,
    /// A sentence without the path.
    pub message: String,
}

impl Note {
    pub fn of(path: &RelPath, message: &str) -> Note {
        Note { path: path.clone(), message: message.to_owned() }
    }
}
