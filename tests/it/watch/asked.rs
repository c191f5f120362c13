//! Many who ask at once, one who does not listen, and answers that a dying process does not give.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Watching;
use super::life::{in_the_middle, many};
use crate::harness::{Ended, World, read, stands, wait_for, write};

fn ended(child: Child) -> Ended {
    Ended::of(child.wait_with_output().expect("its end"))
}

#[test]
fn everybody_who_asks_at_once_finds_their_own_change_carried() {
    let mut world = World::paired(&[("a", "a")]);
    world.set("DRIFTLESS_DURABILITY", "none");
    let mut watching = Watching::ready(&world, &[]);
    std::thread::scope(|scope| {
        for person in 0..6 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..5 {
                    let (path, text) = (format!("of {person}"), format!("round {round}"));
                    write(&world.staging.join(&path), &text);
                    let object = world.json(&["sync", "up"], 0);
                    assert_eq!(object["via"], "watch", "{object}");
                    assert_eq!(read(&world.network.join(&path)), text, "{object}");
                }
            });
        }
    });
    watching.laws(&world, &BTreeSet::new());
}

/// Who waits for an answer does it alone where the process goes away.
#[test]
fn a_sync_outlives_the_watch_process_that_it_asked() {
    for (signal, code) in [(Signal::KILL, -9), (Signal::TERM, 143)] {
        let world = many(1_200);
        let mut watching = in_the_middle(&world);
        let asking = world.start(&["sync", "--json"]);
        let socket = watching.socket.to_str().expect("text").to_owned();
        // One that listens, and one for whoever asks.
        let connected = || fs::read_to_string("/proc/net/unix").is_ok_and(|text| text.matches(&socket).count() > 1);
        wait_for("the question", connected);
        watching.signal(signal);
        watching.ends().ends_with(code);
        let done = ended(asking);
        done.ends_with(0);
        assert_eq!(done.json()["via"], "scan", "{done}");
        world.in_step();
    }
}

/// What was seen meanwhile is carried as soon as the other run lets go, without another event.
#[test]
fn a_run_of_somebody_else_is_waited_for() {
    let world = many(1_200);
    let mut watching = Watching::ready(&world, &[]);
    watching.is_well();
    let runs = |shown: &Value| shown["counters"]["runs"].as_u64().expect("a number");
    let before = runs(&watching.status());
    let other = File::open(world.staging.join(".driftless/lock")).expect("the pair's lock");
    other.lock().expect("held by nobody for long");
    write(&world.staging.join("seen meanwhile"), "seen");
    // More than what waits with growing pauses would be tried in the time.
    let began = Instant::now();
    watching.shows("tries in vain", |shown| runs(shown) >= before + 8);
    assert!(began.elapsed() < Duration::from_secs(10), "eight tries took {:?}", began.elapsed());
    assert!(!stands(&world.network.join("seen meanwhile")));
    drop(other);
    wait_for("what was seen meanwhile", || stands(&world.network.join("seen meanwhile")));
    assert_eq!(watching.status()["counters"]["whole_runs"], 1, "what was seen was known");
    watching.laws(&world, &BTreeSet::new());
}

/// Somebody who asks for the events and never reads them, and one who begins a question and never ends it.
#[test]
fn who_does_not_listen_holds_nobody_up() {
    let mut world = World::paired(&[("a", "a")]);
    world.set("DRIFTLESS_DURABILITY", "none");
    let mut watching = Watching::ready(&world, &[]);
    let ask = |text: &[u8]| {
        let mut stream = UnixStream::connect(&watching.socket).expect("somebody listens");
        stream.write_all(text).expect("asked");
        stream
    };
    let half = b"POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{";
    let events = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let deaf: Vec<UnixStream> = (0..8).map(|n| ask(if n % 2 == 0 { &half[..] } else { &events[..] })).collect();
    for round in 0..25 {
        for n in 0..10 {
            write(&world.staging.join(format!("folder {n}/file")), format!("round {round}"));
        }
        world.json(&["sync", "up"], 0);
    }
    watching.laws(&world, &BTreeSet::new());
    drop(deaf);
    watching.is_well();
}

#[test]
fn status_watch_tells_line_by_line_until_the_end() {
    let world = World::paired(&[("a", "a")]);
    let mut watching = Watching::ready(&world, &[]);
    let shown = world.top().join("shown");
    let mut command = world.command(&world.top(), &world.arguments(&["status", "--watch"]));
    let mut following = command.stdout(File::create(&shown).expect("new")).spawn().expect("the program starts");
    let shows = |part: &str| wait_for(part, || read(&shown).contains(part));
    shows("network: idle, staging reliable, network reliable\n");
    write(&world.staging.join("b"), "b");
    shows("1 file written, 0 deleted");
    world.run(&["pause"]).ends_with(0);
    shows("network: paused");
    watching.signal(Signal::TERM);
    watching.ends().ends_with(143);
    let mut status = None;
    wait_for("the end of who follows", || {
        status = following.try_wait().expect("our own child");
        status.is_some()
    });
    assert!(status.is_some_and(|status| status.success()), "{}", read(&shown));
    assert_eq!(world.json(&["status"], 0)["watch"], json!(null));
    assert!(!stands(&watching.socket));
}
