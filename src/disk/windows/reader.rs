//! A regular file open for reading.

use std::fs::File;
use std::os::windows::fs::FileExt;
use std::os::windows::io::OwnedHandle;

use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_SPARSE_FILE;
use windows_sys::Win32::System::Ioctl::FSCTL_QUERY_ALLOCATED_RANGES;

use super::nt::{self, u64_at};
use super::stat::{self, Stat};
use super::status::Status;
use super::{Facts, streams};
use crate::disk::{Node, Reader, Result};
use crate::model::entry::Stamp;
use crate::model::path::Name;

pub(super) struct WindowsReader {
    file: File,
    name: Name,
    facts: Facts,
    /// Where the next `read` begins.
    place: u64,
    /// What the handle said when it was opened.
    opened: Stat,
}

impl WindowsReader {
    pub fn new(handle: OwnedHandle, name: Name, facts: Facts, opened: Stat) -> WindowsReader {
        WindowsReader { file: File::from(handle), name, facts, place: 0, opened }
    }
}

impl Reader for WindowsReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let failed = |error| self.facts.error("read", &self.name, Status::of_io(&error));
        let count = self.file.seek_read(buffer, self.place).map_err(failed)?;
        self.place += count as u64;
        Ok(count)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        let end = self.opened.size.max(offset);
        let asked = [offset.to_le_bytes(), (end - offset).to_le_bytes()].concat();
        let mut first = [0; 16];
        match nt::control(&self.file, FSCTL_QUERY_ALLOCATED_RANGES, &asked, &mut first) {
            Ok(0) => Ok(None),
            Ok(16) => {
                let start = u64_at(&first, 0);
                Ok(Some((start, start.saturating_add(u64_at(&first, 8)))))
            }
            // Knows no holes: the rest is data.
            Ok(_) => Ok(Some((offset, u64::MAX))),
            Err(status) if status.is_unknown_request() => Ok(Some((offset, u64::MAX))),
            Err(status) => Err(self.facts.error("read", &self.name, status)),
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.place = offset;
        Ok(())
    }

    /// Windows flushes for who may write alone, and a handle that may write refuses programs which do not share that: a
    /// compiler would fail at a file that was saved just now. So what others wrote is left to the system, which writes it
    /// within seconds.
    fn flush(&self) -> Result<()> {
        Err(self.facts.error("flush", &self.name, Status::UNSUPPORTED))
    }

    fn node(&self) -> Result<Node> {
        let stat = stat::by_handle(&self.file, self.facts).map_err(|status| self.facts.error("look at", &self.name, status))?;
        Ok(stat.node(None))
    }

    fn opened(&self) -> Stamp {
        self.opened.stamp()
    }

    fn sparse(&self) -> bool {
        self.opened.has(FILE_ATTRIBUTE_SPARSE_FILE) && self.opened.allocated < self.opened.size
    }

    fn left_behind(&self) -> Option<String> {
        streams::left_behind(&self.file)
    }
}
