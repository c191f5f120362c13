//! A container engine of a test's own: Docker's, without a network, reached by a socket in the test's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use tempfile::TempDir;

use super::Running;
use crate::harness::wait_for;

/// Fields go in order: the containers have to be gone before the engine.
pub struct Engine {
    containers: Containers,
    _process: Running,
    data: TempDir,
}

/// Where the engine listens, as `DOCKER_HOST` names it.
struct Containers {
    host: String,
    process: PathBuf,
}

impl Engine {
    /// Its folder has a short name: sockets may have no longer one.
    pub fn start(folder: &Path) -> Engine {
        fs::create_dir(folder).expect("its folder");
        let at = |name: &str| folder.join(name).to_str().expect("text").to_owned();
        // Each container is a whole copy of its image, and nothing here is about disks.
        let mut name = tempfile::Builder::new();
        name.prefix("driftless-it-");
        let data = name.tempdir_in("/dev/shm").or_else(|_| name.tempdir()).expect("a folder of the moment");
        let host = format!("unix://{}", at("s"));
        let log = fs::File::create(folder.join("log")).expect("its log");
        let mut command = Command::new("dockerd");
        command.args([
            "--host",
            &host,
            "--data-root",
            data.path().to_str().expect("text"),
            "--exec-root",
            &at("x"),
            "--pidfile",
            &at("pid"),
        ]);
        // Nothing of this machine's own network is touched.
        command.args(["--storage-driver", "vfs", "--bridge", "none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--ip-forward=false", "--ip-masq=false", "--log-level", "warn"]);
        command.stdout(Stdio::null()).stderr(log);
        let process = Running::start(&mut command);
        let engine = Engine { containers: Containers { host, process: folder.join("pid") }, _process: process, data };
        wait_for("the container engine", || engine.containers.docker(&["version"]).is_some());
        engine
    }

    /// `DOCKER_HOST`, for programs that are to use it.
    pub fn host(&self) -> &str {
        &self.containers.host
    }

    /// Where the engine keeps what it has.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The words for Compose: the engine's plug-in, where `DOCKER_CONFIG` or the system has it, else the program of its own that
    /// was before it.
    pub fn compose(&self) -> &'static [&'static str] {
        let plugin = Command::new("docker").args(["compose", "version"]).env_remove("HOME").output();
        if plugin.is_ok_and(|output| output.status.success()) { &["docker", "compose"] } else { &["docker-compose"] }
    }

    #[track_caller]
    pub fn does(&self, program: &Path) {
        let output = Command::new(program).env("DOCKER_HOST", self.host()).output().expect("it can be started");
        assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Containers {
    fn docker(&self, words: &[&str]) -> Option<String> {
        let output = Command::new("docker").args(words).env("DOCKER_HOST", &self.host).output();
        let output = output.unwrap_or_else(|error| panic!("docker cannot be started ({error}); is it installed?"));
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for id in self.docker(&["ps", "--all", "--quiet"]).unwrap_or_default().split_whitespace() {
            let _ = self.docker(&["rm", "--force", id]);
        }
        // Asked to end, it takes down what it mounted and started.
        let text = fs::read_to_string(&self.process).unwrap_or_default();
        if let Some(id) = text.trim().parse().ok().and_then(Pid::from_raw)
            && kill_process(id, Signal::TERM).is_ok()
        {
            wait_for("the container engine to end", || !self.process.exists());
        }
    }
}
