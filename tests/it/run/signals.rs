//! Ctrl-C once, twice, three times; signals of programs; a terminal; `nohup`.

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Running, WAIT};
use crate::harness::{World, is_root, read, stands, wait_for, write};

#[test]
fn the_first_asks_the_command_and_its_results_go_up() {
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::QUIT, "QUIT")] {
        let world = World::paired(&[("a", "1")]);
        let script = format!("{WAIT} trap 'echo 2 > b; exit 5' {name}; echo > $T/begun; wait_for never");
        let running = world.begins(&[], &script);
        running.tells("begun");
        running.signal(signal);
        running.ends().ends_with(5);
        assert_eq!(read(&world.network.join("b")), "2\n", "after {name}");
    }
}

#[test]
fn a_command_that_a_signal_ends_gives_its_code() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&[], "echo 2 > b; echo > $T/begun; exec sleep 60");
    running.tells("begun");
    running.signal(Signal::TERM);
    running.ends().ends_with(143);
    assert!(stands(&world.network.join("b")));
}

#[test]
fn other_signals_are_passed_on_and_end_nothing() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&[], &format!("{WAIT} trap 'echo > $T/heard' USR1; echo > $T/begun; wait_for go"));
    running.tells("begun");
    running.signal(Signal::USR1);
    running.tells("heard");
    running.go("go");
    running.ends().ends_with(0);
}

#[test]
fn the_second_ends_a_command_that_hears_nothing_and_its_results_go_up() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&[], &format!("echo 2 > b; {GOES_ON}"));
    running.tells("begun");
    running.hears(2);
    running.ends().ends_with(143).says("is told to end");
    assert!(stands(&world.network.join("b")));
}

#[test]
fn the_third_gives_up_and_says_what_is_left() {
    let world = World::paired(&[("a", "1")]);
    let running = world.begins(&["--push-every", "0s"], &format!("echo 2 > b; rm a; {GOES_ON}"));
    running.tells("begun");
    running.hears(2);
    running.signal(Signal::INT);
    running
        .ends()
        .ends_with(130)
        .says("not all results are on the network")
        .says("2 changes are in")
        .says("driftless sync up --pair network");
    assert!(!stands(&world.network.join("b")));
    world.sh(&[], "true").ends_with(0);
    world.in_step();
    assert!(stands(&world.network.join("b")) && !stands(&world.network.join("a")));
}

/// The results wait for the hook before them. As with all that is done after the command, the first says what the second gives up.
#[test]
fn a_hook_is_stopped_with_the_sync_behind_it() {
    let world = World::paired(&[("a", "1")]);
    world.add_hooks(r#"before_sync = 'if grep -q :.up; then : > "$T/hooked"; sleep 60; fi'"#);
    let running = world.begins(&["--push-every", "0s"], "echo 2 > b");
    running.tells("hooked");
    running.signal(Signal::INT);
    running.signal(Signal::QUIT);
    let ended = running.ends();
    // The kernel may give them in either order.
    assert!([130, 131].contains(&ended.code), "{ended}");
    ended.says("Once more gives up").says("the hook before_sync was stopped").says("not all results are on the network");
    assert!(!stands(&world.network.join("b")));
}

/// A terminal that goes away tells the leader of its session alone, which `driftless` is where a remote shell became it.
#[test]
fn a_closed_terminal_reaches_the_command_also_where_driftless_leads_the_session() {
    const CLOSE: &str = "import os, pty, sys, time\n\
        child, terminal = pty.fork()\n\
        if child == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
        begun = os.path.join(os.environ['T'], 'begun')\n\
        while not os.path.exists(begun): time.sleep(0.02)\n\
        os.close(terminal)\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))";
    let world = World::paired(&[("a", "1")]);
    let script = format!("{WAIT} trap 'echo 2 > b; exit 5' HUP; echo > $T/begun; wait_for never");
    let run = world.command(&world.top(), &world.run_words(&[], &script));
    let mut command = Command::new("python3");
    command.arg("-c").arg(CLOSE).arg(run.get_program()).args(run.get_args()).current_dir(world.top()).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Running::of(command, &world).ends().ends_with(5);
    assert_eq!(read(&world.network.join("b")), "2\n");
}

/// Only the hooks are stopped: the results are there, and so is a conflict, which counts.
#[test]
fn a_stop_after_the_last_sync_does_not_undo_it() {
    let world = World::paired(&[("a", "1")]);
    world.add_hooks("after_sync = 'if grep -q :.up; then : > \"$T/hooked\"; sleep 60; fi'\non_conflict = ': > \"$T/late\"'");
    let script = format!("{WAIT} echo 2 > b; echo mine > a; echo > $T/begun; wait_for go");
    let running = world.begins(&["--push-every", "0s"], &script);
    running.tells("begun");
    write(&world.network.join("a"), "theirs");
    running.go("go");
    running.tells("hooked");
    running.signal(Signal::INT);
    running.signal(Signal::QUIT);
    let ended = running.ends();
    ended.ends_with(3).says("the hook after_sync was stopped");
    assert!(!ended.stderr.contains("not all results"), "{ended}");
    assert!(stands(&world.network.join("b")) && !stands(&world.top().join("late")));
}

/// A large copy takes its time, and who gave up does not want to wait for a number.
#[test]
fn counting_what_is_left_can_be_given_up_too() {
    let world = World::paired(&[("a", "1")]);
    let large = std::fs::File::create(world.network.join("large")).expect("made");
    large.set_len(LARGE).expect("room");
    // Its content has to be read again for the number.
    let mut running = world.begins(&["--push-every", "0s"], &format!("touch large; {GOES_ON}"));
    running.tells("begun");
    running.hears(2);
    while running.child.as_mut().expect("not ended yet").try_wait().expect("our own child").is_none() {
        [Signal::INT, Signal::QUIT].into_iter().for_each(|signal| running.signal(signal));
    }
    running.ends().says("it was given up. What changed is in");
}

/// As `timeout` does it, and a service's end: to the run, and to the group that the command is in too.
#[test]
fn a_signal_to_the_whole_group_is_one_press() {
    let script = format!("{WAIT} trap 'echo 2 > b; echo > $T/heard' TERM; echo > $T/begun; wait_for go; true");
    let is_one = || {
        let world = World::paired(&[("a", "1")]);
        let running = world.begins_under(&["setsid"], &script);
        running.tells("begun");
        running.signal(Signal::TERM);
        running.takes(Signal::TERM);
        kill_process_group(running.id(), Signal::TERM).expect("our own child");
        running.tells("heard");
        running.go("go");
        let ended = running.ends();
        ended.ends_with(0);
        !ended.stderr.contains("is told to end")
    };
    // On a busy machine the second one may come later than its echo would.
    assert!((0..3).any(|_| is_one()));
}

/// The terminal gives it to the command as well: a second one would mean force to many programs.
#[test]
fn ctrl_c_on_a_terminal_reaches_the_command_once() {
    let world = World::paired(&[("a", "1")]);
    let script = format!(
        "{WAIT} hits=0; trap 'hits=$((hits+1)); echo $hits > $T/count; echo $hits > count' INT; test -t 0 && test -t 1 && echo > $T/begun; wait_for go"
    );
    let ended = world.begins_under(&["python3", "-c", include_str!("terminal.py")], &script).ends();
    ended.ends_with(0);
    assert_eq!(read(&world.network.join("count")), "1\n", "{ended}");
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored_for_both() {
    let world = World::paired(&[("a", "1")]);
    let script = format!("{WAIT} echo > $T/begun; wait_for go; echo 2 > b");
    let running = world.begins_under(&["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"], &script);
    running.tells("begun");
    running.signal(Signal::HUP);
    running.go("go");
    running.ends().ends_with(0);
    assert!(stands(&world.network.join("b")));
}

/// The command goes on without it; what it writes is in staging, and goes with the next run.
#[test]
fn a_run_that_is_killed_loses_nothing() {
    let world = World::paired(&[("a", "1")]);
    let running = world
        .begins(&["--push-every", "0s"], &format!("{WAIT} echo 2 > b; echo > $T/begun; wait_for go; echo 3 > c; echo > $T/over"));
    running.tells("begun");
    running.signal(Signal::KILL);
    running.go("go");
    running.tells("over");
    assert_eq!(running.ends().code, -9);
    assert!(!stands(&world.network.join("c")));
    write(&world.network.join("d"), "theirs");
    let next = world.sh(&[], "cat d");
    next.ends_with(0).says("left for another run");
    assert_eq!(read(&world.network.join("c")), "3\n");
    world.in_step();
}

/// Nothing of this run is to be sent yet.
#[test]
fn a_signal_before_the_command_ends_it_without_one() {
    let world = World::paired(&[("a", "1")]);
    let lock = std::fs::File::open(world.staging.join(".driftless/lock")).expect("the pair's lock");
    lock.lock().expect("free");
    let running = world.begins(&["--wait", "60s"], "echo > $T/begun");
    wait_for("the run to wait for the lock", || world.has_a_run());
    running.signal(Signal::INT);
    running.ends().ends_with(130).says("The command was not started");
    assert!(!stands(&world.top().join("begun")));
}

/// So has it a container that `docker stop` ends: who sends has no number in there, as a terminal has none, and
/// neither has the leader of the session.
#[test]
fn a_signal_from_outside_the_pid_namespace_reaches_the_command() {
    if !is_root() {
        return;
    }
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::HUP, "HUP")] {
        let world = World::paired(&[("a", "1")]);
        let script = format!("{WAIT} trap 'echo 2 > b; exit 5' {name}; echo > $T/begun; wait_for never");
        let running = world.begins_under(&["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"], &script);
        running.tells("begun");
        let outer = running.id();
        let inner = read(Path::new(&format!("/proc/{outer}/task/{outer}/children")));
        let inner = inner.trim().parse().ok().and_then(Pid::from_raw).expect("one child");
        kill_process(inner, signal).expect("it is there");
        running.ends().ends_with(5);
        assert_eq!(read(&world.network.join("b")), "2\n", "after {name}");
    }
}

/// The end of a script that only SIGTERM and SIGKILL end, and that tells of the rest.
const GOES_ON: &str = "n=0; trap 'n=$((n+1)); echo > $T/heard$n' INT QUIT; echo > $T/begun; while :; do sleep 0.05; done";

const LARGE: u64 = 256 << 20;

impl World {
    /// A run that another program starts.
    fn begins_under(&self, program: &[&str], script: &str) -> Running {
        let run = self.command(&self.top(), &self.run_words(&[], script));
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(run.get_program()).args(run.get_args());
        command.current_dir(self.top()).env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Running::of(command, self)
    }

    fn add_hooks(&self, lines: &str) {
        let own = self.state.join("network/pair.toml");
        write(&own, format!("{}[hooks]\n{lines}\n", read(&own)));
    }

    /// One holds the post: it hears signals.
    fn has_a_run(&self) -> bool {
        let post = std::fs::File::open(self.staging.join(".driftless/run-lock"));
        post.is_ok_and(|post| post.try_lock_shared().is_err())
    }
}

impl Running {
    /// Two at once are one to the kernel.
    #[track_caller]
    fn takes(&self, signal: Signal) {
        let pending = || {
            let status = read(Path::new(&format!("/proc/{}/status", self.id().as_raw_nonzero())));
            let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("a line of what is pending");
            u64::from_str_radix(mask.trim(), 16).expect("a mask") & (1 << (signal.as_raw() - 1)) != 0
        };
        wait_for("the signal to be taken", || !pending());
    }

    /// Asks for an end, in turn by two signals: equal ones are one press where they come close together. Each is given when the
    /// command, which goes on, has heard the last.
    #[track_caller]
    fn hears(&self, times: usize) {
        for (number, signal) in [Signal::INT, Signal::QUIT].into_iter().cycle().take(times).enumerate() {
            self.signal(signal);
            self.tells(&format!("heard{}", number + 1));
        }
    }
}
