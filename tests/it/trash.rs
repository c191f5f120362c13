//! `trash`: what it lists and why, folders and versions put back, what is emptied and what expires.

use std::fs;
use std::path::PathBuf;

use filetime::FileTime;
use serde_json::{Value, json};

#[cfg(unix)]
use crate::harness::chmod;
use crate::harness::{World, paths, read, stands, touch, write};
use crate::tree::Tree;

fn entries<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    object["entries"].as_array().expect("entries").iter().filter(|entry| entry["path"] == path).collect()
}

/// The folders of runs in the network root's trash, by name.
fn runs(world: &World) -> Vec<PathBuf> {
    let home = world.network.join(".driftless/trash");
    if !stands(&home) {
        return Vec::new();
    }
    let mut runs: Vec<PathBuf> = fs::read_dir(home).expect("listed").map(|run| run.expect("a run").path()).collect();
    runs.sort();
    runs
}

/// Long ago, by the root's own clock.
fn age(path: &std::path::Path, days: i64) {
    let then = FileTime::from_unix_time(FileTime::now().unix_seconds() - days * 86_400, 0);
    filetime::set_file_times(path, then, then).expect("a time");
}

#[test]
fn the_list_says_when_by_which_run_and_why() {
    let world = World::paired(&[("a", "old"), ("dir/b", "b"), ("dir/c", "c")]);
    write(&world.staging.join("a"), "newer");
    fs::remove_dir_all(world.staging.join("dir")).expect("removed");
    world.run(&["sync", "up"]).ends_with(0);
    write(&world.network.join("a"), "the newest");
    world.run(&["sync", "down"]).ends_with(0);
    let object = world.json(&["trash", "list"], 0);
    let [ours] = entries(&object, "dir/b")[..] else { panic!("{object}") };
    assert_eq!(
        (&ours["number"], &ours["why"], &ours["op"]),
        (&json!(2), &json!("deleted in staging"), &json!("delete")),
        "{ours}"
    );
    assert!(ours["trashed"].as_str().is_some_and(|time| time.ends_with('Z')), "{ours}");
    let sides: Vec<&Value> = entries(&object, "a").iter().map(|entry| &entry["side"]).collect();
    assert_eq!(sides.len(), 2, "{object}");
    let below = world.json(&["trash", "list", "--path", "dir", "--side", "network"], 0);
    assert_eq!(paths(&below, "entries"), ["dir/b", "dir/c"], "{below}");
    assert_eq!(paths(&world.json(&["trash", "list", "--side", "staging"], 0), "entries"), ["a"]);
    world.run(&["trash", "list"]).ends_with(0).says("run 2").says("modified in staging");
}

#[cfg(unix)]
#[test]
fn a_folder_comes_back_whole_and_never_over_anything() {
    let world = World::paired(&[("dir/a", "1"), ("dir/sub/b", "2"), ("keep", "k")]);
    fs::create_dir(world.staging.join("dir/empty")).expect("a folder");
    chmod(&world.staging.join("dir/sub"), 0o700);
    touch(&world.staging.join("dir/sub"), 1_500_000_000, 0);
    world.run(&["sync"]).ends_with(0);
    let before = Tree::of(&world.network);
    fs::remove_dir_all(world.staging.join("dir")).expect("removed");
    world.run(&["sync", "up"]).ends_with(0);
    let listed = world.json(&["trash", "list"], 0);
    assert_eq!(paths(&listed, "entries"), ["dir/a", "dir/empty", "dir/sub/b"], "an empty folder is listed itself: {listed}");
    write(&world.network.join("dir/a"), "somebody's");
    let object = world.json(&["trash", "restore", "dir"], 6);
    let failed: Vec<&Value> = object["paths"].as_array().expect("paths").iter().filter(|one| one["restored"] == false).collect();
    assert!(failed.len() == 1 && failed[0]["path"] == "dir/a", "{object}");
    assert_eq!(read(&world.network.join("dir/a")), "somebody's");
    fs::remove_file(world.network.join("dir/a")).expect("removed");
    world.run(&["trash", "restore", "dir"]).ends_with(0).says("sync down");
    Tree::of(&world.network).assert_same(&before, "the folder, its empty one and its modes");
    assert!(runs(&world).is_empty(), "what the trash holds no more leaves no folders: {:?}", runs(&world));
    world.run(&["trash", "restore", "dir"]).ends_with(6).says("is in no trash");
}

#[test]
fn the_newest_version_unless_a_run_is_named() {
    let world = World::paired(&[("a", "one")]);
    for content in ["second", "the third"] {
        write(&world.staging.join("a"), content);
        world.run(&["sync", "up"]).ends_with(0);
    }
    fs::remove_file(world.network.join("a")).expect("removed");
    world.run(&["trash", "restore", "a"]).ends_with(0);
    assert_eq!(read(&world.network.join("a")), "second");
    fs::remove_file(world.network.join("a")).expect("removed");
    world.run(&["trash", "restore", "a", "--run", "3"]).ends_with(6).says("is in no trash");
    world.run(&["trash", "restore", "a", "--run", "2"]).ends_with(0);
    assert_eq!(read(&world.network.join("a")), "one");
}

/// Age and size, by the root's clock; what the last hour put there stays, and what is not ours is not touched.
#[test]
fn old_versions_expire_and_strange_things_stay() {
    let mut world = World::paired(&[("a", "0"), ("b", "0")]);
    world.set("DRIFTLESS_TRASH_MAX", "100");
    let home = world.network.join(".driftless/trash");
    for n in 1..=4 {
        write(&world.staging.join("a"), "x".repeat(60 + n));
        world.run(&["sync", "up"]).ends_with(0);
    }
    assert_eq!(runs(&world).len(), 4, "too much by size, and less than an hour old: all stay");
    for (run, days) in runs(&world).iter().zip([40, 3, 2, 1]) {
        age(run, days);
    }
    write(&home.join("my notes/keep.txt"), "x".repeat(500));
    write(&home.join("a file"), "somebody's");
    age(&home.join("my notes"), 400);
    write(&world.staging.join("b"), "1");
    world.run(&["sync", "up"]).ends_with(0);
    let left: Vec<PathBuf> = runs(&world).into_iter().filter(|run| run.to_string_lossy().contains("Z-")).collect();
    assert_eq!(left.len(), 2, "40 days are too old, and 63 + 62 bytes and more are too much: {left:?}");
    assert_eq!(read(&left[0].join("a")).len(), 63, "the oldest went first");
    assert!(stands(&home.join("my notes/keep.txt")) && stands(&home.join("a file")));
    assert!(paths(&world.json(&["trash", "list"], 0), "entries").iter().all(|path| !path.contains("keep")));
    world.run(&["trash", "empty", "--yes"]).ends_with(0);
    assert!(stands(&home.join("my notes/keep.txt")) && stands(&home.join("a file")), "emptying leaves them too");
}

#[test]
fn empty_asks_and_takes_a_side_and_an_age() {
    let world = World::paired(&[("a", "0"), ("b", "0")]);
    write(&world.staging.join("a"), "from staging");
    write(&world.network.join("b"), "from the network");
    world.run(&["sync"]).ends_with(0);
    world.run(&["trash", "empty"]).ends_with(4).says("not confirmed");
    assert_eq!(world.json(&["trash", "empty", "--yes", "--older-than", "1h"], 0)["removed"]["files"], 0);
    assert_eq!(world.json(&["trash", "empty", "--yes", "--side", "staging"], 0)["removed"]["files"], 1);
    assert_eq!(paths(&world.json(&["trash", "list"], 0), "entries"), ["a"]);
    assert_eq!(world.json(&["trash", "empty", "--yes"], 0)["removed"], json!({"files": 1, "bytes": 1}));
    world.run(&["trash", "list"]).ends_with(0).says("The trash is empty.");
}

/// A shared network root: another machine's runs are listed with its name, restored from, and not emptied while they may be
/// at work.
#[test]
fn other_machines_runs() {
    let world = World::paired(&[("a", "0")]);
    let theirs = world.network.join(".driftless/trash/20250102T030405Z-lab-8-000042");
    write(&theirs.join("dir/x"), "theirs");
    let object = world.json(&["trash", "list"], 0);
    let [entry] = entries(&object, "dir/x")[..] else { panic!("{object}") };
    assert_eq!((&entry["host"], &entry["number"], &entry["why"]), (&json!("lab-8"), &json!(null), &json!(null)), "{entry}");
    assert_eq!(entry["trashed"], "2025-01-02T03:04:05Z");
    world.run(&["trash", "list"]).ends_with(0).says("20250102T030405Z-lab-8-000042").says("not in the history");
    let kept = world.json(&["trash", "empty", "--yes"], 6);
    assert!(kept["passed"][0]["message"].as_str().is_some_and(|text| text.contains("another machine")), "{kept}");
    assert!(stands(&theirs.join("dir/x")));
    age(&theirs, 1);
    world.run(&["trash", "restore", "dir/x"]).ends_with(0);
    assert_eq!(read(&world.network.join("dir/x")), "theirs");
    write(&theirs.join("y"), "more");
    age(&theirs, 1);
    assert_eq!(world.json(&["trash", "empty", "--yes"], 0)["removed"]["files"], 1);
}

/// Another user's run cannot be looked into: it is passed over and named, the others are served.
#[cfg(unix)]
#[test]
fn another_users_run_is_passed_over() {
    if !crate::harness::is_root() {
        return;
    }
    let mut world = World::paired(&[("a", "0"), ("b", "1")]);
    world.as_nobody();
    write(&world.staging.join("a"), "new");
    world.give_away(&world.staging);
    world.run(&["sync", "up"]).ends_with(0);
    let theirs = world.network.join(".driftless/trash/20250102T030405Z-lab8-000042");
    write(&theirs.join("b"), "closed");
    chmod(&theirs, 0o700);
    age(&theirs, 1);
    let object = world.json(&["trash", "list"], 0);
    assert_eq!(paths(&object, "entries"), ["a"], "{object}");
    assert_eq!(object["passed"][0]["message"], "belongs to another user", "{object}");
    fs::remove_file(world.network.join("a")).expect("removed");
    world.run(&["trash", "restore", "a"]).ends_with(0);
    world.json(&["trash", "empty", "--yes"], 6);
    assert_eq!(read(&theirs.join("b")), "closed");
}

/// Another machine deleted a file that was deleted here as well: who restores it has it, also after the next sync.
#[test]
fn what_was_restored_is_not_deleted_by_the_old_base() {
    let mut world = World::paired(&[("a", "a"), ("dir/b", "b"), ("dir/c", "c"), ("keep", "k"), ("mine", "old")]);
    let (staging, state) = (world.staging.clone(), world.state.clone());
    world.staging = world.top().join("other-staging");
    world.state = world.top().join("other-state");
    world.run(&["sync", "--yes"]).ends_with(0);
    for root in [&world.staging, &staging] {
        fs::remove_file(root.join("a")).expect("removed");
        fs::remove_dir_all(root.join("dir")).expect("removed");
    }
    fs::remove_file(world.staging.join("mine")).expect("removed");
    world.run(&["sync"]).ends_with(0);
    (world.staging, world.state) = (staging, state);
    write(&world.staging.join("mine"), "edited here, longer");
    world.run(&["trash", "restore", "a", "dir", "mine"]).ends_with(0);
    // What is told of it: somebody else's version against an edit is for a person to decide.
    let object = world.json(&["sync"], 3);
    assert_eq!((paths(&object, "conflicts"), &object["deleted"]["files"]), (vec!["mine"], &json!(0)), "{object}");
    for (path, content) in [("a", "a"), ("dir/b", "b"), ("dir/c", "c"), ("keep", "k")] {
        assert_eq!([read(&world.staging.join(path)), read(&world.network.join(path))], [content, content], "{path}");
    }
    assert_eq!(read(&world.network.join("mine")), "old");
    // A restore that finds its place taken leaves the base alone: this delete is still one.
    fs::remove_file(world.staging.join("keep")).expect("removed");
    world.run(&["sync", "up"]);
    write(&world.network.join("keep"), "k");
    world.run(&["sync"]).ends_with(3);
    fs::remove_file(world.staging.join("keep")).expect("removed");
    world.run(&["trash", "restore", "keep"]).ends_with(6);
    assert_eq!(world.json(&["sync"], 3)["deleted"]["files"], 1);
}

/// What an undo could not take back has its only version in the trash: the limit of its size waits.
#[test]
fn an_undo_that_left_something_trims_nothing() {
    let mut world = World::paired(&[("d/a", "the only one"), ("d/b", "small")]);
    fs::remove_file(world.staging.join("d/a")).expect("removed");
    write(&world.staging.join("d/b"), "big ".repeat(50_000));
    world.run(&["sync", "up"]).ends_with(0);
    let [run] = &runs(&world)[..] else { panic!("{:?}", runs(&world)) };
    age(run, 1);
    write(&world.network.join("d/a"), "somebody's");
    world.set("DRIFTLESS_TRASH_MAX", "1KiB");
    world.json(&["undo", "2"], 6);
    fs::remove_file(world.network.join("d/a")).expect("moved away, as it was told");
    world.json(&["undo", "2"], 0);
    assert_eq!(read(&world.network.join("d/a")), "the only one");
}
