//! Files that are written to while they are copied: logs that only grow, and all others.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::ground::{Ended, Ground, bytes, set_time, then, write};
use crate::harness::wait_for;

/// Large enough that it is written to while it is copied.
const LARGE: usize = 24 << 20;

/// Somebody who appends to a file all the time, until this is dropped.
struct Appending {
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Appending {
    fn to(path: &Path) -> Appending {
        let stop = Arc::new(AtomicBool::new(false));
        let mut file = fs::File::options().append(true).create(true).open(path).expect("a file to append to");
        let before = file.metadata().expect("its length").len();
        let asked = stop.clone();
        let writer = std::thread::spawn(move || {
            for n in 0_u64.. {
                if asked.load(Ordering::Relaxed) {
                    break;
                }
                writeln!(file, "line {n} of a program that goes on and on").expect("room");
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        wait_for("the first lines", || fs::metadata(path).is_ok_and(|meta| meta.len() > before));
        Appending { stop, writer: Some(writer) }
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.writer.take().map_or(Ok(()), JoinHandle::join);
        assert!(ended.is_ok() || std::thread::panicking(), "the writer failed");
    }
}

fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(60)
}

#[track_caller]
fn busy(ended: &Ended, path: &str, words: &str) {
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    assert_eq!(ended.paths("problems"), [path], "{ended:#?}");
    let problem = &ended.list("problems")[0];
    assert_eq!(problem["kind"], "busy", "{problem:#}");
    assert!(problem["message"].as_str().is_some_and(|message| message.contains(words)), "{words:?}: {problem:#}");
}

#[test]
fn a_log_is_sent_while_a_program_appends_to_it() {
    let ground = Ground::new();
    let [here, there] = [&ground.staging, &ground.network].map(|root| root.join("logs/a.log"));
    write(&here, &bytes(1, LARGE), then(1));
    let appending = Appending::to(&here);
    let mut last = 0;
    for round in 0..5 {
        ground.synced(&["up"]);
        let (sent, now) = (fs::read(&there).expect("sent"), fs::read(&here).expect("the log"));
        assert!(sent.len() > last, "round {round} sent nothing new");
        assert!(sent.len() < now.len(), "the log did not grow meanwhile");
        assert!(now.starts_with(&sent), "round {round}: what was sent is not how the log begins");
        last = sent.len();
    }
    drop(appending);
    ground.synced(&["up"]);
    assert_eq!(fs::read(&there).expect("sent"), fs::read(&here).expect("the log"));
    ground.synced(&[]).did_nothing();
}

#[test]
fn a_log_that_was_written_anew_has_to_stand_still() {
    let ground = Ground::new();
    let here = ground.staging.join("a.log");
    write(&here, b"an old line\n", then(1));
    ground.synced(&["up"]);
    // Longer than what was sent, and another beginning.
    write(&here, &bytes(2, LARGE), then(2));
    let appending = Appending::to(&here);
    busy(&ground.sync(&["up"]), "a.log", "was written to while it was copied");
    drop(appending);
    set_time(&here, long_ago());
    ground.synced(&["up"]);
    assert_eq!(fs::read(ground.network.join("a.log")).expect("sent"), fs::read(&here).expect("the log"));
}

#[test]
fn the_network_roots_patterns_count_and_this_machines_come_first() {
    for (machine, growing_is_sent) in [(None, true), (Some("*.other"), false)] {
        let mut ground = Ground::new();
        if let Some(patterns) = machine {
            ground = ground.setting("DRIFTLESS_APPEND", patterns);
        }
        write(&ground.network.join("driftless.toml"), b"append = [\"*.trace\"]\n", then(1));
        ground.synced(&[]);
        let here = ground.staging.join("run.trace");
        write(&here, &bytes(3, LARGE), then(1));
        let _appending = Appending::to(&here);
        let up = ground.sync(&["up"]);
        assert_eq!(up.code, Some(if growing_is_sent { 0 } else { 6 }), "{machine:?}: {up:#?}");
    }
}

/// Does a run open the file `name`?
fn opens(ground: &Ground, words: &[&str], name: &str) -> (Ended, bool) {
    let log: PathBuf = ground.place("opened");
    let out = log.to_str().expect("a plain path");
    let ended = ground.traced(&["strace", "-f", "-o", out, "-e", "trace=open,openat,openat2", "-e", "signal=none"], words);
    let text = fs::read_to_string(&log).expect("a trace");
    assert!(text.contains("openat"), "nothing was traced; may this machine trace at all?");
    (ended, text.contains(&format!("\"{name}\"")))
}

#[test]
fn a_growing_file_is_left_alone_until_it_was_quiet() {
    let ground = Ground::new();
    let here = ground.staging.join("scan.bin");
    write(&here, &bytes(4, LARGE), then(1));
    write(&ground.staging.join("other.txt"), b"goes along", then(1));
    let appending = Appending::to(&here);
    let first = ground.sync(&["up"]);
    busy(&first, "scan.bin", "once it was quiet for ");
    assert!(ground.network.join("other.txt").exists() && !ground.network.join("scan.bin").exists(), "{first:#?}");
    let (second, opened) = opens(&ground, &["up"], "scan.bin");
    busy(&second, "scan.bin", "is still being written");
    assert!(!opened, "a file that is being written was read again");
    let listed = ground.command(&[], &["status", "--json"]).output().expect("the program starts");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("is still being written"), "{listed:?}");
    // Quiet for a while by its time, and in vain again: twice as long.
    set_time(&here, long_ago());
    drop(appending);
    set_time(&here, long_ago());
    ground.synced(&["up"]);
    assert_eq!(fs::read(ground.network.join("scan.bin")).expect("sent"), fs::read(&here).expect("the file"));
    // That copy went well, and the next one in vain is a first one again.
    let _appending = Appending::to(&here);
    busy(&ground.sync(&["up"]), "scan.bin", "was written to while it was copied; it is tried again once it was quiet for ");
}

#[test]
fn each_copy_in_vain_doubles_the_quiet() {
    let ground = Ground::new();
    let here = ground.staging.join("scan.bin");
    write(&here, &bytes(5, LARGE), then(1));
    let appending = Appending::to(&here);
    let first = ground.sync(&["up"]);
    busy(&first, "scan.bin", "quiet for ");
    drop(appending);
    // Its program wakes up again in the middle of the next copy.
    set_time(&here, long_ago());
    let late = here.clone();
    let mut command =
        ground.command(&["strace", "-f", "-o", "/dev/null", "-e", "inject=pwrite64:delay_enter=20ms"], &["sync", "up", "--json"]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("starts");
    let temp = || {
        fs::read_dir(&ground.network)
            .expect("a listing")
            .flatten()
            .any(|item| item.file_name().as_encoded_bytes().starts_with(b".dl~"))
    };
    wait_for("the copy", temp);
    let appending = Appending::to(&late);
    let ended = crate::ground::ended(child.wait_with_output().expect("its end"));
    drop(appending);
    busy(&ended, "scan.bin", "was written to while it was copied");
    let [before, now] = [first, ended].map(|ended| {
        let words = ended.list("problems")[0]["message"].as_str().expect("words").to_owned();
        let seconds: Option<u64> = words.rsplit_once("quiet for ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        seconds.unwrap_or_else(|| panic!("{words}"))
    });
    // In whole seconds, rounded up.
    assert!(before >= 2 && now >= 2 * before - 1, "twice as long, or as long as that slow copy took: {before} s, {now} s");
}
