//! `undo`: each thing that a run can do to what stood there, taken back; what was changed since stays; killed anywhere, the
//! same command again completes it.

use std::collections::BTreeSet;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{World, paths, read, seconds, stands, touch, write};
#[cfg(unix)]
use crate::harness::{below, chmod};
use crate::tree::{Content, FolderTimes, Tree};

/// What came of a path.
fn result<'a>(object: &'a Value, path: &str) -> (&'a str, &'a str) {
    let item = object["paths"].as_array().expect("paths").iter().find(|item| item["path"] == path);
    let item = item.unwrap_or_else(|| panic!("{path} is not in {object}"));
    (item["result"].as_str().expect("a word"), item["message"].as_str().unwrap_or_default())
}

/// A project in which everything is old, so that no stamp is young.
fn project() -> World {
    let world = World::new();
    let root = &world.network;
    for (path, content) in [
        ("data/run.csv", "the old run"),
        ("gone/a", "first"),
        ("gone/deep/b", "second"),
        ("kind", "a file"),
        ("folder/x", "in a folder"),
        ("folder/sub/y", "in a subfolder"),
        ("name.txt", "to be renamed, long enough"),
        ("many/1", "one of many"),
        ("many/2", "two of many"),
    ] {
        write(&root.join(path), content);
        touch(&root.join(path), 1_600_000_000 + i64::try_from(path.len()).expect("short"), 0);
    }
    fs::create_dir(root.join("gone/empty")).expect("a folder");
    #[cfg(unix)]
    {
        symlink("run.csv", root.join("data/link")).expect("a link");
        touch(&root.join("data/link"), 1_600_000_100, 0);
        chmod(&root.join("gone/deep"), 0o750);
    }
    for folder in ["gone/empty", "gone/deep", "gone", "folder/sub", "folder"] {
        touch(&root.join(folder), 1_500_000_000, 0);
    }
    world.run(&["sync", "down"]).ends_with(0);
    world
}

/// What all files of the project hold in both roots, and in both trashes.
fn everything(world: &World) -> BTreeSet<Content> {
    let mut all = BTreeSet::new();
    for root in [&world.staging, &world.network] {
        all.extend(Tree::of(root).contents());
        let trash = root.join(".driftless/trash");
        if stands(&trash) {
            all.extend(Tree::of(&trash).contents());
        }
    }
    all
}

/// Everything that a run can take away, done in one root.
fn edit(root: &Path) {
    write(&root.join("data/run.csv"), "the new run, longer");
    fs::remove_dir_all(root.join("gone")).expect("removed");
    fs::remove_file(root.join("kind")).expect("removed");
    write(&root.join("kind/inside"), "a folder now");
    fs::remove_dir_all(root.join("folder")).expect("removed");
    write(&root.join("folder"), "a file now");
    fs::rename(root.join("name.txt"), root.join("renamed.txt")).expect("renamed");
    fs::rename(root.join("many"), root.join("moved")).expect("renamed");
    #[cfg(unix)]
    {
        fs::remove_file(root.join("data/link")).expect("removed");
        symlink("elsewhere", root.join("data/link")).expect("a link");
        touch(&root.join("data/link"), 1_700_000_000, 0);
    }
    for path in ["data/run.csv", "kind/inside", "folder"] {
        touch(&root.join(path), 1_700_000_000, 0);
    }
}

/// The edits have gone up: the network root as it is, and as it was before.
fn ran_up() -> (World, Tree) {
    let world = project();
    let before = Tree::of(&world.network);
    edit(&world.staging);
    world.run(&["sync", "up"]).ends_with(0);
    (world, before)
}

fn edited() -> World {
    ran_up().0
}

/// UNDO: every kind of change comes back, with times and modes, on the side where the run made it; the next sync carries
/// it over; and an undo is a run that can be undone.
#[test]
fn a_whole_run_comes_back_either_way() {
    for (way, back) in [("up", "down"), ("down", "up")] {
        let world = project();
        let (from, to) = if way == "up" { (&world.staging, &world.network) } else { (&world.network, &world.staging) };
        let before = Tree::of(to);
        let times = |root: &Path| Tree::with(&root.join("gone"), FolderTimes::Compared);
        let gone = times(to);
        edit(from);
        world.run(&["sync", way]).ends_with(0);
        let after = Tree::of(from);
        let (dry_before, dry) = (world.trees(), world.json(&["undo", "last", "--dry-run"], 0));
        assert!(world.trees() == dry_before, "a dry run writes nothing");
        let done = world.json(&["undo", "last"], 0);
        assert_eq!(done["paths"], dry["paths"], "a dry run tells what would be done");
        assert_eq!((&done["run"], &done["as_run"]), (&json!(2), &json!(3)), "{done}");
        Tree::of(to).assert_same(&before, "as before the run");
        times(to).assert_same(&gone, "folders have their times and modes");
        Tree::of(from).assert_same(&after, "the other side was not touched");
        // Asked again: nothing is left to do, and nothing is taken for a change.
        let again = world.json(&["undo", "last"], 0);
        assert!(again["paths"].as_array().expect("paths").iter().all(|item| item["result"] == "already"), "{again}");
        world.run(&["sync", way]).ends_with(0);
        Tree::of(to).assert_same(&before, "the direction of the run does not carry it over");
        world.run(&["sync", back]).ends_with(0);
        Tree::of(from).assert_same(&before, "the other side after the sync that carries it over");
        world.in_step();
    }
}

#[test]
fn an_undo_can_be_undone() {
    let world = edited();
    let after = Tree::of(&world.network);
    world.run(&["undo", "last"]).ends_with(0).says("This was run 3").says("sync down").says("`sync up` alone does not");
    let object = world.json(&["history", "3"], 0);
    assert_eq!((&object["direction"], &object["counts"]["undone_run"]), (&json!("undo"), &json!(2)), "{object}");
    let redone = world.json(&["undo", "3"], 0);
    assert!(redone["paths"].as_array().expect("paths").iter().all(|item| item["result"] == "done"), "{redone}");
    Tree::of(&world.network).assert_same(&after, "as the first run had left it");
    world.in_step();
}

/// Never over what a user did since.
#[test]
fn what_was_changed_since_stays() {
    let world = edited();
    let root = &world.network;
    write(&root.join("data/run.csv"), "edited by somebody!");
    write(&root.join("gone/a"), "somebody's own");
    write(&root.join("kind/more"), "work in the folder that came");
    write(&root.join("folder"), "A file now");
    write(&root.join("name.txt"), "the old name is taken");
    #[cfg(unix)]
    fs::remove_file(root.join("data/link")).expect("removed");
    let before = Tree::of(root);
    let all = everything(&world);
    let object = world.json(&["undo", "last"], 6);
    for (path, part) in [
        ("data/run.csv", "changed since"),
        ("gone/a", "something stands at its place"),
        ("kind", "changed since"),
        ("folder", "changed since"),
        ("renamed.txt", "stands at its old name"),
    ] {
        let (word, message) = result(&object, path);
        assert!(word == "left" && message.contains(part), "{path}: {object}");
    }
    assert_eq!(result(&object, "gone/deep/b").0, "done", "the others go on: {object}");
    assert!(cfg!(windows) || result(&object, "data/link").0 == "done", "a name that is free is taken: {object}");
    let now = Tree::of(root);
    for (path, entry) in before.0.iter().filter(|(path, _)| *path != b"moved" && !path.starts_with(b"moved/")) {
        assert_eq!(now.0.get(path), Some(entry), "{} was touched", path.escape_ascii());
    }
    assert!(everything(&world).is_superset(&all), "a content is nowhere any more");
    world.run(&["undo", "2"]).ends_with(6).says("left as found");
}

/// An edit of the same length and time is seen by its content.
#[cfg(unix)] // a network drive has no change times that are believed: there size and time vouch
#[test]
fn the_digest_decides() {
    let world = World::paired(&[("a", "old")]);
    write(&world.staging.join("a"), "new");
    touch(&world.staging.join("a"), 1_600_000_000, 0);
    world.run(&["sync", "up"]).ends_with(0);
    write(&world.network.join("a"), "own");
    touch(&world.network.join("a"), 1_600_000_000, 0);
    let object = world.json(&["undo", "last"], 6);
    assert_eq!((result(&object, "a").0, read(&world.network.join("a"))), ("left", "own".to_owned()), "{object}");
    write(&world.network.join("a"), "new");
    world.run(&["undo", "2"]).ends_with(0);
    assert_eq!(read(&world.network.join("a")), "old");
}

#[test]
fn paths_limit_it_and_the_rest_can_follow() {
    let (world, before) = ran_up();
    let object = world.json(&["undo", "2", "gone/deep"], 0);
    assert_eq!(paths(&object, "paths"), ["gone/deep", "gone/deep/b"], "{object}");
    #[cfg(unix)]
    assert_eq!(fs::metadata(world.network.join("gone/deep")).expect("there").permissions().mode() & 0o777, 0o750);
    assert_eq!(seconds(&world.network.join("gone")), 1_500_000_000);
    assert!(!stands(&world.network.join("gone/a")));
    let renamed = world.json(&["undo", "2", "name.txt"], 0);
    assert_eq!(renamed["paths"][0]["back_to"], "name.txt", "by its old name: {renamed}");
    world.run(&["undo", "2", "nowhere"]).ends_with(0).says("nothing to take back");
    world.run(&["undo", "2"]).ends_with(0);
    Tree::of(&world.network).assert_same(&before, "all of it in the end");
}

#[test]
fn what_the_trash_has_no_more_is_told_and_the_rest_goes_on() {
    let world = edited();
    let trash =
        fs::read_dir(world.network.join(".driftless/trash")).expect("the trash").next().expect("a run").expect("it").path();
    fs::remove_file(trash.join("gone/a")).expect("removed");
    fs::remove_file(trash.join("data/run.csv")).expect("removed");
    let object = world.json(&["undo", "last"], 6);
    for path in ["gone/a", "data/run.csv"] {
        assert!(result(&object, path).1.contains("no longer in the trash"), "{object}");
    }
    assert_eq!(read(&world.network.join("gone/deep/b")), "second");
    assert_eq!(read(&world.network.join("data/run.csv")), "the new run, longer", "what stands stays");
    world.run(&["trash", "empty", "--yes"]).ends_with(0);
    world.run(&["undo", "2"]).ends_with(6).says("no longer in the trash");
    world.run(&["undo", "77"]).ends_with(1).says("driftless history");
}

/// A thousand deletes that somebody let through.
#[test]
fn a_mass_delete_comes_back() {
    let world = World::new();
    for n in 0..1_000 {
        write(&world.network.join(format!("raw/{}/{n}.csv", n % 10)), format!("content {n}"));
    }
    write(&world.network.join("stays"), "s");
    world.run(&["sync", "down"]).ends_with(0);
    let before = Tree::of(&world.network);
    fs::remove_dir_all(world.staging.join("raw")).expect("removed");
    world.run(&["sync", "up"]).ends_with(4);
    world.run(&["sync", "up", "--allow-deletes"]).ends_with(0);
    assert!(!stands(&world.network.join("raw")));
    world.run(&["undo", "last"]).ends_with(0).says("1011 paths of run");
    Tree::of(&world.network).assert_same(&before, "all of it");
    world.run(&["sync"]).ends_with(0);
    world.in_step();
}

#[cfg(unix)]
#[test]
fn names_with_odd_bytes_come_back() {
    let world = World::paired(&[("a", "a")]);
    let names: [&[u8]; 4] = [b"b\xff\n", b"-rf ~", b".dl~x", "Umlaut \u{e4}".as_bytes()];
    for name in names {
        write(&below(&world.network, name), name);
    }
    world.run(&["sync", "down"]).ends_with(0);
    let before = Tree::of(&world.network);
    for name in names {
        fs::remove_file(below(&world.staging, name)).expect("removed");
    }
    world.run(&["sync", "up"]).ends_with(0);
    world.run(&["undo", "last"]).ends_with(0);
    Tree::of(&world.network).assert_same(&before, "all names");
}

/// A root that cannot be written: refused, and nothing is lost.
#[cfg(unix)]
#[test]
fn a_trash_or_root_that_cannot_be_written() {
    let mut world = World::paired(&[("dir/a", "1"), ("dir/b", "2")]);
    world.as_nobody();
    write(&world.staging.join("dir/a"), "new one");
    fs::remove_file(world.staging.join("dir/b")).expect("removed");
    world.give_away(&world.staging);
    world.run(&["sync", "up"]).ends_with(0);
    chmod(&world.network.join("dir"), 0o555);
    let object = world.json(&["undo", "last"], 6);
    chmod(&world.network.join("dir"), 0o755);
    assert!(
        paths(&object, "paths").len() == 2
            && object["paths"].as_array().expect("paths").iter().all(|item| item["result"] == "left"),
        "{object}"
    );
    assert_eq!(read(&world.network.join("dir/a")), "new one");
    world.run(&["undo", "2"]).ends_with(0);
    assert_eq!((read(&world.network.join("dir/a")), read(&world.network.join("dir/b"))), ("1".to_owned(), "2".to_owned()));
}

/// Another user's files in a shared folder: what the rights allow is done, the rest is told, nothing is lost.
#[cfg(unix)]
#[test]
fn another_users_version_is_exchanged_without_a_hard_link() {
    if !crate::harness::is_root() {
        return;
    }
    let mut world = World::paired(&[("dir/a", "1")]);
    world.as_nobody();
    write(&world.staging.join("dir/a"), "new one");
    world.give_away(&world.staging);
    world.run(&["sync", "up"]).ends_with(0);
    // Both versions are somebody else's now and closed, so that protected_hardlinks forbids linking.
    let kept = world.json(&["history", "last"], 0)["events"][0]["kept"].as_str().expect("kept").to_owned();
    for path in [world.network.join(kept), world.network.join("dir/a")] {
        std::os::unix::fs::chown(&path, Some(1), Some(1)).expect("a new owner");
        chmod(&path, 0o644);
    }
    world.run(&["undo", "last"]).ends_with(0);
    assert_eq!(read(&world.network.join("dir/a")), "1");
    world.run(&["undo", "3"]).ends_with(0);
    assert_eq!(read(&world.network.join("dir/a")), "new one");
}

/// A root that is away ends with 75 and nothing done; when it is back the same command does it.
#[test]
fn after_a_root_was_away() {
    let world = edited();
    let away = world.top().join("away");
    fs::rename(&world.network, &away).expect("renamed");
    assert_eq!(world.json(&["undo", "last", "--wait", "0s"], 75)["outcome"], "offline");
    fs::rename(&away, &world.network).expect("renamed");
    world.run(&["undo", "last"]).ends_with(0);
    assert_eq!(read(&world.network.join("data/run.csv")), "the old run");
}

/// Without its manifest a pair has no history to undo; the trash still gives back.
#[test]
fn after_a_damaged_manifest() {
    let world = edited();
    fs::write(world.state.join("network/manifest.db"), b"no database at all, and long enough to be looked at as one")
        .expect("damaged");
    world.run(&["undo", "last"]).ends_with(1).says("damaged");
    world.run(&["trash", "list"]).ends_with(0).says("not in the history").says("gone/deep/b");
    world.run(&["trash", "restore", "gone"]).ends_with(0);
    assert_eq!(
        (read(&world.network.join("gone/a")), read(&world.network.join("gone/deep/b"))),
        ("first".to_owned(), "second".to_owned())
    );
    assert!(world.network.join("gone/empty").is_dir());
}

/// The steps at which an undo leaves something behind.
#[cfg(unix)]
const STEPS: &[&str] = &["renameat2", "linkat", "unlinkat", "mkdirat", "utimensat", "pwrite64"];

/// Killed at any step: nothing is lost, no path holds anything but its old or new version, and the same command again ends as
/// if it had never been killed.
#[cfg(unix)]
#[test]
fn killed_anywhere_and_asked_again() {
    let end = {
        let world = edited();
        world.run(&["undo", "2"]).ends_with(0);
        world.trees()
    };
    let mut killed = 0;
    for call in STEPS {
        for number in [1, 3, 6, 11, 19] {
            let world = edited();
            let all = everything(&world);
            if !world.killed_at(&["undo", "2"], call, number, &[]) {
                break;
            }
            killed += 1;
            let at = format!("killed at {call} number {number}");
            let now = everything(&world);
            assert!(now.is_superset(&all), "{at}: lost {:?}", all.difference(&now).collect::<BTreeSet<_>>());
            let again = world.run(&["undo", "2"]);
            assert_eq!(again.code, 0, "{at}: {again}");
            end.1.assert_same(&Tree::of(&world.network), &at);
            end.0.assert_same(&Tree::of(&world.staging), &at);
            let now = everything(&world);
            assert!(now.is_superset(&all), "{at}, completed: lost {:?}", all.difference(&now).collect::<BTreeSet<_>>());
            world.run(&["sync"]).ends_with(0);
            world.in_step();
        }
    }
    assert!(killed >= 18, "only {killed} runs were killed");
}

/// A sync that was killed between a visible step and the history: what it displaced is in the trash, `undo` finds it there,
/// and the next sync after it has nothing phantom to tell.
#[cfg(unix)]
#[test]
fn after_a_sync_that_was_killed() {
    let mut killed = 0;
    for (call, number) in [("renameat2", 3), ("renameat2", 6), ("renameat2", 9), ("unlinkat", 3), ("linkat", 1), ("mkdirat", 12)]
    {
        let world = project();
        let before = Tree::of(&world.network);
        let held = Tree::of(&world.network).contents();
        edit(&world.staging);
        killed += u32::from(world.killed_at(&["sync", "up"], call, number, &[]));
        let at = format!("sync killed at {call} number {number}");
        let object = world.run(&["undo", "last", "--json"]);
        assert!(matches!(object.code, 0 | 1 | 6), "{at}: {object}");
        let all = everything(&world);
        assert!(all.is_superset(&held), "{at}: lost");
        // What undo left, it named; everything else is back.
        if object.code == 0 {
            let now = Tree::of(&world.network);
            for (path, entry) in &before.0 {
                let name = String::from_utf8_lossy(path).into_owned();
                assert!(now.0.contains_key(path) || name.contains("name.txt") || name.contains("many"), "{at}: {name} {entry:?}");
            }
        }
        world.run(&["sync"]);
        assert!(everything(&world).is_superset(&held), "{at}: lost after the next sync");
    }
    assert!(killed >= 4, "only {killed} runs were killed");
}

/// A run that was killed after its deletes and before its manifest knew of them: what `undo` brings back is carried over by
/// the next sync, as it says, and not deleted again because the old base still holds it.
#[cfg(unix)]
#[test]
fn what_comes_back_after_a_kill_is_not_deleted_again() {
    for (way, back) in [("up", "down"), ("down", "up")] {
        let world = project();
        let (from, to) = if way == "up" { (&world.staging, &world.network) } else { (&world.network, &world.staging) };
        let before = Tree::of(to);
        fs::remove_dir_all(from.join("gone")).expect("removed");
        fs::remove_file(from.join("kind")).expect("removed");
        // The last step of these deletes: the emptied folder goes from the root.
        let there = ["-P", to.to_str().expect("text")];
        assert!(
            world.killed_at(&["sync", way], "unlinkat", 1, &there) && !stands(&to.join("gone/a")),
            "killed too early or not at all"
        );
        let object = world.json(&["undo", "last"], 0);
        assert_eq!(result(&object, "gone/a"), ("done", ""), "{object}");
        world.run(&["sync", way]).ends_with(0);
        for (path, entry) in before.0.iter().filter(|(path, _)| !path.ends_with(b"empty")) {
            assert_eq!(Tree::of(to).0.get(path), Some(entry), "{way}, {}", String::from_utf8_lossy(path));
        }
        world.run(&["sync", back]).ends_with(0);
        assert_eq!(read(&from.join("gone/a")), "first", "{back}");
        world.in_step();
    }
}
