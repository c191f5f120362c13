//! One folder: list both sides, zip them with the base, keep what may differ, name the folders below.

use super::database::{self, Single};
use super::read::{Reading, Unread, digest_of, unknown};
use super::{BaseReader, Error, Scope, Sight};
use crate::disk::beside;
use crate::disk::{self, ErrorKind, Folder, Freshness, Node, NodeContent};
use crate::model::digest::Digest;
use crate::model::entry::{Base, Content, Entry, Found, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::ignore::{Verdict, is_own_name, is_temp_name};
use crate::model::listing::{Difference, FolderId, Ignored, Item, Listing, Row, Seen, Triple, Unknown, zip};
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::model::target::Reach;
use crate::model::time::Time;
use crate::model::vouch::{Effort, Learn, to_learn, vouches};

use std::sync::atomic::Ordering;

/// A folder to be looked at.
pub struct Task {
    pub path: RelPath,
    pub row: Option<Row>,
    pub seen: PerSide<Seen>,
    /// How much of what is below is looked at.
    pub reach: Reach,
    /// Its modes agree (or are not compared).
    settled: bool,
}

impl Task {
    pub fn base(&self) -> Option<Box<Base>> {
        self.row.as_ref().map(|row| Box::new(row.base.clone()))
    }

    /// Is it a folder on either side or in the base?
    pub fn is_folder(&self) -> bool {
        let in_base = self.row.as_ref().is_some_and(|row| row.folder.is_some());
        in_base || self.seen.staging.is_folder() || self.seen.network.is_folder()
    }

    /// A folder in all three, so that only its children can differ.
    pub fn is_common(&self) -> bool {
        let in_base = self.path.is_root() || self.row.as_ref().is_some_and(|row| row.folder.is_some());
        in_base && self.seen.staging.is_folder() && self.seen.network.is_folder()
    }

    /// The base's folder, where neither side has one: nothing on a disk bounds the way down from here.
    pub fn only_in_base(&self) -> Option<FolderId> {
        let row = self.row.as_ref().filter(|_| !self.seen.staging.is_folder() && !self.seen.network.is_folder());
        row.and_then(|row| row.folder)
    }

    pub fn unsettled(&self) -> bool {
        !(self.path.is_root() || self.is_common() && self.settled)
    }
}

/// The folders of one task that could be opened.
type Open = PerSide<Option<Box<dyn Folder>>>;

/// One worker of a look.
pub struct Worker<'a> {
    scope: &'a Scope<'a>,
    base: Box<dyn BaseReader>,
    reading: Reading,
    sight: Sight,
    modes: bool,
}

impl<'a> Worker<'a> {
    pub fn new(scope: &'a Scope<'a>, base: Box<dyn BaseReader>) -> Worker<'a> {
        let modes = scope.traits.modes();
        Worker { scope, base, reading: Reading::default(), sight: Sight::default(), modes }
    }

    pub fn keep(&mut self, difference: Difference) {
        self.sight.differences.push(difference);
    }

    /// A folder above a path that was asked for. Its own change is only carried where that takes nothing away: a plain
    /// creation, or a folder on both sides. Else the path cannot be reached in this run, which is said.
    pub fn keep_above(&mut self, task: Task) -> bool {
        let absent = |side: Side| task.seen[side] == Seen::Absent;
        let created = task.row.is_none() && (absent(Side::Staging) || absent(Side::Network));
        let on_both = task.seen.staging.is_folder() && task.seen.network.is_folder();
        if created || on_both {
            self.keep_task(task);
            return true;
        }
        let message = "a folder above the path given was changed or deleted; run without a path".to_owned();
        let unseen = Seen::Unknown(Unknown::Error { kind: ProblemKind::Taken, message });
        let seen = PerSide::new(unseen, task.seen.network.clone());
        self.keep_task(Task { seen, ..task });
        false
    }

    /// Hands over what was found, sorted: the parts of all workers are then only merged.
    pub fn finish(mut self, into: &mut Sight) {
        self.sight.differences.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        if into.differences.is_empty() {
            into.differences = self.sight.differences;
        } else {
            into.differences.extend(self.sight.differences);
        }
        into.disowned.append(&mut self.sight.disowned);
        for side in Side::BOTH {
            into.leftovers[side].extend_from_slice(&self.sight.leftovers[side]);
        }
    }

    /// Looks at one folder and names the folders below it.
    pub fn look(&mut self, mut task: Task) -> Result<Vec<Task>, Error> {
        let mut open: Open = PerSide::default();
        let mut listings = PerSide::new(Vec::new(), Vec::new());
        for side in Side::BOTH.into_iter().filter(|&side| self.scope.from_base != Some(side)) {
            if task.seen[side].is_folder() {
                match self.list(side, &task.path) {
                    Ok((folder, listing)) => {
                        self.scope.seen[side].fetch_add(listing.len() as u64, Ordering::Relaxed);
                        (open[side], listings[side]) = (Some(folder), listing);
                    }
                    Err(error) if error.kind == ErrorKind::Gone => return Err(Error::Gone { side, source: error }),
                    Err(error) => task.seen[side] = Seen::Unknown(not_listed(&error)),
                }
            }
        }
        let blind = Side::BOTH.iter().any(|&side| matches!(task.seen[side], Seen::Unknown(_)));
        if blind || task.unsettled() {
            let base = task.base();
            let [staging, network] = [&task.seen.staging, &task.seen.network].map(Seen::clone);
            self.keep(Difference { path: task.path.clone(), base, staging, network });
        }
        if blind {
            return Ok(Vec::new());
        }
        let in_base = if task.path.is_root() { Some(FolderId::ROOT) } else { task.row.as_ref().and_then(|row| row.folder) };
        let rows = self.rows(in_base)?;
        if let Some(side) = self.scope.from_base {
            listings[side] =
                rows.iter().map(|row| Item { name: row.name.clone(), value: as_recorded(&row.value, side) }).collect();
        }
        let mut below = Vec::new();
        for triple in zip(rows, listings.staging, listings.network) {
            self.one(&task, triple, &open, &mut below)?;
        }
        if task.reach < Reach::Tree {
            let (common, apart): (Vec<Task>, Vec<Task>) = below.into_iter().partition(Task::is_common);
            common.into_iter().for_each(|task| self.keep_unsettled(task));
            below = apart;
        }
        Ok(below)
    }

    fn list(&self, side: Side, path: &RelPath) -> disk::Result<(Box<dyn Folder>, Listing<Node>)> {
        (self.scope.entering)(side, path);
        let folder = self.scope.roots[side].folder(path)?;
        let listing = database::group(&*folder, side, folder.list()?)?;
        Ok((folder, listing))
    }

    fn rows(&mut self, folder: Option<FolderId>) -> Result<Listing<Row>, Error> {
        folder.map_or(Ok(Vec::new()), |id| self.base.folder(id).map_err(Error::Base))
    }

    /// One name of a folder.
    fn one(&mut self, parent: &Task, triple: Triple<Row, Node, Node>, open: &Open, below: &mut Vec<Task>) -> Result<(), Error> {
        let Triple { name, base: row, staging, network } = triple;
        if is_own_name(&name) {
            self.note_leftover(parent, &name, &PerSide::new(staging.is_some(), network.is_some()));
            return Ok(());
        }
        let nodes = PerSide::new(staging, network);
        if self.settled_file(row.as_ref(), &nodes) && self.still_wanted(row.as_ref()) {
            return Ok(());
        }
        let path = parent.path.join(&name);
        let settled = self.modes_agree(row.as_ref(), &nodes);
        let seen = nodes.map(|node| self.seen(node, &path));
        let task = Task { path, row, seen, reach: Reach::Tree, settled };
        self.sort_out(task, &name, open, !parent.is_common(), below)
    }

    /// A path given by the user or above one: like a name of a listing, asked for singly. A folder is returned, to be looked
    /// into; anything else has been dealt with.
    pub fn single(&mut self, path: &RelPath, freshness: Freshness) -> Result<Option<Task>, Error> {
        let Some((name, parent)) = path.name().zip(path.parent()) else {
            let root = Found { entry: folder_entry(), stamp: no_stamp() };
            let seen = PerSide::new(Seen::There(Box::new(root.clone())), Seen::There(Box::new(root)));
            let row = self.base.find(path).map_err(Error::Base)?;
            return Ok(Some(Task { path: path.clone(), row, seen, reach: Reach::Tree, settled: true }));
        };
        if is_own_name(&name) {
            return Ok(None);
        }
        let mut open: Open = PerSide::default();
        let mut nodes = PerSide::new(None, None);
        for side in Side::BOTH {
            let looked = self.scope.roots[side].folder(&parent).and_then(|folder| {
                let found = match folder.look(&name, freshness)?.filter(|_| self.is_spelled_so(side, path)) {
                    Some(node) if node.is_file() => Some(database::single(&*folder, side, &name, node, freshness)?),
                    other => other.map(Single::Node),
                };
                Ok((folder, found))
            });
            match looked {
                Ok((_, Some(Single::Of(owner)))) => return self.single(&parent.join(&owner), freshness),
                Ok((folder, Some(Single::Node(node)))) => (open[side], nodes[side]) = (Some(folder), Some(node)),
                Ok((folder, None)) => open[side] = Some(folder),
                Err(error) if error.kind == ErrorKind::Absent => {}
                Err(error) if error.kind == ErrorKind::Gone => return Err(Error::Gone { side, source: error }),
                Err(error) => {
                    let content = NodeContent::Unreadable { kind: ProblemKind::Unreadable, message: error.source.to_string() };
                    nodes[side] = Some(Node { content, mode: 0, stamp: no_stamp() });
                }
            }
        }
        let row = self.base.find(path).map_err(Error::Base)?;
        let settled = self.modes_agree(row.as_ref(), &nodes);
        let seen = nodes.map(|node| self.seen(node, path));
        let task = Task { path: path.clone(), row, seen, reach: Reach::Tree, settled };
        let mut below = Vec::new();
        self.sort_out(task, &name, &open, true, &mut below)?;
        Ok(below.pop())
    }

    /// A root that folds names also answers to other spellings, of folders above too.
    fn is_spelled_so(&self, side: Side, path: &RelPath) -> bool {
        !self.scope.traits[side].folds() || self.scope.roots[side].is_spelled_so(path)
    }

    /// A folder goes on the stack, an unsettled rest is kept.
    fn sort_out(&mut self, mut task: Task, name: &Name, open: &Open, tell_all: bool, below: &mut Vec<Task>) -> Result<(), Error> {
        let ignored = |seen: &Seen| matches!(seen, Seen::Ignored(_));
        if ignored(&task.seen.staging) || ignored(&task.seen.network) {
            let elsewhere = Side::BOTH.iter().any(|&side| !matches!(task.seen[side], Seen::Ignored(_) | Seen::Absent));
            if elsewhere || tell_all || task.row.is_some() {
                self.keep_task(task);
            }
            return Ok(());
        }
        let unseen = |side: Side| matches!(task.seen[side], Seen::Unknown(_));
        if unseen(Side::Staging) || unseen(Side::Network) {
            self.keep_task(task);
            return Ok(());
        }
        self.learn(&mut task, name, open)?;
        if self.scope.stale_base && self.is_doubtful(&task) {
            self.sight.disowned.push(task.path.clone());
            task.row = None;
        }
        if task.is_folder() {
            below.push(task);
            return Ok(());
        }
        self.keep_task(task);
        Ok(())
    }

    /// A folder of both sides and the base that is not looked into.
    pub fn keep_unsettled(&mut self, task: Task) {
        if task.unsettled() {
            self.keep_task(task);
        }
    }

    fn keep_task(&mut self, task: Task) {
        let Task { path, row, seen, .. } = task;
        self.keep(Difference { path, base: row.map(|row| Box::new(row.base)), staging: seen.staging, network: seen.network });
    }

    /// Fills in the digests on which a decision depends.
    fn learn(&mut self, task: &mut Task, name: &Name, open: &Open) -> Result<(), Error> {
        let base = task.row.as_ref().map(|row| &row.base);
        let what = to_learn(base, task.seen.as_ref().map(Seen::found), self.scope.traits, self.scope.effort);
        for side in Side::BOTH.into_iter().filter(|&side| self.scope.from_base != Some(side)) {
            let digest = match what[side] {
                Learn::Nothing => continue,
                Learn::FromBase => base.and_then(|base| base.digest_at(side)),
                Learn::FromOther => task.seen[side.other()].found().and_then(|found| found.entry.digest()),
                Learn::Read => {
                    let stamp = task.seen[side].found().map(|found| found.stamp);
                    let (Some(folder), Some(stamp)) = (&open[side], stamp) else { continue };
                    if let Some(digest) = self.remembered(&task.path, side, &stamp)? {
                        task.seen[side].found_mut().into_iter().for_each(|found| found.entry.set_digest(digest));
                        continue;
                    }
                    match digest_of(&**folder, name, &stamp, &mut self.reading, self.scope.stop) {
                        Ok(digest) => Some(digest),
                        Err(Unread::Gone(source)) => return Err(Error::Gone { side, source }),
                        // Its program writes all the time: modified, and the copy takes a moment between two writes.
                        Err(Unread::File(Unknown::Moving)) if side == Side::Staging && is_database_now(&**folder, name) => None,
                        Err(Unread::File(unknown)) => {
                            task.seen[side] = Seen::Unknown(unknown);
                            continue;
                        }
                    }
                }
            };
            if let (Some(found), Some(digest)) = (task.seen[side].found_mut(), digest) {
                found.entry.set_digest(digest);
            }
        }
        Ok(())
    }

    /// A side that shows what the base holds without a stamp to prove that nobody touched it, against a side that shows
    /// something else: it may have been deleted and made again, or edited and taken back, and then its turn is the later.
    fn is_doubtful(&self, task: &Task) -> bool {
        let Some(row) = task.row.as_ref().filter(|row| row.folder.is_none()) else { return false };
        let found = |side: Side| task.seen[side].found();
        let same = |side: Side| found(side).is_some_and(|found| row.base.holds(side, &found.entry));
        let untouched = |side: Side| {
            let traits = &self.scope.traits[side];
            found(side).zip(row.base.stamps[side].as_ref()).is_some_and(|(found, recorded)| match &found.entry.content {
                Content::Link { .. } => recorded.stamp.mtime.near(found.stamp.mtime, traits.granularity_ns),
                _ => vouches(Some(recorded), &found.stamp, traits),
            })
        };
        Side::BOTH.into_iter().any(|side| same(side) && !same(side.other()) && !untouched(side))
    }

    /// A digest from a base that was given up, where it spares reading the file.
    fn remembered(&mut self, path: &RelPath, side: Side, stamp: &Stamp) -> Result<Option<Digest>, Error> {
        if self.scope.effort == Effort::Verify {
            return Ok(None);
        }
        self.base.vouched(path, side, stamp, &self.scope.traits[side]).map_err(Error::Base)
    }

    /// Nothing to say: a file or link in all three whose stamps vouch on both sides.
    fn settled_file(&self, row: Option<&Row>, nodes: &PerSide<Option<Node>>) -> bool {
        let Some(row) = row else { return false };
        row.folder.is_none()
            && Side::BOTH.iter().all(|&side| nodes[side].as_ref().is_some_and(|node| self.vouched(row, node, side)))
    }

    fn vouched(&self, row: &Row, node: &Node, side: Side) -> bool {
        let NodeContent::Plain(content) = &node.content else { return false };
        if self.scope.from_base == Some(side) {
            return true;
        }
        let recorded = row.base.stamps[side].as_ref();
        let traits = &self.scope.traits[side];
        match (&row.base.entry.content, content) {
            (Content::File { .. }, Content::File { .. }) => {
                self.scope.effort != Effort::Verify
                    && vouches(recorded, &node.stamp, traits)
                    && (!self.modes || node.mode == row.base.entry.mode)
            }
            (Content::Link { target: agreed }, Content::Link { target }) => {
                agreed == target
                    && recorded.is_some_and(|recorded| recorded.stamp.mtime.near(node.stamp.mtime, traits.granularity_ns))
            }
            _ => false,
        }
    }

    /// What is in the base was wanted when it got there.
    fn still_wanted(&self, row: Option<&Row>) -> bool {
        row.is_some() && self.scope.patterns_unchanged
    }

    fn modes_agree(&self, row: Option<&Row>, nodes: &PerSide<Option<Node>>) -> bool {
        let agreed = row.map(|row| row.base.entry.mode);
        !self.modes || Side::BOTH.iter().all(|&side| nodes[side].as_ref().map(|node| node.mode) == agreed)
    }

    fn seen(&self, node: Option<Node>, path: &RelPath) -> Seen {
        let Some(node) = node else { return Seen::Absent };
        let folder = node.is_folder() || node.content == NodeContent::OtherFileSystem;
        match self.scope.patterns.verdict(path, folder) {
            Verdict::Junk => return Seen::Ignored(Ignored::Junk),
            Verdict::Pattern => return Seen::Ignored(Ignored::Pattern),
            Verdict::Wanted => {}
        }
        node.seen()
    }

    fn note_leftover(&mut self, parent: &Task, name: &Name, on: &PerSide<bool>) {
        for side in Side::BOTH {
            if on[side] && is_temp_name(name) && self.sight.leftovers[side].last() != Some(&parent.path) {
                self.sight.leftovers[side].push(parent.path.clone());
            }
        }
    }
}

fn is_database_now(folder: &dyn Folder, name: &Name) -> bool {
    let node = folder.look(name, Freshness::Cached).ok().flatten();
    node.is_some_and(|node| beside::is_database(folder, name, &node).unwrap_or(false))
}

fn not_listed(error: &disk::Error) -> Unknown {
    match error.kind {
        ErrorKind::Absent | ErrorKind::WrongKind | ErrorKind::Barred => Unknown::Moving,
        _ => unknown(error),
    }
}

/// What a side showed when both last agreed.
fn as_recorded(row: &Row, side: Side) -> Node {
    let Base { entry, stamps, .. } = &row.base;
    let stamp = stamps[side].map_or(Stamp { mtime: entry.mtime, ..no_stamp() }, |recorded| recorded.stamp);
    Node { content: NodeContent::Plain(row.base.content_at(side)), mode: entry.mode, stamp }
}

fn folder_entry() -> Entry {
    Entry { content: Content::Folder, mtime: Time(0), mode: 0 }
}

fn no_stamp() -> Stamp {
    let time = Time(0);
    Stamp { size: 0, mtime: time, ctime: time, id: 0 }
}

#[cfg(test)]
#[path = "overtaken_tests.rs"]
mod overtaken_tests;
