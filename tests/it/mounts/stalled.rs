//! A network root whose server says nothing any more, and does not go away either: what asks it hangs in the kernel.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::project;
use crate::ground::{Ended, Ground, bytes, ended, then, write};
use crate::harness::wait_for;
use crate::services::{Server, Sshfs};
use crate::tree::{Tree, temps};

/// How long a root may be silent in these tests, and what a command may take beyond that.
const SILENCE: Duration = Duration::from_secs(2);
const BEYOND: Duration = Duration::from_secs(10);

/// Fields go in order: the mount before its server.
struct Stalled {
    _mount: Sshfs,
    server: Server,
    served: PathBuf,
    ground: Ground,
}

impl Stalled {
    /// Two roots that are no pair yet; the network root may be silent for `silence`.
    fn new(silence: &str) -> Stalled {
        Stalled::at(|ground| &ground.network, silence)
    }

    fn at(root: fn(&Ground) -> &Path, silence: &str) -> Stalled {
        let ground = Ground::new().setting("DRIFTLESS_SILENCE", silence);
        let served = ground.place("served");
        fs::create_dir(&served).expect("a folder to serve");
        project(&served);
        let server = Server::start(&ground.place("server"));
        let mount = server.mount(&served, root(&ground), "dir_cache=no");
        Stalled { _mount: mount, server, served, ground }
    }

    /// The same, and both are in step.
    fn in_step(silence: &str) -> Stalled {
        let world = Stalled::new(silence);
        world.ground.synced(&[]);
        world
    }

    fn start(&self, words: &[&str]) -> Child {
        let mut command = self.ground.command(&[], words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// Many files at `root`, so that there is a middle.
    fn many(&self, root: &Path) {
        for n in 0..300 {
            write(&root.join(format!("many-{}/{n:03}.bin", n % 4)), &bytes(5_000 + n, 40 << 10), then(n));
        }
    }

    /// Waits until some of the many have come to `root`.
    fn wait_for_some(&self, root: &Path) {
        wait_for("the first files", || fs::read_dir(root.join("many-0")).is_ok_and(|listing| listing.count() > 3));
    }

    /// The server answers again: nothing was lost, nothing stays behind, and the next run completes.
    fn recovers(&self) {
        self.server.wake();
        let left = || processes_apart(&self.ground);
        wait_for("the end of the processes that were left behind", || left().is_empty());
        let again = self.ground.sync(&[]);
        assert_eq!(again.code, Some(0), "once the server answers again: {again:#?}");
        Tree::coarse(&self.ground.staging).assert_same(&Tree::coarse(&self.served), "once the server answers again");
        assert_eq!(temps(&self.served), Vec::<PathBuf>::new(), "names in the making");
        self.ground.synced(&[]).did_nothing();
        wait_for("the end of the last run's processes", || left().is_empty());
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        // Also where a test fails in between: nothing can be taken down while it hangs.
        self.server.wake();
    }
}

/// The processes apart of this test's commands, by their words and their state folder.
fn processes_apart(ground: &Ground) -> Vec<Pid> {
    let home = ground.place("home").into_os_string().into_encoded_bytes();
    let holds = |path: PathBuf, wanted: &[u8]| fs::read(path).is_ok_and(|text| text.windows(wanted.len()).any(|at| at == wanted));
    let all =
        fs::read_dir("/proc").expect("the processes").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let ours = all.filter(|id| {
        let at = |file: &str| PathBuf::from(format!("/proc/{id}/{file}"));
        holds(at("cmdline"), b"serve-a-root-apart") && holds(at("environ"), &home)
    });
    ours.filter_map(Pid::from_raw).collect()
}

#[track_caller]
fn within(what: &str, limit: Duration, child: Child) -> Output {
    let began = Instant::now();
    let output = child.wait_with_output().expect("its end");
    let took = began.elapsed();
    assert!(took < limit, "{what} was to end within {limit:?} and took {took:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[track_caller]
fn says_the_root_hangs(ended: &Ended) {
    assert_eq!(ended.code, Some(75), "{ended:#?}");
    assert_eq!(ended.json["outcome"], "offline", "{ended:#?}");
    let words = ended.words();
    assert!(words.contains("no answer for 2"), "{words:?}");
}

#[test]
fn in_the_middle_of_an_up() {
    let world = Stalled::in_step("2s");
    world.many(&world.ground.staging);
    let child = world.start(&["sync", "up", "--json", "--wait", "0s"]);
    world.wait_for_some(&world.served);
    world.server.stall();
    let output = within("`up`", SILENCE + BEYOND, child);
    says_the_root_hangs(&ended(output));
    world.recovers();
}

#[test]
fn in_the_middle_of_a_down() {
    let world = Stalled::in_step("2s");
    world.many(&world.served);
    let child = world.start(&["sync", "down", "--json", "--wait", "0s"]);
    world.wait_for_some(&world.ground.staging);
    world.server.stall();
    let output = within("`down`", SILENCE + BEYOND, child);
    says_the_root_hangs(&ended(output));
    world.recovers();
}

#[test]
fn before_a_command_begins() {
    let world = Stalled::in_step("2s");
    write(&world.ground.staging.join("new.txt"), b"a new result", then(9));
    world.server.stall();
    let staging = Tree::of(&world.ground.staging);
    for (words, code) in [
        (&["sync", "--wait", "100ms"][..], 75),
        (&["sync", "--dry-run", "--wait", "100ms"], 75),
        (&["status"], 0),
        (&["status", "--exit-code"], 7),
        (&["trash", "list"], 75),
        (&["init"], 75),
        (&["relink", "--dry-run", "--wait", "100ms"], 75),
        (&["history"], 0),
        (&["conflicts", "list"], 0),
    ] {
        let child = world.start(&[words, &["--json"]].concat());
        let ended = ended(within(&words.join(" "), SILENCE + BEYOND, child));
        assert_eq!(ended.code, Some(code), "{words:?}: {ended:#?}");
        if words[0] == "status" {
            let network = &ended.json["roots"]["network"];
            assert_eq!(network["reachable"], false, "{ended:#?}");
            assert!(network["message"].as_str().is_some_and(|words| words.contains("no answer")), "{ended:#?}");
        } else if code == 75 {
            let words = ended.words();
            assert!(words.contains("no answer"), "{words:?}");
        }
    }
    let mut detect = Command::new(env!("CARGO_BIN_EXE_driftless"));
    detect.arg("detect").arg(world.ground.network.join("raw/link")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let found = within("detect", BEYOND, detect.spawn().expect("the program starts"));
    assert!(found.status.success() && String::from_utf8_lossy(&found.stdout).contains("needs staging"), "{found:?}");
    staging.assert_same(&Tree::of(&world.ground.staging), "staging after commands that could not reach the network");
    world.recovers();
}

#[test]
fn a_first_look_at_roots_that_are_no_pair_yet() {
    let world = Stalled::new("2s");
    fs::remove_dir(&world.ground.staging).expect("an empty folder");
    world.server.stall();
    for words in [&["sync", "--wait", "100ms"][..], &["init"], &["relink"]] {
        let child = world.start(&[words, &["--json"]].concat());
        let ended = ended(within(&words.join(" "), SILENCE + BEYOND, child));
        assert_eq!(ended.code, Some(75), "{words:?}: {ended:#?}");
        assert!(!world.ground.staging.exists(), "a staging folder was made for a root that nobody has seen");
    }
    world.recovers();
}

#[test]
fn ctrl_c_ends_a_command_that_waits_for_an_answer() {
    // So long that only the signal can have ended it.
    let world = Stalled::in_step("5m");
    world.many(&world.ground.staging);
    let child = world.start(&["sync", "up", "--json"]);
    world.wait_for_some(&world.served);
    world.server.stall();
    let (stopped, mut soonest) = interrupted("a stopped `up`", child);
    assert_eq!((stopped.code, &stopped.json["outcome"]), (Some(130), &"interrupted".into()), "{stopped:#?}");
    // And where it did not even begin; a lock that is still held would be told as busy.
    for words in [&["sync", "--json"][..], &["trash", "list", "--json"], &["status", "--json"]] {
        let child = world.start(words);
        wait_for("a question that hangs", || processes_apart(&world.ground).iter().any(|id| is_below(*id, child.id())));
        let (stopped, took) = interrupted(&words.join(" "), child);
        assert_eq!(stopped.code, Some(130), "{words:?}: {stopped:#?}");
        soonest = soonest.min(took);
    }
    // It is heard within a second; the machine may stand still for longer, but not each time.
    assert!(soonest < Duration::from_secs(1), "the soonest took {soonest:?}");
    world.recovers();
}

/// Ends the command by Ctrl-C; how it ended, and how long after.
fn interrupted(what: &str, child: Child) -> (Ended, Duration) {
    let began = Instant::now();
    kill_process(pid(&child), Signal::INT).expect("it runs");
    let stopped = ended(within(what, BEYOND, child));
    (stopped, began.elapsed())
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("fits")).expect("a process")
}

fn is_below(id: Pid, parent: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", id.as_raw_nonzero())).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|rest| rest.trim() == parent.to_string()))
}

#[test]
fn a_killed_command_leaves_no_process_behind() {
    let world = Stalled::in_step("20s");
    world.many(&world.ground.staging);
    let mut child = world.start(&["sync", "up"]);
    world.wait_for_some(&world.served);
    assert_eq!(processes_apart(&world.ground).len(), 1, "one process for one mount");
    kill_process(pid(&child), Signal::KILL).expect("it runs");
    child.wait().expect("its end");
    wait_for("the end of its process", || processes_apart(&world.ground).is_empty());
    world.recovers();
}

#[test]
fn a_killed_process_apart_is_a_root_out_of_reach() {
    let world = Stalled::in_step("20s");
    world.many(&world.ground.staging);
    let kill_it = |wait: &str, most: Duration, when: &dyn Fn()| {
        let child = world.start(&["sync", "up", "--json", "--wait", wait]);
        when();
        for id in processes_apart(&world.ground) {
            kill_process(id, Signal::KILL).expect("it runs");
        }
        ended(within("`up`", most, child))
    };
    let killed = kill_it("0s", SILENCE + BEYOND, &|| world.wait_for_some(&world.served));
    assert_eq!(killed.code, Some(75), "{killed:#?}");
    assert!(killed.words().contains("has ended"), "{:?}", killed.words());
    // Who waits has another one, and the run goes on.
    let most = Duration::from_mins(1);
    let goes_on = kill_it("10s", most, &|| wait_for("its process apart", || !processes_apart(&world.ground).is_empty()));
    assert_eq!((goes_on.code, &goes_on.json["outcome"]), (Some(0), &"done".into()), "{goes_on:#?}");
    world.recovers();
}

/// Whether the last run still works is asked of staging's lock.
#[test]
fn history_does_not_wait_for_a_staging_root_that_hangs() {
    let world = Stalled::at(|ground| &ground.staging, "2s");
    world.ground.synced(&[]);
    let manifest = rusqlite::Connection::open(world.ground.place("home/network/manifest.db")).expect("open");
    manifest.execute("UPDATE run SET outcome = NULL", []).expect("as a run that was killed leaves it");
    drop(manifest);
    let history = || ended(within("history", SILENCE + BEYOND, world.start(&["history", "--json"])));
    assert_eq!(history().list("runs")[0]["outcome"], "killed");
    world.server.stall();
    assert_eq!(history().list("runs")[0]["outcome"], "unfinished");
    world.recovers();
}
