//! A network root on sshfs that goes away: before a run, in the middle of one, leaving an empty folder or an error.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::project;
use crate::ground::{Ended, Ground, bytes, ended, then, write};
use crate::harness::{below_all, wait_for};
use crate::services::{Server, Sshfs};
use crate::tree::{Tree, temps};

/// Fields go in order: the mount before its server.
struct Vanishing {
    mount: Option<Sshfs>,
    server: Server,
    served: PathBuf,
    ground: Ground,
}

impl Vanishing {
    /// A pair in step, its network root on a mount without `reconnect`.
    fn new() -> Vanishing {
        let ground = Ground::new();
        let served = ground.place("served");
        fs::create_dir(&served).expect("a folder to serve");
        project(&served);
        let server = Server::start(&ground.place("server"));
        let mount = server.mount(&served, &ground.network, "");
        ground.synced(&[]);
        Vanishing { mount: Some(mount), server, served, ground }
    }

    /// The server comes back and is mounted again.
    fn returns(&mut self) {
        self.mount = None;
        self.server.resume();
        self.mount = Some(self.server.mount(&self.served, &self.ground.network, ""));
    }

    fn mount(&mut self) -> &mut Sshfs {
        self.mount.as_mut().expect("mounted")
    }

    fn completes(&self) {
        let Vanishing { ground, served, .. } = self;
        let mut again = ground.sync(&[]);
        // Where something else was mounted meanwhile it has another device number, and deletes wait for one run.
        if again.code == Some(4) && again.json["notes"].to_string().contains("mounted anew") {
            again = ground.sync(&[]);
        }
        assert_eq!(again.code, Some(0), "once the mount is back: {again:#?}");
        Tree::coarse(&ground.staging).assert_same(&Tree::coarse(served), "once the mount is back");
        assert_eq!(temps(served), Vec::<PathBuf>::new(), "names in the making");
        ground.synced(&[]).did_nothing();
    }
}

#[test]
fn a_mount_that_dropped_out_from_under_its_path_is_refused() {
    let mut world = Vanishing::new();
    write(&world.ground.staging.join("new.txt"), b"a new result", then(9));
    world.server.kill();
    world.mount().wait_gone();
    let left = fs::read_dir(&world.ground.network).expect("a local folder").count();
    assert_eq!(left, 0, "the folder under the mount is empty and local");
    let (staging, served) = (Tree::of(&world.ground.staging), Tree::of(&world.served));
    for words in [&[][..], &["up"], &["down"], &["--yes", "--allow-deletes"]] {
        let refused = world.ground.sync(&[words, &["--wait", "100ms"]].concat());
        assert!([Some(4), Some(75)].contains(&refused.code), "{words:?}: {refused:#?}");
        staging.assert_same(&Tree::of(&world.ground.staging), "staging after a refused run");
        let made: Vec<_> = fs::read_dir(&world.ground.network).expect("a listing").collect();
        assert!(made.is_empty(), "{words:?} wrote into the local folder: {made:?}");
    }
    served.assert_same(&Tree::of(&world.served), "the server's folder");
    world.returns();
    world.completes();
}

#[test]
fn a_mount_whose_daemon_died_is_offline() {
    let mut world = Vanishing::new();
    write(&world.ground.staging.join("new.txt"), b"a new result", then(9));
    write(&world.ground.staging.join("plate-1/well 01.csv"), b"another version", then(9));
    let staging = Tree::of(&world.ground.staging);
    world.mount().kill_daemon();
    let began = Instant::now();
    for words in [&[][..], &["up"], &["down"]] {
        let offline = world.ground.sync(&[words, &["--wait", "1s"]].concat());
        assert_eq!(offline.code, Some(75), "{words:?}: {offline:#?}");
        says_what_is_kept(&offline);
        staging.assert_same(&Tree::of(&world.ground.staging), "staging after a run that could not reach the network");
    }
    assert!(began.elapsed() < Duration::from_secs(15), "--wait was 1 s three times, and it took {:?}", began.elapsed());
    world.returns();
    world.completes();
}

fn says_what_is_kept(offline: &Ended) {
    let words = offline.words();
    assert!(words.contains("network root") || words.contains("Transport endpoint"), "which root: {words:?}");
    assert!(offline.json["outcome"] == "offline", "{offline:#?}");
}

#[test]
fn a_daemon_that_dies_is_told_to_people_with_what_is_safe() {
    let mut world = Vanishing::new();
    write(&world.ground.staging.join("new.txt"), b"a new result", then(9));
    world.mount().kill_daemon();
    let mut command = world.ground.command(&[], &["sync", "up", "--wait", "200ms"]);
    let output = command.output().expect("the program starts");
    let words = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert_eq!(output.status.code(), Some(75), "{words}");
    assert!(words.contains("not reachable"), "what happened: {words}");
    assert!(words.contains("safe in staging") || words.contains("Nothing is lost"), "what is kept: {words}");
}

#[test]
fn a_mount_that_is_back_within_the_wait_is_waited_for() {
    let mut world = Vanishing::new();
    write(&world.ground.staging.join("new.txt"), b"a new result", then(9));
    world.mount().kill_daemon();
    let mut command = world.ground.command(&[], &["sync", "up", "--json", "--wait", "60s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut told = String::new();
    stderr.read_line(&mut told).expect("a line");
    assert!(told.contains("Waiting for the network root to come back"), "{told}");
    // The path is an empty local folder for a moment, longer than the first pauses between two tries.
    world.mount = None;
    std::thread::sleep(Duration::from_millis(900));
    world.returns();
    let up = ended(child.wait_with_output().expect("its end"));
    assert_eq!((up.code, &up.json["written"]["files"]), (Some(0), &serde_json::Value::from(1)), "{up:#?}");
    world.completes();
}

/// The count is of staging against the base alone: the network is not there to be asked.
#[test]
fn what_is_not_on_the_network_yet_is_counted_without_it() {
    let mut world = Vanishing::new();
    let staging = world.ground.staging.clone();
    write(&staging.join("results/new.txt"), b"a new result", then(9));
    write(&staging.join("plate-1/well 01.csv"), b"another version", then(9));
    fs::remove_file(staging.join("plate-2/well 02.csv")).expect("a delete");
    // Another stamp, the same content: no change of content, but a time.
    write(&staging.join("plate-3/well 03.csv"), &bytes(3, 620), then(77));
    world.mount().kill_daemon();
    for words in [&["up"][..], &["down"], &[]] {
        let offline = world.ground.sync(&[words, &["--wait", "0s"]].concat());
        assert_eq!(offline.code, Some(75), "{offline:#?}");
        // The folder `results` and its file, an edit, a delete, a time.
        assert_eq!(offline.json["pending"], serde_json::json!({"up": 5, "down": 0}), "{offline:#?}");
    }
    let mut command = world.ground.command(&[], &["sync", "up", "--wait", "0s"]);
    let text = command.output().expect("the program starts").stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("5 changes of staging are not on the network yet"), "{text}");
    let status = world.ground.command(&[], &["status", "--json"]).output().expect("the program starts");
    let status = ended(status);
    assert_eq!(status.json["pending"], serde_json::json!({"up": 5, "down": 0}), "{status:#?}");
    assert_eq!(status.json["in_step"], serde_json::Value::Null, "{status:#?}");
    world.returns();
    world.completes();
    world.mount().kill_daemon();
    let offline = world.ground.sync(&["--wait", "0s"]);
    assert_eq!((offline.code, &offline.json["pending"]["up"]), (Some(75), &serde_json::Value::from(0)), "{offline:#?}");
    // Without a base nobody knows, and nothing is claimed.
    world.returns();
    let relinked = world.ground.command(&[], &["relink"]).output().expect("the program starts");
    assert!(relinked.status.success(), "{relinked:?}");
    write(&staging.join("results/newer.txt"), b"a newer result", then(10));
    world.mount().kill_daemon();
    let offline = world.ground.sync(&["--wait", "0s"]);
    assert_eq!((offline.code, &offline.json["pending"]["up"]), (Some(75), &serde_json::Value::from(0)), "{offline:#?}");
}

/// Starts a run that moves 400 files, and takes the server away once some are there.
fn cut_in_the_middle(world: &mut Vanishing, words: &[&str]) -> std::process::Child {
    const FILES: u64 = 400;
    let down = words.contains(&"down");
    let source = if down { world.served.clone() } else { world.ground.staging.clone() };
    for n in 0..FILES {
        write(&source.join(format!("big-{}/{n:03}.bin", n % 8)), &bytes(7_000 + n, 96 << 10), then(n));
    }
    // Behind the mount's cache of names.
    if down {
        world.mount = None;
        world.mount = Some(world.server.mount(&world.served, &world.ground.network, ""));
    }
    let mut command = world.ground.command(&[], words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let target = if down { world.ground.staging.clone() } else { world.served.clone() };
    wait_for("the first files", || fs::read_dir(target.join("big-0")).is_ok_and(|listing| listing.count() > 5));
    world.server.kill();
    child
}

#[test]
fn a_server_that_is_back_within_the_wait_lets_the_same_run_go_on() {
    for direction in ["up", "down"] {
        let mut world = Vanishing::new();
        let child = cut_in_the_middle(&mut world, &["sync", direction, "--json", "--wait", "60s"]);
        world.mount().wait_gone();
        world.returns();
        let run = ended(child.wait_with_output().expect("its end"));
        assert_eq!(run.code, Some(0), "{run:#?}");
        // What was shown before the base could say so is found there again.
        let carried = run.json["written"]["files"].as_u64().zip(run.json["adopted"].as_u64()).map(|(new, found)| new + found);
        assert_eq!(carried, Some(400), "what was carried before and after: {run:#?}");
        world.completes();
    }
}

#[test]
fn a_server_killed_in_the_middle_of_a_down_is_offline_and_the_next_run_completes() {
    let mut world = Vanishing::new();
    let child = cut_in_the_middle(&mut world, &["sync", "down", "--json", "--wait", "1s"]);
    let served = Tree::of(&world.served);
    let down = ended(child.wait_with_output().expect("its end"));
    assert_eq!(down.code, Some(75), "{down:#?}");
    world.mount().wait_gone();
    assert_eq!(fs::read_dir(&world.ground.network).expect("a listing").count(), 0, "written into the local folder");
    let there = Tree::shown(&world.ground.staging);
    for (path, thing) in &there.0 {
        assert_eq!(served.0.get(path).map(|on_server| &on_server.kind), Some(&thing.kind), "{path:?} is half-written or unknown");
    }
    assert!(there.0.len() < served.0.len(), "the server was to be killed in the middle");
    // Nothing that was not fetched yet is a delete for anybody.
    world.returns();
    world.ground.synced(&["up"]);
    served.assert_same(&Tree::of(&world.served), "after an `up` from half a staging");
    world.completes();
}

/// What is mounted in the place of the share that went away.
#[derive(Clone, Copy, Debug)]
enum Other {
    Empty,
    AnotherShare,
    AnotherPairs,
}

#[test]
fn a_share_that_comes_back_as_something_else_is_refused_within_the_same_run() {
    for other in [Other::Empty, Other::AnotherShare, Other::AnotherPairs] {
        let mut world = Vanishing::new();
        let place = world.ground.place("other");
        fs::create_dir(&place).expect("another folder to serve");
        match other {
            Other::Empty => {}
            Other::AnotherShare => project(&place),
            Other::AnotherPairs => {
                let (home, staging) = (world.ground.place("other home"), world.ground.place("other staging"));
                project(&place);
                let mut pairing = std::process::Command::new(env!("CARGO_BIN_EXE_driftless"));
                pairing.arg("sync").arg("--network").arg(&place).arg("--staging").arg(staging).env("DRIFTLESS_HOME", home);
                assert!(pairing.output().expect("the program starts").status.success(), "another pair");
            }
        }
        let before = below_all(&place);
        let child = cut_in_the_middle(&mut world, &["sync", "up", "--json", "--allow-deletes", "--wait", "2s"]);
        world.mount().wait_gone();
        world.mount = None;
        world.server.resume();
        let (staging, served) = (Tree::of(&world.ground.staging), Tree::shown(&world.served));
        world.mount = Some(world.server.mount(&place, &world.ground.network, ""));
        let refused = ended(child.wait_with_output().expect("its end"));
        assert!([Some(4), Some(75)].contains(&refused.code), "{other:?}: {refused:#?}");
        for words in [&["up"][..], &["down"], &["--allow-deletes"]] {
            let again = world.ground.sync(&[words, &["--wait", "100ms"]].concat());
            assert_eq!(again.code, Some(4), "{other:?} {words:?}: {again:#?}");
        }
        assert_eq!(below_all(&place), before, "{other:?}: written into something else");
        staging.assert_same(&Tree::of(&world.ground.staging), "staging");
        served.assert_same(&Tree::shown(&world.served), "the share that went away");
        world.returns();
        world.completes();
    }
}

#[test]
fn a_share_that_is_mounted_anew_with_other_ids_and_coarser_times_is_no_change() {
    let mut world = Vanishing::new();
    let (staging, served) = (Tree::of(&world.ground.staging), Tree::of(&world.served));
    for options in ["nomap=ignore,cache=no", "uid=1234,gid=1234,umask=0", "idmap=user,dcache_timeout=60"] {
        world.mount = None;
        world.mount = Some(world.server.mount(&world.served, &world.ground.network, options));
        for words in [&["up"][..], &["down"], &[], &["--verify"]] {
            let run = world.ground.sync(words);
            assert_eq!(run.code, Some(0), "{options} {words:?}: {run:#?}");
            run.json["written"]["files"].as_u64().filter(|&files| files == 0).expect("no file is written again");
        }
        assert_eq!(staging.clone().coarser(), Tree::coarse(&world.ground.staging), "{options}: staging");
        assert_eq!(served.clone().coarser(), Tree::coarse(&world.served), "{options}: the share");
    }
}

#[test]
fn a_server_killed_in_the_middle_of_an_up_is_offline_and_the_next_run_completes() {
    let mut world = Vanishing::new();
    const FILES: u64 = 400;
    for n in 0..FILES {
        write(&world.ground.staging.join(format!("big-{}/{n:03}.bin", n % 8)), &bytes(7_000 + n, 512 << 10), then(n));
    }
    let before = Tree::shown(&world.served);
    let mut command = world.ground.command(&[], &["sync", "up", "--json", "--wait", "1s"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let first = world.served.join("big-0");
    wait_for("the first files on the server", || fs::read_dir(&first).is_ok_and(|listing| listing.count() > 10));
    world.server.kill();
    let killed = ended(child.wait_with_output().expect("its end"));
    assert_eq!(killed.code, Some(75), "{killed:#?}");
    world.mount().wait_gone();
    assert_eq!(fs::read_dir(&world.ground.network).expect("a listing").count(), 0, "written into the local folder");
    let (staging, served) = (Tree::of(&world.ground.staging), Tree::shown(&world.served));
    let there = served.0.keys().filter(|path| path.starts_with(b"big-0/") || !before.0.contains_key(*path)).count() as u64;
    assert!(there < FILES, "the server was to be killed in the middle, and {there} paths were there");
    for (path, entry) in &served.0 {
        let old_or_new = before.0.get(path).map(|old| &old.kind) == Some(&entry.kind)
            || staging.0.get(path).map(|new| &new.kind) == Some(&entry.kind);
        assert!(old_or_new, "{} is half-written on the server: {entry:?}", path.escape_ascii());
    }
    world.returns();
    world.completes();
    staging.coarser().assert_same(&Tree::coarse(&world.ground.staging), "staging was written by `up`");
}
