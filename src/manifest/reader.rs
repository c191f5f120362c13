//! Reading the manifest beside its writer: for the workers of a scan, for `status` and for dry runs.
//!
//! Invariants. A reader never writes to the manifest. Each call sees the last committed state as a whole; two calls
//! may see two states. A reader waits for nobody and nobody waits for it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::error::{Error, Result};
use super::findings::{self, KnownConflict};
use super::history::{self, RunRecord};
use super::roots::{self, RootRecord};
use super::rows;
use super::schema::{self, Identity};
use super::{check_algorithm, database, meta};
use crate::disk::local;
use crate::model::entry::Kind;
use crate::model::listing::Listing;
use crate::model::listing::{FolderId, Row};
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::time::Time;
use crate::sqlite::{self, Access, failed};

/// Page cache of one reader. A folder's rows lie side by side, so that a larger one would hold nothing that is
/// asked for again.
const CACHE_KIB: u32 = 512;

/// A read-only connection; one a thread.
pub struct Reader {
    pub(super) connection: Connection,
    /// For a reader that takes no locks: how the file looked when it was opened.
    alone: Option<(PathBuf, Look)>,
}

/// All answers of a reader come from one state, and its file is locked once, not once a question.
fn one_state(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch("BEGIN").map_err(failed("read", connection))?)
}

/// The length and time of the database file; `None` where a log lies beside it or it cannot be asked.
type Look = Option<(u64, SystemTime)>;

impl Reader {
    /// Opens the manifest in `folder`; `None` where there is none or nothing was ever written to it.
    ///
    /// Makes no file where nobody has the manifest open (no `-wal` beside it). Then it takes no lock either: ask
    /// [`Reader::undisturbed`] at the end.
    pub fn open(folder: &Path) -> Result<Option<Reader>> {
        let path = database(folder);
        if !local::is_file(&path) {
            return Ok(None);
        }
        let look = look_at(&path);
        let access = if look.is_some() { Access::Unshared } else { Access::ReadOnly };
        let connection = sqlite::open(&path, access, CACHE_KIB)?;
        match schema::identify(&connection, &path)? {
            Identity::Empty => return Ok(None),
            Identity::Version(found) if found > schema::KNOWN => return Err(schema::newer(&path, found)),
            Identity::Version(found) if found < schema::KNOWN => {
                return Err(Error::Older { path, found, known: schema::KNOWN });
            }
            Identity::Version(_) => {}
        }
        check_algorithm(&connection, &path)?;
        one_state(&connection)?;
        Ok(Some(Reader { connection, alone: look.is_some().then_some((path, look)) }))
    }

    /// A reader beside a writer of this process.
    pub(super) fn beside(path: &Path) -> Result<Reader> {
        let connection = sqlite::open(path, Access::ReadOnly, CACHE_KIB)?;
        one_state(&connection)?;
        Ok(Reader { connection, alone: None })
    }

    /// Nobody wrote while we read without a lock, so that the answers belong together. A reader beside a writer
    /// always says yes.
    pub fn undisturbed(&self) -> bool {
        self.alone.as_ref().is_none_or(|(path, look)| look_at(path) == *look)
    }

    /// Everything the base knows in one folder, sorted by name bytes; empty for an id that is gone.
    pub fn folder(&self, id: FolderId) -> Result<Listing<Row>> {
        Ok(rows::folder(&self.connection, id).map_err(failed("read the base in", &self.connection))?)
    }

    /// The id of the folder at `path`; `None` where the base knows none.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the history, relink and conflict commands to come read it; its tests hold it")
    )]
    pub fn folder_at(&self, path: &RelPath) -> Result<Option<FolderId>> {
        Ok(rows::folder_at(&self.connection, path).map_err(failed("read the base in", &self.connection))?)
    }

    /// The row at `path`; `None` for the root, which has none.
    pub fn find(&self, path: &RelPath) -> Result<Option<Row>> {
        Ok(rows::find(&self.connection, path).map_err(failed("read the base in", &self.connection))?)
    }

    /// Files in the base. Reads every page.
    pub fn count_files(&self) -> Result<u64> {
        Ok(rows::count_files(&self.connection).map_err(failed("count files in", &self.connection))?)
    }

    /// Files in the base at or below `path`.
    pub fn files_below(&self, path: &RelPath) -> Result<u64> {
        Ok(files_below(&self.connection, path).map_err(failed("count files in", &self.connection))?)
    }

    /// Looks through the whole structure; the first complaint, or `None` where it is sound. Reads every page.
    pub fn complaint(&self) -> Result<Option<String>> {
        Ok(sqlite::complaint(&self.connection)?)
    }

    /// A small string of the pair.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        Ok(meta(&self.connection, key).map_err(failed("read", &self.connection))?)
    }

    pub fn root(&self, side: Side) -> Result<Option<RootRecord>> {
        Ok(roots::root(&self.connection, side).map_err(failed("read the roots in", &self.connection))?)
    }

    /// In path order.
    pub fn conflicts(&self) -> Result<Vec<KnownConflict>> {
        Ok(findings::conflicts(&self.connection).map_err(failed("read conflicts in", &self.connection))?)
    }

    /// The newest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        Ok(history::runs(&self.connection).map_err(failed("read the history in", &self.connection))?)
    }

    /// Files deleted at `side` at or after `since`.
    pub fn deletes_since(&self, side: Side, since: Time) -> Result<u64> {
        Ok(history::deletes_since(&self.connection, side, since).map_err(failed("read the history in", &self.connection))?)
    }
}

pub(super) fn files_below(connection: &Connection, path: &RelPath) -> rusqlite::Result<u64> {
    if path.is_root() {
        return rows::count_files(connection);
    }
    match rows::find(connection, path)? {
        None => Ok(0),
        Some(Row { folder: Some(id), .. }) => rows::count_files_below(connection, id),
        Some(Row { base, .. }) => Ok(u64::from(base.entry.kind() == Kind::File)),
    }
}

fn look_at(path: &Path) -> Look {
    if local::is_taken(&sqlite::beside(path, "-wal")) {
        return None;
    }
    local::length_and_time(path)
}
