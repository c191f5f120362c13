//! How a watch process stands: what anybody may read at any time.

use serde::{Deserialize, Serialize};

use crate::disk::clock::now;
use crate::engine::report::{Counts, Report};
use crate::model::side::PerSide;
use crate::model::utc::rfc3339;

/// One moment of a watch process. Times are RFC 3339, UTC. What an older process does not tell is as if nothing were there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub pair: String,
    pub process: u32,
    pub version: String,
    pub since: String,
    pub phase: Phase,
    /// What is wrong, where something is.
    pub message: Option<String>,
    pub roots: Roots,
    /// Places that may have changed and were not looked at yet.
    pub waiting: u64,
    pub conflicts: u64,
    pub problems: u64,
    /// Files and folders whose deletes the mass-delete guard holds.
    pub held: u64,
    /// Changes that the last run left, by the side that holds them.
    pub pending_up: u64,
    pub pending_down: u64,
    pub last_run: Option<LastRun>,
    /// When everything is looked at again, whatever happens.
    pub next_look: Option<String>,
    pub counters: Counters,
}

/// What it is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Everything is looked at for the first time.
    #[default]
    Starting,
    /// Waiting for something to happen.
    Idle,
    Running,
    /// It runs only where it is asked to.
    Paused,
    /// A root is out of reach: changes are kept, and it is tried again and again.
    Offline,
    /// A guard said no, or the last run failed; tried again with pauses.
    Stuck,
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Idle => "idle",
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Offline => "offline",
            Phase::Stuck => "stuck",
        }
    }
}

/// Both roots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    pub staging: RootWatch,
    pub network: RootWatch,
}

/// How changes of a root are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootWatch {
    pub mode: Mode,
    /// Folders with a watch of their own, on systems where each needs one.
    pub folders: u64,
    /// Folders without one, because the system has no room for more.
    pub bare: u64,
    /// Why it is not watched, or not wholly.
    pub message: Option<String>,
}

/// How far events can be relied upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Events come, of every folder.
    Reliable,
    /// Events come, but not of every folder; the others are scanned.
    Degraded,
    /// No events come: everything is scanned.
    #[default]
    Polling,
}

impl Mode {
    pub fn word(self) -> &'static str {
        match self {
            Mode::Reliable => "reliable",
            Mode::Degraded => "degraded",
            Mode::Polling => "polling",
        }
    }
}

/// The last run that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    pub ended: String,
    pub direction: String,
    /// It looked at everything.
    pub whole: bool,
    pub elapsed_ms: u64,
    /// Paths that it wrote, changed, renamed or deleted.
    pub changes: u64,
}

/// Totals since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub runs: u64,
    pub whole_runs: u64,
    /// Runs that did not come to their end.
    pub failed_runs: u64,
    pub written_files: u64,
    pub written_bytes: u64,
    pub deleted: u64,
    /// Times that events were lost.
    pub lost_events: u64,
}

impl Snapshot {
    pub fn new(pair: &str) -> Snapshot {
        let (pair, version, since) = (pair.to_owned(), env!("CARGO_PKG_VERSION").to_owned(), rfc3339(now()));
        Snapshot { pair, process: std::process::id(), version, since, ..Snapshot::default() }
    }

    /// What a run left. One that did not look at all that was left before (`of_all`) does not say that less of it is left.
    pub(super) fn left(&mut self, report: &Report, of_all: bool) {
        let now = |known: u64, told: u64| if of_all { told } else { known.max(told) };
        self.conflicts = now(self.conflicts, report.conflicts.len() as u64);
        self.problems = now(self.problems, report.problems.len() as u64);
        self.held = now(self.held, report.held.as_ref().map_or(0, |held| held.files + held.folders));
        self.pending_up = now(self.pending_up, report.pending.staging);
        self.pending_down = now(self.pending_down, report.pending.network);
    }

    pub fn set_roots(&mut self, roots: PerSide<RootWatch>) {
        let PerSide { staging, network } = roots;
        self.roots = Roots { staging, network };
    }
}

impl Counters {
    pub fn add(&mut self, counts: &Counts) {
        self.written_files += counts.written_files;
        self.written_bytes = self.written_bytes.saturating_add(counts.written_bytes);
        self.deleted += counts.deleted_files + counts.deleted_folders;
    }
}

/// Paths that a run changed at either root.
pub(super) fn changes(counts: &Counts) -> u64 {
    let written = counts.written_files + counts.written_folders + counts.written_links;
    written + counts.metadata + counts.renamed + counts.deleted_files + counts.deleted_folders
}
