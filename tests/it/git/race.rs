//! Many jobs publish in a tight loop from several clones, with a sync loop, a tick and looks beside them, kills of any of
//! them at random, and force pushes from outside in the middle: every publish that was acknowledged is in the remote's history.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{Hub, git, ours, sound_after_kills, try_git};
use crate::harness::{Ended, read, wait_for, write};

/// A number from a seed, the same for each run.
pub struct Chance(AtomicU64);

impl Chance {
    /// By `DRIFTLESS_SEED`, which a run tells on stderr.
    pub fn new() -> Chance {
        let seed = std::env::var("DRIFTLESS_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("DRIFTLESS_SEED={seed}");
        Chance(AtomicU64::new(seed))
    }

    pub fn below(&self, most: u64) -> u64 {
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
                    -9 => {}
                    _ => panic!("writer {number}, round {round}: {ended}"),
                }
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
        let ended = Ended::of(child.wait_with_output().expect("it ends"));
        self.killed.fetch_add(u64::from(ended.code == -9), Ordering::SeqCst);
        ended
    }

    /// A loop beside the writers, killed now and then like them; the git of one that was killed ends by itself.
    fn again_and_again(&self, clone: &Path, words: &[&str]) {
        while !self.over.load(Ordering::SeqCst) {
            let mut command = self.hub.world.command(clone, &[&["git"], words].concat());
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
            let ended = self.wait(child);
            let meets_a_dying_git = ended.code == 4 && ended.stderr.contains("index.lock");
            assert!([0, 8, -9].contains(&ended.code) || meets_a_dying_git, "{words:?}: {ended}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Somebody rewinds the branch by force while all of them are at work; answers how often.
    fn rewind(&self, times: usize) -> usize {
        let other = self.hub.top().join("first");
        let (mut done, base) = (0, git(&other, &["rev-parse", "HEAD"]));
        while done < times && !self.over.load(Ordering::SeqCst) {
            let before = self.hub.tip();
            // Something of the writers' is there to be taken out.
            wait_for("a push", || self.hub.tip() != before || self.over.load(Ordering::SeqCst));
            git(&other, &["reset", "-q", "--hard", &base]);
            write(&other.join("zero.txt"), format!("rewritten {done}\n"));
            super::commit(&other, "rewritten");
            // Somebody's push in the same moment has the ref's lock, and this one is refused.
            wait_for("a push by force", || try_git(&other, &["push", "-q", "--force", "origin", "main"]).status.success());
            done += usize::from(!self.over.load(Ordering::SeqCst));
        }
        done
    }

    /// Every version that was acknowledged is a blob of the history, at its path; where somebody took it out by force, that
    /// or a later one of the same writer.
    fn check(&self, acknowledged: &Acknowledged, rewound: bool) {
        for clone in &self.clones {
            wait_for("the end of its git", || self.hub.run(clone, &["unlock", "--older-than", "0s"]).code == 0);
            // Whose writer waited in vain for the lock left it for this.
            self.hub.run(clone, &["sync"]).ends_with(0);
            assert_eq!(ours(clone, "pending"), [] as [&str; 0]);
        }
        let log = git(&self.hub.bare, &["log", "--raw", "--no-abbrev", "--format=", "--no-renames", "main"]);
        let field = |line: &str| Some((line.split('\t').nth(1)?.to_owned(), line.split(' ').nth(3)?.to_owned()));
        let history: HashSet<(String, String)> = log.lines().filter_map(field).collect();
        let folder = self.hub.top();
        let is_in_it = |(name, content): &(String, String)| {
            write(&folder.join("blob"), content);
            history.contains(&(name.clone(), git(&folder, &["hash-object", "--no-filters", "blob"])))
        };
        for (at, version) in acknowledged.iter().enumerate() {
            let mut later = acknowledged[at + 1..].iter().filter(|(name, _)| rewound && *name == version.0);
            let is_there = is_in_it(version) || later.any(is_in_it);
            assert!(is_there, "{version:?} is lost; {} were killed", self.killed.load(Ordering::SeqCst));
        }
        assert_eq!(git(&self.hub.bare, &["rev-list", "--count", "--merges", "main"]), "0");
        for (number, clone) in self.clones.iter().enumerate() {
            sound_after_kills(clone);
            assert_eq!(read(&clone.join("edit.txt")), format!("edited by {number}\n"));
            let staged: Vec<String> = git(clone, &["diff", "--cached", "--name-only"]).lines().map(str::to_owned).collect();
            assert_eq!(staged, ["keep.txt"], "the index of clone {number}");
            assert_eq!(git(clone, &["show", ":keep.txt"]), format!("staged by {number}"));
            assert_eq!(ours(clone, "conflict"), [] as [&str; 0]);
        }
    }
}

/// With `rewinds` force pushes from outside meanwhile.
fn race(clones: usize, writers: usize, rounds: usize, rewinds: usize) {
    let hub = Hub::new();
    let clones: Vec<PathBuf> = (0..clones).map(|number| hub.clone(&format!("clone{number}"), None)).collect();
    for (number, clone) in clones.iter().enumerate() {
        write(&clone.join("edit.txt"), format!("edited by {number}\n"));
        write(&clone.join("keep.txt"), format!("staged by {number}\n"));
        git(clone, &["add", "keep.txt"]);
        fs::create_dir(clone.join("status")).expect("a folder");
    }
    let race = Race { hub, clones, chance: Chance::new(), over: AtomicBool::new(false), killed: AtomicU64::new(0) };
    let (acknowledged, rewound) = std::thread::scope(|scope| {
        let (race, tick) = (&race, ["tick", "--wait", "2s", "--run", "mkdir -p state; date +%N >state/tick"]);
        let loops = [
            scope.spawn(|| race.again_and_again(&race.clones[0], &["sync", "--wait", "2s"])),
            scope.spawn(|| race.again_and_again(&race.clones[0], &["state"])),
            scope.spawn(move || race.again_and_again(&race.clones[1], &tick)),
        ];
        let outsider = scope.spawn(move || race.rewind(rewinds));
        let writers: Vec<_> = (0..writers).map(|number| scope.spawn(move || race.writer(number, rounds))).collect();
        let all = writers.into_iter().map(|writer| writer.join()).collect::<Result<Vec<_>, _>>();
        race.over.store(true, Ordering::SeqCst);
        loops.into_iter().for_each(|each| each.join().expect("the loop went on"));
        (all.expect("every writer came to its end").concat(), outsider.join().expect("the outsider went on"))
    });
    assert_eq!(acknowledged.len(), writers * rounds);
    race.check(&acknowledged, rewinds > 0);
    let killed = race.killed.load(Ordering::SeqCst);
    eprintln!("{killed} were killed, the branch was rewound {rewound} times");
    assert!(
        killed > 0 && (rewinds == 0 || rewound > 0),
        "{killed} were killed, {rewound} of {rewinds} force pushes came between"
    );
    if rewinds > 0 {
        assert!(race.hub.at_tip("zero.txt").is_some_and(|text| text.starts_with("rewritten")), "the force push counts");
    }
}

pub fn rounds(usual: usize) -> usize {
    std::env::var("DRIFTLESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// RC-05. `scripts/soak git` runs it with 20 versions of each writer.
#[test]
fn rc_05_every_acknowledged_publish_is_in_the_history() {
    race(3, 8, rounds(6), 0);
}

/// The same while somebody rewinds the branch by force: what was acknowledged comes back.
#[test]
fn rc_05_a_force_push_from_outside_takes_nothing_away() {
    race(2, 4, rounds(4), 2);
}
