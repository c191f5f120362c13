//! What each request comes to in the source folder, and what the kernel is told of it.
//!
//! Invariant. A path that was made from names holds while it is used: who takes a name away waits for those who look one up.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use fuser::{FileAttr, Generation};
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::books::Books;
use super::listing::Listing;
use super::nodes::Nodes;
use super::source::{Set, Source, attributes};

pub(super) struct Share {
    source: Source,
    /// Held to read while a path is in use, to write while names are taken away.
    names: RwLock<()>,
    nodes: Mutex<Nodes>,
    open: Mutex<Opened>,
    last_handle: AtomicU64,
    pub(super) books: Arc<Books>,
    /// How long the kernel may keep names and attributes.
    pub(super) caches: Duration,
}

#[derive(Default)]
struct Opened {
    files: HashMap<u64, Arc<OwnedFd>>,
    folders: HashMap<u64, Arc<Mutex<Listing>>>,
}

/// A file that the kernel is told of.
pub(super) struct Told {
    pub(super) attributes: FileAttr,
    pub(super) generation: Generation,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Share {
    pub(super) fn new(source: Source, caches: Duration, books: Arc<Books>) -> Share {
        let nodes = Mutex::new(Nodes::new(source.inode));
        let (names, open) = (RwLock::new(()), Mutex::default());
        Share { source, names, nodes, open, last_handle: AtomicU64::new(0), books, caches }
    }

    pub(super) fn lookup(&self, folder: u64, name: &OsStr) -> Result<Told, Errno> {
        let _held = self.hold_names();
        let path = self.path_in(folder, name)?;
        self.meet(folder, name, &path)
    }

    pub(super) fn forget(&self, number: u64, times: u64) {
        self.nodes().forget(number, times);
    }

    pub(super) fn attributes(&self, number: u64) -> Result<FileAttr, Errno> {
        let _held = self.hold_names();
        let place = self.nodes().place(number)?;
        Ok(attributes(&self.source.stat_of(&place)?, number))
    }

    pub(super) fn set(&self, number: u64, size: Option<u64>, handle: Option<u64>, set: &Set) -> Result<FileAttr, Errno> {
        let _held = self.hold_names();
        let place = self.nodes().place(number)?;
        if let Some(size) = size {
            match handle.and_then(|handle| self.file(handle).ok()) {
                Some(file) => fs::ftruncate(&file, size)?,
                None => self.source.resize(&place, size)?,
            }
        }
        self.source.set(&place, set)?;
        Ok(attributes(&self.source.stat_of(&place)?, number))
    }

    pub(super) fn link_target(&self, number: u64) -> Result<PathBuf, Errno> {
        let _held = self.hold_names();
        let path = self.nodes().path(number)?;
        self.source.link_target(&path)
    }

    pub(super) fn make_folder(&self, folder: u64, name: &OsStr, mode: u32) -> Result<Told, Errno> {
        let _held = self.hold_names();
        let path = self.path_in(folder, name)?;
        self.source.make_folder(&path, mode)?;
        self.meet(folder, name, &path)
    }

    pub(super) fn make_link(&self, folder: u64, name: &OsStr, target: &Path) -> Result<Told, Errno> {
        let _held = self.hold_names();
        let path = self.path_in(folder, name)?;
        self.source.make_link(&path, target)?;
        self.meet(folder, name, &path)
    }

    pub(super) fn link(&self, number: u64, folder: u64, name: &OsStr) -> Result<Told, Errno> {
        let _held = self.hold_names();
        let from = self.nodes().path(number)?;
        let to = self.path_in(folder, name)?;
        self.source.link(&from, &to)?;
        self.meet(folder, name, &to)
    }

    pub(super) fn remove(&self, folder: u64, name: &OsStr, flags: AtFlags) -> Result<(), Errno> {
        let _alone = self.change_names();
        let path = self.path_in(folder, name)?;
        let last = is_last_name(&self.source.stat(&path)?);
        self.source.remove(&path, flags)?;
        self.nodes().removed(&(folder, name.to_owned()), last);
        Ok(())
    }

    pub(super) fn rename(&self, from: (u64, &OsStr), to: (u64, &OsStr), flags: u32) -> Result<(), Errno> {
        let _alone = self.change_names();
        let (path, new_path) = (self.path_in(from.0, from.1)?, self.path_in(to.0, to.1)?);
        let (moving, there) = (self.source.stat(&path)?, self.source.stat(&new_path));
        self.source.rename(&path, &new_path, flags)?;
        let (from, to) = ((from.0, from.1.to_owned()), (to.0, to.1.to_owned()));
        let mut nodes = self.nodes();
        match there {
            _ if flags & RenameFlags::EXCHANGE.bits() != 0 => nodes.exchanged(from, to),
            // Two names of one file: the system leaves both.
            Ok(there) if there.st_ino == moving.st_ino => {}
            Ok(there) => {
                nodes.removed(&to, is_last_name(&there));
                nodes.moved(&from, to);
            }
            Err(_) => nodes.moved(&from, to),
        }
        Ok(())
    }

    pub(super) fn open(&self, number: u64, flags: i32) -> Result<u64, Errno> {
        let _held = self.hold_names();
        let path = self.nodes().path(number)?;
        let file = self.source.open_file(&path, flags)?;
        Ok(self.keep(number, file))
    }

    pub(super) fn create(&self, folder: u64, name: &OsStr, mode: u32, flags: i32) -> Result<(Told, u64), Errno> {
        let _held = self.hold_names();
        let path = self.path_in(folder, name)?;
        let file = self.source.create(&path, mode, flags)?;
        let told = self.meet(folder, name, &path)?;
        let handle = self.keep(told.attributes.ino.0, file);
        Ok((told, handle))
    }

    pub(super) fn read(&self, handle: u64, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let file = self.file(handle)?;
        let (mut content, mut filled) = (vec![0; size as usize], 0);
        while filled < content.len() {
            match rustix::io::pread(&file, &mut content[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        content.truncate(filled);
        self.books.has_read(filled);
        Ok(content)
    }

    /// Writes all of it, or fails; what was written by then is counted.
    pub(super) fn write(&self, handle: u64, offset: u64, content: &[u8]) -> Result<u32, Errno> {
        let (file, mut done) = (self.file(handle)?, 0);
        while done < content.len() {
            match rustix::io::pwrite(&file, &content[done..], offset + done as u64) {
                Ok(count) => {
                    done += count;
                    self.books.has_written(count);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        u32::try_from(done).map_err(|_| Errno::INVAL)
    }

    pub(super) fn flush_content(&self, handle: u64, only_data: bool) -> Result<(), Errno> {
        let file = self.file(handle)?;
        if only_data { fs::fdatasync(&file) } else { fs::fsync(&file) }
    }

    pub(super) fn seek(&self, handle: u64, from: fs::SeekFrom) -> Result<u64, Errno> {
        fs::seek(self.file(handle)?, from)
    }

    pub(super) fn close(&self, number: u64, handle: u64) {
        self.nodes().closed(number, handle);
        let closed = locked(&self.open).files.remove(&handle);
        // Closed when the lock is let go.
        drop(closed);
    }

    pub(super) fn open_folder(&self, number: u64) -> Result<u64, Errno> {
        let _held = self.hold_names();
        let path = self.nodes().path(number)?;
        let listing = Listing::new(self.source.open_folder(&path)?)?;
        let handle = self.new_handle();
        locked(&self.open).folders.insert(handle, Arc::new(Mutex::new(listing)));
        Ok(handle)
    }

    pub(super) fn has(&self, handle: u64, offset: u64) -> bool {
        self.folder(handle).is_ok_and(|listing| locked(&listing).has(offset))
    }

    /// Tells the entries after `offset` one by one, until `tell` says that it is full: with their number in the listing.
    pub(super) fn list(
        &self,
        handle: u64,
        offset: u64,
        tell: &mut dyn FnMut(&OsStr, u64, u64, fs::FileType) -> bool,
    ) -> Result<(), Errno> {
        let listing = self.folder(handle)?;
        let mut listing = locked(&listing);
        for (entry, at) in listing.after(offset)?.iter().zip(offset + 1..) {
            let number = self.nodes().number(entry.inode);
            if tell(&entry.name, number, at, entry.kind) {
                break;
            }
        }
        Ok(())
    }

    /// The file of that name in a folder that is being listed; `None` where it is not there any more.
    pub(super) fn listed(&self, folder: u64, name: &OsStr) -> Option<Told> {
        let _held = self.hold_names();
        if name == "." || name == ".." {
            let path = self.nodes().path(folder).ok()?;
            let stat = self.source.stat(&path).ok()?;
            return Some(Told { attributes: attributes(&stat, folder), generation: Generation(0) });
        }
        let path = self.path_in(folder, name).ok()?;
        self.meet(folder, name, &path).ok()
    }

    pub(super) fn flush_folder(&self, handle: u64) -> Result<(), Errno> {
        let listing = self.folder(handle)?;
        fs::fsync(&locked(&listing).folder)
    }

    pub(super) fn close_folder(&self, handle: u64) {
        let closed = locked(&self.open).folders.remove(&handle);
        drop(closed);
    }

    pub(super) fn space(&self) -> Result<fs::StatVfs, Errno> {
        self.source.space()
    }

    fn meet(&self, folder: u64, name: &OsStr, path: &Path) -> Result<Told, Errno> {
        let stat = self.source.stat(path)?;
        let mut nodes = self.nodes();
        let number = nodes.number(stat.st_ino);
        let generation = Generation(nodes.met(number, (folder, name.to_owned())));
        Ok(Told { attributes: attributes(&stat, number), generation })
    }

    fn keep(&self, number: u64, file: OwnedFd) -> u64 {
        let (handle, file) = (self.new_handle(), Arc::new(file));
        self.nodes().opened(number, handle, file.clone());
        locked(&self.open).files.insert(handle, file);
        handle
    }

    fn file(&self, handle: u64) -> Result<Arc<OwnedFd>, Errno> {
        locked(&self.open).files.get(&handle).cloned().ok_or(Errno::BADF)
    }

    fn folder(&self, handle: u64) -> Result<Arc<Mutex<Listing>>, Errno> {
        locked(&self.open).folders.get(&handle).cloned().ok_or(Errno::BADF)
    }

    fn new_handle(&self) -> u64 {
        self.last_handle.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn path_in(&self, folder: u64, name: &OsStr) -> Result<PathBuf, Errno> {
        self.nodes().path_in(folder, name)
    }

    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        locked(&self.nodes)
    }

    fn hold_names(&self) -> RwLockReadGuard<'_, ()> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_names(&self) -> RwLockWriteGuard<'_, ()> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is its file gone with this name?
fn is_last_name(stat: &Stat) -> bool {
    fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Directory || stat.st_nlink == 1
}
