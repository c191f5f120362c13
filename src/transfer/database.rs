//! Taking a database's place: what lies beside it goes with it.
//!
//! Invariants. No database is ever shown beside a log of another one, and none stands without its own: the database goes
//! to the trash first, then its log, then the new one takes the name. A database that a program has open, or that has
//! something in its log on the network root, is left alone.

use super::chunk::split;
use super::place::{Spot, expect_quiet, proves, to_trash};
use super::{Failure, Run};
use crate::disk::beside::{self, Beside};
use crate::disk::{self, ErrorKind, Folder, Freshness, Node, Onto, Root};
use crate::model::database::{self, Ending, database_of, whole};
use crate::model::entry::{Content, Found, Kind, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::traits::Traits;
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
    let (standing, log) = stands_quiet(run, spot, old)?;
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
    match stands_quiet(run, spot, old)? {
        (standing, None) => Ok(standing.beside),
        (_, Some(_)) => {
            let message = "has changes in its log; it can get another name once its program has closed it".to_owned();
            Err(Failure::Path(spot.side, ProblemKind::Busy, message))
        }
    }
}

fn stands_quiet(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<(Standing, Option<Stamp>), Failure> {
    let (standing, log) = stands(run, spot, old)?;
    expect_quiet(spot, &standing.old)?;
    for name in &standing.beside {
        match expect_quiet(&Spot { name, ..*spot }, old) {
            // SQLite took it away meanwhile.
            Err(Failure::Unexpected(_)) => {}
            other => other?,
        }
    }
    Ok((standing, log))
}

fn stands(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<(Standing, Option<Stamp>), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let Some((node, first)) = spot.folder.look_into(spot.name).map_err(at)? else {
        return Err(Failure::Unexpected(Seen::Absent));
    };
    let traits = &run.traits[spot.side];
    // What may not be read is replaced like any file.
    if old.entry.kind() != Kind::File || !first.is_some_and(|first| database::is_database(&first)) {
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
        let content = disk::NodeContent::Plain(Content::File { size: stamp.size, digest: None });
        return Err(Failure::Unexpected(Node { content, stamp, ..node }.seen()));
    }
    let old = Found { entry: old.entry.clone(), stamp: node.stamp };
    Ok((Standing { old, beside: names }, log))
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
                Err(Failure::At(_, error)) if error.kind == ErrorKind::Absent => {}
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
        let foreign = database_of(name).is_some_and(|(_, ending)| ending != Ending::Shm) && !is_log(spot, name)?;
        if foreign || spot.side == Side::Network || spot.folder.has_writer(name).ok() != Some(Some(false)) {
            let message = "the log of an earlier database lies beside this name; move it away, then sync again".to_owned();
            return Err(Failure::Path(spot.side, ProblemKind::Taken, message));
        }
    }
    without_beside(run, spot, &found.names, || Ok(()))
}

/// Is it a log or journal, or nothing? Anybody may have a file of such a name.
fn is_log(spot: &Spot<'_>, name: &Name) -> Result<bool, Failure> {
    let first = beside::first(spot.folder, name).map_err(|error| Failure::At(spot.side, error))?;
    Ok(first.is_none_or(|first| !database::is_hot(&first) || database::is_log(&first) || database::is_journal(&first)))
}

/// The same before the file at `spot` is renamed to `to`, where it is a database.
pub(crate) fn expect_no_log_at(run: &Run<'_>, spot: &Spot<'_>, to: &RelPath) -> Result<(), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let looked = spot.folder.look_into(spot.name).map_err(at)?;
    if !looked.and_then(|(_, first)| first).is_some_and(|first| database::is_database(&first)) {
        return Ok(());
    }
    let (parent, name) = split(to);
    let folder = run.roots[spot.side].folder(&parent).map_err(at)?;
    expect_no_log(run, &Spot { side: spot.side, path: to, folder: &*folder, name: &name }, &Seen::Absent)
}

/// A database that comes out of the trash, and the names beside which it is about to stand.
struct Returning<'a> {
    side: Side,
    root: &'a dyn Root,
    traits: &'a Traits,
    /// In the trash.
    from: (RelPath, Name),
    to: (RelPath, Name),
}

/// A log on its way back: from the trash, to beside its database.
struct LogBack {
    from: RelPath,
    to: RelPath,
    /// It has both names now; the trash's goes at the end.
    linked: bool,
}

/// Would SQLite read something out of it?
fn holds_something(folder: &dyn Folder, name: &Name, ending: Ending) -> disk::Result<Option<Node>> {
    let Some(node) = folder.look(name, Freshness::Fresh)?.filter(|node| node.stamp.size > 0) else { return Ok(None) };
    let rests = ending == Ending::Journal
        && node.is_file()
        && beside::first(folder, name)?.is_some_and(|first| !database::is_hot(&first));
    Ok((!rests).then_some(node))
}

/// The log of a database is never brought back alone: a database of that name would take it for its own.
fn expect_no_lone_log(side: Side, folder: &dyn Folder, name: &Name) -> Result<(), Failure> {
    let is_log = match database_of(name) {
        Some((_, Ending::Wal)) => database::is_log,
        Some((_, Ending::Journal)) => database::is_journal,
        Some((_, Ending::Shm)) | None => return Ok(()),
    };
    let first = beside::first(folder, name).map_err(|error| Failure::At(side, error))?;
    if !first.is_some_and(|first| is_log(&first)) {
        return Ok(());
    }
    let message = "is the log of a database; it comes back together with that one and never alone, because a log beside \
                   another database corrupts it";
    Err(Failure::Path(side, ProblemKind::Taken, message.to_owned()))
}

/// Does something that SQLite would take for its log lie beside this free name?
pub(crate) fn expect_no_foreign_log(side: Side, folder: &dyn Folder, name: &Name) -> Result<(), Failure> {
    match log_at(folder, name).map_err(|error| Failure::At(side, error))? {
        Some(log) => Err(foreign(side, &log)),
        None => Ok(()),
    }
}

/// What SQLite would take for the log of a database of this name.
fn log_at(folder: &dyn Folder, name: &Name) -> disk::Result<Option<Name>> {
    for ending in [Ending::Journal, Ending::Wal] {
        let Some(log) = database::beside(name, ending) else { continue };
        if holds_something(folder, &log, ending)?.is_some() {
            return Ok(Some(log));
        }
    }
    Ok(None)
}

fn foreign(side: Side, log: &Name) -> Failure {
    let message =
        format!("a log stands beside its place ({log}), maybe of another database, which would corrupt it; move that away first");
    Failure::Path(side, ProblemKind::Taken, message)
}

/// Has the database that the trash holds at `kept` a log there?
pub(crate) fn kept_log(root: &dyn Root, side: Side, kept: &RelPath) -> Result<bool, Failure> {
    let (parent, name) = split(kept);
    let log = root.folder(&parent).and_then(|folder| log_at(&*folder, &name));
    Ok(log.map_err(|error| Failure::At(side, error))?.is_some())
}

/// `show` gives what the trash holds at `kept` the free name `path`. The log of a database is linked to its place beside it
/// before, so that nobody opens the one without the other, and leaves the trash after it: killed in between, the same
/// again knows its own log by its id. Any other log there is another database's, and nothing is moved.
///
/// RACE: where hard links cannot be made the log is moved; after a crash it stands alone at its name, is told as that, and
/// the database stays in the trash until somebody moves the log away.
pub(crate) fn with_log_back(
    (root, traits): (&dyn Root, &Traits),
    side: Side,
    kept: &RelPath,
    path: &RelPath,
    show: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let returning = Returning { side, root, traits, from: split(kept), to: split(path) };
    let trashed = root.folder(&returning.from.0).map_err(|error| Failure::At(side, error))?;
    expect_no_lone_log(side, &*trashed, &returning.from.1)?;
    if !beside::is_database_at(root, kept).map_err(|error| Failure::At(side, error))? {
        return show();
    }
    let mut back = Vec::new();
    let shown = returning.logs(&mut back).and_then(|()| show());
    for LogBack { from, to, linked } in back.into_iter().rev() {
        // What cannot go back has both names, or stands alone at its own and is told as that.
        let _ = match (&shown, linked) {
            (Ok(()), true) => returning.drop_name(&from),
            (Err(_), true) => returning.drop_name(&to),
            (Err(_), false) => root.rename(&to, &from, Onto::Nothing),
            (Ok(()), false) => Ok(()),
        };
    }
    shown
}

impl Returning<'_> {
    fn drop_name(&self, path: &RelPath) -> disk::Result<()> {
        let (parent, name) = split(path);
        self.root.folder(&parent)?.remove_file(&name)
    }

    fn logs(&self, back: &mut Vec<LogBack>) -> Result<(), Failure> {
        let at = |error| Failure::At(self.side, error);
        let folder = |path| self.root.folder(path).map_err(at);
        let (trashed, place) = (folder(&self.from.0)?, folder(&self.to.0)?);
        for ending in [Ending::Journal, Ending::Wal] {
            let names = database::beside(&self.from.1, ending).zip(database::beside(&self.to.1, ending));
            let Some((kept, name)) = names else { continue };
            let held = holds_something(&*trashed, &kept, ending).map_err(at)?;
            let there = holds_something(&*place, &name, ending).map_err(at)?;
            let (from, to) = (self.from.0.join(&kept), self.to.0.join(&name));
            match (held, there) {
                (None, None) => {}
                (Some(held), Some(there)) if self.traits.ids && held.stamp.id == there.stamp.id => {
                    back.push(LogBack { from, to, linked: true });
                }
                (_, Some(_)) => return Err(foreign(self.side, &name)),
                (Some(_), None) => {
                    let linked = self.link(&from, &to).map_err(at)?;
                    back.push(LogBack { from, to, linked });
                }
            }
        }
        Ok(())
    }

    /// `false` where it could only be moved.
    fn link(&self, from: &RelPath, to: &RelPath) -> disk::Result<bool> {
        if self.traits.hard_links && self.traits.ids {
            match self.root.link(from, to) {
                // Another user's file (protected_hardlinks), or one that has as many names as it may have.
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Other) => {}
                other => return other.map(|()| true),
            }
        }
        self.root.rename(from, to, Onto::Nothing).map(|()| false)
    }
}
