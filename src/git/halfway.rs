//! A move of the work tree that was cut off: what git had taken away there or written in part is no edit of anybody's.
//!
//! The mark says from which commit to which the work tree is being moved. It is there, flushed, before `read-tree` touches a
//! file and goes when the branch has moved. Where it is found, nothing is taken from the work tree before that is mended.

use std::collections::HashSet;
use std::path::PathBuf;

use super::backup::{self, Item, Keep};
use super::error::Result;
use super::follow::{Asked, hashes, undisturbed};
use super::names::Oid;
use super::repository::{Head, Repository};
use super::tree::{ALL, Mode, Untracked, Version, above, difference, empty_tree, status, versions};
use crate::disk::checkout::{self, Place};
use crate::disk::local;
use crate::model::native;

/// A line of two commits; the first is the empty tree where there was none.
const LIMIT: u64 = 200;

/// Of this work tree alone.
fn mark(repository: &Repository) -> PathBuf {
    repository.git_dir.join("driftless/moving")
}

/// The work tree is about to be moved from a commit, or the empty tree, to a commit.
pub fn begin(repository: &Repository, old: &str, new: &Oid) -> Result<()> {
    let path = mark(repository);
    let folder = path.parent().expect("it lies in a folder of ours");
    if !local::is_folder(folder) {
        local::make_folders(folder)?;
        local::flush_folder(&repository.git_dir)?;
    }
    local::write_text(&path, &format!("{old} {new}\n"))?;
    checkout::flush(&path)?;
    Ok(local::flush_folder(folder)?)
}

/// It was moved, or is as it was.
pub fn end(repository: &Repository) -> Result<()> {
    Ok(local::remove_file(&mark(repository))?)
}

/// From which commit or tree to which, where a move was not brought to its end.
fn read(repository: &Repository) -> Result<Option<(String, Oid)>> {
    let Some(text) = local::read_text(&mark(repository), LIMIT)? else { return Ok(None) };
    // One that was torn by a power cut was not flushed: nothing had begun.
    let parse = |text: &str| {
        let (old, new) = text.strip_suffix('\n')?.split_once(' ')?;
        Some((Oid::parse(old)?.to_string(), Oid::parse(new)?))
    };
    Ok(parse(&text))
}

/// Did a move that was cut off leave anything to be put in order?
pub fn is_left(repository: &Repository) -> Result<bool> {
    Ok(local::is_taken(&mark(repository)) || backup::is_left(repository)?)
}

/// Puts in order what a move that was cut off has left: first what is half written, then what lies aside.
pub fn resume(repository: &Repository, head: &Head) -> Result<()> {
    undo(repository, head)?;
    backup::resume(repository, head)
}

/// Where the branch was not moved, what is missing or half written becomes again what the index has, or gives room to what
/// lies aside for it.
pub fn undo(repository: &Repository, head: &Head) -> Result<()> {
    if !local::is_taken(&mark(repository)) {
        return Ok(());
    }
    // The git that moves it may have outlived who started it.
    undisturbed(repository)?;
    if let Some((old, new)) = read(repository)?
        && head.commit.as_ref().map_or_else(|| empty_tree(&new), Oid::as_str) == old
    {
        mend(repository, head, &broken(repository, &old, &new)?)?;
    }
    end(repository)
}

fn mend(repository: &Repository, head: &Head, broken: &[Item]) -> Result<()> {
    let half: Vec<Item> = broken.iter().filter(|item| item.place != Place::Absent).cloned().collect();
    if !half.is_empty() {
        // It may be somebody's after all, who made a file shorter.
        let why = "half written by a git that was cut off";
        backup::keep(repository, &Keep { why, head: head.commit.as_ref(), commits: 0, items: &half })?;
    }
    let indexed = repository.git.call(&["ls-files", "-z", "--cached"]).ok()?;
    let indexed: HashSet<&[u8]> = indexed.split(|byte| *byte == 0).collect();
    let mut back = Vec::new();
    for Item { path, place, .. } in broken {
        if indexed.contains(&path[..]) && !backup::is_displaced(repository, path)? {
            back.extend_from_slice(path);
            back.push(0);
        } else if *place != Place::Absent {
            local::remove_file(&repository.place(path))?;
        }
    }
    if back.is_empty() {
        return Ok(());
    }
    repository.git.call(&["checkout-index", "--force", "-z", "--stdin"]).input(back).unstopped().ok().map(drop)
}

fn is_file(version: &Option<Version>) -> bool {
    version.as_ref().is_some_and(|version| matches!(version.mode, Mode::File | Mode::Executable))
}

/// What a `read-tree` from one to the other leaves behind that is killed or loses power, or a mend of it.
fn broken(repository: &Repository, old: &str, new: &Oid) -> Result<Vec<Item>> {
    let edited: HashSet<Vec<u8>> = status(repository, Untracked::No, ALL)?.dirty.into_iter().map(|dirty| dirty.path).collect();
    let (mut broken, mut asked) = (Vec::new(), Vec::new());
    for change in difference(repository, old, new.as_str())? {
        let Some(wanted) = change.after.clone().filter(|_| is_file(&change.after)) else { continue };
        if change.before.is_some() && !edited.contains(&change.path) {
            continue;
        }
        if !lies_in_folders(repository, &change.path)? {
            continue;
        }
        let item = Item { place: checkout::look(&repository.place(&change.path))?, path: change.path, staged: None };
        match item.place {
            Place::Absent if is_file(&change.before) => broken.push(item),
            Place::File { .. } => asked.push(Asked { item, wanted }),
            _ => {}
        }
    }
    let hashes = hashes(repository, &asked)?;
    for (Asked { item, wanted }, hash) in asked.into_iter().zip(hashes) {
        let is_part =
            hash != wanted.oid && (is_part(repository, &item.path, new.as_str())? || is_part(repository, &item.path, old)?);
        broken.extend(is_part.then_some(item));
    }
    Ok(broken)
}

/// Is nothing above the path but folders, as git makes them? A file or link that somebody put there stays, and what it leads to.
fn lies_in_folders(repository: &Repository, path: &[u8]) -> Result<bool> {
    for folder in above(path) {
        if !matches!(checkout::look(&repository.place(folder))?, Place::Folder | Place::Absent) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Does the file hold a part of what the commit has there: its beginning, or zeros where blocks were not written?
fn is_part(repository: &Repository, path: &[u8], commit: &str) -> Result<bool> {
    if !versions(repository, commit, &[path.to_vec()])?.iter().all(is_file) {
        return Ok(false);
    }
    let mut name = std::ffi::OsString::from(format!("{commit}:"));
    name.push(native::spelled(path));
    let whole = repository.git.call(&["cat-file", "--filters"]).arg(name).ok()?;
    let (here, _) = checkout::read_once(&repository.place(path))?;
    Ok(here != whole && here.len() <= whole.len() && here.iter().zip(&whole).all(|(here, whole)| here == whole || *here == 0))
}

/// Is what stands at the path half written by a move that was cut off, or is under way?
pub fn is_half(repository: &Repository, path: &[u8]) -> Result<bool> {
    let Some((old, new)) = read(repository)? else { return Ok(false) };
    let at = |commit: &str| versions(repository, commit, &[path.to_vec()]);
    Ok(at(&old)? != at(new.as_str())? && is_part(repository, path, new.as_str())?)
}
