//! The base that was given up, and what of it still saves reading: stamps that vouch for digests.
//!
//! Invariants. Giving up is one transaction: the base is empty and the roots are recorded as they stand now, or neither.
//! A former row is never compared for a decision about what changed. A row whose sides held different bytes (a live
//! database) vouches for nothing.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::digest_of;
use super::error::Result;
use super::roots::{RootRecord, set_root};
use super::rows::{count_files, row_columns, stamp_at};
use super::{Manifest, Reader, key, meta};
use crate::model::digest::Digest;
use crate::model::entry::Recorded;
use crate::model::listing::FolderId;
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::sqlite::failed;

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// In the base.
    pub files: u64,
    pub conflicts: u64,
    pub problems: u64,
}

/// A digest that a former row holds, and the stamp that it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vouched {
    pub digest: Digest,
    pub recorded: Recorded,
}

impl Manifest {
    /// Empties the base and keeps its rows for their digests; conflicts and problems end, the first sync is before the pair
    /// once more, history stays. `roots` are recorded in the same transaction. Copies that the network root keeps of the
    /// conflicts are left to the next run.
    ///
    /// Stamps of a side that is not in `vouching` are dropped: it is another folder than the one they were taken in.
    pub fn give_up_base(&mut self, roots: &PerSide<RootRecord>, vouching: &PerSide<bool>) -> Result<GivenUp> {
        self.write("give up the base in", |connection, folders| {
            folders.clear();
            let given_up = count(connection)?;
            shelve(connection)?;
            for side in Side::BOTH {
                if !vouching[side] {
                    let word = side.word();
                    connection.execute(&format!("UPDATE former SET {word}_racy = NULL WHERE {word}_racy IS NOT NULL"), [])?;
                }
                set_root(connection, side, &roots[side])?;
            }
            connection.execute_batch("DELETE FROM entry; DELETE FROM conflict; DELETE FROM problem; DELETE FROM torn;")?;
            let of_the_base =
                [key::FIRST_SYNC_BEGUN, key::FIRST_SYNC_ENDED, key::STAGING_COMPLETE, key::PATTERNS, key::CONFLICT_COPIES];
            connection.execute("DELETE FROM meta WHERE key IN (?1, ?2, ?3, ?4, ?5)", of_the_base)?;
            Ok(given_up)
        })
    }

    /// After a whole run: what the former rows could save is saved.
    pub fn forget_former(&mut self) -> Result<()> {
        if !has_rows(&self.connection, "former").map_err(failed("read", &self.connection))? {
            return Ok(());
        }
        self.write("forget former rows in", |connection, _| connection.execute("DELETE FROM former", []).map(drop))
    }

    /// The manifest's own name: a random one, kept for ever. `fresh` is taken where it has none yet.
    pub fn own_name(&mut self, fresh: &str) -> Result<String> {
        self.write("name", |connection, _| {
            let sql = "INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute([key::OWN_NAME, fresh])?;
            Ok(meta(connection, key::OWN_NAME)?.unwrap_or_default())
        })
    }
}

impl Reader {
    /// Is there anything to be had from [`Reader::vouched`]?
    pub fn may_vouch(&self) -> bool {
        self.may_vouch
    }

    /// The digest that a row of a base that was given up holds for the file at `path`, with the stamp of `side`.
    pub fn vouched(&self, path: &RelPath, side: Side) -> Result<Option<Vouched>> {
        Ok(vouched(&self.connection, path, side).map_err(failed("read former rows in", &self.connection))?)
    }
}

/// The rows of the base become the former ones. Of two bases that were given up without a whole run between them the one
/// that knows more stays: their folder numbers do not fit together.
fn shelve(connection: &Connection) -> rusqlite::Result<()> {
    const FILL: &str =
        concat!("INSERT INTO former (folder, ", row_columns!(), ") SELECT folder, ", row_columns!(), " FROM entry");
    let rows = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (base, former) = (rows("SELECT count(*) FROM entry")?, rows("SELECT count(*) FROM former")?);
    if base == 0 || base < former {
        return Ok(());
    }
    connection.execute("DELETE FROM former", [])?;
    connection.execute(FILL, []).map(drop)
}

pub(super) fn count(connection: &Connection) -> rusqlite::Result<GivenUp> {
    let rows = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
    Ok(GivenUp {
        files: count_files(connection)?,
        conflicts: rows("SELECT count(*) FROM conflict")?,
        problems: rows("SELECT count(*) FROM problem")?,
    })
}

pub(super) fn has_rows(connection: &Connection, table: &'static str) -> rusqlite::Result<bool> {
    connection.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM {table})"))?.query_row([], |row| row.get(0))
}

fn vouched(connection: &Connection, path: &RelPath, side: Side) -> rusqlite::Result<Option<Vouched>> {
    // A kind of 1 is a folder, of 0 a file.
    const FOLDER: &str = "SELECT child FROM former WHERE folder = ?1 AND name = ?2 AND kind = 1";
    const FILE: &str =
        concat!("SELECT ", row_columns!(), " FROM former WHERE folder = ?1 AND name = ?2 AND kind = 0 AND sent_digest IS NULL");
    let Some(name) = path.name() else { return Ok(None) };
    let mut folder = FolderId::ROOT;
    for above in path.parent().iter().flat_map(RelPath::names) {
        let mut statement = connection.prepare_cached(FOLDER)?;
        match statement.query_row(params![folder.0, above], |row| row.get(0)).optional()? {
            Some(id) => folder = FolderId(id),
            None => return Ok(None),
        }
    }
    let mut statement = connection.prepare_cached(FILE)?;
    let row = statement.query_row(params![folder.0, &name[..]], |row| {
        let digest = row.get_ref(6)?.as_blob_or_null()?.map(|bytes| digest_of(bytes, 6)).transpose()?;
        Ok(digest.zip(stamp_at(row, side)?))
    });
    Ok(row.optional()?.flatten().map(|(digest, recorded)| Vouched { digest, recorded }))
}
