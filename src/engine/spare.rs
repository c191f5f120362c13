//! A staged copy that is to go: is anything in it alone, does anybody work in it, and its removal.

use super::error::Error;
use super::open::{Duty, Post, take_post};
use super::report::{Counts, Outcome, Report};
use super::request::{Options, Pair, Request};
use super::sync::sync;
use super::unsent::is_all_sent;
use crate::disk::users::{User, users_below};
use crate::disk::{ErrorKind, local};
use crate::manifest::Reader;
use crate::model::side::{Direction, PerSide, Side};
use crate::roots::{mounts, own};

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A staged copy that nobody else works on while this lives, and of which everything that is synchronised is on the network.
pub struct Spare {
    pub alone: Alone,
    posts: Posts,
}

/// That of a command, of a watch process and of each run.
type Posts = [Post; 3];

/// Windows moves no folder in which anything is open, our locks neither.
const MOVES_OPEN: bool = cfg!(unix);

/// What is in a copy and in no other place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone {
    /// Files that patterns leave out.
    pub ignored: u64,
    /// Displaced and deleted versions in its trash.
    pub trashed: u64,
}

/// What was found where a copy was to go.
pub enum Found {
    Spare(Box<Spare>),
    /// It stays.
    Stays(Stays),
    /// Its folder is not there: a removal that was cut off got so far where `begun`.
    Gone {
        begun: bool,
    },
}

/// Why a staged copy stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It is the last place of something: a sentence.
    Needed(String),
    /// Something is mounted in it.
    Mount(PathBuf),
    /// A process works in it.
    Used(User),
    /// Somebody has something in it open. Only where the system moves no such folder.
    Open,
}

/// Looks whether a staged copy may go. Keeps runs, watch processes and commands out while the answer lives.
///
/// # Errors
/// [`Error::Busy`] where somebody works with it; that a root is out of reach; what else stands in the way of a look.
pub fn look(pair: &Pair, options: &Options, wait: Duration, stop: &AtomicBool) -> Result<Found, Error> {
    let at = Error::disk_at(Side::Staging);
    if !local::is_taken(&pair.staging) {
        let looked_at = beside(pair, LOOKED_AT);
        if !local::is_taken(&looked_at) {
            return Ok(Found::Gone { begun: local::is_taken(&beside(pair, GOING)) });
        }
        // Cut off before anything of it was removed.
        local::rename(&looked_at, &pair.staging).map_err(&at)?;
    }
    let posts = take_posts(pair, options, stop)?;
    if let Some(stays) = in_use(pair)? {
        return Ok(Found::Stays(stays));
    }
    let request = Request { dry_run: true, wait, ..Request::plain(Direction::Both) };
    let report = sync(pair, &request, options, &|_| {}, stop)?;
    if let Some(sentence) = what_is_not_in_step(&report) {
        return Ok(Found::Stays(Stays::Needed(sentence)));
    }
    Ok(Found::Spare(Box::new(Spare { alone: alone(pair)?, posts })))
}

fn take_posts(pair: &Pair, options: &Options, stop: &AtomicBool) -> Result<Posts, Error> {
    let take = |duty| take_post(pair, options, duty, Duration::ZERO, &|_| {}, stop);
    Ok([take(Duty::Run)?, take(Duty::Watch)?, take(Duty::Sync)?])
}

fn in_use(pair: &Pair) -> Result<Option<Stays>, Error> {
    if let Some(mount) = mounts::below(&pair.staging).map_err(Error::at(Side::Staging))? {
        return Ok(Some(Stays::Mount(mount)));
    }
    Ok(users_below(&pair.staging).into_iter().next().map(Stays::Used))
}

fn alone(pair: &Pair) -> Result<Alone, Error> {
    let at = Error::disk_at(Side::Staging);
    let base = Reader::open(&pair.state)?.map_or(Ok(0), |reader| reader.count_files())?;
    let files = local::count_below(&pair.staging, own::FOLDER).map_err(&at)?;
    let trash = pair.staging.join(own::FOLDER).join("trash");
    let trashed = if local::is_folder(&trash) { local::count_below(&trash, own::FOLDER).map_err(&at)? } else { 0 };
    Ok(Alone { ignored: files.saturating_sub(base), trashed })
}

fn what_is_not_in_step(report: &Report) -> Option<String> {
    match &report.outcome {
        Outcome::Done => {}
        Outcome::Offline { message, .. } => return Some(format!("the network root cannot be looked at: {message}")),
        Outcome::Refused(refusal) => {
            return Some(format!("the two roots are not in step, and cannot be now: {}", refusal.sentence()));
        }
        other => return Some(format!("the two roots cannot be compared: {other:?}")),
    }
    let quiet = report.counts == Counts::default() && report.pending == PerSide::default() && report.held.is_none();
    let listed = [(report.conflicts.len(), "conflict"), (report.problems.len(), "path that could not be compared")];
    match listed.into_iter().find(|(number, _)| *number > 0) {
        Some((number, what)) => Some(format!("{number} {what}{}", if number == 1 { "" } else { ", and others" })),
        None if !quiet => Some("the two roots are not in step".to_owned()),
        None => None,
    }
}

/// The name of a copy that is looked at for the last time, and of one that is being removed.
const LOOKED_AT: &str = "looked-at";
const GOING: &str = "going";

fn beside(pair: &Pair, state: &str) -> PathBuf {
    let name = pair.staging.file_name().unwrap_or_default().to_string_lossy().into_owned();
    pair.staging.with_file_name(format!(".{state}-{name}"))
}

/// Removes a spare copy and what this machine knows of the pair.
///
/// RACE: a program of another user, which is not seen, that has a file there open for writing goes on writing to what is removed.
/// One that opens it by its path finds it gone. Where locked folders cannot be moved, it is nobody's for a moment before each
/// move. Who works in it then has something open, or is seen by the last look; only another removal, which would have to put it
/// back, and somebody who writes to it before that moves it again, all in the moment before the second move, would be missed.
///
/// # Errors
/// That it cannot be moved or removed. What is left then is nobody's staging any more; [`forget`] goes on with it.
pub fn remove(pair: &Pair, options: &Options, spare: Spare, stop: &AtomicBool) -> Result<Result<(), Stays>, Error> {
    let at = Error::disk_at(Side::Staging);
    let looked_at = beside(pair, LOOKED_AT);
    let _kept = MOVES_OPEN.then_some(spare.posts);
    if !is_moved(&pair.staging, &looked_at)? {
        return Ok(Err(Stays::Open));
    }
    // Somebody may have written or mounted there since the first look; from now on nobody finds it by its path.
    let moved = Pair { staging: looked_at.clone(), ..pair.clone() };
    let taken = if MOVES_OPEN { Ok(None) } else { take_posts(&moved, options, stop).map(Some) };
    let last_look = taken.and_then(|_posts| still_spare(&moved, options, spare.alone, stop));
    if !matches!(last_look, Ok(None)) {
        local::rename(&looked_at, &pair.staging).map_err(&at)?;
        return last_look.map(|stays| stays.map_or(Ok(()), Err));
    }
    // What is half removed must never count as a staging with deletes in it, also after a power failure.
    let going = beside(pair, GOING);
    if local::is_taken(&going) {
        local::remove_tree(&going).map_err(&at)?;
    }
    if !is_moved(&looked_at, &going)? {
        local::rename(&looked_at, &pair.staging).map_err(&at)?;
        return Ok(Err(Stays::Open));
    }
    local::flush_folder(going.parent().unwrap_or(&going)).map_err(&at)?;
    forget(pair, true).map(Ok)
}

/// `false`: somebody has something in it open, and it is where it was.
fn is_moved(from: &Path, to: &Path) -> Result<bool, Error> {
    match local::rename(from, to) {
        Err(error) if !MOVES_OPEN && matches!(error.kind, ErrorKind::Denied | ErrorKind::Busy) => Ok(false),
        moved => moved.map(|()| true).map_err(Error::disk_at(Side::Staging)),
    }
}

fn still_spare(moved: &Pair, options: &Options, alone_before: Alone, stop: &AtomicBool) -> Result<Option<Stays>, Error> {
    if let Some(stays) = in_use(moved)? {
        return Ok(Some(stays));
    }
    if !is_all_sent(moved, options, stop) || alone(moved)? != alone_before {
        return Ok(Some(Stays::Needed("it changed while it was looked at".to_owned())));
    }
    Ok(None)
}

/// Removes what is left of a copy whose removal has `begun`, and then what this machine knows of the pair.
///
/// # Errors
/// That something cannot be removed; the next time goes on from there.
pub fn forget(pair: &Pair, begun: bool) -> Result<(), Error> {
    let at = Error::disk_at(Side::Staging);
    let going = beside(pair, GOING);
    if begun && local::is_taken(&going) {
        local::remove_tree(&going).map_err(&at)?;
    }
    local::remove_tree(&pair.state).map_err(&at)
}
