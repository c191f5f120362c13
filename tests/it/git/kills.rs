//! Killed at exactly one step, or anywhere: what lies aside is no deletion, and nothing that was written or acknowledged goes.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::race::Chance;
use super::{Hub, commit, git, head, sound, sound_after_kills, try_git};
use crate::harness::{read, wait_for, write};

/// The step between: the file lies aside, its place is empty.
#[test]
fn gs_06_what_a_killed_follow_put_aside_is_not_published_as_deleted() {
    let mut hub = Hub::new();
    let clone = hub.clone("mine", None);
    git(&hub.top().join("first"), &["pull", "-q", "origin", "main"]);
    for path in ["state/x", "state/gone"] {
        write(&hub.top().join("first").join(path), "one\n");
    }
    commit(&hub.top().join("first"), "state");
    git(&hub.top().join("first"), &["push", "-q", "origin", "main"]);
    hub.run(&clone, &["sync"]).ends_with(0);
    write(&hub.top().join("first/state/x"), "theirs\n");
    write(&hub.top().join("first/new.txt"), "theirs\n");
    fs::remove_file(hub.top().join("first/state/gone")).expect("removed");
    commit(&hub.top().join("first"), "theirs");
    git(&hub.top().join("first"), &["push", "-q", "origin", "main"]);
    for path in ["state/x", "state/gone", "new.txt"] {
        write(&clone.join(path), "mine\n");
    }
    hub.wrap("[ -n \"$KILL\" ] && for word in \"$@\"; do [ \"$word\" = read-tree ] && { kill -9 $PPID; exit 9; }; done");
    let kill = || {
        let killed = hub.world.command(&clone, &["git", "sync"]).env("KILL", "1").status().expect("it starts");
        assert_eq!(killed.code(), None, "it was killed");
        assert!(!clone.join("state/x").exists() && !clone.join("new.txt").exists(), "they lie aside");
    };
    kill();
    let refused = hub.run(&clone, &["publish", "--delete", "state/x", "-m", "x"]);
    refused.ends_with(4).says("put aside");
    // As if somebody else's git was at work on the index.
    write(&clone.join(".git/index.lock"), "");
    hub.run(&clone, &["tick", "--alpha"]).ends_with(4).says("index.lock");
    fs::remove_file(clone.join(".git/index.lock")).expect("removed");
    assert_eq!(hub.at_tip("state/x").as_deref(), Some("theirs\n"));
    // What lies aside goes back, and aside again.
    kill();
    // This copy counts: the edit goes out, and no deletion.
    hub.run(&clone, &["tick", "--alpha"]).ends_with(0);
    assert_eq!((hub.at_tip("state/x").as_deref(), hub.at_tip("new.txt").as_deref()), (Some("mine\n"), Some("theirs\n")));
    assert_eq!((head(&clone), git(&clone, &["status", "--porcelain"])), (hub.tip(), String::new()));
    sound(&clone);
}

/// A hub whose remote has new versions of `x`, `y` and `z` in `state`, and a `new`; a clone where `z` is edited, that would follow.
/// The git of that clone writes half of them where `HOW` says how it ends.
fn cut_off() -> (Hub, std::path::PathBuf) {
    let mut hub = Hub::new();
    let (clone, first) = (hub.clone("mine", None), hub.top().join("first"));
    for (text, files) in
        [("before\n", &["state/x", "state/y", "state/z"][..]), ("theirs\n", &["state/x", "state/y", "state/z", "state/new"])]
    {
        git(&first, &["pull", "-q", "origin", "main"]);
        files.iter().for_each(|path| write(&first.join(path), text));
        commit(&first, text);
        git(&first, &["push", "-q", "origin", "main"]);
        if text == "before\n" {
            hub.run(&clone, &["sync"]).ends_with(0);
        }
    }
    write(&clone.join("state/z"), "mine\n");
    hub.wrap(
        "[ -n \"$HOW\" ] && for word in \"$@\"; do [ \"$word\" = read-tree ] && {\n\
         cd state; printf the >x; rm y; : >z; printf '\\0\\0\\0' >new; [ $HOW = kill ] && kill -9 $PPID; exit 128; }; done",
    );
    (hub, clone)
}

fn stands(clone: &Path) -> [String; 3] {
    ["x", "y", "z"].map(|path| read(&clone.join("state").join(path)))
}

/// A file that git had begun to write is nobody's edit.
#[test]
fn what_a_killed_git_wrote_half_is_not_published() {
    let (hub, clone) = cut_off();
    let killed = hub.world.command(&clone, &["git", "sync"]).env("HOW", "kill").status().expect("it starts");
    assert_eq!((killed.code(), stands_half(&clone)), (None, true));
    hub.run(&clone, &["publish", "state/x", "-m", "x"]).ends_with(4).says("half written");
    hub.run(&clone, &["tick", "--alpha"]).ends_with(0);
    let tip = ["x", "y", "z", "new"].map(|path| hub.at_tip(&format!("state/{path}")));
    let theirs = Some("theirs\n".to_owned());
    assert_eq!(tip, [theirs.clone(), theirs.clone(), Some("mine\n".to_owned()), theirs], "the edit alone went out");
    assert_eq!((head(&clone), git(&clone, &["status", "--porcelain"])), (hub.tip(), String::new()));
    let half = git(&clone, &["for-each-ref", "--format=%(subject)", "refs/driftless/backup"]);
    assert!(half.contains("half written"), "{half}");
    sound(&clone);
}

fn stands_half(clone: &Path) -> bool {
    read(&clone.join("state/x")) == "the" && !clone.join("state/y").exists() && read(&clone.join("state/new")) == "\0\0\0"
}

/// As where the disk is full.
#[test]
fn what_a_failed_git_wrote_half_is_as_before() {
    let (hub, clone) = cut_off();
    let failed = hub.world.command(&clone, &["git", "sync"]).env("HOW", "fail").output().expect("it starts");
    assert_ne!(failed.status.code(), Some(0));
    assert_eq!(
        (stands(&clone), clone.join("state/new").exists()),
        (["before\n", "before\n", "mine\n"].map(str::to_owned), false)
    );
    assert_eq!(git(&clone, &["status", "--porcelain"]), " M state/z");
    hub.run(&clone, &["sync"]).ends_with(0);
    assert_eq!(stands(&clone), ["theirs\n"; 3].map(str::to_owned));
    sound(&clone);
}

/// What somebody put in the place of a folder since, a file or a link that leads elsewhere, is neither replaced nor followed.
#[test]
fn what_stands_above_a_half_written_file_stays() {
    for link in [false, true] {
        let (hub, clone) = cut_off();
        let killed = hub.world.command(&clone, &["git", "sync"]).env("HOW", "kill").status().expect("it starts");
        assert_eq!(killed.code(), None);
        fs::remove_dir_all(clone.join("state")).expect("removed");
        let elsewhere = hub.top().join("elsewhere");
        write(&elsewhere.join("x"), "the");
        if link {
            std::os::unix::fs::symlink(&elsewhere, clone.join("state")).expect("a link");
        } else {
            write(&clone.join("state"), "mine\n");
        }
        hub.run(&clone, &["tick", "--alpha"]);
        assert_eq!(read(&elsewhere.join("x")), "the", "link {link}");
        let kept = git(&clone, &["log", "--all", "--format=", "--name-only", "--diff-filter=AT", "--", "state"]);
        let stands = if link { clone.join("state").is_symlink() } else { clone.join("state").is_file() };
        assert!(stands || kept.lines().any(|line| line == "state"), "link {link}: {kept}");
    }
}

/// Where the branch was moved since, by whoever it was, nothing is put back.
#[test]
fn a_mark_of_another_commit_is_left_alone() {
    let (hub, clone) = cut_off();
    let killed = hub.world.command(&clone, &["git", "sync"]).env("HOW", "kill").status().expect("it starts");
    assert_eq!(killed.code(), None);
    git(&clone, &["reset", "-q", "--hard"]);
    write(&clone.join("state/x"), "the");
    git(&clone, &["commit", "-q", "-am", "mine"]);
    write(&clone.join("state/y"), "the");
    hub.run(&clone, &["tick", "--alpha"]).ends_with(0);
    assert_eq!((hub.at_tip("state/x").as_deref(), hub.at_tip("state/y").as_deref()), (Some("the"), Some("the")));
}

/// One step of the user's or of ours, killed at a step that the seed picks: before or after one of our calls of git, or that
/// git itself in the middle.
struct Play {
    hub: Hub,
    clone: std::path::PathBuf,
    chance: Chance,
    /// What stands in `edit.txt`, `s` and `state/t` by our own hand.
    written: [String; 3],
    acknowledged: Vec<String>,
    kills: usize,
    in_the_middle: usize,
}

const PATHS: [&str; 3] = ["edit.txt", "s", "state/t"];
const STEPS: [&[&str]; 4] =
    [&["sync"], &["publish", "s", "-m", "s", "--retry-for", "1s"], &["tick", "--on-conflict", "ours"], &["tick", "--alpha"]];

impl Play {
    /// Everything that a ref of ours or of the hub's reaches, by its content.
    fn kept(&self, content: &str) -> bool {
        let reached = |folder: &Path| git(folder, &["rev-list", "--objects", "--all"]);
        let file = self.hub.top().join("content");
        write(&file, content);
        let oid = git(&self.hub.top(), &["hash-object", "--no-filters", "content"]);
        [&self.clone, &self.hub.bare].into_iter().any(|folder| reached(folder).lines().any(|line| line.starts_with(&oid)))
    }

    /// The user writes the next version, and knows what he overwrites: the last one, where that stands there still.
    fn write(&mut self, round: usize) {
        for (at, path) in PATHS.iter().enumerate() {
            let file = self.clone.join(path);
            let stands = fs::read_to_string(&file).unwrap_or_default();
            let last = &self.written[at];
            assert!(last.is_empty() || stands == *last || self.kept(last), "{path}: {last:?} is lost, {stands:?} stands there");
            self.written[at] = format!("{path} {round}\n");
            write(&file, &self.written[at]);
        }
    }

    /// Somebody else pushes.
    fn other(&self, round: usize) {
        let other = self.hub.top().join("first");
        git(&other, &["fetch", "-q", "origin"]);
        git(&other, &["reset", "-q", "--hard", "origin/main"]);
        write(&other.join("edit.txt"), format!("theirs {round}\n"));
        commit(&other, "theirs");
        git(&other, &["push", "-q", "origin", "main"]);
    }

    fn step(&mut self, words: &[&str]) {
        let top = self.hub.top();
        drop(fs::remove_file(top.join("hit")));
        write(&top.join("count"), "");
        let mut all = vec!["git"];
        all.extend(words);
        let (at, how) = (self.chance.below(24) + 2, ["before", "after", "git"][self.chance.below(3) as usize]);
        let before = git(&self.clone, &["for-each-ref"]);
        let mut command = self.hub.world.command(&self.clone, &all);
        let output = command.env("AT", at.to_string()).env("HOW", how).output().expect("it starts");
        self.kills += usize::from(top.join("hit").exists());
        if output.status.code() == Some(0) {
            // What the user was told is done or kept.
            self.acknowledged.extend((words[0] == "publish").then(|| self.written[1].clone()));
        } else if git(&self.clone, &["for-each-ref"]) != before {
            self.in_the_middle += 1;
        }
        drop(fs::remove_file(self.hub.bare.join("refs/heads/main.lock")));
        wait_for("the end of its git", || self.hub.run(&self.clone, &["unlock", "--older-than", "0s"]).code == 0);
    }
}

/// GS-06, RC-05 at random: `DRIFTLESS_SEED` names the run, `DRIFTLESS_ROUNDS` makes it longer.
#[test]
fn rc_05_kills_at_random_lose_nothing_that_was_written_or_acknowledged() {
    let mut hub = Hub::new();
    let (clone, top) = (hub.clone("mine", None), hub.top().display().to_string());
    hub.wrap(&format!(
        "if [ -n \"$AT\" ]; then echo >>{top}/count\n\
         if [ $(wc -l <{top}/count) -eq $AT ]; then : >{top}/hit; PATH=${{PATH#*:}}; export PATH\ncase $HOW in\n\
         before) kill -9 $PPID; exit 9;;\nafter) git \"$@\"; kill -9 $PPID; exit 9;;\n\
         git) self=$$; (sleep 0.004; kill -9 $self) >/dev/null 2>&1 </dev/null & exec git \"$@\";;\nesac; fi; fi"
    ));
    let mut play = Play {
        hub,
        clone,
        chance: Chance::new(),
        written: Default::default(),
        acknowledged: Vec::new(),
        kills: 0,
        in_the_middle: 0,
    };
    let rounds = super::race::rounds(16);
    for round in 0..rounds {
        play.write(round);
        if play.chance.below(2) == 0 {
            play.other(round);
        }
        play.step(STEPS[round % STEPS.len()]);
    }
    let last = play.hub.run(&play.clone, &["sync"]);
    last.ends_with(0);
    play.write(rounds);
    let lost: Vec<&String> = play.acknowledged.iter().filter(|content| !play.kept(content)).collect();
    assert_eq!(lost, [] as [&String; 0], "acknowledged: {:?}", play.acknowledged);
    let history: HashSet<String> =
        git(&play.hub.bare, &["log", "-p", "--format=", "main", "--", "s"]).lines().map(str::to_owned).collect();
    let away: Vec<&String> =
        play.acknowledged.iter().filter(|content| !history.contains(&format!("+{}", content.trim_end()))).collect();
    assert!(away.is_empty(), "not in the remote's history: {away:?}");
    assert!(
        play.kills * 2 >= rounds && play.in_the_middle * 8 >= rounds,
        "{} kills, {} in the middle",
        play.kills,
        play.in_the_middle
    );
    assert!(try_git(&play.clone, &["fsck", "--full", "--no-dangling"]).status.success());
    sound_after_kills(&play.clone);
}
