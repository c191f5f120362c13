//! A project on sshfs that nobody paired: detected, staged, cut off in the middle, and back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::staging::{copied, removes_after};
use super::{Running, WAIT};
use crate::git::git;
use crate::harness::{World, read, stands, wait_for, write};
use crate::services::{Loop, Server, Sshfs, is_mounted, run};
use crate::tree::Tree;

/// Fields go in order: the mount before its server.
struct Mounted {
    mount: Option<Sshfs>,
    server: Server,
    served: PathBuf,
    world: World,
}

impl Mounted {
    fn new(options: &str) -> Mounted {
        let mut world = World::new();
        world.set("DRIFTLESS_DURABILITY", "none");
        world.set("DRIFTLESS_SILENCE", "2s");
        let served = world.top().join("served");
        for n in 0..20 {
            write(&served.join(format!("plate {}/well {n}.csv", n % 4)), format!("well {n}\n").repeat(n));
        }
        write(&served.join(".workflow_status/import.success"), "");
        let server = Server::start(&world.top().join("server"));
        let mount = Some(server.mount(&served, &world.network, options));
        Mounted { mount, server, served, world }
    }

    /// In the project's folder, as its users run it.
    fn begins(&self, more: &[&str], script: &str) -> Running {
        let words = [&["run"], more, &["--", "sh", "-c", script]].concat();
        Running::of(self.world.command(&self.world.network, &words), &self.world)
    }

    fn copy(&self) -> PathBuf {
        self.world.state.join(".staging/network")
    }

    fn in_step(&self) {
        Tree::coarse(&self.copy()).assert_same(&Tree::coarse(&self.served), "staging against the server");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.server.is_running() {
            self.server.wake();
        }
    }
}

#[test]
fn ss_01_03_04_a_project_on_a_network_drive_is_found_staged_and_sent_back() {
    let world = Mounted::new("dir_cache=no");
    let detected = world.world.run_in(&world.world.top(), &["detect", "network", "--json"]).json();
    assert_eq!((&detected["needs_staging"], &detected["run"]["pair"]), (&true.into(), &serde_json::Value::Null), "{detected}");
    let ended = world.begins(&[], "pwd; cat 'plate 1/well 5.csv'; echo result > result; rm 'plate 2/well 2.csv'").ends();
    let copy = world.copy();
    assert!(ended.ends_with(0).stdout.starts_with(&format!("{}\nwell 5\n", copy.to_str().expect("text"))), "{ended}");
    ended.says("files synced from the network").says("1 file synced to the network");
    assert_eq!(detected["run"]["staging"]["path"], copy.to_str().expect("text"));
    assert_eq!(read(&world.served.join("result")), "result\n");
    let rights =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(copy.parent().expect("its place")).expect("there").permissions());
    assert_eq!(rights & 0o077, 0, "the place for copies is this user's alone");
    world.in_step();
    // The second run has nothing to take, and finds the same copy.
    let again = world.begins(&[], "pwd").ends();
    assert_eq!((again.stdout.trim(), again.stderr.as_str()), (copy.to_str().expect("text"), ""), "{again}");
}

#[test]
fn ss_11_12_a_drive_that_is_cut_off_takes_nothing_with_it() {
    let mut world = Mounted::new("reconnect,dir_cache=no");
    let script =
        format!("{WAIT} echo 1 > first; echo > $T/begun; wait_for cut; echo 2 > second; echo > $T/second; wait_for go; exit 6");
    let running = world.begins(&["--push-every", "100ms", "--wait", "1s"], &script);
    running.tells("begun");
    wait_for("a push", || stands(&world.served.join("first")));
    world.server.kill();
    running.go("cut");
    running.tells("second");
    running.go("go");
    running.ends().ends_with(6).says("not all results are on the network").says(" alone. `driftless sync up");
    // Still away: the command works on what there is.
    let words = ["run", "--network", "network", "--wait", "1s", "--", "sh", "-c", "cat second; echo 3 > third"];
    world
        .world
        .run_in(&world.world.top(), &words)
        .ends_with(75)
        .says("works with the staged copy as it is")
        .says("changes are in");
    world.server.resume();
    wait_for("the mount to answer", || world.world.network.join("first").exists());
    world.begins(&[], "cat third").ends().ends_with(0);
    assert_eq!(read(&world.served.join("third")), "3\n");
    world.in_step();
}

#[test]
fn ss_12_a_drive_that_is_back_before_the_end_gets_everything() {
    let mut world = Mounted::new("reconnect,dir_cache=no");
    let script = format!("{WAIT} echo > $T/begun; wait_for cut; echo 2 > second; echo > $T/second; wait_for go");
    let running = world.begins(&["--push-every", "0s", "--wait", "60s"], &script);
    running.tells("begun");
    world.server.kill();
    running.go("cut");
    running.tells("second");
    running.go("go");
    // It ends and is waited for; the server comes back under way.
    wait_for("the command's end", || !stands(&world.copy().join(".driftless/steps/open")));
    world.server.resume();
    running.ends().ends_with(0);
    assert_eq!(read(&world.served.join("second")), "2\n");
    world.in_step();
}

/// A mount that drops out leaves an empty local folder, which is nobody's project.
#[test]
fn an_empty_folder_under_a_mount_that_dropped_out_is_not_believed() {
    let mut world = Mounted::new("");
    let script = format!("{WAIT} echo 1 > mine; echo > $T/begun; wait_for go");
    let running = world.begins(&["--push-every", "0s", "--wait", "1s"], &script);
    running.tells("begun");
    world.server.kill();
    world.mount.as_ref().expect("mounted").wait_gone();
    running.go("go");
    running.ends().says("not all results are on the network");
    assert_eq!(fs::read_dir(&world.world.network).expect("a local folder").count(), 0, "written below the mount");
    assert!(stands(&world.copy().join("plate 1/well 5.csv")) && stands(&world.copy().join("mine")));
    world.mount = None;
    world.server.resume();
    world.mount = Some(world.server.mount(&world.served, &world.world.network, ""));
    // Where it was mounted anew, deletes wait for one run; there are none here.
    world.begins(&[], "true").ends().ends_with(0);
    world.in_step();
}

/// Nothing that hangs in the kernel keeps a signal from being heard.
#[test]
fn a_drive_that_hangs_does_not_keep_a_run_from_ending() {
    let mut world = Mounted::new("dir_cache=no");
    world.world.set("DRIFTLESS_SILENCE", "60s");
    let script = format!("{WAIT} echo 1 > mine; echo > $T/begun; wait_for go");
    let running = world.begins(&["--push-every", "0s"], &script);
    running.tells("begun");
    world.server.stall();
    running.go("go");
    wait_for("the command's end", || !stands(&world.copy().join(".driftless/steps/open")));
    let began = Instant::now();
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    let ended = running.ends();
    // Two signals that wait at once are heard in either order.
    assert!([128 + 2, 128 + 15].contains(&ended.code), "{ended}");
    ended.says("1 change is in");
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    world.server.wake();
    world.begins(&[], "true").ends().ends_with(0);
    world.in_step();
}

/// The same where a push hangs when the command ends.
#[test]
fn a_push_that_hangs_does_not_keep_a_run_from_ending() {
    let mut world = Mounted::new("dir_cache=no");
    world.world.set("DRIFTLESS_SILENCE", "60s");
    let script = format!("{WAIT} echo > $T/begun; wait_for go; echo 1 > mine; sleep 0.5; echo > $T/over");
    let running = world.begins(&["--push-every", "1ms"], &script);
    running.tells("begun");
    world.server.stall();
    running.go("go");
    running.tells("over");
    let began = Instant::now();
    // One of them may still have met the command.
    [Signal::INT, Signal::TERM, Signal::HUP].into_iter().for_each(|signal| running.signal(signal));
    let ended = running.ends();
    assert!(ended.code > 128 && began.elapsed() < Duration::from_secs(15), "it took {:?}; {ended}", began.elapsed());
    ended.says("1 change is in");
    world.server.wake();
    world.begins(&[], "true").ends().ends_with(0);
    world.in_step();
}

#[test]
fn something_mounted_in_it_is_not_removed_with_it() {
    let (world, copy) = copied();
    let point = copy.join("mounted");
    fs::create_dir(&point).expect("a folder");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    let _mount = Loop::memory("size=1M", &point);
    write(&point.join("precious"), "1");
    assert!(is_mounted(&point));
    world.staging_remove(&["--yes"]).ends_with(4).says("mounted in it");
    assert!(stands(&point.join("precious")));
}

#[test]
fn something_mounted_while_the_question_stands_is_not_removed_either() {
    let (world, copy) = copied();
    let point = copy.join("mounted");
    fs::create_dir(&point).expect("a folder");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    fs::remove_file(copy.join("a")).expect("removed");
    fs::write(world.network.join("b"), "2").expect("written");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    fs::remove_file(world.network.join("b")).expect("removed");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    let mut mount = None;
    let ended = removes_after(&world, || {
        mount = Some(Loop::memory("size=1M", &point));
        write(&point.join("precious"), "1");
    });
    ended.ends_with(4).says("mounted in it");
    assert!(stands(&point.join("precious")));
}

#[test]
fn what_cannot_be_removed_is_told_and_gone_on_with() {
    let (world, copy) = copied();
    fs::create_dir(copy.join("kept")).expect("a folder");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    let attribute = |word: &str, path: &Path| run("chattr", &[word, path.to_str().expect("text")]);
    attribute("+i", &copy.join("kept"));
    let ended = world.staging_remove(&["--yes"]);
    let going = copy.with_file_name(".going-network");
    attribute("-i", &going.join("kept"));
    ended.ends_with(1).says("goes on from there");
    assert!(stands(&world.state.join("network/pair.toml")));
    world.staging_remove(&[]).ends_with(0);
    assert!(!stands(&going) && !stands(&world.state.join("network")));
}

/// A drive that nobody paired is other people's all the same.
#[test]
fn check_starts_no_git_on_a_drive_that_is_no_pair() {
    let world = Mounted::new("");
    let (trap, hub) = (world.world.top().join("trap"), world.world.top().join("hub.git"));
    git(&world.world.top(), &["init", "-q", "--bare", "hub.git"]);
    git(&world.served, &["init", "-q", "-b", "main"]);
    crate::git::commit(&world.served, "a project");
    git(&world.served, &["remote", "add", "origin", hub.to_str().expect("text")]);
    git(&world.served, &["push", "-q", "-u", "origin", "main"]);
    git(&world.served, &["config", "remote.origin.uploadpack", &format!("touch '{}'; git-upload-pack", trap.display())]);
    let ended = world.world.run_in(&world.world.network.join("plate 0"), &["check"]);
    ended.ends_with(7).says("git was not started").says("driftless git state").says("driftless init");
    assert!(!stands(&trap), "{ended}");
    // Somebody who aims at git means it.
    world.world.run_in(&world.served, &["git", "state"]).ends_with(0);
    assert!(stands(&trap), "the trap is a trap");
}
