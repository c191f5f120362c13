//! What a power cut leaves: a prefix of the names' log, where names are not in order all but those of some folder, and of
//! contents that were not flushed what luck has it.

use std::collections::{BTreeMap, BTreeSet};

use super::books::{Counts, Fallen, Place};
use super::medium::{Body, By, Medium, Step};
use super::seed::Seed;
use super::tree::{Edit, Ino, ROOT, Tree};
use crate::model::digest::Digest;
use crate::model::path::RelPath;

/// How a run ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process alone: everything that was done stays.
    Killed,
    /// The machine: what was not flushed may be gone.
    Power,
}

impl Medium {
    /// Makes all names of up to now durable.
    pub fn settle(&mut self) {
        self.harden(self.log.len());
    }

    /// Makes the names in one folder durable, with what they need of others; where names are in order, all before them.
    pub fn settle_folder(&mut self, folder: Ino) {
        if self.habits.names_in_order {
            return self.settle();
        }
        let (mut needed, mut wanted, mut rest) = (Vec::new(), BTreeSet::from([folder]), Vec::new());
        for step in std::mem::take(&mut self.log).into_iter().rev() {
            if step.orders().any(|ino| wanted.contains(&ino)) {
                wanted.extend(step.inodes());
                needed.push(step);
            } else {
                rest.push(step);
            }
        }
        needed.reverse();
        self.log = needed;
        self.settle();
        rest.reverse();
        self.log = rest;
    }

    /// The names of one folder are late: not written, while those of others are.
    fn leave_late(&mut self, seed: &mut Seed) {
        let folders: BTreeSet<Ino> = self.log.iter().flat_map(Step::orders).collect();
        let drawn = seed.below(folders.len().max(1) as u64) as usize;
        let Some(first) = folders.into_iter().nth(drawn) else { return };
        let (mut late, mut unmade) = (BTreeSet::from([first]), BTreeSet::new());
        self.log.retain(|step| {
            let lost = step.orders().any(|ino| late.contains(&ino)) || step.inodes().any(|ino| unmade.contains(&ino));
            if lost {
                late.extend(step.orders());
                unmade.extend(step.made());
            }
            !lost
        });
    }

    /// Makes the first steps of the log durable.
    fn harden(&mut self, steps: usize) {
        let Medium { durable, log, synced, uprooted, .. } = self;
        for step in log.drain(..steps) {
            for edit in &step.edits {
                if step.by == By::Engine {
                    uproot(durable, synced, edit, uprooted);
                }
                durable.apply(edit);
            }
        }
    }

    /// Makes durable what is old enough.
    pub fn write_back(&mut self) {
        let old = self.log.iter().take_while(|step| self.now - step.at >= self.habits.writes_back_ns).count();
        self.harden(old);
    }

    /// Makes names and contents of up to now durable.
    pub fn settle_all(&mut self) {
        self.settle();
        self.synced = self.bodies.clone();
    }

    /// Cuts the power. Contents that were durable and safe, and are not any more, are told as fallen.
    pub fn cut(&mut self, seed: &mut Seed) -> Vec<Fallen> {
        self.write_back();
        let old = |body: &Body| self.now - body.since >= self.habits.writes_back_ns;
        let written: Vec<(Ino, Body)> =
            self.bodies.iter().filter(|(_, body)| old(body)).map(|(ino, body)| (*ino, body.clone())).collect();
        self.synced.extend(written);
        let mut before = std::mem::take(&mut self.uprooted);
        before.extend(safe_places(&self.durable, &self.synced));
        let live: BTreeSet<Digest> = self.counts.safe().collect();
        let kept = seed.below(self.log.len() as u64 + 1) as usize;
        if self.habits.names_in_order {
            self.log.truncate(kept);
        } else {
            self.leave_late(seed);
        }
        self.settle();
        self.uprooted.clear();
        let tree = self.durable.clone().swept();
        let mut bodies = BTreeMap::new();
        for (&ino, _) in tree.inodes.iter().filter(|(_, inode)| inode.is_file()) {
            let body = after_cut(self.bodies.get(&ino), self.synced.get(&ino), seed);
            bodies.insert(ino, body);
        }
        (self.tree, self.durable) = (tree.clone(), tree);
        (self.bodies, self.synced) = (bodies.clone(), bodies);
        self.held.clear();
        self.counts = self.counted();
        let gone = before.into_iter().filter(|(content, _)| live.contains(content) && self.counts.of(content).safe() == 0);
        gone.map(|(content, path)| Fallen { content, from: Place::of(&path), path }).collect()
    }

    /// The counts, from the names as they are.
    pub fn counted(&self) -> Counts {
        let mut counts = Counts::default();
        let bodies = &self.bodies;
        self.tree.walk(ROOT, &RelPath::root(), &mut |path, ino| {
            if let Some(body) = bodies.get(&ino) {
                counts.add(body.digest, Place::of(path));
            }
        });
        counts
    }
}

/// Notes the durable contents that an edit takes a safe name from.
fn uproot(durable: &Tree, synced: &BTreeMap<Ino, Body>, edit: &Edit, uprooted: &mut BTreeMap<Digest, RelPath>) {
    let Edit::Name { folder, name, .. } = edit else { return };
    if let Some((at, old)) = durable.path_of(*folder).zip(durable.child(*folder, name)) {
        durable.walk(old, &at.join(name), &mut |path, ino| {
            if let Some(body) = synced.get(&ino).filter(|_| is_safe(path)) {
                uprooted.insert(body.digest, path.clone());
            }
        });
    }
}

fn is_safe(path: &RelPath) -> bool {
    matches!(Place::of(path), Place::Project | Place::Trash | Place::Conflicts)
}

fn safe_places(tree: &Tree, bodies: &BTreeMap<Ino, Body>) -> BTreeMap<Digest, RelPath> {
    let mut found = BTreeMap::new();
    tree.walk(ROOT, &RelPath::root(), &mut |path, ino| {
        if let Some(body) = bodies.get(&ino).filter(|_| is_safe(path)) {
            found.insert(body.digest, path.clone());
        }
    });
    found
}

/// What is left of a content: what was flushed and is still its beginning stays.
fn after_cut(live: Option<&Body>, synced: Option<&Body>, seed: &mut Seed) -> Body {
    let Some(live) = live else { return synced.cloned().unwrap_or_default() };
    if synced.is_some_and(|synced| synced.digest == live.digest) {
        return live.clone();
    }
    let flushed = synced.map_or(0, |synced| common(&synced.bytes, &live.bytes));
    let mut bytes = live.bytes.to_vec();
    match seed.below(3) {
        0 => return live.clone(),
        1 => bytes.truncate(flushed + seed.below((bytes.len() - flushed) as u64 + 1) as usize),
        _ => bytes[flushed..].fill(0),
    }
    Body::new(bytes)
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}
