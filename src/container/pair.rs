//! One file here and there: the same, or in what they differ.

use std::io;

use crossbeam_channel::Receiver;

use super::local::{Kind, Local};
use crate::disk::{self, Reader};
use crate::model::digest::{self, Digest, Digesting};

/// How often a file is read again that is written to meanwhile.
const AGAIN: u32 = 3;

/// How the two stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Same,
    /// Other rights, the same content.
    Mode,
    /// Text whose lines end in another way.
    LineEnds,
    Content,
    /// A link that leads elsewhere.
    Target,
    /// A file here and a link there, or the other way round.
    Kind,
    /// Here, and not in the container.
    MissingThere,
    /// In the container, and not here.
    MissingHere,
}

impl Class {
    pub fn word(self) -> &'static str {
        match self {
            Class::Same => "same",
            Class::Mode => "mode",
            Class::LineEnds => "line_ends",
            Class::Content => "content",
            Class::Target => "symlink_target",
            Class::Kind => "kind",
            Class::MissingThere => "missing_in_container",
            Class::MissingHere => "missing_here",
        }
    }

    /// Does the container have something else than what was written here? Rights and line ends are told and not counted: they
    /// change on the way through git, archives and other systems.
    pub fn is_stale(self) -> bool {
        !matches!(self, Class::Same | Class::Mode | Class::LineEnds)
    }
}

/// What was found on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub bytes: u64,
    /// `None` for links and where nobody asked.
    pub digest: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub class: Class,
    pub here: Option<Seen>,
    pub there: Option<Seen>,
}

/// What is in the container, as it comes.
pub enum Content {
    Whole(Vec<u8>),
    Parts { bytes: u64, parts: Receiver<Vec<u8>> },
}

impl Pair {
    pub fn missing(local: &Local) -> Pair {
        Pair { class: Class::MissingThere, here: Some(seen(local)), there: None }
    }

    /// `target` is that of a link in the container.
    pub fn of_link(local: &Local, target: &[u8]) -> Pair {
        let class = match &local.kind {
            Kind::Link { target: here } if here == target => Class::Same,
            Kind::Link { .. } => Class::Target,
            Kind::File { .. } => Class::Kind,
        };
        Pair { class, here: Some(seen(local)), there: Some(Seen { bytes: target.len() as u64, digest: None }) }
    }

    /// A file of so many bytes is there, and something else here.
    pub fn other_kind(local: &Local, bytes: u64) -> Pair {
        Pair { class: Class::Kind, here: Some(seen(local)), there: Some(Seen { bytes, digest: None }) }
    }
}

fn seen(local: &Local) -> Seen {
    let bytes = match &local.kind {
        Kind::File { bytes } => *bytes,
        Kind::Link { target } => target.len() as u64,
    };
    Seen { bytes, digest: None }
}

/// Compares a local file with one of the container's.
pub fn compare(local: &Local, content: Content, mode: u32, digests: bool) -> disk::Result<Pair> {
    let mut pair = match content {
        Content::Whole(there) => whole(local, &there, digests)?,
        Content::Parts { bytes, parts } => in_parts(local, bytes, &parts)?,
    };
    if pair.class == Class::Same && local.mode.is_some_and(|here| here != mode & 0o777) {
        pair.class = Class::Mode;
    }
    Ok(pair)
}

fn open(local: &Local) -> disk::Result<Box<dyn Reader>> {
    let (Some(folder), Some(name)) = (local.path.parent(), local.path.name()) else { return Err(stirring(local)) };
    local.root.folder(&folder)?.read(&name)
}

fn stirring(local: &Local) -> disk::Error {
    let busy = io::Error::other("it is written to while it is compared");
    disk::Error::new("read", local.whole.display(), disk::ErrorKind::Busy, busy)
}

fn whole(local: &Local, there: &[u8], digests: bool) -> disk::Result<Pair> {
    for _ in 0..AGAIN {
        let mut reader = open(local)?;
        let length = usize::try_from(reader.opened().size).unwrap_or(usize::MAX);
        // One byte more than it should have: the end is to be seen.
        let mut here = vec![0; length.saturating_add(1)];
        let count = reader.fill(&mut here)?;
        here.truncate(count);
        let same = here == there;
        if !same && (count != length || reader.node()?.stamp != reader.opened()) {
            continue;
        }
        let class = match same {
            true => Class::Same,
            false if same_lines(&here, there) => Class::LineEnds,
            false => Class::Content,
        };
        let seen = |bytes: &[u8]| Seen { bytes: bytes.len() as u64, digest: (digests || !same).then(|| digest::of(bytes)) };
        return Ok(Pair { class, here: Some(seen(&here)), there: Some(seen(there)) });
    }
    Err(stirring(local))
}

/// Is it text, and the same but for the ends of its lines?
fn same_lines(a: &[u8], b: &[u8]) -> bool {
    let plain = |bytes: &[u8]| bytes.iter().all(|byte| *byte != 0);
    plain(a) && plain(b) && lines(a).eq(lines(b))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A large file. Line ends are not looked at: no text is so large.
fn in_parts(local: &Local, bytes: u64, parts: &Receiver<Vec<u8>>) -> disk::Result<Pair> {
    let mut reader = open(local)?;
    let (mut here, mut there, mut same, mut read, mut left) = (Digesting::default(), Digesting::default(), true, 0, bytes);
    let mut buffer = Vec::new();
    while left > 0 {
        let Ok(part) = parts.recv() else {
            return Err(disk::Error::new(
                "compare",
                local.whole.display(),
                disk::ErrorKind::Other,
                io::ErrorKind::UnexpectedEof.into(),
            ));
        };
        left = left.saturating_sub(part.len() as u64);
        there.update(&part);
        buffer.resize(part.len(), 0);
        let count = reader.fill(&mut buffer)?;
        read += count as u64;
        here.update(&buffer[..count]);
        same &= buffer[..count] == part;
    }
    buffer.resize(256 << 10, 0);
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            count => {
                (read, same) = (read + count as u64, false);
                here.update(&buffer[..count]);
            }
        }
    }
    if !same && reader.node()?.stamp != reader.opened() {
        return Err(stirring(local));
    }
    let seen = |bytes, digest: Digesting| Some(Seen { bytes, digest: Some(digest.finish()) });
    let class = if same { Class::Same } else { Class::Content };
    Ok(Pair { class, here: seen(read, here), there: seen(bytes, there) })
}

/// Have two local files the same content?
pub fn are_same(a: &Local, b: &Local) -> disk::Result<bool> {
    let (mut a, mut b) = (open(a)?, open(b)?);
    let (mut one, mut other) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let (count, other_count) = (a.fill(&mut one)?, b.fill(&mut other)?);
        if one[..count] != other[..other_count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_end_in_another_way_are_no_other_content() {
        for (a, b, same) in [
            ("a\r\nb\r\n", "a\nb\n", true),
            ("a\r\nb\n", "a\nb\r\n", true),
            ("a\r\nb", "a\nb\n", false),
            ("a\rb", "ab", false),
            ("a\0\r\n", "a\0\n", false),
            ("", "", true),
        ] {
            assert_eq!(same_lines(a.as_bytes(), b.as_bytes()), same, "{a:?} {b:?}");
        }
    }
}
