//! Files of a work tree of git, by whole paths: looked at without following a link in the last place, read once, put aside
//! and back without overwriting.
//!
//! Who calls has looked at the folders above (a link among them leads elsewhere).

#![expect(clippy::disallowed_methods, reason = "disk is the door to the file system")]

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clock;
use super::error::{Error, ErrorKind, Result};
use super::local::{error, is_absent};
use crate::model::native;

#[cfg(unix)]
#[path = "checkout/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "checkout/windows.rs"]
mod system;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing; also where something above it is no folder.
    Absent,
    File {
        /// `None` where the system keeps no such bit.
        executable: Option<bool>,
        length: u64,
    },
    /// With its target.
    Link(Vec<u8>),
    Folder,
    /// A FIFO, a socket, a device.
    Other,
}

/// The path of a file below a folder, by its bytes with `/` between the names. What the system cannot hold as it is becomes a path
/// that no call takes.
pub fn place(folder: &Path, path: &[u8]) -> PathBuf {
    system::place(folder, path)
}

/// What stands at a path now.
pub fn look(path: &Path) -> Result<Place> {
    let meta = match fs::symlink_metadata(path) {
        Err(absent) if is_absent(&absent) => return Ok(Place::Absent),
        looked => looked.map_err(|source| error("look at", path, source))?,
    };
    Ok(match meta.file_type() {
        kind if kind.is_file() => Place::File { executable: system::is_executable(&meta), length: meta.len() },
        kind if kind.is_dir() => Place::Folder,
        kind if kind.is_symlink() => {
            let target = fs::read_link(path).map_err(|source| error("read the link", path, source))?;
            Place::Link(native::slashed(&target).into_owned())
        }
        _ => Place::Other,
    })
}

/// Opens a regular file for reading.
fn open(path: &Path) -> Result<(File, Metadata)> {
    let opened = system::careful(OpenOptions::new().read(true)).open(path).and_then(|file| {
        let meta = file.metadata()?;
        if meta.is_file() { Ok((file, meta)) } else { Err(io::Error::other("it is no regular file")) }
    });
    opened.map_err(|source| error("read", path, source))
}

/// Flushes a file that somebody else wrote; one that is gone meanwhile is none.
pub fn flush(path: &Path) -> Result<()> {
    match open(path) {
        Err(error) if error.kind == ErrorKind::Absent => Ok(()),
        opened => opened?.0.sync_all().map_err(|source| error("flush", path, source)),
    }
}

/// A file to be read by somebody else, with its length now.
pub fn stream(path: &Path) -> Result<(Box<dyn Read + Send>, u64)> {
    let (file, meta) = open(path)?;
    Ok((Box::new(file), meta.len()))
}

/// How often a file that is written to while it is read is read again, and the pause between.
const AGAIN: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// A file's bytes, read in one go, and the same before and after; and may it be executed? One that is written to all the
/// time is an error of kind [`ErrorKind::Busy`].
///
/// RACE: a writer that pauses in the middle of its writing is not seen. The worst is a torn version, which the next one
/// replaces; who writes beside the file and renames is never torn.
pub fn read_once(path: &Path) -> Result<(Vec<u8>, Option<bool>)> {
    for _ in 0..AGAIN {
        let (mut file, before) = open(path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or_default());
        file.read_to_end(&mut bytes).map_err(|source| error("read", path, source))?;
        let after = file.metadata().map_err(|source| error("read", path, source))?;
        if system::facts(&before) == system::facts(&after) && bytes.len() as u64 == after.len() {
            return Ok((bytes, system::is_executable(&after)));
        }
        clock::pause(PAUSE);
    }
    Err(Error::new("read", path.display(), ErrorKind::Busy, io::Error::other("it is written to all the time")))
}

/// Renames; an error of kind [`ErrorKind::Exists`] where something stands at `to`.
pub fn move_to_free_place(from: &Path, to: &Path) -> Result<()> {
    match system::rename_to_free_place(from, to) {
        // The repository of a linked work tree may lie on another drive.
        Err(other) if other.kind() == io::ErrorKind::CrossesDevices => copy_and_remove(from, to),
        moved => moved.map_err(|source| error("rename", from, source)),
    }
}

/// The same between two drives.
///
/// RACE: what is written to the file between the last look at it and its removal goes with it.
fn copy_and_remove(from: &Path, to: &Path) -> Result<()> {
    match look(from)? {
        Place::Link(target) => link(to, &target)?,
        _ => {
            let (bytes, executable) = read_once(from)?;
            write_new(to, &bytes, executable == Some(true))?;
            if read_once(from)?.0 != bytes {
                let _ = fs::remove_file(to);
                return Err(Error::new("move", from.display(), ErrorKind::Busy, io::Error::other("it is written to")));
            }
        }
    }
    fs::remove_file(from).map_err(|source| error("remove", from, source))
}

/// A new file or, in one step, another content in the place of an old one; flushed. A link there is replaced, not followed.
pub fn write(path: &Path, content: &[u8], executable: bool) -> Result<()> {
    let write = || beside(path, content, executable)?.persist(path).map_err(|error| error.error).map(drop);
    write().map_err(|source| error("write", path, source))
}

/// A new file, whole in one step, and flushed; what stands there is an error of kind [`ErrorKind::Exists`].
pub fn write_new(path: &Path, content: &[u8], executable: bool) -> Result<()> {
    let write = || beside(path, content, executable)?.persist_noclobber(path).map_err(|error| error.error).map(drop);
    write().map_err(|source| error("write", path, source))
}

/// The content in a file of its own beside its place.
fn beside(path: &Path, content: &[u8], executable: bool) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it is no file in a folder"))?;
    fs::create_dir_all(folder)?;
    let mut named = tempfile::Builder::new();
    named.prefix(".driftless-");
    let mut file = system::for_everybody(&mut named, executable).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A new link; what stands there is an error.
pub fn link(path: &Path, target: &[u8]) -> Result<()> {
    let make = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        system::symlink(target, path)
    };
    make().map_err(|source| error("make the link", path, source))
}

/// Every file and link below a folder, as paths below it, sorted; none where it does not exist.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(path) = open.pop() {
        let listed = match fs::read_dir(&path) {
            Err(absent) if is_absent(&absent) => continue,
            listed => listed.map_err(|source| error("list", &path, source))?,
        };
        for entry in listed {
            let entry = entry.map_err(|source| error("list", &path, source))?;
            let kind = entry.file_type().map_err(|source| error("look at", &entry.path(), source))?;
            if kind.is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).expect("it is below").to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a folder of our own with all that is in it; none there is fine.
pub fn remove_own_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(absent) if is_absent(&absent) => Ok(()),
        removed => removed.map_err(|source| error("remove", folder, source)),
    }
}

/// The ages of a file's mtime and how long ago it was, by this machine's clock; `None` where there is no file.
pub fn age(path: &Path) -> Option<Duration> {
    let modified = fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok()?;
    Some(std::time::SystemTime::now().duration_since(modified).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_place_is_told_without_following_its_last_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        write(&at("sub/file"), b"12", true).expect("written");
        link(&at("link"), b"sub/file").expect("a link");
        assert_eq!(look(&at("sub/file")).expect("seen"), Place::File { executable: Some(true), length: 2 });
        assert_eq!(look(&at("link")).expect("seen"), Place::Link(b"sub/file".to_vec()));
        assert_eq!(look(&at("sub")).expect("seen"), Place::Folder);
        for absent in ["none", "sub/file/x", "sub/none"] {
            assert_eq!(look(&at(absent)).expect("seen"), Place::Absent, "{absent}");
        }
        assert_eq!(read_once(&at("sub/file")).expect("read"), (b"12".to_vec(), Some(true)));
        assert!(read_once(&at("link")).is_err(), "a link is not followed");
        assert_eq!(files_below(folder.path()).expect("listed"), ["link", "sub/file"].map(PathBuf::from));
    }

    #[test]
    fn nothing_is_overwritten_by_a_move() {
        let folder = tempfile::tempdir().expect("a folder");
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        write(&from, b"mine", false).expect("written");
        write(&to, b"yours", false).expect("written");
        assert_eq!(move_to_free_place(&from, &to).expect_err("taken").kind, ErrorKind::Exists);
        assert_eq!(read_once(&to).expect("read").0, b"yours");
        fs::remove_file(&to).expect("removed");
        move_to_free_place(&from, &to).expect("moved");
        assert_eq!(look(&from).expect("seen"), Place::Absent);
    }
}
