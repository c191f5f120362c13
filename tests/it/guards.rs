//! Guards: a root that is present but wrong, empty or half there never costs a file.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Ended, World, copy_all, paths, read, stands, wait_for, write, wrote_nothing};
#[cfg(unix)]
use crate::harness::{chmod, is_root};
use crate::tree::Tree;

/// A pair in step with `count` files, one in ten in a folder of its own name.
fn many(count: usize) -> World {
    let world = World::new();
    for number in 0..count {
        write(&world.network.join(format!("d{}/f{number}", number % 10)), format!("content {number}"));
    }
    world.run(&["sync", "down"]).ends_with(0);
    world
}

fn remove(root: &Path, numbers: std::ops::Range<usize>) {
    for number in numbers {
        fs::remove_file(root.join(format!("d{}/f{number}", number % 10))).expect("removed");
    }
}

#[track_caller]
fn is_held(object: &Value, files: u64) {
    assert_eq!(
        (&object["outcome"], &object["held"]["files"], &object["deleted"]["files"]),
        (&json!("held"), &json!(files), &json!(0)),
        "{object}"
    );
}

/// Mass delete: held, the copies go on; `--yes` is no way out, `--allow-deletes` is one.
#[test]
fn ss_11_a_mass_delete_is_held_until_allowed() {
    let world = many(60);
    remove(&world.staging, 0..30);
    write(&world.staging.join("new.txt"), "new");
    let network = Tree::of(&world.network).0.len();
    let dry = world.json(&["sync", "up", "--dry-run"], 4);
    is_held(&dry, 30);
    for more in [&["sync", "up"][..], &["sync", "up", "--yes"]] {
        is_held(&world.json(more, 4), 30);
        assert_eq!(Tree::of(&world.network).0.len(), network + 1, "the copy went on");
    }
    world.run(&["sync", "up"]).ends_with(4).says("30 deletes of 61 files").says("--allow-deletes").says("--restore-deletes");
    let object = world.json(&["sync", "up", "--allow-deletes"], 0);
    assert_eq!(object["deleted"]["files"], 30, "{object}");
    assert_eq!(paths(&world.json(&["trash", "list"], 0), "entries").len(), 30, "all of them are in the trash");
    world.in_step();
}

/// Mass delete: `--restore-deletes` writes the other side's copies back.
#[test]
fn ss_11_a_mass_delete_can_be_turned_round() {
    let world = many(60);
    let before = Tree::of(&world.network);
    for number in 0..10 {
        fs::remove_dir_all(world.staging.join(format!("d{number}"))).expect("removed");
    }
    is_held(&world.json(&["sync"], 4), 60);
    let object = world.json(&["sync", "--restore-deletes"], 0);
    assert_eq!((&object["revived"], &object["deleted"]["files"]), (&json!(70), &json!(0)), "{object}");
    Tree::of(&world.network).assert_same(&before, "the network root");
    world.in_step();
    world.run(&["sync", "--allow-deletes", "--restore-deletes"]).ends_with(2);
}

/// Mass delete: small steps count together over an hour.
#[test]
fn ss_11_a_mass_delete_in_small_steps_is_held() {
    let world = many(80);
    remove(&world.network, 0..15);
    assert_eq!(world.json(&["sync", "down"], 0)["deleted"]["files"], 15);
    remove(&world.network, 15..20);
    assert_eq!(world.json(&["sync", "down"], 0)["deleted"]["files"], 5);
    remove(&world.network, 20..25);
    is_held(&world.json(&["sync", "down"], 4), 5);
    assert!(stands(&world.staging.join("d0/f20")));
    world.json(&["sync", "down", "--allow-deletes"], 0);
    fs::remove_file(world.network.join("d9/f79")).expect("removed");
    assert_eq!(world.json(&["sync", "down"], 0)["deleted"]["files"], 1, "that was an answer to all before it");
    // Renames are no deletes.
    let world = many(60);
    for number in 0..10 {
        fs::rename(world.staging.join(format!("d{number}")), world.staging.join(format!("e{number}"))).expect("renamed");
    }
    assert_eq!(world.json(&["sync", "up"], 0)["renamed"], 10);
    world.in_step();
}

/// Mass delete: a folder at the top that goes piece by piece is held when the last of it would go.
#[test]
fn ss_11_a_whole_folder_in_small_steps_is_held() {
    let world = many(600);
    let folder = |numbers: std::ops::Range<usize>| {
        numbers.for_each(|number| fs::remove_file(world.staging.join(format!("d3/f{}", number * 10 + 3))).expect("removed"));
    };
    for start in [0, 20] {
        folder(start..start + 20);
        assert_eq!(world.json(&["sync", "up"], 0)["deleted"]["files"], 20);
    }
    folder(40..60);
    is_held(&world.json(&["sync", "up"], 4), 20);
    world.run(&["sync", "up"]).ends_with(4).says("the whole folder d3 with 60 files would be deleted within an hour");
}

/// Mass delete: folders that files replace count with what they held, and over the hour too.
#[test]
fn ss_11_replaced_folders_in_small_steps_are_held() {
    let world = many(80);
    let replace = |number: u32| {
        let folder = world.staging.join(format!("d{number}"));
        fs::remove_dir_all(&folder).expect("removed");
        write(&folder, "a file now");
    };
    for number in 0..2 {
        replace(number);
        world.json(&["sync", "up"], 0);
    }
    replace(2);
    world.json(&["sync", "up"], 4);
    assert!(world.network.join("d2").is_dir() && world.network.join("d1").is_file());
    world.json(&["sync", "up", "--allow-deletes"], 0);
    world.in_step();
}

/// Refused, nothing changed at either root, not by a dry run and not with `--yes` either.
#[track_caller]
fn refused(world: &World, part: &str) {
    let before = world.trees();
    for words in
        [&["sync"][..], &["sync", "up"], &["sync", "down", "--yes"], &["sync", "--allow-deletes"], &["sync", "--dry-run"]]
    {
        let ended = world.run(words);
        ended.ends_with(4).says(part).says("Nothing was changed");
        let trees = world.trees();
        trees.0.assert_same(&before.0, "staging");
        trees.1.assert_same(&before.1, "the network root");
    }
}

/// Identity: a network root that was emptied, marker and all, is not believed.
#[test]
fn ss_11_an_emptied_network_root_is_refused() {
    let world = many(5);
    fs::remove_dir_all(&world.network).expect("removed");
    fs::create_dir(&world.network).expect("a folder");
    refused(&world, "lost its marker");
    assert!(!stands(&world.network.join(".driftless")), "no marker is made in a root that is not ours");
}

/// Identity: the same for staging.
#[test]
fn ss_11_an_emptied_staging_root_is_refused() {
    let world = many(5);
    fs::remove_dir_all(&world.staging).expect("removed");
    fs::create_dir(&world.staging).expect("a folder");
    refused(&world, "lost its marker");
}

/// Identity: another share under the same path.
#[test]
fn ss_11_another_share_is_refused() {
    let (world, other) = (many(5), many(3));
    fs::rename(&world.network, world.top().join("away")).expect("renamed");
    fs::rename(&other.network, &world.network).expect("renamed");
    refused(&world, "another id");
}

/// Identity: a backup that was put back.
#[test]
fn ss_11_an_older_generation_is_refused() {
    // Also where a run only took what others had put there.
    for (written, direction) in [("staging", "up"), ("network", "down")] {
        let world = many(5);
        let backup = world.top().join("backup");
        copy_all(&world.network, &backup);
        let root = if written == "staging" { &world.staging } else { &world.network };
        write(&root.join("later"), "later");
        world.run(&["sync", direction]).ends_with(0);
        fs::remove_dir_all(&world.network).expect("removed");
        copy_all(&backup, &world.network);
        refused(&world, "generation");
        assert_eq!(read(&world.staging.join("later")), "later");
    }
}

/// Identity: a root that is not there is offline or refused, never empty.
#[test]
fn ss_11_a_missing_root_costs_nothing() {
    let world = many(30);
    let away = world.top().join("away");
    fs::rename(&world.network, &away).expect("renamed");
    write(&world.staging.join("work"), "work");
    let object = world.json(&["sync", "--wait", "0s"], 75);
    assert_eq!(object["outcome"], "offline", "{object}");
    assert!(!stands(&world.network), "it is not made anew");
    fs::rename(&away, &world.network).expect("renamed");
    fs::rename(&world.staging, &away).expect("renamed");
    world.run(&["sync", "--wait", "0s"]).ends_with(4);
    assert!(!stands(&world.staging));
    fs::rename(&away, &world.staging).expect("renamed");
    world.json(&["sync"], 0);
    world.in_step();
}

/// Identity: a copy of a staging folder belongs to another pair.
#[test]
fn ss_11_a_copied_staging_folder_is_refused() {
    let (world, other) = (many(5), many(3));
    fs::remove_dir_all(&other.staging).expect("removed");
    copy_all(&world.staging, &other.staging);
    refused(&other, "not the one");
    let fresh = World::new();
    fs::remove_dir(&fresh.staging).expect("removed");
    fs::rename(&other.staging, &fresh.staging).expect("renamed");
    fresh.run(&["sync"]).ends_with(4).says("pair");
    assert!(Tree::of(&fresh.network).0.is_empty() && stands(&fresh.staging.join("d0/f0")));
}

/// Edges: a lost manifest is a first meeting; equal content converges, nothing is deleted.
#[test]
fn ss_11_a_lost_manifest_deletes_nothing() {
    let world = many(30);
    remove(&world.staging, 0..3);
    write(&world.staging.join("d9/f9"), "edited");
    fs::remove_file(world.state.join("network/manifest.db")).expect("removed");
    for beside in ["manifest.db-wal", "manifest.db-shm"] {
        let _ = fs::remove_file(world.state.join("network").join(beside));
    }
    let object = world.json(&["sync"], 3);
    assert_eq!((paths(&object, "conflicts"), &object["deleted"]["files"]), (vec!["d9/f9"], &json!(0)), "{object}");
    assert!(stands(&world.staging.join("d0/f0")), "what one side lacks is brought back");
}

/// A tiny file system of its own, gone with the test.
#[cfg(unix)]
pub(crate) struct Tiny(std::path::PathBuf);

#[cfg(unix)]
impl Tiny {
    pub(crate) fn mount(at: &Path, options: &str) -> Option<Tiny> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status();
        let done = is_root() && mounted.is_ok_and(|status| status.success());
        if !done {
            eprintln!("skipped: no tmpfs could be mounted");
        }
        done.then(|| Tiny(at.to_owned()))
    }
}

#[cfg(unix)]
impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// SS-03, space: a run that cannot fit stops before it writes.
#[cfg(unix)]
#[test]
fn ss_03_a_run_that_does_not_fit_writes_nothing() {
    let mut world = World::new();
    let Some(_tiny) = Tiny::mount(&world.staging, "size=1m") else { return };
    world.set("DRIFTLESS_RESERVE", "64KiB");
    write(&world.network.join("small"), "small");
    write(&world.network.join("large"), vec![7; 2 << 20]);
    let object = world.json(&["sync", "down"], 4);
    assert_eq!(object["outcome"], "refused", "{object}");
    world.run(&["sync"]).ends_with(4).says("not enough room on the staging root");
    assert!(Tree::of(&world.staging).0.is_empty(), "nothing was written");
    fs::remove_file(world.network.join("large")).expect("removed");
    world.json(&["sync", "down"], 0);
    world.in_step();
}

/// A target that cannot be written: `up` is refused, `down` works.
#[cfg(unix)]
#[test]
fn ss_11_a_read_only_network_root_can_still_be_read() {
    let world = many(5);
    if !is_root() {
        return;
    }
    let remount = |how: &str| Command::new("mount").args(["-o", how]).arg(&world.network).status().expect("mount").success();
    let bound = Command::new("mount").arg("--bind").arg(&world.network).arg(&world.network).status().expect("mount").success();
    if !bound {
        return;
    }
    let _bound = Tiny(world.network.clone());
    write(&world.network.join("new"), "new");
    assert!(remount("remount,bind,ro"), "read-only");
    assert_eq!(world.json(&["sync", "down"], 0)["written"]["files"], 1);
    write(&world.staging.join("mine"), "mine");
    let before = world.trees();
    world.run(&["sync", "up"]).ends_with(4).says("cannot be written");
    assert!(world.trees() == before);
    assert!(remount("remount,bind,rw"), "writable");
    world.json(&["sync", "up"], 0);
    assert_eq!(read(&world.network.join("mine")), "mine");
}

/// Open files: what another program has open for writing in staging is not replaced under it.
#[test]
fn ss_11_a_file_open_for_writing_in_staging_is_busy() {
    let world = World::paired(&[("log", "one\n"), ("gone", "x"), ("quiet", "q")]);
    let mut open = fs::OpenOptions::new().append(true).open(world.staging.join("log")).expect("open");
    let gone = fs::OpenOptions::new().append(true).open(world.staging.join("gone")).expect("open");
    write(&world.network.join("log"), "rewritten on the network\n");
    fs::remove_file(world.network.join("gone")).expect("removed");
    write(&world.network.join("quiet"), "changed");
    let object = world.json(&["sync", "down"], 6);
    assert_eq!(object["outcome"], "partial");
    let mut busy = paths(&object, "problems");
    busy.sort_unstable();
    assert_eq!(busy, ["gone", "log"], "{object}");
    assert!(object["problems"].as_array().expect("a list").iter().all(|problem| problem["kind"] == "busy"), "{object}");
    assert_eq!((read(&world.staging.join("log")), read(&world.staging.join("quiet"))), ("one\n".into(), "changed".into()));
    assert!(stands(&world.staging.join("gone")));
    open.flush().expect("flushed");
    drop((open, gone));
    world.json(&["sync", "down"], 0);
    world.in_step();
}

/// One writer a pair: the second run says who holds the lock, and ends with 8 without waiting.
#[test]
fn ss_11_two_runs_at_once_are_one_after_the_other() {
    let world = World::new();
    let big = fs::File::create(world.network.join("big")).expect("a file");
    for number in 0..6_000 {
        write(&world.network.join(format!("n{}/f{number}", number % 50)), "x");
    }
    drop(big);
    world
        .run_in(
            &world.top(),
            &[
                &["init"],
                &["--network", world.network.to_str().expect("text"), "--staging", world.staging.to_str().expect("text")][..],
            ]
            .concat(),
        )
        .ends_with(0);
    let first = world.start(&["sync", "down", "--json"]);
    let at_work = || fs::read_dir(&world.staging).is_ok_and(|listing| listing.count() > 10);
    wait_for("the first run to write", at_work);
    let second = world.run(&["sync", "down", "--wait", "0s", "--json"]);
    let first = Ended::of(first.wait_with_output().expect("the first run ends"));
    first.ends_with(0);
    let object = second.ends_with(8).json();
    assert_eq!((&object["outcome"], &object["exit_code"]), (&json!("busy"), &json!(8)), "{object}");
    assert!(object["message"].as_str().is_some_and(|text| text.contains("process") && text.contains("host")), "{object}");
    wrote_nothing(&world.json(&["sync"], 0));
}

/// One writer a pair: a lock that somebody else holds is waited for, and the wait has an end.
#[test]
fn ss_11_a_lock_is_waited_for() {
    let world = many(3);
    let file = fs::OpenOptions::new().write(true).open(world.staging.join(".driftless/lock")).expect("the lock file");
    file.lock().expect("locked");
    world.run(&["sync", "--wait", "0s"]).ends_with(8).says("Another run works on this pair");
    write(&world.staging.join("work"), "w");
    let waiting = world.start(&["sync", "up", "--wait", "60s"]);
    drop(file);
    Ended::of(waiting.wait_with_output().expect("it ends")).ends_with(0);
    assert_eq!(read(&world.network.join("work")), "w");
}

/// SS-08: the user's patterns count on both sides; what they leave out keeps its folder, and nothing of it is deleted.
#[test]
fn ss_08_patterns_of_the_project() {
    let world = World::paired(&[("a/data.csv", "d"), ("a/run.tmp", "t"), ("b/only.tmp", "t"), ("c", "c")]);
    write(&world.network.join("driftless.toml"), "ignore = [\"*.tmp\", \"/private/\"]\n");
    write(&world.staging.join("new.tmp"), "n");
    write(&world.staging.join("private/x"), "p");
    world.json(&["sync"], 0);
    assert!(!stands(&world.network.join("new.tmp")) && !stands(&world.network.join("private")));
    assert!(stands(&world.staging.join("a/run.tmp")) && stands(&world.network.join("a/run.tmp")), "it left the base only");
    // Deleting what is ignored, and the folder around it, takes nothing away on the other side.
    fs::remove_dir_all(world.staging.join("b")).expect("removed");
    fs::remove_dir_all(world.staging.join("a")).expect("removed");
    let object = world.json(&["sync"], 0);
    assert_eq!(object["deleted"]["files"], 1, "{object}");
    assert!(stands(&world.network.join("a/run.tmp")) && stands(&world.network.join("b/only.tmp")), "{object}");
    assert!(!stands(&world.network.join("a/data.csv")) && !stands(&world.staging.join("a")), "{object}");
    assert_eq!(paths(&object, "notes").iter().filter(|path| **path == "a").count(), 1, "{object}");
    wrote_nothing(&world.json(&["sync"], 0));
    // One that is no longer ignored is a first meeting.
    write(&world.network.join("driftless.toml"), "ignore = [\"/private/\"]\n");
    world.json(&["sync"], 0);
    assert_eq!((read(&world.network.join("new.tmp")), read(&world.staging.join("b/only.tmp"))), ("n".into(), "t".into()));
}

/// The tool's own names never travel, at any depth.
#[test]
fn ss_08_own_names_never_travel() {
    let world = World::paired(&[("a", "a")]);
    for root in [&world.staging, &world.network] {
        write(&root.join("sub/.driftless/x"), root.to_str().expect("text"));
        write(&root.join("sub/.dl~01234567-89abcdef"), "somebody's temporary file");
    }
    write(&world.staging.join("sub/.dl~mine"), "a user's file: only the whole form is ours");
    write(&world.network.join(".driftless/note"), "x");
    let object = world.json(&["sync"], 0);
    assert_eq!(object["written"]["files"], 1, "{object}");
    assert!(stands(&world.network.join("sub/.dl~mine")) && !stands(&world.staging.join(".driftless/note")));
    assert_ne!(read(&world.network.join("sub/.driftless/x")), read(&world.staging.join("sub/.driftless/x")));
}

/// Completeness: a folder that cannot be listed is unknown, not empty.
#[cfg(unix)]
#[test]
fn ss_11_a_folder_that_cannot_be_listed_is_not_empty() {
    let mut world = World::new();
    world.as_nobody();
    for root in [&world.network] {
        for number in 0..5 {
            write(&root.join(format!("closed/f{number}")), "x");
        }
        write(&root.join("open"), "x");
    }
    world.give_away(&world.network);
    world.run(&["sync", "down"]).ends_with(0);
    chmod(&world.network.join("closed"), 0o000);
    let object = world.json(&["sync"], 6);
    assert_eq!((paths(&object, "problems"), &object["deleted"]["files"]), (vec!["closed"], &json!(0)), "{object}");
    assert_eq!(fs::read_dir(world.staging.join("closed")).expect("listed").count(), 5);
    chmod(&world.network.join("closed"), 0o755);
    world.json(&["sync"], 0);
    world.in_step();
}

/// Identity: a root that is mounted anew is said once, and in that run no delete is believed.
#[cfg(unix)]
#[test]
fn ss_11_deletes_wait_while_a_root_is_mounted_anew() {
    let world = World::paired(&[("a", "a"), ("gone", "g")]);
    let backup = world.top().join("backup");
    copy_all(&world.network, &backup);
    let Some(_tiny) = Tiny::mount(&world.network, "size=8m") else { return };
    for item in fs::read_dir(&backup).expect("a listing") {
        let item = item.expect("an entry").path();
        let done = Command::new("cp").arg("-a").arg(item).arg(&world.network).status().expect("cp");
        assert!(done.success());
    }
    fs::remove_file(world.network.join("gone")).expect("removed");
    write(&world.network.join("a"), "changed");
    let object = world.json(&["sync", "down"], 4);
    is_held(&object, 1);
    assert!(object["notes"].to_string().contains("mounted anew"), "{object}");
    assert_eq!((read(&world.staging.join("a")), read(&world.staging.join("gone"))), ("changed".into(), "g".into()));
    let object = world.json(&["sync", "down"], 0);
    assert_eq!((&object["deleted"]["files"], object["notes"].to_string().contains("anew")), (&json!(1), false), "{object}");
    world.in_step();
}
