//! `doctor` on real mounts: what each can and cannot do is known, and one that hangs is left behind.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::doctor::{check, stands_at};
use crate::ground::Ground;
use crate::harness::{below_all, wait_for};
use crate::services::{Kind, Loop, Server};

/// `doctor` for one folder; its code, its checks and its text for people.
fn doctor(ground: &Ground, path: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.arg("doctor").arg(path).arg("--json").args(more).env("DRIFTLESS_HOME", ground.place("home")).stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    let object: Value = serde_json::from_slice(&output.stdout).expect("one object");
    (output.status.code(), object["roots"][0]["checks"].clone())
}

/// The network root is of use, and each thing of it is told: its name, its status and a part of what is said.
#[track_caller]
fn is_told_as(ground: &Ground, told: &[(&str, &str, &str)]) {
    let (code, checks) = doctor(ground, &ground.network, &[]);
    assert_eq!(code, Some(0), "{checks:#}");
    told.iter().for_each(|(name, status, part)| stands_at(&checks, name, status, part));
}

fn served(ground: &Ground) -> (std::path::PathBuf, Server) {
    let folder = ground.place("served");
    fs::create_dir(&folder).expect("a folder to serve");
    fs::write(folder.join("mine"), "mine").expect("a file");
    (folder, Server::start(&ground.place("server")))
}

#[test]
fn sshfs_is_told_as_it_is() {
    let ground = Ground::new();
    let (folder, server) = served(&ground);
    let _mount = server.mount(&folder, &ground.network, "");
    is_told_as(
        &ground,
        &[
            ("mount", "ok", "fuse.sshfs"),
            ("place", "ok", "network"),
            ("age", "limited", "20 s"),
            ("times", "limited", "1 s"),
            ("case", "ok", "told apart"),
            ("links", "ok", "yes"),
            ("hard-links", "ok", "yes"),
            ("modes", "ok", "yes"),
            ("exchange", "limited", "no"),
            ("refuse-to-replace", "limited", "no"),
            ("replace", "ok", "one step"),
            ("events", "limited", "this machine"),
            ("flush", "ok", "file by file"),
            ("names", "ok", "any"),
            ("name-length", "ok", "255"),
        ],
    );
    assert_eq!(below_all(&folder), ["mine"]);
}

#[test]
fn exfat_is_told_as_it_is() {
    let ground = Ground::new();
    let _mount = Loop::mount(Kind::Exfat, 96 << 20, &ground.network);
    is_told_as(
        &ground,
        &[
            ("place", "ok", "local"),
            ("times", "limited", "1 s"),
            ("case", "limited", "folded"),
            ("links", "limited", "no"),
            ("hard-links", "limited", "no"),
            ("modes", "limited", "no"),
            ("holes", "limited", "not kept"),
            ("names", "limited", "a colon"),
            ("ids", "limited", "made up"),
        ],
    );
    assert_eq!(below_all(&ground.network), Vec::<String>::new());
}

#[test]
fn a_full_and_a_read_only_root_are_problems() {
    let ground = Ground::new();
    let disk = Loop::mount(Kind::Ext4, 16 << 20, &ground.network);
    let (code, checks) = doctor(&ground, &ground.network, &[]);
    assert_eq!((code, check(&checks, "file-size")["status"].as_str()), (Some(0), Some("ok")), "{checks:#}");
    fill(&ground.network.join("full"));
    let (code, checks) = doctor(&ground, &ground.network, &[]);
    assert_eq!(code, Some(5), "{checks:#}");
    stands_at(&checks, "space", "problem", "0 B free");
    stands_at(&checks, "writable", "problem", "No space");
    assert_eq!(below_all(&ground.network), ["full"]);
    assert!(disk.remount("ro"), "remounted");
    let (code, checks) = doctor(&ground, &ground.network, &[]);
    assert_eq!(code, Some(5), "{checks:#}");
    stands_at(&checks, "writable", "problem", "Read-only");
    stands_at(&checks, "reachable", "ok", "1 names");
}

/// Takes every block, so that not even a folder can be made.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(path).expect("a file");
    for size in [1 << 20, 1024] {
        while file.write_all(&vec![7; size]).is_ok() {}
        // What was promised room and got none is given back.
        let _ = file.sync_data();
    }
}

#[test]
fn a_mount_whose_daemon_died_is_told_and_not_believed() {
    let ground = Ground::new();
    let (folder, server) = served(&ground);
    let mut mount = server.mount(&folder, &ground.network, "");
    mount.kill_daemon();
    let (code, checks) = doctor(&ground, &ground.network, &[]);
    assert_eq!(code, Some(7), "{checks:#}");
    stands_at(&checks, "mount", "ok", "fuse.sshfs");
    stands_at(&checks, "reachable", "unknown", "not connected");
}

#[test]
fn a_mount_that_hangs_is_left_behind_and_cleared_once_it_answers() {
    let ground = Ground::new();
    let (folder, server) = served(&ground);
    let _mount = server.mount(&folder, &ground.network, "");
    ground.synced(&[]);
    let trials = || below_all(&folder).into_iter().filter(|path| path.contains("probe-")).count();
    server.stall();
    let began = Instant::now();
    let (code, checks) = doctor(&ground, &ground.network, &["--wait", "500ms"]);
    let pair = ground.command(&[], &["doctor", "--json", "--wait", "500ms"]).output().expect("the program starts");
    let took = began.elapsed();
    server.wake();
    let pair: Value = serde_json::from_slice(&pair.stdout).expect("one object");
    assert_eq!((&pair["exit_code"], &pair["roots"][0]["answered"]), (&Value::from(7), &Value::from(false)), "{pair:#}");
    assert_eq!(pair["roots"][1]["answered"], true, "the other root is looked at all the same: {pair:#}");
    assert_eq!(code, Some(7), "{checks:#}");
    stands_at(&checks, "mount", "ok", "fuse.sshfs");
    stands_at(&checks, "reachable", "unknown", "no answer");
    assert!(took < Duration::from_secs(8), "it was to end after half a second, and took {took:?}");
    // The processes that were left behind do their trials now, and remove what they made.
    wait_for("an answer", || doctor(&ground, &ground.network, &[]).0 == Some(0));
    wait_for("the trials' end", || trials() == 0);
}

/// A handle that was read to its end is empty on sshfs when it is read again; the listing must not be.
#[test]
fn a_folder_is_listed_twice_with_the_same_names() {
    let ground = Ground::new();
    let (folder, server) = served(&ground);
    let _mount = server.mount(&folder, &ground.network, "");
    let (_, checks) = doctor(&ground, &ground.network, &[]);
    // Each odd name is looked for in a new listing by the same handle.
    stands_at(&checks, "names", "ok", "any");
}
