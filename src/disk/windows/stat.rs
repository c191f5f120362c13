//! What the system says of one name or handle, as a [`Node`].

use std::os::windows::io::AsHandle;

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::SystemServices as tags;

use super::nt::{self, Result};
use super::{Facts, link};
use crate::disk::{Node, NodeContent};
use crate::model::entry::{Content, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::time::Time;

/// A stat in the terms of this room, whichever call gave it.
#[derive(Clone, Debug)]
pub(super) struct Stat {
    pub attributes: u32,
    /// Of a reparse point, which kind of one; else 0.
    pub tag: u32,
    pub size: u64,
    pub allocated: u64,
    pub mtime: Time,
    pub ctime: Time,
    pub id: u64,
}

/// 100 ns steps from 1601 to 1970.
const EPOCH: i64 = 116_444_736_000_000_000;

/// The system's time in our terms.
pub(super) fn time_of(system: u64) -> Time {
    Time(system.cast_signed().saturating_sub(EPOCH).saturating_mul(100))
}

/// Our time in the system's steps of 100 ns. Never 0, which would mean "leave it".
pub(super) fn system_time(time: Time) -> u64 {
    (time.0.div_euclid(100) + EPOCH).cast_unsigned()
}

/// One number of a wide id. What NTFS gives stays as it is; ReFS uses all of its bits.
pub(super) fn narrow(low: u64, high: u64) -> u64 {
    low ^ high.rotate_left(32)
}

/// What a reparse point is to us, by its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reparse {
    /// Says how the content is kept (deduplicated, compressed, in the cloud) and leads nowhere else.
    Plain,
    Link,
    /// A socket or device of WSL.
    Special,
    /// Leads elsewhere, or is not known to us.
    Strange,
}

/// Tags that only say how content is kept (`ntifs.h`), without the digit by which those of the cloud differ.
const KEPT_ELSEWHERE: &[u32] = &[
    tags::IO_REPARSE_TAG_DEDUP,
    tags::IO_REPARSE_TAG_WOF,
    tags::IO_REPARSE_TAG_HSM,
    tags::IO_REPARSE_TAG_HSM2,
    tags::IO_REPARSE_TAG_ONEDRIVE,
    tags::IO_REPARSE_TAG_CLOUD,
    tags::IO_REPARSE_TAG_STORAGE_SYNC,
];

impl Reparse {
    pub fn of(tag: u32) -> Reparse {
        const CLOUD_DIGIT: u32 = 0xf000;
        const SPECIAL: [i32; 3] = [wdk::IO_REPARSE_TAG_LX_FIFO, wdk::IO_REPARSE_TAG_LX_CHR, wdk::IO_REPARSE_TAG_LX_BLK];
        match tag {
            0 => Reparse::Plain,
            tags::IO_REPARSE_TAG_SYMLINK => Reparse::Link,
            _ if tag.cast_signed() == wdk::IO_REPARSE_TAG_LX_SYMLINK => Reparse::Link,
            _ if SPECIAL.contains(&tag.cast_signed()) || tag == tags::IO_REPARSE_TAG_AF_UNIX => Reparse::Special,
            _ if KEPT_ELSEWHERE.contains(&tag) || tag & !CLOUD_DIGIT == tags::IO_REPARSE_TAG_CLOUD => Reparse::Plain,
            _ => Reparse::Strange,
        }
    }
}

/// The stat of an open handle.
pub(super) fn by_handle(handle: &impl AsHandle, facts: Facts) -> Result<Stat> {
    // What comes in one answer is looked up by the path in places (Wine does), which leads nowhere once a folder was moved.
    let basic = nt::query::<40>(handle, wdk::FileBasicInformation)?;
    let standard = nt::query::<24>(handle, wdk::FileStandardInformation)?;
    let attributes = basic.u32(32);
    let tag = if attributes & fs::FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        0
    } else {
        nt::query::<8>(handle, wdk::FileAttributeTagInformation)?.u32(4)
    };
    let id = if facts.wide_ids { wide_id(handle)? } else { nt::query::<8>(handle, wdk::FileInternalInformation)?.u64(0) };
    let (mtime, ctime) = (time_of(basic.u64(16)), time_of(basic.u64(24)));
    Ok(Stat { attributes, tag, size: standard.u64(8), allocated: standard.u64(0), mtime, ctime, id })
}

/// How many names an open file has.
pub(super) fn names_of(handle: &impl AsHandle) -> Result<u32> {
    Ok(nt::query::<24>(handle, wdk::FileStandardInformation)?.u32(16))
}

pub(super) fn wide_id(handle: &impl AsHandle) -> Result<u64> {
    let wide = nt::query::<24>(handle, wdk::FileIdInformation)?;
    Ok(narrow(wide.u64(8), wide.u64(16)))
}

impl Stat {
    pub fn stamp(&self) -> Stamp {
        let size = if self.is_plain_folder() { 0 } else { self.size };
        Stamp { size, mtime: self.mtime, ctime: self.ctime, id: self.id }
    }

    pub fn has(&self, attributes: u32) -> bool {
        self.attributes & attributes != 0
    }

    pub fn reparse(&self) -> Reparse {
        Reparse::of(self.tag)
    }

    /// A folder that is no link and no junction.
    pub fn is_plain_folder(&self) -> bool {
        self.has(fs::FILE_ATTRIBUTE_DIRECTORY) && self.reparse() == Reparse::Plain
    }

    pub fn is_plain_file(&self) -> bool {
        !self.has(fs::FILE_ATTRIBUTE_DIRECTORY) && self.reparse() == Reparse::Plain
    }

    /// Its content would have to be fetched from somewhere first.
    pub fn is_elsewhere(&self) -> bool {
        self.has(fs::FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS | fs::FILE_ATTRIBUTE_RECALL_ON_OPEN | fs::FILE_ATTRIBUTE_OFFLINE)
    }

    /// What the attributes come to as permission bits. On a folder "read-only" says that it has an icon of its own.
    pub fn mode(&self) -> u32 {
        match (self.has(fs::FILE_ATTRIBUTE_DIRECTORY), self.has(fs::FILE_ATTRIBUTE_READONLY)) {
            (true, _) => 0o755,
            (false, true) => 0o444,
            (false, false) => 0o644,
        }
    }

    /// As a node; `link` tells where it leads, or why that cannot be told, where it is a link.
    pub fn node(&self, link: Option<link::Target>) -> Node {
        let unreadable = |message| NodeContent::Unreadable { kind: ProblemKind::NotRepresentable, message };
        let content = match (self.reparse(), link) {
            (Reparse::Plain, _) if self.has(fs::FILE_ATTRIBUTE_DIRECTORY) => NodeContent::Plain(Content::Folder),
            (Reparse::Plain, _) => NodeContent::Plain(Content::File { size: self.size, digest: None }),
            (Reparse::Special, _) => NodeContent::Special,
            (Reparse::Link, Some(Ok(target))) => NodeContent::Plain(Content::Link { target }),
            (Reparse::Link, Some(Err(why))) => unreadable(why),
            (Reparse::Link, None) => unreadable("is a link whose target cannot be told".to_owned()),
            (Reparse::Strange, _) => unreadable(link::strange(self.tag)),
        };
        Node { content, mode: self.mode(), stamp: self.stamp() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways_in_steps_of_100_ns() {
        for (time, steps) in [
            (0, EPOCH),
            (100, EPOCH + 1),
            (-1, EPOCH - 1),
            (199, EPOCH + 1),
            (1_700_000_000_123_456_700, EPOCH + 17_000_000_001_234_567),
        ] {
            assert_eq!(system_time(Time(time)), steps.cast_unsigned(), "{time}");
            assert_eq!(time_of(steps.cast_unsigned()), Time(time - time.rem_euclid(100)), "{time}");
        }
        assert!(system_time(Time(i64::MIN)) > 0 && time_of(0) == Time(i64::MIN) && time_of(u64::MAX >> 1) == Time(i64::MAX));
    }

    #[test]
    fn only_reparse_points_that_lead_nowhere_are_plain() {
        for (tag, expected) in [
            (0, Reparse::Plain),
            (tags::IO_REPARSE_TAG_SYMLINK, Reparse::Link),
            (0xa000_001d, Reparse::Link),
            (tags::IO_REPARSE_TAG_MOUNT_POINT, Reparse::Strange),
            (tags::IO_REPARSE_TAG_DFS, Reparse::Strange),
            (0x8000_0013, Reparse::Plain),
            (0x9000_001a, Reparse::Plain),
            (0x9000_601a, Reparse::Plain),
            (0x8000_0023, Reparse::Special),
            (0x8000_0024, Reparse::Special),
            (0xa000_0027, Reparse::Strange),
            (0x1234, Reparse::Strange),
        ] {
            assert_eq!(Reparse::of(tag), expected, "{tag:#x}");
        }
    }

    #[test]
    fn ids_of_ntfs_stay_and_wide_ones_differ() {
        assert_eq!(narrow(5, 0), 5);
        assert_ne!(narrow(5, 1), narrow(5, 2));
    }
}
