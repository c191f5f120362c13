//! A database as the source of a copy: bytes that were one state, also while its program writes.
//!
//! Invariants. The user's database is read by one descriptor at a time, never through SQLite, and nothing is written
//! beside it. Bytes are believed where no transaction was under way between two looks that could not have missed a
//! write; a log where its header, and with it its salts, is the same before and after, so that what was copied is what
//! a power failure would have left: whole commits and a rest that SQLite's checksums drop. What was copied from under a
//! writer is checked before it is sent.

use super::copy::{Bytes, Copying, Errand, Origin, Staged, expect_as_planned, fill};
use super::{Failure, Run};
use crate::disk::beside::{self, Beside, Log};
use crate::disk::clock::{Moment, pause};
use crate::disk::local::{self, Scratch};
use crate::disk::{self, ErrorKind, Folder, Freshness, Reader, Writer, open_root};
use crate::model::database::{self, Ending, HEADER, whole};
use crate::model::digest::Digest;
use crate::model::entry::{Content, Sent, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::ignore::OWN_FOLDER;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::traits::Traits;
use crate::model::vouch::{Clock, same_version};
use crate::sqlite;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a moment between two writes is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(3);
/// A database that was written to more recently is copied to a local disk first, which takes less time than the way to
/// the network root.
const YOUNG_NS: i64 = 2_000_000_000;

/// Why an attempt came to nothing.
enum Attempt {
    /// Its program was at it: worth trying again.
    Again(ProblemKind, String),
    Failed(Failure),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Attempt {
        Attempt::Failed(failure)
    }
}

/// Is the file that was just opened a database? Reads its first bytes and goes back to the beginning.
pub(crate) fn is_database(reader: &mut dyn Reader) -> disk::Result<bool> {
    if !database::may_be_database(reader.opened().size) {
        return Ok(false);
    }
    let header = header(reader)?;
    reader.seek(0)?;
    Ok(database::is_database(&header))
}

fn header(reader: &mut dyn Reader) -> disk::Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    reader.seek(0)?;
    reader.fill(&mut header)?;
    Ok(header)
}

/// Copies a database into the errand's temporary file.
pub(crate) fn stage(run: &Run<'_>, errand: &Errand<'_>, copying: &mut Copying) -> Result<Staged, Failure> {
    let began = Moment::now();
    loop {
        let (kind, message) = match attempt(run, errand, copying) {
            Ok(staged) => return Ok(Staged { database: true, ..staged }),
            Err(Attempt::Failed(failure)) => return Err(failure),
            Err(Attempt::Again(kind, message)) => (kind, message),
        };
        if began.elapsed() >= PATIENCE {
            return Err(Failure::Path(errand.to.other(), kind, message));
        }
        if run.stop.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        pause(PAUSE);
    }
}

fn again(message: &str) -> Attempt {
    Attempt::Again(ProblemKind::Busy, message.to_owned())
}

const WRITTEN: &str = "its program writes to this database without a pause; the next run tries again";
const HOT: &str = "a transaction with this database is under way, or was cut off; the next run tries again (opening it once \
                   with its program ends one that was cut off)";
const OPEN: &str = "a program has this database open on the network root; it is synchronised once that has closed it";

/// What one attempt goes by: looked at before the first byte is read.
struct View {
    /// Of the database's file alone.
    stamp: Stamp,
    mode: u32,
    header: [u8; HEADER],
    log: Option<Log>,
}

impl View {
    fn whole(&self) -> Stamp {
        self.log.map_or(self.stamp, |log| whole(&self.stamp, &log.stamp))
    }
}

fn attempt(run: &Run<'_>, errand: &Errand<'_>, copying: &mut Copying) -> Result<Staged, Attempt> {
    let side = errand.to.other();
    let at_source = |error| Attempt::Failed(Failure::At(side, error));
    let mut reader = errand.source.read(errand.name).map_err(at_source)?;
    let view = view(run, errand, &mut *reader)?;
    // The copy of a held conflict is no part of its folder.
    if !errand.path.is_within(&RelPath::root().join(OWN_FOLDER)) {
        expect_as_planned(run, errand, &view.whole())?;
    }
    reader.seek(0).map_err(at_source)?;
    let young = match run.clock_now(side) {
        Clock::Own(now) => view.stamp.mtime.0.saturating_add(YOUNG_NS) > now.0,
        Clock::DayAgo(_) => false,
    };
    if view.log.is_some() || (young && side == Side::Staging) {
        return send_copy(run, errand, reader, &view, copying);
    }
    let staged = fill(run, errand, &mut *reader, copying, Bytes::Database).map_err(|failure| match failure {
        Failure::Torn(at, _) if at == side => again(WRITTEN),
        other => Attempt::Failed(other),
    })?;
    let still = stood_still(&Source::of(run, errand), &mut *reader, &view);
    still.map(|()| staged).inspect_err(|_| drop(errand.target.remove_file(errand.temp)))
}

/// Looks until the database is in a state that can be copied.
fn view(run: &Run<'_>, errand: &Errand<'_>, reader: &mut dyn Reader) -> Result<View, Attempt> {
    let side = errand.to.other();
    let at_source = |error| Attempt::Failed(Failure::At(side, error));
    let header = header(reader).map_err(at_source)?;
    let node = reader.node().map_err(at_source)?;
    let source = Source::of(run, errand);
    let Beside { log, hot, .. } = source.around()?;
    match (side, hot, log) {
        (Side::Network, true, _) | (Side::Network, _, Some(_)) => {
            return Err(Attempt::Failed(Failure::Path(side, ProblemKind::Busy, OPEN.to_owned())));
        }
        (Side::Staging, true, _) => return Err(again(HOT)),
        (Side::Staging, false, Some(_)) => {}
        (_, false, None) => rest(run, side, reader, &node.stamp)?,
    }
    let view = View { stamp: node.stamp, mode: node.mode, header, log };
    if log.is_none() {
        // Only now could no write hide behind the stamp: the looks that count come after the rest.
        stood_still(&source, reader, &view)?;
    }
    Ok(view)
}

/// Waits until any further write would show another time: one step of the root's own clock after the last. Where that
/// clock cannot be asked, or says that the time has yet to come, a whole step is waited.
fn rest(run: &Run<'_>, side: Side, reader: &dyn Reader, stamp: &Stamp) -> Result<(), Attempt> {
    let step = run.traits[side].clock_step_ns.max(run.traits[side].granularity_ns);
    let step = step.saturating_add(step / 4);
    let now = run.clock_now(side).earliest();
    let missing = stamp.mtime.0.saturating_add(step).saturating_sub(now.0);
    if missing < 0 {
        return Ok(());
    }
    let wait = u64::try_from(missing.min(step)).unwrap_or(0);
    pause(Duration::from_nanos(wait + 1));
    let now = reader.node().map_err(|error| Attempt::Failed(Failure::At(side, error)))?.stamp;
    if same_version(stamp, &now, &run.traits[side]) { Ok(()) } else { Err(again(WRITTEN)) }
}

/// Is a database without a log as it was, with no transaction under way?
fn stood_still(source: &Source<'_>, reader: &mut dyn Reader, view: &View) -> Result<(), Attempt> {
    let at_source = |error| Attempt::Failed(Failure::At(source.side, error));
    let Beside { log, hot, .. } = source.around()?;
    let counter = database::change_counter(&header(reader).map_err(at_source)?);
    let stamp = reader.node().map_err(at_source)?.stamp;
    match () {
        () if hot => Err(again(HOT)),
        () if log.is_some() => Err(again(WRITTEN)),
        () if counter != database::change_counter(&view.header) => Err(again(WRITTEN)),
        () if !same_version(&view.stamp, &stamp, source.traits) => Err(again(WRITTEN)),
        () => Ok(()),
    }
}

/// Sends a private copy of the database.
fn send_copy(
    run: &Run<'_>,
    errand: &Errand<'_>,
    reader: Box<dyn Reader>,
    view: &View,
    copying: &mut Copying,
) -> Result<Staged, Attempt> {
    let source = Source::of(run, errand);
    let taken = take_copy(&source, reader, view, copying)?;
    let mut copy = taken.folder.read(&name(COPY)).map_err(|error| source.at_scratch(&error, view))?;
    let origin = Origin { stamp: view.whole(), mode: view.mode, content: taken.content };
    Ok(fill(run, errand, &mut *copy, copying, Bytes::Copy(origin))?)
}

/// A database of the user, and where private copies of it may lie.
pub struct Source<'a> {
    pub folder: &'a dyn Folder,
    pub name: &'a Name,
    pub side: Side,
    pub traits: &'a Traits,
    /// Made where it is needed.
    pub scratch: &'a Path,
    pub stop: &'a AtomicBool,
}

/// What the network root would be given of a database with something in its log: the digest of both files in staging, and
/// what they come to. `None` where it does not show `expected`, or cannot be told.
pub fn would_send(source: &Source<'_>, expected: &Stamp) -> Option<(Digest, Sent)> {
    let mut reader = source.folder.read(source.name).ok()?;
    let header = header(&mut *reader).ok()?;
    let node = reader.node().ok()?;
    let log = beside::beside(source.folder, source.name, Freshness::Fresh).ok()?.log?;
    let view = View { stamp: node.stamp, mode: node.mode, header, log: Some(log) };
    if !same_version(&view.whole(), expected, source.traits) {
        return None;
    }
    reader.seek(0).ok()?;
    let mut copying = Copying::default();
    let taken = take_copy(source, reader, &view, &mut copying).ok()?;
    let digest = taken.content.and_then(|content| content.digest())?;
    let mut copy = taken.folder.read(&name(COPY)).ok()?;
    copying.digesting.reset();
    let mut size = 0;
    loop {
        match copy.read(&mut copying.buffer).ok()? {
            0 => return Some((digest, Sent { size, digest: copying.digesting.finish() })),
            count => {
                copying.digesting.update(&copying.buffer[..count]);
                size += count as u64;
            }
        }
    }
}

/// A private copy: one file, sound, its log brought in.
struct Taken {
    folder: Box<dyn Folder>,
    /// Of database and log, where there is one.
    content: Option<Content>,
    _scratch: Scratch,
}

/// How much of a file is copied.
struct Part {
    /// Bytes that its stamp speaks of.
    size: u64,
    /// And what was added since.
    beyond: bool,
}

const COPY: &str = "db";
const COPY_LOG: &str = "db-wal";

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a plain name")
}

/// Copies the database, and its log, to a local disk; brings the log in and checks the whole.
fn take_copy(source: &Source<'_>, mut reader: Box<dyn Reader>, view: &View, copying: &mut Copying) -> Result<Taken, Attempt> {
    let side = source.side;
    let at_scratch = |error: disk::Error| source.at_scratch(&error, view);
    let scratch = Scratch::below(source.scratch).map_err(at_scratch)?;
    let folder = open_root(scratch.path(), false).and_then(|root| root.folder(&RelPath::root())).map_err(at_scratch)?;
    copying.digesting.reset();
    let into = |text: &str| folder.stage(&name(text)).map_err(at_scratch);
    source.take(&mut *reader, into(COPY)?, Part { size: view.stamp.size, beyond: false }, view, copying)?;
    match &view.log {
        Some(log) => {
            let of = database::beside(source.name, Ending::Wal).ok_or_else(|| again(WRITTEN))?;
            let mut reader = source.folder.read(&of).map_err(|error| unless_absent(side, error))?;
            // All of it, as it is now: what came into the database while that was copied was in the log before, and the
            // clock may be too coarse for its stamp to tell.
            source.take(&mut *reader, into(COPY_LOG)?, Part { size: log.stamp.size, beyond: true }, view, copying)?;
            log_grew_alone(source, log)?;
        }
        None => stood_still(source, &mut *reader, view)?,
    }
    let after = reader.node().map_err(|error| Failure::At(side, error))?.stamp;
    if !same_version(&view.stamp, &after, source.traits) {
        return Err(again(WRITTEN));
    }
    drop(reader);
    source.check(&scratch, view)?;
    let digest = Some(copying.digesting.finish());
    let content = view.log.map(|_| Content::File { size: view.whole().size, digest });
    Ok(Taken { folder, content, _scratch: scratch })
}

/// The database's log went away: its program closed it.
fn unless_absent(side: Side, error: disk::Error) -> Attempt {
    if error.kind == ErrorKind::Absent { again(WRITTEN) } else { Attempt::Failed(Failure::At(side, error)) }
}

/// The log is the one that was looked at, and was only added to: SQLite gives it other salts when it begins anew.
fn log_grew_alone(source: &Source<'_>, log: &Log) -> Result<(), Attempt> {
    let now = source.around()?.log;
    let same = now.is_some_and(|now| {
        let id = !source.traits.ids || now.stamp.id == log.stamp.id;
        id && now.first == log.first && now.stamp.size >= log.stamp.size
    });
    if same { Ok(()) } else { Err(again(WRITTEN)) }
}

impl<'a> Source<'a> {
    fn of(run: &'a Run<'_>, errand: &'a Errand<'_>) -> Source<'a> {
        let side = errand.to.other();
        let (traits, scratch, stop) = (&run.traits[side], run.scratch.as_path(), run.stop);
        Source { folder: errand.source, name: errand.name, side, traits, scratch, stop }
    }

    fn around(&self) -> Result<Beside, Attempt> {
        let found = beside::beside(self.folder, self.name, Freshness::Fresh);
        found.map_err(|error| Attempt::Failed(Failure::At(self.side, error)))
    }

    /// Copies a file to the private folder and goes on with the digest, which is over what the stamp speaks of.
    fn take(
        &self,
        reader: &mut dyn Reader,
        mut into: Box<dyn Writer>,
        part: Part,
        view: &View,
        copying: &mut Copying,
    ) -> Result<(), Attempt> {
        let Copying { buffer, digesting } = copying;
        let at_scratch = |error: disk::Error| self.at_scratch(&error, view);
        let mut rest = part.size;
        while rest > 0 || part.beyond {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Attempt::Failed(Failure::Stopped));
            }
            let most = if rest > 0 { usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len()) } else { buffer.len() };
            let count = reader.read(&mut buffer[..most]).map_err(|error| Failure::At(self.side, error))?;
            match (count, rest) {
                (0, 0) => break,
                (0, _) => return Err(again(WRITTEN)),
                _ => {}
            }
            into.write_all(&buffer[..count]).map_err(at_scratch)?;
            if rest > 0 {
                digesting.update(&buffer[..count]);
                rest -= count as u64;
            }
        }
        into.finish(reader.opened().mtime, None, false).map_err(at_scratch)?;
        Ok(())
    }

    /// Brings the log in and looks through the copy. A complaint may be a write that no stamp showed: worth another try.
    fn check(&self, scratch: &Scratch, view: &View) -> Result<(), Attempt> {
        let log = if view.log.is_some() { sqlite::Log::Beside } else { sqlite::Log::Nowhere };
        match sqlite::settle_copy(&scratch.path().join(COPY), log) {
            Ok(None) => Ok(()),
            Ok(Some(complaint)) => {
                let message = format!(
                    "is damaged, or was written to unseen while it was copied (SQLite says: {complaint}); it was not sent, \
                     and the copy on the network root stays as it was"
                );
                Err(Attempt::Again(ProblemKind::Unreadable, message))
            }
            Err(error) => Err(self.no_copy(&error.source, error.kind == sqlite::ErrorKind::Full, view)),
        }
    }

    fn at_scratch(&self, error: &disk::Error, view: &View) -> Attempt {
        self.no_copy(&error.source, error.kind == ErrorKind::Full, view)
    }

    /// Where the private copy cannot be made, this path waits; the rest of the run needs no room there.
    fn no_copy(&self, error: &dyn std::fmt::Display, full: bool, view: &View) -> Attempt {
        let (place, size) = (self.scratch.display(), view.whole().size);
        let (kind, message) = if full {
            let message = format!("no room in {place} for a copy of this database ({size} bytes); it was not sent: make room");
            (ProblemKind::Full, message)
        } else {
            (ProblemKind::Io, format!("a copy of this database could not be made in {place}: {error}; it was not sent"))
        };
        Attempt::Failed(Failure::Path(self.side, kind, message))
    }
}

/// Removes what a killed run left of such copies. For the holder of the pair's lock: nobody else works there.
pub fn sweep(scratch: &Path) {
    if let Err(error) = local::sweep_scratch(scratch) {
        tracing::debug!(%error, "copies of databases stay");
    }
}
