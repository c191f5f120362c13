//! `git tick` and `git watch`.

use std::fs;
use std::process::Stdio;

use super::{Hub, commit, git, head, ours, sound, try_git};
use crate::harness::{Ended, read, wait_for, write};

/// GS-04: the commands run, exactly the paths are committed, and the branch follows.
#[test]
fn gs_04_a_tick_commits_the_named_paths_alone() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("edit.txt"), "not this\n");
    git(&clone, &["add", "edit.txt"]);
    write(&clone.join("loose.txt"), "nor this\n");
    let run = "mkdir -p state/deep && echo 1 >state/deep/new && echo 2 >audit";
    let ticked = hub.json(&clone, &["tick", "--run", run, "-m", "tick of {files}"], 0);
    assert_eq!((&ticked["result"], ticked["paths"].as_array().map(Vec::len)), (&"committed".into(), Some(2)), "{ticked}");
    assert_eq!(git(&hub.bare, &["log", "-1", "--format=%s", "main"]), "tick of 2");
    assert_eq!((hub.at_tip("state/deep/new").as_deref(), hub.at_tip("edit.txt").as_deref()), (Some("1\n"), Some("edit\n")));
    assert_eq!(head(&clone), hub.tip(), "the branch followed");
    assert_eq!(git(&clone, &["status", "--porcelain"]), "M  edit.txt\n?? loose.txt");
    let again = hub.json(&clone, &["tick", "--run", run], 0);
    assert_eq!(again["result"], "nothing", "{again}");
    // A file that went is a change, too.
    fs::remove_file(clone.join("audit")).expect("removed");
    hub.json(&clone, &["tick"], 0);
    assert_eq!(hub.at_tip("audit"), None);
    let tip = hub.tip();
    let failed = hub.run(&clone, &["tick", "--run", "echo half >state/deep/new", "--run", "exit 3"]);
    failed.ends_with(4).says("exit 3").says("Nothing was committed");
    assert_eq!(hub.tip(), tip);
    sound(&clone);
}

/// GS-05: a push that failed waits, also across a restart, and goes out after following the remote.
#[test]
fn gs_05_a_tick_without_the_remote_goes_out_later() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let away = hub.top().join("away.git");
    fs::rename(&hub.bare, &away).expect("away");
    hub.json(&clone, &["tick", "--run", "mkdir -p state; echo 1 >state/s"], 75);
    hub.json(&clone, &["tick", "--run", "echo 1 >state/s"], 75);
    assert_eq!(ours(&clone, "pending").len(), 1, "the same change waits once");
    hub.json(&clone, &["tick", "--run", "echo 2 >state/s"], 75);
    fs::rename(&away, &hub.bare).expect("back");
    hub.moves();
    let synced = hub.json(&clone, &["sync", "--initial"], 0);
    assert_eq!(synced["pending"]["delivered"], 2, "{synced}");
    assert_eq!((hub.at_tip("state/s").as_deref(), hub.at_tip("edit.txt").as_deref()), (Some("2\n"), Some("theirs\n")));
    assert_eq!((head(&clone), git(&clone, &["status", "--porcelain"])), (hub.tip(), String::new()));
    assert_eq!(ours(&clone, "backup"), [] as [&str; 0], "a tick's own files are in nobody's way");
    sound(&clone);
}

/// GS-02: commits of the user's go out with the tick; where both have some, by force only in alpha, and never unseen.
#[test]
fn gs_02_alpha_replaces_what_was_compared_and_keeps_it() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    commit(&clone, "ahead");
    let pushed = hub.json(&clone, &["tick"], 0);
    assert_eq!((&pushed["pushed"], &pushed["replaced"]), (&head(&clone).into(), &serde_json::Value::Null), "{pushed}");
    assert_eq!(hub.tip(), head(&clone));
    git(&hub.top().join("first"), &["pull", "-q", "origin", "main"]);
    // A publish of ours, then somebody else, then a commit of ours.
    write(&clone.join("s.json"), "published\n");
    hub.json(&clone, &["publish", "s.json", "-m", "s"], 0);
    git(&hub.top().join("first"), &["pull", "-q", "origin", "main"]);
    let theirs = hub.moves();
    fs::remove_file(clone.join("s.json")).expect("removed");
    let mine = commit(&clone, "mine");
    hub.json(&clone, &["sync", "--alpha"], 0);
    assert_eq!(head(&clone), mine, "a sync waits for the tick");
    let forced = hub.json(&clone, &["tick", "--alpha"], 0);
    assert_eq!((&forced["pushed"], &forced["replaced"]), (&mine.into(), &theirs.clone().into()), "{forced}");
    let backup = format!("refs/driftless/backup/{}^1", forced["backup"].as_str().expect("a backup"));
    assert_eq!(git(&clone, &["rev-parse", &backup]), theirs, "what was replaced is kept");
    assert_eq!((hub.at_tip("edit.txt").as_deref(), hub.at_tip("s.json").as_deref()), (Some("edit\n"), Some("published\n")));
    sound(&clone);
}

/// Two that both count as the truth would replace each other for ever.
#[test]
fn gs_02_two_alphas_stop() {
    let hub = Hub::new();
    let (a, b) = (hub.clone("a", None), hub.clone("b", None));
    for round in 0..3 {
        for (clone, name) in [(&a, "a"), (&b, "b")] {
            write(&clone.join(name), format!("{round}\n"));
            commit(clone, name);
            let ended = hub.run(clone, &["tick", "--alpha"]);
            if ended.code == 4 {
                ended.says("by force again").says("Nothing was pushed");
                let tip = hub.tip();
                hub.run(clone, &["tick", "--alpha"]).ends_with(4);
                assert_eq!(hub.tip(), tip);
                // A person says which copy counts.
                hub.run(clone, &["sync"]).ends_with(0);
                hub.run(clone, &["tick", "--alpha", "--run", "mkdir -p state; echo on >state/s"]).ends_with(0);
                return;
            }
            ended.ends_with(0);
        }
    }
    panic!("they went on replacing each other");
}

/// Without alpha, two hosts whose ticks write the same path: the remote's stays, the other is kept, nothing diverges.
#[test]
fn gs_05_a_lost_race_of_ticks_never_diverges() {
    let hub = Hub::new();
    let (a, b) = (hub.clone("a", None), hub.clone("b", None));
    hub.json(&a, &["tick", "--run", "mkdir -p state; echo a >state/s; echo a >state/a"], 0);
    let object = hub.json(&b, &["tick", "--run", "mkdir -p state; echo b >state/s; echo b >state/b"], 0);
    assert_eq!(object["action"], "fast_forward", "{object}");
    assert_eq!(
        ["state/s", "state/a", "state/b"].map(|path| hub.at_tip(path)),
        ["a\n", "a\n", "b\n"].map(|text| Some(text.to_owned()))
    );
    let kept = ours(&b, "conflict");
    assert_eq!(git(&b, &["show", &format!("{}:state/s", kept[0])]), "b");
    assert_eq!((head(&b), git(&b, &["status", "--porcelain"])), (hub.tip(), String::new()));
    sound(&b);
}

/// GS-03: what a killed clone left beside its place goes with the next, where nobody works in it.
#[test]
fn gs_03_halves_of_killed_clones_are_swept() {
    let hub = Hub::new();
    let id = "20250101T000000Z-000000000-00000000";
    let beside = |name: &str| hub.top().join(format!(".mine.cloning-{name}"));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let (dead, held, far, theirs) = (id.to_owned(), format!("{id}1"), format!("{id}2"), "notes".to_owned());
    for (name, host) in [(&dead, &host[..]), (&held, &host), (&far, "far"), (&theirs, &host)] {
        write(&beside(name).join("lock"), format!("host {host}\nprocess 7\n"));
        write(&beside(name).join("clone/half"), "half\n");
    }
    let lock = fs::File::options().read(true).write(true).open(beside(&held).join("lock")).expect("the lock's file");
    lock.lock().expect("held");
    let url = hub.url();
    hub.run(&hub.top(), &["sync", "--initial", "-C", "mine", "--clone", &url]).ends_with(0);
    assert_eq!([&dead, &held, &far, &theirs].map(|name| beside(name).exists()), [false, true, true, true]);
    let left = fs::read_dir(hub.top())
        .expect("a folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("cloning"));
    assert_eq!(left.count(), 3, "and its own folder is gone");
    assert_eq!(head(&hub.top().join("mine")), hub.tip());
}

/// GS-03, GS-04, GS-05: clone, follow, tick, the command after a change, an outage in between.
#[test]
fn gs_04_watch_runs_both_loops_through_an_outage() {
    let hub = Hub::new();
    let clone = hub.top().join("place/mine");
    let mut world_words = vec!["git".to_owned(), "watch".to_owned(), "--json".to_owned()];
    // By a name that can go: a repository that is renamed in the middle of a push keeps the push's locks for ever.
    let way = hub.top().join("way.git");
    let open_way = || std::os::unix::fs::symlink(&hub.bare, &way).expect("a link");
    open_way();
    let url = format!("file://{}", way.display());
    for word in ["-C", clone.to_str().expect("text"), "--clone", &url, "--every", "40ms", "--tick-every", "60ms"] {
        world_words.push(word.to_owned());
    }
    let after = hub.top().join("after");
    let line = format!("git rev-parse HEAD >>{}", after.display());
    for word in ["--after-change", &line, "--run", "mkdir -p state; cat ../input >state/s 2>/dev/null || true"] {
        world_words.push(word.to_owned());
    }
    let mut command = hub.world.command(&hub.top(), &world_words);
    let watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for("the clone", || clone.join("keep.txt").exists());
    hub.moves();
    wait_for("the new state", || fs::read_to_string(clone.join("edit.txt")).is_ok_and(|text| text == "theirs\n"));
    wait_for("the command after a change", || fs::read_to_string(&after).is_ok_and(|text| text.lines().count() > 0));
    write(&hub.top().join("place/input"), "first\n");
    wait_for("a tick", || hub.at_tip("state/s").as_deref() == Some("first\n"));
    fs::remove_file(&way).expect("away");
    let status = clone.join(".git/driftless/watch.json");
    let board = || serde_json::from_str::<serde_json::Value>(&read(&status)).expect("JSON at any time");
    wait_for("a failure that is told", || board()["consecutive_failures"].as_u64() > Some(1));
    write(&hub.top().join("place/input"), "second\n");
    wait_for("what waits", || !ours(&clone, "pending").is_empty());
    open_way();
    wait_for("what waited", || hub.at_tip("state/s").as_deref() == Some("second\n"));
    wait_for("a success that is told", || board()["consecutive_failures"] == 0);
    rustix::process::kill_process(rustix::process::Pid::from_child(&watch), rustix::process::Signal::TERM).expect("it runs");
    let ended = Ended::of(watch.wait_with_output().expect("it ends"));
    ended.ends_with(143);
    assert!(ended.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{ended}");
    sound(&clone);
}

/// Neither a submodule that moved on nor a file full of conflict marks is something that a tick commits.
#[test]
fn gs_04_a_tick_leaves_submodules_and_merges_alone() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let inner = clone.join("state/sub");
    fs::create_dir_all(&inner).expect("a folder");
    git(&inner, &["init", "-q"]);
    commit(&inner, "inner");
    commit(&clone, "a repository in it");
    git(&clone, &["push", "-q", "origin", "main"]);
    commit(&inner, "inner again");
    let ticked = hub.json(&clone, &["tick", "--run", "echo 1 >state/s"], 0);
    assert_eq!(ticked["paths"].as_array().map(Vec::len), Some(1), "{ticked}");
    assert!(git(&hub.bare, &["ls-tree", "main", "state/"]).contains("state/sub"), "it is still there");
    write(&clone.join("state/s"), "stashed\n");
    git(&clone, &["stash", "-q"]);
    write(&clone.join("state/s"), "committed\n");
    git(&clone, &["commit", "-q", "-m", "s", "state/s"]);
    assert!(!try_git(&clone, &["stash", "pop"]).status.success());
    let tip = hub.tip();
    hub.run(&clone, &["tick"]).ends_with(4).says("in the middle of a merge");
    assert_eq!(hub.tip(), tip);
}

/// Changed, and changed back before the remote could be reached: the last word counts.
#[test]
fn gs_05_what_was_changed_back_while_it_waited_is_delivered_so() {
    for publish in [true, false] {
        let hub = Hub::new();
        let clone = hub.clone("mine", None);
        hub.json(&clone, &["state"], 0);
        let away = hub.top().join("away.git");
        fs::rename(&hub.bare, &away).expect("away");
        for text in ["other\n", "edit\n"] {
            write(&clone.join("edit.txt"), text);
            if publish {
                hub.json(&clone, &["publish", "edit.txt", "-m", text], 0);
            } else {
                hub.json(&clone, &["tick", "--paths", "edit.txt"], 75);
            }
        }
        hub.json(&clone, &["tick", "--paths", "edit.txt"], 75);
        assert_eq!(ours(&clone, "pending").len(), 2);
        fs::rename(&away, &hub.bare).expect("back");
        hub.run(&clone, &["sync"]).ends_with(0);
        assert_eq!((hub.at_tip("edit.txt").as_deref(), read(&clone.join("edit.txt")).as_str()), (Some("edit\n"), "edit\n"));
        assert_eq!(git(&hub.bare, &["rev-list", "--count", "main"]), "4", "both are in the history");
        sound(&clone);
    }
}

/// GS-04: a remote that is new. A publish does not begin a history beside the one that is here.
#[test]
fn gs_04_a_tick_begins_an_empty_remote() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    git(&hub.top(), &["init", "-q", "--bare", "-b", "main", "fresh.git"]);
    let fresh = hub.top().join("fresh.git");
    git(&clone, &["update-ref", "-d", "refs/remotes/origin/main"]);
    git(&clone, &["remote", "set-url", "origin", &format!("file://{}", fresh.display())]);
    assert_eq!(hub.json(&clone, &["state", "--exit-code"], 5)["state"], "empty");
    assert_eq!(hub.json(&clone, &["sync"], 0)["action"], "wait_for_tick");
    write(&clone.join("a"), "a\n");
    hub.run(&clone, &["publish", "a", "-m", "a"]).ends_with(4).says("has no commit yet");
    let was = head(&clone);
    let object = hub.json(&clone, &["tick", "--run", "mkdir -p state; echo s >state/s"], 0);
    assert_eq!(object["pushed"], was.as_str(), "{object}");
    let listed = git(&fresh, &["ls-tree", "-r", "--name-only", "main"]);
    assert!(["a", "keep.txt", "state/s"].iter().all(|path| listed.lines().any(|line| line == *path)), "{listed}");
    assert!(try_git(&fresh, &["merge-base", "--is-ancestor", &was, "main"]).status.success());
    assert_eq!(hub.json(&clone, &["state", "--exit-code"], 0)["state"], "up-to-date");
    sound(&clone);
}
