//! The watch process: one thread that decides when to run, on what, and answers who asks.
//!
//! Invariants. Every run is a run of the engine, with all its guards. What was hinted at and not looked at in a finished run
//! stays a target. Nothing here decides about content.
//!
//! Why a run over hints is enough, and when everything is looked at all the same: `docs/decisions/0007-watch-by-hints.md`.

mod again;
mod eyes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::disk::clock::{Moment, random};
use crate::disk::local;
use crate::engine::report::{Counts, Outcome, Progress, Report};
use crate::engine::request::{Options, Pair, Request, Watched};
use crate::engine::{self, Error};
use crate::model::path::RelPath;
use crate::model::settle::{Pace, Settle};
use crate::model::side::{Direction, Side};
use crate::model::spacing::Spacing;
use crate::model::target::{Reach, Target};
use crate::roots::own;
use crate::watch::Said;
use again::Again;
use eyes::Eyes;

/// How long the event of a barrier's file may take.
const BARRIER: Duration = Duration::from_secs(2);

/// Between two looks at everything.
const OFTEN: Duration = Duration::from_secs(30);
const SELDOM: Duration = Duration::from_secs(600);

/// What somebody asks the watch process for.
pub enum Ask {
    /// One run in this direction over everything that changed before now.
    Sync {
        direction: Direction,
        reply: Sender<Result<Report, String>>,
    },
    Pause,
    Resume,
    Stop,
}

/// What comes to the deciding thread.
pub enum Word {
    Said(Side, Said),
    Ask(Ask),
}

/// What it tells.
#[derive(Debug)]
pub enum Event {
    /// Everything was looked at for the first time: from now on changes are seen.
    Ready,
    Ran {
        report: Box<Report>,
        whole: bool,
    },
    Failed(String),
}

/// Keeps a pair in step until it is asked to stop. `ready` is handed the way to ask.
///
/// # Errors
/// What keeps it from beginning; later ones are told, and tried again.
pub fn watch(
    pair: &Pair,
    template: &Request,
    options: &Options,
    tell: &(dyn Fn(Event) + Sync),
    ready: impl FnOnce(Sender<Word>),
    stop: &AtomicBool,
) -> Result<(), Error> {
    let _hold = engine::hold(pair, options, template.wait, &|_| {}, stop)?;
    let (say, words) = unbounded();
    let eyes = Arc::new(Eyes::default());
    let options = Options { watched: Watched(Some(Arc::clone(&eyes).entering())), ..options.clone() };
    let began = Moment::now();
    let now = began.elapsed();
    let mut desk = Desk {
        pair,
        template,
        options,
        tell,
        stop,
        began,
        eyes,
        say: say.clone(),
        settle: Settle::new(Pace::default()),
        again: Again::default(),
        scans: Spacing::new(OFTEN, SELDOM, now),
        whole: Some("nothing was looked at yet"),
        barriers: Vec::new(),
        count: 0,
        paused: false,
        seen_whole: false,
    };
    ready(say);
    desk.work(&words);
    Ok(())
}

/// Somebody who waits until all before now is in.
struct Barrier {
    name: RelPath,
    until: Duration,
    direction: Direction,
    reply: Sender<Result<Report, String>>,
}

struct Desk<'a> {
    pair: &'a Pair,
    template: &'a Request,
    options: Options,
    tell: &'a (dyn Fn(Event) + Sync),
    stop: &'a AtomicBool,
    began: Moment,
    eyes: Arc<Eyes>,
    say: Sender<Word>,
    settle: Settle,
    again: Again,
    scans: Spacing,
    /// Why everything has to be looked at.
    whole: Option<&'static str>,
    barriers: Vec<Barrier>,
    count: u64,
    paused: bool,
    seen_whole: bool,
}

impl Desk<'_> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn work(&mut self, words: &Receiver<Word>) {
        while !self.stop.load(Ordering::Relaxed) {
            self.turn();
            let wait = self.wake().saturating_sub(self.now()).min(Duration::from_secs(1));
            match words.recv_timeout(wait) {
                Ok(Word::Ask(Ask::Stop)) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(word) => {
                    self.hear(word);
                    // What has come meanwhile belongs to it.
                    for word in words.try_iter() {
                        if matches!(word, Word::Ask(Ask::Stop)) {
                            return;
                        }
                        self.hear(word);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// When there is something to do, if nothing comes.
    fn wake(&self) -> Duration {
        let barrier = self.barriers.iter().map(|barrier| barrier.until).min();
        let work = if self.paused {
            None
        } else {
            [self.settle.due(), self.again.due(), Some(self.scans.due())].into_iter().flatten().min()
        };
        [barrier, work].into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    fn hear(&mut self, word: Word) {
        let now = self.now();
        match word {
            Word::Said(_, Said::Hint(target)) => self.settle.hint(now, target),
            Word::Said(_, Said::Own(name)) => self.arrived(&name),
            Word::Said(side, Said::Lost(why)) => {
                tracing::warn!(%side, why, "events were lost");
                self.whole = Some("events were lost");
            }
            Word::Said(side, Said::Gone) => {
                self.eyes.close(side);
                self.whole = Some("a root was moved or unmounted");
            }
            Word::Ask(Ask::Sync { direction, reply }) => self.barrier(direction, reply),
            Word::Ask(Ask::Pause) => self.paused = true,
            Word::Ask(Ask::Resume) => self.paused = false,
            Word::Ask(Ask::Stop) => {}
        }
    }

    /// Does what is due.
    fn turn(&mut self) {
        let now = self.now();
        let (late, waiting) = std::mem::take(&mut self.barriers).into_iter().partition(|barrier| barrier.until <= now);
        self.barriers = waiting;
        for Barrier { name, direction, reply, .. } in late {
            tracing::warn!(%name, "no event came: the watcher is not to be relied upon");
            self.forget_cookie(&name);
            self.answer(direction, None, &reply);
        }
        if self.paused {
            return;
        }
        if self.whole.is_some() || self.scans.due() <= now {
            self.whole_run();
        } else if self.again.due().is_some_and(|due| due <= now) {
            let targets = [self.settle.take(now), self.again.take()].concat();
            self.run(self.template.direction, Some(targets));
        } else {
            let targets = self.settle.take(now);
            if !targets.is_empty() {
                self.run(self.template.direction, Some(targets));
            }
        }
    }

    fn whole_run(&mut self) {
        self.eyes.open(self.pair, &self.say);
        self.whole = None;
        self.settle.take_all();
        self.again.take();
        let began = self.now();
        let result = self.run(self.template.direction, None);
        let found = result.as_ref().is_ok_and(|report| report.counts != Counts::default());
        let mut chance = [0];
        // Without chance all machines look at the same time, which is no harm.
        let _ = random(&mut chance);
        let now = self.now();
        self.scans.looked(now, now.saturating_sub(began), found, chance[0]);
        if result.is_ok() && !std::mem::replace(&mut self.seen_whole, true) {
            (self.tell)(Event::Ready);
        }
    }

    fn run(&mut self, direction: Direction, hints: Option<Vec<Target>>) -> Result<Report, String> {
        let whole = hints.is_none();
        let request = Request { direction, hints: hints.clone(), wait: Duration::ZERO, ..self.template.clone() };
        let quiet = |_: Progress| {};
        let result = engine::sync(self.pair, &request, &self.options, &quiet, self.stop);
        let now = self.now();
        match result {
            Ok(report) => {
                let done = matches!(report.outcome, Outcome::Done);
                if !done {
                    // Nothing of it counts as looked at.
                    hints.into_iter().flatten().for_each(|target| self.again.keep(target));
                    self.whole = self.whole.or(whole.then_some("the last look did not come to its end"));
                }
                report.unfinished.iter().for_each(|path| self.again.keep(Target { path: path.clone(), reach: Reach::Tree }));
                self.again.rest(now, done && report.counts != Counts::default());
                (self.tell)(Event::Ran { report: Box::new(report.clone()), whole });
                Ok(report)
            }
            Err(error) => {
                hints.into_iter().flatten().for_each(|target| self.again.keep(target));
                self.again.rest(now, false);
                let message = error.to_string();
                (self.tell)(Event::Failed(message.clone()));
                Err(message)
            }
        }
    }

    /// Makes a file whose event comes after all that happened before now.
    fn barrier(&mut self, direction: Direction, reply: Sender<Result<Report, String>>) {
        self.count += 1;
        let name = RelPath::root().join(format!("barrier-{}-{}", std::process::id(), self.count).as_bytes());
        if let Err(error) = local::make_private_file(&self.cookie(&name)) {
            tracing::warn!(%error, "a barrier cannot be made");
            self.answer(direction, None, &reply);
            return;
        }
        self.barriers.push(Barrier { name, until: self.now() + BARRIER, direction, reply });
    }

    fn arrived(&mut self, name: &RelPath) {
        let Some(at) = self.barriers.iter().position(|barrier| barrier.name == *name) else { return };
        let Barrier { name, direction, reply, .. } = self.barriers.swap_remove(at);
        self.forget_cookie(&name);
        // Up still looks at each path of the network root that it touches; the others need its changes too.
        let enough = direction == Direction::Up && self.whole.is_none() && self.seen_whole;
        let targets = enough.then(|| [self.settle.take_all(), self.again.take(), self.eyes.bare(Side::Staging)].concat());
        self.answer(direction, targets, &reply);
    }

    fn answer(&mut self, direction: Direction, targets: Option<Vec<Target>>, reply: &Sender<Result<Report, String>>) {
        let result = self.run(direction, targets);
        // Who asked may have gone.
        let _ = reply.send(result);
    }

    fn cookie(&self, name: &RelPath) -> std::path::PathBuf {
        self.pair.staging.join(own::FOLDER).join(name.to_string())
    }

    fn forget_cookie(&self, name: &RelPath) {
        if let Err(error) = local::remove_file(&self.cookie(name)) {
            tracing::debug!(%error, "the file of a barrier stays");
        }
    }
}

#[cfg(test)]
mod tests;
