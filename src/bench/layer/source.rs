//! The folder behind the layer, by paths below its handle. A path's last name is never followed where it is a link.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, CWD, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::nodes::Place;

/// Of an open, what concerns the source: how it is read and written, and whether it is emptied.
const ASKED: OFlags = OFlags::RWMODE.union(OFlags::TRUNC);
const OURS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OURS);

pub(super) struct Source {
    folder: OwnedFd,
    device: u64,
    pub(super) inode: u64,
}

/// What is to be set of a file.
#[derive(Clone, Copy, Default)]
pub(super) struct Set {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) atime: Option<TimeOrNow>,
    pub(super) mtime: Option<TimeOrNow>,
}

impl Source {
    /// A link to the folder is followed: it is what the caller named.
    pub(super) fn open(folder: &Path) -> Result<Source, Errno> {
        let folder = fs::openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fs::fstat(&folder)?;
        Ok(Source { folder, device: stat.st_dev, inode: stat.st_ino })
    }

    /// What lies on another file system is not shown: its numbers may be those of files here.
    pub(super) fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        let stat = fs::statat(&self.folder, path, AtFlags::SYMLINK_NOFOLLOW)?;
        if stat.st_dev == self.device { Ok(stat) } else { Err(Errno::XDEV) }
    }

    pub(super) fn stat_of(&self, place: &Place) -> Result<Stat, Errno> {
        match place {
            Place::At(path) => self.stat(path),
            Place::Open(file) => fs::fstat(file),
        }
    }

    pub(super) fn open_file(&self, path: &Path, flags: i32) -> Result<OwnedFd, Errno> {
        let asked = OFlags::from_bits_retain(flags.cast_unsigned()) & ASKED;
        fs::openat(&self.folder, path, asked | OURS, Mode::empty())
    }

    pub(super) fn open_folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        fs::openat(&self.folder, path, FOLDER, Mode::empty())
    }

    /// Creates a file with just this mode, or opens the one that is there unless the caller wants a new one.
    pub(super) fn create(&self, path: &Path, mode: u32, flags: i32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::from_bits_retain(flags.cast_unsigned());
        let new = (flags & ASKED) | OURS | OFlags::CREATE | OFlags::EXCL;
        match fs::openat(&self.folder, path, new, Mode::from_raw_mode(mode)) {
            Err(Errno::EXIST) if !flags.contains(OFlags::EXCL) => {
                fs::openat(&self.folder, path, (flags & ASKED) | OURS, Mode::empty())
            }
            Err(errno) => Err(errno),
            Ok(file) => {
                // The kernel took the caller's umask off already; ours must not count as well.
                if let Some(mode) = other_mode(&fs::fstat(&file)?, mode) {
                    fs::fchmod(&file, mode)?;
                }
                Ok(file)
            }
        }
    }

    pub(super) fn make_folder(&self, path: &Path, mode: u32) -> Result<(), Errno> {
        fs::mkdirat(&self.folder, path, Mode::from_raw_mode(mode))?;
        match other_mode(&self.stat(path)?, mode) {
            Some(mode) => fs::chmodat(&self.folder, path, mode, AtFlags::empty()),
            None => Ok(()),
        }
    }

    pub(super) fn remove(&self, path: &Path, flags: AtFlags) -> Result<(), Errno> {
        fs::unlinkat(&self.folder, path, flags)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path, flags: u32) -> Result<(), Errno> {
        let flags = fs::RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
        if flags.is_empty() {
            return fs::renameat(&self.folder, from, &self.folder, to);
        }
        fs::renameat_with(&self.folder, from, &self.folder, to, flags)
    }

    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        fs::linkat(&self.folder, from, &self.folder, to, AtFlags::empty())
    }

    pub(super) fn make_link(&self, path: &Path, target: &Path) -> Result<(), Errno> {
        fs::symlinkat(target, &self.folder, path)
    }

    pub(super) fn link_target(&self, path: &Path) -> Result<PathBuf, Errno> {
        let target = fs::readlinkat(&self.folder, path, Vec::new())?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
    }

    pub(super) fn space(&self) -> Result<fs::StatVfs, Errno> {
        fs::fstatvfs(&self.folder)
    }

    pub(super) fn resize(&self, place: &Place, size: u64) -> Result<(), Errno> {
        match place {
            Place::At(path) => fs::ftruncate(self.open_file(path, OFlags::WRONLY.bits().cast_signed())?, size),
            Place::Open(file) => fs::ftruncate(file, size),
        }
    }

    /// Owners before the mode, which they may change; times last.
    pub(super) fn set(&self, place: &Place, set: &Set) -> Result<(), Errno> {
        let (uid, gid) = (set.uid.map(Uid::from_raw), set.gid.map(Gid::from_raw));
        if uid.is_some() || gid.is_some() {
            match place {
                Place::At(path) => fs::chownat(&self.folder, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?,
                Place::Open(file) => fs::fchown(file, uid, gid)?,
            }
        }
        if let Some(mode) = set.mode.map(Mode::from_raw_mode) {
            match place {
                // A call that changes a mode follows links, and a link has no mode of its own.
                Place::At(path) if is_link(&self.stat(path)?) => return Err(Errno::OPNOTSUPP),
                Place::At(path) => fs::chmodat(&self.folder, path, mode, AtFlags::empty())?,
                Place::Open(file) => fs::fchmod(file, mode)?,
            }
        }
        if set.atime.is_some() || set.mtime.is_some() {
            let times = Timestamps { last_access: timespec(set.atime), last_modification: timespec(set.mtime) };
            match place {
                Place::At(path) => fs::utimensat(&self.folder, path, &times, AtFlags::SYMLINK_NOFOLLOW)?,
                Place::Open(file) => fs::futimens(file, &times)?,
            }
        }
        Ok(())
    }
}

fn is_link(stat: &Stat) -> bool {
    fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Symlink
}

/// The mode that is to be set so that the permissions are those of `wanted`; `None` where they are.
fn other_mode(stat: &Stat, wanted: u32) -> Option<Mode> {
    const PERMISSIONS: u32 = 0o777;
    let differs = (stat.st_mode ^ wanted) & PERMISSIONS != 0;
    differs.then(|| Mode::from_raw_mode((stat.st_mode & !PERMISSIONS) | (wanted & PERMISSIONS)))
}

fn timespec(time: Option<TimeOrNow>) -> Timespec {
    let nanos = |count: u32| i64::from(count);
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(TimeOrNow::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(TimeOrNow::SpecificTime(time)) => match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Timespec { tv_sec: after.as_secs().cast_signed(), tv_nsec: nanos(after.subsec_nanos()) },
            Err(error) => {
                let before = error.duration();
                let part = u32::from(before.subsec_nanos() > 0);
                let rest = (1_000_000_000 - before.subsec_nanos()) % 1_000_000_000;
                Timespec { tv_sec: -before.as_secs().cast_signed() - i64::from(part), tv_nsec: nanos(rest) }
            }
        },
    }
}

fn time(seconds: i64, nanos: u64) -> SystemTime {
    let nanos = Duration::from_nanos(nanos);
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds) + nanos,
        Err(_) => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()) + nanos,
    }
}

/// What the kernel is told of a file. `number` stands for its inode.
pub(super) fn attributes(stat: &Stat, number: u64) -> FileAttr {
    FileAttr {
        ino: INodeNo(number),
        size: stat.st_size.cast_unsigned(),
        blocks: stat.st_blocks.cast_unsigned(),
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        crtime: UNIX_EPOCH,
        kind: kind(fs::FileType::from_raw_mode(stat.st_mode)),
        perm: (stat.st_mode & 0o7777) as u16,
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: u32::try_from(stat.st_rdev).unwrap_or(0),
        blksize: u32::try_from(stat.st_blksize).unwrap_or(4096),
        flags: 0,
    }
}

pub(super) fn kind(kind: fs::FileType) -> FileType {
    match kind {
        fs::FileType::Directory => FileType::Directory,
        fs::FileType::Symlink => FileType::Symlink,
        fs::FileType::Fifo => FileType::NamedPipe,
        fs::FileType::Socket => FileType::Socket,
        fs::FileType::CharacterDevice => FileType::CharDevice,
        fs::FileType::BlockDevice => FileType::BlockDevice,
        fs::FileType::RegularFile | fs::FileType::Unknown => FileType::RegularFile,
    }
}

/// The name of an entry, as the system has it.
pub(super) fn os(name: &std::ffi::CStr) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_1970_come_through() {
        for (seconds, nanos) in [(0, 0), (1, 5), (-1, 0), (-1, 999_999_999), (-700_000_000, 1), (4_000_000_000, 999_999_999)] {
            let there = timespec(Some(TimeOrNow::SpecificTime(time(seconds, nanos))));
            assert_eq!((there.tv_sec, there.tv_nsec), (seconds, i64::try_from(nanos).expect("fits")));
        }
    }
}
