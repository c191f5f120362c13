//! Schema versions: which one a file has, and the steps forward.
//!
//! Invariants. A step is written once and never changed. All steps that a file needs happen in one transaction. A file
//! of a version that we do not know is not written to.

use std::path::Path;

use rusqlite::Connection;

use super::error::{Error, Result};
use crate::model::digest;
use crate::sqlite::{self, failed};

/// "dlss" in ASCII, in the header of every manifest, so that another program's database is not taken for one.
const APPLICATION_ID: i64 = 0x646c_7373;

/// `STEPS[n]` takes a file from version n to n + 1; version 0 is an empty file.
pub(super) const STEPS: &[&str] = &[include_str!("v1.sql"), include_str!("v2.sql")];

/// The version that this program writes.
pub(super) const KNOWN: u32 = STEPS.len() as u32;

/// What a file is, as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nothing was ever written to it.
    Empty,
    /// A manifest of this schema version.
    Version(u32),
}

/// Reads the identity without writing. A file that is no manifest is [`Error::Damaged`].
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<Identity> {
    let damaged = |message: &str| Error::Damaged { path: path.to_owned(), message: message.to_owned() };
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(failed("read", connection));
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    match (tables, application, version) {
        (0, 0, 0) => Ok(Identity::Empty),
        (_, APPLICATION_ID, 1..) => {
            u32::try_from(version).map(Identity::Version).map_err(|_| damaged("its schema version is not a version"))
        }
        _ => Err(damaged("it is a database of another program")),
    }
}

/// The refusal of a file that a later program wrote.
pub(super) fn newer(path: &Path, found: u32) -> Error {
    Error::Newer { path: path.to_owned(), found, known: KNOWN }
}

/// Takes the file from `from` to the end of `steps`, or refuses it where it is already past that.
pub(super) fn step_forward(connection: &Connection, path: &Path, from: Identity, steps: &[&str]) -> Result<()> {
    let known = u32::try_from(steps.len()).expect("each step is written by hand: fewer than 2^32");
    let found = match from {
        Identity::Empty => 0,
        Identity::Version(version) => version,
    };
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    let mut sql = String::from("BEGIN IMMEDIATE;\n");
    for step in &steps[found as usize..] {
        sql.push_str(step);
        sql.push('\n');
    }
    if from == Identity::Empty {
        sql.push_str(&format!("PRAGMA application_id = {APPLICATION_ID};\n"));
        sql.push_str(&format!("INSERT INTO meta VALUES ('digest_algorithm', '{}');\n", digest::ALGORITHM));
    }
    sql.push_str(&format!("PRAGMA user_version = {known};\nCOMMIT;"));
    connection.execute_batch(&sql).map_err(|source| {
        let error = sqlite::Error::new("bring forward", path, source);
        // The transaction may already be gone; then there is nothing to roll back.
        let _ = connection.execute_batch("ROLLBACK");
        error.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::Access;

    const MORE: &[&str] =
        &[STEPS[0], STEPS[1], "ALTER TABLE entry ADD COLUMN blocks BLOB; INSERT INTO meta VALUES ('stepped', 'yes');"];

    fn opened(path: &Path) -> (Connection, Identity) {
        let connection = sqlite::open(path, Access::Create, 512).expect("opened");
        let identity = identify(&connection, path).expect("identified");
        (connection, identity)
    }

    #[test]
    fn a_made_up_next_version_steps_from_each_before_it_and_from_nothing() {
        for start in [&MORE[..2], &MORE[..1], &MORE[..0]] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("m.db");
            let (connection, identity) = opened(&path);
            step_forward(&connection, &path, identity, start).expect("first");
            drop(connection);
            let (connection, identity) = opened(&path);
            step_forward(&connection, &path, identity, MORE).expect("second");
            assert_eq!(identify(&connection, &path).expect("identified"), Identity::Version(3));
            let stepped: i64 = connection.query_row("SELECT count(blocks) FROM entry", [], |row| row.get(0)).expect("a column");
            assert_eq!(stepped, 0);
            step_forward(&connection, &path, Identity::Version(3), MORE).expect("nothing to do is no error");
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.db");
        let (connection, identity) = opened(&path);
        step_forward(&connection, &path, identity, &STEPS[..1]).expect("first");
        let broken = [STEPS[0], "CREATE TABLE extra(x); INSERT INTO nowhere VALUES (1);"];
        step_forward(&connection, &path, Identity::Version(1), &broken).expect_err("no such table");
        assert_eq!(identify(&connection, &path).expect("identified"), Identity::Version(1));
        assert!(connection.prepare("SELECT x FROM extra").is_err(), "half a step stayed");
    }
}
