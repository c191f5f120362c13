//! `undo` where the network root has no links, no exchange, coarse times and folded names, and where it is full.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;

use crate::ground::{Ended, Ground, bytes, ended, set_time, then, write};
use crate::services::{Kind, Loop};
use crate::tree::Tree;

fn undo(ground: &Ground, run: &str) -> Ended {
    ended(ground.command(&[], &["undo", run, "--json"]).output().expect("the program starts"))
}

fn all_done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.list("paths").iter().all(|item| item["result"] == "done"), "{ended:#?}");
}

#[test]
fn exfat_takes_back_and_again() {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "1MiB");
    let mount = Loop::mount(Kind::Exfat, 64 << 20, &ground.network);
    for (n, path) in ["data/run.csv", "gone/a", "gone/deep/b", "Name.txt"].into_iter().enumerate() {
        let n = u64::try_from(n).expect("few");
        write(&ground.staging.join(path), &bytes(n, 300), then(n * 2));
    }
    ground.synced(&[]);
    let before = Tree::coarse(&ground.network);
    let root = &ground.staging;
    write(&root.join("data/run.csv"), b"the new run", then(100));
    fs::remove_dir_all(root.join("gone")).expect("removed");
    fs::rename(root.join("Name.txt"), root.join("name.txt")).expect("renamed");
    ground.synced(&["up"]);
    let after = Tree::coarse(&ground.network);
    all_done(&undo(&ground, "last"));
    before.assert_same(&Tree::coarse(&ground.network), "as before the run");
    all_done(&undo(&ground, "3"));
    after.assert_same(&Tree::coarse(&ground.network), "and as after it");
    ground.synced(&[]).did_nothing();
    drop(mount);
}

/// A version that comes back with the size and time of what it replaces, on a root that shows nothing else, is carried over
/// all the same.
#[test]
fn exfat_a_version_with_the_same_size_and_time_is_carried_over() {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "1MiB");
    let mount = Loop::mount(Kind::Exfat, 64 << 20, &ground.network);
    let here = ground.staging.join("a");
    write(&here, b"old", then(100));
    ground.synced(&[]);
    write(&here, b"new", then(100));
    ground.synced(&["up", "--verify"]);
    all_done(&undo(&ground, "last"));
    ground.synced(&[]);
    assert_eq!(fs::read(&here).expect("there"), b"old", "staging after the sync that carries it over");
    assert_eq!(fs::read(ground.network.join("a")).expect("there"), b"old");
    drop(mount);
}

/// No room for the undo's own folders in the trash: it ends, nothing is lost, and with room the same command completes it.
#[test]
fn a_full_disk_stops_an_undo_and_loses_nothing() {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "0").setting("DRIFTLESS_TRASH_MAX", "100MiB");
    let mount = Loop::mount(Kind::Ext4, 16 << 20, &ground.network);
    for n in 0..200 {
        write(&ground.network.join(format!("folder {n}/file")), &bytes(n, 500), then(n));
    }
    ground.synced(&["down"]);
    let before = Tree::of(&ground.network);
    for n in 0..200 {
        let path = ground.staging.join(format!("folder {n}/file"));
        fs::write(&path, format!("other {n}")).expect("written");
        set_time(&path, then(1_000 + n));
    }
    ground.synced(&["up"]);
    let after = Tree::of(&ground.network).contents();
    let filler = ground.network.join(".driftless/filler");
    let mut room = 8 << 20;
    let mut file = fs::File::create(&filler).expect("a file");
    while room > 0 {
        match std::io::Write::write_all(&mut file, &vec![1; room]) {
            Ok(()) => {}
            Err(_) => room /= 2,
        }
    }
    // Room for the beginning.
    let length = file.metadata().expect("its length").len();
    file.set_len(length - (64 << 10)).expect("shorter");
    drop(file);
    let full = undo(&ground, "last");
    assert_eq!(full.code, Some(1), "{full:#?}");
    assert!(full.words().contains("No space left"), "{full:#?}");
    let known: std::collections::BTreeSet<_> = before.contents().union(&after).copied().collect();
    let some = (0..200).filter(|n| fs::read(ground.network.join(format!("folder {n}/file"))).expect("whole") == bytes(*n, 500));
    let some = some.count();
    assert!(some > 0 && some < 200, "{some} of 200 were taken back");
    let held = crate::tree::contents(&[&ground.network]);
    assert!(held.is_superset(&known), "lost: {:?}", known.difference(&held).collect::<Vec<_>>());
    fs::remove_file(filler).expect("removed");
    let done = undo(&ground, "2");
    assert_eq!(done.code, Some(0), "{done:#?}");
    before.assert_same(&Tree::of(&ground.network), "completed with room");
    drop(mount);
}
