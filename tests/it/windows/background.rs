//! The watch process without a window, what may ask it, and its start at log-on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use super::{shows_paths_as_people_write_them, text};
use crate::harness::{Ended, World, begun, place_of_networks, read, stands, started, wait_for, write};

const KEY: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run";

/// A pair of a name of its own, so that tests do not meet in the registry.
struct Named {
    world: World,
    name: &'static str,
}

impl Named {
    fn new(name: &'static str) -> Named {
        let world = World::new();
        write(&world.network.join("a"), "a");
        let roots = ["--network", text(&world.network), "--staging", text(&world.staging)];
        world.run_in(&world.top(), &[&["init", "--name", name], &roots[..]].concat()).ends_with(0);
        Named { world, name }
    }

    fn run(&self, words: &[&str]) -> Ended {
        self.world.run_in(&self.world.top(), &[words, &["--pair", self.name]].concat())
    }

    /// What runs at log-on, as the system's own program tells it.
    fn at_log_on(&self) -> Option<String> {
        let value = format!("driftless-{}", self.name);
        let asked = || Command::new("reg").args(["query", KEY, "/v", &value]).output();
        let told = begun(|| Ended::of(started(asked)));
        (told.code == 0).then_some(told.stdout)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        drop(self.world.command(&self.world.top(), &["service", "uninstall", "--pair", self.name]).output());
        drop(self.world.command(&self.world.top(), &["stop", "--pair", self.name]).output());
    }
}

#[test]
fn a_detached_one_carries_changes_is_paused_and_stopped() {
    let named = Named::new("it-detach");
    let world = &named.world;
    named.run(&["watch", "--detach"]).ends_with(0).says("is watched by process");
    named.run(&["watch", "--detach"]).ends_with(0).says("is watched already");
    named.run(&["watch"]).ends_with(8).says("watched already");
    named.run(&["status"]).ends_with(0).says("Watched by process");
    wait_for("the first look", || stands(&world.staging.join("a")));
    write(&world.staging.join("b"), "b");
    wait_for("what is saved", || stands(&world.network.join("b")));
    named.run(&["pause"]).ends_with(0);
    write(&world.staging.join("c"), "c");
    let up = named.run(&["sync", "up", "--json"]);
    assert_eq!(up.ends_with(0).json()["via"], "watch", "{up}");
    assert_eq!(read(&world.network.join("c")), "c");
    named.run(&["resume"]).ends_with(0);
    write(&world.network.join("theirs"), "theirs");
    wait_for("what is saved on the network", || stands(&world.staging.join("theirs")));
    if place_of_networks().is_some() {
        let status = named.run(&["status", "--json"]);
        let mode = status.ends_with(0).json()["watch"]["roots"]["network"]["mode"].clone();
        assert_eq!(mode, "polling", "what a share tells is a hint: {status}");
    }
    named.run(&["stop"]).ends_with(0).says("has ended");
    named.run(&["stop"]).ends_with(0).says("not watched");
    shows_paths_as_people_write_them(&named.run(&["logs"]));
    assert_eq!(read(&world.state.join(named.name).join("watch.err")), "");
}

#[test]
fn a_network_folder_that_goes_away_and_comes_back_is_in_step_again() {
    let named = Named::new("it-away");
    let world = &named.world;
    named.run(&["watch", "--detach"]).ends_with(0);
    wait_for("the first look", || stands(&world.staging.join("a")));
    let away = world.network.with_file_name("away");
    std::fs::rename(&world.network, &away).expect("away");
    write(&world.staging.join("meanwhile"), "m");
    let phase = || named.run(&["status", "--json"]).json()["watch"]["phase"].clone();
    wait_for("that it is away", || phase() == "offline");
    assert!(stands(&world.staging.join("a")) && !stands(&world.network), "nothing is made or deleted for it");
    std::fs::rename(&away, &world.network).expect("back");
    wait_for("what was saved meanwhile", || stands(&world.network.join("meanwhile")));
    named.run(&["stop"]).ends_with(0);
}

#[test]
fn only_who_knows_the_token_is_answered() {
    let named = Named::new("it-token");
    named.run(&["watch", "--detach"]).ends_with(0);
    let file = named.world.state.join(named.name).join("control.token");
    let text = read(&file);
    let (at, token) = text.trim_end().split_once(' ').expect("an address and a token");
    assert!(at.starts_with("127.0.0.1:") && token.len() == 64, "{text}");
    let asked = |token: &str| {
        let mut stream = TcpStream::connect(at).expect("it listens");
        write!(stream, "GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n")
            .expect("asked");
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        answer.split(' ').nth(1).expect("a code").to_owned()
    };
    assert_eq!(asked(token), "200");
    assert_eq!(asked(&token.replace(|_| true, "0")), "401");
    named.run(&["stop"]).ends_with(0);
    assert!(!stands(&file), "the token goes with the process");
}

#[test]
fn at_log_on_it_is_started_without_a_window_until_that_is_taken_back() {
    let named = Named::new("it-log-on");
    assert_eq!(named.at_log_on(), None);
    let printed = named.run(&["service", "print"]);
    printed.ends_with(0).says("\"pair\": \"it-log-on\"").says("DRIFTLESS_HOME");
    named.run(&["service", "install"]).ends_with(0).says("was started now");
    let value = named.at_log_on().expect("a value");
    assert!(value.contains("conhost.exe --headless") && value.contains("--at-log-on"), "{value}");
    named.run(&["status"]).ends_with(0).says("Watched by process");
    // What Windows runs then: it starts the process and ends.
    named.run(&["stop"]).ends_with(0);
    let unit = named.world.state.join(".log-on/driftless-it-log-on.json");
    named.world.run_in(&named.world.top(), &["watch", "--at-log-on", text(&unit)]).ends_with(0);
    wait_for("the process", || named.run(&["status"]).stdout.contains("Watched by process"));
    named.run(&["service", "install"]).ends_with(0);
    named.run(&["service", "uninstall"]).ends_with(0).says("was stopped");
    assert!(named.at_log_on().is_none() && !stands(&unit));
    named.run(&["status"]).ends_with(0);
    named.run(&["stop"]).ends_with(0).says("not watched");
    named.run(&["service", "uninstall"]).ends_with(0).says("Nothing starts");
}

#[test]
fn a_hook_is_a_line_for_cmd() {
    let named = Named::new("it-hook");
    let file = named.world.state.join(named.name).join("pair.toml");
    let settings = read(&file) + "\n[hooks]\nafter_sync = \"echo %DRIFTLESS_HOOK%>hook.txt\"\n";
    std::fs::write(&file, settings).expect("written");
    named.run(&["sync", "down"]).ends_with(0);
    assert_eq!(read(&named.world.state.join(named.name).join("hook.txt")).trim_end(), "after_sync");
}

#[test]
fn without_git_its_commands_say_what_is_missing() {
    let mut world = World::new();
    world.set("PATH", r"C:\windows\system32");
    let ended = world.run_in(&world.staging, &["git", "state"]);
    assert_ne!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("git"), "{ended}");
}
