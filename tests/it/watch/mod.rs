//! The watch process as its users have it: started, stormed at, cut off, killed and asked, and what holds afterwards.
//!
//! Needs curl, git and tar; `mount` needs what `mounts` needs.

mod asked;
mod control;
mod life;
mod mount;
mod reliability;
mod storms;
mod two_machines;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Ended, World, stands, wait_for, write};
use crate::tree::{Content, contents, temps};

/// A watch process of this test; killed when dropped.
struct Watching {
    child: Child,
    socket: PathBuf,
    out: PathBuf,
    err: PathBuf,
}

/// What came over the control interface.
#[derive(Debug)]
struct Said {
    code: u16,
    body: String,
}

impl Watching {
    /// Starts one and does not wait.
    fn start(world: &World, more: &[&str]) -> Watching {
        Watching::start_by(world, &[], more)
    }

    /// The same by another program, which becomes it.
    fn start_by(world: &World, before: &[&str], more: &[&str]) -> Watching {
        let plain = world.command(&world.top(), &world.arguments(&[&["watch", "--json"], more].concat()));
        let at = |n: u32, kind: &str| world.state.with_extension(format!("watch-{n}.{kind}"));
        let number = (0..).find(|&n| !stands(&at(n, "out"))).expect("one is free");
        let [out, err] = ["out", "err"].map(|kind| at(number, kind));
        let [told, failed] = [&out, &err].map(|path| File::create(path).expect("a new file"));
        let mut line = before.iter().map(OsStr::new).chain([plain.get_program()]).chain(plain.get_args());
        let mut command = Command::new(line.next().expect("at least the program"));
        command.args(line).current_dir(world.top()).env_clear().stdin(Stdio::null());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = command.stdout(told).stderr(failed).spawn().expect("the program starts");
        Watching { child, socket: world.state.join("network/control.sock"), out, err }
    }

    /// Starts one and waits until everything was looked at.
    fn ready(world: &World, more: &[&str]) -> Watching {
        let mut watching = Watching::start(world, more);
        watching.waits_for("ready");
        watching
    }

    /// Everything that it has told, one object a line.
    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).expect("its output");
        let whole = text.lines().take(text.matches('\n').count());
        whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    #[track_caller]
    fn waits_for(&mut self, event: &str) {
        wait_for(&format!("the event {event} of the watch process"), || {
            self.is_alive();
            self.told().iter().any(|object| object["event"] == event)
        });
    }

    #[track_caller]
    fn is_alive(&mut self) {
        let ended = self.child.try_wait().expect("our own child");
        assert!(ended.is_none(), "the watch process has ended: {ended:?}\n{}", self.last_words());
    }

    /// The ends of what it wrote, for a test that fails.
    fn last_words(&self) -> String {
        let log = self.socket.with_file_name("logs").join("watch.jsonl");
        let ending = |path: &Path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<String> = text.lines().rev().take(12).map(|line| line.chars().take(500).collect()).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("stdout:\n{}\nstderr:\n{}\nlog:\n{}", ending(&self.out), ending(&self.err), ending(&log))
    }

    /// Asks over its socket, as a script would.
    #[track_caller]
    fn ask(&self, path: &str, more: &[&str]) -> Said {
        let socket = self.socket.to_str().expect("text");
        curl(&[&["--unix-socket", socket], more, &[&format!("http://localhost{path}")]].concat())
    }

    /// How it stands, without a program of its own: this is asked again and again.
    #[track_caller]
    fn status(&self) -> Value {
        let mut stream = UnixStream::connect(&self.socket).expect("somebody listens");
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("asked");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let body = text.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|text| Some(text.split_once("\r\n\r\n")?.1));
        serde_json::from_str(body.unwrap_or_else(|| panic!("{text}"))).expect("JSON")
    }

    #[track_caller]
    fn shows(&self, what: &str, state: impl Fn(&Value) -> bool) -> Value {
        let mut shown = Value::Null;
        wait_for(what, || {
            shown = self.status();
            state(&shown)
        });
        shown
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("our own child");
    }

    /// Waits for its end and answers how it ended.
    #[track_caller]
    fn ends(&mut self) -> Ended {
        let mut status = None;
        wait_for("the end of the watch process", || {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        let [stdout, stderr] = [&self.out, &self.err].map(|path| fs::read(path).expect("its output"));
        Ended::of(std::process::Output { status: status.expect("waited for"), stdout, stderr })
    }

    /// It lives, waits for something to happen, and nothing stands in its way.
    #[track_caller]
    fn is_well(&mut self) {
        self.is_alive();
        let shown = self.shows("rest", |shown| shown["phase"] == "idle" && shown["waiting"] == 0);
        assert_eq!(shown["message"], Value::Null, "{shown}");
    }

    /// The laws of every end state: one `sync` more, and both roots are equal, nothing is left in the making, what was
    /// `written` is at a path or in a trash, a further `sync` has nothing to do, and the watch process did both.
    #[track_caller]
    fn laws(&mut self, world: &World, written: &BTreeSet<Content>) {
        self.is_alive();
        let object = world.json(&["sync"], 0);
        assert_eq!(object["via"], "watch", "{object}");
        world.in_step();
        for root in [&world.staging, &world.network] {
            assert_eq!(temps(root), Vec::<PathBuf>::new(), "names in the making");
        }
        nothing_lost(&[&world.staging, &world.network], written);
        self.is_well();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Saves a file into staging in one step: a watch process at work may carry one that is only begun.
fn save(world: &World, name: &str, text: &str) {
    let beside = world.top().join("beside");
    write(&beside, text);
    fs::rename(beside, world.staging.join(name)).expect("saved");
}

#[track_caller]
fn nothing_lost(roots: &[&Path], written: &BTreeSet<Content>) {
    let held = contents(roots);
    let lost: Vec<_> = written.difference(&held).collect();
    assert!(lost.is_empty(), "{} of {} versions are nowhere any more: {lost:?}", lost.len(), written.len());
}

/// Runs curl and takes the status apart from the body.
#[track_caller]
fn curl(arguments: &[&str]) -> Said {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]).args(arguments);
    let ended = Ended::of(command.stdin(Stdio::null()).output().expect("curl is there"));
    let (body, code) = ended.stdout.rsplit_once('\n').unwrap_or_else(|| panic!("{ended}"));
    Said { code: code.parse().unwrap_or_else(|error| panic!("{error}: {ended}")), body: body.to_owned() }
}
