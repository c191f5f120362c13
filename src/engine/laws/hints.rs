//! A run over hints does all that a run over everything would do, where the hints name what changed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::edits::Edit;
use super::play::{Ended, Play, told};
use super::script::{Step, any_edit, any_shape, any_side};
use crate::engine;
use crate::engine::report::{Counts, Report};
use crate::engine::request::{Deletes, Request};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::target::{Reach, Target};

type Shown = PerSide<BTreeMap<RelPath, Content>>;

fn shown(play: &Play) -> Shown {
    play.volumes.as_ref().map(|volume| volume.project().into_iter().collect())
}

/// As little as a watcher may tell: a folder that came, went or was moved is named alone, without what is in it.
fn hints(before: &Shown, after: &Shown) -> Vec<Target> {
    let mut hints = Vec::new();
    for side in Side::BOTH {
        let differs = |path: &RelPath| before[side].get(path) != after[side].get(path);
        let paths = before[side].keys().chain(after[side].keys());
        let topmost = |path: &&RelPath| differs(path) && !path.parent().is_some_and(|parent| differs(&parent));
        hints.extend(paths.filter(topmost).map(|path| {
            let file = [before, after].iter().all(|shown| matches!(shown[side].get(path), Some(Content::File { .. })));
            Target { path: path.clone(), reach: if file { Reach::Entry } else { Reach::Tree } }
        }));
    }
    hints
}

fn run(play: &mut Play, hints: Option<Vec<Target>>) -> Result<Report, String> {
    let request = Request { yes: true, hints, deletes: Deletes::Allow, ..Request::plain(Direction::Both) };
    match play.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop)) {
        Ended::Report(report) => Ok(*report),
        other => Err(told(&other)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hints_are_enough(shape in any_shape(), first in vec((any_side(), any_edit()), 0..12), then in vec((any_side(), any_edit()), 1..8)) {
        let is_looks = |edit: &Edit| matches!(edit, Edit::Chmod(..) | Edit::Touch(..));
        let mut play = Play::new(&shape);
        for (side, edit) in first {
            play.step(&Step::Edit(side, edit)).expect("nothing is lost");
        }
        play.step(&Step::Settle).expect("nothing is lost");
        play.step(&Step::Wait(60)).expect("nothing is lost");
        let paths = |report: Report| report.conflicts.into_iter().map(|conflict| conflict.path).collect::<BTreeSet<_>>();
        let rested = run(&mut play, None).expect("a report");
        // What could not be done is tried again with whatever comes.
        let again: Vec<Target> = rested.problems.iter().map(|problem| Target::tree(problem.path.clone())).collect();
        let standing = paths(rested);
        let before = shown(&play);
        for (side, edit) in then.into_iter().filter(|(_, edit)| !is_looks(edit)) {
            play.step(&Step::Edit(side, edit)).expect("nothing is lost");
        }
        play.step(&Step::Wait(60)).expect("nothing is lost");
        let hints = [hints(&before, &shown(&play)), again].concat();
        let by_hints = run(&mut play, Some(hints.clone())).expect("a report");
        play.check().expect("nothing is lost");
        let after = shown(&play);
        play.step(&Step::Wait(60)).expect("nothing is lost");
        let mut whole = run(&mut play, None).expect("a report");
        // What was not done waits, and is looked at again.
        prop_assume!(by_hints.problems.is_empty() && by_hints.held.is_none());
        // A cache may show old times for longer than the first look.
        whole.counts.metadata = 0;
        prop_assert_eq!(&whole.counts, &Counts::default(), "hints {:?}\nby hints {:?}\nwhole {:?}", hints, by_hints, whole);
        prop_assert_eq!(after, shown(&play));
        // Those that stood before and were not looked at again are not told again.
        let (by_hints, whole) = (paths(by_hints), paths(whole));
        prop_assert!(by_hints.is_subset(&whole), "hints {hints:?}: {by_hints:?}, {whole:?}");
        let untold: Vec<&RelPath> = whole.difference(&by_hints).filter(|path| !standing.contains(path)).collect();
        prop_assert!(untold.is_empty(), "hints {hints:?}: {untold:?}");
    }
}
