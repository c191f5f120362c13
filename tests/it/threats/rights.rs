//! Rights: of what we make, of what we take over from others, and of what others may do in a shared folder.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::run;
use crate::harness::{NOBODY, World, chmod, is_root, read, stands, write};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("a stat").mode() & 0o7777
}

/// State, settings, manifest and records are for their user alone, also where somebody's umask is generous.
#[test]
fn the_state_of_a_pair_is_private() {
    let world = World::paired(&[("a", "a")]);
    let mut open = vec![world.state.clone()];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "pair.toml and the manifest");
}

/// A pair's folder that others may write is closed to them, and one that is somebody else's is refused.
#[test]
fn a_state_folder_of_others_is_not_used() {
    let mut world = World::paired(&[("a", "a")]);
    let pair = fs::read_dir(&world.state).expect("listed").next().expect("one").expect("it").path();
    chmod(&pair, 0o777);
    run(&world, &["sync"]).ends_with(0);
    assert_eq!(mode(&pair), 0o700);
    if !is_root() {
        return;
    }
    world.as_nobody();
    std::os::unix::fs::lchown(&pair, Some(1), Some(1)).expect("a new owner");
    chmod(&pair, 0o777);
    run(&world, &["sync"]).ends_with(1).says("another user");
    // The same by way of a link that somebody else put there.
    let away = world.top().join("away");
    fs::rename(&pair, &away).expect("moved");
    world.give_away(&away);
    symlink(&away, &pair).expect("a link");
    std::os::unix::fs::lchown(&pair, Some(1), Some(1)).expect("a new owner");
    run(&world, &["sync"]).ends_with(1).says("another user");
}

/// A new staging folder is no more open than the network root that it is a copy of.
#[test]
fn a_new_staging_folder_is_as_closed_as_its_original() {
    let world = World::new();
    write(&world.network.join("f"), "f");
    fs::remove_dir(&world.staging).expect("removed");
    chmod(&world.network, 0o700);
    run(&world, &["sync", "down"]).ends_with(0);
    assert_eq!(mode(&world.staging), 0o700);
}

/// Who may write the network root could leave a program there that runs with the rights of whoever copies it.
#[test]
fn a_program_that_lends_its_owners_rights_lends_none_here() {
    let world = World::paired(&[("old", "old"), ("edited", "first")]);
    for name in ["new", "old", "edited"] {
        write(&world.network.join(name), name);
        chmod(&world.network.join(name), 0o6755);
    }
    for words in [&["sync", "down"][..], &["sync"], &["sync", "down", "--verify"]] {
        run(&world, words).ends_with(0);
        for name in ["new", "old", "edited"] {
            assert_eq!((mode(&world.staging.join(name)), read(&world.staging.join(name))), (0o755, name.to_owned()), "{name}");
        }
    }
    world.json(&["sync"], 0);
}

/// What the trash and the copies of conflicts hold is readable by nobody who could not read it at its place.
#[test]
fn what_is_kept_is_no_more_open_than_it_was() {
    let world = World::paired(&[("private/f", "first"), ("private/g", "first")]);
    for root in [&world.staging, &world.network] {
        chmod(&root.join("private"), 0o700);
    }
    write(&world.staging.join("private/f"), "mine");
    write(&world.network.join("private/f"), "theirs");
    write(&world.staging.join("private/g"), "edited");
    let object = world.json(&["sync"], 3);
    let copy = object["conflicts"][0]["copy"].as_str().expect("a copy");
    assert_eq!(mode(&world.network.join(copy)), 0o600);
    let run = fs::read_dir(world.network.join(".driftless/trash")).expect("listed").next().expect("one").expect("it").path();
    assert_eq!(mode(&run), 0o700);
    assert!(stands(&run.join("private/g")));
}

/// A file of somebody else in a folder that we may write: its version is kept before ours takes the name, or nothing is
/// done. The kernel lets nobody link such a file (`protected_hardlinks`).
#[test]
fn a_file_of_somebody_else_is_kept_or_left_alone() {
    let mut world = World::paired(&[("edited", "theirs"), ("deleted", "theirs too"), ("s/in-sticky", "theirs")]);
    if !is_root() {
        return;
    }
    world.as_nobody();
    for name in ["edited", "deleted", "s/in-sticky"] {
        let file = world.network.join(name);
        std::os::unix::fs::lchown(&file, Some(0), Some(0)).expect("a new owner");
        chmod(&file, 0o644);
    }
    let sticky = world.network.join("s");
    std::os::unix::fs::lchown(&sticky, Some(0), Some(0)).expect("a new owner");
    chmod(&sticky, 0o1777);
    for name in ["edited", "s/in-sticky"] {
        write(&world.staging.join(name), "mine");
        world.give_away(&world.staging.join(name));
    }
    fs::remove_file(world.staging.join("deleted")).expect("removed");
    let ended = run(&world, &["sync", "up"]);
    assert!([0, 6].contains(&ended.code), "{ended}");
    for (name, theirs) in [("edited", "theirs"), ("deleted", "theirs too"), ("s/in-sticky", "theirs")] {
        let at_its_place = stands(&world.network.join(name)) && read(&world.network.join(name)) == theirs;
        let trash = world.network.join(".driftless/trash");
        let runs = if stands(&trash) { fs::read_dir(&trash).expect("listed").collect() } else { Vec::new() };
        let kept = runs.into_iter().any(|run| {
            let kept = run.expect("an entry").path().join(name);
            stands(&kept) && read(&kept) == theirs
        });
        assert!(at_its_place || kept, "{name}: {ended}");
    }
    assert_eq!(read(&world.network.join("s/in-sticky")), "theirs", "the sticky bit holds: {ended}");
    assert_eq!(read(&world.staging.join("s/in-sticky")), "mine");
    assert_ne!(NOBODY, 0);
}

/// A root that everybody may write: what we make there is not open to everybody, and what others put beside it is not
/// ours to remove.
#[test]
fn a_root_that_everybody_may_write_keeps_ours_closed() {
    let world = World::new();
    write(&world.network.join("f"), "f");
    chmod(&world.network, 0o777);
    run(&world, &["sync"]).ends_with(0);
    write(&world.staging.join("f"), "edited");
    run(&world, &["sync"]).ends_with(0);
    for (name, most) in [(".driftless", 0o775), (".driftless/trash", 0o775), (".driftless/root.toml", 0o644)] {
        let found = mode(&world.network.join(name));
        assert_eq!(found & !most, 0, "{name} has {found:o}");
    }
    write(&world.network.join(".driftless/trash/notes.txt"), "of somebody else");
    write(&world.network.join(".driftless/odd"), "of somebody else");
    run(&world, &["trash", "empty", "--yes"]);
    assert!(stands(&world.network.join(".driftless/trash/notes.txt")) && stands(&world.network.join(".driftless/odd")));
}
