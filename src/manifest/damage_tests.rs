//! Manifests with bytes and values that nobody wrote: an answer or an error, in bounded time, and what is damaged is kept.

use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::model::digest::Digest;
use crate::model::entry::{Base, Content, Entry, Recorded, Stamp};
use crate::model::listing::FolderId;
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn base(content: Content) -> Base {
    let stamp = Some(Recorded { stamp: Stamp { size: 7, mtime: Time(1), ctime: Time(2), id: 3 }, racy: false });
    Base { entry: Entry { content, mtime: Time(1), mode: 0o644 }, stamps: PerSide::new(stamp, stamp), sent: None }
}

/// The fixture with some hundred entries more, so that it has inner pages.
fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests/v1.db");
        std::fs::copy(fixture, database(folder.path())).expect("copied");
        let (mut manifest, _) = Manifest::open(folder.path(), Synchronous::Normal, Time(0)).expect("opened");
        manifest.begin().expect("begun");
        for number in 0..300_u64 {
            let content = Content::File { size: number, digest: Some(Digest([7; 16])) };
            manifest.put(&path(&format!("a/b{}/c/file number {number}", number % 7)), &base(content)).expect("put");
        }
        for folder in ["a", "a/b1", "a/b2", "a/b1/c"] {
            manifest.put(&path(folder), &base(Content::Folder)).expect("put");
        }
        manifest.commit().expect("kept");
        manifest.connection.execute_batch("PRAGMA journal_mode = DELETE").expect("one file");
        drop(manifest);
        std::fs::read(database(folder.path())).expect("read")
    })
}

/// Reads everything and writes a little, as a run would; the first error ends it.
fn use_all(manifest: &mut Manifest) -> Result<()> {
    let mut open = vec![FolderId::ROOT];
    let mut steps = 0;
    while let Some(folder) = open.pop() {
        open.extend(manifest.folder(folder)?.iter().filter_map(|item| item.value.folder));
        steps += 1;
        if steps > 2_000 {
            break;
        }
    }
    for side in Side::BOTH {
        manifest.root(side)?;
    }
    manifest.conflicts()?;
    manifest.problems()?;
    manifest.torn()?;
    for run in manifest.runs()? {
        manifest.events(run.id)?;
    }
    manifest.count_files()?;
    manifest.files_below(&path("a"))?;
    manifest.find(&path("a/b1/c/file number 8"))?;
    manifest.begin()?;
    manifest.put(&path("a/b1/new"), &base(Content::Folder))?;
    manifest.move_to(&path("a/b2"), &path("moved/b2"))?;
    manifest.forget(&path("a"))?;
    manifest.commit()
}

/// Either it works, or the error is one that sets the file aside; and then the next open has an empty one, with the
/// damaged one beside it.
fn check(folder: &Path, damaged: &[u8]) -> std::result::Result<(), TestCaseError> {
    std::fs::write(database(folder), damaged).expect("written");
    let opened = Manifest::open(folder, Synchronous::Normal, Time(0));
    let (mut manifest, opened) = match opened {
        Ok(opened) => opened,
        Err(error @ (Error::Newer { .. } | Error::Algorithm { .. })) => {
            // Where its header is damaged too, the way in which the file is written is set there first.
            prop_assert!(std::fs::read(database(folder)).expect("there").get(PAGE..) == damaged.get(PAGE..), "{error}");
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
    };
    if let Opened::SetAside(aside) = &opened {
        // SQLite may have noted in its header that it was opened.
        prop_assert!(std::fs::read(aside).expect("kept").get(PAGE..) == damaged.get(PAGE..));
    }
    if let Err(error) = use_all(&mut manifest) {
        drop(manifest);
        prop_assert!(error.is_damage(), "{error:?}");
        distrust(folder).expect("noted");
        let (_, opened) = Manifest::open(folder, Synchronous::Normal, Time(0)).expect("a new one");
        prop_assert!(matches!(opened, Opened::SetAside(aside) if aside.exists()));
        let (_, again) = Manifest::open(folder, Synchronous::Normal, Time(0)).expect("the new one");
        prop_assert_eq!(again, Opened::Existing);
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum Damage {
    Byte(Index, u8),
    /// A page of zeros, or of another page's bytes.
    Page(Index, Option<Index>),
    Cut(Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        2 => (any::<Index>(), any::<Option<Index>>()).prop_map(|(page, from)| Damage::Page(page, from)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

const PAGE: usize = 4096;

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let pages = bytes.len() / PAGE;
    match damage {
        Damage::Byte(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Damage::Page(page, from) if pages > 0 => {
            let page = page.index(pages) * PAGE;
            match from.map(|from| from.index(pages) * PAGE) {
                Some(from) => bytes.copy_within(from..from + PAGE, page),
                None => bytes[page..page + PAGE].fill(0),
            }
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        Damage::Byte(..) | Damage::Page(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_borne_or_set_aside(damages in proptest::collection::vec(any_damage(), 1..8)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bytes = whole().to_vec();
        damages.iter().for_each(|damage| apply(&mut bytes, damage));
        check(folder.path(), &bytes)?;
    }
}

/// What SQLite finds sound and no run ever wrote.
#[test]
fn values_that_make_no_sense_are_borne_or_set_aside() {
    for sql in [
        "UPDATE entry SET child = 1 WHERE child IS NOT NULL",
        "UPDATE entry SET child = folder WHERE child IS NOT NULL",
        "UPDATE entry SET child = NULL",
        "UPDATE entry SET child = 'x' WHERE child IS NOT NULL",
        "UPDATE entry SET kind = 9",
        "UPDATE entry SET kind = 'file'",
        "UPDATE entry SET kind = 1 WHERE kind = 0",
        "UPDATE entry SET mode = -1",
        "UPDATE entry SET mtime = 'now'",
        "UPDATE entry SET size = NULL",
        "UPDATE entry SET size = -1",
        "UPDATE entry SET content = x'00'",
        "UPDATE entry SET content = 5",
        "UPDATE OR IGNORE entry SET name = CAST('a/../b' AS BLOB)",
        "UPDATE OR IGNORE entry SET name = CAST('..' AS BLOB)",
        "UPDATE OR IGNORE entry SET name = 7",
        "UPDATE OR IGNORE entry SET name = CAST(name AS TEXT)",
        "UPDATE entry SET staging_racy = 'x'",
        "UPDATE entry SET staging_id = NULL",
        "UPDATE entry SET network_mtime = 1e300",
        "UPDATE entry SET sent_size = -9, sent_digest = x''",
        "DELETE FROM folder_id",
        "UPDATE folder_id SET next = -5",
        "UPDATE folder_id SET next = 9223372036854775807",
        "UPDATE folder_id SET next = 'x'",
        "UPDATE OR IGNORE root SET side = 'middle'",
        "UPDATE root SET id = x'ff', generation = -1",
        "UPDATE root SET granularity_ns = 0",
        "UPDATE root SET ctime = 'x'",
        "UPDATE OR IGNORE conflict SET path = '../../etc'",
        "UPDATE conflict SET staging_what = 'x'",
        "UPDATE conflict SET copy = '/etc/passwd'",
        "UPDATE problem SET kind = 'x'",
        "UPDATE run SET direction = 'x'",
        "UPDATE run SET started = 'x'",
        "UPDATE event SET path = x'00', kept = '/abs'",
        "UPDATE event SET deleted_files = -1",
        "UPDATE event SET why = 'x', op = 'x'",
        "DROP TABLE entry",
        "DROP TABLE event",
        "ALTER TABLE entry DROP COLUMN sent_size",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
        "DELETE FROM meta",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(database(folder.path()), whole()).expect("written");
        let connection = Connection::open(database(folder.path())).expect("opened");
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        drop(connection);
        let bytes = std::fs::read(database(folder.path())).expect("read");
        check(folder.path(), &bytes).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
