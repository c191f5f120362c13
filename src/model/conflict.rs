//! Conflicts and what may be done about them.

use super::listing::Seen;
use super::path::RelPath;
use super::plan::Why;

/// What a run does with a conflicted path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Touch neither side until somebody decides.
    #[default]
    Hold,
    /// Any conflict stops the run before its first write.
    Abort,
}

/// Both sides hold versions that the base does not know; reported once, at the topmost path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub path: RelPath,
    pub why: Why,
    pub staging: Seen,
    pub network: Seen,
}
