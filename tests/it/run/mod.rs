//! `run -- CMD` as its users have it: with a shell as the command, on real signals, terminals and mounts.
//!
//! Needs python3; `mount` needs what `mounts` needs.

mod copy;
mod gates;
mod left_alone;
mod mount;
mod signals;
mod staging;
mod steps;
mod trouble;
mod trust;
mod workflow;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Ended, World, read, stands, wait_for};

impl World {
    /// The words of a run of a shell's script on this world's roots.
    fn run_words(&self, more: &[&str], script: &str) -> Vec<OsString> {
        let roots = [OsString::from("--network"), self.network.clone().into(), "--staging".into(), self.staging.clone().into()];
        let tail = ["--", "sh", "-c", script].map(OsString::from);
        let mut words = vec![OsString::from("run")];
        words.extend(roots.into_iter().chain(more.iter().map(OsString::from)).chain(tail));
        words
    }

    fn sh(&self, more: &[&str], script: &str) -> Ended {
        self.run_in(&self.top(), &self.run_words(more, script))
    }

    /// A run that goes on; its script gets `$T`, this test's folder.
    fn begins(&self, more: &[&str], script: &str) -> Running {
        Running::of(self.command(&self.top(), &self.run_words(more, script)), self)
    }
}

/// A run at work; killed when dropped.
struct Running {
    child: Option<Child>,
    top: PathBuf,
}

impl Running {
    fn of(mut command: Command, world: &World) -> Running {
        let top = world.top();
        command.env("T", &top).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: Some(command.spawn().expect("the program starts")), top }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("our own child");
    }

    fn id(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("not ended yet"))
    }

    /// Waits until the command has made a file in this test's folder, and answers what it holds.
    #[track_caller]
    fn tells(&self, file: &str) -> String {
        let path = self.top.join(file);
        wait_for(&format!("the command to write {file}"), || stands(&path));
        read(&path)
    }

    /// Lets the command go on that waits for a file.
    fn go(&self, file: &str) {
        std::fs::write(self.top.join(file), "").expect("written");
    }

    #[track_caller]
    fn ends(mut self) -> Ended {
        let child = self.child.take().expect("not ended yet");
        Ended::of(child.wait_with_output().expect("waited for"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A line of a script that waits for a file in this test's folder, for at most a minute.
const WAIT: &str = "wait_for() { n=0; until [ -e \"$T/$1\" ] || [ $n -ge 1200 ]; do n=$((n+1)); sleep 0.05; done; }; ";

fn lists(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".driftless");
    names.sort();
    names
}
