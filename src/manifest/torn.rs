//! Files that were written to while they were copied.

use rusqlite::{Connection, params};

use super::Manifest;
use super::columns::{PathColumn, path_at, side_at};
use super::error::Result;
use crate::model::growing::Torn;
use crate::model::path::RelPath;
use crate::model::side::Side;

impl Manifest {
    /// In the place of what was known of this file.
    pub fn put_torn(&mut self, torn: &Torn) -> Result<()> {
        self.write("record a torn file in", |connection, _| {
            let sql = "INSERT OR REPLACE INTO torn (path, side, times, quiet_ns) VALUES (?, ?, ?, ?)";
            let Torn { path, side, times, quiet_ns } = torn;
            connection.prepare_cached(sql)?.execute(params![PathColumn(path), side.word(), times, quiet_ns]).map(drop)
        })
    }

    pub fn forget_torn(&mut self, path: &RelPath, side: Side) -> Result<()> {
        self.write("forget a torn file in", |connection, _| {
            let sql = "DELETE FROM torn WHERE path = ? AND side = ?";
            connection.prepare_cached(sql)?.execute(params![PathColumn(path), side.word()]).map(drop)
        })
    }
}

pub(super) fn torn(connection: &Connection) -> rusqlite::Result<Vec<Torn>> {
    let mut statement = connection.prepare_cached("SELECT path, side, times, quiet_ns FROM torn")?;
    let rows = statement.query_map([], |row| {
        Ok(Torn { path: path_at(row, 0)?, side: side_at(row, 1)?, times: row.get(2)?, quiet_ns: row.get(3)? })
    })?;
    rows.collect()
}
