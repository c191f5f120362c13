//! A network root on sshfs that goes away: before a run, in the middle of one, leaving an empty folder or an error.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::project;
use crate::ground::{Ended, Ground, bytes, ended, then, write};
use crate::harness::wait_for;
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
        let again = ground.sync(&[]);
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
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    std::thread::sleep(Duration::from_millis(700));
    world.returns();
    let up = ended(child.wait_with_output().expect("its end"));
    // The path is an empty local folder for a moment, between the unmount and the next mount: a refusal is right then.
    assert!([Some(0), Some(4)].contains(&up.code), "{up:#?}");
    world.completes();
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
