//! What files are here: read-only, hidden, held open, dated to 100 ns.

use std::fs::{self, OpenOptions};
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::harness::{World, paths, read, stands, touch, write};

fn is_read_only(path: &Path) -> bool {
    fs::metadata(path).expect("there").permissions().readonly()
}

fn set_read_only(path: &Path, read_only: bool) {
    let mut rights = fs::metadata(path).expect("there").permissions();
    rights.set_readonly(read_only);
    fs::set_permissions(path, rights).expect("set");
}

#[test]
fn a_read_only_file_is_replaced_and_deleted() {
    let world = World::paired(&[("edit", "old"), ("gone", "gone"), ("keep", "keep")]);
    for name in ["edit", "gone", "keep"] {
        set_read_only(&world.network.join(name), true);
    }
    write(&world.network.join("new"), "new");
    set_read_only(&world.network.join("new"), true);
    world.json(&["sync", "down"], 0);
    assert!(["edit", "gone", "keep", "new"].iter().all(|name| !is_read_only(&world.staging.join(name))), "it is not carried");
    write(&world.staging.join("edit"), "newer");
    fs::remove_file(world.staging.join("gone")).expect("removed");
    world.json(&["sync", "up"], 0);
    assert_eq!(read(&world.network.join("edit")), "newer");
    assert!(!stands(&world.network.join("gone")));
    assert!(["edit", "keep", "new"].iter().all(|name| is_read_only(&world.network.join(name))), "it stays with the name");
    assert_eq!(read(&world.network.join("keep")), "keep");
    world.in_step();
}

#[test]
fn a_file_that_another_program_holds_is_busy_and_is_carried_later() {
    let world = World::paired(&[("held", "old"), ("free", "old")]);
    for name in ["held", "free"] {
        write(&world.staging.join(name), "newer");
    }
    // As a program that lets nobody else in.
    let held = OpenOptions::new().read(true).share_mode(0).open(world.staging.join("held")).expect("open");
    let object = world.json(&["sync", "up"], 6);
    assert_eq!(read(&world.network.join("free")), "newer", "the rest goes on: {object}");
    assert_eq!(read(&world.network.join("held")), "old");
    assert_eq!(paths(&object, "problems"), ["held"], "{object}");
    assert_eq!(object["problems"][0]["kind"], "busy", "{object}");
    drop(held);
    world.json(&["sync", "up"], 0);
    assert_eq!(read(&world.network.join("held")), "newer");
    world.in_step();
}

#[test]
fn a_held_file_is_never_half_replaced() {
    let world = World::paired(&[("held", "old")]);
    write(&world.network.join("held"), "newer");
    let held = OpenOptions::new().read(true).share_mode(0).open(world.staging.join("held")).expect("open");
    let object = world.json(&["sync", "down"], 6);
    assert_eq!(object["problems"][0]["kind"], "busy", "{object}");
    drop(held);
    assert_eq!(read(&world.staging.join("held")), "old");
    world.json(&["sync", "down"], 0);
    assert_eq!(read(&world.staging.join("held")), "newer");
    world.in_step();
}

#[test]
fn times_are_kept_to_a_hundred_nanoseconds() {
    let world = World::new();
    for (name, seconds, nanos) in
        [("a", 1_700_000_000, 123_456_700), ("b", 1, 100), ("c", 0, 0), ("d", -1_000_000_000, 999_999_900)]
    {
        write(&world.network.join(name), name);
        touch(&world.network.join(name), seconds, nanos);
    }
    world.json(&["sync", "down"], 0);
    for name in ["a", "b", "c", "d"] {
        let time = |root: &Path| fs::metadata(root.join(name)).expect("there").last_write_time();
        assert_eq!(time(&world.staging), time(&world.network), "{name}");
    }
    world.in_step();
}

#[test]
fn what_was_replaced_and_deleted_comes_back() {
    let world = World::paired(&[("edit", "old"), ("gone", "gone")]);
    write(&world.staging.join("edit"), "newer");
    fs::remove_file(world.staging.join("gone")).expect("removed");
    world.json(&["sync", "up"], 0);
    let kept = world.json(&["trash", "list"], 0);
    assert_eq!(paths(&kept, "entries").len(), 2, "{kept}");
    world.json(&["undo", "last"], 0);
    assert_eq!(read(&world.network.join("edit")), "old");
    assert_eq!(read(&world.network.join("gone")), "gone");
}

#[test]
fn both_changed_is_a_conflict_and_both_are_kept() {
    let world = World::paired(&[("notes.md", "old")]);
    write(&world.staging.join("notes.md"), "mine");
    write(&world.network.join("notes.md"), "theirs");
    world.json(&["sync"], 3);
    world.run(&["conflicts", "resolve", "notes.md", "--keep", "both"]).ends_with(0);
    let contents: Vec<String> = fs::read_dir(&world.staging)
        .expect("listed")
        .filter_map(|entry| fs::read_to_string(entry.expect("an entry").path()).ok())
        .collect();
    for content in ["mine", "theirs"] {
        assert!(contents.iter().any(|found| found == content), "{content} in {contents:?}");
    }
}

#[test]
fn a_staged_copy_is_removed_though_its_own_locks_lie_in_it() {
    let world = World::new();
    write(&world.network.join("a"), "1");
    let run = |words: &[&str]| world.run_in(&world.top(), words);
    run(&["init", "--name", "copy", "--network", world.network.to_str().expect("text")]).ends_with(0);
    run(&["sync", "--pair", "copy"]).ends_with(0);
    let copy = world.state.join(".staging/copy");
    assert_eq!(read(&copy.join("a")), "1");
    write(&copy.join("b"), "2");
    run(&["staging", "remove", "--pair", "copy", "--yes"]).ends_with(4).says("not in step");
    assert_eq!(read(&copy.join("b")), "2");
    run(&["sync", "--pair", "copy"]).ends_with(0);
    run(&["staging", "remove", "--pair", "copy", "--yes"]).ends_with(0).says("Removed");
    assert_eq!(fs::read_dir(world.state.join(".staging")).expect("there").count(), 0);
    assert!(!stands(&world.state.join("copy")) && stands(&world.network.join("b")));
}
