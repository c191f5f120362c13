//! Take a run back, on the sides where it was done: deletes, overwrites, changes of kind and renames.
//!
//! Invariants. An undo is an edit like a user's: it changes the roots and leaves the base alone, so that the next sync
//! carries it over; only a row by which that sync would do the same again is forgotten ([`own_again`]). It is a run of its
//! own, with history, so that it can be undone; one that was killed is completed by asking again. A version leaves the
//! trash for good only when it stands at its path and that is durable.

use super::carry::halted;
use super::clean::{UNCOUNTED, keep_trash_small};
use super::error::Error;
use super::hands::{Hands, expect_in_place, hands, next_generations};
use super::history::{self, EventRecord, RunId, RunRecord, Version, What, Which};
use super::lease::Borrowed;
use super::open::{Access, Session};
use super::report::Progress;
use super::request::{Options, Pair};
use super::reverse::{Did, Sight, Step, Task, Verdict, fingerprint, judge, own_again, tasks, trash_run, unrecorded};
use super::store::Store;
use crate::disk::clock::now;
use crate::disk::{self, Root, local};
use crate::model::entry::Kind;
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::scan::Reading;
use crate::transfer::back::{self, MadeAgain, Refused};
use crate::transfer::{Run, flush_side};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The direction word of an undo in the history.
const DIRECTION: &str = "undo";
/// The count of an undo that says which run it took back.
pub const UNDONE_RUN: &str = "undone_run";
/// Steps whose names are made durable together, before history speaks of them.
const BATCH: usize = 256;

/// What is to be taken back.
#[derive(Clone, Debug)]
pub struct Request {
    pub run: Which,
    /// Limits it to these subtrees; empty is everything.
    pub paths: Vec<RelPath>,
    /// Writes nowhere.
    pub dry_run: bool,
    /// How long an unreachable root or a held lock is waited for.
    pub wait: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Undone {
    pub run: RunRecord,
    /// The run that this undo is; `None` where nothing was done.
    pub as_run: Option<RunId>,
    pub items: Vec<Item>,
    pub notes: Vec<String>,
    /// Stopped by a signal: the rest was not looked at.
    pub interrupted: bool,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub side: Side,
    pub path: RelPath,
    /// The old name, where a rename is taken back.
    pub back_to: Option<RelPath>,
    /// What the run had done: `delete`, `write`, `rename`, `restore`, or `unrecorded`.
    pub did: &'static str,
    pub result: Outcome,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken back; in a dry run: it would be.
    Done,
    /// It is as it was before that run.
    Already,
    /// It stays as it is, and why.
    Left(String),
}

/// Takes a run back. What belongs to one path is in its item; an error is a root's, and what was done is recorded.
pub fn undo(
    pair: &Pair,
    request: &Request,
    options: &Options,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Undone, Error> {
    let access = if request.dry_run { Access::LookOnly } else { Access::Write };
    let mut session = Session::open(pair, options, access, request.wait, tell, stop)?;
    let (run, all) = of_run(&session.store, request.run, &session.notes)?;
    let known = all.iter().filter_map(|event| event.side.zip(event.kept.clone())).collect();
    let mut todo = tasks(&run, all, &request.paths);
    if run.outcome.as_deref() != Some("done") {
        todo.extend(unrecorded(&run, &known, &request.paths, &session.roots)?);
    }
    let mut undone = Undone { run, as_run: None, items: Vec::new(), notes: session.notes.clone(), interrupted: false };
    if request.dry_run {
        would(&session, &todo, stop, &mut undone)?;
    } else if !todo.is_empty() {
        write(&mut session, &todo, request.wait, stop, &mut undone)?;
    }
    Ok(undone)
}

fn of_run(store: &Store, which: Which, notes: &[String]) -> Result<(RunRecord, Vec<EventRecord>), Error> {
    let Some(run) = pick(store.runs()?, which) else {
        // A manifest that was just set aside explains it.
        let why = notes.first().map(|note| format!(" ({note})")).unwrap_or_default();
        return Err(Error::NoSuchRun(format!("{}{why}", history::no_such(which))));
    };
    let events = store.events(run.id)?;
    Ok((run, events))
}

/// The last run is never an undo: asking twice must complete the first, not take it back.
fn pick(mut runs: Vec<RunRecord>, which: Which) -> Option<RunRecord> {
    runs.retain(|run| which != Which::Last || run.direction != DIRECTION);
    history::pick(runs, which)
}

/// A dry run: looks only.
fn would(session: &Session<'_>, todo: &[Task], stop: &AtomicBool, undone: &mut Undone) -> Result<(), Error> {
    let mut sight = Sight { roots: &session.roots, traits: &session.traits, reading: Reading::default(), stop };
    for task in todo {
        if stop.load(Ordering::Relaxed) {
            undone.interrupted = true;
            return Ok(());
        }
        let result = match judge(&mut sight, &session.store, task)? {
            Verdict::Do(_) => Outcome::Done,
            Verdict::Already => Outcome::Already,
            Verdict::Left(message) => Outcome::Left(message),
        };
        undone.items.push(item(task, result));
    }
    Ok(())
}

fn item(task: &Task, result: Outcome) -> Item {
    let (back_to, did) = match &task.did {
        Did::Delete => (None, "delete"),
        Did::Write => (None, "write"),
        Did::Rename { from } => (Some(from.clone()), "rename"),
        Did::Restore => (None, "restore"),
        Did::Unknown => (None, "unrecorded"),
    };
    Item { side: task.side, path: task.path.clone(), back_to, did, result }
}

/// Everything of an undo that writes at a root.
fn write(session: &mut Session<'_>, todo: &[Task], wait: Duration, stop: &AtomicBool, undone: &mut Undone) -> Result<(), Error> {
    expect_in_place(session)?;
    let writes = PerSide::new(Side::Staging, Side::Network).map(|side| todo.iter().any(|task| task.side == side));
    let host = local::host_name();
    let mut lease = if writes.network { Some(Borrowed::take(session, &host, wait, stop)?) } else { None };
    // Under the lease, so that two machines do not raise it from the same number.
    if let Err(error) = next_generations(session, &writes) {
        lease.into_iter().for_each(Borrowed::release);
        return Err(error);
    }
    let (roots, traits) = (session.roots.clone(), session.traits);
    let started = session.started;
    let Hands { run, store, .. } = hands(session, &host, stop, &|_, _| {});
    let manifest = store.writing().expect("an undo that writes has the manifest");
    let id = manifest.begin_run(DIRECTION, started)?;
    undone.as_run = Some(id);
    let why = format!("undo of run {}", undone.run.id.0);
    let mut undoing = Undoing {
        run: &run,
        roots: &roots,
        id,
        why,
        events: Vec::new(),
        spent: Vec::new(),
        made: Vec::new(),
        emptied: PerSide::default(),
        trashed: PerSide::default(),
    };
    let mut sight = Sight { roots: &roots, traits: &traits, reading: Reading::default(), stop };
    let mut result = Ok(());
    for task in todo {
        if stop.load(Ordering::Relaxed) {
            undone.interrupted = true;
            break;
        }
        result = undoing.one(&mut sight, store, task).map(|end| undone.items.push(item(task, end)));
        result = result.and_then(|()| lease.as_mut().map_or(Ok(()), Borrowed::tend));
        if result.is_err() {
            break;
        }
    }
    let entered = undoing.close(store, undone, &result);
    let trashed = undoing.trashed;
    // What was not taken back has its only version in the trash: asked again, it must still be there.
    let whole = !undone.interrupted && !undone.items.iter().any(|item| matches!(item.result, Outcome::Left(_)));
    keep_trash_small(session, &trashed, whole && result.is_ok() && entered.is_ok());
    if let Some(lease) = lease {
        lease.release();
    }
    result.and(entered)
}

/// An undo at work.
struct Undoing<'a, 'r> {
    run: &'a Run<'r>,
    roots: &'a PerSide<Arc<dyn Root>>,
    id: RunId,
    why: String,
    /// Done, and not yet durable and recorded.
    events: Vec<EventRecord>,
    /// Second names in the trash of what stands at its path, to go once that is durable.
    spent: Vec<(Side, RelPath)>,
    /// Folders whose times are set at the end.
    made: Vec<MadeAgain>,
    /// Folders of the undone run's trash out of which something went.
    emptied: PerSide<Vec<RelPath>>,
    trashed: PerSide<Option<u64>>,
}

impl Undoing<'_, '_> {
    fn one(&mut self, sight: &mut Sight<'_>, store: &mut Store, task: &Task) -> Result<Outcome, Error> {
        let step = match judge(sight, store, task)? {
            Verdict::Do(step) => step,
            Verdict::Already => {
                if let Err(Refused::Halt(halt)) = back::clear_half_done(self.run, task.side, &task.path) {
                    return Err(halted(halt));
                }
                return Ok(Outcome::Already);
            }
            Verdict::Left(message) => return Ok(Outcome::Left(message)),
        };
        distrust(store, task)?;
        if matches!(step, Step::Return | Step::Folder) {
            own_again(store, sight.roots, sight.traits, task.side, &task.path)?;
        }
        match self.carry(task, &step) {
            Ok(event) => {
                self.events.push(event);
            }
            Err(Refused::Path(message)) => return Ok(Outcome::Left(message)),
            Err(Refused::Halt(halt)) => return Err(halted(halt)),
        }
        if self.events.len() >= BATCH {
            self.commit(store)?;
        }
        Ok(Outcome::Done)
    }

    /// The visible step, and what history says of it.
    fn carry(&mut self, task: &Task, step: &Step) -> Result<EventRecord, Refused> {
        let Task { side, path, kept, before, after, .. } = task;
        let (side, run) = (*side, self.run);
        match step {
            Step::Return => {
                self.make_folders(side, path, false, kept)?;
                back::bring_back(&*self.roots[side], &run.traits[side], side, kept, path)?;
                self.emptied[side].extend(kept.parent());
                Ok(self.event(task, "restore", Version::ABSENT, self.known_again(side, path, before)))
            }
            Step::Folder => {
                self.make_folders(side, path, true, kept)?;
                self.emptied[side].push(kept.clone());
                Ok(self.event(task, "restore", Version::ABSENT, before.clone()))
            }
            Step::Exchange(present) => {
                let exchanged = back::exchange_back(run, side, kept, path, present)?;
                self.emptied[side].extend(kept.parent());
                self.spent.extend(exchanged.spent.map(|spent| (side, spent)));
                self.trashed[side] = Some(UNCOUNTED);
                let event = self.event(task, "write", after.clone(), self.known_again(side, path, before));
                Ok(EventRecord { kept: Some(exchanged.kept), ..event })
            }
            Step::Move(present) => {
                let Did::Rename { from } = &task.did else { unreachable!("only renames are moved back") };
                self.make_folders(side, from, false, kept)?;
                back::move_back(run, side, path, from, present)?;
                let event = self.event(task, "rename", before.clone(), after.clone());
                Ok(EventRecord { path: from.clone(), moved_from: Some(path.clone()), ..event })
            }
            Step::Away(present) => {
                let kept = back::take_away(run, side, path, present)?;
                self.trashed[side] = Some(UNCOUNTED);
                let event = self.event(task, "delete", after.clone(), Version::ABSENT);
                Ok(EventRecord { kept: Some(kept), ..event })
            }
        }
    }

    fn make_folders(&mut self, side: Side, path: &RelPath, itself: bool, kept: &RelPath) -> Result<(), Refused> {
        let none = || Name::new(b"-").expect("one character is a name");
        let trashed = trash_run(kept).unwrap_or_else(none);
        match back::make_folders_again(&*self.roots[side], side, path, itself, &trashed) {
            Ok(made) => {
                self.made.extend(made);
                Ok(())
            }
            Err(error) => Err(refused(side, error)),
        }
    }

    /// A version that came back, by which it is known again when this is to be undone.
    fn known_again(&self, side: Side, path: &RelPath, version: &Version) -> Version {
        let folder = version.what == What::Folder;
        // Without it, it stays where it is then.
        let digest = if folder { fingerprint(&*self.roots[side], path).ok() } else { version.digest };
        Version { digest, ..version.clone() }
    }

    /// One line of history. The other side was not looked at: its columns hold what stands there now.
    fn event(&self, task: &Task, op: &str, before: Version, after: Version) -> EventRecord {
        let (staging, network) = if task.side == Side::Staging { (before, after) } else { (after, before) };
        let found = EventRecord::found(now(), task.path.clone(), op.to_owned(), self.why.clone());
        EventRecord { side: Some(task.side), staging, network, ..found }
    }

    /// Durable, then recorded, then without its second names in the trash.
    fn commit(&mut self, store: &mut Store) -> Result<(), Error> {
        let events = std::mem::take(&mut self.events);
        for side in Side::BOTH.into_iter().filter(|&side| events.iter().any(|event| event.side == Some(side))) {
            flush_side(self.run, side).map_err(halted)?;
        }
        let manifest = store.writing().expect("an undo that writes has the manifest");
        manifest.begin()?;
        let added = events.iter().try_for_each(|event| {
            let row = manifest.find(event.moved_from.as_ref().unwrap_or(&event.path))?;
            let base = Version::of_base(row.map(|row| row.base).as_ref());
            manifest.add_event(self.id, &EventRecord { base, ..event.clone() })
        });
        if let Err(error) = added.and_then(|()| manifest.commit()) {
            manifest.rollback()?;
            return Err(error.into());
        }
        for (side, spent) in std::mem::take(&mut self.spent) {
            back::drop_spent(self.run, side, &spent);
        }
        Ok(())
    }

    /// The end: the last batch, times of folders, the trash's empty folders, and how it ended.
    fn close(&mut self, store: &mut Store, undone: &Undone, result: &Result<(), Error>) -> Result<(), Error> {
        for side in Side::BOTH {
            let made: Vec<MadeAgain> = self.made.iter().filter(|made| made.side == side).cloned().collect();
            back::finish_made_again(&*self.roots[side], &self.run.traits[side], &made);
        }
        let committed = self.commit(store);
        // Before that they may be where a power cut puts what came back.
        for side in Side::BOTH.into_iter().filter(|_| committed.is_ok()) {
            back::clear_empty(&*self.roots[side], &self.emptied[side]);
        }
        let count = |wanted: fn(&Outcome) -> bool| undone.items.iter().filter(|item| wanted(&item.result)).count() as u64;
        let counts = [
            (UNDONE_RUN, undone.run.id.0.cast_unsigned()),
            ("taken_back", count(|result| *result == Outcome::Done)),
            ("not_taken_back", count(|result| matches!(result, Outcome::Left(_)))),
        ];
        let ending = match result.as_ref().and(committed.as_ref().map(|_| &())) {
            Ok(()) if undone.interrupted => "interrupted",
            Ok(()) => "done",
            Err(Error::Offline { .. }) => "offline",
            Err(Error::Stopped) => "interrupted",
            Err(_) => "failed",
        };
        let manifest = store.writing().expect("an undo that writes has the manifest");
        manifest.end_run(self.id, now(), ending, &counts)?;
        committed
    }
}

fn refused(side: Side, error: disk::Error) -> Refused {
    match error.kind {
        disk::ErrorKind::Gone => Refused::Halt(crate::transfer::Halt::Gone { side, source: error }),
        disk::ErrorKind::Full => Refused::Halt(crate::transfer::Halt::Full { side, source: error }),
        _ => Refused::Path(format!("cannot {}: {}", error.op, error.source)),
    }
}

/// What comes back may show the very size and time that the base knows of what it replaces: then the next look reads it.
fn distrust(store: &mut Store, task: &Task) -> Result<(), Error> {
    if (task.before.size, task.before.mtime) != (task.after.size, task.after.mtime) {
        return Ok(());
    }
    let Some(row) = store.find(&task.path)? else { return Ok(()) };
    let mut base = row.base;
    if base.entry.kind() == Kind::File
        && let Some(recorded) = &mut base.stamps[task.side]
        && let Some(manifest) = store.writing()
    {
        recorded.racy = true;
        manifest.put(&task.path, &base)?;
    }
    Ok(())
}
