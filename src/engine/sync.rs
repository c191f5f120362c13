//! One run from beginning to end.

use super::ahead;
use super::carry::{Means, carry};
use super::claim;
use super::clean::{self, keep_trash_small};
use super::complete::is_completed_by;
use super::copies;
use super::databases;
use super::decide::{Decision, decide, work};
use super::deletes;
use super::error::Error;
use super::growing;
use super::hands::{Hands, expect_in_place, hands, next_generations, owner, raise_where_taken, unwritable};
use super::hints;
use super::identify::Standing;
use super::in_place;
use super::lease::Borrowed;
use super::ledger::Ledger;
use super::look::{look, width};
use super::open::{Access, Session};
use super::partials;
use super::report::{Counts, Outcome, Progress, Refusal, Report};
use super::request::{Options, Pair, Request};
use super::runs::run_name;
use super::unsent::unsent;
use super::waiting::Waiting;
use super::whole;
use crate::disk::clock::{Moment, now};
use crate::disk::local;
use crate::manifest::{self, Manifest, RunId, key};
use crate::model::entry::Kind;
use crate::model::finding::Note;
use crate::model::listing::{Difference, Seen, Unknown};
use crate::model::path::RelPath;
use crate::model::plan::{Op, Plan};
use crate::model::side::{PerSide, Side};
use crate::model::target::Target;
use crate::model::time::Time;
use crate::roots::own;
use crate::transfer::blocks;
use crate::transfer::{sweep_snapshots, trash};

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// History older than this goes.
const HISTORY_NS: i64 = 90 * 86_400_000_000_000;

/// Brings a pair in step as far as `request` allows. What can be told as a report is one; an `Err` is a failure.
///
/// A root that goes away in the middle is waited for and identified again; then the run goes on with what is left.
pub fn sync(
    pair: &Pair,
    request: &Request,
    options: &Options,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Report, Error> {
    let began = Moment::now();
    let waiting = Waiting::new(request.wait, tell, stop);
    let (mut done, mut away) = (Counts::default(), None);
    let mut report = loop {
        let mut report = empty_report(pair, request);
        let mut result = run(pair, request, options, &waiting, tell, stop, &mut report);
        if !request.dry_run && result.as_ref().is_err_and(Error::is_damage) {
            // Once: the base that is made then is a new one.
            tracing::warn!(error = ?result.as_ref().err(), "starting anew without the base");
            manifest::distrust(&pair.state)?;
            report = empty_report(pair, request);
            result = run(pair, request, options, &waiting, tell, stop, &mut report);
        }
        let result = result.map_err(|error| error.unless_stopped(stop));
        let further = report.counts != Counts::default() || !waiting.is_away();
        done.add(&report.counts);
        report.counts = done;
        let lost = match &result {
            Err(Error::Offline { side, message }) => Some((*side, message.clone())),
            Err(Error::Refused(Refusal::Identity { side: Side::Network, .. })) if waiting.is_away() && is_bare(pair, options) => {
                let bare = || (Side::Network, "an empty folder stands at its path, as a mount leaves it".to_owned());
                Some(away.clone().unwrap_or_else(bare))
            }
            _ => None,
        };
        let Some((side, message)) = lost else {
            report.outcome = outcome(result)?;
            break report;
        };
        report.outcome = Outcome::Offline { side, message: message.clone() };
        away = Some((side, message));
        if further {
            waiting.afresh();
        }
        match waiting.again(side) {
            Ok(true) => {}
            Ok(false) => break report,
            Err(error) => {
                report.outcome = outcome(Err(error))?;
                break report;
            }
        }
    };
    report.unfinished.extend(report.conflicts.iter().map(|conflict| conflict.path.clone()));
    report.unfinished.extend(report.problems.iter().map(|problem| problem.path.clone()));
    if matches!(report.outcome, Outcome::Offline { side: Side::Network, .. }) {
        report.pending.staging = unsent(pair, options, stop).unwrap_or(report.pending.staging);
    }
    report.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// A network mount that is on its way back has its empty folder at its path for a while.
fn is_bare(pair: &Pair, options: &Options) -> bool {
    matches!(options.reach.is_taken(&pair.network.join(own::FOLDER)), Ok(false))
}

fn outcome(result: Result<Outcome, Error>) -> Result<Outcome, Error> {
    match result {
        Err(Error::Refused(refusal)) => Ok(Outcome::Refused(refusal)),
        Err(Error::Offline { side, message }) => Ok(Outcome::Offline { side, message }),
        Err(Error::Busy { holder }) => Ok(Outcome::Busy { holder }),
        Err(Error::Stopped) => Ok(Outcome::Interrupted),
        other => other,
    }
}

pub(super) fn empty_report(pair: &Pair, request: &Request) -> Report {
    Report {
        pair: pair.name.clone(),
        direction: request.direction,
        dry_run: request.dry_run,
        outcome: Outcome::Done,
        counts: Counts::default(),
        held: None,
        conflicts: Vec::new(),
        copies: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
        pending: PerSide::default(),
        unfinished: Vec::new(),
        scanned: PerSide::default(),
        elapsed_ms: 0,
        actions: Vec::new(),
    }
}

fn run(
    pair: &Pair,
    request: &Request,
    options: &Options,
    waiting: &Waiting<'_>,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let access = if request.dry_run { Access::LookOnly } else { Access::Write };
    let mut session = Session::open_waiting(pair, options, access, waiting)?;
    let doubtful = hints::unless_doubtful(&session, request)?;
    let request = doubtful.as_ref().unwrap_or(request);
    let widened = whole::widened(&session, request);
    let request = widened.as_ref().unwrap_or(request);
    let root = RelPath::root();
    report.notes.extend(session.notes.iter().map(|message| Note::of(&root, message)));
    let seen = PerSide::new(AtomicU64::new(0), AtomicU64::new(0));
    let sight = look(&session, request, &seen, tell, stop);
    report.scanned = seen.as_ref().map(|count| count.load(Ordering::Relaxed));
    let sight = sight?;
    tracing::debug!(differences = sight.differences.len(), "looked");
    let moving = moving(&sight.differences);
    let differences = in_place::none_is_half(&mut session, request, sight.differences);
    let Decision { mut plan, held, stop: stopped } = decide(&session, request, differences, stop)?;
    tracing::debug!(actions = plan.actions.len(), "planned");
    tell(Progress::Planned { to: work(&plan) });
    report.held = held;
    report.conflicts = std::mem::take(&mut plan.conflicts);
    report.problems = std::mem::take(&mut plan.problems);
    let untold = if request.dry_run { Vec::new() } else { plan.take_notes_of_rulings() };
    report.notes.append(&mut plan.notes);
    plan.notes = untold;
    report.pending = plan.pending;
    report.unfinished = plan.held.iter().map(|action| action.path.clone()).chain(moving).collect();
    if request.list_actions {
        report.actions.clone_from(&plan.actions);
    }
    if request.dry_run {
        report.counts = would(&plan);
        if !session.store.undisturbed() {
            report.notes.push(Note::of(&root, "another run wrote meanwhile; look again for a picture of one moment"));
        }
        return Ok(stopped.unwrap_or(Outcome::Done));
    }
    if let Some(outcome) = stopped {
        return Ok(outcome);
    }
    Standing::remember_devices(&mut session)?;
    claim::forget(&mut session, &sight.disowned)?;
    met(&mut session, request)?;
    write(&mut session, request, plan, &sight.leftovers, tell, stop, report)?;
    let looked_at = sight.looked_at.as_deref();
    growing::forget_quiet(&mut session, request, report, looked_at)?;
    in_place::lift_others(&mut session, request, stop)?;
    finish(&mut session, request, report, looked_at)?;
    keep_copies(&mut session, request, report, stop)?;
    Ok(Outcome::Done)
}

/// What changed while it was looked at. The event of that may not come: on a network drive another machine was at work.
fn moving(differences: &[Difference]) -> Vec<RelPath> {
    let is_moving = |difference: &&Difference| {
        Side::BOTH.into_iter().any(|side| matches!(difference.at(side), Seen::Unknown(Unknown::Moving)))
    };
    differences.iter().filter(is_moving).map(|difference| difference.path.clone()).collect()
}

/// Everything of a run that writes at a root.
fn write(
    session: &mut Session<'_>,
    request: &Request,
    plan: Plan,
    leftovers: &PerSide<Vec<RelPath>>,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<(), Error> {
    expect_in_place(session)?;
    let writes =
        PerSide::new(Side::Staging, Side::Network).map(|side| plan.actions.iter().any(|action| action.op.side() == Some(side)));
    let started = session.started;
    let host = local::host_name();
    let (owner, trash_name) = (owner(&host, session.pair), run_name(started, &host));
    sweep_snapshots(&databases::scratch(session.pair));
    blocks::sweep(&partials::blocks(session.pair));
    let kept = partials::kept(session, request, &plan, owner);
    clean::leftovers(session, leftovers, |side| request.direction.writes(side), owner, &trash_name, &kept);
    let nothing = plan.actions.is_empty();
    // Runs over hints leave it to the looks at everything, which come seldom.
    let overdue = request.tidy && session.options.watched.entering.is_some();
    if nothing && report.conflicts.is_empty() && report.problems.is_empty() {
        if overdue {
            keep_trash_small(session, &PerSide::new(Some(0), Some(0)), true);
        }
        return Ok(());
    }
    let ((mut lease, run_id), trash_made) =
        ahead::beside(session, &plan, &trash_name, |session| begin(session, request, &writes, started, &host, stop))?;
    let copied = PerSide::new(AtomicU64::new(0), AtomicU64::new(0));
    let count = |side: Side, bytes: u64| {
        copied[side].fetch_add(bytes, Ordering::Relaxed);
    };
    let (threads, torn) = (width(session, request), session.torn.clone());
    let Hands { mut run, store, patterns } = hands(session, &host, stop, &count);
    run.trash_made.network = Mutex::new(trash_made);
    let mut ledger = Ledger::new(store, run_id, torn, run.half.clone());
    let mut tend = || lease.as_mut().map_or(Ok(()), Borrowed::tend);
    let mut means = Means { patterns, threads, tell, copied: &copied, tend: &mut tend };
    let carried = carry(&run, plan.actions, &mut ledger, &mut means).map_err(|error| error.unless_stopped(stop));
    trash::remove_spare(&*run.roots.network, run.trash_made.network.get_mut().unwrap_or_else(PoisonError::into_inner));
    report.notes.extend(plan.notes.into_iter().filter(|note| ledger.ruled.iter().any(|path| path.is_within(&note.path))));
    report.counts = ledger.counts;
    report.conflicts.append(&mut ledger.conflicts);
    report.problems.append(&mut ledger.problems);
    report.notes.append(&mut ledger.notes);
    let trashed = ledger.trashed.map(|bytes| bytes.or(overdue.then_some(0)));
    let entered = close(&mut ledger, run_id, report, &carried);
    let made_whole = std::mem::take(&mut ledger.made_whole);
    drop(ledger);
    if entered.is_ok() {
        in_place::lift(session, &made_whole);
    }
    keep_trash_small(session, &trashed, carried.is_ok() && request.tidy);
    if let Some(lease) = lease {
        lease.release();
    }
    carried?;
    entered
}

/// Staging's versions of conflicts that are held do not live on one disk only.
fn keep_copies(session: &mut Session<'_>, request: &Request, report: &mut Report, stop: &AtomicBool) -> Result<(), Error> {
    if !request.direction.writes(Side::Network) {
        return Ok(());
    }
    let (host, options) = (local::host_name(), session.options);
    let Hands { run, store, patterns } = hands(session, &host, stop, &|_, _| {});
    let Some(manifest) = store.writing() else { return Ok(()) };
    report.copies = copies::tend(&run, manifest, patterns, options, &host, &mut report.notes)?;
    Ok(())
}

fn make_claim(session: &mut Session<'_>) -> Result<(), Error> {
    claim::make(session).map_err(|error| unwritable(error, Side::Staging))
}

/// The last entries of a run's books.
fn close(ledger: &mut Ledger<'_>, run: RunId, report: &mut Report, carried: &Result<(), Error>) -> Result<(), Error> {
    ledger.findings(&report.conflicts, &report.problems)?;
    ledger.commit()?;
    let counts = &report.counts;
    let named = [
        ("written_files", counts.written_files),
        ("written_folders", counts.written_folders),
        ("written_links", counts.written_links),
        ("written_bytes", counts.written_bytes),
        ("metadata", counts.metadata),
        ("renamed", counts.renamed),
        ("deleted_files", counts.deleted_files),
        ("deleted_folders", counts.deleted_folders),
        ("adopted", counts.adopted),
        ("revived", counts.revived),
        ("conflicts", report.conflicts.len() as u64),
        ("problems", report.problems.len() as u64),
    ];
    let ending = match carried {
        Ok(()) => "done",
        Err(Error::Offline { .. }) => "offline",
        Err(Error::Stopped) => "interrupted",
        Err(_) => "failed",
    };
    ledger.manifest().end_run(run, now(), ending, &named)?;
    Ok(())
}

/// Takes the lease, and enters what has to be known before the first visible step. A lease that is of no use goes back.
fn begin(
    session: &mut Session<'_>,
    request: &Request,
    writes: &PerSide<bool>,
    started: Time,
    host: &str,
    stop: &AtomicBool,
) -> Result<(Option<Borrowed>, RunId), Error> {
    let shows = writes.network || writes.staging;
    let lease = if shows { Some(Borrowed::take(session, host, request.wait, stop)?) } else { None };
    match enter(session, request, writes, started) {
        Ok(run_id) => Ok((lease, run_id)),
        Err(error) => {
            lease.into_iter().for_each(Borrowed::release);
            Err(error)
        }
    }
}

/// In one commit. Under the lease, so that two machines do not raise a generation from the same number.
fn enter(session: &mut Session<'_>, request: &Request, writes: &PerSide<bool>, started: Time) -> Result<RunId, Error> {
    make_claim(session)?;
    manifest_of(session).begin()?;
    next_generations(session, writes)?;
    if writes.staging && !writes.network {
        raise_where_taken(session)?;
    }
    let manifest = manifest_of(session);
    let run_id = manifest.begin_run(request.direction.word(), started)?;
    manifest.commit()?;
    Ok(run_id)
}

fn manifest_of<'s>(session: &'s mut Session<'_>) -> &'s mut Manifest {
    session.store.writing().expect("a run that writes has the manifest")
}

/// After a whole run: what the next one needs to know.
fn finish(session: &mut Session<'_>, request: &Request, report: &Report, looked_at: Option<&[Target]>) -> Result<(), Error> {
    claim::settle(session, request).map_err(|error| unwritable(error, Side::Staging))?;
    let (text, now) = (session.patterns_text.clone(), now());
    let Some(manifest) = session.store.writing() else { return Ok(()) };
    if !(manifest.conflicts()?.is_empty() && report.conflicts.is_empty()) {
        manifest.replace_conflicts(looked_at, &report.conflicts, now)?;
    }
    if !(manifest.problems()?.is_empty() && report.problems.is_empty()) {
        manifest.replace_problems(looked_at, &report.problems, now)?;
    }
    // Only a look at everything says that what is in the base is still wanted.
    if request.is_whole() && manifest.meta(key::PATTERNS)?.as_deref() != Some(text.as_str()) {
        manifest.set_meta(key::PATTERNS, &text)?;
    }
    if request.is_whole() && manifest.meta(key::FIRST_SYNC_ENDED)?.is_none() {
        manifest.set_meta(key::FIRST_SYNC_ENDED, "1")?;
    }
    if is_completed_by(request, report) && manifest.meta(key::STAGING_COMPLETE)?.is_none() {
        manifest.set_meta(key::STAGING_COMPLETE, "1")?;
    }
    if request.is_whole() {
        manifest.forget_former()?;
    }
    if report.counts != Counts::default() {
        deletes::answered(manifest, request, now)?;
        manifest.prune(Time(now.0 - HISTORY_NS))?;
    }
    Ok(())
}

/// From here on the two folders are meant to be one project: a first sync that is cut short, and leaves them looking
/// mostly different, is not asked about again. Only a look at everything could have asked.
fn met(session: &mut Session<'_>, request: &Request) -> Result<(), Error> {
    match session.store.writing() {
        Some(manifest) if request.is_whole() && manifest.meta(key::FIRST_SYNC_BEGUN)?.is_none() => {
            Ok(manifest.set_meta(key::FIRST_SYNC_BEGUN, "1")?)
        }
        _ => Ok(()),
    }
}

/// What a dry run's plan would count.
fn would(plan: &Plan) -> Counts {
    let mut counts = Counts::default();
    for action in &plan.actions {
        match &action.op {
            Op::Record { first, .. } => counts.adopted += u64::from(*first),
            Op::Forget => {}
            Op::Write { from, revived, .. } => {
                counts.revived += u64::from(*revived);
                match from.entry.kind() {
                    Kind::File => {
                        counts.written_files += 1;
                        counts.written_bytes = counts.written_bytes.saturating_add(from.entry.size());
                    }
                    Kind::Folder => counts.written_folders += 1,
                    Kind::Link => counts.written_links += 1,
                }
            }
            Op::Delete { expect, .. } if Seen::There(expect.clone()).is_folder() => counts.deleted_folders += 1,
            Op::Delete { .. } => counts.deleted_files += 1,
            Op::Touch { .. } => counts.metadata += 1,
            Op::Rename { .. } | Op::Aside { .. } => counts.renamed += 1,
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_while_it_was_looked_at_is_looked_at_again() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("a path");
        let shown = |name: &str, staging: Seen, network: Seen| Difference { path: path(name), base: None, staging, network };
        let moves = || Seen::Unknown(Unknown::Moving);
        let differences = [
            shown("here", moves(), Seen::Absent),
            shown("neither", Seen::Absent, Seen::Unknown(Unknown::Whole)),
            shown("there", Seen::Absent, moves()),
        ];
        assert_eq!(moving(&differences), [path("here"), path("there")]);
    }
}
