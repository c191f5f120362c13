//! Thousands of changes at once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Watching;
use crate::ground::bytes;
use crate::harness::{World, read, stands, wait_for, write};
use crate::services::run;
use crate::tree::{Tree, content};

/// A pair that nobody cares for when the power fails: these tests are of the watch process, and many.
fn world() -> World {
    let mut world = World::new();
    world.set("DRIFTLESS_DURABILITY", "none");
    world
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of the tests are plain")
}

fn git(folder: &Path, words: &[&str]) -> String {
    let settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.hooksPath=/dev/null", "-C", text(folder)];
    run("git", &[&settings[..], words].concat())
}

/// Two revisions that share few of their 2,000 files.
fn repository(folder: &Path) {
    git(folder, &["init", "--quiet", "--initial-branch=near"]);
    for n in 0..2_000 {
        write(&folder.join(format!("src/part {}/{n}.txt", n % 37)), format!("near {n}\n").repeat(3));
    }
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message=near"]);
    git(folder, &["checkout", "--quiet", "-b", "far"]);
    fs::remove_dir_all(folder.join("src/part 3")).expect("removed");
    fs::rename(folder.join("src/part 4"), folder.join("src/renamed")).expect("renamed");
    for n in (0..1_300).filter(|n| ![3, 4, 5].contains(&(n % 37))) {
        write(&folder.join(format!("src/part {}/{n}.txt", n % 37)), format!("far {n}\n"));
    }
    for n in 0..200 {
        write(&folder.join(format!("far/{n}.txt")), format!("far alone {n}\n"));
    }
    // What was a folder is a file there.
    fs::remove_dir_all(folder.join("src/part 5")).expect("removed");
    write(&folder.join("src/part 5"), "a file");
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message=far"]);
    git(folder, &["gc", "--quiet"]);
}

#[test]
fn checkouts_between_distant_revisions() {
    let world = world();
    repository(&world.staging);
    let mut watching = Watching::ready(&world, &[]);
    for branch in ["near", "far", "near"] {
        git(&world.staging, &["checkout", "--quiet", branch]);
    }
    // Git's own folder rests before it is carried as one, and nothing happens in it then: it is tried again by itself.
    let head = |root: &Path| fs::read(root.join(".git/HEAD")).expect("a branch");
    wait_for("the branch on the network root", || head(&world.network) == head(&world.staging));
    // Of two revisions so far apart, a guard holds the deletes.
    world.json(&["sync", "--allow-deletes"], 0);
    watching.laws(&world, &BTreeSet::new());
    git(&world.network, &["fsck", "--strict", "--no-progress"]);
    assert_eq!(git(&world.network, &["status", "--porcelain", "--", ":!.driftless"]), "");
    assert_eq!(git(&world.network, &["rev-parse", "HEAD"]), git(&world.staging, &["rev-parse", "near"]));
}

/// 50,000 files with `DRIFTLESS_STORM_FILES=50000`.
#[test]
fn an_archive_is_unpacked() {
    let files = std::env::var("DRIFTLESS_STORM_FILES").ok().map_or(5_000, |count| count.parse().expect("a number"));
    let world = world();
    let packed = world.top().join("packed");
    for n in 0..files {
        write(&packed.join(format!("{}/{}/{n}", n % 50, n / 50 % 7)), n.to_string());
    }
    let archive = world.top().join("packed.tar");
    run("tar", &["--format=posix", "-cf", text(&archive), "-C", text(&packed), "."]);
    let mut watching = Watching::ready(&world, &[]);
    run("tar", &["-xf", text(&archive), "-C", text(&world.staging)]);
    watching.shows("the whole archive", |shown| shown["counters"]["written_files"].as_u64() >= Some(files));
    watching.laws(&world, &BTreeSet::new());
    Tree::of(&packed).assert_same(&Tree::of(&world.network), "what was packed");
}

#[test]
fn a_large_folder_is_deleted_and_put_back_at_once() {
    let world = world();
    for n in 0..1_500 {
        write(&world.staging.join(format!("large/{}/{n}", n % 40)), format!("large {n}"));
    }
    write(&world.staging.join("kept"), "kept");
    let mut watching = Watching::ready(&world, &[]);
    let before = Tree::of(&world.staging);
    let (large, copy) = (world.staging.join("large"), world.top().join("copy"));
    run("cp", &["-a", text(&large), text(&copy)]);
    for _ in 0..2 {
        fs::remove_dir_all(&large).expect("removed");
        run("cp", &["-a", text(&copy), text(&large)]);
    }
    watching.laws(&world, &before.contents());
    before.assert_same(&Tree::of(&world.network), "the network root");
}

/// A guard holds so many deletes; they wait, and what is saved meanwhile goes its way.
#[test]
fn a_large_folder_that_stays_deleted_is_held() {
    let world = world();
    for n in 0..1_500 {
        write(&world.staging.join(format!("large/{n}")), format!("large {n}"));
    }
    write(&world.staging.join("kept"), "kept");
    let mut watching = Watching::ready(&world, &[]);
    let before = Tree::of(&world.staging);
    world.run(&["pause"]).ends_with(0);
    (0..1_499).for_each(|n| fs::remove_file(world.staging.join(format!("large/{n}"))).expect("removed"));
    world.run(&["resume"]).ends_with(0);
    watching.shows("held deletes", |shown| shown["pending_up"].as_u64() >= Some(1_499));
    write(&world.staging.join("saved"), "saved");
    wait_for("a file saved meanwhile", || stands(&world.network.join("saved")));
    // One of the many alone would be no mass.
    write(&world.staging.join("large/77"), "another");
    fs::remove_file(world.staging.join("large/77")).expect("removed");
    for later in ["saved with it", "saved after it"] {
        write(&world.staging.join(later), "saved");
        wait_for("a file saved later", || stands(&world.network.join(later)));
    }
    assert_eq!(read(&world.network.join("large/77")), "large 77");
    world.json(&["sync", "--allow-deletes"], 0);
    assert!(!stands(&world.network.join("large/77")));
    fs::remove_file(world.staging.join("saved")).expect("removed");
    wait_for("a delete after the answer", || !stands(&world.network.join("saved")));
    watching.laws(&world, &before.contents());
}

/// As a compiler does: written under another name, renamed into place, taken away again. What it takes away stays below a
/// mass of deletes however often a run goes between, so that nothing is held.
fn build(folder: &Path, rounds: u64) {
    for round in 0..rounds {
        for n in 0..400 {
            let object = folder.join(format!("unit {}/{n}.o", n % 13));
            let making = object.with_extension("o.tmp");
            write(&making, bytes(round * 400 + n, 300));
            fs::rename(&making, &object).expect("renamed");
            if (n + round).is_multiple_of(40) {
                fs::remove_file(&object).expect("removed");
            }
        }
        fs::rename(folder, folder.with_extension("before")).expect("renamed");
        fs::rename(folder.with_extension("before"), folder).expect("renamed back");
    }
}

#[test]
fn a_build_writes_thousands_of_files() {
    let world = world();
    let mut watching = Watching::ready(&world, &[]);
    std::thread::scope(|scope| {
        for name in ["debug", "release"] {
            let folder = world.staging.join("target").join(name);
            scope.spawn(move || build(&folder, 6));
        }
        write(&world.staging.join("main.rs"), "saved in the middle");
        wait_for("a source that is saved meanwhile", || stands(&world.network.join("main.rs")));
    });
    watching.laws(&world, &[content(b"saved in the middle")].into());
}

/// The copy of a log keeps up while it is written, and holds up nothing else.
#[test]
fn a_log_that_is_written_all_the_time() {
    let world = world();
    write(&world.staging.join("run.log"), "begun\n");
    let mut watching = Watching::ready(&world, &[]);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let log = world.staging.join("run.log");
        scope.spawn(|| {
            let mut log = File::options().append(true).open(log).expect("open");
            while !ended.load(Ordering::Relaxed) {
                log.write_all(b"one more step was made\n").expect("appended");
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let end = Ending(&ended);
        let copied = || fs::metadata(world.network.join("run.log")).map_or(0, |metadata| metadata.len());
        for round in 0..3 {
            let (before, began) = (copied(), Instant::now());
            write(&world.staging.join("paper.tex"), format!("version {round}"));
            wait_for("an ordinary file", || {
                fs::read_to_string(world.network.join("paper.tex")).is_ok_and(|text| text == format!("version {round}"))
            });
            let took = began.elapsed();
            assert!(took < Duration::from_secs(10), "an ordinary file took {took:?} beside a busy log");
            wait_for("a longer copy of the log", || copied() > before);
        }
        drop(end);
    });
    watching.laws(&world, &BTreeSet::new());
}

/// Lets the writer end also where the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
