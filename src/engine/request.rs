//! What a run is asked to do, and where.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::store::Kept;
use crate::model::conflict::{Policies, Policy};
use crate::model::path::RelPath;
use crate::model::side::{Direction, Side};
use crate::model::target::Target;
use crate::model::time::Time;
use crate::roots::reach::Reach;

/// Where a pair lives on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    /// The pair's folder below the state folder: manifest and `pair.toml`.
    pub state: PathBuf,
    pub staging: PathBuf,
    pub network: PathBuf,
    /// The other pairs of this machine, whose roots this one may not touch.
    pub others: Vec<Known>,
}

/// Another pair of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub staging: PathBuf,
    pub network: PathBuf,
}

/// One `sync`.
#[derive(Clone, Debug)]
pub struct Request {
    pub direction: Direction,
    /// Limits the run to these subtrees; empty is everything.
    pub paths: Vec<RelPath>,
    /// Limits the run to what may have changed, where somebody watches; `None`: nobody does.
    pub hints: Option<Vec<Target>>,
    /// Writes nowhere, the manifest and the markers included.
    pub dry_run: bool,
    pub policies: Policies,
    /// The policies were given for this very run, so that they hold at a first sync too.
    pub policies_by_flag: bool,
    /// This side's version counts at every path asked for, whatever the other side did.
    pub take: Option<Side>,
    pub deletes: Deletes,
    /// Read every file on both sides, whatever its stamp says.
    pub verify: bool,
    /// Equal size and mtime (finer than 1 s) count as equal content where both sides meet for the first time.
    pub trust_times: bool,
    /// How long an unreachable root or a held lock is waited for.
    pub wait: Duration,
    /// Answers the first-sync question.
    pub yes: bool,
    /// Ask for the list of actions in the report.
    pub list_actions: bool,
    /// Bring the trash within its limits.
    pub tidy: bool,
    /// Try files that are still being written to at once, instead of waiting until they were quiet.
    pub insist: bool,
}

impl Request {
    /// Everything as it is without a flag.
    pub fn plain(direction: Direction) -> Request {
        Request {
            direction,
            paths: Vec::new(),
            hints: None,
            dry_run: false,
            policies: Policies::all(Policy::Hold),
            policies_by_flag: false,
            take: None,
            deletes: Deletes::Guarded,
            verify: false,
            trust_times: false,
            wait: Duration::ZERO,
            yes: false,
            list_actions: false,
            tidy: true,
            insist: false,
        }
    }

    /// A run over everything.
    pub fn is_whole(&self) -> bool {
        self.paths.is_empty() && self.hints.is_none()
    }

    /// Where to look; `None` is everywhere.
    pub fn targets(&self) -> Option<Vec<Target>> {
        let asked = || self.paths.iter().cloned().map(Target::tree).collect();
        self.hints.clone().or_else(|| (!self.paths.is_empty()).then(asked))
    }
}

/// What a mass delete may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// Held by the guard.
    #[default]
    Guarded,
    /// A mass waits since then, and this run does not look at the whole of it: all are held, unless an answer came meanwhile.
    Held { since: Time },
    /// `--allow-deletes`: this run's deletes go through.
    Allow,
    /// `--restore-deletes`: the other side's copies are written back.
    Restore,
}

/// Settings of a pair that the engine uses; resolved by the command line.
#[derive(Clone, Debug)]
pub struct Options {
    pub durability: Durability,
    /// Patterns of the user besides those of the network root's `driftless.toml`, in `.gitignore` syntax.
    pub ignore: Vec<String>,
    /// Patterns of files that programs only append to; `None`: as the network root's `driftless.toml` says, else [`APPEND`].
    pub append: Option<Vec<String>>,
    /// Patterns of large files of the network root that may be written into where they stand.
    pub in_place: Vec<String>,
    /// Patterns of folders that are carried whole or not at all; `None`: as `driftless.toml` says, else [`WHOLE`].
    pub whole: Option<Vec<String>>,
    /// Bytes the trash of a root may hold; `None`: 5 % of its file system, at most 20 GiB.
    pub trash_max: Option<u64>,
    /// Age after which a trashed version goes.
    pub trash_age: Duration,
    /// Bytes that a run leaves free on a root's file system.
    pub reserve: u64,
    /// Bytes of the largest version of staging that a held conflict is copied of to the network root.
    pub conflict_copy_max: u64,
    /// Workers; `None`: by the machine and the roots.
    pub threads: Option<usize>,
    /// How roots that may hang are asked.
    pub reach: Reach,
    /// Who watches the roots.
    pub watched: Watched,
}

/// Somebody who watches the roots and is told of each folder just before it is listed, so that nothing that happens in it after
/// that goes unseen.
#[derive(Clone, Default)]
pub struct Watched {
    pub entering: Option<Arc<Entering>>,
    pub kept: Kept,
}

/// Told of a folder of a side.
pub type Entering = dyn Fn(Side, &RelPath) + Send + Sync;

impl Watched {
    pub fn enter(&self, side: Side, path: &RelPath) {
        if let Some(entering) = &self.entering {
            entering(side, path);
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.entering.is_some() { "watched" } else { "not watched" })
    }
}

/// `append` where nobody says anything else; separated by commas.
pub const APPEND: &str = "*.log,*.out,*.err,.workflow_logs/**";
/// `whole` where nobody says anything else.
pub const WHOLE: &str = ".git";

/// When a written file counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Flushed to the disk before the base says so.
    #[default]
    Full,
    /// As the operating system likes: for staging folders that can be thrown away.
    None,
}
