//! `.git` is carried as one: not while git is at work in it, and one conflict where both sides changed it.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::databases::{ADD, MAKE, rows, sql};
use crate::ground::{Ended, Ground, ended, set_time, then, write};
use crate::harness::{World, chmod, wait_for};
use crate::services::Running;
use crate::tree::Tree;

/// git alone, without anybody's settings.
fn git_command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0"]).args(words);
    // The same folder by two mounts has two owners for git, where the tests run as root.
    command
        .args([] as [&str; 0])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn git(folder: &Path, words: &[&str]) -> String {
    let output = git_command(folder, words).output().expect("git starts; is it installed?");
    assert!(output.status.success(), "git {words:?} in {folder:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn commit(folder: &Path, text: &str) -> String {
    fs::write(folder.join("notes.txt"), text).expect("a file");
    git(folder, &["add", "-A", "--", ":!.driftless"]);
    git(folder, &["commit", "-q", "-m", text]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A pair in step with a repository of two commits.
fn repository() -> Ground {
    let ground = Ground::new();
    git(&ground.staging, &["init", "-q", "-b", "main"]);
    commit(&ground.staging, "one");
    commit(&ground.staging, "two");
    ground.synced(&[]);
    sound(&ground.network);
    ground
}

#[track_caller]
fn sound(folder: &Path) {
    git(folder, &["fsck", "--full", "--strict"]);
}

fn messages(ended: &Ended, key: &str) -> String {
    ended.list(key).iter().filter_map(|item| item["message"].as_str()).collect::<Vec<_>>().join("; ")
}

#[test]
fn commits_on_both_sides_are_one_conflict() {
    let ground = repository();
    let ours = commit(&ground.staging, "ours");
    let theirs = commit(&ground.network, "theirs");
    write(&ground.staging.join("data.csv"), b"goes along", then(1));
    for words in [&[][..], &["up"], &["down"]] {
        let ended = ground.sync(words);
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        assert_eq!(ended.paths("conflicts"), [".git", "notes.txt"], "{words:?}: {ended:#?}");
        assert!(messages(&ended, "notes").contains("both sides changed something in this folder"), "{ended:#?}");
        for (folder, head) in [(&ground.staging, &ours), (&ground.network, &theirs)] {
            sound(folder);
            assert_eq!(&git(folder, &["rev-parse", "HEAD"]), head);
        }
    }
    assert!(ground.network.join("data.csv").exists(), "everything else goes on");
}

#[test]
fn a_commit_on_one_side_is_carried() {
    let ground = repository();
    for (from, to) in [(&ground.staging, &ground.network), (&ground.network, &ground.staging)] {
        let head = commit(from, &format!("in {from:?}"));
        ground.synced(&[]);
        sound(to);
        assert_eq!(git(to, &["rev-parse", "HEAD"]), head);
    }
    ground.synced(&[]).did_nothing();
}

#[test]
fn a_folder_with_a_young_lock_is_not_touched_on_either_side() {
    for staging_holds in [true, false] {
        let ground = repository();
        let (here, there) = match staging_holds {
            true => (&ground.staging, &ground.network),
            false => (&ground.network, &ground.staging),
        };
        commit(here, "three");
        fs::remove_file(here.join(".git/description")).expect("git makes one");
        fs::write(here.join(".git/refs/heads/main.lock"), b"").expect("a lock");
        write(&ground.staging.join("data.csv"), b"goes along", then(1));
        let before = Tree::of(&there.join(".git"));
        let held = ground.sync(&[]);
        assert_eq!(held.code, Some(6), "{held:#?}");
        assert_eq!(held.paths("problems"), [".git"], "{held:#?}");
        assert!(messages(&held, "problems").contains(".git/refs/heads/main.lock"), "{held:#?}");
        before.assert_same(&Tree::of(&there.join(".git")), "while git is at work");
        assert!(ground.network.join("data.csv").exists(), "everything else goes on");
        fs::remove_file(here.join(".git/refs/heads/main.lock")).expect("the lock goes");
        ground.synced(&[]);
        sound(there);
        Tree::of(&ground.staging).assert_same(&Tree::of(&ground.network), "after git has ended");
    }
}

/// A file that may not be read is missing on the other side, and what hangs on it is not.
#[test]
fn a_repository_of_which_a_part_may_not_be_read_is_carried_by_neither_side() {
    let mut world = World::paired(&[(".git/HEAD", "one"), (".git/index", "one"), ("data", "one")]);
    write(&world.network.join(".git/HEAD"), b"theirs", then(1));
    write(&world.staging.join(".git/index"), b"own", then(1));
    write(&world.staging.join("data"), b"two", then(1));
    world.as_nobody();
    chmod(&world.staging.join(".git/index"), 0o000);
    let before = Tree::of(&world.network.join(".git"));
    for words in [&["sync"][..], &["sync", "down"], &["sync", "up", ".git/HEAD"], &["revert", ".git"]] {
        let held = world.json(words, 6);
        assert_eq!(held["conflicts"].as_array().map_or(0, Vec::len), 0, "{words:?}: {held:#}");
        let problems = held["problems"].as_array().expect("a list");
        assert_eq!((problems.len(), &problems[0]["path"]), (1, &".git".into()), "{words:?}: {held:#}");
        assert!(problems[0]["message"].as_str().is_some_and(|told| told.contains(".git/index cannot be read")), "{held:#}");
        assert_eq!(fs::read(world.staging.join(".git/HEAD")).expect("it may be read"), b"one", "{words:?}");
        before.assert_same(&Tree::of(&world.network.join(".git")), "carried in part");
    }
    assert_eq!(fs::read(world.network.join("data")).expect("sent"), b"two", "everything else goes on");
    chmod(&world.staging.join(".git/index"), 0o644);
    // Now it is seen that both sides changed it.
    assert_eq!(world.json(&["sync"], 3)["conflicts"][0]["path"], ".git");
}

/// A new file, or one of another size, is known as changed without being read.
#[test]
fn a_new_file_that_may_not_be_read_holds_the_repository_that_needs_it() {
    let mut world = World::paired(&[(".git/HEAD", "one"), ("data", "one")]);
    write(&world.staging.join(".git/HEAD"), b"new", then(1));
    write(&world.staging.join(".git/object"), b"what the new HEAD speaks of", then(1));
    write(&world.staging.join("data"), b"two", then(1));
    world.as_nobody();
    chmod(&world.staging.join(".git/object"), 0o000);
    for words in [&["sync"][..], &["sync", "up"]] {
        let held = world.json(words, 6);
        let problems = held["problems"].as_array().expect("a list");
        assert_eq!((problems.len(), &problems[0]["path"]), (1, &".git".into()), "{words:?}: {held:#}");
        assert!(problems[0]["message"].as_str().is_some_and(|told| told.contains(".git/object cannot be read")), "{held:#}");
        assert_eq!(fs::read(world.network.join(".git/HEAD")).expect("there"), b"one", "{words:?}");
    }
    assert_eq!(fs::read(world.network.join("data")).expect("sent"), b"two", "everything else goes on");
    chmod(&world.staging.join(".git/object"), 0o644);
    world.json(&["sync"], 0);
    assert_eq!(fs::read(world.network.join(".git/HEAD")).expect("there"), b"new");
}

#[test]
fn an_old_lock_was_left_by_a_crash_and_goes_along() {
    let ground = repository();
    commit(&ground.staging, "three");
    let lock = ground.staging.join(".git/index.lock");
    fs::write(&lock, b"").expect("a lock");
    set_time(&lock, SystemTime::now() - Duration::from_secs(660));
    let up = ground.synced(&["up"]);
    assert!(messages(&up, "notes").contains("older than 10 minutes"), "{up:#?}");
    Tree::of(&ground.staging).assert_same(&Tree::of(&ground.network), "after a crash of git");
}

#[test]
fn other_folders_may_be_named_and_git_left_out() {
    let ground = repository();
    write(&ground.network.join("driftless.toml"), b"whole = [\"*.zarr\"]\n", then(1));
    write(&ground.staging.join("a.zarr/0"), b"zero", then(1));
    write(&ground.staging.join("a.zarr/1"), b"one", then(1));
    ground.synced(&[]);
    write(&ground.staging.join("a.zarr/0"), b"ours", then(2));
    write(&ground.network.join("a.zarr/1"), b"theirs", then(2));
    write(&ground.staging.join(".git/description"), b"ours", then(2));
    write(&ground.network.join(".git/config.worktree"), b"theirs", then(2));
    let ended = ground.sync(&[]);
    assert_eq!((ended.code, ended.paths("conflicts")), (Some(3), vec!["a.zarr"]), "{ended:#?}");
    assert!(ground.staging.join(".git/config.worktree").exists(), "an ordinary folder now");
}

#[test]
fn a_deleted_repository_against_a_commit_is_one_conflict_and_stays() {
    let ground = Ground::new();
    let project = |root: &Path| root.join("project");
    fs::create_dir(project(&ground.staging)).expect("a folder");
    git(&project(&ground.staging), &["init", "-q", "-b", "main"]);
    commit(&project(&ground.staging), "one");
    ground.synced(&[]);
    let head = commit(&project(&ground.network), "two");
    fs::remove_dir_all(project(&ground.staging)).expect("gone");
    let ended = ground.sync(&[]);
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert_eq!(ended.paths("conflicts"), ["project/.git"], "{ended:#?}");
    sound(&project(&ground.network));
    assert_eq!(git(&project(&ground.network), &["rev-parse", "HEAD"]), head);
}

#[test]
fn syncs_beside_a_loop_of_commits_end_with_the_same_repository() {
    let ground = repository();
    let script = "n=0; while [ ! -e \"$1\" ]; do n=$((n+1)); echo $n > notes.txt; git -c user.name=t -c user.email=t@e \
                  -c gc.auto=0 commit -q -a -m $n || exit 1; done";
    let stop = ground.place("stop");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&stop).current_dir(&ground.staging).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let first = git(&ground.staging, &["rev-parse", "HEAD"]);
    let mut commits = Running::start(command.stdin(Stdio::null()));
    wait_for("the first commit", || git(&ground.staging, &["rev-parse", "HEAD"]) != first);
    for _ in 0..20 {
        let up = ground.sync(&["up"]);
        assert!([Some(0), Some(6)].contains(&up.code), "{up:#?}");
        // Whatever was carried is a repository that there was.
        sound(&ground.network);
    }
    fs::write(&stop, b"").expect("a word to stop");
    wait_for("the last commit", || commits.has_ended());
    // The last commit may be so young that the folder changed "just now".
    wait_for("a run that carries it", || ground.sync(&["up"]).code == Some(0));
    sound(&ground.network);
    let heads = [&ground.staging, &ground.network].map(|folder| git(folder, &["rev-parse", "HEAD"]));
    assert_eq!(heads[0], heads[1]);
    assert_eq!(git(&ground.network, &["--no-optional-locks", "status", "--porcelain", "--", "notes.txt"]), "");
    ground.synced(&[]).did_nothing();
}

#[test]
fn a_path_within_a_repository_means_all_of_it() {
    let ground = repository();
    let head = commit(&ground.staging, "three");
    ground.synced(&["up", ".git/refs", "notes.txt"]);
    sound(&ground.network);
    assert_eq!(git(&ground.network, &["rev-parse", "HEAD"]), head);
    // Different files of one on both sides: a part would be a mix that there never was.
    commit(&ground.staging, "ours");
    git(&ground.network, &["checkout", "-q", "-b", "other"]);
    let before = Tree::of(&ground.network.join(".git"));
    let ended = ground.sync(&["up", ".git/refs"]);
    assert_eq!((ended.code, ended.paths("conflicts")), (Some(3), vec![".git"]), "{ended:#?}");
    Tree::of(&ground.network.join(".git")).assert_same(&before, "a part was sent");
}

#[test]
fn a_part_of_a_repository_is_not_taken_back() {
    let ground = repository();
    git(&ground.network, &["checkout", "-q", "-b", "other"]);
    commit(&ground.network, "theirs");
    let head = commit(&ground.staging, "ours");
    let revert = |path: &str| ended(ground.command(&[], &["revert", path, "--json"]).output().expect("the program starts"));
    let part = revert(".git/HEAD");
    assert_eq!((part.code, part.paths("problems")), (Some(6), vec![".git/HEAD"]), "{part:#?}");
    assert_eq!(git(&ground.staging, &["rev-parse", "HEAD"]), head);
    let all = revert(".git");
    assert_eq!(all.code, Some(0), "{all:#?}");
    sound(&ground.staging);
    Tree::of(&ground.staging.join(".git")).assert_same(&Tree::of(&ground.network.join(".git")), "taken back");
}

#[test]
fn where_its_deletes_are_held_a_repository_waits() {
    let ground = Ground::new();
    git(&ground.staging, &["init", "-q", "-b", "main"]);
    for n in 0..9 {
        commit(&ground.staging, &n.to_string());
    }
    ground.synced(&[]);
    let head = commit(&ground.staging, "the last");
    git(&ground.staging, &["gc", "-q", "--prune=now"]);
    let before = Tree::of(&ground.network.join(".git"));
    let held = ground.sync(&["up"]);
    assert_eq!(held.code, Some(4), "{held:#?}");
    Tree::of(&ground.network.join(".git")).assert_same(&before, "half of it was carried");
    ground.synced(&["up", "--allow-deletes"]);
    sound(&ground.network);
    assert_eq!(git(&ground.network, &["rev-parse", "HEAD"]), head);
    ground.synced(&[]).did_nothing();
}

#[test]
fn a_database_in_a_whole_folder_is_of_the_same_moment_as_the_rest() {
    let ground = Ground::new();
    write(&ground.network.join("driftless.toml"), b"whole = [\"*.set\"]\n", then(1));
    let database = ground.staging.join("a.set/index.db");
    fs::create_dir(ground.staging.join("a.set")).expect("a folder");
    sql(&database, MAKE, "closed");
    ground.synced(&[]);
    sql(&database, ADD, "closed");
    fs::write(ground.staging.join("a.set/data"), vec![7; 300 << 20]).expect("room");
    // Nothing may look as if it were changed just now.
    wait_for("a look at it at rest", || ground.sync(&["up", "--dry-run"]).code == Some(0));
    let mut child = ground.command(&[], &["sync", "up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let is_temp = |item: fs::DirEntry| item.file_name().as_encoded_bytes().starts_with(b".dl~");
    let copies = || fs::read_dir(ground.network.join("a.set")).is_ok_and(|listing| listing.flatten().any(is_temp));
    wait_for("the copy of the data", copies);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("our own child");
    sql(&database, ADD, "closed");
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("our own child");
    assert_eq!(child.wait().expect("its end").code(), Some(6));
    assert_eq!(rows(&ground.network.join("a.set/index.db")), 3);
    ground.synced(&["up"]);
    assert_eq!(rows(&ground.network.join("a.set/index.db")), 12);
    ground.synced(&[]).did_nothing();
}

#[test]
fn a_conflict_of_repositories_ends_with_one_of_them() {
    for (side, other) in [("staging", "network"), ("network", "staging")] {
        let ground = repository();
        let heads = [commit(&ground.staging, "ours"), commit(&ground.network, "theirs")];
        assert_eq!(ground.sync(&[]).code, Some(3));
        let words = ["conflicts", "resolve", ".git", "--keep", side, "--json"];
        let resolved = ended(ground.command(&[], &words).output().expect("the program starts"));
        assert_eq!(resolved.code, Some(0), "{resolved:#?}");
        assert!(messages(&resolved, "notes").contains(&format!("{side}'s version")), "{resolved:#?}");
        let text = serde_json::to_string(&resolved.json).expect("an object");
        assert!(!text.contains("in conflict no more"), "{text}");
        for folder in [&ground.staging, &ground.network] {
            sound(folder);
            assert_eq!(git(folder, &["rev-parse", "HEAD"]), heads[usize::from(other == "staging")]);
        }
    }
}
