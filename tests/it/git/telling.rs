//! What the loops, the health and the errors say: a dead loop is visible, and no end is called good that is not.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::faults::script;
use super::{Hub, git, head};
use crate::harness::{Ended, read, stands, wait_for, write};

/// A watch process with its status file.
struct Loops {
    child: Option<Child>,
    status: std::path::PathBuf,
}

impl Loops {
    fn begin(hub: &Hub, clone: &Path, run: &str) -> Loops {
        let words = ["git", "watch", "--json", "--every", "40ms", "--tick-every", "60ms", "--run", run];
        let mut command = hub.world.command(clone, &words);
        let child = command.env("T", hub.top()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        Loops { child: Some(child), status: clone.join(".git/driftless/watch.json") }
    }

    fn board(&self) -> Value {
        if stands(&self.status) { serde_json::from_str(&read(&self.status)).expect("JSON at any time") } else { Value::Null }
    }

    fn end(mut self) {
        let child = self.child.take().expect("not ended yet");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        Ended::of(child.wait_with_output().expect("it ends")).ends_with(143);
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

#[test]
fn a_tick_that_fails_is_not_hidden_by_a_sync_that_works() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let loops = Loops::begin(&hub, &clone, "exit 3");
    wait_for("two failures", || loops.board()["tick"]["consecutive_failures"].as_u64() > Some(1));
    wait_for("a sync", || loops.board()["sync"]["last_success_at"].is_string());
    let board = loops.board();
    assert_eq!((&board["sync"]["consecutive_failures"], &board["tick"]["last_success_at"]), (&0.into(), &Value::Null), "{board}");
    assert!(board["consecutive_failures"].as_u64() > Some(1), "{board}");
    assert!(board["tick"]["message"].as_str().is_some_and(|text| text.contains("exit 3")), "{board}");
    loops.end();
}

#[test]
fn a_tick_that_hangs_is_seen_and_a_turn_that_is_waited_for_is_no_success() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let loops = Loops::begin(&hub, &clone, "echo >$T/begun; until [ -e $T/go ]; do sleep 0.02; done");
    wait_for("the command", || stands(&hub.top().join("begun")));
    let tip = hub.moves();
    wait_for("a round that had no turn", || loops.board()["sync"]["last_event"] == "busy");
    let before = loops.board();
    assert!(before["tick"]["running_since"].is_string(), "{before}");
    assert_eq!((&before["state"], &before["sync"]["consecutive_failures"]), (&"behind".into(), &0.into()), "{before}");
    wait_for("a later round", || loops.board()["sync"]["last_at"] != before["sync"]["last_at"]);
    assert_eq!(loops.board()["sync"]["last_success_at"], before["sync"]["last_success_at"]);
    write(&hub.top().join("go"), "");
    wait_for("what is new", || head(&clone) == tip);
    loops.end();
}

#[test]
fn health_calls_nothing_well_that_did_not_arrive() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    script(&hub.bare.join("hooks/pre-receive"), "exit 1");
    write(&clone.join("a"), "a\n");
    hub.run(&clone, &["publish", "a", "-m", "a"]).ends_with(4);
    let health = hub.json(&clone, &["health", "--exit-code"], 5);
    assert_eq!((&health["went_well"], &health["last_failure"]["result"]), (&0.into(), &"rejected".into()), "{health}");
    fs::remove_file(hub.bare.join("hooks/pre-receive")).expect("removed");
    hub.moves();
    write(&clone.join("edit.txt"), "ours\n");
    hub.run(&clone, &["publish", "edit.txt", "-m", "edit"]).ends_with(3);
    let health = hub.json(&clone, &["health", "--exit-code"], 5);
    assert_eq!((&health["went_well"], &health["last_failure"]["result"]), (&0.into(), &"conflict".into()), "{health}");
    write(&clone.join("a"), "again\n");
    hub.run(&clone, &["publish", "a", "-m", "a"]).ends_with(0);
    let health = hub.json(&clone, &["health", "--exit-code"], 5);
    assert_eq!((&health["went_well"], &health["consecutive_failures"]), (&1.into(), &0.into()), "{health}");
}

#[test]
fn words_that_mean_nothing_are_not_guessed_at() {
    let mut hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.run(&clone, &["watch", "--every", "0s"]).ends_with(2).says("longer than nothing");
    hub.run(&clone, &["publish", "--delete", ".", "-m", "all"]).ends_with(2).says("the whole work tree");
    write(&clone.join("new"), "n\n");
    write(&clone.join("edit.txt"), "e\n");
    hub.run(&clone, &["publish", ".", "-m", "all"]).ends_with(0);
    assert_eq!((hub.at_tip("new").as_deref(), hub.at_tip("edit.txt").as_deref()), (Some("n\n"), Some("e\n")));
    hub.world.set("GIT_SYNC_ALPHA", "ture");
    hub.run(&clone, &["sync"]).ends_with(2).says("neither true nor false: ture");
}

#[test]
fn gs_03_a_clone_is_made_where_there_is_none_and_only_there() {
    let mut hub = Hub::new();
    hub.world.set("GITHUB_REPOSITORY", "somebody/something");
    hub.world.set("GITHUB_SERVER_URL", "https://127.0.0.1:1");
    let clone = hub.clone("mine", None);
    let below = clone.join("dir");
    hub.run(&below, &["sync", "--initial"]).ends_with(0);
    fs::create_dir(clone.join("empty")).expect("a folder");
    hub.run(&clone.join("empty"), &["sync", "--initial"]).ends_with(0);
    assert!(!stands(&clone.join("empty/.git")));
    let place = hub.top().join("place");
    let place = place.to_str().expect("text");
    hub.run(&hub.top(), &["sync", "--initial", "-C", place]).ends_with(75);
    hub.run(&hub.top(), &["sync", "--initial", "-C", place, "--clone", "https://ghp_0123456789@127.0.0.1:1/x"])
        .ends_with(2)
        .says("holds a password or a token");
    hub.run(&hub.top(), &["sync", "--initial", "-C", place, "--clone", &hub.url()]).ends_with(0);
    assert_eq!(git(Path::new(place), &["rev-parse", "HEAD"]), hub.tip());
}
