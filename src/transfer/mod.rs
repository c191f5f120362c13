//! Carry out actions at the roots: stage, verify, replace, trash.
//!
//! Invariants. Content becomes visible by one rename of a complete temporary file, flushed where the user asked for
//! that. What a write displaces is kept in that side's trash and proven to be the version that the plan expected;
//! anything else is put back. A creation never replaces. Every visible step looks once more at what it expects. An
//! outcome is only reported as done when what it wrote is durable (as far as the user asked for that and the file
//! system can), so that the base may say so.

pub mod back;
pub mod blocks;
mod chunk;
mod copy;
mod database;
mod durable;
mod growth;
pub mod in_place;
mod keep;
pub mod partial;
mod place;
mod remove;
mod restamp;
mod snapshot;
mod structure;
#[cfg(test)]
mod tests;
pub mod trash;

pub use chunk::carry_chunk;
pub use durable::{Claim, flush_side, settle};
pub use keep::{Original, drop_copy, keep_copy};
pub use remove::delete_each;
pub use restamp::{Pending, restamp};
pub use snapshot::{Source, sweep as sweep_snapshots, would_send};
pub use structure::{Made, StructureEnd, carry_structure, finish_folders};

use crate::disk::clock::Moment;
use crate::disk::{self, ErrorKind, Root};
use crate::model::conflict::Conflict;
use crate::model::entry::{Base, Found, Stamp};
use crate::model::finding::{Note, Problem, ProblemKind};
use crate::model::ignore::Patterns;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Why};
use crate::model::side::{PerSide, Side};
use crate::model::traits::Traits;
use crate::model::vouch::{Clock, rests_in_ns};

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Everything a worker needs to carry out actions of one run.
pub struct Run<'a> {
    pub roots: &'a PerSide<Arc<dyn Root>>,
    pub traits: &'a PerSide<Traits>,
    /// The roots' own clocks when the run began, and our monotonic clock just after each was asked.
    pub clocks: PerSide<Clock>,
    pub asked: PerSide<Moment>,
    /// The run's folder below `.driftless/trash`.
    pub trash_name: Name,
    /// Eight hex digits for this machine and pair: the first part of temporary names.
    pub owner: u32,
    /// Flush before the base says so.
    pub flush: bool,
    /// The folder on this machine for records of large copies.
    pub partials: PathBuf,
    /// The folder on this machine for lists of large files' blocks.
    pub blocks: PathBuf,
    /// The folder on this machine for marks of files that are written into where they stand.
    pub marks: PathBuf,
    /// Files of the network root that have such a mark.
    pub half: HashSet<RelPath>,
    /// Files that programs only append to.
    pub append: &'a Patterns,
    /// Large files of the network root that may be written into where they stand.
    pub in_place: &'a Patterns,
    /// Folders that are carried as one.
    pub whole: &'a Patterns,
    pub stop: &'a AtomicBool,
    /// Called with bytes as they are copied.
    pub copied: &'a (dyn Fn(Side, u64) + Sync),
    /// A folder of this pair on a local disk, for copies of live databases; made where it is needed.
    pub scratch: PathBuf,
    pub trash_made: PerSide<Mutex<trash::Made>>,
}

/// What became of an action.
#[derive(Debug)]
pub struct Outcome {
    pub path: RelPath,
    pub why: Why,
    pub op: &'static str,
    pub side: Option<Side>,
    pub result: Ending,
}

#[derive(Debug)]
pub enum Ending {
    /// Done; the base learns `learnt`, and the side's trash holds what was displaced at `kept`.
    Done { learnt: Learnt, tally: Tally, kept: Option<RelPath> },
    /// This path could not be done; it stays pending.
    Problem(Problem),
    /// The file at `side` was written to during its copy, which took so long.
    Torn { side: Side, took: Duration },
    /// The path holds a version that nobody looked at: nothing was displaced.
    Conflict(Conflict),
    /// Left for the next run, with a word about it.
    Later(Note),
    /// A word about what is told as done by itself.
    Noted(Note),
}

/// What the base learns from an action.
#[derive(Debug)]
pub enum Learnt {
    /// The agreement comes with another action.
    Nothing,
    Put(Box<Base>),
    Forget,
    /// A rename: the rows move from there; `Put` for the path itself follows where it is a file.
    Moved {
        from: RelPath,
        base: Option<Box<Base>>,
    },
}

impl Learnt {
    /// What both sides hold now.
    pub fn base(&self) -> Option<&Base> {
        match self {
            Learnt::Put(base) | Learnt::Moved { base: Some(base), .. } => Some(base),
            Learnt::Nothing | Learnt::Forget | Learnt::Moved { base: None, .. } => None,
        }
    }
}

/// What an action adds to the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    File { bytes: u64, revived: bool },
    Folder { revived: bool },
    Link { revived: bool },
    Metadata,
    Renamed,
    DeletedFile,
    DeletedFolder,
}

/// The root itself failed: nothing more can be done there in this run.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    #[error("the {side} root cannot be reached: {source}")]
    Gone { side: Side, source: disk::Error },
    #[error("the {side} root does not keep what is written: {source}")]
    Failed { side: Side, source: disk::Error },
    #[error("no room is left on the {side} root")]
    Full { side: Side, source: disk::Error },
    #[error("stopped")]
    Stopped,
}

/// How one step failed, before it is sorted into a path's problem or the root's.
pub(crate) enum Failure {
    At(Side, disk::Error),
    /// Not as expected: who else wrote there keeps what they wrote.
    Unexpected(Seen),
    /// A sentence for a problem of this path.
    Path(Side, ProblemKind, String),
    /// The source at this side was written to while it was copied, for so long.
    Torn(Side, Duration),
    Stopped,
}

impl Run<'_> {
    /// The name of this run's temporary file for a path: always the same for one version of it.
    pub(crate) fn temp_name(&self, path: &RelPath, source: &Stamp) -> Name {
        temp_name(self.owner, path, source)
    }

    /// Does a step at a root wait for an answer from elsewhere?
    pub fn is_far(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.traits[side].remote)
    }

    /// The root's clock now, as far as our monotonic clock can carry it on.
    pub(crate) fn clock_now(&self, side: Side) -> Clock {
        let elapsed = i64::try_from(self.asked[side].elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.clocks[side].after(elapsed)
    }

    /// Never within a folder that is carried as one: who reads it may read at any moment.
    pub(crate) fn may_write_into(&self, path: &RelPath) -> bool {
        self.in_place.name_or_hold(path) && !self.whole.name_or_hold(path)
    }

    /// How long a stamp must rest before it can vouch; `None` where waiting for it would be felt.
    pub(crate) fn rest(&self, side: Side) -> Option<Duration> {
        let step = u64::try_from(self.traits[side].clock_step_ns).unwrap_or(0);
        Some(Duration::from_nanos(step + step / 4)).filter(|_| Duration::from_nanos(step) <= MOST_REST)
    }

    /// How long a stamp that was seen at `clock` has yet to rest before it can vouch, where that is ever waited for.
    pub(crate) fn missing_rest(&self, side: Side, stamp: &Stamp, clock: Clock) -> Option<Duration> {
        let missing = u64::try_from(rests_in_ns(stamp, &self.traits[side], clock)).ok()?;
        self.rest(side).map(|_| Duration::from_nanos(missing.saturating_add(1)))
    }
}

/// Files whose stamps need longer are read by the next look.
const MOST_REST: Duration = Duration::from_millis(50);

/// See [`Run::temp_name`].
fn temp_name(owner: u32, path: &RelPath, source: &Stamp) -> Name {
    let mut key = path.as_bytes().to_vec();
    key.extend_from_slice(&source.size.to_le_bytes());
    key.extend_from_slice(&source.mtime.0.to_le_bytes());
    let [a, b, c, d, ..] = crate::model::digest::of(&key).0;
    let text = format!(".dl~{owner:08x}-{:08x}", u32::from_be_bytes([a, b, c, d]));
    Name::new(text.as_bytes()).expect("hex digits make a name")
}

/// Sorts a failure into what the path reports; `Err` where the root itself is concerned.
pub(crate) fn ending(failure: Failure, path: &RelPath, why: Why, to: Side, from: Option<&Found>) -> Result<Ending, Halt> {
    let problem = |side, kind, message| Ok(Ending::Problem(Problem { path: path.clone(), side, kind, message }));
    match failure {
        Failure::Stopped => Err(Halt::Stopped),
        Failure::Torn(side, took) => Ok(Ending::Torn { side, took }),
        Failure::Path(side, kind, message) => problem(side, kind, message),
        Failure::Unexpected(there) => {
            let brought = from.map_or(Seen::Absent, |found| Seen::There(Box::new(found.clone())));
            let (staging, network) = if to == Side::Staging { (there, brought) } else { (brought, there) };
            Ok(Ending::Conflict(Conflict { path: path.clone(), why, staging, network }))
        }
        Failure::At(side, source) => match source.kind {
            ErrorKind::Gone => Err(Halt::Gone { side, source }),
            ErrorKind::Full => Err(Halt::Full { side, source }),
            kind => problem(side, problem_kind(kind), format!("cannot {}: {}", source.op, source.source)),
        },
    }
}

fn problem_kind(kind: ErrorKind) -> ProblemKind {
    match kind {
        ErrorKind::Denied | ErrorKind::ReadOnly => ProblemKind::Permission,
        ErrorKind::Busy | ErrorKind::Absent | ErrorKind::WrongKind | ErrorKind::Barred => ProblemKind::Busy,
        ErrorKind::Exists => ProblemKind::Taken,
        ErrorKind::BadName | ErrorKind::Unsupported => ProblemKind::NotRepresentable,
        ErrorKind::Gone | ErrorKind::Full | ErrorKind::NotEmpty | ErrorKind::Other => ProblemKind::Io,
    }
}

/// Puts an action and what became of it together.
pub(crate) fn outcome(action: &Action, result: Ending) -> Outcome {
    Outcome { path: action.path.clone(), why: action.why, op: action.op.word(), side: action.op.side(), result }
}
