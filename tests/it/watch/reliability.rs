//! Where events do not come, or not all of them: no room for watches, no watcher at all, a queue that overflows.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::Watching;
use crate::harness::{World, stands, wait_for, write};

const FOLDERS: usize = 20;

fn world() -> World {
    let mut world = World::new();
    world.set("DRIFTLESS_DURABILITY", "none");
    for n in 0..FOLDERS {
        write(&world.staging.join(format!("folder {n}/a")), n.to_string());
    }
    world.run(&["sync"]).ends_with(0);
    world
}

/// One whose user may have no more than so many watches or instances: a limit of a user namespace, not of the machine.
fn limited(world: &World, limit: &str, count: u32) -> Watching {
    let script = format!("echo {count} > /proc/sys/user/max_inotify_{limit} && exec \"$0\" \"$@\"");
    let mut watching = Watching::start_by(world, &["unshare", "--user", "--map-root-user", "sh", "-c", &script], &[]);
    watching.waits_for("ready");
    watching
}

/// Seconds until everything is looked at again.
fn until_the_next_look(shown: &Value) -> f64 {
    let at = shown["next_look"].as_str().and_then(|text| humantime::parse_rfc3339(text).ok()).expect("a time");
    at.duration_since(std::time::SystemTime::now()).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Saves something in each folder of both roots; a `sync` brings all of it over.
fn carried_when_asked(world: &World, watching: &mut Watching) {
    for n in 0..FOLDERS {
        write(&world.staging.join(format!("folder {n}/a")), format!("edited {n}"));
        write(&world.staging.join(format!("folder {n}/deeper/b")), format!("new {n}"));
    }
    let up = world.json(&["sync", "up"], 0);
    assert_eq!(up["via"], "watch", "{up}");
    for n in 0..FOLDERS {
        assert_eq!(fs::read(world.network.join(format!("folder {n}/a"))).expect("there"), format!("edited {n}").as_bytes());
        assert!(stands(&world.network.join(format!("folder {n}/deeper/b"))));
        write(&world.network.join(format!("folder {n}/theirs")), "theirs");
    }
    world.json(&["sync", "down"], 0);
    assert!((0..FOLDERS).all(|n| stands(&world.staging.join(format!("folder {n}/theirs")))));
    watching.laws(world, &BTreeSet::new());
}

#[test]
fn folders_without_a_watch_are_looked_at_with_each_run() {
    let world = world();
    let mut watching = limited(&world, "watches", 12);
    let shown = watching.shows("rest", |shown| shown["phase"] == "idle");
    for root in ["staging", "network"] {
        let root = &shown["roots"][root];
        assert!(root["bare"].as_u64() > Some(0), "{shown}");
        assert_eq!(root["mode"], "degraded", "{shown}");
        assert!(root["message"].as_str().is_some_and(|text| text.contains("fs.inotify.max_user_watches")), "{shown}");
    }
    assert!(until_the_next_look(&shown) < 90.0, "what is not watched has to be looked at often: {shown}");
    world.run(&["status"]).ends_with(0).says("staging degraded, network degraded");
    carried_when_asked(&world, &mut watching);
}

#[test]
fn folders_that_come_when_there_is_no_room_any_more_are_looked_at_often() {
    let world = world();
    // All that are there, and a few more.
    let mut watching = limited(&world, "watches", 2 * FOLDERS as u32 + 6);
    let shown = watching.shows("rest", |shown| shown["phase"] == "idle");
    assert_eq!(shown["roots"]["staging"]["mode"], "reliable", "{shown}");
    assert!(until_the_next_look(&shown) > 300.0, "{shown}");
    for n in 0..10 {
        write(&world.staging.join(format!("another {n}/a")), n.to_string());
    }
    let shown =
        watching.shows("folders without a watch", |shown| shown["phase"] == "idle" && shown["roots"]["staging"]["bare"] != 0);
    assert!(until_the_next_look(&shown) < 90.0, "{shown}");
    watching.laws(&world, &BTreeSet::new());
}

#[test]
fn where_nothing_can_be_watched_everything_is_looked_at() {
    let world = world();
    let mut watching = limited(&world, "instances", 0);
    let shown = watching.shows("rest", |shown| shown["phase"] == "idle");
    for root in ["staging", "network"] {
        assert_eq!(shown["roots"][root]["mode"], "polling", "{shown}");
        assert_ne!(shown["roots"][root]["message"], Value::Null, "{shown}");
    }
    assert!(until_the_next_look(&shown) < 90.0, "{shown}");
    carried_when_asked(&world, &mut watching);
}

#[test]
fn where_everything_is_watched_it_is_seldom_looked_at() {
    let world = world();
    let watching = Watching::ready(&world, &[]);
    let shown = watching.shows("rest", |shown| shown["phase"] == "idle");
    assert!(until_the_next_look(&shown) > 300.0, "{shown}");
}

/// More events than the system keeps for a process that does not read them: the last ones are dropped, and what they were of
/// arrives all the same.
#[test]
fn a_queue_that_overflows_leads_to_a_look_at_everything() {
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a limit").trim().parse().expect("it");
    let world = world();
    let mut watching = Watching::ready(&world, &[]);
    watching.is_well();
    let before = watching.status()["counters"]["whole_runs"].as_u64();
    watching.signal(Signal::STOP);
    // A write and a close each time; the same twice in a row would be one.
    let mut files = fs::OpenOptions::new();
    for n in 0..limit / 4 * 3 {
        let path = world.staging.join(format!("folder {}/a", n % FOLDERS));
        files.append(true).open(path).and_then(|mut file| file.write_all(b"more")).expect("appended");
    }
    write(&world.staging.join("folder 7/dropped"), "nobody was told of this");
    fs::remove_file(world.staging.join("folder 8/a")).expect("removed");
    watching.signal(Signal::CONT);
    wait_for("what no event tells of", || {
        stands(&world.network.join("folder 7/dropped")) && !stands(&world.network.join("folder 8/a"))
    });
    let shown = watching.shows("rest", |shown| shown["phase"] == "idle");
    assert!(shown["counters"]["lost_events"].as_u64() >= Some(1), "{shown}");
    assert!(shown["counters"]["whole_runs"].as_u64() > before, "{shown}");
    assert_eq!(shown["roots"]["staging"]["mode"], "reliable", "{shown}");
    watching.laws(&world, &BTreeSet::new());
}
