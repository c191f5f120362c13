//! A root's own folder `.driftless/` and the small files in it.
//!
//! Invariants. The folder is real, never a link. A file is replaced whole or not at all. What is read has a limit,
//! because everybody who can write the root can write here. Names for the moment carry a random part, so that several
//! machines on one network root never share one.

use crate::disk::clock::{now, random};

use super::error::{Error, Result};
use crate::disk::{ErrorKind, Folder, NodeContent, Onto, Root};
use crate::model::entry::Content;
use crate::model::listing::Item;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

use std::path::{Path, PathBuf};

/// The folder's name; at any depth it is the tool's.
pub const FOLDER: &str = ".driftless";

/// Larger small files are not read.
const LIMIT: usize = 64 * 1024;

/// What a run that was killed left behind goes after this time, by the root's own clock.
const LEFTOVER_AGE_NS: i64 = 7 * 86_400 * 1_000_000_000;

/// Names of the moment: replaced files in the making, clocks and probes.
const LEFTOVERS: [&[u8]; 4] = [b"new-", b"clock-", b"probe-", COOKIE.as_bytes()];

/// Whether a file has to outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Flushed, and its name too, before the call returns.
    Flushed,
    /// As the operating system likes.
    Lazily,
}

/// The lock of a pair, in its staging root.
pub fn lock_path(staging: &Path) -> PathBuf {
    staging.join(FOLDER).join("lock")
}

/// The lock of the one who watches a pair, in its staging root.
pub fn post_path(staging: &Path) -> PathBuf {
    staging.join(FOLDER).join("watch-lock")
}

/// The lock of the one who runs a command on a staging root.
pub fn run_path(staging: &Path) -> PathBuf {
    staging.join(FOLDER).join("run-lock")
}

/// Files by which somebody who watches a root sees that events come through begin so.
pub const COOKIE: &str = "cookie-";

/// Opens the root's own folder; `None` where there is none.
pub fn open(root: &dyn Root) -> Result<Option<Box<dyn Folder>>> {
    match root.folder(&RelPath::root().join(FOLDER.as_bytes())) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) => match error.kind {
            ErrorKind::Absent => Ok(None),
            ErrorKind::Barred | ErrorKind::WrongKind => Err(Error::NotOurs(error)),
            _ => Err(error.into()),
        },
    }
}

/// Opens the root's own folder, and makes it where there is none.
pub fn open_or_make(root: &dyn Root) -> Result<Box<dyn Folder>> {
    if let Some(folder) = open(root)? {
        return Ok(folder);
    }
    let top = root.folder(&RelPath::root())?;
    // 0775, less the umask: where a root is a group's, the group's runs write here too.
    match top.make_folder(&name(FOLDER), 0o775) {
        Err(error) if error.kind != ErrorKind::Exists => return Err(error.into()),
        _ => flush(top.as_ref())?,
    }
    open(root)?.ok_or(Error::Swapped("went away while it was made"))
}

/// A name that is valid because it is written in this room.
pub(super) fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("names of this room are single names")
}

/// `prefix` and 64 random bits.
pub(super) fn moment_name(prefix: &str) -> Result<Name> {
    let mut bits = [0; 8];
    random(&mut bits).map_err(Error::Random)?;
    Ok(name(&format!("{prefix}{:016x}", u64::from_be_bytes(bits))))
}

/// A file's first 64 KiB and one byte, so that the caller can tell what is too long; `None` where there is none.
pub(super) fn read(folder: &dyn Folder, name: &Name) -> Result<Option<Vec<u8>>> {
    let mut reader = match folder.read(name) {
        Ok(reader) => reader,
        Err(error) if error.kind == ErrorKind::Absent => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = vec![0; LIMIT + 1];
    let filled = reader.fill(&mut bytes)?;
    bytes.truncate(filled);
    Ok(Some(bytes))
}

pub(super) fn too_long(bytes: &[u8]) -> bool {
    bytes.len() > LIMIT
}

/// Writes `text` beside and renames it to `name`, so that a reader sees the old or the new file, whole.
pub(super) fn replace(folder: &dyn Folder, name: &Name, text: &str, keep: Keep, onto: Onto) -> Result<()> {
    let staged = moment_name("new-")?;
    let result = stage(folder, &staged, text.as_bytes(), keep).and_then(|()| Ok(folder.rename(&staged, name, onto)?));
    if result.is_err() {
        // Best effort: the error that counts is the first, and `sweep` takes what stays.
        let _ = folder.remove_file(&staged);
        return result;
    }
    match keep {
        Keep::Flushed => flush(folder),
        Keep::Lazily => Ok(()),
    }
}

/// Creates a file with its content. 0644: on a shared root other people's runs read it. It has this mode from the beginning,
/// which saves a far root two calls; nobody reads the temporary name meanwhile.
pub(super) fn stage(folder: &dyn Folder, name: &Name, bytes: &[u8], keep: Keep) -> Result<()> {
    let mut writer = folder.stage_for(name, 0o644)?;
    writer.write_all(bytes)?;
    writer.finish(now(), Some(0o644), keep == Keep::Flushed)?;
    Ok(())
}

/// Makes durable what another run may have shown here without coming to its flush.
pub fn settle(root: &dyn Root) -> Result<()> {
    open(root)?.map_or(Ok(()), |folder| flush(&*folder))
}

/// Flushes names; many network mounts cannot, and then there is nothing better.
fn flush(folder: &dyn Folder) -> Result<()> {
    match folder.flush() {
        Err(error) if error.kind != ErrorKind::Unsupported => Err(error.into()),
        _ => Ok(()),
    }
}

/// Removes what killed runs left in `.driftless/`: names of the moment that are older than 7 days at `now`, the root's
/// own clock. What cannot be removed stays for the next time.
pub fn sweep(root: &dyn Root, now: Time) -> Result<()> {
    let Some(folder) = open(root)? else { return Ok(()) };
    for item in folder.list()? {
        let old = now.0.saturating_sub(item.value.stamp.mtime.0) > LEFTOVER_AGE_NS;
        if !old || !LEFTOVERS.iter().any(|prefix| item.name.starts_with(prefix)) {
            continue;
        }
        let path = RelPath::root().join(FOLDER.as_bytes()).join(&item.name);
        match item.value.content {
            NodeContent::Plain(Content::Folder) => remove_flat(root, folder.as_ref(), &path, &item.name),
            NodeContent::Plain(_) => drop(folder.remove_file(&item.name)),
            _ => {}
        }
    }
    Ok(())
}

/// How many names of the moment lie in `.driftless/`: of runs that are at work or were killed.
pub fn leftovers(root: &dyn Root) -> Result<usize> {
    let Some(folder) = open(root)? else { return Ok(0) };
    let ours = |item: &&Item<_>| LEFTOVERS.iter().any(|prefix| item.name.starts_with(prefix));
    Ok(folder.list()?.iter().filter(ours).count())
}

/// Removes a folder of ours that holds no folders, as far as that goes.
pub(super) fn remove_flat(root: &dyn Root, parent: &dyn Folder, path: &RelPath, name: &Name) {
    if let Ok(folder) = root.folder(path)
        && let Ok(listing) = folder.list()
    {
        listing.iter().for_each(|item| drop(folder.remove_file(&item.name)));
    }
    let _ = parent.remove_folder(name);
}
