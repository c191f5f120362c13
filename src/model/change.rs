//! What one side changed since the base.

/// One side's difference from the base at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    None,
    Created,
    /// Content, link target or kind.
    Modified,
    /// Time or mode.
    Metadata,
    Deleted,
    /// Could not be seen: neither a change nor the absence of one.
    Unknown,
}

impl Change {
    /// The words of a reason.
    pub fn word(self) -> &'static str {
        match self {
            Change::None => "unchanged",
            Change::Created => "created",
            Change::Modified => "modified",
            Change::Metadata => "touched",
            Change::Deleted => "deleted",
            Change::Unknown => "unknown",
        }
    }
}
