//! The script that kills random commands (`scripts/soak-kills`), on roots that fill up, turn read-only, fold names or go
//! away in the middle. Its oracle is in the script; a failure names the seed.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::ground::{Ground, soak};
use crate::services::{Kind, Loop, Server, is_mounted, unmount};

/// A shell script in a place of the test, run as a command.
fn script(ground: &Ground, name: &str, lines: &str) -> String {
    let path = ground.place(name);
    fs::write(&path, format!("#!/bin/bash\n{lines}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    path.to_str().expect("plain").to_owned()
}

/// Takes all room of the file system at `point` in the middle of commands, and gives it back.
fn fill_up(which: &str) {
    let ground = Ground::new();
    let point = ground.place("small");
    fs::create_dir(&point).expect("a mount point");
    // Below the manifest no blocks smaller than a page: see `STATE_ROOM` in the engine.
    let home = which == "--home-on";
    let _mount = if home { Loop::memory("size=24m", &point) } else { Loop::mount(Kind::Ext4, 160 << 20, &point) };
    let at = point.to_str().expect("plain");
    // A little is left, so that a run begins and comes to its end of the room.
    let all = format!("fallocate -l $(($(stat -f -c '%a * %S' {at}) - RANDOM * 6)) {at}/filler");
    let fill = script(&ground, "fill", &all);
    let heal = script(&ground, "heal", &format!("rm -f {at}/filler"));
    let options =
        [which, at, "--disturb", &fill, "--heal", &heal, "--seconds", "11", "--least", "2", "--largest", "2", "--length", "8"];
    soak(&options);
}

#[test]
fn a_network_disk_that_fills_up() {
    fill_up("--network-on");
}

#[test]
fn a_staging_disk_that_fills_up() {
    fill_up("--staging-on");
}

#[test]
fn a_manifests_disk_that_fills_up() {
    fill_up("--home-on");
}

#[test]
fn a_memory_disk_without_inodes() {
    let ground = Ground::new();
    let point = ground.place("small");
    fs::create_dir(&point).expect("a mount point");
    let _mount = Loop::memory("size=64m,nr_inodes=3000", &point);
    let at = point.to_str().expect("plain");
    let fill = script(&ground, "fill", &format!("mkdir {at}/filler; cd {at}/filler; touch $(seq 3000)"));
    let heal = script(&ground, "heal", &format!("rm -rf {at}/filler"));
    let options = [
        "--network-on",
        at,
        "--staging-on",
        at,
        "--disturb",
        &fill,
        "--heal",
        &heal,
        "--seconds",
        "11",
        "--least",
        "2",
        "--largest",
        "1",
    ];
    soak(&[&options[..], &["--length", "8"]].concat());
}

#[test]
fn a_disk_that_turns_read_only() {
    let ground = Ground::new();
    let point = ground.place("small");
    fs::create_dir(&point).expect("a mount point");
    let _mount = Loop::mount(Kind::Ext4, 160 << 20, &point);
    let at = point.to_str().expect("plain");
    // Refused while a file is open for writing.
    let turn = script(&ground, "turn", &format!("for _ in $(seq 40); do mount -o remount,ro {at} && break; done"));
    let heal = script(&ground, "heal", &format!("mount -o remount,rw {at}"));
    for which in ["--network-on", "--staging-on"] {
        let options =
            [which, at, "--disturb", &turn, "--heal", &heal, "--seconds", "8", "--least", "1", "--largest", "2", "--length", "8"];
        soak(&options);
    }
}

#[test]
fn kills_on_exfat() {
    let ground = Ground::new();
    let point = ground.place("small");
    fs::create_dir(&point).expect("a mount point");
    let _mount = Loop::mount(Kind::Exfat, 160 << 20, &point);
    let at = point.to_str().expect("plain");
    let options = ["--network-on", at, "--coarse", "--seconds", "11", "--least", "8", "--largest", "1", "--length", "8"];
    soak(&options);
}

/// An sshfs mount that scripts end and make again.
struct Share {
    point: PathBuf,
    pid: PathBuf,
}

impl Share {
    fn end(&self) {
        let id = fs::read_to_string(&self.pid).ok().and_then(|id| id.trim().parse().ok());
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        unmount(&self.point);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.end();
    }
}

/// The daemon is killed (an error at every call), or loses its connection and unmounts itself (an empty local folder that
/// takes writes). Nothing may be written there.
#[test]
fn a_share_that_goes_away_and_comes_back() {
    let ground = Ground::new();
    let [point, served] = ["share", "served"].map(|name| ground.place(name));
    fs::create_dir(&point).expect("a mount point");
    fs::create_dir(&served).expect("a folder to serve");
    let server = Server::start(&ground.place("server"));
    let share = Share { point: point.clone(), pid: ground.place("pid") };
    let [at, pid, log] = [&point, &share.pid, &ground.place("heal.log")].map(|path| path.display().to_string());
    let client = server.client().display().to_string();
    let cut = format!("p=$(cat {pid}); if ((RANDOM % 2)); then kill -9 $p; else kill -9 $(cat /proc/$p/task/$p/children); fi");
    let cut = script(&ground, "cut", &format!("{cut}; sleep 0.02"));
    let mend = [
        format!("p=$(cat {pid} 2>/dev/null); [ -z \"$p\" ] || kill -9 $p 2>/dev/null"),
        // What was written into the bare folder lies there once the mount is gone.
        format!(
            "for _ in 1 2 3 4 5; do mountpoint -q {at} || [ -e /proc/$p ] && umount -l {at}; grep -q ' {at} ' /proc/self/mountinfo && umount -l {at}; done 2>/dev/null"
        ),
        format!("[ -z \"$(ls -A {at})\" ] || {{ echo \"written into the folder below the mount: $(find {at})\" >&2; exit 1; }}"),
        format!("setsid sshfs -f -F {client} served:{} {at} </dev/null >{log} 2>&1 & echo $! >{pid}", served.display()),
        format!("for _ in $(seq 500); do grep -q ' {at} ' /proc/self/mountinfo && exit 0; sleep 0.01; done; exit 1"),
    ];
    let mend = script(&ground, "mend", &mend.join("\n"));
    assert!(std::process::Command::new(&mend).status().expect("bash").success() && is_mounted(&point), "a first mount");
    let options = [
        "--network-on",
        &at,
        "--coarse",
        "--disturb",
        &cut,
        "--heal",
        &mend,
        "--seconds",
        "18",
        "--least",
        "2",
        "--largest",
        "1",
    ];
    soak(&[&options[..], &["--length", "6"]].concat());
    share.end();
    assert!(fs::read_dir(Path::new(&at)).expect("a listing").next().is_none(), "the folder below the mount");
}
