//! A large file is written into where it stands: by the user's choice, where no file system takes ranges over.
//!
//! Invariants. Before the first byte all of the new version was read and stood still, and what changed of it lies on this machine's
//! disk. A mark, made durable before that byte, says that what stands there is nobody's version; it goes when the file is complete and
//! durable. What a mark is left of is never taken for a version: the next run writes the whole file beside it, and what was half
//! written goes to the trash. The version before is *not* kept.

use super::copy::Staged;
use super::place::Spot;
use super::{Failure, Run, blocks, database};
use crate::disk::local::{self, Scratch};
use crate::disk::{self, Error, ErrorKind, Folder, Freshness, Node, Writer, open_root};
use crate::model::digest;
use crate::model::entry::Found;
use crate::model::finding::ProblemKind;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;
use crate::model::vouch::same_version;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// What changed of a file that is to be written into may be no more than so many bytes.
const MOST: u64 = if cfg!(test) { 64 } else { 4 << 30 };
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
    _scratch: Scratch,
}

impl Patch {
    /// An empty one, and what writes into it.
    pub fn new(run: &Run<'_>) -> disk::Result<(Patch, Box<dyn Writer>)> {
        let made = || -> disk::Result<_> {
            let scratch = Scratch::below(&run.scratch)?;
            let folder = open_root(scratch.path(), false)?.folder(&RelPath::root())?;
            let writer = folder.stage(&file())?;
            Ok((Patch { folder, ranges: Vec::new(), mode: None, _scratch: scratch }, writer))
        };
        let place = run.scratch.clone();
        let (patch, writer) = made().map_err(|error| put_aside(&place, &error))?;
        Ok((patch, Box::new(Aside { writer, written: 0, place })))
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
    written: u64,
    place: PathBuf,
}

impl Aside {
    fn told<T>(&self, result: disk::Result<T>) -> disk::Result<T> {
        result.map_err(|error| put_aside(&self.place, &error))
    }
}

/// No failure of the root to which it goes.
fn put_aside(place: &Path, error: &Error) -> Error {
    let message = format!(
        "what changed of it could not be put aside in {}: {}; the next run writes it whole",
        place.display(),
        error.source
    );
    Error::new("write", "it", ErrorKind::Other, std::io::Error::other(message))
}

impl Writer for Aside {
    fn write_all(&mut self, bytes: &[u8]) -> disk::Result<()> {
        self.written += bytes.len() as u64;
        if self.written > MOST {
            let message = format!("more than {MOST} bytes of it changed; the next run writes it whole");
            return Err(Error::new("write", "it", ErrorKind::Other, std::io::Error::other(message)));
        }
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

/// Writes what changed into the file that stands at the spot, which is still `old`. `staged` is the version that it will be.
pub(super) fn write(run: &Run<'_>, spot: &Spot<'_>, old: &Found, patch: &Patch, staged: &Staged) -> Result<Node, Failure> {
    let at = |error| Failure::At(spot.side, error);
    let here = |error: Error| Failure::Path(spot.side, ProblemKind::Io, put_aside(&run.scratch, &error).source.to_string());
    let standing = database::expect_standing(run, spot, old)?;
    if !standing.beside.is_empty() {
        let message = "is a database there, which is not written into where it stands".to_owned();
        return Err(Failure::Path(spot.side, ProblemKind::Busy, message));
    }
    let mut changed = patch.folder.read(&file()).map_err(here)?;
    let opened = spot.folder.write_into(spot.name).inspect_err(|error| {
        if let (Some(whole), true) = (old.entry.digest(), error.kind != ErrorKind::Gone) {
            // The next run writes all of it.
            blocks::forget(run, whole);
        }
    });
    let (mut writer, now) = opened.map_err(at)?;
    if !same_version(&now, &old.stamp, &run.traits[spot.side]) {
        let there = spot.folder.look(spot.name, Freshness::Fresh).map_err(at)?;
        return Err(Failure::Unexpected(there.map_or(Seen::Absent, Node::seen)));
    }
    // RACE: what another program writes into it from here on is mixed with what is written here.
    let mark = Mark::set(run, spot.path).map_err(here)?;
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
    let size = staged.node.stamp.size;
    writer.keep(size - place).map_err(at)?;
    let node = writer.finish(staged.from.entry.mtime, patch.mode, run.flush).map_err(at)?;
    if node.stamp.size != size {
        let message = format!("holds {} bytes after {size} were written", node.stamp.size);
        return Err(Failure::Path(spot.side, ProblemKind::Io, message));
    }
    mark.lift(run);
    Ok(node)
}

/// Says that what stands at a path of the network root was written half.
pub struct Mark {
    file: PathBuf,
    pub path: RelPath,
}

impl Mark {
    fn set(run: &Run<'_>, path: &RelPath) -> disk::Result<Mark> {
        let mark = Mark { file: run.marks.join(file_name(path)), path: path.clone() };
        if !mark.is_set() {
            local::make_private_folder(&run.marks)?;
            match local::remove_file(&mark.file) {
                Err(error) if error.kind != ErrorKind::Absent => return Err(error),
                _ => local::create_private_text(&mark.file, &text(path))?,
            }
        }
        Ok(mark)
    }

    fn is_set(&self) -> bool {
        local::read_text(&self.file, LIMIT).ok().flatten().and_then(|text| parse(&text)).as_ref() == Some(&self.path)
    }

    fn lift(self, run: &Run<'_>) {
        if let Err(error) = local::remove_for_good(&self.file, run.flush) {
            tracing::debug!(%error, "a mark stays: the file is written once more");
        }
    }

    /// Nothing is half written there any more.
    pub fn is_done(&self) -> disk::Result<()> {
        local::remove_for_good(&self.file, true)
    }
}

/// All marks in a folder. One that cannot be read is of a file that nobody had begun to write.
pub fn marks(folder: &Path) -> Vec<Mark> {
    let one = |(file, _): (PathBuf, _)| {
        let path = parse(&local::read_text(&file, LIMIT).ok().flatten()?)?;
        (file.file_name()?.to_str()? == file_name(&path)).then_some(Mark { file, path })
    };
    local::files(folder).unwrap_or_default().into_iter().filter_map(one).collect()
}

fn file_name(path: &RelPath) -> String {
    format!("{:?}", digest::of(path.as_bytes()))
}

fn text(path: &RelPath) -> String {
    let mut text = format!("{HEAD} ");
    path.as_bytes().iter().for_each(|byte| write!(text, "{byte:02x}").expect("a string takes everything"));
    let check = digest::of(text.as_bytes());
    format!("{text} {check:?}\n")
}

fn parse(text: &str) -> Option<RelPath> {
    let (line, check) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if format!("{:?}", digest::of(line.as_bytes())) != check {
        return None;
    }
    let (pairs, []) = line.strip_prefix(HEAD)?.strip_prefix(' ')?.as_bytes().as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    RelPath::parse(&bytes.collect::<Option<Vec<u8>>>()?).ok()
}
