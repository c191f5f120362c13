//! ALL-01: every drift of one project with a real remote, registry and engine, each in its turn, and what to mend first.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::{BASE, Lab};
use crate::git::{commit, git};
use crate::harness::{Ended, wait_for, write};
use crate::services::{Gate, Registry};

const COMPOSE: &str = "version: '3.8'
services:
  web:
    build:
      context: ./web
      network: none
    network_mode: none
";

struct Project {
    lab: Lab,
    registry: Registry,
}

impl Project {
    fn new() -> Project {
        let mut lab = Lab::new();
        for name in ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"] {
            lab.world.set(name, "/dev/null");
        }
        lab.world.set(
            "PATH",
            &format!("{}:/usr/local/bin:/usr/bin:/bin", env!("CARGO_BIN_EXE_driftless").trim_end_matches("/driftless")),
        );
        let registry = Registry::start(&lab.top(), Gate::Open);
        let project = Project { lab, registry };
        let p = project.p();
        write(&p.join("docker-compose.yml"), COMPOSE);
        write(&p.join("web/Dockerfile"), format!("FROM {BASE}\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n"));
        write(&p.join("web/src/a.py"), "1\n");
        let settings = format!("[image]\nref = \"{}\"\ncontext = \"web\"\n[gates]\nimage = \"fatal\"\n", project.name());
        write(&p.join("driftless.toml"), settings);
        let hub = project.lab.top().join("hub.git");
        git(&project.lab.top(), &["init", "-q", "--bare", "-b", "main", "hub.git"]);
        git(&p, &["init", "-q", "-b", "main"]);
        git(&p, &["remote", "add", "origin", hub.to_str().expect("text")]);
        commit(&p, "a project");
        git(&p, &["push", "-q", "-u", "origin", "main"]);
        let (network, staging) = (project.lab.world.network.to_str().expect("text"), p.to_str().expect("text"));
        let paired = project.lab.world.run_in(&p, &["sync", "up", "--network", network, "--staging", staging, "--yes"]);
        paired.ends_with(0);
        // The clone is carried: whoever writes the drive writes its settings.
        project.does(&["check"]).ends_with(5).says("git was not started");
        let own = project.lab.world.state.join("network/pair.toml");
        write(&own, format!("{}[gates]\ngit = \"warn\"\nimage = \"warn\"\n", crate::harness::read(&own)));
        project
    }

    fn p(&self) -> PathBuf {
        self.lab.top().join("p")
    }

    fn name(&self) -> String {
        format!("{}/team/app:latest", self.registry.host())
    }

    fn does(&self, words: &[&str]) -> Ended {
        self.lab.world.run_in(&self.p(), words)
    }

    fn sync(&self) {
        self.does(&["sync"]).ends_with(0);
    }

    fn build_and_push(&self) {
        let stamp = self.does(&["image", "stamp", "--context", "web"]);
        let (stamp, name) = (stamp.ends_with(0).stdout.trim(), self.name());
        self.lab.sh(&format!("cd p && docker build -q {stamp} -t {name} web && docker push -q {name}"));
    }

    fn up(&self) {
        self.lab.sh(&format!("cd p && {} up -d --build", self.lab.engine.compose().join(" ")));
    }

    /// The severities of files, git, image and container, and what is to be mended first.
    #[track_caller]
    fn check(&self, code: i32, severities: [&str; 4], first: Option<&str>) -> Value {
        let ended = self.does(&["check", "--json"]);
        ended.ends_with(code);
        let object = ended.json();
        let found = ["files", "git", "image", "container"].map(|part| object[part]["severity"].as_str().expect("a word"));
        assert_eq!(found, severities, "{object}");
        assert_eq!(object["mend"][0]["part"].as_str(), first, "{object}");
        object
    }
}

const WELL: &str = "in_step";
const DRIFT: &str = "drift";

#[test]
fn all_01_each_part_drifts_in_turn_and_what_comes_first_is_mended_first() {
    let project = Project::new();
    let p = project.p();
    project.build_and_push();
    project.up();
    let object = project.check(0, [WELL; 4], None);
    assert_eq!(object["image"]["object"]["schema"], "driftless.image.check/1", "{object}");
    let began = std::time::Instant::now();
    project.check(0, [WELL; 4], None);
    eprintln!("a check of everything: {} ms", began.elapsed().as_millis());
    // Somebody writes on the drive.
    write(&project.lab.world.network.join("notes.txt"), "new\n");
    let ended = project.does(&["check"]);
    ended.ends_with(5).says("DRIFT").says("1 path to take down").says("1. files: driftless sync");
    project.sync();
    // An edit: the container runs what was before it.
    write(&p.join("web/src/a.py"), "2\n");
    project.sync();
    project.check(5, [WELL, WELL, WELL, DRIFT], Some("container"));
    // A commit that is here alone; then one that nobody built.
    commit(&p, "change");
    project.sync();
    project.check(5, [WELL, DRIFT, WELL, DRIFT], Some("git"));
    git(&p, &["push", "-q"]);
    project.sync();
    let object = project.check(5, [WELL, WELL, DRIFT, DRIFT], Some("image"));
    assert_eq!(object["mend"][1]["part"], "container", "{object}");
    assert!(object["image"]["fatal"].as_str().expect("a line").starts_with("FATAL: Repository has been updated"), "{object}");
    let run = ["run", "--gates", "fatal", "--", "true"];
    project.does(&run).ends_with(5).says("FATAL: Repository has been updated but no corresponding Docker image exists");
    project.build_and_push();
    project.does(&run).ends_with(0);
    project.check(5, [WELL, WELL, WELL, DRIFT], Some("container"));
    project.up();
    project.check(0, [WELL; 4], None);
    followed(&project);
    // The registry is away: not drift.
    let Project { lab, registry } = project;
    drop(registry);
    let ended = lab.world.run_in(&p, &["check"]);
    ended.ends_with(7).says("unknown").says("image");
}

/// `--watch` tells a change, and ends in order.
fn followed(project: &Project) {
    let told = project.lab.top().join("told");
    let mut command = project.lab.world.command(&project.p(), &["check", "--watch"]);
    let mut child = command.stdout(std::fs::File::create(&told).expect("new")).stderr(Stdio::null()).spawn().expect("it starts");
    let says = |part: &str| std::fs::read_to_string(&told).is_ok_and(|text| text.contains(part));
    wait_for("the first look", || says("in step    files"));
    write(&project.lab.world.network.join("later.txt"), "new\n");
    wait_for("the change", || says("DRIFT      files"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).expect("our child");
    assert_eq!(child.wait().expect("waited for").code(), Some(130));
    project.sync();
}
