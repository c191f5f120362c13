//! What the manifest answers, asked of whichever connection: the writer's own, which sees what the open transaction
//! wrote, or a reader's.

use rusqlite::Connection;

use super::error::Result;
use super::findings::{self, KnownConflict, KnownProblem};
use super::former::{self, GivenUp};
use super::history::{self, EventRecord, RunId, RunRecord};
use super::roots::{self, RootRecord};
use super::{meta, rows, torn};
use crate::model::entry::Kind;
use crate::model::growing::Torn;
use crate::model::guard::ByTop;
use crate::model::listing::{FolderId, Listing, Row};
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::time::Time;
use crate::sqlite::{self, failed};

/// A connection to be read from.
pub struct View {
    pub(super) connection: Connection,
}

impl View {
    /// Everything the base knows in one folder, sorted by name bytes; empty for an id that is gone.
    pub fn folder(&self, id: FolderId) -> Result<Listing<Row>> {
        Ok(rows::folder(&self.connection, id).map_err(failed("read the base in", &self.connection))?)
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

    /// Is anything in the base?
    pub fn has_base(&self) -> Result<bool> {
        Ok(former::has_rows(&self.connection, "entry").map_err(failed("read", &self.connection))?)
    }

    /// What giving up the base would end.
    pub fn to_give_up(&self) -> Result<GivenUp> {
        Ok(former::count(&self.connection).map_err(failed("read", &self.connection))?)
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

    /// In path order.
    pub fn problems(&self) -> Result<Vec<KnownProblem>> {
        Ok(findings::problems(&self.connection).map_err(failed("read problems in", &self.connection))?)
    }

    /// Few or none, in no order.
    pub fn torn(&self) -> Result<Vec<Torn>> {
        Ok(torn::torn(&self.connection).map_err(failed("read torn files in", &self.connection))?)
    }

    /// The newest first, at most `limit` of them.
    pub fn some_runs(&self, limit: Option<u32>) -> Result<Vec<RunRecord>> {
        Ok(history::some_runs(&self.connection, limit).map_err(failed("read the history in", &self.connection))?)
    }

    /// The newest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>> {
        self.some_runs(None)
    }

    /// In the order in which they happened.
    pub fn events(&self, run: RunId) -> Result<Vec<EventRecord>> {
        Ok(history::events(&self.connection, run).map_err(failed("read the history in", &self.connection))?)
    }

    /// What happened at or below a path in all runs, in the order in which it happened.
    pub fn events_at(&self, path: &RelPath) -> Result<Vec<(RunId, EventRecord)>> {
        Ok(history::events_at(&self.connection, path).map_err(failed("read the history in", &self.connection))?)
    }

    /// Files deleted at `side` at or after `since`.
    pub fn deletes_since(&self, side: Side, since: Time) -> Result<ByTop> {
        Ok(history::deletes_since(&self.connection, side, since).map_err(failed("read the history in", &self.connection))?)
    }

    /// Looks through the whole structure; the first complaint, or `None` where it is sound. Reads every page.
    pub fn complaint(&self) -> Result<Option<String>> {
        Ok(sqlite::complaint(&self.connection)?)
    }
}

fn files_below(connection: &Connection, path: &RelPath) -> rusqlite::Result<u64> {
    if path.is_root() {
        return rows::count_files(connection);
    }
    match rows::find(connection, path)? {
        None => Ok(0),
        Some(Row { folder: Some(id), .. }) => rows::count_files_below(connection, id),
        Some(Row { base, .. }) => Ok(u64::from(base.entry.kind() == Kind::File)),
    }
}
