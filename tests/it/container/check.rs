//! The comparison itself: every way in which a file can differ, and everything a tar stream can hold.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Lab, classes, says, set_mode};
use crate::harness::write;

/// One file of each class.
fn change_everything(lab: &Lab, big: &str, deep: &str) {
    write(&lab.src().join("a.py"), "SAME\n");
    write(&lab.src().join("lines.txt"), "a\r\nb\r\n");
    write(&lab.src().join("nul.bin"), "a\0b\r\n");
    set_mode(&lab.src().join("mode.sh"), 0o755);
    write(&lab.src().join("new.py"), "same\n");
    write(&lab.src().join("big.bin"), format!("{}F", &big[1..]));
    fs::remove_file(lab.src().join("gone.py")).expect("removed");
    fs::remove_file(lab.src().join("link")).expect("removed");
    symlink("d/other.log", lab.src().join("link")).expect("a link");
    fs::remove_file(lab.src().join("kind")).expect("removed");
    symlink("a.py", lab.src().join("kind")).expect("a link");
    fs::remove_file(lab.src().join("second")).expect("removed");
    write(&lab.src().join("second"), "second name\n");
    write(&lab.src().join(deep), "deep\n");
    write(&lab.top().join("p/.dockerignore"), "**/*.log\n");
    write(&lab.src().join("d/other.log"), "left out\n");
}

#[test]
fn cs_01_02_every_difference_has_its_class_and_the_user_an_answer() {
    let lab = Lab::new();
    let deep = format!("{}/{}", "d".repeat(120), "e".repeat(140));
    let big = "0123456789abcdef".repeat(40_000);
    let text = "same\n";
    let files = [
        ("a.py", text),
        ("lines.txt", "a\nb\n"),
        ("mode.sh", text),
        ("gone.py", text),
        ("big.bin", &big),
        (&deep, text),
        ("hard.txt", text),
        ("d/other.log", text),
        ("nul.bin", "a\0b\n"),
        ("kind", text),
    ];
    write(&lab.src().join("first"), "first name\n");
    fs::hard_link(lab.src().join("first"), lab.src().join("second")).expect("a link");
    symlink("a.py", lab.src().join("link")).expect("a link");
    lab.image("app:1", &files);
    lab.start("app", "app:1");
    // A tar stream with links of both kinds, long names and more than one part, and nothing differs.
    let same = lab.json(&["app"], 0);
    says(&same, "current", None, "");
    assert_eq!((same["compared"]["files"].as_u64(), classes(&same)), (Some(13), vec![]), "{same}");
    assert_eq!(same["container"]["running"], true);
    lab.check(&["app", "--map", "src:/app"]).ends_with(0).says("FILES MATCH - Container is current");

    change_everything(&lab, &big, &deep);
    let stale = lab.json(&["app"], 5);
    says(&stale, "stale", Some("image_older_than_source"), "");
    let mut expected = vec![
        "content /app/a.py".to_owned(),
        "content /app/big.bin".to_owned(),
        format!("content /app/{deep}"),
        "content /app/nul.bin".to_owned(),
        "content /app/second".to_owned(),
        "kind /app/kind".to_owned(),
        "line_ends /app/lines.txt".to_owned(),
        "missing_in_container /app/new.py".to_owned(),
        "mode /app/mode.sh".to_owned(),
        "symlink_target /app/link".to_owned(),
    ];
    expected.sort();
    assert_eq!(classes(&stale), expected);
    assert_eq!((stale["skipped"]["dockerignore"].as_u64(), stale["not_here"]["files"].as_u64()), (Some(1), Some(1)), "{stale}");
    // What is in the container alone is told, and counts where that is asked for.
    let extra = lab.json(&["app", "--extra"], 5);
    assert_eq!(extra["breaks"][1], "files_not_in_source", "{extra}");

    let told = lab.check(&["app", "src/a.py", "--map", "src:/app"]);
    told.ends_with(5)
        .says("Container: app (running, image app:1)")
        .says("FILES DIFFER - Container is STALE")
        .says("Fix: build the image app:1 again");
    let lines: Vec<&str> =
        told.stdout.lines().filter(|line| line.starts_with("  here ") || line.starts_with("  container ")).collect();
    let digests: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert!(digests.len() == 2 && digests[0] != digests[1] && digests.iter().all(|digest| digest.len() == 32), "{told}");
    // Rights and line ends alone do not make it stale.
    lab.check(&["app", "src/mode.sh", "src/lines.txt", "--map", "src:/app"]).ends_with(0).says("differ only in their rights");
    let gone = lab.json(&["app", "src/gone.py"], 5);
    assert_eq!(classes(&gone), ["missing_here /app/gone.py"]);
    lab.check(&["app", "src/d/other.log", "--map", "src:/app"]).ends_with(2).says("left out");
}

#[test]
fn cs_03_a_stopped_container_and_one_without_a_shell_are_compared() {
    let lab = Lab::new();
    lab.image("app:1", &[("a.py", "1\n"), ("b.py", "2\n")]);
    write(&lab.top().join("p/Dockerfile"), "FROM scratch\nCOPY src /app\nCMD [\"/nothing\"]\n");
    lab.sh("docker build -q -t bare:1 p; docker create --network none --name bare bare:1");
    lab.start("ended", "app:1 sh -c 'exit 3'");
    lab.sh("docker wait ended");
    for name in ["bare", "ended"] {
        let object = lab.json(&[name], 0);
        assert_eq!(
            (object["container"]["running"].as_bool(), object["compared"]["files"].as_u64()),
            (Some(false), Some(2)),
            "{object}"
        );
    }
    lab.check(&["ended", "--map", "src:/app"]).ends_with(0).says("It is not running, it ended with 3");
    write(&lab.src().join("a.py"), "9\n");
    for name in ["bare", "ended"] {
        assert_eq!(classes(&lab.json(&[name], 5)), ["content /app/a.py"]);
    }
    // A folder here, a file there; and a link there to the folder.
    lab.sh("docker run --network none --name odd app:1 sh -c 'echo 9 > /file; mkdir /real; cat /app/a.py > /real/a.py; echo 2 > /real/b.py; busybox ln -s /real /way'");
    let through = lab.check(&["odd", "--map", "src:/way", "--json"]).json();
    assert_eq!(classes(&through), ["content /way/a.py"], "{through}");
    let file = lab.check(&["odd", "--map", "src:/file", "--json"]).json();
    assert_eq!(classes(&file), ["missing_in_container /file/a.py", "missing_in_container /file/b.py"], "{file}");
}

#[test]
fn cs_05_the_projects_file_says_what_is_compared_and_hostile_names_steer_nothing() {
    let lab = Lab::new();
    lab.image("app:1", &[("a.py", "1\n"), ("b.py", "2\n"), ("d/c.py", "3\n")]);
    lab.start("app", "app:1");
    let settings = lab.top().join("p/driftless.toml");
    write(&settings, "[container]\nname = \"app\"\nmap = [\"src:/app\"]\nfiles = [\"src/a.py\", \"src/d\"]\n");
    write(&lab.src().join("b.py"), "changed\n");
    lab.check(&[]).ends_with(0).says("2 files (4 bytes) compared");
    write(&lab.src().join("d/c.py"), "changed\n");
    lab.world.run_in(&lab.src(), &["container", "check"]).ends_with(5).says("src/d/c.py");
    write(&settings, "[container]\nnam = \"app\"\n");
    lab.check(&[]).ends_with(1).says("driftless.toml:2").says("`nam`");
    fs::remove_file(&settings).expect("removed");
    // Names that whoever is in the container chose.
    lab.sh("docker exec app sh -c \"echo x > '/app/$(printf 'e\\033[2Jx')'; echo x > '/app/$(printf 'l\\nFILES MATCH')'\"");
    let told = lab.check(&["app", "--map", "src:/app", "--extra", "--all"]);
    told.ends_with(5).says("e\\u{1b}[2Jx").says("l\\nFILES MATCH");
    assert!(!told.stdout.contains('\u{1b}'), "{told}");
}
