//! From what a run did to what takes it back: one task an event, the last first, and for each a look at what stands there
//! now.
//!
//! Invariants. What stands at a path is only ever moved where it is the version that the run left: by its digest where
//! that is known, else by size and time. Whatever else stands there is a user's, and stays. What the trash has no more is
//! said, never guessed.

use super::error::Error;
use super::history::{self, EventRecord, RunRecord, Version, What};
use super::runs;
use super::store::Store;
use crate::disk::beside;
use crate::disk::{self, ErrorKind, Folder, Freshness, Node, NodeContent, Root};
use crate::model::database::whole;
use crate::model::digest::{Digest, Digesting};
use crate::model::entry::{Content, Found};
use crate::model::listing::Row;
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::model::traits::Traits;
use crate::model::vouch::{same_version, vouches};
use crate::scan::{Reading, digest_of};
use crate::transfer::in_place::is_set_apart;
use crate::transfer::trash::home;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// One thing to take back.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub side: Side,
    pub path: RelPath,
    pub did: Did,
    /// Where the trash holds what was displaced.
    pub kept: RelPath,
    /// What stood there before the run, and what it left there.
    pub before: Version,
    pub after: Version,
}

/// What the run did there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Delete,
    /// An overwrite or a change of kind.
    Write,
    Rename {
        from: RelPath,
    },
    /// An undo brought it back.
    Restore,
    /// Killed before it could write its history: only the trash tells.
    Unknown,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Step {
    /// From the trash to the free name.
    Return,
    /// The folder is made again.
    Folder,
    /// From the trash to the name that this version has now.
    Exchange(Box<Found>),
    /// Back to the old name.
    Move(Box<Found>),
    /// To the trash again.
    Away(Box<Found>),
}

#[derive(Debug)]
pub(super) enum Verdict {
    Do(Step),
    /// It is as it was before that run.
    Already,
    /// It stays as it is; a sentence without the path.
    Left(String),
}

const GONE: &str =
    "its old version is no longer in the trash of that run (expired, emptied, taken back before, or written over in place)";

/// What takes the run back, the last event first; limited to `paths` where there are any.
pub(super) fn tasks(run: &RunRecord, events: Vec<EventRecord>, paths: &[RelPath]) -> Vec<Task> {
    let trashed = home().join(&history::trash_name(run));
    let wanted = |path: &RelPath| paths.is_empty() || paths.iter().any(|asked| path.is_within(asked));
    let mut tasks = Vec::new();
    for event in events.into_iter().rev() {
        let Some(side) = event.side else { continue };
        let versions = PerSide::new(event.staging, event.network);
        let (before, after) = (versions[side].clone(), versions[side.other()].clone());
        let did = match (event.op.as_str(), event.moved_from) {
            ("delete", _) => Did::Delete,
            // A revived file displaced nothing.
            ("write", _) if before.what != What::Absent => Did::Write,
            ("rename", Some(from)) => Did::Rename { from },
            ("restore", _) => Did::Restore,
            _ => continue,
        };
        let from_wanted = matches!(&did, Did::Rename { from } if wanted(from));
        if wanted(&event.path) || from_wanted {
            // Earlier versions of this program did not write down where; it is always there.
            let kept = event.kept.unwrap_or_else(|| trashed.append(&event.path));
            tasks.push(Task { side, path: event.path, did, kept, before, after });
        }
    }
    tasks
}

/// What a killed run put into the trash without a word in the history.
pub(super) fn unrecorded(
    run: &RunRecord,
    known: &HashSet<(Side, RelPath)>,
    paths: &[RelPath],
    roots: &PerSide<Arc<dyn Root>>,
) -> Result<Vec<Task>, Error> {
    let name = history::trash_name(run);
    let mut tasks = Vec::new();
    for side in Side::BOTH {
        let mut one = |path: &RelPath, node: &Node| {
            let kept = home().join(&name).append(path);
            let wanted = paths.is_empty() || paths.iter().any(|asked| path.is_within(asked));
            let Some(Found { entry, .. }) = node.found() else { return Ok(()) };
            // A folder may be there only for what it holds, and what was written half is nobody's.
            let told = known.contains(&(side, kept.clone())) || entry.is_folder() || is_set_apart(path);
            if wanted && !told {
                let (before, after) = (Version::of_entry(&entry), Version::UNKNOWN);
                tasks.push(Task { side, path: path.clone(), did: Did::Unknown, kept, before, after });
            }
            Ok(())
        };
        match runs::each(&*roots[side], &name, &mut one) {
            Err(error) if error.kind == ErrorKind::Absent => {}
            other => other.map_err(Error::disk_at(side))?,
        }
    }
    tasks.sort_by(|a, b| (a.side, &a.path).cmp(&(b.side, &b.path)));
    Ok(tasks)
}

/// What looking needs.
pub(super) struct Sight<'a> {
    pub roots: &'a PerSide<Arc<dyn Root>>,
    pub traits: &'a PerSide<Traits>,
    pub reading: Reading,
    pub stop: &'a AtomicBool,
}

/// What stands at a path.
enum Stands {
    Nothing,
    There(Node),
    /// A file or link stands where a folder above it was.
    Barred,
}

/// Looks at what stands there and decides.
pub(super) fn judge(sight: &mut Sight<'_>, store: &Store, task: &Task) -> Result<Verdict, Error> {
    let Task { side, path, kept, before, after, .. } = task;
    let there = match sight.look(*side, path) {
        Ok(Stands::Barred) => return left("something else stands where its folder was; move that away first"),
        Ok(Stands::There(node)) => Some(node),
        Ok(Stands::Nothing) => None,
        Err(error) => return unseen(*side, error),
    };
    if let Did::Rename { from } = &task.did {
        return judge_rename(sight, store, task, from, there);
    }
    let in_trash = match sight.look(*side, kept) {
        Ok(stands) => matches!(stands, Stands::There(_)),
        Err(error) => return unseen(*side, error),
    };
    match (&task.did, there) {
        (Did::Restore, None) => Ok(Verdict::Already),
        (Did::Restore, Some(node)) => {
            // A folder only goes where nothing is left inside.
            let folder = node.found().map(Box::new).filter(|found| after.what == What::Folder && found.entry.is_folder());
            match folder.map_or_else(|| sight.prove(store, *side, path, &node, after), |found| Ok(Some(found)))? {
                Some(found) => Ok(Verdict::Do(Step::Away(found))),
                None => left("was changed since it came back; it stays"),
            }
        }
        (_, None) if !in_trash => left(GONE),
        (Did::Delete, None) if before.what == What::Folder => Ok(Verdict::Do(Step::Folder)),
        (_, None) => Ok(Verdict::Do(Step::Return)),
        (Did::Write, Some(node)) => {
            if let Some(found) = sight.prove(store, *side, path, &node, after)? {
                return if in_trash { Ok(Verdict::Do(Step::Exchange(found))) } else { left(GONE) };
            }
            if sight.is(store, *side, path, &node, before)? {
                return Ok(Verdict::Already);
            }
            left("was changed since that run; it stays, and so does its old version in the trash")
        }
        (_, Some(node)) if sight.is(store, *side, path, &node, before)? => Ok(Verdict::Already),
        (_, Some(_)) if in_trash => Ok(Verdict::Left(format!(
            "something stands at its place; move that away first (its old version stays in the trash, {kept})"
        ))),
        (_, Some(_)) => left("something else stands at its place, and its old version is no longer in the trash of that run"),
    }
}

fn judge_rename(
    sight: &mut Sight<'_>,
    store: &Store,
    task: &Task,
    from: &RelPath,
    there: Option<Node>,
) -> Result<Verdict, Error> {
    let Task { side, path, after, .. } = task;
    let at_old = match sight.look(*side, from) {
        Ok(Stands::Barred) => return left("something else stands where its old folder was; move that away first"),
        Ok(Stands::There(node)) => Some(node),
        Ok(Stands::Nothing) => None,
        Err(error) => return unseen(*side, error),
    };
    // Where names are folded, the new one answers to the old one's spelling.
    let at_old = match at_old {
        Some(node) if sight.has_own_name(*side, from)? => Some(node),
        _ => None,
    };
    match (there, at_old) {
        (None, Some(node)) if sight.is(store, *side, from, &node, after)? => Ok(Verdict::Already),
        (None, _) => left("is no longer where that run moved it; nothing was moved"),
        (Some(_), Some(_)) => Ok(Verdict::Left(format!("something stands at its old name {from}; move that away first"))),
        (Some(node), None) => {
            let proven = match after.what {
                // What a folder holds goes along, whatever was done to it since.
                What::Folder => node.found().map(Box::new).filter(|found| found.entry.is_folder()),
                _ => sight.prove(store, *side, path, &node, after)?,
            };
            match proven {
                Some(found) => Ok(Verdict::Do(Step::Move(found))),
                None => left("was changed since that run moved it; it stays at its new name"),
            }
        }
    }
}

fn left(sentence: &str) -> Result<Verdict, Error> {
    Ok(Verdict::Left(sentence.to_owned()))
}

fn unseen(side: Side, error: disk::Error) -> Result<Verdict, Error> {
    match error.kind {
        ErrorKind::Gone => Err(Error::disk_at(side)(error)),
        _ => Ok(Verdict::Left(format!("could not be looked at ({}: {}); nothing was moved", error.op, error.source))),
    }
}

/// A database with something in its log is both files, as the history knows it.
fn with_log(folder: &dyn Folder, name: &Name, node: Node) -> disk::Result<Node> {
    if !beside::is_database(folder, name, &node)? {
        return Ok(node);
    }
    Ok(match beside::beside(folder, name, Freshness::Fresh)?.log {
        Some(log) => {
            let stamp = whole(&node.stamp, &log.stamp);
            let content = NodeContent::Plain(Content::File { size: stamp.size, digest: None });
            Node { content, stamp, ..node }
        }
        None => node,
    })
}

impl Sight<'_> {
    fn look(&self, side: Side, path: &RelPath) -> disk::Result<Stands> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(Stands::Barred) };
        match self.roots[side].folder(&parent) {
            Ok(folder) => match folder.look(&name, Freshness::Fresh)? {
                Some(node) => Ok(Stands::There(with_log(&*folder, &name, node)?)),
                None => Ok(Stands::Nothing),
            },
            Err(error) if error.kind == ErrorKind::Absent => Ok(Stands::Nothing),
            Err(error) if matches!(error.kind, ErrorKind::WrongKind | ErrorKind::Barred) => Ok(Stands::Barred),
            Err(error) => Err(error),
        }
    }

    /// Does something stand there under this very name, and not under one that the file system does not tell from it?
    fn has_own_name(&self, side: Side, path: &RelPath) -> Result<bool, Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(true) };
        if !self.traits[side].folds() {
            return Ok(true);
        }
        let listing = self.roots[side].folder(&parent).and_then(|folder| folder.list());
        Ok(listing.map_err(Error::disk_at(side))?.iter().any(|item| item.name == name))
    }

    /// Is it this version, as far as a name alone is concerned? A folder is, whatever it holds.
    fn is(&mut self, store: &Store, side: Side, path: &RelPath, node: &Node, version: &Version) -> Result<bool, Error> {
        if version.what == What::Folder {
            return Ok(node.is_folder());
        }
        Ok(self.prove(store, side, path, node, version)?.is_some())
    }

    /// Is it still this version, a folder with all that it holds?
    fn prove(
        &mut self,
        store: &Store,
        side: Side,
        path: &RelPath,
        node: &Node,
        version: &Version,
    ) -> Result<Option<Box<Found>>, Error> {
        let Some(mut found) = node.found().map(Box::new) else { return Ok(None) };
        let near = version.mtime.is_some_and(|mtime| node.stamp.mtime.near(mtime, self.traits.granularity_ns()));
        let same = match (version.what, &found.entry.content) {
            (What::File, Content::File { size, .. }) if version.size != Some(*size) => false,
            (What::File, Content::File { .. }) => match version.digest {
                Some(wanted) => self.digest(store, side, path, node)? == Some(wanted),
                None => near,
            },
            // History does not say where a link led.
            (What::Link, Content::Link { .. }) => {
                near || store.find(path)?.is_some_and(|row| row.base.entry.content == found.entry.content)
            }
            (What::Folder, Content::Folder) => match version.digest {
                Some(wanted) => fingerprint(&*self.roots[side], path).ok() == Some(wanted),
                None => self.as_agreed(store, side, path)?,
            },
            _ => false,
        };
        if let Some(digest) = version.digest {
            found.entry.set_digest(digest);
        }
        Ok(same.then_some(found))
    }

    /// What a file holds: as the base says where its stamp vouches, else it is read. `None` where it cannot be read.
    fn digest(&mut self, store: &Store, side: Side, path: &RelPath, node: &Node) -> Result<Option<Digest>, Error> {
        if let Some(Row { base, .. }) = store.find(path)?
            && vouches(base.stamps[side].as_ref(), &node.stamp, &self.traits[side])
        {
            return Ok(base.digest_at(side));
        }
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(None) };
        let folder = match self.roots[side].folder(&parent) {
            Ok(folder) => folder,
            Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(side)(error)),
            Err(_) => return Ok(None),
        };
        Ok(digest_of(&*folder, &name, &node.stamp, &mut self.reading, self.stop).ok())
    }

    /// Does everything below a folder stand as both sides last agreed? Then no work of a user is in it that is not on the
    /// other side as well.
    fn as_agreed(&mut self, store: &Store, side: Side, top: &RelPath) -> Result<bool, Error> {
        let mut open = vec![top.clone()];
        while let Some(path) = open.pop() {
            let listing = match self.roots[side].folder(&path).and_then(|folder| folder.list()) {
                Ok(listing) => listing,
                Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(side)(error)),
                Err(_) => return Ok(false),
            };
            for item in listing {
                let below = path.join(&item.name);
                let Some(Row { base, .. }) = store.find(&below)? else { return Ok(false) };
                let same = match (&base.content_at(side), &item.value.content) {
                    (Content::Folder, NodeContent::Plain(Content::Folder)) => {
                        open.push(below);
                        true
                    }
                    (Content::File { digest, .. }, NodeContent::Plain(Content::File { .. })) => {
                        digest.is_some() && self.digest(store, side, &below, &item.value)? == *digest
                    }
                    (agreed, NodeContent::Plain(now)) => agreed == now,
                    _ => false,
                };
                if !same {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Names, kinds, sizes, times and link targets of everything below a folder, as one digest: what an undo brought back is
/// known again by it.
pub(super) fn fingerprint(root: &dyn Root, top: &RelPath) -> disk::Result<Digest> {
    let mut digesting = Digesting::default();
    let mut open = vec![top.clone()];
    while let Some(path) = open.pop() {
        for item in root.folder(&path)?.list()? {
            let below = path.join(&item.name);
            digesting.update(below.as_bytes());
            let (size, mtime) = (item.value.stamp.size, item.value.stamp.mtime.0);
            match &item.value.content {
                NodeContent::Plain(Content::Folder) => {
                    digesting.update(b"\0d");
                    open.push(below);
                }
                NodeContent::Plain(Content::File { .. }) => {
                    digesting.update(b"\0f");
                    digesting.update(&size.to_le_bytes());
                    digesting.update(&mtime.to_le_bytes());
                }
                NodeContent::Plain(Content::Link { target }) => {
                    digesting.update(b"\0l");
                    digesting.update(target);
                    digesting.update(b"\0");
                }
                _ => digesting.update(b"\0?"),
            }
        }
    }
    Ok(digesting.finish())
}

/// Before something returns to its free name. The base may still hold it (a run that was killed before it could write down
/// what it did; another machine's delete), and where the other side has lost or changed it the next sync would take the
/// return for "nobody touched it" and carry that out here. Without its row it is what was told: new.
pub(super) fn own_again(
    store: &mut Store,
    roots: &PerSide<Arc<dyn Root>>,
    traits: &PerSide<Traits>,
    side: Side,
    path: &RelPath,
) -> Result<(), Error> {
    let other = side.other();
    let Some(Row { base, folder }) = store.find(path)? else { return Ok(()) };
    let there = match roots[other].look(path, Freshness::Fresh) {
        Ok(there) => there,
        Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(other)(error)),
        Err(_) => None,
    };
    let untouched = there.is_some_and(|node| {
        let same = base.stamps[other].as_ref().is_some_and(|known| same_version(&node.stamp, &known.stamp, &traits[other]));
        matches!(&node.content, NodeContent::Plain(content) if content.kind() == base.entry.kind()) && (folder.is_some() || same)
    });
    let Some(manifest) = store.writing().filter(|_| !untouched) else { return Ok(()) };
    // With a folder the base would forget what it holds; that comes back, or does not, by itself.
    let bare = folder.map_or(Ok(true), |folder| manifest.folder(folder).map(|below| below.is_empty()))?;
    if bare { Ok(manifest.forget(path)?) } else { Ok(()) }
}

/// The run's folder in the trash, of what is kept there.
pub(super) fn trash_run(kept: &RelPath) -> Option<Name> {
    kept.below(&home())?.names().next().and_then(|name| Name::new(name).ok())
}
