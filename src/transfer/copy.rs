//! The one loop: read once, digest, write; and only believe a source that stood still.

use super::{Failure, Run, snapshot, trash};
use crate::disk::{ErrorKind, Folder, Node, Reader, Writer};
use crate::model::digest::{self, Digest, Digesting};
use crate::model::entry::{Content, Entry, Found, Kind, Sent, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::vouch::same_version;

use std::sync::atomic::Ordering;

/// Large enough that calls do not count, small enough to stay in a core's cache.
const BUFFER: usize = 256 * 1024;

/// One worker's buffer and hash state.
pub(crate) struct Copying {
    pub buffer: Vec<u8>,
    pub digesting: Digesting,
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
    /// It is a database: no log may lie beside its name.
    pub database: bool,
    /// What it holds, where that is not the source's content byte for byte.
    pub sent: Option<Sent>,
}

/// What the bytes that are copied stand for, where they are those of a private copy.
pub(crate) struct Origin {
    pub stamp: Stamp,
    pub mode: u32,
    /// `None`: the bytes are the source's own.
    pub content: Option<Content>,
}

/// One copy: from where to where.
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
}

/// Copies the file `name` into the new file `temp` at `to`. A torn copy is removed and never shown.
pub(crate) fn stage(run: &Run<'_>, errand: &Errand<'_>, copying: &mut Copying) -> Result<Staged, Failure> {
    let at_source = |error| Failure::At(errand.to.other(), error);
    let mut reader = errand.source.read(errand.name).map_err(at_source)?;
    if snapshot::is_database(&mut *reader).map_err(at_source)? {
        // One descriptor at a time: this one is closed before the next is opened.
        drop(reader);
        return snapshot::stage(run, errand, copying);
    }
    fill(run, errand, &mut *reader, copying, None)
}

/// Copies what `reader` brings, which stands for the errand's file or is it.
pub(crate) fn fill(
    run: &Run<'_>,
    errand: &Errand<'_>,
    reader: &mut dyn Reader,
    copying: &mut Copying,
    origin: Option<Origin>,
) -> Result<Staged, Failure> {
    let &Errand { to, planned, replaced, target, temp, flush, .. } = errand;
    let side = to.other();
    let at_source = |error| Failure::At(side, error);
    let at_target = |error| Failure::At(to, error);
    let before = reader.opened();
    let mut writer = make_temp(run, errand)?;
    let torn = |failure| {
        // What is left behind is a temporary name that the next run clears.
        let _ = target.remove_file(temp);
        failure
    };
    let digest = pump(run, to, reader, &mut *writer, before.size, copying).map_err(torn)?;
    let after = reader.node().map_err(at_source).map_err(torn)?;
    if !same_version(&before, &after.stamp, &run.traits[side]) || after.stamp.size != before.size {
        drop(writer);
        let message = "was written to while it was copied; the next run tries again".to_owned();
        return Err(torn(Failure::Path(side, ProblemKind::Busy, message)));
    }
    let size = after.stamp.size;
    let origin = origin.unwrap_or(Origin { stamp: after.stamp, mode: after.mode, content: None });
    let mode = mode_for(run, to, origin.mode, replaced);
    // The plan may have put a sane time in the place of the source's.
    let mtime = if planned.entry.mtime == planned.stamp.mtime { origin.stamp.mtime } else { planned.entry.mtime };
    let node = writer.finish(mtime, mode, flush).map_err(at_target).map_err(torn)?;
    if node.stamp.size != size {
        let message = format!("holds {} bytes after a copy of {size}", node.stamp.size);
        return Err(torn(Failure::Path(to, ProblemKind::Io, message)));
    }
    let sent = origin.content.is_some().then_some(Sent { size, digest });
    let content = origin.content.unwrap_or(Content::File { size, digest: Some(digest) });
    let entry = Entry { content, mtime, mode: mode.unwrap_or(origin.mode) };
    Ok(Staged { from: Found { entry, stamp: origin.stamp }, node, database: false, sent })
}

fn make_temp(run: &Run<'_>, errand: &Errand<'_>) -> Result<Box<dyn Writer>, Failure> {
    let &Errand { to, target, temp, .. } = errand;
    let at_target = |error| Failure::At(to, error);
    match target.stage(temp) {
        Err(error) if error.kind == ErrorKind::Exists => {
            // Our own name for this very version: an earlier run was killed while it wrote it, or with somebody's version
            // under it. So it is never simply removed.
            trash::set_temp_aside(run, to, errand.path, temp)?;
            target.stage(temp).map_err(at_target)
        }
        other => other.map_err(at_target),
    }
}

/// The new file's mode: the source's where it has any; else that of the file it replaces, so that a mount's made-up bits
/// take no right away and give none.
fn mode_for(run: &Run<'_>, to: Side, source: u32, replaced: Option<&Found>) -> Option<u32> {
    const PLAIN: u32 = 0o644;
    if !run.traits[to].modes {
        return None;
    }
    if run.traits[to.other()].modes {
        return Some(source);
    }
    Some(replaced.filter(|old| old.entry.kind() == Kind::File).map_or(PLAIN, |old| old.entry.mode))
}

/// Moves the content through the buffer, holes as holes.
fn pump(
    run: &Run<'_>,
    to: Side,
    reader: &mut dyn Reader,
    writer: &mut dyn Writer,
    size: u64,
    copying: &mut Copying,
) -> Result<Digest, Failure> {
    let from = to.other();
    let Copying { buffer, digesting } = copying;
    digesting.reset();
    let sparse = reader.sparse();
    let mut place = 0;
    while place < size {
        let (start, end) = if sparse {
            reader.next_data(place).map_err(|error| Failure::At(from, error))?.unwrap_or((size, size))
        } else {
            (place, size)
        };
        let (start, end) = (start.clamp(place, size), end.clamp(place, size));
        if start > place {
            digest_zeros(digesting, start - place);
            writer.skip(start - place).map_err(|error| Failure::At(to, error))?;
            reader.seek(start).map_err(|error| Failure::At(from, error))?;
            place = start;
        }
        while place < end {
            if run.stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            let wanted = usize::try_from(end - place).unwrap_or(usize::MAX).min(buffer.len());
            let count = reader.read(&mut buffer[..wanted]).map_err(|error| Failure::At(from, error))?;
            if count == 0 {
                // Shorter than it was: the look after the copy says so.
                return Ok(digesting.finish());
            }
            writer.write_all(&buffer[..count]).map_err(|error| Failure::At(to, error))?;
            (run.copied)(to, count as u64);
            if place == 0 && count as u64 == size {
                // All of it at once, as most files are: no need to feed the digest piece by piece.
                return Ok(digest::of(&buffer[..count]));
            }
            digesting.update(&buffer[..count]);
            place += count as u64;
        }
    }
    Ok(digesting.finish())
}

fn digest_zeros(digesting: &mut Digesting, mut count: u64) {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    while count > 0 {
        let piece = count.min(ZEROS.len() as u64);
        digesting.update(&ZEROS[..usize::try_from(piece).unwrap_or(ZEROS.len())]);
        count -= piece;
    }
}
