//! Network roots on file systems of this machine that can less, hold less, or turn read-only.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::project;
use crate::ground::{Ended, Ground, bytes, ended, then, write};
use crate::harness::wait_for;
use crate::services::{Kind, Loop, run};
use crate::tree::{Tree, temps};

/// A pair whose network root is a file system in an image. Fields go in order: the mount before its folder.
struct Small {
    mount: Loop,
    ground: Ground,
}

fn small(kind: Kind, size: u64) -> Small {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "1MiB").setting("DRIFTLESS_THREADS", 1);
    let mount = Loop::mount(kind, size, &ground.network);
    Small { mount, ground }
}

/// Each run ends with its code and leaves both roots as they are.
#[track_caller]
fn nothing_moves(ground: &Ground, runs: &[(&[&str], i32)]) -> Vec<Ended> {
    let (staging, network) = (Tree::of(&ground.staging), Tree::of(&ground.network));
    let one = |(words, code): &(&[&str], i32)| {
        let ended = ground.sync(words);
        assert_eq!(ended.code, Some(*code), "{words:?}: {ended:#?}");
        network.assert_same(&Tree::of(&ground.network), &format!("the network root after {words:?}"));
        staging.assert_same(&Tree::of(&ground.staging), &format!("staging after {words:?}"));
        ended
    };
    runs.iter().map(one).collect()
}

#[test]
fn exfat_keeps_content_and_times_and_makes_no_phantom_changes() {
    let Small { ground, mount } = small(Kind::Exfat, 64 << 20);
    project(&ground.network);
    let odd = then(51) + Duration::from_nanos(987_654_321);
    write(&ground.staging.join("odd time.txt"), b"an odd time", odd);
    ground.synced(&[]);
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&ground.network), "after the first run");
    ground.synced(&[]).did_nothing();
    write(&ground.staging.join("plate-1/well 01.csv"), b"another version", then(101));
    fs::remove_file(ground.staging.join("plate-1/well 06.csv")).expect("a delete");
    fs::rename(ground.staging.join("plate-2"), ground.staging.join("plate-two")).expect("a rename");
    ground.synced(&["up"]);
    write(&ground.network.join("plate-1/well 11.csv"), b"theirs", then(103));
    ground.synced(&["down"]);
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&ground.network), "after edits on both sides");
    for words in [&["up"][..], &["down"], &[]] {
        ground.synced(words).did_nothing();
    }
    drop(mount);
}

#[test]
fn exfat_cannot_hold_two_names_of_one_letter_case_nor_links() {
    let Small { ground, mount } = small(Kind::Exfat, 64 << 20);
    write(&ground.staging.join("Data.csv"), b"upper", then(1));
    ground.synced(&[]);
    write(&ground.staging.join("data.csv"), b"lower", then(2));
    write(&ground.staging.join("plain.csv"), b"plain", then(3));
    write(&ground.staging.join("notes/a: b?.txt"), b"a forbidden name", then(4));
    std::os::unix::fs::symlink("plain.csv", ground.staging.join("link")).expect("a link");
    for words in [&["up"][..], &[]] {
        let partly = ground.sync(words);
        assert_eq!(partly.code, Some(6), "{partly:#?}");
        assert_eq!(partly.paths("problems"), ["data.csv", "link", "notes/a: b?.txt"], "{partly:#?}");
        assert_eq!(fs::read(ground.network.join("Data.csv")).expect("a file"), b"upper", "overwritten by another name");
        assert_eq!(fs::read(ground.network.join("plain.csv")).expect("a file"), b"plain", "the rest goes on");
        let read = |name: &str| fs::read(ground.staging.join(name)).expect("a file in staging");
        assert_eq!([read("Data.csv"), read("data.csv")], [b"upper", b"lower"]);
    }
    assert_eq!(temps(&ground.network), Vec::<PathBuf>::new());
    // Two such names at a first meeting: one of them, whole, and a problem.
    fs::remove_file(ground.staging.join("data.csv")).expect("a delete");
    write(&ground.staging.join("Both.txt"), b"BOTH", then(5));
    write(&ground.staging.join("both.txt"), b"both", then(6));
    let partly = ground.sync(&["up"]);
    assert_eq!(partly.code, Some(6), "{partly:#?}");
    let there = fs::read(ground.network.join("both.txt")).expect("one of them");
    assert!(there == b"BOTH" || there == b"both", "{there:?}");
    let read = |name: &str| fs::read(ground.staging.join(name)).expect("a file in staging");
    assert_eq!([read("Both.txt"), read("both.txt")], [b"BOTH", b"both"]);
    drop(mount);
}

#[test]
fn exfat_does_not_mix_two_folders_of_one_letter_case() {
    let Small { ground, mount } = small(Kind::Exfat, 64 << 20);
    write(&ground.staging.join("Results/a.txt"), b"upper", then(1));
    ground.synced(&[]);
    write(&ground.staging.join("results/a.txt"), b"lower", then(2));
    write(&ground.staging.join("results/b.txt"), b"lower b", then(3));
    nothing_moves(&ground, &[(&["up"], 6), (&[], 6), (&["down"], 0)]);
    drop(mount);
}

#[test]
fn exfat_answers_to_another_letter_case_only_under_its_own() {
    let Small { ground, mount } = small(Kind::Exfat, 64 << 20);
    write(&ground.staging.join("Data/one.csv"), b"one", then(1));
    ground.synced(&[]);
    write(&ground.staging.join("data/two.csv"), b"two", then(2));
    nothing_moves(&ground, &[(&["up", "data"], 6), (&["up", "data/two.csv"], 6), (&[], 6), (&[], 6)]);
    drop(mount);
}

#[test]
fn exfat_takes_a_files_rename_that_changes_only_letter_case() {
    let Small { ground, mount } = small(Kind::Exfat, 64 << 20);
    project(&ground.network);
    ground.synced(&[]);
    fs::rename(ground.staging.join("plate-1/well 01.csv"), ground.staging.join("plate-1/Well 01.csv")).expect("a rename");
    let up = ground.synced(&["up"]);
    assert_eq!(up.json["renamed"], 1, "{up:#?}");
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&ground.network), "after a rename by case");
    ground.synced(&[]).did_nothing();
    // And the other way round: the old spelling still answers on the side where it was renamed.
    fs::rename(ground.network.join("plate-1/Well 01.csv"), ground.network.join("plate-1/WELL 01.csv")).expect("a rename");
    let old = ground.network.join("plate-1/well 06.csv");
    fs::rename(&old, ground.network.join("plate-1/Well 06.csv")).expect("a rename");
    fs::write(&old, "other content").expect("written, by its old spelling");
    ground.synced(&["down"]);
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&ground.network), "after renames by case on the network");
    ground.synced(&[]).did_nothing();
    drop(mount);
}

#[test]
fn exfat_loses_nothing_when_a_folders_name_changes_only_its_letter_case() {
    let Small { ground, mount } = small(Kind::Exfat, 64 << 20);
    project(&ground.network);
    ground.synced(&[]);
    let (held, network) = (Tree::of(&ground.network).contents(), Tree::of(&ground.network));
    fs::rename(ground.staging.join("plate-2"), ground.staging.join("Plate-2")).expect("a folder's rename");
    let staging = Tree::of(&ground.staging);
    for words in [&["up"][..], &[]] {
        let partly = ground.sync(words);
        assert!(matches!(partly.code, Some(0 | 6)), "{partly:#?}");
        staging.assert_same(&Tree::of(&ground.staging), "staging");
        assert_eq!(Tree::of(&ground.network).contents(), held, "contents of the network root");
        if partly.code == Some(6) {
            assert_eq!(partly.paths("problems"), ["Plate-2"], "{partly:#?}");
            network.clone().coarser().assert_same(&Tree::coarse(&ground.network), "the network root");
        }
    }
    drop(mount);
}

/// An `up` of 300 files, slowed down so that something can happen in the middle.
fn start_slow_up(ground: &Ground) -> Child {
    for n in 0..300 {
        write(&ground.staging.join(format!("results/{n:03}.bin")), &bytes(3_000 + n, 100 << 10), then(n));
    }
    for n in 0..10 {
        write(&ground.staging.join(format!("plate-1/well {:02}.csv", 5 * n + 1)), &bytes(4_000 + n, 2_000), then(900 + n));
    }
    let slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=renameat2", "-e", "inject=renameat2:delay_enter=20000"];
    let mut command = ground.command(&slow, &["sync", "up", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("strace and the program start");
    let results = ground.network.join("results");
    wait_for("the first new files", || fs::read_dir(&results).is_ok_and(|listing| listing.count() > 5));
    child
}

/// Each path holds its old or its new version.
fn check_whole(before: &Tree, staging: &Path, network: &Path) {
    let (new, now) = (Tree::of(staging), Tree::shown(network));
    for path in before.0.keys().chain(now.0.keys()) {
        let [old, new, now] = [before, &new, &now].map(|tree| tree.0.get(path).map(|entry| &entry.kind));
        assert!(now == old || now == new, "{} holds {now:?}, not {old:?} or {new:?}", path.escape_ascii());
    }
}

fn completes(ground: &Ground) {
    let again = ground.sync(&[]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    Tree::of(&ground.staging).assert_same(&Tree::of(&ground.network), "after the next run");
    assert_eq!(temps(&ground.network), Vec::<PathBuf>::new(), "names in the making");
    ground.synced(&[]).did_nothing();
}

fn says(ended: &Ended, words: &[&str]) {
    let all = format!("{} {}", ended.words(), ended.json);
    assert!(words.iter().any(|word| all.contains(word)), "none of {words:?} is said: {ended:#?}");
}

#[test]
fn a_disk_that_another_program_fills_loses_nothing() {
    let Small { ground, mount } = small(Kind::Ext4, 96 << 20);
    project(&ground.network);
    ground.synced(&[]);
    let before = Tree::of(&ground.network);
    let child = start_slow_up(&ground);
    let filler = ground.network.join(".driftless/filler");
    fill(&filler);
    let full = ended(child.wait_with_output().expect("its end"));
    assert!(matches!(full.code, Some(1 | 4 | 6)), "{full:#?}");
    says(&full, &["No space left", "no room", "not enough room"]);
    check_whole(&before, &ground.staging, &ground.network);
    // Still full: said, and nothing lost.
    let still = ground.sync(&["up"]);
    assert!(matches!(still.code, Some(1 | 4 | 6)), "{still:#?}");
    check_whole(&before, &ground.staging, &ground.network);
    fs::remove_file(filler).expect("room again");
    completes(&ground);
    drop(mount);
}

#[test]
fn a_full_disk_below_the_manifest_is_refused_before_anything_is_written() {
    let ground = Ground::new();
    project(&ground.network);
    ground.synced(&[]);
    // The records move to a small disk of their own.
    let home = ground.place("home");
    let aside = ground.place("aside");
    fs::rename(&home, &aside).expect("moved");
    fs::create_dir(&home).expect("a mount point");
    let mount = Loop::memory("size=8m", &home);
    run("cp", &["-a", &format!("{}/.", aside.display()), home.to_str().expect("plain")]);
    write(&ground.staging.join("new.txt"), b"a new result", then(9));
    fill(&home.join("filler"));
    for full in nothing_moves(&ground, &[(&["up"], 4), (&["down"], 4), (&[], 4)]) {
        assert_eq!(full.json["outcome"], "refused", "{full:#?}");
        says(&full, &["records are kept, has only"]);
    }
    fs::remove_file(home.join("filler")).expect("room again");
    completes(&ground);
    drop(mount);
}

/// Writes until nothing fits any more.
fn fill(path: &Path) {
    let mut file = fs::File::create_new(path).expect("a file that takes all the room");
    for size in [1 << 20, 4096, 1] {
        let piece = vec![7; size];
        while file.write_all(&piece).is_ok() {}
        // What the system only promised so far.
        drop(file.sync_data());
    }
}

#[test]
fn a_run_that_cannot_fit_stops_before_it_writes() {
    let Small { ground, mount } = small(Kind::Ext4, 24 << 20);
    ground.synced(&[]);
    write(&ground.staging.join("small.txt"), b"small", then(1));
    write(&ground.staging.join("large.bin"), &bytes(1, 30 << 20), then(2));
    let refused = ground.sync(&["up"]);
    assert_eq!(refused.code, Some(4), "{refused:#?}");
    says(&refused, &["not enough room"]);
    assert_eq!(Tree::of(&ground.network), Tree::default(), "written all the same");
    drop(mount);
}

#[test]
fn a_network_root_that_is_read_only_can_still_be_read() {
    let Small { ground, mount } = small(Kind::Ext4, 64 << 20);
    project(&ground.network);
    ground.synced(&[]);
    write(&ground.network.join("theirs.txt"), b"theirs", then(5));
    write(&ground.staging.join("ours.txt"), b"ours", then(6));
    let network = Tree::of(&ground.network);
    assert!(mount.remount("ro"), "remounted read-only");
    let up = ground.sync(&["up"]);
    assert_eq!(up.code, Some(4), "{up:#?}");
    says(&up, &["cannot be written"]);
    ground.synced(&["down"]);
    assert_eq!(fs::read(ground.staging.join("theirs.txt")).expect("came down"), b"theirs");
    assert_eq!(fs::read(ground.staging.join("ours.txt")).expect("stays"), b"ours");
    network.assert_same(&Tree::of(&ground.network), "a read-only root");
    assert!(mount.remount("rw"), "remounted for writing");
    completes(&ground);
}

#[test]
fn a_root_that_turns_read_only_in_the_middle_loses_nothing() {
    let Small { ground, mount } = small(Kind::Ext4, 96 << 20);
    project(&ground.network);
    ground.synced(&[]);
    let before = Tree::of(&ground.network);
    let child = start_slow_up(&ground);
    // Refused while a file is open for writing; the slow renames leave gaps.
    wait_for("a remount as read-only", || mount.remount("ro"));
    let ended = ended(child.wait_with_output().expect("its end"));
    assert!(matches!(ended.code, Some(1 | 4 | 6)), "{ended:#?}");
    says(&ended, &["Read-only", "read-only", "cannot be written"]);
    check_whole(&before, &ground.staging, &ground.network);
    assert!(mount.remount("rw"), "remounted for writing");
    completes(&ground);
}
