//! Deletes and kind changes: what somebody changed or added stays.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::model::finding::ProblemKind;
use crate::model::ignore::Patterns;
use crate::transfer::structure::StructureEnd;
use crate::transfer::{carry_structure, delete_each, trash};

/// The endings of deletes, in path order.
pub(super) fn delete(run: &Run<'_>, actions: Vec<Action>) -> Vec<Ending> {
    let mut endings = Vec::new();
    let mut tell = |outcome: Outcome| {
        endings.push(outcome.result);
        Ok(())
    };
    delete_each(run, &Patterns::none(), &actions, &mut tell).expect("the root is there");
    endings.reverse();
    endings
}

fn all_gone(endings: &[Ending]) -> bool {
    endings.iter().all(|ending| matches!(ending, Ending::Done { learnt: crate::transfer::Learnt::Forget, .. }))
}

#[test]
fn what_is_deleted_is_in_the_trash() {
    for side in Side::BOTH {
        let world = world();
        world.lay(side, "a/b/file", "old");
        world.lay(side, "a/other", "too");
        let actions = ["a", "a/b", "a/b/file", "a/other"].map(|at| world.delete_at(side, at)).to_vec();
        let run = world.run();
        let endings = delete(&run, actions.clone());
        assert!(all_gone(&endings), "{endings:?}");
        assert!(world.shown(side).is_empty());
        let kept = tree(&[("a/", ""), ("a/b/", ""), ("a/b/file", "old"), ("a/other", "too")]);
        assert_eq!(world.trashed(side), kept);
        assert!(all_gone(&delete(&run, actions)), "gone already is gone");
        world.lay(side, "a/other", "again");
        assert!(all_gone(&delete(&run, vec![world.delete_at(side, "a/other")])));
        assert_eq!(world.trashed(side)["a/other~2"], "again", "a second version of a name keeps the first");
    }
}

#[test]
fn a_trash_that_was_taken_away_in_the_middle_is_made_again() {
    let world = world();
    world.lay(NETWORK, "a/one", "1");
    world.lay(NETWORK, "a/b/two", "2");
    world.lay(NETWORK, "c/three", "3");
    let run = world.run();
    assert!(all_gone(&delete(&run, vec![world.delete_at(NETWORK, "c/three")])));
    world.lay(NETWORK, "c/four", "4");
    assert!(all_gone(&delete(&run, vec![world.delete_at(NETWORK, "a/one")])));
    fs::remove_dir_all(world.file(NETWORK, ".driftless/trash/run")).expect("removed");
    assert!(all_gone(&delete(&run, vec![world.delete_at(NETWORK, "a/b/two")])));
    assert!(all_gone(&delete(&run, vec![world.delete_at(NETWORK, "c/four")])), "a folder that was there before");
    let kept = [("a/", ""), ("a/b/", ""), ("a/b/two", "2"), ("c/", ""), ("c/four", "4")];
    assert_eq!(world.trashed(NETWORK), tree(&kept));
}

#[test]
fn a_changed_file_stays() {
    let world = world();
    world.lay(NETWORK, "file", "old");
    let action = world.delete_at(NETWORK, "file");
    world.lay(NETWORK, "file", "edited");
    let endings = delete(&world.run(), vec![action]);
    assert!(matches!(endings[..], [Ending::Later(_)]), "{endings:?}");
    assert_eq!(world.shown(NETWORK), tree(&[("file", "edited")]));
    let action = world.delete_at(NETWORK, "file");
    let at = world.file(NETWORK, "file");
    world.meddler.network.once("rename", "file", move || fs::write(at, "edited again").expect("written"));
    let endings = delete(&world.run(), vec![action]);
    assert!(matches!(endings[..], [Ending::Later(_)]), "{endings:?}");
    assert_eq!(world.shown(NETWORK), tree(&[("file", "edited again")]), "edited at the last moment");
    assert!(world.trashed(NETWORK).is_empty());
}

#[test]
fn a_folder_with_something_new_inside_stays_and_junk_goes_along() {
    let world = world();
    world.lay(NETWORK, "a/file", "old");
    let actions = ["a", "a/file"].map(|at| world.delete_at(NETWORK, at)).to_vec();
    world.lay(NETWORK, "a/__pycache__/x.pyc", "junk");
    world.lay(NETWORK, "a/.DS_Store", "junk");
    world.lay(NETWORK, "a/new", "new");
    let endings = delete(&world.run(), actions.clone());
    assert!(matches!(endings[..], [Ending::Later(_), Ending::Done { .. }]), "{endings:?}");
    assert_eq!(world.shown(NETWORK)["a/new"], "new");
    assert_eq!(world.shown(NETWORK)["a/.DS_Store"], "junk", "where the folder stays its junk stays");
    fs::remove_file(world.file(NETWORK, "a/new")).expect("removed");
    let endings = delete(&world.run(), actions);
    assert!(all_gone(&endings), "{endings:?}");
    assert!(world.shown(NETWORK).is_empty(), "{:?}", world.shown(NETWORK));
    assert_eq!(world.trashed(NETWORK)["a/__pycache__/x.pyc"], "junk");
}

#[test]
fn what_is_there_again_on_the_side_that_deleted_it_stays_on_the_other() {
    for side in Side::BOTH {
        let world = world();
        world.lay(side, "a/file", "old");
        world.lay(side, "b/file", "old");
        let actions = ["a", "a/file", "b", "b/file"].map(|at| world.delete_at(side, at)).to_vec();
        // Made again since the look.
        world.lay(side.other(), "a/file", "again");
        let endings = delete(&world.run(), actions);
        assert!(matches!(endings[..2], [Ending::Later(_), Ending::Later(_)]), "{endings:?}");
        assert!(all_gone(&endings[2..]), "{endings:?}");
        assert_eq!(world.shown(side), tree(&[("a/", ""), ("a/file", "old")]));
    }
}

/// A folder at the network root that a file replaces.
fn replaced() -> (World, Action) {
    let world = world();
    world.lay(NETWORK, "thing/sub/old", "old");
    world.lay(STAGING, "thing", "a file now");
    let action = world.write_to(NETWORK, "thing");
    (world, action)
}

#[test]
fn a_folder_that_a_file_replaces_goes_to_the_trash_whole() {
    let (world, action) = replaced();
    done(one(&world.run(), action));
    assert_eq!(world.shown(NETWORK), tree(&[("thing", "a file now")]));
    assert_eq!(world.trashed(NETWORK), tree(&[("thing/", ""), ("thing/sub/", ""), ("thing/sub/old", "old")]));
}

#[test]
fn a_folder_in_which_something_changed_just_now_is_put_back() {
    type Change = fn(&World);
    let changes: [(&str, Change); 4] = [
        ("edited", |world| world.lay(NETWORK, "thing/sub/old", "edited")),
        ("added", |world| world.lay(NETWORK, "thing/sub/new", "new")),
        ("added at the top", |world| world.lay(NETWORK, "thing/new", "new")),
        ("removed", |world| fs::remove_file(world.file(NETWORK, "thing/sub/old")).expect("removed")),
    ];
    for (name, change) in changes {
        let (mut world, action) = replaced();
        world.lay(NETWORK, ".driftless/clock", "");
        world.began = world.found(NETWORK, ".driftless/clock").stamp.mtime;
        change(&world);
        let before = world.shown(NETWORK);
        let ending = one(&world.run(), action);
        assert!(matches!(&ending, Ending::Problem(problem) if problem.kind == ProblemKind::Busy), "{name}: {ending:?}");
        assert_eq!(world.shown(NETWORK), before, "{name}");
        assert!(world.trashed(NETWORK).is_empty());
    }
}

fn structure(world: &World, action: Action) -> StructureEnd {
    carry_structure(&world.run(), action).expect("the root is there")
}

#[test]
fn a_file_that_a_folder_replaces_is_kept_and_left_where_it_changed() {
    let world = world();
    world.lay(NETWORK, "thing", "old");
    world.lay(STAGING, "thing/inner", "x");
    let action = world.write_to(NETWORK, "thing");
    world.lay(NETWORK, "thing", "edited");
    let mut end = structure(&world, action);
    met(end.chunk.outcomes.remove(0).result, NETWORK);
    assert_eq!(world.shown(NETWORK), tree(&[("thing", "edited")]));
    let end = structure(&world, world.write_to(NETWORK, "thing"));
    assert!(end.made.is_some());
    assert_eq!(world.shown(NETWORK), tree(&[("thing/", "")]));
    assert_eq!(world.trashed(NETWORK), tree(&[("thing", "edited")]));
}

/// `old` was renamed to `new` in staging; the network still has `old`.
fn moved() -> (World, Action) {
    let world = world();
    world.lay(NETWORK, "old", "content");
    world.lay(STAGING, "new", "content");
    let (expect, found) = (world.found(NETWORK, "old"), world.found(STAGING, "new"));
    let action = action("new", Op::Rename { side: NETWORK, from: path("old"), expect, found });
    (world, action)
}

#[test]
fn a_rename_takes_the_time_of_the_side_that_moved_it() {
    let (world, action) = moved();
    let end = structure(&world, action);
    assert!(end.instead.is_none() && end.chunk.outcomes.is_empty() && !end.chunk.pending.is_empty());
    assert_eq!(world.shown(NETWORK), tree(&[("new", "content")]));
    assert_eq!(world.found(NETWORK, "new").entry.mtime, world.found(STAGING, "new").entry.mtime);
}

#[test]
fn a_rename_of_what_is_not_as_expected_moves_nothing() {
    let (world, action) = moved();
    world.lay(NETWORK, "new", "taken");
    let end = structure(&world, action.clone());
    assert!(matches!(&end.chunk.outcomes[0].result, Ending::Problem(problem) if problem.kind == ProblemKind::Taken));
    assert_eq!(world.shown(NETWORK), tree(&[("new", "taken"), ("old", "content")]));
    fs::remove_file(world.file(NETWORK, "new")).expect("removed");
    let (at, aside) = (world.file(NETWORK, "old"), world.file(NETWORK, ".driftless/editor"));
    world.meddler.network.once("rename", "old", move || {
        fs::write(&aside, "swapped in").expect("written");
        fs::rename(&aside, &at).expect("swapped in");
    });
    let mut end = structure(&world, action.clone());
    met(end.chunk.outcomes.remove(0).result, NETWORK);
    assert_eq!(world.shown(NETWORK), tree(&[("old", "swapped in")]), "put back");
    let mut end = structure(&world, action);
    met(end.chunk.outcomes.remove(0).result, NETWORK);
    assert_eq!(world.shown(NETWORK), tree(&[("old", "swapped in")]));
}

#[test]
fn a_rename_waits_where_the_old_name_is_there_again() {
    let (world, action) = moved();
    world.lay(STAGING, "old", "again");
    let end = structure(&world, action);
    let ending = &end.chunk.outcomes[0].result;
    assert!(
        matches!(ending, Ending::Problem(problem) if problem.side == STAGING && problem.kind == ProblemKind::Busy),
        "{ending:?}"
    );
    assert_eq!(world.shown(NETWORK), tree(&[("old", "content")]));
}

#[test]
fn folders_of_the_trash_are_made_ahead_and_go_where_nobody_needs_them() {
    let world = world();
    let (name, wanted) = (world.run().trash_name, BTreeSet::from(["a", "b/c", "d/e"].map(path)));
    let ahead = |over| trash::make_ahead(&*world.roots.network, &name, &wanted, &AtomicBool::new(over));
    let held = || world.trashed(Side::Network).into_keys().collect::<Vec<_>>();
    let top = world.file(Side::Network, ".driftless/trash/run");
    let mut late = ahead(true);
    assert!(top.exists() && held().is_empty(), "one that is late makes no more than the run's own");
    trash::remove_spare(&*world.roots.network, &mut late);
    assert!(!top.exists(), "of which the trash has nothing");

    world.lay(Side::Network, "a/file", "old");
    fs::create_dir_all(world.file(Side::Network, "b/c")).expect("a folder without anything in it");
    let mut run = world.run();
    run.trash_made.network = Mutex::new(ahead(false));
    assert_eq!(held(), ["a/", "b/", "b/c/", "d/", "d/e/"]);
    assert!(all_gone(&delete(&run, ["a/file", "b/c"].map(|at| world.delete_at(Side::Network, at)).to_vec())));
    trash::remove_spare(&*world.roots.network, run.trash_made.network.get_mut().expect("whole"));
    assert_eq!(held(), ["a/", "a/file", "b/", "b/c/"]);
}
