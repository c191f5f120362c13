//! The one loop: read once, digest, write; and only believe a source that stood still.

use super::blocks::{Listing, Older};
use super::growth::Growth;
use super::in_place::Patch;
use super::partial::{self, Begun, Saving};
use super::{Failure, Run, snapshot};
use crate::disk::clock::Moment;
use crate::disk::{self, ErrorKind, Folder, Node, Reader, Writer};
use crate::model::digest::{self, Digest, Digesting};
use crate::model::entry::{Content, Entry, Found, Kind, Sent, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::traits::Traits;
use crate::model::vouch::same_version;

use std::sync::atomic::Ordering;

/// Large enough that calls do not count, small enough to stay in a core's cache.
const BUFFER: usize = 256 * 1024;

/// One worker's buffer and hash state.
pub(crate) struct Copying {
    pub(super) buffer: Vec<u8>,
    pub(super) digesting: Digesting,
}

impl Default for Copying {
    fn default() -> Self {
        Copying { buffer: vec![0; BUFFER], digesting: Digesting::default() }
    }
}

/// A complete temporary file.
pub(crate) struct Staged {
    /// What was copied, with its digest and the stamp that the source showed before and after.
    pub from: Found,
    /// What the handle of the temporary file said at the end.
    pub node: Node,
    /// Bytes of it that an earlier run had copied, or that were kept of the older version.
    pub resumed: u64,
    /// It is a database: no log may lie beside its name.
    pub database: bool,
    /// What it holds, where that is not the source's content byte for byte.
    pub sent: Option<Sent>,
    /// What the source has beside its content, which stays there.
    pub left_behind: Option<String>,
    /// What changed, where it is written into the file that stands there: then that is not done yet.
    pub patch: Option<Patch>,
}

/// What the bytes that are copied are.
pub(crate) enum Bytes {
    /// The errand's file itself.
    Plain,
    /// The same, and it is a database: it has to stand still.
    Database,
    /// A private copy that stands for the errand's file.
    Copy(Origin),
}

/// What a private copy stands for.
pub(crate) struct Origin {
    pub stamp: Stamp,
    pub mode: u32,
    /// `None`: the bytes are the source's own.
    pub content: Option<Content>,
}

/// One copy: from where to where.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub to: Side,
    pub path: &'a RelPath,
    pub source: &'a dyn Folder,
    pub name: &'a Name,
    pub planned: &'a Found,
    /// What stands at the target now.
    pub replaced: Option<&'a Found>,
    pub target: &'a dyn Folder,
    pub temp: &'a Name,
    pub flush: bool,
    /// What stands at the target may be written into where it stands.
    pub in_place: bool,
}

/// Copies the file `name` into the new file `temp` at `to`. A torn copy is removed and never shown.
pub(crate) fn stage(run: &Run<'_>, errand: &Errand<'_>, copying: &mut Copying) -> Result<Staged, Failure> {
    let side = errand.to.other();
    let at_source = |error| Failure::At(side, error);
    let mut reader = errand.source.read(errand.name).map_err(at_source)?;
    if snapshot::is_database(&mut *reader).map_err(at_source)? {
        // One descriptor at a time: this one is closed before the next is opened.
        drop(reader);
        return snapshot::stage(run, &Errand { in_place: false, ..*errand }, copying);
    }
    expect_as_planned(run, errand, &reader.opened())?;
    match fill(run, errand, &mut *reader, copying, Bytes::Plain) {
        Err(Failure::At(_, error)) if errand.in_place && error.kind == ErrorKind::Unsupported => {
            tracing::debug!(path = %errand.path, %error, "it is written whole");
            drop(reader);
            stage(run, &Errand { in_place: false, ..*errand }, copying)
        }
        other => other,
    }
}

/// With a newer file than the others a folder that is carried as one would be none that there ever was.
pub(crate) fn expect_as_planned(run: &Run<'_>, errand: &Errand<'_>, stamp: &Stamp) -> Result<(), Failure> {
    let side = errand.to.other();
    if same_version(stamp, &errand.planned.stamp, &run.traits[side]) || !run.whole.name_or_hold(errand.path) {
        return Ok(());
    }
    let message = "changed since it was looked at, and its folder is carried as one; the next run takes it".to_owned();
    Err(Failure::Path(side, ProblemKind::Busy, message))
}

/// Copies what `reader` brings, which is the errand's file or stands for it.
pub(crate) fn fill(
    run: &Run<'_>,
    errand: &Errand<'_>,
    reader: &mut dyn Reader,
    copying: &mut Copying,
    bytes: Bytes,
) -> Result<Staged, Failure> {
    let &Errand { to, planned, replaced, flush, .. } = errand;
    let began = Moment::now();
    let side = to.other();
    let at_source = |error| Failure::At(side, error);
    let before = reader.opened();
    let (Begun { mut writer, done, older }, mut pauses) = begin(run, errand, reader, copying, &bytes)?;
    let mut laying = Laying { writer: &mut *writer, older, listing: Listing::of(before.size).filter(|_| done == 0) };
    let flow = Flow { to, reader, place: done, size: before.size };
    let pumped = pump(run, flow, &mut laying, copying, &mut pauses);
    let Laying { older, listing, .. } = laying;
    let saved = pauses.saved();
    let torn = |failure| {
        older.iter().for_each(|older| older.give_up(run, &failure));
        partial::leave(run, errand, saved, failure)
    };
    let (read, digest) = pumped.map_err(torn)?;
    let after = reader.node().map_err(at_source).map_err(torn)?;
    let traits = &run.traits[side];
    let still = same_version(&before, &after.stamp, traits) && after.stamp.size == before.size;
    if !still && done == 0 && matches!(bytes, Bytes::Plain) {
        pauses.growth = pauses.growth.or_else(|| Growth::late(run, errand, before.size, digest));
    }
    let grew = !still
        && read == before.size
        && pauses.only_grew(reader, &before, &after.stamp, traits).map_err(at_source).map_err(torn)?;
    if !still && !grew {
        drop(writer);
        return Err(torn(Failure::Torn(side, began.elapsed())));
    }
    // What was sent of a file that went on growing is what it was when it was opened.
    let size = before.size;
    let origin = match bytes {
        Bytes::Copy(origin) => origin,
        Bytes::Plain | Bytes::Database => {
            Origin { stamp: if grew { before } else { after.stamp }, mode: after.mode, content: None }
        }
    };
    let mode = mode_for(run, to, origin.mode, replaced);
    // The plan may have put a sane time in the place of the source's.
    let mtime = if planned.entry.mtime == planned.stamp.mtime { origin.stamp.mtime } else { planned.entry.mtime };
    let node = writer.finish(mtime, mode, flush).map_err(|error| Failure::At(to, error)).map_err(torn)?;
    expect_length(to, &node, size).map_err(torn)?;
    if saved {
        partial::forget(run, errand.temp);
    }
    if let Some(listing) = listing {
        listing.keep(run, digest, replaced.and_then(|old| old.entry.digest()));
    }
    let sent = origin.content.is_some().then_some(Sent { size, digest });
    let content = origin.content.unwrap_or(Content::File { size, digest: Some(digest) });
    let entry = Entry { content, mtime, mode: mode.unwrap_or(origin.mode) };
    Ok(Staged {
        from: Found { entry, stamp: origin.stamp },
        node,
        resumed: done + older.as_ref().map_or(0, |older| older.kept),
        patch: older.and_then(Older::into_patch).map(|patch| patch.with_mode(mode)),
        database: false,
        sent,
        left_behind: reader.left_behind(),
    })
}

fn expect_length(to: Side, node: &Node, size: u64) -> Result<(), Failure> {
    let message = || format!("holds {} bytes after a copy of {size}", node.stamp.size);
    if node.stamp.size == size { Ok(()) } else { Err(Failure::Path(to, ProblemKind::Io, message())) }
}

/// The new file, and where its copy pauses.
fn begin<'a>(
    run: &'a Run<'_>,
    errand: &Errand<'a>,
    reader: &mut dyn Reader,
    copying: &mut Copying,
    bytes: &Bytes,
) -> Result<(Begun, Pauses<'a>), Failure> {
    if let Bytes::Copy(_) = bytes {
        return Ok((partial::anew(run, errand, reader, copying)?, Pauses::default()));
    }
    let size = reader.opened().size;
    let begun = partial::begin(run, errand, reader, copying)?;
    // A copy that goes on is held to the stamp of its first beginning, which is this one.
    let may_grow = begun.done == 0 && matches!(bytes, Bytes::Plain);
    let growth = if may_grow && !Growth::can_wait(errand, size) { Growth::of(run, errand, size) } else { None };
    // One over an older file is soon made again.
    let saving = if begun.older.is_some() { None } else { Saving::of(run, errand, reader, begun.done) };
    Ok((begun, Pauses { growth, saving }))
}

/// The new file's mode: the source's where it has any; else that of the file it replaces, so that a mount's made-up bits
/// take no right away and give none.
pub(super) fn mode_for(run: &Run<'_>, to: Side, source: u32, replaced: Option<&Found>) -> Option<u32> {
    const PLAIN: u32 = 0o644;
    if !run.traits[to].modes {
        return None;
    }
    if run.traits[to.other()].modes {
        return Some(source);
    }
    Some(replaced.filter(|old| old.entry.kind() == Kind::File).map_or(PLAIN, |old| old.entry.mode))
}

/// One way of bytes, from `place` on.
pub(super) struct Flow<'a> {
    pub to: Side,
    pub reader: &'a mut dyn Reader,
    pub place: u64,
    pub size: u64,
}

/// Where the bytes go.
struct Laying<'a> {
    writer: &'a mut dyn Writer,
    /// Blocks of it are kept.
    older: Option<Older>,
    /// For the next version.
    listing: Option<Listing>,
}

impl Laying<'_> {
    fn is_plain(&self) -> bool {
        self.older.is_none() && self.listing.is_none()
    }

    fn knows_holes(&self) -> bool {
        self.older.as_ref().is_none_or(Older::knows_holes)
    }

    /// Whole pieces where blocks are compared.
    fn read(&self, reader: &mut dyn Reader, buffer: &mut [u8]) -> disk::Result<usize> {
        if self.older.is_some() { reader.fill(buffer) } else { reader.read(buffer) }
    }

    /// How far the next piece may reach.
    fn next(&self, place: u64) -> u64 {
        self.older.as_ref().map_or(u64::MAX, |older| older.next(place))
    }

    fn put(&mut self, place: u64, bytes: &[u8]) -> disk::Result<()> {
        if let Some(listing) = &mut self.listing {
            listing.add(bytes);
        }
        match &mut self.older {
            Some(older) => older.put(self.writer, place, bytes),
            None => self.writer.write_all(bytes),
        }
    }

    fn skip(&mut self, count: u64) -> disk::Result<()> {
        if let Some(listing) = &mut self.listing {
            zeros(count).for_each(|zeros| listing.add(zeros));
        }
        self.settle()?;
        self.writer.skip(count)
    }

    fn settle(&mut self) -> disk::Result<()> {
        self.older.as_mut().map_or(Ok(()), |older| older.settle(self.writer))
    }
}

/// Places at which a copy pauses.
#[derive(Default)]
struct Pauses<'a> {
    growth: Option<Growth>,
    saving: Option<Saving<'a>>,
}

impl Pauses<'_> {
    fn none(&self) -> bool {
        self.growth.is_none() && self.saving.is_none()
    }

    /// The next one after `place`, or the end.
    fn next(&self, place: u64, size: u64) -> u64 {
        let growth = self.growth.as_ref().and_then(|growth| growth.next(place));
        let saving = self.saving.as_ref().map(|_| Saving::next(place));
        [growth, saving].into_iter().flatten().fold(size, u64::min)
    }

    fn reached(&mut self, place: u64, digesting: &Digesting, writer: &mut dyn Writer) -> Result<(), Failure> {
        if let Some(growth) = &mut self.growth {
            growth.reached(place, digesting.finish());
        }
        self.saving.as_mut().map_or(Ok(()), |saving| saving.reached(place, digesting, writer))
    }

    /// Could a later run go on with what is there?
    fn saved(&self) -> bool {
        self.saving.as_ref().is_some_and(|saving| saving.saved)
    }

    fn only_grew(&self, reader: &mut dyn Reader, before: &Stamp, after: &Stamp, traits: &Traits) -> disk::Result<bool> {
        self.growth.as_ref().map_or(Ok(false), |growth| growth.only_grew(reader, before, after, traits))
    }
}

/// Moves the content through the buffer, holes as holes. Returns how far it came, which is not the end where the file
/// got shorter, and the digest of what lies before that.
fn pump(
    run: &Run<'_>,
    flow: Flow<'_>,
    laying: &mut Laying<'_>,
    copying: &mut Copying,
    pauses: &mut Pauses<'_>,
) -> Result<(u64, Digest), Failure> {
    let Flow { to, reader, mut place, size } = flow;
    let from = to.other();
    let at_target = |error| Failure::At(to, error);
    let Copying { buffer, digesting } = copying;
    let sparse = reader.sparse() && laying.knows_holes();
    while place < size {
        let pause = pauses.next(place, size);
        let (start, end) = if sparse {
            reader.next_data(place).map_err(|error| Failure::At(from, error))?.unwrap_or((size, size))
        } else {
            (place, size)
        };
        let (start, end) = (start.clamp(place, pause), end.clamp(place, pause));
        if start > place {
            zeros(start - place).for_each(|zeros| digesting.update(zeros));
            laying.skip(start - place).map_err(at_target)?;
            reader.seek(start).map_err(|error| Failure::At(from, error))?;
            place = start;
        }
        while place < end {
            if run.stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            let wanted = usize::try_from(end.min(laying.next(place)) - place).unwrap_or(usize::MAX).min(buffer.len());
            let count = laying.read(reader, &mut buffer[..wanted]).map_err(|error| Failure::At(from, error))?;
            if count == 0 {
                // Shorter than it was: the look after the copy says so.
                return Ok((place, digesting.finish()));
            }
            laying.put(place, &buffer[..count]).map_err(at_target)?;
            (run.copied)(to, count as u64);
            if place == 0 && count as u64 == size && pauses.none() && laying.is_plain() {
                // All of it at once, as most files are: no need to feed the digest piece by piece.
                return Ok((size, digest::of(&buffer[..count])));
            }
            digesting.update(&buffer[..count]);
            place += count as u64;
        }
        if place == pause {
            pauses.reached(place, digesting, laying.writer)?;
        }
    }
    laying.settle().map_err(at_target)?;
    Ok((place, digesting.finish()))
}

/// So many zeros, in pieces.
fn zeros(count: u64) -> impl Iterator<Item = &'static [u8]> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let (pieces, rest) = (count / ZEROS.len() as u64, count % ZEROS.len() as u64);
    (0..pieces).map(|_| &ZEROS[..]).chain([&ZEROS[..usize::try_from(rest).unwrap_or(0)]])
}
