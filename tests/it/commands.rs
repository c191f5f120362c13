//! The commands beside `sync`, and what every command promises: exit codes, one JSON object, clean streams.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Ended, World, paths, place_of_networks, read, stands, write};
use crate::tree::Tree;

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The keys in the order in which they are printed (`serde_json` sorts what it parses).
fn printed_keys(ended: &Ended, expected: &[&str]) {
    let mut at = 0;
    for key in expected {
        let mark = format!("\"{key}\":");
        let found = ended.stdout[at..].find(&mark).unwrap_or_else(|| panic!("{key} is missing or out of order: {ended}"));
        at += found + mark.len();
    }
}

/// ALL-04: pairing twice is no error and makes nothing new.
#[test]
fn all_04_init_twice_is_the_same_pair() {
    let world = World::new();
    let roots = ["--network", world.network.to_str().expect("text"), "--staging", world.staging.to_str().expect("text")];
    let init = |more: &[&str]| world.run_in(&world.top(), &[&["init", "--json"], &roots[..], more].concat());
    let first = init(&["--name", "demo"]);
    assert_eq!((&first.ends_with(0).json()["created"], &first.json()["pair"]), (&json!(true), &json!("demo")));
    let again = init(&[]);
    assert_eq!((&again.ends_with(0).json()["created"], &again.json()["pair"]), (&json!(false), &json!("demo")));
    init(&["--name", "other"]).ends_with(4);
    assert_eq!(fs::read_dir(&world.state).expect("the state folder").count(), 1);
    printed_keys(&first, &["schema", "pair", "outcome", "exit_code", "created", "network", "staging", "state", "notes"]);
    // Now the pair can be named, or be that of the folder one is in.
    write(&world.network.join("a"), "a");
    world.run_in(&world.top(), &["sync", "--pair", "demo"]).ends_with(0);
    assert_eq!(read(&world.staging.join("a")), "a");
    write(&world.staging.join("sub/b"), "b");
    world.run_in(&world.staging.join("sub"), &["sync", "up", "b"]).ends_with(0);
    assert_eq!(read(&world.network.join("sub/b")), "b");
    world.run_in(&world.top(), &["sync", "--pair", "none"]).ends_with(2).says("no pair called none");
    world.run_in(&world.top(), &["sync"]).ends_with(2).says("demo");
}

/// SS-03: without `--staging` a folder is chosen, named and stable.
#[test]
fn ss_03_init_chooses_a_staging_folder() {
    let world = World::new();
    write(&world.network.join("a"), "a");
    let network = world.network.to_str().expect("text");
    let init = || world.run_in(&world.top(), &["init", "--json", "--network", network]).ends_with(0).json();
    let first = init();
    let staging = first["staging"]["path"].as_str().expect("a path").to_owned();
    let place = std::path::Path::new(&staging);
    assert!(place.ends_with("network") && place.starts_with(world.top()), "{staging}");
    assert_eq!(init()["staging"]["path"], staging.as_str());
    world.run_in(&world.network, &["sync"]).ends_with(0);
    assert_eq!(read(&std::path::Path::new(&staging).join("a")), "a");
}

/// ALL-04: a staging root belongs to one pair, and a slip of the pen pairs nothing.
#[test]
fn all_04_roots_that_are_paired_otherwise_are_refused() {
    let world = World::paired(&[("a", "a")]);
    let other = world.top().join("other");
    fs::create_dir(&other).expect("a folder");
    let [network, staging, other] = [&world.network, &world.staging, &other].map(|path| path.to_str().expect("text"));
    let run = |command: &str, network: &str, staging: &str| {
        world.run_in(&world.top(), &[command, "--network", network, "--staging", staging])
    };
    run("sync", network, other).ends_with(4).says("already paired");
    run("sync", other, staging).ends_with(4).says("already paired");
    run("init", other, staging).ends_with(4).says("belongs to one pair");
    assert!(Tree::of(std::path::Path::new(other)).0.is_empty());
    // A second staging folder of one network root is meant where `init` says so.
    run("init", network, other).ends_with(0);
    run("sync", network, other).ends_with(0);
    assert_eq!(read(&std::path::Path::new(other).join("a")), "a");
    let inside = format!("{other}/inside");
    fs::create_dir(&inside).expect("a folder");
    run("init", network, &inside).ends_with(4);
}

/// ALL-03: `status` tells what is pending each way, writes nothing, and with `--exit-code` tells by its code.
#[test]
fn all_03_status() {
    let world = World::paired(&[("a", "a"), ("b", "b")]);
    let in_step = world.run(&["status", "--json", "--exit-code"]);
    printed_keys(
        in_step.ends_with(0),
        &[
            "schema",
            "pair",
            "exit_code",
            "in_step",
            "roots",
            "staging",
            "network",
            "pending",
            "conflicts",
            "problems",
            "last_run",
        ],
    );
    let object = in_step.json();
    assert_eq!((&object["in_step"], &object["last_run"]["outcome"]), (&json!(true), &json!("done")), "{object}");
    assert_eq!(object["roots"]["network"]["reachable"], true);
    write(&world.staging.join("c"), "c");
    write(&world.staging.join("d"), "d");
    fs::remove_file(world.network.join("b")).expect("removed");
    let before = world.trees();
    let drift = world.json(&["status", "--exit-code"], 5);
    assert_eq!((&drift["in_step"], &drift["pending"]), (&json!(false), &json!({"up": 2, "down": 1})), "{drift}");
    world.run(&["status"]).ends_with(0).says("2 paths to sync up");
    assert!(world.trees() == before, "status writes nothing");
    world.run(&["sync"]).ends_with(0);
    world.run(&["status", "--exit-code"]).ends_with(0).says("In step");
}

/// ALL-03: what could not be checked is never in step.
#[test]
fn all_03_status_of_a_root_that_is_gone_is_7() {
    let world = World::paired(&[("a", "a")]);
    fs::rename(&world.network, world.top().join("away")).expect("renamed");
    let object = world.json(&["status", "--exit-code"], 7);
    assert_eq!((&object["in_step"], &object["roots"]["network"]["reachable"]), (&json!(null), &json!(false)), "{object}");
    world.run(&["status"]).ends_with(0).says("not reachable");
}

/// ALL-03: conflicts are listed with both versions until they end.
#[test]
fn all_03_conflicts_list() {
    let world = World::paired(&[("dir/a", "base")]);
    world.run(&["conflicts", "list"]).ends_with(0).says("No conflicts.");
    write(&world.staging.join("dir/a"), "staging's");
    write(&world.network.join("dir/a"), "the network's own");
    world.run(&["sync"]).ends_with(3).says("dir/a: modified on both sides");
    let object = world.json(&["conflicts", "list"], 0);
    assert_eq!(paths(&object, "conflicts"), ["dir/a"], "{object}");
    let item = &object["conflicts"][0];
    assert!(item["staging"].as_str().is_some_and(|text| text.contains('9')), "{item}");
    assert!(item["network"].as_str().is_some_and(|text| text.contains("17")), "{item}");
    world.run(&["conflicts", "list"]).ends_with(0).says("modified on both sides").says("1 conflict");
    write(&world.staging.join("dir/a"), "the network's own");
    world.run(&["sync"]).ends_with(0);
    world.run(&["conflicts", "list"]).ends_with(0).says("No conflicts.");
}

/// SS-01, SS-02: a local folder is left alone, and the reason is said.
#[test]
fn ss_02_detect_leaves_a_local_project_alone() {
    let world = World::new();
    for (root, needs_staging) in [(&world.staging, false), (&world.network, place_of_networks().is_some())] {
        let ended = world.run_in(&world.top(), &["detect", root.to_str().expect("text"), "--json"]);
        assert_eq!(ended.ends_with(0).json()["needs_staging"], needs_staging, "{ended}");
        printed_keys(&ended, &["schema", "exit_code", "path", "needs_staging", "file_system", "mount_point", "source", "reason"]);
    }
    world.run_in(&world.staging, &["detect", "."]).ends_with(0).says("needs no staging");
    world.run_in(&world.top(), &["detect", "not/there/yet"]).ends_with(0);
    assert!(Tree::of(&world.staging).0.is_empty() && !stands(&world.staging.join(".driftless")));
}

/// ALL-04: completions for the shells people have; bash takes its own.
#[test]
fn all_04_completions() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = world.run_in(&world.top(), &["completions", shell]);
        ended.ends_with(0);
        assert!(ended.stdout.contains("driftless") && ended.stdout.contains("conflicts") && ended.stderr.is_empty(), "{shell}");
    }
    if cfg!(unix) {
        let script = world.top().join("completions.bash");
        write(&script, world.run_in(&world.top(), &["completions", "bash"]).stdout);
        let read = Command::new("bash").arg("-n").arg(&script).output().expect("bash");
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
    world.run_in(&world.top(), &["completions", "tcsh"]).ends_with(2);
}

/// ALL-03, ALL-04: every command shows examples.
#[test]
fn all_04_help_has_examples() {
    let world = World::new();
    for command in
        ["init", "sync", "status", "conflicts", "revert", "history", "undo", "trash", "detect", "doctor", "completions", "man"]
    {
        let ended = world.run_in(&world.top(), &[command, "--help"]);
        ended.ends_with(0);
        assert!(ended.stdout.contains("Examples:") && ended.stdout.contains(&format!("driftless {command}")), "{ended}");
        assert!(ended.stderr.is_empty(), "{ended}");
    }
    world.run_in(&world.top(), &["--help"]).ends_with(0).says("Exit codes: 0 done");
    world.run_in::<&str>(&world.top(), &[]).ends_with(2);
    for wrong in [&["sink"][..], &["sync", "--conflict", "newest"], &["sync", "/outside/both"]] {
        let ended = world.run(wrong);
        assert!(ended.ends_with(2).stdout.is_empty(), "{ended}");
    }
    assert!(!stands(&world.state), "wrong usage makes nothing");
}

const SYNC_KEYS: &[&str] = &[
    "schema",
    "pair",
    "direction",
    "dry_run",
    "outcome",
    "exit_code",
    "written",
    "files",
    "dirs",
    "symlinks",
    "bytes",
    "metadata",
    "renamed",
    "deleted",
    "held",
    "adopted",
    "revived",
    "conflicts",
    "problems",
    "notes",
    "pending",
    "up",
    "down",
    "scanned",
    "staging",
    "network",
    "via",
    "elapsed_ms",
];

/// ALL-03: `sync --json` prints the object of the contract, in its order, and the actions only where they were asked for.
#[test]
fn all_03_sync_json_is_the_contract() {
    let world = World::paired(&[("a", "a")]);
    write(&world.staging.join("b"), "five!");
    let dry = world.run(&["sync", "up", "--dry-run", "--json"]);
    printed_keys(dry.ends_with(0), SYNC_KEYS);
    printed_keys(&dry, &["elapsed_ms", "actions", "op", "path", "side", "bytes", "why"]);
    let expected = json!([{"op": "write", "path": "b", "side": "network", "bytes": 5, "why": "created in staging"}]);
    assert_eq!(dry.json()["actions"], expected);
    let real = world.run(&["sync", "up", "--json"]);
    printed_keys(real.ends_with(0), SYNC_KEYS);
    let object = real.json();
    let mut all =
        vec!["schema", "pair", "direction", "dry_run", "outcome", "exit_code", "written", "metadata", "renamed", "deleted"];
    all.extend(["held", "adopted", "revived", "conflicts", "problems", "notes", "pending", "scanned", "via", "elapsed_ms"]);
    all.sort_unstable();
    assert_eq!(keys(&object), all);
    assert_eq!((&object["schema"], &object["via"]), (&json!("driftless.sync/1"), &json!("scan")));
    assert_eq!(object["written"], json!({"files": 1, "dirs": 0, "symlinks": 0, "bytes": 5}));
}

/// ALL-03: one object for every code; `outcome` and `exit_code` say the same as the process.
#[test]
fn all_03_one_object_for_every_exit_code() {
    let world = World::paired(&[("a", "a")]);
    let same = |object: &Value, code: i32, outcome: &str| {
        assert_eq!(
            (&object["exit_code"], &object["outcome"], &object["schema"]),
            (&json!(code), &json!(outcome), &json!("driftless.sync/1")),
            "{object}"
        );
    };
    same(&world.json(&["sync"], 0), 0, "done");
    write(&world.staging.join("a"), "longer");
    write(&world.network.join("a"), "longest of all");
    same(&world.json(&["sync"], 3), 3, "conflicts");
    write(&world.state.join("network/pair.toml"), "durabilty = 1\n");
    same(&world.json(&["sync"], 1), 1, "failed");
    let usage = world.run(&["sync", "--json", "--wait", "soon"]);
    assert!(usage.ends_with(2).stdout.is_empty(), "{usage}");
}

/// SS-16: what is in progress goes to stderr, stdout stays for the result.
#[test]
fn ss_16_progress_and_logs_leave_stdout_alone() {
    let mut world = World::new();
    world.set("DRIFTLESS_LOG", "debug");
    world.set("DRIFTLESS_NO_SUCH", "1");
    for number in 0..200 {
        write(&world.network.join(format!("f{number}")), "x");
    }
    let ended = world.run(&["sync", "down", "--json", "--verbose"]);
    assert_eq!(ended.ends_with(0).json()["actions"].as_array().map(Vec::len), Some(200));
    assert!(ended.stderr.contains("DRIFTLESS_NO_SUCH"), "an unknown variable is a warning: {ended}");
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "no colours beside a terminal");
    let text = world.run(&["sync", "down"]);
    assert_eq!(text.ends_with(0).stdout, "Nothing to do.\n");
}

/// SS-16: the lines that people read.
#[test]
fn ss_16_a_run_says_what_went_where() {
    let world = World::paired(&[("a", "a")]);
    write(&world.network.join("n1"), "1");
    write(&world.network.join("n2"), "2");
    write(&world.staging.join("s"), "3");
    world.run(&["sync"]).ends_with(0).says("1 file synced to the network").says("2 files synced from the network");
}

/// SS-16: what takes longer than a second is told on stderr while it goes on, and stdout stays for the result; a signal
/// ends the wait.
#[cfg(unix)]
#[test]
fn ss_16_a_long_wait_is_told() {
    let world = World::paired(&[("a", "a")]);
    write(&world.staging.join("b"), "b");
    let lock = fs::OpenOptions::new().write(true).open(world.staging.join(".driftless/lock")).expect("the lock file");
    lock.lock().expect("locked");
    for interrupted in [true, false] {
        let mut waiting = world.start(&["sync", "up", "--wait", "5m", "--json"]);
        let mut told = String::new();
        let stderr = waiting.stderr.take().expect("a pipe");
        BufReader::new(stderr).read_line(&mut told).expect("a line");
        assert!(told.contains("Waiting for another run of this pair to end"), "{told}");
        if interrupted {
            let id = rustix::process::Pid::from_child(&waiting);
            rustix::process::kill_process(id, rustix::process::Signal::INT).expect("signalled");
        } else {
            lock.unlock().expect("unlocked");
        }
        let ended = Ended::of(waiting.wait_with_output().expect("it ends"));
        ended.ends_with(if interrupted { 130 } else { 0 });
        assert_eq!(ended.json()["outcome"], if interrupted { "interrupted" } else { "done" }, "{ended}");
    }
    assert_eq!(read(&world.network.join("b")), "b");
}
