//! Links, FIFOs, huge files and forgeries in the place of the tool's own files in either root.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{picture, run};
use crate::harness::{World, read, stands, write};

/// What somebody may put in the place of a file or folder of ours.
#[cfg(unix)]
const SHAPES: &[&str] =
    &["link to a folder", "link to a file", "dangling link", "FIFO", "huge", "garbage", "folder", "hard link"];

#[cfg(unix)]
fn put(shape: &str, at: &Path, outside: &Path) {
    let _ = fs::remove_file(at).or_else(|_| fs::remove_dir_all(at));
    match shape {
        "link to a folder" => symlink(outside, at).expect("a link"),
        "link to a file" => symlink(outside.join("precious"), at).expect("a link"),
        "dangling link" => symlink(outside.join("made"), at).expect("a link"),
        "FIFO" => assert!(Command::new("mkfifo").arg(at).status().expect("run").success()),
        "huge" => fs::File::create(at).and_then(|file| file.set_len(1 << 40)).expect("a hole"),
        "garbage" => write(at, b"\x1b]0;owned\x07\xff\0id = \"\"\n"),
        "folder" => fs::create_dir(at).expect("a folder"),
        "hard link" => fs::hard_link(outside.join("precious"), at).expect("a link"),
        other => unreachable!("{other}"),
    }
}

fn outside(world: &World) -> PathBuf {
    let outside = world.top().join("outside");
    write(&outside.join("precious"), "precious");
    for name in ["a/f", "trash/x", "root.toml", "lock"] {
        write(&outside.join("inside").join(name), "precious");
    }
    outside
}

/// Every content of a file in a root that is not the tool's own, or in its trash or copies.
pub(super) fn holds(root: &Path, content: &str) -> bool {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("listed") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("a stat");
            if meta.is_dir() {
                open.push(path);
            } else if meta.is_file() && meta.len() < 4_096 && fs::read(&path).expect("read") == content.as_bytes() {
                return true;
            }
        }
    }
    false
}

/// Whatever stands in the place of one of our own files in a root: no command hangs, panics, leaves the root or loses a
/// version.
#[cfg(unix)]
#[test]
fn whatever_stands_for_a_file_of_ours_leads_nowhere() {
    for name in ["root.toml", "lease.toml", "claim.toml", "lock"] {
        for shape in SHAPES.iter().filter(|shape| **shape != "link to a folder") {
            one_shape(name, shape, &[&["sync", "--dry-run"], &["sync", "--wait", "0s"], &["doctor"]]);
        }
    }
}

/// The same for our folders: whatever is kept there is kept nowhere else.
#[cfg(unix)]
#[test]
fn whatever_stands_for_the_trash_or_the_copies_leads_nowhere() {
    for name in ["trash", "conflicts"] {
        for shape in ["link to a folder", "dangling link", "FIFO", "garbage"] {
            let one_of_each: &[&[&str]] = &[
                &["sync"],
                &["trash", "list"],
                &["trash", "restore", "a/f"],
                &["undo", "2"],
                &["conflicts", "resolve", "--all", "--keep", "staging"],
                &["trash", "empty", "--yes"],
            ];
            one_shape(name, shape, one_of_each);
        }
    }
}

#[cfg(unix)]
fn one_shape(name: &str, shape: &str, commands: &[&[&str]]) {
    let world = World::paired(&[("a/f", "first"), ("b", "b"), ("c", "c"), ("gone", "gone")]);
    write(&world.staging.join("a/f"), "second");
    world.run(&["sync", "up"]).ends_with(0);
    let outside = outside(&world);
    let before = picture(&outside);
    // Own edits on both sides, a delete, and a conflict whose copy is kept on the network.
    write(&world.staging.join("b"), "b of staging");
    write(&world.network.join("b"), "b of the network");
    write(&world.staging.join("c"), "edited c");
    fs::remove_file(world.staging.join("gone")).expect("removed");
    for root in [&world.network, &world.staging] {
        put(shape, &root.join(".driftless").join(name), &outside);
    }
    let told = format!("{shape} in the place of {name}");
    for words in commands {
        let ended = run(&world, words);
        assert!(picture(&outside) == before, "{told}: {words:?} left the root; {ended}");
    }
    let both = |content: &str| holds(&world.network, content) || holds(&world.staging, content);
    let emptied = commands.iter().any(|words| words.contains(&"empty"));
    for content in ["first", "second", "b of staging", "b of the network", "edited c", "gone"] {
        // What was trashed before the trash was taken away, or thrown away at the end.
        let gone = name == "trash" && content == "first"
            || emptied && ["first", "gone", "b of the network", "second"].contains(&content);
        assert!(gone || both(content), "{told}: {content:?} is lost");
    }
}

/// The same for our folder itself.
#[cfg(unix)]
#[test]
fn whatever_stands_for_our_folder_leads_nowhere() {
    for shape in SHAPES.iter().filter(|shape| **shape != "folder") {
        let world = World::paired(&[("a/f", "first"), ("b", "b")]);
        let outside = outside(&world);
        let before = picture(&outside);
        write(&world.staging.join("b"), "edited");
        for root in [&world.network, &world.staging] {
            let own = root.join(".driftless");
            fs::rename(&own, world.top().join("own")).expect("moved away");
            put(shape, &own, &outside);
            for words in [&["sync"][..], &["sync", "up"], &["sync", "down"], &["status"], &["trash", "list"], &["undo", "1"]] {
                let ended = run(&world, words);
                assert!(picture(&outside) == before, "{shape}: {words:?} left the root; {ended}");
                assert!(words[0] != "sync" || [1, 4].contains(&ended.code), "{shape}: {words:?} {ended}");
            }
            fs::remove_file(&own).expect("removed");
            fs::rename(world.top().join("own"), &own).expect("back");
        }
        world.json(&["sync"], 0);
        assert_eq!(read(&world.network.join("b")), "edited");
        world.in_step();
    }
}

/// Forged markers: another id, an older or newer generation, another pair's, one at its end. None costs a file.
#[test]
fn a_forged_marker_costs_nothing() {
    let world = World::paired(&[("a/f", "f"), ("b", "b")]);
    let other = World::paired(&[("x", "x")]);
    for number in 0..3 {
        write(&world.staging.join("c"), format!("up {number}"));
        world.run(&["sync"]).ends_with(0);
        write(&world.network.join("c"), format!("and down {number}"));
        world.run(&["sync"]).ends_with(0);
    }
    let outside = outside(&world);
    let before = picture(&outside);
    fs::remove_file(world.staging.join("b")).expect("removed");
    for side in [&world.network, &world.staging] {
        let marker = side.join(".driftless/root.toml");
        let ours = read(&marker);
        let id = ours.split('"').nth(1).expect("an id").to_owned();
        let generation = ours.lines().find(|line| line.starts_with("generation")).expect("a generation").to_owned();
        let forged = [
            ("another id", ours.replace(&id, &"0".repeat(32)), &[4][..]),
            ("an older generation", ours.replace(&generation, "generation = 0"), &[4]),
            ("no generation", ours.replace(&generation, "generation = -1"), &[1, 4]),
            ("the last generation", ours.replace(&generation, "generation = 9223372036854775807"), &[1, 4]),
            ("beyond it", ours.replace(&generation, "generation = 18446744073709551615"), &[1, 4]),
            ("the other side's", read(&other.network.join(".driftless/root.toml")), &[4]),
            ("another pair's", read(&other.staging.join(".driftless/root.toml")), &[4]),
            ("half of it", ours[..ours.len() / 2].to_owned(), &[1, 4]),
            ("nothing in it", String::new(), &[1, 4]),
        ];
        for (name, text, codes) in forged {
            write(&marker, text);
            for words in [&["sync"][..], &["sync", "--dry-run"], &["trash", "restore", "b"], &["relink", "--dry-run"]] {
                let ended = run(&world, words);
                assert!(words[0] != "sync" || codes.contains(&ended.code), "{name}: {words:?} {ended}");
                assert!(stands(&world.network.join("b")) && !stands(&world.staging.join("b")), "{name}: {words:?} {ended}");
            }
            write(&marker, &ours);
        }
    }
    assert_eq!(picture(&outside), before);
    let object = world.json(&["sync"], 0);
    assert_eq!(object["deleted"]["files"], 1, "{object}");
}

/// A marker whose generation is nearly at its end, as only a forger writes it: the pair is stopped, not harmed, and
/// `relink` is the way back.
#[test]
fn a_generation_at_its_end_is_mended_by_relink() {
    let world = World::paired(&[("a", "a")]);
    let marker = world.network.join(".driftless/root.toml");
    let ours = read(&marker);
    let generation = ours.lines().find(|line| line.starts_with("generation")).expect("a generation");
    write(&marker, ours.replace(generation, "generation = 9223372036854775806"));
    for number in 0..3 {
        write(&world.staging.join("a"), format!("edit {number}"));
        let ended = run(&world, &["sync", "up"]);
        assert!([0, 1, 4].contains(&ended.code), "{ended}");
    }
    world.run(&["relink"]).ends_with(0);
    let ended = run(&world, &["sync", "--conflict", "prefer-staging"]);
    assert_eq!((ended.code, read(&world.network.join("a"))), (0, "edit 2".to_owned()), "{ended}");
}

/// A forged lease, whatever it says, is waited for as long as `--wait` says, and then gone on beside.
#[test]
fn a_forged_lease_holds_nobody_up() {
    let huge = format!("host = \"{}\"\nstate = \"s\"\ncounter = 1\n", "h".repeat(60_000));
    for text in [
        "host = \"\\u001b[2Jlab\"\nstate = \"s\"\ncounter = 9223372036854775807\nuntil = 9999-12-31T23:59:59Z\n",
        "host = \"\\u001b[2Jlab\"\nstate = \"s\"\ncounter = 9223372036854775807\n",
        &huge,
        "\0",
    ] {
        let mut world = World::paired(&[("a", "a")]);
        world.set("DRIFTLESS_LOG", "driftless=trace");
        write(&world.network.join(".driftless/lease.toml"), text);
        write(&world.staging.join("a"), "edited");
        let ended = run(&world, &["sync", "up", "--wait", "0s"]);
        assert_eq!((ended.code, read(&world.network.join("a"))), (0, "edited".to_owned()), "{ended}");
    }
}

/// What lies in the trash may have other names elsewhere: emptying and restoring touch those names alone.
#[test]
fn hard_links_in_the_trash_lead_nowhere() {
    let world = World::paired(&[("a/f", "first"), ("g", "g")]);
    write(&world.staging.join("a/f"), "second");
    fs::remove_file(world.staging.join("g")).expect("removed");
    world.run(&["sync", "up"]).ends_with(0);
    let outside = outside(&world);
    let run_folder =
        fs::read_dir(world.network.join(".driftless/trash")).expect("listed").next().expect("one").expect("it").path();
    for name in ["g", "a/extra"] {
        let at = run_folder.join(name);
        let _ = fs::remove_file(&at);
        fs::hard_link(outside.join("precious"), at).expect("a link");
    }
    #[cfg(unix)]
    {
        symlink(&outside, run_folder.join("link")).expect("a link");
        symlink(outside.join("precious"), run_folder.join("a/link")).expect("a link");
    }
    let before = picture(&outside);
    for words in [&["trash", "list"][..], &["trash", "restore", "g"], &["trash", "restore", "a"], &["undo", "2"], &["sync"]] {
        run(&world, words);
        assert_eq!(picture(&outside), before, "{words:?}");
    }
    // The edit of a file that has another name outside gets a file of its own.
    write(&world.staging.join("g"), "edited after the restore");
    run(&world, &["sync", "--conflict", "prefer-staging"]);
    run(&world, &["trash", "empty", "--yes"]);
    assert_eq!(picture(&outside), before);
}

/// Sizes that no disk holds neither overflow a sum nor fool the look for room.
#[cfg(unix)]
#[test]
fn sizes_that_lie_are_refused() {
    let Some(shm) = Some(Path::new("/dev/shm")).filter(|shm| shm.is_dir()) else { return };
    let world = World::below(Some(shm));
    for number in 0..5 {
        let file = fs::File::create(world.network.join(format!("f{number}"))).expect("a file");
        if file.set_len(i64::MAX.unsigned_abs()).is_err() {
            eprintln!("skipped: no file system for such files");
            return;
        }
    }
    for words in [&["sync", "--dry-run"][..], &["sync", "down"], &["sync"]] {
        let ended = run(&world, words);
        assert_eq!(ended.code, 4, "{ended}");
    }
    assert_eq!(fs::read_dir(&world.staging).expect("listed").count(), 1, "our own folder alone");
    for number in 0..5 {
        fs::remove_file(world.network.join(format!("f{number}"))).expect("removed");
    }
    // The same in the trash.
    world.json(&["sync"], 0);
    let kept = world.network.join(".driftless/trash/20200101T000000Z-lab-000001");
    for number in 0..5 {
        write(&kept.join(format!("f{number}")), "");
        let file = fs::OpenOptions::new().write(true).open(kept.join(format!("f{number}"))).expect("open");
        file.set_len(i64::MAX.unsigned_abs()).expect("a hole");
    }
    for words in [&["trash", "list"][..], &["doctor"], &["trash", "empty", "--yes"]] {
        run(&world, words);
    }
    assert!(!stands(&kept.join("f0")) || stands(&kept), "emptied or passed over");
}
