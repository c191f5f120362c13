//! The question of a first sync, at a real terminal and without one.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

#[cfg(unix)]
use crate::ground::Ground;
use crate::harness::{Ended, World, paths, read, stands, touch, write};
#[cfg(unix)]
use crate::services::{Kind, Loop};
use crate::tree::Tree;

/// Two folders that hold mostly different things.
fn strangers() -> World {
    let world = World::new();
    for number in 0..12 {
        write(&world.staging.join(format!("here/s{number}")), "s");
        write(&world.network.join(format!("there/n{number}")), "n");
    }
    write(&world.staging.join("both"), "both");
    write(&world.network.join("both"), "both");
    world
}

/// The program at a terminal of its own, where somebody types `answer`.
#[cfg(unix)]
fn asked(world: &World, answer: &str, words: &[&str]) -> Ended {
    let plain = world.command(&world.top(), &world.arguments(words));
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().expect("text"));
    let line: Vec<String> = std::iter::once(plain.get_program()).chain(plain.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["-qefc", &line.join(" "), "/dev/null"]).env("DRIFTLESS_HOME", &world.state).env("TERM", "xterm");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().expect("script, of util-linux");
    child.stdin.take().expect("a pipe").write_all(answer.as_bytes()).expect("typed");
    Ended::of(child.wait_with_output().expect("it ends"))
}

#[cfg(unix)]
#[test]
fn ss_04_the_question_at_a_terminal() {
    let world = strangers();
    let before = world.trees();
    for answer in ["n\n", "\n", "what?\n"] {
        asked(&world, answer, &["sync"]).ends_with(4).says("hold mostly different things").says("all the same? [y/N]");
        assert!(world.trees() == before, "{answer:?}");
    }
    // A dry run asks too, and writes nothing for a yes.
    asked(&world, "y\n", &["sync", "--dry-run"]).says("[y/N]");
    assert!(world.trees() == before);
    asked(&world, "yes\n", &["sync"]).ends_with(0).says("[y/N]");
    assert_eq!(Tree::of(&world.network).0.len(), 27);
    world.in_step();
}

#[test]
fn ss_04_the_question_without_a_terminal() {
    let world = strangers();
    let before = world.trees();
    for words in [&["sync"][..], &["sync", "up"], &["sync", "down", "--json"]] {
        world.run(words).ends_with(4);
        assert!(world.trees() == before, "{words:?}");
    }
    let object = world.json(&["sync", "--yes"], 0);
    assert_eq!((&object["written"]["files"], &object["deleted"]["files"]), (&24.into(), &0.into()), "{object}");
}

/// Ends the world's watch process, also where the test fails.
struct Watched<'a>(&'a World);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        drop(self.0.command(&self.0.top(), &self.0.arguments(&["stop"])).output());
    }
}

/// A watch process can ask nobody, so the command does it.
#[cfg(unix)]
#[test]
fn ss_04_the_question_while_the_pair_is_watched() {
    let world = strangers();
    let watched = Watched(&world);
    world.run(&["watch", "--detach"]).ends_with(0).says("look like different projects");
    assert_eq!(world.json(&["sync"], 4)["via"], "scan");
    asked(&world, "yes\n", &["sync"]).ends_with(0).says("[y/N]");
    assert_eq!(Tree::of(&world.network).0.len(), 27);
    drop(watched);
    world.in_step();
}

/// Once a pair: what the two folders look like later is no matter.
#[test]
fn ss_04_the_question_is_asked_once() {
    let world = strangers();
    world.json(&["sync", "up", "--yes"], 0);
    for number in 0..12 {
        write(&world.network.join(format!("more/{number}")), "m");
    }
    world.json(&["sync"], 0);
    world.in_step();
}

/// A run for a PATH is asked for what it sees; its yes answers for that run alone.
#[test]
fn ss_04_a_run_for_a_path() {
    let world = strangers();
    let here = world.staging.join("here");
    let object = world.json(&["sync", "up", here.to_str().expect("text")], 0);
    assert_eq!(object["written"]["files"], 12, "{object}");
    fs::remove_dir_all(world.network.join("here")).expect("removed");
    for number in 0..12 {
        write(&world.network.join(format!("here/n{number}")), "n");
    }
    let again = world.run(&["sync", "both"]);
    again.ends_with(0);
    world.run(&["sync"]).ends_with(4).says("mostly different");
}

/// Equal size and time, other bytes: equal by the user's word, and `--verify` finds it.
#[test]
fn ss_06_trusted_times_are_the_users_word() {
    let world = World::new();
    let pair = |name: &str| {
        for (root, text) in [(&world.staging, "here."), (&world.network, "there")] {
            write(&root.join(name), text);
            touch(&root.join(name), 1_200_000_000, 123_456_789);
        }
    };
    pair("a");
    assert_eq!(paths(&world.json(&["sync", "--trust-times", "--verify"], 3), "conflicts"), ["a"], "verify beats it");
    // That run came to its end, so the two have met: times are not trusted any more.
    assert_eq!(paths(&world.json(&["sync", "--trust-times"], 3), "conflicts"), ["a"]);
    world.json(&["relink"], 0);
    assert_eq!(world.json(&["sync", "--trust-times"], 0)["adopted"], 1);
    world.json(&["sync"], 0);
    assert_eq!((read(&world.staging.join("a")), read(&world.network.join("a"))), ("here.".into(), "there".into()));
    let object = world.json(&["sync", "--verify", "--dry-run"], 0);
    assert_eq!(object["written"]["files"], 1, "{object}");
    // What comes up later on both sides is read.
    pair("b");
    assert_eq!(paths(&world.json(&["sync", "--trust-times"], 3), "conflicts"), ["b"]);
}

/// Whole seconds say too little: such times are never trusted.
#[cfg(unix)]
#[test]
fn ss_06_coarse_times_are_not_trusted() {
    let ground = Ground::new();
    let _mount = Loop::mount(Kind::Exfat, 16 << 20, &ground.network);
    for (root, text) in [(&ground.staging, &b"here."[..]), (&ground.network, b"there")] {
        crate::ground::write(&root.join("a"), text, crate::ground::then(0));
    }
    let ended = ground.sync(&["--trust-times"]);
    assert_eq!((ended.code, ended.paths("conflicts")), (Some(3), vec!["a"]), "{ended:#?}");
    assert!(stands(&ground.staging.join("a")));
}
