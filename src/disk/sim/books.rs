//! What the oracle asks: which contents users ever wrote, how many names each has by place, and which call took the last.
//!
//! Invariants. Only users make contents known; what the engine writes counts where it equals one of them. A loss is told
//! once, at the call that took the last name outside of temporary names; what users delete or overwrite is none.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::digest::{self, Digest};
use crate::model::path::RelPath;

/// Where a name lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Project,
    /// Below `.driftless/trash`.
    Trash,
    /// Below `.driftless/conflicts`.
    Conflicts,
    /// A name `.dl~…`, or below one.
    Temporary,
    /// Anything else in a `.driftless`.
    Own,
}

impl Place {
    pub fn of(path: &RelPath) -> Place {
        let names: Vec<&[u8]> = path.names().collect();
        match &names[..] {
            [b".driftless", b"trash", ..] => Place::Trash,
            names if names.iter().any(|name| name.starts_with(b".dl~")) => Place::Temporary,
            [b".driftless", b"conflicts", ..] => Place::Conflicts,
            names if names.contains(&&b".driftless"[..]) => Place::Own,
            _ => Place::Project,
        }
    }
}

/// How many names a content has, by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub project: u32,
    pub trash: u32,
    pub conflicts: u32,
    pub temporary: u32,
    pub own: u32,
}

impl Names {
    /// Names under which a person finds it again.
    pub fn safe(&self) -> u32 {
        self.project + self.trash + self.conflicts
    }

    fn at(&mut self, place: Place) -> &mut u32 {
        match place {
            Place::Project => &mut self.project,
            Place::Trash => &mut self.trash,
            Place::Conflicts => &mut self.conflicts,
            Place::Temporary => &mut self.temporary,
            Place::Own => &mut self.own,
        }
    }
}

/// The last name of a content outside of temporary names was taken away. It may have come back since: see
/// [`super::World::missing`].
#[derive(Clone, Debug)]
pub struct Loss {
    pub content: Digest,
    pub bytes: Arc<Vec<u8>>,
    /// The volume that lost it.
    pub volume: String,
    /// The line of the call log, or `crash`.
    pub call: String,
    /// The name that was taken last, and its place.
    pub path: RelPath,
    pub from: Place,
    /// Safe names that the other volumes had for it then.
    pub elsewhere: u32,
    /// Temporary and own names that this volume still had for it then: an exchange hides a version for a moment.
    pub hidden: u32,
    pub(super) seat: usize,
}

/// What a project path shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A content as a user wrote it.
    Whole,
    /// A user of this volume is just writing it in place.
    InTheMaking,
    /// Bytes that no user wrote as a whole.
    Torn,
}

#[derive(Clone, Debug)]
pub struct ProjectFile {
    pub path: RelPath,
    pub bytes: Arc<Vec<u8>>,
    pub shown: Shown,
}

/// A name that was taken away and left nothing safe on its volume.
#[derive(Clone, Debug)]
pub(super) struct Fallen {
    pub content: Digest,
    pub path: RelPath,
    pub from: Place,
}

/// The names of all contents of one volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<Digest, Names>);

impl Counts {
    pub fn of(&self, content: &Digest) -> Names {
        self.0.get(content).copied().unwrap_or_default()
    }

    pub fn add(&mut self, content: Digest, place: Place) {
        *self.0.entry(content).or_default().at(place) += 1;
    }

    pub fn take(&mut self, content: Digest, place: Place) {
        let names = self.0.get_mut(&content).expect("what is taken was added");
        *names.at(place) -= 1;
        if *names == Names::default() {
            self.0.remove(&content);
        }
    }

    /// Contents with a safe name.
    pub fn safe(&self) -> impl Iterator<Item = Digest> + '_ {
        self.0.iter().filter(|(_, names)| names.safe() > 0).map(|(content, _)| *content)
    }
}

/// All contents that users wrote on any volume of the world, and the losses.
#[derive(Default)]
pub(super) struct Books {
    pub known: BTreeMap<Digest, Arc<Vec<u8>>>,
    pub losses: Vec<Loss>,
}

impl Books {
    pub fn learn(&mut self, bytes: &Arc<Vec<u8>>) {
        self.known.entry(digest::of(bytes)).or_insert_with(|| bytes.clone());
    }
}
