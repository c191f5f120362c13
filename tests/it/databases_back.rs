//! Databases that come back from the trash: each with its own log, never beside another one's; also where the way back, or
//! the run that displaced them, was cut off.

use std::fs;
use std::path::{Path, PathBuf};

use crate::databases::{ADD, MAKE, rows, sql, with_log};
use crate::harness::{World, stands, write, wrote_nothing};

/// Another database with something in its log, of which only the log is left.
fn leave_a_log(file: &Path) {
    sql(file, MAKE, "closed");
    sql(file, "PRAGMA wal_autocheckpoint = 0; DELETE FROM t; CREATE TABLE u (n); INSERT INTO u VALUES (9);", "cut off");
    fs::remove_file(file).expect("the database goes");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    fs::remove_file(file.with_file_name(format!("{name}-shm"))).expect("and its index");
}

/// Rows of the database as a program finds it, with what lies beside it.
#[track_caller]
fn found(world: &World, file: &Path) -> i64 {
    let place = world.top().join("found");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir(&place).expect("a folder");
    for ending in ["", "-wal", "-journal"] {
        let name = format!("{}{ending}", file.file_name().expect("a name").to_string_lossy());
        if stands(&file.with_file_name(&name)) {
            fs::copy(file.with_file_name(&name), place.join(&name)).expect("a copy");
        }
    }
    let copy = place.join(file.file_name().expect("a name"));
    sql(&copy, "SELECT * FROM t;", "closed");
    rows(&copy)
}

fn wal(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", file.display()))
}

/// The network's change takes the database of staging, with three rows in the file and three in its log, into the trash.
fn displaced(way: &str) -> (World, PathBuf, PathBuf) {
    let (world, here, there) = with_log();
    world.json(&["sync"], 0);
    match way {
        "deleted" => fs::remove_file(&there).expect("a delete"),
        _ => sql(&there, "CREATE TABLE u (n); DELETE FROM t; INSERT INTO t VALUES (7);", "closed"),
    }
    (world, here, there)
}

#[test]
fn an_undo_brings_a_database_back_with_its_log() {
    for way in ["deleted", "overwritten"] {
        let (world, here, there) = displaced(way);
        world.json(&["sync", "down"], 0);
        assert!(!stands(&wal(&here)), "{way}");
        assert_eq!(world.json(&["undo", "last"], 0)["paths"][0]["result"], "done", "{way}");
        assert_eq!(found(&world, &here), 6, "{way}");
        assert_eq!(world.json(&["undo", "last"], 0)["paths"][0]["result"], "already", "{way}");
        world.json(&["sync"], 0);
        assert_eq!(rows(&there), 6, "{way}");
        wrote_nothing(&world.json(&["sync"], 0));
        // The undo was run 4, and is taken back with the log.
        assert_eq!(world.json(&["undo", "4"], 0)["paths"][0]["result"], "done", "{way}");
        assert!(!stands(&wal(&here)), "{way}");
        assert_eq!(stands(&here), way == "overwritten");
        world.json(&["sync"], 0);
        world.in_step();
    }
}

#[test]
fn what_a_live_database_replaced_comes_back() {
    let (world, here, there) = with_log();
    world.json(&["sync"], 0);
    sql(&here, ADD, "cut off");
    world.json(&["sync", "up"], 0);
    assert_eq!(rows(&there), 12);
    assert_eq!(world.json(&["undo", "last"], 0)["paths"][0]["result"], "done");
    assert_eq!(rows(&there), 6);
    assert_eq!(world.json(&["undo", "last"], 0)["paths"][0]["result"], "already");
    assert_eq!(world.json(&["undo", "4"], 0)["paths"][0]["result"], "done");
    assert_eq!((rows(&there), found(&world, &here)), (12, 12));
    wrote_nothing(&world.json(&["sync"], 0));
}

/// Both sides changed it, and staging's has something in its log: three and three rows there, one on the network.
fn conflicting() -> (World, PathBuf, PathBuf) {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let [here, there] = [&world.staging, &world.network].map(|root| root.join("a.db"));
    sql(&here, MAKE, "closed");
    world.json(&["sync"], 0);
    sql(&there, "CREATE TABLE u (n); DELETE FROM t; INSERT INTO t VALUES (7);", "closed");
    sql(&here, ADD, "cut off");
    (world, here, there)
}

#[test]
fn a_conflict_of_databases_ends_with_whole_ones() {
    let stories: [(&[&str], i32, [i64; 2]); 5] = [
        (&["conflicts", "resolve", "a.db", "--keep", "staging"], 0, [6, 6]),
        (&["conflicts", "resolve", "a.db", "--keep", "network"], 0, [1, 1]),
        // Not while a log would stay behind at the old name.
        (&["conflicts", "resolve", "a.db", "--keep", "both"], 6, [6, 1]),
        (&["revert", "a.db"], 0, [1, 1]),
        (&["sync", "--conflict", "prefer-staging"], 0, [6, 6]),
    ];
    for (words, code, expected) in stories {
        let (world, here, there) = conflicting();
        if words[0] != "sync" {
            world.json(&["sync"], 3);
        }
        world.run(words).ends_with(code);
        assert_eq!([found(&world, &here), found(&world, &there)], expected, "{words:?}");
        if code == 0 {
            let run = world.json(&["history"], 0)["runs"][0]["run"].to_string();
            wrote_nothing(&world.json(&["sync"], 0));
            assert_eq!(world.json(&["undo", &run], 0)["paths"][0]["result"], "done", "{words:?}");
            assert_eq!([found(&world, &here), found(&world, &there)], [6, 1], "{words:?}, undone");
        } else {
            sql(&here, "SELECT * FROM t;", "closed");
            world.json(&["sync", "--conflict", "keep-both"], 0);
            assert_eq!(found(&world, &here), 1, "{words:?}");
            world.in_step();
        }
    }
}

#[test]
fn a_restore_brings_a_database_back_with_its_log() {
    for asked in ["runs/a.db", "runs"] {
        let world = World::paired(&[("notes.txt", "of the project")]);
        let [here, there] = [&world.staging, &world.network].map(|root| root.join("runs/a.db"));
        sql(&here, MAKE, "closed");
        sql(&here, ADD, "cut off");
        world.json(&["sync"], 0);
        fs::remove_dir_all(world.network.join("runs")).expect("a delete");
        world.json(&["sync"], 0);
        world.json(&["trash", "restore", asked], 0);
        assert_eq!(found(&world, &here), 6, "{asked}");
        world.json(&["sync"], 0);
        assert_eq!(rows(&there), 6, "{asked}");
        wrote_nothing(&world.json(&["sync"], 0));
    }
}

#[test]
fn no_log_comes_back_beside_another_database() {
    let (world, here, _) = displaced("overwritten");
    world.json(&["sync", "down"], 0);
    for asked in ["a.db", "a.db-wal"] {
        world.run(&["trash", "restore", asked]).ends_with(6);
        assert!(!stands(&wal(&here)), "{asked}");
        assert_eq!(found(&world, &here), 1, "{asked}");
    }
    world.in_step();
}

#[test]
fn versions_of_two_runs_are_not_mixed() {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let [here, there] = [&world.staging, &world.network].map(|root| root.join("runs/a.db"));
    sql(&here, MAKE, "closed");
    sql(&here, ADD, "cut off");
    write(&world.staging.join("runs/plain"), "a file");
    write(&world.staging.join("runs/plain-wal"), "and another one");
    world.json(&["sync"], 0);
    sql(&there, "DELETE FROM t; CREATE TABLE u (n); INSERT INTO t VALUES (7);", "closed");
    world.json(&["sync", "down"], 0);
    fs::remove_dir_all(world.network.join("runs")).expect("a delete");
    world.json(&["sync", "down"], 0);
    world.json(&["trash", "restore", "runs"], 0);
    assert_eq!(found(&world, &here), 1);
    assert!(stands(&world.staging.join("runs/plain-wal")), "what only looks like a log comes back");
    world.json(&["sync"], 0);
    assert_eq!(rows(&there), 1);
    wrote_nothing(&world.json(&["sync"], 0));
}

#[test]
fn a_database_is_not_brought_back_beside_the_log_of_another_one() {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let here = world.staging.join("a.db");
    sql(&here, MAKE, "closed");
    world.json(&["sync"], 0);
    fs::remove_file(world.network.join("a.db")).expect("a delete");
    world.json(&["sync", "down"], 0);
    leave_a_log(&here);
    for asked in [&["undo", "last"][..], &["trash", "restore", "a.db"]] {
        world.run(asked).ends_with(6).says("a.db-wal");
        assert!(!stands(&here), "{asked:?}");
    }
    fs::rename(wal(&here), world.top().join("away")).expect("a move");
    world.json(&["undo", "last"], 0);
    assert_eq!(found(&world, &here), 3);
}

#[test]
fn a_database_is_not_renamed_to_beside_the_log_of_another_one() {
    let world = World::paired(&[("notes.txt", "of the project")]);
    let here = world.staging.join("a.db");
    sql(&world.staging.join("b.db"), MAKE, "closed");
    world.json(&["sync"], 0);
    leave_a_log(&here);
    fs::rename(world.network.join("b.db"), world.network.join("a.db")).expect("a move");
    let ended = world.run(&["sync", "down", "--json"]);
    assert!(ended.code == 0 || ended.code == 6, "{ended}");
    assert!(!stands(&here) || found(&world, &here) == 3, "{ended}");
    world.json(&["sync"], 0);
    assert_eq!(found(&world, &here), 3);
    world.in_step();
}

/// Steps that change a name.
const NAMES: &str = "renameat2,linkat,unlinkat";

#[test]
fn a_way_back_that_is_killed_anywhere_is_completed_by_asking_again() {
    for (way, words) in [("overwritten", &["undo", "last"][..]), ("deleted", &["trash", "restore", "a.db"])] {
        let mut step = 1;
        loop {
            let (mut world, here, _) = displaced(way);
            world.set("DRIFTLESS_DURABILITY", "none");
            world.json(&["sync", "down"], 0);
            let killed = world.killed_at(words, NAMES, step, &[]);
            if stands(&here) && stands(&wal(&here)) {
                assert_eq!(found(&world, &here), 6, "{way} {words:?}, killed at {step}");
            }
            let ended = world.run(words);
            assert_eq!(found(&world, &here), 6, "{way} {words:?}, killed at {step}: {ended}");
            if !killed {
                break;
            }
            step += 1;
        }
        assert!(step > 3, "{way} {words:?} was killed {step} times");
    }
}

#[test]
fn a_run_that_is_killed_while_it_displaces_a_database_mixes_nothing() {
    let mut step = 1;
    loop {
        let (world, here, _) = displaced("overwritten");
        let killed = world.killed_at(&["sync", "down"], "renameat2,fsync", step, &[]);
        let came = stands(&here) && !stands(&wal(&here));
        assert!(!stands(&here) || found(&world, &here) == if came { 1 } else { 6 }, "killed at {step}");
        let undone = world.run(&["undo", "last"]);
        let stayed = came && !undone.stdout.contains("a.db: put back");
        if stands(&here) {
            assert_eq!(found(&world, &here), if stayed { 1 } else { 6 }, "killed at {step}: {undone}");
            assert!(!stayed || !stands(&wal(&here)), "killed at {step}: {undone}");
        }
        if !killed {
            break;
        }
        step += 1;
    }
    assert!(step > 3, "it was killed {step} times");
}
