//! The kernel's requests: each is counted, waits its time by a worker of its own, and is answered from the share.
//!
//! What does not wait: that a handle goes (nobody waits for that answer), and a page of a listing that came with an answer before.
//! Unsupported, as on most shares: extended attributes, devices and pipes, space made ahead, copies by the server. For these the
//! kernel has ways of its own.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek,
    ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{AtFlags, SeekFrom};

use super::books::Call;
use super::pool::Pool;
use super::share::{Share, Told};
use super::source::{Set, kind};

/// The most that one read or write carries: what SMB 3 and NFS 4 carry.
const MOST_BYTES: u32 = 1 << 20;

pub(super) struct Serve {
    pub(super) share: Arc<Share>,
    pub(super) pool: Pool,
    pub(super) width: usize,
}

fn told(errno: rustix::io::Errno) -> Errno {
    Errno::from_i32(errno.raw_os_error())
}

impl Serve {
    /// Counts the call and has it answered after the wait.
    fn far(&self, call: Call, act: impl FnOnce(&Share) + Send + 'static) {
        self.share.books.called(call);
        let share = self.share.clone();
        self.pool.far(move || act(&share));
    }

    fn entry(&self, call: Call, reply: ReplyEntry, act: impl FnOnce(&Share) -> rustix::io::Result<Told> + Send + 'static) {
        self.far(call, |share| match act(share) {
            Ok(known) => reply.entry(&share.caches, &known.attributes, known.generation),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn empty(&self, call: Call, reply: ReplyEmpty, act: impl FnOnce(&Share) -> rustix::io::Result<()> + Send + 'static) {
        self.far(call, |share| match act(share) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn handle(&self, call: Call, reply: ReplyOpen, act: impl FnOnce(&Share) -> rustix::io::Result<u64> + Send + 'static) {
        self.far(call, |share| match act(share) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(errno) => reply.error(told(errno)),
        });
    }

    /// A page of a listing: it waits only where the share has to be asked for more.
    fn page(&self, handle: u64, offset: u64, act: impl FnOnce(&Share) + Send + 'static) {
        if self.share.has(handle, offset) {
            let share = self.share.clone();
            self.pool.near(move || act(&share));
        } else {
            self.far(Call::Readdir, act);
        }
    }
}

impl Filesystem for Serve {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // What an older kernel does not know is left out: lookups in one folder wait for each other there, and a listing comes
        // without attributes.
        for wanted in [InitFlags::FUSE_PARALLEL_DIROPS, InitFlags::FUSE_DO_READDIRPLUS, InitFlags::FUSE_AUTO_INVAL_DATA] {
            let _ = config.add_capabilities(wanted);
        }
        let _ = config.set_max_write(MOST_BYTES);
        let width = u16::try_from(self.width).unwrap_or(u16::MAX).max(1);
        let _ = config.set_max_background(width);
        let _ = config.set_congestion_threshold(width);
        Ok(())
    }

    fn lookup(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.entry(Call::Lookup, reply, move |share| share.lookup(folder.0, &name));
    }

    fn forget(&self, _: &Request, number: INodeNo, times: u64) {
        self.share.forget(number.0, times);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.far(Call::Getattr, move |share| match share.attributes(number.0) {
            Ok(attributes) => reply.attr(&share.caches, &attributes),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = Set { mode, uid, gid, atime, mtime };
        let handle = handle.map(|handle| handle.0);
        self.far(Call::Setattr, move |share| match share.set(number.0, size, handle, &set) {
            Ok(attributes) => reply.attr(&share.caches, &attributes),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        self.far(Call::Readlink, move |share| match share.link_target(number.0) {
            Ok(target) => reply.data(target.as_os_str().as_encoded_bytes()),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn mkdir(&self, _: &Request, folder: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let name = name.to_owned();
        self.entry(Call::Mkdir, reply, move |share| share.make_folder(folder.0, &name, mode & !umask));
    }

    fn unlink(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.empty(Call::Unlink, reply, move |share| share.remove(folder.0, &name, AtFlags::empty()));
    }

    fn rmdir(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.empty(Call::Rmdir, reply, move |share| share.remove(folder.0, &name, AtFlags::REMOVEDIR));
    }

    fn symlink(&self, _: &Request, folder: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (name, target) = (name.to_owned(), target.to_owned());
        self.entry(Call::Symlink, reply, move |share| share.make_link(folder.0, &name, &target));
    }

    fn rename(
        &self,
        _: &Request,
        folder: INodeNo,
        name: &OsStr,
        new_folder: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.empty(Call::Rename, reply, move |share| share.rename((folder.0, &name), (new_folder.0, &new_name), flags.bits()));
    }

    fn link(&self, _: &Request, number: INodeNo, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.entry(Call::Link, reply, move |share| share.link(number.0, folder.0, &name));
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.handle(Call::Open, reply, move |share| share.open(number.0, flags.0));
    }

    fn create(&self, _: &Request, folder: INodeNo, name: &OsStr, mode: u32, umask: u32, flags: i32, reply: ReplyCreate) {
        let name = name.to_owned();
        self.far(Call::Create, move |share| match share.create(folder.0, &name, mode & !umask, flags) {
            Ok((known, handle)) => {
                let (attributes, generation) = (known.attributes, known.generation);
                reply.created(&share.caches, &attributes, generation, FileHandle(handle), FopenFlags::empty());
            }
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.far(Call::Read, move |share| match share.read(handle.0, offset, size) {
            Ok(content) => reply.data(&content),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        content: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let content = content.to_vec();
        self.far(Call::Write, move |share| match share.write(handle.0, offset, &content) {
            Ok(count) => reply.written(count),
            Err(errno) => reply.error(told(errno)),
        });
    }

    /// Everything is written by then; the far server is told of the close all the same.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.empty(Call::Flush, reply, |_| Ok(()));
    }

    fn release(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.share.books.called(Call::Release);
        self.share.close(number.0, handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, only_data: bool, reply: ReplyEmpty) {
        self.empty(Call::Fsync, reply, move |share| share.flush_content(handle.0, only_data));
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.handle(Call::Opendir, reply, move |share| share.open_folder(number.0));
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.page(handle.0, offset, move |share| {
            let mut add = |name: &OsStr, number, at, kind_of| reply.add(INodeNo(number), at, kind(kind_of), name);
            match share.list(handle.0, offset, &mut add) {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(told(errno)),
            }
        });
    }

    fn readdirplus(&self, _: &Request, folder: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.page(handle.0, offset, move |share| {
            let mut add = |name: &OsStr, at| {
                // What went meanwhile is left out of the listing.
                let Some(known) = share.listed(folder.0, name) else { return false };
                let (number, generation): (u64, Generation) = (known.attributes.ino.0, known.generation);
                let full = reply.add(known.attributes.ino, at, name, &share.caches, &known.attributes, generation);
                if full && name != "." && name != ".." {
                    // The kernel never got to see it.
                    share.forget(number, 1);
                }
                full
            };
            match share.list(handle.0, offset, &mut |name, _, at, _| add(name, at)) {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(told(errno)),
            }
        });
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.share.books.called(Call::Releasedir);
        self.share.close_folder(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        self.empty(Call::Fsyncdir, reply, move |share| share.flush_folder(handle.0));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.far(Call::Statfs, move |share| match share.space() {
            Ok(space) => reply.statfs(
                space.f_blocks,
                space.f_bfree,
                space.f_bavail,
                space.f_files,
                space.f_ffree,
                u32::try_from(space.f_bsize).unwrap_or(4096),
                u32::try_from(space.f_namemax).unwrap_or(255),
                u32::try_from(space.f_frsize).unwrap_or(4096),
            ),
            Err(errno) => reply.error(told(errno)),
        });
    }

    fn lseek(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        const DATA: i32 = 3;
        const HOLE: i32 = 4;
        let from = match (whence, u64::try_from(offset)) {
            (DATA, Ok(offset)) => SeekFrom::Data(offset),
            (HOLE, Ok(offset)) => SeekFrom::Hole(offset),
            _ => return reply.error(Errno::EINVAL),
        };
        self.far(Call::Lseek, move |share| match share.seek(handle.0, from) {
            Ok(at) => reply.offset(i64::try_from(at).unwrap_or(i64::MAX)),
            Err(errno) => reply.error(told(errno)),
        });
    }
}
