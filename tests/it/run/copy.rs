//! The command on the staged copy: what it sees, when it starts, what comes back.

use std::fs;

use super::{Running, WAIT, lists};
use crate::harness::{World, chmod, read, stands, wait_for, write};

#[test]
fn ss_13_15_the_command_works_on_the_copy_and_its_results_are_on_the_network() {
    let world = World::new();
    write(&world.network.join("in/data.csv"), "1\n");
    let script = "pwd; echo $SMART_SYNC_ENABLED $DRIFTLESS_PAIR; echo $NETWORK_PROJECT_PATH; echo $LOCAL_PROJECT_PATH; \
                  echo $PROJECT_PATH; cat in/data.csv; echo 2 > out.csv; rm in/data.csv";
    let ended = world.sh(&[], script);
    let [network, staging] = [&world.network, &world.staging].map(|root| root.to_str().expect("text"));
    let expected = format!("{staging}\ntrue network\n{network}\n{staging}\n{staging}\n1\n");
    assert_eq!(ended.ends_with(0).stdout, expected, "{ended}");
    assert_eq!(read(&world.network.join("out.csv")), "2\n");
    assert!(!stands(&world.network.join("in/data.csv")));
    world.in_step();
    // The second time nobody has to say where.
    fs::create_dir_all(world.network.join("in")).expect("a folder");
    world.run(&["sync"]).ends_with(0);
    let again = world.run_in(&world.network.join("in"), &["run", "--", "sh", "-c", "pwd; echo 3 > here"]);
    assert_eq!(again.ends_with(0).stdout, format!("{staging}/in\n"), "{again}");
    assert_eq!(read(&world.network.join("in/here")), "3\n");
}

/// A program in the background outlives the command; what it writes is not forgotten, and that is said.
#[test]
fn what_the_command_leaves_at_work_is_told() {
    let world = World::paired(&[("a", "1")]);
    let script =
        format!("{WAIT} (exec >/dev/null 2>&1; exec 3>>late; echo > $T/begun; wait_for go; echo 2 >&3) & wait_for begun");
    world.begins(&[], &script).ends().ends_with(0).says("still works in the staged copy");
    world.sh(&[], "true").ends_with(0).says("works in the staged copy too");
    write(&world.top().join("go"), "");
    wait_for("the line", || read(&world.staging.join("late")) == "2\n");
    let ended = world.sh(&[], "true");
    assert!(read(&world.network.join("late")) == "2\n", "{ended}");
}

#[test]
fn a_folder_that_the_copy_does_not_have_is_no_place_for_the_command() {
    let world = World::paired(&[("a", "1")]);
    let left_out = world.network.join("scratch.tmp");
    write(&world.network.join("driftless.toml"), "ignore = [\"*.tmp\"]\n");
    fs::create_dir(&left_out).expect("a folder");
    let ended = world.run_in(&left_out, &["run", "--", "touch", "ran"]);
    ended.ends_with(4).says("scratch.tmp is not in the staged copy");
    assert!(!stands(&world.staging.join("ran")));
}

#[test]
fn ss_14_results_go_up_after_a_failure_too_and_its_code_is_the_commands() {
    let world = World::paired(&[("a", "1")]);
    world.sh(&[], "echo 2 > b; exit 9").ends_with(9);
    world.sh(&[], "echo 3 > c; kill -TERM $$").ends_with(143);
    assert_eq!(lists(&world.network), ["a", "b", "c"]);
    let missing = world.run_in(&world.network, &["run", "--", "no-such-program"]);
    missing.ends_with(127).says("no-such-program cannot be started");
    // The command did what it should: then the sync's code counts.
    write(&world.network.join("a"), "theirs");
    world.sh(&[], "echo mine > a; echo theirs too > $NETWORK_PROJECT_PATH/a").ends_with(3);
    world.sh(&[], "exit 5").ends_with(5);
}

#[test]
fn it_passes_input_and_the_object_stands_on_the_last_line() {
    let world = World::paired(&[("a", "1")]);
    let mut command = world.command(&world.top(), &world.run_words(&["--json"], "cat; echo 22 > b"));
    let input = world.top().join("input");
    write(&input, "typed\n");
    let ended = Running::of(
        {
            command.stdin(fs::File::open(input).expect("a file"));
            command
        },
        &world,
    )
    .ends();
    let (typed, object) = ended.ends_with(0).stdout.split_once('\n').expect("two lines");
    assert_eq!(typed, "typed");
    let object: serde_json::Value = serde_json::from_str(object).expect("JSON");
    assert_eq!((&object["command"], &object["up"]["written"]["files"]), (&0.into(), &1.into()), "{object}");
    assert_eq!(object["down"]["outcome"], "done");
}

/// A command that finds inputs missing makes new, empty outputs.
#[test]
fn it_starts_only_where_staging_once_held_everything() {
    let mut world = World::new();
    write(&world.network.join("a"), "1");
    write(&world.network.join("locked/b"), "2");
    world.as_nobody();
    let ran = world.top().join("ran");
    let script = format!("echo >> '{}'", ran.display());
    // The drive is not there, and nothing of it ever was.
    world.run_in(&world.top(), &["init", "--network", "network", "--staging", "staging"]).ends_with(0);
    let away = world.top().join("away");
    fs::rename(&world.network, &away).expect("renamed");
    world.sh(&["--wait", "10ms"], &script).ends_with(75).says("never held all of the project").says("--start-anyway");
    assert!(!stands(&ran));
    world.sh(&["--wait", "10ms", "--start-anyway"], &script).ends_with(75);
    assert!(stands(&ran), "it was started anyway");
    fs::rename(&away, &world.network).expect("renamed");
    // What nobody here may read would be missing for ever.
    chmod(&world.network.join("locked/b"), 0);
    world.sh(&[], &script).ends_with(0).says("locked/b");
    assert_eq!(read(&ran).len(), 2);
    // Once complete, a drive that is away is no reason not to work.
    fs::rename(&world.network, &away).expect("renamed");
    let offline = world.sh(&["--wait", "10ms"], &format!("{script}; echo 5 > new"));
    offline.ends_with(75).says("works with the staged copy as it is").says("1 change is in");
    assert_eq!(read(&ran).len(), 3);
    fs::rename(&away, &world.network).expect("renamed");
    world.sh(&[], "true").ends_with(0);
    assert_eq!(read(&world.network.join("new")), "5\n");
}

#[test]
fn an_up_into_an_empty_staging_makes_it_no_complete_one() {
    let world = World::new();
    write(&world.network.join("a"), "1");
    world.run(&["sync", "up"]).ends_with(0);
    let away = world.top().join("away");
    fs::rename(&world.network, &away).expect("renamed");
    world.sh(&["--wait", "10ms"], "true").ends_with(75).says("never held all of the project");
}

#[test]
fn results_go_up_while_it_works_unless_that_is_switched_off() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&["--push-every", "50ms"], &format!("{WAIT} echo 2 > b; wait_for go"));
    wait_for("a push", || stands(&world.network.join("b")));
    running.go("go");
    running.ends().ends_with(0);
    let script = format!("{WAIT} echo 3 > c; echo > $T/written; wait_for over");
    let running = world.begins(&["--push-every", "0s"], &script);
    running.tells("written");
    assert!(!stands(&world.network.join("c")), "nothing goes up before its end");
    running.go("over");
    running.ends().ends_with(0);
    assert_eq!(lists(&world.network), ["a", "b", "c"]);
}

#[test]
fn a_second_run_of_a_project_is_refused_and_one_inside_is_the_bare_command() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&[], &format!("{WAIT} echo > $T/begun; wait_for go"));
    running.tells("begun");
    world
        .sh(&[], "true")
        .ends_with(8)
        .says("runs on the staged copy of network already")
        .says(world.staging.to_str().expect("text"));
    running.go("go");
    running.ends().ends_with(0);
    let program = env!("CARGO_BIN_EXE_driftless");
    let inner = world.sh(&[], &format!("'{program}' run -- sh -c 'echo $PPID; echo $SMART_SYNC_ENABLED; exit 4'; echo $?"));
    assert!(inner.ends_with(0).stdout.ends_with("true\n4\n"), "{inner}");
}

#[test]
fn ss_03_the_place_may_be_set_and_is_found_again() {
    let mut world = World::new();
    let place = world.top().join("copies");
    world.set("DRIFTLESS_STAGING_HOME", place.to_str().expect("text"));
    write(&world.network.join("a"), "1");
    world.run_in(&world.top(), &["init", "--network", "network"]).ends_with(0);
    let ended = world.run_in(&world.network, &["run", "--", "pwd"]);
    assert_eq!(ended.ends_with(0).stdout.trim(), place.join("network").to_str().expect("text"));
    assert_eq!(read(&place.join("network/a")), "1");
}
