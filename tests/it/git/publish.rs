//! `git publish`: exactly the named files, as one commit on the remote's tip, and nothing of the user's touched.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Hub, commit, git, head, ours, sound};
use crate::harness::{chmod, read, write};

/// Everything that a publish must leave alone.
fn untouched(clone: &Path) -> (String, String, Vec<u8>, String) {
    let index = fs::read(clone.join(".git/index")).expect("an index");
    (head(clone), git(clone, &["status", "--porcelain"]), index, git(clone, &["symbolic-ref", "HEAD"]))
}

/// RC-01.
#[test]
fn rc_01_exactly_the_named_files_are_one_commit() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("edit.txt"), "not this\n");
    git(&clone, &["add", "edit.txt"]);
    write(&clone.join("keep.txt"), "nor this\n");
    write(&clone.join("status/a b.json"), "{}\n");
    write(&clone.join("status/run"), "#!/bin/sh\n");
    chmod(&clone.join("status/run"), 0o755);
    std::os::unix::fs::symlink("a b.json", clone.join("status/latest")).expect("a link");
    let odd = clone.join(std::ffi::OsStr::from_bytes(b"status/odd \"\n\xff"));
    fs::write(&odd, "odd\n").expect("a file");
    let before = untouched(&clone);
    let object = hub.json(&clone, &["publish", "status", "-m", "status of mine\n\nwith a body"], 0);
    assert_eq!(
        (&object["result"], &object["attempts"], object["paths"].as_array().map(Vec::len)),
        (&"pushed".into(), &1.into(), Some(4)),
        "{object}"
    );
    assert_eq!(untouched(&clone), before);
    let changed = git(&hub.bare, &["diff-tree", "-r", "-z", "--no-commit-id", "--raw", "--abbrev=4", "main"]);
    for (mode, path) in [("100644", "status/a b.json"), ("100755", "status/run"), ("120000", "status/latest")] {
        assert!(changed.contains(&format!(":000000 {mode}")) && changed.contains(&format!("\0{path}\0")), "{path}: {changed:?}");
    }
    assert_eq!(changed.matches("000000 1").count(), 4, "{changed:?}");
    assert_eq!(git(&hub.bare, &["log", "-1", "--format=%B", "main"]).trim(), "status of mine\n\nwith a body");
    assert_eq!(git(&hub.bare, &["rev-list", "--count", "main"]), "3");
    assert_eq!(object["commit"], hub.tip());
    // The same again is nothing to publish.
    let again = hub.json(&clone, &["publish", "status", "-m", "again"], 0);
    assert_eq!((&again["result"], &again["attempts"]), (&"noop".into(), &0.into()), "{again}");
    let gone = hub.json(&clone, &["publish", "--delete", "gone.txt", "-m", "gone"], 0);
    assert_eq!(gone["result"], "pushed", "{gone}");
    assert_eq!((hub.at_tip("gone.txt"), read(&clone.join("gone.txt"))), (None, "gone\n".to_owned()));
    assert_eq!(untouched(&clone), before);
    hub.run(&clone, &["publish", "no/such", "-m", "x"]).ends_with(4).says("There is no file no/such");
    hub.run(&clone, &["publish", "../first/zero.txt", "-m", "x"]).ends_with(2);
    hub.run(&clone, &["publish", ".git/config", "-m", "x"]).ends_with(2);
    sound(&clone);
}

/// RC-03: somebody pushed first, other paths.
#[test]
fn rc_03_a_lost_race_is_run_again_on_the_new_tip() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("mine.json"), "1\n");
    hub.json(&clone, &["publish", "mine.json", "-m", "one"], 0);
    git(&hub.top().join("first"), &["pull", "-q", "--rebase", "origin", "main"]);
    let theirs = hub.moves();
    write(&clone.join("mine.json"), "2\n");
    let object = hub.json(&clone, &["publish", "mine.json", "-m", "two"], 0);
    assert_eq!((&object["result"], &object["attempts"]), (&"pushed".into(), &2.into()), "{object}");
    assert_eq!(git(&hub.bare, &["rev-parse", "main^"]), theirs);
    assert_eq!((hub.at_tip("mine.json").as_deref(), hub.at_tip("edit.txt").as_deref()), (Some("2\n"), Some("theirs\n")));
    sound(&clone);
}

/// RC-03: the same path on both sides, by each policy.
#[test]
fn rc_03_the_same_path_is_ended_by_the_policy_and_the_loser_kept() {
    let base = "{\n  \"a\": 1,\n  \"b\": 1,\n  \"c\": 1\n}\n";
    let (mine, theirs) = (base.replace("\"a\": 1", "\"a\": 2"), base.replace("\"b\": 1", "\"b\": 3"));
    let both = mine.replace("\"b\": 1", "\"b\": 3");
    for (policy, code, result, at_tip, kept) in [
        ("fail", 3, "conflict", &theirs, 1),
        ("theirs", 0, "conflict", &theirs, 1),
        ("ours", 0, "pushed", &mine, 1),
        ("merge", 0, "pushed", &both, 1),
    ] {
        let hub = Hub::new();
        let clone = hub.clone("mine", None);
        write(&clone.join("s.json"), base);
        hub.json(&clone, &["publish", "s.json", "-m", "base"], 0);
        let other = hub.clone("other", None);
        write(&other.join("s.json"), &theirs);
        hub.json(&other, &["publish", "s.json", "-m", "theirs"], 0);
        write(&clone.join("s.json"), &mine);
        let object = hub.json(&clone, &["publish", "s.json", "-m", "mine", "--on-conflict", policy], code);
        assert_eq!(object["result"], result, "{policy}: {object}");
        assert_eq!(hub.at_tip("s.json").as_ref(), Some(at_tip), "{policy}");
        let refs = ours(&clone, "conflict");
        assert_eq!(refs.len(), kept, "{policy}: {refs:?}");
        assert_eq!(git(&clone, &["show", &format!("{}:s.json", refs[0])]), mine.trim_end(), "{policy}");
        assert_eq!(ours(&clone, "pending"), [] as [&str; 0]);
        sound(&clone);
    }
}

/// A version that this clone never saw is not overwritten, also where its tip was fetched meanwhile.
#[test]
fn rc_03_what_was_not_seen_is_a_conflict_also_without_a_race() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.moves();
    hub.json(&clone, &["state"], 0);
    write(&clone.join("edit.txt"), "mine\n");
    let object = hub.json(&clone, &["publish", "edit.txt", "-m", "mine"], 3);
    assert_eq!(object["conflicts"][0]["path"], "edit.txt", "{object}");
    assert_eq!(hub.at_tip("edit.txt").as_deref(), Some("theirs\n"));
    // A path that stands there as it is checked out was seen.
    write(&clone.join("keep.txt"), "mine\n");
    assert_eq!(hub.json(&clone, &["publish", "keep.txt", "-m", "mine"], 0)["result"], "pushed");
    // And so was what this clone published itself.
    write(&clone.join("keep.txt"), "mine again\n");
    assert_eq!(hub.json(&clone, &["publish", "keep.txt", "-m", "mine"], 0)["result"], "pushed");
}

/// RC-05: an edit of what this clone published itself is in nobody's way.
#[test]
fn rc_05_a_sync_leaves_an_edit_of_what_was_published_here() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    for (path, text) in [("status.json", "1\n"), ("edit.txt", "1\n")] {
        write(&clone.join(path), text);
    }
    hub.json(&clone, &["publish", "status.json", "edit.txt", "-m", "one"], 0);
    for (path, text) in [("status.json", "2\n"), ("edit.txt", "2\n")] {
        write(&clone.join(path), text);
    }
    let synced = hub.json(&clone, &["sync"], 0);
    assert_eq!((&synced["action"], &synced["backup"]), (&"fast_forward".into(), &serde_json::Value::Null), "{synced}");
    assert_eq!((read(&clone.join("status.json")), read(&clone.join("edit.txt"))), ("2\n".to_owned(), "2\n".to_owned()));
    assert_eq!((head(&clone), git(&clone, &["status", "--porcelain"])), (hub.tip(), " M edit.txt\n M status.json".to_owned()));
    hub.json(&clone, &["publish", "status.json", "-m", "two"], 0);
    assert_eq!(hub.at_tip("status.json").as_deref(), Some("2\n"));
    sound(&clone);
}

/// RC-04: no network.
#[test]
fn rc_04_without_the_remote_it_is_kept_and_goes_out_with_the_next() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("a.json"), "1\n");
    hub.json(&clone, &["publish", "a.json", "-m", "a"], 0);
    let away = hub.top().join("away.git");
    fs::rename(&hub.bare, &away).expect("away");
    write(&clone.join("a.json"), "2\n");
    let ended = hub.run(&clone, &["publish", "a.json", "-m", "a two"]);
    ended
        .ends_with(0)
        .says("Kept for later under refs/driftless/pending/origin/main/")
        .says("the next publish, tick or sync takes it along");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended}");
    write(&clone.join("a.json"), "3\n");
    assert_eq!(hub.json(&clone, &["publish", "a.json", "-m", "a three", "--require-push"], 75)["result"], "deferred");
    assert_eq!(ours(&clone, "pending").len(), 2);
    let health = hub.json(&clone, &["health", "--exit-code"], 5);
    assert_eq!((&health["pending"], &health["consecutive_failures"]), (&2.into(), &2.into()), "{health}");
    fs::rename(&away, &hub.bare).expect("back");
    write(&clone.join("b.json"), "b\n");
    let object = hub.json(&clone, &["publish", "b.json", "-m", "b"], 0);
    assert_eq!((&object["result"], &object["others"]), (&"pushed".into(), &2.into()), "{object}");
    assert_eq!((hub.at_tip("a.json").as_deref(), hub.at_tip("b.json").as_deref()), (Some("3\n"), Some("b\n")));
    // Each version that was acknowledged is in the history, though they went out together.
    assert_eq!(git(&hub.bare, &["log", "--format=%h", "main", "--", "a.json"]).lines().count(), 3);
    assert_eq!(ours(&clone, "pending"), [] as [&str; 0]);
    hub.json(&clone, &["health", "--exit-code"], 0);
    sound(&clone);
}

/// RC-02, RC-04: somebody holds the lock for longer than is waited.
#[test]
fn rc_02_a_held_lock_defers_and_is_shown() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("a.json"), "1\n");
    hub.json(&clone, &["publish", "a.json", "-m", "a"], 0);
    let lock = fs::File::options().read(true).write(true).open(clone.join(".git/driftless/lock")).expect("the lock's file");
    lock.lock().expect("held");
    fs::write(clone.join(".git/driftless/lock"), "host far\nprocess 7\npurpose publish\nsince 2026-11-22T00:00:00Z\n")
        .expect("said");
    hub.run(&clone, &["lock"]).ends_with(0).says("process 7 on far (publish), since 2026-11-22T00:00:00Z");
    write(&clone.join("a.json"), "2\n");
    hub.run(&clone, &["publish", "a.json", "-m", "a", "--wait", "10ms"]).ends_with(0).says("process 7 on far");
    hub.run(&clone, &["publish", "a.json", "-m", "a", "--wait", "10ms", "--require-push"]).ends_with(75);
    drop(lock);
    hub.run(&clone, &["sync"]).ends_with(0).says("2 updates that had waited were delivered");
    assert_eq!(hub.at_tip("a.json").as_deref(), Some("2\n"));
    hub.run(&clone, &["lock"]).ends_with(0).says("nobody");
}

/// What git would filter is published as git would keep it.
#[test]
fn filters_and_line_ends_are_those_of_git() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join(".gitattributes"), "*.txt text\n*.up filter=upper\n*.bin -text\n");
    git(&clone, &["config", "filter.upper.clean", "tr a-z A-Z"]);
    for (path, text) in [("w.txt", "a\r\nb\r\n"), ("x.up", "shout\r\n"), ("y.bin", "a\r\n")] {
        write(&clone.join(path), text);
    }
    hub.json(&clone, &["publish", "w.txt", "x.up", "y.bin", "-m", "filtered"], 0);
    for (path, text) in [("w.txt", "a\nb\n"), ("x.up", "SHOUT\r\n"), ("y.bin", "a\r\n")] {
        assert_eq!(hub.at_tip(path).as_deref(), Some(text), "{path}");
    }
}

/// A publish from a shallow clone, from a linked work tree, and onto a remote that is empty so far.
#[test]
fn other_kinds_of_clones_publish_too() {
    let hub = Hub::new();
    let shallow = hub.clone("shallow", Some("1"));
    write(&shallow.join("s.json"), "s\n");
    hub.json(&shallow, &["publish", "s.json", "-m", "s"], 0);
    let mine = hub.clone("mine", None);
    git(&mine, &["worktree", "add", "-q", "--detach", "../linked"]);
    let linked = hub.top().join("linked");
    write(&linked.join("l.json"), "l\n");
    hub.json(&linked, &["publish", "l.json", "-m", "l", "--branch", "main"], 0);
    assert_eq!((hub.at_tip("s.json").as_deref(), hub.at_tip("l.json").as_deref()), (Some("s\n"), Some("l\n")));
    hub.run(&mine, &["publish", "keep.txt", "-m", "x", "--branch", "typo"]).ends_with(4).says("has no branch typo");
    git(&hub.top(), &["init", "-q", "--bare", "-b", "main", "empty.git"]);
    git(&hub.top(), &["clone", "-q", "empty.git", "fresh"]);
    let fresh = hub.top().join("fresh");
    write(&fresh.join("f.json"), "f\n");
    assert_eq!(hub.json(&fresh, &["publish", "f.json", "-m", "f", "--branch", "main"], 0)["result"], "pushed");
    assert_eq!(git(&hub.top().join("empty.git"), &["show", "main:f.json"]), "f");
    commit(&fresh, "mine");
}

/// A version that this clone published long ago and somebody else went back to is somebody else's.
#[test]
fn rc_03_a_version_of_ours_that_somebody_went_back_to_was_not_seen() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let other = hub.top().join("first");
    write(&clone.join("edit.txt"), "ours\n");
    hub.json(&clone, &["publish", "edit.txt", "-m", "ours"], 0);
    for text in ["theirs\n", "ours\n"] {
        git(&other, &["pull", "-q", "origin", "main"]);
        write(&other.join("edit.txt"), text);
        commit(&other, text);
        if text == "ours\n" {
            // What is written now was made from theirs.
            hub.json(&clone, &["sync"], 0);
            assert_eq!(read(&clone.join("edit.txt")), "theirs\n");
        }
        git(&other, &["push", "-q", "origin", "main"]);
    }
    write(&clone.join("edit.txt"), "theirs, edited\n");
    hub.json(&clone, &["publish", "edit.txt", "-m", "edited"], 3);
    assert_eq!(hub.at_tip("edit.txt").as_deref(), Some("ours\n"));
}

/// Killed just after the remote took it: it is known as ours all the same, and comes back after a force push from outside.
#[test]
fn rc_05_what_arrived_with_a_kill_comes_back_after_a_force_push() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let hook = hub.bare.join("hooks/post-receive");
    let kills = "p=$$; while [ $p -gt 1 ]; do p=$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' /proc/$p/stat); \
                 grep -q driftless /proc/$p/comm && kill -9 $p && exit; done";
    write(&hook, format!("#!/bin/sh\n{kills}\n"));
    chmod(&hook, 0o755);
    write(&clone.join("a"), "a\n");
    hub.run(&clone, &["publish", "a", "-m", "a"]).ends_with(-9);
    fs::remove_file(&hook).expect("removed");
    assert_eq!(hub.at_tip("a").as_deref(), Some("a\n"));
    hub.run(&clone, &["sync"]).ends_with(0);
    let other = hub.top().join("first");
    commit(&other, "rewritten");
    git(&other, &["push", "-q", "--force", "origin", "main"]);
    assert_eq!(hub.at_tip("a"), None);
    hub.run(&clone, &["sync"]).ends_with(0);
    hub.run(&clone, &["sync"]).ends_with(0);
    assert_eq!(hub.at_tip("a").as_deref(), Some("a\n"));
}
