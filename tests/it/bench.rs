//! `bench`: every scenario once on a small project, what it leaves behind (nothing), and what it refuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Ended, World, read, stands, wait_for, write};
use crate::tree::Tree;

/// Two places for roots, and nobody else in them.
fn places(world: &World) -> [PathBuf; 2] {
    let places = ["near", "far"].map(|name| world.top().join(name));
    places.iter().for_each(|place| fs::create_dir_all(place).expect("a folder"));
    places
}

fn words<'a>(places: &'a [PathBuf; 2], more: &[&'a str]) -> Vec<&'a str> {
    let [near, far] = places.each_ref().map(|place| place.to_str().expect("text"));
    [&["bench", "--staging", near, "--network", far], more].concat()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .expect("a listing")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect()
}

#[track_caller]
fn nothing_is_left(places: &[PathBuf; 2]) {
    places.iter().for_each(|place| assert_eq!(names(place), Vec::<String>::new(), "{}", place.display()));
}

fn measured<'a>(object: &'a Value, tool: &str) -> BTreeSet<&'a str> {
    let rows = object["results"].as_array().expect("results").iter().filter(|row| row["tool"] == tool);
    rows.filter(|row| row["wall_ms"]["median"].as_f64().is_some_and(|ms| ms > 0.0))
        .map(|row| row["scenario"].as_str().expect("a word"))
        .collect()
}

const ALL: [&str; 13] = [
    "first",
    "nothing",
    "changed",
    "percent",
    "touch",
    "rename",
    "append",
    "middle",
    "delete",
    "conflicts",
    "storm",
    "event",
    "flush",
];

/// Every scenario is measured, with the peers that take part; nothing is left; the page holds all that it needs.
#[test]
fn every_scenario_once_and_nothing_stays() {
    let world = World::new();
    let places = places(&world);
    let page = world.top().join("bench.html");
    let more = ["--files=60", "--huge=64KiB", "--changed=3", "--rounds=1", "--events=2", "--peers=rsync", "--json", "--html"];
    let ended = world.run_in(&world.top(), &words(&places, &[&more[..], &[page.to_str().expect("text")]].concat()));
    let object = ended.ends_with(0).json();
    assert_eq!(object["schema"], "driftless.bench/1", "{object}");
    assert_eq!(object["sizes"][0]["files"], 60, "{object}");
    assert_eq!(measured(&object, "driftless"), BTreeSet::from(ALL), "{object}");
    let rsync = ALL.into_iter().filter(|word| !["conflicts", "storm", "event"].contains(word));
    assert_eq!(measured(&object, "rsync"), rsync.collect(), "{object}");
    for row in object["results"].as_array().expect("results") {
        assert!(row["failed"].is_null() && row["cpu_ms"]["median"].is_number(), "{row}");
        assert_eq!(row["wall_ratio"].is_number(), row["tool"] == "rsync", "{row}");
    }
    nothing_is_left(&places);
    let html = read(&page);
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"), "{html}");
    assert!(ALL.iter().all(|word| html.contains(&format!("<h3>{word}</h3>"))));
    assert!(
        !["http:", "https:", "src=", "href", "url("].iter().any(|reference| html.contains(reference)),
        "asks for something else"
    );
}

/// A given folder is copied and not touched; the changes can be on the network root's side; several sizes give a law.
#[test]
fn a_given_folder_stays_as_it_is_and_sizes_give_a_law() {
    let world = World::new();
    let places = places(&world);
    let given = world.top().join("given");
    for number in 0..30 {
        write(&given.join(format!("plate-{}/well-{number}.csv", number % 3)), "1,2,3\n".repeat(number + 1));
    }
    write(&given.join(".driftless/root.toml"), "somebody's own");
    std::os::unix::fs::symlink("/etc/hostname", given.join("link")).expect("a link");
    let before = Tree::of(&given);
    let project = ["--project", given.to_str().expect("text")];
    let more = ["--peers=none", "--rounds=1", "--way=down", "--scenarios=first,percent,touch,delete,rename", "--json"];
    let object = world.run_in(&world.top(), &words(&places, &[&project[..], &more[..]].concat())).ends_with(0).json();
    assert_eq!(measured(&object, "driftless").len(), 5, "{object}");
    assert_eq!(object["sizes"][0]["files"], 30, "{object}");
    Tree::of(&given).assert_same(&before, "the given folder");
    let more = ["--peers=none", "--rounds=1", "--scale=5,50", "--profile=tiny-million", "--scenarios=first", "--json"];
    let object = world.run_in(&world.top(), &words(&places, &more)).ends_with(0).json();
    assert!(object["growth"][0]["exponent"].is_number(), "{object}");
    assert_eq!((object["sizes"][0]["files"].as_u64(), object["sizes"][1]["files"].as_u64()), (Some(5), Some(50)));
    nothing_is_left(&places);
}

/// Processes of this user that name the folder.
fn at_work(place: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        count += usize::from(String::from_utf8_lossy(&line).contains(&format!("{}/driftless-bench-", place.display())));
    }
    count
}

/// A measurement in the middle of its watch process.
fn under_way(world: &World, places: &[PathBuf; 2]) -> Child {
    let more = ["--files=20", "--peers=none", "--scenarios=event", "--events=100000", "--rounds=1"];
    let mut child = world.start(&words(places, &more));
    wait_for("a save by the watch process", || {
        assert!(child.try_wait().expect("its state").is_none(), "it ended early");
        let grounds = names(&places[1]).into_iter().map(|name| places[1].join(name));
        grounds.into_iter().any(|ground| stands(&ground.join("driftless/bench-saved-0.txt")))
    });
    child
}

fn end(child: Child, signal: Signal) -> Ended {
    kill_process(Pid::from_child(&child), signal).expect("signalled");
    Ended::of(child.wait_with_output().expect("its end"))
}

/// Ctrl-C in the middle: what was measured is told, and nothing is left: no folder, no process.
#[test]
fn ctrl_c_leaves_nothing() {
    let world = World::new();
    let places = places(&world);
    let ended = end(under_way(&world, &places), Signal::INT);
    ended.ends_with(130).says("It was stopped");
    nothing_is_left(&places);
    assert_eq!(at_work(&places[0]), 0);
}

/// What a killed one left goes with the next one, and nothing else does that only looks like it.
#[test]
fn the_next_one_sweeps_what_a_killed_one_left() {
    let world = World::new();
    let places = places(&world);
    let ended = end(under_way(&world, &places), Signal::KILL);
    assert_eq!(ended.code, -9, "{ended}");
    assert_eq!(names(&places[1]).len(), 1);
    wait_for("the watch process to end with its owner", || at_work(&places[0]) == 0);
    write(&places[1].join("driftless-bench-mine/thesis.txt"), "mine");
    write(&places[1].join("driftless-bench-copied/.driftless-bench"), "another machine's");
    let more = ["--files=5", "--peers=none", "--scenarios=first", "--rounds=1"];
    world.run_in(&world.top(), &words(&places, &more)).ends_with(0);
    assert_eq!(names(&places[0]), Vec::<String>::new());
    let left: BTreeSet<String> = names(&places[1]).into_iter().collect();
    assert_eq!(left, BTreeSet::from(["driftless-bench-mine".to_owned(), "driftless-bench-copied".to_owned()]));
    assert_eq!(read(&places[1].join("driftless-bench-mine/thesis.txt")), "mine");
}

/// A peer that is not there is told; one that fails has no figure, and the exit code says so.
#[test]
fn peers_that_are_missing_or_fail_are_said() {
    let mut world = World::new();
    let places = places(&world);
    let bin = world.top().join("bin");
    write(&bin.join("rsync"), "#!/bin/sh\necho no room >&2\nexit 11\n");
    write(&bin.join("unison"), "#!/bin/sh\nexit 0\n");
    for tool in ["rsync", "unison"] {
        crate::harness::chmod(&bin.join(tool), 0o755);
    }
    world.set("PATH", bin.to_str().expect("text"));
    let more = ["--files=5", "--scenarios=first", "--rounds=2"];
    let ended = world.run_in(&world.top(), &words(&places, &more));
    ended.ends_with(6).says("Not installed, so left out: cp, rclone, lsyncd.").says("exit status: 11: no room");
    // It ended well, and did nothing: that is no reading.
    ended.says("it ended well and left").says("2 rows could not be measured to its end");
    nothing_is_left(&places);
}

/// A peer that says that it left something out, and overwrote one of the versions, has no figure either.
#[test]
fn a_conflict_that_is_overwritten_is_no_reading() {
    const OVERWRITES: &str = r#"#!/bin/sh
[ $# -gt 2 ] || exit 0
for word; do one=$other other=$word; done
if [ -e "$other.brought" ]; then
    OVERWRITE
    exit 1
fi
/bin/cp -a "$one/." "$other/"
: > "$other.brought"
"#;
    for overwrite in [r#"/bin/cp -a "$one/." "$other/""#, r#"/bin/cp -a "$other/." "$one/""#] {
        let mut world = World::new();
        let places = places(&world);
        let bin = world.top().join("bin");
        write(&bin.join("unison"), OVERWRITES.replace("OVERWRITE", overwrite));
        crate::harness::chmod(&bin.join("unison"), 0o755);
        world.set("PATH", bin.to_str().expect("text"));
        let more = ["--files=5", "--scenarios=conflicts", "--rounds=1", "--peers=unison"];
        let ended = world.run_in(&world.top(), &words(&places, &more));
        ended.ends_with(6).says("it ended well and overwrote what had changed on both sides").says("1 row could not be measured");
        nothing_is_left(&places);
    }
}

#[test]
fn bad_input_is_told_and_nothing_is_done() {
    let world = World::new();
    let places = places(&world);
    let top = world.top();
    fs::create_dir(top.join("wide")).expect("a folder");
    fs::File::create(top.join("wide/huge")).and_then(|file| file.set_len(8 << 40)).expect("a file of one hole");
    for (typed, code, said) in [
        (&["bench", "--scenarios", "frist"][..], 2, "'first'"),
        (&["bench", "--peers", "rsnyc"], 2, "'rsync'"),
        (&["bench", "--files", "many"], 2, "a number from 1 to 100M"),
        (&["bench", "--bytes", "much"], 2, "a size, like 64KiB"),
        (&["bench", "--rounds", "0"], 2, "--rounds"),
        (&["bench", "--latency", "soon"], 2, "milliseconds"),
        (&["bench", "--latency-width", "3"], 2, "--latency"),
        (&["bench", "--files", "5", "--scale", "5,6"], 2, "cannot be used with"),
        (&["bench", "--network", "no/such"], 1, "--network has to be a folder that is there"),
        (&["bench", "--project", "no/such"], 1, "--project has to be a folder that is there"),
        (&["bench", "--project", ".", "--staging", "near"], 1, "inside the project itself"),
        (&["bench", "--html", "no/such/page.html"], 1, "The page cannot be written"),
        (&["bench", "--files", "5", "--bytes", "900TiB", "--staging", "near"], 4, "not enough room"),
        (&["bench", "--project", "wide", "--staging", "near"], 4, "not enough room"),
    ] {
        world.run_in(&top, typed).ends_with(code).says(said);
        nothing_is_left(&places);
    }
}
