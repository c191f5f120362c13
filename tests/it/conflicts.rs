//! Conflicts: held with a copy on the network, settled by a policy, ended by a word, taken back.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

#[cfg(unix)]
use crate::harness::chmod;
use crate::harness::{World, paths, read, stands, touch, wait_for, write, wrote_nothing};
use crate::tree::Tree;

/// Both sides have changed `names`, and nothing else.
fn in_conflict(names: &[&str]) -> World {
    let all: Vec<(&str, &str)> = names.iter().map(|name| (*name, "base")).chain([("other.txt", "other")]).collect();
    let world = World::paired(&all);
    for name in names {
        write(&world.staging.join(name), format!("staging's {name}"));
        write(&world.network.join(name), format!("the network's {name}, longer"));
    }
    world
}

fn mine(name: &str) -> String {
    format!("staging's {name}")
}

fn theirs(name: &str) -> String {
    format!("the network's {name}, longer")
}

/// Every file below a folder, by content.
fn contents(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => all.push(read(&path)),
        }
    }
    all
}

fn trash(root: &Path) -> Vec<String> {
    contents(&root.join(".driftless/trash"))
}

/// The copy that the network root keeps of a conflict.
fn copy_of(world: &World, object: &Value, path: &str) -> PathBuf {
    let listed = object["conflicts"].as_array().expect("a list").iter().find(|item| item["path"] == path);
    world.network.join(listed.expect(path)["copy"].as_str().unwrap_or_else(|| panic!("no copy of {path} in {object}")))
}

/// SS-11: one version wins, the other is in the trash of its side, and both roots are equal.
#[test]
fn ss_11_a_preferred_version_is_written_and_the_other_is_kept() {
    for (policy, winner, loser) in
        [("prefer-staging", mine as fn(&str) -> String, theirs as fn(&str) -> String), ("prefer-network", theirs, mine)]
    {
        let world = in_conflict(&["a.csv", "dir/b.csv"]);
        let object = world.json(&["sync", "--conflict", policy], 0);
        assert_eq!(object["conflicts"], json!([]), "{object}");
        let loses = if policy == "prefer-staging" { &world.network } else { &world.staging };
        let mut kept = trash(loses);
        kept.sort();
        assert_eq!(kept, [loser("a.csv"), loser("dir/b.csv")], "{policy}");
        for root in [&world.staging, &world.network] {
            assert_eq!(read(&root.join("a.csv")), winner("a.csv"), "{policy}");
        }
        assert_eq!(paths(&object, "notes"), ["a.csv", "dir/b.csv"]);
        world.in_step();
    }
}

/// SS-11, direction: a policy writes only where its run may write; until then the change is pending and no conflict.
#[test]
fn ss_11_a_preference_waits_for_the_direction_that_writes_the_loser() {
    let world = in_conflict(&["a"]);
    let before = world.trees();
    let object = world.json(&["sync", "up", "--conflict", "prefer-network"], 0);
    assert_eq!((&object["conflicts"], &object["pending"]), (&json!([]), &json!({"up": 0, "down": 1})), "{object}");
    assert_eq!(world.trees(), before);
    world.json(&["sync", "down", "--conflict", "prefer-network"], 0);
    assert_eq!(read(&world.staging.join("a")), theirs("a"));
    world.in_step();
}

/// SS-11: both versions live on, on both sides.
#[test]
fn ss_11_both_versions_are_kept_under_two_names() {
    let world = in_conflict(&["dir/table.tar.gz", "Makefile"]);
    let object = world.json(&["sync", "--conflict", "keep-both"], 0);
    assert_eq!(object["conflicts"], json!([]), "{object}");
    world.in_step();
    for (name, begins, ends) in
        [("dir/table.tar.gz", "dir/table.tar.conflict-staging-2", ".gz"), ("Makefile", "Makefile.conflict-staging-2", "")]
    {
        assert_eq!(read(&world.network.join(name)), theirs(name));
        let tree = Tree::of(&world.network);
        let names: Vec<String> = tree.0.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let beside: Vec<&String> = names.iter().filter(|at| at.starts_with(begins) && at.ends_with(ends)).collect();
        assert_eq!(beside.len(), 1, "{names:?}");
        assert_eq!(read(&world.staging.join(beside[0])), mine(name));
    }
    assert!(trash(&world.staging).is_empty() && trash(&world.network).is_empty(), "nothing had to be displaced");
}

/// SS-11: what was decided and could not be done is not told as done: who believes it may throw the other version away.
#[cfg(unix)]
#[test]
fn ss_11_a_ruling_that_failed_is_not_told_as_done() {
    for (policy, locked) in [("prefer-staging", "network"), ("prefer-network", "staging"), ("keep-both", "staging")] {
        let mut world = in_conflict(&["d/a"]);
        world.as_nobody();
        let folder = world.top().join(locked).join("d");
        chmod(&folder, 0o555);
        let object = world.json(&["sync", "--conflict", policy], 6);
        assert_eq!((paths(&object, "problems"), &object["notes"]), (vec!["d/a"], &json!([])), "{policy}: {object}");
        assert_eq!((read(&world.staging.join("d/a")), read(&world.network.join("d/a"))), (mine("d/a"), theirs("d/a")));
        // A folder's mode goes over as well.
        [&world.staging, &world.network].iter().for_each(|root| chmod(&root.join("d"), 0o755));
        let object = world.json(&["sync", "--conflict", policy], 0);
        assert_eq!(paths(&object, "notes"), ["d/a"], "{policy}: {object}");
    }
}

/// SS-11: nor where the run stops before its first write.
#[test]
fn ss_11_a_ruling_of_a_stopped_run_is_not_told_as_done() {
    let mut world = in_conflict(&["a", "b.x"]);
    let aborted = world.json(&["sync", "--conflict", "prefer-staging", "--conflict", "*.x=abort"], 3);
    assert_eq!((paths(&aborted, "conflicts"), &aborted["notes"]), (vec!["b.x"], &json!([])), "{aborted}");
    // Also where a folder that is carried as one stops it.
    let whole = in_conflict(&["a", ".git/x"]);
    let aborted = whole.json(&["sync", "--conflict", "prefer-staging", "--conflict", ".git/=abort"], 3);
    assert!(!aborted["notes"].to_string().contains("preferred"), "{aborted}");
    let counts = whole.json(&["sync", "--conflict", "prefer-staging", "--conflict", "a=abort"], 3);
    assert_eq!(counts["notes"], json!([]), "{counts}");
    world.set("DRIFTLESS_RESERVE", "1000TiB");
    let refused = world.json(&["sync", "--conflict", "prefer-staging"], 4);
    assert_eq!(refused["notes"], json!([]), "{refused}");
}

/// SS-11: where only one side may be written, `keep-both` holds.
#[test]
fn ss_11_keep_both_holds_in_one_direction() {
    let world = in_conflict(&["a"]);
    let before = world.trees();
    for direction in ["up", "down"] {
        assert_eq!(paths(&world.json(&["sync", direction, "--conflict", "keep-both"], 3), "conflicts"), ["a"]);
    }
    assert_eq!(world.trees(), before);
}

/// A folder against a file: whichever counts, every file of the other is kept somewhere.
#[test]
fn ss_11_a_folder_against_a_file_under_each_policy() {
    for policy in ["prefer-staging", "prefer-network", "keep-both"] {
        let world = World::paired(&[("d/x", "x"), ("d/deep/y", "y"), ("d/deep/z", "z"), ("keep", "k")]);
        fs::remove_dir_all(world.staging.join("d")).expect("removed");
        write(&world.staging.join("d"), "now a file");
        write(&world.network.join("d/x"), "edited below");
        fs::remove_file(world.network.join("d/deep/z")).expect("removed");
        assert_eq!(paths(&world.json(&["sync"], 3), "conflicts"), ["d"]);
        let object = world.json(&["sync", "--conflict", policy], 0);
        assert_eq!((&object["conflicts"], &object["problems"]), (&json!([]), &json!([])), "{policy}: {object}");
        world.in_step();
        let mut all = contents(&world.network);
        all.extend(contents(&world.staging));
        for content in ["now a file", "edited below", "y"] {
            assert!(all.iter().any(|found| found == content), "{policy}: {content:?} is nowhere");
        }
        let came_back = Tree::of(&world.network).0.contains_key(b"d/deep/z".as_slice());
        assert!(!came_back, "{policy}: what the network deleted came back");
    }
}

/// Policies may differ by pattern, in the file of this machine, a variable or a flag.
#[test]
fn all_04_policies_by_pattern_come_from_each_place() {
    let names = ["a.log", "b.csv", "logs/c.txt"];
    let checked = |world: &World, arguments: &[&str]| {
        let object = world.json(arguments, 3);
        assert_eq!(paths(&object, "conflicts"), ["b.csv"], "{object}");
        assert_eq!(read(&world.network.join("a.log")), mine("a.log"));
        assert_eq!(read(&world.staging.join("logs/c.txt")), theirs("logs/c.txt"));
    };
    let world = in_conflict(&names);
    checked(&world, &["sync", "--conflict", "*.log=prefer-staging", "--conflict", "logs/=prefer-network"]);
    let mut world = in_conflict(&names);
    world.set("DRIFTLESS_CONFLICT", "hold,*.log=prefer-staging,logs/=prefer-network");
    checked(&world, &["sync"]);
    let world = in_conflict(&names);
    let file = world.state.join("network/pair.toml");
    let text = read(&file) + "conflict = [\"hold\", \"*.log=prefer-staging\", \"logs/=prefer-network\"]\n";
    fs::write(&file, text).expect("written");
    checked(&world, &["sync"]);
    world.run(&["sync", "--conflict", "*.log=prefer"]).ends_with(2).says("did you mean");
    world.run(&["sync", "--conflict", "a[z-b]=hold"]).ends_with(1).says("a[z-b]");
}

/// First sync: a policy of a file or a variable overwrites nothing; the flag does.
#[test]
fn first_sync_only_a_flag_decides_over_content() {
    let mut world = World::new();
    write(&world.staging.join("a"), "one");
    write(&world.network.join("a"), "another");
    world.set("DRIFTLESS_CONFLICT", "prefer-staging");
    let before = world.trees();
    assert_eq!(paths(&world.json(&["sync", "--dry-run"], 3), "conflicts"), ["a"]);
    assert_eq!(paths(&world.json(&["sync"], 3), "conflicts"), ["a"]);
    assert_eq!(world.trees(), before);
    // They have met now: the next run follows the setting.
    world.json(&["sync"], 0);
    assert_eq!(read(&world.network.join("a")), "one");

    let world = World::new();
    write(&world.staging.join("a"), "one");
    write(&world.network.join("a"), "another");
    world.json(&["sync", "--conflict", "prefer-network"], 0);
    assert_eq!(read(&world.staging.join("a")), "another");
    assert_eq!(trash(&world.staging), ["one"]);
}

/// `hold` keeps staging's version on the network too, within its bounds, until the conflict ends.
#[test]
fn ss_11_a_held_conflict_has_a_copy_on_the_network() {
    let world = in_conflict(&["dir/a.csv", "b"]);
    let object = world.json(&["sync", "up"], 3);
    let copy = copy_of(&world, &object, "dir/a.csv");
    assert_eq!(read(&copy), mine("dir/a.csv"));
    assert!(copy.to_str().is_some_and(|name| name.ends_with(".csv")), "{}", copy.display());
    let listed = world.json(&["conflicts", "list"], 0);
    assert_eq!(copy_of(&world, &listed, "dir/a.csv"), copy);
    world.run(&["conflicts", "list"]).ends_with(0).says("is copied to .driftless/conflicts/dir/a.csv/");
    // Not made anew at once, whatever is written meanwhile; a lost copy is.
    write(&world.staging.join("dir/a.csv"), "staging's next version");
    assert_eq!(copy_of(&world, &world.json(&["sync"], 3), "dir/a.csv"), copy);
    assert_eq!(read(&copy), mine("dir/a.csv"));
    fs::remove_file(&copy).expect("removed");
    let again = copy_of(&world, &world.json(&["sync"], 3), "dir/a.csv");
    assert_eq!(read(&again), "staging's next version");
    // The copies are the tool's own: no run carries them, and the end of the conflict takes them to the trash.
    world.json(&["conflicts", "resolve", "dir/a.csv", "--keep", "network"], 0);
    assert!(!stands(&again), "the copy stays after the end");
    assert!(trash(&world.network).contains(&"staging's next version".to_owned()));
    let rest = world.json(&["sync"], 3);
    assert_eq!(read(&copy_of(&world, &rest, "b")), mine("b"));
}

/// The bounds of the copy: a larger version is listed as not copied, a `down` writes none, and none is left for ever.
#[test]
fn ss_11_the_copy_of_a_conflict_is_bounded() {
    let mut world = in_conflict(&["a"]);
    assert_eq!(world.json(&["sync", "down"], 3)["conflicts"][0]["copy"], Value::Null);
    assert!(!stands(&world.network.join(".driftless/conflicts")));
    assert_eq!(world.json(&["sync", "--dry-run"], 3)["conflicts"][0]["copy"], Value::Null);
    world.set("DRIFTLESS_CONFLICT_COPY_MAX", "5");
    assert_eq!(world.json(&["sync"], 3)["conflicts"][0]["copy"], Value::Null);
    world.run(&["conflicts", "list"]).ends_with(0).says("is not copied to the network");
    world.set("DRIFTLESS_CONFLICT_COPY_MAX", "auto");
    let copy = copy_of(&world, &world.json(&["sync"], 3), "a");
    // It ends by itself, in a run that may not write the network; the next one that may clears up.
    fs::copy(world.network.join("a"), world.staging.join("a")).expect("made equal");
    world.json(&["sync", "down"], 0);
    assert!(stands(&copy));
    world.json(&["sync"], 0);
    assert!(!stands(&copy));
    world.in_step();
}

/// A manifest that knows of no copies may follow one that did.
#[test]
fn a_copy_whose_manifest_was_lost_is_cleared_up() {
    let world = in_conflict(&["a"]);
    let copy = copy_of(&world, &world.json(&["sync"], 3), "a");
    fs::remove_dir_all(world.state.join("network")).expect("lost");
    fs::copy(world.network.join("a"), world.staging.join("a")).expect("made equal");
    world.json(&["sync"], 0);
    assert!(!stands(&copy));
    assert!(trash(&world.network).contains(&mine("a")));
}

/// A folder's version is copied with everything that is synchronised in it.
#[cfg(unix)]
#[test]
fn ss_11_a_folder_in_conflict_is_copied_whole() {
    let world = World::paired(&[("d", "a file"), ("driftless.toml", "ignore = [\"*.tmp\"]\n")]);
    fs::remove_file(world.staging.join("d")).expect("removed");
    for (name, content) in [("d/x", "x"), ("d/e/y", "y"), ("d/e/z.tmp", "ignored")] {
        write(&world.staging.join(name), content);
    }
    symlink("x", world.staging.join("d/link")).expect("a link");
    write(&world.network.join("d"), "an edited file");
    let object = world.json(&["sync"], 3);
    let mut copied = contents(&copy_of(&world, &object, "d"));
    copied.sort();
    assert_eq!(copied, ["x", "y"]);
    // `conflicts resolve` for it: what is ignored is displaced by no choice.
    let kept = world.json(&["conflicts", "resolve", "d", "--keep", "network"], 3);
    assert_eq!(kept["paths"][0]["resolved"], false, "{kept}");
    fs::remove_file(world.staging.join("d/e/z.tmp")).expect("removed");
    world.json(&["conflicts", "resolve", "d", "--keep", "network"], 0);
    assert_eq!(read(&world.staging.join("d")), "an edited file");
    world.in_step();
}

/// `conflicts resolve` by path, folder, pattern and all, for each answer.
#[test]
fn all_04_conflicts_are_resolved_by_path_folder_pattern_and_all() {
    let names = ["a.csv", "b.csv", "c.txt", "dir/d.csv", "dir/e.txt"];
    let world = in_conflict(&names);
    let state = |world: &World| {
        paths(&world.json(&["conflicts", "list"], 0), "conflicts").iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()
    };
    world.json(&["sync"], 3);
    assert_eq!(state(&world), names);
    let before = world.trees();
    let would = world.json(&["conflicts", "resolve", "a.csv", "--keep", "both", "--dry-run"], 0);
    assert_eq!((&would["dry_run"], paths(&would, "paths")), (&json!(true), vec!["a.csv"]), "{would}");
    assert_eq!((world.trees(), state(&world).len()), (before, 5));

    let ended = world.json(&["conflicts", "resolve", "a.csv", "--keep", "staging"], 0);
    assert_eq!((&ended["keep"], &ended["paths"][0]["resolved"]), (&json!("staging"), &json!(true)), "{ended}");
    assert_eq!(read(&world.network.join("a.csv")), mine("a.csv"));
    world.run(&["conflicts", "resolve", "*.csv", "--keep", "network"]).ends_with(0).says("2 conflicts resolved");
    assert_eq!(read(&world.staging.join("dir/d.csv")), theirs("dir/d.csv"));
    assert_eq!(state(&world), ["c.txt", "dir/e.txt"]);
    world.run(&["conflicts", "resolve", "dir", "--keep", "both"]).ends_with(0).says("1 conflict resolved").says("kept beside");
    world.json(&["conflicts", "resolve", "--all", "--keep", "staging"], 0);
    world.run(&["conflicts", "resolve", "--all", "--keep", "staging"]).ends_with(0).says("No conflicts.");
    world.in_step();
    for wrong in [&["c.txt"][..], &["nothing-of-the-kind"], &["*.nothing"]] {
        let arguments = [&["conflicts", "resolve"], wrong, &["--keep", "staging"]].concat();
        world.run(&arguments).ends_with(2).says("is in no conflict");
    }
}

/// What another run or person changed since the list was made is looked at anew: no version is overwritten unseen.
#[test]
fn ss_11_resolve_looks_again() {
    let world = in_conflict(&["a", "b", "c"]);
    world.json(&["sync"], 3);
    write(&world.network.join("a"), "written after the list");
    fs::copy(world.network.join("b"), world.staging.join("b")).expect("made equal by hand");
    fs::remove_file(world.staging.join("c")).expect("removed");
    let object = world.json(&["conflicts", "resolve", "--all", "--keep", "staging"], 0);
    // What ended otherwise than was asked for is told.
    let said = object["paths"].as_array().expect("paths").iter().map(|item| (&item["resolved"], item["message"].is_string()));
    assert_eq!(said.collect::<Vec<_>>(), [(&json!(true), false), (&json!(true), true), (&json!(true), true)], "{object}");
    assert_eq!(read(&world.network.join("c")), theirs("c"));
    assert_eq!(read(&world.network.join("a")), mine("a"));
    assert!(trash(&world.network).contains(&"written after the list".to_owned()));
    assert_eq!(read(&world.network.join("b")), theirs("b"));
    world.in_step();
}

/// `revert`: any path becomes what it is on the network, and staging's version can be got back.
#[cfg(unix)]
#[test]
fn all_04_revert_makes_staging_what_the_network_is() {
    let world = World::paired(&[("a", "a"), ("b", "b"), ("gone", "gone"), ("dir/c", "c"), ("dir/keep", "k"), ("kind", "file")]);
    write(&world.staging.join("a"), "edited");
    fs::remove_file(world.staging.join("gone")).expect("removed");
    write(&world.staging.join("new/file"), "new");
    fs::rename(world.staging.join("dir/c"), world.staging.join("dir/moved")).expect("renamed");
    fs::remove_file(world.staging.join("kind")).expect("removed");
    write(&world.staging.join("kind/inside"), "inside");
    chmod(&world.staging.join("dir/keep"), 0o700);
    write(&world.staging.join("b"), "not to be reverted");
    write(&world.network.join("a"), "the network's edit");
    let network = Tree::of(&world.network);
    let before = world.trees();
    let would = world.json(&["revert", "a", "gone", "new", "dir", "kind", "--dry-run"], 0);
    assert_eq!(paths(&would, "actions").len(), 8, "{would}");
    assert_eq!(world.trees(), before);
    let object = world.json(&["revert", "a", "gone", "new", "dir", "kind"], 0);
    assert_eq!((&object["direction"], &object["schema"]), (&json!("down"), &json!("driftless.revert/1")), "{object}");
    Tree::of(&world.network).assert_same(&network, "the network root after a revert");
    assert_eq!(read(&world.staging.join("b")), "not to be reverted");
    world.json(&["revert", "b"], 0);
    Tree::of(&world.staging).assert_same(&network, "staging after a revert");
    let kept = trash(&world.staging);
    for content in ["edited", "new", "inside"] {
        assert!(kept.contains(&content.to_owned()), "{content} is not in {kept:?}");
    }
    world.json(&["sync"], 0);
    world.in_step();
    wrote_nothing(&world.json(&["revert", "a", "dir"], 0));
}

/// A revert of a conflict ends it; one of everything is held by the mass-delete guard.
#[cfg(unix)]
#[test]
fn all_04_revert_ends_a_conflict_and_is_guarded() {
    let world = in_conflict(&["a"]);
    world.json(&["sync"], 3);
    world.json(&["revert", "a"], 0);
    assert_eq!(world.json(&["conflicts", "list"], 0)["conflicts"], json!([]));
    world.in_step();
    for number in 0..40 {
        write(&world.staging.join(format!("new/{number}")), "x");
    }
    world.run(&["revert", "new"]).ends_with(4).says("--allow-deletes");
    assert!(stands(&world.staging.join("new/39")));
    world.json(&["revert", "new", "--allow-deletes"], 0);
    assert!(!stands(&world.staging.join("new")));
    assert_eq!(trash(&world.staging).iter().filter(|content| *content == "x").count(), 40);
    world.run(&["revert", "/etc/hosts"]).ends_with(2);
}

/// Killed in the middle of a policy's run: the next one completes it, and what was not written yet is not deleted.
#[test]
fn ss_11_a_killed_ruling_leaves_nothing_that_looks_deleted() {
    for policy in ["prefer-network", "keep-both"] {
        let files: Vec<(String, String)> = (0..300).map(|n| (format!("d/{n:03}"), format!("content {n}"))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
        let world = World::paired(&files);
        fs::remove_dir_all(world.staging.join("d")).expect("removed");
        write(&world.staging.join("d"), "now a file");
        write(&world.network.join("d/000"), "edited below");
        let network = Tree::of(&world.network);
        let mut child = world.start(&["sync", "--conflict", policy]);
        wait_for("the folder in staging", || world.staging.join("d").is_dir() || child.try_wait().expect("asked").is_some());
        child.kill().expect("killed");
        child.wait().expect("ended");
        // Without the policy, so that only what the killed run left behind counts.
        let object = world.json(&["sync"], 0);
        assert_eq!(object["deleted"], json!({"files": 0, "dirs": 0}), "{policy}: {object}");
        for name in network.0.keys() {
            let name = String::from_utf8_lossy(name).into_owned();
            assert!(stands(&world.network.join(&name)) && stands(&world.staging.join(&name)), "{policy}: {name} is gone");
        }
        assert_eq!(read(&world.staging.join("d/000")), "edited below");
        world.in_step();
    }
}

/// A link and times in conflict: taken as they are.
#[cfg(unix)]
#[test]
fn ss_09_links_and_times_of_the_version_that_counts() {
    let world = World::paired(&[("a", "a")]);
    symlink("x", world.network.join("l")).expect("a link");
    world.json(&["sync"], 0);
    for (root, target) in [(&world.staging, "mine"), (&world.network, "theirs")] {
        fs::remove_file(root.join("l")).expect("removed");
        symlink(target, root.join("l")).expect("a link");
    }
    write(&world.staging.join("a"), "one");
    write(&world.network.join("a"), "other");
    touch(&world.staging.join("a"), 1_600_000_000, 123_456_789);
    world.json(&["sync", "--conflict", "prefer-staging"], 0);
    assert_eq!(fs::read_link(world.network.join("l")).expect("a link"), Path::new("mine"));
    world.in_step();
}
