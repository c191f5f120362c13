//! What goes over the line between this process and the one apart: requests, answers, and the frames that hold them.
//!
//! Invariants. Any bytes are a frame, the beginning of one, or an error; a length is checked before anything is allocated
//! for it. Names and paths are validated when they are taken out of a frame. Errors keep their kind, verb, path and the
//! system's number, so that a message reads the same on either side of the line.

use std::io;

use serde::{Deserialize, Serialize};

use crate::disk::{Chain, Error, ErrorKind, Freshness, Node, NodeContent, Onto, Space, Trial};
use crate::model::entry::{Content, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::{Item, Listing};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// Bytes of the encoded value in one frame.
pub(super) const MOST_HEAD: usize = 4 << 20;
/// Bytes of a file's content, or of a text, in one frame.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Bytes of a file that are read or written with one request.
pub(super) const BLOCK: usize = 256 << 10;
/// Two lengths.
const LENGTHS: usize = 8;

/// A number that stands for an open root, folder, reader or writer of the other process.
pub(super) type Handle = u64;

/// What the process apart is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Request {
    Ask {
        path: Vec<u8>,
        question: Question,
    },
    Open {
        path: Vec<u8>,
        remote: bool,
    },
    OfRoot {
        root: Handle,
        call: RootCall,
    },
    OfFolder {
        folder: Handle,
        call: FolderCall,
    },
    Bytes {
        reader: Handle,
        offset: u64,
        length: u32,
    },
    NextData {
        reader: Handle,
        offset: u64,
    },
    NodeOf {
        reader: Handle,
    },
    FlushOf {
        reader: Handle,
    },
    /// First a hole, then the frame's bytes; then what is asked for.
    Write {
        writer: Handle,
        hole: u64,
        then: Then,
    },
    Keep {
        writer: Handle,
        bytes: u64,
    },
    Close {
        handle: Handle,
    },
}

/// A question about a path, which need not be a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Question {
    RealPath,
    Canonical,
    IsFolder,
    IsTaken,
    IsLocked,
    Link,
    /// The device and number of the folder and of all above it.
    Chain,
    /// A text of at most so many bytes.
    Text(u32),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum RootCall {
    Folder(Vec<u8>),
    Rename { from: Vec<u8>, to: Vec<u8>, onto: Onto },
    Link { from: Vec<u8>, to: Vec<u8> },
    Space,
    FlushAll,
    StillThere,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum FolderCall {
    List,
    Look {
        name: Vec<u8>,
        freshness: Freshness,
    },
    LookInto {
        name: Vec<u8>,
    },
    Read {
        name: Vec<u8>,
    },
    /// With the mode that it will have, where that is known.
    Stage {
        name: Vec<u8>,
        mode: Option<u32>,
    },
    Resume {
        name: Vec<u8>,
        id: u64,
        length: u64,
    },
    StageOver {
        old: Vec<u8>,
        name: Vec<u8>,
    },
    WriteInto {
        name: Vec<u8>,
    },
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
        onto: Onto,
    },
    Exchange {
        a: Vec<u8>,
        b: Vec<u8>,
    },
    MakeFolder {
        name: Vec<u8>,
        mode: u32,
    },
    MakeLink {
        name: Vec<u8>,
        target: Vec<u8>,
    },
    RemoveFile {
        name: Vec<u8>,
    },
    RemoveFolder {
        name: Vec<u8>,
    },
    Touch {
        name: Vec<u8>,
        mtime: Option<i64>,
        mode: Option<u32>,
    },
    TouchSelf {
        mtime: Option<i64>,
        mode: Option<u32>,
    },
    Flush,
    HasWriter {
        name: Vec<u8>,
    },
    Attempt {
        trial: Trial,
    },
}

/// What follows the bytes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Then {
    Nothing,
    Pause { flush: bool },
    Finish { mtime: i64, mode: Option<u32>, flush: bool },
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Root {
        handle: Handle,
        device: u64,
    },
    Handle(Handle),
    /// A writer over an older file, and what that shows.
    Over {
        handle: Handle,
        old: WireStamp,
    },
    /// A part of a listing; the last one is not followed by `more`.
    Listing {
        items: Vec<WireItem>,
        more: bool,
    },
    Node(Option<WireNode>),
    /// An open file; the frame's bytes are its beginning, and all of it where `whole`.
    Reading {
        handle: Handle,
        opened: WireStamp,
        sparse: bool,
        whole: bool,
    },
    /// The frame's bytes are what was read.
    Bytes,
    Data(Option<(u64, u64)>),
    Said(Option<bool>),
    Space(Space),
    Path(Option<Vec<u8>>),
    Chain(Chain),
    /// The frame's bytes are the text.
    Text {
        there: bool,
    },
    Failed(WireError),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireItem {
    name: Vec<u8>,
    node: WireNode,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireNode {
    content: WireContent,
    mode: u32,
    stamp: WireStamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum WireContent {
    File,
    Folder,
    Link(Vec<u8>),
    Special,
    OtherFileSystem,
    Denied(String),
    Unreadable(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireStamp {
    size: u64,
    mtime: i64,
    ctime: i64,
    id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireError {
    op: String,
    path: String,
    kind: ErrorKind,
    /// The system's number; else what it said.
    number: Option<i32>,
    said: String,
}

/// The other side said something that is none of the above.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came over the line cannot be read: {0}")]
pub(super) struct Garbled(pub(super) &'static str);

/// One frame as it was taken out of the bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub head: &'a [u8],
    pub bytes: &'a [u8],
    /// Bytes of the whole frame.
    pub length: usize,
}

/// The value and bytes as one frame.
pub(super) fn encode<T: Serialize>(value: &T, bytes: &[u8], into: &mut Vec<u8>) -> Result<(), Garbled> {
    into.clear();
    into.resize(LENGTHS, 0);
    let mut whole = postcard::to_extend(value, std::mem::take(into)).map_err(|_| Garbled("it cannot be encoded"))?;
    let head = whole.len() - LENGTHS;
    if head > MOST_HEAD || bytes.len() > MOST_BYTES {
        return Err(Garbled("it is too long"));
    }
    let length = |length: usize| u32::try_from(length).expect("limits are far below").to_le_bytes();
    whole[..4].copy_from_slice(&length(head));
    whole[4..LENGTHS].copy_from_slice(&length(bytes.len()));
    whole.extend_from_slice(bytes);
    *into = whole;
    Ok(())
}

/// The first frame of what came so far, or how many bytes there have to be before it is worth asking again.
pub(super) fn frame(came: &[u8]) -> Result<Result<Frame<'_>, usize>, Garbled> {
    let Some(&[a, b, c, d, e, f, g, h]) = came.first_chunk::<LENGTHS>() else { return Ok(Err(LENGTHS)) };
    let length = |bytes: [u8; 4]| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
    let (head, bytes) = (length([a, b, c, d]), length([e, f, g, h]));
    if head > MOST_HEAD || bytes > MOST_BYTES {
        return Err(Garbled("a length is beyond its limit"));
    }
    let whole = LENGTHS + head + bytes;
    if came.len() < whole {
        return Ok(Err(whole));
    }
    let (head, bytes) = came[LENGTHS..whole].split_at(head);
    Ok(Ok(Frame { head, bytes, length: whole }))
}

pub(super) fn decode<'a, T: Deserialize<'a>>(head: &'a [u8]) -> Result<T, Garbled> {
    match postcard::take_from_bytes(head) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(Garbled("a value is followed by something else")),
        Err(_) => Err(Garbled("it is no value")),
    }
}

pub(super) fn name(bytes: &[u8]) -> Result<Name, Garbled> {
    Name::new(bytes).map_err(|_| Garbled("a name is none"))
}

pub(super) fn rel_path(bytes: &[u8]) -> Result<RelPath, Garbled> {
    RelPath::parse(bytes).map_err(|_| Garbled("a path is none"))
}

impl From<Stamp> for WireStamp {
    fn from(stamp: Stamp) -> WireStamp {
        WireStamp { size: stamp.size, mtime: stamp.mtime.0, ctime: stamp.ctime.0, id: stamp.id }
    }
}

impl From<WireStamp> for Stamp {
    fn from(stamp: WireStamp) -> Stamp {
        Stamp { size: stamp.size, mtime: Time(stamp.mtime), ctime: Time(stamp.ctime), id: stamp.id }
    }
}

impl From<Node> for WireNode {
    fn from(node: Node) -> WireNode {
        let content = match node.content {
            NodeContent::Plain(Content::File { .. }) => WireContent::File,
            NodeContent::Plain(Content::Folder) => WireContent::Folder,
            NodeContent::Plain(Content::Link { target }) => WireContent::Link(target.into_vec()),
            NodeContent::Special => WireContent::Special,
            NodeContent::OtherFileSystem => WireContent::OtherFileSystem,
            NodeContent::Unreadable { kind: ProblemKind::Permission, message } => WireContent::Denied(message),
            NodeContent::Unreadable { message, .. } => WireContent::Unreadable(message),
        };
        WireNode { content, mode: node.mode, stamp: node.stamp.into() }
    }
}

impl From<WireNode> for Node {
    fn from(node: WireNode) -> Node {
        let stamp = Stamp::from(node.stamp);
        let unreadable = |kind, message| NodeContent::Unreadable { kind, message };
        let content = match node.content {
            WireContent::File => NodeContent::Plain(Content::File { size: stamp.size, digest: None }),
            WireContent::Folder => NodeContent::Plain(Content::Folder),
            WireContent::Link(target) => NodeContent::Plain(Content::Link { target: target.into_boxed_slice() }),
            WireContent::Special => NodeContent::Special,
            WireContent::OtherFileSystem => NodeContent::OtherFileSystem,
            WireContent::Denied(message) => unreadable(ProblemKind::Permission, message),
            WireContent::Unreadable(message) => unreadable(ProblemKind::Unreadable, message),
        };
        Node { content, mode: node.mode, stamp }
    }
}

pub(super) fn to_wire(listing: Listing<Node>) -> Vec<WireItem> {
    listing.into_iter().map(|item| WireItem { name: item.name.as_bytes().to_vec(), node: item.value.into() }).collect()
}

/// Adds a part of a listing to what came before.
pub(super) fn from_wire(items: Vec<WireItem>, into: &mut Listing<Node>) -> Result<(), Garbled> {
    for item in items {
        into.push(Item { name: name(&item.name)?, value: item.node.into() });
    }
    Ok(())
}

impl From<Error> for WireError {
    fn from(error: Error) -> WireError {
        let number = error.source.raw_os_error();
        let said = if number.is_some() { String::new() } else { error.source.to_string() };
        WireError { op: error.op.to_owned(), path: error.path, kind: error.kind, number, said }
    }
}

/// The verbs of this room; one that is not here would be told as "use".
const VERBS: [&str; 22] = [
    "open",
    "rename",
    "link",
    "measure",
    "flush",
    "look at",
    "list",
    "read",
    "create",
    "resume",
    "exchange",
    "make",
    "remove",
    "touch",
    "try out",
    "write",
    "close",
    "find",
    "replace",
    "lock",
    "make the folder",
    "ask",
];

impl From<WireError> for Error {
    fn from(error: WireError) -> Error {
        let op = VERBS.into_iter().find(|verb| *verb == error.op).unwrap_or("use");
        let source = error.number.map_or_else(|| io::Error::other(error.said), io::Error::from_raw_os_error);
        Error { op, path: error.path, kind: error.kind, source }
    }
}
