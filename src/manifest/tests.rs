//! The manifest as its callers see it.

use std::path::Path;

use super::*;
use crate::model::change::Change;
use crate::model::conflict::Conflict;
use crate::model::digest::Digest;
use crate::model::entry::{Base, Content, Entry, Found, Recorded, Sent, Stamp};
use crate::model::finding::{Problem, ProblemKind};
use crate::model::listing::{FolderId, Seen};
use crate::model::path::RelPath;
use crate::model::plan::Why;
use crate::model::side::{PerSide, Side};
use crate::model::target::Target;
use crate::model::traits::Traits;

/// 2026-11-21T04:15:00Z.
const NOW: Time = Time(1_795_234_500_000_000_000);
const HOUR: i64 = 3_600_000_000_000;

fn path(bytes: impl AsRef<[u8]>) -> RelPath {
    RelPath::parse(bytes.as_ref()).expect("a path")
}

fn fresh() -> (tempfile::TempDir, Manifest) {
    let folder = tempfile::tempdir().expect("a folder");
    let (manifest, opened) = open(folder.path());
    assert_eq!(opened, Opened::Fresh);
    (folder, manifest)
}

fn open(folder: &Path) -> (Manifest, Opened) {
    Manifest::open(folder, Synchronous::Normal, NOW).expect("opened")
}

fn stamp(seed: u64, racy: bool) -> Option<Recorded> {
    let mtime = Time(seed.cast_signed());
    Some(Recorded { stamp: Stamp { size: seed, mtime, ctime: Time(mtime.0 + 5), id: u64::MAX - seed }, racy })
}

fn file(seed: u64) -> Base {
    let content = Content::File { size: seed, digest: Some(Digest([seed as u8; 16])) };
    let entry = Entry { content, mtime: Time(seed.cast_signed()), mode: 0o640 };
    Base { entry, stamps: PerSide::new(stamp(seed, false), stamp(seed + 1, true)), sent: None }
}

fn with(content: Content, stamps: PerSide<Option<Recorded>>) -> Base {
    Base { entry: Entry { content, mtime: Time(-7), mode: 0o4755 }, stamps, sent: None }
}

fn folder_base() -> Base {
    with(Content::Folder, PerSide::new(stamp(4096, false), None))
}

/// Every path that a walk from the root finds.
fn walk(manifest: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![(RelPath::root(), FolderId::ROOT)];
    while let Some((at, id)) = todo.pop() {
        for item in manifest.folder(id).expect("a listing") {
            let here = at.join(&item.name);
            found.push(here.clone());
            todo.extend(item.value.folder.map(|below| (here, below)));
        }
    }
    found.sort();
    found.iter().map(ToString::to_string).collect()
}

fn put_files(manifest: &mut Manifest, paths: &[&str]) {
    for (seed, at) in paths.iter().enumerate() {
        manifest.put(&path(at), &file(seed as u64)).expect("put");
    }
}

#[test]
fn every_kind_of_row_comes_back_as_it_was_put() {
    let (folder, mut manifest) = fresh();
    let long = vec![b'\xfe'; 255];
    let rows = [
        (path("plain"), file(3)),
        (path(b"not utf-8 \xff\n"), file(u64::from(u32::MAX) + 9)),
        (path(&long), file(0)),
        (path("no digest"), with(Content::File { size: 1, digest: None }, PerSide::default())),
        (path("live"), Base { sent: Some(Sent { size: u64::MAX / 3, digest: Digest([9; 16]) }), ..file(5) }),
        (path("folder"), folder_base()),
        (path("link"), with(Content::Link { target: b"../\xff".as_slice().into() }, PerSide::new(None, stamp(4, true)))),
    ];
    for (at, base) in &rows {
        manifest.put(at, base).expect("put");
    }
    drop(manifest);
    let (manifest, opened) = open(folder.path());
    assert_eq!(opened, Opened::Existing);
    for (at, base) in &rows {
        assert_eq!(manifest.find(at).expect("found").map(|row| row.base).as_ref(), Some(base), "{at}");
    }
    let listing = manifest.folder(FolderId::ROOT).expect("a listing");
    let mut names: Vec<&[u8]> = rows.iter().map(|(at, _)| at.as_bytes()).collect();
    names.sort_unstable();
    assert_eq!(listing.iter().map(|item| item.name.as_bytes()).collect::<Vec<_>>(), names);
    assert_eq!(manifest.count_files().expect("counted"), 5);
    assert_eq!(manifest.find(&RelPath::root()).expect("asked"), None);
}

#[test]
fn missing_parents_are_made_without_stamps_and_keep_their_id() {
    let (_folder, mut manifest) = fresh();
    put_files(&mut manifest, &["a/b/c", "a/b/d"]);
    let made = manifest.find(&path("a")).expect("asked").expect("made");
    assert!(made.base.entry.is_folder() && made.base.stamps == PerSide::default());
    manifest.put(&path("a"), &folder_base()).expect("put");
    let known = manifest.find(&path("a")).expect("asked").expect("there");
    assert_eq!((known.base, known.folder), (folder_base(), made.folder));
    assert_eq!(walk(&manifest), ["a", "a/b", "a/b/c", "a/b/d"]);
}

#[test]
fn forgetting_a_folder_forgets_what_is_below_and_nothing_else() {
    let (_folder, mut manifest) = fresh();
    put_files(&mut manifest, &["a/b/c", "a/b/d/e", "a/bb", "b/b/c"]);
    manifest.forget(&path("a/b")).expect("forgotten");
    manifest.forget(&path("a/none/below")).expect("no error");
    assert_eq!(walk(&manifest), ["a", "a/bb", "b", "b/b", "b/b/c"]);
    // No row is left without its folder, and the cached id of the old folder is not used again.
    assert_eq!(manifest.count_files().expect("counted"), 2);
    put_files(&mut manifest, &["a/b/d/new"]);
    assert_eq!(walk(&manifest), ["a", "a/b", "a/b/d", "a/b/d/new", "a/bb", "b", "b/b", "b/b/c"]);
    manifest.forget(&RelPath::root()).expect("emptied");
    assert_eq!((walk(&manifest), manifest.count_files().expect("counted")), (vec![], 0));
}

#[test]
fn a_folder_that_becomes_a_file_leaves_nothing_below() {
    let (_folder, mut manifest) = fresh();
    put_files(&mut manifest, &["a/b/c", "a/d"]);
    manifest.put(&path("a"), &file(9)).expect("put");
    assert_eq!((walk(&manifest), manifest.count_files().expect("counted")), (vec!["a".to_owned()], 1));
    put_files(&mut manifest, &["a/x"]);
    assert_eq!(walk(&manifest), ["a", "a/x"], "a file that becomes a folder");
    assert_eq!(manifest.count_files().expect("counted"), 1);
}

#[test]
fn a_move_takes_the_whole_subtree_along() {
    let (_folder, mut manifest) = fresh();
    put_files(&mut manifest, &["a/b/c", "a/b/d/e", "old", "taken/gone"]);
    let id = manifest.find(&path("a/b")).expect("asked").and_then(|row| row.folder);
    assert!(manifest.move_to(&path("a/b"), &path("new/place")).expect("moved"));
    assert!(manifest.move_to(&path("old"), &path("taken")).expect("moved"));
    assert!(!manifest.move_to(&path("a/b"), &path("nowhere")).expect("asked"));
    assert_eq!(walk(&manifest), ["a", "new", "new/place", "new/place/c", "new/place/d", "new/place/d/e", "taken"]);
    assert_eq!(manifest.find(&path("new/place")).expect("asked").and_then(|row| row.folder), id);
    put_files(&mut manifest, &["a/b/c"]);
    assert_eq!(manifest.files_below(&path("new")).expect("counted"), 2);
    assert_eq!(manifest.files_below(&path("a/b")).expect("counted"), 1);
    assert_eq!(manifest.files_below(&path("taken")).expect("counted"), 1);
    let into = manifest.move_to(&path("new"), &path("new/place/x")).expect_err("into itself");
    assert!(matches!(into, Error::MoveInto { .. }), "{into}");
}

#[test]
fn random_steps_agree_with_a_plain_map() {
    use std::collections::BTreeMap;
    let (_folder, mut manifest) = fresh();
    let mut plain: BTreeMap<RelPath, u64> = BTreeMap::new();
    let mut kept = plain.clone();
    let mut seed = 42u64;
    let mut dice = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    manifest.begin().expect("begun");
    for step in 0..3000 {
        let mut any =
            |depth: u64| path((0..=dice(depth)).map(|_| ["a", "b", "c"][dice(3) as usize]).collect::<Vec<_>>().join("/"));
        let (one, two) = (any(4), any(4));
        match dice(8) {
            0 => {
                manifest.forget(&one).expect("forgotten");
                plain.retain(|at, _| !at.is_within(&one));
            }
            1 if !one.is_within(&two) && !two.is_within(&one) => {
                let there = plain.keys().any(|at| at.is_within(&one));
                // A folder row without files below is not in the plain map; only moves of what has files are compared.
                if there {
                    assert!(manifest.move_to(&one, &two).expect("moved"));
                    plain.retain(|at, _| !at.is_within(&two) && !two.is_within(at));
                    let moved: Vec<_> = plain.keys().filter(|at| at.is_within(&one)).cloned().collect();
                    for at in moved {
                        let value = plain.remove(&at).expect("just listed");
                        plain.insert(two.append(&at.below(&one).expect("within")), value);
                    }
                }
            }
            2 if step % 3 == 0 => {
                manifest.commit().expect("committed");
                manifest.begin().expect("begun");
                kept = plain.clone();
            }
            3 if step % 3 == 0 => {
                manifest.rollback().expect("rolled back");
                manifest.begin().expect("begun");
                plain = kept.clone();
            }
            _ => {
                manifest.put(&one, &file(step)).expect("put");
                plain.retain(|at, _| !at.is_within(&one) && !one.is_within(at));
                plain.insert(one, step);
            }
        }
        assert_eq!(manifest.count_files().expect("counted"), plain.len() as u64, "step {step}");
    }
    for (at, seed) in &plain {
        assert_eq!(manifest.find(at).expect("asked").map(|row| row.base), Some(file(*seed)), "{at}");
    }
}

#[test]
fn what_is_rolled_back_or_never_committed_is_not_there() {
    let (folder, mut manifest) = fresh();
    put_files(&mut manifest, &["kept"]);
    manifest.begin().expect("begun");
    put_files(&mut manifest, &["x/y/z"]);
    manifest.rollback().expect("rolled back");
    assert_eq!(walk(&manifest), ["kept"]);
    put_files(&mut manifest, &["x/y/again"]);
    assert_eq!(walk(&manifest), ["kept", "x", "x/y", "x/y/again"], "a cached id outlived its row");
    manifest.begin().expect("begun");
    manifest.forget(&path("kept")).expect("forgotten");
    drop(manifest);
    let (manifest, _) = open(folder.path());
    assert_eq!(walk(&manifest), ["kept", "x", "x/y", "x/y/again"]);
}

#[test]
fn a_batch_that_sqlite_ended_takes_nothing_more() {
    let (_folder, mut manifest) = fresh();
    manifest.begin().expect("begun");
    put_files(&mut manifest, &["a/b"]);
    // As SQLite does by itself when the disk is full.
    manifest.connection.execute_batch("ROLLBACK").expect("rolled back");
    assert!(matches!(manifest.put(&path("a/c"), &file(1)), Err(Error::BatchLost { .. })));
    assert!(matches!(manifest.commit(), Err(Error::BatchLost { .. })));
    manifest.rollback().expect("ended");
    put_files(&mut manifest, &["a/d"]);
    assert_eq!(walk(&manifest), ["a", "a/d"]);
}

#[test]
fn a_crash_in_a_large_batch_leaves_the_last_commit() {
    let (folder, mut manifest) = fresh();
    put_files(&mut manifest, &["committed"]);
    manifest.begin().expect("begun");
    manifest.forget(&path("committed")).expect("forgotten");
    for n in 0..50_000u64 {
        manifest.put(&path(format!("folder-{}/a-rather-long-name-{n}", n / 100)), &file(n)).expect("put");
    }
    // What the disk holds at this instant, as a power cut would leave it; the batch is far larger than the cache.
    let image = tempfile::tempdir().expect("a folder");
    for ending in ["", "-wal"] {
        let from = sqlite::beside(&database(folder.path()), ending);
        let to = sqlite::beside(&database(image.path()), ending);
        std::fs::copy(&from, &to).expect("copied");
        let length = std::fs::metadata(&to).expect("there").len();
        assert!(ending.is_empty() || length > 1 << 20, "nothing was spilled");
    }
    let (crashed, opened) = open(image.path());
    assert_eq!((opened, walk(&crashed)), (Opened::Existing, vec!["committed".to_owned()]));
}

#[test]
fn a_reader_sees_one_committed_state_beside_an_open_batch() {
    let (folder, mut manifest) = fresh();
    put_files(&mut manifest, &["one"]);
    let beside = manifest.reader().expect("a reader");
    let other = Reader::open(folder.path()).expect("opened").expect("there");
    manifest.begin().expect("begun");
    put_files(&mut manifest, &["a/two"]);
    let seen = |reader: &Reader| reader.count_files().expect("counted");
    let in_thread = std::thread::spawn(move || (seen(&beside), beside)).join().expect("no panic");
    assert_eq!((in_thread.0, seen(&other), manifest.count_files().expect("counted")), (1, 1, 2));
    manifest.commit().expect("committed");
    assert_eq!((seen(&in_thread.1), seen(&other)), (1, 1), "all answers of a reader come from one state");
    assert!(other.undisturbed());
    let other = Reader::open(folder.path()).expect("opened").expect("there");
    assert_eq!((seen(&other), other.undisturbed()), (2, true));
    assert_eq!(other.files_below(&path("a")).expect("counted"), 1);
    let id = other.find(&path("a")).expect("asked").and_then(|row| row.folder).expect("there");
    assert_eq!(other.folder(id).expect("listed").len(), 1);
}

#[test]
fn a_reader_alone_makes_no_file_and_notices_a_writer() {
    let (folder, mut manifest) = fresh();
    put_files(&mut manifest, &["one"]);
    drop(manifest);
    let reader = Reader::open(folder.path()).expect("opened").expect("there");
    assert_eq!(reader.count_files().expect("counted"), 1);
    let files: Vec<_> = std::fs::read_dir(folder.path()).expect("listed").collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(reader.undisturbed());
    let (mut manifest, _) = open(folder.path());
    put_files(&mut manifest, &["two"]);
    assert!(!reader.undisturbed());
    let empty = tempfile::tempdir().expect("a folder");
    assert!(Reader::open(empty.path()).expect("no error").is_none() && !exists(empty.path()));
}

#[test]
fn a_damaged_file_is_set_aside_whole() {
    type Spoil = fn(&mut Vec<u8>);
    let spoil: [(&str, Spoil); 4] = [
        ("garbage", |bytes| bytes.fill(b'x')),
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("flipped first page", |bytes| bytes[100..4096].iter_mut().for_each(|byte| *byte = !*byte)),
        ("of another program", |bytes| bytes[68..72].copy_from_slice(b"else")),
    ];
    for (what, spoil) in spoil {
        let (folder, mut manifest) = fresh();
        put_files(&mut manifest, &["a/b", "c"]);
        drop(manifest);
        let file = database(folder.path());
        let mut bytes = std::fs::read(&file).expect("read");
        spoil(&mut bytes);
        std::fs::write(&file, &bytes).expect("written");
        assert!(Reader::open(folder.path()).err().is_some_and(|error| error.is_damage()), "{what}: a reader took it");
        let (manifest, opened) = open(folder.path());
        let aside = folder.path().join("manifest.db.damaged-20261121T041500Z");
        assert_eq!(opened, Opened::SetAside(aside.clone()), "{what}");
        assert!(std::fs::read(&aside).expect("kept") == bytes, "{what}: the damaged file was changed");
        assert_eq!(walk(&manifest).len(), 0, "{what}");
    }
}

#[test]
fn damage_in_the_middle_is_found_after_a_crash_or_when_it_is_read() {
    let (folder, mut manifest) = fresh();
    manifest.begin().expect("begun");
    for n in 0..5_000 {
        manifest.put(&path(format!("{n}")), &file(n)).expect("put");
    }
    manifest.commit().expect("committed");
    drop(manifest);
    let file = database(folder.path());
    let mut bytes = std::fs::read(&file).expect("read");
    // The upper half: no page of the schema is there.
    let from = bytes.len() / 2 / 4096 * 4096;
    bytes[from..from + 4096].iter_mut().for_each(|byte| *byte = !*byte);
    std::fs::write(&file, &bytes).expect("written");

    let (manifest, opened) = open(folder.path());
    assert_eq!(opened, Opened::Existing, "a clean end is believed");
    let error = manifest.folder(FolderId::ROOT).expect_err("the page is broken");
    assert!(error.is_damage(), "{error}");
    drop(manifest);

    std::fs::write(sqlite::beside(&file, "-wal"), "what a crash left").expect("written");
    let (_, opened) = open(folder.path());
    assert!(matches!(opened, Opened::SetAside(_)), "{opened:?}");
    // The same second again: the name is another one.
    let again = set_aside(folder.path(), NOW).expect("set aside");
    assert!(again.display().to_string().ends_with("damaged-20261121T041500Z-2"), "{again:?}");
}

#[test]
fn a_later_version_is_refused_and_not_touched() {
    let (folder, manifest) = fresh();
    manifest.connection.execute_batch("PRAGMA user_version = 7").expect("set");
    drop(manifest);
    let before = std::fs::read(database(folder.path())).expect("read");
    let Err(error) = Manifest::open(folder.path(), Synchronous::Full, NOW) else { panic!("it was opened") };
    assert!(matches!(error, Error::Newer { found: 7, known: schema::KNOWN, .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("version 7") && said.contains("up to 2"), "{said}");
    assert!(matches!(Reader::open(folder.path()), Err(Error::Newer { .. })));
    assert!(before == std::fs::read(database(folder.path())).expect("read"), "the file was touched");
}

#[test]
fn digests_of_another_kind_are_refused() {
    let (folder, mut manifest) = fresh();
    manifest.set_meta("digest_algorithm", "md5").expect("set");
    drop(manifest);
    assert!(matches!(Manifest::open(folder.path(), Synchronous::Full, NOW), Err(Error::Algorithm { .. })));
}

#[test]
fn the_first_schema_version_can_still_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests/v1.db");
    std::fs::copy(fixture, database(folder.path())).expect("copied");
    let (manifest, opened) = open(folder.path());
    assert_eq!(opened, Opened::Existing);
    assert_eq!(walk(&manifest), ["data", "data/big.bin", "data/run \\xff.log", "latest", "notes.txt"]);
    assert_eq!(manifest.find(&path("notes.txt")).expect("asked").map(|row| row.base), Some(file(12)));
    assert_eq!(manifest.root(Side::Network).expect("asked").map(|root| root.generation), Some(3));
    assert_eq!(manifest.conflicts().expect("asked").len(), 1);
    assert_eq!(manifest.problems().expect("asked").len(), 1);
    assert_eq!(manifest.runs().expect("asked").len(), 2);
    assert_eq!(manifest.events(RunId(2)).expect("asked").len(), 2);
}

#[test]
fn roots_and_small_strings_come_back() {
    let (_folder, mut manifest) = fresh();
    assert_eq!(manifest.root(Side::Staging).expect("asked"), None);
    let odd = Traits { ids: false, remote: true, granularity_ns: 2_000_000_000, ..Traits::LOCAL };
    for traits in [None, Some(odd)] {
        let record = RootRecord { id: "r1".to_owned(), generation: 4, device: u64::MAX, traits };
        manifest.set_root(Side::Staging, &record).expect("set");
        assert_eq!(manifest.root(Side::Staging).expect("asked"), Some(record));
    }
    assert_eq!(manifest.root(Side::Network).expect("asked"), None);
    assert_eq!(manifest.meta("first_sync_done").expect("asked"), None);
    manifest.set_meta("first_sync_done", "yes").expect("set");
    assert_eq!(manifest.meta("first_sync_done").expect("asked").as_deref(), Some("yes"));
}

fn conflict(at: &str, size: u64) -> Conflict {
    let base = file(size);
    let there = |recorded: Option<Recorded>| recorded.map(|r| Found { entry: base.entry.clone(), stamp: r.stamp });
    Conflict {
        path: path(at),
        why: Why { in_base: true, staging: Change::Modified, network: Change::Unknown, by: None },
        staging: there(base.stamps.staging).map_or(Seen::Absent, |found| Seen::There(Box::new(found))),
        network: Seen::Absent,
    }
}

#[test]
fn a_conflict_keeps_when_it_was_first_seen_and_ends_where_it_was_looked_at() {
    let (_folder, mut manifest) = fresh();
    let later = Time(NOW.0 + HOUR);
    manifest.replace_conflicts(None, &[conflict("a/x", 1), conflict("b", 2)], NOW).expect("set");
    manifest.set_conflict_copy(&path("b"), &path(".driftless/conflicts/b/1"), NOW).expect("set");
    manifest.replace_conflicts(Some(&[Target::tree(path("a"))]), &[conflict("a/y", 3)], later).expect("set");
    manifest.replace_conflicts(None, &[conflict("a/y", 3), conflict("b", 5)], later).expect("set");
    let known = manifest.conflicts().expect("asked");
    assert_eq!(
        known.iter().map(|k| (k.path.to_string(), k.since)).collect::<Vec<_>>(),
        [("a/y".to_owned(), later), ("b".to_owned(), NOW)]
    );
    assert_eq!(known[1].why, conflict("b", 5).why);
    assert_eq!(known[1].copy, Some((path(".driftless/conflicts/b/1"), NOW)));
    assert_eq!(known[1].versions, PerSide::new(Version::of_entry(&file(5).entry), Version::ABSENT));
    manifest.replace_conflicts(None, &[], later).expect("set");
    assert_eq!(manifest.conflicts().expect("asked"), []);
}

#[test]
fn problems_of_every_kind_come_back_and_keep_when_they_were_first_seen() {
    use ProblemKind::{Busy, Full, Io, NotRepresentable, Permission, Taken, Unreadable};
    let (_folder, mut manifest) = fresh();
    let problem = |at: &[u8], side, kind| Problem { path: path(at), side, kind, message: "said".to_owned() };
    let first = [problem(b"a\xff", Side::Staging, Permission), problem(b"a\xff", Side::Network, Io)];
    manifest.replace_problems(None, &first, NOW).expect("set");
    let later = Time(NOW.0 + HOUR);
    let kinds = [Permission, Busy, NotRepresentable, Taken, Unreadable, Full, Io];
    let mut found = vec![problem(b"a\xff", Side::Network, Busy)];
    found.extend(kinds.iter().zip(b'b'..).map(|(kind, name)| problem(&[name], Side::Staging, *kind)));
    manifest.replace_problems(None, &found, later).expect("set");
    let known = manifest.problems().expect("asked");
    assert_eq!(known.iter().map(|k| k.problem.clone()).collect::<Vec<_>>(), found);
    assert_eq!((known[0].since, known[1].since), (NOW, later));
    manifest.replace_problems(Some(&[Target::tree(path("b"))]), &[], later).expect("set");
    assert_eq!(manifest.problems().expect("asked").len(), found.len() - 1);
}

fn event(at: i64, side: Side, op: &str, deleted_files: u64) -> EventRecord {
    EventRecord {
        at: Time(at),
        path: path("data/run.csv"),
        side: Some(side),
        op: op.to_owned(),
        why: "deleted in staging".to_owned(),
        deleted_files,
        kept: Some(path(".driftless/trash/1/data/run.csv")),
        moved_from: (op == "rename").then(|| path("data/before.csv")),
        base: Version::of_base(Some(&file(7))),
        staging: Version::of_base(None),
        network: Version::of_seen(&Seen::Unknown(crate::model::listing::Unknown::Moving)),
    }
}

#[test]
fn deletes_are_counted_by_side_and_time_and_old_runs_are_pruned() {
    let (_folder, mut manifest) = fresh();
    let old = manifest.begin_run("down", Time(NOW.0 - 48 * HOUR)).expect("begun");
    manifest.add_event(old, &event(NOW.0 - 48 * HOUR, Side::Network, "delete", 5)).expect("added");
    let run = manifest.begin_run("both", NOW).expect("begun");
    let events = [
        event(NOW.0 - HOUR, Side::Network, "delete", 1),
        event(NOW.0, Side::Network, "write", 12),
        event(NOW.0, Side::Network, "rename", 0),
        event(NOW.0, Side::Staging, "delete", 1),
        EventRecord { side: None, kept: None, ..event(NOW.0, Side::Staging, "conflict", 0) },
    ];
    for one in &events {
        manifest.add_event(run, one).expect("added");
    }
    let count = |side, since| manifest.deletes_since(side, Time(since)).expect("counted").into_values().sum::<u64>();
    assert_eq!(count(Side::Network, NOW.0 - HOUR), 13);
    assert_eq!(count(Side::Network, NOW.0 - HOUR + 1), 12);
    assert_eq!(count(Side::Staging, 0), 1);
    assert_eq!(manifest.events(run).expect("asked"), events);
    manifest.end_run(run, Time(NOW.0 + 1), "done", &[("written_files", 3), ("deleted_files", 2)]).expect("ended");
    let runs = manifest.runs().expect("asked");
    assert_eq!(runs[0].counts, [("deleted_files".to_owned(), 2), ("written_files".to_owned(), 3)]);
    assert_eq!((runs[0].outcome.as_deref(), runs[0].ended), (Some("done"), Some(Time(NOW.0 + 1))));
    assert_eq!((runs[1].id, runs[1].ended), (old, None));
    manifest.prune(Time(NOW.0 - HOUR)).expect("pruned");
    assert_eq!(manifest.runs().expect("asked").len(), 1);
    assert!(manifest.events(old).expect("asked").is_empty());
    assert_eq!(manifest.deletes_since(Side::Network, Time(0)).expect("counted").into_values().collect::<Vec<_>>(), [13]);
    assert!(manifest.begin_run("up", NOW).expect("begun") > run);
}

#[test]
fn a_base_that_is_given_up_vouches_and_decides_nothing() {
    let (_folder, mut manifest) = fresh();
    let record = |id: &str| RootRecord { id: id.to_owned(), generation: 1, device: 1, traits: None };
    let (before, after) = (PerSide::new(record("a"), record("b")), PerSide::new(record("c"), record("d")));
    Side::BOTH.into_iter().for_each(|side| manifest.set_root(side, &before[side]).expect("recorded"));
    manifest.put(&path("d/e/f"), &file(7)).expect("put");
    manifest.put(&path("g"), &file(8)).expect("put");
    manifest.set_meta("first_sync_done", "1").expect("set");
    assert!(!manifest.reader().expect("a reader").may_vouch());
    let given_up = manifest.give_up_base(&after, &PerSide::new(true, false)).expect("given up");
    assert_eq!((given_up.files, manifest.count_files().expect("a count")), (2, 0));
    assert_eq!(
        (manifest.root(Side::Staging).expect("read"), manifest.meta("first_sync_done").expect("read")),
        (Some(after.staging.clone()), None)
    );
    let reader = manifest.reader().expect("a reader");
    assert!(reader.may_vouch() && reader.find(&path("g")).expect("read").is_none());
    let vouched = |reader: &Reader, at: &str, side| {
        reader.vouched(&path(at), side).expect("read").map(|found| (found.digest, found.recorded))
    };
    assert_eq!(vouched(&reader, "d/e/f", Side::Staging), Some((Digest([7; 16]), stamp(7, false).expect("a stamp"))));
    assert_eq!(vouched(&reader, "d/e/f", Side::Network), None, "another folder than the one whose stamps these were");
    assert_eq!((vouched(&reader, "d/e", Side::Staging), vouched(&reader, "d/f/e", Side::Staging)), (None, None));
    // Given up again before a whole run: what knows more stays, the newer one where they are alike.
    manifest.put(&path("g"), &file(9)).expect("put");
    manifest.give_up_base(&after, &PerSide::new(true, true)).expect("given up");
    assert_eq!(vouched(&manifest.reader().expect("a reader"), "g", Side::Staging).map(|found| found.0), Some(Digest([8; 16])));
    for (number, seed) in [(0, 10), (1, 11), (2, 12), (3, 13)] {
        manifest.put(&path(format!("n{number}")), &file(seed)).expect("put");
    }
    manifest.give_up_base(&after, &PerSide::new(true, true)).expect("given up");
    let reader = manifest.reader().expect("a reader");
    assert_eq!(
        (vouched(&reader, "g", Side::Staging), vouched(&reader, "n1", Side::Network).map(|found| found.0)),
        (None, Some(Digest([11; 16])))
    );
    manifest.forget_former().expect("forgotten");
    assert!(!manifest.reader().expect("a reader").may_vouch());
}
