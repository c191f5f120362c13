//! One open folder.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Storage::FileSystem as fs;

use super::moves::{self, What};
use super::nt::{self, Ask, Removal};
use super::reader::WindowsReader;
use super::stat::{self, Reparse, Stat};
use super::status::Status;
use super::writer::WindowsWriter;
use super::{Facts, busy, link, listing, names, patiently, trial};
use crate::disk::clock::pause;
use crate::disk::{Error, ErrorKind, Folder, Freshness, Node, NodeContent, Onto, Reader, Result, Trial, Writer};
use crate::model::entry::Stamp;
use crate::model::finding::ProblemKind;
use crate::model::listing::{Item, Listing};
use crate::model::path::Name;
use crate::model::time::Time;

/// After an absence on a remote root the name is looked at once more: other machines' overwriting renames show it for a
/// moment.
const SECOND_LOOK: Duration = Duration::from_millis(5);

pub(super) struct WindowsFolder {
    handle: OwnedHandle,
    facts: Facts,
    /// Its entries were read once. The place in a listing is the handle's, and Wine tells only what was there at first.
    read_once: AtomicBool,
}

impl WindowsFolder {
    pub fn new(handle: OwnedHandle, facts: Facts) -> WindowsFolder {
        WindowsFolder { handle, facts, read_once: AtomicBool::new(false) }
    }

    pub fn handle(&self) -> &OwnedHandle {
        &self.handle
    }

    /// Asks something about one name, which Windows can hold, with patience for who is in the way for a moment.
    fn ask<T>(&self, op: &'static str, name: &Name, run: impl Fn(&[u16]) -> nt::Result<T>) -> Result<T> {
        let units = names::spell(name).map_err(|flaw| names::refused(op, name, flaw))?;
        patiently(|| run(&units)).map_err(|status| self.failed(op, name, status))
    }

    /// The failure of a call on one name; where it is in use, with the program that has it open.
    pub fn failed(&self, op: &'static str, name: &Name, status: Status) -> Error {
        let mut error = self.facts.error(op, name, status);
        if error.kind == ErrorKind::Busy
            && !self.facts.remote
            && let Some(holders) = self.holders(name)
        {
            error.source = std::io::Error::new(std::io::ErrorKind::ResourceBusy, holders);
        }
        error
    }

    fn itself(&self, op: &'static str) -> impl Fn(Status) -> Error + use<> {
        let facts = self.facts;
        move |status| facts.error(op, ".", status)
    }

    /// Where this folder is, for people and for who has to be asked by path.
    fn path(&self) -> Option<String> {
        let mut units = vec![0; 1024];
        // SAFETY: the handle is open, the buffer ours and as long as it is said to be.
        let length =
            unsafe { fs::GetFinalPathNameByHandleW(self.handle.as_raw_handle(), units.as_mut_ptr(), units.len() as u32, 0) };
        let path = String::from_utf16_lossy(units.get(..length as usize).filter(|path| !path.is_empty())?);
        Some(path.strip_prefix(r"\\?\").unwrap_or(&path).to_owned())
    }

    fn open(&self, name: &[u16], ask: Ask) -> nt::Result<(OwnedHandle, Stat)> {
        let handle = nt::open(&self.handle, name, ask)?;
        let stat = stat::by_handle(&handle, self.facts)?;
        Ok((handle, stat))
    }

    fn node(&self, name: &[u16]) -> nt::Result<Node> {
        let (handle, stat) = self.open(name, Ask::LOOK)?;
        let link = if stat.reparse() == Reparse::Link { Some(link::target(&handle)?) } else { None };
        Ok(stat.node(link))
    }

    /// An entry of a listing; `None` where it went away since.
    fn listed(&self, entry: &listing::Entry) -> Result<Option<Node>> {
        let unreadable = |kind, message| {
            let content = NodeContent::Unreadable { kind, message };
            Ok(Some(Node { content, mode: 0, stamp: entry.stat.stamp() }))
        };
        if let Some(flaw) = &entry.flaw {
            return unreadable(ProblemKind::NotRepresentable, format!("cannot be opened by programs of Windows: {flaw}"));
        }
        if entry.stat.reparse() != Reparse::Link {
            return Ok(Some(entry.stat.node(None)));
        }
        match self.ask("look at", &entry.name, |name| self.node(name)) {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.kind == ErrorKind::Absent => Ok(None),
            Err(error) if error.kind == ErrorKind::Gone => Err(error),
            Err(error) if error.kind == ErrorKind::Denied => unreadable(ProblemKind::Permission, error.source.to_string()),
            Err(error) => unreadable(ProblemKind::Unreadable, error.source.to_string()),
        }
    }

    /// Opens a file's content. What only says how it is kept is opened through, and has to be the same file then.
    fn open_content(&self, name: &[u16]) -> nt::Result<(OwnedHandle, Stat)> {
        let (handle, stat) = self.open(name, Ask::READ)?;
        if stat.has(fs::FILE_ATTRIBUTE_DIRECTORY) {
            return Err(Status::IS_FOLDER);
        }
        match stat.reparse() {
            Reparse::Plain if stat.tag == 0 => Ok((handle, stat)),
            Reparse::Plain => {
                let (through, there) = self.open(name, Ask::READ.through())?;
                if there.id == stat.id { Ok((through, there)) } else { Err(Status::BARRED) }
            }
            Reparse::Link | Reparse::Special | Reparse::Strange => Err(Status::BARRED),
        }
    }

    fn create(&self, name: &Name) -> Result<OwnedHandle> {
        self.ask("create", name, |units| match nt::open(&self.handle, units, Ask::CREATE) {
            Err(Status::IS_FOLDER) => Err(Status::EXISTS),
            other => other,
        })
    }

    fn set(&self, op: &'static str, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        self.ask(op, name, |units| {
            let (handle, stat) = self.open(units, Ask::TOUCH)?;
            let mode = mode.filter(|_| stat.is_plain_file());
            set(&handle, &stat, mtime, mode)
        })
    }
}

/// Sets times, and of a file the one attribute that is like a permission.
fn set(handle: &OwnedHandle, stat: &Stat, mtime: Option<Time>, mode: Option<u32>) -> nt::Result<()> {
    let attributes = match mode {
        None => 0,
        Some(mode) if mode & 0o222 == 0 => moves::settable(stat.attributes | fs::FILE_ATTRIBUTE_READONLY),
        Some(_) => moves::settable(stat.attributes & !fs::FILE_ATTRIBUTE_READONLY),
    };
    nt::set_basic(handle, mtime.map_or(0, stat::system_time), attributes)
}

impl Folder for WindowsFolder {
    fn list(&self) -> Result<Listing<Node>> {
        let again = match self.read_once.swap(true, Ordering::Relaxed) {
            true => Some(nt::open(&self.handle, &[], Ask::FOLDER).map_err(self.itself("list"))?),
            false => None,
        };
        let entries = listing::read(again.as_ref().unwrap_or(&self.handle), self.facts).map_err(self.itself("list"))?;
        let mut listing = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(value) = self.listed(&entry)? {
                listing.push(Item { name: entry.name, value });
            }
        }
        // A folder that changes while it is read may tell a name twice.
        listing.sort_by(|a, b| a.name.cmp(&b.name));
        listing.dedup_by(|a, b| a.name == b.name);
        Ok(listing)
    }

    /// Each look opens the name and asks the handle, so that there is no staler way.
    fn look(&self, name: &Name, _freshness: Freshness) -> Result<Option<Node>> {
        let once = || self.ask("look at", name, |units| self.node(units));
        let is_absent = |found: &Result<Node>| found.as_ref().is_err_and(|error| error.kind == ErrorKind::Absent);
        let mut found = once();
        if is_absent(&found) && self.facts.remote {
            pause(SECOND_LOOK);
            found = once();
        }
        if is_absent(&found) { Ok(None) } else { found.map(Some) }
    }

    fn read(&self, name: &Name) -> Result<Box<dyn Reader>> {
        let (handle, stat) = self.ask("open", name, |units| self.open_content(units))?;
        if stat.is_elsewhere() {
            let source = std::io::Error::other("its content is not on this machine; open it once, or keep it here always");
            return Err(Error::new("read", name, ErrorKind::Other, source));
        }
        Ok(Box::new(WindowsReader::new(handle, name.clone(), self.facts, stat)))
    }

    /// It has the rights that its folder gives to what is in it, from the beginning.
    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WindowsWriter::new(self.create(name)?, name.clone(), self.facts)))
    }

    fn resume(&self, name: &Name, id: u64, length: u64) -> Result<Box<dyn Writer>> {
        let handle = self.ask("resume", name, |units| nt::open(&self.handle, units, Ask::WRITE))?;
        Ok(Box::new(WindowsWriter::behind(handle, name.clone(), self.facts, id, length)?))
    }

    fn write_into(&self, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        let handle = self.ask("write", name, |units| nt::open(&self.handle, units, Ask::WRITE))?;
        let (writer, stamp) = WindowsWriter::into(handle, name.clone(), self.facts)?;
        Ok((Box::new(writer), stamp))
    }

    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()> {
        let new = names::spell(to).map_err(|flaw| names::refused("rename", to, flaw))?;
        let old = names::spell(from).map_err(|flaw| names::refused("rename", from, flaw))?;
        let done = patiently(|| moves::rename(&self.handle, &old, &self.handle, &new, onto, self.facts));
        // The name of ours is open nowhere else: what is replaced is in use.
        done.map_err(|status| self.failed("rename", if onto == Onto::File { to } else { from }, status))
    }

    /// Windows has no such call.
    fn exchange(&self, a: &Name, _b: &Name) -> Result<()> {
        Err(self.facts.error("exchange", a, Status::UNSUPPORTED))
    }

    fn make_folder(&self, name: &Name, _mode: u32) -> Result<()> {
        self.ask("make", name, |units| nt::open(&self.handle, units, Ask::MAKE_FOLDER).map(drop))
    }

    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        let target = link::spell(target).map_err(|flaw| names::refused("link", name, flaw))?;
        self.ask("link", name, |units| self.make_link_to(units, &target)).map_err(|mut error| {
            if error.kind == ErrorKind::Denied {
                let sentence = "Windows lets only administrators make symbolic links, and others in its developer mode";
                error.source = std::io::Error::new(std::io::ErrorKind::PermissionDenied, sentence);
            }
            error
        })
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        self.ask("remove", name, |units| moves::remove(&self.handle, units, What::FileOrLink, self.facts))
    }

    fn remove_folder(&self, name: &Name) -> Result<()> {
        self.ask("remove", name, |units| moves::remove(&self.handle, units, What::Folder, self.facts))
    }

    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        self.set("touch", name, mtime, mode)
    }

    fn touch_self(&self, mtime: Option<Time>, _mode: Option<u32>) -> Result<()> {
        let set = || {
            let (handle, stat) = self.open(&[], Ask::TOUCH)?;
            set(&handle, &stat, mtime, None)
        };
        patiently(set).map_err(self.itself("touch"))
    }

    /// What a file system or its server does not let us flush is not flushed: there is nothing better to be had.
    fn flush(&self) -> Result<()> {
        let flushed = nt::open(&self.handle, &[], Ask::FLUSH_FOLDER).and_then(|handle| nt::flush(&handle));
        flushed.map_err(|status| {
            let refused = matches!(status.kind(self.facts.remote), ErrorKind::Denied | ErrorKind::Busy | ErrorKind::ReadOnly);
            self.itself("flush")(if refused { Status::UNSUPPORTED } else { status })
        })
    }

    fn has_writer(&self, name: &Name) -> Result<Option<bool>> {
        if self.facts.remote {
            return Ok(None);
        }
        let units = names::spell(name).map_err(|flaw| names::refused("open", name, flaw))?;
        let failed = |status| self.failed("open", name, status);
        let (_, stat) = self.open(&units, Ask::LOOK).map_err(failed)?;
        if !stat.is_plain_file() {
            return Err(failed(if stat.is_plain_folder() { Status::IS_FOLDER } else { Status::BARRED }));
        }
        // Nothing but closing is asked of this handle: whoever waits for it waits for that.
        match nt::open(&self.handle, &units, Ask::SOLE_WRITER) {
            Ok(_) => Ok(Some(false)),
            Err(Status::BUSY) => Ok(Some(true)),
            Err(Status::OPLOCK | Status::DENIED) => Ok(None),
            Err(status) if status.is_unknown_request() => Ok(None),
            Err(status) => Err(failed(status)),
        }
    }

    fn holders(&self, name: &Name) -> Option<String> {
        let path = self.path().filter(|_| !self.facts.remote)?;
        busy::holders(&format!("{path}\\{name}"))
    }

    fn attempt(&self, trial: Trial) -> Result<Option<bool>> {
        trial::attempt(self, trial)
    }

    fn stage_over(&self, old: &Name, _name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        Err(self.facts.error("create", old, Status::UNSUPPORTED))
    }
}

impl WindowsFolder {
    /// Makes an empty file, or a folder where the target is one that can be told from here, and turns it into a link.
    fn make_link_to(&self, name: &[u16], target: &[u16]) -> nt::Result<()> {
        let to_folder = nt::open_path(&self.handle, target, Ask::FOLDER).is_ok();
        let ask = if to_folder { Ask::MAKE_FOLDER_LINK } else { Ask::MAKE_LINK };
        let made = nt::open(&self.handle, name, ask)
            .map_err(|status| if status == Status::IS_FOLDER { Status::EXISTS } else { status })?;
        link::become_link(&made, target).inspect_err(|_| {
            // Ours, by its handle; what stays is a temporary name that the next run clears.
            let _ = nt::remove(&made, Removal::Posix).or_else(|_| nt::remove(&made, Removal::Plain));
        })
    }
}
