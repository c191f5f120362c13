//! The first sync: a whole project arrives, and two folders that both hold something lose nothing.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;

use crate::harness::{World, paths, read, seconds, stands, touch, write, wrote_nothing};
#[cfg(unix)]
use crate::harness::{below, make_lab_project};
use crate::tree::Tree;
#[cfg(unix)]
use crate::tree::{FolderTimes, Kind};

/// What SS-08 leaves out, as the lab project has it; and its FIFO, which no copy can hold.
#[cfg(unix)]
fn left_out(path: &[u8]) -> bool {
    let junk = ["__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini", ".sync_log.json"];
    path == b"instrument/live.fifo"
        || path.split(|&byte| byte == b'/').any(|name| junk.iter().any(|junk| junk.as_bytes() == name))
}

#[cfg(unix)]
fn lab() -> World {
    let world = World::new();
    make_lab_project(&world.network);
    world
}

/// SS-04, SS-07, SS-09: the whole project with its hidden files, old dates, modes, empty folders and odd names.
#[cfg(unix)]
#[test]
fn ss_04_07_09_the_lab_project_arrives_identical() {
    let world = lab();
    let before = Tree::with(&world.network, FolderTimes::Compared);
    let object = world.json(&["sync", "down"], 0);
    let arrived = Tree::with(&world.staging, FolderTimes::Compared);
    let expected = before.clone().without(left_out);
    arrived.assert_same(&expected, "staging against the project");
    Tree::with(&world.network, FolderTimes::Compared).assert_same(&before, "the network root after a down");
    for hidden in
        [".snapshots/step-01/state.json", ".workflow_status/steps.db", ".workflow_logs/step-30.log", "workflow_state.json"]
    {
        assert!(arrived.get(hidden).is_some(), "{hidden}");
    }
    for odd in [&b"-rf"[..], b"two\nlines.txt", b"caf\xe9.csv", b" padded ", b"back\\slash.txt", b"[a-z]*?.txt", b"..hidden"] {
        assert!(arrived.0.contains_key(&[b"odd names/", odd].concat()), "{}", odd.escape_ascii());
    }
    assert!(arrived.0.keys().any(|path| path.rsplit(|&byte| byte == b'/').next().is_some_and(|name| name.len() == 255)));
    let count = |wanted: fn(&Kind) -> bool| expected.0.values().filter(|entry| wanted(&entry.kind)).count();
    assert_eq!(object["written"]["files"], count(|kind| matches!(kind, Kind::File { .. })), "{object}");
    assert_eq!(object["written"]["dirs"], count(|kind| *kind == Kind::Folder), "{object}");
    assert_eq!(object["written"]["symlinks"], count(|kind| matches!(kind, Kind::Link(_))), "{object}");
}

/// SS-04: the FIFO is said, is not made, and costs no exit code.
#[cfg(unix)]
#[test]
fn ss_04_what_is_no_file_is_noted() {
    let world = lab();
    fs::create_dir(world.network.join("run")).expect("a folder");
    let _socket = std::os::unix::net::UnixListener::bind(world.network.join("run/s")).expect("a socket");
    let object = world.json(&["sync", "down"], 0);
    assert_eq!(paths(&object, "notes"), ["instrument/live.fifo", "run/s"], "{object}");
    assert!(!stands(&world.staging.join("instrument/live.fifo")) && !stands(&world.staging.join("run/s")));
    world.json(&["sync"], 0);
    assert!(stands(&world.network.join("instrument/live.fifo")), "what is unknown is never removed");
}

/// SS-04: holes stay holes.
#[cfg(unix)]
#[test]
fn ss_04_a_sparse_file_stays_sparse() {
    let world = lab();
    world.run(&["sync", "down"]).ends_with(0);
    let blocks = |root: &std::path::Path| fs::metadata(root.join("raw/images-0001.bin")).expect("the big file").blocks();
    let (before, after) = (blocks(&world.network), blocks(&world.staging));
    assert!(after * 512 < 40 << 20, "{after} blocks for 32 MiB of content in 64 MiB");
    assert!(after <= before + 64, "{after} blocks of {before}");
}

/// SS-08: what programs leave about stays where it is, on both sides.
#[test]
fn ss_08_junk_is_not_copied() {
    let world = World::paired(&[("a.txt", "a")]);
    for junk in ["__pycache__/a.pyc", ".DS_Store", "Thumbs.db", "desktop.ini", ".sync_log.json", "@eaDir/x", "sub/#recycle/x"] {
        write(&world.network.join(junk), "junk");
        write(&world.staging.join("work").join(junk), "junk");
    }
    let object = world.json(&["sync"], 0);
    assert_eq!(object["written"]["files"], 0, "{object}");
    let expected = ["a.txt", "sub", "work", "work/sub"];
    let of = |root| {
        Tree::of(root)
            .without(|path| {
                [&b"__pyc"[..], b".DS_", b"Thumbs", b"desktop", b".sync", b"@ea", b"#rec"]
                    .iter()
                    .any(|part| path.windows(part.len()).any(|window| window == *part))
            })
            .names()
    };
    assert_eq!(
        (of(&world.staging), of(&world.network)),
        (expected.map(str::to_owned).to_vec(), expected.map(str::to_owned).to_vec())
    );
    assert!(!stands(&world.staging.join("Thumbs.db")) && !stands(&world.network.join("work/.DS_Store")));
}

/// SS-05: the second run has nothing to do, and still saw everything.
#[cfg(unix)]
#[test]
fn ss_05_a_second_run_writes_nothing() {
    let world = lab();
    world.run(&["sync", "down"]).ends_with(0);
    let trees = world.trees();
    let entries = trees.0.0.len();
    for direction in [&["sync"][..], &["sync", "up"], &["sync", "down"]] {
        let object = world.json(direction, 0);
        wrote_nothing(&object);
        let scanned = object["scanned"]["staging"].as_u64().expect("a number");
        assert!(scanned >= entries as u64 && scanned <= entries as u64 + 2, "{scanned} of {entries}: {object}");
    }
    assert!(world.trees() == trees, "nothing changed");
}

/// SS-04: equal content on both sides is adopted without a transfer; the earlier of two times wins.
#[test]
fn ss_04_equal_content_is_adopted() {
    let world = World::new();
    for (name, network, staging) in [
        ("same", 1_200_000_000, 1_200_000_000),
        ("same-2", 1_200_000_000, 1_200_000_000),
        ("copied-by-hand", 1_000_000_000, 1_500_000_000),
    ] {
        for (root, seconds) in [(&world.network, network), (&world.staging, staging)] {
            write(&root.join(name), "the same");
            touch(&root.join(name), seconds, 5);
        }
    }
    write(&world.network.join("only-there"), "n");
    write(&world.staging.join("only-here"), "s");
    let object = world.json(&["sync"], 0);
    let counts = (&object["adopted"], &object["metadata"], &object["written"]["files"]);
    assert_eq!(counts, (&2.into(), &1.into(), &2.into()), "{object}");
    assert_eq!(seconds(&world.staging.join("copied-by-hand")), 1_000_000_000);
    world.in_step();
}

/// SS-04, SS-11: different content is a conflict, both versions stay, and the rest goes on.
#[test]
fn ss_04_different_content_is_a_conflict_and_nothing_is_lost() {
    let world = World::new();
    write(&world.network.join("notes.md"), "of the network");
    write(&world.staging.join("notes.md"), "of staging");
    write(&world.network.join("n.txt"), "n");
    write(&world.staging.join("s.txt"), "s");
    let object = world.json(&["sync"], 3);
    assert_eq!(paths(&object, "conflicts"), ["notes.md"], "{object}");
    assert_eq!(object["outcome"], "conflicts");
    assert_eq!(object["deleted"]["files"], 0);
    assert_eq!(
        (read(&world.network.join("notes.md")), read(&world.staging.join("notes.md"))),
        ("of the network".into(), "of staging".into())
    );
    assert_eq!((read(&world.network.join("s.txt")), read(&world.staging.join("n.txt"))), ("s".into(), "n".into()));
    // What one side lacked is now on both; nobody's file was taken for a delete.
    assert_eq!(world.json(&["sync"], 3)["conflicts"].as_array().map(Vec::len), Some(1));
}

fn two_projects() -> World {
    let world = World::new();
    for number in 0..12 {
        write(&world.network.join(format!("n-{number}")), "n");
        write(&world.staging.join(format!("s-{number}")), "s");
    }
    world
}

/// SS-04: two folders that are not one project are asked about; without a terminal that is a refusal.
#[test]
fn ss_04_mostly_different_folders_are_refused_without_yes() {
    let world = two_projects();
    let before = world.trees();
    for _ in 0..2 {
        let object = world.json(&["sync"], 4);
        assert_eq!(object["outcome"], "refused");
        assert!(object["message"].as_str().is_some_and(|text| text.contains("mostly different")), "{object}");
        assert!(world.trees() == before, "nothing was changed");
    }
    let object = world.json(&["sync", "--yes"], 0);
    assert_eq!((&object["written"]["files"], &object["deleted"]["files"]), (&24.into(), &0.into()), "{object}");
    // Asked once a pair.
    world.in_step();
}

/// SS-04: a question that nobody answered leaves nothing behind that a later run would take for an agreement.
#[test]
fn ss_04_an_interrupted_question_records_nothing() {
    let world = two_projects();
    world.run(&["sync", "down"]).ends_with(4).says("--yes");
    for name in 0..12 {
        fs::remove_file(world.staging.join(format!("s-{name}"))).expect("removed");
    }
    // Staging is empty now: a first sync still, which deletes nothing.
    let object = world.json(&["sync"], 0);
    assert_eq!((&object["written"]["files"], &object["deleted"]["files"]), (&12.into(), &0.into()), "{object}");
    world.in_step();
}

/// SS-06: with `--trust-times`, equal size and time count as equal content; one side is not read.
#[test]
fn ss_06_trusted_times_spare_the_reading() {
    for (flag, code) in [(&["sync"][..], 3), (&["sync", "--trust-times"], 0)] {
        let world = World::new();
        for (root, content) in [(&world.network, "aaaa"), (&world.staging, "bbbb")] {
            write(&root.join("f"), content);
            touch(&root.join("f"), 1_600_000_000, 123_456_789);
        }
        let object = world.json(flag, code);
        assert_eq!(object["written"]["files"], 0, "{object}");
        assert_eq!((read(&world.network.join("f")), read(&world.staging.join("f"))), ("aaaa".into(), "bbbb".into()));
    }
}

/// SS-04: a network root that arrives in a staging folder that does not exist yet.
#[test]
fn ss_04_a_missing_staging_folder_is_made() {
    let world = World::new();
    fs::remove_dir(&world.staging).expect("removed");
    write(&world.network.join("deep/er/file"), "x");
    world.run(&["sync"]).ends_with(0).says("1 file synced from the network");
    world.in_step();
}

/// SS-07: names that are not UTF-8 are told by their bytes.
#[cfg(unix)]
#[test]
fn ss_07_a_name_that_is_not_utf_8_is_told_by_its_bytes() {
    let world = World::new();
    for (root, content) in [(&world.network, "n"), (&world.staging, "longer")] {
        write(&below(root, b"caf\xe9.csv"), content);
    }
    let object = world.json(&["sync"], 3);
    assert_eq!(object["conflicts"][0]["path"], "caf\u{fffd}.csv", "{object}");
    assert_eq!(object["conflicts"][0]["path_b64"], "Y2Fm6S5jc3Y=", "{object}");
}
