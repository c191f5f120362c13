//! What a run tells: progress while it goes, one report at its end.

use crate::model::conflict::Conflict;
use crate::model::finding::{Note, Problem};
use crate::model::path::RelPath;
use crate::model::plan::Action;
use crate::model::side::{Direction, PerSide, Side};
pub use crate::roots::identity::Way;

use std::path::PathBuf;

/// Told while a run goes on. Numbers are running totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Waiting for another run's lock or for a root to come back.
    Waiting(WaitingFor),
    /// Entries seen so far.
    Looking { seen: PerSide<u64> },
    /// The plan stands: what is to be done.
    Planned { to: PerSide<Work> },
    /// Done so far.
    Doing { done: PerSide<Work> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    Lock,
    Root(Side),
}

/// An amount of work at one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Paths written, touched, renamed or deleted.
    pub paths: u64,
    /// Files among them whose content is copied.
    pub files: u64,
    pub bytes: u64,
}

/// How a run ended; several may apply, the exit code is the first of its order in `cli::exit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, with whatever conflicts, problems and held deletes the report lists.
    Done,
    /// A conflict, and the policy was to abort: nothing was written.
    Aborted,
    /// A guard said no; nothing was changed.
    Refused(Refusal),
    /// A root was not reachable in time; what is missing stays pending.
    Offline { side: Side, message: String },
    /// Another process holds the lock and did not let go in time.
    Busy { holder: String },
    /// Ended by a signal; what was done is recorded.
    Interrupted,
}

/// Why nothing was done. Each names what stays safe; the advice is added by the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A marker that is missing, of another root, of an older generation, or of another pair.
    Identity { side: Side, message: String, way: Way },
    /// Both sides hold more than 10 files and fewer than half of the paths are on both with equal size.
    MostlyDifferent { only_staging: u64, only_network: u64, equal: u64, different: u64 },
    /// The run needs more room than there is.
    Space { side: Side, needed: u64, free: u64 },
    /// The disk of the pair's state folder has no room for what a run writes down.
    StateFull { path: PathBuf, free: u64 },
    /// A root inside or around another, both the same, or no folder.
    Roots { message: String },
    /// A root cannot be written and the direction needs it.
    ReadOnly { side: Side },
}

/// Counts of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub written_files: u64,
    pub written_folders: u64,
    pub written_links: u64,
    pub written_bytes: u64,
    pub metadata: u64,
    pub renamed: u64,
    pub deleted_files: u64,
    pub deleted_folders: u64,
    pub adopted: u64,
    pub revived: u64,
}

impl Counts {
    pub fn add(&mut self, more: &Counts) {
        let Counts { written_files, written_folders, written_links, written_bytes, metadata, renamed, .. } = more;
        self.written_files += written_files;
        self.written_folders += written_folders;
        self.written_links += written_links;
        self.written_bytes += written_bytes;
        self.metadata += metadata;
        self.renamed += renamed;
        self.deleted_files += more.deleted_files;
        self.deleted_folders += more.deleted_folders;
        self.adopted += more.adopted;
        self.revived += more.revived;
    }
}

/// The end of a `sync`.
#[derive(Clone, Debug)]
pub struct Report {
    pub pair: String,
    pub direction: Direction,
    pub dry_run: bool,
    pub outcome: Outcome,
    /// For a dry run: what would have been.
    pub counts: Counts,
    /// Deletes that the mass-delete guard held, with their numbers and top folders.
    pub held: Option<Held>,
    pub conflicts: Vec<Conflict>,
    /// Where the network root keeps a copy of staging's version of a conflict: the conflict's path, the copy's.
    pub copies: Vec<(RelPath, RelPath)>,
    pub problems: Vec<Problem>,
    pub notes: Vec<Note>,
    /// Changes left for another run, by the side that holds them.
    pub pending: PerSide<u64>,
    /// Paths that were looked at and are not in step: in conflict, with a problem, held. Who watches looks at them again.
    pub unfinished: Vec<RelPath>,
    /// Entries looked at.
    pub scanned: PerSide<u64>,
    pub elapsed_ms: u64,
    /// The actions, where they were asked for.
    pub actions: Vec<Action>,
}

impl Report {
    /// Where the network root keeps a copy of staging's version of the conflict at `path`.
    pub fn copy_of(&self, path: &RelPath) -> Option<&RelPath> {
        self.copies.iter().find(|(at, _)| at == path).map(|(_, copy)| copy)
    }
}

/// Deletes that wait for a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub side: Side,
    pub files: u64,
    pub folders: u64,
    /// Files in the base, for the share.
    pub of_files: u64,
    /// The folders that lose most, with how many files.
    pub top: Vec<(RelPath, u64)>,
    /// Why they are held.
    pub why: String,
}
