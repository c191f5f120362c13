//! Runs and what they did to single paths, with reasons; and how many files were lately deleted at a side.

use rusqlite::{Connection, params};

use super::Manifest;
use super::columns::{PathColumn, Version, count_at, optional_path_at, path_at, side_at, time_at};
use super::error::Result;
use crate::model::guard::{self, ByTop};
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::time::Time;

/// A run's number; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    pub id: RunId,
    /// The word of its direction.
    pub direction: String,
    pub started: Time,
    /// `None`: it still runs, or it was killed.
    pub ended: Option<Time>,
    /// The word of how it ended.
    pub outcome: Option<String>,
    /// By name, in name order.
    pub counts: Vec<(String, u64)>,
}

/// A delete, overwrite, conflict, revival or problem. Plain creations and adoptions are counts of their run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    pub at: Time,
    pub path: RelPath,
    /// Where something was done; `None` where only something was found.
    pub side: Option<Side>,
    /// A word: "delete", "write", "conflict"…
    pub op: String,
    /// A sentence.
    pub why: String,
    /// Files that this took from `side`: what the mass-delete guard counts. A rename or an overwrite of a file takes
    /// none.
    pub deleted_files: u64,
    /// Where the side's trash holds the displaced version, below its root.
    pub kept: Option<RelPath>,
    /// Where a rename came from.
    pub moved_from: Option<RelPath>,
    /// What the three held before.
    pub base: Version,
    pub staging: Version,
    pub network: Version,
}

impl EventRecord {
    /// Something that was found, and nothing done.
    pub fn found(at: Time, path: RelPath, op: String, why: String) -> EventRecord {
        let (base, staging, network) = (Version::UNKNOWN, Version::UNKNOWN, Version::UNKNOWN);
        let (kept, moved_from) = (None, None);
        EventRecord { at, path, side: None, op, why, deleted_files: 0, kept, moved_from, base, staging, network }
    }
}

impl Manifest {
    /// `direction`: that of a sync, or `undo`.
    pub fn begin_run(&mut self, direction: &str, started: Time) -> Result<RunId> {
        self.write("record a run in", |connection, _| {
            let sql = "INSERT INTO run (direction, started) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![direction, started.0])?;
            Ok(RunId(connection.last_insert_rowid()))
        })
    }

    pub fn add_event(&mut self, run: RunId, event: &EventRecord) -> Result<()> {
        self.write("record history in", |connection, _| add_event(connection, run, event))
    }

    /// `counts` are kept by name; a count of 0 need not be given.
    pub fn end_run(&mut self, run: RunId, ended: Time, outcome: &str, counts: &[(&str, u64)]) -> Result<()> {
        self.write("record a run in", |connection, _| {
            let sql = "UPDATE run SET ended = ?2, outcome = ?3 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![run.0, ended.0, outcome])?;
            let sql = "INSERT OR REPLACE INTO run_count (run, what, count) VALUES (?1, ?2, ?3)";
            let mut statement = connection.prepare_cached(sql)?;
            counts.iter().try_for_each(|(what, count)| statement.execute(params![run.0, what, count.cast_signed()]).map(drop))
        })
    }

    /// Forgets the runs that started before `before`, with their events and counts.
    pub fn prune(&mut self, before: Time) -> Result<()> {
        self.write("prune the history in", |connection, _| {
            for sql in [
                "DELETE FROM event WHERE run IN (SELECT id FROM run WHERE started < ?1)",
                "DELETE FROM run_count WHERE run IN (SELECT id FROM run WHERE started < ?1)",
                "DELETE FROM run WHERE started < ?1",
            ] {
                connection.prepare_cached(sql)?.execute([before.0])?;
            }
            Ok(())
        })
    }
}

fn add_event(connection: &Connection, run: RunId, event: &EventRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO event (run, at, path, side, op, why, deleted_files, kept, moved_from,
            base_what, base_size, base_mtime, base_digest,
            staging_what, staging_size, staging_mtime, staging_digest,
            network_what, network_size, network_mtime, network_digest)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let [b0, b1, b2, b3] = event.base.columns();
    let [s0, s1, s2, s3] = event.staging.columns();
    let [n0, n1, n2, n3] = event.network.columns();
    let [kept, moved_from] = [&event.kept, &event.moved_from].map(|path| path.as_ref().map(PathColumn));
    let path = PathColumn(&event.path);
    let (side, deleted) = (event.side.map(Side::word), event.deleted_files.cast_signed());
    connection
        .prepare_cached(sql)?
        .execute(params![
            run.0, event.at.0, path, side, event.op, event.why, deleted, kept, moved_from, b0, b1, b2, b3, s0, s1, s2, s3, n0,
            n1, n2, n3
        ])
        .map(drop)
}

pub(super) fn deletes_since(connection: &Connection, side: Side, since: Time) -> rusqlite::Result<ByTop> {
    let sql = "SELECT path, deleted_files FROM event WHERE side = ?1 AND at >= ?2 AND deleted_files > 0";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![side.word(), since.0])?;
    let mut by_top = ByTop::new();
    while let Some(row) = rows.next()? {
        *by_top.entry(guard::top_of(&path_at(row, 0)?)).or_insert(0) += count_at(row, 1)?;
    }
    Ok(by_top)
}

/// The newest first, at most `limit` of them.
pub(super) fn some_runs(connection: &Connection, limit: Option<u32>) -> rusqlite::Result<Vec<RunRecord>> {
    let mut counts = connection.prepare_cached("SELECT what, count FROM run_count WHERE run = ?1 ORDER BY what")?;
    let sql = "SELECT id, direction, started, ended, outcome FROM run ORDER BY id DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit.map_or(-1, i64::from)], |row| {
        let id: i64 = row.get(0)?;
        Ok(RunRecord {
            id: RunId(id),
            direction: row.get(1)?,
            started: time_at(row, 2)?,
            ended: row.get::<_, Option<i64>>(3)?.map(Time),
            outcome: row.get(4)?,
            counts: counts.query_map([id], |row| Ok((row.get(0)?, count_at(row, 1)?)))?.collect::<rusqlite::Result<_>>()?,
        })
    })?;
    rows.collect()
}

const EVENT_COLUMNS: &str = "path, moved_from, run, at, side, op, why, deleted_files, kept,
    base_what, base_size, base_mtime, base_digest,
    staging_what, staging_size, staging_mtime, staging_digest,
    network_what, network_size, network_mtime, network_digest";

pub(super) fn events(connection: &Connection, run: RunId) -> rusqlite::Result<Vec<EventRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {EVENT_COLUMNS} FROM event WHERE run = ?1 ORDER BY id"))?;
    let rows = statement.query_map([run.0], |row| event_at(row).map(|(_, event)| event))?;
    rows.collect()
}

/// The events at or below a path, those of a rename away from there too, over all runs in the order in which they happened.
pub(super) fn events_at(connection: &Connection, path: &RelPath) -> rusqlite::Result<Vec<(RunId, EventRecord)>> {
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(&format!("SELECT {EVENT_COLUMNS} FROM event ORDER BY id"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let from = optional_path_at(row, 1)?;
        if path_at(row, 0)?.is_within(path) || from.is_some_and(|from| from.is_within(path)) {
            found.push(event_at(row)?);
        }
    }
    Ok(found)
}

fn event_at(row: &rusqlite::Row<'_>) -> rusqlite::Result<(RunId, EventRecord)> {
    let event = EventRecord {
        path: path_at(row, 0)?,
        moved_from: optional_path_at(row, 1)?,
        at: time_at(row, 3)?,
        side: row.get_ref(4)?.as_str_or_null()?.map(|_| side_at(row, 4)).transpose()?,
        op: row.get(5)?,
        why: row.get(6)?,
        deleted_files: count_at(row, 7)?,
        kept: optional_path_at(row, 8)?,
        base: Version::at(row, 9)?,
        staging: Version::at(row, 13)?,
        network: Version::at(row, 17)?,
    };
    Ok((RunId(row.get(2)?), event))
}
