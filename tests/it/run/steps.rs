//! SS-14: steps, from the host and from inside a container by the clients of the documentation.

use std::fs;
use std::path::PathBuf;

use super::{WAIT, lists};
use crate::harness::{World, read, stands, wait_for, write};

fn client(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/clients").join(name)
}

#[test]
fn ss_14_steps_are_told_by_the_clients_of_the_documentation() {
    for (name, shell) in [("step.sh", "sh"), ("step.py", "python3")] {
        let world = World::paired(&[("a", "1")]);
        let script = format!(
            "{WAIT} step() {{ {shell} '{}' \"$@\"; }}; echo before > early; echo 5 > $NETWORK_PROJECT_PATH/theirs; \
             step begin align || exit 21; cat theirs || exit 22; echo half > b; step status; echo > $T/half; wait_for go; \
             step end align; cat $NETWORK_PROJECT_PATH/b || exit 23; \
             step begin plot; echo > c; step end plot --failed; test -e $NETWORK_PROJECT_PATH/c && exit 24; \
             ls .driftless/steps; cd /; step begin elsewhere; exit 0",
            client(name).display()
        );
        let running = world.begins(&["--push-every", "10ms"], &script);
        running.tells("half");
        // Many pushes would have come by now.
        let began = std::time::Instant::now();
        wait_for("some time", || began.elapsed() > std::time::Duration::from_millis(1_000));
        assert!(!stands(&world.network.join("b")), "{name}: half a step is on the network");
        running.go("go");
        let ended = running.ends();
        ended
            .ends_with(0)
            .says("Step align synced to the network: ")
            .says("5\n")
            .says("open align since")
            .says("Step plot failed");
        // Nobody listens in `/`: said, and the workflow goes on. Nothing but the sign was left in the mailbox.
        ended.says("going on").says("open\n");
        assert_eq!(lists(&world.network), ["a", "b", "c", "early", "theirs"], "{name}: {ended}");
        assert_eq!(fs::read_dir(world.staging.join(".driftless/steps")).expect("the mailbox").count(), 0);
    }
}

#[test]
fn ss_14_steps_from_the_host_hold_back_half_a_step_and_each_other() {
    let world = World::paired(&[("a", "1")]);
    let step = |words: &[&str]| {
        let mut all = vec!["step"];
        all.extend(words);
        all.extend(["--pair", "network"]);
        world.run_in(&world.top(), &all)
    };
    step(&["status"]).ends_with(0).says("no step was begun");
    write(&world.network.join("theirs"), "2");
    step(&["begin", "align"]).ends_with(0).says("Step align begins; taken from the network: 1 file");
    assert!(stands(&world.staging.join("theirs")));
    step(&["begin", "count"]).ends_with(0);
    write(&world.staging.join("mine"), "3");
    step(&["end", "align"]).ends_with(0).says("when step count has ended");
    assert!(!stands(&world.network.join("mine")));
    step(&["end", "count"]).ends_with(0).says("Step count synced to the network: 1 file (1 bytes)");
    assert!(stands(&world.network.join("mine")));
    let object = step(&["end", "count", "--json"]).json();
    assert_eq!((&object["sync"]["outcome"], &object["steps"][1]["state"]), (&"done".into(), &"done".into()), "{object}");
    // SS-11: a sync that fails warns; `--strict` is for who wants to know.
    fs::rename(&world.network, world.top().join("away")).expect("renamed");
    write(&world.staging.join("more"), "4");
    step(&["end", "count", "--wait", "10ms"]).ends_with(0).says("its results are kept in staging");
    step(&["end", "count", "--wait", "10ms", "--strict"]).ends_with(75);
    step(&["begin", "bad\u{1b}name"]).ends_with(2);
}

#[test]
fn a_step_that_never_ends_is_told_and_the_final_up_comes_all_the_same() {
    let world = World::paired(&[("a", "1")]);
    let program = env!("CARGO_BIN_EXE_driftless");
    let ended = world.sh(&[], &format!("'{program}' step begin align; echo 2 > b"));
    ended.ends_with(0).says("step align was begun and never ended");
    assert!(stands(&world.network.join("b")));
    world.run_in(&world.top(), &["step", "status", "--pair", "network"]).says("no step was begun");
}

/// It would carry half a step, as it happens.
#[test]
fn a_watch_process_is_used_and_held_while_a_step_is_open() {
    let world = World::paired(&[("a", "1")]);
    world.run(&["watch", "--detach"]).ends_with(0);
    let program = env!("CARGO_BIN_EXE_driftless");
    let script = format!(
        "{WAIT} echo 2 > b; wait_for ../network/b; '{program}' step begin align; echo 3 > c; echo > $T/half; wait_for go; '{program}' step end align"
    );
    let running = world.begins(&["--json"], &script.replace("../network", "network"));
    running.tells("half");
    wait_for("the watch process to rest", || world.json(&["status"], 0)["watch"]["phase"] == "paused");
    assert!(!stands(&world.network.join("c")), "half a step is on the network");
    running.go("go");
    let ended = running.ends();
    ended.ends_with(0).says("\"via\":\"watch\"");
    assert!(stands(&world.network.join("b")) && stands(&world.network.join("c")), "{ended}");
    wait_for("the watch process to go on", || world.json(&["status"], 0)["watch"]["phase"] == "idle");
    world.run(&["stop"]).ends_with(0);
}

/// Who can write in staging can ask for a sync, and for nothing else.
#[test]
fn nonsense_in_the_mailbox_is_answered_or_left_and_harms_nothing() {
    let world = World::paired(&[("a", "1")]);
    write(&world.network.join(".driftless/steps/x.ask"), "begin theirs\n");
    write(&world.top().join("secret"), "begin secret\n");
    let script = format!(
        "{WAIT} cd .driftless/steps; ask() {{ printf '%b' \"$2\" > t; mv t \"$1.ask\"; }}; \
         ask run 'run -- rm -rf /\\n'; ask paths 'begin ../../x\\033[2J\\n'; ask two 'begin a\\nend a\\n'; ask empty ''; \
         head -c 5000 /dev/zero | tr '\\0' x > big.ask; ln -s $T/secret link.ask; mkfifo fifo.ask; mkdir folder.ask; \
         printf 'status\\n' > 'odd name.ask'; ln -s /etc/hostname good.answer; ask good 'status\\n'; \
         for id in run paths two empty big; do wait_for network/../staging/.driftless/steps/$id.answer; head -n1 $id.answer; done; \
         wait_for staging/.driftless/steps/good.answer; until grep -q 'no step' good.answer; do sleep 0.05; done; \
         cat good.answer; ls; cd ..; mv steps away; ln -s $T steps; cd ..; echo 2 > b"
    );
    let ended = world.sh_in_top(&script);
    ended.ends_with(0);
    assert!(ended.stdout.starts_with("2\n2\n2\n2\n2\n0\nno step was begun\n"), "{ended}");
    for left in ["link.ask", "fifo.ask", "folder.ask", "odd name.ask"] {
        ended.says(left);
    }
    assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
    assert_eq!(lists(&world.network), ["a", "b"]);
    assert_eq!(read(&world.top().join("secret")), "begin secret\n");
    assert!(!stands(&world.top().join("open")) && !read(&PathBuf::from("/etc/hostname")).contains("step"));
    assert_eq!(read(&world.network.join(".driftless/steps/x.ask")), "begin theirs\n", "the network's is looked at by nobody");
    // Held by its sign: a link there is no mailbox, and no reason not to run.
    world.sh(&[], "true").ends_with(0).says("steps cannot be told");
}

impl World {
    fn sh_in_top(&self, script: &str) -> crate::harness::Ended {
        self.begins(&[], script).ends()
    }
}
