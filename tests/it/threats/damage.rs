//! A damaged or forged manifest: the run goes on without it or with it, deletes nothing that it should not, keeps what was
//! damaged, and the next run has nothing to do.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::run;
use super::shapes::holds;
use crate::harness::{World, stands, write};

fn manifest(world: &World) -> PathBuf {
    let pair = fs::read_dir(&world.state).expect("listed").next().expect("one").expect("it").path();
    pair.join("manifest.db")
}

/// A pair in step, with an edit on either side and a delete on each.
fn world() -> World {
    let world = World::new();
    for number in 0..80 {
        write(&world.network.join(format!("d{}/e/f{number}", number % 4)), format!("content {number}"));
    }
    world.run(&["sync", "down"]).ends_with(0);
    write(&world.staging.join("d0/e/f0"), "edited in staging");
    write(&world.network.join("d1/e/f1"), "edited on the network");
    fs::remove_file(world.staging.join("d2/e/f2")).expect("removed");
    fs::remove_file(world.network.join("d3/e/f3")).expect("removed");
    world
}

#[track_caller]
fn goes_on(world: &World, told: &str) {
    let ended = run(world, &["sync", "--json"]);
    assert!([0, 3].contains(&ended.code), "{told}: {ended}");
    let object = ended.json();
    let aside = object["notes"].to_string().contains("kept as");
    assert!(!aside || object["deleted"]["files"] == 0, "{told}: {object}");
    for number in 0..80 {
        let content = format!("content {number}");
        assert!(holds(&world.network, &content) || holds(&world.staging, &content), "{told}: {content} is lost; {object}");
    }
    for content in ["edited in staging", "edited on the network"] {
        let (here, there) = (holds(&world.staging, content), holds(&world.network, content));
        assert!(here && there || object["conflicts"] != serde_json::json!([]) && (here || there), "{told}: {content}; {object}");
    }
    let beside = fs::read_dir(manifest(world).parent().expect("a folder")).expect("listed");
    let kept = beside.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().contains(".damaged-")));
    assert_eq!(kept.count() > 0, aside, "{told}: {object}");
    assert!(!stands(&manifest(world).with_extension("db.distrusted")), "{told}");
    for words in [&["status"][..], &["history"], &["conflicts", "list"], &["trash", "list"], &["undo", "1", "--dry-run"]] {
        let ended = run(world, words);
        assert!(words[0] == "undo" || ended.code == 0, "{told}: {words:?} {ended}");
    }
    let again = run(world, &["sync", "--json"]).json();
    assert_eq!((&again["written"]["files"], &again["deleted"]["files"]), (&0.into(), &0.into()), "{told}: {again}");
}

/// Bytes here and there, whole pages, the end cut off. The numbers are always the same, so that a failure comes again.
#[cfg(unix)] // Wine takes minutes to start so many programs, and the file is the same everywhere
#[test]
fn bytes_that_nobody_wrote() {
    let mut seed = 7_u64;
    let mut next = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for round in 0..12 {
        let world = world();
        let path = manifest(&world);
        let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).expect("open");
        let length = file.metadata().expect("a stat").len();
        let mut put =
            |bytes: &[u8], at: u64| file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)).expect("written");
        let told = match round % 4 {
            0 => {
                file.set_len(next(length)).expect("cut");
                "cut"
            }
            1 => {
                put(&[0; 4096], next(length / 4096) * 4096);
                "a page of zeros"
            }
            _ => {
                for _ in 0..64 {
                    put(&[u8::try_from(next(256)).expect("a byte")], next(length));
                }
                "bytes"
            }
        };
        goes_on(&world, &format!("{told}, round {round}"));
    }
}

/// Values that SQLite finds sound: circles, kinds that are none, names that leave the root.
#[cfg(unix)] // the same
#[test]
fn values_that_nobody_wrote() {
    for sql in [
        "UPDATE entry SET child = 1 WHERE child IS NOT NULL",
        "UPDATE entry SET child = folder WHERE child IS NOT NULL; UPDATE entry SET name = CAST('gone' AS BLOB) WHERE name = CAST('d0' AS BLOB)",
        "UPDATE entry SET kind = 9",
        "UPDATE OR IGNORE entry SET name = CAST('../../etc' AS BLOB) WHERE kind = 0",
        "UPDATE OR IGNORE entry SET name = CAST(name AS TEXT)",
        "UPDATE folder_id SET next = 1",
        "DROP TABLE former",
        "UPDATE run SET direction = 'sideways'",
        "UPDATE root SET granularity_ns = -1, clock_step_ns = 9223372036854775807",
    ] {
        let world = world();
        let connection = rusqlite::Connection::open(manifest(&world)).expect("open");
        connection.execute_batch(sql).expect("done");
        drop(connection);
        goes_on(&world, sql);
    }
}

/// Nobody's file outside the state folder is touched by what a manifest says.
#[test]
fn paths_in_a_manifest_stay_below_the_roots() {
    let world = world();
    let outside = world.top().join("outside");
    write(&outside, "precious");
    run(&world, &["sync"]).ends_with(0);
    let connection = rusqlite::Connection::open(manifest(&world)).expect("open");
    let up: &Path = Path::new("../outside");
    let text = up.to_str().expect("text");
    connection.execute_batch(&format!("UPDATE event SET path = '{text}', kept = '{text}', moved_from = '{text}'")).expect("done");
    drop(connection);
    for words in [&["undo", "2"][..], &["history", "2"], &["trash", "list"], &["trash", "restore", "d2"], &["sync"]] {
        run(&world, words);
        assert_eq!(fs::read_to_string(&outside).expect("there"), "precious", "{words:?}");
    }
}
