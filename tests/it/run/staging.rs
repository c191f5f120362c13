//! `staging list|remove`: never what is in a copy alone.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{WAIT, lists};
use crate::harness::{Ended, World, stands, write};

/// `staging remove` at a terminal, where somebody acts while the question stands there and then says yes.
pub(super) fn removes_after(world: &World, act: impl FnOnce()) -> Ended {
    let plain = world.command(&world.top(), &["staging", "remove", "--pair", "network"]);
    let quoted = |text: &OsStr| format!("'{}'", text.to_str().expect("text"));
    let line: Vec<String> = std::iter::once(plain.get_program()).chain(plain.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["-qefc", &line.join(" "), "/dev/null"]).current_dir(world.top()).env_clear().env("TERM", "xterm");
    script.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().expect("script, of util-linux");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("[y/N]") {
        let mut byte = [0];
        let read = child.stdout.as_mut().expect("a pipe").read(&mut byte).expect("read");
        assert!(read == 1, "it never asked: {}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    act();
    child.stdin.take().expect("a pipe").write_all(b"y\n").expect("typed");
    Ended::of(child.wait_with_output().expect("it ends"))
}

/// A pair whose staged copy was made in its place.
pub(super) fn copied() -> (World, PathBuf) {
    let mut world = World::new();
    write(&world.network.join("a"), "1");
    world.run_in(&world.top(), &["init", "--network", "network"]).ends_with(0);
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    let copy = world.state.join(".staging/network");
    assert_eq!(lists(&copy), ["a"]);
    world.staging.clone_from(&copy);
    (world, copy)
}

impl World {
    pub(super) fn staging_remove(&self, more: &[&str]) -> Ended {
        self.run_in(&self.top(), &[&["staging", "remove", "--pair", "network"], more].concat())
    }
}

#[test]
fn ss_03_a_copy_that_is_on_the_network_is_removed_and_made_anew_by_the_next_run() {
    let (world, copy) = copied();
    let listed = world.run_in(&world.top(), &["staging", "list", "--json"]).json();
    assert_eq!((&listed["copies"][0]["state"], &listed["copies"][0]["unsent"]), (&json!("idle"), &json!(0)), "{listed}");
    world.run_in(&world.top(), &["staging", "list"]).ends_with(0).says("all sent");
    world.staging_remove(&[]).ends_with(0).says("Removed");
    assert_eq!(fs::read_dir(copy.parent().expect("its place")).expect("there").count(), 0);
    assert!(!stands(&world.state.join("network")));
    assert_eq!(lists(&world.network), ["a"]);
    world.run_in(&world.top(), &["staging", "list"]).ends_with(0).says("No staged copies");
    world.run_in(&world.top(), &["init", "--network", "network"]).ends_with(0);
    world.sh(&[], "cat a").ends_with(0).says("1");
}

#[test]
fn ss_03_what_is_in_a_copy_alone_keeps_it() {
    let (world, copy) = copied();
    let stays = |why: &str, code: i32| {
        let before = lists(&copy);
        world.staging_remove(&["--wait", "10ms", "--yes"]).ends_with(code).says("stays").says(why);
        assert_eq!(lists(&copy), before);
        assert!(stands(&world.state.join("network/pair.toml")));
    };
    write(&copy.join("b"), "2");
    stays("not in step", 4);
    world.run_in(&world.top(), &["staging", "list"]).says("1 change not sent");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    // A file that somebody removed on the drive is nowhere else.
    fs::remove_file(world.network.join("b")).expect("removed");
    stays("not in step", 4);
    write(&world.network.join("a"), "theirs");
    write(&copy.join("a"), "mine, longer");
    stays("1 conflict", 4);
    fs::rename(&world.network, world.top().join("away")).expect("renamed");
    stays("cannot be looked at", 4);
}

#[test]
fn what_patterns_leave_out_and_the_trash_are_asked_about() {
    let (world, copy) = copied();
    write(&copy.join("b"), "2");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    fs::remove_file(world.network.join("b")).expect("removed");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    write(&copy.join("x.tmp"), "ignored");
    write(&world.state.join("network/pair.toml"), {
        let text = crate::harness::read(&world.state.join("network/pair.toml"));
        format!("{text}ignore = [\"*.tmp\"]\n")
    });
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    world.staging_remove(&[]).ends_with(4).says("1 file that patterns leave out and 1 version in its trash are in");
    assert_eq!(lists(&copy), ["a", "x.tmp"]);
    // What came after the question was asked is not in its answer.
    removes_after(&world, || write(&copy.join("y.tmp"), "ignored too")).ends_with(4).says("changed while it was looked at");
    assert_eq!(lists(&copy), ["a", "x.tmp", "y.tmp"]);
    world.staging_remove(&["--yes"]).ends_with(0);
    assert!(!stands(&copy));
}

#[test]
fn a_removal_that_was_cut_off_is_gone_on_with() {
    let (world, copy) = copied();
    let beside = |state: &str| copy.with_file_name(format!(".{state}-network"));
    // Before anything was removed: it is looked at anew.
    write(&copy.join("b"), "2");
    fs::rename(&copy, beside("looked-at")).expect("renamed");
    world.run_in(&world.top(), &["staging", "list"]).says("gone");
    world.staging_remove(&[]).ends_with(4).says("not in step");
    assert_eq!(lists(&copy), ["a", "b"]);
    // In the middle: half a copy is no staging whose files were deleted.
    fs::rename(&copy, beside("going")).expect("renamed");
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(4);
    assert_eq!(lists(&world.network), ["a"]);
    world.staging_remove(&[]).ends_with(0);
    assert!(!stands(&beside("going")) && !stands(&world.state.join("network")));
}

#[test]
fn what_an_earlier_removal_left_does_not_keep_a_later_copy() {
    let (world, copy) = copied();
    write(&copy.with_file_name(".going-network").join("left"), "1");
    world.staging_remove(&["--yes"]).ends_with(0);
    assert_eq!(fs::read_dir(copy.parent().expect("its place")).expect("there").count(), 0);
}

#[test]
fn a_copy_that_its_user_deleted_can_be_forgotten() {
    let (world, copy) = copied();
    fs::remove_dir_all(&copy).expect("removed");
    world.staging_remove(&[]).ends_with(4).says("is not there any more");
    world.staging_remove(&["--yes"]).ends_with(0);
    assert!(!stands(&world.state.join("network")) && stands(&world.network.join("a")));
}

/// Also where somebody else than `run` makes the first one, and where a home folder is a link.
#[test]
fn the_place_for_copies_is_closed_to_others() {
    let mut world = World::new();
    let real = world.top().join("real");
    fs::create_dir(&real).expect("a folder");
    std::os::unix::fs::symlink(&real, world.top().join("link")).expect("a link");
    world.set("DRIFTLESS_STAGING_HOME", world.top().join("link/copies").to_str().expect("text"));
    write(&world.network.join("a"), "1");
    world.run_in(&world.top(), &["init", "--network", "network"]).ends_with(0);
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(0);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&real.join("copies")), 0o700);
    assert!(stands(&real.join("copies/network/a")));
    world.staging_remove(&[]).ends_with(0);
}

#[test]
fn a_copy_that_is_used_stays() {
    let (world, copy) = copied();
    let running = world.begins(&[], &format!("{WAIT} echo > $T/begun; wait_for go"));
    running.tells("begun");
    world.staging_remove(&["--yes"]).ends_with(8).says("somebody works with it");
    world.run_in(&world.top(), &["staging", "list"]).says("running");
    running.go("go");
    running.ends().ends_with(0);
    world.run_in(&world.top(), &["watch", "--detach", "--pair", "network"]).ends_with(0);
    world.staging_remove(&["--yes"]).ends_with(8);
    world.run_in(&world.top(), &["stop", "--pair", "network"]).ends_with(0);
    assert_eq!(lists(&copy), ["a"]);
}

#[test]
fn a_copy_in_which_a_program_has_a_file_open_stays() {
    let (world, copy) = copied();
    // All of it is on the network, and the next line that is written would be nowhere.
    let mut held = Command::new("sh");
    held.args(["-c", "exec 3>>a; echo; read x"]).current_dir(&copy).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut held = held.spawn().expect("a shell");
    held.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("it is ready");
    world.staging_remove(&["--yes"]).ends_with(4).says("works in it, at");
    assert_eq!(lists(&copy), ["a"]);
    drop(held.stdin.take());
    held.wait().expect("it ends");
    world.staging_remove(&["--yes"]).ends_with(0);
}

#[test]
fn a_place_that_its_user_chose_is_the_users_to_remove() {
    let world = World::paired(&[("a", "1")]);
    world.staging_remove(&["--yes"]).ends_with(4).says("its place was chosen by you");
    assert_eq!(lists(&world.staging), ["a"]);
    fs::remove_dir_all(&world.staging).expect("removed");
    let beside = world.staging.with_file_name(".going-staging");
    write(&beside.join("precious"), "1");
    world.staging_remove(&["--yes"]).ends_with(0);
    assert!(stands(&beside.join("precious")));
    assert!(!stands(&world.state.join("network")));
}
