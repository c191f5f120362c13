//! The port, with the calls made in the process apart.

use std::fmt::Display;
use std::ops::ControlFlow::{Break, Continue};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Patience;
use super::line::{About, Lines, Pace};
use super::protocol::{self, Answer, BLOCK, FolderCall, Handle, Question, Request, RootCall, Then};
use crate::disk::beside::First;
use crate::disk::{Chain, Error, ErrorKind, Folder, Freshness, Node, Onto, Reader, Result, Root, Space, Trial, Writer};
use crate::model::entry::Stamp;
use crate::model::listing::Listing;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// Asks about paths on one mount, and opens roots there. Its process is started with the first question, and anew after it
/// was given up.
pub struct Asking {
    patience: Patience,
    lines: Mutex<Option<Arc<Lines>>>,
}

impl Asking {
    pub fn new(patience: Patience) -> Asking {
        Asking { patience, lines: Mutex::new(None) }
    }

    fn lines(&self, path: &Path) -> Result<Arc<Lines>> {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = kept.as_ref().filter(|lines| !lines.is_lost()) {
            return Ok(Arc::clone(lines));
        }
        let started = Lines::start(&self.patience);
        let lines = started.map_err(|source| Error::new("ask", path.display(), ErrorKind::Other, source))?;
        Ok(Arc::clone(kept.insert(Arc::new(lines))))
    }

    /// `get` takes the value out of the answer.
    fn ask<T>(&self, op: &'static str, path: &Path, question: Question, get: impl Fn(Answer, &[u8]) -> Option<T>) -> Result<T> {
        let lines = self.lines(path)?;
        let request = Request::Ask { path: path.as_os_str().as_bytes().to_vec(), question };
        let about = About { op, path: &path.display() };
        lines.call(about, Pace::Usual, &request, &[], |answer, bytes| Break(get(answer, bytes)))
    }

    /// As [`crate::disk::local::real_path`].
    pub fn real_path(&self, path: &Path) -> Result<PathBuf> {
        self.ask("find", path, Question::RealPath, |answer, _| a_path(answer).flatten())
    }

    /// As [`crate::disk::local::canonicalize`].
    pub fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        self.ask("find", path, Question::Canonical, |answer, _| a_path(answer).flatten())
    }

    /// The target of a link; `None` for everything else.
    pub fn link_target(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.ask("look at", path, Question::Link, |answer, _| a_path(answer))
    }

    pub fn is_folder(&self, path: &Path) -> Result<bool> {
        self.ask("look at", path, Question::IsFolder, |answer, _| said(answer).flatten())
    }

    pub fn is_taken(&self, path: &Path) -> Result<bool> {
        self.ask("look at", path, Question::IsTaken, |answer, _| said(answer).flatten())
    }

    /// As [`crate::disk::local::Lock::is_held`].
    pub fn is_locked(&self, path: &Path) -> Result<Option<bool>> {
        self.ask("look at", path, Question::IsLocked, |answer, _| said(answer))
    }

    /// As [`crate::disk::local::chain`].
    pub fn chain(&self, path: &Path) -> Result<Chain> {
        self.ask("look at", path, Question::Chain, |answer, _| match answer {
            Answer::Chain(chain) => Some(chain),
            _ => None,
        })
    }

    /// As [`crate::disk::local::read_text`].
    pub fn read_text(&self, path: &Path, limit: u64) -> Result<Option<String>> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.ask("read", path, Question::Text(limit), |answer, bytes| match answer {
            Answer::Text { there: true } => Some(Some(String::from_utf8_lossy(bytes).into_owned())),
            Answer::Text { there: false } => Some(None),
            _ => None,
        })
    }

    /// As [`crate::disk::open_root`].
    pub fn open_root(&self, path: &Path, remote: bool) -> Result<Arc<dyn Root>> {
        open_root(self.lines(path)?, path, remote)
    }
}

fn a_path(answer: Answer) -> Option<Option<PathBuf>> {
    match answer {
        Answer::Path(path) => Some(path.map(|path| std::ffi::OsString::from_vec(path).into())),
        _ => None,
    }
}

fn said(answer: Answer) -> Option<Option<bool>> {
    match answer {
        Answer::Said(said) => Some(said),
        _ => None,
    }
}

pub(super) fn open_root(lines: Arc<Lines>, path: &Path, remote: bool) -> Result<Arc<dyn Root>> {
    let request = Request::Open { path: path.as_os_str().as_bytes().to_vec(), remote };
    let about = About { op: "open", path: &path.display() };
    let (handle, device) = lines.call(about, Pace::Usual, &request, &[], |answer, _| match answer {
        Answer::Root { handle, device } => Break(Some((handle, device))),
        _ => Break(None),
    })?;
    Ok(Arc::new(ApartRoot { lines, handle, device }))
}

struct ApartRoot {
    lines: Arc<Lines>,
    handle: Handle,
    device: u64,
}

impl ApartRoot {
    fn call<T>(&self, about: About<'_>, pace: Pace, call: RootCall, get: impl Fn(Answer) -> Option<T>) -> Result<T> {
        let request = Request::OfRoot { root: self.handle, call };
        self.lines.call(about, pace, &request, &[], |answer, _| Break(get(answer)))
    }
}

fn done(answer: Answer) -> Option<()> {
    (answer == Answer::Done).then_some(())
}

fn a_handle(answer: Answer) -> Option<Handle> {
    match answer {
        Answer::Handle(handle) => Some(handle),
        _ => None,
    }
}

fn a_node(answer: Answer) -> Option<Option<Node>> {
    match answer {
        Answer::Node(node) => Some(node.map(Node::from)),
        _ => None,
    }
}

impl Root for ApartRoot {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        let call = RootCall::Folder(path.as_bytes().to_vec());
        let handle = self.call(About { op: "open", path }, Pace::Usual, call, a_handle)?;
        Ok(Box::new(ApartFolder(Kept { lines: Arc::clone(&self.lines), handle })))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()> {
        let call = RootCall::Rename { from: from.as_bytes().to_vec(), to: to.as_bytes().to_vec(), onto };
        self.call(About { op: "rename", path: from }, Pace::Usual, call, done)
    }

    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        let call = RootCall::Link { from: from.as_bytes().to_vec(), to: to.as_bytes().to_vec() };
        self.call(About { op: "link", path: from }, Pace::Usual, call, done)
    }

    fn space(&self) -> Result<Space> {
        self.call(About { op: "measure", path: &"" }, Pace::Usual, RootCall::Space, |answer| match answer {
            Answer::Space(space) => Some(space),
            _ => None,
        })
    }

    fn flush_all(&self) -> Result<()> {
        self.call(About { op: "flush", path: &"" }, Pace::Slow, RootCall::FlushAll, done)
    }

    fn device(&self) -> Result<u64> {
        Ok(self.device)
    }

    fn still_there(&self) -> Result<bool> {
        self.call(About { op: "look at", path: &"" }, Pace::Usual, RootCall::StillThere, |answer| said(answer).flatten())
    }
}

/// Something open in the other process; closed there when this goes.
struct Kept {
    lines: Arc<Lines>,
    handle: Handle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Waited for: some servers refuse to rename or remove what is open.
        let about = About { op: "close", path: &"" };
        let closed =
            self.lines.call(about, Pace::Usual, &Request::Close { handle: self.handle }, &[], |answer, _| Break(done(answer)));
        if let Err(error) = closed {
            tracing::debug!(%error, "something stays open in a process that is given up");
        }
    }
}

struct ApartFolder(Kept);

impl ApartFolder {
    fn call<T>(
        &self,
        op: &'static str,
        path: &dyn Display,
        pace: Pace,
        call: FolderCall,
        get: impl Fn(Answer) -> Option<T>,
    ) -> Result<T> {
        let request = Request::OfFolder { folder: self.0.handle, call };
        self.0.lines.call(About { op, path }, pace, &request, &[], |answer, _| Break(get(answer)))
    }

    fn writer(&self, op: &'static str, name: &Name, call: FolderCall) -> Result<Box<dyn Writer>> {
        let handle = self.call(op, name, Pace::Usual, call, a_handle)?;
        Ok(self.writing(name, handle))
    }

    fn writer_over(&self, op: &'static str, name: &Name, call: FolderCall) -> Result<(Box<dyn Writer>, Stamp)> {
        let (handle, stamp) = self.call(op, name, Pace::Usual, call, |answer| match answer {
            Answer::Over { handle, old } => Some((handle, Stamp::from(old))),
            _ => None,
        })?;
        Ok((self.writing(name, handle), stamp))
    }

    fn writing(&self, name: &Name, handle: Handle) -> Box<dyn Writer> {
        let kept = Kept { lines: Arc::clone(&self.0.lines), handle };
        Box::new(ApartWriter { kept, name: name.clone(), hole: 0, waiting: Vec::new() })
    }
}

fn bytes(name: &Name) -> Vec<u8> {
    name.as_bytes().to_vec()
}

impl Folder for ApartFolder {
    fn list(&self) -> Result<Listing<Node>> {
        let mut listing = Listing::new();
        let request = Request::OfFolder { folder: self.0.handle, call: FolderCall::List };
        let about = About { op: "list", path: &"." };
        self.0.lines.call(about, Pace::Usual, &request, &[], |answer, _| match answer {
            Answer::Listing { items, more } => match (protocol::from_wire(items, &mut listing), more) {
                (Ok(()), true) => Continue(()),
                (Ok(()), false) => Break(Some(())),
                (Err(_), _) => Break(None),
            },
            _ => Break(None),
        })?;
        Ok(listing)
    }

    fn look(&self, name: &Name, freshness: Freshness) -> Result<Option<Node>> {
        self.call("look at", name, Pace::Usual, FolderCall::Look { name: bytes(name), freshness }, a_node)
    }

    fn look_into(&self, name: &Name) -> Result<Option<(Node, Option<First>)>> {
        let request = Request::OfFolder { folder: self.0.handle, call: FolderCall::LookInto { name: bytes(name) } };
        self.0.lines.call(About { op: "look at", path: name }, Pace::Usual, &request, &[], |answer, bytes| match answer {
            Answer::Node(node) => Break(Some(node.map(|node| (Node::from(node), First::try_from(bytes).ok())))),
            _ => Break(None),
        })
    }

    fn read(&self, name: &Name) -> Result<Box<dyn Reader>> {
        let request = Request::OfFolder { folder: self.0.handle, call: FolderCall::Read { name: bytes(name) } };
        let lines = &self.0.lines;
        let (kept, opened, sparse, early) =
            lines.call(About { op: "open", path: name }, Pace::Usual, &request, &[], |answer, bytes| match answer {
                Answer::Reading { handle, opened, sparse, whole } => {
                    let kept = Kept { lines: Arc::clone(lines), handle };
                    Break(Some((kept, Stamp::from(opened), sparse, Early { bytes: bytes.to_vec(), whole })))
                }
                _ => Break(None),
            })?;
        let early = (early.whole || !early.bytes.is_empty()).then_some(early);
        Ok(Box::new(ApartReader { kept, name: name.clone(), place: 0, opened, sparse, early }))
    }

    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>> {
        self.writer("create", name, FolderCall::Stage { name: bytes(name), mode: None })
    }

    fn stage_for(&self, name: &Name, mode: u32) -> Result<Box<dyn Writer>> {
        self.writer("create", name, FolderCall::Stage { name: bytes(name), mode: Some(mode) })
    }

    fn resume(&self, name: &Name, id: u64, length: u64) -> Result<Box<dyn Writer>> {
        self.writer("resume", name, FolderCall::Resume { name: bytes(name), id, length })
    }

    fn stage_over(&self, old: &Name, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        self.writer_over("create", name, FolderCall::StageOver { old: bytes(old), name: bytes(name) })
    }

    fn write_into(&self, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        self.writer_over("write", name, FolderCall::WriteInto { name: bytes(name) })
    }

    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()> {
        self.call("rename", from, Pace::Usual, FolderCall::Rename { from: bytes(from), to: bytes(to), onto }, done)
    }

    fn exchange(&self, a: &Name, b: &Name) -> Result<()> {
        self.call("exchange", a, Pace::Usual, FolderCall::Exchange { a: bytes(a), b: bytes(b) }, done)
    }

    fn make_folder(&self, name: &Name, mode: u32) -> Result<()> {
        self.call("make", name, Pace::Usual, FolderCall::MakeFolder { name: bytes(name), mode }, done)
    }

    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        self.call("link", name, Pace::Usual, FolderCall::MakeLink { name: bytes(name), target: target.to_vec() }, done)
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        self.call("remove", name, Pace::Usual, FolderCall::RemoveFile { name: bytes(name) }, done)
    }

    fn remove_folder(&self, name: &Name) -> Result<()> {
        self.call("remove", name, Pace::Usual, FolderCall::RemoveFolder { name: bytes(name) }, done)
    }

    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        let call = FolderCall::Touch { name: bytes(name), mtime: mtime.map(|time| time.0), mode };
        self.call("touch", name, Pace::Usual, call, done)
    }

    fn touch_self(&self, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        let call = FolderCall::TouchSelf { mtime: mtime.map(|time| time.0), mode };
        self.call("touch", &".", Pace::Usual, call, done)
    }

    fn flush(&self) -> Result<()> {
        self.call("flush", &".", Pace::Slow, FolderCall::Flush, done)
    }

    fn has_writer(&self, name: &Name) -> Result<Option<bool>> {
        self.call("open", name, Pace::Usual, FolderCall::HasWriter { name: bytes(name) }, said)
    }

    fn attempt(&self, trial: Trial) -> Result<Option<bool>> {
        self.call("try out", &".", Pace::Usual, FolderCall::Attempt { trial }, said)
    }
}

/// The beginning of a file, which came with its opening.
struct Early {
    bytes: Vec<u8>,
    /// It is all there was.
    whole: bool,
}

struct ApartReader {
    kept: Kept,
    name: Name,
    place: u64,
    opened: Stamp,
    sparse: bool,
    /// Given out once: whoever goes back after its end wants to know what is there now.
    early: Option<Early>,
}

impl ApartReader {
    fn call<T>(&self, op: &'static str, request: &Request, get: impl FnMut(Answer, &[u8]) -> Option<T>) -> Result<T> {
        let mut get = get;
        self.kept.lines.call(About { op, path: &self.name }, Pace::Usual, request, &[], |answer, bytes| Break(get(answer, bytes)))
    }

    /// What came early from the present place on; `None` where the other side has to be asked.
    fn take_early(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let early = self.early.as_ref()?;
        let rest = usize::try_from(self.place).ok().and_then(|place| early.bytes.get(place..))?;
        if rest.is_empty() {
            let at_end = early.whole;
            self.early = None;
            return at_end.then_some(0);
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Some(count)
    }
}

impl Reader for ApartReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = match self.take_early(buffer) {
            Some(count) => count,
            None => {
                let length = u32::try_from(buffer.len().min(BLOCK)).expect("a block is small");
                let request = Request::Bytes { reader: self.kept.handle, offset: self.place, length };
                self.call("read", &request, |answer, bytes| {
                    let fits = answer == Answer::Bytes && bytes.len() <= buffer.len();
                    fits.then(|| {
                        buffer[..bytes.len()].copy_from_slice(bytes);
                        bytes.len()
                    })
                })?
            }
        };
        self.place += count as u64;
        if self.early.as_ref().is_some_and(|early| !early.whole && self.place >= early.bytes.len() as u64) {
            self.early = None;
        }
        Ok(count)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        self.call("read", &Request::NextData { reader: self.kept.handle, offset }, |answer, _| match answer {
            Answer::Data(data) => Some(data),
            _ => None,
        })
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.place = offset;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        let (about, request) = (About { op: "flush", path: &self.name }, Request::FlushOf { reader: self.kept.handle });
        self.kept.lines.call(about, Pace::Slow, &request, &[], |answer, _| Break(done(answer)))
    }

    fn node(&self) -> Result<Node> {
        self.call("look at", &Request::NodeOf { reader: self.kept.handle }, |answer, _| a_node(answer).flatten())
    }

    fn opened(&self) -> Stamp {
        self.opened
    }

    fn sparse(&self) -> bool {
        self.sparse
    }
}

struct ApartWriter {
    kept: Kept,
    name: Name,
    /// Bytes that are left out before what waits.
    hole: u64,
    /// Not sent yet.
    waiting: Vec<u8>,
}

impl ApartWriter {
    fn send<T>(&mut self, op: &'static str, pace: Pace, then: Then, get: impl Fn(Answer) -> Option<T>) -> Result<T> {
        let request = Request::Write { writer: self.kept.handle, hole: std::mem::take(&mut self.hole), then };
        let about = About { op, path: &self.name };
        let sent = self.kept.lines.call(about, pace, &request, &self.waiting, |answer, _| Break(get(answer)));
        self.waiting.clear();
        sent
    }
}

impl Writer for ApartWriter {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.waiting.len() == BLOCK {
                self.send("write", Pace::Usual, Then::Nothing, done)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        if !self.waiting.is_empty() {
            self.send("write", Pace::Usual, Then::Nothing, done)?;
        }
        self.hole += bytes;
        Ok(())
    }

    fn keep(&mut self, bytes: u64) -> Result<()> {
        if self.hole > 0 || !self.waiting.is_empty() {
            self.send("write", Pace::Usual, Then::Nothing, done)?;
        }
        let (about, request) = (About { op: "write", path: &self.name }, Request::Keep { writer: self.kept.handle, bytes });
        self.kept.lines.call(about, Pace::Usual, &request, &[], |answer, _| Break(done(answer)))
    }

    fn pause(&mut self, flush: bool) -> Result<Node> {
        let (op, pace) = if flush { ("flush", Pace::Slow) } else { ("look at", Pace::Usual) };
        self.send(op, pace, Then::Pause { flush }, |answer| a_node(answer).flatten())
    }

    fn finish(mut self: Box<Self>, mtime: Time, mode: Option<u32>, flush: bool) -> Result<Node> {
        let (op, pace) = if flush { ("flush", Pace::Slow) } else { ("close", Pace::Usual) };
        self.send(op, pace, Then::Finish { mtime: mtime.0, mode, flush }, |answer| a_node(answer).flatten())
    }
}
