//! What a rebuild must not take away, whoever shares the folder, whatever changed meanwhile, wherever it fails.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use super::BASE;
use super::services::{COMPOSE, Project};
use crate::harness::{read, wait_for, write};

#[test]
fn cs_05_what_could_not_come_back_is_refused_and_others_are_left_alone() {
    let project = Project::new();
    let p = project.lab.top().join("p");
    let job = COMPOSE
        .replace("  ready:", "  job:\n    build:\n      context: ./web\n      network: none\n    network_mode: none\n  ready:");
    write(&p.join("docker-compose.yml"), &job);
    project.write(
        "Dockerfile",
        &format!("FROM {BASE}\nWORKDIR /app\nCOPY src ./\nCOPY run.sh /run.sh\nVOLUME /keep\nCMD [\"sh\", \"/run.sh\"]\n"),
    );
    project.compose("up -d --scale web=2 web");
    // A service that was never made is no reason to call all current.
    project.run(&["check"]).ends_with(5).says("The service job has no container");
    let both = project.serves();
    project.run(&["rebuild", "web"]).ends_with(4).says("web has 2 containers").says("--scale web=2");
    assert_eq!(project.serves(), both);
    project.compose("up -d --scale web=1 web");
    project.run(&["rebuild", "web", "--renew-volumes"]).ends_with(4).says("volume at /keep").says("--no-rollback");
    // A link to the file makes the project of the folder in which the link is.
    let q = project.lab.top().join("q");
    fs::create_dir_all(q.join("web")).expect("a folder");
    symlink(p.join("docker-compose.yml"), q.join("link.yml")).expect("a link");
    project.run(&["--compose", "../q/link.yml", "rebuild", "web", "--dry-run"]).ends_with(0).says("web has no container yet");
    // Another project in the same folder, and a job that nobody started.
    let mine = project.serves();
    project.compose("-p aaa up -d web");
    let theirs = project.lab.sh("docker ps -q --no-trunc --filter label=com.docker.compose.project=aaa");
    let done = project.json(&["rebuild", "--cached"], 0);
    assert_eq!(
        (done["services"].as_array().map(Vec::len), done["services"][0]["service"].as_str()),
        (Some(1), Some("web")),
        "{done}"
    );
    let now = project.serves();
    assert!(now.contains(&theirs) && !now.contains(&mine), "{now}");
}

#[test]
fn cs_05_what_is_written_while_it_builds_comes_back_too() {
    let project = Project::new();
    let p = project.lab.top().join("p");
    project.compose("up -d");
    let first = project.serves();
    // The new one fails, and its image has another name by now.
    write(&p.join("docker-compose.yml"), COMPOSE.replace("  web:\n", "  web:\n    image: other:2\n"));
    project.write("run.sh", "exit 9\n");
    project.write("Dockerfile", &format!("FROM {BASE}\nRUN [\"sh\", \"-c\", \"while test ! -e /dev/null/x; do sleep 3; break; done\"]\nWORKDIR /app\nCOPY src ./\nCOPY run.sh /run.sh\nCMD [\"sh\", \"/run.sh\"]\n"));
    let said = project.lab.top().join("said");
    let mut command = project.lab.world.command(&p, &["container", "rebuild", "web"]);
    command.stdout(fs::File::create(&said).expect("a file")).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    wait_for("the build", || project.lab.sh("docker ps -q | wc -l") != "2");
    project.lab.sh(&format!("docker exec {first} sh -c 'echo late > /app/late'"));
    assert_eq!(child.wait().expect("its end").code(), Some(1));
    let told = read(&said);
    assert!(told.contains("The old one is back") && told.contains("like /app/late"), "{told}");
    let second = project.serves();
    assert_ne!(second, first);
    assert_eq!(project.lab.sh(&format!("docker exec {second} cat /app/late /run.sh")), "late\necho began\nexec sleep 100000");
    // Where the file itself is wrong, the old container is still there: that very one serves again.
    write(&p.join("docker-compose.yml"), COMPOSE.replace("  web:\n", "  web:\n    devices: ['/dev/no-such:/dev/x']\n"));
    project.run(&["rebuild", "web", "--cached"]).ends_with(1).says("The old one is back");
    assert_eq!(project.serves(), second);
}
