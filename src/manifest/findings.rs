//! Conflicts and problems as the last looks found them. What is found again keeps the time it was first seen.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::Manifest;
use super::columns::{PathColumn, Version, broken, optional_path_at, path_at, side_at, time_at};
use super::error::Result;
use crate::model::change::Change;
use crate::model::conflict::Conflict;
use crate::model::finding::{Problem, ProblemKind};
use crate::model::path::RelPath;
use crate::model::plan::Why;
use crate::model::side::PerSide;
use crate::model::target::{self, Target};
use crate::model::time::Time;

/// A conflict that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownConflict {
    pub path: RelPath,
    pub why: Why,
    pub versions: PerSide<Version>,
    /// First seen.
    pub since: Time,
    /// Where the network root keeps a copy of staging's version, and when it was copied.
    pub copy: Option<(RelPath, Time)>,
}

/// A problem that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProblem {
    pub problem: Problem,
    /// First seen.
    pub since: Time,
}

impl Manifest {
    /// Puts what a look found in the place of what was known within `looked_at` (`None`: everywhere).
    pub fn replace_conflicts(&mut self, looked_at: Option<&[Target]>, found: &[Conflict], now: Time) -> Result<()> {
        self.write("record conflicts in", |connection, _| {
            let known = conflicts(connection)?;
            for conflict in found {
                put_conflict(connection, conflict, now)?;
            }
            let paths: std::collections::HashSet<&RelPath> = found.iter().map(|conflict| &conflict.path).collect();
            let ended = |known: &KnownConflict| target::looked_at(looked_at, &known.path) && !paths.contains(&known.path);
            for conflict in known.iter().filter(|known| ended(known)) {
                connection.prepare_cached("DELETE FROM conflict WHERE path = ?1")?.execute([PathColumn(&conflict.path)])?;
            }
            Ok(())
        })
    }

    /// Says where the network root keeps a copy of staging's version of a known conflict.
    pub fn set_conflict_copy(&mut self, path: &RelPath, copy: &RelPath, copied: Time) -> Result<()> {
        self.write("record a conflict's copy in", |connection, _| {
            let sql = "UPDATE conflict SET copy = ?2, copied = ?3 WHERE path = ?1";
            connection.execute(sql, params![PathColumn(path), PathColumn(copy), copied.0]).map(drop)
        })
    }

    /// Puts what a look found in the place of what was known within `looked_at` (`None`: everywhere).
    pub fn replace_problems(&mut self, looked_at: Option<&[Target]>, found: &[Problem], now: Time) -> Result<()> {
        self.write("record problems in", |connection, _| {
            let before = problems(connection)?;
            for known in before.iter().filter(|known| target::looked_at(looked_at, &known.problem.path)) {
                let sql = "DELETE FROM problem WHERE path = ?1 AND side = ?2";
                connection.prepare_cached(sql)?.execute(params![PathColumn(&known.problem.path), known.problem.side.word()])?;
            }
            let first_seen: std::collections::HashMap<_, _> =
                before.iter().map(|known| ((&known.problem.path, known.problem.side), known.since)).collect();
            for problem in found {
                let since = first_seen.get(&(&problem.path, problem.side)).copied().unwrap_or(now);
                put_problem(connection, problem, since)?;
            }
            Ok(())
        })
    }
}

fn put_conflict(connection: &Connection, conflict: &Conflict, now: Time) -> rusqlite::Result<()> {
    let sql = "INSERT INTO conflict (path, since, in_base, staging_change, network_change,
            staging_what, staging_size, staging_mtime, staging_digest,
            network_what, network_size, network_mtime, network_digest)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET in_base = excluded.in_base,
            staging_change = excluded.staging_change, network_change = excluded.network_change,
            staging_what = excluded.staging_what, staging_size = excluded.staging_size,
            staging_mtime = excluded.staging_mtime, staging_digest = excluded.staging_digest,
            network_what = excluded.network_what, network_size = excluded.network_size,
            network_mtime = excluded.network_mtime, network_digest = excluded.network_digest";
    let [s0, s1, s2, s3] = Version::of_seen(&conflict.staging).columns();
    let [n0, n1, n2, n3] = Version::of_seen(&conflict.network).columns();
    let Why { in_base, staging, network, by: _ } = conflict.why;
    let (path, staging, network) = (PathColumn(&conflict.path), staging.word(), network.word());
    connection
        .prepare_cached(sql)?
        .execute(params![path, now.0, in_base, staging, network, s0, s1, s2, s3, n0, n1, n2, n3])
        .map(drop)
}

fn put_problem(connection: &Connection, problem: &Problem, since: Time) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO problem (path, side, since, kind, message) VALUES (?, ?, ?, ?, ?)";
    let Problem { path, side, kind, message } = problem;
    connection
        .prepare_cached(sql)?
        .execute(params![PathColumn(path), side.word(), since.0, kind.word(), Value::Text(message.clone())])
        .map(drop)
}

pub(super) fn conflicts(connection: &Connection) -> rusqlite::Result<Vec<KnownConflict>> {
    let sql = "SELECT path, since, in_base, staging_change, network_change,
        staging_what, staging_size, staging_mtime, staging_digest,
        network_what, network_size, network_mtime, network_digest, copy, copied FROM conflict";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(KnownConflict {
            path: path_at(row, 0)?,
            since: time_at(row, 1)?,
            why: Why { in_base: row.get(2)?, staging: change_at(row, 3)?, network: change_at(row, 4)?, by: None },
            versions: PerSide::new(Version::at(row, 5)?, Version::at(row, 9)?),
            copy: optional_path_at(row, 13)?.zip(row.get::<_, Option<i64>>(14)?.map(Time)),
        })
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

pub(super) fn problems(connection: &Connection) -> rusqlite::Result<Vec<KnownProblem>> {
    let mut statement = connection.prepare_cached("SELECT path, side, kind, message, since FROM problem")?;
    let rows = statement.query_map([], |row| {
        let problem =
            Problem { path: path_at(row, 0)?, side: side_at(row, 1)?, kind: problem_kind_at(row, 2)?, message: row.get(3)? };
        Ok(KnownProblem { problem, since: time_at(row, 4)? })
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    found.sort_by(|a, b| (&a.problem.path, a.problem.side).cmp(&(&b.problem.path, b.problem.side)));
    Ok(found)
}

fn change_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Change> {
    const ALL: [Change; 6] =
        [Change::None, Change::Created, Change::Modified, Change::Metadata, Change::Deleted, Change::Unknown];
    let word = row.get_ref(index)?.as_str()?;
    ALL.into_iter().find(|change| change.word() == word).ok_or_else(|| broken(index, "not a change"))
}

fn problem_kind_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<ProblemKind> {
    use ProblemKind::{Busy, Full, Io, NotRepresentable, Permission, Taken, Unreadable};
    const ALL: [ProblemKind; 7] = [Permission, Busy, NotRepresentable, Taken, Unreadable, Full, Io];
    let word = row.get_ref(index)?.as_str()?;
    ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| broken(index, "not a kind of problem"))
}
