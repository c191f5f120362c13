//! Databases to try things out on: as long as they are asked to be, the same for the same seed.

use std::path::Path;

use super::{Access, Error, Result, failed, open};

const PAGE: u64 = 4096;
/// Bytes of a row's content.
const ROW: u64 = 200;

/// Writes a new database of about `bytes`. Nobody else may be at it; a power cut leaves a broken one.
pub fn write(path: &Path, bytes: u64, seed: u64) -> Result<()> {
    let connection = open(path, Access::Create, 256)?;
    let rows = bytes.saturating_sub(2 * PAGE) / (ROW + 8);
    let fill = format!(
        "PRAGMA page_size = {PAGE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         BEGIN;
         CREATE TABLE reading (id INTEGER PRIMARY KEY, well TEXT NOT NULL, value BLOB NOT NULL);
         WITH RECURSIVE number (n, chance) AS (
             SELECT 1, {start} UNION ALL
             SELECT n + 1, (chance * 48271) % 2147483647 FROM number WHERE n < {rows}
         )
         INSERT INTO reading SELECT n, printf('%c%02d', 65 + n % 8, chance % 12), zeroblob({half}) || printf('%0{half}d', chance)
             FROM number WHERE {rows} > 0;
         COMMIT;",
        start = seed % 2_147_483_646 + 1,
        half = ROW / 2 - 6,
    );
    connection.execute_batch(&fill).map_err(failed("fill", &connection))?;
    connection.close().map_err(|(_, source)| Error::new("close", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_sound_database_of_about_that_length_and_the_same_for_a_seed() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes, seed) in [("a", 1_000, 1), ("b", 300_000, 1), ("c", 300_000, 1), ("d", 300_000, 2)] {
            let path = folder.path().join(name);
            write(&path, bytes, seed).expect("written");
            let length = std::fs::metadata(&path).expect("there").len();
            assert!(length.abs_diff(bytes) < bytes / 5 + 3 * PAGE, "{name}: {length} of {bytes}");
            let connection = open(&path, Access::ReadOnly, 256).expect("opened");
            let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
            assert_eq!(sound, "ok");
        }
        let read = |name| std::fs::read(folder.path().join(name)).expect("read");
        assert_eq!(read("b"), read("c"));
        assert_ne!(read("b"), read("d"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a listing").count(), 4, "nothing beside them");
    }
}
