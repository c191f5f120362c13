//! The side of the process apart: makes the calls that it is asked for and tells what came of them.
//!
//! Invariants. It decides nothing and repeats nothing. What is no request ends the line that it came on. Handles are
//! numbers that are never used again. When the process that started it ends, so does this one.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::protocol::{
    self, Answer, BLOCK, FolderCall, Garbled, Handle, MOST_BYTES, Question, Request, RootCall, Then, WireError,
};
use crate::disk::{self, Error, Folder, Reader, Root, Writer, local};
use crate::model::entry::Stamp;
use crate::model::time::Time;

/// Files up to this length come with the answer to their opening.
const SMALL: u64 = 64 << 10;

/// What is open here, by its number.
#[derive(Default)]
pub(super) struct Open {
    last: AtomicU64,
    roots: Mutex<HashMap<Handle, Arc<dyn Root>>>,
    folders: Mutex<HashMap<Handle, Arc<dyn Folder>>>,
    readers: Mutex<HashMap<Handle, Shared<dyn Reader>>>,
    writers: Mutex<HashMap<Handle, Box<dyn Writer>>>,
}

type Shared<T> = Arc<Mutex<Box<T>>>;

/// Serves every line that comes over stdin, until whoever holds its other end is gone. Returning ends the process, with
/// whatever its threads are at.
pub fn serve_stdin() {
    let open = Arc::new(Open::default());
    let control = std::io::stdin();
    while let Ok(Some(line)) = next_line(control.as_fd()) {
        let open = Arc::clone(&open);
        std::thread::spawn(move || serve(UnixStream::from(line), &open));
    }
}

/// The next line that is handed over; `None` at the end.
fn next_line(control: impl AsFd) -> rustix::io::Result<Option<OwnedFd>> {
    loop {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0_u8; 1];
        let mut pieces = [std::io::IoSliceMut::new(&mut byte)];
        match recvmsg(&control, &mut pieces, &mut ancillary, RecvFlags::empty()) {
            Ok(message) if message.bytes == 0 => return Ok(None),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut lines) = message
                && let Some(line) = lines.next()
            {
                return Ok(Some(line));
            }
        }
    }
}

/// Serves one line to its end.
pub(super) fn serve(mut line: UnixStream, open: &Open) {
    let (mut came, mut out) = (Vec::new(), Vec::new());
    let mut wanted = 0;
    loop {
        match protocol::frame(&came) {
            Ok(Ok(frame)) => {
                let length = frame.length;
                let Ok(request) = protocol::decode::<Request>(frame.head) else { return };
                let mut sending = Sending { line: &mut line, out: &mut out };
                if open.carry_out(request, frame.bytes, &mut sending).is_err() {
                    return;
                }
                came.drain(..length);
                continue;
            }
            Ok(Err(more)) => wanted = wanted.max(more),
            Err(_) => return,
        }
        let had = came.len();
        came.resize(wanted.max(had + 4096).min(had + MOST_BYTES), 0);
        match line.read(&mut came[had..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => came.truncate(had + count),
        }
        wanted = 0;
    }
}

/// Where answers go.
struct Sending<'a> {
    line: &'a mut UnixStream,
    out: &'a mut Vec<u8>,
}

/// The line is of no more use.
struct Ended;

impl From<Garbled> for Ended {
    fn from(_: Garbled) -> Ended {
        Ended
    }
}

impl Sending<'_> {
    fn send(&mut self, answer: &Answer, bytes: &[u8]) -> Result<(), Ended> {
        protocol::encode(answer, bytes, self.out)?;
        self.line.write_all(self.out).map_err(|_| Ended)
    }

    fn result(&mut self, result: disk::Result<Answer>) -> Result<(), Ended> {
        let answer = result.unwrap_or_else(|error| Answer::Failed(WireError::from(error)));
        self.send(&answer, &[])
    }
}

fn held<T: ?Sized>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    /// With a root that is open as number 1.
    #[cfg(test)]
    pub fn with(root: Arc<dyn Root>) -> Open {
        let open = Open::default();
        open.keep(&open.roots, root);
        open
    }

    fn number(&self) -> Handle {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn keep<T>(&self, table: &Mutex<HashMap<Handle, T>>, value: T) -> Handle {
        let number = self.number();
        held(table).insert(number, value);
        number
    }

    fn carry_out(&self, request: Request, bytes: &[u8], sending: &mut Sending<'_>) -> Result<(), Ended> {
        match request {
            Request::Ask { path, question } => ask(&PathBuf::from(std::ffi::OsString::from_vec(path)), question, sending),
            Request::Open { path, remote } => {
                let opened = disk::open_root(Path::new(std::ffi::OsStr::from_bytes(&path)), remote);
                sending.result(opened.and_then(|root| {
                    let device = root.device()?;
                    Ok(Answer::Root { handle: self.keep(&self.roots, root), device })
                }))
            }
            Request::OfRoot { root, call } => {
                let root = held(&self.roots).get(&root).cloned().ok_or(Ended)?;
                sending.result(self.of_root(&*root, call)?)
            }
            Request::OfFolder { folder, call } => {
                let folder = held(&self.folders).get(&folder).cloned().ok_or(Ended)?;
                self.of_folder(&*folder, call, sending)
            }
            Request::Bytes { reader, offset, length } => {
                let reader = held(&self.readers).get(&reader).cloned().ok_or(Ended)?;
                read(&mut **held(&reader), offset, length, sending)
            }
            Request::NextData { reader, offset } => {
                let reader = held(&self.readers).get(&reader).cloned().ok_or(Ended)?;
                let next = held(&reader).next_data(offset);
                sending.result(next.map(Answer::Data))
            }
            Request::NodeOf { reader } => {
                let reader = held(&self.readers).get(&reader).cloned().ok_or(Ended)?;
                let node = held(&reader).node();
                sending.result(node.map(|node| Answer::Node(Some(node.into()))))
            }
            Request::FlushOf { reader } => {
                let reader = held(&self.readers).get(&reader).cloned().ok_or(Ended)?;
                let flushed = held(&reader).flush();
                sending.result(flushed.map(|()| Answer::Done))
            }
            Request::Write { writer, hole, then } => {
                let taken = held(&self.writers).remove(&writer).ok_or(Ended)?;
                sending.result(self.write(writer, taken, hole, bytes, then))
            }
            Request::Keep { writer: handle, bytes } => {
                let mut writer = held(&self.writers).remove(&handle).ok_or(Ended)?;
                let kept = writer.keep(bytes);
                held(&self.writers).insert(handle, writer);
                sending.result(kept.map(|()| Answer::Done))
            }
            Request::Close { handle } => {
                // Outside of the locks: even closing can hang.
                let folder = held(&self.folders).remove(&handle);
                let reader = held(&self.readers).remove(&handle);
                let writer = held(&self.writers).remove(&handle);
                drop((folder, reader, writer));
                sending.result(Ok(Answer::Done))
            }
        }
    }

    fn of_root(&self, root: &dyn Root, call: RootCall) -> Result<disk::Result<Answer>, Ended> {
        let path = |bytes: &[u8]| protocol::rel_path(bytes);
        Ok(match call {
            RootCall::Folder(bytes) => {
                root.folder(&path(&bytes)?).map(|folder| Answer::Handle(self.keep(&self.folders, Arc::from(folder))))
            }
            RootCall::Rename { from, to, onto } => root.rename(&path(&from)?, &path(&to)?, onto).map(|()| Answer::Done),
            RootCall::Link { from, to } => root.link(&path(&from)?, &path(&to)?).map(|()| Answer::Done),
            RootCall::Space => root.space().map(Answer::Space),
            RootCall::FlushAll => root.flush_all().map(|()| Answer::Done),
            RootCall::StillThere => root.still_there().map(|there| Answer::Said(Some(there))),
        })
    }

    fn of_folder(&self, folder: &dyn Folder, call: FolderCall, sending: &mut Sending<'_>) -> Result<(), Ended> {
        let name = |bytes: &[u8]| protocol::name(bytes);
        let done = |()| Answer::Done;
        let writing = |writer| Answer::Handle(self.keep(&self.writers, writer));
        let over = |(writer, old): (_, Stamp)| Answer::Over { handle: self.keep(&self.writers, writer), old: old.into() };
        let result = match call {
            FolderCall::List => return list(folder, sending),
            FolderCall::Read { name: bytes } => return self.open_file(folder.read(&name(&bytes)?), sending),
            FolderCall::Look { name: bytes, freshness } => {
                folder.look(&name(&bytes)?, freshness).map(|node| Answer::Node(node.map(Into::into)))
            }
            FolderCall::LookInto { name: bytes } => match folder.look_into(&name(&bytes)?) {
                Ok(found) => {
                    let (node, first) = found.map_or((None, None), |(node, first)| (Some(node.into()), first));
                    return sending.send(&Answer::Node(node), first.as_ref().map_or(&[], |first| first));
                }
                Err(error) => Err(error),
            },
            FolderCall::Stage { name: bytes, mode: None } => folder.stage(&name(&bytes)?).map(writing),
            FolderCall::Stage { name: bytes, mode: Some(mode) } => folder.stage_for(&name(&bytes)?, mode).map(writing),
            FolderCall::Resume { name: bytes, id, length } => folder.resume(&name(&bytes)?, id, length).map(writing),
            FolderCall::StageOver { old, name: bytes } => folder.stage_over(&name(&old)?, &name(&bytes)?).map(over),
            FolderCall::WriteInto { name: bytes } => folder.write_into(&name(&bytes)?).map(over),
            FolderCall::Rename { from, to, onto } => folder.rename(&name(&from)?, &name(&to)?, onto).map(done),
            FolderCall::Exchange { a, b } => folder.exchange(&name(&a)?, &name(&b)?).map(done),
            FolderCall::MakeFolder { name: bytes, mode } => folder.make_folder(&name(&bytes)?, mode).map(done),
            FolderCall::MakeLink { name: bytes, target } => folder.make_link(&name(&bytes)?, &target).map(done),
            FolderCall::RemoveFile { name: bytes } => folder.remove_file(&name(&bytes)?).map(done),
            FolderCall::RemoveFolder { name: bytes } => folder.remove_folder(&name(&bytes)?).map(done),
            FolderCall::Touch { name: bytes, mtime, mode } => folder.touch(&name(&bytes)?, mtime.map(Time), mode).map(done),
            FolderCall::TouchSelf { mtime, mode } => folder.touch_self(mtime.map(Time), mode).map(done),
            FolderCall::Flush => folder.flush().map(done),
            FolderCall::HasWriter { name: bytes } => folder.has_writer(&name(&bytes)?).map(Answer::Said),
            FolderCall::Attempt { trial } => folder.attempt(trial).map(Answer::Said),
        };
        sending.result(result)
    }

    /// Opens a file; a small one is read at once.
    fn open_file(&self, opened: disk::Result<Box<dyn Reader>>, sending: &mut Sending<'_>) -> Result<(), Ended> {
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => return sending.result(Err(error)),
        };
        let (stamp, sparse) = (reader.opened(), reader.sparse());
        let (mut bytes, mut whole) = (Vec::new(), false);
        if !sparse && stamp.size <= SMALL {
            // One more, so that the end is seen where it is.
            bytes.resize(usize::try_from(stamp.size).unwrap_or(0) + 1, 0);
            // What cannot be read now is not here; the first read of the other side says why.
            let (filled, end) = fill(&mut *reader, &mut bytes).unwrap_or_default();
            bytes.truncate(filled);
            whole = end;
        }
        let handle = self.keep(&self.readers, Arc::new(Mutex::new(reader)));
        sending.send(&Answer::Reading { handle, opened: stamp.into(), sparse, whole }, &bytes)
    }

    /// The writer is kept, but where it was finished.
    fn write(&self, handle: Handle, mut writer: Box<dyn Writer>, hole: u64, bytes: &[u8], then: Then) -> Result<Answer, Error> {
        let written = if hole > 0 { writer.skip(hole) } else { Ok(()) };
        let written = written.and_then(|()| if bytes.is_empty() { Ok(()) } else { writer.write_all(bytes) });
        let answer = match (written, then) {
            (Err(error), _) => Err(error),
            (Ok(()), Then::Nothing) => Ok(Answer::Done),
            (Ok(()), Then::Pause { flush }) => writer.pause(flush).map(|node| Answer::Node(Some(node.into()))),
            (Ok(()), Then::Finish { mtime, mode, flush }) => {
                return writer.finish(Time(mtime), mode, flush).map(|node| Answer::Node(Some(node.into())));
            }
        };
        held(&self.writers).insert(handle, writer);
        answer
    }
}

/// Reads until the buffer is full or the file ends, and says which.
fn fill(reader: &mut dyn Reader, buffer: &mut [u8]) -> disk::Result<(usize, bool)> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => return Ok((filled, true)),
            count => filled += count,
        }
    }
    Ok((filled, false))
}

fn read(reader: &mut dyn Reader, offset: u64, length: u32, sending: &mut Sending<'_>) -> Result<(), Ended> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(0).min(BLOCK)];
    let read = reader.seek(offset).and_then(|()| reader.read(&mut buffer));
    match read {
        Ok(count) => sending.send(&Answer::Bytes, &buffer[..count]),
        Err(error) => sending.result(Err(error)),
    }
}

/// In parts, so that the other side sees that it goes on.
fn list(folder: &dyn Folder, sending: &mut Sending<'_>) -> Result<(), Ended> {
    let mut sent = Ok(());
    let listed = folder.list_in_parts(&mut |part| {
        if sent.is_ok() {
            sent = sending.send(&Answer::Listing { items: protocol::to_wire(part), more: true }, &[]);
        }
    });
    sent?;
    sending.result(listed.map(|()| Answer::Listing { items: Vec::new(), more: false }))
}

fn ask(path: &Path, question: Question, sending: &mut Sending<'_>) -> Result<(), Ended> {
    let bytes = |path: PathBuf| Answer::Path(Some(path.into_os_string().into_vec()));
    let answer = match question {
        Question::RealPath => Ok(bytes(local::real_path(path))),
        Question::Canonical => local::canonicalize(path).map(bytes),
        Question::IsFolder => Ok(Answer::Said(Some(local::is_folder(path)))),
        Question::IsTaken => Ok(Answer::Said(Some(local::is_taken(path)))),
        Question::IsLocked => Ok(Answer::Said(local::Lock::is_held(path))),
        Question::Link => Ok(Answer::Path(local::link_target(path).map(|target| target.into_os_string().into_vec()))),
        Question::Chain => local::chain(path).map(Answer::Chain),
        Question::Text(limit) => {
            let most = u64::from(limit).min(MOST_BYTES as u64);
            match local::read_text(path, most) {
                Ok(text) => return sending.send(&Answer::Text { there: text.is_some() }, text.unwrap_or_default().as_bytes()),
                Err(error) => Err(error),
            }
        }
    };
    sending.result(answer)
}
