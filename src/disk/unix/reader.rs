//! A regular file open for reading.

use rustix::fd::OwnedFd;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::Facts;
use super::stat::{self, Stat, Sync};
use crate::disk::{Node, Reader, Result};
use crate::model::entry::Stamp;
use crate::model::path::Name;

pub(super) struct UnixReader {
    handle: OwnedFd,
    name: Name,
    facts: Facts,
    /// Where the next `read` begins; the handle's own place is left to the search for holes.
    place: u64,
    /// What the handle said when it was opened.
    opened: Stat,
}

impl UnixReader {
    pub fn new(handle: OwnedFd, name: Name, facts: Facts, opened: Stat) -> UnixReader {
        UnixReader { handle, name, facts, place: 0, opened }
    }
}

impl Reader for UnixReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match rustix::io::pread(&self.handle, &mut *buffer, self.place) {
                Ok(count) => {
                    self.place += count as u64;
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.facts.error("read", &self.name, errno)),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        let start = match rustix::fs::seek(&self.handle, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            // Knows no holes: the rest is data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => offset,
            Err(errno) => return Err(self.facts.error("read", &self.name, errno)),
        };
        let end = rustix::fs::seek(&self.handle, SeekFrom::Hole(start)).unwrap_or(u64::MAX);
        Ok(Some((start, end)))
    }

    #[cfg(not(target_os = "linux"))]
    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        Ok(Some((offset, u64::MAX)))
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.place = offset;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        rustix::fs::fsync(&self.handle).map_err(|errno| self.facts.error("flush", &self.name, errno))
    }

    fn node(&self) -> Result<Node> {
        let stat = stat::by_handle(&self.handle, Sync::AsIs).map_err(|errno| self.facts.error("look at", &self.name, errno))?;
        Ok(stat.node(self.facts, None))
    }

    fn opened(&self) -> Stamp {
        self.opened.stamp()
    }

    fn sparse(&self) -> bool {
        self.opened.blocks.saturating_mul(512) < self.opened.size
    }
}
