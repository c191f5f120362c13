//! One run from beginning to end.

use super::carry::{Means, carry};
use super::claim;
use super::clean;
use super::copies;
use super::databases;
use super::decide::{Decision, FIRST_SYNC_ENDED, decide, work};
use super::error::Error;
use super::growing;
use super::ledger::Ledger;
use super::look::{look, width};
use super::open::{Access, Session, Store, now};
use super::partials;
use super::report::{Counts, Outcome, Progress, Refusal, Report};
use super::request::{Durability, Options, Pair, Request};
use super::trash;
use crate::disk::{ErrorKind, Root, local};
use crate::manifest::RunId;
use crate::model::digest;
use crate::model::entry::Kind;
use crate::model::ignore::Patterns;
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::plan::{Op, Plan};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
use crate::roots::lease::{self, Holder, Lease};
use crate::transfer::{Run, sweep_snapshots};

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// History older than this goes.
const HISTORY_NS: i64 = 90 * 86_400_000_000_000;

/// Brings a pair in step as far as `request` allows. What can be told as a report is one; an `Err` is a failure.
pub fn sync(
    pair: &Pair,
    request: &Request,
    options: &Options,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = empty_report(pair, request);
    let result = run(pair, request, options, tell, stop, &mut report);
    report.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    report.outcome = match result {
        Ok(outcome) => outcome,
        Err(Error::Refused(refusal)) => Outcome::Refused(refusal),
        Err(Error::Offline { side, message }) => Outcome::Offline { side, message },
        Err(Error::Busy { holder }) => Outcome::Busy { holder },
        Err(Error::Stopped) => Outcome::Interrupted,
        Err(error) => return Err(error),
    };
    Ok(report)
}

fn empty_report(pair: &Pair, request: &Request) -> Report {
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
        scanned: PerSide::default(),
        elapsed_ms: 0,
        actions: Vec::new(),
    }
}

fn run(
    pair: &Pair,
    request: &Request,
    options: &Options,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let access = if request.dry_run { Access::LookOnly } else { Access::Write };
    let mut session = Session::open(pair, options, access, request.wait, tell, stop)?;
    let root = RelPath::root();
    report.notes.extend(session.notes.iter().map(|message| super::decide::note(&root, message)));
    let seen = PerSide::new(AtomicU64::new(0), AtomicU64::new(0));
    let sight = look(&session, request, &seen, tell, stop);
    report.scanned = seen.as_ref().map(|count| count.load(Ordering::Relaxed));
    let sight = sight?;
    tracing::debug!(differences = sight.differences.len(), since_start = ?session.began.elapsed(), "looked");
    let Decision { mut plan, held, stop: stopped } = decide(&session, request, sight.differences, stop)?;
    tracing::debug!(actions = plan.actions.len(), since_start = ?session.began.elapsed(), "planned");
    tell(Progress::Planned { to: work(&plan) });
    report.held = held;
    report.conflicts = std::mem::take(&mut plan.conflicts);
    report.problems = std::mem::take(&mut plan.problems);
    report.notes.append(&mut plan.notes);
    report.pending = plan.pending;
    if request.list_actions {
        report.actions.clone_from(&plan.actions);
    }
    if request.dry_run {
        report.counts = would(&plan);
        if !session.store.undisturbed() {
            report.notes.push(super::decide::note(&root, "another run wrote meanwhile; look again for a picture of one moment"));
        }
        return Ok(stopped.unwrap_or(Outcome::Done));
    }
    if let Some(outcome) = stopped {
        return Ok(outcome);
    }
    claim::forget(&mut session, &sight.disowned)?;
    met(&mut session, request)?;
    let outcome = write(&mut session, request, plan, &sight.leftovers, tell, stop, report)?;
    growing::forget_quiet(&mut session, request, report)?;
    finish(&mut session, request, report)?;
    keep_copies(&mut session, request, report, stop)?;
    Ok(outcome)
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
) -> Result<Outcome, Error> {
    expect_in_place(session)?;
    let writes =
        PerSide::new(Side::Staging, Side::Network).map(|side| plan.actions.iter().any(|action| action.op.side() == Some(side)));
    let started = session.started;
    let host = local::host_name();
    let (owner, trash_name) = (owner(&host, session.pair), trash::run_name(started, &host));
    sweep_snapshots(&databases::scratch(session.pair));
    let kept = partials::kept(session, request, &plan, owner);
    clean::leftovers(session, leftovers, |side| request.direction.writes(side), owner, &trash_name, &kept);
    let nothing = plan.actions.is_empty();
    if nothing && report.conflicts.is_empty() && report.problems.is_empty() {
        return Ok(Outcome::Done);
    }
    let mut lease = if writes.network { Some(Borrowed::take(session, &host, request.wait, stop)?) } else { None };
    // Under the lease, so that two machines do not raise it from the same number.
    if let Err(error) = next_generations(session, &writes).and_then(|()| make_claim(session)) {
        lease.into_iter().for_each(Borrowed::release);
        return Err(error);
    }
    let run_id = begin(session, request, started)?;
    let copied = PerSide::new(AtomicU64::new(0), AtomicU64::new(0));
    let count = |side: Side, bytes: u64| {
        copied[side].fetch_add(bytes, Ordering::Relaxed);
    };
    let (threads, torn) = (width(session), session.torn.clone());
    let Hands { run, store, patterns } = hands(session, &host, stop, &count);
    let mut ledger = Ledger::new(store, run_id, torn);
    let mut tend = || lease.as_mut().map_or(Ok(()), Borrowed::tend);
    let mut means = Means { patterns, threads, tell, copied: &copied, tend: &mut tend };
    let carried = carry(&run, plan.actions, &mut ledger, &mut means);
    report.counts = ledger.counts;
    report.conflicts.append(&mut ledger.conflicts);
    report.problems.append(&mut ledger.problems);
    report.notes.append(&mut ledger.notes);
    let trashed = ledger.trashed;
    let entered = close(&mut ledger, run_id, report, &carried);
    drop(ledger);
    if carried.is_ok() {
        keep_trash_small(session, &trashed);
    }
    if let Some(lease) = lease {
        lease.release();
    }
    carried?;
    entered?;
    Ok(Outcome::Done)
}

/// What carrying out needs of a session, apart from what it writes down in.
pub(super) struct Hands<'s> {
    pub run: Run<'s>,
    pub store: &'s mut Store,
    pub patterns: &'s Patterns,
}

pub(super) fn hands<'s>(
    session: &'s mut Session<'_>,
    host: &str,
    stop: &'s AtomicBool,
    copied: &'s (dyn Fn(Side, u64) + Sync),
) -> Hands<'s> {
    let run = Run {
        roots: &session.roots,
        traits: &session.traits,
        clocks: session.clocks,
        began: session.began,
        trash_name: trash::run_name(session.started, host),
        owner: owner(host, session.pair),
        flush: session.options.durability == Durability::Full,
        partials: partials::folder(session.pair),
        append: &session.append,
        whole: &session.whole,
        stop,
        copied,
        scratch: databases::scratch(session.pair),
        trash_made: PerSide::new(Mutex::new(HashSet::new()), Mutex::new(HashSet::new())),
    };
    Hands { run, store: &mut session.store, patterns: &session.patterns }
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

/// A mount that dropped out from under its path leaves a local folder there that takes writes.
pub(super) fn expect_in_place(session: &Session<'_>) -> Result<(), Error> {
    for side in Side::BOTH {
        if !session.roots[side].still_there().map_err(Error::disk_at(side))? {
            return Err(Error::Offline { side, message: "another folder stands at its path now".to_owned() });
        }
    }
    Ok(())
}

pub(super) fn next_generations(session: &mut Session<'_>, writes: &PerSide<bool>) -> Result<(), Error> {
    for side in Side::BOTH.into_iter().filter(|&side| writes[side]) {
        let root = session.roots[side].clone();
        let bumped = session.standing.next_generation(&*root, &mut session.store, side);
        bumped.map_err(|error| unwritable(error, side))?;
    }
    Ok(())
}

fn make_claim(session: &mut Session<'_>) -> Result<(), Error> {
    claim::make(session).map_err(|error| unwritable(error, Side::Staging))
}

pub(super) fn keep_trash_small(session: &Session<'_>, trashed: &PerSide<bool>) {
    for side in Side::BOTH.into_iter().filter(|&side| trashed[side]) {
        if let Err(error) = clean::trash_limits(session, side) {
            tracing::warn!(%side, %error, "the trash could not be brought within its limits");
        }
    }
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

fn begin(session: &mut Session<'_>, request: &Request, started: Time) -> Result<RunId, Error> {
    let manifest = session.store.writing().expect("a run that writes has the manifest");
    Ok(manifest.begin_run(request.direction.word(), started)?)
}

/// After a whole run: what the next one needs to know.
fn finish(session: &mut Session<'_>, request: &Request, report: &Report) -> Result<(), Error> {
    claim::settle(session, request).map_err(|error| unwritable(error, Side::Staging))?;
    let (text, now) = (session.patterns_text.clone(), now());
    let Some(manifest) = session.store.writing() else { return Ok(()) };
    if !(manifest.conflicts()?.is_empty() && report.conflicts.is_empty()) {
        manifest.replace_conflicts(&request.paths, &report.conflicts, now)?;
    }
    if !(manifest.problems()?.is_empty() && report.problems.is_empty()) {
        manifest.replace_problems(&request.paths, &report.problems, now)?;
    }
    // Only a look at everything says that what is in the base is still wanted.
    if request.paths.is_empty() && manifest.meta("patterns")?.as_deref() != Some(text.as_str()) {
        manifest.set_meta("patterns", &text)?;
    }
    if request.paths.is_empty() && manifest.meta(FIRST_SYNC_ENDED)?.is_none() {
        manifest.set_meta(FIRST_SYNC_ENDED, "1")?;
    }
    if request.paths.is_empty() {
        manifest.forget_former()?;
    }
    if report.counts != Counts::default() {
        manifest.prune(Time(now.0 - HISTORY_NS))?;
    }
    Ok(())
}

/// From here on the two folders are meant to be one project: a first sync that is cut short, and leaves them looking
/// mostly different, is not asked about again. Only a look at everything could have asked.
fn met(session: &mut Session<'_>, request: &Request) -> Result<(), Error> {
    match session.store.writing() {
        Some(manifest) if request.paths.is_empty() && manifest.meta("first_sync_done")?.is_none() => {
            Ok(manifest.set_meta("first_sync_done", "1")?)
        }
        _ => Ok(()),
    }
}

fn unwritable(error: Error, side: Side) -> Error {
    match &error {
        Error::Root { source, .. } if matches!(source.kind(), Some(ErrorKind::Denied | ErrorKind::ReadOnly)) => {
            Error::Refused(Refusal::ReadOnly { side })
        }
        _ => error,
    }
}

/// The first part of temporary names: this machine and pair.
pub(super) fn owner(host: &str, pair: &Pair) -> u32 {
    let key = format!("{host}\0{}", pair.state.display());
    let [a, b, c, d, ..] = digest::of(key.as_bytes()).0;
    u32::from_be_bytes([a, b, c, d])
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
                        counts.written_bytes += from.entry.size();
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

/// The network root's lease while this run shows writes there.
pub(super) struct Borrowed {
    root: Arc<dyn Root>,
    lease: Option<Lease>,
    renewed: Instant,
}

struct Monotonic<'a> {
    began: Instant,
    stop: &'a AtomicBool,
}

impl lease::Clock for Monotonic<'_> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause(&self, time: Duration) -> bool {
        std::thread::sleep(time.min(Duration::from_millis(200)));
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Borrowed {
    /// Others save work by it; what keeps data safe is the look before each visible step. So none to be had is no reason
    /// to stop.
    pub fn take(session: &Session<'_>, host: &str, wait: Duration, stop: &AtomicBool) -> Result<Self, Error> {
        let root = session.roots.network.clone();
        let holder = Holder { host: host.to_owned(), state: format!("{:08x}", owner(host, session.pair)) };
        let clock = Monotonic { began: Instant::now(), stop };
        let lease = match lease::take(&*root, &holder, wait, &clock).map_err(Error::at(Side::Network))? {
            lease::Outcome::Ours(lease) => Some(lease),
            lease::Outcome::Busy { holder } => {
                tracing::info!(?holder, "another machine writes to the network root; going on beside it");
                None
            }
            lease::Outcome::None { reason } => {
                tracing::debug!(%reason, "no lease to be had");
                None
            }
        };
        Ok(Borrowed { root, lease, renewed: Instant::now() })
    }

    pub fn tend(&mut self) -> Result<(), Error> {
        if self.renewed.elapsed() < lease::RENEW_EVERY {
            return Ok(());
        }
        self.renewed = Instant::now();
        let kept = self.lease.as_mut().map(|lease| lease.renew(&*self.root));
        match kept {
            Some(Err(error)) if error.is_gone() => Err(Error::at(Side::Network)(error)),
            Some(Ok(false) | Err(_)) => {
                self.lease = None;
                Ok(())
            }
            Some(Ok(true)) | None => Ok(()),
        }
    }

    pub fn release(self) {
        if let Some(lease) = self.lease
            && let Err(error) = lease.release(&*self.root)
        {
            tracing::debug!(%error, "the lease stays until others take it over");
        }
    }
}
