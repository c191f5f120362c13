//! Databases at the moments that a writer in another process only hits by chance.

use super::*;
use crate::disk::beside::beside;
use crate::model::database::whole;
use crate::model::finding::ProblemKind;
use crate::sqlite::{self, Access, Synchronous};

use std::sync::atomic::{AtomicU32, Ordering};

/// A program's open database with a log; it does not bring the log in by itself.
macro_rules! program {
    ($path:expr) => {{
        let program = sqlite::open($path, Access::Create, 512).expect("opened");
        sqlite::write_ahead(&program, Synchronous::Normal).expect("set up");
        program.execute_batch("PRAGMA wal_autocheckpoint = 0").expect("set up");
        program
    }};
}

/// One transaction: `a` counts all of them, `c` those after the sixtieth, and six more pages change.
const STEP: &str = "BEGIN;
    UPDATE a SET n = n + 1;
    UPDATE c SET n = max(0, (SELECT n FROM a) - 60);
    UPDATE filler SET b = randomblob(24000);
    COMMIT;";

fn counts(file: &Path) -> (i64, i64) {
    let reader = sqlite::open(file, Access::Unshared, 512).expect("opened");
    assert_eq!(sqlite::complaint(&reader).expect("checked"), None);
    reader.query_row("SELECT a.n, c.n FROM a, c", [], |row| Ok((row.get(0)?, row.get(1)?))).expect("one row")
}

#[test]
fn a_log_that_is_begun_anew_while_it_is_copied_is_not_believed() {
    let world = world();
    let program = program!(&world.file(STAGING, "a.db"));
    program
        .execute_batch(
            "CREATE TABLE a (n); CREATE TABLE c (n); CREATE TABLE filler (b);
            INSERT INTO a VALUES (0); INSERT INTO c VALUES (0); INSERT INTO filler VALUES (NULL);",
        )
        .expect("made");
    program.execute_batch(&STEP.repeat(100)).expect("a hundred transactions");
    // All of it is in the database now: the next transaction begins the log anew and leaves the database alone.
    program.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").expect("brought in");
    let action = world.write_to(NETWORK, "a.db");
    let (reads, program) = (AtomicU32::new(0), std::sync::Mutex::new(program));
    world.meddler.staging.before_each(move |called, path| {
        // The first is of the header alone; the second brings as much as a buffer holds.
        if called == "read bytes" && path.ends_with("a.db-wal") && reads.fetch_add(1, Ordering::Relaxed) == 2 {
            program.lock().expect("no panic before").execute_batch(&STEP.repeat(20)).expect("twenty more");
        }
        None
    });
    done(one(&world.run(), action));
    assert_eq!(counts(&world.file(NETWORK, "a.db")), (120, 60));
}

#[test]
fn what_is_opened_on_the_network_in_the_last_moment_is_not_replaced() {
    let world = world();
    for side in [STAGING, NETWORK] {
        drop(program!(&world.file(side, "a.db")));
        let made = sqlite::open(&world.file(side, "a.db"), Access::Create, 512).expect("opened");
        made.execute_batch("CREATE TABLE t (n)").expect("made");
        sqlite::write_ahead(&made, Synchronous::Normal).expect("closing brings the log in");
    }
    let action = world.write_to(NETWORK, "a.db");
    let before = fs::read(world.file(NETWORK, "a.db")).expect("read");
    fs::write(world.file(NETWORK, "a.db-wal"), [0x37, 0x7f, 0x06, 0x82]).expect("a log");
    match one(&world.run(), action.clone()) {
        Ending::Problem(problem) => assert_eq!((problem.side, problem.kind), (NETWORK, ProblemKind::Busy)),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(world.file(NETWORK, "a.db")).expect("read"), before);
    fs::remove_file(world.file(NETWORK, "a.db-wal")).expect("closed");
    done(one(&world.run(), action));
}

#[test]
fn a_database_and_its_log_come_back_where_the_new_one_cannot_be_shown() {
    let world = world();
    for side in [STAGING, NETWORK] {
        drop(program!(&world.file(side, "a.db")));
    }
    let log = world.file(STAGING, "a.db-wal");
    let program = program!(&world.file(STAGING, "a.db"));
    program.execute_batch("CREATE TABLE t (n)").expect("made");
    let left = fs::read(&log).expect("a log");
    drop(program);
    fs::write(&log, &left).expect("as if its program was cut off");
    let mut action = world.write_to(STAGING, "a.db");
    let folder = world.roots.staging.folder(&RelPath::root()).expect("opened");
    let found = beside(&*folder, &Name::new(b"a.db").expect("a name"), Freshness::Fresh).expect("looked");
    if let Op::Write { expect: Seen::There(expect), .. } = &mut action.op {
        expect.stamp = whole(&expect.stamp, &found.log.expect("a log").stamp);
    }
    let files = || ["a.db", "a.db-wal"].map(|name| fs::read(world.file(STAGING, name)).expect("it stands there"));
    let before = files();
    // The database's own way to the trash is the first rename of that name, the new one's to its place the second.
    let renames = AtomicU32::new(0);
    world.meddler.staging.before_each(move |called, path| {
        let second = called == "rename" && path == "a.db" && renames.fetch_add(1, Ordering::Relaxed) == 1;
        second.then_some(crate::disk::ErrorKind::Denied)
    });
    assert!(matches!(one(&world.run(), action.clone()), Ending::Problem(_)));
    assert_eq!(files(), before);
    world.meddler.staging.before_each(|_, _| None);
    done(one(&world.run(), action));
    assert!(!log.exists());
    assert_eq!(fs::read(world.at.staging.join(".driftless/trash/run/a.db-wal")).expect("kept"), left);
}

#[test]
fn a_database_stays_with_a_log_that_cannot_go() {
    let world = world();
    let program = program!(&world.file(STAGING, "a.db"));
    program.execute_batch("CREATE TABLE t (n)").expect("made");
    let left = fs::read(world.file(STAGING, "a.db-wal")).expect("a log");
    drop(program);
    fs::write(world.file(STAGING, "a.db-wal"), &left).expect("as if its program was cut off");
    let files = || ["a.db", "a.db-wal"].map(|name| fs::read(world.file(STAGING, name)).expect("it stands there"));
    let before = files();
    let mut action = world.delete_at(STAGING, "a.db");
    let folder = world.roots.staging.folder(&RelPath::root()).expect("opened");
    let found = beside(&*folder, &Name::new(b"a.db").expect("a name"), Freshness::Fresh).expect("looked");
    if let Op::Delete { expect, .. } = &mut action.op {
        expect.stamp = whole(&expect.stamp, &found.log.expect("a log").stamp);
    }
    world.meddler.staging.fail("rename", "a.db-wal", crate::disk::ErrorKind::Denied);
    let endings = removes::delete(&world.run(), vec![action]);
    assert!(matches!(endings[..], [Ending::Problem(_)]), "{endings:?}");
    assert_eq!(files(), before);
}
