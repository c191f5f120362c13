//! What stands in the way of the remote's version, and git itself would remove or overwrite without a word.

use std::fs;
use std::path::Path;

use super::{Hub, commit, git, head, ours, sound, try_git};
use crate::harness::{chmod, read, write};

/// The other clone changes something and pushes it.
fn theirs(hub: &Hub, change: impl FnOnce(&Path)) {
    let other = hub.top().join("first");
    change(&other);
    commit(&other, "theirs");
    git(&other, &["push", "-q", "origin", "main"]);
}

/// A repository within the work tree, known to git or not, with a commit that nobody else has.
#[test]
fn gs_06_a_repository_of_its_own_is_never_removed() {
    for known in [true, false] {
        let hub = Hub::new();
        let inner = |folder: &Path| {
            fs::create_dir_all(folder).expect("a folder");
            git(folder, &["init", "-q"]);
            write(&folder.join("file"), "inner\n");
            commit(folder, "inner");
        };
        if known {
            theirs(&hub, |other| inner(&other.join("sub")));
        }
        let clone = hub.clone("mine", None);
        drop(fs::remove_dir(clone.join("sub")));
        inner(&clone.join("sub"));
        write(&clone.join("sub/precious"), "precious\n");
        let before = head(&clone);
        theirs(&hub, |other| {
            drop(fs::remove_dir_all(other.join("sub")));
            write(&other.join("sub"), "a file\n");
        });
        hub.run(&clone, &["sync"]).ends_with(4).says("a repository of its own");
        assert_eq!((read(&clone.join("sub/precious")).as_str(), head(&clone)), ("precious\n", before), "{known}");
        // Even one that git does not take for a repository any more.
        fs::remove_file(clone.join("sub/.git/HEAD")).expect("removed");
        hub.run(&clone, &["sync"]).ends_with(4).says("a repository of its own");
        assert!(clone.join("sub/.git/objects").exists(), "{known}");
    }
}

/// There is room for `dir` or for `dir/new` in an index, and what was staged there is only there.
#[test]
fn gs_06_what_is_staged_across_a_folder_and_a_file_is_kept() {
    for (mine, comes, on_disk) in [("dir/new", "dir", true), ("dir/new", "dir", false), ("box", "box/x", false)] {
        let hub = Hub::new();
        let clone = hub.clone("mine", None);
        write(&clone.join(mine), "staged\n");
        git(&clone, &["add", mine]);
        if !on_disk {
            fs::remove_file(clone.join(mine)).expect("removed");
        }
        theirs(&hub, |other| {
            drop(fs::remove_dir_all(other.join(comes)));
            write(&other.join(comes), "theirs\n");
        });
        hub.json(&clone, &["sync"], 0);
        let backup = ours(&clone, "backup").pop().unwrap_or_else(|| panic!("no backup of {mine}"));
        assert_eq!(git(&clone, &["show", &format!("{backup}^2:{mine}")]), "staged", "{mine}");
        assert_eq!(try_git(&clone, &["show", &format!("{backup}:{mine}")]).status.success(), on_disk, "{mine}");
        assert_eq!((head(&clone), git(&clone, &["status", "--porcelain"])), (hub.tip(), String::new()), "{mine}");
        sound(&clone);
    }
}

/// `assume-unchanged` and `skip-worktree`: people keep local settings so, and git tells of no edit.
#[test]
fn gs_06_an_edit_that_git_was_told_not_to_see_is_kept() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let hub = Hub::new();
        let clone = hub.clone("mine", None);
        for path in ["edit.txt", "keep.txt"] {
            git(&clone, &["update-index", flag, path]);
        }
        write(&clone.join("edit.txt"), "local\n");
        hub.moves();
        let object = hub.json(&clone, &["sync"], 0);
        let id = object["backup"].as_str().unwrap_or_else(|| panic!("{flag}: no backup: {object}")).to_owned();
        assert_eq!(git(&clone, &["show", &format!("refs/driftless/backup/{id}:edit.txt")]), "local", "{flag}");
        assert_eq!((read(&clone.join("edit.txt")).as_str(), head(&clone)), ("theirs\n", hub.tip()), "{flag}");
        // Nor does a restore write over it.
        git(&clone, &["update-index", flag, "edit.txt"]);
        write(&clone.join("edit.txt"), "local again\n");
        hub.run(&clone, &["backups", "restore", &id]).ends_with(4).says("edit.txt");
        assert_eq!(read(&clone.join("edit.txt")), "local again\n", "{flag}");
    }
}

/// A remote can hold paths that no git would commit: nothing outside of the work tree, and nothing in `.git`, is moved.
#[test]
fn a_path_that_leads_out_of_the_work_tree_moves_nothing() {
    for folder in ["..", ".git"] {
        let hub = Hub::new();
        let clone = hub.clone("mine", None);
        let other = hub.top().join("first");
        write(&hub.top().join("config"), "precious\n");
        let config = read(&clone.join(".git/config"));
        write(&other.join("blob"), "evil\n");
        let raw = |oid: &str| -> Vec<u8> {
            (0..oid.len()).step_by(2).map(|at| u8::from_str_radix(&oid[at..at + 2], 16).expect("hex")).collect()
        };
        let tree = |entry: &str, oid: &str| {
            let bytes: Vec<u8> = [entry.as_bytes(), b"\0", raw(oid).as_slice()].concat();
            write(&other.join("tree"), bytes);
            git(&other, &["hash-object", "-t", "tree", "-w", "--literally", "tree"])
        };
        let inner = tree("100644 config", &git(&other, &["hash-object", "-w", "blob"]));
        let outer = tree(&format!("40000 {folder}"), &inner);
        let evil = git(&other, &["commit-tree", &outer, "-p", "HEAD", "-m", "evil"]);
        git(&other, &["push", "-q", "origin", &format!("{evil}:main")]);
        hub.run(&clone, &["sync"]).ends_with(4).says("leads out of a work tree");
        assert_eq!((read(&hub.top().join("config")).as_str(), read(&clone.join(".git/config"))), ("precious\n", config));
        assert_eq!(ours(&clone, "backup"), [] as [&str; 0], "nothing was even looked at");
    }
}

/// What a program writes between our look and the move, where the remote adds a file: also where git was told to ignore it,
/// and would take it for worthless.
#[test]
fn gs_06_an_ignored_file_that_comes_between_is_kept() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    theirs(&hub, |other| {
        write(&other.join("app.log"), "theirs\n");
        git(other, &["add", "-f", "app.log"]);
    });
    // Git asks this hook while the branch is locked, just before the work tree moves.
    let hook = clone.join(".git/hooks/reference-transaction");
    let once = "in=$(cat); case \"$1 $in\" in prepared*refs/heads/main*) test -e .git/once || echo precious >app.log; : >.git/once;; esac";
    write(&hook, format!("#!/bin/sh\n{once}\n"));
    chmod(&hook, 0o755);
    let object = hub.json(&clone, &["sync"], 0);
    assert!(clone.join(".git/once").exists());
    let backup = object["backup"].as_str().unwrap_or_else(|| panic!("no backup: {object}"));
    assert_eq!(git(&clone, &["show", &format!("refs/driftless/backup/{backup}:app.log")]), "precious");
    assert_eq!((read(&clone.join("app.log")).as_str(), head(&clone)), ("theirs\n", hub.tip()));
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    sound(&clone);
}

/// What git remembers of one branch is not set to another that was named.
#[test]
fn another_branch_that_is_followed_leaves_the_upstream_alone() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let other = hub.top().join("first");
    git(&other, &["switch", "-q", "-c", "release"]);
    let release = commit(&other, "release");
    git(&other, &["push", "-q", "origin", "release"]);
    hub.json(&clone, &["sync", "--branch", "release"], 0);
    assert_eq!((head(&clone), git(&clone, &["rev-parse", "origin/main"])), (release, hub.tip()));
}

/// A linked work tree on another drive than its repository.
#[test]
fn gs_06_what_stands_in_the_way_on_another_drive_is_kept() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let drive = tempfile::Builder::new().prefix("driftless-it-").tempdir_in("/dev/shm").expect("a drive in memory");
    let linked = drive.path().join("linked");
    git(&clone, &["worktree", "add", "-q", "-b", "linked", linked.to_str().expect("text"), "origin/main"]);
    git(&linked, &["branch", "-q", "--set-upstream-to=origin/main"]);
    hub.moves();
    write(&linked.join("edit.txt"), "mine\n");
    std::os::unix::fs::symlink("nowhere", linked.join("new.txt")).expect("a link");
    let object = hub.json(&linked, &["sync"], 0);
    let backup = format!("refs/driftless/backup/{}", object["backup"].as_str().expect("a backup"));
    assert_eq!(["edit.txt", "new.txt"].map(|path| git(&clone, &["show", &format!("{backup}:{path}")])), ["mine", "nowhere"]);
    assert_eq!((head(&linked), git(&linked, &["status", "--porcelain"])), (hub.tip(), String::new()));
    sound(&clone);
}
