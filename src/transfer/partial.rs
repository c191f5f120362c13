//! Copies of large files that were broken off go on where they were.
//!
//! Invariants. A record is a claim about the first bytes of a temporary file, written after they were (flushed on a remote
//! root, where they are not all read back). It is believed only after a proof: the source still shows the
//! recorded stamp, the temporary file is the recorded one and holds what the source holds. Anything odd, and the copy
//! starts anew. The record goes before the temporary file takes its name, because a name that was exchanged may hold
//! somebody's version afterwards: nothing but our own unfinished copy is ever written on.

use super::blocks::Older;
use super::copy::{Copying, Errand, mode_for};
use super::{Failure, Run, temp_name, trash};
use crate::disk::{self, ErrorKind, Reader, Writer, local};
use crate::model::digest::{self, Digest, Digesting};
use crate::model::entry::Stamp;
use crate::model::ignore::OWN_FOLDER;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::time::Time;
use crate::model::vouch::{racy, same_stamp};

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes between two records, and the size from which files are resumed: a broken run loses at most what takes seconds over
/// a slow network, and the record costs too little to be measured (docs/growing-files.md).
pub const STEP: u64 = 64 << 20;

/// How far a copy came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Where the temporary file is.
    pub side: Side,
    /// Its first bytes that are there for certain, and their digest.
    pub done: u64,
    pub digest: Digest,
    /// What the temporary file's handle said after them.
    pub temp: Stamp,
    /// What the source showed when it was opened first.
    pub source: Stamp,
}

const HEAD: &str = "driftless.partial/1";

impl Partial {
    fn text(&self) -> String {
        let Partial { side, done, digest, temp, source } = self;
        let mut text = format!("{HEAD} {side} {done} {digest:?}");
        for stamp in [temp, source] {
            let Stamp { size, mtime, ctime, id } = stamp;
            write!(text, " {size} {} {} {id}", mtime.0, ctime.0).expect("a string takes everything");
        }
        let check = digest::of(text.as_bytes());
        format!("{text} {check:?}\n")
    }

    fn parse(text: &str) -> Option<Partial> {
        let (line, check) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if format!("{:?}", digest::of(line.as_bytes())) != check {
            return None;
        }
        let mut words = line.strip_prefix(HEAD)?.strip_prefix(' ')?.split(' ');
        let word = words.next()?;
        let side = Side::BOTH.into_iter().find(|side| side.word() == word)?;
        let done = words.next()?.parse().ok()?;
        let hex = u128::from_str_radix(words.next()?, 16).ok()?;
        let mut stamp = || {
            let size = words.next()?.parse().ok()?;
            let [mtime, ctime] = [words.next()?, words.next()?].map(|word| word.parse().map(Time));
            Some(Stamp { size, mtime: mtime.ok()?, ctime: ctime.ok()?, id: words.next()?.parse().ok()? })
        };
        Some(Partial { side, done, digest: Digest(hex.to_be_bytes()), temp: stamp()?, source: stamp()? })
    }
}

/// All records in a folder with their age; a file that is none comes without one.
pub fn list(folder: &Path) -> Vec<(PathBuf, Option<(Name, Partial, Duration)>)> {
    let one = |(path, age): (PathBuf, Duration)| {
        let name = path.file_name().and_then(|name| Name::new(name.as_encoded_bytes()).ok());
        let partial = local::read_text(&path, 4096).ok().flatten().and_then(|text| Partial::parse(&text));
        let known = name.zip(partial).map(|(name, partial)| (name, partial, age));
        (path, known)
    };
    local::files(folder).unwrap_or_default().into_iter().map(one).collect()
}

/// The name under which `path` is copied from a source with this stamp by this machine and pair.
pub fn wanted(owner: u32, path: &RelPath, source: &Stamp) -> Option<Name> {
    (source.size > STEP).then(|| temp_name(owner, path, source))
}

fn file(run: &Run<'_>, temp: &Name) -> PathBuf {
    run.partials.join(String::from_utf8_lossy(temp.as_bytes()).as_ref())
}

/// A file that is being written, from `done` on.
pub(super) struct Begun {
    pub writer: Box<dyn Writer>,
    pub done: u64,
    /// What it is written over.
    pub older: Option<Older>,
}

/// Goes on with what an earlier run left, or makes a new temporary file. The digest holds the first `done` bytes then.
pub(super) fn begin(
    run: &Run<'_>,
    errand: &Errand<'_>,
    reader: &mut dyn Reader,
    copying: &mut Copying,
) -> Result<Begun, Failure> {
    let &Errand { to, temp, .. } = errand;
    if let Some(partial) = known(run, reader, temp) {
        if let Some(writer) = go_on(run, errand, reader, &partial, copying)? {
            tracing::debug!(path = %errand.path, done = partial.done, "goes on with a broken copy");
            (run.copied)(to, partial.done);
            return Ok(Begun { writer, done: partial.done, older: None });
        }
        forget(run, temp);
    }
    anew(run, errand, reader, copying)
}

/// Makes a new temporary file.
pub(super) fn anew(run: &Run<'_>, errand: &Errand<'_>, reader: &mut dyn Reader, copying: &mut Copying) -> Result<Begun, Failure> {
    let &Errand { to, target, temp, .. } = errand;
    copying.digesting.reset();
    reader.seek(0).map_err(|error| Failure::At(to.other(), error))?;
    let make = || match Older::open(run, errand)? {
        Some((older, writer)) => Ok((writer, Some(older))),
        None => match mode_for(run, to, errand.planned.entry.mode, errand.replaced) {
            Some(mode) => target.stage_for(temp, mode).map(|writer| (writer, None)),
            None => target.stage(temp).map(|writer| (writer, None)),
        },
    };
    let made = match make() {
        Err(error) if error.kind == ErrorKind::Exists => {
            // Our own name for this very version: an earlier run was killed while it wrote it, or with somebody's version
            // under it. So it is never simply removed.
            trash::set_temp_aside(run, to, errand.path, temp)?;
            make()
        }
        made => made,
    };
    let (writer, older) = made.map_err(|error| Failure::At(to, error))?;
    Ok(Begun { writer, done: 0, older })
}

fn known(run: &Run<'_>, reader: &dyn Reader, temp: &Name) -> Option<Partial> {
    if reader.opened().size <= STEP || reader.sparse() {
        return None;
    }
    let text = local::read_text(&file(run, temp), 4096).ok().flatten()?;
    Partial::parse(&text)
}

/// The temporary file, proven and open behind what it holds; `None` where anything is odd.
fn go_on(
    run: &Run<'_>,
    errand: &Errand<'_>,
    reader: &mut dyn Reader,
    partial: &Partial,
    copying: &mut Copying,
) -> Result<Option<Box<dyn Writer>>, Failure> {
    let &Errand { to, target, temp, .. } = errand;
    let (there, here) = (&run.traits[to], &run.traits[to.other()]);
    let same_source = partial.side == to && same_stamp(&partial.source, &reader.opened(), here);
    if !same_source || partial.done > partial.source.size || (there.remote && here.remote) {
        return Ok(None);
    }
    let Some(mut held) = odd(to, target.read(temp))? else { return Ok(None) };
    let stamp = held.opened();
    // Without ids to know it by, the name has to be one that nobody else's version can have got.
    let ours = if there.ids { stamp.id == partial.temp.id } else { !there.exchange };
    if !ours || stamp.size < partial.done || stamp.mtime < partial.temp.mtime {
        return Ok(None);
    }
    if !prove(run, to, reader, &mut *held, partial, copying)? {
        return Ok(None);
    }
    odd(to.other(), reader.seek(partial.done))?;
    // While `held` is open: its id is not given to another file.
    odd(to, target.resume(temp, stamp.id, partial.done))
}

/// Does the temporary file begin with what the source begins with? Of a remote root nothing is read that need not be:
///
/// - A remote source showed the very same stamp, which was old enough to vouch when it was recorded; its bytes are those
///   of the local temporary file.
/// - A remote temporary file was flushed before the record, has been ours alone, and was neither cut nor made older since.
///   The last bytes of each step are read back all the same: they are what a server that lost some would have lost.
fn prove(
    run: &Run<'_>,
    to: Side,
    source: &mut dyn Reader,
    held: &mut dyn Reader,
    partial: &Partial,
    copying: &mut Copying,
) -> Result<bool, Failure> {
    let (there, here) = (&run.traits[to], &run.traits[to.other()]);
    let Copying { buffer, digesting } = copying;
    let mut other = vec![0; buffer.len()];
    digesting.reset();
    let mut place = 0;
    while place < partial.done {
        if run.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        let step = (place / STEP + 1) * STEP;
        let wanted = (step.min(partial.done) - place).min(buffer.len() as u64);
        let (mine, theirs) = (&mut buffer[..fits(wanted)], &mut other[..fits(wanted)]);
        let read_back = !there.remote || place + wanted == step.min(partial.done);
        let whole = (here.remote || odd(to.other(), fill_from(source, place, mine))?.is_some_and(|whole| whole))
            && (!read_back || odd(to, fill_from(held, place, theirs))?.is_some_and(|whole| whole));
        if !whole || (!here.remote && read_back && mine != theirs) {
            return Ok(false);
        }
        digesting.update(if here.remote { theirs } else { mine });
        place += wanted;
    }
    Ok(digesting.finish() == partial.digest)
}

fn fits(count: u64) -> usize {
    usize::try_from(count).expect("no more than a buffer")
}

/// Fills the buffer from `place` on; `false` where the file ends before.
fn fill_from(reader: &mut dyn Reader, place: u64, buffer: &mut [u8]) -> disk::Result<bool> {
    reader.seek(place)?;
    Ok(reader.fill(buffer)? == buffer.len())
}

/// Only a root that went away is told; what else goes wrong means to start anew.
fn odd<T>(side: Side, result: disk::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::Gone => Err(Failure::At(side, error)),
        Err(error) => {
            tracing::debug!(%side, %error, "a broken copy starts anew");
            Ok(None)
        }
    }
}

/// Writes records while a copy goes on.
pub(super) struct Saving<'a> {
    run: &'a Run<'a>,
    to: Side,
    temp: &'a Name,
    source: Stamp,
    /// There is a record.
    pub saved: bool,
}

impl<'a> Saving<'a> {
    /// `None` where the copy is not worth it, or could not be proven later.
    pub fn of(run: &'a Run<'a>, errand: &Errand<'a>, reader: &dyn Reader, done: u64) -> Option<Saving<'a>> {
        let &Errand { to, temp, .. } = errand;
        let (side, source) = (to.other(), reader.opened());
        let (there, here) = (&run.traits[to], &run.traits[side]);
        // A remote source is not read twice, so its stamp alone has to vouch for what was read.
        let vouches = !here.remote || !racy(&source, here, run.clocks[side]);
        let provable = (there.ids || !there.exchange) && !(here.remote && there.remote);
        // The copy of a conflict gets a new name each time: none is ever gone on with.
        let anew = errand.path.names().next() == Some(OWN_FOLDER);
        let worth = source.size > STEP && !anew && !reader.sparse() && vouches && provable;
        worth.then_some(Saving { run, to, temp, source, saved: done > 0 })
    }

    pub fn next(place: u64) -> u64 {
        (place / STEP + 1) * STEP
    }

    /// Records that everything before `place` is written.
    pub fn reached(&mut self, place: u64, digesting: &Digesting, writer: &mut dyn Writer) -> Result<(), Failure> {
        let Saving { run, to, temp, source, .. } = *self;
        if !place.is_multiple_of(STEP) || place >= source.size {
            return Ok(());
        }
        // What lies on a local disk is read again before it is believed, so that a power cut costs no more than a proof.
        let node = writer.pause(run.traits[to].remote).map_err(|error| Failure::At(to, error))?;
        let partial = Partial { side: to, done: place, digest: digesting.finish(), temp: node.stamp, source };
        let made = local::make_private_folder(&run.partials).and_then(|()| local::write_text(&file(run, temp), &partial.text()));
        match made {
            Ok(()) => self.saved = true,
            // The copy itself is none the worse.
            Err(error) => tracing::debug!(%error, "a copy cannot be resumed from here"),
        }
        Ok(())
    }
}

/// After a failure: what a later run can go on with stays, anything else goes.
pub(super) fn leave(run: &Run<'_>, errand: &Errand<'_>, saved: bool, failure: Failure) -> Failure {
    let broken_off = match &failure {
        Failure::Stopped => true,
        Failure::At(_, error) => error.kind == ErrorKind::Gone,
        _ => false,
    };
    if saved && broken_off {
        return failure;
    }
    if saved {
        forget(run, errand.temp);
    }
    // What is left behind is a temporary name that the next run clears.
    let _ = errand.target.remove_file(errand.temp);
    failure
}

/// The temporary file is complete, or good for nothing.
pub(super) fn forget(run: &Run<'_>, temp: &Name) {
    if let Err(error) = local::remove_for_good(&file(run, temp), run.flush)
        && error.kind != ErrorKind::Absent
    {
        tracing::debug!(%error, "a record of a copy stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::hostile_text;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_not_otherwise() {
        let stamp = |n: i64| Stamp { size: 7, mtime: Time(-n), ctime: Time(n), id: u64::MAX };
        let partial = Partial { side: Side::Network, done: STEP, digest: digest::of(b"x"), temp: stamp(1), source: stamp(2) };
        let text = partial.text();
        assert_eq!(Partial::parse(&text).as_ref(), Some(&partial));
        for at in 0..text.len() {
            let mut broken = text.clone().into_bytes();
            broken[at] ^= 1;
            assert_eq!(Partial::parse(&String::from_utf8_lossy(&broken)), None, "byte {at}");
            assert_eq!(Partial::parse(&text[..at]), None, "cut at {at}");
        }
    }

    proptest! {
        /// A record is believed for what it says only where that reads back; with a right check at its end, too.
        #[test]
        fn any_text_is_a_record_or_none(
            text in hostile_text(&[
                "driftless.partial/1 network 67108864 00112233445566778899aabbccddeeff 7 -1 1 18 7 -2 2 18",
                "driftless.partial/1 staging 0 0 0 0 0 0 0 0 0 0",
            ]),
        ) {
            let checked = format!("{text} {:?}\n", digest::of(text.as_bytes()));
            for text in [text, checked] {
                if let Some(partial) = Partial::parse(&text) {
                    prop_assert_eq!(Partial::parse(&partial.text()), Some(partial));
                }
            }
        }
    }
}
