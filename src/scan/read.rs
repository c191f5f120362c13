//! Read a file for its digest, and only believe it if the file stood still meanwhile.

use crate::disk::{Error, ErrorKind, Folder, Reader, Root};
use crate::model::database::{Ending, beside, whole};
use crate::model::digest::{Digest, Digesting};
use crate::model::entry::Stamp;
use crate::model::finding::ProblemKind;
use crate::model::listing::Unknown;
use crate::model::path::{Name, RelPath};

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

/// The digest of the file `name` as long as it shows `stamp` before and after, and no other change time. Where that is the stamp of a database
/// together with its log, the digest is over both, the log last.
pub fn digest_of(
    folder: &dyn Folder,
    name: &Name,
    stamp: &Stamp,
    reading: &mut Reading,
    stop: &AtomicBool,
) -> Result<Digest, Unread> {
    reading.digesting.reset();
    let mut file = folder.read(name).map_err(unread)?;
    let same = |now: &Stamp| now.size == stamp.size && now.mtime == stamp.mtime;
    let mut log = if same(&file.opened()) { None } else { log_of(folder, name)? };
    let all = |file: &Stamp, log: Option<Stamp>| log.map_or(*file, |log| whole(file, &log));
    if !same(&all(&file.opened(), log.as_ref().map(|log| log.opened()))) {
        return Err(Unread::File(Unknown::Moving));
    }
    reading.feed(&mut *file, stop)?;
    let mut after = file.node().map_err(unread)?.stamp;
    if after.ctime != file.opened().ctime {
        return Err(Unread::File(Unknown::Moving));
    }
    if let Some(log) = &mut log {
        reading.feed(&mut **log, stop)?;
        after = whole(&after, &log.node().map_err(unread)?.stamp);
    }
    if !same(&after) {
        return Err(Unread::File(Unknown::Moving));
    }
    Ok(reading.digesting.finish())
}

impl Reading {
    fn feed(&mut self, file: &mut dyn Reader, stop: &AtomicBool) -> Result<(), Unread> {
        loop {
            let count = file.read(&mut self.buffer).map_err(unread)?;
            if count == 0 {
                return Ok(());
            }
            self.digesting.update(&self.buffer[..count]);
            if stop.load(Ordering::Relaxed) {
                return Err(Unread::File(Unknown::Moving));
            }
        }
    }
}

/// The write-ahead log beside a database.
fn log_of(folder: &dyn Folder, name: &Name) -> Result<Option<Box<dyn Reader>>, Unread> {
    let Some(log) = beside(name, Ending::Wal) else { return Ok(None) };
    match folder.read(&log) {
        Ok(log) => Ok(Some(log)),
        Err(error) if error.kind == ErrorKind::Gone => Err(Unread::Gone(error)),
        Err(_) => Ok(None),
    }
}

fn unread(error: Error) -> Unread {
    match error.kind {
        ErrorKind::Gone => Unread::Gone(error),
        ErrorKind::Absent | ErrorKind::WrongKind | ErrorKind::Barred => Unread::File(Unknown::Moving),
        _ => Unread::File(unknown(&error)),
    }
}

/// A file that nobody read yet: what it is where it cannot be opened, by its root's error if that is gone. `open` keeps the
/// folder of the file before.
pub fn barred(root: &dyn Root, open: &mut Option<(RelPath, Box<dyn Folder>)>, path: &RelPath) -> Result<Option<Unknown>, Error> {
    let Some((parent, name)) = path.parent().zip(path.name()) else { return Ok(None) };
    let known = open.take().filter(|(folder, _)| *folder == parent);
    let folder = known.map_or_else(|| root.folder(&parent).map(|folder| (parent, folder)), Ok);
    let read = folder.and_then(|folder| open.insert(folder).1.read(&name).map(drop));
    match read.map_err(unread) {
        Ok(()) => Ok(None),
        Err(Unread::File(unknown)) => Ok(Some(unknown)),
        Err(Unread::Gone(error)) => Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Freshness;
    use crate::disk::sim::{Habits, World};
    use crate::model::digest;

    /// The digest of a file that somebody saves anew, in its very size, just before the reader's call.
    fn digest_with_a_save(before: &'static str, bytes: &[u8]) -> Result<Digest, Unread> {
        let (world, name) = (World::new(1), Name::new(b"file").expect("a name"));
        let volume = world.volume("volume", Habits::LOCAL);
        let user = volume.user();
        user.write("file", bytes).expect("written");
        let folder = volume.open().and_then(|root| root.folder(&RelPath::root())).expect("the top opens");
        let stamp = folder.look(&name, Freshness::Fresh).expect("looked").expect("there").stamp;
        world.advance(1_000_000_000);
        let (saved, whole) = (vec![b'x'; bytes.len()], before.trim_end_matches(", time kept"));
        world.before_each(move |call| {
            if call.op == whole {
                user.write("file", &saved).expect("saved");
                if whole != before {
                    user.touch("file", stamp.mtime).expect("set back");
                }
            }
            None
        });
        digest_of(&*folder, &name, &stamp, &mut Reading::default(), &AtomicBool::new(false))
    }

    #[test]
    fn a_file_has_a_digest_where_it_stood_still_while_it_was_read() {
        let bytes: Vec<u8> = (0_u32..300_000).map(|at| (at % 251) as u8).collect();
        assert!(digest_with_a_save("nothing", &bytes).is_ok_and(|found| found == digest::of(&bytes)), "all of it counts");
        for before in ["read", "read bytes", "read stat", "read bytes, time kept", "read stat, time kept"] {
            let found = digest_with_a_save(before, &bytes);
            assert!(matches!(found, Err(Unread::File(Unknown::Moving))), "saved before {before}");
        }
    }
}
