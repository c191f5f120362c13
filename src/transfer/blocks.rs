//! What a large file consists of, block by block: of a later version only the blocks that changed are written.
//!
//! Invariants. A list of blocks belongs to a content, whatever path has it, and is read only under that content's digest. It is
//! a hint: one that is lost or broken costs a whole copy. What is kept of an older file is believed by that file's stamp,
//! as everywhere, so it is only asked where the stamp could not hide a change.

use super::copy::Errand;
use super::in_place::Patch;
use super::{Failure, Run};
use crate::disk::{self, ErrorKind, local};
use crate::model::digest::{self, Digest, Digesting};
use crate::model::entry::{Kind, Stamp};
use crate::model::vouch::{racy, same_stamp};

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of one block: each file system's own are a part of it, so that ranges can be shared; small beside what a database
/// changes at once, and 32 digits to remember. Tests' files are small.
const BLOCK: usize = if cfg!(test) { 4 } else { 64 << 10 };
/// Smaller files are written whole: that is as fast, and nothing is to be remembered.
const LEAST: u64 = if cfg!(test) { 8 } else { 16 << 20 };
/// A list that nobody asked for in so long is of a file that is gone or rests.
const AGE: Duration = Duration::from_secs(180 * 86_400);

const HEAD: &str = "driftless.blocks/1";
/// Digits of one digest.
const DIGITS: usize = 32;
/// Bytes of a list: that of a file of a terabyte.
const LIMIT: u64 = 1 << 29;

/// The digests of a content's blocks; the last one may be short.
#[derive(Debug, Default, PartialEq, Eq)]
struct Blocks(Vec<Digest>);

impl Blocks {
    fn text(&self, whole: Digest) -> String {
        let mut text = format!("{HEAD} {whole:?} ");
        self.0.iter().for_each(|block| write!(text, "{block:?}").expect("a string takes everything"));
        let check = digest::of(text.as_bytes());
        format!("{text} {check:?}\n")
    }

    fn parse(text: &str, whole: Digest) -> Option<Blocks> {
        let (line, check) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if format!("{:?}", digest::of(line.as_bytes())) != check {
            return None;
        }
        let listed = line.strip_prefix(HEAD)?.strip_prefix(&format!(" {whole:?} "))?;
        let (blocks, []) = listed.as_bytes().as_chunks::<DIGITS>() else { return None };
        let one = |digits: &[u8; DIGITS]| u128::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
        blocks.iter().map(|digits| Some(Digest(one(digits)?.to_be_bytes()))).collect::<Option<_>>().map(Blocks)
    }
}

fn file(folder: &Path, whole: Digest) -> PathBuf {
    folder.join(format!("{whole:?}"))
}

/// Lists that are old go.
pub fn sweep(folder: &Path) {
    for (path, age) in local::files(folder).unwrap_or_default() {
        if age > AGE
            && let Err(error) = local::remove_file(&path)
        {
            tracing::debug!(%error, "a list of blocks stays");
        }
    }
}

/// Lists the blocks of what goes by.
#[derive(Default)]
pub(super) struct Listing {
    blocks: Blocks,
    digesting: Digesting,
    filled: usize,
}

impl Listing {
    /// `None` where the file is too small.
    pub fn of(size: u64) -> Option<Listing> {
        (size >= LEAST).then(Listing::default)
    }

    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.digesting.update(now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.blocks.0.push(self.digesting.finish());
        self.digesting.reset();
        self.filled = 0;
    }

    /// Remembers the list under the content's digest, in the place of the one before.
    pub fn keep(mut self, run: &Run<'_>, whole: Digest, before: Option<Digest>) {
        if self.filled > 0 {
            self.end_block();
        }
        let path = file(&run.blocks, whole);
        let written = local::make_private_folder(&run.blocks).and_then(|()| local::write_text(&path, &self.blocks.text(whole)));
        if let Err(error) = written {
            tracing::debug!(%error, "the next version is written whole");
        }
        if let Some(before) = before.filter(|before| *before != whole) {
            forget(run, before);
        }
    }
}

fn forget(run: &Run<'_>, whole: Digest) {
    if let Err(error) = local::remove_file(&file(&run.blocks, whole))
        && error.kind != ErrorKind::Absent
    {
        tracing::debug!(%error, "a list of blocks stays");
    }
}

/// An older version at the target, of which blocks can be kept.
pub(super) struct Older {
    blocks: Blocks,
    whole: Digest,
    size: u64,
    /// Bytes before the writer's place that are to be kept, and are not yet.
    pending: u64,
    /// Bytes that were kept.
    pub kept: u64,
    /// The file itself is written into, with this.
    patch: Option<Patch>,
}

impl Older {
    /// Opens the new file over what stands there; `None` where all of it is to be written.
    pub fn open(run: &Run<'_>, errand: &Errand<'_>) -> disk::Result<Option<(Older, Box<dyn disk::Writer>)>> {
        // What was half written is none of the versions that are known.
        let Some((older, stamp)) = known(run, errand).filter(|_| !run.half.contains(errand.path)) else { return Ok(None) };
        let &Errand { to, target, name, temp, .. } = errand;
        match target.stage_over(name, temp) {
            Ok((writer, now)) if same_stamp(&now, stamp, &run.traits[to]) => Ok(Some((older, writer))),
            Ok((writer, _)) => {
                // What it shows now is looked at when the new file takes its place.
                drop(writer);
                target.remove_file(temp).map(|()| None)
            }
            Err(error) if matches!(error.kind, ErrorKind::Gone | ErrorKind::Exists) => Err(error),
            Err(error) if errand.in_place && error.kind == ErrorKind::Unsupported => match patch(run, errand, stamp) {
                Ok(patch) => Ok(patch.map(|(patch, writer)| (Older { patch: Some(patch), ..older }, writer))),
                Err(error) if error.kind == ErrorKind::Gone => Err(error),
                Err(error) => {
                    tracing::debug!(path = %errand.path, %error, "it is written whole");
                    Ok(None)
                }
            },
            Err(error) => {
                tracing::debug!(path = %errand.path, %error, "it is written whole");
                Ok(None)
            }
        }
    }

    /// Holes are no cheaper than zeros where the file itself is written into.
    pub fn knows_holes(&self) -> bool {
        self.patch.is_none()
    }

    /// What changed, where the file itself is to be written into.
    pub fn into_patch(self) -> Option<Patch> {
        self.patch
    }

    /// The place behind `place` at which a block of the older file ends.
    pub fn next(&self, place: u64) -> u64 {
        let end = (place / BLOCK as u64 + 1) * BLOCK as u64;
        if place < self.size { end.min(self.size) } else { end }
    }

    /// Writes `bytes` at `place`, or keeps what stands there: those of a whole block that are the same.
    pub fn put(&mut self, writer: &mut dyn disk::Writer, place: u64, bytes: &[u8]) -> disk::Result<()> {
        let block = usize::try_from(place / BLOCK as u64).ok().and_then(|at| self.blocks.0.get(at));
        let is_whole = place.is_multiple_of(BLOCK as u64) && place + bytes.len() as u64 == self.next(place);
        if is_whole && block == Some(&digest::of(bytes)) {
            self.pending += bytes.len() as u64;
            return Ok(());
        }
        self.settle(writer)?;
        if let Some(patch) = &mut self.patch {
            patch.add(place, bytes.len() as u64);
        }
        writer.write_all(bytes)
    }

    /// What is to be kept is kept.
    pub fn settle(&mut self, writer: &mut dyn disk::Writer) -> disk::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.kept += pending;
        if pending == 0 { Ok(()) } else { writer.keep(pending) }
    }

    /// Where the target refused something the next run writes all of it.
    pub fn give_up(&self, run: &Run<'_>, failure: &Failure) {
        if matches!(failure, Failure::At(_, error) if !matches!(error.kind, ErrorKind::Gone | ErrorKind::Full)) {
            forget(run, self.whole);
        }
    }
}

/// What changes of a file is put aside, where the file may be written into and is still the one that is known.
fn patch(run: &Run<'_>, errand: &Errand<'_>, stamp: &Stamp) -> disk::Result<Option<(Patch, Box<dyn disk::Writer>)>> {
    let (_, now) = errand.target.write_into(errand.name)?;
    if same_stamp(&now, stamp, &run.traits[errand.to]) { Patch::new(run).map(Some) } else { Ok(None) }
}

/// What is known of the file that stands at the target, where its stamp vouches for it.
fn known<'a>(run: &Run<'_>, errand: &Errand<'a>) -> Option<(Older, &'a Stamp)> {
    let old = errand.replaced.filter(|old| old.entry.kind() == Kind::File && old.entry.size() >= LEAST)?;
    let (to, whole) = (errand.to, old.entry.digest()?);
    if racy(&old.stamp, &run.traits[to], run.clocks[to]) {
        return None;
    }
    let blocks = Blocks::parse(&local::read_text(&file(&run.blocks, whole), LIMIT).ok()??, whole)?;
    let count = old.stamp.size.div_ceil(BLOCK as u64);
    (blocks.0.len() as u64 == count)
        .then_some((Older { blocks, whole, size: old.stamp.size, pending: 0, kept: 0, patch: None }, &old.stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_and_not_otherwise() {
        let whole = digest::of(b"whole");
        let blocks = Blocks([&b"a"[..], b"b"].map(digest::of).to_vec());
        let text = blocks.text(whole);
        assert_eq!(Blocks::parse(&text, whole), Some(blocks));
        assert_eq!(Blocks::parse(&text, digest::of(b"another")), None);
        for at in 0..text.len() {
            let mut broken = text.clone().into_bytes();
            broken[at] ^= 1;
            assert_eq!(Blocks::parse(&String::from_utf8_lossy(&broken), whole), None, "byte {at}");
            assert_eq!(Blocks::parse(&text[..at], whole), None, "cut at {at}");
        }
    }
}
