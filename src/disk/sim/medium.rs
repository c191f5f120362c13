//! What one volume holds: names, contents, what of both is durable, and the books of its contents.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::books::{Counts, Fallen, Place};
use super::habits::{Habits, Ids};
use super::tree::{Edit, Ino, Kind, ROOT, Tree};
use crate::disk::{Node, NodeContent};
use crate::model::digest::{self, Digest};
use crate::model::entry::{Content, Stamp};
use crate::model::path::RelPath;
use crate::model::time::Time;

/// Blocks in which holes are told.
const BLOCK: u64 = 4096;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Engine,
    /// Durable at once, with all names before it.
    User,
    /// Durable when something else makes it so.
    LazyUser,
}

/// A file's content.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub bytes: Arc<Vec<u8>>,
    pub digest: Digest,
    /// Parts that were left out in the writing, (start, end).
    pub holes: Vec<(u64, u64)>,
    /// A user is just writing it in place.
    pub half: bool,
    /// When it was filled, by the world's clock.
    pub since: i64,
}

impl Default for Body {
    fn default() -> Body {
        Body::new(Vec::new())
    }
}

impl Body {
    pub fn new(bytes: Vec<u8>) -> Body {
        Body { digest: digest::of(&bytes), bytes: Arc::new(bytes), holes: Vec::new(), half: false, since: 0 }
    }

    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The holes as a file system shows them: whole blocks, and the end of the file.
    pub fn told_holes(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let size = self.size();
        let blocks = move |&(start, end): &(u64, u64)| {
            let end = if end >= size { size } else { end / BLOCK * BLOCK };
            (start.next_multiple_of(BLOCK), end)
        };
        self.holes.iter().map(blocks).filter(|(start, end)| start < end)
    }

    /// Bytes that take room.
    pub fn allocated(&self) -> u64 {
        let holes: u64 = self.told_holes().map(|(start, end)| end.next_multiple_of(BLOCK) - start).sum();
        self.size().next_multiple_of(BLOCK) - holes
    }
}

/// All edits of one step: none is durable without the others.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub at: i64,
    pub by: By,
    pub edits: Vec<Edit>,
}

impl Step {
    /// All that it names: folders, and what they get or lose.
    pub fn inodes(&self) -> impl Iterator<Item = Ino> + '_ {
        self.edits
            .iter()
            .flat_map(|edit| match edit {
                Edit::Make { ino, .. } | Edit::Meta { ino, .. } => [Some(*ino), None],
                Edit::Name { folder, to, .. } => [Some(*folder), *to],
            })
            .flatten()
    }

    /// The folders whose names it changes, and what it makes: steps that share one keep their order.
    pub fn orders(&self) -> impl Iterator<Item = Ino> + '_ {
        let folders = self.edits.iter().filter_map(|edit| match edit {
            Edit::Name { folder, .. } => Some(*folder),
            Edit::Make { .. } | Edit::Meta { .. } => None,
        });
        folders.chain(self.made())
    }

    pub fn made(&self) -> impl Iterator<Item = Ino> + '_ {
        self.edits.iter().filter_map(|edit| match edit {
            Edit::Make { ino, .. } => Some(*ino),
            Edit::Name { .. } | Edit::Meta { .. } => None,
        })
    }
}

#[derive(Clone)]
pub(super) struct Medium {
    pub habits: Habits,
    pub tree: Tree,
    pub bodies: BTreeMap<Ino, Body>,
    /// Names as a power cut leaves them at worst, and the steps since.
    pub durable: Tree,
    pub log: Vec<Step>,
    /// Contents whose durable names the engine took away, durably: each has to be durable under another one.
    pub uprooted: BTreeMap<Digest, RelPath>,
    /// The world's clock at the present call.
    pub now: i64,
    /// Contents as they were flushed last.
    pub synced: BTreeMap<Ino, Body>,
    pub counts: Counts,
    /// Files that a user holds open for writing, and how many times.
    pub held: BTreeMap<Ino, u32>,
    /// Files that the engine has open for writing.
    pub writing: BTreeMap<Ino, u32>,
    /// What looks said, by folder and folded name, and when: `None` where nothing was there.
    pub cache: BTreeMap<(Ino, Vec<u8>), (Option<(Ino, Node)>, i64)>,
    /// Handles of another era are gone.
    pub era: u64,
    pub device: u64,
    next: Ino,
    mounts: u64,
}

impl Medium {
    pub fn new(habits: Habits, now: i64, era: u64) -> Medium {
        let tree = Tree::new(habits, habits.stamp(now));
        Medium {
            habits,
            durable: tree.clone(),
            tree,
            bodies: BTreeMap::new(),
            log: Vec::new(),
            uprooted: BTreeMap::new(),
            now,
            synced: BTreeMap::new(),
            counts: Counts::default(),
            held: BTreeMap::new(),
            writing: BTreeMap::new(),
            cache: BTreeMap::new(),
            era,
            device: 0x1000 + era,
            next: ROOT + 1,
            mounts: 0,
        }
    }

    /// Mounted anew: handles of before are gone, and ids too where they are the mount's. The device is another one.
    pub fn mount(&mut self, era: u64) {
        self.mounts += 1;
        self.attach(era);
        self.device = 0x1000 + era;
    }

    /// Opened anew by another process.
    pub fn attach(&mut self, era: u64) {
        self.era = era;
        self.writing.clear();
        self.cache.clear();
    }

    /// A new inode and the number by which it is known.
    pub fn number(&mut self) -> (Ino, u64) {
        let ino = self.next;
        self.next += 1;
        if self.habits.ids != Ids::Reused {
            return (ino, ino);
        }
        let used: std::collections::BTreeSet<u64> =
            self.tree.inodes.iter().filter(|(ino, _)| self.tree.lives(**ino)).map(|(_, inode)| inode.number).collect();
        let free = (ROOT + 1..).find(|number| !used.contains(number));
        (ino, free.expect("there are more numbers than files"))
    }

    pub fn free(&self) -> u64 {
        let used: u64 = self.bodies.iter().filter(|(ino, _)| self.tree.lives(**ino)).map(|(_, body)| body.allocated()).sum();
        self.habits.bytes.saturating_sub(used)
    }

    pub fn free_files(&self) -> Option<u64> {
        let used = self.tree.inodes.keys().filter(|ino| self.tree.lives(**ino)).count() as u64;
        self.habits.files.map(|files| files.saturating_sub(used))
    }

    /// What a stat says now.
    pub fn node(&self, ino: Ino) -> Node {
        let inode = self.tree.get(ino);
        let (content, size) = match &inode.kind {
            Kind::File => {
                let size = self.bodies[&ino].size();
                (NodeContent::Plain(Content::File { size, digest: None }), size)
            }
            Kind::Folder if inode.mounted => (NodeContent::OtherFileSystem, BLOCK),
            Kind::Folder => (NodeContent::Plain(Content::Folder), BLOCK),
            Kind::Link(target) => (NodeContent::Plain(Content::Link { target: target.clone() }), target.len() as u64),
            Kind::Special => (NodeContent::Special, 0),
        };
        let mode = match inode.kind {
            Kind::Link(_) => 0o777,
            _ if self.habits.modes => inode.mode,
            _ => 0o755,
        };
        let id = if self.habits.ids == Ids::PerMount { inode.number + self.mounts * 1_000_003 } else { inode.number };
        Node { content, mode, stamp: Stamp { size, mtime: inode.mtime, ctime: inode.ctime, id } }
    }

    /// Carries out the edits of one call as one step of the log; tells which contents have no safe name after it.
    pub fn commit(&mut self, edits: Vec<Edit>, by: By) -> Vec<Fallen> {
        let mut taken = Vec::new();
        for edit in &edits {
            self.book(edit, &mut taken);
            if by == By::Engine {
                self.forget_cached(edit);
            }
        }
        self.log.push(Step { at: self.now, by, edits });
        if by == By::User || self.habits.names_at_once {
            self.settle();
        }
        self.write_back();
        self.fallen(taken)
    }

    /// Applies one edit to the names and the counts.
    fn book(&mut self, edit: &Edit, taken: &mut Vec<Fallen>) {
        let Medium { tree, bodies, counts, .. } = self;
        let Edit::Name { folder, name, to } = edit else { return tree.apply(edit) };
        let at = tree.path_of(*folder);
        if let Some(((at, old), spelled)) = at.as_ref().zip(tree.child(*folder, name)).zip(tree.spelled(*folder, name)) {
            tree.walk(old, &at.join(&spelled), &mut |path, ino| {
                if let Some(body) = bodies.get(&ino) {
                    let from = Place::of(path);
                    counts.take(body.digest, from);
                    taken.push(Fallen { content: body.digest, path: path.clone(), from });
                }
            });
        }
        tree.apply(edit);
        if let Some((at, new)) = at.zip(*to) {
            tree.walk(new, &at.join(name), &mut |path, ino| {
                if let Some(body) = bodies.get(&ino) {
                    counts.add(body.digest, Place::of(path));
                }
            });
        }
    }

    fn fallen(&self, mut taken: Vec<Fallen>) -> Vec<Fallen> {
        let safe = |place| matches!(place, Place::Project | Place::Trash | Place::Conflicts);
        taken.retain(|fallen| safe(fallen.from) && self.counts.of(&fallen.content).safe() == 0);
        taken.sort_by_key(|fallen| fallen.content);
        taken.dedup_by_key(|fallen| fallen.content);
        taken
    }

    /// The engine's own changes are never answered from the cache.
    fn forget_cached(&mut self, edit: &Edit) {
        match edit {
            Edit::Name { folder, name, .. } => drop(self.cache.remove(&(*folder, self.habits.key(name)))),
            Edit::Meta { ino, .. } => self.forget_looks_at(*ino),
            Edit::Make { .. } => {}
        }
    }

    fn forget_looks_at(&mut self, ino: Ino) {
        self.cache.retain(|_, (cached, _)| cached.as_ref().is_none_or(|(cached, _)| *cached != ino));
    }

    /// Gives a file another content.
    pub fn fill(&mut self, ino: Ino, mut body: Body, by: By) -> Vec<Fallen> {
        body.since = self.now;
        let mut taken = Vec::new();
        let old = self.bodies.get(&ino).map(|body| body.digest);
        for path in self.paths(ino) {
            let from = Place::of(&path);
            if let Some(content) = old {
                self.counts.take(content, from);
                taken.push(Fallen { content, path, from });
            }
            self.counts.add(body.digest, from);
        }
        match by {
            By::Engine => self.forget_looks_at(ino),
            By::User => drop(self.synced.insert(ino, body.clone())),
            By::LazyUser => {}
        }
        self.bodies.insert(ino, body);
        self.fallen(taken)
    }

    /// Every path of a thing.
    pub fn paths(&self, ino: Ino) -> Vec<RelPath> {
        let names = &self.tree.get(ino).names;
        names.iter().filter_map(|(folder, name)| Some(self.tree.path_of(*folder)?.join(name))).collect()
    }

    pub fn meta(&self, ino: Ino, mode: Option<u32>, mtime: Option<Time>) -> Edit {
        let inode = self.tree.get(ino);
        let (mode, mtime) = (mode.unwrap_or(inode.mode), mtime.map_or(inode.mtime, |mtime| self.habits.kept(mtime)));
        Edit::Meta { ino, mode, mtime, ctime: self.habits.stamp(self.now) }
    }
}
