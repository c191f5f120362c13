//! Runs, what one of them did, and what happened to a path.

use serde::Serialize;

use super::{PathText, line, text};
use crate::engine::history::{EventRecord, RunId, ToldRun, Version};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::model::utc::rfc3339;

#[derive(Serialize)]
struct RunItem<'a> {
    run: i64,
    direction: &'a str,
    started: String,
    ended: Option<String>,
    outcome: &'a str,
    counts: serde_json::Map<String, serde_json::Value>,
}

fn run_item(told: &ToldRun) -> RunItem<'_> {
    let record = &told.record;
    RunItem {
        run: record.id.0,
        direction: &record.direction,
        started: rfc3339(record.started),
        ended: record.ended.map(rfc3339),
        outcome: told.ending.word(),
        counts: record.counts.iter().map(|(name, count)| (name.clone(), (*count).into())).collect(),
    }
}

#[derive(Serialize)]
struct VersionItem {
    what: &'static str,
    bytes: Option<u64>,
    mtime: Option<String>,
}

impl From<&Version> for VersionItem {
    fn from(version: &Version) -> VersionItem {
        VersionItem { what: version.what.word(), bytes: version.size, mtime: version.mtime.map(rfc3339) }
    }
}

#[derive(Serialize)]
struct EventItem<'a> {
    run: i64,
    at: String,
    op: &'a str,
    side: Option<&'static str>,
    #[serde(flatten)]
    path: PathText,
    moved_from: Option<String>,
    why: &'a str,
    base: VersionItem,
    /// At the side where something was done.
    before: Option<VersionItem>,
    after: Option<VersionItem>,
    /// What was found, where nothing was done.
    staging: Option<VersionItem>,
    network: Option<VersionItem>,
    kept: Option<String>,
}

fn event_item(run: RunId, event: &EventRecord) -> EventItem<'_> {
    let versions = PerSide::new(&event.staging, &event.network);
    let at = |side: Option<Side>| side.map(|side| versions[side].into());
    let found = |side: Side| event.side.is_none().then(|| versions[side].into());
    EventItem {
        run: run.0,
        at: rfc3339(event.at),
        op: &event.op,
        side: event.side.map(Side::word),
        path: PathText::of(&event.path),
        moved_from: event.moved_from.as_ref().map(text),
        why: &event.why,
        base: (&event.base).into(),
        before: at(event.side),
        after: at(event.side.map(Side::other)),
        staging: found(Side::Staging),
        network: found(Side::Network),
        kept: event.kept.as_ref().map(text),
    }
}

/// The runs, the newest first.
pub fn runs(pair: &str, runs: &[ToldRun]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        runs: Vec<RunItem<'a>>,
    }
    let runs = runs.iter().map(run_item).collect();
    line(&Object { schema: "driftless.history/1", pair, exit_code: 0, runs })
}

/// One run with its events.
pub fn run_told(pair: &str, told: &ToldRun, events: &[EventRecord]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        #[serde(flatten)]
        run: RunItem<'a>,
        events: Vec<EventItem<'a>>,
    }
    let events = events.iter().map(|event| event_item(told.record.id, event)).collect();
    line(&Object { schema: "driftless.history/1", pair, exit_code: 0, run: run_item(told), events })
}

/// What happened at or below a path.
pub fn life(pair: &str, path: &RelPath, events: &[(RunId, EventRecord)]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        #[serde(flatten)]
        path: PathText,
        events: Vec<EventItem<'a>>,
    }
    let events = events.iter().map(|(run, event)| event_item(*run, event)).collect();
    line(&Object { schema: "driftless.history/1", pair, exit_code: 0, path: PathText::of(path), events })
}
