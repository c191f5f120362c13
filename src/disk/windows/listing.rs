//! A folder's entries with all that is to be known of them: one answer a buffer, no file opened.

use std::cell::RefCell;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::AsHandle;

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_REPARSE_POINT;

use super::Facts;
use super::names;
use super::nt::{self, Result, u32_at, u64_at};
use super::stat::{Stat, narrow, time_of};
use super::status::Status;
use crate::model::native;
use crate::model::path::Name;

/// Bytes of entries that one call asks for: what a server sends in one answer.
const ENTRIES: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u64>> = RefCell::new(vec![0; ENTRIES / 8]);
}

/// One entry as the system tells it.
pub(super) struct Entry {
    pub name: Name,
    pub stat: Stat,
    /// Windows cannot hold this name, so nothing may be done to it: why.
    pub flaw: Option<String>,
}

/// Which layout an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Ids of 128 bits.
    Wide,
    /// Ids of 64 bits.
    Narrow,
    /// No ids.
    Bare,
}

impl Layout {
    fn class(self) -> i32 {
        match self {
            Layout::Wide => wdk::FileIdExtdDirectoryInformation,
            Layout::Narrow => wdk::FileIdFullDirectoryInformation,
            Layout::Bare => wdk::FileFullDirectoryInformation,
        }
    }

    /// Where the name begins.
    fn head(self) -> usize {
        match self {
            Layout::Wide => 88,
            Layout::Narrow => 80,
            Layout::Bare => 68,
        }
    }
}

/// All entries but `.` and `..`, in no order.
pub(super) fn read(folder: &impl AsHandle, facts: Facts) -> Result<Vec<Entry>> {
    let layouts: &[Layout] = if facts.wide_ids { &[Layout::Wide] } else { &[Layout::Narrow, Layout::Bare] };
    let (last, others) = layouts.split_last().expect("a layout at least");
    for layout in others {
        match read_as(folder, *layout) {
            Err(status) if status.is_unknown_request() => {}
            other => return other,
        }
    }
    read_as(folder, *last)
}

/// Does the file system tell entries in this way?
pub(super) fn knows(folder: &impl AsHandle, layout: Layout) -> bool {
    let mut buffer = [0; 128];
    matches!(nt::list(folder, &mut buffer, layout.class(), true), Ok(_) | Err(Status::NO_MORE_FILES | Status::NO_SUCH_FILE))
}

pub(super) fn read_as(folder: &impl AsHandle, layout: Layout) -> Result<Vec<Entry>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut entries = Vec::new();
        let mut restart = true;
        loop {
            let filled = match nt::list(folder, buffer, layout.class(), restart) {
                Ok(filled) => filled,
                Err(Status::NO_MORE_FILES) => return Ok(entries),
                Err(Status::NO_SUCH_FILE) if restart => return Ok(entries),
                Err(status) => return Err(status),
            };
            let bytes: Vec<u8> = buffer[..filled.div_ceil(8)].iter().flat_map(|word| word.to_ne_bytes()).collect();
            take(&bytes[..filled], layout, &mut entries)?;
            restart = false;
        }
    })
}

/// Takes one answer apart. One that makes no sense makes the whole listing an error.
fn take(mut bytes: &[u8], layout: Layout, entries: &mut Vec<Entry>) -> Result<()> {
    while !bytes.is_empty() {
        let head = bytes.get(..layout.head()).ok_or(Status::NONSENSE)?;
        let length = u32_at(head, 60) as usize;
        let name = bytes.get(layout.head()..layout.head() + length).ok_or(Status::NONSENSE)?;
        let units: Vec<u16> = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        if ![&[0x2e][..], &[0x2e, 0x2e]].contains(&&*units) {
            entries.push(entry(&units, head, layout)?);
        }
        match u32_at(head, 0) as usize {
            0 => return Ok(()),
            next => bytes = bytes.get(next..).ok_or(Status::NONSENSE)?,
        }
    }
    Ok(())
}

fn entry(units: &[u16], head: &[u8], layout: Layout) -> Result<Entry> {
    let spelled = std::ffi::OsString::from_wide(units);
    // A name with a slash, or none at all: no file system of Windows has such.
    let name = Name::new(native::to_bytes(&spelled)).map_err(|_| Status::NONSENSE)?;
    let attributes = u32_at(head, 56);
    let is_reparse = attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    let (tag, id) = match layout {
        Layout::Wide => (u32_at(head, 68), narrow(u64_at(head, 72), u64_at(head, 80))),
        // In the place of the size of extended attributes.
        Layout::Narrow => (u32_at(head, 64), u64_at(head, 72)),
        Layout::Bare => (u32_at(head, 64), 0),
    };
    let stat = Stat {
        attributes,
        tag: if is_reparse { tag } else { 0 },
        size: u64_at(head, 40),
        allocated: u64_at(head, 48),
        mtime: time_of(u64_at(head, 24)),
        ctime: time_of(u64_at(head, 32)),
        id,
    };
    Ok(Entry { name, stat, flaw: names::flaw(units) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry as the system lays it out.
    fn laid(layout: Layout, name: &str, next: u32) -> Vec<u8> {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut bytes = vec![0; layout.head()];
        bytes[0..4].copy_from_slice(&next.to_le_bytes());
        bytes[40] = 7;
        bytes[60] = units.len() as u8;
        let id_at = if layout == Layout::Bare { 64 } else { 72 };
        bytes[id_at] = 9;
        bytes.extend(units);
        bytes
    }

    #[test]
    fn every_layout_is_taken_apart() {
        for layout in [Layout::Wide, Layout::Narrow, Layout::Bare] {
            let mut bytes = laid(layout, ".", 0);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes[0] = bytes.len() as u8;
            bytes.extend(laid(layout, "aux.c", 0));
            let mut entries = Vec::new();
            take(&bytes, layout, &mut entries).expect("sense");
            let [only] = &entries[..] else { panic!("one entry") };
            assert_eq!((&*only.name, only.stat.size, only.stat.tag), (&b"aux.c"[..], 7, 0));
            assert_eq!(only.stat.id, if layout == Layout::Bare { 0 } else { 9 });
            assert!(only.flaw.is_some(), "a device's name");
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_an_error() {
        let good = laid(Layout::Narrow, "name", 0);
        for length in 1..good.len() {
            assert!(take(&good[..length], Layout::Narrow, &mut Vec::new()).is_err(), "{length} bytes");
        }
        let beyond = laid(Layout::Narrow, "name", 4_000);
        assert!(take(&beyond, Layout::Narrow, &mut Vec::new()).is_err());
        assert!(take(&laid(Layout::Narrow, "a/b", 0), Layout::Narrow, &mut Vec::new()).is_err());
    }
}
