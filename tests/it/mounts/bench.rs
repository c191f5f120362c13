//! `bench` with its own layer before the network root: calls are counted, waits are felt, and no mount stays.

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Ended, World, wait_for};

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("the mounts")
}

fn nothing_is_left(world: &World) {
    let is_ours = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("driftless-bench");
    assert_eq!(fs::read_dir(world.top()).expect("a listing").flatten().filter(is_ours).count(), 0);
    assert!(!mounts().contains(world.top().to_str().expect("text")), "{}", mounts());
}

/// What reaches the network root is counted by kind, and a far one takes longer.
#[test]
fn bench_counts_calls_and_waits() {
    let world = World::new();
    let place = world.top();
    let run = |latency: &str| {
        let place = place.to_str().expect("text");
        let typed = ["bench", "--staging", place, "--files=20", "--peers=rsync", "--rounds=1", "--scenarios=first,nothing,event"];
        let more = ["--events=1", "--json", "--latency", latency];
        world.run_in(&world.top(), &[&typed[..], &more[..]].concat()).ends_with(0).json()
    };
    let near = run("0");
    for row in near["results"].as_array().expect("results").iter().filter(|row| row["scenario"] == "first") {
        let calls = &row["readings"][0]["network"]["calls"];
        assert!(calls["lookup"].as_u64().is_some_and(|count| count > 20), "{row}");
        assert!(calls["create"].as_u64().is_some_and(|count| count >= 20), "{row}");
        assert!(row["readings"][0]["network"]["written_bytes"].as_u64() >= near["sizes"][0]["bytes"].as_u64(), "{row}");
        assert!(row["calls"]["median"].as_f64().is_some_and(|calls| calls > 40.0), "{row}");
    }
    let far = run("5");
    assert_eq!(far["latency"]["wait_ms"], 5.0, "{far}");
    let first = |object: &serde_json::Value| object["results"][1]["wall_ms"]["median"].as_f64().expect("a time");
    // rsync asks one thing after the other: its calls wait one after the other.
    assert!(first(&far) > 20.0 * 8.0 * 5.0, "eight calls a file at least: {near}\n{far}");
    nothing_is_left(&world);
}

/// Ctrl-C while a tool works behind the layer.
#[test]
fn ctrl_c_takes_the_layer_down_too() {
    let world = World::new();
    let place = world.top();
    let place = place.to_str().expect("text");
    let typed = ["bench", "--staging", place, "--latency=20", "--files=500", "--peers=rsync", "--scenarios=first"];
    let child = world.command(&world.top(), &typed).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for("a tool behind the layer", || mounts().contains(place));
    kill_process(Pid::from_child(&child), Signal::INT).expect("our own child");
    Ended::of(child.wait_with_output().expect("its end")).ends_with(130).says("It was stopped");
    nothing_is_left(&world);
}
