//! Files outside the roots: the state folder, `pair.toml`, and the configuration that a person writes.
//!
//! Paths here are whole ones and links are followed, because the user's own folders are trusted. A configuration file
//! in a shared root is read by [`read_text`], which takes regular files up to a limit only, so that a FIFO or an
//! endless file in its place cannot hold the program up.
//!
//! What systems do differently is in `system`: [`unix`] or [`windows`], with the same functions.

#![expect(clippy::disallowed_methods, reason = "disk is the door to the file system")]

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Chain;
use super::error::{Error, ErrorKind, Result};
use crate::model::time::Time;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(windows)]
pub use system::open_to_hear;
pub(super) use system::{careful, identity_of, names as names_of, private_and_careful, read_exact_at};
pub use system::{free, host_name, open_file_limit, system, user_id};

/// The text of a regular file; `None` where there is none.
pub fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let failed = |source: io::Error| error("read", path, source);
    match fs::symlink_metadata(path) {
        Err(absent) if is_absent(&absent) => return Ok(None),
        Err(source) => return Err(failed(source)),
        Ok(meta) if !meta.is_file() => return Err(failed(io::Error::other("it is no regular file"))),
        Ok(meta) if meta.len() > limit => return Err(failed(io::Error::other(format!("it is larger than {limit} bytes")))),
        Ok(_) => {}
    }
    // A FIFO or a link put here since the look above: the open neither blocks nor follows.
    let mut file = careful().read(true).open(path).map_err(failed)?;
    // It may have changed since the look, too: half of what it says is not what it says.
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    let count = Read::by_ref(&mut file).take(limit.saturating_add(1)).read_to_string(&mut text).map_err(failed)?;
    if count as u64 > limit {
        return Err(failed(io::Error::other(format!("it is larger than {limit} bytes"))));
    }
    Ok(Some(text))
}

/// Writes a new file, flushed; an error where one is there already. Killed in the middle it leaves no part of one under
/// that name.
pub fn create_text(path: &Path, text: &str) -> Result<()> {
    create(path, text, Readers::AsTheFolderSays)
}

/// The same for this user alone.
pub fn create_private_text(path: &Path, text: &str) -> Result<()> {
    create(path, text, Readers::ThisUser)
}

/// A new file for this user alone, for another program to write to.
pub fn create_private_file(path: &Path) -> Result<fs::File> {
    let made = system::private().write(true).create_new(true).open(path);
    made.and_then(|file| system::close_to_others(path).map(|()| file)).map_err(|source| error("create", path, source))
}

/// Who may read a file that is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    ThisUser,
    AsTheFolderSays,
}

fn create(path: &Path, text: &str, readers: Readers) -> Result<()> {
    let write = || {
        let folder = path.parent().ok_or_else(|| io::Error::other("it is no file in a folder"))?;
        let mut file = system::temporary(folder, readers == Readers::ThisUser)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(file) => system::flush_name(&file),
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => Err(taken.error),
            // RACE: where a rename can neither refuse to replace nor a second name be made, a kill can leave a part of it.
            Err(_) => {
                let options = if readers == Readers::ThisUser { system::private() } else { fs::OpenOptions::new() };
                let mut file = options.clone().write(true).create_new(true).open(path)?;
                if readers == Readers::ThisUser {
                    system::close_to_others(path)?;
                }
                file.write_all(text.as_bytes())?;
                file.sync_all()
            }
        }
    };
    write().map_err(|source| error("create", path, source))
}

/// Replaces a file as a whole, flushed: a reader or a power failure sees the old text or the new one.
pub fn replace_text(path: &Path, text: &str) -> Result<()> {
    let write = || {
        let folder = path.parent().ok_or_else(|| io::Error::other("it is no file in a folder"))?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        // As it was: a person may have opened it to others.
        file.as_file().set_permissions(fs::metadata(path)?.permissions())?;
        file.as_file().sync_all()?;
        let (file, new) = file.keep().map_err(|error| error.error)?;
        drop(file);
        let renamed = system::rename_for_good(&new, path);
        if renamed.is_err() {
            let _ = fs::remove_file(&new);
        }
        renamed?;
        system::flush_folder(folder)
    };
    write().map_err(|source| error("replace", path, source))
}

/// Writes a file in one step, for this user alone, also in the place of an old one. Not flushed: after a power cut it may be the old one, or broken.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    let new = path.with_added_extension("new");
    let write = || {
        system::private_and_unlinked().write(true).create(true).truncate(true).open(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().map_err(|source| error("write", path, source))
}

/// Removes a file; with `flush` it does not come back after a power cut.
pub fn remove_for_good(path: &Path, flush: bool) -> Result<()> {
    let remove = || {
        fs::remove_file(path)?;
        match path.parent().filter(|_| flush) {
            Some(folder) => system::flush_folder(folder),
            None => Ok(()),
        }
    };
    remove().map_err(|source| error("remove", path, source))
}

/// The files in a folder with their ages; none where it does not exist.
pub fn files(path: &Path) -> Result<Vec<(PathBuf, Duration)>> {
    let list = || -> io::Result<Vec<(PathBuf, Duration)>> {
        let now = SystemTime::now();
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
            files.push((entry.path(), age));
        }
        Ok(files)
    };
    match list() {
        Err(absent) if is_absent(&absent) => Ok(Vec::new()),
        listed => listed.map_err(|source| error("list", path, source)),
    }
}

/// The names of the folders in a folder, sorted; none where it does not exist.
pub fn folders(path: &Path) -> Result<Vec<OsString>> {
    let list = || -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.path().is_dir() {
                names.push(entry.file_name());
            }
        }
        names.sort();
        Ok(names)
    };
    match list() {
        Err(absent) if is_absent(&absent) => Ok(Vec::new()),
        listed => listed.map_err(|source| error("list", path, source)),
    }
}

/// All names in a folder, sorted.
pub fn names(path: &Path) -> Result<Vec<OsString>> {
    let list = || -> io::Result<Vec<OsString>> {
        let names: io::Result<Vec<OsString>> = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort();
        Ok(names)
    };
    list().map_err(|source| error("list", path, source))
}

/// Is nothing there, or an empty folder?
pub fn is_vacant(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(source) => is_absent(&source),
    }
}

/// Makes a folder and those above it.
pub fn make_folders(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| error("make the folder", path, source))
}

/// Makes a folder that others may enter no more than they may enter `like`, with those above it.
pub fn make_folders_like(path: &Path, like: &Path) -> Result<()> {
    let make = || {
        let like = fs::metadata(like)?;
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        system::builder_like(&like).recursive(true).create(path)
    };
    make().map_err(|source| error("make the folder", path, source))
}

/// Makes a folder that only this user may enter, with those above it; one that is open to others is closed to them. One
/// that belongs to somebody else, or that somebody else's link leads to, is refused.
pub fn make_private_folder(path: &Path) -> Result<()> {
    system::make_private_folder(path).map_err(|source| error("make the folder", path, source))
}

/// Makes an empty file that only this user may read, where nothing stands yet.
pub fn make_private_file(path: &Path) -> Result<()> {
    match system::private().write(true).create_new(true).open(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(error("create", path, source)),
        _ => Ok(()),
    }
}

pub fn remove_file(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|source| error("remove", path, source))
}

/// Removes an empty folder.
pub fn remove_folder(path: &Path) -> Result<()> {
    fs::remove_dir(path).map_err(|source| error("remove", path, source))
}

/// The path without links and dots, as far as it exists; what does not exist yet is appended as it is.
pub fn real_path(path: &Path) -> PathBuf {
    let (mut there, mut missing) = (path.to_path_buf(), Vec::new());
    loop {
        if let Ok(real) = system::canonicalize(&there) {
            return missing.iter().rev().fold(real, |whole: PathBuf, name: &OsString| match name.as_os_str() {
                dots if dots == Component::ParentDir.as_os_str() => whole.parent().unwrap_or(&whole).to_path_buf(),
                name => whole.join(name),
            });
        }
        let Some(last) = there.components().next_back() else { return path.to_path_buf() };
        missing.push(last.as_os_str().to_os_string());
        there = there.parent().map(Path::to_path_buf).unwrap_or_default();
    }
}

/// Does the error say that nothing stands there? On Windows the standard library calls a share that is away `NotFound` too (53,
/// 67), and nothing may be concluded from that.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) && !system::is_gone(error)
}

pub(super) fn error(op: &'static str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        _ if system::is_gone(&source) => ErrorKind::Gone,
        io::ErrorKind::NotFound => ErrorKind::Absent,
        io::ErrorKind::AlreadyExists => ErrorKind::Exists,
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        _ => ErrorKind::Other,
    };
    Error::new(op, path.display(), kind, source)
}

/// Renames within one file system; what stood at `to` is replaced.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|source| error("rename", from, source))
}

/// Makes the names in a folder durable.
pub fn flush_folder(path: &Path) -> Result<()> {
    system::flush_folder(path).map_err(|source| error("flush", path, source))
}

/// The path without links and dots; it exists.
pub fn canonicalize(path: &Path) -> Result<PathBuf> {
    system::canonicalize(path).map_err(|source| error("find", path, source))
}

/// The target of a link; `None` for everything else.
pub fn link_target(path: &Path) -> Option<PathBuf> {
    fs::read_link(path).ok()
}

/// The device and number of a folder and of all above it; one above that may not be searched is passed over.
pub fn chain(path: &Path) -> Result<Chain> {
    let looked = || Ok((fs::metadata(path)?.is_dir(), system::identity(path)?));
    let (is_folder, own) = looked().map_err(|source| error("look at", path, source))?;
    let above = path.ancestors().skip(1).filter_map(|folder| system::identity(folder).ok());
    Ok(Chain { is_folder, ids: std::iter::once(own).chain(above).collect() })
}

pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Is a socket there, or a link to one?
pub fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| system::is_socket(&meta))
}

/// Device and number of what stands at a path; `None` where it cannot be asked.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    system::identity(path).ok()
}

/// The permission bits of a folder or file; `None` where it cannot be asked.
pub fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|meta| system::mode(&meta))
}

/// When something came to be what it is.
pub struct Times {
    /// `None` where the file system does not keep it.
    pub born: Option<Time>,
    /// The last change of the content: of a folder, its names.
    pub content: Time,
    /// The last change of anything, a move included.
    pub inode: Time,
}

/// The times of what lies at a path, links followed; `None` where that cannot be told.
pub fn times(path: &Path) -> Option<Times> {
    let found = fs::metadata(path).ok()?;
    let born = found.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let born = born.and_then(|since| Some(Time::from_parts(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos())));
    let (content, inode) = system::changes(path, &found)?;
    Some(Times { born, content, inode })
}

/// A file's length in bytes and its mtime; `None` where it cannot be asked.
pub fn length_and_time(path: &Path) -> Option<(u64, SystemTime)> {
    let meta = path.metadata().ok()?;
    Some((meta.len(), meta.modified().ok()?))
}

/// Does anything stand there, a dangling link included?
pub fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// An empty folder somewhere temporary, gone when this value goes.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Result<Scratch> {
        let made = tempfile::Builder::new().prefix(SCRATCH).tempdir();
        made.map(Scratch).map_err(|source| error("make the folder", &std::env::temp_dir(), source))
    }

    /// The same, in a folder that is there.
    pub fn within(folder: &Path) -> Result<Scratch> {
        let made = tempfile::Builder::new().prefix(".trial-").tempdir_in(folder);
        made.map(Scratch).map_err(|source| error("make a folder in", folder, source))
    }

    /// The same in the folder `parent`, for this user alone; both are made.
    pub fn below(parent: &Path) -> Result<Scratch> {
        make_private_folder(parent)?;
        let made = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(parent);
        made.map(Scratch).map_err(|source| error("make a folder in", parent, source))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// How the names of such folders begin.
const SCRATCH: &str = "driftless-";

/// Removes the folders that [`Scratch::below`] made in `parent` and that a killed program left there. For who knows that
/// nobody else works in it now.
pub fn sweep_scratch(parent: &Path) -> Result<()> {
    for name in folders(parent)? {
        if name.as_encoded_bytes().starts_with(SCRATCH.as_bytes()) {
            let left = parent.join(name);
            fs::remove_dir_all(&left).map_err(|source| error("remove", &left, source))?;
        }
    }
    Ok(())
}

/// How many files, links and special ones there are below a folder, without those in folders named `but_not`. Nothing is
/// followed.
pub fn count_below(path: &Path, but_not: &str) -> Result<u64> {
    let (mut open, mut count) = (vec![path.to_path_buf()], 0);
    while let Some(folder) = open.pop() {
        let failed = |source| error("list", &folder, source);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_type().map_err(failed)?.is_dir() {
                true if entry.file_name() == but_not => {}
                true => open.push(entry.path()),
                false => count += 1,
            }
        }
    }
    Ok(count)
}

/// Removes a folder with all that is in it. Links are removed, not followed; a mount in it is for the caller to rule out.
pub fn remove_tree(path: &Path) -> Result<()> {
    fs::remove_dir_all(path).map_err(|source| error("remove", path, source))
}

/// A kernel lock on a file, freed by the kernel when its holder dies; who holds it can be read in the file.
pub struct Lock(fs::File);

impl Lock {
    /// `None` while somebody else holds it. `holder` is what others may read. A file that has a second name is refused: it
    /// would be overwritten under that name too.
    pub fn try_take(path: &Path, holder: &str) -> Result<Option<Lock>> {
        let failed = |source| error("lock", path, source);
        let options = system::unlinked().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() || system::names(&file).map_err(failed)? > 1 {
            let odd = "it is no file of our own; what it says is left as it is. Take it away and run again";
            return Err(failed(io::Error::other(odd)));
        }
        match system::try_lock(&file) {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
        Ok(Some(Lock(file)))
    }

    /// Does somebody hold it now? `None` where that cannot be found out.
    ///
    /// RACE: a run that asks in the same moment takes us for a holder, and asks again; one that does not wait is busy.
    pub fn is_held(path: &Path) -> Option<bool> {
        let file = careful().read(true).open(path).ok()?;
        match system::try_lock_shared(&file) {
            Ok(()) => {
                let _ = system::unlock(&file);
                Some(false)
            }
            Err(fs::TryLockError::WouldBlock) => Some(true),
            Err(fs::TryLockError::Error(_)) => None,
        }
    }

    /// What the holder wrote.
    pub fn holder(path: &Path) -> Option<String> {
        read_text(path, 4096).ok().flatten()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The kernel frees it in any case, but Windows takes its time with what was not given back; an empty file says that
        // nobody holds it.
        let _ = self.0.set_len(0);
        let _ = system::unlock(&self.0);
    }
}
