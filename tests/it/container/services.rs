//! Services of a compose project: checked by what their Dockerfile copies, rebuilt, taken back, and broken off in the middle.

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{BASE, Lab, classes, says};
use crate::harness::{Ended, read, wait_for, write};

pub struct Project {
    pub lab: Lab,
}

/// The health of the service is whatever the file says.
pub const COMPOSE: &str = "version: '3.8'
services:
  web:
    build:
      context: ./web
      network: none
    network_mode: none
    healthcheck:
      test: [CMD, test, -e, /app/well]
      interval: 200ms
      timeout: 5s
      retries: 4
  ready:
    image: lab/base:1
    command: sleep 100000
    network_mode: none
";

impl Project {
    pub fn new() -> Project {
        let lab = Lab::new();
        let p = lab.top().join("p");
        write(&p.join("docker-compose.yml"), COMPOSE);
        write(
            &p.join("web/Dockerfile"),
            format!("FROM {BASE}\nWORKDIR /app\nCOPY src ./\nCOPY run.sh /run.sh\nCMD [\"sh\", \"/run.sh\"]\n"),
        );
        write(&p.join("web/run.sh"), "echo began\nexec sleep 100000\n");
        write(&p.join("web/src/a.py"), "1\n");
        write(&p.join("web/src/well"), "");
        write(&p.join("web/.dockerignore"), "**/*.pyc\n");
        Project { lab }
    }

    pub fn compose(&self, words: &str) -> String {
        self.lab.sh(&format!("cd p && {} {words}", self.lab.engine.compose().join(" ")))
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        self.lab.world.run_in(&self.lab.top().join("p"), &[&["container"], words].concat())
    }

    #[track_caller]
    pub fn json(&self, words: &[&str], code: i32) -> Value {
        let ended = self.run(&[words, &["--json"]].concat());
        ended.ends_with(code);
        ended.json()
    }

    pub fn write(&self, path: &str, text: &str) {
        write(&self.lab.top().join("p/web").join(path), text);
    }

    /// What serves: the id of the container.
    pub fn serves(&self) -> String {
        self.lab.sh("docker ps -q --no-trunc --filter label=com.docker.compose.service=web")
    }
}

#[test]
fn cs_04_05_a_service_is_checked_rebuilt_and_taken_back() {
    let project = Project::new();
    project.run(&["check"]).ends_with(5).says("The service web has no container");
    project.compose("up -d");
    let current = project.json(&["check"], 0);
    assert_eq!(
        (current["service"].as_str(), current["map"][0].as_str(), current["compared"]["files"].as_u64()),
        (Some("web"), Some("inferred"), Some(3))
    );
    project.write("src/a.py", "2\n");
    project.write("src/a.pyc", "left out\n");
    let stale = project.json(&["check", "web"], 5);
    says(&stale, "stale", Some("image_older_than_source"), "driftless container rebuild web");
    assert_eq!(classes(&stale), ["content /app/a.py"]);

    // Nothing is done but told, and a service that is not built here is refused.
    let first = project.serves();
    project.run(&["rebuild", "--dry-run"]).ends_with(0).says("build --no-cache web").says("--force-recreate web");
    project.run(&["rebuild", "ready"]).ends_with(4).says("is not built here");
    assert_eq!(project.serves(), first);

    // What was written inside the old one is kept.
    project.lab.sh(&format!("docker exec {first} sh -c 'echo only here > /app/notes'"));
    let replaced = project.json(&["rebuild", "web"], 0);
    let service = &replaced["services"][0];
    assert_eq!(
        (service["result"].as_str(), service["health"].as_str(), replaced["recheck"].as_str()),
        (Some("replaced"), Some("healthy"), Some("current")),
        "{replaced}"
    );
    assert_eq!(service["written_inside"][0], "/app/notes");
    let kept = service["rollback"].as_str().expect("a name").to_owned();
    assert_eq!(project.lab.sh(&format!("docker run --rm --network none {kept} cat /app/notes")), "only here");
    let second = project.serves();
    assert_ne!(second, first);

    // A build that fails touches nothing, and leaves no name behind.
    let state = "docker images --format '{{.Repository}} {{.Tag}} {{.ID}}' driftless-rollback/p/web; docker ps -q";
    let before = project.lab.sh(state);
    project.write("Dockerfile", &format!("FROM {BASE}\nWORKDIR /app\nCOPY nothing /x\n"));
    project.run(&["rebuild", "web"]).ends_with(1).says("The old containers were not touched");
    assert_eq!((project.serves(), project.lab.sh(state)), (second.clone(), before));

    // One that does not get well gives way to the old one.
    project.write(
        "Dockerfile",
        &format!("FROM {BASE}\nWORKDIR /app\nCOPY src ./\nCOPY run.sh /run.sh\nCMD [\"sh\", \"/run.sh\"]\n"),
    );
    project.write("run.sh", "printf 'no \\033[31mluck\\n'\nexit 9\n");
    let back = project.run(&["rebuild", "web", "--cached"]);
    back.ends_with(1).says("web was NOT replaced: it ended with 9. The old one is back").says("no \\u{1b}[31mluck");
    let third = project.serves();
    assert_ne!((third.as_str(), third.is_empty()), (second.as_str(), true));
    assert_eq!(project.lab.sh(&format!("docker exec {third} cat /run.sh")), "echo began\nexec sleep 100000");
    // Unhealthy is as bad as ended.
    project.write("run.sh", "rm /app/well\nexec sleep 100000\n");
    let sick = project.json(&["rebuild", "web", "--cached"], 1);
    assert_eq!(
        (sick["services"][0]["result"].as_str(), sick["services"][0]["reason"].as_str()),
        (Some("rolled_back"), Some("it is unhealthy")),
        "{sick}"
    );
    // Where nothing says what belongs where, nothing is in step.
    project.write("Dockerfile", &format!("FROM {BASE} AS built\nCOPY src /app\nFROM {BASE}\nCOPY --from=built /app /app\n"));
    project.run(&["check"]).ends_with(7).says("Nothing says which files here belong where in the service web");
}

#[test]
fn cs_04_a_rebuild_that_is_killed_while_it_builds_leaves_the_old_one_serving() {
    let project = Project::new();
    let file = project.lab.top().join("p/docker-compose.yml");
    write(&file, COMPOSE.replace("  web:\n", "  web:\n    volumes: ['d:/data']\n") + "volumes: {d: {}}\n");
    project.compose("up -d");
    let first = project.serves();
    project.lab.sh(&format!("docker exec {first} sh -c 'echo only here > /app/notes'"));
    project.write("src/a.py", "2\n");
    project.write("Dockerfile", &format!("FROM {BASE}\nRUN [\"sh\", \"-c\", \"echo building; sleep 10\"]\nWORKDIR /app\nCOPY src ./\nCOPY run.sh /run.sh\nCMD [\"sh\", \"/run.sh\"]\n"));
    let words = ["container", "rebuild", "web"];
    let said = project.lab.top().join("said");
    let mut command = project.lab.world.command(&project.lab.top().join("p"), &words);
    command.stderr(fs::File::create(&said).expect("a file")).stdout(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    wait_for("the build", || project.lab.sh("docker ps -q | wc -l") == "3");
    // A second one does not come between.
    project.run(&["rebuild", "web"]).ends_with(8).says("Another rebuild");
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("its number");
    kill_process(id, Signal::KILL).expect("killed");
    child.wait().expect("its end");
    assert_eq!(project.serves(), first);
    // What it said before is enough to go on by hand, also where the old one was stopped by then, and takes nothing away.
    let told = read(&said);
    assert!(!told.contains("--force-recreate"), "{told}");
    let back = told.lines().find(|line| line.contains("docker tag")).expect("the way back").trim().to_owned();
    project.lab.sh(&format!("docker stop {first} && {back}"));
    assert_eq!(project.serves(), first);
    assert_eq!(project.lab.sh(&format!("docker exec {first} cat /app/a.py /app/notes")), "1\nonly here");
    // A volume that the new one has no more is told.
    write(&file, COMPOSE);
    let ended = project.run(&["rebuild", "web", "--cached"]);
    ended.ends_with(7).says("At /data the new one has not the volume p_d that the old one had").says("FILES MATCH");
    ended.says("COMPOSE_REMOVE_ORPHANS=0 && docker tag");
}

/// A container is current where all that came into it was looked at: what was not is named, and is exit 7.
#[test]
fn what_was_not_looked_at_is_named_and_is_not_current() {
    let project = Project::new();
    let p = project.lab.top().join("p");
    let compose = read(&p.join("docker-compose.yml"));
    let given = compose.replace("      network: none\n", "      network: none\n      args:\n        WHICH: two\n");
    write(
        &p.join("docker-compose.yml"),
        given
            .replace("    network_mode: none\n    health", "    network_mode: none\n    volumes: [./web/src:/bound]\n    health"),
    );
    project.write("one/x", "1\n");
    project.write("two/x", "1\n");
    let dockerfile =
        format!("FROM {BASE}\nARG WHICH=one\nCOPY $WHICH /app\nCOPY src/well /app/well\nCMD [\"sleep\", \"100000\"]\n");
    project.write("Dockerfile", &dockerfile);
    project.compose("up -d --build");
    project.run(&["check"]).ends_with(0).says("inferred from the Dockerfile, which itself was not compared");
    // Compose gives the builder another folder than the line names.
    project.write("one/x", "2\n");
    project.json(&["check"], 0);
    project.write("two/x", "2\n");
    assert_eq!(classes(&project.json(&["check"], 5)), ["content /app/x"]);
    project.write("two/x", "1\n");
    // A line that cannot be followed, and what the image below brings in.
    project.write("Dockerfile", &format!("{dockerfile}RUN --mount=type=bind,source=one/x,target=/x true\n"));
    let unknown = project.json(&["check"], 7);
    says(&unknown, "unknown", None, "");
    assert!(unknown["message"].as_str().is_some_and(|message| message.contains("RUN --mount=type=bind")), "{unknown}");
    assert_eq!(unknown["not_compared"].as_array().map(Vec::len), Some(1), "{unknown}");
    project
        .lab
        .sh(&format!("printf 'FROM {BASE}\nONBUILD COPY one /one\nONBUILD RUN true\n' | docker build -q -t lab/onbuild:1 -"));
    project.write("Dockerfile", &dockerfile.replace(BASE, "lab/onbuild:1"));
    project.run(&["check"]).ends_with(7).says("Not compared, as it is not known what belongs where: ONBUILD COPY one /one");
    // No Dockerfile says nothing: what is mounted is not all there is.
    fs::remove_file(p.join("web/Dockerfile")).expect("removed");
    project.run(&["check"]).ends_with(7).says("COULD NOT TELL").says("Not compared").says("mounted from here");
}
