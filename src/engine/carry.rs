//! Carry a plan out: records, then what files need, then files in parallel, then deletes, then what the base forgets,
//! then folders' times.

use super::error::Error;
use super::files;
use super::ledger::Ledger;
use super::remove::carry_deletes;
use super::report::Progress;
use crate::model::change::Change;
use crate::model::consume::consume;
use crate::model::digest;
use crate::model::entry::{Base, Kind};
use crate::model::ignore::Patterns;
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op};
use crate::model::side::{PerSide, Side};
use crate::model::vouch::racy;
use crate::transfer::{
    Claim, Ending, Halt, Made, Outcome, Pending, Run, StructureEnd, carry_structure, finish_folders, flush_side, restamp, settle,
};

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What carrying needs besides the run.
pub(super) struct Means<'a> {
    pub patterns: &'a Patterns,
    pub threads: usize,
    pub tell: &'a (dyn Fn(Progress) + Sync),
    pub copied: &'a PerSide<AtomicU64>,
    /// Called now and then by the deciding thread while others work: keeps the lease alive.
    pub tend: &'a mut dyn FnMut() -> Result<(), Error>,
}

/// The plan's actions by when they are carried out.
#[derive(Default)]
struct Phases {
    /// Names that have to be free before anything else takes them.
    asides: Vec<Action>,
    structure: Vec<Action>,
    files: Vec<Action>,
    deletes: Vec<Action>,
    /// What the base forgets once everything else is done: a run that is killed before has forgotten nothing too early.
    forgets: Vec<Action>,
}

/// Carries out `actions`. What could not be done is in the ledger; an error is the root's.
pub(super) fn carry(run: &Run<'_>, actions: Vec<Action>, ledger: &mut Ledger<'_>, means: &mut Means<'_>) -> Result<(), Error> {
    let mut phases = sort(run, actions, ledger)?;
    let mut made = Vec::new();
    unlearn(&phases.structure, ledger)?;
    put_aside(run, &mut phases, ledger)?;
    let structure = std::mem::take(&mut phases.structure);
    let result = carry_all(run, structure, &mut phases, &mut made, ledger, means);
    // The last word counts: the summary tells from it what each root got.
    (means.tell)(progress(ledger, means.copied));
    // Also after a halt: the folders that were made and can still be reached get their times.
    let finished = match &result {
        Err(Error::Offline { .. }) => Ok(Vec::new()),
        _ => finish(run, made, means.threads),
    };
    result?;
    for (path, base) in finished? {
        ledger.record(&path, &base, false)?;
    }
    ledger.commit()
}

/// Before the first visible step: see [`Action::unlearns`].
fn unlearn(structure: &[Action], ledger: &mut Ledger<'_>) -> Result<(), Error> {
    let mut top: Option<&RelPath> = None;
    for action in structure.iter().filter(|action| action.unlearns()) {
        if top.is_none_or(|top| !action.path.is_within(top)) {
            ledger.forget(&action.path)?;
            top = Some(&action.path);
        }
    }
    ledger.commit()
}

/// Gives staging's versions of conflicts that are kept their own names. Where that cannot be, neither version is carried.
fn put_aside(run: &Run<'_>, phases: &mut Phases, ledger: &mut Ledger<'_>) -> Result<(), Error> {
    if phases.asides.is_empty() {
        return Ok(());
    }
    let mut given_up = Vec::new();
    for action in std::mem::take(&mut phases.asides) {
        let end = carry_structure(run, action.clone()).map_err(halted)?;
        for outcome in end.chunk.outcomes {
            if !matches!(outcome.result, Ending::Done { .. }) {
                let Op::Aside { to, .. } = &action.op else { unreachable!("only names put aside are in this phase") };
                given_up.extend([action.path.clone(), to.clone()]);
            }
            ledger.enter(outcome, Some(&action))?;
        }
    }
    flush_side(run, Side::Staging).map_err(halted)?;
    let goes_on = |action: &Action| !given_up.iter().any(|top| action.path.is_within(top));
    phases.structure.retain(goes_on);
    phases.files.retain(goes_on);
    phases.forgets.retain(goes_on);
    Ok(())
}

fn carry_all(
    run: &Run<'_>,
    structure: Vec<Action>,
    phases: &mut Phases,
    made: &mut Vec<Made>,
    ledger: &mut Ledger<'_>,
    means: &mut Means<'_>,
) -> Result<(), Error> {
    build(run, structure, &mut phases.files, made, ledger, means)?;
    tracing::debug!("folders and renames done");
    files::carry(run, std::mem::take(&mut phases.files), ledger, means)?;
    tracing::debug!("files done");
    carry_deletes(run, &std::mem::take(&mut phases.deletes), ledger, means)?;
    tracing::debug!("deletes done");
    forget(&phases.forgets, ledger)
}

/// Records what only the base has to learn, and sorts the rest.
fn sort(run: &Run<'_>, actions: Vec<Action>, ledger: &mut Ledger<'_>) -> Result<Phases, Error> {
    let agreed = actions.iter().flat_map(claims_of_agreement).collect::<Vec<_>>();
    settle(run, &agreed).map_err(halted)?;
    drop(agreed);
    let mut phases = Phases::default();
    let mut replaced: Option<RelPath> = None;
    let mut failed = Ok(());
    consume(actions, |action| {
        match &action.op {
            Op::Record { base, first } => {
                failed =
                    std::mem::replace(&mut failed, Ok(())).and_then(|()| ledger.record(&action.path, &judged(run, base), *first))
            }
            // Goes with the folder's row when the new kind is recorded, and stays if that could not be written.
            Op::Forget if replaced.as_ref().is_some_and(|folder| action.path.is_within(folder)) => {}
            Op::Forget => phases.forgets.push(action),
            Op::Write { from, expect, .. } if from.entry.is_folder() || displaces_folder(expect) => {
                if displaces_folder(expect) {
                    replaced = Some(action.path.clone());
                }
                phases.structure.push(action);
            }
            Op::Rename { .. } => phases.structure.push(action),
            Op::Aside { .. } => phases.asides.push(action),
            Op::Write { .. } | Op::Touch { .. } => phases.files.push(action),
            Op::Delete { .. } => phases.deletes.push(action),
        }
    });
    failed?;
    ledger.commit()?;
    Ok(phases)
}

/// What both sides hold alike, and the base did not know before.
fn claims_of_agreement(action: &Action) -> Vec<Claim<'_>> {
    let news = |change| matches!(change, Change::Created | Change::Modified);
    match &action.op {
        Op::Record { base, first } if *first || news(action.why.staging) || news(action.why.network) => {
            let file = base.entry.kind() == Kind::File;
            Side::BOTH.map(|side| Claim { side, path: &action.path, file }).to_vec()
        }
        _ => Vec::new(),
    }
}

/// The deepest first. What both sides have lost goes with everything below it; a folder that only one side has lost
/// stays in the base as long as something below it does: a delete there was held or failed, and waits.
fn forget(forgets: &[Action], ledger: &mut Ledger<'_>) -> Result<(), Error> {
    for Action { path, why, .. } in forgets.iter().rev() {
        if why.staging == why.network { ledger.forget(path)? } else { ledger.forget_alone(path)? }
    }
    Ok(())
}

/// The stamps of an agreement, each with whether it may vouch, by its root's own clock when the look began.
fn judged(run: &Run<'_>, base: &Base) -> Base {
    let mut base = base.clone();
    for side in Side::BOTH {
        if let Some(recorded) = &mut base.stamps[side] {
            recorded.racy = racy(&recorded.stamp, &run.traits[side], run.clocks[side]);
        }
    }
    base
}

fn displaces_folder(expect: &Seen) -> bool {
    matches!(expect, Seen::There(old) if old.entry.kind() == Kind::Folder)
}

/// What building has come to so far.
#[derive(Default)]
struct Built {
    outcomes: Vec<(Outcome, Option<Action>)>,
    resting: Vec<(Action, Pending)>,
    written: PerSide<bool>,
    /// What belongs into a folder that could not be made is left for the next run: where names are folded, its path would
    /// lead into another folder.
    failed: HashSet<RelPath>,
}

impl Built {
    fn is_stranded(&self, path: &RelPath) -> bool {
        let mut above = std::iter::successors(path.parent(), RelPath::parent);
        !self.failed.is_empty() && above.any(|folder| self.failed.contains(&folder))
    }

    fn take(&mut self, action: Action, end: StructureEnd, made: &mut Vec<Made>, files: &mut Vec<Action>) {
        if let Some(side) = action.op.side() {
            self.written[side] = true;
        }
        for outcome in end.chunk.outcomes {
            if !matches!(outcome.result, Ending::Done { .. } | Ending::Noted(_)) {
                self.failed.insert(outcome.path.clone());
            }
            self.outcomes.push((outcome, eventful(&action).then(|| action.clone())));
        }
        if !end.chunk.pending.is_empty() {
            self.resting.push((action, end.chunk.pending));
        }
        made.extend(end.made);
        files.extend(end.instead);
    }
}

/// Folders, renames and kind changes, in order. Folders alone, as in a first sync, are made level by level, so that those
/// of one level can be made at once.
fn build(
    run: &Run<'_>,
    structure: Vec<Action>,
    files: &mut Vec<Action>,
    made: &mut Vec<Made>,
    ledger: &mut Ledger<'_>,
    means: &mut Means<'_>,
) -> Result<(), Error> {
    let mut built = Built::default();
    settle(run, &structure.iter().filter_map(Claim::of_source).collect::<Vec<_>>()).map_err(halted)?;
    let folders_alone = structure.len() > worth_a_thread(run) && structure.iter().all(is_new_folder);
    let groups: Vec<Vec<Action>> =
        if folders_alone { levels(structure) } else { structure.into_iter().map(|action| vec![action]).collect() };
    for group in groups {
        let group: Vec<Action> = group.into_iter().filter(|action| !built.is_stranded(&action.path)).collect();
        for part in each_name_once(run, group) {
            let (done, ended) = at_once(run, &part, means.threads);
            for (action, end) in done {
                built.take(action, end, made, files);
            }
            ended?;
            (means.tend)()?;
        }
    }
    // Names are made durable together, before the base speaks of any of them.
    for side in Side::BOTH.into_iter().filter(|&side| built.written[side]) {
        flush_side(run, side).map_err(halted)?;
    }
    for (outcome, action) in std::mem::take(&mut built.outcomes) {
        ledger.enter(outcome, action.as_ref())?;
    }
    for (action, pending) in std::mem::take(&mut built.resting) {
        for outcome in restamp(run, pending, true).map_err(halted)? {
            ledger.enter(outcome, eventful(&action).then_some(&action))?;
        }
    }
    files.retain(|action| !built.is_stranded(&action.path));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// The same, in parts that are carried out one after the other: no part holds two paths that a root may not tell apart. So
/// the first one is there before the next one is tried, whoever is quicker. Paths are told apart by their digests, which take a
/// fraction of their room.
pub(super) fn each_name_once(run: &Run<'_>, mut actions: Vec<Action>) -> Vec<Vec<Action>> {
    let mut parts = Vec::new();
    while Side::BOTH.iter().any(|&side| run.traits[side].folds()) && actions.len() > 1 {
        let mut taken = HashSet::with_capacity(actions.len());
        let again = actions.extract_if(.., |action| !taken.insert(digest::of(&action.path.folded()))).collect();
        parts.push(std::mem::replace(&mut actions, again));
    }
    if !actions.is_empty() {
        parts.push(actions);
    }
    parts
}

/// Workers for so many files: where each one waits for a server, few are worth it.
pub(super) fn workers(run: &Run<'_>, threads: usize, files: usize) -> usize {
    let worth_it = if run.is_far() { 1 } else { 8 };
    threads.min(files.div_ceil(worth_it)).max(1)
}

/// So many folders are worth a thread of their own. Where each step waits for a server few are.
fn worth_a_thread(run: &Run<'_>) -> usize {
    if run.is_far() { 4 } else { 64 }
}

fn is_new_folder(action: &Action) -> bool {
    matches!(&action.op, Op::Write { from, expect: Seen::Absent, .. } if from.entry.is_folder())
}

/// By depth: what is needed comes first.
pub(super) fn levels(actions: Vec<Action>) -> Vec<Vec<Action>> {
    let mut levels: Vec<Vec<Action>> = Vec::new();
    for action in actions {
        let depth = action.path.names().count();
        levels.resize_with(levels.len().max(depth + 1), Vec::new);
        levels[depth].push(action);
    }
    levels
}

/// Carries out structural actions that do not need each other; answers what was done, also where it came to a halt.
fn at_once(run: &Run<'_>, group: &[Action], threads: usize) -> (Vec<(Action, StructureEnd)>, Result<(), Error>) {
    let each = |part: &[Action]| {
        let mut done = Vec::with_capacity(part.len());
        for action in part {
            let end = if run.stop.load(Ordering::Relaxed) { Err(Halt::Stopped) } else { carry_structure(run, action.clone()) };
            match end {
                Ok(end) => done.push((action.clone(), end)),
                Err(halt) => return (done, Err(halted(halt))),
            }
        }
        (done, Ok(()))
    };
    if group.len() < worth_a_thread(run) || threads == 1 {
        return each(group);
    }
    thread::scope(|scope| {
        let running: Vec<_> = group.chunks(group.len().div_ceil(threads)).map(|part| scope.spawn(move || each(part))).collect();
        running.into_iter().fold((Vec::new(), Ok(())), |(mut all, ended), thread| {
            let (done, end) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.extend(done);
            (all, ended.and(end))
        })
    })
}

/// Times of the folders that were made, several at once; then the modes that had to wait, the deepest first.
fn finish(run: &Run<'_>, made: Vec<Made>, threads: usize) -> Result<Vec<(RelPath, Box<Base>)>, Error> {
    let (late, mut plain): (Vec<Made>, Vec<Made>) = made.into_iter().partition(Made::waits);
    let share = plain.len().div_ceil(threads).max(worth_a_thread(run));
    thread::scope(|scope| {
        let mut running = Vec::new();
        while !plain.is_empty() {
            let part = plain.split_off(plain.len().saturating_sub(share));
            running.push(scope.spawn(move || finish_folders(run, part)));
        }
        let join =
            |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        running.into_iter().try_for_each(|thread| join(thread).map(drop))
    })
    .map_err(halted)?;
    finish_folders(run, late).map_err(halted)
}

/// Does history keep a line of its own for it? Plain creations and touches are counted only.
pub(super) fn eventful(action: &Action) -> bool {
    match &action.op {
        Op::Write { expect, revived, .. } => *revived || *expect != Seen::Absent,
        Op::Delete { .. } | Op::Rename { .. } | Op::Aside { .. } => true,
        Op::Touch { .. } | Op::Record { .. } | Op::Forget => false,
    }
}

pub(super) fn progress(ledger: &Ledger<'_>, copied: &PerSide<AtomicU64>) -> Progress {
    let mut done = ledger.done;
    for side in Side::BOTH {
        done[side].bytes = copied[side].load(Ordering::Relaxed);
    }
    Progress::Doing { done }
}

/// A halted root as the run's error.
pub(super) fn halted(halt: Halt) -> Error {
    match halt {
        Halt::Gone { side, source } => Error::Offline { side, message: source.to_string() },
        Halt::Full { side, source } | Halt::Failed { side, source } => Error::Root { side, source: source.into() },
        Halt::Stopped => Error::Stopped,
    }
}
