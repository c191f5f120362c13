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
        .replace("  ready:", "  job:\n    build:\n      context: ./web\n      dockerfile: Job\n      network: none\n    network_mode: none\n    command: [test, done]\n  ready:");
    write(&p.join("docker-compose.yml"), &job);
    project.write("Job", &format!("FROM {BASE}\nCOPY src /app\n"));
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
    project.lab.sh(&format!("docker rm -f {theirs}"));
    one_of_two(&project, &job);
}

/// Of two services one fails: the other keeps its container, what is in it, and what its image is called.
fn one_of_two(project: &Project, file: &str) {
    let ended = project.json(&["rebuild", "job", "--cached"], 7);
    assert_eq!((ended["services"][0]["running"].as_bool(), ended["recheck"].as_str()), (Some(false), Some("current")), "{ended}");
    let web = project.serves();
    project.lab.sh(&format!("docker exec {web} sh -c 'echo only here > /app/notes'"));
    let image = |service: &str| {
        let id = project.lab.sh(&format!("docker ps -aq --filter label=com.docker.compose.service={service}"));
        project
            .lab
            .sh(&format!("docker image inspect --format '{{{{.Id}}}}' $(docker inspect --format '{{{{.Config.Image}}}}' {id})"))
    };
    let before = (image("job"), image("web"));
    // The build fails when one image is there.
    project.write("src/a.py", "7\n");
    let dockerfile = read(&project.lab.top().join("p/web/Dockerfile"));
    project.write("Dockerfile", "FROM lab/base:1\nCOPY nothing /x\n");
    project.run(&["rebuild", "job", "web", "--cached"]).ends_with(1).says("The old containers were not touched");
    assert_eq!((image("job"), image("web"), project.serves()), (before.0.clone(), before.1.clone(), web.clone()));
    // The first one does not get well.
    project.write("Dockerfile", &dockerfile);
    write(&project.lab.top().join("p/docker-compose.yml"), file.replace("[test, done]", "[test, -e, /nowhere]"));
    let ended = project.run(&["rebuild", "job", "web", "--cached"]);
    ended.ends_with(1).says("job was NOT replaced: it ended with 1").says("with the settings that the compose file has now");
    ended.says("web was not tried, and goes on as it was");
    let lines = ended.stderr.lines().map(str::trim).filter(|line| line.contains("docker start"));
    lines.for_each(|line| drop(project.lab.sh(line)));
    assert_eq!((image("web"), project.serves()), (before.1, web.clone()));
    assert_eq!(project.lab.sh(&format!("docker exec {web} cat /app/notes")), "only here");
}

#[test]
fn cs_05_what_is_written_while_it_builds_comes_back_too() {
    let project = Project::new();
    let p = project.lab.top().join("p");
    let folder = |name: &str, more: &str| {
        let of_web = format!("  web:\n    volumes: ['./{name}:/cfg', '{name}:/data']\n{more}");
        write(&p.join("docker-compose.yml"), COMPOSE.replace("  web:\n", &of_web) + "volumes: {d1: {}, d2: {}}\n");
    };
    folder("d1", "");
    project.compose("up -d");
    let first = project.serves();
    // The new one takes an order and fails, and its image has another name by now.
    folder("d1", "    image: other:2\n");
    project.write("run.sh", "echo 1 > /app/orders\nexit 9\n");
    project.write("Dockerfile", &format!("FROM {BASE}\nRUN [\"sh\", \"-c\", \"while test ! -e /dev/null/x; do sleep 10; break; done\"]\nWORKDIR /app\nCOPY src ./\nCOPY run.sh /run.sh\nCMD [\"sh\", \"/run.sh\"]\n"));
    let said = project.lab.top().join("said");
    let mut command = project.lab.world.command(&p, &["container", "rebuild", "web"]);
    command.stdout(fs::File::create(&said).expect("a file")).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    wait_for("the build", || project.lab.sh("docker ps -q | wc -l") == "3");
    project.lab.sh(&format!("docker exec {first} sh -c 'echo late > /app/late'"));
    assert_eq!(child.wait().expect("its end").code(), Some(1));
    let told = read(&said);
    assert!(told.contains("The old one is back, with the settings") && told.contains("like /app/late"), "{told}");
    let new = told.lines().find(|line| line.starts_with("What the new one wrote (1 file, like /app/orders)")).expect("its words");
    let new = new.split_whitespace().find(|word| word.ends_with("-files;")).expect("a name").trim_end_matches(';');
    assert_eq!(project.lab.sh(&format!("docker run --rm --network none {new} cat /app/orders")), "1");
    let second = project.serves();
    assert_ne!(second, first);
    assert_eq!(project.lab.sh(&format!("docker exec {second} cat /app/late /run.sh")), "late\necho began\nexec sleep 100000");
    // Where the file itself is wrong, the old container is still there: that very one serves again.
    folder("d1", "    image: other:2\n    devices: ['/dev/no-such:/dev/x']\n");
    project.run(&["rebuild", "web", "--cached"]).ends_with(1).says("The old one is back");
    assert_eq!(project.serves(), second);
    // What cannot be kept is not said to be.
    folder("d1", "    image: other:2\n");
    let layers = project.lab.engine.data().join("image/vfs/layerdb/tmp");
    fs::remove_dir_all(&layers).expect("a folder of the engine's");
    write(&layers, "");
    project.lab.sh(&format!("docker exec {second} sh -c 'echo more > /app/more'"));
    let ended = project.run(&["rebuild", "web", "--cached"]);
    ended.ends_with(1).says("web was NOT replaced").says("The old one is back.");
    assert!(!ended.stdout.contains("-files"), "{}", ended.stdout);
    assert_eq!(project.lab.sh(&format!("docker exec {} cat /app/late /app/more", project.serves())), "late\nmore");
    assert_eq!(project.serves(), second);
    fs::remove_file(&layers).expect("ours");
    fs::create_dir(&layers).expect("the engine's");
    elsewhere(&project, &folder);
}

/// The file names other places for what the service has: what stays behind is told, and so is what came back without it.
fn elsewhere(project: &Project, folder: &dyn Fn(&str, &str)) {
    folder("d2", "    image: other:2\n");
    let ended = project.run(&["rebuild", "web", "--cached"]);
    ended.ends_with(1).says("The old one is NOT back: its image is back, but at /cfg it has not").says("/d1");
    ended.says("Once the compose file says of it what it said before, the old one comes back by");
    let line = ended.stdout.lines().find(|line| line.contains("docker commit")).expect("the way back");
    assert!(line.contains(&format!("docker stop {}", &project.serves()[..12])), "{line}");
    assert!(!ended.stdout.contains("The old one is back"), "{}", ended.stdout);
    project.write("run.sh", "exec sleep 100000\n");
    folder("d1", "    image: other:2\n");
    let replaced = project.json(&["rebuild", "web", "--cached"], 0);
    let service = &replaced["services"][0];
    let left = service["left_behind"][0]["by"].as_str().unwrap_or_default();
    assert!(service["result"] == "replaced" && left.ends_with("/d2"), "{replaced}");
    // What was written inside earlier is in the image alone that the old one came back by.
    let kept = service["written_kept"].as_str().expect("a name");
    assert!(kept.ends_with("-files"), "{replaced}");
    assert_eq!(project.lab.sh(&format!("docker run --rm --network none {kept} cat /app/late /app/more")), "late\nmore");
    // An image name of two services' is no name to go back by.
    folder("d1", "    image: lab/base:1\n");
    project.run(&["rebuild", "web"]).ends_with(4).says("web and ready have the same image name");
}
