//! Many jobs publish in a tight loop from several clones, with a sync loop and a tick beside them, kills at random, and at
//! last a force push from outside: every publish that was acknowledged is in the remote's history.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{Hub, git, ours, sound, try_git};
use crate::harness::{Ended, read, write};

/// A number from a seed, the same for each run.
struct Chance(AtomicU64);

impl Chance {
    fn below(&self, most: u64) -> u64 {
        let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let before =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| Some(next(state))).expect("it never refuses");
        (next(before) >> 33) % most
    }
}

struct Race {
    hub: Hub,
    clones: Vec<PathBuf>,
    chance: Chance,
    over: AtomicBool,
    killed: AtomicU64,
}

/// What a writer was told is safe: the file and its content.
type Acknowledged = Vec<(String, String)>;

impl Race {
    /// Publishes `count` versions of one file; some runs are killed, and then tried again.
    fn writer(&self, number: usize, count: usize) -> Acknowledged {
        let clone = &self.clones[number % self.clones.len()];
        let name = format!("status/{number}.json");
        let mut acknowledged = Vec::new();
        for round in 0..count {
            let content = format!("{{\"writer\": {number}, \"round\": {round}}}\n");
            write(&clone.join(&name), &content);
            let words = ["git", "publish", &name, "-m", "status"];
            loop {
                let mut command = self.hub.world.command(clone, &words);
                let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
                let ended = self.wait(child);
                match ended.code {
                    0 => break,
                    -9 => self.killed.fetch_add(1, Ordering::SeqCst),
                    _ => panic!("writer {number}, round {round}: {ended}"),
                };
            }
            acknowledged.push((name.clone(), content));
        }
        acknowledged
    }

    /// One of eight is killed, at any moment of its life.
    fn wait(&self, mut child: Child) -> Ended {
        if self.chance.below(8) == 0 {
            std::thread::sleep(Duration::from_millis(self.chance.below(120)));
            drop(child.kill());
        }
        Ended::of(child.wait_with_output().expect("it ends"))
    }

    fn again_and_again(&self, clone: &Path, words: &[&str]) {
        while !self.over.load(Ordering::SeqCst) {
            let ended = self.hub.run(clone, words);
            assert!([0, 8].contains(&ended.code), "{words:?}: {ended}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every version that was acknowledged is a blob of the history, at its path.
    fn check(&self, acknowledged: &Acknowledged) {
        for clone in &self.clones {
            // Whose writer waited in vain for the lock left it for this.
            self.hub.run(clone, &["sync"]).ends_with(0);
            assert_eq!(ours(clone, "pending"), [] as [&str; 0]);
        }
        let log = git(&self.hub.bare, &["log", "--raw", "--no-abbrev", "--format=", "--no-renames", "main"]);
        let field = |line: &str| Some((line.split('\t').nth(1)?.to_owned(), line.split(' ').nth(3)?.to_owned()));
        let history: HashSet<(String, String)> = log.lines().filter_map(field).collect();
        let folder = self.hub.top();
        for (name, content) in acknowledged {
            write(&folder.join("blob"), content);
            let oid = git(&folder, &["hash-object", "--no-filters", "blob"]);
            assert!(
                history.contains(&(name.clone(), oid)),
                "{name} with {content:?} is lost; {} were killed",
                self.killed.load(Ordering::SeqCst)
            );
        }
        assert_eq!(git(&self.hub.bare, &["rev-list", "--count", "--merges", "main"]), "0");
        for (number, clone) in self.clones.iter().enumerate() {
            sound(clone);
            assert_eq!(read(&clone.join("edit.txt")), format!("edited by {number}\n"));
            let staged: Vec<String> = git(clone, &["diff", "--cached", "--name-only"]).lines().map(str::to_owned).collect();
            assert_eq!(staged, ["keep.txt"], "the index of clone {number}");
            assert_eq!(git(clone, &["show", ":keep.txt"]), format!("staged by {number}"));
            assert_eq!(ours(clone, "conflict"), [] as [&str; 0]);
        }
    }
}

fn race(clones: usize, writers: usize, rounds: usize) -> (Race, Acknowledged) {
    let seed =
        std::env::var("DRIFTLESS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("seed {seed}");
    let hub = Hub::new();
    let clones: Vec<PathBuf> = (0..clones).map(|number| hub.clone(&format!("clone{number}"), None)).collect();
    for (number, clone) in clones.iter().enumerate() {
        write(&clone.join("edit.txt"), format!("edited by {number}\n"));
        write(&clone.join("keep.txt"), format!("staged by {number}\n"));
        git(clone, &["add", "keep.txt"]);
        fs::create_dir(clone.join("status")).expect("a folder");
    }
    let race =
        Race { hub, clones, chance: Chance(AtomicU64::new(seed)), over: AtomicBool::new(false), killed: AtomicU64::new(0) };
    let acknowledged = std::thread::scope(|scope| {
        let (race, tick) = (&race, ["tick", "--wait", "2s", "--run", "mkdir -p state; date +%N >state/tick"]);
        let loops = [
            scope.spawn(|| race.again_and_again(&race.clones[0], &["sync", "--wait", "2s"])),
            scope.spawn(move || race.again_and_again(&race.clones[1], &tick)),
        ];
        let writers: Vec<_> = (0..writers).map(|number| scope.spawn(move || race.writer(number, rounds))).collect();
        let all = writers.into_iter().map(|writer| writer.join()).collect::<Result<Vec<_>, _>>();
        race.over.store(true, Ordering::SeqCst);
        loops.into_iter().for_each(|each| each.join().expect("the loop went on"));
        all.expect("every writer came to its end").concat()
    });
    (race, acknowledged)
}

fn rounds(usual: usize) -> usize {
    std::env::var("DRIFTLESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// RC-05.
#[test]
fn rc_05_every_acknowledged_publish_is_in_the_history() {
    let (race, acknowledged) = race(3, 8, rounds(4));
    race.check(&acknowledged);
}

/// The same, and then somebody rewinds the branch by force: what was acknowledged comes back.
#[test]
fn rc_05_a_force_push_from_outside_takes_nothing_away() {
    let (race, acknowledged) = race(2, 4, rounds(2));
    let other = race.hub.top().join("first");
    write(&other.join("zero.txt"), "rewritten\n");
    super::commit(&other, "rewritten");
    git(&other, &["push", "-q", "--force", "origin", "main"]);
    race.check(&acknowledged);
    assert_eq!(race.hub.at_tip("zero.txt").as_deref(), Some("rewritten\n"), "the force push counts");
    assert!(try_git(&race.hub.bare, &["log", "-1", "main"]).status.success());
}
