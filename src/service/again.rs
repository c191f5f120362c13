//! What was looked at and is not in step: it is looked at again with whatever comes, and by itself now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::path::RelPath;
use crate::model::target::{Reach, Target};

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);
/// As many targets are everything.
const MOST: usize = 4_096;
/// A pause is at least as many times what the last run that tried them took.
const COST: u32 = 50;

/// Targets that wait, and when they are tried by themselves.
#[derive(Debug, Default)]
pub(super) struct Again {
    targets: BTreeMap<RelPath, Reach>,
    next: Option<Duration>,
    pause: Duration,
    cost: Duration,
    /// The run that is at work has them.
    taken: bool,
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

    /// Does the run that is at work look at all that waits?
    pub fn is_with_it(&self) -> bool {
        self.taken || self.targets.is_empty()
    }

    /// After a run that took `cost`. Where something was `done` the next try comes soon; a run that did not try them never puts
    /// it off, or those of a busy log would do so for ever.
    pub fn rest(&mut self, now: Duration, done: bool, cost: Duration) {
        let tried = std::mem::take(&mut self.taken);
        if tried {
            self.cost = cost;
            self.pause = (self.pause * 2).clamp(FIRST, LAST);
        }
        if done || self.pause.is_zero() {
            self.pause = FIRST;
        }
        let due = now + self.pause.max(self.cost.saturating_mul(COST));
        let due = self.next.filter(|_| !tried).map_or(due, |next| next.min(due));
        self.next = (!self.targets.is_empty()).then_some(due);
    }

    pub fn due(&self) -> Option<Duration> {
        self.next
    }

    pub fn take(&mut self) -> Vec<Target> {
        (self.next, self.taken) = (None, true);
        std::mem::take(&mut self.targets).into_iter().map(|(path, reach)| Target { path, reach }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    fn tried(again: &mut Again, now: Duration, done: bool, cost: Duration) -> Option<Duration> {
        again.take();
        again.keep(Target::tree(path("a")));
        again.rest(now, done, cost);
        again.due()
    }

    #[test]
    fn what_is_left_is_tried_with_pauses_that_grow_and_cost_little() {
        let (none, cheap, dear) = (Duration::ZERO, Duration::from_millis(1), Duration::from_secs(2));
        let mut again = Again::default();
        again.rest(none, true, cheap);
        assert_eq!(again.due(), None, "nothing waits");
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push(tried(&mut again, none, false, cheap).expect("something waits").as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(tried(&mut again, none, true, cheap), Some(FIRST), "something was done");
        assert_eq!(tried(&mut again, none, true, dear), Some(dear * COST));
    }

    #[test]
    fn runs_that_do_not_try_them_never_put_them_off() {
        let (cheap, dear, second) = (Duration::from_millis(1), Duration::from_secs(2), Duration::from_secs(1));
        let mut again = Again::default();
        assert_eq!(tried(&mut again, second, false, cheap), Some(second * 2));
        again.rest(second * 3 / 2, true, cheap);
        assert_eq!(again.due(), Some(second * 2), "a run that did something else");
        let mut later = Again::default();
        for _ in 0..5 {
            tried(&mut later, second, false, cheap);
        }
        later.rest(second * 2, true, cheap);
        assert_eq!(later.due(), Some(second * 3), "what was done may have been in their way");
        assert_eq!(tried(&mut later, second, true, dear), Some(second + dear * COST));
        later.rest(second * 2, true, cheap);
        assert_eq!(later.due(), Some(second + dear * COST), "and they cost as much as ever");
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
