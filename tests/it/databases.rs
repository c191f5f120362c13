//! SQLite databases that a program of the user writes to: what arrives is a state that existed, and theirs is not touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::guards::Tiny;
use crate::harness::{Ended, World, paths, read, stands, touch, wait_for, write, wrote_nothing};

fn writer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/write-database")
}

/// A program of the user in the midst of its work.
struct Program {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Program {
    fn at(file: &Path, mode: &str, more: &[&str]) -> Program {
        let mut command = Command::new(writer());
        command.arg(file).arg(mode).args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 is there");
        let mut says = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        says.read_line(&mut line).expect("its first line");
        assert_eq!(line, "started\n");
        Program { child, says }
    }

    /// Lets it end; answers how many transactions it made.
    fn end(mut self) -> u64 {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.says.read_line(&mut line).expect("its last line");
        assert!(self.child.wait().expect("its end").success());
        line.trim().parse().expect("a number")
    }
}

/// Transactions in a copy, which is sound.
#[track_caller]
fn transactions(world: &World, file: &Path) -> u64 {
    let copy = world.top().join("copy.db");
    fs::copy(file, &copy).expect("a copy");
    let checked = Ended::of(Command::new(writer()).arg("--check").arg(&copy).output().expect("python3 is there"));
    checked.ends_with(0);
    checked.stdout.trim().parse().expect("a number")
}

/// Runs SQL in a process of its own, which ends without closing the database where `then` says so.
pub(crate) fn sql(file: &Path, statements: &str, then: &str) {
    fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
    let script = "import os, sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  db.executescript(sys.argv[2])\n\
                  os._exit(0) if sys.argv[3] == 'cut off' else db.close()";
    let mut command = Command::new("python3");
    let ended = Ended::of(command.args(["-c", script]).arg(file).args([statements, then]).output().expect("python3 is there"));
    ended.ends_with(0);
}

pub(crate) const MAKE: &str = "PRAGMA journal_mode = wal; CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3);";
/// More than SQLite brings into the file by itself is not needed for a log.
pub(crate) const ADD: &str = "PRAGMA wal_autocheckpoint = 0; INSERT INTO t SELECT n + 10 FROM t;";

pub(crate) fn rows(file: &Path) -> i64 {
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro&immutable=1', uri=True)\n\
                  assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]\n\
                  print(db.execute('SELECT count(*) FROM t').fetchone()[0])";
    let ended = Ended::of(Command::new("python3").args(["-c", script]).arg(file).output().expect("python3 is there"));
    ended.ends_with(0);
    ended.stdout.trim().parse().expect("a number")
}

/// Names, bytes and times below a folder: what a sync must leave alone.
fn untouched(folder: &Path) -> BTreeMap<String, (Vec<u8>, i64, i64, u64)> {
    let files =
        fs::read_dir(folder).expect("a listing").map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let facts = |path: PathBuf| {
        let meta = fs::metadata(&path).expect("its times");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, (fs::read(&path).expect("its bytes"), meta.mtime(), meta.mtime_nsec(), meta.ino()))
    };
    files.map(facts).collect()
}

fn trashed(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![root.join(".driftless/trash")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path)
            } else {
                names.push(path.file_name().expect("a name").to_string_lossy().into_owned())
            }
        }
    }
    names.sort();
    names
}

/// A pair that is in step, with a database in which something was left in the log.
pub(crate) fn with_log() -> (World, PathBuf, PathBuf) {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let [here, there] = [&world.staging, &world.network].map(|root| root.join("a.db"));
    sql(&here, MAKE, "closed");
    sql(&here, ADD, "cut off");
    assert!(fs::metadata(world.staging.join("a.db-wal")).expect("a log").len() > 0);
    (world, here, there)
}

fn syncs_beside_a_writer(mode: &str, syncs: usize) {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let [here, there] = [&world.staging, &world.network].map(|root| root.join("run.db"));
    let program = Program::at(&here, mode, &[]);
    let (mut sent, mut last) = (0, 0);
    for _ in 0..syncs {
        let ended = world.run(&["sync", "up", "--json"]);
        let object = ended.json();
        assert!(ended.code == 0 || (ended.code == 6 && object["problems"][0]["kind"] == "busy"), "{ended}");
        if object["written"]["files"] == 1 {
            sent += 1;
            let now = transactions(&world, &there);
            assert!(now >= last, "{mode}: {now} transactions after {last}");
            last = now;
        }
    }
    assert!(sent * 2 > syncs, "{mode}: only {sent} of {syncs} were sent");
    let made = program.end();
    let left = untouched(&world.staging);
    world.json(&["sync"], 0);
    assert_eq!(transactions(&world, &there), made, "{mode}");
    assert_eq!(untouched(&world.staging), left, "{mode}");
    assert_eq!(fs::read(&here).expect("theirs"), fs::read(&there).expect("the copy"), "{mode}");
    assert!(!stands(&world.network.join("run.db-wal")) && !stands(&world.network.join("run.db-journal")), "{mode}");
    wrote_nothing(&world.json(&["sync"], 0));
}

#[test]
fn a_log_ahead_of_a_writer() {
    syncs_beside_a_writer("wal", 12);
}

#[test]
fn a_journal_that_is_deleted_each_time() {
    syncs_beside_a_writer("delete", 10);
}

#[test]
fn a_journal_that_is_cut_each_time() {
    syncs_beside_a_writer("truncate", 9);
}

#[test]
fn a_journal_that_is_kept() {
    syncs_beside_a_writer("persist", 9);
}

#[test]
fn what_is_left_in_a_log_arrives_and_the_log_stays() {
    let (world, here, there) = with_log();
    let left = untouched(&world.staging);
    let first = world.json(&["sync"], 0);
    assert_eq!(first["written"]["files"], 1, "{first}");
    assert_eq!(rows(&there), 6);
    assert_eq!(world.trees().1.names(), ["a.db", "notes.txt"]);
    for again in [&["sync"][..], &["sync", "--verify"], &["sync", "down"]] {
        wrote_nothing(&world.json(again, 0));
    }
    assert_eq!(untouched(&world.staging), left);
    // Opened and closed: the log comes into the file, which is what was sent. Only the time is news.
    sql(&here, "SELECT * FROM t;", "closed");
    assert!(!stands(&world.staging.join("a.db-wal")));
    let closed = world.json(&["sync"], 0);
    assert_eq!((&closed["written"]["files"], &closed["metadata"]), (&0.into(), &1.into()), "{closed}");
    world.in_step();
}

#[test]
fn a_path_that_names_the_log_means_its_database() {
    let (world, _, there) = with_log();
    let up = world.json(&["sync", "up", "a.db-wal"], 0);
    assert_eq!(up["written"]["files"], 1, "{up}");
    assert_eq!(rows(&there), 6);
    assert_eq!(world.trees().1.names(), ["a.db", "notes.txt"]);
    wrote_nothing(&world.json(&["sync", "up", "a.db"], 0));
}

#[test]
fn a_newer_database_comes_down_over_one_with_a_log() {
    let (world, here, there) = with_log();
    world.json(&["sync"], 0);
    sql(&there, "DELETE FROM t;", "closed");
    let down = world.json(&["sync", "down"], 0);
    assert_eq!(down["written"]["files"], 1, "{down}");
    assert_eq!(rows(&here), 0);
    assert_eq!(trashed(&world.staging), ["a.db", "a.db-shm", "a.db-wal"]);
    world.in_step();
    // What was displaced is whole in the trash.
    let kept = world.top().join("kept");
    fs::create_dir(&kept).expect("a folder");
    let run = fs::read_dir(world.staging.join(".driftless/trash")).expect("a run").next().expect("one").expect("one").path();
    for name in ["a.db", "a.db-wal"] {
        fs::copy(run.join(name), kept.join(name)).expect("a copy");
    }
    sql(&kept.join("a.db"), "SELECT 1 / (SELECT count(*) = 6 FROM t);", "closed");
    assert_eq!(rows(&kept.join("a.db")), 6);
}

#[test]
fn a_database_that_is_open_is_not_written_over() {
    let (world, here, there) = with_log();
    world.json(&["sync"], 0);
    sql(&there, "DELETE FROM t;", "closed");
    refused_while_open(&world, &here);
    world.json(&["sync", "down"], 0);
    assert_eq!(rows(&here), 0);
    world.in_step();
    // With nothing in its log.
    sql(&there, "INSERT INTO t VALUES (1);", "closed");
    refused_while_open(&world, &here);
    world.json(&["sync", "down"], 0);
    assert_eq!(rows(&here), 1);
    world.in_step();
}

fn refused_while_open(world: &World, file: &Path) {
    let mut command = Command::new("python3");
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM t').fetchall()\n\
                  print('open', flush=True); sys.stdin.read()";
    let mut open = command.args(["-c", script]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
    let mut line = String::new();
    BufReader::new(open.stdout.take().expect("piped")).read_line(&mut line).expect("its word");
    let left = untouched(&world.staging);
    let down = world.json(&["sync", "down"], 6);
    assert_eq!((paths(&down, "problems"), &down["problems"][0]["kind"]), (vec!["a.db"], &"busy".into()), "{down}");
    assert_eq!(untouched(&world.staging), left);
    drop(open.stdin.take());
    open.wait().expect("its end");
}

#[test]
fn a_delete_takes_along_what_lies_beside() {
    for (gone, other) in [("staging", "network"), ("network", "staging")] {
        let world = World::paired(&[("notes.txt", "of the project")]);
        let database = world.staging.join("runs/deep/a.db");
        write(&world.staging.join("runs/deep/b.txt"), "b");
        sql(&database, MAKE, "closed");
        sql(&database, ADD, "cut off");
        world.json(&["sync"], 0);
        write(&world.network.join("runs/deep/a.db-shm"), "what a reader left");
        fs::remove_dir_all(world.top().join(gone).join("runs")).expect("a delete");
        world.json(&["sync"], 0);
        assert!(!stands(&world.top().join(other).join("runs")), "deleted in {gone}");
        let kept = trashed(&world.top().join(other));
        let log =
            if other == "staging" { vec!["a.db", "a.db-shm", "a.db-wal", "b.txt"] } else { vec!["a.db", "a.db-shm", "b.txt"] };
        assert_eq!(kept, log, "deleted in {gone}");
        world.in_step();
    }
}

#[test]
fn two_versions_are_a_conflict_and_both_stay() {
    let (world, here, there) = with_log();
    world.json(&["sync"], 0);
    sql(&there, "DELETE FROM t;", "closed");
    sql(&here, ADD, "cut off");
    let (left, right) = (untouched(&world.staging), untouched(&world.network));
    let object = world.json(&["sync"], 3);
    assert_eq!(paths(&object, "conflicts"), ["a.db"], "{object}");
    assert_eq!((untouched(&world.staging), untouched(&world.network)), (left, right));
}

#[test]
fn a_log_alone_goes_nowhere() {
    let (world, here, _) = with_log();
    fs::rename(&here, world.top().join("away.db")).expect("a move");
    let object = world.json(&["sync"], 6);
    assert_eq!(paths(&object, "problems"), ["a.db-wal"], "{object}");
    assert!(!stands(&world.network.join("a.db-wal")));
    // Another database of that name comes down: the log is put aside, not met.
    sql(&world.network.join("a.db"), "CREATE TABLE t (n); INSERT INTO t VALUES (7);", "closed");
    world.json(&["sync", "down"], 6);
    assert_eq!(rows(&here), 1);
    assert!(!stands(&world.staging.join("a.db-wal")));
    assert!(trashed(&world.staging).contains(&"a.db-wal".to_owned()));
    world.in_step();
}

#[test]
fn a_transaction_that_was_cut_off_is_left_to_its_program() {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let here = world.staging.join("a.db");
    sql(&here, "CREATE TABLE t (n); INSERT INTO t VALUES (1);", "closed");
    world.json(&["sync"], 0);
    let big = "PRAGMA cache_size = 5; BEGIN; \
               WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) INSERT INTO t SELECT n FROM c;";
    sql(&here, big, "cut off");
    assert!(stands(&world.staging.join("a.db-journal")));
    let left = untouched(&world.staging);
    let object = world.json(&["sync"], 6);
    assert_eq!((paths(&object, "problems"), &object["problems"][0]["kind"]), (vec!["a.db"], &"busy".into()), "{object}");
    assert_eq!(untouched(&world.staging), left);
    assert_eq!(rows(&world.network.join("a.db")), 1);
    sql(&here, "SELECT * FROM t;", "closed");
    world.json(&["sync"], 0);
    world.in_step();
}

#[test]
fn a_database_that_is_open_on_the_network_waits() {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let there = world.network.join("a.db");
    sql(&there, MAKE, "closed");
    world.json(&["sync"], 0);
    sql(&there, ADD, "cut off");
    let object = world.json(&["sync"], 6);
    assert_eq!(paths(&object, "problems"), ["a.db"], "{object}");
    assert_eq!(rows(&world.staging.join("a.db")), 3);
    sql(&there, "SELECT * FROM t;", "closed");
    world.json(&["sync"], 0);
    assert_eq!(rows(&world.staging.join("a.db")), 6);
    world.in_step();
}

#[test]
fn a_damaged_database_with_a_log_is_not_sent() {
    let (world, here, there) = with_log();
    world.json(&["sync"], 0);
    sql(&here, "CREATE TABLE more (n); INSERT INTO more SELECT randomblob(3000) FROM t;", "closed");
    sql(&here, ADD, "cut off");
    let mut bytes = fs::read(&here).expect("theirs");
    let last_page = bytes.len() - 4096;
    bytes[last_page..last_page + 64].fill(0xee);
    fs::write(&here, bytes).expect("damage");
    let before = fs::read(&there).expect("the copy");
    let object = world.json(&["sync", "up"], 6);
    assert_eq!((paths(&object, "problems"), &object["problems"][0]["kind"]), (vec!["a.db"], &"unreadable".into()), "{object}");
    assert_eq!(fs::read(&there).expect("the copy"), before);
}

#[test]
fn without_room_for_a_copy_this_path_alone_waits() {
    let (world, here, there) = with_log();
    sql(&here, "PRAGMA wal_autocheckpoint = 0; CREATE TABLE big (b); INSERT INTO big VALUES (zeroblob(6000000));", "cut off");
    fs::remove_dir_all(&world.state).and_then(|()| fs::create_dir(&world.state)).expect("an empty one");
    let Some(_tiny) = Tiny::mount(&world.state, "size=3m") else { return };
    write(&world.staging.join("more.txt"), "more");
    let object = world.json(&["sync", "up"], 6);
    assert_eq!((paths(&object, "problems"), &object["problems"][0]["kind"]), (vec!["a.db"], &"full".into()), "{object}");
    assert!(object["problems"][0]["message"].as_str().expect("a sentence").contains("snapshots"), "{object}");
    assert!(stands(&world.network.join("more.txt")) && !stands(&there));
    assert_eq!(snapshots(&world), Vec::<PathBuf>::new());
}

#[test]
fn moved_databases_arrive_at_their_new_names() {
    let (world, here, _) = with_log();
    sql(&world.staging.join("rests.db"), MAKE, "closed");
    sql(&world.staging.join("folder/b.db"), MAKE, "closed");
    sql(&world.staging.join("folder/b.db"), ADD, "cut off");
    world.json(&["sync"], 0);
    for (from, to) in [("a.db", "moved.db"), ("a.db-wal", "moved.db-wal"), ("rests.db", "rested.db"), ("folder", "renamed")] {
        fs::rename(world.staging.join(from), world.staging.join(to)).expect("a move");
    }
    fs::remove_file(world.staging.join("a.db-shm")).expect("a delete");
    let object = world.json(&["sync", "up"], 0);
    assert_eq!(object["renamed"], 1, "{object}");
    for (name, expected) in [("moved.db", 6), ("rested.db", 3), ("renamed/b.db", 6)] {
        assert_eq!(rows(&world.network.join(name)), expected, "{name}");
    }
    assert!(!stands(&world.network.join("a.db")) && !stands(&world.network.join("folder")) && !stands(&here));
    wrote_nothing(&world.json(&["sync"], 0));
    // The other way, with what an open program leaves beside it.
    write(&world.staging.join("rested.db-shm"), "of a program that was cut off");
    write(&world.staging.join("rested.db-wal"), "");
    fs::rename(world.network.join("rested.db"), world.network.join("again.db")).expect("a move");
    let object = world.json(&["sync", "down"], 0);
    assert_eq!(object["renamed"], 1, "{object}");
    assert_eq!(rows(&world.staging.join("again.db")), 3);
    wrote_nothing(&world.json(&["sync"], 0));
    assert!(!world.trees().0.names().iter().any(|name| name.starts_with("rested")), "{:?}", world.trees().0.names());
}

#[test]
fn a_sync_that_is_killed_beside_a_writer_leaves_a_sound_copy() {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let [here, there] = [&world.staging, &world.network].map(|root| root.join("run.db"));
    let program = Program::at(&here, "wal", &["--abandon"]);
    for n in 0..8_u64 {
        kill_after(&world, n * 7 % 40 + 5);
        if stands(&there) {
            transactions(&world, &there);
        }
    }
    program.end();
    let left = untouched(&world.staging);
    // Its program went on after a kill: that may be a conflict, and nothing else.
    let ended = world.run(&["sync", "up", "--json"]);
    assert!(ended.code == 0 || ended.code == 3, "{ended}");
    transactions(&world, &there);
    assert_eq!(untouched(&world.staging), left);
    assert_eq!(snapshots(&world), Vec::<PathBuf>::new());
}

fn kill_after(world: &World, milliseconds: u64) {
    let mut child = world.start(&["sync", "up", "--json"]);
    std::thread::sleep(Duration::from_millis(milliseconds));
    child.kill().expect("our own child");
    child.wait().expect("its end");
}

#[test]
fn what_a_killed_sync_had_sent_is_known_again() {
    let (world, _, there) = with_log();
    let left = untouched(&world.staging);
    for n in 0..12_u64 {
        kill_after(&world, n * 3 + 4);
    }
    world.json(&["sync", "up"], 0);
    assert_eq!(rows(&there), 6);
    assert_eq!(untouched(&world.staging), left);
    assert_eq!(snapshots(&world), Vec::<PathBuf>::new());
    wrote_nothing(&world.json(&["sync"], 0));
    // The same where everything was forgotten.
    fs::remove_dir_all(&world.state).expect("the state goes");
    assert_eq!(world.json(&["sync", "--dry-run"], 0)["conflicts"], serde_json::json!([]));
    world.json(&["sync"], 0);
    wrote_nothing(&world.json(&["sync"], 0));
    assert_eq!(untouched(&world.staging), left);
}

/// Private copies of databases that are still there.
fn snapshots(world: &World) -> Vec<PathBuf> {
    let pairs = fs::read_dir(&world.state).expect("the state folder");
    let inside = |pair: PathBuf| fs::read_dir(pair.join("snapshots")).into_iter().flatten();
    pairs.flat_map(|pair| inside(pair.expect("a pair").path())).map(|entry| entry.expect("an entry").path()).collect()
}

/// A checkpoint in the middle of the copy that the database's time does not show, as where a clock is coarse.
#[test]
fn a_checkpoint_unseen_while_it_is_copied_tears_nothing() {
    let (world, here, there) = with_log();
    let fill = "PRAGMA wal_autocheckpoint = 0; ALTER TABLE t ADD COLUMN b; DELETE FROM t; \
                WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) \
                INSERT INTO t SELECT 1, randomblob(3500) FROM c; PRAGMA wal_checkpoint(TRUNCATE); \
                UPDATE t SET b = randomblob(3500) WHERE rowid = 1;";
    sql(&here, fill, "cut off");
    let slow = ["-P", here.to_str().expect("text"), "-e", "trace=pread64", "-e", "inject=pread64:delay_exit=100000"];
    let mut child = world.traced(&slow, &["sync", "up"]).stdout(Stdio::null()).spawn().expect("strace starts");
    let grown = |path: &PathBuf| fs::metadata(path.join("db")).is_ok_and(|meta| meta.len() > 2_000_000);
    wait_for("a part of the copy", || snapshots(&world).iter().any(grown));
    let stamp = fs::metadata(&here).expect("its times");
    let quickly = "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0; UPDATE t SET n = 2; PRAGMA wal_checkpoint(PASSIVE);";
    sql(&here, quickly, "cut off");
    touch(&here, stamp.mtime(), u32::try_from(stamp.mtime_nsec()).expect("below a second"));
    assert!(snapshots(&world).iter().all(|path| !stands(&path.join("db-wal"))), "the copy was over too early");
    assert_eq!(child.wait().expect("its end").code(), Some(0));
    let torn = "CREATE TABLE torn (n CHECK (n = 1)); INSERT INTO torn SELECT count(DISTINCT n) FROM t;";
    sql(&there, torn, "closed");
}

/// A file of the user that only has the name of a journal is none, and nobody's to move.
#[test]
fn a_file_with_the_name_of_a_journal_stays() {
    let world = World::paired(&[("x", "x")]);
    sql(&world.network.join("notes"), MAKE, "closed");
    for n in 0..80 {
        write(&world.network.join(format!("more-{n}")), "more");
    }
    write(&world.staging.join("notes-journal"), "Monday: it rained");
    let partly = world.json(&["sync"], 6);
    assert_eq!(paths(&partly, "problems"), ["notes"], "{partly}");
    for _ in 0..2 {
        world.json(&["sync"], 6);
        assert_eq!(read(&world.staging.join("notes-journal")), "Monday: it rained");
    }
}
