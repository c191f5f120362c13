//! A new file written over an older one beside it: what stays as it was is shared with it, or copied by the server.
//!
//! Invariants. The older file is only read. It shows the same stamp before the first range is taken and after the
//! last one. File systems that would fetch the bytes to this machine and send them back are refused.

use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use super::folder::UnixFolder;
use super::stat::{self, Sync};
use crate::disk::local;
use crate::model::entry::Stamp;
use crate::model::path::Name;

type Result<T> = std::result::Result<T, Errno>;

/// How ranges are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// The files share the blocks (`FICLONERANGE`).
    Share,
    /// The server copies them (`copy_file_range`).
    Copy,
}

/// What is asked for at once: a server answers to it within seconds.
const STEP: u64 = 16 << 20;

/// The older file.
pub(super) struct Over {
    old: OwnedFd,
    stamp: Stamp,
    means: Means,
}

impl Over {
    /// Opens the file `name`, and tries on `new`, which is empty, how its ranges can be taken over; `OPNOTSUPP` where they
    /// cannot.
    pub fn open(folder: &UnixFolder, name: &Name, new: &OwnedFd) -> Result<Over> {
        let possible = possible(new)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let old = openat(folder.handle(), name.as_bytes(), flags, Mode::empty())?;
        let stamp = stamp_of(&old)?.ok_or(Errno::OPNOTSUPP)?;
        let mut over = Over { old, stamp, means: Means::Share };
        for means in possible {
            over.means = *means;
            match over.take(new, 0, stamp.size.min(STEP)) {
                Ok(()) => return rustix::fs::ftruncate(new, 0).map(|()| over),
                Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::XDEV | Errno::INVAL | Errno::NOSYS) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::OPNOTSUPP)
    }

    /// What it showed when it was opened.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The `count` bytes at `place` are in `new` then.
    pub fn take(&self, new: &OwnedFd, mut place: u64, mut count: u64) -> Result<()> {
        while count > 0 {
            let now = count.min(STEP);
            let taken = match self.means {
                Means::Share => share(&self.old, new, place, now)?,
                Means::Copy => {
                    let (mut from, mut to) = (place, place);
                    let wanted = usize::try_from(now).map_err(|_| Errno::OVERFLOW)?;
                    rustix::fs::copy_file_range(&self.old, Some(&mut from), new, Some(&mut to), wanted)? as u64
                }
            };
            if taken == 0 {
                return Err(Errno::IO);
            }
            place += taken;
            count -= taken.min(count);
        }
        Ok(())
    }

    pub fn is_as_it_was(&self) -> Result<bool> {
        Ok(stamp_of(&self.old)? == Some(self.stamp))
    }
}

fn stamp_of(file: &OwnedFd) -> Result<Option<Stamp>> {
    let stat = stat::by_handle(file, Sync::Force)?;
    let stamp = Stamp { size: stat.size, mtime: stat.mtime, ctime: stat.ctime, id: stat.id };
    Ok((stat.kind == FileType::RegularFile).then_some(stamp))
}

/// Which of them may do without sending bytes, by the file system's magic number (`magic.h`; bcachefs and ZFS by theirs).
/// Elsewhere the kernel would copy, which on a mount is a read and a write of everything.
fn possible(file: &OwnedFd) -> Result<&'static [Means]> {
    const BTRFS: i64 = 0x9123_683e;
    const XFS: i64 = 0x5846_5342;
    const BCACHEFS: i64 = 0xca45_1a4e;
    const OCFS2: i64 = 0x7461_636f;
    const ZFS: i64 = 0x2fc1_2fc1;
    const NFS: i64 = 0x6969;
    const CIFS: i64 = 0xff53_4d42;
    const SMB2: i64 = 0xfe53_4d42;
    match rustix::fs::fstatfs(file)?.f_type as i64 & 0xffff_ffff {
        BTRFS | XFS | BCACHEFS | OCFS2 | ZFS => Ok(&[Means::Share]),
        CIFS | SMB2 => Ok(&[Means::Share, Means::Copy]),
        NFS if is_nfs_4_2(file)? => Ok(&[Means::Share, Means::Copy]),
        _ => Err(Errno::OPNOTSUPP),
    }
}

/// Only that version has calls for it.
fn is_nfs_4_2(file: &OwnedFd) -> Result<bool> {
    let device = rustix::fs::fstat(file)?.st_dev;
    let wanted = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = local::read_text(Path::new("/proc/self/mountinfo"), 4 << 20);
    let mounts = mounts.ok().flatten().ok_or(Errno::OPNOTSUPP)?;
    let is_it = |line: &&str| line.split(' ').nth(2) == Some(&wanted);
    Ok(mounts.lines().find(is_it).is_some_and(|line| line.contains("vers=4.2")))
}

fn share(old: &OwnedFd, new: &OwnedFd, place: u64, count: u64) -> Result<u64> {
    let range =
        libc::file_clone_range { src_fd: i64::from(old.as_raw_fd()), src_offset: place, src_length: count, dest_offset: place };
    // SAFETY: both descriptors are open, and the kernel only reads the structure.
    match unsafe { libc::ioctl(new.as_raw_fd(), libc::FICLONERANGE, &range) } {
        0 => Ok(count),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};

    /// As a server is asked; here the kernel copies.
    #[test]
    fn ranges_are_copied_from_the_same_place() {
        let (mut old, mut new) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("another"));
        let content: Vec<u8> = (0..40u32 << 20).map(|at| (at / 4096 + at) as u8).collect();
        old.write_all(&content).expect("written");
        let old = OwnedFd::from(old);
        let stamp = stamp_of(&old).expect("a stat").expect("a file");
        let over = Over { old, stamp, means: Means::Copy };
        let to = OwnedFd::from(new.try_clone().expect("a handle"));
        let (place, count) = (3 << 16, 2 * STEP + 5);
        over.take(&to, place, count).expect("taken");
        let mut got = Vec::new();
        new.seek(SeekFrom::Start(0)).expect("its beginning");
        new.read_to_end(&mut got).expect("read");
        assert_eq!(got.len() as u64, place + count);
        let from = usize::try_from(place).expect("small");
        assert!(got[..from].iter().all(|byte| *byte == 0) && got[from..] == content[from..got.len()]);
        assert_eq!(over.take(&to, content.len() as u64, 1), Err(Errno::IO), "nothing is there");
        assert_eq!(over.is_as_it_was(), Ok(true));
        rustix::fs::ftruncate(&over.old, 1).expect("cut");
        assert_eq!(over.is_as_it_was(), Ok(false));
    }
}
