//! Later syncs: only what changed, in the directions asked for, deletes to the trash, edits never lost.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

#[cfg(unix)]
use crate::harness::chmod;
use crate::harness::{World, paths, read, seconds, stands, touch, write, wrote_nothing};
#[cfg(unix)]
use crate::tree::Kind;
use crate::tree::Tree;

/// A project with something of each kind, in step.
fn project() -> World {
    let world = World::new();
    for (path, content) in [
        ("keep.txt", "keep"),
        ("edit.txt", "old"),
        ("gone.txt", "gone"),
        ("move.txt", "a content to know again"),
        ("dir/inner.txt", "inner"),
        ("dir/deep/er.txt", "deeper"),
        ("kind", "a file"),
        ("kind2/x", "x"),
    ] {
        write(&world.network.join(path), content);
        touch(&world.network.join(path), 1_700_000_000, 123_456_789);
    }
    #[cfg(unix)]
    symlink("keep.txt", world.network.join("link")).expect("a link");
    world.run(&["sync", "down"]).ends_with(0);
    world
}

/// Every kind of change at once.
fn change(root: &Path) {
    write(&root.join("made.txt"), "made");
    write(&root.join("new/folder/.hidden"), "hidden");
    fs::create_dir(root.join("empty")).expect("a folder");
    write(&root.join("edit.txt"), "newer");
    fs::remove_file(root.join("gone.txt")).expect("removed");
    fs::rename(root.join("move.txt"), root.join("moved.txt")).expect("renamed");
    touch(&root.join("keep.txt"), 1_600_000_000, 1);
    #[cfg(unix)]
    {
        chmod(&root.join("dir/inner.txt"), 0o755);
        fs::remove_file(root.join("link")).expect("removed");
        symlink("dir/inner.txt", root.join("link")).expect("a link");
    }
    fs::remove_file(root.join("kind")).expect("removed");
    write(&root.join("kind/now-a-folder"), "x");
    fs::remove_dir_all(root.join("kind2")).expect("removed");
    write(&root.join("kind2"), "now a file");
}

#[track_caller]
fn changes_are_counted(object: &Value) {
    // A mode and a link, where there are such.
    let of_unix = u32::from(cfg!(unix));
    assert_eq!((&object["renamed"], &object["metadata"]), (&json!(1), &json!(1 + of_unix)), "{object}");
    assert_eq!((&object["conflicts"], &object["problems"]), (&json!([]), &json!([])), "{object}");
    assert_eq!(object["written"]["symlinks"], of_unix, "{object}");
    // made, hidden, edit, kind/now-a-folder, kind2; new, new/folder, empty, kind.
    assert_eq!((&object["written"]["files"], &object["written"]["dirs"]), (&json!(5), &json!(4)), "{object}");
}

/// SS-05, direction: `up` carries every kind of change to the network and writes nothing in staging.
#[test]
fn ss_05_every_change_goes_up() {
    let world = project();
    change(&world.staging);
    let staging = Tree::of(&world.staging);
    changes_are_counted(&world.json(&["sync", "up"], 0));
    Tree::of(&world.staging).assert_same(&staging, "staging after an up");
    Tree::of(&world.network).assert_same(&staging, "the network root after an up");
    world.in_step();
}

/// SS-05, direction: `down` mirrors it.
#[test]
fn ss_05_every_change_comes_down() {
    let world = project();
    change(&world.network);
    let network = Tree::of(&world.network);
    changes_are_counted(&world.json(&["sync", "down"], 0));
    Tree::of(&world.network).assert_same(&network, "the network root after a down");
    Tree::of(&world.staging).assert_same(&network, "staging after a down");
    world.in_step();
}

/// SS-05, direction: what changed on the other side waits, is counted, and is not touched.
#[test]
fn ss_05_the_other_direction_waits() {
    for (direction, changed, other) in [("up", "network", "staging"), ("down", "staging", "network")] {
        let world = project();
        let root = |name| if name == "network" { &world.network } else { &world.staging };
        change(root(changed));
        write(&root(other).join("mine.txt"), "mine");
        let before = Tree::of(root(other));
        let object = world.json(&["sync", direction], 0);
        assert_eq!(object["written"]["files"], 1, "{direction}: {object}");
        Tree::of(root(other)).assert_same(&before, direction);
        assert!(object["pending"][if direction == "up" { "down" } else { "up" }].as_u64() >= Some(8), "{object}");
        assert_eq!(read(&root(changed).join("mine.txt")), "mine");
        world.json(&["sync"], 0);
        world.in_step();
    }
}

/// SS-05: changes on both sides cross.
#[test]
fn ss_05_changes_of_both_sides_cross() {
    let world = project();
    change(&world.staging);
    write(&world.network.join("dir/deep/er.txt"), "edited there");
    write(&world.network.join("dir/there.txt"), "there");
    fs::remove_file(world.network.join("keep.txt")).expect("removed");
    let object = world.json(&["sync"], 0);
    assert_eq!(object["conflicts"], json!([]), "{object}");
    assert_eq!(read(&world.staging.join("dir/deep/er.txt")), "edited there");
    assert!(!stands(&world.staging.join("keep.txt")), "a touch does not save a file from a delete");
    world.in_step();
}

/// SS-05, ALL-04: a dry run tells every action with its reason, ends as the run would, and writes nowhere.
#[test]
fn all_04_a_dry_run_writes_nowhere() {
    let world = project();
    change(&world.staging);
    let whole = || Tree::of(&world.top());
    let before = whole();
    let dry = world.json(&["sync", "--dry-run"], 0);
    whole().assert_same(&before, "everything, markers and state too");
    changes_are_counted(&dry);
    let actions = dry["actions"].as_array().expect("actions");
    assert!(actions.iter().all(|action| action["why"].as_str().is_some_and(|why| !why.is_empty())), "{dry}");
    let rename = actions.iter().find(|action| action["op"] == "rename").expect("a rename");
    assert_eq!((&rename["from"]["path"], &rename["path"]), (&json!("move.txt"), &json!("moved.txt")));
    let real = world.json(&["sync"], 0);
    for key in ["written", "metadata", "renamed", "deleted"] {
        assert_eq!(dry[key], real[key], "{key}");
    }
}

/// Nothing is lost: what is deleted or overwritten is in the trash, comes back, and travels again.
#[test]
fn ss_11_the_trash_lists_restores_and_empties() {
    let world = project();
    write(&world.staging.join("edit.txt"), "newer");
    fs::remove_dir_all(world.staging.join("dir")).expect("removed");
    let object = world.json(&["sync", "up"], 0);
    assert_eq!(object["deleted"], json!({"files": 2, "dirs": 2}), "{object}");
    let list = world.json(&["trash", "list"], 0);
    assert_eq!(paths(&list, "entries"), ["dir/deep/er.txt", "dir/inner.txt", "edit.txt"], "{list}");
    assert!(list["entries"].as_array().expect("a list").iter().all(|entry| entry["side"] == "network"), "{list}");
    assert_eq!(paths(&world.json(&["trash", "list", "--side", "staging"], 0), "entries"), [""; 0]);
    let restored = world.json(&["trash", "restore", "dir/deep/er.txt", "edit.txt", "never.txt"], 6);
    let results: Vec<_> = restored["paths"].as_array().expect("a list").iter().map(|one| one["restored"] == true).collect();
    assert_eq!(results, [true, false, false], "{restored}");
    assert_eq!(
        (read(&world.network.join("dir/deep/er.txt")), read(&world.network.join("edit.txt"))),
        ("deeper".into(), "newer".into())
    );
    assert_eq!(seconds(&world.network.join("dir/deep/er.txt")), 1_700_000_000);
    world.json(&["sync"], 0);
    assert_eq!(read(&world.staging.join("dir/deep/er.txt")), "deeper");
    world.run(&["trash", "empty"]).ends_with(4).says("--yes");
    world.json(&["trash", "empty", "--older-than", "1d", "--yes"], 0);
    assert_eq!(paths(&world.json(&["trash", "list"], 0), "entries"), ["dir/inner.txt", "edit.txt"]);
    let emptied = world.json(&["trash", "empty", "--yes"], 0);
    assert_eq!(emptied["removed"]["files"], 2, "{emptied}");
    assert_eq!(paths(&world.json(&["trash", "list"], 0), "entries"), [""; 0]);
    world.in_step();
}

/// An edit beats a delete, each way round and in each direction.
#[test]
fn ss_05_an_edit_beats_a_delete() {
    for (edits, direction, revived) in [
        ("network", "up", 0),
        ("network", "down", 1),
        ("network", "", 1),
        ("staging", "up", 1),
        ("staging", "down", 0),
        ("staging", "", 1),
    ] {
        let world = project();
        let (edited, deleted) =
            if edits == "network" { (&world.network, &world.staging) } else { (&world.staging, &world.network) };
        write(&edited.join("gone.txt"), "edited after all");
        fs::remove_file(deleted.join("gone.txt")).expect("removed");
        let words: Vec<&str> = ["sync", direction].into_iter().filter(|word| !word.is_empty()).collect();
        let object = world.json(&words, 0);
        assert_eq!(object["revived"], revived, "{edits} {direction}: {object}");
        assert_eq!(stands(&deleted.join("gone.txt")), revived == 1, "{edits} {direction}");
        assert_eq!(read(&edited.join("gone.txt")), "edited after all");
        world.json(&["sync"], 0);
        world.in_step();
    }
}

/// Conflicts: held on both sides, everything else goes on; with `abort` nothing is written.
#[test]
fn ss_11_a_conflict_is_held_or_aborts() {
    let world = project();
    write(&world.staging.join("edit.txt"), "mine");
    write(&world.network.join("edit.txt"), "theirs!");
    write(&world.staging.join("other.txt"), "other");
    let before = world.trees();
    let object = world.json(&["sync", "--conflict", "abort"], 3);
    assert_eq!(paths(&object, "conflicts"), ["edit.txt"]);
    assert!(world.trees() == before, "abort writes nothing");
    for direction in ["up", "down"] {
        world.json(&["sync", direction], 3);
        assert_eq!(
            (read(&world.staging.join("edit.txt")), read(&world.network.join("edit.txt"))),
            ("mine".into(), "theirs!".into())
        );
    }
    assert_eq!(read(&world.network.join("other.txt")), "other");
    assert_eq!(paths(&world.json(&["conflicts", "list"], 0), "conflicts"), ["edit.txt"]);
    // One version going away ends it: the other one is an edit against a delete.
    fs::remove_file(world.network.join("edit.txt")).expect("removed");
    world.json(&["sync"], 0);
    assert_eq!(read(&world.network.join("edit.txt")), "mine");
    world.in_step();
}

/// Renames are one rename: of a file, of a folder, by case, and into a new folder.
#[test]
fn ss_05_a_rename_transfers_nothing() {
    for (from, to) in [
        ("move.txt", "elsewhere.txt"),
        ("move.txt", "dir/deep/moved.txt"),
        ("dir", "folder"),
        ("move.txt", "MOVE.txt"),
        ("dir/deep", "up-here"),
    ] {
        let world = project();
        fs::rename(world.staging.join(from), world.staging.join(to)).expect("renamed");
        // Wine says so of a change of case alone, and leaves the name as it is.
        if !Tree::of(&world.staging).names().iter().any(|name| name == to) {
            assert!(cfg!(windows) && to == "MOVE.txt", "{from} to {to}");
            continue;
        }
        let object = world.json(&["sync", "up"], 0);
        let counts = (&object["renamed"], &object["written"]["files"], &object["written"]["bytes"]);
        assert_eq!(counts, (&json!(1), &json!(0), &json!(0)), "{from} to {to}: {object}");
        assert_eq!(object["deleted"], json!({"files": 0, "dirs": 0}), "{from} to {to}: {object}");
        world.in_step();
    }
}

/// A rename onto a new name while the other side edited the old one: nothing is lost.
#[test]
fn ss_11_a_rename_against_an_edit_keeps_both() {
    let world = project();
    fs::rename(world.staging.join("move.txt"), world.staging.join("moved.txt")).expect("renamed");
    write(&world.network.join("move.txt"), "edited under the old name");
    world.json(&["sync"], 0);
    for root in [&world.staging, &world.network] {
        assert_eq!(
            (read(&root.join("move.txt")), read(&root.join("moved.txt"))),
            ("edited under the old name".into(), "a content to know again".into())
        );
    }
    world.in_step();
}

/// PATH limits a run to a subtree; the rest waits for another run.
#[test]
fn ss_05_path_limits_a_run() {
    let world = project();
    write(&world.staging.join("dir/new.txt"), "new");
    write(&world.staging.join("top.txt"), "top");
    fs::remove_file(world.staging.join("gone.txt")).expect("removed");
    write(&world.network.join("dir/deep/there.txt"), "there");
    let inside = world.staging.join("dir");
    for word in ["dir", inside.to_str().expect("text")] {
        world.json(&["sync", word], 0);
        assert!(stands(&world.network.join("dir/new.txt")) && stands(&world.staging.join("dir/deep/there.txt")));
        assert!(!stands(&world.network.join("top.txt")) && stands(&world.network.join("gone.txt")));
    }
    world.json(&["sync", "up", "top.txt", "gone.txt"], 0);
    assert!(stands(&world.network.join("top.txt")) && !stands(&world.network.join("gone.txt")));
    world.in_step();
}

/// A delete inside PATH whose content moved outside PATH waits for a run that sees both.
#[test]
fn ss_11_a_move_out_of_path_is_no_delete() {
    let world = project();
    fs::rename(world.staging.join("dir/inner.txt"), world.staging.join("outside.txt")).expect("renamed");
    let object = world.json(&["sync", "up", "dir"], 0);
    assert_eq!(object["deleted"]["files"], 0, "{object}");
    assert!(paths(&object, "notes").contains(&"dir/inner.txt") && object["pending"]["up"] == 1, "{object}");
    assert!(stands(&world.network.join("dir/inner.txt")));
    assert_eq!(world.json(&["sync", "up"], 0)["renamed"], 1);
    world.in_step();
}

/// SS-06: an edit of the same size whose mtime was set back is seen by its ctime.
#[cfg(unix)]
#[test]
fn ss_06_an_edit_with_a_restored_time_is_seen() {
    for side in ["up", "down"] {
        let world = project();
        let root = if side == "up" { &world.staging } else { &world.network };
        let path = root.join("keep.txt");
        let file = fs::OpenOptions::new().write(true).open(&path).expect("open");
        std::os::unix::fs::FileExt::write_all_at(&file, b"KEEP", 0).expect("written");
        drop(file);
        touch(&path, 1_700_000_000, 123_456_789);
        assert_eq!(world.json(&["sync", side], 0)["written"]["files"], 1, "{side}");
        world.in_step();
    }
}

/// SS-06: edits in the very moment of a sync are seen by the next one, again and again, and our own copies are no edits.
#[cfg(unix)]
#[test]
fn ss_06_edits_in_the_moment_of_a_sync_are_seen() {
    let world = World::paired(&[("f", "0000")]);
    for number in 1..25 {
        let (root, direction) = if number % 2 == 0 { (&world.network, "down") } else { (&world.staging, "up") };
        let content = format!("{number:04}");
        let file = fs::OpenOptions::new().write(true).open(root.join("f")).expect("open");
        std::os::unix::fs::FileExt::write_all_at(&file, content.as_bytes(), 0).expect("written");
        drop(file);
        let object = world.json(&["sync", direction], 0);
        assert_eq!(object["written"]["files"], 1, "round {number}: {object}");
        assert_eq!((read(&world.network.join("f")), read(&world.staging.join("f"))), (content.clone(), content));
        wrote_nothing(&world.json(&["sync"], 0));
    }
}

/// No echo: a file that is written, deleted and written again keeps both sides in step.
#[test]
fn ss_05_a_name_that_comes_and_goes() {
    let world = project();
    for round in 0..3 {
        fs::remove_file(world.staging.join("keep.txt")).expect("removed");
        world.json(&["sync", "up"], 0);
        assert!(!stands(&world.network.join("keep.txt")));
        write(&world.network.join("keep.txt"), format!("again {round}"));
        world.json(&["sync", "down"], 0);
        world.in_step();
    }
}

/// SS-09: a touch, a chmod and a link's target travel without content.
#[cfg(unix)]
#[test]
fn ss_09_times_and_modes_travel_without_content() {
    let world = project();
    touch(&world.network.join("keep.txt"), 1_234_567_890, 987_654_321);
    chmod(&world.network.join("dir/inner.txt"), 0o600);
    let object = world.json(&["sync", "down"], 0);
    assert_eq!((&object["metadata"], &object["written"]["bytes"]), (&json!(2), &json!(0)), "{object}");
    let of = |path: &str| fs::metadata(world.staging.join(path)).expect("there");
    assert_eq!((of("keep.txt").mtime(), of("keep.txt").mtime_nsec()), (1_234_567_890, 987_654_321));
    assert_eq!(of("dir/inner.txt").mode() & 0o7777, 0o600);
    world.in_step();
}

/// A kind change against a survivor below is one conflict at the top, and nothing goes.
#[cfg(unix)]
#[test]
fn ss_11_a_kind_change_over_an_edit_is_a_conflict() {
    let world = project();
    fs::remove_dir_all(world.staging.join("dir")).expect("removed");
    write(&world.staging.join("dir"), "now a file");
    write(&world.network.join("dir/deep/er.txt"), "edited there");
    let before = world.trees();
    let object = world.json(&["sync"], 3);
    assert_eq!(paths(&object, "conflicts"), ["dir"], "{object}");
    assert!(world.trees() == before);
    assert_eq!(Tree::of(&world.network).get("dir").map(|entry| &entry.kind), Some(&Kind::Folder));
}

/// `--verify` reads what stamps would have vouched for.
#[test]
fn ss_06_verify_reads_everything() {
    let world = project();
    wrote_nothing(&world.json(&["sync", "--verify"], 0));
    world.in_step();
}
