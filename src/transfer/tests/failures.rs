//! Copies that go wrong: nothing half is ever shown, and nothing of ours is left lying about.

use std::fs;
use std::sync::atomic::Ordering;

use super::*;
use crate::disk::ErrorKind;
use crate::model::finding::ProblemKind;

#[test]
fn a_torn_copy_is_not_shown() {
    type Edit = fn(&Path);
    let edits: [(&str, Edit); 4] = [
        ("longer", |at| fs::write(at, "longer than it was").expect("written")),
        ("shorter", |at| fs::write(at, "s").expect("written")),
        ("as long", |at| {
            fs::write(at, "CONTENT").expect("written");
            fs::File::options().write(true).open(at).and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).expect("a time");
        }),
        ("another file", |at| {
            fs::remove_file(at).expect("removed");
            fs::write(at, "CONTENT").expect("written");
        }),
    ];
    // Wine keeps the name of a file that is open.
    for (name, edit) in edits.into_iter().filter(|(name, _)| cfg!(unix) || *name != "another file") {
        let world = world();
        world.lay(STAGING, "file", "content");
        let action = world.write_to(NETWORK, "file");
        let at = world.file(STAGING, "file");
        world.meddler.staging.once("read bytes", "file", move || edit(&at));
        let ending = one(&world.run(), action.clone());
        match (name, ending) {
            // What was opened is whole; that its name holds something else by now is for the next run.
            ("another file", ending) => assert!(matches!(ending, Ending::Done { .. })),
            (_, Ending::Torn { side, .. }) => {
                assert_eq!(side, STAGING, "{name}");
                assert_eq!(world.shown(NETWORK), tree(&[]), "{name}");
                done(one(&world.run(), action));
            }
            (_, ending) => panic!("{name}: {ending:?}"),
        }
    }
}

/// The first write of `file` to the network root, with one call at `side` failing.
fn failing(side: Side, op: &'static str, at: &'static str, kind: ErrorKind) -> (World, Vec<Outcome>, Option<Halt>) {
    let world = world();
    world.lay(STAGING, "file", "content");
    let action = world.write_to(NETWORK, "file");
    let called = move |called: &str, path: &str| called == op && path.contains(at);
    world.meddler[side].before_each(move |op, path| called(op, path).then_some(kind));
    let (outcomes, halt) = carry(&world.run(), vec![action]);
    (world, outcomes, halt)
}

#[test]
fn each_failure_is_the_roots_or_the_paths_and_leaves_nothing() {
    let steps = [
        (NETWORK, "stage", ".dl~"),
        (NETWORK, "write", ".dl~"),
        (NETWORK, "finish", ".dl~"),
        (NETWORK, "rename", "file"),
        (NETWORK, "open", ""),
        (STAGING, "read", "file"),
        (STAGING, "read bytes", "file"),
        (STAGING, "read stat", "file"),
    ];
    for (side, op, at) in steps {
        let label = format!("{op} at {side}");
        for kind in [ErrorKind::Gone, ErrorKind::Full, ErrorKind::Denied, ErrorKind::ReadOnly, ErrorKind::Other] {
            let (world, outcomes, halt) = failing(side, op, at, kind);
            match (kind, halt) {
                (ErrorKind::Gone, Some(Halt::Gone { side: gone, .. })) => assert_eq!(gone, side, "{label}"),
                (ErrorKind::Full, Some(Halt::Full { side: full, .. })) => assert_eq!(full, side, "{label}"),
                (ErrorKind::Denied | ErrorKind::ReadOnly | ErrorKind::Other, None) => {
                    let expected = if kind == ErrorKind::Other { ProblemKind::Io } else { ProblemKind::Permission };
                    let Ending::Problem(problem) = &outcomes[0].result else { panic!("{label}: {outcomes:?}") };
                    assert_eq!((problem.side, problem.kind), (side, expected), "{label}");
                }
                (kind, halt) => panic!("{label}, {kind:?}: {halt:?}"),
            }
            assert_eq!(world.shown(NETWORK), tree(&[]), "{label}, {kind:?}");
        }
    }
}

/// Somebody puts a file in the place of the folder that was just written to: what was in it is theirs to miss.
// Windows keeps the name of a folder that is open.
#[cfg(unix)]
#[test]
fn a_folder_that_is_a_file_before_it_is_flushed_ends_no_run() {
    let mut world = world();
    world.flush = true;
    world.lay(STAGING, "folder/file", "content");
    world.lay(NETWORK, "folder/other", "other");
    world.lay(STAGING, "last", "content");
    let actions = vec![world.write_to(NETWORK, "folder/file"), world.write_to(NETWORK, "last")];
    let (file, folder) = (world.file(NETWORK, "folder/file"), world.file(NETWORK, "folder"));
    world.meddler[NETWORK].before_each(move |_, path| {
        if path.is_empty() && file.exists() {
            fs::remove_dir_all(&folder).expect("removed");
            fs::write(&folder, "a file").expect("written");
        }
        None
    });
    let (_, halt) = carry(&world.run(), actions);
    assert!(halt.is_none(), "{halt:?}");
    assert_eq!(world.shown(NETWORK), tree(&[("folder", "a file"), ("last", "content")]));
}

#[test]
fn a_failed_overwrite_leaves_the_old_version() {
    for (op, kind) in [("link", ErrorKind::Busy), ("exchange", ErrorKind::Denied), ("rename", ErrorKind::Denied)] {
        let mut world = world();
        world.traits.network.exchange = op != "rename";
        world.lay(NETWORK, "file", "old");
        world.lay(STAGING, "file", "newer");
        let action = world.write_to(NETWORK, "file");
        world.meddler.network.fail(op, "file", kind);
        assert!(matches!(one(&world.run(), action), Ending::Problem(_)), "{op}");
        assert_eq!(world.shown(NETWORK), tree(&[("file", "old")]), "{op}");
    }
}

/// `protected_hardlinks` refuses a link to another user's file: the old version then goes to the trash by rename.
#[test]
fn an_overwrite_without_the_right_to_link_is_kept_all_the_same() {
    let world = world();
    world.lay(NETWORK, "file", "old");
    world.lay(STAGING, "file", "newer");
    let action = world.write_to(NETWORK, "file");
    world.meddler.network.fail("link", "file", ErrorKind::Denied);
    assert!(matches!(one(&world.run(), action), Ending::Done { .. }));
    assert_eq!(world.shown(NETWORK), tree(&[("file", "newer")]));
    assert!(world.trashed(NETWORK).into_values().any(|content| content == "old"));
}

#[test]
fn a_link_that_cannot_be_finished_leaves_nothing() {
    let world = world();
    if !make_link("target", &world.file(STAGING, "link")) {
        return;
    }
    let action = world.write_to(NETWORK, "link");
    for op in ["make link", "touch", "rename"] {
        world.meddler.network.before_each(move |called, _| (called == op).then_some(ErrorKind::Unsupported));
        let ending = one(&world.run(), action.clone());
        assert!(matches!(&ending, Ending::Problem(it) if it.kind == ProblemKind::NotRepresentable), "{op}: {ending:?}");
        assert_eq!(world.shown(NETWORK), tree(&[]), "{op}");
    }
}

// Elsewhere files are flushed and shown one by one.
#[cfg(target_os = "linux")]
#[test]
fn a_chunk_that_halts_leaves_no_temporary_files() {
    let files: Vec<String> = (0..80).map(|n| format!("file{n:02}")).collect();
    for (op, at) in [("flush", ""), ("write", ".dl~"), ("rename", "file40")] {
        let mut world = world();
        world.flush = true;
        files.iter().for_each(|file| world.lay(STAGING, file, "content"));
        let actions: Vec<Action> = files.iter().map(|file| world.write_to(NETWORK, file)).collect();
        let mut left = 40;
        world.meddler.network.before_each(move |called, path| {
            let meant = called == op && path.contains(at);
            left -= i32::from(meant && op == "write");
            (meant && (op != "write" || left < 0)).then_some(ErrorKind::Full)
        });
        let (outcomes, halt) = carry(&world.run(), actions);
        assert!(matches!(halt, Some(Halt::Full { side: NETWORK, .. })), "{op}: {halt:?}");
        let shown = world.shown(NETWORK);
        assert!(shown.keys().all(|name| name.starts_with("file")), "{op}: {shown:?}");
        assert_eq!(outcomes.len(), shown.len(), "{op}: what is shown is reported");
        assert_eq!(shown.len(), if op == "rename" { 40 } else { 0 });
    }
}

/// What was shown before a chunk halted is durable before the base learns of it, and else is not told to it.
#[test]
fn what_was_shown_before_a_chunk_halted_counts_only_once_it_is_durable() {
    for (count, flush) in [(2, None), (2, Some(ErrorKind::Other)), (80, None), (80, Some(ErrorKind::Other))] {
        let mut world = world();
        world.flush = true;
        let files: Vec<String> = (0..count).map(|n| format!("file{n:02}")).collect();
        files.iter().for_each(|file| world.lay(STAGING, file, "content"));
        let actions: Vec<Action> = files.iter().map(|file| world.write_to(NETWORK, file)).collect();
        let flushed = Arc::new(AtomicBool::new(false));
        let (seen, mut full) = (flushed.clone(), false);
        world.meddler.network.before_each(move |called, path| match called {
            "rename" if path.contains("file01") => {
                full = true;
                Some(ErrorKind::Full)
            }
            "flush" if full => {
                seen.store(true, Ordering::Relaxed);
                flush
            }
            _ => None,
        });
        let (outcomes, halt) = carry(&world.run(), actions);
        assert!(matches!(halt, Some(Halt::Full { side: NETWORK, .. })), "{halt:?}");
        assert!(flushed.load(Ordering::Relaxed), "{count}: nothing was flushed after it");
        assert_eq!(outcomes.len(), usize::from(flush.is_none()), "{count}: {outcomes:?}");
        assert_eq!(world.shown(NETWORK), tree(&[("file00", "content")]));
    }
}

#[test]
fn a_stopped_copy_leaves_nothing() {
    let world = world();
    world.lay(STAGING, "file", "content");
    world.stop.store(true, Ordering::Relaxed);
    let (outcomes, halt) = carry(&world.run(), vec![world.write_to(NETWORK, "file")]);
    assert!(matches!(halt, Some(Halt::Stopped)) && outcomes.is_empty());
    assert_eq!(world.shown(NETWORK), tree(&[]));
}

#[test]
fn what_a_killed_run_left_is_replaced() {
    let world = world();
    world.lay(STAGING, "file", "content");
    let names = if make_link("target", &world.file(STAGING, "link")) { &["file", "link"][..] } else { &["file"] };
    let run = world.run();
    for name in names {
        let temp = run.temp_name(&path(name), &world.found(STAGING, name).stamp);
        world.lay(NETWORK, &String::from_utf8_lossy(&temp), "half of something longer than it");
    }
    for name in names {
        done(one(&run, world.write_to(NETWORK, name)));
    }
    assert_eq!(world.shown(NETWORK), tree(&[("file", "content"), ("link", "-> target")][..names.len()]));
}

#[cfg(unix)]
#[test]
fn holes_are_copied_as_holes() {
    use std::os::unix::fs::MetadataExt;
    let world = world();
    let file = fs::File::create(world.file(STAGING, "file")).expect("a file");
    file.set_len(3 << 20).expect("a hole");
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 1 << 20).expect("written");
    let (base, tally) = done(one(&world.run(), world.write_to(NETWORK, "file")));
    assert_eq!(tally, Tally::File { bytes: 3 << 20, revived: false });
    let content = fs::read(world.file(NETWORK, "file")).expect("read");
    assert_eq!(content, fs::read(world.file(STAGING, "file")).expect("read"));
    assert_eq!(base.entry.digest(), Some(crate::model::digest::of(&content)), "holes count as zeros");
    let blocks = fs::metadata(world.file(NETWORK, "file")).expect("a stat").blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks are allocated");
}
