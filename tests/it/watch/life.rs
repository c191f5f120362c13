//! Beginning, ending, being killed, stopped, paused and asked in between; roots and a manifest that go away for a while.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Watching, save};
use crate::harness::{World, paths, read, stands, wait_for, write};
use crate::tree::{Tree, temps};

/// Enough that there is a middle.
pub(super) fn many(files: usize) -> World {
    let mut world = World::new();
    world.set("DRIFTLESS_DURABILITY", "none");
    for n in 0..files {
        write(&world.staging.join(format!("many/{}/{n}", n % 20)), format!("content {n}").repeat(1 + n % 300));
    }
    world
}

/// Started, and some of the many are there.
pub(super) fn in_the_middle(world: &World) -> Watching {
    let mut watching = Watching::start(world, &[]);
    wait_for("the first files", || {
        watching.is_alive();
        fs::read_dir(world.network.join("many/0")).is_ok_and(|listing| listing.count() > 3)
    });
    watching
}

/// What stands on the network root is whole.
fn nothing_half_done(world: &World) {
    let (staging, network) = (Tree::of(&world.staging), Tree::shown(&world.network));
    for (path, entry) in &network.0 {
        assert_eq!(staging.0.get(path).map(|here| &here.kind), Some(&entry.kind), "{}", path.escape_ascii());
    }
    assert!(network.0.len() < staging.0.len(), "it was to end in the middle");
}

#[test]
fn sigterm_in_the_middle_of_a_first_sync_ends_it_soon_and_whole() {
    let world = many(2_500);
    let mut watching = in_the_middle(&world);
    let began = Instant::now();
    watching.signal(Signal::TERM);
    watching.ends().ends_with(143);
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    nothing_half_done(&world);
    assert_eq!(temps(&world.network), Vec::<std::path::PathBuf>::new());
    assert!(!stands(&watching.socket));
    Watching::ready(&world, &[]).laws(&world, &BTreeSet::new());
}

#[test]
fn sigkill_in_the_middle_leaves_nothing_that_is_in_the_way() {
    let world = many(2_500);
    let mut watching = in_the_middle(&world);
    watching.signal(Signal::KILL);
    watching.ends().ends_with(-9);
    nothing_half_done(&world);
    assert!(stands(&watching.socket), "a socket that nobody listens on");
    // Who asks does it alone, and sees no fault in that.
    for words in [&["sync", "many/0", "--json"][..], &["sync", "up", "--json"]] {
        let ended = world.run(words);
        assert_eq!(ended.ends_with(0).json()["via"], "scan");
        assert!(!ended.stderr.contains("watch process"), "{ended}");
    }
    world.run(&["stop"]).ends_with(0).says("not watched");
    Watching::ready(&world, &[]).laws(&world, &BTreeSet::new());
}

#[test]
fn beside_one_that_is_stopped_a_sync_does_it_alone() {
    let world = World::paired(&[("a", "a")]);
    let mut watching = Watching::ready(&world, &[]);
    watching.is_well();
    watching.signal(Signal::STOP);
    write(&world.staging.join("b"), "b");
    let began = Instant::now();
    let up = world.run(&["sync", "up", "--json"]);
    let took = began.elapsed();
    up.ends_with(0).says("the watch process could not do it, so it is done here: the watch process does not answer");
    assert_eq!(up.json()["via"], "scan");
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    assert_eq!(read(&world.network.join("b")), "b");
    world.run(&["stop"]).ends_with(1).says("does not answer");
    watching.signal(Signal::CONT);
    watching.laws(&world, &BTreeSet::new());
}

/// Killed by its number where a test fails.
struct Detached(Pid);

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_detached_one_is_asked_paused_and_stopped() {
    let world = World::paired(&[("a", "a")]);
    let begun = world.json(&["watch", "--detach"], 0);
    let process = begun["status"]["process"].as_i64().expect("its process");
    let detached = Detached(Pid::from_raw(i32::try_from(process).expect("a number")).expect("no zero"));
    assert_eq!(world.json(&["watch", "--detach"], 0)["status"]["process"], process);
    world.run(&["watch"]).ends_with(8).says("watched already");
    world.run(&["status"]).ends_with(0).says(&format!("Watched by process {process}"));
    write(&world.staging.join("b"), "b");
    wait_for("what is saved", || stands(&world.network.join("b")));

    assert_eq!(world.json(&["pause"], 0)["process"], process);
    write(&world.staging.join("c"), "c");
    wait_for("a change that waits", || {
        let watch = &world.json(&["status"], 0)["watch"];
        watch["phase"] == "paused" && watch["waiting"].as_u64() > Some(0)
    });
    assert_eq!(world.json(&["pause"], 0)["process"], process);
    assert!(!stands(&world.network.join("c")), "carried while paused");
    assert_eq!(world.json(&["sync", "up"], 0)["via"], "watch");
    assert!(stands(&world.network.join("c")), "what is asked for is done");
    write(&world.staging.join("d"), "d");
    world.run(&["resume"]).ends_with(0);
    wait_for("what was saved while paused", || stands(&world.network.join("d")));

    world.run(&["stop"]).ends_with(0).says("has ended");
    world.run(&["stop"]).ends_with(0).says("not watched");
    world.run(&["pause"]).ends_with(1).says("not watched");
    drop(detached);
    assert_eq!(world.json(&["sync"], 0)["via"], "scan");
    world.in_step();
}

#[test]
fn of_two_only_one_watches_and_the_other_one_may_wait() {
    let world = World::paired(&[("a", "a")]);
    let mut first = Watching::ready(&world, &[]);
    let mut refused = Watching::start(&world, &[]);
    refused.ends().ends_with(8).says("watched already");
    first.is_well();
    let mut second = Watching::start(&world, &["--wait", "60s"]);
    first.signal(Signal::TERM);
    first.ends().ends_with(143);
    second.waits_for("ready");
    second.laws(&world, &BTreeSet::new());
}

/// A program that holds the manifest until its input ends.
fn hold_manifest(world: &World) -> Child {
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  db.execute('BEGIN IMMEDIATE')\n\
                  print('held', flush=True)\n\
                  sys.stdin.read()\n";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(world.state.join("network/manifest.db"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is there");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "held\n");
    child
}

#[test]
fn a_manifest_that_is_locked_for_a_while_is_waited_for() {
    let world = World::paired(&[("a", "a")]);
    let mut watching = Watching::ready(&world, &[]);
    watching.is_well();
    let mut holder = hold_manifest(&world);
    write(&world.staging.join("b"), "b");
    watching.shows("a run that waits or has failed", |shown| ["running", "stuck"].iter().any(|word| shown["phase"] == *word));
    drop(holder.stdin.take());
    holder.wait().expect("its end");
    wait_for("what was saved meanwhile", || stands(&world.network.join("b")));
    watching.laws(&world, &BTreeSet::new());
}

#[test]
fn a_root_that_is_moved_away_and_back_is_gone_on_with() {
    for which in ["staging", "network"] {
        let world = World::paired(&[("a", "a"), ("folder/b", "b")]);
        let mut watching = Watching::ready(&world, &[]);
        watching.is_well();
        let root = if which == "staging" { &world.staging } else { &world.network };
        let away = root.with_extension("away");
        fs::rename(root, &away).expect("moved");
        write(&away.join("folder/meanwhile"), which);
        let shown = watching.shows("the root that is gone", |shown| shown["message"] != json!(null));
        assert!(["offline", "stuck"].iter().any(|word| shown["phase"] == *word), "{shown}");
        assert!(!stands(root), "something was made in its place");
        if which == "network" {
            write(&world.staging.join("mine"), "mine");
        }
        fs::rename(&away, root).expect("moved back");
        wait_for("what was saved meanwhile", || {
            [&world.staging, &world.network].iter().all(|root| stands(&root.join("folder/meanwhile")))
        });
        watching.laws(&world, &BTreeSet::new());
        // It is watched anew.
        write(&root.join("folder/later"), "later");
        wait_for("what is saved later", || {
            [&world.staging, &world.network].iter().all(|root| stands(&root.join("folder/later")))
        });
    }
}

/// An empty folder in the place of a root is no word that all was deleted, and is not written to.
#[test]
fn another_folder_in_the_place_of_a_root_is_not_believed() {
    for which in ["staging", "network"] {
        let world = World::paired(&[("a", "a"), ("folder/b", "b")]);
        let mut watching = Watching::ready(&world, &[]);
        watching.is_well();
        let (root, other) = match which {
            "staging" => (&world.staging, &world.network),
            _ => (&world.network, &world.staging),
        };
        let before = Tree::of(other);
        let away = root.with_extension("away");
        fs::rename(root, &away).expect("moved");
        fs::create_dir(root).expect("another folder");
        watching.shows("that it is another folder", |shown| shown["phase"] == "stuck" && shown["message"] != json!(null));
        write(&other.join("meanwhile"), "meanwhile");
        world.run(&["sync"]).ends_with(4);
        // The pair's lock lies in staging, whatever that is.
        assert_eq!(Tree::of(root), Tree::default(), "written into another folder");
        before.assert_same(&Tree::of(other).without(|path| path == b"meanwhile"), which);
        fs::remove_dir_all(root).expect("removed");
        fs::rename(&away, root).expect("moved back");
        world.json(&["sync"], 0);
        assert!(stands(&root.join("meanwhile")));
        watching.laws(&world, &BTreeSet::new());
    }
}

/// Two folders that have little in common are not made one without a word.
#[test]
fn a_new_pair_of_two_projects_is_not_mixed() {
    let world = World::new();
    for n in 0..300 {
        write(&world.staging.join(format!("mine {n}")), "mine");
        write(&world.network.join(format!("theirs {n}")), "theirs");
    }
    let before = world.trees();
    let mut watching = Watching::start(&world, &[]);
    watching.waits_for("begun");
    let shown = watching.shows("why it does nothing", |shown| shown["phase"] == "stuck");
    assert_ne!(shown["message"], json!(null), "{shown}");
    assert_eq!(world.trees(), before);
    watching.signal(Signal::TERM);
    watching.ends().ends_with(143);
    Watching::ready(&world, &["--yes"]).laws(&world, &BTreeSet::new());
    assert!(stands(&world.staging.join("theirs 7")) && stands(&world.network.join("mine 7")));
}

#[test]
fn other_commands_work_while_it_runs() {
    let world = World::paired(&[("a", "a"), ("b", "b"), ("gone", "gone")]);
    let mut watching = Watching::ready(&world, &[]);
    watching.is_well();
    world.run(&["pause"]).ends_with(0);
    write(&world.staging.join("a"), "mine");
    write(&world.network.join("a"), "theirs");
    world.run(&["resume"]).ends_with(0);
    watching.shows("the conflict", |shown| shown["conflicts"] == 1);
    world.run(&["conflicts", "resolve", "a", "--keep", "staging"]).ends_with(0);
    assert_eq!(read(&world.network.join("a")), "mine");
    watching.shows("no conflict", |shown| shown["conflicts"] == 0);

    world.run(&["pause"]).ends_with(0);
    write(&world.staging.join("c"), "c");
    write(&world.staging.join("d"), "d");
    world.json(&["sync", "c"], 0);
    assert!(stands(&world.network.join("c")) && !stands(&world.network.join("d")));
    world.run(&["resume"]).ends_with(0);
    wait_for("the rest", || stands(&world.network.join("d")));

    fs::remove_file(world.staging.join("gone")).expect("removed");
    wait_for("the delete", || !stands(&world.network.join("gone")));
    watching.is_well();
    let listed = world.json(&["trash", "list"], 0);
    assert!(listed.to_string().contains("gone"), "{listed}");
    world.run(&["trash", "restore", "gone"]).ends_with(0);
    wait_for("what was restored", || [&world.staging, &world.network].iter().all(|root| stands(&root.join("gone"))));

    save(&world, "b", "spoilt");
    wait_for("the edit", || read(&world.network.join("b")) == "spoilt");
    watching.is_well();
    let undone = world.json(&["undo", "last"], 0);
    wait_for("what was undone", || [&world.staging, &world.network].iter().all(|root| read(&root.join("b")) == "b"));
    assert!(undone.to_string().contains("\"b\""), "{undone}");
    assert_eq!(paths(&world.json(&["conflicts", "list"], 0), "conflicts"), Vec::<&str>::new());
    watching.laws(&world, &BTreeSet::new());
}

#[test]
fn what_it_does_by_itself_has_hooks_and_what_was_asked_for_has_those_of_who_asked() {
    let world = World::paired(&[("a", "1")]);
    let seen = world.top().join("seen");
    let hook = |word: &str| format!("{word} = \"(echo {word}; cat >/dev/null) >> '{}'\"\n", seen.display());
    let own = world.state.join("network/pair.toml");
    let hooks = ["after_sync", "on_conflict"].map(hook).concat();
    write(&own, format!("{}[hooks]\n{hooks}", read(&own)));
    let _watching = Watching::ready(&world, &["--settle", "0s"]);
    let told = |count: usize| stands(&seen) && read(&seen).lines().count() == count;
    save(&world, "b", "2");
    wait_for("the hook of a run", || told(1));
    assert_eq!(read(&seen), "after_sync\n");
    // A conflict is told once, however often it is seen again.
    world.run(&["pause"]).ends_with(0);
    write(&world.staging.join("a"), "mine, longer");
    write(&world.network.join("a"), "theirs");
    world.run(&["resume"]).ends_with(0);
    wait_for("the hook of a conflict", || told(2));
    world.run(&["pause"]).ends_with(0);
    write(&world.staging.join("a"), "mine again");
    write(&world.staging.join("c"), "3");
    world.run(&["resume"]).ends_with(0);
    wait_for("the hook of the next run", || told(3));
    assert_eq!(read(&seen), "after_sync\non_conflict\nafter_sync\n");
    // The command's own, and no second ones of the watch process.
    world.run(&["pause"]).ends_with(0);
    write(&world.staging.join("d"), "4");
    world.run(&["sync"]).ends_with(3);
    world.run(&["resume"]).ends_with(0);
    save(&world, "e", "5");
    wait_for("the hook of the run after it", || stands(&world.network.join("e")) && read(&seen).ends_with("after_sync\n"));
    let lines: Vec<String> = read(&seen).lines().skip(3).map(str::to_owned).collect();
    assert_eq!(lines, ["after_sync", "on_conflict", "after_sync"]);
}
