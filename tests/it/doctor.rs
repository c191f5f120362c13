//! `doctor` on the file systems of this machine: what it says, how it ends, and that it leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[cfg(unix)]
use crate::harness::chmod;
use crate::harness::{World, below_all, place_of_networks, stands, touch, wait_for, write};
use crate::tree::Tree;

/// Waits longer than a busy machine needs.
const DOCTOR: &[&str] = &["doctor", "--wait", "60s"];

/// The check of that name in a list of checks.
#[track_caller]
pub(crate) fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let found = checks.as_array().and_then(|all| all.iter().find(|check| check["check"] == name));
    found.unwrap_or_else(|| panic!("no check {name} in {checks:#}"))
}

#[track_caller]
pub(crate) fn stands_at(checks: &Value, name: &str, status: &str, part: &str) {
    let found = check(checks, name);
    assert!(found["status"] == status && found["value"].as_str().is_some_and(|value| value.contains(part)), "{found:#}");
}

fn doctor(world: &World, paths: &[&Path], code: i32) -> Value {
    let mut words = vec!["doctor", "--json", "--wait", "60s"];
    words.extend(paths.iter().map(|path| path.to_str().expect("text")));
    world.run_in(&world.top(), &words).ends_with(code).json()
}

/// ALL-04: a healthy pair: every ability is looked at, nothing stops sync, nothing in the roots or the state changed.
#[test]
fn all_04_a_healthy_pair_is_told_and_left_as_it_is() {
    let world = World::paired(&[("a", "a"), ("b/c", "c")]);
    let before = [&world.staging, &world.network, &world.state].map(|path| below_all(path));
    let began = Instant::now();
    let object = world.json(DOCTOR, 0);
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    assert_eq!(
        (&object["schema"], &object["outcome"], &object["pair"]),
        (&json!("driftless.doctor/1"), &json!("done"), &json!("network"))
    );
    let sides: Vec<&Value> = object["roots"].as_array().expect("roots").iter().map(|root| &root["side"]).collect();
    assert_eq!(sides, [&json!("network"), &json!("staging")]);
    for root in object["roots"].as_array().expect("roots") {
        assert_eq!(root["answered"], true, "{root:#}");
        for name in
            ["mount", "place", "age", "reachable", "space", "inodes", "times", "clock", "ids", "change-times", "case", "unicode"]
        {
            check(&root["checks"], name);
        }
        for name in [
            "links",
            "hard-links",
            "exchange",
            "modes",
            "link-times",
            "copies",
            "holes",
            "flush",
            "name-length",
            "names",
            "trash",
        ] {
            check(&root["checks"], name);
        }
        stands_at(&root["checks"], "writable", "ok", "yes");
        stands_at(&root["checks"], "replace", "ok", "one step");
        stands_at(&root["checks"], "locks", "ok", "work");
        // Wine replaces no open file.
        if cfg!(unix) {
            stands_at(&root["checks"], "replace-open", "ok", "yes");
        }
        let is_near = place_of_networks().is_none() || root["side"] == "staging";
        let (status, told, come) = if is_near { ("ok", "told", "come") } else { ("limited", "not told", "of this machine's") };
        stands_at(&root["checks"], "open-files", status, told);
        stands_at(&root["checks"], "events", status, come);
    }
    stands_at(&object["checks"], "identity", "ok", "the pair's");
    stands_at(&object["checks"], "manifest", "ok", "2 files");
    stands_at(&object["machine"], "state", "ok", "keeps a database");
    assert_eq!(before, [&world.staging, &world.network, &world.state].map(|path| below_all(path)), "something was left behind");
    world.run(DOCTOR).ends_with(0).says("Nothing stops a sync.").says("This machine");
    world.run(&["doctor", "--verbose", "--wait", "60s"]).ends_with(0).says("  ok        replace: in one step");
    world.in_step();
}

/// ALL-04: any folder: nothing stays behind, not even `.driftless`.
#[test]
fn all_04_a_folder_of_no_pair_is_left_without_a_trace() {
    let world = World::new();
    write(&world.network.join("mine"), "mine");
    let object = doctor(&world, &[&world.network, &world.staging], 0);
    assert_eq!((&object["pair"], &object["roots"][0]["side"]), (&json!(null), &json!(null)), "{object:#}");
    assert_eq!(below_all(&world.network), ["mine"]);
    assert_eq!(below_all(&world.staging), Vec::<String>::new());
    let missing = doctor(&world, &[&world.top().join("missing")], 7);
    assert_eq!((&missing["outcome"], &missing["roots"][0]["answered"]), (&json!("unanswered"), &json!(false)), "{missing:#}");
    world.run_in(&world.top(), &["doctor", "network", "--pair", "x"]).ends_with(2);
    world.run_in(&world.top(), &["doctor"]).ends_with(2).says("no pair");
    assert!(!stands(&world.state), "nothing was paired");
}

/// ALL-04: a root that may not be written is told as far as it can be, and is a problem.
#[cfg(unix)]
#[test]
fn all_04_a_folder_that_may_not_be_written() {
    let mut world = World::new();
    write(&world.network.join("mine"), "mine");
    world.as_nobody();
    chmod(&world.network, 0o555);
    let object = doctor(&world, &[&world.network], 5);
    let checks = &object["roots"][0]["checks"];
    stands_at(checks, "writable", "problem", "no: ");
    assert!(check(checks, "writable")["meaning"].as_str().is_some_and(|text| text.contains("not tried")), "{checks:#}");
    for name in ["mount", "place", "reachable", "space", "trash"] {
        check(checks, name);
    }
    assert_eq!(below_all(&world.network), ["mine"]);
    chmod(&world.network, 0o755);
}

/// ALL-04: what makes every sync stop is a problem, each with a way out.
#[test]
fn all_04_what_stops_sync_is_a_problem() {
    let world = World::paired(&[("a", "a")]);
    let marker = world.network.join(".driftless/root.toml");
    let kept = fs::read(&marker).expect("a marker");
    fs::remove_file(&marker).expect("removed");
    let lost = world.json(DOCTOR, 5);
    stands_at(&lost["checks"], "identity", "problem", "lost its marker");
    assert_eq!(lost["outcome"], "problems");
    write(&marker, "id = 7");
    let bad = world.json(DOCTOR, 5);
    stands_at(&bad["roots"][0]["checks"], "marker", "problem", "cannot be believed");
    write(&marker, kept);
    write(&world.network.join("driftless.toml"), "ignroe = []\n");
    let shared = world.json(DOCTOR, 5);
    stands_at(&shared["roots"][0]["checks"], "settings", "problem", "ignore");
    fs::remove_file(world.network.join("driftless.toml")).expect("removed");
    let pair_file = world.state.join("network/pair.toml");
    let kept = fs::read_to_string(&pair_file).expect("settings");
    write(&pair_file, format!("{kept}durabilty = \"none\"\n"));
    stands_at(&world.json(DOCTOR, 5)["checks"], "pair-settings", "problem", "durability");
    write(&pair_file, &kept);
    world.json(DOCTOR, 0);
    let text = world.run(DOCTOR);
    assert!(!text.stdout.contains("\n  problem"), "{text}");
}

/// ALL-04: a manifest that is damaged or gone stops nothing, and that is said.
#[test]
fn all_04_a_damaged_manifest_is_told() {
    let world = World::paired(&[("a", "a")]);
    let manifest = world.state.join("network/manifest.db");
    let length = fs::metadata(&manifest).expect("a manifest").len() as usize;
    write(&manifest, "no database ".repeat(length / 12));
    stands_at(&world.json(DOCTOR, 0)["checks"], "manifest", "limited", "");
    fs::remove_file(&manifest).expect("removed");
    let gone = world.json(DOCTOR, 0);
    stands_at(&gone["checks"], "manifest", "ok", "none yet");
    stands_at(&gone["checks"], "identity", "limited", "gone");
}

/// ALL-04: who holds the pair's lock is told, and looking takes it from nobody.
#[test]
fn all_04_the_lock_is_told_and_not_taken() {
    let world = World::paired(&[("a", "a")]);
    let path = world.staging.join(".driftless/lock");
    stands_at(&world.json(DOCTOR, 0)["roots"][1]["checks"], "lock", "ok", "free");
    let lock = fs::OpenOptions::new().write(true).open(&path).expect("the lock file");
    lock.lock().expect("locked");
    stands_at(&world.json(DOCTOR, 0)["roots"][1]["checks"], "lock", "ok", "held");
    let another = fs::OpenOptions::new().write(true).open(&path).expect("the lock file");
    assert!(matches!(another.try_lock(), Err(fs::TryLockError::WouldBlock)), "still ours");
}

/// ALL-04: what a trial that was killed left behind goes with a later one.
#[test]
fn all_04_leftovers_of_a_killed_trial_are_swept() {
    let world = World::paired(&[("a", "a")]);
    let left = world.network.join(".driftless/probe-0123456789abcdef");
    write(&left.join("file"), "1");
    touch(&left, 1_600_000_000, 0);
    stands_at(&world.json(DOCTOR, 0)["roots"][0]["checks"], "leftovers", "ok", "1 in");
    assert!(!stands(&left), "it was swept");
}

/// ALL-04: a doctor that is killed leaves no probe: the looking process brings its trial to its end by itself.
#[cfg(unix)]
#[test]
fn all_04_a_killed_doctor_leaves_no_probe() {
    let world = World::new();
    let path = world.network.to_str().expect("text");
    // Killed as soon as a trial has begun; a child that was faster is tried again.
    let caught = (0..50).any(|_| {
        let mut child = world.command(&world.top(), &["doctor", path]).stdout(Stdio::null()).spawn().expect("it starts");
        let mut at_work = false;
        wait_for("a trial", || {
            at_work = stands(&world.network.join(".driftless"));
            at_work || child.try_wait().expect("its state").is_some()
        });
        child.kill().expect("killed");
        child.wait().expect("ended").code().is_none() && at_work
    });
    assert!(caught, "no trial was caught at work");
    wait_for("an empty folder", || below_all(&world.network).is_empty());
    assert!(Tree::of(&world.network).0.is_empty());
}
