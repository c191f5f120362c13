//! Bad input: each with a clear message, the right exit code, and nothing lost.

use std::fs;
use std::io::Write;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use serde_json::json;

#[cfg(unix)]
use crate::guards::Tiny;
use crate::harness::{Ended, Ends, World, paths, read, stands, touch, wait_for, write, wrote_nothing};
#[cfg(unix)]
use crate::harness::{chmod, is_root};
use crate::tree::{Kind, Tree};

fn sync(world: &World, network: &Path, staging: &Path) -> Ended {
    let [network, staging] = [network, staging].map(|path| path.to_str().expect("text"));
    world.run_in(&world.top(), &["sync", "--network", network, "--staging", staging])
}

/// Roots that cannot be a pair are refused, and leave neither a folder, a marker nor a pair behind.
#[test]
fn roots_that_cannot_be_a_pair_are_refused() {
    let world = World::new();
    let top = world.top();
    write(&world.network.join("inner/f"), "f");
    write(&top.join("file"), "a file");
    fs::create_dir(world.staging.join("inner")).expect("a folder");
    #[cfg(unix)]
    {
        symlink(&world.network, top.join("link")).expect("a link");
        symlink("loop", top.join("loop")).expect("a link");
    }
    let (network, staging, missing) = (&world.network, &world.staging, &top.join("missing"));
    let before = Tree::of(&top);
    let through_a_link: &[(&str, PathBuf, PathBuf, &str)] = &[
        ("the same", network.clone(), top.join("link"), "same folder"),
        ("staging inside", network.clone(), top.join("link/inner"), "inside"),
        ("a link loop", top.join("loop"), staging.clone(), "loop"),
    ];
    let cases = vec![
        ("a missing network root", missing.clone(), staging.clone(), "network root"),
        ("both missing", missing.clone(), top.join("missing2"), "network root"),
        ("a file as network root", top.join("file"), staging.clone(), "file"),
        ("a file as staging root", network.clone(), top.join("file"), "file"),
        ("the same folder", network.clone(), network.clone(), "same folder"),
        (
            "the same through dots",
            network.clone(),
            staging.join("..").join(network.strip_prefix(&top).unwrap_or(network)),
            "same folder",
        ),
        ("staging inside", network.clone(), network.join("inner"), "inside"),
        ("a new staging inside", network.clone(), network.join("inner/new"), "inside"),
        ("network inside", staging.join("inner"), staging.clone(), "inside"),
    ];
    for (name, network, staging, part) in cases.iter().chain(through_a_link.iter().filter(|_| cfg!(unix))) {
        let ended = sync(&world, network, staging);
        assert_eq!(ended.code, 4, "{name}: {ended}");
        assert!(ended.stderr.contains(part) && ended.stderr.contains("Nothing was changed"), "{name}: {ended}");
        let after = Tree::of(&top).without(|path| path == b"state");
        after.assert_same(&before, name);
        assert!(!stands(&world.network.join(".driftless")) && !stands(&world.staging.join(".driftless")), "{name}");
    }
    // A root may be named through a link.
    let named = top.join("link");
    sync(&world, if cfg!(unix) { &named } else { network }, staging).ends_with(0);
    assert_eq!(read(&staging.join("inner/f")), "f");
}

/// A root that may not be read is refused and not taken for empty, new or known.
#[cfg(unix)]
#[test]
fn unreadable_roots_are_refused() {
    let mut world = World::new();
    write(&world.network.join("f"), "f");
    world.as_nobody();
    chmod(&world.network, 0o000);
    world.run(&["sync"]).ends_with(4).says("network root");
    chmod(&world.network, 0o755);
    world.run(&["sync"]).ends_with(0);
    for root in [&world.network, &world.staging] {
        chmod(root, 0o000);
        let ended = world.run(&["sync", "--wait", "0s"]);
        chmod(root, 0o755);
        assert!([1, 4, 6].contains(&ended.code), "{ended}");
        assert!(stands(&world.staging.join("f")) && stands(&world.network.join("f")), "{ended}");
    }
    world.in_step();
}

#[cfg(unix)]
const DEEP: usize = 30;

/// The folder `DEEP` names down, each of 200 bytes: a path that no call takes whole.
#[cfg(unix)]
fn descend(root: &Path, make: bool) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(CWD, root, flags, Mode::empty()).expect("the root");
    let name = "n".repeat(200);
    for _ in 0..DEEP {
        if make {
            rustix::fs::mkdirat(&folder, &name, Mode::from(0o755)).expect("a folder");
        }
        folder = rustix::fs::openat(&folder, &name, flags, Mode::empty()).expect("a folder");
    }
    folder
}

#[cfg(unix)]
fn bottom(root: &Path, flags: OFlags) -> fs::File {
    let folder = descend(root, false);
    fs::File::from(rustix::fs::openat(&folder, "bottom", flags | OFlags::CLOEXEC, Mode::from(0o644)).expect("the file"))
}

/// Paths over 4,096 bytes go both ways, and into the trash.
#[cfg(unix)]
#[test]
fn paths_over_4096_bytes() {
    let world = World::new();
    descend(&world.network, true);
    bottom(&world.network, OFlags::CREATE | OFlags::WRONLY).write_all(b"far down").expect("written");
    let object = world.json(&["sync", "down"], 0);
    assert_eq!((&object["written"]["files"], &object["written"]["dirs"]), (&json!(1), &json!(DEEP)), "{object}");
    let text = std::io::read_to_string(bottom(&world.staging, OFlags::RDONLY)).expect("read");
    assert_eq!(text, "far down");
    bottom(&world.staging, OFlags::WRONLY).write_all(b"and back").expect("written");
    assert_eq!(world.json(&["sync", "up"], 0)["written"]["files"], 1);
    assert_eq!(std::io::read_to_string(bottom(&world.network, OFlags::RDONLY)).expect("read"), "and back");
    fs::remove_dir_all(world.staging.join("n".repeat(200))).expect("removed");
    let object = world.json(&["sync"], 0);
    assert_eq!(object["deleted"], json!({"files": 1, "dirs": DEEP}), "{object}");
    assert_eq!(paths(&world.json(&["trash", "list"], 0), "entries").len(), 2, "the overwritten version and the deleted one");
    world.json(&["trash", "empty", "--yes"], 0);
    wrote_nothing(&world.json(&["sync"], 0));
}

/// A file without the right to read it is a problem for itself alone; what stood on the other side stays.
#[cfg(unix)]
#[test]
fn what_may_not_be_read_or_written_is_one_problem() {
    let mut world = World::new();
    for name in ["secret", "open", "locked/inside", "gone/x"] {
        write(&world.network.join(name), name);
    }
    world.as_nobody();
    world.run(&["sync", "down"]).ends_with(0);
    write(&world.network.join("secret"), "changed");
    chmod(&world.network.join("secret"), 0o000);
    write(&world.network.join("new-secret"), "new");
    chmod(&world.network.join("new-secret"), 0o000);
    write(&world.network.join("locked/inside"), "changed too");
    write(&world.network.join("open"), "changed as well");
    chmod(&world.staging.join("locked"), 0o555);
    world.give_away(&world.network);
    let object = world.json(&["sync", "down"], 6);
    let mut problems = paths(&object, "problems");
    problems.sort_unstable();
    problems.dedup();
    assert_eq!(problems, ["locked/inside", "new-secret", "secret"], "{object}");
    assert!(object["problems"].as_array().expect("a list").iter().all(|one| one["kind"] == "permission"), "{object}");
    assert_eq!(
        (read(&world.staging.join("open")), read(&world.staging.join("secret"))),
        ("changed as well".into(), "secret".into())
    );
    assert_eq!(read(&world.staging.join("locked/inside")), "locked/inside");
    chmod(&world.staging.join("locked"), 0o755);
    for name in ["secret", "new-secret"] {
        chmod(&world.network.join(name), 0o644);
    }
    world.json(&["sync", "down"], 0);
    world.in_step();
}

/// Links are copied as links and never followed, in a loop, to a folder above, or out of the root.
#[cfg(unix)]
#[test]
fn link_loops_are_links() {
    let world = World::new();
    for (name, target) in [("self", "self"), ("a", "b"), ("b", "a"), ("here", "."), ("above", ".."), ("far", "/")] {
        symlink(target, world.network.join(name)).expect("a link");
    }
    let object = world.json(&["sync", "down"], 0);
    assert_eq!(
        (&object["written"]["symlinks"], &object["scanned"]["network"]),
        (&json!(6), &json!(7)),
        "with our own folder: {object}"
    );
    assert_eq!(Tree::of(&world.staging).get("above").map(|entry| &entry.kind), Some(&Kind::Link(b"..".to_vec())));
    world.in_step();
}

/// Containment: links that the network side holds lead no write out of the root.
#[cfg(unix)]
#[test]
fn a_hostile_link_leads_nowhere() {
    let world = World::paired(&[("d/f", "f"), ("e/f", "f")]);
    let outside = world.top().join("outside");
    for name in ["f", "new", "d/f"] {
        write(&outside.join(name), "precious");
    }
    let before = Tree::of(&outside);
    fs::remove_dir_all(world.network.join("d")).expect("removed");
    symlink(&outside, world.network.join("d")).expect("a link");
    write(&world.staging.join("d/f"), "edited");
    write(&world.staging.join("d/new"), "new");
    for words in [&["sync", "up"][..], &["sync"], &["sync", "down"]] {
        assert_eq!(paths(&world.json(words, 3), "conflicts"), ["d"]);
        Tree::of(&outside).assert_same(&before, "outside");
    }
    assert_eq!(read(&world.staging.join("d/f")), "edited");
    // The same where nothing stands against it: the link is copied, what stood there is in the trash.
    fs::remove_dir_all(world.network.join("e")).expect("removed");
    symlink(&outside, world.network.join("e")).expect("a link");
    world.json(&["sync", "down"], 3);
    assert!(matches!(Tree::of(&world.staging).get("e").map(|entry| &entry.kind), Some(Kind::Link(_))));
    assert_eq!(paths(&world.json(&["trash", "list", "--side", "staging"], 0), "entries"), ["e/f"]);
    Tree::of(&outside).assert_same(&before, "outside");
}

/// Containment: the tool's own folder and its trash may be links, too.
#[cfg(unix)]
#[test]
fn a_hostile_own_folder_leads_nowhere() {
    let world = World::paired(&[("f", "f"), ("g", "g")]);
    let outside = world.top().join("outside");
    fs::create_dir(&outside).expect("a folder");
    symlink(&outside, world.network.join(".driftless/trash")).expect("a link");
    write(&world.staging.join("f"), "edited");
    fs::remove_file(world.staging.join("g")).expect("removed");
    let ended = world.run(&["sync", "up"]);
    assert!([1, 4, 6].contains(&ended.code), "{ended}");
    assert!(Tree::of(&outside).0.is_empty(), "{ended}");
    let fresh = World::new();
    symlink(&outside, fresh.network.join(".driftless")).expect("a link");
    write(&fresh.network.join("f"), "f");
    let ended = fresh.run(&["sync", "down"]);
    assert!([1, 4].contains(&ended.code), "{ended}");
    assert!(Tree::of(&outside).0.is_empty() && fs::read_dir(&outside).expect("listed").count() == 0, "{ended}");
}

/// Containment: a folder that is swapped for a link while we run never leads a write, a touch or a delete outside.
#[cfg(unix)]
#[test]
fn a_folder_swapped_while_we_run_leads_nowhere() {
    let world = World::new();
    for number in 0..40 {
        write(&world.network.join(format!("d/f{number}")), "first");
    }
    world.run(&["sync", "down"]).ends_with(0);
    let outside = world.top().join("outside");
    for number in 0..60 {
        write(&outside.join(format!("f{number}")), "precious");
        touch(&outside.join(format!("f{number}")), 1_500_000_000, 1);
    }
    let before = Tree::of(&outside);
    let link = world.top().join("link");
    symlink(&outside, &link).expect("a link");
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&enough);
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                for _ in 0..2 {
                    rustix::fs::renameat_with(CWD, &link, CWD, world.network.join("d"), RenameFlags::EXCHANGE).expect("swapped");
                }
                std::thread::yield_now();
            }
        });
        for round in 0..12 {
            for number in 0..30 {
                write(&world.staging.join(format!("d/f{number}")), format!("round {round}"));
            }
            let _ = fs::remove_file(world.staging.join(format!("d/f{}", 31 + round % 8)));
            write(&world.staging.join(format!("d/f{}", 45 + round)), "new");
            let ended = world.run(&["sync", "up", "--allow-deletes"]);
            assert!([0, 1, 3, 4, 6].contains(&ended.code), "{ended}");
        }
    });
    Tree::of(&outside).assert_same(&before, "outside");
}

/// A file that grows while it is copied is busy: never shown torn, and done once it stands still.
#[test]
fn a_file_that_grows_while_it_is_copied_is_busy() {
    let world = World::paired(&[("a", "a")]);
    let growing = world.network.join("growing");
    write(&growing, vec![1; 24 << 20]);
    let enough = AtomicBool::new(false);
    let object = std::thread::scope(|scope| {
        let _ends = Ends(&enough);
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&growing).expect("open");
            while !enough.load(Ordering::Relaxed) {
                file.write_all(b"more").expect("written");
            }
        });
        world.run(&["sync", "down", "--json"])
    });
    let object = object.ends_with(6).json();
    assert_eq!((paths(&object, "problems"), &object["problems"][0]["kind"]), (vec!["growing"], &json!("busy")), "{object}");
    assert_eq!(Tree::of(&world.staging).names(), ["a"], "neither a torn file nor a temporary one");
    wait_for("the file to be sent", || world.run(&["sync", "down"]).code == 0);
    world.in_step();
}

/// Clocks: content goes whatever the time is, odd times are noted, and nothing is sent twice.
#[test]
fn ss_09_odd_clocks() {
    let world = World::paired(&[("edited", "old")]);
    touch(&world.network.join("edited"), 1_700_000_000, 0);
    world.json(&["sync"], 0);
    for (name, seconds) in [("at-zero", 0), ("in-1969", -86_400), ("in-2100", 4_102_444_800), ("edited", 4_102_444_800)] {
        write(&world.network.join(name), name);
        touch(&world.network.join(name), seconds, 0);
    }
    let object = world.json(&["sync", "down"], 0);
    assert_eq!(object["written"]["files"], 4, "{object}");
    assert!(paths(&object, "notes").contains(&"edited"), "{object}");
    for name in ["at-zero", "in-1969", "in-2100", "edited"] {
        assert_eq!(read(&world.staging.join(name)), name);
    }
    wrote_nothing(&world.json(&["sync"], 0));
    write(&world.staging.join("in-2100"), "edited since");
    assert_eq!(world.json(&["sync"], 0)["written"]["files"], 1);
    wrote_nothing(&world.json(&["sync"], 0));
}

/// A typo in a settings file stops the run before anything, with file, line and the nearest key.
#[test]
fn all_03_a_typo_names_file_line_and_nearest_key() {
    let world = World::paired(&[("a", "a")]);
    write(&world.staging.join("b"), "b");
    for (file, text, parts) in [
        (
            world.network.join("driftless.toml"),
            "append = []\nignroe = [\"*.tmp\"]\n",
            ["driftless.toml:2", "`ignroe`", "`ignore`"],
        ),
        (world.network.join("driftless.toml"), "durability = \"none\"\n", ["driftless.toml:1", "shared", "pair.toml"]),
        (world.network.join("driftless.toml"), "ignore = [\"*.tmp\"\n", ["driftless.toml:", "TOML", "docs/configuration.md"]),
    ] {
        write(&file, text);
        let ended = world.run(&["sync"]);
        ended.ends_with(1);
        for part in parts {
            ended.says(part);
        }
        assert!(!stands(&world.network.join("b")));
        fs::remove_file(&file).expect("removed");
    }
    let pair = world.state.join("network/pair.toml");
    let good = read(&pair);
    write(&pair, format!("{good}durabilty = \"full\"\n"));
    let ended = world.run(&["sync"]);
    ended.ends_with(1).says("pair.toml:").says("`durabilty`").says("`durability`");
    write(&pair, good);
    world.json(&["sync"], 0);
    world.in_step();
}

fn manifest(world: &World) -> PathBuf {
    world.state.join("network/manifest.db")
}

/// A manifest of a later version is refused and left as it is.
#[test]
fn a_manifest_of_a_newer_version_is_refused() {
    let world = World::paired(&[("a", "a")]);
    {
        let connection = rusqlite::Connection::open(manifest(&world)).expect("open");
        connection.pragma_update(None, "user_version", 999).expect("set");
        connection.pragma_update(None, "journal_mode", "DELETE").expect("set");
    }
    let before = fs::read(manifest(&world)).expect("read");
    write(&world.staging.join("b"), "b");
    for words in [&["sync"][..], &["sync", "--dry-run"], &["conflicts", "list"]] {
        world.run(words).ends_with(1).says("999");
        assert!(fs::read(manifest(&world)).expect("read") == before, "the file is unchanged by {words:?}");
    }
    assert!(!stands(&world.network.join("b")));
}

/// A damaged manifest is set aside, said, and built anew; nothing is deleted.
#[test]
fn ss_11_a_damaged_manifest_is_set_aside() {
    for damage in [&[0xa5_u8; 4096][..], b"no database at all"] {
        let world = World::paired(&[("a", "a"), ("b", "b"), ("c/d", "d")]);
        fs::remove_file(world.staging.join("b")).expect("removed");
        for beside in ["manifest.db-wal", "manifest.db-shm"] {
            let _ = fs::remove_file(manifest(&world).with_file_name(beside));
        }
        let mut file = fs::OpenOptions::new().write(true).open(manifest(&world)).expect("open");
        file.write_all(damage).expect("written");
        drop(file);
        let object = world.json(&["sync"], 0);
        let notes = object["notes"].to_string();
        assert!(notes.contains("damaged") && notes.contains("kept as"), "{object}");
        assert_eq!((&object["deleted"]["files"], read(&world.staging.join("b"))), (&json!(0), "b".into()), "{object}");
        let kept = fs::read_dir(manifest(&world).parent().expect("a folder")).expect("listed");
        let aside = kept.filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().starts_with("manifest")
                && name.to_string_lossy() != "manifest.db"
                && !name.to_string_lossy().starts_with("manifest.db-")
        });
        assert!(aside.count() >= 1, "the damaged file is kept");
        world.in_step();
    }
}

/// Ctrl-C in the middle of a big first sync: 130, every file whole, nothing of ours left about; the next run completes it.
#[cfg(unix)]
#[test]
fn ss_11_an_interrupted_first_sync_goes_on() {
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let world = World::new();
        for number in 0..5_000 {
            write(&world.network.join(format!("d{}/f{number}", number % 40)), format!("content of {number}"));
        }
        let network = Tree::of(&world.network);
        let running = world.start(&["sync", "down", "--json"]);
        wait_for("files to arrive", || stands(&world.staging.join("d0/f0")) || stands(&world.staging.join("d1/f1")));
        let id = rustix::process::Pid::from_child(&running);
        rustix::process::kill_process(id, signal).expect("signalled");
        let ended = Ended::of(running.wait_with_output().expect("it ends"));
        let object = ended.ends_with(code).json();
        assert_eq!((&object["outcome"], &object["exit_code"]), (&json!("interrupted"), &json!(code)), "{object}");
        let arrived = Tree::of(&world.staging);
        let files = |tree: &Tree| tree.clone().0.into_iter().filter(|(_, entry)| entry.kind != Kind::Folder).collect();
        let (files, all) = (Tree(files(&arrived)), Tree(files(&network)));
        assert!(files.0.len() < all.0.len(), "it was interrupted in the middle");
        let begun = all.without(|path| !files.0.contains_key(path));
        files.assert_same(&begun, "what arrived is whole, and nothing else is there");
        let rest = world.json(&["sync"], 0);
        assert_eq!(rest["written"]["files"].as_u64(), Some(5_000 - files.0.len() as u64), "only the rest: {rest}");
        world.in_step();
    }
}

/// A dry run of a new pair makes nothing, and ends as the run would.
#[test]
fn all_04_a_dry_run_of_a_new_pair_makes_nothing() {
    let different = |world: &World| {
        for number in 0..12 {
            write(&world.network.join(format!("n{number}")), "n");
            write(&world.staging.join(format!("s{number}")), "s");
        }
    };
    let conflict = |world: &World| {
        write(&world.network.join("a"), "n");
        write(&world.staging.join("a"), "longer");
    };
    let fresh = |world: &World| {
        write(&world.network.join("a/b"), "n");
        fs::remove_dir(&world.staging).expect("removed");
    };
    let cases: [(&dyn Fn(&World), i32); 3] = [(&different, 4), (&conflict, 3), (&fresh, 0)];
    for (make, code) in cases {
        let world = World::new();
        make(&world);
        let before = Tree::of(&world.top());
        let dry = world.json(&["sync", "--dry-run"], code);
        Tree::of(&world.top()).assert_same(&before, "everything");
        assert_eq!(dry["dry_run"], true);
        let real = world.json(&["sync"], code);
        assert_eq!((&dry["outcome"], &dry["written"]), (&real["outcome"], &real["written"]));
    }
}

/// Devices are noted and never opened.
#[cfg(unix)]
#[test]
fn a_device_is_noted() {
    let world = World::paired(&[("a", "a")]);
    if !is_root() {
        return;
    }
    let made = Command::new("mknod").arg(world.network.join("tty")).args(["c", "5", "0"]).status().expect("mknod");
    assert!(made.success());
    let object = world.json(&["sync"], 0);
    assert_eq!(paths(&object, "notes"), ["tty"], "{object}");
    // What stands in its place on the other side is a problem for that path, and stays.
    write(&world.staging.join("tty"), "a file");
    let object = world.json(&["sync"], 6);
    assert_eq!((paths(&object, "problems"), read(&world.staging.join("tty"))), (vec!["tty"], "a file".into()), "{object}");
}

/// Another file system mounted over a synchronised folder hides it; hidden is not deleted.
#[cfg(unix)]
#[test]
fn ss_11_a_mount_over_a_folder_deletes_nothing() {
    let world = World::paired(&[("sub/f", "f"), ("sub/g", "g"), ("h", "h")]);
    let Some(tiny) = Tiny::mount(&world.network.join("sub"), "size=1m") else { return };
    write(&world.staging.join("h"), "changed");
    for content in ["changed", "and again"] {
        let object = world.json(&["sync"], 6);
        assert_eq!((paths(&object, "problems"), &object["deleted"]["files"]), (vec!["sub"], &json!(0)), "{object}");
        assert!(stands(&world.staging.join("sub/g")) && stands(&world.network.join("h")));
        write(&world.staging.join("sub/f"), "edited");
        write(&world.staging.join("h"), content);
    }
    assert_eq!(fs::read_dir(world.network.join("sub")).expect("listed").count(), 0, "nothing is written there");
    drop(tiny);
    world.json(&["sync"], 0);
    assert_eq!(read(&world.network.join("sub/f")), "edited");
    world.in_step();
}
