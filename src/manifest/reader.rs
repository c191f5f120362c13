//! Reading the manifest beside its writer: for the workers of a scan, for `status` and for dry runs.
//!
//! Invariants. A reader never writes to the manifest. Each call sees the last committed state as a whole; two calls
//! may see two states. A reader waits for nobody and nobody waits for it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::error::{Error, Result};
use super::former;
use super::schema::{self, Identity};
use super::view::View;
use super::{check_algorithm, database};
use crate::disk::local;
use crate::sqlite::{self, Access, failed};

/// Page cache of one reader. A folder's rows lie side by side, so that a larger one would hold nothing that is
/// asked for again.
const CACHE_KIB: u32 = 512;

/// A read-only connection; one a thread.
pub struct Reader {
    view: View,
    /// There are former rows, whose digests a look may take.
    pub(super) may_vouch: bool,
    /// For a reader that takes no locks: how the file looked when it was opened.
    alone: Option<(PathBuf, Look)>,
}

/// All answers of a reader come from one state, and its file is locked once, not once a question.
fn one_state(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch("BEGIN").map_err(failed("read", connection))?)
}

/// Asked once a reader, so that a look pays nothing where no base was given up.
fn may_vouch(connection: &Connection) -> Result<bool> {
    Ok(former::has_rows(connection, "former").map_err(failed("read", connection))?)
}

/// The length and time of the database file; `None` where a log lies beside it or it cannot be asked.
type Look = Option<(u64, SystemTime)>;

impl Deref for Reader {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

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
        let may_vouch = may_vouch(&connection)?;
        Ok(Some(Reader { view: View { connection }, may_vouch, alone: look.is_some().then_some((path, look)) }))
    }

    /// A reader beside a writer of this process.
    pub(super) fn beside(path: &Path) -> Result<Reader> {
        Reader::of(sqlite::open(path, Access::ReadOnly, CACHE_KIB)?)
    }

    /// A new one, or one that was let go, at the last state.
    pub(super) fn of(connection: Connection) -> Result<Reader> {
        one_state(&connection)?;
        let may_vouch = may_vouch(&connection)?;
        Ok(Reader { view: View { connection }, may_vouch, alone: None })
    }

    /// Holds on to no state any more.
    pub(super) fn let_go(self) -> Result<Connection> {
        self.view.connection.execute_batch("COMMIT").map_err(failed("read", &self.view.connection))?;
        Ok(self.view.connection)
    }

    /// Nobody wrote while we read without a lock, so that the answers belong together. A reader beside a writer
    /// always says yes.
    pub fn undisturbed(&self) -> bool {
        self.alone.as_ref().is_none_or(|(path, look)| look_at(path) == *look)
    }
}

fn look_at(path: &Path) -> Look {
    if local::is_taken(&sqlite::beside(path, "-wal")) {
        return None;
    }
    local::length_and_time(path)
}
