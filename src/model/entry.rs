//! What is synchronised ([`Entry`]) apart from what only saves reading it ([`Stamp`]).

use super::digest::Digest;
use super::side::{PerSide, Side};
use super::time::Time;

/// What one path holds, as far as it is synchronised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub content: Content,
    /// Never compared for folders.
    pub mtime: Time,
    /// Permission bits (0o7777, of files 0o777); only compared where both roots keep them.
    pub mode: u32,
}

/// The part of an entry whose change is a modification; the rest is metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `digest` is `None` until somebody had to read the file.
    File {
        size: u64,
        digest: Option<Digest>,
    },
    Folder,
    /// The target's bytes as the link holds them; never followed.
    Link {
        target: Box<[u8]>,
    },
}

/// The kinds of entry that are synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    File,
    Folder,
    Link,
}

impl Kind {
    /// The word that reports and the manifest use.
    pub fn word(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Folder => "folder",
            Kind::Link => "link",
        }
    }
}

impl Content {
    pub fn kind(&self) -> Kind {
        match self {
            Content::File { .. } => Kind::File,
            Content::Folder => Kind::Folder,
            Content::Link { .. } => Kind::Link,
        }
    }

    /// A file's digest, where it is known.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Content::File { digest, .. } => *digest,
            Content::Folder | Content::Link { .. } => None,
        }
    }

    /// The same kind and, as far as it is known, the same content. Two files of one size of which either has no
    /// digest are *not* the same: who needs to know has to read them first.
    pub fn is_same(&self, other: &Content) -> bool {
        match (self, other) {
            (Content::File { size: a, digest: Some(x) }, Content::File { size: b, digest: Some(y) }) => a == b && x == y,
            (Content::File { .. }, Content::File { .. }) => false,
            (mine, theirs) => mine == theirs,
        }
    }
}

impl Entry {
    pub fn kind(&self) -> Kind {
        self.content.kind()
    }

    pub fn is_folder(&self) -> bool {
        self.content == Content::Folder
    }

    /// Bytes of content; 0 for all but files.
    pub fn size(&self) -> u64 {
        match self.content {
            Content::File { size, .. } => size,
            Content::Folder | Content::Link { .. } => 0,
        }
    }

    pub fn digest(&self) -> Option<Digest> {
        self.content.digest()
    }

    pub fn set_digest(&mut self, found: Digest) {
        if let Content::File { digest, .. } = &mut self.content {
            *digest = Some(found);
        }
    }

    /// The same content, see [`Content::is_same`].
    pub fn same_content(&self, other: &Entry) -> bool {
        self.content.is_same(&other.content)
    }
}

/// What `stat` said of a file: equal to the recorded one means not read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    pub mtime: Time,
    /// Time of the last change of the inode; only meaningful where the root's `ctime` can be trusted.
    pub ctime: Time,
    /// Inode or file index; only meaningful where the root's ids are stable.
    pub id: u64,
}

/// An entry that a look at a root found, with its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub entry: Entry,
    pub stamp: Stamp,
}

/// A stamp in the base, and whether it may vouch for the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub stamp: Stamp,
    /// Too young when it was read: an edit since could have left it as it is.
    pub racy: bool,
}

/// What both roots held at a path when they last agreed, and how each side showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub entry: Entry,
    pub stamps: PerSide<Option<Recorded>>,
    /// What the network root was given where that is not staging's content byte for byte.
    pub sent: Option<Sent>,
}

/// The snapshot of a live database that went to the network root. The sides agree while each still has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes.
    pub size: u64,
    pub digest: Digest,
}

impl Base {
    /// The mtime that `side` showed for the agreed version: what a later look is compared with, because servers
    /// restamp and round what they are told.
    pub fn mtime_at(&self, side: Side) -> Time {
        self.stamps[side].map_or(self.entry.mtime, |recorded| recorded.stamp.mtime)
    }

    /// What `side` held: the agreed content, or what the network root was given in its stead.
    pub fn content_at(&self, side: Side) -> Content {
        match (self.sent, side) {
            (Some(Sent { size, digest }), Side::Network) => Content::File { size, digest: Some(digest) },
            _ => self.entry.content.clone(),
        }
    }

    pub fn digest_at(&self, side: Side) -> Option<Digest> {
        self.content_at(side).digest()
    }

    /// Does this entry, seen at `side`, hold what that side held when they agreed? Staging also where its program has
    /// brought the log into the database since: that makes it what was sent.
    pub fn holds(&self, side: Side, entry: &Entry) -> bool {
        let was_sent = || self.sent.is_some() && entry.content.is_same(&self.content_at(Side::Network));
        match side {
            Side::Staging => entry.same_content(&self.entry) || was_sent(),
            Side::Network if self.sent.is_some() => was_sent(),
            Side::Network => entry.same_content(&self.entry),
        }
    }

    /// May a file of this size at `side` be what that side held? Then only its digest can tell.
    pub fn may_hold(&self, side: Side, size: u64) -> bool {
        let sent = self.sent.is_some_and(|sent| sent.size == size);
        match side {
            _ if self.entry.digest().is_none() => false,
            Side::Staging => self.entry.size() == size || sent,
            Side::Network if self.sent.is_some() => sent,
            Side::Network => self.entry.size() == size,
        }
    }
}
