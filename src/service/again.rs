//! What was looked at and is not in step: it is looked at again with whatever comes, and by itself now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::path::RelPath;
use crate::model::target::{Reach, Target};

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);
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
