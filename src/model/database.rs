//! SQLite databases by their bytes and names: what belongs together, and what its files say of its state.
//!
//! A database and the files that SQLite keeps beside it are one entry under the database's name. `-shm` holds nothing.
//! A `-wal` with bytes in it holds commits that the database does not; a *hot* `-journal` takes a commit back that is
//! only half in the database. Neither may ever come to lie beside another database.

use super::entry::Stamp;
use super::path::Name;

/// The first bytes of every database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The first bytes of a rollback journal.
const JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// The first bytes of a write-ahead log, but for the last bit, which tells the order of bytes in its checksums.
const LOG: [u8; 4] = [0x37, 0x7f, 0x06, 0x82];

/// Bytes of a database's header that are read at once: they reach over the change counter.
pub const HEADER: usize = 32;

/// What can lie beside a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    Journal,
    Shm,
    Wal,
}

impl Ending {
    /// In the order of their names.
    pub const ALL: [Ending; 3] = [Ending::Journal, Ending::Shm, Ending::Wal];

    fn bytes(self) -> &'static [u8] {
        match self {
            Ending::Journal => b"-journal",
            Ending::Shm => b"-shm",
            Ending::Wal => b"-wal",
        }
    }
}

/// The name of the database that a file of this name would belong to.
pub fn database_of(name: &Name) -> Option<(Name, Ending)> {
    Ending::ALL.into_iter().find_map(|ending| {
        let stem = name.as_bytes().strip_suffix(ending.bytes())?;
        Name::new(stem).ok().map(|stem| (stem, ending))
    })
}

/// The name of the file that SQLite keeps beside the database `name`; `None` where that would be no name.
pub fn beside(name: &Name, ending: Ending) -> Option<Name> {
    Name::new(&[name.as_bytes(), ending.bytes()].concat()).ok()
}

/// Can a file of this size be a database? It is made of pages, whole powers of two from 512 bytes on.
pub fn may_be_database(size: u64) -> bool {
    size >= 512 && size.is_multiple_of(512)
}

pub fn is_database(first: &[u8]) -> bool {
    first.starts_with(MAGIC)
}

/// The number that SQLite raises with each change outside of a write-ahead log.
pub fn change_counter(header: &[u8]) -> Option<[u8; 4]> {
    header.get(24..28)?.try_into().ok()
}

/// Is this the beginning of a write-ahead log?
pub fn is_log(first: &[u8]) -> bool {
    matches!(first, [a, b, c, d, ..] if [*a, *b, *c, *d & !1] == LOG)
}

/// Is this the beginning of a rollback journal?
pub fn is_journal(first: &[u8]) -> bool {
    first.starts_with(&JOURNAL)
}

/// Would SQLite roll the database back with it? A journal that is kept (`journal_mode` PERSIST) has its header zeroed
/// when a transaction ends, and SQLite asks its first byte.
pub fn is_hot(journal: &[u8]) -> bool {
    journal.first().is_some_and(|&byte| byte != 0)
}

/// The stamp of a database together with its log.
pub fn whole(database: &Stamp, log: &Stamp) -> Stamp {
    Stamp {
        size: database.size.saturating_add(log.size),
        mtime: database.mtime.max(log.mtime),
        ctime: database.ctime.max(log.ctime),
        id: database.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::hostile;
    use crate::model::time::Time;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).expect("a name")
    }

    #[test]
    fn names_lead_to_their_database_and_back() {
        for (text, expected) in [
            ("a.db-wal", Some(("a.db", Ending::Wal))),
            ("a.db-shm", Some(("a.db", Ending::Shm))),
            ("a.db-journal", Some(("a.db", Ending::Journal))),
            ("a.db-wal-wal", Some(("a.db-wal", Ending::Wal))),
            ("-wal", None),
            ("a.db", None),
            ("a-wal.txt", None),
        ] {
            let expected = expected.map(|(stem, ending)| (name(stem), ending));
            assert_eq!(database_of(&name(text)), expected, "{text}");
            if let Some((stem, ending)) = expected {
                assert_eq!(beside(&stem, ending), Some(name(text)));
            }
        }
    }

    #[test]
    fn bytes_tell_what_a_file_is() {
        let hot = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 1];
        assert!(is_journal(&hot) && is_hot(&hot));
        assert!(!is_journal(&[0; 28]) && !is_hot(&[0; 28]) && !is_hot(&[]));
        assert!(is_log(&[0x37, 0x7f, 0x06, 0x82, 9]) && is_log(&[0x37, 0x7f, 0x06, 0x83]));
        assert!(!is_log(&[0x37, 0x7f, 0x06, 0x84]) && !is_log(&[0x37, 0x7f, 0x06]) && !is_log(b""));
        let mut header = *b"SQLite format 3\0........\0\0\x01\x02....";
        assert!(is_database(&header));
        assert_eq!(change_counter(&header), Some([0, 0, 1, 2]));
        assert_eq!(change_counter(&header[..20]), None);
        header[0] = b's';
        assert!(!is_database(&header) && !is_database(b"SQLite format 3"));
        for (size, expected) in [(0, false), (511, false), (512, true), (4096, true), (4097, false), (65_536, true)] {
            assert_eq!(may_be_database(size), expected, "{size}");
        }
    }

    #[test]
    fn a_whole_stamp_changes_with_either_file() {
        let stamp = |size, time, id| Stamp { size, mtime: Time(time), ctime: Time(time + 1), id };
        assert_eq!(whole(&stamp(10, 5, 1), &stamp(7, 9, 2)), stamp(17, 9, 1));
        assert_eq!(whole(&stamp(10, 50, 1), &stamp(7, 9, 2)), stamp(17, 50, 1));
    }

    proptest! {
        /// Headers of any bytes and length, and names: a side file leads to its database, and back.
        #[test]
        fn any_header_and_any_name_gives_an_answer(
            bytes in hostile(&["SQLite format 3\0........\0\0\x01\x02....", "a.db-wal", "-shm", "x-journal-wal"]),
        ) {
            prop_assert_eq!(change_counter(&bytes).is_some(), bytes.len() >= 28);
            prop_assert!(!is_database(&bytes) || !is_log(&bytes) && !is_journal(&bytes));
            let Ok(name) = Name::new(&bytes) else { return Ok(()) };
            if let Some((owner, ending)) = database_of(&name) {
                prop_assert_eq!(beside(&owner, ending), Some(name));
            }
        }
    }
}
