//! Taking a database's place: what lies beside it goes with it.
//!
//! Invariants. No database is ever shown beside a log of another one, and none stands without its own: the database goes
//! to the trash first, then its log, then the new one takes the name. A database that a program has open, or that has
//! something in its log on the network root, is left alone.

use super::place::{Spot, expect_quiet, proves, seen, to_trash};
use super::{Failure, Run};
use crate::disk::beside::{self, Beside};
use crate::disk::{Freshness, Node, Onto};
use crate::model::database::whole;
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

fn stands(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<(Standing, Option<Stamp>), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let node = spot.folder.look(spot.name, Freshness::Fresh).map_err(at)?;
    let Some(node) = node else { return Err(Failure::Unexpected(Seen::Absent)) };
    let traits = &run.traits[spot.side];
    if old.entry.kind() != Kind::File || !is_database(spot, &node)? {
        let standing = Standing { old: old.clone(), beside: Vec::new() };
        return if proves(&node, old, traits) { Ok((standing, None)) } else { Err(Failure::Unexpected(seen(node))) };
    }
    let Beside { log, hot, names } = beside::beside(spot.folder, spot.name, Freshness::Fresh).map_err(at)?;
    if hot || (log.is_some() && spot.side == Side::Network) {
        return Err(in_use(spot.side));
    }
    let log = log.map(|log| log.stamp);
    let stamp = log.map_or(node.stamp, |log| whole(&node.stamp, &log));
    if !same_version(&stamp, &old.stamp, traits) {
        let content = crate::disk::NodeContent::Plain(Content::File { size: stamp.size, digest: None });
        return Err(Failure::Unexpected(seen(Node { content, stamp, ..node })));
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
