//! `staging list|remove`: never what is in a copy alone.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::{WAIT, lists};
use crate::harness::{Ended, World, stands, write};

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
    world.staging_remove(&["--yes"]).ends_with(0);
    assert!(!stands(&copy));
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
fn a_place_that_its_user_chose_is_the_users_to_remove() {
    let world = World::paired(&[("a", "1")]);
    world.staging_remove(&["--yes"]).ends_with(4).says("its place was chosen by you");
    assert_eq!(lists(&world.staging), ["a"]);
}
