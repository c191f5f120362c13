//! Hooks that refuse, locks left at the remote, pushes that come between, disks that are full, kills anywhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Hub, commit, git, head, ours, sound, sound_after_kills, try_git};
use crate::harness::{Ended, chmod, read, write};

pub fn script(path: &Path, text: &str) {
    write(path, format!("#!/bin/sh\n{text}\n"));
    chmod(path, 0o755);
}

/// One that the remote never takes does not hold up the others.
#[test]
fn a_hook_that_refuses_one_does_not_stop_the_rest() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let hook = "while read old new ref; do git diff --name-only $old $new | grep -q bad && { echo 'no \x1b[31mbad\x1b[0m files'; exit 1; }; done; exit 0";
    script(&hub.bare.join("hooks/pre-receive"), hook);
    let away = hub.top().join("away.git");
    fs::rename(&hub.bare, &away).expect("away");
    for name in ["one", "bad", "two"] {
        write(&clone.join(name), "x\n");
        hub.json(&clone, &["publish", name, "-m", name], 0);
    }
    fs::rename(&away, &hub.bare).expect("back");
    write(&clone.join("three"), "x\n");
    assert_eq!(hub.json(&clone, &["publish", "three", "-m", "three"], 0)["result"], "pushed");
    assert_eq!(["one", "two", "three", "bad"].map(|path| hub.at_tip(path).is_some()), [true, true, true, false]);
    assert_eq!((ours(&clone, "pending").len(), ours(&clone, "rejected").len()), (0, 1));
    write(&clone.join("bad"), "y\n");
    let object = hub.json(&clone, &["publish", "bad", "-m", "bad"], 4);
    assert_eq!(object["result"], "rejected", "{object}");
    let kept = object["kept"].as_str().expect("a ref");
    assert_eq!(git(&clone, &["show", &format!("{kept}:bad")]), "y");
    sound(&clone);
}

/// A lock that a crash left at the remote: we wait in vain, and keep it.
#[test]
fn a_lock_left_at_the_remote_defers() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    for (round, lock) in ["refs/heads/main.lock", "HEAD.lock"].into_iter().enumerate() {
        write(&hub.bare.join(lock), "");
        write(&clone.join("a"), format!("{round}\n"));
        let object = hub.json(&clone, &["publish", "a", "-m", "a", "--retry-for", "1s"], 0);
        assert_eq!(object["result"], "deferred", "{object}");
        assert!(object["attempts"].as_u64() > Some(1), "{object}");
        assert!(object["reason"].as_str().is_some_and(|reason| reason.contains(lock)), "{object}");
        fs::remove_file(hub.bare.join(lock)).expect("removed");
    }
    hub.run(&clone, &["sync"]).ends_with(0);
    assert_eq!(hub.at_tip("a").as_deref(), Some("1\n"));
}

/// A git of ours was killed while it moved a ref of ours: the next publish is not held up by what it left.
#[test]
fn a_lock_left_on_a_ref_of_ours_goes_by_itself() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let [left, young, users] = ["refs/driftless/remote/origin/main.lock", "refs/driftless/young.lock", "refs/heads/main.lock"]
        .map(|path| clone.join(".git").join(path));
    for (path, seconds) in [(&left, 1_000_000_000), (&young, 4_000_000_000), (&users, 1_000_000_000)] {
        write(path, "");
        filetime::set_file_mtime(path, filetime::FileTime::from_unix_time(seconds, 0)).expect("set");
    }
    write(&clone.join("a"), "a\n");
    assert_eq!(hub.json(&clone, &["publish", "a", "-m", "a"], 0)["result"], "pushed");
    assert_eq!([&left, &young, &users].map(|path| path.exists()), [false, true, true]);
}

/// Somebody pushes exactly between our look and our push, three times.
#[test]
fn a_push_that_comes_between_is_never_overwritten() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let other = hub.top().join("first");
    hub.json(&clone, &["state"], 0);
    let wrapper = hub.top().join("receive");
    let text = format!(
        "n=$(cat {count} 2>/dev/null || echo 0)\nif [ $n -lt 3 ]; then echo $((n+1)) >{count}\ncd {other} && unset GIT_DIR && \
         git -c user.name=o -c user.email=o@x commit -q --allow-empty -m between && git push -q origin main\nfi\nexec git-receive-pack \"$@\"",
        count = hub.top().join("count").display(),
        other = other.display()
    );
    script(&wrapper, &text);
    git(&clone, &["config", "remote.origin.receivepack", wrapper.to_str().expect("text")]);
    write(&clone.join("a"), "a\n");
    let object = hub.json(&clone, &["publish", "a", "-m", "a"], 0);
    assert_eq!((&object["result"], &object["attempts"]), (&"pushed".into(), &4.into()), "{object}");
    assert_eq!(git(&hub.bare, &["log", "--format=%s", "main"]).matches("between").count(), 3);
    // The same for commits of the user's: a lost race leaves them here.
    fs::remove_file(hub.top().join("count")).expect("removed");
    hub.json(&clone, &["sync"], 0);
    git(&other, &["pull", "-q", "origin", "main"]);
    let mine = commit(&clone, "mine");
    hub.run(&clone, &["tick", "--alpha"]);
    assert_eq!(git(&hub.bare, &["log", "--format=%s", "main"]).matches("between").count(), 4);
    assert!(try_git(&clone, &["merge-base", "--is-ancestor", &mine, "HEAD"]).status.success(), "ours stays");
}

/// The disk is full while something is kept: then nothing is moved.
#[test]
fn a_full_disk_moves_nothing() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.moves();
    let mut noise = vec![0_u8; 1 << 20];
    let mut state = 7_u64;
    noise.iter_mut().for_each(|byte| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    });
    fs::write(clone.join("new.txt"), &noise).expect("a large file");
    let before = head(&clone);
    let plain = hub.world.command(&clone, &["git", "sync"]);
    let mut command = Command::new("sh");
    // No file may become longer than 64 KiB, and writing more is an error: as on a full disk.
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(&clone).env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = Ended::of(command.output().expect("sh starts"));
    ended.ends_with(4).says("The disk of the repository is full").says("Nothing of yours was changed");
    assert_eq!((head(&clone), fs::read(clone.join("new.txt")).expect("there")), (before, noise.clone()));
    hub.run(&clone, &["sync"]).ends_with(0);
    let backup = ours(&clone, "backup").pop().expect("a backup");
    assert_eq!(try_git(&clone, &["cat-file", "blob", &format!("{backup}:new.txt")]).stdout, noise);
    assert_eq!(read(&clone.join("new.txt")), "new\n");
}

/// A git that was killed left `index.lock`: nothing is done, no pile of backups grows, and `unlock` says why or why not.
#[test]
fn a_left_index_lock_is_judged_and_never_just_removed() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.moves();
    write(&clone.join("edit.txt"), "mine\n");
    let lock = clone.join(".git/index.lock");
    write(&lock, "");
    for _ in 0..2 {
        hub.run(&clone, &["sync"]).ends_with(4).says("index.lock").says("Nothing was changed");
    }
    assert_eq!((ours(&clone, "backup").len(), read(&clone.join("edit.txt")).as_str()), (0, "mine\n"));
    hub.run(&clone, &["unlock"]).ends_with(4).says("stays, because it is");
    // Somebody is at work here: git with an editor open, as it looks from outside.
    let program = hub.top().join("git");
    fs::copy("/bin/sleep", &program).expect("a copy");
    let mut busy = Command::new(&program).arg("60").current_dir(&clone).spawn().expect("it starts");
    hub.run(&clone, &["unlock", "--older-than", "0s"]).ends_with(4).says("works in this repository");
    // Clocks are set: a time before the machine was started proves nothing.
    filetime::set_file_mtime(&lock, filetime::FileTime::from_unix_time(1, 0)).expect("set");
    hub.run(&clone, &["unlock"]).ends_with(4).says("works in this repository");
    busy.kill().and_then(|()| busy.wait()).expect("ended");
    // A git that was told of this clone works elsewhere.
    let mut busy =
        Command::new(&program).arg("60").env("GIT_DIR", clone.join(".git")).current_dir("/").spawn().expect("it starts");
    hub.run(&clone, &["unlock", "--older-than", "0s"]).ends_with(4).says("works in this repository");
    busy.kill().and_then(|()| busy.wait()).expect("ended");
    // A lock from before the machine was started, as it looks where the clock was set since, is looked at as closely.
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let held = fs::File::options().write(true).open(&lock).expect("open");
    held.set_modified(long_ago).expect("the time is set");
    hub.run(&clone, &["unlock", "--older-than", "0s"]).ends_with(4).says("has it open");
    drop(held);
    assert!(lock.exists());
    hub.run(&clone, &["unlock", "--older-than", "0s", "--dry-run"]).ends_with(0).says("would be removed");
    hub.run(&clone, &["unlock", "--older-than", "0s"]).ends_with(0).says("removed, because");
    assert!(!lock.exists());
    hub.run(&clone, &["sync"]).ends_with(0);
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Us,
    /// One of git's processes that we started, or that it started.
    Git,
}

/// Every process below one, by what the system tells.
fn descendants(process: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let children = listed.split_whitespace().filter_map(|number| number.parse().ok());
    // Threads start children, too.
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of_threads = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let of_threads: Vec<u32> =
        of_threads.flat_map(|text| text.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>()).collect();
    let mut all: Vec<u32> = children.chain(of_threads).collect();
    all.sort_unstable();
    all.dedup();
    let below: Vec<u32> = all.iter().flat_map(|child| descendants(*child)).collect();
    all.extend(below);
    all
}

/// A number from a seed, the same for each run.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        let seed = std::env::var("DRIFTLESS_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("DRIFTLESS_SEED={seed}");
        Chance(seed)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// Starts it, and kills the victim at a random moment; how it ended, `None` where it was killed itself.
fn run_and_kill(hub: &Hub, clone: &Path, words: &[&str], victim: Victim, chance: &mut Chance) -> Option<i32> {
    let mut all = vec!["git"];
    all.extend(words);
    let mut running = hub.world.command(clone, &all).spawn().expect("it starts");
    std::thread::sleep(Duration::from_micros(chance.below(150_000) as u64));
    match victim {
        Victim::Us => running.kill().expect("it is ours"),
        Victim::Git => {
            let all = descendants(running.id());
            if !all.is_empty() {
                let one = i32::try_from(all[chance.below(all.len())]).ok().and_then(rustix::process::Pid::from_raw);
                let _ = rustix::process::kill_process(one.expect("a number"), rustix::process::Signal::KILL);
            }
        }
    }
    running.wait().expect("ended").code()
}

/// Killed anywhere, we or a git of ours, a follow loses nothing and the next one goes on. By seed; a failure names it.
fn a_killed_follow_loses_nothing(victim: Victim) {
    let rounds = std::env::var("DRIFTLESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6);
    let mut chance = Chance::new();
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let template = hub.top().join("template");
    write(&clone.join("mine.txt"), "committed\n");
    commit(&clone, "mine");
    hub.moves();
    write(&clone.join("edit.txt"), "on the disk\n");
    write(&clone.join("new.txt/deep"), "deep\n");
    write(&clone.join("dir/x.txt"), "not in the way\n");
    fs::rename(&clone, &template).expect("renamed");
    for round in 0..rounds {
        drop(fs::remove_dir_all(&clone));
        crate::services::run("cp", &["-a", template.to_str().expect("text"), clone.to_str().expect("text")]);
        let code = run_and_kill(&hub, &clone, &["sync"], victim, &mut chance);
        let name = format!("{victim:?}, round {round}, {code:?}");
        // Its git may still be at work.
        crate::harness::wait_for("the end of its git", || hub.run(&clone, &["unlock", "--older-than", "0s"]).code == 0);
        let ended = hub.run(&clone, &["sync"]);
        assert_eq!(ended.code, 0, "{name}: {ended}");
        assert_eq!(head(&clone), hub.tip(), "{name}");
        let backups = ours(&clone, "backup");
        let found = |path: &str, content: &str| {
            let holds = |name: &String| try_git(&clone, &["show", &format!("{name}:{path}")]).stdout == content.as_bytes();
            backups.iter().any(holds)
        };
        for (path, content) in [("edit.txt", "on the disk\n"), ("new.txt/deep", "deep\n"), ("mine.txt", "committed\n")] {
            assert!(found(path, content), "{path}: {name}: {backups:?}");
        }
        assert_eq!(read(&clone.join("dir/x.txt")), "not in the way\n", "{name}");
        assert_eq!(git(&clone, &["status", "--porcelain"]), " M dir/x.txt", "{name}");
        sound(&clone);
    }
}

#[test]
fn gs_06_a_killed_follow_loses_nothing() {
    a_killed_follow_loses_nothing(Victim::Us);
}

#[test]
fn gs_06_a_follow_whose_git_is_killed_loses_nothing() {
    a_killed_follow_loses_nothing(Victim::Git);
}

/// Kills of git at random: what a publish acknowledged arrives, and what it did not harms nothing.
#[test]
fn gs_07_a_publish_whose_git_is_killed_is_acknowledged_only_where_it_arrives() {
    let mut chance = Chance::new();
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let mut acknowledged = Vec::new();
    for round in 0..16 {
        let content = format!("round {round}\n");
        write(&clone.join("s"), &content);
        if run_and_kill(&hub, &clone, &["publish", "s", "-m", &content, "--retry-for", "1s"], Victim::Git, &mut chance) == Some(0)
        {
            acknowledged.push(content);
        }
        // Those of the remote's git stay until somebody there looks at them.
        ["refs/heads/main.lock", "HEAD.lock"].iter().for_each(|lock| drop(fs::remove_file(hub.bare.join(lock))));
    }
    crate::harness::wait_for("the end of its git", || hub.run(&clone, &["unlock", "--older-than", "0s"]).code == 0);
    hub.run(&clone, &["sync"]).ends_with(0);
    let history = git(&hub.bare, &["log", "-p", "--format=", "main", "--", "s"]) + "\n";
    let lost: Vec<&String> = acknowledged.iter().filter(|content| !history.contains(&format!("+{content}"))).collect();
    assert!(lost.is_empty() && !acknowledged.is_empty(), "lost of {acknowledged:?}: {lost:?}");
    assert_eq!((ours(&clone, "pending"), ours(&clone, "conflict")), (vec![], vec![]));
}

/// A hook of the user's that hangs holds us no longer than until Ctrl-C, and leaves no lock.
#[test]
fn a_hook_that_hangs_is_left_with_ctrl_c() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.moves();
    let before = head(&clone);
    let hangs = "case $(cat) in *refs/heads/main*) : >.git/hangs; exec sleep 600;; esac";
    script(&clone.join(".git/hooks/reference-transaction"), hangs);
    let running =
        hub.world.command(&clone, &["git", "sync"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    crate::harness::wait_for("the hook", || clone.join(".git/hangs").exists());
    rustix::process::kill_process(rustix::process::Pid::from_child(&running), rustix::process::Signal::INT).expect("it runs");
    Ended::of(running.wait_with_output().expect("it ends")).ends_with(130);
    assert_eq!(head(&clone), before);
    fs::remove_file(clone.join(".git/hooks/reference-transaction")).expect("removed");
    hub.run(&clone, &["sync"]).ends_with(0);
    sound_after_kills(&clone);
}

/// Git flushes no file of the work tree: after a power cut a branch would stand over empty files, which look like edits.
#[test]
fn what_is_checked_out_is_flushed_before_the_branch_says_so() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.moves();
    let (plain, out) = (hub.world.command(&clone, &["git", "sync"]), hub.top().join("calls"));
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-o"]).arg(&out).args(["-e", "trace=fsync,rename", "-e", "signal=none"]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(&clone).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert!(command.status().expect("strace starts").success());
    let calls = read(&out);
    let at = |part: &str| calls.lines().position(|line| line.contains(part));
    let branch = at("refs/heads/main.lock\", \"").expect("the branch moves");
    for end in ["/mine/edit.txt>", "/mine/new.txt>", "/mine/zero.txt>", "/mine>"] {
        assert!(at(end).is_some_and(|flushed| flushed < branch), "{end}: {calls}");
    }
}
