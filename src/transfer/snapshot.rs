//! A database as the source of a copy: bytes that were one state, also while its program writes.
//!
//! Invariants. The user's database is read by one descriptor at a time, never through SQLite, and nothing is written
//! beside it. Bytes are believed where no transaction was under way between two looks that could not have missed a
//! write; a log where its header, and with it its salts, is the same before and after, so that what was copied is what
//! a power failure would have left: whole commits and a rest that SQLite's checksums drop. What was copied from under a
//! writer is checked before it is sent.

use super::copy::{Copying, Errand, Origin, Staged, fill};
use super::{Failure, Run};
use crate::disk::beside::{self, Beside, Log};
use crate::disk::local::{self, Scratch};
use crate::disk::{self, ErrorKind, Folder, Freshness, Reader, open_root};
use crate::model::database::{self, Ending, HEADER, whole};
use crate::model::entry::{Content, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::vouch::{Clock, same_version};
use crate::sqlite;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

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
    let mut filled = 0;
    while filled < HEADER {
        match reader.read(&mut header[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(header)
}

/// Copies a database into the errand's temporary file.
pub(crate) fn stage(run: &Run<'_>, errand: &Errand<'_>, copying: &mut Copying) -> Result<Staged, Failure> {
    let began = Instant::now();
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
        thread::sleep(PAUSE);
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

fn attempt(run: &Run<'_>, errand: &Errand<'_>, copying: &mut Copying) -> Result<Staged, Attempt> {
    let side = errand.to.other();
    let at_source = |error| Attempt::Failed(Failure::At(side, error));
    let mut reader = errand.source.read(errand.name).map_err(at_source)?;
    let view = view(run, errand, &mut *reader)?;
    reader.seek(0).map_err(at_source)?;
    let young = match run.clock_now(side) {
        Clock::Own(now) => view.stamp.mtime.0.saturating_add(YOUNG_NS) > now.0,
        Clock::DayAgo(_) => false,
    };
    if view.log.is_some() || (young && side == Side::Staging) {
        return send_copy(run, errand, reader, &view, copying);
    }
    let staged = fill(run, errand, &mut *reader, copying, None).map_err(|failure| match failure {
        Failure::Path(at, ProblemKind::Busy, _) if at == side => again(WRITTEN),
        other => Attempt::Failed(other),
    })?;
    let still = stood_still(run, errand, &mut *reader, &view);
    still.map(|()| staged).inspect_err(|_| drop(errand.target.remove_file(errand.temp)))
}

/// Looks until the database is in a state that can be copied.
fn view(run: &Run<'_>, errand: &Errand<'_>, reader: &mut dyn Reader) -> Result<View, Attempt> {
    let side = errand.to.other();
    let at_source = |error| Attempt::Failed(Failure::At(side, error));
    let header = header(reader).map_err(at_source)?;
    let node = reader.node().map_err(at_source)?;
    let Beside { log, hot, .. } = around(errand).map_err(at_source)?;
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
        stood_still(run, errand, reader, &view)?;
    }
    Ok(view)
}

fn around(errand: &Errand<'_>) -> disk::Result<Beside> {
    beside::beside(errand.source, errand.name, Freshness::Fresh)
}

/// Waits until any further write would show another time: one step of the root's own clock after the last. Where that
/// clock cannot be asked, or says that the time has yet to come, a whole step is waited.
fn rest(run: &Run<'_>, side: Side, reader: &dyn Reader, stamp: &Stamp) -> Result<(), Attempt> {
    let step = run.traits[side].clock_step_ns.max(run.traits[side].granularity_ns);
    let step = step.saturating_add(step / 4);
    let (Clock::Own(now) | Clock::DayAgo(now)) = run.clock_now(side);
    let missing = stamp.mtime.0.saturating_add(step).saturating_sub(now.0);
    if missing < 0 {
        return Ok(());
    }
    let wait = u64::try_from(missing.min(step)).unwrap_or(0);
    thread::sleep(Duration::from_nanos(wait + 1));
    let now = reader.node().map_err(|error| Attempt::Failed(Failure::At(side, error)))?.stamp;
    if same_version(stamp, &now, &run.traits[side]) { Ok(()) } else { Err(again(WRITTEN)) }
}

/// Is a database without a log as it was, with no transaction under way?
fn stood_still(run: &Run<'_>, errand: &Errand<'_>, reader: &mut dyn Reader, view: &View) -> Result<(), Attempt> {
    let side = errand.to.other();
    let at_source = |error| Attempt::Failed(Failure::At(side, error));
    let Beside { log, hot, .. } = around(errand).map_err(at_source)?;
    let counter = database::change_counter(&header(reader).map_err(at_source)?);
    let stamp = reader.node().map_err(at_source)?.stamp;
    match () {
        () if hot => Err(again(HOT)),
        () if log.is_some() => Err(again(WRITTEN)),
        () if counter != database::change_counter(&view.header) => Err(again(WRITTEN)),
        () if !same_version(&view.stamp, &stamp, &run.traits[side]) => Err(again(WRITTEN)),
        () => Ok(()),
    }
}

/// Copies the database, and its log, to a local disk; brings the log in, checks the whole and sends that.
fn send_copy(
    run: &Run<'_>,
    errand: &Errand<'_>,
    mut reader: Box<dyn Reader>,
    view: &View,
    copying: &mut Copying,
) -> Result<Staged, Attempt> {
    let side = errand.to.other();
    let total = view.stamp.size + view.log.map_or(0, |log| log.stamp.size);
    let here = |error: &dyn std::fmt::Display, full: bool| at_scratch(run, side, total, error, full);
    let at_scratch = |error: disk::Error| here(&error.source, error.kind == ErrorKind::Full);
    let scratch = Scratch::below(&run.scratch).map_err(at_scratch)?;
    let folder = open_root(scratch.path(), false).and_then(|root| root.folder(&RelPath::root())).map_err(at_scratch)?;
    let (own, own_log) = (name("db"), name("db-wal"));
    copying.digesting.reset();
    take(run, side, &mut *reader, &Into { folder: &*folder, name: &own, size: view.stamp.size }, copying, &at_scratch)?;
    match &view.log {
        Some(log) => {
            let of = database::beside(errand.name, Ending::Wal).ok_or_else(|| again(WRITTEN))?;
            let opened = errand.source.read(&of);
            let mut reader = opened.map_err(|error| unless_absent(side, error))?;
            let into = Into { folder: &*folder, name: &own_log, size: log.stamp.size };
            take(run, side, &mut *reader, &into, copying, &at_scratch)?;
            log_grew_alone(run, errand, log)?;
        }
        None => stood_still(run, errand, &mut *reader, view)?,
    }
    let digest = copying.digesting.finish();
    let after = reader.node().map_err(|error| Failure::At(side, error))?.stamp;
    if !same_version(&view.stamp, &after, &run.traits[side]) {
        return Err(again(WRITTEN));
    }
    drop(reader);
    check(&scratch, view.log.is_some(), here)?;
    let content = view.log.map(|_| Content::File { size: total, digest: Some(digest) });
    let stamp = view.log.map_or(view.stamp, |log| whole(&view.stamp, &log.stamp));
    let mut copy = folder.read(&own).map_err(at_scratch)?;
    Ok(fill(run, errand, &mut *copy, copying, Some(Origin { stamp, mode: view.mode, content }))?)
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a plain name")
}

/// The database's log went away: its program closed it.
fn unless_absent(side: Side, error: disk::Error) -> Attempt {
    if error.kind == ErrorKind::Absent { again(WRITTEN) } else { Attempt::Failed(Failure::At(side, error)) }
}

/// Where the private copy cannot be made, this path waits; the rest of the run needs no room there.
fn at_scratch(run: &Run<'_>, side: Side, total: u64, error: &dyn std::fmt::Display, full: bool) -> Attempt {
    let place = run.scratch.display();
    let (kind, message) = if full {
        let message = format!("no room in {place} for a copy of this database ({total} bytes); it was not sent, make room there");
        (ProblemKind::Full, message)
    } else {
        (ProblemKind::Io, format!("a copy of this database could not be made in {place}: {error}; it was not sent"))
    };
    Attempt::Failed(Failure::Path(side, kind, message))
}

/// A new file of the private folder.
struct Into<'a> {
    folder: &'a dyn Folder,
    name: &'a Name,
    size: u64,
}

/// Copies the first bytes of a file to the private folder and goes on with the digest.
fn take(
    run: &Run<'_>,
    side: Side,
    reader: &mut dyn Reader,
    into: &Into<'_>,
    copying: &mut Copying,
    at_scratch: &dyn Fn(disk::Error) -> Attempt,
) -> Result<(), Attempt> {
    let Copying { buffer, digesting } = copying;
    let mut writer = into.folder.stage(into.name).map_err(at_scratch)?;
    let mut rest = into.size;
    while rest > 0 {
        if run.stop.load(Ordering::Relaxed) {
            return Err(Attempt::Failed(Failure::Stopped));
        }
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let count = reader.read(&mut buffer[..wanted]).map_err(|error| Failure::At(side, error))?;
        if count == 0 {
            return Err(again(WRITTEN));
        }
        writer.write_all(&buffer[..count]).map_err(at_scratch)?;
        digesting.update(&buffer[..count]);
        rest -= count as u64;
    }
    writer.finish(reader.opened().mtime, None, false).map_err(at_scratch)?;
    Ok(())
}

/// The log is the one that was looked at, and was only added to: SQLite gives it other salts when it begins anew.
fn log_grew_alone(run: &Run<'_>, errand: &Errand<'_>, log: &Log) -> Result<(), Attempt> {
    let side = errand.to.other();
    let now = around(errand).map_err(|error| Failure::At(side, error))?.log;
    let same = now.is_some_and(|now| {
        let id = !run.traits[side].ids || now.stamp.id == log.stamp.id;
        id && now.first == log.first && now.stamp.size >= log.stamp.size
    });
    if same { Ok(()) } else { Err(again(WRITTEN)) }
}

/// Brings the log in and looks through the copy. A complaint may be a write that no stamp showed: worth another try.
fn check(scratch: &Scratch, log: bool, here: impl Fn(&dyn std::fmt::Display, bool) -> Attempt) -> Result<(), Attempt> {
    let log = if log { sqlite::Log::Beside } else { sqlite::Log::Nowhere };
    match sqlite::settle_copy(&scratch.path().join("db"), log) {
        Ok(None) => Ok(()),
        Ok(Some(complaint)) => {
            let message = format!(
                "is damaged, or was written to unseen while it was copied (SQLite says: {complaint}); it was not sent, and \
                 the copy on the network root stays as it was"
            );
            Err(Attempt::Again(ProblemKind::Unreadable, message))
        }
        Err(error) => Err(here(&error.source, error.kind == sqlite::ErrorKind::Full)),
    }
}

/// Removes what a killed run left of such copies. For the holder of the pair's lock: nobody else works there.
pub fn sweep(scratch: &std::path::Path) {
    if let Err(error) = local::sweep_scratch(scratch) {
        tracing::debug!(%error, "copies of databases stay");
    }
}
