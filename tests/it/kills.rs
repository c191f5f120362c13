//! Killed at any instruction, then run again: nothing half-written, nothing lost, and the same end as never killed.
//!
//! A run is traced once to learn its steps: every call that changes a name, a time or bytes, in either root or in the
//! manifest. Then it is killed before steps spread evenly over all of them, each time from the same beginning.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::ground::{Ground, bytes, soak, then, write};
use crate::harness::touch;
use crate::tree::{Content, Kind, Tree, contents, temps};

/// Calls that leave something behind.
const STEPS: &str = "renameat2,renameat,rename,linkat,symlinkat,mkdirat,unlinkat,fsync,fdatasync,syncfs,pwrite64,write,\
                     ftruncate,utimensat,fchmod,fchmodat,copy_file_range";

/// What a run has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// A full network root meets an empty staging.
    First,
    /// Staging changed in every way there is.
    Up,
    /// Both sides changed, each something else.
    BothWays,
}

impl Story {
    fn words(self) -> &'static [&'static str] {
        match self {
            Story::First | Story::BothWays => &[],
            Story::Up => &["up"],
        }
    }

    /// The roots as this story's run finds them.
    fn begin(self, durability: &'static str) -> Ground {
        let ground = Ground::in_memory().durability(durability);
        project(&ground.network);
        if self != Story::First {
            ground.synced(&[]);
            edit(&ground.staging, 0);
        }
        if self == Story::BothWays {
            edit(&ground.network, 5);
        }
        ground
    }
}

/// 400 files in 10 folders, some big ones, links, a hidden folder.
fn project(root: &Path) {
    for folder in 0..10 {
        for file in 0..40 {
            let seed = folder * 40 + file;
            let path = root.join(format!("plate-{folder}/well {file:02}.csv"));
            write(&path, &bytes(seed, 200 + usize::try_from(seed).expect("small") * 13), then(seed));
        }
        link("well 00.csv", &root.join(format!("plate-{folder}/first")));
    }
    for big in 0..3 {
        write(&root.join(format!("raw/scan-{big}.bin")), &bytes(10_000 + big, 3 << 20), then(10_000 + big));
    }
    write(&root.join(".snapshots/align/state.json"), b"{}", then(1));
}

/// A link of a time that is the same in every story.
fn link(target: &str, path: &Path) {
    std::os::unix::fs::symlink(target, path).expect("a link");
    touch(path, 1_600_000_000, 0);
}

/// Every way to change a tree, in five folders from `first` on.
fn edit(root: &Path, first: u64) {
    let plate = |n: u64| root.join(format!("plate-{}", first + n));
    let new = |n: u64| 50_000 + first * 1_000 + n;
    for n in 0..40 {
        write(&root.join(format!("results-{first}/{n}.txt")), &bytes(new(n), 300), then(new(n)));
    }
    for n in 5..25 {
        write(&plate(0).join(format!("well {n:02}.csv")), &bytes(new(100 + n), 900), then(new(100 + n)));
    }
    write(&root.join(format!("raw/scan-{}.bin", first.min(1))), &bytes(new(200), 4 << 20), then(new(200)));
    for n in 30..35 {
        fs::remove_file(plate(1).join(format!("well {n}.csv"))).expect("a delete");
    }
    for n in 0..4 {
        fs::rename(plate(1).join(format!("well 0{n}.csv")), plate(2).join(format!("moved {n}.csv"))).expect("a move");
    }
    fs::rename(plate(3), root.join(format!("renamed-{first}"))).expect("a folder's rename");
    // Kind changes, each way.
    let kinds = plate(4);
    fs::remove_file(kinds.join("well 01.csv")).expect("a delete");
    write(&kinds.join("well 01.csv/inside.txt"), &bytes(new(300), 50), then(new(300)));
    fs::remove_file(kinds.join("well 02.csv")).expect("a delete");
    link("elsewhere", &kinds.join("well 02.csv"));
    fs::remove_file(kinds.join("first")).expect("a delete");
    write(&kinds.join("first"), &bytes(new(301), 70), then(new(301)));
}

/// What is known before the program is killed.
struct Known {
    story: Story,
    /// The trees and all contents before the run.
    staging: Tree,
    network: Tree,
    held: BTreeSet<Content>,
    /// Both trees after a run that nobody killed.
    end: Tree,
    /// Such a run's steps: the call, and how many of its kind its thread made before and with it.
    steps: Vec<(String, usize)>,
    took: Duration,
}

impl Known {
    fn of(story: Story, durability: &'static str) -> Known {
        let ground = story.begin(durability);
        let (staging, network) = (Tree::of(&ground.staging), Tree::of(&ground.network));
        let held = staging.contents().union(&network.contents()).copied().collect();
        let log = ground.place("steps");
        let trace = format!("trace={STEPS}");
        let out = log.to_str().expect("a plain path");
        let tracer = ["strace", "-f", "-o", out, "-e", &trace, "-e", "signal=none"];
        assert!(runs("strace"), "strace is missing; these tests kill the program before single system calls with it");
        let ended = ground.traced(&tracer, story.words());
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let steps = steps_in(&fs::read_to_string(log).expect("the trace"));
        assert!(steps.len() > 300, "only {} steps were traced; may this machine trace at all?", steps.len());
        let end = Tree::of(&ground.staging);
        end.assert_same(&Tree::of(&ground.network), "after a run that nobody killed");
        let again = story.begin(durability);
        let began = Instant::now();
        again.synced(story.words());
        Known { story, staging, network, held, end, steps, took: began.elapsed() }
    }
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Each traced call with its number within its thread, as `when=` counts it.
fn steps_in(log: &str) -> Vec<(String, usize)> {
    let mut counts = HashMap::<(&str, &str), usize>::new();
    let mut steps = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if !call.is_empty() && call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let count = counts.entry((thread, call)).or_default();
            *count += 1;
            steps.push((call.to_owned(), *count));
        }
    }
    steps
}

/// After the kill: no path holds anything but its old or its new version, and every content is somewhere.
fn check_whole(known: &Known, ground: &Ground, at: &str) {
    if known.story == Story::Up {
        known.staging.assert_same(&Tree::of(&ground.staging), &format!("{at}: `up` wrote in staging"));
    }
    for (before, root) in [(&known.staging, &ground.staging), (&known.network, &ground.network)] {
        let now = Tree::shown(root);
        let paths: BTreeSet<_> = before.0.keys().chain(known.end.0.keys()).chain(now.0.keys()).collect();
        for path in paths {
            let [old, new, now] = [before, &known.end, &now].map(|tree| tree.0.get(path).map(|entry| &entry.kind));
            let plain = |kind: Option<&Kind>| matches!(kind, Some(Kind::File { .. }) | None);
            // A changed kind, or a link's new target, takes two renames; between them the name is absent.
            let between = now.is_none() && old.is_some() && new.is_some() && !(plain(old) && plain(new));
            assert!(
                now == old || now == new || between,
                "{at}: {} of {root:?} holds {now:?}, not {old:?} or {new:?}",
                path.escape_ascii()
            );
        }
    }
    check_nothing_lost(known, ground, at);
}

fn check_nothing_lost(known: &Known, ground: &Ground, at: &str) {
    let now = contents(&[&ground.staging, &ground.network]);
    let lost: Vec<_> = known.held.difference(&now).collect();
    assert!(lost.is_empty(), "{at}: {} contents are nowhere any more: {lost:?}", lost.len());
}

/// The next run ends as if nobody had killed anything, and the one after it finds nothing to do.
fn check_completed(known: &Known, ground: &Ground, at: &str) {
    let again = ground.sync(known.story.words());
    assert_eq!(again.code, Some(0), "{at}: the next run: {again:#?}");
    assert!(again.list("conflicts").is_empty() && again.list("problems").is_empty(), "{at}: the next run: {again:#?}");
    for root in [&ground.staging, &ground.network] {
        assert_eq!(temps(root), Vec::<std::path::PathBuf>::new(), "{at}: the next run left names in the making");
        known.end.assert_same(&Tree::of(root), &format!("{at}: never killed, and {root:?} after the next run"));
    }
    check_nothing_lost(known, ground, at);
    let third = ground.synced(known.story.words());
    third.did_nothing();
}

/// Kills the story's run before `count` of its steps, evenly spread.
fn kill_at_steps(story: Story, durability: &'static str, count: usize) {
    let known = Known::of(story, durability);
    let every = (known.steps.len() / count).max(1);
    let chosen: BTreeSet<&(String, usize)> = known.steps.iter().skip(every / 2).step_by(every).collect();
    let mut killed = 0;
    for (call, number) in &chosen {
        let at = format!("{story:?}, durability {durability}, killed at {call} number {number}");
        let ground = story.begin(durability);
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={number}"));
        let tracer = ["strace", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        // Threads share the work out anew each time, so a late number may not come.
        killed += usize::from(ground.traced(&tracer, story.words()).code.is_none());
        check_whole(&known, &ground, &at);
        check_completed(&known, &ground, &at);
    }
    assert!(killed * 3 >= chosen.len() * 2, "only {killed} of {} runs were killed", chosen.len());
}

/// Kills the story's run at `count` moments.
fn kill_at_moments(story: Story, durability: &'static str, count: u32) {
    let known = Known::of(story, durability);
    let mut killed = 0;
    for n in 0..count {
        let ground = story.begin(durability);
        // Odd steps through the run's time, so that two runs of this test hit other moments on a busy machine.
        let after = known.took * (n * 37 % count) / count;
        let at = format!("{story:?}, durability {durability}, killed after {after:?}");
        let words: Vec<&str> = ["sync"].into_iter().chain(story.words().iter().copied()).collect();
        let mut child = ground.command(&[], &words).stdout(std::process::Stdio::null()).spawn().expect("the program starts");
        std::thread::sleep(after);
        child.kill().expect("our own child");
        killed += u32::from(child.wait().expect("its end").signal() == Some(9));
        check_whole(&known, &ground, &at);
        check_completed(&known, &ground, &at);
    }
    assert!(killed * 4 >= count, "only {killed} of {count} runs were killed");
}

#[test]
fn a_first_sync_with_durability_full() {
    kill_at_steps(Story::First, "full", 24);
}

#[test]
fn a_first_sync_with_durability_none() {
    kill_at_steps(Story::First, "none", 24);
}

#[test]
fn an_up_with_every_change_and_durability_full() {
    kill_at_steps(Story::Up, "full", 36);
}

#[test]
fn an_up_with_every_change_and_durability_none() {
    kill_at_steps(Story::Up, "none", 36);
}

#[test]
fn both_ways_with_durability_none() {
    kill_at_steps(Story::BothWays, "none", 30);
}

#[test]
fn at_any_moment() {
    kill_at_moments(Story::First, "none", 6);
    kill_at_moments(Story::Up, "full", 8);
    kill_at_moments(Story::BothWays, "none", 8);
}

/// What a new pair is made of outside its roots, too: a part of `pair.toml` would stop every later run.
#[test]
fn a_first_sync_while_it_makes_its_pair() {
    let mut killed = 0;
    for (call, times) in [("write", 12), ("fsync", 6), ("renameat2", 3), ("mkdir", 3)] {
        for number in 1..=times {
            let ground = Ground::new();
            write(&ground.network.join("a.txt"), b"a", then(1));
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={number}"));
            let tracer = ["strace", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            killed += usize::from(ground.traced(&tracer, &[]).code.is_none());
            let again = ground.sync(&[]);
            assert_eq!(again.code, Some(0), "killed at {call} number {number}: {again:#?}");
            Tree::of(&ground.staging).assert_same(&Tree::of(&ground.network), &format!("killed at {call} number {number}"));
        }
    }
    assert!(killed >= 12, "only {killed} runs were killed");
}

/// Random commands between random edits, from another seed each time; `scripts/soak-kills` goes on for longer.
#[test]
fn random_commands_at_random_moments() {
    soak(&["--seconds", "40", "--least", "60"]);
}

#[test]
fn random_commands_of_an_ordinary_user() {
    soak(&["--seconds", "12", "--least", "10", "--user", "65534"]);
}
