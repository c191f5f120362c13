//! What following the remote would destroy, kept first: commits under `refs/driftless/backup/`.
//!
//! A backup's first parent is the HEAD that was left; its tree is that HEAD with what stood in the way, byte for byte; where
//! something was staged, its second parent has that. So `git` alone can look into it and take everything out of it again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Error, Result};
use super::lock::Held;
use super::names::{Kind, Oid, fresh_id};
use super::refs::{self, Written};
use super::repository::{Head, Repository};
use super::stream::{Commit, Content, Stream};
use super::tree::{self, Change, Mode, Version, difference, status};
use crate::disk::checkout::{self, Place};
use crate::disk::{clock, local};
use crate::model::{native, utc};

const PREFIX: &str = "refs/driftless/backup/";

/// Something of the user's that stands in the way of another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub path: Vec<u8>,
    /// On the disk, when it was looked at.
    pub place: Place,
    /// In the index, where that is neither what HEAD nor what the new commit has; the inner `None` is a staged delete.
    pub staged: Option<Option<Version>>,
}

/// A backup as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub id: String,
    pub commit: Oid,
    /// Why it was made.
    pub why: String,
    pub time: String,
    /// The commit that was left, and how many commits of it the remote had not.
    pub head: Option<Oid>,
    pub commits: u64,
    pub files: Vec<Vec<u8>>,
}

/// What a backup is made of.
pub struct Keep<'a> {
    pub why: &'a str,
    /// The commit that is left.
    pub head: Option<&'a Oid>,
    /// How many commits of it the remote has not.
    pub commits: u64,
    pub items: &'a [Item],
}

/// Keeps it; answers the backup's id. When this returns it is on the disk.
pub fn keep(repository: &Repository, keep: &Keep<'_>) -> Result<String> {
    keep_as(repository, fresh_id()?, keep)
}

fn keep_as(repository: &Repository, id: String, keep: &Keep<'_>) -> Result<String> {
    let name = format!("{PREFIX}{id}");
    let mut stream = Stream::default();
    let parent = keep.head.map(Oid::to_string);
    let staged: Vec<(&Item, &Option<Version>)> =
        keep.items.iter().filter_map(|item| Some((item, item.staged.as_ref()?))).collect();
    let also = (!staged.is_empty()).then(|| {
        let commit = Commit { name: &name, message: "driftless backup: what was staged\n", parent: parent.clone(), also: None };
        let mark = stream.commit(repository, &commit);
        for (item, version) in staged {
            stream.put(&item.path, version.clone().map_or(Content::Gone, Content::There));
        }
        mark
    });
    let message = format!("driftless backup: {}\n\nCommits: {}\nFiles: {}\n", keep.why, keep.commits, keep.items.len());
    stream.commit(repository, &Commit { name: &name, message: &message, parent, also });
    for item in keep.items {
        stream.put(&item.path, content(&repository.place(&item.path), &item.place)?);
    }
    stream.run(repository)?;
    repository.flush_ref(&name)?;
    Ok(id)
}

fn content(path: &Path, place: &Place) -> Result<Content> {
    Ok(match place {
        Place::Absent => Content::Gone,
        Place::Link(target) => Content::Bytes(Mode::Link, target.clone()),
        Place::File { executable, .. } => {
            let (file, length) = checkout::stream(path)?;
            Content::File(if *executable == Some(true) { Mode::Executable } else { Mode::File }, file, length)
        }
        Place::Folder | Place::Other => {
            let message = format!("The path {} is no file.", crate::model::shown::short(&path.to_string_lossy()));
            return Err(Error::refused(message, "Nothing was changed. Move it away, and run it again."));
        }
    })
}

/// Moves what stands in the way out of it, and proves that the backup has it as it was then. Answers what was moved.
pub fn displace(repository: &Repository, id: &str, items: &[Item]) -> Result<Vec<Vec<u8>>> {
    let folder = displaced(repository).join(id);
    let mut moved = Vec::new();
    for item in items.iter().filter(|item| item.place != Place::Absent) {
        let (from, to) = (repository.place(&item.path), below(&folder, &item.path));
        local::make_folders(to.parent().expect("it lies in a folder of ours"))?;
        match checkout::move_to_free_place(&from, &to) {
            Ok(()) => moved.push(item.path.clone()),
            // Somebody took it away meanwhile: the backup has what it was.
            Err(gone) if gone.kind == crate::disk::ErrorKind::Absent => {}
            Err(error) => {
                // Everything is as it was: no pile of backups grows.
                if put_back(repository, id, &moved) {
                    forget(repository, id)?;
                }
                return Err(error.into());
            }
        }
    }
    if let Err(error) = prove(repository, id) {
        put_back(repository, id, &moved);
        return Err(error);
    }
    Ok(moved)
}

/// Of this work tree alone: what another one displaced goes back there.
fn displaced(repository: &Repository) -> PathBuf {
    repository.git_dir.join("driftless/displaced")
}

/// Does a file of this path lie aside?
pub fn is_displaced(repository: &Repository, path: &[u8]) -> Result<bool> {
    let folder = displaced(repository);
    for id in local::folders(&folder)? {
        if checkout::look(&below(&folder.join(id), path))? != Place::Absent {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Did a follow that was killed leave something aside?
pub fn is_left(repository: &Repository) -> Result<bool> {
    Ok(!local::folders(&displaced(repository))?.is_empty())
}

/// After a follow that was killed: what it displaced goes back where the branch was not moved and nothing stands in its place,
/// so that nobody takes it for deleted; then what lies aside still, and is in its backup, goes.
///
/// A path that the move has deleted already (index and work tree come before the branch) is not made again.
pub fn resume(repository: &Repository, head: &Head) -> Result<()> {
    let folder = displaced(repository);
    for id in local::folders(&folder)? {
        let id = id.to_string_lossy().into_owned();
        let name = format!("{PREFIX}{id}");
        let left = match repository.commit(&name)? {
            Some(commit) => head_of(repository, &commit)?,
            None => head.commit.clone(),
        };
        if left != head.commit {
            continue;
        }
        let files = checkout::files_below(&folder.join(&id))?;
        let paths: Vec<Vec<u8>> = files.iter().map(|path| native::slashed(path).into_owned()).collect();
        let at_head = match &head.commit {
            Some(commit) => tree::versions(repository, commit.as_str(), &paths)?,
            None => vec![None; paths.len()],
        };
        let listed = repository.git.call(&["ls-files", "-z", "--cached"]).ok()?;
        let indexed: HashSet<&[u8]> = listed.split(|byte| *byte == 0).collect();
        let belongs =
            |(path, at_head): (Vec<u8>, Option<Version>)| (at_head.is_none() || indexed.contains(&path[..])).then_some(path);
        let back: Vec<Vec<u8>> = paths.into_iter().zip(at_head).filter_map(belongs).collect();
        put_back(repository, &id, &back);
    }
    sweep(repository)
}

fn below(folder: &Path, path: &[u8]) -> PathBuf {
    checkout::place(folder, path)
}

/// What was moved goes back where nothing stands now; did all of it? What does not stays where it is, and in the backup.
pub fn put_back(repository: &Repository, id: &str, moved: &[Vec<u8>]) -> bool {
    let folder = displaced(repository).join(id);
    let mut all = true;
    for path in moved {
        let to = repository.place(path);
        let back = to.parent().map_or(Ok(()), local::make_folders);
        if let Err(error) = back.and_then(|()| checkout::move_to_free_place(&below(&folder, path), &to)) {
            tracing::warn!(%error, backup = id, "a displaced file stays in the backup");
            all = false;
        }
    }
    all
}

/// Takes a backup away again of which everything is back in its place.
pub fn forget(repository: &Repository, id: &str) -> Result<()> {
    sweep(repository)?;
    repository.git.call(&["update-ref", "-d", &format!("{PREFIX}{id}")]).unstopped().ok().map(drop)
}

/// Every displaced file is in its backup as it is now, or it is added to it.
fn prove(repository: &Repository, id: &str) -> Result<()> {
    let folder = displaced(repository).join(id);
    let name = format!("{PREFIX}{id}");
    let commit = repository.commit(&name)?;
    let kept: HashMap<Vec<u8>, Option<Version>> = match &commit {
        Some(commit) => changes(repository, commit)?.into_iter().map(|change| (change.path, change.after)).collect(),
        None => HashMap::new(),
    };
    let mut more = Vec::new();
    for below_it in checkout::files_below(&folder)? {
        let path = native::slashed(&below_it).into_owned();
        let place = checkout::look(&folder.join(&below_it))?;
        let now = hash(repository, &folder.join(&below_it), &place)?;
        if kept.get(&path).and_then(|version| version.as_ref()).is_none_or(|version| version.oid != now) {
            more.push((path, folder.join(&below_it), place));
        }
    }
    if more.is_empty() {
        return Ok(());
    }
    let mut stream = Stream::default();
    let mut message = "driftless backup: it was written to meanwhile\n\nCommits: 0\n".to_owned();
    if let Some(commit) = &commit {
        message.push_str(&format!("{ADDED}: {commit}\n"));
    }
    let name = if commit.is_some() { name } else { format!("{PREFIX}{}", fresh_id()?) };
    let parent = commit.map(|commit| commit.to_string());
    stream.commit(repository, &Commit { name: &name, message: &message, parent, also: None });
    for (path, at, place) in more {
        stream.put(&path, content(&at, &place)?);
    }
    stream.run(repository).map(drop)
}

/// The name of the bytes as they are, without filters.
fn hash(repository: &Repository, path: &Path, place: &Place) -> Result<Oid> {
    let call = repository.git.call(&["hash-object", "--no-filters"]);
    let stdout = match place {
        Place::Link(target) => call.arg("--stdin").input(target.clone()).ok()?,
        _ => call.arg("--").arg(path).ok()?,
    };
    Oid::of("hash-object", &stdout)
}

/// Removes what was displaced, once everything of it is in a backup; also what a killed process left.
pub fn sweep(repository: &Repository) -> Result<()> {
    let folder = displaced(repository);
    for id in local::folders(&folder)? {
        let id = id.to_string_lossy().into_owned();
        prove(repository, &id)?;
        checkout::remove_own_folder(&folder.join(&id))?;
    }
    Ok(())
}

/// Only a commit, to be found again: what a force push is about to replace. It is kept once, however often that is tried.
pub fn keep_commit(repository: &Repository, commit: &Oid, why: &str) -> Result<String> {
    let end = format!("-replaced-{commit}");
    if let Some(kept) = refs::of_kind(repository, Kind::Backup)?.into_iter().find(|one| one.id().ends_with(&end)) {
        return Ok(kept.id().to_owned());
    }
    keep_as(repository, format!("{}{end}", fresh_id()?), &Keep { why, head: Some(commit), commits: 1, items: &[] })
}

fn changes(repository: &Repository, commit: &Oid) -> Result<Vec<Change>> {
    let head = head_of(repository, commit)?;
    difference(repository, head.as_ref().map_or_else(|| tree::empty_tree(commit), Oid::as_str), commit.as_str())
}

/// The HEAD that was left: the first parent of the first commit that a backup is made of.
fn head_of(repository: &Repository, commit: &Oid) -> Result<Option<Oid>> {
    let mut written = written(repository, commit)?;
    // What was added to a backup says to which.
    while let Some(before) = written.parents.first().filter(|parent| written.word(ADDED) == Some(parent.as_str())) {
        written = self::written(repository, &before.clone())?;
    }
    Ok(written.parents.into_iter().next())
}

/// Stands in the message of a commit that adds to a backup, with the name of that.
const ADDED: &str = "Added-to";

fn written(repository: &Repository, commit: &Oid) -> Result<Written> {
    let missing = || Error::Answer { verb: "cat-file".to_owned(), message: "a backup is not there".to_owned() };
    refs::read(repository, std::slice::from_ref(commit))?.pop().ok_or_else(missing)
}

/// All that are kept, the newest first.
pub fn list(repository: &Repository) -> Result<Vec<Backup>> {
    let listed = refs::of_kind(repository, Kind::Backup)?;
    let commits: Vec<Oid> = listed.iter().map(|one| one.oid.clone()).collect();
    let mut backups = Vec::new();
    for (one, written) in listed.into_iter().zip(refs::read(repository, &commits)?).rev() {
        let subject = written.subject();
        backups.push(Backup {
            id: one.id().to_owned(),
            why: crate::model::shown::short(subject.strip_prefix("driftless backup: ").unwrap_or(subject)),
            time: utc::rfc3339(written.time),
            files: changes(repository, &one.oid)?.into_iter().map(|change| change.path).collect(),
            head: head_of(repository, &one.oid)?,
            commits: written.word("Commits").and_then(|word| word.parse().ok()).unwrap_or_default(),
            commit: one.oid,
        });
    }
    Ok(backups)
}

/// Deletes those that are older; answers their names and commits, the oldest first.
pub fn prune(repository: &Repository, _held: &Held, older_than: Duration) -> Result<Vec<(String, Oid)>> {
    // Of what still lies displaced, the backup may be the proof.
    sweep(repository)?;
    let now = clock::now().parts().0;
    let age = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
    let is_old =
        |one: &refs::Ref| utc::parse_compact(one.id().as_bytes()).is_some_and(|time| now.saturating_sub(time.parts().0) > age);
    let old: Vec<refs::Ref> = refs::of_kind(repository, Kind::Backup)?.into_iter().filter(is_old).collect();
    if !old.is_empty() {
        let lines: String = old.iter().map(|one| format!("delete {} {}\n", one.name, one.oid)).collect();
        repository.git.call(&["update-ref", "--stdin"]).input(lines).ok()?;
    }
    Ok(old.into_iter().map(|one| (one.id().to_owned(), one.oid)).collect())
}

/// What was taken out of a backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub files: Vec<Vec<u8>>,
    /// Deletes are not done again.
    pub deletes: Vec<Vec<u8>>,
    pub branch: Option<String>,
}

/// Takes files out of a backup, into the work tree, and with `branch` the commits that were left, under that name. Never
/// over something that differs from what is checked out: then nothing is changed.
pub fn restore(repository: &Repository, head: &Head, id: &str, only: &[Vec<u8>], branch: Option<&str>) -> Result<Restored> {
    let unknown = || {
        Error::refused(
            format!("There is no backup {}.", crate::model::shown::short(id)),
            "`driftless git backups list` lists them.",
        )
    };
    if !super::names::is_name(id) {
        return Err(unknown());
    }
    let name = format!("{PREFIX}{id}");
    let commit = repository.commit(&name)?.ok_or_else(unknown)?;
    let chosen = |path: &[u8]| {
        only.is_empty()
            || only.iter().any(|some| path == some || path.strip_prefix(&some[..]).is_some_and(|rest| rest.starts_with(b"/")))
    };
    let changes: Vec<Change> = changes(repository, &commit)?.into_iter().filter(|change| chosen(&change.path)).collect();
    if !only.is_empty() && changes.is_empty() {
        return Err(Error::refused(
            "The backup holds nothing of that name.",
            "Nothing was changed. `driftless git backups list` lists what is in it.",
        ));
    }
    let blocked = blocked(repository, head, &changes)?;
    if !blocked.is_empty() {
        let shown: Vec<String> =
            blocked.iter().take(5).map(|path| crate::model::shown::short(&String::from_utf8_lossy(path))).collect();
        let message = format!("These paths hold something else now: {}.", shown.join(", "));
        return Err(Error::refused(message, "Nothing was changed. Commit them or move them away, and run it again."));
    }
    if let Some(branch) = branch {
        let from = head_of(repository, &commit)?.unwrap_or(commit);
        if !super::names::is_name(branch) {
            return Err(Error::refused("That is no name of a branch.", "Nothing was changed."));
        }
        repository.git.call(&["branch", "--no-track", "--", branch, from.as_str()]).ok()?;
    }
    let mut restored = Restored { branch: branch.map(str::to_owned), ..Restored::default() };
    for change in changes {
        let Some(version) = change.after else {
            restored.deletes.push(change.path);
            continue;
        };
        let bytes = repository.git.call(&["cat-file", "blob", version.oid.as_str()]).ok()?;
        let place = repository.place(&change.path);
        if version.mode == Mode::Link {
            if checkout::look(&place)? != Place::Absent {
                local::remove_file(&place)?;
            }
            checkout::link(&place, &bytes)?;
        } else {
            checkout::write(&place, &bytes, version.mode == Mode::Executable)?;
        }
        restored.files.push(change.path);
    }
    Ok(restored)
}

/// The paths where something stands that HEAD has not.
fn blocked(repository: &Repository, head: &Head, changes: &[Change]) -> Result<Vec<Vec<u8>>> {
    let paths: Vec<Vec<u8>> = changes.iter().map(|change| change.path.clone()).collect();
    let mut dirty: Vec<Vec<u8>> =
        status(repository, tree::Untracked::No, tree::ALL)?.dirty.into_iter().map(|dirty| dirty.path).collect();
    // Of these git does not say whether they were edited.
    dirty.extend(super::obstacle::unwatched(repository)?);
    let at_head = match &head.commit {
        Some(commit) => tree::versions(repository, commit.as_str(), &paths)?,
        None => vec![None; paths.len()],
    };
    let mut blocked = Vec::new();
    for ((path, at_head), change) in paths.iter().zip(at_head).zip(changes) {
        let place = repository.place(path);
        let seen = checkout::look(&place)?;
        let is_clean = at_head.is_some() && !dirty.contains(path);
        let is_there = matches!(seen, Place::File { .. } | Place::Link(_))
            && change.after.as_ref().is_some_and(|version| hash(repository, &place, &seen).is_ok_and(|now| now == version.oid));
        let leads_elsewhere = is_below_no_folder(repository, path)?;
        if change.after.is_some() && (leads_elsewhere || (seen != Place::Absent && !is_clean && !is_there)) {
            blocked.push(path.clone());
        }
    }
    Ok(blocked)
}

/// Is something above the path a link or a file? What is written there would lie elsewhere.
fn is_below_no_folder(repository: &Repository, path: &[u8]) -> Result<bool> {
    for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        if !matches!(checkout::look(&repository.place(&path[..end]))?, Place::Folder | Place::Absent) {
            return Ok(true);
        }
    }
    Ok(false)
}
