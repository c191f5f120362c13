//! How ticks end: commits that the remote refuses, commands that do not end, nothing that says where to.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::faults::script;
use super::{Hub, commit, git, head, ours, sound};
use crate::harness::{Ended, wait_for, write};

const STATE: &str = "mkdir -p state; date +%N >state/s";

/// A branch that takes no force push: one backup, however often it is tried, and what waits goes out.
#[test]
fn gs_02_a_protected_branch_holds_up_no_publish() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    git(&hub.bare, &["config", "receive.denyNonFastForwards", "true"]);
    hub.moves();
    let mine = commit(&clone, "mine");
    let mut tips = vec![hub.tip()];
    for _ in 0..2 {
        hub.run(&clone, &["tick", "--alpha"]).ends_with(4).says("does not take the commits");
    }
    assert_eq!((hub.tip(), ours(&clone, "backup").len()), (tips[0].clone(), 1));
    for _ in 0..2 {
        hub.run(&clone, &["tick", "--alpha", "--run", STATE]).ends_with(4).says("does not take the commits");
        assert!(hub.at_tip("state/s").is_some() && !tips.contains(&hub.tip()), "what the tick made goes out");
        tips.push(hub.tip());
    }
    assert_eq!((head(&clone), hub.at_tip("edit.txt").as_deref()), (mine, Some("theirs\n")));
    sound(&clone);
}

/// The same where a hook does not take the user's commits.
#[test]
fn gs_02_commits_that_a_hook_refuses_hold_up_no_publish() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let hook = "while read old new ref; do git diff --name-only $old $new | grep -q bad && exit 1; done; exit 0";
    script(&hub.bare.join("hooks/pre-receive"), hook);
    write(&clone.join("bad"), "x\n");
    let mine = commit(&clone, "bad");
    hub.run(&clone, &["tick", "--run", STATE]).ends_with(4).says("does not take the commits");
    assert!(hub.at_tip("state/s").is_some() && hub.at_tip("bad").is_none());
    let kept = git(&clone, &["for-each-ref", "--contains", &mine, "--format=%(refname)"]);
    assert!(!kept.is_empty(), "the commit is there still");
    sound(&clone);
}

/// A command has a time, and neither that nor Ctrl-C takes a no for an answer.
#[test]
fn gs_04_a_command_that_does_not_end_is_ended() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let (started, tip) = (hub.top().join("started"), hub.tip());
    let deaf =
        format!("mkdir -p state; echo half >state/s; trap '' TERM INT; : >{}; while :; do sleep 600; done", started.display());
    let began = Instant::now();
    hub.run(&clone, &["tick", "--run", "sleep 600", "--run-timeout", "200ms"]).ends_with(4).says("took longer than 0.2 s");
    assert!(began.elapsed() < Duration::from_secs(60));
    let mut command = hub.world.command(&clone, &["git", "tick", "--run", &deaf]);
    let tick = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for("the command", || started.exists());
    let began = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&tick), rustix::process::Signal::INT).expect("it runs");
    Ended::of(tick.wait_with_output().expect("it ends")).ends_with(130);
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!((hub.tip(), ours(&clone, "pending")), (tip, vec![]));
    sound(&clone);
}

/// Where nothing says where to, the commands are not run either.
#[test]
fn gs_04_a_tick_finds_its_branch_before_it_runs_anything() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    git(&clone, &["switch", "-q", "-c", "alone"]);
    hub.run(&clone, &["tick", "--run", "touch ran"]).ends_with(4).says("goes with alone").says("Nothing was changed");
    assert!(!clone.join("ran").exists());
}
