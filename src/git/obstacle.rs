//! What stands in the way of another version and is seen neither by `git status` nor by `read-tree`, which would remove it
//! without a word: repositories within the work tree, files that only the index has where a folder is to be (and the reverse),
//! edits that git was told not to look at.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::backup::Item;
use super::error::{Error, Result};
use super::follow::{named, odd};
use super::names::Oid;
use super::repository::Repository;
use super::tree::{Change, Dirty, Mode, Status, Version};
use crate::disk::ErrorKind;
use crate::disk::checkout::{self, Place};
use crate::model::native;

/// A folder that is, or holds, a repository of its own.
pub fn repository_in_the_way(path: &[u8]) -> Error {
    let message = format!("The folder {} is a repository of its own, and stands in the way.", named(path));
    Error::refused(message, "Nothing was changed. Move it away, and run it again.")
}

/// Is anything but folders there?
pub fn holds_files(repository: &Repository, folder: &[u8]) -> Result<bool> {
    let place = repository.place(folder);
    Ok(checkout::look(&place)? == Place::Folder && !checkout::files_below(&place)?.is_empty())
}

/// All that lies below a folder of the work tree, whatever git thinks of it. A `.git` within is an error: git sees nothing
/// of what it holds, and would remove it.
pub fn files_below(repository: &Repository, folder: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for file in checkout::files_below(&repository.place(folder))? {
        if let Some(at) = file.iter().position(|part| part.eq_ignore_ascii_case(".git")) {
            let inner: std::path::PathBuf = file.iter().take(at).collect();
            return Err(repository_in_the_way(&below(folder, inner)));
        }
        found.push(below(folder, file));
    }
    Ok(found)
}

fn below(folder: &[u8], file: std::path::PathBuf) -> Vec<u8> {
    let file = native::slashed(&file);
    let parts = [folder, &file[..]].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(&b'/')
}

/// Staged paths that the new commit has not, but has a file above or below: there is room for one only in an index.
pub fn staged_across(
    repository: &Repository,
    changes: &[Change],
    dirty: &HashMap<&[u8], &Dirty>,
) -> Result<BTreeMap<Vec<u8>, Item>> {
    let coming: BTreeSet<&[u8]> = changes.iter().filter(|change| change.after.is_some()).map(|change| &change.path[..]).collect();
    let known: HashSet<&[u8]> = changes.iter().map(|change| &change.path[..]).collect();
    let mut items = BTreeMap::new();
    for dirt in dirty.values().filter(|dirt| !known.contains(&dirt.path[..])) {
        let is_below = ends(&dirt.path).any(|end| coming.contains(&dirt.path[..end]));
        let folder = [&dirt.path[..], b"/"].concat();
        let is_above = coming.range(&folder[..]..).next().is_some_and(|path| path.starts_with(&folder));
        if !is_below && !is_above {
            continue;
        }
        if dirt.unmerged {
            let message = format!("The path {} is in the middle of a merge.", named(&dirt.path));
            return Err(Error::refused(message, "Nothing was changed. End the merge, and run it again."));
        }
        let place = match checkout::look(&repository.place(&dirt.path))? {
            Place::Other => return Err(odd(&dirt.path)),
            Place::Folder => Place::Absent,
            place => place,
        };
        let staged = dirt.staged.then(|| dirt.index.clone());
        items.insert(dirt.path.clone(), Item { path: dirt.path.clone(), place, staged });
    }
    Ok(items)
}

/// Where the folders above a path end.
fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at)
}

/// Changed paths with an edit that `git status` does not tell, because git was told to take them for unchanged
/// (`assume-unchanged`, `skip-worktree`).
pub fn hidden(repository: &Repository, changes: &[Change], status: &Status) -> Result<Vec<Dirty>> {
    let told: HashSet<&[u8]> = status.dirty.iter().map(|dirty| &dirty.path[..]).collect();
    let asked: HashMap<&[u8], &Change> = changes
        .iter()
        .filter(|change| change.before.as_ref().is_some_and(|before| before.mode != Mode::Submodule))
        .filter(|change| !told.contains(&change.path[..]))
        .map(|change| (&change.path[..], change))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut hidden = Vec::new();
    for path in unwatched(repository)? {
        let Some(change) = asked.get(&path[..]) else { continue };
        let now = match checkout::look(&repository.place(&path))? {
            Place::Absent => continue,
            Place::Link(target) => Some(repository.git.call(&["hash-object", "--stdin"]).input(target).ok()?),
            Place::File { .. } => Some(repository.git.call(&["hash-object", "--"]).arg(native::spelled(&path)).ok()?),
            Place::Folder | Place::Other => None,
        };
        let now = now.map(|now| Oid::of("hash-object", &now)).transpose()?;
        let before = change.before.clone();
        if now.is_none() || now.as_ref() != before.as_ref().map(|before| &before.oid) {
            hidden.push(Dirty { path, staged: false, unstaged: true, unmerged: false, head: before.clone(), index: before });
        }
    }
    Ok(hidden)
}

/// The tracked paths that git was told not to look at.
pub fn unwatched(repository: &Repository) -> Result<Vec<Vec<u8>>> {
    let listed = repository.git.call(&["ls-files", "-v", "-z"]).ok()?;
    let line = |line: &[u8]| {
        let (tag, path) = line.split_at_checked(2)?;
        (tag[0] == b'S' || tag[0].is_ascii_lowercase()).then(|| path.to_vec())
    };
    Ok(listed.split(|byte| *byte == 0).filter_map(line).collect())
}

/// Puts new files that the ignore rules match in their places, where nothing stands. `read-tree` takes what is ignored for
/// worthless: it would overwrite what a program writes there in this moment.
///
/// RACE: where a folder becomes a file, what is ignored and comes into the folder just before `read-tree` goes with it.
pub fn place_ignored<'a>(
    repository: &Repository,
    changes: &'a [Change],
    ready: &[(Vec<u8>, Option<Version>)],
) -> Result<Vec<&'a Change>> {
    let leaving: HashSet<&[u8]> = changes.iter().filter(|change| change.after.is_none()).map(|change| &change.path[..]).collect();
    let ready: HashSet<&[u8]> = ready.iter().map(|(path, _)| &path[..]).collect();
    let comes = |change: &&Change| {
        change.before.is_none()
            && change.after.as_ref().is_some_and(|after| after.mode != Mode::Submodule)
            && !ready.contains(&change.path[..])
            && !ends(&change.path).any(|end| leaving.contains(&change.path[..end]))
            && !matches!(checkout::look(&repository.place(&change.path)), Ok(Place::Folder))
    };
    let coming: Vec<&Change> = changes.iter().filter(comes).collect();
    let mut placed = Vec::new();
    for change in ignored(repository, coming)? {
        let Some(after) = &change.after else { continue };
        let place = repository.place(&change.path);
        let done = if after.mode == Mode::Link {
            let target = repository.git.call(&["cat-file", "blob", after.oid.as_str()]).ok()?;
            checkout::link(&place, &target)
        } else {
            let mut path = std::ffi::OsString::from("--path=");
            path.push(native::spelled(&change.path));
            let call = repository.git.call(&["cat-file", "--filters"]).arg(path).arg(after.oid.as_str());
            checkout::write_new(&place, &call.ok()?, after.mode == Mode::Executable)
        };
        match done {
            Err(taken) if taken.kind == ErrorKind::Exists => {
                return Err(Error::Stirred { message: format!("{} was made meanwhile", named(&change.path)) });
            }
            done => done?,
        }
        placed.push(change);
    }
    Ok(placed)
}

/// Those of the paths that the ignore rules match.
fn ignored<'a>(repository: &Repository, changes: Vec<&'a Change>) -> Result<Vec<&'a Change>> {
    if changes.is_empty() {
        return Ok(changes);
    }
    // With that beginning no name is a pattern.
    let input: Vec<u8> = changes.iter().flat_map(|change| [b"./", &change.path[..], b"\0"].concat()).collect();
    let output = repository.git.call(&["check-ignore", "--no-index", "-z", "--stdin"]).input(input).run()?;
    if !matches!(output.code, 0 | 1) {
        return Err(output.error("check-ignore"));
    }
    let found: HashSet<&[u8]> = output.stdout.split(|byte| *byte == 0).filter_map(|line| line.strip_prefix(b"./")).collect();
    Ok(changes.into_iter().filter(|change| found.contains(&change.path[..])).collect())
}
