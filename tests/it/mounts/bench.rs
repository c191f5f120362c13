//! `bench` with its own layer before the network root: calls are counted, waits are felt, and no mount stays.

use std::fs;

use crate::harness::World;

fn no_mount_in(world: &World) {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    assert!(!table.contains(world.top().to_str().expect("text")), "{table}");
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
    assert!(first(&far) > 20.0 * 5.0, "{near}\n{far}");
    assert_eq!(
        fs::read_dir(world.top())
            .expect("a listing")
            .filter(|entry| entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().starts_with("driftless-bench")))
            .count(),
        0
    );
    no_mount_in(&world);
}
