//! A file open for writing: a temporary one, or by choice the file itself.

use std::os::fd::IntoRawFd;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

use super::Facts;
use super::folder::times;
#[cfg(target_os = "linux")]
use super::over::Over;
use super::stat::{self, Sync};
use crate::disk::{Error, ErrorKind, Node, Result, Writer};
use crate::model::entry::Stamp;
use crate::model::path::Name;
use crate::model::time::Time;

/// The mode with which temporary files are made: nobody else reads what is not complete.
pub(super) const PRIVATE: u32 = 0o600;

pub(super) struct UnixWriter {
    handle: OwnedFd,
    name: Name,
    facts: Facts,
    place: u64,
    /// The file ends in a hole that only a new length makes.
    short: bool,
    older: Older,
}

/// What [`Writer::keep`] keeps bytes of.
enum Older {
    Nothing,
    #[cfg(target_os = "linux")]
    Beside(Over),
    /// The file itself.
    Itself,
}

impl UnixWriter {
    pub fn new(handle: OwnedFd, name: Name, facts: Facts) -> UnixWriter {
        UnixWriter { handle, name, facts, place: 0, short: false, older: Older::Nothing }
    }

    #[cfg(target_os = "linux")]
    pub fn over(self, over: Over) -> UnixWriter {
        UnixWriter { older: Older::Beside(over), ..self }
    }

    /// Writes into the file as it stands; with what it shows.
    pub fn into(handle: OwnedFd, name: Name, facts: Facts) -> Result<(UnixWriter, Stamp)> {
        // Where the new version ends the older one is cut.
        let writer = UnixWriter { short: true, older: Older::Itself, ..UnixWriter::new(handle, name, facts) };
        let stat = stat::by_handle(&writer.handle, Sync::Force).map_err(writer.error("look at"))?;
        let names = rustix::fs::fstat(&writer.handle).map_err(writer.error("look at"))?.st_nlink;
        if stat.kind != FileType::RegularFile || names != 1 {
            let source = std::io::Error::other("it is no file, or has a second name");
            return Err(Error::new("write", &writer.name, ErrorKind::Barred, source));
        }
        Ok((writer, Stamp { size: stat.size, mtime: stat.mtime, ctime: stat.ctime, id: stat.id }))
    }

    /// Writes on behind the first `length` bytes of `handle`.
    pub fn behind(handle: OwnedFd, name: Name, facts: Facts, id: u64, length: u64) -> Result<UnixWriter> {
        let writer = UnixWriter { place: length, ..UnixWriter::new(handle, name, facts) };
        let stat = stat::by_handle(&writer.handle, Sync::Force).map_err(writer.error("look at"))?;
        let names = rustix::fs::fstat(&writer.handle).map_err(writer.error("look at"))?.st_nlink;
        if stat.kind != FileType::RegularFile || stat.id != id || stat.size < length || names != 1 {
            let source = std::io::Error::other("it is not the file that was begun");
            return Err(Error::new("resume", &writer.name, ErrorKind::Barred, source));
        }
        if stat.size > length {
            rustix::fs::ftruncate(&writer.handle, length).map_err(writer.error("write"))?;
        }
        Ok(writer)
    }

    fn error(&self, op: &'static str) -> impl Fn(Errno) -> Error + '_ {
        move |errno| self.facts.error(op, &self.name, errno)
    }
}

impl Writer for UnixWriter {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match rustix::io::pwrite(&self.handle, bytes, self.place) {
                Ok(0) => return Err(self.error("write")(Errno::IO)),
                Ok(count) => {
                    self.place += count as u64;
                    bytes = &bytes[count..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.error("write")(errno)),
            }
        }
        self.short = matches!(self.older, Older::Itself);
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        self.place += bytes;
        self.short = true;
        Ok(())
    }

    fn keep(&mut self, bytes: u64) -> Result<()> {
        match &self.older {
            Older::Nothing => return Err(self.error("write")(Errno::OPNOTSUPP)),
            #[cfg(target_os = "linux")]
            Older::Beside(over) => {
                over.take(&self.handle, self.place, bytes).map_err(self.error("write"))?;
                self.short = false;
            }
            Older::Itself => {}
        }
        self.place += bytes;
        Ok(())
    }

    fn pause(&mut self, flush: bool) -> Result<Node> {
        if flush {
            rustix::fs::fsync(&self.handle).map_err(self.error("flush"))?;
        }
        let stat = stat::by_handle(&self.handle, Sync::Force).map_err(self.error("look at"))?;
        Ok(stat.node(self.facts, None))
    }

    fn finish(self: Box<Self>, mtime: Time, mode: Option<u32>, flush: bool) -> Result<Node> {
        if self.short {
            rustix::fs::ftruncate(&self.handle, self.place).map_err(self.error("write"))?;
        }
        #[cfg(target_os = "linux")]
        if let Older::Beside(over) = &self.older
            && !over.is_as_it_was().map_err(self.error("look at"))?
        {
            let source = std::io::Error::other("the older version was written to meanwhile");
            return Err(Error::new("write", &self.name, ErrorKind::Barred, source));
        }
        rustix::fs::futimens(&self.handle, &times(mtime)).map_err(self.error("touch"))?;
        let look = || stat::by_handle(&self.handle, Sync::AsIs).map_err(self.error("look at"));
        let mut seen = None;
        // A base of an older version may still ask for bits that lend the owner's rights.
        if let Some(mode) = mode.map(|mode| mode & 0o777) {
            // The answer is fresh: it came with the times.
            seen = Some(look()?).filter(|stat| stat.mode == mode);
            if seen.is_none() {
                rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(mode as _)).map_err(self.error("touch"))?;
            }
        }
        if flush {
            rustix::fs::fsync(&self.handle).map_err(self.error("flush"))?;
            seen = None;
        }
        let stat = seen.map_or_else(look, Ok)?;
        let UnixWriter { handle, name, facts, .. } = *self;
        // A network file system may only tell now that the bytes did not arrive.
        close(handle).map_err(|errno| facts.error("close", &name, errno))?;
        Ok(stat.node(facts, None))
    }
}

/// Closes and tells, which dropping a handle does not.
fn close(handle: OwnedFd) -> std::result::Result<(), Errno> {
    // SAFETY: the descriptor was owned here alone and is not used again, whatever the call says.
    match unsafe { libc::close(handle.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}
