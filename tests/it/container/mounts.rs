//! What lies over a container's files, and what was done to them there: each break of the chain and its fix.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{Lab, classes, says};
use crate::ground::set_time;
use crate::harness::write;

#[test]
fn cs_01_each_break_of_the_chain_is_told_with_the_smallest_fix() {
    let lab = Lab::new();
    lab.image("app:1", &[("a.py", "1\n"), ("b.py", "2\n"), ("d/c.py", "3\n")]);
    let src = lab.src().display().to_string();
    // Files that the container sees where they lie are not read twice, and a process that is older than they are is told.
    lab.start("live", &format!("-v {src}:/app app:1"));
    // Files' times come from a clock that lags a tick behind the one by which engines tell a start.
    set_time(&lab.src().join("a.py"), SystemTime::now() + Duration::from_secs(1));
    let live = lab.json(&["live"], 0);
    assert_eq!((live["skipped"]["bind_live"].as_u64(), live["compared"]["files"].as_u64()), (Some(3), Some(0)), "{live}");
    assert!(live["changed_after_start"]["path"].as_str().is_some_and(|path| path.ends_with("a.py")), "{live}");
    assert_eq!(live["fix"], "docker restart live");
    says(&lab.json(&["live", "--process"], 5), "stale", Some("process_older_than_files"), "docker restart live");
    // Nobody has to say what belongs where, then.
    lab.check(&["live"]).ends_with(0).says("3 files mounted from here");

    // Another folder, a named and an anonymous volume, over the image's files.
    let other = lab.top().join("other");
    write(&other.join("c.py"), "another\n");
    lab.start("bound", &format!("--mount type=bind,source={},target=/app/d app:1", other.display()));
    let bound = lab.json(&["bound"], 5);
    says(&bound, "stale", Some("masked_by_mount"), "mount the folder that is meant");
    assert_eq!(
        (classes(&bound), bound["masked"][0]["kind"].as_str()),
        (vec!["content /app/d/c.py".to_owned()], Some("bind")),
        "{bound}"
    );
    lab.start("named", "-v keep:/app/d app:1");
    lab.start("anonymous", "-v /app/d app:1");
    lab.json(&["named"], 0);
    lab.sh("docker exec named sh -c 'echo old > /app/d/c.py'; docker exec anonymous sh -c 'echo old > /app/d/c.py'");
    says(&lab.json(&["named"], 5), "stale", Some("masked_by_mount"), "docker volume rm keep");
    says(&lab.json(&["anonymous"], 5), "stale", Some("masked_by_mount"), "without its old volume at /app/d");
    // A volume in which nothing of ours lies is not read at all.
    lab.start("packages", "-v /app/node_modules app:1");
    lab.sh("docker exec packages sh -c 'echo x > /app/node_modules/x'");
    let packages = lab.json(&["packages"], 0);
    assert_eq!(
        (packages["compared"]["files"].as_u64(), packages["not_here"]["files"].as_u64()),
        (Some(3), Some(0)),
        "{packages}"
    );
    // What lies in memory cannot be seen: no answer is better than a wrong one.
    lab.start("memory", "--tmpfs /app/d app:1");
    let memory = lab.json(&["memory"], 7);
    says(&memory, "unknown", None, "");
    assert_eq!(memory["unknown"].as_array().map(Vec::len), Some(1), "{memory}");

    // Changed by hand, in each way.
    lab.start("patched", "app:1");
    lab.sh("docker exec patched sh -c 'echo p >> /app/a.py; rm -r /app/d'");
    let patched = lab.json(&["patched"], 5);
    says(&patched, "stale", Some("patched_in_container"), "docker cp patched:/app/a.py .");
    assert_eq!(classes(&patched), ["content /app/a.py", "missing_in_container /app/d/c.py"]);
    assert_eq!(patched["changed"][0]["patched"], "modified", "{patched}");

    // A newer image under the same name, although every file is the same.
    lab.start("older", "app:1");
    lab.sh("echo 'FROM app:1' | docker build -q -t app:1 --label newer=yes -");
    let older = lab.json(&["older"], 5);
    says(&older, "stale", Some("container_runs_older_image"), "make the container anew of the image app:1");
    assert_ne!(older["container"]["image_id"], older["container"]["tag_image_id"]);
    lab.check(&["older", "--map", "src:/app"]).ends_with(5).says("FILES MATCH - Container is STALE all the same");
    fs::remove_dir_all(&other).expect("removed");
    // The folder of a bind mount is gone: the engine cannot look into a stopped container, so nobody knows.
    lab.sh("docker stop bound");
    lab.json(&["bound"], 7);
}

#[test]
fn cs_01_what_only_looks_the_same_is_not_current() {
    let lab = Lab::new();
    lab.image("app:1", &[("a.py", "1\n")]);
    let src = lab.src().display().to_string();
    lab.start("plain", "app:1");
    // A name that looks like the end of the image's number is a name.
    lab.sh("docker tag app:1 x; I=$(docker inspect -f '{{.Id}}' x); N=$(echo $I | tail -c 7); docker tag x $N; docker run -d --network none --name byname $N; echo 'FROM x' | docker build -q -t $N --label newer=still -");
    says(&lab.json(&["byname"], 5), "stale", Some("container_runs_older_image"), "");

    // What came to the place of a mounted file is not what the container sees.
    lab.start("single", &format!("-v {src}/a.py:/app/a.py app:1"));
    lab.json(&["single"], 0);
    write(&lab.src().join("a.py"), "2\n");
    lab.json(&["single"], 0);
    write(&lab.src().join("new"), "3\n");
    fs::rename(lab.src().join("new"), lab.src().join("a.py")).expect("renamed");
    let moved = lab.json(&["single"], 7);
    assert!(moved["unknown"][0]["message"].as_str().is_some_and(|why| why.contains("restart it")), "{moved}");
    // Nor does writing to it make it that.
    write(&lab.src().join("a.py"), "4\n");
    lab.json(&["single"], 7);
    // Nothing is here, and files are there.
    fs::rename(lab.src(), lab.top().join("p/away")).expect("renamed");
    fs::create_dir(lab.src()).expect("a folder");
    assert_eq!(classes(&lab.json(&["plain"], 5)), ["missing_here /app"]);
}

/// A mount stays with the folder that it was made of, whichever way its path leads elsewhere: no younger time tells that.
#[test]
fn cs_01_a_mount_whose_path_leads_elsewhere_by_now_is_not_current() {
    let lab = Lab::new();
    let p = lab.top().join("p");
    for name in ["releases/1", "releases/2", "live/src", "green/src"] {
        write(&p.join(name).join("a.py"), format!("{name}\n"));
    }
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, p.join("next")).expect("a link");
        fs::rename(p.join("next"), p.join("current")).expect("renamed");
    };
    link("releases/2");
    let words = format!("-v {0}/current:/app -v {0}/live/src:/live {1} sleep 100000", p.display(), super::BASE);
    lab.start("both", &words);
    let check = |code: i32| {
        let ended = lab.check(&["both", "--json"]);
        ended.ends_with(code);
        let object = ended.json();
        let unknown = object["unknown"].as_array().expect("a list");
        let paths =
            unknown.iter().map(|one| one["path"].as_str().expect("a path").rsplit("/p/").next().unwrap_or_default().to_owned());
        let mut paths: Vec<String> = paths.collect();
        paths.sort();
        paths
    };
    assert_eq!(check(0), Vec::<String>::new());
    // What is written there is seen there.
    write(&p.join("live/src/b.py"), "new\n");
    assert_eq!(check(0), Vec::<String>::new());
    link("releases/1");
    assert_eq!(check(7), ["current/a.py"]);
    fs::rename(p.join("live"), p.join("blue")).expect("renamed");
    fs::rename(p.join("green"), p.join("live")).expect("renamed");
    assert_eq!(check(7), ["current/a.py", "live/src/a.py"]);
    lab.check(&["both"]).ends_with(7).says("COULD NOT TELL").says("restart it");
    // That mends it.
    lab.sh("docker restart -t 0 both");
    assert_eq!(check(0), Vec::<String>::new());
}
