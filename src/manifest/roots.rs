//! The two roots as they were last identified and measured.

use rusqlite::{Connection, OptionalExtension, params};

use super::Manifest;
use super::columns::count_at;
use super::error::Result;
use crate::model::side::Side;
use crate::model::traits::Traits;

/// What the pair knows of one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRecord {
    /// The random id in the root's marker.
    pub id: String,
    /// The marker's generation as last written by us.
    pub generation: u64,
    /// The device number when it was last seen; a change is reported once.
    pub device: u64,
    /// Measured once a root; `None` until then.
    pub traits: Option<Traits>,
}

impl Manifest {
    pub fn set_root(&mut self, side: Side, record: &RootRecord) -> Result<()> {
        self.write("record a root in", |connection, _| set_root(connection, side, record))
    }
}

pub(super) fn root(connection: &Connection, side: Side) -> rusqlite::Result<Option<RootRecord>> {
    let sql = "SELECT id, generation, device, granularity_ns, clock_step_ns, ctime, ids, modes, links, hard_links, exchange,
        folds_case, folds_unicode, remote, fuse FROM root WHERE side = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([side.word()], |row| {
            let traits = match row.get::<_, Option<i64>>(3)? {
                None => None,
                Some(granularity_ns) => Some(Traits {
                    granularity_ns,
                    clock_step_ns: row.get(4)?,
                    ctime: row.get(5)?,
                    ids: row.get(6)?,
                    modes: row.get(7)?,
                    links: row.get(8)?,
                    hard_links: row.get(9)?,
                    exchange: row.get(10)?,
                    folds_case: row.get(11)?,
                    folds_unicode: row.get(12)?,
                    remote: row.get(13)?,
                    fuse: row.get(14)?,
                }),
            };
            Ok(RootRecord { id: row.get(0)?, generation: count_at(row, 1)?, device: count_at(row, 2)?, traits })
        })
        .optional()
}

pub(super) fn set_root(connection: &Connection, side: Side, record: &RootRecord) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO root (side, id, generation, device, granularity_ns, clock_step_ns, ctime, ids, modes,
        links, hard_links, exchange, folds_case, folds_unicode, remote, fuse)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let traits = record.traits;
    let flag = |read: fn(&Traits) -> bool| traits.as_ref().map(read);
    connection
        .prepare_cached(sql)?
        .execute(params![
            side.word(),
            record.id,
            record.generation.cast_signed(),
            record.device.cast_signed(),
            traits.map(|t| t.granularity_ns),
            traits.map(|t| t.clock_step_ns),
            flag(|t| t.ctime),
            flag(|t| t.ids),
            flag(|t| t.modes),
            flag(|t| t.links),
            flag(|t| t.hard_links),
            flag(|t| t.exchange),
            flag(|t| t.folds_case),
            flag(|t| t.folds_unicode),
            flag(|t| t.remote),
            flag(|t| t.fuse),
        ])
        .map(drop)
}
