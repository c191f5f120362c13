//! `container …` with a real engine of the test's own: images of a static busybox, containers with mounts and patches, compose.
//!
//! Needs Docker's engine, its command line, Compose and a static busybox.

mod answers;
mod check;
mod everything;
mod losses;
mod mounts;
mod services;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Ended, World, write};
use crate::services::Engine;

/// The engine goes before the folder it works in.
struct Lab {
    engine: Engine,
    world: World,
}

/// The image that all others are made of.
const BASE: &str = "lab/base:1";

impl Lab {
    fn new() -> Lab {
        let mut world = World::new();
        let engine = Engine::start(&world.top().join("e"));
        world.set("DOCKER_HOST", engine.host());
        if let Ok(folder) = std::env::var("DOCKER_CONFIG") {
            world.set("DOCKER_CONFIG", &folder);
        }
        let lab = Lab { engine, world };
        let root = lab.top().join("root");
        for folder in ["bin", "tmp", "proc", "sys", "dev", "etc"] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("a static busybox; is it installed?");
        for word in ["sh", "sleep", "echo", "cat", "rm", "mkdir", "ls", "sed", "touch", "kill", "test"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(word)).expect("a link");
        }
        lab.sh(&format!("tar -C {} -cf - . | docker import - lab/root:1", root.display()));
        // A shell as the first process does not hear TERM, and would be waited for.
        lab.sh(&format!("printf 'FROM lab/root:1\\nSTOPSIGNAL SIGKILL\\n' | docker build -q -t {BASE} -"));
        lab
    }

    fn top(&self) -> PathBuf {
        self.world.top()
    }

    /// Where the sources are.
    fn src(&self) -> PathBuf {
        self.top().join("p/src")
    }

    fn sh(&self, line: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("DOCKER_HOST", self.engine.host()).current_dir(self.top());
        let output = command.output().expect("sh starts");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes the sources, and makes an image of them.
    fn image(&self, name: &str, files: &[(&str, &str)]) {
        for (path, text) in files {
            write(&self.src().join(path), text);
        }
        write(&self.top().join("p/Dockerfile"), format!("FROM {BASE}\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n"));
        self.sh(&format!("docker build -q -t {name} p"));
    }

    /// Starts a container without a network.
    fn start(&self, name: &str, words: &str) {
        self.sh(&format!("docker run -d --network none --name {name} {words}"));
    }

    /// `container check` in the project's folder.
    fn check(&self, words: &[&str]) -> Ended {
        self.world.run_in(&self.top().join("p"), &[&["container", "check"], words].concat())
    }

    /// The same with a map, as JSON.
    #[track_caller]
    fn json(&self, words: &[&str], code: i32) -> Value {
        let ended = self.check(&[words, &["--map", "src:/app", "--json"]].concat());
        ended.ends_with(code);
        ended.json()
    }
}

/// `class path` of all that differs, in order.
fn classes(object: &Value) -> Vec<String> {
    let all = ["changed", "missing"].iter().flat_map(|list| object[list].as_array().expect("a list"));
    let told = |file: &Value| {
        let path = file["in_container"]["path"].as_str().expect("a path");
        format!("{} {path}", file["class"].as_str().expect("a class"))
    };
    let mut told: Vec<String> = all.map(told).collect();
    told.sort();
    told
}

/// What a check says in three words: state, first break, and whether the fix names something.
#[track_caller]
fn says(object: &Value, state: &str, first: Option<&str>, fix: &str) {
    assert_eq!((object["state"].as_str(), object["first_break"].as_str()), (Some(state), first), "{object}");
    assert!(object["fix"].as_str().unwrap_or_default().contains(fix), "{object}");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
}
