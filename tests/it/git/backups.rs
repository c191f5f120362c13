//! `git backups`: what following displaced is listed and comes back.

use std::fs;

use super::{Hub, commit, git, ours};
use crate::harness::{read, write};

/// GS-06.
#[test]
fn gs_06_files_and_commits_come_back() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    write(&clone.join("mine.txt"), "committed\n");
    let left = commit(&clone, "mine");
    hub.moves();
    write(&clone.join("edit.txt"), "edited\r\n");
    write(&clone.join("new.txt"), "untracked\n");
    let synced = hub.json(&clone, &["sync"], 0);
    let id = synced["backup"].as_str().expect("a backup").to_owned();
    let listed = hub.json(&clone, &["backups", "list"], 0);
    let backup = &listed["backups"][0];
    assert_eq!(
        (backup["id"].as_str(), backup["commits"].as_u64(), backup["head"].as_str()),
        (Some(&id[..]), Some(1), Some(&left[..])),
        "{listed}"
    );
    let files: Vec<&str> = backup["files"].as_array().expect("files").iter().filter_map(|file| file["path"].as_str()).collect();
    assert_eq!(files, ["edit.txt", "new.txt"], "{listed}");
    hub.run(&clone, &["backups", "list"]).ends_with(0).says(&id).says("edit.txt, new.txt");
    // Not over something that is not committed.
    write(&clone.join("edit.txt"), "edited since\n");
    hub.run(&clone, &["backups", "restore", &id]).ends_with(4).says("edit.txt").says("Nothing was changed");
    assert_eq!((read(&clone.join("edit.txt")), read(&clone.join("new.txt"))), ("edited since\n".to_owned(), "new\n".to_owned()));
    git(&clone, &["checkout", "-q", "edit.txt"]);
    hub.run(&clone, &["backups", "restore", &id, "edit.txt"]).ends_with(0).says("Written back: edit.txt.");
    assert_eq!((read(&clone.join("edit.txt")), read(&clone.join("new.txt"))), ("edited\r\n".to_owned(), "new\n".to_owned()));
    let object = hub.json(&clone, &["backups", "restore", &id, "--to-branch", "kept"], 0);
    assert_eq!(object["branch"], "kept", "{object}");
    assert_eq!((git(&clone, &["rev-parse", "kept"]), read(&clone.join("new.txt"))), (left, "untracked\n".to_owned()));
    hub.run(&clone, &["backups", "restore", "../../heads/main"]).ends_with(4).says("There is no backup");
    hub.run(&clone, &["backups", "restore", &id, "keep.txt"]).ends_with(4).says("holds nothing of that name");
}

/// Links, executables and odd names come back as they were, and no link leads out of the work tree.
#[test]
fn gs_06_odd_things_come_back_and_a_link_leads_nowhere() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let other = hub.top().join("first");
    for (path, text) in [("sub/tool", "theirs\n"), ("quo\"te\n", "theirs\n"), ("link", "theirs\n")] {
        write(&other.join(path), text);
    }
    commit(&other, "theirs");
    git(&other, &["push", "-q", "origin", "main"]);
    let outside = hub.top().join("outside");
    fs::create_dir(&outside).expect("a folder");
    write(&outside.join("tool"), "not in the clone\n");
    std::os::unix::fs::symlink(&outside, clone.join("sub")).expect("a link");
    std::os::unix::fs::symlink("nowhere", clone.join("link")).expect("a link");
    write(&clone.join("quo\"te\n"), "mine\n");
    let synced = hub.json(&clone, &["sync"], 0);
    assert_eq!(synced["displaced"].as_array().map(Vec::len), Some(3), "{synced}");
    assert_eq!(
        (read(&outside.join("tool")), read(&clone.join("sub/tool"))),
        ("not in the clone\n".to_owned(), "theirs\n".to_owned())
    );
    let id = synced["backup"].as_str().expect("a backup");
    // Where the remote's folder stands now, the link has no place.
    hub.run(&clone, &["backups", "restore", id]).ends_with(4).says("sub");
    hub.run(&clone, &["backups", "restore", id, "link", "quo\"te\n"]).ends_with(0);
    assert_eq!(fs::read_link(clone.join("link")).expect("a link"), std::path::Path::new("nowhere"));
    assert_eq!(read(&clone.join("quo\"te\n")), "mine\n");
    // A file whose folder is a link now would be written elsewhere.
    write(&clone.join("sub/mine"), "edited\n");
    write(&other.join("sub/mine"), "theirs\n");
    commit(&other, "theirs");
    git(&other, &["push", "-q", "origin", "main"]);
    let id = hub.json(&clone, &["sync"], 0)["backup"].as_str().expect("a backup").to_owned();
    fs::rename(clone.join("sub"), hub.top().join("moved")).expect("renamed");
    std::os::unix::fs::symlink(&outside, clone.join("sub")).expect("a link");
    hub.run(&clone, &["backups", "restore", &id]).ends_with(4).says("sub/mine");
    assert!(!outside.join("mine").exists());
}

/// Only those that are older go, and only when somebody says so.
#[test]
fn gs_06_old_backups_go_when_that_is_asked_for() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let left = commit(&clone, "mine");
    hub.moves();
    let id = hub.json(&clone, &["sync"], 0)["backup"].as_str().expect("a backup").to_owned();
    let old = "20250101T000000Z-000000000-00000000";
    git(&clone, &["update-ref", &format!("refs/driftless/backup/{old}"), &format!("refs/driftless/backup/{id}")]);
    let pruned = hub.json(&clone, &["backups", "prune", "--older-than", "30d"], 0);
    assert_eq!((pruned["pruned"].as_array().map(Vec::len), pruned["pruned"][0]["id"].as_str()), (Some(1), Some(old)), "{pruned}");
    assert_eq!(ours(&clone, "backup"), [format!("refs/driftless/backup/{id}")]);
    hub.run(&clone, &["backups", "prune"]).ends_with(2);
    hub.run(&clone, &["backups", "restore", &id, "--to-branch", "kept"]).ends_with(0);
    assert_eq!(git(&clone, &["rev-parse", "kept"]), left);
}

/// A clone that only programs write to is packed by git when git finds it due; not while something is displaced.
#[test]
fn a_publish_lets_git_tend_the_clone_when_it_is_due() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    for (key, value) in [("gc.autoPackLimit", "1"), ("gc.autoDetach", "false"), ("maintenance.autoDetach", "false")] {
        git(&clone, &["config", key, value]);
    }
    commit(&clone, "packed apart");
    git(&clone, &["repack", "-q", "-d"]);
    git(&clone, &["update-ref", "refs/driftless/done/origin/main/20250101T000000Z-x", "HEAD"]);
    let packs = || {
        let names = fs::read_dir(clone.join(".git/objects/pack")).expect("a folder").flatten();
        names.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack")).count()
    };
    assert_eq!(packs(), 2);
    let publish = |text: &str| {
        write(&clone.join("s"), text);
        hub.json(&clone, &["publish", "s", "-m", "s"], 0);
    };
    let stamp = clone.join(".git/driftless/tended");
    fs::create_dir_all(clone.join(".git/driftless/displaced/x")).expect("a folder");
    publish("1\n");
    assert_eq!((packs(), ours(&clone, "done").len()), (2, 0), "something is displaced");
    fs::remove_dir(clone.join(".git/driftless/displaced/x")).expect("removed");
    publish("2\n");
    assert_eq!(packs(), 2, "not yet");
    write(&stamp, "1795000000\n");
    publish("3\n");
    assert_eq!(packs(), 1);
    super::sound(&clone);
}
