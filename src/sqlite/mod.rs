//! SQLite: open with the right pragmas, check, and errors that say which file and what kind of trouble.
//!
//! Invariants. Memory stays small and counted: no memory map (its pages count as ours), a page cache of a stated
//! size. Nothing is written by [`open`] itself, so that a file can be looked at before it is touched;
//! [`write_ahead`] is the first step that may write.

pub mod sample;
#[cfg(windows)]
mod windows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub type Result<T> = std::result::Result<T, Error>;

/// How long a statement waits for another connection's lock before it is [`ErrorKind::Busy`].
const PATIENCE: Duration = Duration::from_secs(5);
/// As many prepared statements are kept; more than there are.
const STATEMENTS: usize = 64;

/// An SQLite operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}: {source}", path.display())]
pub struct Error {
    /// A verb with its object's kind: "open the database", "read entries of".
    pub op: &'static str,
    pub path: PathBuf,
    pub kind: ErrorKind,
    #[source]
    pub source: rusqlite::Error,
}

/// What callers branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Another connection held the lock for longer than we wait.
    Busy,
    /// Not a database, or its structure or a value in it is broken.
    Damaged,
    /// No room on the disk.
    Full,
    /// No right to open, read or write.
    Denied,
    /// Reading or writing the file failed.
    Io,
    Other,
}

impl Error {
    pub fn new(op: &'static str, path: &Path, source: rusqlite::Error) -> Error {
        let kind = kind_of(&source);
        Error { op, path: path.to_owned(), kind, source }
    }
}

fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ErrorKind::Busy,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => ErrorKind::Damaged,
            ErrorCode::DiskFull => ErrorKind::Full,
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen => ErrorKind::Denied,
            ErrorCode::SystemIoFailure => ErrorKind::Io,
            _ => ErrorKind::Other,
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => ErrorKind::Damaged,
        _ => ErrorKind::Other,
    }
}

/// Names the operation and the connection's file in an error: `.map_err(failed("read", &connection))`.
pub fn failed(op: &'static str, connection: &Connection) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::new(op, Path::new(connection.path().unwrap_or_default()), source)
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads and writes; a file that is not there is made at the first write.
    Create,
    /// Reads beside a writer; may make the `-shm` file that this takes.
    ReadOnly,
    /// Reads a file that nobody has open: takes no lock and makes no file.
    /// RACE: somebody who writes meanwhile can make the answers stale, mixed, or an error; nothing is damaged by it.
    Unshared,
}

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// At the next checkpoint: a power failure may take the last commits, in order and each as a whole.
    #[default]
    Normal,
    /// When the commit returns.
    Full,
}

/// Opens a database without writing to it. `cache_kib` bounds the page cache.
pub fn open(path: &Path, access: Access, cache_kib: u32) -> Result<Connection> {
    #[cfg(windows)]
    if access == Access::ReadOnly {
        windows::refuse_shares(path)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | match access {
            Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Unshared => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        };
    let opened = match access {
        Access::Unshared => Connection::open_with_flags(immutable_uri(path), flags),
        Access::Create | Access::ReadOnly => Connection::open_with_flags(path, flags),
    };
    let connection = opened.map_err(|source| Error::new("open", path, source))?;
    connection.busy_timeout(PATIENCE).map_err(failed("set up", &connection))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    if access == Access::Create {
        // Closing brings the log into the file; until write_ahead says that the file is ours it stays as it was found.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed("set up", &connection))?;
    }
    connection
        .execute_batch(&format!("PRAGMA mmap_size = 0; PRAGMA cache_size = -{cache_kib};"))
        .map_err(failed("set up", &connection))?;
    Ok(connection)
}

/// SQLite takes the wish for an unlocked, unchanging file in a URI only.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    if cfg!(windows) {
        uri.push_str("///");
    }
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Turns on write-ahead logging, so that readers and the writer never wait for each other.
pub fn write_ahead(connection: &Connection, synchronous: Synchronous) -> Result<()> {
    #[cfg(windows)]
    windows::refuse_shares(Path::new(connection.path().unwrap_or_default()))?;
    let level = match synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(failed("set up", connection))?;
    // The limit gives the room of a huge transaction back to the disk at the next checkpoint.
    connection
        .execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {level}; PRAGMA journal_size_limit = 4194304;"))
        .map_err(failed("set up", connection))
}

/// Looks through the whole structure of the database; the first complaint, or `None` where it is sound. Reads every
/// page. A byte that changed inside a value is not seen: SQLite keeps no checksums of its pages.
pub fn complaint(connection: &Connection) -> Result<Option<String>> {
    let answer = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match answer.map_err(failed("check", connection)) {
        Ok(word) if word == "ok" => Ok(None),
        Ok(complaint) => Ok(Some(complaint)),
        Err(error) if error.kind == ErrorKind::Damaged => Ok(Some(error.source.to_string())),
        Err(error) => Err(error),
    }
}

/// Makes a database with a write-ahead log in `folder`, as a manifest has one, and reads it by a second connection.
pub fn try_out(folder: &Path) -> Result<()> {
    let path = folder.join("trial.db");
    let writer = open(&path, Access::Create, 64)?;
    write_ahead(&writer, Synchronous::Full)?;
    writer.execute_batch("CREATE TABLE t(n); INSERT INTO t VALUES (7);").map_err(failed("write", &writer))?;
    let reader = open(&path, Access::ReadOnly, 64)?;
    reader.query_row("SELECT n FROM t", [], |_| Ok(())).map_err(failed("read", &reader))
}

/// Page cache for looking through another program's database.
const CHECK_CACHE_KIB: u32 = 2_048;

/// Looks through a private copy of another program's database after bringing in the log that was copied beside it; the
/// first complaint, or `None` where it is sound. Nobody else has the copy open, and it need not outlive a power failure.
/// What only that program could check (its own collations) counts as sound.
pub fn settle_copy(path: &Path, log: Log) -> Result<Option<String>> {
    let access = if log == Log::Beside { Access::Create } else { Access::Unshared };
    let looked = open(path, access, CHECK_CACHE_KIB).and_then(|connection| {
        if log == Log::Beside {
            // Alone with it: no shared memory file, no waiting, no flush.
            connection
                .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; SELECT count(*) FROM sqlite_schema;")
                .map_err(failed("read", &connection))?;
            checkpoint(&connection)?;
        }
        match complaint(&connection) {
            Err(error) if error.kind == ErrorKind::Other => Ok(None),
            other => other,
        }
    });
    match looked {
        Err(error) if error.kind == ErrorKind::Damaged => Ok(Some(error.source.to_string())),
        other => other,
    }
}

/// Is there a write-ahead log beside a copy?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Beside,
    Nowhere,
}

/// Closing leaves everything as it is from here on.
pub fn leave_log(connection: &Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop).map_err(failed("set up", connection))
}

/// Brings the write-ahead log into the database and empties it.
pub fn checkpoint(connection: &Connection) -> Result<()> {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    match busy.map_err(failed("checkpoint", connection))? {
        0 => Ok(()),
        _ => Err(Error::new("checkpoint", Path::new(connection.path().unwrap_or_default()), rusqlite::Error::InvalidQuery)),
    }
}

/// The file that SQLite keeps beside `database`, by its ending: `-wal`, `-shm`, `-journal`.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unshared_reader_makes_no_file_even_where_the_path_is_odd() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(if cfg!(windows) { "a b c#d%e.db" } else { "a b?c#d%e.db" });
        let writer = open(&path, Access::Create, 512).expect("made");
        write_ahead(&writer, Synchronous::Full).expect("set up");
        writer.execute_batch("CREATE TABLE t(n); INSERT INTO t VALUES (7);").expect("written");
        assert!(beside(&path, "-wal").exists());
        checkpoint(&writer).expect("checkpointed");
        drop(writer);
        let reader = open(&path, Access::Unshared, 512).expect("opened");
        let n: i64 = reader.query_row("SELECT n FROM t", [], |row| row.get(0)).expect("read");
        assert_eq!(n, 7);
        assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists());
        assert_eq!(complaint(&reader).expect("checked"), None);
    }

    #[test]
    fn what_is_no_database_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text.db");
        std::fs::write(&path, "no database, only words".repeat(100)).expect("written");
        let error = open(&path, Access::Create, 512).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Damaged);
        assert!(error.to_string().contains("text.db"), "{error}");
    }
}
