//! Moving the checked-out branch, the index and the work tree to another commit, with everything of the user's that stands
//! in the way kept first. What is not in the way stays as it is: edits, staged changes, untracked files.
//!
//! Order (docs/decisions/0009-git-in-step.md): backup, flushed; displace and prove; lock the branch; index and work tree;
//! the branch. Whatever was done when it stops, the next follow goes on: what is there already is not in the way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::backup::{self, Item, Keep};
use super::command::Talk;
use super::error::{Error, Result};
use super::halfway;
use super::lock::Held;
use super::names::{Oid, Target};
use super::obstacle;
use super::repository::{Head, Repository, is_path};
use super::seen;
use super::tree::{ALL, Change, Dirty, Mode, Status, Untracked, Version, difference, empty_tree, status};
use crate::disk::checkout::{self, Place};
use crate::disk::{local, open_root};
use crate::model::shown::short;

/// What moving from one commit to another would meet.
pub struct Plan {
    pub changes: Vec<Change>,
    pub in_the_way: Vec<Item>,
    /// Paths whose new version is on the disk already: only the index is to learn it.
    ready: Vec<(Vec<u8>, Option<Version>)>,
}

/// A move that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    pub from: Option<Oid>,
    pub to: Oid,
    pub files_changed: usize,
    pub backup: Option<String>,
    /// What the backup holds, by path.
    pub displaced: Vec<Vec<u8>>,
    /// Edits that were not in the way.
    pub kept_dirty: usize,
}

/// Why, for the backup; and how many commits of HEAD the remote has not.
pub struct Reason<'a> {
    pub why: &'a str,
    pub commits: u64,
}

/// Looks at what stands where `new` has something else than `old`, a commit or tree. `status` is that of now.
pub fn plan(repository: &Repository, target: &Target, old: &str, new: &Oid, status: &Status) -> Result<Plan> {
    let published = seen::published(repository, target);
    let changes = difference(repository, old, new.as_str())?;
    if let Some(odd) = changes.iter().find(|change| !is_path(&change.path)) {
        let message = format!("The remote's commit holds the path {}, which leads out of a work tree.", named(&odd.path));
        return Err(Error::refused(message, "Nothing was changed. Somebody made it by hand: look who can write to the remote."));
    }
    let hidden = obstacle::hidden(repository, &changes, status)?;
    let dirty: HashMap<&[u8], &Dirty> = status.dirty.iter().chain(&hidden).map(|dirty| (&dirty.path[..], dirty)).collect();
    let leaving: HashSet<&[u8]> =
        changes.iter().filter(|change| change.before.is_some()).map(|change| &change.path[..]).collect();
    let (folders, items) = (HashSet::new(), BTreeMap::new());
    let mut look = Look { repository, dirty, leaving, published, folders, items, asked: Vec::new() };
    let mut ready = Vec::new();
    for change in &changes {
        if let Some(version) = look.change(change)? {
            ready.push((change.path.clone(), version));
        }
    }
    look.items.extend(obstacle::staged_across(repository, &changes, &look.dirty)?);
    let Look { mut items, asked, .. } = look;
    let hashes = hashes(repository, &asked)?;
    for (asked, hash) in asked.into_iter().zip(hashes) {
        if hash == asked.wanted.oid && asked.item.staged.is_none() {
            ready.push((asked.item.path, Some(asked.wanted)));
        } else {
            items.insert(asked.item.path.clone(), asked.item);
        }
    }
    Ok(Plan { changes, in_the_way: items.into_values().collect(), ready })
}

/// A file that may have the new content already.
pub struct Asked {
    pub item: Item,
    pub wanted: Version,
}

struct Look<'a> {
    repository: &'a Repository,
    dirty: HashMap<&'a [u8], &'a Dirty>,
    /// Tracked paths that the move changes or takes away: they are looked at by themselves.
    leaving: HashSet<&'a [u8]>,
    published: BTreeMap<Vec<u8>, Option<Oid>>,
    /// Seen to be real folders, or absent.
    folders: HashSet<Vec<u8>>,
    items: BTreeMap<Vec<u8>, Item>,
    asked: Vec<Asked>,
}

impl Look<'_> {
    /// `Some` where index alone has to learn the new version.
    fn change(&mut self, change: &Change) -> Result<Option<Option<Version>>> {
        let dirt = self.dirty.get(&change.path[..]).copied();
        let is_submodule = |version: &Option<Version>| version.as_ref().is_some_and(|version| version.mode == Mode::Submodule);
        if is_submodule(&change.before) {
            // `read-tree` would remove all of it, with the commits that only it has.
            let is_replaced = change.after.is_some() && !is_submodule(&change.after);
            return if is_replaced && obstacle::holds_files(self.repository, &change.path)? {
                Err(obstacle::repository_in_the_way(&change.path))
            } else {
                Ok(None)
            };
        }
        if change.before.is_some() && dirt.is_none() {
            return Ok(None);
        }
        if dirt.is_some_and(|dirt| dirt.unmerged) {
            let message = format!("The path {} is in the middle of a merge.", named(&change.path));
            return Err(Error::refused(message, "Nothing was changed. End the merge, and run it again."));
        }
        if change.after.is_some() && self.above(&change.path)? {
            return Ok(None);
        }
        let staged = dirt.filter(|dirt| dirt.staged && dirt.index != change.after).map(|dirt| dirt.index.clone());
        let place = checkout::look(&self.repository.place(&change.path))?;
        let item = Item { path: change.path.clone(), place: place.clone(), staged };
        if let Some(after) = change.after.as_ref().filter(|_| item.staged.is_none())
            && (matches!(place, Place::File { .. } | Place::Link(_)) || (place == Place::Absent && dirt.is_some()))
            && self.published.get(&change.path) == Some(&Some(after.oid.clone()))
        {
            // This clone published that version itself: what stands here is an edit of it, and stays.
            return Ok(Some(Some(after.clone())));
        }
        match (&place, &change.after) {
            (Place::Other, _) => return Err(odd(&change.path)),
            (Place::Absent, None) if item.staged.is_none() => return Ok(Some(None)),
            // Not tracked, not there: nothing is in the way.
            (Place::Absent, _) if dirt.is_none() => return Ok(None),
            // A folder stands where the new commit has nothing any more: it stays, and git forgets the path.
            (Place::Folder, None) if item.staged.is_none() => return Ok(Some(None)),
            (Place::Folder, None) => drop(self.items.insert(change.path.clone(), Item { place: Place::Absent, ..item })),
            (Place::Folder, Some(after)) if after.mode == Mode::Submodule => return Ok(None),
            (Place::Folder, Some(_)) => {
                self.below(&change.path)?;
                if dirt.is_some() {
                    self.items.insert(change.path.clone(), Item { place: Place::Absent, ..item });
                }
            }
            (_, Some(after)) if may_be(&place, after.mode) => {
                self.asked.push(Asked { item, wanted: after.clone() });
            }
            _ => drop(self.items.insert(change.path.clone(), item)),
        }
        Ok(None)
    }

    /// Does something that is no folder stand above the path? Then that is in the way.
    fn above(&mut self, path: &[u8]) -> Result<bool> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends {
            let above = &path[..end];
            if self.folders.contains(above) {
                continue;
            }
            let place = checkout::look(&self.repository.place(above))?;
            match place {
                Place::Folder | Place::Absent => drop(self.folders.insert(above.to_vec())),
                Place::Other => return Err(odd(above)),
                // Tracked: it is a change of its own.
                _ if self.leaving.contains(above) => return Ok(false),
                _ => {
                    let staged = self.dirty.get(above).filter(|dirt| dirt.staged).map(|dirt| dirt.index.clone());
                    self.items.insert(above.to_vec(), Item { path: above.to_vec(), place, staged });
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What lies below a folder where a file is to be, and is no change of its own.
    fn below(&mut self, folder: &[u8]) -> Result<()> {
        for path in obstacle::files_below(self.repository, folder)? {
            if self.leaving.contains(&path[..]) {
                continue;
            }
            let place = checkout::look(&self.repository.place(&path))?;
            if matches!(place, Place::Other) {
                return Err(odd(&path));
            }
            let staged = self.dirty.get(&path[..]).filter(|dirt| dirt.staged).map(|dirt| dirt.index.clone());
            self.items.insert(path.clone(), Item { path, place, staged });
        }
        Ok(())
    }
}

fn may_be(place: &Place, mode: Mode) -> bool {
    match place {
        Place::File { executable: Some(executable), .. } => mode == if *executable { Mode::Executable } else { Mode::File },
        // Without such a bit, and perhaps without links.
        Place::File { executable: None, .. } => matches!(mode, Mode::File | Mode::Executable | Mode::Link),
        Place::Link(_) => mode == Mode::Link,
        _ => false,
    }
}

pub fn named(path: &[u8]) -> String {
    short(&String::from_utf8_lossy(path))
}

pub fn odd(path: &[u8]) -> Error {
    let message = format!("The path {} is neither a file nor a folder, and stands in the way.", named(path));
    Error::refused(message, "Nothing was changed. Move it away, and run it again.")
}

/// What git would make of each file now, with its filters.
pub fn hashes(repository: &Repository, asked: &[Asked]) -> Result<Vec<Oid>> {
    let is_link = |asked: &&Asked| matches!(asked.item.place, Place::Link(_));
    let mut input = Vec::new();
    for asked in asked.iter().filter(|asked| !is_link(asked)) {
        input.extend_from_slice(&line_of(&asked.item.path));
    }
    let mut files = Vec::new();
    if !input.is_empty() {
        let stdout = repository.git.call(&["hash-object", "--stdin-paths"]).input(input).ok()?;
        files = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    }
    let mut files = files.into_iter();
    let hash = |asked: &Asked| match &asked.item.place {
        Place::Link(target) => {
            Oid::of("hash-object", &repository.git.call(&["hash-object", "--stdin"]).input(target.clone()).ok()?)
        }
        _ => Oid::of("hash-object", &files.next().unwrap_or_default()),
    };
    asked.iter().map(hash).collect()
}

/// A path on a line of its own, in quotes as git reads them.
fn line_of(path: &[u8]) -> Vec<u8> {
    let mut line = super::stream::quoted(path);
    line.push(b'\n');
    line
}

/// May the branch be moved at all now?
pub fn movable(repository: &Repository, head: &Head) -> Result<String> {
    if let Some(operation) = repository.operation() {
        let advice = format!("Nothing was changed. End the {operation} (or `git {operation} --abort`), and run it again.");
        return Err(Error::refused(format!("A {operation} is under way here."), advice));
    }
    head.branch.clone().ok_or_else(|| {
        let advice = "Nothing was changed. `git switch BRANCH` checks one out.";
        Error::refused("No branch is checked out (HEAD is detached).", advice)
    })
}

/// Is no other git at work on the index? What is missing then may only be about to come.
pub fn undisturbed(repository: &Repository) -> Result<()> {
    if !local::is_taken(&repository.git_dir.join("index.lock")) {
        return Ok(());
    }
    let advice = "Nothing was changed. Wait for it to end; if a git was killed, `driftless git unlock` takes its lock away.";
    Err(Error::refused("Another git is at work on the index, or was killed there (index.lock).", advice))
}

/// Moves the branch that is checked out from the commit of `head` to `new`.
pub fn follow(
    repository: &Repository,
    _held: &Held,
    head: &Head,
    target: &Target,
    new: &Oid,
    reason: &Reason<'_>,
) -> Result<Followed> {
    let branch = movable(repository, head)?;
    undisturbed(repository)?;
    halfway::resume(repository, head)?;
    let old = head.commit.as_ref();
    let old_tree = old.map_or_else(|| empty_tree(new), Oid::as_str);
    let seen = status(repository, Untracked::No, ALL)?;
    let plan = plan(repository, target, old_tree, new, &seen)?;
    let mut backup = None;
    if !plan.in_the_way.is_empty() || reason.commits > 0 {
        let keep = Keep { why: reason.why, head: old, commits: reason.commits, items: &plan.in_the_way };
        backup = Some(backup::keep(repository, &keep)?);
    }
    let moved = match &backup {
        Some(id) => backup::displace(repository, id, &plan.in_the_way)?,
        None => Vec::new(),
    };
    let mut index = Index::AsItWas;
    if let Err(error) = switch(repository, &branch, old, new, &plan, &mut index) {
        if let Err(error) = halfway::undo(repository, head) {
            tracing::warn!(%error, "the next run puts the work tree in order");
        } else if let Some(id) = &backup
            && backup::put_back(repository, id, &moved)
            && index == Index::AsItWas
        {
            // Everything is as it was: a loop that fails again and again leaves no pile of backups.
            backup::forget(repository, id)?;
        }
        return Err(error);
    }
    if let Err(error) = track(repository, &branch, target, new) {
        tracing::warn!(%error, %target, "git's own memory of the remote stays as it was");
    }
    seen::outdate(repository, target, &plan.changes);
    backup::sweep(repository)?;
    let displaced: Vec<Vec<u8>> = plan.in_the_way.iter().map(|item| item.path.clone()).collect();
    let gone: HashSet<&[u8]> = displaced.iter().chain(plan.ready.iter().map(|(path, _)| path)).map(|path| &path[..]).collect();
    let kept_dirty = seen.dirty.iter().filter(|dirty| !gone.contains(&dirty.path[..])).count();
    Ok(Followed { from: old.cloned(), to: new.clone(), files_changed: plan.changes.len(), backup, kept_dirty, displaced })
}

/// Did we write to the user's index?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    AsItWas,
    Written,
}

/// Index, work tree, branch.
fn switch(repository: &Repository, branch: &str, old: Option<&Oid>, new: &Oid, plan: &Plan, index: &mut Index) -> Result<()> {
    let old_tree = old.map_or_else(|| empty_tree(new), Oid::as_str);
    let name = format!("refs/heads/{branch}");
    let before = old.map_or_else(|| new.none_like(), Oid::to_string);
    let mut talk = Talk::start(&repository.git, &["update-ref", "-m", "driftless: follow the remote", "--stdin"])?;
    let asked = format!("start\nupdate {name} {new} {before}\nprepare\n");
    let answers = [talk.ask(asked.as_bytes())?, talk.ask(b"")?];
    if answers != [b"start: ok\n".to_vec(), b"prepare: ok\n".to_vec()] {
        let message = format!("the branch {branch} cannot be locked");
        return Err(Error::Answer { verb: "update-ref".to_owned(), message });
    }
    // From here on HEAD is locked, too; a `git switch` may have come before.
    if repository.branch()?.as_deref() != Some(branch) {
        return Err(Error::Stirred { message: format!("{branch} is not checked out any more") });
    }
    refresh(repository)?;
    let placed = obstacle::place_ignored(repository, &plan.changes, &plan.ready)?;
    set_index(repository, old_tree, new, plan, &placed)?;
    *index = Index::Written;
    halfway::begin(repository, old_tree, new)?;
    let words = ["read-tree", "-m", "-u", old_tree, new.as_str()];
    let output = repository.git.call(&words).unstopped().run()?;
    if output.code != 0 {
        return Err(Error::Stirred { message: output.message });
    }
    flush(repository, &plan.changes)?;
    talk.tell(b"commit\n")?;
    talk.finish()?;
    halfway::end(repository)
}

/// More files are flushed with all that their file system holds.
const FEW: usize = 256;

/// Git flushes its own files, and not those of the work tree. A power cut would leave empty ones under a branch that says
/// otherwise, and a tick would take these for edits.
fn flush(repository: &Repository, changes: &[Change]) -> Result<()> {
    if changes.len() > FEW && open_root(&repository.top, false)?.flush_all().is_ok() {
        return Ok(());
    }
    let mut folders = BTreeSet::new();
    for change in changes {
        let place = repository.place(&change.path);
        if matches!(checkout::look(&place)?, Place::File { .. }) {
            checkout::flush(&place)?;
        }
        folders.extend(place.parent().filter(|folder| local::is_folder(folder)).map(Path::to_owned));
    }
    folders.iter().try_for_each(|folder| Ok(local::flush_folder(folder)?))
}

/// Files whose times alone changed (a copied clone, a restored backup) look edited to `read-tree` until git looked at them.
fn refresh(repository: &Repository) -> Result<()> {
    let output = repository.git.call(&["update-index", "-q", "--refresh"]).run()?;
    // 1: some are edited, which is known.
    if matches!(output.code, 0 | 1) { Ok(()) } else { Err(output.error("update-index")) }
}

/// Git's own memory of the remote, so that `git status` counts from the commit that is checked out now. It goes forward only,
/// and only where it is that of the branch that was followed; a `git fetch` of the user's in the same moment wins.
fn track(repository: &Repository, branch: &str, target: &Target, new: &Oid) -> Result<()> {
    if repository.upstream(Some(branch))?.as_ref() != Some(target) {
        return Ok(());
    }
    let name = format!("refs/heads/{branch}");
    let tracking = repository.git.call(&["for-each-ref", "--format=%(upstream)", "--"]).arg(&name).line()?;
    let before = repository.commit(&tracking)?;
    let is_forward = match &before {
        Some(before) => before != new && repository.is_ancestor(before, new)?,
        None => true,
    };
    if !is_forward || !tracking.starts_with("refs/remotes/") {
        return Ok(());
    }
    let old = before.map_or_else(|| new.none_like(), |before| before.to_string());
    let words = ["update-ref", "-m", "driftless: follow the remote", &tracking, new.as_str(), &old];
    repository.git.call(&words).ok().map(drop)
}

/// Paths that were in the way are in the index as the old commit has them; those that are ready or placed, as the new one.
fn set_index(repository: &Repository, old_tree: &str, new: &Oid, plan: &Plan, placed: &[&Change]) -> Result<()> {
    let (mut lines, none) = (Vec::new(), new.none_like());
    let mut put = |path: &[u8], version: Option<&Version>| {
        let head = version.map_or_else(|| format!("0 {none}\t"), |version| format!("{} {}\t", version.mode.word(), version.oid));
        lines.extend_from_slice(head.as_bytes());
        lines.extend_from_slice(path);
        lines.push(0);
    };
    let in_the_way: Vec<Vec<u8>> = plan.in_the_way.iter().map(|item| item.path.clone()).collect();
    let olds = super::tree::versions(repository, old_tree, &in_the_way)?;
    in_the_way.iter().zip(&olds).for_each(|(path, version)| put(path, version.as_ref()));
    plan.ready.iter().for_each(|(path, version)| put(path, version.as_ref()));
    placed.iter().for_each(|change| put(&change.path, change.after.as_ref()));
    if lines.is_empty() {
        return Ok(());
    }
    repository.git.call(&["update-index", "-z", "--index-info"]).input(lines).ok().map(drop)
}
