//! Hooks, and what stands in the way of a run.

use std::fs;

use super::WAIT;
use crate::harness::{World, read, stands, write};

#[test]
fn hooks_run_with_the_report_and_none_of_their_failures_counts() {
    let world = World::paired(&[("a", "1")]);
    let seen = world.top().join("seen");
    let hook = |word: &str| format!("{word} = \"(echo {word}; cat) >> '{}'\"\n", seen.display());
    let words = ["before_sync", "after_down", "after_up", "on_conflict", "on_offline"];
    let own = world.state.join("network/pair.toml");
    let settings = format!("{}[hooks]\n{}after_sync = \"exit 3\"\n", read(&own), words.map(hook).concat());
    write(&own, settings);
    let ended = world.sh(&["--push-every", "0s"], "echo 2 > b");
    ended.ends_with(0).says("the hook after_sync failed");
    let told = read(&seen);
    let order: Vec<&str> = told.lines().filter(|line| words.contains(line)).collect();
    assert_eq!(order, ["before_sync", "after_down", "before_sync", "after_up"], "{told}");
    let last: serde_json::Value = serde_json::from_str(told.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["schema"], &last["written"]["files"]), (&"driftless.sync/1".into(), &1.into()));
    // `sync` has them too, a dry run has none, and a sync in a hook runs none.
    fs::remove_file(&seen).expect("removed");
    world.run(&["sync", "--dry-run"]).ends_with(0);
    assert!(!stands(&seen));
    write(&world.network.join("a"), "theirs");
    write(&world.staging.join("a"), "mine, longer");
    world.run(&["sync"]).ends_with(3);
    assert!(read(&seen).contains("on_conflict\n{"), "{}", read(&seen));
    // Not all of it went up.
    assert!(!read(&seen).contains("after_up"), "{}", read(&seen));
}

/// The project's file is everybody's who shares it.
#[test]
fn a_hook_in_the_shared_file_is_refused_and_not_run() {
    let world = World::paired(&[("a", "1")]);
    let ran = world.top().join("ran");
    write(&world.network.join("driftless.toml"), format!("[hooks]\nbefore_sync = \"touch '{}'\"\n", ran.display()));
    world.sh(&[], "true").ends_with(1).says("`hooks` does not belong here");
    world.run(&["sync"]).ends_with(1);
    assert!(!stands(&ran));
}

#[test]
fn a_staged_copy_that_is_gone_is_not_made_anew() {
    let world = World::paired(&[("a", "1")]);
    fs::rename(&world.staging, world.top().join("elsewhere")).expect("renamed");
    world.sh(&[], "true").ends_with(4).says("is not there any more").says("staging remove");
    assert!(!stands(&world.staging) && stands(&world.network.join("a")));
}

/// The command empties its folder: nothing is lost.
#[test]
fn what_a_command_deletes_in_a_mass_is_held() {
    let world = World::paired(&[]);
    for n in 0..40 {
        write(&world.network.join(format!("data/{n}")), "x");
    }
    let ended = world.sh(&[], "rm -rf data; echo 2 > b");
    ended.ends_with(4).says("not all results are on the network").says("--allow-deletes");
    assert!(stands(&world.network.join("data/7")) && stands(&world.network.join("b")));
}

/// What somebody else saved while the command worked is not overwritten.
#[test]
fn both_at_one_file_is_a_conflict_that_is_listed_at_the_end() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&["--push-every", "0s"], &format!("{WAIT} echo mine > a; echo > $T/begun; wait_for go"));
    running.tells("begun");
    write(&world.network.join("a"), "theirs");
    running.go("go");
    running.ends().ends_with(3).says("1 conflict");
    assert_eq!((read(&world.network.join("a")), read(&world.staging.join("a"))), ("theirs".to_owned(), "mine\n".to_owned()));
}
