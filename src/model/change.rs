//! What one side changed since the base.

use super::entry::{Base, Entry, Kind};
use super::listing::Seen;
use super::side::Side;

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

/// How far two entries are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The coarser granularity of both roots, in nanoseconds.
    pub granularity_ns: i64,
    /// Both roots keep permission bits.
    pub modes: bool,
}

/// What `side` changed at one path.
///
/// A file of the base's size without a digest counts as modified: who emits it has read it or says that it is unknown.
pub fn change_of(base: Option<&Base>, seen: &Seen, side: Side, compare: Compare) -> Change {
    let (found, base) = match (seen, base) {
        (Seen::Unknown(_), _) => return Change::Unknown,
        (Seen::Absent | Seen::Ignored(_), None) => return Change::None,
        (Seen::Absent | Seen::Ignored(_), Some(_)) => return Change::Deleted,
        (Seen::There(_), None) => return Change::Created,
        (Seen::There(found), Some(base)) => (found, base),
    };
    if !base.holds(side, &found.entry) {
        return Change::Modified;
    }
    let touched = mtime_changed(base, &found.entry, side, compare) || mode_changed(base, &found.entry, compare);
    if touched { Change::Metadata } else { Change::None }
}

/// A folder's time is never compared. The side's own last time is what counts: servers round and restamp.
pub fn mtime_changed(base: &Base, entry: &Entry, side: Side, compare: Compare) -> bool {
    entry.kind() != Kind::Folder && !entry.mtime.near(base.mtime_at(side), compare.granularity_ns)
}

/// A link has no mode of its own.
pub fn mode_changed(base: &Base, entry: &Entry, compare: Compare) -> bool {
    compare.modes && entry.kind() != Kind::Link && entry.mode != base.entry.mode
}
