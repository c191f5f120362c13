//! One open folder.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::open::Handle;
#[cfg(target_os = "linux")]
use super::over::Over;
use super::reader::UnixReader;
use super::stat::{self, Stat, Sync};
use super::writer::{PRIVATE, UnixWriter};
use super::{Facts, kind, trial};
use crate::disk::beside::{self, First};
use crate::disk::clock::pause;
use crate::disk::{Error, ErrorKind, Folder, Freshness, Node, NodeContent, Onto, Reader, Result, Trial, Writer, readable};
use crate::model::database::may_be_database;
use crate::model::entry::Stamp;
use crate::model::finding::ProblemKind;
use crate::model::listing::{Item, Listing};
use crate::model::path::Name;
use crate::model::time::Time;

/// Bytes of names that one call asks for. davfs2 refuses more than its own buffer takes: 64 KiB was "invalid argument".
const NAMES: usize = 32 * 1024;
/// Names in one part of a listing.
const PART: usize = 256;
/// After an ENOENT on a remote root the name is looked at once more: other machines' overwriting renames show it for a
/// moment.
const SECOND_LOOK: Duration = Duration::from_millis(5);

thread_local! {
    static BUFFER: RefCell<Vec<MaybeUninit<u8>>> = RefCell::new(vec![MaybeUninit::uninit(); NAMES]);
}

pub(super) struct UnixFolder {
    handle: OwnedFd,
    facts: Facts,
    /// Its names were read once: the handle stands at their end.
    read_once: AtomicBool,
    /// Of its root: a rename cannot be told to replace nothing, as one that was tried has shown.
    only_plain: Arc<AtomicBool>,
}

impl UnixFolder {
    pub fn new(handle: OwnedFd, facts: Facts, only_plain: Arc<AtomicBool>) -> UnixFolder {
        UnixFolder { handle, facts, read_once: AtomicBool::new(false), only_plain }
    }

    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    fn error<'a>(&self, op: &'static str, name: &'a Name) -> impl Fn(Errno) -> Error + 'a + use<'a> {
        let facts = self.facts;
        move |errno| facts.error(op, name, errno)
    }

    fn itself(&self, op: &'static str) -> impl Fn(Errno) -> Error + use<> {
        let facts = self.facts;
        move |errno| facts.error(op, ".", errno)
    }

    fn node(&self, name: &[u8], stat: &Stat) -> std::result::Result<Node, Errno> {
        let link = if stat.kind == FileType::Symlink { Some(self.target(name)?) } else { None };
        Ok(stat.node(self.facts, link))
    }

    fn target(&self, name: &[u8]) -> std::result::Result<Box<[u8]>, Errno> {
        let target = rustix::fs::readlinkat(&self.handle, name, Vec::new())?;
        Ok(target.into_bytes().into_boxed_slice())
    }

    /// A name of a listing; `None` where it went away since the folder was read.
    fn listed(&self, name: &Name) -> Result<Option<Node>> {
        let look = || stat::by_name(&self.handle, name, Sync::AsIs).and_then(|stat| self.node(name, &stat));
        let found = match look() {
            Err(Errno::NOENT) => look(),
            other => other,
        };
        match found {
            Ok(node) => Ok(Some(node)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) if kind(errno, self.facts.remote) == ErrorKind::Gone => Err(self.error("look at", name)(errno)),
            Err(errno) => {
                let denied = matches!(errno, Errno::ACCESS | Errno::PERM);
                let problem = if denied { ProblemKind::Permission } else { ProblemKind::Unreadable };
                let content = NodeContent::Unreadable { kind: problem, message: std::io::Error::from(errno).to_string() };
                let zero = Time(0);
                Ok(Some(Node { content, mode: 0, stamp: Stamp { size: 0, mtime: zero, ctime: zero, id: 0 } }))
            }
        }
    }

    fn names(&self) -> Result<Vec<Name>> {
        let failed = self.itself("list");
        // A handle that was read to its end is not read again: sshfs then shows an empty folder, and no error.
        let again = self.read_once.swap(true, Ordering::Relaxed) || Handle::of(self.facts) == Handle::Names;
        let again = again.then(|| self.whole()).transpose().map_err(&failed)?;
        let handle = again.as_ref().unwrap_or(&self.handle);
        BUFFER.with_borrow_mut(|buffer| {
            let mut names = Vec::new();
            let mut entries = rustix::fs::RawDir::new(handle, buffer);
            while let Some(entry) = entries.next() {
                match entry {
                    Ok(entry) => names.extend(Name::new(entry.file_name().to_bytes())),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
            // A folder that changes while it is read may tell a name twice.
            names.sort_unstable();
            names.dedup();
            Ok(names)
        })
    }

    /// This folder, open for all that can be done with one.
    fn whole(&self) -> std::result::Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, ".", flags, Mode::empty())
    }

    /// Does `act` with this folder as a file of its own.
    fn with_whole(&self, act: impl FnOnce(BorrowedFd<'_>) -> std::result::Result<(), Errno>) -> std::result::Result<(), Errno> {
        match Handle::of(self.facts) {
            Handle::Whole => act(self.handle()),
            Handle::Names => act(self.whole()?.as_fd()),
        }
    }

    fn create(&self, name: &Name, mode: u32) -> Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let created = rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::from_raw_mode(mode as _));
        created.map_err(self.error("create", name))
    }

    /// A file that is there.
    fn open_to_write(&self, op: &'static str, name: &Name) -> Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::empty()).map_err(self.error(op, name))
    }

    /// What stands there, asked of the server; with the handle by which it was asked, where it had to be opened.
    fn fresh(&self, name: &Name) -> std::result::Result<(Stat, Option<OwnedFd>), Errno> {
        let by_name = || stat::by_name(&self.handle, name, Sync::Force).map(|stat| (stat, None));
        if !self.facts.remote {
            return by_name();
        }
        let flags = match stat::kind(&self.handle, name)? {
            FileType::RegularFile => OFlags::empty(),
            FileType::Directory => OFlags::DIRECTORY,
            // What blocks or acts when it is opened is only asked by name.
            _ => return by_name(),
        };
        let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::empty()) {
            Ok(handle) => Ok((stat::by_handle(&handle, Sync::Force)?, Some(handle))),
            // It may not be read, or was a file or folder a moment ago.
            Err(Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => by_name(),
            Err(errno) => Err(errno),
        }
    }

    /// On a remote root an ENOENT is asked once more.
    fn twice<T>(&self, once: impl Fn() -> std::result::Result<T, Errno>) -> std::result::Result<T, Errno> {
        match once() {
            Err(Errno::NOENT) if self.facts.remote => {
                pause(SECOND_LOOK);
                once()
            }
            other => other,
        }
    }

    /// The first bytes of the file `name`, by `handle` where it is open.
    fn first(&self, name: &Name, handle: Option<OwnedFd>) -> Result<Option<First>> {
        let Some(handle) = handle else { return beside::first(self, name) };
        let (mut first, mut filled) = (First::default(), 0);
        loop {
            match rustix::io::pread(&handle, &mut first[filled..], filled as u64) {
                Ok(0) => return Ok(Some(first)),
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.error("read", name)(errno)),
            }
        }
    }
}

impl Folder for UnixFolder {
    fn list(&self) -> Result<Listing<Node>> {
        let names = self.names()?;
        let mut listing = Vec::with_capacity(names.len());
        for name in names {
            if let Some(value) = self.listed(&name)? {
                listing.push(Item { name, value });
            }
        }
        Ok(listing)
    }

    fn list_in_parts(&self, take: &mut dyn FnMut(Listing<Node>)) -> Result<()> {
        for names in self.names()?.chunks(PART) {
            let mut part = Vec::with_capacity(names.len());
            for name in names {
                if let Some(value) = self.listed(name)? {
                    part.push(Item { name: name.clone(), value });
                }
            }
            take(part);
        }
        Ok(())
    }

    fn look(&self, name: &Name, freshness: Freshness) -> Result<Option<Node>> {
        let found = self.twice(|| {
            let stat = match freshness {
                Freshness::Cached => stat::by_name(&self.handle, name, Sync::AsIs)?,
                Freshness::JustNamed if self.facts.sshfs => stat::by_name(&self.handle, name, Sync::Force)?,
                Freshness::JustNamed | Freshness::Fresh => self.fresh(name)?.0,
            };
            self.node(name, &stat)
        });
        match found {
            Ok(node) => Ok(Some(node)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error("look at", name)(errno)),
        }
    }

    fn look_into(&self, name: &Name) -> Result<Option<(Node, Option<First>)>> {
        let found = self.twice(|| {
            let (stat, handle) = self.fresh(name)?;
            Ok((self.node(name, &stat)?, handle))
        });
        let (node, handle) = match found {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.error("look at", name)(errno)),
        };
        let asked = node.is_file() && may_be_database(node.stamp.size);
        let first = if asked { readable(self.first(name, handle))? } else { None };
        Ok(Some((node, first)))
    }

    fn read(&self, name: &Name) -> Result<Box<dyn Reader>> {
        let failed = self.error("open", name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::empty()).map_err(&failed)?;
        let stat = stat::by_handle(&handle, Sync::AsIs).map_err(&failed)?;
        if stat.kind != FileType::RegularFile {
            let source = std::io::Error::other("it is no regular file");
            return Err(Error::new("read", name, ErrorKind::WrongKind, source));
        }
        Ok(Box::new(UnixReader::new(handle, name.clone(), self.facts, stat)))
    }

    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>> {
        Ok(Box::new(UnixWriter::new(self.create(name, PRIVATE)?, name.clone(), self.facts)))
    }

    fn stage_for(&self, name: &Name, mode: u32) -> Result<Box<dyn Writer>> {
        let handle = self.create(name, mode & 0o777 | PRIVATE)?;
        Ok(Box::new(UnixWriter::new(handle, name.clone(), self.facts)))
    }

    fn resume(&self, name: &Name, id: u64, length: u64) -> Result<Box<dyn Writer>> {
        let handle = self.open_to_write("resume", name)?;
        Ok(Box::new(UnixWriter::behind(handle, name.clone(), self.facts, id, length)?))
    }

    fn write_into(&self, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        let (writer, stamp) = UnixWriter::into(self.open_to_write("write", name)?, name.clone(), self.facts)?;
        Ok((Box::new(writer), stamp))
    }

    #[cfg(target_os = "linux")]
    fn stage_over(&self, old: &Name, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        let new = self.create(name, PRIVATE)?;
        match Over::open(self, old, &new) {
            Ok(over) => {
                let stamp = over.stamp();
                Ok((Box::new(UnixWriter::new(new, name.clone(), self.facts).over(over)), stamp))
            }
            Err(errno) => {
                let error = self.error("create", name)(errno);
                self.remove_file(name)?;
                Err(error)
            }
        }
    }

    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()> {
        rename(self, from, self, to, onto).map_err(self.error("rename", from))
    }

    fn exchange(&self, a: &Name, b: &Name) -> Result<()> {
        let exchanged = rustix::fs::renameat_with(&self.handle, a.as_bytes(), &self.handle, b.as_bytes(), RenameFlags::EXCHANGE);
        exchanged.map_err(|errno| {
            let mut error = self.error("exchange", a)(errno);
            if errno == Errno::INVAL {
                error.kind = ErrorKind::Unsupported;
            }
            error
        })
    }

    fn make_folder(&self, name: &Name, mode: u32) -> Result<()> {
        rustix::fs::mkdirat(&self.handle, name.as_bytes(), Mode::from_raw_mode(mode as _)).map_err(self.error("make", name))
    }

    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        rustix::fs::symlinkat(target, &self.handle, name.as_bytes()).map_err(self.error("link", name))
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        rustix::fs::unlinkat(&self.handle, name.as_bytes(), AtFlags::empty()).map_err(self.error("remove", name))
    }

    fn remove_folder(&self, name: &Name) -> Result<()> {
        rustix::fs::unlinkat(&self.handle, name.as_bytes(), AtFlags::REMOVEDIR).map_err(|errno| {
            // POSIX leaves it to the system which of the two it says.
            let errno = if errno == Errno::EXIST { Errno::NOTEMPTY } else { errno };
            self.error("remove", name)(errno)
        })
    }

    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        let failed = self.error("touch", name);
        if let Some(mode) = mode {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            // By handle, because a mode by name would be set through a link.
            match rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::empty()) {
                Ok(handle) => rustix::fs::fchmod(&handle, Mode::from_raw_mode(mode as _)).map_err(&failed)?,
                Err(Errno::LOOP | Errno::MLINK) => {}
                Err(Errno::ACCESS) => self.chmod_unreadable(name, mode).map_err(&failed)?,
                Err(errno) => return Err(failed(errno)),
            }
        }
        if let Some(mtime) = mtime {
            self.set_time(name, mtime).map_err(&failed)?;
        }
        Ok(())
    }

    fn touch_self(&self, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        let failed = self.itself("touch");
        let touch = |folder: BorrowedFd<'_>| {
            if let Some(mode) = mode {
                rustix::fs::fchmod(folder, Mode::from_raw_mode(mode as _))?;
            }
            mtime.map_or(Ok(()), |mtime| rustix::fs::futimens(folder, &times(mtime)))
        };
        self.with_whole(touch).map_err(failed)
    }

    fn flush(&self) -> Result<()> {
        self.with_whole(|folder| rustix::fs::fsync(folder)).map_err(self.itself("flush"))
    }

    #[cfg(target_os = "linux")]
    fn has_writer(&self, name: &Name) -> Result<Option<bool>> {
        use std::os::fd::AsRawFd;
        /// From the kernel's `fcntl.h`; the crate does not name it everywhere.
        const F_SETSIG: libc::c_int = 10;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = match rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::ACCESS | Errno::PERM) => return Ok(None),
            // A program that is running is open in a way.
            Err(Errno::TXTBSY) => return Ok(Some(true)),
            Err(errno) => return Err(self.error("open", name)(errno)),
        };
        let ask = |command: libc::c_int, value: libc::c_int| {
            // SAFETY: a plain system call on a descriptor that is open for the whole call; it touches no memory of ours.
            let answer = unsafe { libc::fcntl(handle.as_raw_fd(), command, value) };
            if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // A writer that comes while the lease is held is told of by a signal: SIGIO would end this program, SIGURG is
        // ignored where nobody waits for it.
        if ask(F_SETSIG, libc::SIGURG).is_err() {
            return Ok(None);
        }
        match ask(libc::F_SETLEASE, libc::F_RDLCK) {
            Ok(()) => {
                // Closing the handle gives it back as well.
                let _ = ask(libc::F_SETLEASE, libc::F_UNLCK);
                Ok(Some(false))
            }
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(Some(true)),
            Err(_) => Ok(None),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn has_writer(&self, _name: &Name) -> Result<Option<bool>> {
        Ok(None)
    }

    fn attempt(&self, trial: Trial) -> Result<Option<bool>> {
        trial::attempt(self, trial).map_err(self.itself("try out"))
    }
}

impl UnixFolder {
    /// A FUSE daemon is given a path alone, and sshfs's server sets the time of what a link leads to, wherever that is. There a link
    /// keeps the time at which it was made.
    fn set_time(&self, name: &Name, mtime: Time) -> std::result::Result<(), Errno> {
        let times = times(mtime);
        if self.facts.fuse {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::openat(&self.handle, name.as_bytes(), flags, Mode::empty()) {
                Ok(handle) => return rustix::fs::futimens(&handle, &times),
                Err(Errno::LOOP | Errno::MLINK) => return Ok(()),
                // A file that may not be read, or a special one.
                Err(_) if stat::by_name(&self.handle, name, Sync::AsIs)?.kind == FileType::Symlink => return Ok(()),
                Err(_) => {}
            }
        }
        rustix::fs::utimensat(&self.handle, name.as_bytes(), &times, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// A file that we own and may not read: its mode is set by name after a look that it is no link.
    ///
    /// RACE: a link put there in between would have its target's mode set, as far as that is ours; no content is touched.
    fn chmod_unreadable(&self, name: &Name, mode: u32) -> std::result::Result<(), Errno> {
        if stat::by_name(&self.handle, name, Sync::AsIs)?.kind == FileType::Symlink {
            return Ok(());
        }
        rustix::fs::chmodat(&self.handle, name.as_bytes(), Mode::from_raw_mode(mode as _), AtFlags::empty())
    }
}

/// Both times: some FUSE libraries drop the whole call where one is to be left alone.
pub(super) fn times(mtime: Time) -> Timestamps {
    let (seconds, nanos) = mtime.parts();
    let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanos) as _ };
    Timestamps { last_access: time, last_modification: time }
}

/// Renames between two open folders.
pub(super) fn rename(
    source: &UnixFolder,
    old: &Name,
    target: &UnixFolder,
    new: &Name,
    onto: Onto,
) -> std::result::Result<(), Errno> {
    let (from, to) = (source.handle(), target.handle());
    if onto == Onto::File {
        return rustix::fs::renameat(from, old.as_bytes(), to, new.as_bytes());
    }
    if !target.only_plain.load(Ordering::Relaxed) {
        match rustix::fs::renameat_with(from, old.as_bytes(), to, new.as_bytes(), RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            other => return other,
        }
    }
    // RACE: this file system cannot refuse to replace. A file created between the look and the rename is
    // replaced; the window is one call long.
    match stat::by_name(to, new, Sync::Force) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(from, old.as_bytes(), to, new.as_bytes()),
        Err(errno) => Err(errno),
    }?;
    // What was refused was not this rename but this way of asking: each further try would cost a far root two calls.
    target.only_plain.store(true, Ordering::Relaxed);
    Ok(())
}
