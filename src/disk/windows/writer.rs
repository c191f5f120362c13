//! A file open for writing: a temporary one, or by choice the file itself.

use std::fs::File;
use std::os::windows::fs::FileExt;
use std::os::windows::io::OwnedHandle;

use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_READONLY;
use windows_sys::Win32::System::Ioctl::FSCTL_SET_SPARSE;

use super::status::Status;
use super::{Facts, moves, nt, stat};
use crate::disk::{Error, ErrorKind, Node, Result, Writer};
use crate::model::entry::Stamp;
use crate::model::path::Name;
use crate::model::time::Time;

pub(super) struct WindowsWriter {
    file: File,
    name: Name,
    facts: Facts,
    place: u64,
    /// The file ends in a hole that only a new length makes.
    short: bool,
    /// It was asked to keep holes.
    sparse: bool,
    /// What is not written stays as it is.
    into: bool,
}

impl WindowsWriter {
    pub fn new(handle: OwnedHandle, name: Name, facts: Facts) -> WindowsWriter {
        WindowsWriter { file: File::from(handle), name, facts, place: 0, short: false, sparse: false, into: false }
    }

    /// Writes on behind the first `length` bytes of `handle`.
    pub fn behind(handle: OwnedHandle, name: Name, facts: Facts, id: u64, length: u64) -> Result<WindowsWriter> {
        let writer = WindowsWriter { place: length, ..WindowsWriter::new(handle, name, facts) };
        let stat = stat::by_handle(&writer.file, facts).map_err(writer.error("look at"))?;
        let names = stat::names_of(&writer.file).map_err(writer.error("look at"))?;
        if !stat.is_plain_file() || stat.tag != 0 || stat.id != id || stat.size < length || names != 1 {
            let source = std::io::Error::other("it is not the file that was begun");
            return Err(Error::new("resume", &writer.name, ErrorKind::Barred, source));
        }
        if stat.size > length {
            writer.cut(length)?;
        }
        Ok(writer)
    }

    /// Writes into the file as it stands; with what it shows.
    pub fn into(handle: OwnedHandle, name: Name, facts: Facts) -> Result<(WindowsWriter, Stamp)> {
        // Where the new version ends the older one is cut.
        let writer = WindowsWriter { short: true, into: true, ..WindowsWriter::new(handle, name, facts) };
        let stat = stat::by_handle(&writer.file, facts).map_err(writer.error("look at"))?;
        let names = stat::names_of(&writer.file).map_err(writer.error("look at"))?;
        if !stat.is_plain_file() || stat.tag != 0 || names != 1 {
            let source = std::io::Error::other("it is no file, or has a second name");
            return Err(Error::new("write", &writer.name, ErrorKind::Barred, source));
        }
        Ok((writer, stat.node(None).stamp))
    }

    fn error(&self, op: &'static str) -> impl Fn(Status) -> Error + '_ {
        move |status| self.facts.error(op, &self.name, status)
    }

    fn cut(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.error("write")(Status::of_io(&error)))
    }

    fn flush(&self) -> Result<()> {
        nt::flush(&self.file).map_err(self.error("flush"))
    }
}

impl Writer for WindowsWriter {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.file.seek_write(bytes, self.place) {
                Ok(0) => return Err(self.error("write")(Status::NONSENSE)),
                Ok(count) => {
                    self.place += count as u64;
                    bytes = &bytes[count..];
                }
                Err(error) => return Err(self.error("write")(Status::of_io(&error))),
            }
        }
        self.short = self.into;
        Ok(())
    }

    fn keep(&mut self, bytes: u64) -> Result<()> {
        if !self.into {
            return Err(self.error("write")(Status::UNSUPPORTED));
        }
        self.place += bytes;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        if !self.sparse {
            // Where holes are not known the system fills them with zeros.
            let _ = nt::control(&self.file, FSCTL_SET_SPARSE, &[], &mut []);
            self.sparse = true;
        }
        self.place += bytes;
        self.short = true;
        Ok(())
    }

    fn pause(&mut self, flush: bool) -> Result<Node> {
        if flush {
            self.flush()?;
        }
        let stat = stat::by_handle(&self.file, self.facts).map_err(self.error("look at"))?;
        Ok(stat.node(None))
    }

    fn finish(self: Box<Self>, mtime: Time, mode: Option<u32>, flush: bool) -> Result<Node> {
        if self.short {
            self.cut(self.place)?;
        }
        // Closing a file tells nobody that its bytes did not reach the server; only a flush does. It also comes before the
        // time, which bytes that arrive later would move.
        if self.facts.remote {
            self.flush()?;
        }
        let attributes = match mode {
            Some(mode) if mode & 0o200 == 0 => moves::settable(FILE_ATTRIBUTE_READONLY),
            _ => 0,
        };
        nt::set_basic(&self.file, stat::system_time(mtime), attributes).map_err(self.error("touch"))?;
        if flush && !self.facts.remote {
            self.flush()?;
        }
        let stat = stat::by_handle(&self.file, self.facts).map_err(self.error("look at"))?;
        Ok(stat.node(None))
    }
}
