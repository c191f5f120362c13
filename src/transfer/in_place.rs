//! A large file is written into where it stands: by the user's choice, where no file system takes ranges over.
//!
//! Invariants. Before the first byte all of the new version was read and stood still, and what changed of it lies on this machine's
//! disk. A mark, made durable before that byte, says that what stands there is nobody's version; it goes when the file is complete and
//! durable. What a mark is left of is never taken for a version: the next run that brings staging's version writes all of it beside, and
//! what was half written goes to the trash. The version before is *not* kept.

use super::chunk::split;
use super::copy::Staged;
use super::place::{Spot, seen_now};
use super::{Failure, Run, database};
use crate::disk::local::{self, Scratch};
use crate::disk::{self, Error, ErrorKind, Folder, Node, Writer, open_root};
use crate::model::digest::{self, Digest};
use crate::model::entry::{Found, Kind, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;
use crate::model::vouch::{Clock, same_stamp, same_version};

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What changed of a file that is to be written into may be no more than so many bytes, nor than this part of what is free on the disk
/// where it is put aside: several workers may be at it.
const MOST: u64 = if cfg!(test) { 64 } else { 4 << 30 };
const PART: u64 = 32;
/// Read and written at once.
const BUFFER: usize = 256 * 1024;

/// Bytes of a mark.
const LIMIT: u64 = 64 << 10;
const HEAD: &str = "driftless.in-place/1";

/// What changed, on this machine's disk: a file that holds these ranges of the new version.
pub(super) struct Patch {
    folder: Box<dyn Folder>,
    ranges: Vec<Range<u64>>,
    /// What the file gets at the end.
    mode: Option<u32>,
    _scratch: Arc<Scratch>,
}

impl Patch {
    /// An empty one, and what writes into it.
    pub fn new(run: &Run<'_>) -> disk::Result<(Patch, Box<dyn Writer>)> {
        let made = || -> disk::Result<_> {
            let scratch = Arc::new(Scratch::below(&run.scratch)?);
            let root = open_root(scratch.path(), false)?;
            let room = root.space().map_or(MOST, |space| MOST.min(space.free / PART));
            let folder = root.folder(&RelPath::root())?;
            let aside =
                Aside { writer: folder.stage(&file())?, room, place: run.scratch.clone(), _scratch: Arc::clone(&scratch) };
            Ok((Patch { folder, ranges: Vec::new(), mode: None, _scratch: scratch }, aside))
        };
        let (patch, aside) = made().map_err(|error| put_aside(&run.scratch, &error))?;
        Ok((patch, Box::new(aside)))
    }

    /// The bytes from `place` on are new.
    pub fn add(&mut self, place: u64, count: u64) {
        match self.ranges.last_mut() {
            Some(last) if last.end == place => last.end += count,
            _ => self.ranges.push(place..place + count),
        }
    }

    pub fn with_mode(self, mode: Option<u32>) -> Patch {
        Patch { mode, ..self }
    }
}

fn file() -> Name {
    Name::new(b"changed").expect("a plain name")
}

/// Writes what changed into a file of this machine.
struct Aside {
    writer: Box<dyn Writer>,
    /// Bytes that may still come.
    room: u64,
    place: PathBuf,
    /// Last: on Windows a folder goes when nothing in it is open.
    _scratch: Arc<Scratch>,
}

impl Aside {
    fn told<T>(&self, result: disk::Result<T>) -> disk::Result<T> {
        result.map_err(|error| put_aside(&self.place, &error))
    }
}

/// No failure of the root to which it goes: [`ErrorKind::Unsupported`], so that the file is written whole.
fn put_aside(place: &Path, error: &Error) -> Error {
    let message = format!("what changed of it could not be put aside in {}: {}", place.display(), error.source);
    Error::new("write", "it", ErrorKind::Unsupported, std::io::Error::other(message))
}

impl Writer for Aside {
    fn write_all(&mut self, bytes: &[u8]) -> disk::Result<()> {
        let Some(left) = self.room.checked_sub(bytes.len() as u64) else {
            let full = Error::new("write", "it", ErrorKind::Other, std::io::ErrorKind::StorageFull.into());
            return Err(put_aside(&self.place, &full));
        };
        self.room = left;
        let written = self.writer.write_all(bytes);
        self.told(written)
    }

    fn skip(&mut self, bytes: u64) -> disk::Result<()> {
        let skipped = self.writer.skip(bytes);
        self.told(skipped)
    }

    fn keep(&mut self, bytes: u64) -> disk::Result<()> {
        self.skip(bytes)
    }

    fn pause(&mut self, flush: bool) -> disk::Result<Node> {
        let paused = self.writer.pause(flush);
        self.told(paused)
    }

    /// It is read by this program alone, and not for long.
    fn finish(self: Box<Self>, mtime: Time, _mode: Option<u32>, _flush: bool) -> disk::Result<Node> {
        let Aside { writer, place, .. } = *self;
        writer.finish(mtime, None, false).map_err(|error| put_aside(&place, &error))
    }
}

/// Writes what changed into the file that stands at the spot, which is still `old`. `staged` is the version that it will be. Flushed
/// whatever the user asked for: the mark goes, and nothing is left of the version before. With the root's clock before it was
/// given its time.
pub(super) fn write(
    run: &Run<'_>,
    spot: &Spot<'_>,
    old: &Found,
    patch: &Patch,
    staged: &Staged,
) -> Result<(Stamp, Clock), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let here = |error: Error| Failure::Path(spot.side, ProblemKind::Io, put_aside(&run.scratch, &error).source.to_string());
    let standing = database::expect_standing(run, spot, old)?;
    if !standing.beside.is_empty() {
        let message = "is a database there, which is not written into where it stands".to_owned();
        return Err(Failure::Path(spot.side, ProblemKind::Busy, message));
    }
    let mut changed = patch.folder.read(&file()).map_err(here)?;
    let (mut writer, now) = spot.folder.write_into(spot.name).map_err(at)?;
    let traits = &run.traits[spot.side];
    // The blocks that stay are believed by it.
    if !same_stamp(&now, &old.stamp, traits) {
        return Err(Failure::Unexpected(seen_now(spot)?));
    }
    let size = staged.node.stamp.size;
    // RACE: what another program writes into it from here on is mixed with what is written here.
    let mark = Mark::set(run, spot.path, if traits.ids { now.id } else { 0 }, [now.size, size]).map_err(here)?;
    let (mut place, mut buffer) = (0, vec![0; BUFFER]);
    for range in &patch.ranges {
        writer.keep(range.start - place).map_err(at)?;
        changed.seek(range.start).map_err(here)?;
        place = range.start;
        while place < range.end {
            if run.stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            let wanted = usize::try_from(range.end - place).unwrap_or(usize::MAX).min(BUFFER);
            let count = changed.fill(&mut buffer[..wanted]).map_err(here)?;
            if count < wanted {
                return Err(here(Error::new("read", "it", ErrorKind::Other, std::io::ErrorKind::UnexpectedEof.into())));
            }
            writer.write_all(&buffer[..count]).map_err(at)?;
            place += count as u64;
        }
    }
    writer.keep(size - place).map_err(at)?;
    let clock = run.clock_now(spot.side);
    let node = writer.finish(staged.from.entry.mtime, patch.mode, true).map_err(at)?;
    if node.stamp.size != size {
        let message = format!("holds {} bytes after {size} were written", node.stamp.size);
        return Err(Failure::Path(spot.side, ProblemKind::Io, message));
    }
    mark.lift();
    // Somebody may have put another file there meanwhile, or moved this one.
    match seen_now(spot)? {
        Seen::There(there) if same_version(&there.stamp, &node.stamp, traits) => Ok((node.stamp, clock)),
        other => Err(Failure::Unexpected(other)),
    }
}

/// What stands for the digest of a file that was written half: no file has it, so that it is like nothing that staging has.
pub fn half() -> Digest {
    digest::of(b"written half")
}

/// The name in the trash of what stood half written at `path`: no version's, so that nothing offers it as one.
pub fn set_apart(path: &RelPath) -> RelPath {
    let (parent, name) = split(path);
    let stem = &name.as_bytes()[..name.len().min(255 - APART.len())];
    parent.join(&[stem, APART].concat())
}

/// Is it such a name?
pub fn is_set_apart(path: &RelPath) -> bool {
    path.as_bytes().ends_with(APART)
}

const APART: &[u8] = b".half-written";

/// Says that the file at a path of the network root was written half.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark {
    file: PathBuf,
    pub path: RelPath,
    /// The file's; 0 where the root has no ids.
    id: u64,
    /// The file's before, and what it was to be.
    sizes: [u64; 2],
    /// A look found the file at another path.
    pub moved: bool,
}

impl Mark {
    fn set(run: &Run<'_>, path: &RelPath, id: u64, sizes: [u64; 2]) -> disk::Result<Mark> {
        let file = run.marks.join(file_name(path));
        let mark = Mark { file, path: path.clone(), id, sizes, moved: false };
        local::make_private_folder(&run.marks)?;
        match local::remove_file(&mark.file) {
            Err(error) if error.kind != ErrorKind::Absent => return Err(error),
            _ => local::create_private_text(&mark.file, &mark.text())?,
        }
        Ok(mark)
    }

    /// Nothing is half written there any more.
    pub fn lift(&self) {
        if let Err(error) = local::remove_for_good(&self.file, true) {
            tracing::debug!(path = %self.path, %error, "a mark stays: the file is written once more");
        }
    }

    /// Is this the file that was written half? An id is given to a new file when the old one is gone, so its size has to be one that it had
    /// on the way. Where the root has no ids only its own path leads to it.
    pub fn is_of(&self, path: &RelPath, found: &Found) -> bool {
        let [before, after] = self.sizes;
        let on_the_way = (before.min(after)..=before.max(after)).contains(&found.stamp.size);
        let is_it = if self.id == 0 { *path == self.path } else { self.id == found.stamp.id };
        found.entry.kind() == Kind::File && on_the_way && is_it
    }

    fn text(&self) -> String {
        let (id, [before, after]) = (self.id, self.sizes);
        let mut text = format!("{HEAD} {id} {before} {after} ");
        self.path.as_bytes().iter().for_each(|byte| write!(text, "{byte:02x}").expect("a string takes everything"));
        let check = digest::of(text.as_bytes());
        format!("{text} {check:?}\n")
    }

    /// `None` for what is no mark of that name.
    fn parse(file: &Path, text: &str) -> Option<Mark> {
        let (line, check) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if format!("{:?}", digest::of(line.as_bytes())) != check {
            return None;
        }
        let mut words = line.strip_prefix(HEAD)?.strip_prefix(' ')?.split(' ');
        let mut number = || words.next()?.parse().ok();
        let (id, sizes) = (number()?, [number()?, number()?]);
        let (pairs, []) = words.next()?.as_bytes().as_chunks::<2>() else { return None };
        let bytes = pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        let path = RelPath::parse(&bytes.collect::<Option<Vec<u8>>>()?).ok()?;
        let is_its = file.file_name()?.to_str()? == file_name(&path);
        is_its.then(|| Mark { file: file.to_owned(), path, id, sizes, moved: false })
    }
}

/// All marks in a folder. What is none was not complete when the power failed: then nothing had been written yet.
pub fn marks(folder: &Path) -> disk::Result<Vec<Mark>> {
    let mut marks = Vec::new();
    for (file, _) in local::files(folder)? {
        let text = local::read_text(&file, LIMIT)?;
        marks.extend(text.and_then(|text| Mark::parse(&file, &text)));
    }
    Ok(marks)
}

fn file_name(path: &RelPath) -> String {
    format!("{:?}", digest::of(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Content, Entry, Stamp};

    #[test]
    fn a_mark_is_read_as_it_was_written_and_not_otherwise() {
        let path = RelPath::parse(b"raw/a b.dat").expect("a path");
        let file = Path::new("marks").join(file_name(&path));
        let mark = Mark { file: file.clone(), path, id: u64::MAX, sizes: [7, 9], moved: false };
        let text = mark.text();
        assert_eq!(Mark::parse(&file, &text), Some(mark));
        assert_eq!(Mark::parse(Path::new("marks/other"), &text), None);
        for at in 0..text.len() {
            let mut broken = text.clone().into_bytes();
            broken[at] ^= 1;
            assert_eq!(Mark::parse(&file, &String::from_utf8_lossy(&broken)), None, "byte {at}");
            assert_eq!(Mark::parse(&file, &text[..at]), None, "cut at {at}");
        }
    }

    /// A number is given to another file when the first one is gone; a path to any.
    #[test]
    fn a_mark_knows_its_file_by_number_or_path_and_by_its_length() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("a path");
        let mark = |id| Mark { file: PathBuf::new(), path: path("a"), id, sizes: [9, 7], moved: false };
        for (marked, at, id, size, expected) in [
            (5, "a", 5, 9, true),
            (5, "b", 5, 7, true),
            (5, "a", 6, 8, false),
            (5, "a", 5, 10, false),
            (5, "a", 5, 6, false),
            (0, "a", 6, 8, true),
            (0, "b", 6, 8, false),
            (0, "a", 6, 10, false),
        ] {
            let stamp = Stamp { size, mtime: Time(1), ctime: Time(1), id };
            let entry = Entry { content: Content::File { size, digest: None }, mtime: Time(1), mode: 0o644 };
            assert_eq!(mark(marked).is_of(&path(at), &Found { entry, stamp }), expected, "{marked} {at} {id} {size}");
        }
        assert!(is_set_apart(&set_apart(&path("raw/a"))) && !is_set_apart(&path("raw/a")));
        assert_eq!(set_apart(&path(&"n".repeat(255))).name().map(|name| name.len()), Some(255));
    }
}
