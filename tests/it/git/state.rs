//! `git state`: the honest words beside the four.

use std::fs;
use std::path::Path;

use super::{Hub, commit, git, sound};
use crate::harness::write;

#[track_caller]
fn check(hub: &Hub, clone: &Path, code: i32, state: &str) -> serde_json::Value {
    let looked = || {
        let refs = git(clone, &["for-each-ref", "refs/heads", "refs/remotes", "refs/tags", "refs/stash"]);
        (super::matrix::listing(clone), fs::read(clone.join(".git/HEAD")).expect("HEAD"), refs)
    };
    let before = looked();
    let index = fs::read(clone.join(".git/index")).ok();
    let object = hub.json(clone, &["state", "--exit-code"], code);
    assert_eq!(object["state"], state, "{object}");
    let plain = hub.json(clone, &["state"], if code == 7 { 7 } else { 0 });
    assert_eq!(plain["state"], state);
    assert_eq!(fs::read(clone.join(".git/index")).ok(), index, "the index");
    assert_eq!(looked(), before, "files, HEAD, refs of the user's");
    object
}

/// GS-01.
#[test]
fn gs_01_states_that_are_none_of_the_four() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    assert_eq!(check(&hub, &clone, 0, "up-to-date")["behind"], 0);
    git(&clone, &["switch", "-q", "-c", "alone"]);
    check(&hub, &clone, 5, "no-upstream");
    hub.run(&clone, &["sync"]).ends_with(4).says("Nothing was changed");
    git(&clone, &["switch", "-q", "--detach", "main"]);
    check(&hub, &clone, 5, "detached");
    hub.run(&clone, &["sync"]).ends_with(4).says("No branch is checked out");
    git(&clone, &["switch", "-q", "main"]);
    git(&clone, &["push", "-q", "origin", "main:feature/x"]);
    git(&clone, &["switch", "-q", "-c", "feature/x"]);
    git(&clone, &["branch", "-q", "--set-upstream-to=origin/main"]);
    git(&clone, &["config", "branch.feature/x.merge", "refs/heads/feature/x"]);
    check(&hub, &clone, 0, "up-to-date");
    git(&hub.bare, &["branch", "-q", "-D", "feature/x"]);
    check(&hub, &clone, 5, "gone");
    hub.run(&clone, &["sync"]).ends_with(4).says("does not exist");
    write(&clone.join("keep.txt"), "for a branch that is gone\n");
    hub.run(&clone, &["publish", "keep.txt", "-m", "x"]).ends_with(4).says("has no branch feature/x");
    assert!(!super::try_git(&hub.bare, &["rev-parse", "-q", "--verify", "feature/x"]).status.success(), "it is not made again");
    sound(&clone);
}

#[test]
fn gs_01_unborn_unrelated_and_unknown() {
    let hub = Hub::new();
    git(&hub.top(), &["init", "-q", "-b", "main", "fresh"]);
    let fresh = hub.top().join("fresh");
    git(&fresh, &["remote", "add", "origin", &hub.url()]);
    git(&fresh, &["config", "branch.main.remote", "origin"]);
    git(&fresh, &["config", "branch.main.merge", "refs/heads/main"]);
    write(&fresh.join("keep.txt"), "was here before\n");
    let object = check(&hub, &fresh, 5, "unborn");
    assert_eq!(object["dirty"]["would_block"][0]["path"], "keep.txt", "{object}");
    let synced = hub.json(&fresh, &["sync"], 0);
    let backup = format!("refs/driftless/backup/{}", synced["backup"].as_str().expect("a backup"));
    assert_eq!(git(&fresh, &["show", &format!("{backup}:keep.txt")]), "was here before");
    assert_eq!(git(&fresh, &["status", "--porcelain"]), "");
    git(&hub.top(), &["init", "-q", "-b", "main", "strange"]);
    let strange = hub.top().join("strange");
    commit(&strange, "another beginning");
    git(&strange, &["remote", "add", "origin", &hub.url()]);
    git(&strange, &["config", "branch.main.remote", "origin"]);
    git(&strange, &["config", "branch.main.merge", "refs/heads/main"]);
    check(&hub, &strange, 5, "unrelated");
    hub.run(&strange, &["sync"]).ends_with(4).says("no commit in common");
    fs::rename(&hub.bare, hub.top().join("away.git")).expect("away");
    let object = check(&hub, &fresh, 7, "unknown");
    assert!(object["reason"].as_str().is_some_and(|reason| reason.contains("cannot be reached")), "{object}");
    hub.run(&fresh, &["sync"]).ends_with(75);
    assert_eq!(hub.json(&fresh, &["state", "--no-fetch"], 0)["state"], "up-to-date");
}

/// An operation under way is the user's, and nothing is moved.
#[test]
fn gs_01_in_the_middle_of_something_nothing_moves() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("edit.txt"), "mine\n");
    commit(&clone, "mine");
    let theirs = hub.moves();
    git(&clone, &["fetch", "-q"]);
    let merge = super::try_git(&clone, &["merge", "-q", "origin/main"]);
    assert!(!merge.status.success(), "the merge stops");
    let object = check(&hub, &clone, 5, "diverged");
    assert_eq!(object["operation"], "merge", "{object}");
    let before = git(&clone, &["status", "--porcelain"]);
    hub.run(&clone, &["sync"]).ends_with(4).says("A merge is under way");
    hub.run(&clone, &["tick", "--run", "touch ran"]).ends_with(4).says("A merge is under way");
    assert_eq!(git(&clone, &["status", "--porcelain"]), before);
    git(&clone, &["merge", "--abort"]);
    let rebase = super::try_git(&clone, &["rebase", "-q", "origin/main"]);
    assert!(!rebase.status.success(), "the rebase stops");
    assert_eq!(check(&hub, &clone, 5, "detached")["operation"], "rebase");
    hub.run(&clone, &["sync"]).ends_with(4);
    assert_eq!(hub.tip(), theirs);
    git(&clone, &["rebase", "--abort"]);
    sound(&clone);
}

/// What looks diverged at the end of a shallow history is only behind.
#[test]
fn gs_01_a_shallow_history_is_not_misread() {
    let hub = Hub::new();
    let clone = hub.clone("mine", Some("1"));
    hub.moves();
    let first = hub.top().join("first");
    for number in 0..5 {
        commit(&first, &format!("more {number}"));
    }
    git(&first, &["push", "-q", "origin", "main"]);
    // Somebody fetched the new tip alone: there is no common commit in sight.
    git(&clone, &["fetch", "-q", "--depth", "1", "origin", "main:refs/driftless/remote/origin/main"]);
    assert_eq!(hub.json(&clone, &["state", "--no-fetch"], 7)["state"], "unknown");
    let object = hub.json(&clone, &["state"], 0);
    assert_eq!((&object["state"], &object["behind"], &object["ahead"]), (&"behind".into(), &7.into(), &0.into()), "{object}");
}

/// Speed: nothing new is one question over the network.
#[test]
fn nothing_new_is_one_ls_remote() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let counter = hub.top().join("asked");
    let script = format!("#!/bin/sh\necho \"$@\" >>{}\nexec git-upload-pack \"$@\"\n", counter.display());
    write(&hub.top().join("upload"), script);
    crate::harness::chmod(&hub.top().join("upload"), 0o755);
    let program = hub.top().join("upload");
    git(&clone, &["config", "remote.origin.uploadpack", program.to_str().expect("text")]);
    hub.json(&clone, &["state"], 0);
    assert_eq!(crate::harness::read(&counter).lines().count(), 1);
}
