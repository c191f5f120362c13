//! Look at both roots beside the base, folder by folder and in parallel, and keep only what may differ.
//!
//! Invariants. A folder counts only with a complete listing; one that could not be listed is unknown, and nothing
//! below it is looked at on either side. Files are opened only where no stamp can vouch. What is kept follows the
//! changes; the rest of a folder's listing is dropped with the folder. Nothing is written.

mod database;
mod folder;
mod read;
mod walk;

pub use read::{Reading, barred, digest_of};
pub use walk::scan;

use crate::disk::{self, Root};
use crate::model::digest::Digest;
use crate::model::entry::Stamp;
use crate::model::ignore::Patterns;
use crate::model::listing::{Difference, FolderId, Listing, Row};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::model::target::Target;
use crate::model::traits::Traits;
use crate::model::vouch::Effort;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// The base as one worker reads it.
pub trait BaseReader: Send {
    fn folder(&mut self, folder: FolderId) -> Result<Listing<Row>, String>;
    fn find(&mut self, path: &RelPath) -> Result<Option<Row>, String>;
    /// The digest that a base which was given up holds for a file that shows `stamp` at `side` now; `None` where that
    /// stamp does not vouch for it under `traits`. It saves reading the file, and decides nothing else.
    fn vouched(&mut self, path: &RelPath, side: Side, stamp: &Stamp, traits: &Traits) -> Result<Option<Digest>, String>;
}

/// What to look at, and how.
pub struct Scope<'a> {
    pub roots: &'a PerSide<Arc<dyn Root>>,
    pub traits: &'a PerSide<Traits>,
    pub patterns: &'a Patterns,
    /// The patterns are those of the run that wrote the base: what is in the base need not be matched again.
    pub patterns_unchanged: bool,
    /// Others have synchronised these roots since the base was written: it counts only where a stamp vouches.
    pub stale_base: bool,
    /// This side is out of reach: it is taken to hold what the base says, and is not asked.
    pub from_base: Option<Side>,
    pub effort: Effort,
    /// Where to look; `None` is everywhere.
    pub targets: Option<&'a [Target]>,
    /// The targets are hints: where a folder above one is not on both sides any more, or not yet, that is looked at instead.
    pub hints: bool,
    /// Told of each folder of a side just before it is listed, so that whoever watches it misses nothing after that.
    pub entering: &'a (dyn Fn(Side, &RelPath) + Sync),
    /// Workers.
    pub threads: usize,
    pub stop: &'a AtomicBool,
    /// Entries seen so far, for whoever shows progress.
    pub seen: &'a PerSide<AtomicU64>,
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Sight {
    /// In path order, each path once.
    pub differences: Vec<Difference>,
    /// Paths whose rows of a stale base were not believed.
    pub disowned: Vec<RelPath>,
    /// Where the targets led; `None` is everywhere.
    pub looked_at: Option<Vec<Target>>,
    /// Folders in which a temporary file of this program lies: for the run that cleans up.
    pub leftovers: PerSide<Vec<RelPath>>,
}

/// Why there is no [`Sight`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the {side} root cannot be reached: {source}")]
    Gone { side: Side, source: disk::Error },
    #[error("the manifest cannot be read: {0}")]
    Base(String),
    /// A folder of the base lies in itself, or in two folders that are nowhere else.
    #[error("the base leads to one folder twice, the second time at {0}")]
    Circle(RelPath),
    #[error("stopped")]
    Stopped,
}
