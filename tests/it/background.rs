//! `logs` and `service`: the log of a watch process, and its start at login. There is no systemd of the user where tests
//! run, so a program that notes its arguments stands for `systemctl`; what it is given is checked by the real one's parser.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command};

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};

#[cfg(unix)]
use crate::harness::chmod;
use crate::harness::{Ended, World, read, stands, wait_for, write};

fn line(number: u32) -> String {
    format!(
        "{{\"timestamp\":\"2026-11-21T04:15:00.5Z\",\"level\":\"INFO\",\"fields\":{{\"message\":\"line {number}\"}},\"target\":\"t\"}}\n"
    )
}

/// Ends the world's watch process, also where the test fails.
struct Watched<'a>(&'a World);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        drop(self.0.command(&self.0.top(), &["stop", "--pair", "a b"]).output());
    }
}

#[test]
fn a_process_in_the_background_tells_much_to_its_log_alone() {
    let world = world();
    let watched = Watched(&world);
    run(&world, &["watch", "--detach", "--verbose"]).ends_with(0).says("is watched by process");
    write(&world.staging.join("new"), "new");
    wait_for("the new file", || world.network.join("new").exists());
    drop(watched);
    assert!(run(&world, &["logs", "-n", "9999"]).ends_with(0).stdout.contains(" DEBUG "));
    assert_eq!(read(&world.state.join("a b/watch.err")), "");
}

#[test]
fn a_pair_that_moves_while_it_is_watched_is_told_of() {
    let world = world();
    let _watched = Watched(&world);
    run(&world, &["watch", "--detach"]).ends_with(0);
    let moved = world.top().join("moved");
    fs::rename(&world.network, &moved).expect("moved");
    let moved = moved.to_str().expect("text");
    let dry = run(&world, &["relink", "--network", moved, "--dry-run"]);
    assert!(!dry.ends_with(0).stderr.contains("watches the old place"), "{dry}");
    run(&world, &["relink", "--network", moved]).ends_with(0).says("watches the old place");
}

/// A pair called `a b`, with a program that can stay where it is.
fn world() -> World {
    let mut world = World::new();
    let roots = ["--network", world.network.to_str().expect("text"), "--staging", world.staging.to_str().expect("text")];
    world.run_in(&world.top(), &[&["init", "--name", "a b"], &roots[..]].concat()).ends_with(0);
    let temporary = world.top().join("tmp");
    world.set("TMPDIR", temporary.to_str().expect("text"));
    world
}

fn run(world: &World, arguments: &[&str]) -> Ended {
    world.run_in(&world.top(), &[arguments, &["--pair", "a b"]].concat())
}

#[test]
fn the_last_lines_are_shown_and_the_log_is_followed_where_it_turns() {
    let world = world();
    let log = world.state.join("a b/logs/watch.jsonl");
    run(&world, &["logs"]).ends_with(0).says("No log yet");
    write(&log.with_added_extension("1"), (0..70).map(line).collect::<String>());
    write(&log, (70..100).map(line).collect::<String>());
    let shown = |from: u32| (from..100).map(|number| format!("2026-11-21T04:15:00Z INFO  line {number}\n")).collect::<String>();
    assert_eq!(run(&world, &["logs"]).ends_with(0).stdout, shown(50));
    assert_eq!(run(&world, &["logs", "-n", "9999"]).ends_with(0).stdout, shown(0));
    assert_eq!(run(&world, &["logs", "-n", "0"]).ends_with(0).stdout, "");
    let objects = run(&world, &["logs", "-n", "2", "--json"]);
    let objects: Vec<serde_json::Value> =
        objects.ends_with(0).stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(objects.iter().map(|object| &object["message"]).collect::<Vec<_>>(), ["line 98", "line 99"]);

    let shown = world.top().join("shown");
    let mut command = world.command(&world.top(), &["logs", "--follow", "-n", "1", "--pair", "a b"]);
    let mut following = Following(command.stdout(fs::File::create(&shown).expect("new")).spawn().expect("the program starts"));
    let shows = |number: u32| wait_for("a line", || read(&shown).ends_with(&format!("line {number}\n")));
    shows(99);
    fs::OpenOptions::new().append(true).open(&log).expect("open").write_all(line(100).as_bytes()).expect("appended");
    fs::rename(log.with_added_extension("1"), log.with_added_extension("2")).expect("turned");
    fs::rename(&log, log.with_added_extension("1")).expect("turned");
    write(&log, line(101));
    shows(101);
    assert_eq!(read(&shown).lines().count(), 3);
    // Only a console sends such words on Windows.
    if cfg!(unix) {
        assert_eq!(following.interrupted(), Some(130));
    }
}

/// Does not outlive its test.
struct Following(Child);

impl Following {
    #[cfg(unix)]
    fn interrupted(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::INT).expect("signalled");
        self.0.wait().expect("ended").code()
    }

    #[cfg(windows)]
    fn interrupted(&mut self) -> Option<i32> {
        unreachable!("nothing can interrupt it here");
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `systemctl` that notes what it is asked, and fails at the words in the file `fails`.
#[cfg(unix)]
fn pretend_systemctl(world: &mut World) -> (PathBuf, PathBuf) {
    let bin = world.top().join("bin");
    let [asked, fails] = ["asked", "fails"].map(|name| bin.join(name));
    let script = "#!/bin/sh\nd=$(dirname \"$0\")\necho \"$*\" >> \"$d/asked\"\n\
                  if grep -qx -- \"$2\" \"$d/fails\"; then printf 'No \\033[2J medium found.\\n' >&2; exit 1; fi\n";
    write(&bin.join("systemctl"), script);
    chmod(&bin.join("systemctl"), 0o755);
    write(&fails, "");
    world.set("PATH", &format!("{}:/usr/bin:/bin", bin.to_str().expect("text")));
    (asked, fails)
}

#[cfg(unix)]
#[test]
fn a_unit_is_installed_updated_and_removed() {
    let mut world = world();
    let (asked, _) = pretend_systemctl(&mut world);
    let calls = || {
        let calls = fs::read_to_string(&asked).unwrap_or_default();
        drop(fs::remove_file(&asked));
        calls.lines().map(|call| call.split(' ').nth(1).expect("a verb").to_owned()).collect::<Vec<_>>()
    };
    let object = |verb: &str, code: i32| run(&world, &["service", verb, "--json"]).ends_with(code).json();
    let printed = run(&world, &["service", "print"]).ends_with(0).stdout.clone();
    assert!(printed.contains(" watch --pair \"a b\"\n"), "{printed}");
    assert_eq!(object("uninstall", 0)["did"], "absent");
    assert_eq!(calls(), [""; 0], "nothing is asked where nothing is done");

    let installed = object("install", 0);
    let unit = PathBuf::from(installed["unit"]["path"].as_str().expect("a path"));
    assert!(unit.starts_with(world.top().join("home/.config/systemd/user")), "{unit:?}");
    assert_eq!((read(&unit), &installed["did"]), (printed.clone(), &"installed".into()));
    assert_eq!(calls(), ["show-environment", "daemon-reload", "enable", "restart"]);
    verifies(&world, &unit);
    world.set("DRIFTLESS_WAIT", "77s");
    let object = |verb: &str, code: i32| run(&world, &["service", verb, "--json"]).ends_with(code).json();
    assert_eq!(object("install", 0)["did"], "updated");
    assert!(read(&unit).contains("Environment=\"DRIFTLESS_WAIT=77s\"\n") && printed != read(&unit));
    calls();
    assert_eq!(object("uninstall", 0)["did"], "removed");
    assert_eq!(calls(), ["show-environment", "disable", "daemon-reload", "reset-failed"]);
    assert!(!stands(&unit));
    run(&world, &["service", "uninstall"]).ends_with(0).says("Nothing starts the watch process of the pair a b");

    write(&unit, "[Service]\nExecStart=/bin/true\n");
    for verb in ["install", "uninstall"] {
        run(&world, &["service", verb]).ends_with(4).says("is not the unit of this pair");
    }
    assert_eq!(read(&unit), "[Service]\nExecStart=/bin/true\n");
}

/// systemd's own parser takes it, where the machine has one.
#[cfg(unix)]
fn verifies(world: &World, unit: &std::path::Path) {
    let mut analyze = Command::new("systemd-analyze");
    match analyze.args(["--user", "verify"]).arg(unit).env("XDG_RUNTIME_DIR", world.top()).output() {
        Err(_) => eprintln!("skipped in part: no systemd-analyze"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let name = unit.file_name().expect("a name").to_str().expect("text");
            assert!(!said.contains(name), "{said}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_started_leaves_no_unit() {
    let mut world = world();
    let (_, fails) = pretend_systemctl(&mut world);
    let folder = world.top().join("home/.config/systemd/user");
    let units = || fs::read_dir(&folder).map_or(0, |entries| entries.count());
    for (verb, words) in
        [("show-environment", "loginctl enable-linger"), ("enable", "stands there again"), ("restart", "cannot be")]
    {
        write(&fails, verb);
        let ended = run(&world, &["service", "install"]);
        ended.ends_with(1).says(words).says("No \\u{1b}[2J medium found");
        assert_eq!(units(), 0, "{verb}");
    }
    write(&fails, "");
    run(&world, &["service", "install"]).ends_with(0).says("starts with each login");
    let unit = fs::read_dir(&folder).expect("units").next().expect("one").expect("an entry").path();
    let before = read(&unit);
    world.set("DRIFTLESS_WAIT", "77s");
    for (verb, command) in [("restart", "install"), ("show-environment", "uninstall"), ("disable", "uninstall")] {
        write(&fails, verb);
        run(&world, &["service", command]).ends_with(1);
        assert_eq!((units(), read(&unit)), (1, before.clone()), "{verb}");
    }
    world.set("TMPDIR", "/");
    run(&world, &["service", "install"]).ends_with(4).says("temporary folder");
    assert_eq!(read(&unit), before);
}
