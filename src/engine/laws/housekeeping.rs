//! What a run does at the roots beside its work, and how seldom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::play::Play;
use super::rare::{begun, run};
use super::script::{Kind, Shape};
use crate::engine::trash;
use crate::model::path::RelPath;
use crate::model::side::Side;

/// All of a trash is looked through once an hour, or when what came could fill it.
#[test]
fn a_trash_is_not_looked_through_with_each_run() {
    let mut play = begun(1);
    let listings = |play: &mut Play, content: &[u8]| {
        play.work(Side::Staging, |user| user.write("a/file", content));
        let listed = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&listed);
        play.world.before_each(move |call| {
            seen.fetch_add(u32::from(call.op == "list" && call.path.to_string().contains("trash/")), Ordering::Relaxed);
            None
        });
        run(play);
        play.world.leave_alone();
        listed.load(Ordering::Relaxed) > 0
    };
    assert!(listings(&mut play, b"another"), "the first time");
    assert!(!listings(&mut play, b"one more"));
    play.world.advance(3_600_000_000_000);
    assert!(listings(&mut play, b"and more"), "an hour later");
    play.options.trash_max = Some(16);
    assert!(listings(&mut play, b"other limits"));
    assert!(listings(&mut play, b"it is full"));
}

/// A run that was cut off may have left an empty folder: it does not pass for the newest one, which stays whatever it weighs.
#[test]
fn the_newest_run_that_keeps_something_stays() {
    let mut play = begun(1);
    play.options.trash_max = Some(1);
    play.work(Side::Staging, |user| user.write("a/file", b"another"));
    run(&mut play);
    let two_hours = 7_200_000_000_000;
    play.world.advance(two_hours);
    play.volumes.network.user().make_folder(".driftless/trash/20300102T030405Z-lab-8-000042").expect("made");
    play.world.advance(two_hours);
    // As the watch process looks, which does so also where nothing came.
    play.options.watched.entering = Some(Arc::new(|_, _| {}));
    run(&mut play);
    let kept = trash::list(&play.pair, &play.options, Some(Side::Network), &RelPath::root()).expect("listed").entries;
    assert_eq!(kept.iter().map(|kept| kept.path.to_string()).collect::<Vec<_>>(), ["a/file"]);
}

/// What killed runs left in a root's own folder is looked for once an hour.
#[test]
fn the_own_folder_is_not_listed_with_each_run() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Smb });
    let mut listed = |later: u64| {
        play.world.advance(later);
        let listed = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&listed);
        play.world.before_each(move |call| {
            seen.fetch_add(u32::from(call.op == "list" && call.path.to_string() == ".driftless"), Ordering::Relaxed);
            None
        });
        run(&mut play);
        play.world.leave_alone();
        listed.load(Ordering::Relaxed)
    };
    assert_eq!([0, 60, 3600, 60].map(|seconds| listed(seconds * 1_000_000_000)), [2, 0, 2, 0]);
}

/// The folders that the trash of a far root is going to need are made while the lease is taken: none in the way of a folder that is
/// kept as a whole.
#[test]
fn folders_of_a_far_trash_that_are_made_ahead_are_in_nobodys_way() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Smb });
    play.options.threads = Some(8);
    play.work(Side::Staging, |user| {
        ["a", "b", "c/deep", "d"].iter().try_for_each(|folder| user.make_folders(folder))?;
        ["a/one", "b/two", "c/deep/three", "d/four", "five"].iter().try_for_each(|file| user.write(file, file.as_bytes()))
    });
    run(&mut play);
    play.work(Side::Staging, |user| {
        ["b", "c"].iter().try_for_each(|folder| user.delete_all(folder))?;
        ["a/one", "c", "five"].iter().try_for_each(|file| user.write(file, b"another"))?;
        user.delete("d/four")
    });
    run(&mut play);
    let kept = trash::list(&play.pair, &play.options, Some(Side::Network), &RelPath::root()).expect("listed").entries;
    let kept: Vec<String> = kept.iter().map(|kept| kept.path.to_string()).collect();
    assert_eq!(kept, ["a/one", "b/two", "c/deep/three", "d/four", "five"]);
}
