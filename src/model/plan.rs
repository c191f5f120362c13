//! The answer of `reconcile`: what to do, in an order in which nothing precedes what it needs.

use super::change::Change;
use super::conflict::Conflict;
use super::entry::{Base, Found};
use super::finding::{Note, Problem};
use super::listing::Seen;
use super::path::RelPath;
use super::side::{PerSide, Side};
use super::time::Time;

use std::collections::HashSet;

/// The whole answer. `actions` are in path order; carrying them out removes children before their folder
/// (see [`Op::Delete`]) and makes folders before what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub conflicts: Vec<Conflict>,
    pub problems: Vec<Problem>,
    pub notes: Vec<Note>,
    /// Changes that the direction leaves for another run: by the side that *holds the change*
    /// (`staging` is what `up` would carry, `network` what `down` would).
    pub pending: PerSide<u64>,
    /// Actions that a guard took out, with the reason; they stay pending.
    pub held: Vec<Action>,
    /// A conflict is to stop the run before its first write: there are no actions.
    pub aborted: bool,
}

impl Plan {
    /// Takes out the notes that are to be told only where their ruling is carried out: who believes in vain that the other
    /// version is kept may throw the only one away.
    pub fn take_notes_of_rulings(&mut self) -> Vec<Note> {
        let ruled = self.actions.iter().filter(|action| action.why.by.is_some());
        // A folder that is carried as one is told of by its own name.
        let paths: HashSet<RelPath> =
            ruled.flat_map(|action| action.path.ancestors().into_iter().chain([action.path.clone()])).collect();
        let (of_rulings, others) = std::mem::take(&mut self.notes).into_iter().partition(|note| paths.contains(&note.path));
        self.notes = others;
        of_rulings
    }
}

/// One path and what is to be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub path: RelPath,
    pub op: Op,
    pub why: Why,
}

/// Every write says what it expects to find; it is looked at again just before the visible step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Both sides agree: only the base learns it. `first` marks an adoption (there was no base).
    Record { base: Box<Base>, first: bool },
    /// Both sides agree that it is gone, or it is no longer synchronised: only the base forgets it.
    Forget,
    /// Write `from` (as found on the other side) at `to`. `expect` is what stands there now: `Absent` for a
    /// creation, the old version for an overwrite, another kind for a kind change (the whole old subtree goes to
    /// the trash first; actions for what the base knew below it are `Forget`s that follow).
    /// `revived`: the other side had deleted it and an edit wins.
    Write { to: Side, from: Box<Found>, expect: Seen, revived: bool },
    /// Move what is there to the trash. A folder's `Delete` stands before those of its children in path order and is
    /// carried out after them; it fails softly where something else is left inside.
    ///
    /// `base` is what both sides agreed on: by it a rename is found.
    Delete { side: Side, expect: Box<Found>, base: Option<Box<Base>> },
    /// Set times or modes only. `base` is the agreement after it.
    Touch { side: Side, expect: Box<Found>, mtime: Option<Time>, mode: Option<u32>, base: Box<Base> },
    /// Rename `from` to the action's path on `side`, instead of a delete and a write; `found` is the entry at the new path
    /// on the other side, `expect` what stands at `from` on `side`. With a folder everything below goes along.
    Rename { side: Side, from: RelPath, expect: Box<Found>, found: Box<Found> },
    /// Give staging's version a name of its own beside, so that both versions of a conflict can be kept: a rename in
    /// staging from the action's path to `to`. The writes of both versions are actions of their own.
    Aside { to: RelPath, expect: Box<Found> },
}

/// What each side had done: the reason of an action, for reports and history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Why {
    pub in_base: bool,
    pub staging: Change,
    pub network: Change,
    /// Who decided, where the table alone does not.
    pub by: Option<Ruling>,
}

/// A decision that a person made, by a policy or a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ruling {
    /// Of two versions, this side's counts.
    Prefer(Side),
    /// Both stay, staging's under another name.
    KeepBoth,
    /// This side's version counts, whatever the other one did.
    Take(Side),
}

impl Ruling {
    /// The end of a reason.
    fn words(self) -> String {
        match self {
            Ruling::Prefer(side) => format!("{side}'s version was preferred"),
            Ruling::KeepBoth => "both versions were kept".to_owned(),
            Ruling::Take(side) => format!("taken back to {side}'s version"),
        }
    }

    #[cfg(test)]
    pub fn mirrored(self) -> Ruling {
        match self {
            Ruling::Prefer(side) => Ruling::Prefer(side.other()),
            Ruling::KeepBoth => Ruling::KeepBoth,
            Ruling::Take(side) => Ruling::Take(side.other()),
        }
    }
}

impl Why {
    #[cfg(test)]
    pub fn mirrored(self) -> Why {
        Why { in_base: self.in_base, staging: self.network, network: self.staging, by: self.by.map(Ruling::mirrored) }
    }

    /// A few words: "modified in staging", "deleted on both sides", "created in staging, modified on network".
    pub fn sentence(self) -> String {
        let changes = match (self.staging, self.network) {
            (Change::None, Change::None) => "agreed again".to_owned(),
            (a, b) if a == b => format!("{} on both sides", a.word()),
            (a, Change::None) => format!("{} in staging", a.word()),
            (Change::None, b) => format!("{} on network", b.word()),
            (a, b) => format!("{} in staging, {} on network", a.word(), b.word()),
        };
        self.by.map_or(changes.clone(), |ruling| format!("{changes}: {}", ruling.words()))
    }
}

impl Action {
    /// A folder that counts by a ruling: the base has to forget what it knew at and below this path before the first
    /// visible step. Else a run that is killed in the middle leaves what was not written yet looking deleted.
    pub fn unlearns(&self) -> bool {
        self.why.by.is_some() && matches!(&self.op, Op::Write { from, .. } if from.entry.is_folder())
    }
}

impl Op {
    /// The side that this action writes at; `None` where only the base changes.
    pub fn side(&self) -> Option<Side> {
        match self {
            Op::Record { .. } | Op::Forget => None,
            Op::Write { to: side, .. } | Op::Delete { side, .. } | Op::Touch { side, .. } | Op::Rename { side, .. } => {
                Some(*side)
            }
            Op::Aside { .. } => Some(Side::Staging),
        }
    }

    /// The word that reports and history use.
    pub fn word(&self) -> &'static str {
        match self {
            Op::Record { .. } => "record",
            Op::Forget => "forget",
            Op::Write { .. } => "write",
            Op::Delete { .. } => "delete",
            Op::Touch { .. } => "metadata",
            Op::Rename { .. } | Op::Aside { .. } => "rename",
        }
    }

    /// Bytes of content that this action copies.
    pub fn bytes(&self) -> u64 {
        match self {
            Op::Write { from, .. } => from.entry.size(),
            Op::Record { .. } | Op::Forget | Op::Delete { .. } | Op::Touch { .. } | Op::Rename { .. } | Op::Aside { .. } => 0,
        }
    }
}
