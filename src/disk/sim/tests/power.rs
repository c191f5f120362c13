//! What a crash leaves.

use std::collections::BTreeSet;

use super::*;
use crate::disk::Onto;
use crate::disk::sim::{Crash, Flush, Show};

#[test]
fn a_killed_process_leaves_everything_that_it_did() {
    let volume = volume(Habits::LOCAL);
    let (root, top) = (root(&volume), top(&volume));
    write(&*top, "file", b"content", false).expect("written");
    let mut open = top.stage(&name("half")).expect("staged");
    open.write_all(b"ha").expect("written");
    let reader = top.read(&name("file")).expect("opened");
    volume.crash(Crash::Killed);
    assert_eq!(kind_of(top.list()), Some(ErrorKind::Gone));
    assert_eq!(kind_of(root.folder(&path(""))), Some(ErrorKind::Gone));
    assert_eq!(kind_of(root.still_there()), Some(ErrorKind::Gone));
    assert_eq!(kind_of(open.write_all(b"lf")), Some(ErrorKind::Gone));
    assert_eq!(kind_of(reader.node()), Some(ErrorKind::Gone));
    assert_eq!(names(&*super::top(&volume)), ["file", "half"]);
    assert_eq!(volume.user().read("file").expect("there"), b"content");
    drop(open);
    assert_eq!(super::top(&volume).has_writer(&name("half")).expect("asked"), Some(false));
}

/// Ten folders, then a rename within one call, then the removal of the first: what is left after a cut with this seed.
fn cut(seed: u64, flush_at: Option<usize>) -> Vec<String> {
    let volume = World::new(seed).volume("volume", Habits::LOCAL);
    let top = top(&volume);
    for at in 0..10 {
        top.make_folder(&name(&format!("{at}")), 0o755).expect("made");
        if flush_at == Some(at) {
            top.flush().expect("flushed");
        }
    }
    top.rename(&name("9"), &name("nine"), Onto::Nothing).expect("renamed");
    top.remove_folder(&name("0")).expect("removed");
    volume.crash(Crash::Power);
    names(&*super::top(&volume))
}

#[test]
fn a_power_cut_keeps_a_beginning_of_what_was_done() {
    let all = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"].map(str::to_owned);
    let mut states: Vec<Vec<String>> = (0..=10).map(|kept| all[..kept].to_vec()).collect();
    states.push(all[..9].iter().cloned().chain(["nine".to_owned()]).collect());
    states.push(all[1..9].iter().cloned().chain(["nine".to_owned()]).collect());
    let seen: BTreeSet<Vec<String>> = (0..300).map(|seed| cut(seed, None)).collect();
    assert_eq!(seen, states.iter().cloned().collect(), "each prefix and nothing else");
    let flushed: BTreeSet<Vec<String>> = (0..300).map(|seed| cut(seed, Some(6))).collect();
    assert_eq!(flushed, states[7..].iter().cloned().collect(), "a flush keeps all before it");
}

/// A file goes from one folder to another, and the first folder goes: is the file anywhere after a cut?
fn moved(seed: u64, names_in_order: bool, flush: Option<&str>) -> bool {
    let volume = World::new(seed).volume("volume", Habits { names_in_order, ..Habits::LOCAL });
    let user = volume.user();
    user.make_folders("from/emptied").expect("made");
    user.make_folder("to").expect("made");
    user.write("from/emptied/file", b"content").expect("written");
    let (root, top) = (root(&volume), top(&volume));
    root.rename(&path("from/emptied/file"), &path("to/file"), Onto::Nothing).expect("renamed");
    if let Some(folder) = flush {
        root.folder(&path(folder)).and_then(|folder| folder.flush()).expect("flushed");
    }
    root.folder(&path("from")).and_then(|folder| folder.remove_folder(&name("emptied"))).expect("removed");
    top.make_folder(&name("more"), 0o755).expect("made");
    volume.crash(Crash::Power);
    volume.names_of(b"content").safe() > 0
}

#[test]
fn folders_that_keep_no_order_among_them_lose_what_is_between_two() {
    let ever_lost = |names_in_order, flush| (0..50).any(|seed| !moved(seed, names_in_order, flush));
    assert!(!ever_lost(true, None), "a journal has them in order");
    assert!(ever_lost(false, None), "neither here nor there");
    assert!(ever_lost(false, Some("from")), "what another folder got is not flushed with it");
    assert!(!ever_lost(false, Some("to")), "flushed where it arrived");
}

/// What is left of a flushed `begun` and an unflushed rest, whose names are durable.
fn content(seed: u64, habits: Habits, late_flush: bool) -> Vec<u8> {
    let volume = World::new(seed).volume("volume", habits);
    let top = top(&volume);
    let mut writer = top.stage(&name("file")).expect("staged");
    writer.write_all(b"begun").expect("written");
    writer.pause(true).expect("flushed");
    writer.write_all(b" rest").expect("written");
    writer.finish(Time(1), None, late_flush).expect("finished");
    // Where a folder cannot be flushed its names are durable with the call.
    let _ = top.flush();
    volume.crash(Crash::Power);
    volume.user().read("file").unwrap_or_default()
}

#[test]
fn a_power_cut_takes_what_was_not_flushed_of_a_content() {
    let contents = |habits, late_flush| (0..200).map(|seed| content(seed, habits, late_flush)).collect::<BTreeSet<_>>();
    let all = contents(Habits::LOCAL, false);
    assert!(all.iter().all(|left| left.starts_with(b"begun")), "{all:?}");
    for left in [&b"begun rest"[..], b"begun", b"begun re", b"begun\0\0\0\0\0"] {
        assert!(all.contains(left), "{} never came", left.escape_ascii());
    }
    for habits in [Habits::LOCAL, Habits::SSHFS, Habits::SMB] {
        assert_eq!(contents(habits, true), BTreeSet::from([b"begun rest".to_vec()]));
    }
    let lies = contents(Habits { flush: Flush::Lies, ..Habits::LOCAL }, true);
    assert!(lies.contains(&b""[..]) && lies.contains(&b"begun rest"[..]), "a flush that lies proves nothing: {lies:?}");
}

#[test]
fn what_is_old_or_flushed_with_all_else_outlives_a_cut() {
    type Wait = fn(&Volume);
    let waits: [(Wait, bool); 4] = [
        (|volume| root(volume).flush_all().expect("flushed"), true),
        (|volume| volume.world.advance(31 * SECONDS), true),
        (Volume::remount, true),
        (|_| (), false),
    ];
    for (wait, survives) in waits {
        let outcomes: BTreeSet<Option<Vec<u8>>> = (0..30)
            .map(|seed| {
                let volume = World::new(seed).volume("volume", Habits::LOCAL);
                write(&*top(&volume), "file", b"content", false).expect("written");
                wait(&volume);
                volume.crash(Crash::Power);
                volume.user().read("file")
            })
            .collect();
        assert_eq!(outcomes == BTreeSet::from([Some(b"content".to_vec())]), survives, "{outcomes:?}");
    }
}

#[test]
fn what_users_do_is_durable_unless_they_are_lazy() {
    let left = |seed: u64, lazy: bool| {
        let world = World::new(seed);
        let volume = world.volume("volume", Habits::LOCAL);
        let user = if lazy { volume.user().lazily() } else { volume.user() };
        user.make_folder("folder").expect("made");
        user.write("folder/file", b"content").expect("written");
        world.crash(Crash::Power);
        assert!(world.losses().is_empty(), "what was never durable is no loss");
        (volume.lines(Show::default()).len(), volume.user().read("folder/file"))
    };
    for seed in 0..50 {
        assert_eq!(left(seed, false), (2, Some(b"content".to_vec())));
    }
    let lazy: BTreeSet<_> = (0..50).map(|seed| left(seed, true)).collect();
    assert!(lazy.len() > 3 && lazy.contains(&(0, None)), "{lazy:?}");
}
