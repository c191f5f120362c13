//! The deciding thread: sleeps until something is due or said, and runs the engine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::again::Again;
use super::cookies::Cookies;
use super::eyes::Eyes;
use super::inbox::Inbox;
use super::state::{self, LastRun, Phase, Snapshot};
use super::{Answer, Event, Plan, Reply, Word, lock};
use crate::disk::clock::{self, Moment, random};
use crate::engine;
use crate::engine::Kept;
use crate::engine::report::{Counts, Outcome, Progress, Report};
use crate::engine::request::{Deletes, Options, Request, Watched};
use crate::model::backoff;
use crate::model::path::RelPath;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::spacing::Spacing;
use crate::model::target::Target;
use crate::model::time::Time;
use crate::model::utc::rfc3339;
use crate::watch::Said;

/// Between two looks at everything: at a root that nobody watches, and where all is watched.
const OFTEN: Duration = Duration::from_secs(30);
const SELDOM: Duration = Duration::from_secs(600);
/// A run that another one was in the way of comes again after this time.
const BUSY: Duration = Duration::from_millis(200);
/// A guard's word does not change by itself as soon as a mount comes back.
const REFUSED: Duration = Duration::from_secs(5);
/// A run that leads nowhere comes again after as many times what it took.
const DEAR: u32 = 50;
/// The trash is brought within its limits as often.
const TIDY: Duration = Duration::from_secs(600);
/// Where no run follows for so long, the manifest is brought to rest.
const REST: Duration = Duration::from_secs(10);
/// Where a root is not seen, the clocks are compared as often.
const NAP: Duration = Duration::from_secs(60);
/// The two clocks of the machine drift apart by as much where it slept or its time was set.
const JUMP: Duration = Duration::from_secs(20);

/// Somebody who waits until all before now is in.
struct Barrier {
    /// Cookies whose events have not come yet.
    missing: Vec<RelPath>,
    request: Box<Request>,
    reply: Reply,
}

pub(super) struct Desk<'a> {
    plan: &'a Plan<'a>,
    options: Options,
    tell: &'a (dyn Fn(Event) + Sync),
    stop: &'a AtomicBool,
    shown: Arc<Mutex<Snapshot>>,
    eyes: Arc<Eyes>,
    inbox: Arc<Inbox>,
    again: Again,
    /// Since when a mass of deletes waits for an answer.
    held: Option<Time>,
    cookies: Cookies,
    barriers: Vec<Barrier>,
    scans: Spacing,
    /// Both roots are seen wholly, so that scans are only there to mend.
    seen: bool,
    /// Why everything has to be looked at.
    whole: Option<&'static str>,
    /// Not before that, and how often it went wrong.
    retry: Option<Duration>,
    tries: u32,
    /// What stands in the way of every run.
    trouble: Option<(Phase, String)>,
    paused: bool,
    ready: bool,
    /// When the manifest is brought to rest, and when the trash within its limits.
    rest: Option<Duration>,
    tidy: Duration,
    /// Wall clock and monotonic clock, when they were compared last.
    clocks: (Time, Duration),
}

impl<'a> Desk<'a> {
    pub fn new(
        plan: &'a Plan<'a>,
        tell: &'a (dyn Fn(Event) + Sync),
        stop: &'a AtomicBool,
        words: Sender<Word>,
        shown: Arc<Mutex<Snapshot>>,
        began: Moment,
    ) -> Desk<'a> {
        let eyes = Arc::new(Eyes::default());
        let watched = Watched { entering: Some(Arc::clone(&eyes).entering()), kept: Kept::place() };
        Desk {
            plan,
            options: Options { watched, ..plan.options.clone() },
            tell,
            stop,
            shown,
            eyes,
            inbox: Inbox::new(began, plan.pace, words),
            again: Again::default(),
            held: None,
            cookies: Cookies::default(),
            barriers: Vec::new(),
            scans: Spacing::new(OFTEN, SELDOM, Duration::ZERO),
            seen: false,
            whole: Some("nothing was looked at yet"),
            retry: None,
            tries: 0,
            trouble: None,
            paused: false,
            ready: false,
            rest: None,
            tidy: Duration::ZERO,
            clocks: (clock::now(), Duration::ZERO),
        }
    }

    pub fn work(mut self, words: &Receiver<Word>) {
        loop {
            self.turn();
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.space(self.now());
            self.show();
            // A clock that stands still while the machine sleeps wakes nobody in time: what is not seen is asked about.
            let nap = (!self.seen).then(|| self.now() + NAP);
            let word = match [self.wake(), nap].into_iter().flatten().min() {
                Some(due) => words.recv_timeout(due.saturating_sub(self.now())),
                None => words.recv().map_err(RecvTimeoutError::from),
            };
            match word {
                Ok(word) => self.hear(word),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // What has come meanwhile belongs to it.
            for word in words.try_iter() {
                self.hear(word);
            }
            self.compare_clocks();
        }
    }

    fn now(&self) -> Duration {
        self.inbox.now()
    }

    /// When there is something to do, if nothing comes.
    fn wake(&self) -> Option<Duration> {
        let work = match (self.paused, self.retry) {
            (true, _) => None,
            (false, Some(retry)) => Some(retry),
            (false, None) if self.whole.is_some() => Some(Duration::ZERO),
            (false, None) => [self.inbox.settle().due(), self.again.due(), Some(self.scans.due())].into_iter().flatten().min(),
        };
        [self.cookies.due(), self.rest, work].into_iter().flatten().min()
    }

    fn hear(&mut self, word: Word) {
        match word {
            // Its time is asked for before the next sleep.
            Word::Hinted | Word::Said(_, Said::Hint(_)) => {}
            Word::Said(side, Said::Own(name)) => self.arrived(side, &name),
            Word::Said(side, Said::Lost(why)) => {
                tracing::warn!(%side, why, "events were lost; everything is looked at");
                lock(&self.shown).counters.lost_events += 1;
                self.whole = Some("events were lost");
            }
            Word::Said(side, Said::Gone) => {
                tracing::warn!(%side, "the root was moved, deleted or unmounted");
                self.eyes.close(side);
                self.whole = Some("a root was moved, deleted or unmounted");
            }
            Word::Sync { request, reply } => self.asked(request, reply),
            Word::Pause(paused) => self.paused = paused,
            Word::Stop => {}
        }
    }

    /// Does what is due.
    fn turn(&mut self) {
        let now = self.now();
        for late in self.cookies.late(now) {
            tracing::warn!(side = %late.side, "no event came in time: everything is scanned from now on");
            self.eyes.prove(late.side, false);
            for barrier in self.barriers.extract_if(.., |barrier| barrier.missing.contains(&late.name)).collect::<Vec<_>>() {
                self.answer(*barrier.request, None, barrier.reply);
            }
        }
        if self.rest.is_some_and(|rest| rest <= now) {
            self.rest = None;
            self.options.watched.kept.rest();
        }
        if self.paused || self.stop.load(Ordering::Relaxed) || self.retry.is_some_and(|retry| now < retry) {
            return;
        }
        let retried = self.retry.take().is_some();
        if self.whole.is_some() || self.scans.due() <= now {
            return self.whole_run();
        }
        let mut targets = self.inbox.settle().take(now);
        let all = retried || self.again.due().is_some_and(|due| due <= now);
        if all {
            targets.append(&mut self.again.take());
        }
        if !targets.is_empty() {
            let request = self.request(self.plan.template.direction, Some(targets));
            // One by one they would be no mass.
            let deletes = self.held.filter(|_| !all).map_or(request.deletes, |since| Deletes::Held { since });
            let _ = self.run(Request { deletes, ..request }, false);
        }
    }

    /// A run by itself.
    fn request(&self, direction: Direction, hints: Option<Vec<Target>>) -> Request {
        let tidy = hints.is_none() && self.tidy <= self.now();
        Request { direction, hints, paths: Vec::new(), wait: Duration::ZERO, tidy, ..self.plan.template.clone() }
    }

    fn whole_run(&mut self) {
        tracing::debug!(why = self.whole.unwrap_or("it is time"), "looking at everything");
        self.whole = None;
        self.eyes.open(self.plan.pair, &self.options, &self.inbox);
        self.eyes.retry_bare();
        let began = self.now();
        let request = self.request(self.plan.template.direction, None);
        let tidy = request.tidy;
        let result = self.run(request, false);
        let now = self.now();
        if tidy && result.is_ok() {
            self.tidy = now + TIDY;
        }
        if self.eyes.open(self.plan.pair, &self.options, &self.inbox) {
            // It has come back, or has our own folder, only now.
            self.whole = self.whole.or(Some("a root was not watched when it was looked at"));
        }
        self.try_eyes(now);
        self.space(now);
        // Without chance all machines look at the same time, which is no harm.
        let mut chance = [0];
        let _ = random(&mut chance);
        let found = result.as_ref().is_ok_and(|report| report.counts != Counts::default());
        self.scans.looked(now, now.saturating_sub(began), found, chance[0]);
    }

    /// How often everything is looked at follows from whether all of it is seen, which any run may change: there may be no room
    /// to watch a new folder.
    fn space(&mut self, now: Duration) {
        let seen = Side::BOTH.into_iter().all(|side| self.eyes.sees_all(side));
        if seen != self.seen || !self.ready {
            self.seen = seen;
            self.scans = Spacing::new(if seen { SELDOM } else { OFTEN }, SELDOM, now);
        }
    }

    /// Lays a cookie at each root that is watched, to see whether events come at all.
    fn try_eyes(&mut self, now: Duration) {
        let pair = self.plan.pair;
        let roots = PerSide::new(&pair.staging, &pair.network);
        for side in Side::BOTH.into_iter().filter(|&side| self.eyes.is_open(side)) {
            if let Err(error) = self.cookies.lay(now, side, roots[side]) {
                tracing::debug!(%side, error, "no cookie");
            }
        }
    }

    /// Somebody wants a run that brings in all before now. Where both roots that it needs are seen, hints are enough, as soon as
    /// a file that is made now has been told of.
    fn asked(&mut self, request: Box<Request>, reply: Reply) {
        let needed: &[Side] = if request.direction == Direction::Up { &[Side::Staging] } else { &Side::BOTH };
        let calm = self.ready && self.whole.is_none() && self.retry.is_none() && request.paths.is_empty();
        if !calm || !needed.iter().all(|&side| self.eyes.sees(side)) {
            return self.answer(*request, None, reply);
        }
        let (now, pair) = (self.now(), self.plan.pair);
        let roots = PerSide::new(&pair.staging, &pair.network);
        let laid: Result<Vec<RelPath>, String> = needed.iter().map(|&side| self.cookies.lay(now, side, roots[side])).collect();
        match laid {
            Ok(missing) => self.barriers.push(Barrier { missing, request, reply }),
            Err(error) => {
                tracing::warn!(error, "no cookie can be made");
                self.answer(*request, None, reply);
            }
        }
    }

    fn arrived(&mut self, side: Side, name: &RelPath) {
        if self.cookies.arrived(side, name).is_none() {
            return;
        }
        self.eyes.prove(side, true);
        self.barriers.iter_mut().for_each(|barrier| barrier.missing.retain(|missing| missing != name));
        for barrier in self.barriers.extract_if(.., |barrier| barrier.missing.is_empty()).collect::<Vec<_>>() {
            let hints = self.whole.is_none().then(|| {
                let bare = Side::BOTH.map(|side| self.eyes.bare(side)).concat();
                [self.inbox.settle().take_all(), self.again.take(), bare].concat()
            });
            self.answer(*barrier.request, hints, barrier.reply);
        }
    }

    fn answer(&mut self, request: Request, hints: Option<Vec<Target>>, reply: Reply) {
        let answer = self.run(Request { hints, tidy: false, ..request }, true);
        reply(answer);
    }

    fn run(&mut self, request: Request, asked: bool) -> Answer {
        let phase = if self.ready { Phase::Running } else { Phase::Starting };
        // What stood in the way does so until this run has seen both roots: it may hang for long.
        lock(&self.shown).phase = self.trouble.as_ref().map_or(phase, |(trouble, _)| *trouble);
        (self.tell)(Event::Changed);
        let began = self.now();
        let tell = |progress: Progress| {
            if matches!(progress, Progress::Planned { .. }) {
                let mut shown = lock(&self.shown);
                (shown.phase, shown.message) = (phase, None);
            }
            (self.tell)(Event::Progress(progress));
        };
        let result = engine::sync(self.plan.pair, &request, &self.options, &tell, self.stop);
        let cost = self.now().saturating_sub(began);
        lock(&self.shown).counters.runs += 1;
        self.rest = Some(self.now() + REST);
        let answer = match result {
            Ok(report) => {
                let report = Arc::new(report);
                self.ran(&request, &report, cost);
                (self.tell)(Event::Ran { report: report.clone(), whole: request.is_whole(), asked });
                Ok(report)
            }
            Err(error) => {
                self.keep(&request);
                self.trouble(Phase::Stuck, error.to_string(), REFUSED.max(cost * DEAR));
                (self.tell)(Event::Failed(error.to_string()));
                Err(error.to_string())
            }
        };
        let looked = |report: &Arc<Report>| matches!(report.outcome, Outcome::Done | Outcome::Aborted);
        if !self.ready && request.is_whole() && answer.as_ref().is_ok_and(looked) {
            self.ready = true;
            tracing::info!(process = std::process::id(), "everything was looked at for the first time");
            (self.tell)(Event::Ready);
        }
        answer
    }

    /// What the request was about is looked at with the next run.
    fn hint_again(&mut self, request: &Request) {
        let now = self.now();
        match &request.hints {
            Some(hints) => hints.iter().for_each(|target| self.inbox.settle().hint(now, target.clone())),
            None if request.paths.is_empty() => self.whole = self.whole.or(Some("another run was in the way")),
            None => {}
        }
    }

    /// Nothing of the request counts as looked at.
    fn keep(&mut self, request: &Request) {
        match &request.hints {
            Some(hints) => hints.iter().cloned().for_each(|target| self.again.keep(target)),
            None if request.paths.is_empty() => self.whole = Some("the last look did not come to its end"),
            None => {}
        }
    }

    fn ran(&mut self, request: &Request, report: &Report, cost: Duration) {
        let whole = request.is_whole();
        let refused = REFUSED.max(cost * DEAR);
        match &report.outcome {
            Outcome::Done => (self.tries, self.retry, self.trouble) = (0, None, None),
            Outcome::Busy { .. } => {
                self.retry = Some(self.now() + BUSY);
                self.hint_again(request);
            }
            _ => self.keep(request),
        }
        match &report.outcome {
            Outcome::Done | Outcome::Busy { .. } | Outcome::Interrupted => {}
            Outcome::Aborted => {
                self.trouble(Phase::Stuck, "a conflict stops each run, because the policy is to abort".to_owned(), refused);
            }
            Outcome::Offline { side, message } => {
                self.trouble(Phase::Offline, format!("the {side} root cannot be reached: {message}"), Duration::ZERO);
            }
            Outcome::Refused(refusal) => self.trouble(Phase::Stuck, refusal.sentence(), refused),
        }
        if report.pending != PerSide::default() && request.direction != self.plan.template.direction {
            // Seen, and not for this direction to carry.
            self.hint_again(request);
        }
        let of_all = whole || self.again.is_with_it();
        let judged = of_all && report.outcome == Outcome::Done && request.direction == self.plan.template.direction;
        self.held = if report.held.is_some() { Some(clock::now()) } else { self.held.filter(|_| !judged) };
        report.unfinished.iter().for_each(|path| self.again.keep(Target::tree(path.clone())));
        // Where another run was in the way nothing was looked at, and the next try follows from that.
        if !matches!(report.outcome, Outcome::Busy { .. }) {
            self.again.rest(self.now(), report.counts != Counts::default(), cost);
        }
        self.note(report, whole, of_all);
    }

    /// Something stands in the way of every run; it is tried again after a pause that grows.
    fn trouble(&mut self, phase: Phase, message: String, least: Duration) {
        let mut draw = [0; 2];
        let _ = random(&mut draw);
        let pause = backoff::pause(self.tries, u16::from_be_bytes(draw)).max(least);
        self.tries = self.tries.saturating_add(1);
        self.retry = Some(self.now() + pause);
        self.whole = Some("a root was out of reach, or a run failed");
        lock(&self.shown).counters.failed_runs += 1;
        let trouble = Some((phase, message));
        if self.trouble != trouble {
            let why = trouble.as_ref().map(|(_, message)| message.as_str());
            tracing::warn!(why, phase = phase.word(), "nothing is carried until this has passed");
            self.trouble = trouble;
        }
    }

    /// The machine slept, or its time was set: what was to come in between may not have come.
    fn compare_clocks(&mut self) {
        let (wall, monotonic) = self.clocks;
        self.clocks = (clock::now(), self.now());
        let passed = self.clocks.1.saturating_sub(monotonic).as_nanos();
        let shown = u128::from((self.clocks.0.0 - wall.0).unsigned_abs());
        if passed.abs_diff(shown) > JUMP.as_nanos() {
            tracing::info!("the clock jumped; everything is looked at");
            self.whole = Some("the clock jumped");
            self.retry = None;
        }
    }

    /// `of_all`: it looked at all that was left before, too.
    fn note(&self, report: &Report, whole: bool, of_all: bool) {
        let mut shown = lock(&self.shown);
        let Counts { written_files, written_bytes, renamed, deleted_files, .. } = report.counts;
        let (conflicts, problems, elapsed_ms) = (report.conflicts.len(), report.problems.len(), report.elapsed_ms);
        if report.counts != Counts::default() {
            let direction = report.direction.word();
            tracing::info!(
                direction,
                whole,
                written_files,
                written_bytes,
                renamed,
                deleted_files,
                conflicts,
                problems,
                elapsed_ms,
                "ran"
            );
        }
        shown.counters.whole_runs += u64::from(whole);
        shown.counters.add(&report.counts);
        shown.left(report, of_all);
        shown.last_run = Some(LastRun {
            ended: rfc3339(clock::now()),
            direction: report.direction.word().to_owned(),
            whole,
            elapsed_ms: report.elapsed_ms,
            changes: state::changes(&report.counts),
        });
    }

    /// How things stand before a sleep.
    fn show(&self) {
        let phase = match (&self.trouble, self.paused, self.ready) {
            (_, true, _) => Phase::Paused,
            (Some((phase, _)), ..) => *phase,
            (None, _, true) => Phase::Idle,
            (None, _, false) => Phase::Starting,
        };
        let next = self.scans.due().saturating_sub(self.now());
        let next = i64::try_from(next.as_nanos()).unwrap_or(i64::MAX);
        let waiting = self.inbox.settle().len() as u64;
        let changed = {
            let mut shown = lock(&self.shown);
            let before = (shown.phase, shown.roots.clone());
            shown.set_roots(self.eyes.shown());
            shown.next_look = self.ready.then(|| rfc3339(Time(clock::now().0.saturating_add(next))));
            shown.waiting = waiting;
            shown.phase = phase;
            shown.message = self.trouble.as_ref().map(|(_, message)| message.clone());
            before != (phase, shown.roots.clone())
        };
        if changed {
            (self.tell)(Event::Changed);
        }
    }
}
