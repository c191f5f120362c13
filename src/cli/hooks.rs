//! When the user's hooks are due: around a sync of a command, and behind what the watch process does by itself.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};
use serde_json::{Value, json};

use crate::cli::exit::{self, Exit};
use crate::cli::json as objects;
use crate::cli::settings::{Settings, variable};
use crate::cli::warn;
use crate::engine::report::{Counts, Outcome, Report};
use crate::engine::request::Pair;
use crate::model::path::RelPath;
use crate::model::side::Direction;
use crate::run::Carried;
use crate::run::hooks::{self, Hooks, Occasion};

/// As many runs of the watch process may wait for their hooks.
const WAITING: usize = 64;

/// The hook before a sync. Where `stop` is set it is ended, or not begun.
pub fn before_sync(settings: &Settings, pair: &Pair, direction: Direction, stop: &AtomicBool) {
    let input = json!({"pair": pair.name, "direction": direction.word()});
    run(&settings.hooks, pair, &[Occasion::BeforeSync], &input, stop);
}

/// The hooks behind a sync, by how it ended. Where `stop` is set the one at work is ended and the rest are not begun.
pub fn after_sync(settings: &Settings, pair: &Pair, direction: Direction, carried: &Carried, stop: &AtomicBool) {
    let report = &carried.report;
    let has = |key: &str| report[key].as_array().is_some_and(|list| !list.is_empty());
    let held = ["files", "dirs"].iter().any(|key| report["held"][key].as_u64().is_some_and(|number| number > 0));
    let mut due = if carried.code == Exit::Done.code() { carried_over(direction) } else { vec![Occasion::AfterSync] };
    due.extend(has("conflicts").then_some(Occasion::OnConflict));
    due.extend((carried.code == Exit::Offline.code()).then_some(Occasion::OnOffline));
    due.extend(held.then_some(Occasion::OnHeld));
    run(&settings.hooks, pair, &due, report, stop);
}

fn carried_over(direction: Direction) -> Vec<Occasion> {
    let mut due = vec![Occasion::AfterSync];
    due.extend((direction != Direction::Up).then_some(Occasion::AfterDown));
    due.extend((direction != Direction::Down).then_some(Occasion::AfterUp));
    due
}

fn run(hooks: &Hooks, pair: &Pair, occasions: &[Occasion], input: &Value, stop: &AtomicBool) {
    if hooks.is_empty() || variable(hooks::VARIABLE).is_some() {
        return;
    }
    let text = format!("{input}\n");
    for &occasion in occasions {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        if let Err(sentence) = hooks::run(hooks, occasion, pair, &text, hooks::PATIENCE, stop) {
            warn(&sentence);
        }
    }
}

/// The hooks of a watch process, in a thread of their own. A run of its own that changed something counts as a sync; a conflict, a
/// held delete and a root out of reach are told once, when they come up. What waits when the process ends is not run any more.
pub struct Watching {
    due: Option<Sender<(Vec<Occasion>, Value)>>,
    known: Mutex<Known>,
}

/// What was told already.
#[derive(Default)]
struct Known {
    conflicts: BTreeSet<RelPath>,
    offline: bool,
    held: bool,
}

impl Watching {
    /// `stop`: the process is to end.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(settings: &Settings, pair: &Pair, stop: Arc<AtomicBool>) -> io::Result<Watching> {
        let (hooks, pair) = (settings.hooks.clone(), pair.clone());
        if hooks.is_empty() {
            return Ok(Watching { due: None, known: Mutex::default() });
        }
        let (due, waiting) = bounded::<(Vec<Occasion>, Value)>(WAITING);
        let work = move || waiting.iter().for_each(|(occasions, report)| run(&hooks, &pair, &occasions, &report, &stop));
        thread::Builder::new().name("hooks".to_owned()).spawn(work)?;
        Ok(Watching { due: Some(due), known: Mutex::default() })
    }

    /// Behind a run. Whoever `asked` for it has hooks of their own.
    pub fn ran(&self, report: &Report, whole: bool, asked: bool) {
        let Some(sender) = &self.due else { return };
        let due = self.known.lock().unwrap_or_else(PoisonError::into_inner).due(report, whole);
        if due.is_empty() || asked {
            return;
        }
        let (exit, outcome) = exit::of_report(report, None);
        let object = objects::sync("sync", report, exit, outcome, false, "watch");
        if sender.try_send((due, serde_json::from_str(&object).unwrap_or_default())).is_err() {
            warn("the hooks take too long: those of one run are left out");
        }
    }
}

impl Known {
    fn due(&mut self, report: &Report, whole: bool) -> Vec<Occasion> {
        let mut due = if report.counts == Counts::default() { Vec::new() } else { carried_over(report.direction) };
        let conflicts: BTreeSet<RelPath> = report.conflicts.iter().map(|conflict| conflict.path.clone()).collect();
        due.extend((!conflicts.is_subset(&self.conflicts)).then_some(Occasion::OnConflict));
        let offline = matches!(report.outcome, Outcome::Offline { .. });
        due.extend((offline && !self.offline).then_some(Occasion::OnOffline));
        due.extend((report.held.is_some() && !self.held).then_some(Occasion::OnHeld));
        // A run over a part does not tell that something has passed elsewhere.
        let done = report.outcome == Outcome::Done;
        if whole && done {
            (self.conflicts, self.held) = (BTreeSet::new(), false);
        }
        self.conflicts.extend(conflicts);
        self.held |= report.held.is_some();
        self.offline = offline || self.offline && !done;
        due
    }
}
