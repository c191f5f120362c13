//! What the system says of one name or handle, as a [`Node`].

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::Facts;
use crate::disk::{Node, NodeContent};
use crate::model::entry::{Content, Stamp};
use crate::model::time::Time;

/// A stat in the terms of this room, whichever call gave it.
pub(super) struct Stat {
    pub kind: FileType,
    pub mode: u32,
    pub size: u64,
    /// Blocks of 512 bytes that are allocated.
    pub blocks: u64,
    pub mtime: Time,
    pub ctime: Time,
    pub id: u64,
    pub device: u64,
}

/// Ask the server, not a cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    AsIs,
    Force,
}

/// Does a daemon answer for what lies there?
#[cfg(target_os = "linux")]
pub fn is_fuse(handle: impl AsFd) -> Result<bool, Errno> {
    /// From the kernel's `magic.h`.
    const FUSE: i64 = 0x6573_5546;
    Ok(rustix::fs::fstatfs(handle)?.f_type as i64 == FUSE)
}

#[cfg(not(target_os = "linux"))]
pub fn is_fuse(_: impl AsFd) -> Result<bool, Errno> {
    Ok(false)
}

/// Is the file system of that device an sshfs? By the kernel's list of mounts; what cannot be told is none.
#[expect(clippy::disallowed_methods, reason = "the kernel's list of mounts is asked, no root")]
pub fn is_sshfs(device: u64) -> bool {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let place = format!("{major}:{minor}");
    let list = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    list.lines().any(|line| sshfs_at(line, &place))
}

/// The third word of a line is the device, the one behind the lone dash the type (`proc_pid_mountinfo(5)`).
fn sshfs_at(line: &str, place: &str) -> bool {
    let kind = line.split_once(" - ").and_then(|(_, behind)| behind.split(' ').next());
    line.split(' ').nth(2) == Some(place) && kind == Some("fuse.sshfs")
}

/// The stat of a name, not followed.
pub(super) fn by_name(folder: impl AsFd, name: &[u8], sync: Sync) -> Result<Stat, Errno> {
    at(folder, name, AtFlags::SYMLINK_NOFOLLOW, sync)
}

/// The stat of an open handle.
pub(super) fn by_handle(handle: impl AsFd, sync: Sync) -> Result<Stat, Errno> {
    at(handle, b"", AtFlags::EMPTY_PATH, sync)
}

/// Of what kind the name is, as far as that is known without asking again.
#[cfg(target_os = "linux")]
pub(super) fn kind(folder: impl AsFd, name: &[u8]) -> Result<FileType, Errno> {
    use rustix::fs::{StatxFlags, statx};
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC;
    statx(folder, name, flags, StatxFlags::TYPE).map(|stat| FileType::from_raw_mode(u32::from(stat.stx_mode)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kind(folder: impl AsFd, name: &[u8]) -> Result<FileType, Errno> {
    by_name(folder, name, Sync::AsIs).map(|stat| stat.kind)
}

#[cfg(target_os = "linux")]
fn at(fd: impl AsFd, name: &[u8], flags: AtFlags, sync: Sync) -> Result<Stat, Errno> {
    use rustix::fs::{StatxFlags, statx};
    let flags = match sync {
        Sync::AsIs => flags,
        Sync::Force => flags | AtFlags::STATX_FORCE_SYNC,
    };
    // Without BTIME and the like: file systems that have to ask for them are not asked.
    let wanted = StatxFlags::TYPE
        | StatxFlags::MODE
        | StatxFlags::SIZE
        | StatxFlags::BLOCKS
        | StatxFlags::MTIME
        | StatxFlags::CTIME
        | StatxFlags::INO;
    let stat = statx(fd, name, flags, wanted)?;
    let mode = u32::from(stat.stx_mode);
    let kind = FileType::from_raw_mode(mode);
    Ok(Stat {
        kind,
        mode: mode & kept_bits(kind),
        size: stat.stx_size,
        blocks: stat.stx_blocks,
        mtime: Time::from_parts(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        ctime: Time::from_parts(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        id: stat.stx_ino,
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
    })
}

#[cfg(not(target_os = "linux"))]
fn at(fd: impl AsFd, name: &[u8], flags: AtFlags, _sync: Sync) -> Result<Stat, Errno> {
    use rustix::fs::{fstat, statat};
    let stat = if name.is_empty() { fstat(fd)? } else { statat(fd, name, flags)? };
    let mode = u32::from(stat.st_mode);
    let nanos = |nanos| u32::try_from(nanos).unwrap_or(0);
    Ok(Stat {
        kind: FileType::from_raw_mode(stat.st_mode),
        mode: mode & kept_bits(FileType::from_raw_mode(stat.st_mode)),
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        mtime: Time::from_parts(stat.st_mtime as i64, nanos(stat.st_mtime_nsec)),
        ctime: Time::from_parts(stat.st_ctime as i64, nanos(stat.st_ctime_nsec)),
        id: stat.st_ino,
        device: stat.st_dev as u64,
    })
}

/// The bits of a mode that this program knows of. Not those by which a file lends its owner's rights: who may write into one
/// root would get the rights of whoever copies it to the other.
fn kept_bits(kind: FileType) -> u32 {
    if kind == FileType::RegularFile { 0o777 } else { 0o7777 }
}

impl Stat {
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.size, mtime: self.mtime, ctime: self.ctime, id: self.id }
    }

    /// As a node; `link` is the target where it is a link.
    pub fn node(&self, facts: Facts, link: Option<Box<[u8]>>) -> Node {
        let content = match (self.kind, link) {
            (FileType::RegularFile, _) => NodeContent::Plain(Content::File { size: self.size, digest: None }),
            (FileType::Directory, _) if self.device != facts.device => NodeContent::OtherFileSystem,
            (FileType::Directory, _) => NodeContent::Plain(Content::Folder),
            (FileType::Symlink, Some(target)) => NodeContent::Plain(Content::Link { target }),
            _ => NodeContent::Special,
        };
        Node { content, mode: self.mode, stamp: self.stamp() }
    }
}

#[cfg(test)]
mod tests {
    use super::sshfs_at;

    #[test]
    fn an_sshfs_is_known_by_its_device_and_type_alone() {
        let line = |place: &str, kind: &str| {
            format!("82 29 {place} / /mnt/a\\040b rw,nosuid shared:43 - {kind} plat:/data rw,user_id=0")
        };
        assert!(sshfs_at(&line("0:52", "fuse.sshfs"), "0:52"));
        for (place, kind) in [("0:53", "fuse.sshfs"), ("0:52", "fuse.rclone"), ("0:52", "fuse.sshfs2"), ("0:52", "nfs4")] {
            assert!(!sshfs_at(&line(place, kind), "0:52"), "{place} {kind}");
        }
        assert!(!sshfs_at("", "0:52") && !sshfs_at("82 29 0:52 / fuse.sshfs", "0:52"));
    }
}
