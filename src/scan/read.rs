//! Read a file for its digest, and only believe it if the file stood still meanwhile.

use crate::disk::{Error, ErrorKind, Folder};
use crate::model::digest::{Digest, Digesting};
use crate::model::entry::Stamp;
use crate::model::finding::ProblemKind;
use crate::model::listing::Unknown;
use crate::model::path::Name;

use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read at once: large enough that calls do not count, small enough to stay in a core's cache.
const BUFFER: usize = 256 * 1024;

/// One worker's buffer and hash state, used for file after file.
pub struct Reading {
    buffer: Vec<u8>,
    digesting: Digesting,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { buffer: vec![0; BUFFER], digesting: Digesting::default() }
    }
}

/// Why a file has no digest.
pub enum Unread {
    /// The whole root went away.
    Gone(Error),
    /// Something about this file.
    File(Unknown),
}

/// The digest of the file `name` as long as it shows `stamp` before and after.
pub fn digest_of(
    folder: &dyn Folder,
    name: &Name,
    stamp: &Stamp,
    reading: &mut Reading,
    stop: &AtomicBool,
) -> Result<Digest, Unread> {
    let Reading { buffer, digesting } = reading;
    digesting.reset();
    let mut file = folder.read(name).map_err(unread)?;
    let same = |now: &Stamp| now.size == stamp.size && now.mtime == stamp.mtime;
    if !same(&file.opened()) {
        return Err(Unread::File(Unknown::Moving));
    }
    loop {
        let count = file.read(buffer).map_err(unread)?;
        if count == 0 {
            break;
        }
        digesting.update(&buffer[..count]);
        if stop.load(Ordering::Relaxed) {
            return Err(Unread::File(Unknown::Moving));
        }
    }
    if !same(&file.node().map_err(unread)?.stamp) {
        return Err(Unread::File(Unknown::Moving));
    }
    Ok(digesting.finish())
}

fn unread(error: Error) -> Unread {
    match error.kind {
        ErrorKind::Gone => Unread::Gone(error),
        ErrorKind::Absent | ErrorKind::WrongKind | ErrorKind::Barred => Unread::File(Unknown::Moving),
        _ => Unread::File(unknown(&error)),
    }
}

/// What a file or folder is after an error about it.
pub fn unknown(error: &Error) -> Unknown {
    let kind = match error.kind {
        ErrorKind::Denied => ProblemKind::Permission,
        ErrorKind::Busy => ProblemKind::Busy,
        _ => ProblemKind::Unreadable,
    };
    Unknown::Error { kind, message: format!("cannot be read: {}", error.source) }
}
