//! `git …` on real repositories with the real git: a bare hub, and clones of it that belong to different people.

mod backups;
mod endings;
mod faults;
mod kills;
mod known;
mod matrix;
mod meet;
mod mount;
mod obstacles;
mod pending;
mod publish;
mod race;
mod remotes;
mod rewrite;
mod state;
mod telling;
mod ticks;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Ended, World, write};

/// A bare repository and the world that its clones live in.
pub(crate) struct Hub {
    pub(crate) world: World,
    pub(crate) bare: PathBuf,
}

/// git alone, without anybody's settings.
fn git_command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "gc.auto=0", "-c", "protocol.file.allow=always"]).args(words);
    for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0")] {
        command.env(name, value);
    }
    for (role, name) in [("AUTHOR", "ada"), ("COMMITTER", "ada")] {
        command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), "ada@example.org");
    }
    command.stdin(Stdio::null());
    command
}

fn try_git(folder: &Path, words: &[&str]) -> Output {
    git_command(folder, words).output().expect("git starts; is it installed?")
}

#[track_caller]
pub(crate) fn git(folder: &Path, words: &[&str]) -> String {
    let output = try_git(folder, words);
    assert!(output.status.success(), "git {words:?} in {folder:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

impl Hub {
    /// Two commits on `main`: a shallow clone is one.
    pub(crate) fn new() -> Hub {
        let mut world = World::new();
        world.set("GIT_CONFIG_GLOBAL", "/dev/null");
        world.set("GIT_CONFIG_SYSTEM", "/dev/null");
        let bare = world.top().join("hub.git");
        git(&world.top(), &["init", "-q", "--bare", "-b", "main", "hub.git"]);
        let hub = Hub { world, bare };
        let first = hub.top().join("first");
        git(&hub.top(), &["init", "-q", "-b", "main", "first"]);
        write(&first.join("zero.txt"), "0\n");
        commit(&first, "zero");
        for (path, text) in [("keep.txt", "keep\n"), ("edit.txt", "edit\n"), ("gone.txt", "gone\n"), ("dir/x.txt", "x\n")] {
            write(&first.join(path), text);
        }
        write(&first.join(".gitignore"), "*.log\n");
        commit(&first, "one");
        git(&first, &["remote", "add", "origin", &hub.url()]);
        git(&first, &["push", "-q", "-u", "origin", "main"]);
        hub
    }

    pub(crate) fn top(&self) -> PathBuf {
        self.world.top()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.bare.display())
    }

    /// A clone; `depth` as a number of commits.
    pub(crate) fn clone(&self, name: &str, depth: Option<&str>) -> PathBuf {
        let mut words = vec!["clone", "-q"];
        if let Some(depth) = depth {
            words.extend(["--depth", depth]);
        }
        let url = self.url();
        words.extend([url.as_str(), name]);
        git(&self.top(), &words);
        self.top().join(name)
    }

    /// Somebody else, in a clone of his own, changes three files and adds one.
    fn moves(&self) -> String {
        let other = self.top().join("first");
        write(&other.join("edit.txt"), "theirs\n");
        write(&other.join("new.txt"), "new\n");
        fs::remove_file(other.join("gone.txt")).expect("removed");
        commit(&other, "theirs");
        write(&other.join("zero.txt"), "1\n");
        commit(&other, "theirs again");
        git(&other, &["push", "-q", "origin", "main"]);
        git(&other, &["rev-parse", "HEAD"])
    }

    /// Somebody else adds a file.
    pub(crate) fn moves_on(&self) {
        let other = self.top().join("first");
        git(&other, &["pull", "-q", "--rebase", "origin", "main"]);
        write(&other.join("news.txt"), "news\n");
        commit(&other, "news");
        git(&other, &["push", "-q", "origin", "main"]);
    }

    fn tip(&self) -> String {
        git(&self.bare, &["rev-parse", "refs/heads/main"])
    }

    /// A file's content at the tip of the hub.
    fn at_tip(&self, path: &str) -> Option<String> {
        let output = try_git(&self.bare, &["show", &format!("refs/heads/main:{path}")]);
        output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
    }

    /// The program in a clone.
    fn run(&self, folder: &Path, words: &[&str]) -> Ended {
        let mut all = vec!["git"];
        all.extend(words);
        self.world.run_in(folder, &all)
    }

    #[track_caller]
    fn json(&self, folder: &Path, words: &[&str], code: i32) -> Value {
        let mut all = words.to_vec();
        all.push("--json");
        let ended = self.run(folder, &all);
        ended.ends_with(code);
        ended.json()
    }
}

pub(crate) fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}

pub(crate) fn head(folder: &Path) -> String {
    git(folder, &["rev-parse", "HEAD"])
}

/// The clone is whole, nothing of ours lies about, and no lock is left.
#[track_caller]
fn sound(folder: &Path) {
    sound_but(folder, "nothing");
}

/// The same after kills: a ref of ours that a killed publish was about to take away is swept only a day later.
#[track_caller]
fn sound_after_kills(folder: &Path) {
    sound_but(folder, "refs/driftless/landing");
}

#[track_caller]
fn sound_but(folder: &Path, may_stay: &str) {
    git(folder, &["fsck", "--full", "--strict", "--no-dangling"]);
    let below = crate::harness::below_all(&folder.join(".git"));
    let odd = |path: &&String| {
        path.ends_with(".lock") || path.contains("displaced/") || path.contains("landing") || path.contains("cloning")
    };
    let odd: Vec<&String> = below.iter().filter(odd).filter(|path| !path.starts_with(may_stay)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(git(folder, &["stash", "list"]), "");
}

/// Refs of ours of one kind.
fn ours(folder: &Path, kind: &str) -> Vec<String> {
    let listed = git(folder, &["for-each-ref", "--format=%(refname)", &format!("refs/driftless/{kind}/")]);
    listed.lines().map(str::to_owned).collect()
}
