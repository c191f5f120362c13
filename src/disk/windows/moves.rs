//! Renames and removals: what stands at a name goes, or something else comes there.
//!
//! Each is tried as Unix does it first: there the name is free, or shows the new file, at once, whoever has the old one open.
//! Older systems, FAT and most servers know only the older ways, to which a read-only file has to be made writable first. Where
//! such a call fails after that, the attribute comes back.

use std::os::windows::io::AsHandle;

use windows_sys::Win32::Storage::FileSystem as fs;

use super::Facts;
use super::nt::{self, Ask, Removal, Rename, Result};
use super::stat::{self, Reparse, Stat};
use super::status::Status;
use crate::disk::Onto;

/// What is told of a file whatever its content: stays with the name when a file is replaced, as where Windows itself does it
/// (`ReplaceFile`). Where modes are not carried, the mode of what is replaced counts, and these are the like of it.
const STAYS: u32 = fs::FILE_ATTRIBUTE_HIDDEN | fs::FILE_ATTRIBUTE_SYSTEM | fs::FILE_ATTRIBUTE_READONLY;

/// Renames between two open folders.
pub(super) fn rename(
    source: &impl AsHandle,
    old: &[u16],
    target: &impl AsHandle,
    new: &[u16],
    onto: Onto,
    facts: Facts,
) -> Result<()> {
    let file = nt::open(source, old, Ask::MOVE)?;
    let moved = stat::by_handle(&file, facts)?;
    let done = match onto {
        Onto::Nothing => nt::rename(&file, target, new, Rename::Refuse),
        Onto::File => replace((source, old, &file, &moved), target, new, facts),
    };
    match done {
        // With the right to remove it, this says that a program has something in the folder open.
        Err(Status::DENIED) if moved.is_plain_folder() => Err(Status::BUSY),
        other => other,
    }
}

fn replace<S: AsHandle>(
    (source, old, file, moved): (&S, &[u16], &impl AsHandle, &Stat),
    target: &impl AsHandle,
    new: &[u16],
    facts: Facts,
) -> Result<()> {
    let standing = match nt::open(target, new, Ask::LOOK).and_then(|handle| stat::by_handle(&handle, facts)) {
        Ok(stat) if stat.has(fs::FILE_ATTRIBUTE_DIRECTORY) => return Err(Status::IS_FOLDER),
        Ok(_) if moved.has(fs::FILE_ATTRIBUTE_DIRECTORY) => return Err(Status::NO_FOLDER),
        Ok(stat) => Some(stat),
        Err(status) if status.kind(facts.remote) == crate::disk::ErrorKind::Absent => None,
        Err(status) => return Err(status),
    };
    let stays = standing.as_ref().map_or(0, |stat| stat.attributes & STAYS & !moved.attributes);
    if stays != 0 {
        set_attributes(source, old, moved.attributes | stays)?;
    }
    let posix = match nt::rename(file, target, new, Rename::Posix) {
        Err(status) if status.is_unknown_request() => older_replace(file, target, new, standing.as_ref()),
        other => other,
    };
    posix.map_err(|status| {
        if stays != 0 {
            // It is a temporary file of ours, which goes or is tried again.
            let _ = set_attributes(source, old, moved.attributes);
        }
        // "Access is denied" is said of a file in use as well; asked for by itself it tells which.
        let in_use = status == Status::DENIED && nt::open(target, new, Ask::MOVE).is_err_and(|status| status == Status::BUSY);
        if in_use { Status::BUSY } else { status }
    })
}

fn older_replace(file: &impl AsHandle, target: &impl AsHandle, new: &[u16], standing: Option<&Stat>) -> Result<()> {
    let again = || nt::rename(file, target, new, Rename::Replace);
    match again() {
        Err(Status::DENIED | Status::CANNOT_DELETE) => writable(target, new, standing, again),
        other => other,
    }
}

/// Which kind of thing is to be removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    FileOrLink,
    Folder,
}

pub(super) fn remove(folder: &impl AsHandle, name: &[u16], what: What, facts: Facts) -> Result<()> {
    let file = nt::open(folder, name, Ask::MOVE)?;
    let stat = stat::by_handle(&file, facts)?;
    match what {
        What::FileOrLink if stat.is_plain_folder() => return Err(Status::IS_FOLDER),
        // A junction is no link that we ever made.
        What::FileOrLink if stat.has(fs::FILE_ATTRIBUTE_DIRECTORY) && stat.reparse() == Reparse::Strange => {
            return Err(Status::BARRED);
        }
        What::Folder if !stat.has(fs::FILE_ATTRIBUTE_DIRECTORY) => return Err(Status::NO_FOLDER),
        What::Folder if !stat.is_plain_folder() => return Err(Status::BARRED),
        What::FileOrLink | What::Folder => {}
    }
    match nt::remove(&file, Removal::Posix) {
        Err(status) if status.is_unknown_request() => {}
        other => return other,
    }
    match nt::remove(&file, Removal::Plain) {
        Err(Status::CANNOT_DELETE | Status::DENIED) => writable(folder, name, Some(&stat), || nt::remove(&file, Removal::Plain)),
        other => other,
    }
}

/// Does it with the read-only attribute of `name` out of the way; it comes back where that fails.
///
/// RACE: a crash between the two leaves the file writable that was read-only; its content is not touched.
fn writable(folder: &impl AsHandle, name: &[u16], stat: Option<&Stat>, again: impl Fn() -> Result<()>) -> Result<()> {
    let Some(stat) = stat.filter(|stat| stat.has(fs::FILE_ATTRIBUTE_READONLY)) else { return Err(Status::DENIED) };
    set_attributes(folder, name, stat.attributes & !fs::FILE_ATTRIBUTE_READONLY)?;
    again().inspect_err(|_| {
        // Where it cannot come back, the failure that is told anyway is the graver one.
        let _ = set_attributes(folder, name, stat.attributes);
    })
}

fn set_attributes(folder: &impl AsHandle, name: &[u16], attributes: u32) -> Result<()> {
    let file = nt::open(folder, name, Ask::TOUCH)?;
    nt::set_basic(&file, 0, settable(attributes))
}

/// The attributes that can be set, of those that are shown; none of them is a value of its own.
pub(super) fn settable(attributes: u32) -> u32 {
    const CAN: u32 = STAYS
        | fs::FILE_ATTRIBUTE_ARCHIVE
        | fs::FILE_ATTRIBUTE_TEMPORARY
        | fs::FILE_ATTRIBUTE_OFFLINE
        | fs::FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
        | fs::FILE_ATTRIBUTE_PINNED
        | fs::FILE_ATTRIBUTE_UNPINNED;
    match attributes & CAN {
        0 => fs::FILE_ATTRIBUTE_NORMAL,
        some => some,
    }
}
