//! Taking a database's place: what lies beside it goes with it.
//!
//! Invariants. No database is ever shown beside a log of another one, and none stands without its own: the database goes
//! to the trash first, then its log, then the new one takes the name. A database that a program has open, or that has
//! something in its log on the network root, is left alone.

use super::chunk::split;
use super::place::{Spot, expect_quiet, proves, to_trash};
use super::{Failure, Run};
use crate::disk::beside::{self, Beside};
use crate::disk::{Freshness, Node, Onto};
use crate::model::database::{Ending, database_of, whole};
use crate::model::entry::{Content, Found, Kind, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::vouch::same_version;

/// What stands at a spot, looked at just now and as expected.
pub(crate) struct Standing {
    /// What was expected, with the stamp of the file alone.
    pub old: Found,
    /// What lies beside a database and goes with it.
    pub beside: Vec<Name>,
}

/// The fresh look before something is displaced: still the version that the plan saw, and nobody writes to it?
pub(crate) fn expect_standing(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<Standing, Failure> {
    let (standing, log) = stands(run, spot, old)?;
    expect_quiet(spot, &standing.old)?;
    for name in &standing.beside {
        match expect_quiet(&Spot { name, ..*spot }, old) {
            // SQLite took it away meanwhile.
            Err(Failure::Unexpected(_)) => {}
            other => other?,
        }
    }
    if log.is_some() && spot.side == Side::Staging && spot.folder.has_writer(spot.name).ok() != Some(Some(false)) {
        let message = "has changes in its log, and whether a program has it open cannot be asked here; close its program \
                       (open the database with it and close it, where it was cut off)";
        return Err(Failure::Path(spot.side, ProblemKind::Busy, message.to_owned()));
    }
    Ok(standing)
}

/// The fresh look before a time or mode is set: still the version that the plan saw? A program may write to it then.
pub(crate) fn expect_version(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<(), Failure> {
    match stands(run, spot, old)? {
        (_, None) => Ok(()),
        (_, Some(_)) => {
            let message = "has changes in its log; its time and mode are set once its program has closed it".to_owned();
            Err(Failure::Path(spot.side, ProblemKind::Busy, message))
        }
    }
}

/// The fresh look before it gets another name, which a log would not follow. Returns what lies beside it and holds nothing.
pub(crate) fn expect_movable(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<Vec<Name>, Failure> {
    let standing = expect_standing(run, spot, old)?;
    expect_version(run, spot, old)?;
    Ok(standing.beside)
}

fn stands(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<(Standing, Option<Stamp>), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let node = spot.folder.look(spot.name, Freshness::Fresh).map_err(at)?;
    let Some(node) = node else { return Err(Failure::Unexpected(Seen::Absent)) };
    let traits = &run.traits[spot.side];
    if old.entry.kind() != Kind::File || !is_database(spot, &node)? {
        let standing = Standing { old: old.clone(), beside: Vec::new() };
        return if proves(&node, old, traits) { Ok((standing, None)) } else { Err(Failure::Unexpected(node.seen())) };
    }
    let Beside { log, hot, names } = beside::beside(spot.folder, spot.name, Freshness::Fresh).map_err(at)?;
    if hot || (log.is_some() && spot.side == Side::Network) {
        return Err(in_use(spot.side));
    }
    let log = log.map(|log| log.stamp);
    let stamp = log.map_or(node.stamp, |log| whole(&node.stamp, &log));
    if !same_version(&stamp, &old.stamp, traits) {
        let content = crate::disk::NodeContent::Plain(Content::File { size: stamp.size, digest: None });
        return Err(Failure::Unexpected(Node { content, stamp, ..node }.seen()));
    }
    let old = Found { entry: old.entry.clone(), stamp: node.stamp };
    Ok((Standing { old, beside: names }, log))
}

fn is_database(spot: &Spot<'_>, node: &Node) -> Result<bool, Failure> {
    match beside::is_database(spot.folder, spot.name, node) {
        Err(error) if error.kind == crate::disk::ErrorKind::Gone => Err(Failure::At(spot.side, error)),
        // What may not be read is replaced like any file.
        other => Ok(other.unwrap_or(false)),
    }
}

fn in_use(side: Side) -> Failure {
    let message = format!("a program has this database open in the {side} root; the next run tries again");
    Failure::Path(side, ProblemKind::Busy, message)
}

/// Moves what lies beside a database to the trash, then does `next`; where that fails everything comes back.
///
/// RACE: a program that opens the database between the looks and here, and writes to it, has its last commits in the log
/// in the trash. A crash leaves the log there, or alone at its name; it is never beside another database.
pub(crate) fn without_beside(
    run: &Run<'_>,
    spot: &Spot<'_>,
    names: &[Name],
    next: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let parent = spot.path.parent().unwrap_or_default();
    let mut moved: Vec<(RelPath, RelPath)> = Vec::new();
    let aside = || -> Result<(), Failure> {
        for name in names {
            let path = parent.join(name);
            match to_trash(run, &Spot { path: &path, name, ..*spot }, |_, _| Ok(true)) {
                Ok(kept) => moved.push((kept, path)),
                // SQLite takes them away itself.
                Err(Failure::At(_, error)) if error.kind == crate::disk::ErrorKind::Absent => {}
                Err(failure) => return Err(failure),
            }
        }
        next()
    };
    aside().inspect_err(|_| {
        for (kept, path) in moved.iter().rev() {
            // What cannot come back is in the trash.
            let _ = run.roots[spot.side].rename(kept, path, Onto::Nothing);
        }
    })
}

/// Before a database takes a free name: no log of an earlier one may lie there. In staging one that nobody has open goes
/// to the trash: its database was displaced by a run that was cut off, or deleted by hand.
pub(crate) fn expect_no_log(run: &Run<'_>, spot: &Spot<'_>, expect: &Seen) -> Result<(), Failure> {
    if expect.found().is_some_and(|old| old.entry.kind() == Kind::File) {
        return Ok(());
    }
    let found = beside::beside(spot.folder, spot.name, Freshness::Fresh).map_err(|error| Failure::At(spot.side, error))?;
    if found.log.is_none() && !found.hot {
        return Ok(());
    }
    for name in &found.names {
        if spot.side == Side::Network || spot.folder.has_writer(name).ok() != Some(Some(false)) {
            let message = "the log of an earlier database lies beside this name; move it away, then sync again".to_owned();
            return Err(Failure::Path(spot.side, ProblemKind::Taken, message));
        }
    }
    without_beside(run, spot, &found.names, || Ok(()))
}

/// The logs that went to the trash together with what it holds at `kept`.
pub(crate) fn logs_of(run: &Run<'_>, side: Side, kept: &RelPath) -> Result<Vec<Name>, Failure> {
    let (parent, name) = split(kept);
    let folder = run.roots[side].folder(&parent).map_err(|error| Failure::At(side, error))?;
    match beside::beside(&*folder, &name, Freshness::Fresh) {
        Ok(found) => Ok(found
            .names
            .into_iter()
            .filter(|name| database_of(name).is_some_and(|(_, ending)| ending != Ending::Shm))
            .collect()),
        Err(error) => Err(Failure::At(side, error)),
    }
}

/// What the trash holds beside `kept` takes its place beside `path`, then `show` gives the database its own: nobody opens
/// the one without the other. Where that fails the log goes back.
///
/// RACE: a crash in between leaves the log alone at its name, which is told as that; the same undo again ends it.
pub(crate) fn with_log_back<T>(
    run: &Run<'_>,
    side: Side,
    kept: &RelPath,
    path: &RelPath,
    show: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (trashed, parent) = (kept.parent().unwrap_or_default(), path.parent().unwrap_or_default());
    let ((_, kept_name), (_, name)) = (split(kept), split(path));
    let mut moved: Vec<(RelPath, RelPath)> = Vec::new();
    let back = || {
        for log in logs_of(run, side, kept)? {
            let ending = &log.as_bytes()[kept_name.len()..];
            let to = parent.join(&[name.as_bytes(), ending].concat());
            let from = trashed.join(&log);
            run.roots[side].rename(&from, &to, Onto::Nothing).map_err(|error| Failure::At(side, error))?;
            moved.push((from, to));
        }
        show()
    };
    back().inspect_err(|_| {
        for (from, to) in moved.iter().rev() {
            // What cannot go back stands alone at its name, and is told as that.
            let _ = run.roots[side].rename(to, from, Onto::Nothing);
        }
    })
}
