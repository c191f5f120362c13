//! Creations and overwrites: what appears is whole, and what stood there is kept or left.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use super::*;
use crate::disk::ErrorKind;
use crate::disk::clock::pause;
use crate::disk::clock::simulated::Simulated;
use crate::model::entry::Content;
use crate::model::finding::ProblemKind;
#[cfg(unix)]
use crate::transfer::{carry_structure, finish_folders};

#[cfg(unix)]
#[test]
fn what_is_written_is_what_was_found_with_time_and_mode() {
    let world = world();
    world.lay(STAGING, "file", "content");
    fs::set_permissions(world.file(STAGING, "file"), fs::Permissions::from_mode(0o664)).expect("a mode");
    symlink("../anywhere", world.file(STAGING, "link")).expect("a link");
    let run = world.run();
    let (outcomes, halt) = carry(&run, vec![world.write_to(NETWORK, "file"), world.write_to(NETWORK, "link")]);
    assert!(halt.is_none() && outcomes.len() == 2, "{outcomes:?}");
    assert_eq!(world.shown(NETWORK), tree(&[("file", "content"), ("link", "-> ../anywhere")]));
    for name in ["file", "link"] {
        let [ours, theirs] = [STAGING, NETWORK].map(|side| fs::symlink_metadata(world.file(side, name)).expect("a stat"));
        assert_eq!((ours.mtime(), ours.mtime_nsec(), ours.mode()), (theirs.mtime(), theirs.mtime_nsec(), theirs.mode()));
    }
    for outcome in outcomes {
        let (base, _) = done(outcome.result);
        let name = outcome.path.to_string();
        assert_eq!(base.stamps.network.map(|it| it.stamp), Some(world.found(NETWORK, &name).stamp), "the stamp is read back");
        assert_eq!(base.stamps.staging.map(|it| it.stamp), Some(world.found(STAGING, &name).stamp));
        if name == "file" {
            assert_eq!(base.entry.digest(), Some(crate::model::digest::of(b"content")));
        }
    }
    assert!(world.trashed(NETWORK).is_empty());
}

#[test]
fn what_a_file_has_beside_its_content_is_told_once_and_the_copy_counts() {
    let world = world();
    for file in ["file", "plain"] {
        world.lay(STAGING, file, "content");
    }
    world.meddler.staging.fail("left behind", "file", ErrorKind::Other);
    let actions = ["file", "plain"].map(|file| world.write_to(NETWORK, file)).into();
    let (outcomes, halt) = carry(&world.run(), actions);
    assert!(halt.is_none());
    let notes: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match &outcome.result {
            Ending::Noted(note) => Some((note.path.to_string(), note.message.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(notes, [("file".to_owned(), "has more than its content")]);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome.result, Ending::Done { .. })).count(), 2);
}

/// An old answer of a cache told of another size.
#[test]
fn what_stands_there_already_is_not_displaced() {
    let world = world();
    for side in [STAGING, NETWORK] {
        world.lay(side, "file", "content");
    }
    let mut action = world.write_to(NETWORK, "file");
    let Op::Write { expect: Seen::There(old), .. } = &mut action.op else { panic!("an overwrite") };
    old.entry.content = Content::File { size: 7, digest: Some(crate::model::digest::of(b"content")) };
    let before = world.found(NETWORK, "file").stamp;
    let ending = one(&world.run(), action);
    assert!(matches!(ending, Ending::Later(_)), "{ending:?}");
    assert_eq!(world.found(NETWORK, "file").stamp, before);
    assert_eq!(world.shown(NETWORK), tree(&[("file", "content")]));
    assert!(world.trashed(NETWORK).is_empty());
}

#[test]
fn a_creation_never_replaces_what_appeared_meanwhile() {
    for link in [false, true] {
        let world = world();
        match link {
            false => world.lay(STAGING, "new", "ours"),
            true if !make_link("ours", &world.file(STAGING, "new")) => continue,
            true => {}
        }
        let action = world.write_to(NETWORK, "new");
        let at = world.file(NETWORK, "new");
        world.meddler.network.once("rename", "new", move || fs::write(at, "theirs").expect("appeared"));
        let there = met(one(&world.run(), action), NETWORK);
        assert_eq!(there, world.seen(NETWORK, "new"));
        assert_eq!(world.shown(NETWORK), tree(&[("new", "theirs")]));
        assert!(world.trashed(NETWORK).is_empty());
    }
}

/// All ways in which a root can replace.
fn ways() -> [Traits; 3] {
    let plain = Traits { exchange: cfg!(unix), ..Traits::LOCAL };
    [plain, Traits { exchange: false, ..plain }, Traits { hard_links: false, exchange: false, ..plain }]
}

#[test]
fn an_overwrite_keeps_the_old_version() {
    for (side, traits) in [NETWORK, STAGING].into_iter().flat_map(|side| ways().map(|traits| (side, traits))) {
        let mut world = world();
        world.traits[side] = traits;
        world.lay(side, "a/file", "old");
        world.lay(side.other(), "a/file", "newer");
        done(one(&world.run(), world.write_to(side, "a/file")));
        assert_eq!(world.shown(side), tree(&[("a/", ""), ("a/file", "newer")]));
        assert_eq!(world.trashed(side), tree(&[("a/", ""), ("a/file", "old")]), "{traits:?}");
    }
}

#[test]
fn an_overwrite_leaves_what_changed_since_the_scan() {
    for traits in ways() {
        let mut world = world();
        world.traits.network = traits;
        world.lay(NETWORK, "file", "old");
        world.lay(STAGING, "file", "newer");
        let action = world.write_to(NETWORK, "file");
        world.lay(NETWORK, "file", "theirs");
        met(one(&world.run(), action.clone()), NETWORK);
        assert_eq!(world.shown(NETWORK), tree(&[("file", "theirs")]));
        fs::remove_file(world.file(NETWORK, "file")).expect("removed");
        assert_eq!(met(one(&world.run(), action), NETWORK), Seen::Absent);
        assert_eq!(world.shown(NETWORK), tree(&[]));
        assert!(world.trashed(NETWORK).is_empty());
    }
}

/// Somebody's editor replaces the file by rename.
fn swap_in(world: &World, content: &'static str) -> impl FnOnce() + Send + use<> {
    let (at, aside) = (world.file(NETWORK, "file"), world.file(NETWORK, ".driftless/editor"));
    move || {
        fs::write(&aside, content).expect("written");
        fs::rename(&aside, &at).expect("swapped in");
    }
}

#[test]
fn a_version_swapped_in_at_the_last_moment_is_put_back() {
    let rename_only = Traits { hard_links: false, exchange: false, ..Traits::LOCAL };
    let by_rename = ("rename", rename_only);
    let exchanged = ("exchange", Traits::LOCAL);
    let own = Traits { exchange: cfg!(unix), ..Traits::LOCAL };
    for (op, traits) in [("link", own), exchanged, by_rename].into_iter().filter(|(op, _)| cfg!(unix) || *op != "exchange") {
        let mut world = world();
        world.traits.network = traits;
        world.lay(NETWORK, "file", "old");
        world.lay(STAGING, "file", "newer");
        let action = world.write_to(NETWORK, "file");
        world.meddler.network.once(op, "file", swap_in(&world, "theirs"));
        met(one(&world.run(), action), NETWORK);
        assert_eq!(world.shown(NETWORK), tree(&[("file", "theirs")]), "{op}");
        assert!(world.trashed(NETWORK).is_empty(), "{op}: {:?}", world.trashed(NETWORK));
    }
}

// Where names cannot be exchanged there is no such moment.
#[cfg(unix)]
#[test]
fn a_version_that_cannot_be_looked_at_is_not_removed() {
    let world = world();
    world.lay(NETWORK, "file", "old");
    world.lay(STAGING, "file", "newer");
    let action = world.write_to(NETWORK, "file");
    let mut swap = Some(swap_in(&world, "theirs"));
    world.meddler.network.before_each(move |op, path| match op {
        "exchange" => {
            if let Some(swap) = swap.take() {
                swap();
            }
            None
        }
        "look" if swap.is_none() && path.starts_with(".dl~") => Some(ErrorKind::Other),
        _ => None,
    });
    assert!(matches!(one(&world.run(), action), Ending::Problem(_)));
    assert!(world.shown(NETWORK).values().any(|content| content == "theirs"), "lost: {:?}", world.shown(NETWORK));
    assert_eq!(world.shown(NETWORK)["file"], "theirs");
}

// Where names cannot be exchanged there is no such moment.
#[cfg(unix)]
#[test]
fn a_third_version_between_two_exchanges_is_not_removed() {
    let world = world();
    world.lay(NETWORK, "file", "old");
    world.lay(STAGING, "file", "newer");
    let action = world.write_to(NETWORK, "file");
    let mut swaps = vec![swap_in(&world, "third"), swap_in(&world, "second")];
    world.meddler.network.before_each(move |op, _| {
        if op == "exchange"
            && let Some(swap) = swaps.pop()
        {
            swap();
        }
        None
    });
    one(&world.run(), action);
    let kept: Vec<_> = world.shown(NETWORK).into_values().chain(world.trashed(NETWORK).into_values()).collect();
    assert!(["second", "third"].iter().all(|version| kept.iter().any(|content| content == version)), "{kept:?}");
}

#[test]
fn a_file_that_is_open_for_writing_is_not_replaced_in_staging() {
    let world = world();
    world.lay(STAGING, "file", "old");
    world.lay(NETWORK, "file", "newer");
    let action = world.write_to(STAGING, "file");
    world.lay(STAGING, "gone", "old");
    let delete = world.delete_at(STAGING, "gone");
    let open = |name| fs::OpenOptions::new().append(true).open(world.file(STAGING, name)).expect("opened");
    let writing = (open("file"), open("gone"));
    let run = world.run();
    world.meddler.staging.fail("holders", "file", ErrorKind::Other);
    let named = |problem: &crate::model::finding::Problem| problem.message.contains("Editor");
    assert!(
        matches!(one(&run, action.clone()), Ending::Problem(problem) if problem.kind == ProblemKind::Busy && named(&problem))
    );
    assert_eq!(world.shown(STAGING), tree(&[("file", "old"), ("gone", "old")]));
    let deleted = removes::delete(&run, vec![delete]);
    assert!(matches!(&deleted[..], [Ending::Problem(problem)] if problem.kind == ProblemKind::Busy), "{deleted:?}");
    drop(writing);
    done(one(&run, action));
    assert_eq!(world.shown(STAGING), tree(&[("file", "newer"), ("gone", "old")]));
}

#[cfg(unix)]
#[test]
fn folders_get_their_time_and_mode_when_they_are_filled() {
    let world = world();
    world.lay(STAGING, "a/file", "x");
    for mode in [0o775, 0o2770, 0o555, 0o777] {
        fs::set_permissions(world.file(STAGING, "a"), fs::Permissions::from_mode(mode)).expect("a mode");
        filetime_of(&world, "a", 1_000_000_000);
        let run = world.run();
        let end = carry_structure(&run, world.write_to(NETWORK, "a")).expect("the root is there");
        done(one(&run, world.write_to(NETWORK, "a/file")));
        finish_folders(&run, end.made.into_iter().collect()).expect("the root is there");
        let meta = fs::metadata(world.file(NETWORK, "a")).expect("a stat");
        assert_eq!((meta.mode() & 0o7777, meta.mtime()), (mode, 1_000_000_000), "{mode:o}");
        fs::remove_dir_all(world.file(NETWORK, "a")).expect("again");
    }
}

#[cfg(unix)]
fn filetime_of(world: &World, at: &str, seconds: i64) {
    let folder = world.roots.staging.folder(&path(at)).expect("opened");
    folder.touch_self(Some(Time::from_parts(seconds, 0)), None).expect("its time");
}

#[test]
fn what_was_written_vouches_once_it_has_rested() {
    for (began, racy) in [(Time(0), true), (Time(i64::MAX), false)] {
        let mut world = world();
        world.began = began;
        world.lay(STAGING, "file", "content");
        let (base, _) = done(one(&world.run(), world.write_to(NETWORK, "file")));
        assert_eq!(base.stamps.network.map(|own| own.racy), Some(racy));
    }
}

/// Where the machine stood still after the clock was asked, it is known to be earlier than it is.
#[test]
fn a_clock_that_lags_is_waited_for_within_a_bound() {
    use crate::disk::sim::{Habits, World as Simulation};
    for (lag_ms, racy) in [(25, false), (500, true)] {
        let mut world = world();
        world.lay(STAGING, "file", "content");
        let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = fs::File::options().write(true).open(world.file(STAGING, "file")).expect("opened");
        file.set_modified(long_ago).expect("its time");
        let simulation = Simulation::new(1);
        let _held = simulation.hold();
        world.roots.network = simulation.volume("network", Habits::LOCAL).open().expect("opened");
        world.began = Time(simulation.now().0 - lag_ms * 1_000_000);
        let run = world.run();
        let end = carry_chunk(&run, vec![world.write_to(NETWORK, "file")]).unwrap_or_else(|ended| panic!("{:?}", ended.0));
        let (base, _) = done(restamp(&run, end.pending, true).expect("stamps read").remove(0).result);
        assert_eq!(base.stamps.network.map(|own| own.racy), Some(racy), "{lag_ms}");
    }
}

/// Of the very size, between the moment at which ours is shown and the look: on a coarse clock it has the time that ours was given.
#[test]
fn what_is_shown_within_a_step_of_its_time_does_not_vouch() {
    let coarse =
        Traits { granularity_ns: 1_000_000_000, clock_step_ns: 1_000_000_000, ctime: false, ids: false, ..Traits::LOCAL };
    for (age_ms, racy) in [(200, true), (1_800, false)] {
        let mut world = world();
        world.traits.network = Traits { remote: true, exchange: false, links: false, modes: false, ..coarse };
        let names = ["one", "two"];
        names.iter().for_each(|name| world.lay(STAGING, name, "ours"));
        let saved = world.found(STAGING, "two").stamp.mtime;
        let _held = Simulated::begin(saved, 1);
        world.began = Time(saved.0 + age_ms * 1_000_000);
        let run = world.run();
        let actions = names.map(|name| world.write_to(NETWORK, name)).to_vec();
        let end = carry_chunk(&run, actions).unwrap_or_else(|ended| panic!("{:?}", ended.0));
        pause(Duration::from_secs(5));
        for outcome in restamp(&run, end.pending, true).expect("stamps read") {
            let (base, _) = done(outcome.result);
            assert_eq!(base.stamps.network.map(|own| own.racy), Some(racy), "{age_ms}");
        }
    }
}

/// Of the very size, and before our stamp was read again.
#[test]
fn an_edit_right_after_a_write_is_not_taken_for_what_was_written() {
    for remote in [false, true] {
        let mut world = world();
        world.traits.network.remote = remote;
        world.lay(STAGING, "file", "ours");
        let run = world.run();
        let end = carry_chunk(&run, vec![world.write_to(NETWORK, "file")]).unwrap_or_else(|ended| panic!("{:?}", ended.0));
        world.lay(NETWORK, "file", "them");
        let (base, _) = done(restamp(&run, end.pending, false).expect("stamps read").remove(0).result);
        let edited = world.found(NETWORK, "file").stamp;
        let vouches =
            base.stamps.network.is_some_and(|own| crate::model::vouch::vouches(Some(&own), &edited, &run.traits.network));
        assert!(!vouches, "remote: {remote}");
        assert_eq!(base.entry.digest(), Some(crate::model::digest::of(b"ours")));
    }
}

/// The first stamp of a chunk stands for all: what the server makes of the others afterwards is not taken for what was written.
#[test]
fn a_server_that_restamps_all_but_the_first_costs_a_look_and_nothing_else() {
    use crate::model::vouch::vouches;
    let mut world = world();
    world.traits.network = Traits { remote: true, ctime: false, ids: false, ..world.traits.network };
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| world.lay(STAGING, name, "ours"));
    let run = world.run();
    let actions = names.map(|name| world.write_to(NETWORK, name)).to_vec();
    let end = carry_chunk(&run, actions).unwrap_or_else(|ended| panic!("{:?}", ended.0));
    let restamp_at_server = |name: &str| {
        let folder = world.roots.network.folder(&RelPath::root()).expect("the root");
        folder
            .touch(&Name::new(name.as_bytes()).expect("a name"), Some(Time::from_parts(1_700_000_000, 0)), None)
            .expect("restamped");
    };
    restamp_at_server("b");
    world.lay(NETWORK, "c", "edited by somebody");
    let looks = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    world.meddler.network.before_each(move |op, _| {
        counted.fetch_add((op == "look").into(), std::sync::atomic::Ordering::Relaxed);
        None
    });
    let outcomes = restamp(&run, end.pending, false).expect("stamps read");
    assert_eq!(looks.load(std::sync::atomic::Ordering::Relaxed), 1, "one speaks for all");
    let believed = outcomes.into_iter().map(|outcome| {
        let shown = world.found(NETWORK, &outcome.path.to_string()).stamp;
        let (base, _) = done(outcome.result);
        assert_eq!(base.entry.digest(), Some(crate::model::digest::of(b"ours")), "{}", outcome.path);
        vouches(base.stamps.network.as_ref(), &shown, &run.traits.network)
    });
    assert_eq!(believed.collect::<Vec<_>>(), [true, false, false, true]);
}

#[test]
fn a_touch_changes_only_what_it_expected() {
    let world = world();
    world.lay(NETWORK, "file", "same");
    let expect = world.found(NETWORK, "file");
    let base = Box::new(Base { entry: expect.entry.clone(), stamps: PerSide::default(), sent: None });
    let touch = |expect| Op::Touch { side: NETWORK, expect, mtime: Some(Time(500)), mode: Some(0o600), base: base.clone() };
    let (base, tally) = done(one(&world.run(), action("file", touch(expect.clone()))));
    assert_eq!(tally, Tally::Metadata);
    assert!(base.stamps.network.is_some_and(|own| own.racy), "an edit just before it shows that time as well");
    let touched = world.found(NETWORK, "file");
    assert_eq!((touched.entry.mtime, touched.entry.mode), (Time(500), if cfg!(unix) { 0o600 } else { 0o644 }));
    met(one(&world.run(), action("file", touch(expect))), NETWORK);
}
