//! What was done with a clone by this user on this machine, one line an event, and what that comes to.

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::names::Kind;
use super::refs;
use super::repository::Repository;
use crate::disk::log::{Log, Reading};
use crate::disk::{clock, local};
use crate::model::time::Time;
use crate::model::utc;

/// How many events count for a rate.
const LAST: usize = 1_000;

/// One thing that was done, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339.
    pub at: String,
    /// `publish`, `sync` or `tick`.
    pub op: String,
    pub ok: bool,
    /// A word, like in the object of the command.
    pub result: String,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub elapsed_ms: u64,
}

impl Event {
    pub fn now(op: &str, ok: bool, result: &str) -> Event {
        let at = utc::rfc3339(Time::from_parts(clock::now().parts().0, 0));
        Event { at, op: op.to_owned(), ok, result: result.to_owned(), message: String::new(), elapsed_ms: 0 }
    }
}

fn path(repository: &Repository) -> std::path::PathBuf {
    let me = format!("{}-{}", local::host_name(), local::user_id());
    repository.common.join("driftless/history").join(me).join("events.jsonl")
}

/// Writes an event down, and logs it. No work is worth less for a history that cannot be written.
pub fn note(repository: &Repository, event: &Event) {
    let Event { op, ok, result, message, elapsed_ms, .. } = event;
    tracing::info!(op, ok, result, message, elapsed_ms, "git");
    let write = || -> Result<()> {
        let shared = repository.own_folder()?.join("history");
        if !local::is_folder(&shared) {
            local::make_folders_like(&shared, &repository.common)?;
        }
        let line = serde_json::to_string(event).expect("an event has text keys only") + "\n";
        Ok(Log::open(&path(repository))?.append(line.as_bytes())?)
    };
    if let Err(error) = write() {
        tracing::warn!(%error, "the history of this clone is not written");
    }
}

/// How it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Of the last events: all, and those that went well.
    pub events: u64,
    pub went_well: u64,
    pub last: Option<Event>,
    pub last_success: Option<Event>,
    pub last_failure: Option<Event>,
    /// How many in a row failed last.
    pub failures: u64,
    pub pending: usize,
    /// When the oldest that waits was made.
    pub oldest: Option<String>,
    pub conflicts: usize,
    pub rejected: usize,
    pub backups: usize,
}

/// From the history and the refs.
pub fn health(repository: &Repository) -> Result<Health> {
    let pending = refs::of_kind(repository, Kind::Pending)?;
    // The ids begin with their time.
    let times = pending.iter().filter_map(|one| utc::parse_compact(one.id().as_bytes()));
    let number = |kind| refs::of_kind(repository, kind).map(|all| all.len());
    let mut health = Health {
        pending: pending.len(),
        conflicts: number(Kind::Conflict)?,
        rejected: number(Kind::Rejected)?,
        backups: number(Kind::Backup)?,
        oldest: times.min().map(utc::rfc3339),
        ..Health::default()
    };
    if let Some(mut reading) = Reading::of_last(&path(repository), LAST as u64)? {
        while let Some(line) = reading.next_line()? {
            // A line that a power cut tore tells nothing.
            let Ok(event) = serde_json::from_slice::<Event>(&line) else { continue };
            health.events += 1;
            health.went_well += u64::from(event.ok);
            health.failures = if event.ok { 0 } else { health.failures + 1 };
            *if event.ok { &mut health.last_success } else { &mut health.last_failure } = Some(event.clone());
            health.last = Some(event);
        }
    }
    Ok(health)
}
