//! Large files that are written into where they stand, because the user said so.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::blocks::{BLOCK, edit, written_to};
use crate::ground::{Ended, Ground, bytes, then, write};
use crate::harness::below_all;
use crate::services::{Loop, Server};
use crate::tree::{Content, Tree};

const SIZE: u64 = 20 << 20;

/// A pair that may write into its recordings.
fn ground() -> Ground {
    Ground::new().durability("full").setting("DRIFTLESS_RESERVE", "1MiB").setting("DRIFTLESS_IN_PLACE", "*.raw")
}

fn in_memory(ground: &Ground) -> Loop {
    Loop::memory("size=128m", &ground.network)
}

/// Both sides hold a recording.
fn recorded(ground: &Ground) -> (PathBuf, PathBuf) {
    let (here, there) = (ground.staging.join("a.raw"), ground.network.join("a.raw"));
    write(&here, &bytes(1, SIZE as usize), then(1));
    ground.synced(&[]);
    (here, there)
}

fn content(path: &Path) -> Content {
    crate::tree::content(&fs::read(path).expect("there"))
}

fn marks(ground: &Ground) -> usize {
    // In a folder for the network root.
    let is_mark = |path: &String| path.split_once("/in-place/").is_some_and(|(_, below)| below.contains('/'));
    below_all(&ground.place("home")).iter().filter(|path| is_mark(path)).count()
}

#[track_caller]
fn same(ground: &Ground, what: &str) {
    Tree::of(&ground.staging).assert_same(&Tree::of(&ground.network), what);
    let [here, there] = [&ground.staging, &ground.network].map(|root| fs::read(root.join("a.raw")).expect("there"));
    assert!(here == there, "{what}");
}

/// Of each edit no more is written than the blocks that changed, into the same file, and nothing else of it is read or written.
fn follows(ground: &Ground, edits: &[(u64, u64, u64)]) {
    let (here, there) = recorded(ground);
    let file = fs::metadata(&there).expect("there").ino();
    for (at, &(place, length, wrote)) in (2..).zip(edits) {
        edit(&here, place, &bytes(at, length as usize), at);
        assert_eq!(written_to(ground, "a.raw"), (wrote, wrote), "{length} bytes at {place}");
        same(ground, &format!("{length} bytes at {place}"));
    }
    assert_eq!(fs::metadata(&there).expect("there").ino(), file);
    assert_eq!(marks(ground), 0);
    ground.synced(&[]).did_nothing();
}

#[test]
fn only_the_blocks_that_changed_are_written_into_the_file_itself() {
    let ground = ground();
    let mount = in_memory(&ground);
    // In the middle; over an edge; at the end; longer, twice: the second time the last block is a short one.
    let edits = [
        (7 * BLOCK + 5, 7, BLOCK),
        (9 * BLOCK - 3, 7, 2 * BLOCK),
        (SIZE - 1, 1, BLOCK),
        (SIZE, 100, 100),
        (SIZE + 100, BLOCK, BLOCK),
    ];
    follows(&ground, &edits);
    drop(mount);
}

#[test]
fn the_same_over_sshfs() {
    let ground = ground();
    let served = ground.place("served");
    fs::create_dir(&served).expect("a folder to serve");
    let server = Server::start(&ground.place("server"));
    let mount = server.mount(&served, &ground.network, "");
    follows(&ground, &[(7 * BLOCK + 5, 7, BLOCK), (SIZE, 100, 100)]);
    drop((mount, server));
}

/// Changes so many blocks, and has the program killed before the third of them is written.
fn cut(ground: &Ground, seed: u64) -> Ended {
    for block in 0..8 {
        edit(&ground.staging.join("a.raw"), (20 * block + seed) * BLOCK, &bytes(seed, 9), seed);
    }
    let file = ground.network.join("a.raw");
    let (file, inject) = (file.to_str().expect("plain"), "inject=pwrite64:signal=KILL:when=3");
    let tracer = ["strace", "-f", "-o", "/dev/null", "-P", file, "-e", "trace=pwrite64", "-e", inject];
    let ended = ground.traced(&tracer, &["up"]);
    assert_eq!(ended.code, None, "was to be killed: {ended:#?}");
    assert_eq!(marks(ground), 1);
    ended
}

#[test]
fn what_was_written_half_is_nobodys_version_and_the_next_run_makes_it_whole() {
    let ground = ground();
    let mount = in_memory(&ground);
    let (here, there) = recorded(&ground);
    let older = fs::read(&there).expect("there");
    cut(&ground, 3);
    let half = content(&there);
    assert!(half != content(&here) && fs::read(&there).expect("there") != older, "it is a mix of both");
    // It goes nowhere, whatever else is done.
    let ended = ground.synced(&["down"]);
    assert_eq!((ended.paths("conflicts").len(), content(&here) == half), (0, false), "{ended:#?}");
    assert_eq!(content(&there), half);
    ground.synced(&["up"]);
    same(&ground, "after the next run");
    assert_eq!(marks(&ground), 0);
    let kept: Vec<String> = below_all(&ground.network.join(".driftless/trash"))
        .into_iter()
        .filter(|path| path.ends_with("/a.raw.half-written"))
        .collect();
    assert_eq!(kept.len(), 1, "the mix is kept: {kept:?}");
    assert_eq!(content(&ground.network.join(".driftless/trash").join(&kept[0])), half);
    ground.synced(&[]).did_nothing();
    drop(mount);
}

/// Staging has the older version back: the mix is not taken for the newer one.
#[test]
fn a_change_that_was_taken_back_comes_over_the_mix() {
    let ground = ground();
    let mount = in_memory(&ground);
    let (here, _) = recorded(&ground);
    let (older, time) = (fs::read(&here).expect("here"), fs::metadata(&here).and_then(|meta| meta.modified()).expect("a time"));
    cut(&ground, 5);
    write(&here, &older, time);
    ground.synced(&[]);
    assert!(fs::read(&here).expect("here") == older);
    same(&ground, "after the change was taken back");
    assert_eq!(marks(&ground), 0);
    drop(mount);
}

/// What `revert` takes from the network is a version, or nothing.
#[test]
fn revert_and_a_missing_file_wait_for_somebody() {
    let ground = ground();
    let mount = in_memory(&ground);
    let (here, there) = recorded(&ground);
    cut(&ground, 6);
    let (mine, half) = (content(&here), content(&there));
    let reverted = ground.command(&[], &["revert", "a.raw"]).output().expect("the program starts");
    let told = String::from_utf8_lossy(&reverted.stdout).into_owned();
    assert_eq!((reverted.status.code(), content(&here), told.contains("written half")), (Some(6), mine, true), "{told}");
    fs::remove_file(&here).expect("deleted");
    let ended = ground.sync(&[]);
    assert_eq!((ended.code, ended.paths("problems")), (Some(6), vec!["a.raw"]), "{ended:#?}");
    assert!(!here.exists() && content(&there) == half && marks(&ground) == 1);
    // Somebody puts another file there: that is a version.
    let beside = ground.network.join("beside");
    write(&beside, &bytes(9, 1000), then(9));
    fs::rename(&beside, &there).expect("put there");
    ground.synced(&[]);
    assert_eq!((content(&here), marks(&ground)), (content(&there), 0));
    ground.synced(&[]).did_nothing();
    drop(mount);
}

/// Under another name it is nobody's version either.
#[test]
fn moved_away_it_goes_nowhere() {
    let ground = ground();
    let mount = in_memory(&ground);
    let (here, there) = recorded(&ground);
    cut(&ground, 7);
    fs::rename(&there, ground.network.join("b.raw")).expect("moved");
    let ended = ground.sync(&[]);
    assert_eq!((ended.code, ended.paths("problems")), (Some(6), vec!["b.raw"]), "{ended:#?}");
    assert!(!ground.staging.join("b.raw").exists());
    assert_eq!((content(&there), marks(&ground)), (content(&here), 1));
    fs::remove_file(ground.network.join("b.raw")).expect("removed");
    ground.synced(&[]);
    drop(mount);
}

/// The version before is kept nowhere, and `undo` says so.
#[test]
fn undo_says_that_the_version_before_is_not_kept() {
    let ground = ground();
    let mount = in_memory(&ground);
    let (here, there) = recorded(&ground);
    edit(&here, BLOCK, b"changed", 9);
    ground.synced(&["up"]);
    let before = content(&there);
    let output = ground.command(&[], &["undo", "2", "--json"]).output().expect("the program starts");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("written over in place"), "{told}");
    assert_eq!(content(&there), before);
    drop(mount);
}
