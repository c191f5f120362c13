//! What was looked at and is not in step: it is looked at again with whatever comes, and by itself now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::path::RelPath;
use crate::model::target::{Reach, Target};

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);
/// As many targets are everything.
const MOST: usize = 4_096;
/// A pause is at least as many times what the run before it took.
const COST: u32 = 50;

/// Targets that wait, and when they are tried by themselves.
#[derive(Debug, Default)]
pub(super) struct Again {
    targets: BTreeMap<RelPath, Reach>,
    next: Option<Duration>,
    pause: Option<Duration>,
}

impl Again {
    pub fn keep(&mut self, target: Target) {
        if self.targets.len() >= MOST {
            // More to look at, never less.
            self.targets = BTreeMap::from([(RelPath::root(), Reach::Tree)]);
        }
        let reach = self.targets.entry(target.path).or_insert(target.reach);
        *reach = (*reach).max(target.reach);
    }

    /// After a run that took `cost`. Where something was `done` the next try comes soon.
    pub fn rest(&mut self, now: Duration, done: bool, cost: Duration) {
        let pause = if done { FIRST } else { self.pause.map_or(FIRST, |pause| (pause * 2).min(LAST)) };
        self.pause = Some(pause);
        self.next = (!self.targets.is_empty()).then(|| now + pause.max(cost.saturating_mul(COST)));
    }

    pub fn due(&self) -> Option<Duration> {
        self.next
    }

    pub fn take(&mut self) -> Vec<Target> {
        self.next = None;
        std::mem::take(&mut self.targets).into_iter().map(|(path, reach)| Target { path, reach }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    #[test]
    fn what_is_left_is_tried_with_pauses_that_grow_and_cost_little() {
        let (none, cheap, dear) = (Duration::ZERO, Duration::from_millis(1), Duration::from_secs(2));
        let mut again = Again::default();
        again.rest(none, true, cheap);
        assert_eq!(again.due(), None, "nothing waits");
        let mut pauses = Vec::new();
        for _ in 0..8 {
            again.keep(Target::tree(path("a")));
            again.rest(none, false, cheap);
            pauses.push(again.due().expect("something waits").as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        again.rest(none, true, cheap);
        assert_eq!(again.due(), Some(FIRST), "something was done");
        again.rest(none, true, dear);
        assert_eq!(again.due(), Some(dear * COST));
    }

    #[test]
    fn too_many_places_are_everything() {
        let mut again = Again::default();
        (0..MOST * 3).for_each(|at| again.keep(Target::tree(path(&format!("{at:05}")))));
        let taken = again.take();
        assert!(taken.len() <= MOST && taken.contains(&Target::tree(RelPath::root())), "{} places", taken.len());
    }

    #[test]
    fn a_place_waits_once_with_the_farthest_reach_and_is_taken_once() {
        let mut again = Again::default();
        for (name, reach) in [("b", Reach::Entry), ("a", Reach::Tree), ("a", Reach::Entry), ("b", Reach::Children)] {
            again.keep(Target { path: path(name), reach });
        }
        again.rest(Duration::ZERO, true, Duration::ZERO);
        let expected = [(path("a"), Reach::Tree), (path("b"), Reach::Children)].map(|(path, reach)| Target { path, reach });
        assert_eq!(again.take(), expected);
        assert_eq!((again.take(), again.due()), (Vec::new(), None));
    }
}
