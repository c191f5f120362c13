//! SS-02: a project on a local disk is left alone.

use std::process::Stdio;

use super::Running;
use crate::harness::{Ended, World, stands, write};

const PROGRAM: &str = env!("CARGO_BIN_EXE_driftless");
const TELL: &str = "echo $$; pwd; echo $SMART_SYNC_ENABLED; echo $PROJECT_PATH; echo $LOCAL_PROJECT_PATH; \
                    echo ${NETWORK_PROJECT_PATH-none}; cat; exit 7";

#[test]
fn ss_02_a_local_project_has_the_bare_command_in_its_own_process() {
    let mut world = World::new();
    world.set("NETWORK_PROJECT_PATH", "of another time");
    let mut command = world.command(&world.network, &["run", "--", "sh", "-c", TELL]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let id = child.id();
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"from stdin\n").expect("written");
    let ended = Ended::of(child.wait_with_output().expect("waited for"));
    let here = world.network.to_str().expect("text");
    assert_eq!(ended.stdout, format!("{id}\n{here}\nfalse\n{here}\n{here}\nnone\nfrom stdin\n"), "{ended}");
    assert_eq!((ended.code, ended.stderr.as_str()), (7, ""), "{ended}");
    assert!(!stands(&world.state) && !stands(&world.network.join(".driftless")), "nothing was made");
}

#[test]
fn ss_02_it_needs_no_state_folder_and_no_home() {
    let world = World::new();
    let mut command = world.command(&world.network, &["run", "--", "sh", "-c", "exit 3"]);
    command.env_remove("HOME").env_remove("DRIFTLESS_HOME");
    Ended::of(command.output().expect("it starts")).ends_with(3);
}

/// A script may tell of its steps with and without a drive.
#[test]
fn steps_of_a_local_project_are_heard_and_nothing_is_done() {
    let world = World::new();
    let ended = world.run_in(&world.network, &["run", "--", "sh", "-ec", "$0 step begin a; $0 step end a --strict", PROGRAM]);
    assert!(ended.ends_with(0).stdout.contains("needs no staging"), "{ended}");
    assert!(!stands(&world.state));
}

/// What a run leaves in the environment names its own project.
#[test]
fn another_local_project_inside_a_run_is_left_alone() {
    let world = World::paired(&[("a", "1")]);
    let other = world.top().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let script = format!("cd '{}' && '{PROGRAM}' run -- pwd", other.display());
    assert_eq!(world.sh(&[], &script).ends_with(0).stdout, format!("{}\n", other.display()));
}

#[test]
fn a_command_that_is_not_there_ends_as_in_a_shell() {
    let world = World::new();
    write(&world.network.join("no-program"), "text");
    let ends = |command: &str| world.run_in(&world.network, &["run", "--", command]);
    ends("no-such-program").ends_with(127).says("no-such-program cannot be started");
    ends("./no-program").ends_with(126);
    world.run_in(&world.network, &["run", "true"]).ends_with(2);
}

#[test]
fn an_object_tells_of_it_where_one_is_asked_for() {
    let world = World::new();
    let ended = world.run_in(&world.network, &["run", "--json", "--", "sh", "-c", "exit 4"]);
    ended.ends_with(4);
    let object = ended.json();
    assert_eq!((&object["staged"], &object["command"], &object["down"]), (&false.into(), &4.into(), &serde_json::Value::Null));
}

#[test]
fn detect_tells_what_run_does() {
    let world = World::new();
    let detect = |world: &World| world.run_in(&world.top(), &["detect", "network", "--json"]).json()["run"].clone();
    assert_eq!(detect(&world)["staged"], false);
    world.run_in(&world.top(), &["init", "--network", "network", "--staging", "staging"]).ends_with(0);
    // Not the folder above it.
    let above = world.run_in(&world.network, &["detect", "..", "--json"]).json()["run"].clone();
    assert_eq!(above["staged"], false, "{above}");
    let known = detect(&world);
    assert_eq!((&known["staged"], &known["pair"]), (&true.into(), &"network".into()), "{known}");
    let running = Running::of(world.command(&world.network, &["run", "--", "pwd"]), &world);
    assert_eq!(running.ends().stdout.trim(), world.staging.to_str().expect("text"));
}
