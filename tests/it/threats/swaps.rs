//! Things that are exchanged while a command is at work: each call works beneath a handle, so that none of them is met
//! half way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{picture, run};
use crate::harness::{Ends, World, is_root, touch, write};

/// Two names that another thread exchanges again and again.
struct Swapped<'a> {
    place: &'a Path,
    bait: &'a Path,
    /// They stand exchanged now.
    now: Mutex<bool>,
    times: AtomicU64,
    enough: AtomicBool,
}

impl Swapped<'_> {
    fn swap(&self, now: &mut bool) {
        // A command may have taken either of them away for a moment.
        if renameat_with(CWD, self.place, CWD, self.bait, RenameFlags::EXCHANGE).is_ok() {
            *now = !*now;
            self.times.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Does something while both stand where they stood, so that a test does not write through its own bait.
    fn at_rest(&self, edit: impl FnOnce()) {
        let mut now = self.now.lock().expect("no panic");
        if *now {
            self.swap(&mut now);
        }
        edit();
    }
}

/// Exchanges `place` with `bait` again and again while `work` is done; at the end both stand where they stood.
fn while_swapped(place: &Path, bait: &Path, work: impl FnOnce(&Swapped<'_>)) {
    let swapped = Swapped { place, bait, now: Mutex::new(false), times: AtomicU64::new(0), enough: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !swapped.enough.load(Ordering::Relaxed) {
                swapped.swap(&mut swapped.now.lock().expect("no panic"));
                std::thread::yield_now();
            }
        });
        let _ends = Ends(&swapped.enough);
        work(&swapped);
    });
    swapped.at_rest(|| {});
    assert!(swapped.times.load(Ordering::Relaxed) > 0, "nothing was swapped");
}

/// The other thread ends also where the work fails.
fn bait(world: &World) -> (PathBuf, PathBuf) {
    let outside = world.top().join("outside");
    for number in 0..12 {
        for folder in ["", "d/", "d/d/"] {
            write(&outside.join(format!("{folder}f{number}")), "precious");
            touch(&outside.join(format!("{folder}f{number}")), 1_500_000_000, 1);
        }
    }
    let link = world.top().join("bait");
    symlink(&outside, &link).expect("a link");
    (outside, link)
}

/// A folder of the test's own there, and no link that a command carried over.
fn real_folder(at: &Path) {
    if fs::symlink_metadata(at).is_ok_and(|meta| !meta.is_dir()) {
        fs::remove_file(at).expect("removed");
    }
    fs::create_dir_all(at).expect("a folder");
}

fn edit(world: &World, round: usize) {
    let [staging, network] = [&world.staging, &world.network].map(|root| root.join("d"));
    for folder in [&staging, &network] {
        real_folder(folder);
    }
    for number in 0..8 {
        write(&staging.join(format!("f{number}")), format!("staging {round}"));
        write(&network.join(format!("f{}", number + 3)), format!("network {round}"));
    }
    let _ = fs::remove_file(staging.join("f0"));
}

/// Every command that writes, each round with something for it to do.
fn work(world: &World, round: usize) {
    let last = format!("{}", 2 + round * 3);
    for words in [
        &["sync", "--allow-deletes"][..],
        &["sync", "--conflict", "keep-both", "--allow-deletes"],
        &["conflicts", "resolve", "--all", "--keep", "network"],
        &["trash", "restore", "d"],
        &["undo", &last],
        &["revert", "d"],
        &["sync", "down", "--verify"],
    ] {
        run(world, words);
    }
}

fn swapped_at(place: impl Fn(&World) -> PathBuf) {
    let names: Vec<String> = (0..12).map(|number| format!("d/f{number}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "first")).collect();
    let world = World::paired(&files);
    edit(&world, 0);
    work(&world, 0);
    let (outside, link) = bait(&world);
    let place = place(&world);
    real_folder(&place);
    let before = picture(&outside);
    while_swapped(&place, &link, |swapped| {
        for round in 1..3 {
            swapped.at_rest(|| edit(&world, round));
            work(&world, round);
        }
    });
    assert_eq!(picture(&outside), before, "{} left the root", place.display());
}

/// A folder of staging: list, read, stage, rename, trash, restore, undo, revert.
#[test]
fn a_folder_of_staging_that_is_swapped_leads_nowhere() {
    swapped_at(|world| world.staging.join("d"));
}

/// A folder of the network root, for the same commands.
#[test]
fn a_folder_of_the_network_root_that_is_swapped_leads_nowhere() {
    swapped_at(|world| world.network.join("d"));
}

/// The trash of either root.
#[test]
fn a_trash_that_is_swapped_leads_nowhere() {
    swapped_at(|world| world.network.join(".driftless/trash"));
    swapped_at(|world| world.staging.join(".driftless/trash"));
}

/// The copies of held conflicts, and our folder itself: marker, lease, claim, probes.
#[test]
fn our_folder_on_the_network_root_that_is_swapped_leads_nowhere() {
    swapped_at(|world| world.network.join(".driftless/conflicts"));
    swapped_at(|world| world.network.join(".driftless"));
}

/// A file that turns into a link, a FIFO or an endless device between the look and the open: what is behind it is
/// neither carried nor waited for.
#[test]
fn a_file_that_turns_into_something_else_is_not_followed() {
    let kinds: &[&str] = if is_root() { &["link", "FIFO", "device"] } else { &["link", "FIFO"] };
    for kind in kinds {
        let world = World::paired(&[("f", "first"), ("g", "g")]);
        let secret = world.top().join("secret");
        write(&secret, "a secret that must not travel");
        let other = world.top().join("other");
        let made = match *kind {
            "link" => Command::new("ln").arg("-s").arg(&secret).arg(&other).status(),
            "FIFO" => Command::new("mkfifo").arg(&other).status(),
            _ => Command::new("mknod").arg(&other).args(["c", "1", "5"]).status(),
        };
        assert!(made.expect("run").success(), "{kind}");
        for (from, to) in [(&world.network, &world.staging), (&world.staging, &world.network)] {
            let file = from.join("f");
            while_swapped(&file, &other, |swapped| {
                for round in 0..8 {
                    swapped.at_rest(|| {
                        write(&from.join("g"), format!("{kind} {round}"));
                        let _ = fs::remove_file(&file);
                        write(&file, format!("round {round}"));
                    });
                    run(&world, &["sync", "--allow-deletes"]);
                    if fs::symlink_metadata(to.join("f")).is_ok_and(|meta| meta.is_file()) {
                        let text = fs::read_to_string(to.join("f")).expect("read");
                        assert!(!text.contains("secret") && text.len() < 100, "{kind}: {text:?}");
                    }
                }
            });
            for root in [to, from] {
                let _ = fs::remove_file(root.join("f"));
            }
            write(&file, "again");
            run(&world, &["sync", "--allow-deletes"]);
        }
    }
}
