//! What the runs of a pair did, as its manifest tells: read without a lock, also while a run is at work and while the
//! roots are out of reach. Only whether the newest still runs is asked of staging, apart where that may hang.

use super::error::Error;
use super::request::Pair;
use super::runs;
use crate::disk::local;
use crate::manifest::Reader;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::roots::own;
use crate::roots::reach::Reach;
use crate::transfer::trash::home;

use std::collections::HashMap;

pub use crate::manifest::{EventRecord, RunId, RunRecord, Version, What};

/// Which run is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Last,
    Number(i64),
}

/// A run and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRun {
    pub record: RunRecord,
    pub ending: Ending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The word that the run itself left.
    Said(String),
    /// It left none and is at work no more.
    Killed,
    /// It holds the pair's lock.
    Running,
    /// It left none, and whether it still runs could not be found out.
    Unfinished,
}

impl Ending {
    pub fn word(&self) -> &str {
        match self {
            Ending::Said(word) => word,
            Ending::Killed => "killed",
            Ending::Running => "running",
            Ending::Unfinished => "unfinished",
        }
    }
}

/// The runs, the newest first; all of them without a limit.
pub fn runs(pair: &Pair, reach: &Reach, limit: Option<u32>) -> Result<Vec<ToldRun>, Error> {
    let Some(reader) = Reader::open(&pair.state)? else { return Ok(Vec::new()) };
    let newest = reader.some_runs(Some(1))?.first().map(|run| run.id);
    let told = reader.some_runs(limit)?.into_iter().map(|record| tell(pair, reach, record, newest));
    Ok(told.collect())
}

/// One run with its events in the order in which they happened.
pub fn run(pair: &Pair, reach: &Reach, which: Which) -> Result<(ToldRun, Vec<EventRecord>), Error> {
    let Some(reader) = Reader::open(&pair.state)? else { return Err(no_such(which)) };
    let all = reader.runs()?;
    let newest = all.first().map(|run| run.id);
    let record = pick(all, which).ok_or_else(|| no_such(which))?;
    let events = reader.events(record.id)?;
    Ok((tell(pair, reach, record, newest), events))
}

/// What happened at or below a path, the newest last.
pub fn life(pair: &Pair, path: &RelPath) -> Result<Vec<(RunId, EventRecord)>, Error> {
    match Reader::open(&pair.state)? {
        Some(reader) => Ok(reader.events_at(path)?),
        None => Ok(Vec::new()),
    }
}

pub(super) fn pick(runs: Vec<RunRecord>, which: Which) -> Option<RunRecord> {
    let mut runs = runs.into_iter();
    match which {
        Which::Last => runs.next(),
        Which::Number(number) => runs.find(|run| run.id.0 == number),
    }
}

pub(super) fn no_such(which: Which) -> Error {
    Error::NoSuchRun(match which {
        Which::Last => "the history of this pair holds no run".to_owned(),
        Which::Number(number) => format!("the history of this pair holds no run {number}"),
    })
}

fn tell(pair: &Pair, reach: &Reach, record: RunRecord, newest: Option<RunId>) -> ToldRun {
    let ending = match &record.outcome {
        Some(word) => Ending::Said(word.clone()),
        // One run a pair at a time: whatever a later one followed is over.
        None if newest != Some(record.id) => Ending::Killed,
        None => match reach.is_locked(&own::lock_path(&pair.staging)) {
            Some(true) => Ending::Running,
            Some(false) => Ending::Killed,
            None => Ending::Unfinished,
        },
    };
    ToldRun { record, ending }
}

/// The name of a run's folder in both trashes, where this machine made it.
pub(super) fn trash_name(run: &RunRecord) -> Name {
    runs::run_name(run.started, &local::host_name())
}

/// Why a version went to the trash, and by which run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub run: RunId,
    /// The event's word: `delete`, `write`…
    pub op: String,
    pub why: String,
}

/// What the history knows of the versions in the trash.
#[derive(Default)]
pub(super) struct Reasons {
    events: HashMap<(Side, RelPath), Reason>,
    runs: HashMap<Name, RunId>,
}

impl Reasons {
    pub fn of(reader: Option<&Reader>) -> Result<Reasons, Error> {
        let mut reasons = Reasons::default();
        let Some(reader) = reader else { return Ok(reasons) };
        for run in reader.runs()? {
            reasons.runs.insert(trash_name(&run), run.id);
        }
        for (run, event) in reader.events_at(&RelPath::root())? {
            if let (Some(side), Some(kept)) = (event.side, event.kept) {
                reasons.events.insert((side, kept), Reason { run, op: event.op, why: event.why });
            }
        }
        Ok(reasons)
    }

    /// Of what is kept, or of a folder that it was in when that went.
    pub fn find(&self, side: Side, run: &Name, path: &RelPath) -> Option<&Reason> {
        let mut at = Some(home().join(run).append(path));
        while let Some(kept) = at.filter(|kept| !kept.is_root()) {
            if let Some(reason) = self.events.get(&(side, kept.clone())) {
                return Some(reason);
            }
            at = kept.parent();
        }
        None
    }

    /// The number of the run that made this folder.
    pub fn number(&self, run: &Name) -> Option<RunId> {
        self.runs.get(run).copied()
    }
}
