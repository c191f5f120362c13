//! The only door to the roots: what the file system can do for us, as requests on one folder at a time.
//!
//! Invariants. Every call works beneath a handle that was opened when the root was, never follows a link, and cannot
//! leave the root, whatever is swapped in the middle. Nothing here decides; nothing here retries. A listing is
//! complete or it is an error. Folders are opened by their path from the root's handle in one step, so that a path
//! of any length and a hostile tree are the same case.
//!
//! [`Root`] and [`Folder`] are the port: the real disk is [`unix`]; state files and configuration outside the roots
//! go through [`local`].

pub mod apart;
pub mod beside;
pub mod checkout;
pub mod clock;
#[cfg(test)]
mod contract;
pub mod error;
pub mod ground;
pub mod group;
pub mod local;
pub mod log;
pub mod meter;
pub mod signals;
#[cfg(test)]
pub mod sim;
#[cfg(unix)]
pub mod unix;
pub mod users;
#[cfg(windows)]
pub mod windows;

pub use error::{Error, ErrorKind, Result};
#[cfg(unix)]
pub use unix::{is_gone, open_root};
#[cfg(windows)]
pub use windows::{is_gone, open_root};

use serde::{Deserialize, Serialize};

use beside::First;

use crate::model::database::may_be_database;
use crate::model::entry::{Content, Entry, Found, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::{Listing, Seen, Unknown};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// What `stat` says of one name. A file's digest is never known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub content: NodeContent,
    pub mode: u32,
    pub stamp: Stamp,
}

/// The kinds of thing a name can stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeContent {
    /// A file, folder or link; a file's size is in `Content` and in the stamp, its digest `None`.
    Plain(Content),
    /// A device, socket or FIFO.
    Special,
    /// A folder on another file system than its root.
    OtherFileSystem,
    /// The name is there, asking about it failed.
    Unreadable { kind: ProblemKind, message: String },
}

impl Node {
    /// The same as far as kind, size and time tell; ids are given by path on some mounts.
    pub fn looks_like(&self, other: &Node) -> bool {
        let same_kind = std::mem::discriminant(&self.content) == std::mem::discriminant(&other.content)
            && (self.is_file(), self.is_folder()) == (other.is_file(), other.is_folder());
        same_kind && (self.stamp.size, self.stamp.mtime) == (other.stamp.size, other.stamp.mtime)
    }

    pub fn is_folder(&self) -> bool {
        self.content == NodeContent::Plain(Content::Folder)
    }

    pub fn is_file(&self) -> bool {
        matches!(self.content, NodeContent::Plain(Content::File { .. }))
    }

    /// As an entry, where it is of a kind that is synchronised.
    pub fn found(&self) -> Option<Found> {
        let NodeContent::Plain(content) = &self.content else { return None };
        let entry = Entry { content: content.clone(), mtime: self.stamp.mtime, mode: self.mode };
        Some(Found { entry, stamp: self.stamp })
    }

    /// As a look tells it.
    pub fn seen(self) -> Seen {
        match self.content {
            NodeContent::Plain(content) => {
                let entry = Entry { content, mtime: self.stamp.mtime, mode: self.mode };
                Seen::There(Box::new(Found { entry, stamp: self.stamp }))
            }
            NodeContent::Special => Seen::Unknown(Unknown::Special),
            NodeContent::OtherFileSystem => Seen::Unknown(Unknown::OtherFileSystem),
            NodeContent::Unreadable { kind, message } => Seen::Unknown(Unknown::Error { kind, message }),
        }
    }
}

/// The device and file number of a path that is a folder and of the folders above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    pub is_folder: bool,
    pub ids: Vec<(u64, u64)>,
}

/// How sure an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Freshness {
    /// A plain stat by name, which a network mount may answer from a cache that is a minute old.
    Cached,
    /// Asked with synchronisation forced: on a remote root the entry is opened (not followed) and its handle asked.
    /// What is not opened (links, unreadable files, everything on a local root) is asked by name.
    Fresh,
    /// As `Fresh`, of a name that this program gave just now, by a rename or link: what sshfs keeps is kept by path, and not of
    /// this one, so there it is not opened, which saves three calls.
    JustNamed,
}

/// What may stand at the new name of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Onto {
    /// Nothing; else the call fails with [`ErrorKind::Exists`]. Atomic where the system can (`RENAME_NOREPLACE`),
    /// else a look and a rename (RACE: a file created in between is replaced).
    Nothing,
    /// A file or link, which is replaced in one step.
    File,
}

/// Something that only `doctor` wants to know of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trial {
    /// A copy that shares its blocks with the original (`FICLONE`).
    Clone,
    /// A copy that the kernel or the server makes (`copy_file_range`).
    CopyRange,
    /// A change made here comes as an event.
    Event,
    /// Two handles exclude each other by a kernel lock.
    Lock,
    /// A rename can refuse to replace (`RENAME_NOREPLACE`), with nothing emulated.
    RefuseToReplace,
}

/// Room on a root's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Bytes that an ordinary user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that can still be made; `None` where the file system does not count.
    pub free_files: Option<u64>,
}

/// One root of a pair, by its handle.
pub trait Root: Send + Sync {
    /// Opens a folder beneath the root. `RelPath::root()` is the root itself.
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>>;
    /// What stands at `path`, by a look into the folder above it, which has to be there; `None` for the root too.
    fn look(&self, path: &RelPath, freshness: Freshness) -> Result<Option<Node>> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(None) };
        self.folder(&parent)?.look(&name, freshness)
    }
    /// Does what answers to the last name of `path` stand there as it is spelled? A root that folds names answers to other
    /// spellings too. A listing tells, but only by showing the same under another name: it may be an old one. Where it cannot
    /// be had the name counts as spelled so.
    fn is_named_so(&self, path: &RelPath) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return true };
        let other_name = || -> Result<bool> {
            let folder = self.folder(&parent)?;
            let listing = folder.list()?;
            if listing.iter().any(|item| item.name == name) {
                return Ok(false);
            }
            let node = folder.look(&name, Freshness::Fresh)?;
            let is_it = |node: &Node| listing.iter().any(|item| item.name.may_fold_to(&name) && item.value.looks_like(node));
            Ok(node.as_ref().is_some_and(is_it))
        };
        !other_name().unwrap_or(false)
    }
    /// The same of all its names.
    fn is_spelled_so(&self, path: &RelPath) -> bool {
        path.ancestors().iter().chain([path]).all(|path| self.is_named_so(path))
    }
    /// Renames within the root; the parents are opened beneath it.
    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()>;
    /// Makes `to` a hard link to the file `from`; `to` must not exist.
    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()>;
    fn space(&self) -> Result<Space>;
    /// Flushes everything written so far on the root's file system (`syncfs`); `Unsupported` where that proves nothing.
    fn flush_all(&self) -> Result<()>;
    /// The number of the device on which the root lies; it changes with every mount.
    fn device(&self) -> Result<u64>;
    /// Is the path by which the root was opened still this very folder? (A mount can drop out from under its path.)
    fn still_there(&self) -> Result<bool>;
}

/// One open folder. Names are single names; nothing is followed.
pub trait Folder: Send + Sync {
    /// All entries but `.` and `..`, sorted by name bytes, with what `stat` says of each. An entry that goes away
    /// between the reading of the folder and the stat is looked at once more and then left out.
    fn list(&self) -> Result<Listing<Node>>;
    /// The same, handed over in parts as they are known: who waits for a large folder sees that it goes on.
    #[cfg_attr(windows, expect(dead_code, reason = "nobody waits for a listing by a process apart there"))]
    fn list_in_parts(&self, take: &mut dyn FnMut(Listing<Node>)) -> Result<()> {
        take(self.list()?);
        Ok(())
    }
    /// What stands at `name`; `None` is an ENOENT (looked at twice on a remote root).
    fn look(&self, name: &Name, freshness: Freshness) -> Result<Option<Node>>;
    /// As [`Folder::look`] with [`Freshness::Fresh`]; with the first bytes of a file that may be a database by its size, where
    /// they can be read.
    fn look_into(&self, name: &Name) -> Result<Option<(Node, Option<First>)>> {
        let Some(node) = self.look(name, Freshness::Fresh)? else { return Ok(None) };
        let asked = node.is_file() && may_be_database(node.stamp.size);
        let first = if asked { readable(beside::first(self, name))? } else { None };
        Ok(Some((node, first)))
    }
    /// Opens a regular file for reading. Never blocks on a FIFO, never follows a link.
    fn read(&self, name: &Name) -> Result<Box<dyn Reader>>;
    /// Creates `name` exclusively for writing, readable by its owner only until [`Writer::finish`].
    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>>;
    /// As [`Folder::stage`], for a file whose mode will be `mode`: it may have it from the beginning, which saves a far root
    /// a call. Others can then read what is not complete, under a temporary name, if they will be able to read the whole.
    fn stage_for(&self, name: &Name, _mode: u32) -> Result<Box<dyn Writer>> {
        self.stage(name)
    }
    /// Opens the file `name`, made by [`Folder::stage`], for writing on behind its first `length` bytes; the rest is cut
    /// off. [`ErrorKind::Barred`], and nothing is changed, where that is not the file `id`, is shorter, or has a second name.
    fn resume(&self, name: &Name, id: u64, length: u64) -> Result<Box<dyn Writer>>;
    /// As [`Folder::stage`], beside the file `old`, from which [`Writer::keep`] can take ranges without their bytes being sent;
    /// with what that file shows. [`ErrorKind::Unsupported`], and nothing is made, where the file system cannot.
    fn stage_over(&self, old: &Name, _name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        Err(unsupported("create", old))
    }
    /// Opens the file `name` as it stands, for writing into it: [`Writer::keep`] leaves what is there. With what it shows.
    /// [`ErrorKind::Barred`] where it is no regular file, or has a second name, which would change with it.
    fn write_into(&self, name: &Name) -> Result<(Box<dyn Writer>, Stamp)>;
    /// Renames within this folder.
    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()>;
    /// Exchanges two names in one step; `Unsupported` where the file system cannot.
    fn exchange(&self, a: &Name, b: &Name) -> Result<()>;
    /// The system may give fewer rights than `mode` says (the umask; set-group-id).
    fn make_folder(&self, name: &Name, mode: u32) -> Result<()>;
    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()>;
    /// Removes a file or link.
    fn remove_file(&self, name: &Name) -> Result<()>;
    /// Removes an empty folder; [`ErrorKind::NotEmpty`] else.
    fn remove_folder(&self, name: &Name) -> Result<()>;
    /// Sets mtime and mode of a file, folder or link (a link's mode is left).
    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()>;
    /// Sets the mtime and mode of this folder itself.
    fn touch_self(&self, mtime: Option<Time>, mode: Option<u32>) -> Result<()>;
    /// Makes this folder's names durable (`fsync` of the folder).
    fn flush(&self) -> Result<()>;
    /// Has another program the file open for writing? `None` where that cannot be asked.
    fn has_writer(&self, name: &Name) -> Result<Option<bool>>;
    /// Who has the file open, as a sentence for people; `None` where the system does not tell.
    fn holders(&self, _name: &Name) -> Option<String> {
        None
    }
    /// Tries something out with new files in this folder, which the caller made for trials and clears; `None` where
    /// it cannot be asked. What the file system refuses is `false`, no error.
    fn attempt(&self, _trial: Trial) -> Result<Option<bool>> {
        Ok(None)
    }
}

/// What may not be read, or is no file any more, has no first bytes.
fn readable(first: Result<Option<First>>) -> Result<Option<First>> {
    match first {
        Err(error) if error.kind != ErrorKind::Gone => Ok(None),
        other => other,
    }
}

fn unsupported(op: &'static str, what: impl ToString) -> Error {
    Error::new(op, what, ErrorKind::Unsupported, std::io::ErrorKind::Unsupported.into())
}

/// A regular file open for reading.
pub trait Reader: Send {
    /// Like `read(2)` at the current place; 0 is the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;
    /// Reads until `buffer` is full or the file ends; answers with the bytes read.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
    /// The next region that holds data at or after `offset`, as (start, end); `None` where only a hole is left.
    /// A file system that does not know holes answers with the whole rest. Does not move the place of `read`.
    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>>;
    /// Moves the place of the next `read`.
    fn seek(&mut self, offset: u64) -> Result<()>;
    /// Makes the content durable, whoever wrote it.
    fn flush(&self) -> Result<()>;
    /// What the handle's stat says now.
    fn node(&self) -> Result<Node>;
    /// What the handle's stat said when it was opened.
    fn opened(&self) -> Stamp;
    /// Allocated bytes were fewer than the size said: worth asking for holes.
    fn sparse(&self) -> bool;
    /// What the file holds beside its content, which is not carried: a sentence without the path (alternate data streams
    /// of Windows).
    fn left_behind(&self) -> Option<String> {
        None
    }
}

/// A file open for writing: a temporary one, but where [`Folder::write_into`] opened it.
pub trait Writer: Send {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;
    /// Leaves a hole of `bytes` at the current place.
    fn skip(&mut self, bytes: u64) -> Result<()>;
    /// The next `bytes` are those of the older file at this place ([`Folder::stage_over`]), or stay as they are
    /// ([`Folder::write_into`]); it has that many.
    fn keep(&mut self, _bytes: u64) -> Result<()> {
        Err(unsupported("write", "a range"))
    }
    /// What the handle's stat says now; with `flush` after an `fsync`.
    fn pause(&mut self, flush: bool) -> Result<Node>;
    /// Sets size (for a hole at the end), mode and mtime on the handle; with `flush` also `fsync`s; closes and reports late
    /// errors; returns what the handle's stat said at the end. [`ErrorKind::Barred`] where an older file that bytes were kept of
    /// was written to meanwhile.
    fn finish(self: Box<Self>, mtime: Time, mode: Option<u32>, flush: bool) -> Result<Node>;
}
