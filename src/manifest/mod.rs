//! What a pair remembers: the base, the stamps of both sides, digests, roots, conflicts, problems and history, in one
//! SQLite file on a local disk. `docs/manifest.md` says how to read it with the `sqlite3` shell.
//!
//! Invariants. The manifest holds what was seen and agreed, never work to do. One writer, any number of readers. A
//! batch is one transaction: it is there as a whole or not at all. The base may lag behind the roots, never run ahead:
//! who writes it has made the files durable before. A file that is damaged is set aside, never deleted; one of a later
//! version is refused and not touched.

mod base;
mod columns;
#[cfg(test)]
mod damage_tests;
mod error;
mod findings;
mod former;
mod history;
mod reader;
mod roots;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod torn;
mod view;

use std::cell::Cell;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

pub use columns::{Version, What};
pub use error::{Error, Result};
pub use former::GivenUp;
pub use history::{EventRecord, RunId, RunRecord};
pub use reader::Reader;
pub use roots::RootRecord;
pub use view::View;

use crate::disk::local;
use crate::model::digest;
use crate::model::time::Time;
use crate::sqlite::{self, Access, Synchronous, failed};
use base::FolderCache;
use schema::Identity;

/// The file's name in the pair's state folder.
pub const FILE_NAME: &str = "manifest.db";

/// What [`Manifest::set_meta`] and [`View::meta`] go by.
pub mod key {
    use crate::model::side::Side;

    /// Set once a run over everything was about to write: the question whether these are one project is answered.
    pub const FIRST_SYNC_BEGUN: &str = "first_sync_done";
    /// Set once a run over everything came to its end: from then on the two folders have met.
    pub const FIRST_SYNC_ENDED: &str = "first_sync_ended";
    /// Set once a run over everything left nothing on the network that staging could have taken: from then on a command may
    /// work there.
    pub const STAGING_COMPLETE: &str = "staging_complete";
    /// The ignore patterns that the base was made with.
    pub const PATTERNS: &str = "patterns";
    /// When a run over everything was last allowed its deletes at this side, in ns since 1970: the mass-delete guard counts from
    /// there.
    pub const fn deletes_allowed(side: Side) -> &'static str {
        match side {
            Side::Staging => "deletes_allowed_staging",
            Side::Network => "deletes_allowed_network",
        }
    }
    /// What this side's trash could still take when it was last looked through, and when that was.
    pub const fn trash_room(side: Side) -> &'static str {
        match side {
            Side::Staging => "trash_room_staging",
            Side::Network => "trash_room_network",
        }
    }
    /// When this side's own folder was last looked through for what killed runs left, in ns since 1970.
    pub const fn swept(side: Side) -> &'static str {
        match side {
            Side::Staging => "swept_staging",
            Side::Network => "swept_network",
        }
    }
    /// Whether the network root may hold copies of this pair's conflicts.
    pub const CONFLICT_COPIES: &str = "conflict_copies";
    /// See [`super::Manifest::own_name`].
    pub(crate) const OWN_NAME: &str = "manifest";
}

/// Page cache of the writer.
const CACHE_KIB: u32 = 2048;

/// The manifest of one pair, open for writing. Every writing call outside [`Manifest::begin`] and
/// [`Manifest::commit`] is a transaction of its own.
pub struct Manifest {
    /// A reader that nobody uses now. It is closed before the writer, which takes the log away if it is the last.
    idle: Cell<Option<Connection>>,
    view: View,
    path: PathBuf,
    folders: FolderCache,
    /// Between begin and the end of a batch.
    in_batch: bool,
    /// The file that was opened.
    identity: Option<(u64, u64)>,
}

impl Deref for Manifest {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

/// How [`Manifest::open`] found the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none.
    Fresh,
    Existing,
    /// It was damaged: it lies at this path now and an empty one is in its place.
    SetAside(PathBuf),
}

/// Where the manifest of the pair with this state folder lies.
pub fn path(folder: &Path) -> PathBuf {
    database(folder)
}

/// Is there a manifest in `folder`, in whatever state?
pub fn exists(folder: &Path) -> bool {
    local::is_file(&database(folder))
}

/// Renames the manifest in `folder`, with what SQLite keeps beside it, to a name that says when; returns the new path.
/// All its connections are to be closed before.
pub fn set_aside(folder: &Path, now: Time) -> Result<PathBuf> {
    let path = database(folder);
    let stamp = compact_utc(now)?;
    let aside = (1..)
        .map(|n: u32| if n == 1 { String::new() } else { format!("-{n}") })
        .map(|again| sqlite::beside(&path, &format!(".damaged-{stamp}{again}")))
        .find(|aside| !local::is_taken(aside))
        .expect("numbers do not end");
    // The database goes last: a new one is only made where no database is, so it never meets an old log.
    for ending in ["-wal", "-shm", ""] {
        let from = sqlite::beside(&path, ending);
        if local::is_taken(&from) {
            local::rename(&from, &sqlite::beside(&aside, ending))?;
        }
    }
    Ok(aside)
}

/// Has the next [`Manifest::open`] set the manifest in `folder` aside: something in it could not be read that looks sound to
/// SQLite, or that is only read now and then.
pub fn distrust(folder: &Path) -> Result<()> {
    Ok(local::make_private_file(&distrusted(folder))?)
}

fn distrusted(folder: &Path) -> PathBuf {
    sqlite::beside(&database(folder), ".distrusted")
}

impl Manifest {
    /// Opens the manifest in `folder` (which exists), makes it where there is none, brings an older one forward and
    /// sets a damaged one aside. After an end without a close the structure is checked, which reads the whole file.
    ///
    /// With [`Synchronous::Normal`] a power failure can take the last commits, each as a whole and in order. That is
    /// safe: the base then says less than the roots hold, and the next look finds the rest to be equal and adopts it.
    pub fn open(folder: &Path, synchronous: Synchronous, now: Time) -> Result<(Manifest, Opened)> {
        let distrusted = distrusted(folder);
        if local::is_taken(&distrusted) {
            let aside = if exists(folder) { Some(set_aside(folder, now)?) } else { None };
            // Last: until it is gone, the next open does the same.
            local::remove_file(&distrusted)?;
            let (manifest, opened) = open_existing(folder, synchronous)?;
            return Ok((manifest, aside.map_or(opened, Opened::SetAside)));
        }
        match open_existing(folder, synchronous) {
            Ok(opened) => Ok(opened),
            Err(error) if error.is_damage() => {
                let aside = set_aside(folder, now)?;
                let (manifest, _) = open_existing(folder, synchronous)?;
                Ok((manifest, Opened::SetAside(aside)))
            }
            Err(error) => Err(error),
        }
    }

    /// For another run, after others may have written to it; `None` where another file has taken its place, it is not to be
    /// trusted, or a later version has stepped it forward: then it is to be opened anew.
    pub fn again(mut self) -> Option<Manifest> {
        self.folders.clear();
        let folder = self.path.parent()?;
        let same = local::identity(&self.path) == self.identity && !local::is_taken(&distrusted(folder));
        let known = schema::identify(&self.connection, &self.path).is_ok_and(|found| found == Identity::Version(schema::KNOWN));
        if same && known {
            return Some(self);
        }
        self.abandon();
        None
    }

    /// Closes it and leaves the log to whoever has the file now.
    pub fn abandon(self) {
        if let Err(error) = sqlite::leave_log(&self.connection) {
            tracing::debug!(%error, "the manifest is closed with its log");
        }
    }

    /// Between two runs: nothing is left in the log, as after a close, so that who opens it need not check it.
    pub fn rest(&self) -> Result<()> {
        Ok(sqlite::checkpoint(&self.connection)?)
    }

    /// A reader beside this writer, for another thread. It sees the last committed state.
    pub fn reader(&self) -> Result<Reader> {
        match self.idle.take() {
            Some(connection) => Reader::of(connection),
            None => Reader::beside(&self.path),
        }
    }

    /// Takes one back for the next look: to open it costs more than most questions.
    pub fn keep_reader(&self, reader: Reader) {
        self.idle.set(reader.let_go().ok());
    }

    /// Starts a batch. What it wrote is seen by this manifest at once, by readers after [`Manifest::commit`].
    pub fn begin(&mut self) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed("write to", &self.connection))?;
        self.in_batch = true;
        Ok(())
    }

    /// Ends a batch: all of it is kept. Where this fails, [`Manifest::rollback`] is to follow.
    pub fn commit(&mut self) -> Result<()> {
        self.check_batch()?;
        self.connection.execute_batch("COMMIT").map_err(failed("commit to", &self.connection))?;
        self.in_batch = false;
        Ok(())
    }

    /// Ends a batch: nothing of it is kept. Without a batch nothing happens.
    pub fn rollback(&mut self) -> Result<()> {
        self.folders.clear();
        self.in_batch = false;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        Ok(self.connection.execute_batch("ROLLBACK").map_err(failed("roll back in", &self.connection))?)
    }

    /// SQLite ends a transaction by itself where it cannot go on (a full disk). What follows must then not be kept
    /// without what came before.
    fn check_batch(&self) -> Result<()> {
        if self.in_batch && self.connection.is_autocommit() {
            return Err(Error::BatchLost { path: self.path.clone() });
        }
        Ok(())
    }

    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        self.write("record in", |connection, _| {
            let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute([key, value]).map(drop)
        })
    }

    /// Carries out one writing call: within the batch, or as a transaction of its own.
    fn write<T>(
        &mut self,
        op: &'static str,
        call: impl FnOnce(&Connection, &mut FolderCache) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.check_batch()?;
        let alone = !self.in_batch;
        if alone {
            self.begin()?;
        }
        let outcome = call(&self.view.connection, &mut self.folders).map_err(failed(op, &self.connection));
        let outcome = match outcome {
            Ok(value) if alone => self.commit().map(|()| value),
            Ok(value) => Ok(value),
            Err(error) => Err(error.into()),
        };
        if outcome.is_err() {
            // A call that failed half-way may have left ids in the cache whose rows are gone.
            self.folders.clear();
            if alone {
                // The first error is the one to tell.
                let _ = self.rollback();
            }
        }
        outcome
    }
}

fn open_existing(folder: &Path, synchronous: Synchronous) -> Result<(Manifest, Opened)> {
    let path = database(folder);
    let unclean = local::length_and_time(&sqlite::beside(&path, "-wal")).is_some_and(|(length, _)| length > 0);
    // SQLite would make it readable for others, as the umask says; what lies beside it gets the same rights.
    local::make_private_file(&path)?;
    let connection = sqlite::open(&path, Access::Create, CACHE_KIB)?;
    let identity = schema::identify(&connection, &path)?;
    if unclean && let Some(message) = sqlite::complaint(&connection)? {
        return Err(Error::Damaged { path, message });
    }
    // Before anything is written: a later version's file is to stay as it is.
    if let Identity::Version(found) = identity
        && found > schema::KNOWN
    {
        return Err(schema::newer(&path, found));
    }
    sqlite::write_ahead(&connection, synchronous)?;
    schema::step_forward(&connection, &path, identity, schema::STEPS)?;
    check_algorithm(&connection, &path)?;
    let opened = if identity == Identity::Empty { Opened::Fresh } else { Opened::Existing };
    let identity = local::identity(&path);
    Ok((
        Manifest {
            idle: Cell::default(),
            view: View { connection },
            path,
            folders: FolderCache::default(),
            in_batch: false,
            identity,
        },
        opened,
    ))
}

fn database(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

fn check_algorithm(connection: &Connection, path: &Path) -> Result<()> {
    match meta(connection, "digest_algorithm").map_err(failed("read", connection))? {
        Some(found) if found == digest::ALGORITHM => Ok(()),
        Some(found) => Err(Error::Algorithm { path: path.to_owned(), found, known: digest::ALGORITHM }),
        None => Err(Error::Damaged { path: path.to_owned(), message: "it does not name its kind of digest".to_owned() }),
    }
}

/// `yyyymmddThhmmssZ`, sortable and legal in a file name on every system; SQLite knows the calendar.
fn compact_utc(now: Time) -> Result<String> {
    let scratch = sqlite::open(Path::new(":memory:"), Access::Create, 64)?;
    let sql = "SELECT strftime('%Y%m%dT%H%M%SZ', ?1, 'unixepoch')";
    Ok(scratch.query_row(sql, [now.parts().0], |row| row.get(0)).map_err(failed("tell the time with", &scratch))?)
}
