//! The watch process: one thread decides when to run, on what, and answers who asks.
//!
//! Invariants. Every run is a run of the engine, with all its guards and the pair's lock. What was hinted at and not looked at
//! in a finished run stays a target. Nothing here decides about content. Nobody has to wait for a thread that may hang in a
//! system call to learn how things stand ([`Handle::snapshot`]).
//!
//! Why a run over hints is enough, and when everything is looked at all the same: `docs/decisions/0007-watch-by-hints.md`.

mod again;
pub mod control;
mod cookies;
mod desk;
mod eyes;
mod inbox;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Sender, unbounded};

use crate::disk::clock::Moment;
use crate::engine::report::{Progress, Report};
use crate::engine::request::{Options, Pair, Request};
use crate::engine::{self, Error};
use crate::model::settle::Pace;
use crate::model::side::Side;
use crate::watch::Said;
use desk::Desk;

pub use state::{Mode, Phase, Snapshot};

/// What came of a run that somebody asked for.
pub type Answer = Result<Arc<Report>, String>;

/// Whom it is told.
type Reply = Box<dyn FnOnce(Answer) + Send>;

/// What comes to the deciding thread.
enum Word {
    /// The inbox was empty and is not any more.
    Hinted,
    /// [`Said::Own`], [`Said::Lost`] or [`Said::Gone`].
    Said(Side, Said),
    Sync {
        request: Box<Request>,
        reply: Reply,
    },
    Pause(bool),
    Stop,
}

/// What it tells while it works.
#[derive(Clone, Debug)]
pub enum Event {
    /// Everything was looked at for the first time: from now on changes are seen.
    Ready,
    Progress(Progress),
    Ran {
        report: Arc<Report>,
        whole: bool,
        /// Somebody waited for it.
        asked: bool,
    },
    Failed(String),
    /// The snapshot has another phase, or a root is watched in another way.
    Changed,
}

/// The way to a watch process, from other threads of its program.
#[derive(Clone)]
pub struct Handle {
    words: Sender<Word>,
    stop: Arc<AtomicBool>,
    shown: Arc<Mutex<Snapshot>>,
}

impl Handle {
    /// Asks for a run over everything that changed before now, or over the request's paths.
    ///
    /// `reply` is dropped unheard where the process ends first.
    pub fn sync(&self, request: Request, reply: impl FnOnce(Answer) + Send + 'static) {
        self.say(Word::Sync { request: Box::new(request), reply: Box::new(reply) });
    }

    /// No more runs by itself; those that are asked for go on.
    pub fn pause(&self, paused: bool) {
        self.say(Word::Pause(paused));
    }

    /// Ends it, between two files.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.say(Word::Stop);
    }

    pub fn snapshot(&self) -> Snapshot {
        lock(&self.shown).clone()
    }

    fn say(&self, word: Word) {
        // The deciding thread has ended: who waits for an answer sees it go.
        let _ = self.words.send(word);
    }
}

/// How a pair is to be watched.
pub struct Plan<'a> {
    pub pair: &'a Pair,
    /// What each run by itself is asked for; hints, paths and the wait are not looked at.
    pub template: &'a Request,
    pub options: &'a Options,
    pub pace: Pace,
    /// How long another watch process of the pair may take to end.
    pub wait: std::time::Duration,
}

/// Keeps a pair in step until it is asked to stop. `begun` is handed the way to it, and what it gives is kept until the end.
///
/// # Errors
/// What keeps it from beginning; later ones are told, and tried again.
pub fn watch<T>(
    plan: &Plan<'_>,
    stop: &Arc<AtomicBool>,
    tell: &(dyn Fn(Event) + Sync),
    begun: impl FnOnce(Handle) -> Result<T, Error>,
) -> Result<(), Error> {
    let _post = engine::take_post(
        plan.pair,
        plan.options,
        engine::Duty::Watch,
        plan.wait,
        &|progress| tell(Event::Progress(progress)),
        stop,
    )?;
    let (say, words) = unbounded();
    let shown = Arc::new(Mutex::new(Snapshot::new(&plan.pair.name)));
    let _kept = begun(Handle { words: say.clone(), stop: stop.clone(), shown: shown.clone() })?;
    Desk::new(plan, tell, stop, say, shown, Moment::now()).work(&words);
    Ok(())
}

/// A panic in another thread leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
