//! What a person's ruling makes of a conflict: one side's version counts, or both are kept; and paths that are taken back
//! to one side's version whatever the other did.
//!
//! A ruling holds for the whole subtree of its path. What the user's patterns ignore, and what could not be seen, is
//! displaced by no ruling: where the losing side holds such a thing the conflict stays. Where both are kept nobody loses:
//! staging's folder gets its other name with everything in it.

use super::{Deciding, each_its_own, metadata};
use crate::model::change::Change;
use crate::model::conflict::{Policy, beside};
use crate::model::listing::{Difference, Seen};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op, Ruling, Why};
use crate::model::side::{Direction, PerSide, Side};

/// A ruling and how far it reaches.
pub(super) struct Ruled {
    /// The first difference after the subtree.
    pub until: usize,
    ruling: Ruling,
    top: RelPath,
    /// The name that staging's version has now.
    aside: RelPath,
}

impl Deciding<'_> {
    /// What the policies say of a conflict; `None` where it stays one.
    pub(super) fn ruling(&self, difference: &Difference) -> Option<Ruling> {
        let folder = difference.staging.is_folder() || difference.network.is_folder();
        match self.rules.policies.of(&difference.path, folder) {
            Policy::Hold | Policy::Abort => None,
            Policy::Prefer(winner) => self.is_movable(winner.other()).then_some(Ruling::Prefer(winner)),
            Policy::KeepBoth => (self.rules.direction == Direction::Both).then_some(Ruling::KeepBoth),
        }
    }

    /// Nothing lies below that has to stay where it is.
    fn is_movable(&self, side: Side) -> bool {
        let below = self.below[self.at];
        !below.unknown(side) && !below.by_pattern(side)
    }

    pub(super) fn rule(&mut self, difference: Difference, ruling: Ruling, why: Why) {
        let why = Why { by: Some(ruling), ..why };
        match ruling {
            Ruling::Prefer(winner) | Ruling::Take(winner) => self.prefer(difference, winner, ruling, why),
            Ruling::KeepBoth => self.keep_both(difference, why),
        }
    }

    /// The winner's version is written by a run that may write on the loser's side.
    fn prefer(&mut self, difference: Difference, winner: Side, ruling: Ruling, why: Why) {
        let loser = winner.other();
        if !self.rules.direction.writes(loser) {
            self.plan.pending[winner] += 1;
            self.hold_below();
            return;
        }
        let Difference { path, staging, network, .. } = difference;
        self.ruled = Some(Ruled { until: self.below[self.at].end, ruling, top: path.clone(), aside: RelPath::root() });
        let (brought, expect) = if winner == Side::Staging { (staging, network) } else { (network, staging) };
        let Seen::There(mut from) = brought else { return };
        self.keep_sane(&path, &mut from, &expect);
        if matches!(ruling, Ruling::Prefer(_)) {
            self.note(&path, &format!("both sides changed it: {winner}'s version was preferred, the other goes to the trash"));
        }
        self.act(path, Op::Write { to: loser, from, expect, revived: false }, why);
    }

    /// The network's version takes the name, staging's goes beside it, on both sides.
    fn keep_both(&mut self, difference: Difference, why: Why) {
        let Difference { path, staging, network, .. } = difference;
        let (Seen::There(mine), Seen::There(theirs)) = (staging, network) else { return };
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return };
        let name = beside(&name, self.rules.now, self.rules.host);
        let aside = parent.join(&name);
        let until = self.below[self.at].end;
        self.ruled = Some(Ruled { until, ruling: Ruling::KeepBoth, top: path.clone(), aside: aside.clone() });
        self.note(&path, &format!("both sides changed it: staging's version is kept beside it as {name}"));
        self.act(path.clone(), Op::Aside { to: aside.clone(), expect: mine.clone() }, why);
        self.act(path, Op::Write { to: Side::Staging, from: theirs, expect: Seen::Absent, revived: false }, why);
        let up = Op::Write { to: Side::Network, from: mine, expect: Seen::Absent, revived: false };
        self.beside.push(Action { path: aside, op: up, why });
    }

    /// Below a ruled path: the loser's folder has gone as a whole, so that nothing stands in the way.
    pub(super) fn below_ruled(&mut self, difference: Difference) {
        if self.ignored(&difference) {
            return;
        }
        if self.unknown(&difference) {
            // On the other side its place is empty now, and nobody deleted it there.
            if difference.base.is_some() {
                let why = self.why(&difference, PerSide::new(Change::Deleted, Change::Deleted));
                self.act(difference.path, Op::Forget, why);
            }
            return;
        }
        if self.holds_only_ignored(&difference) {
            self.leave(difference);
            return;
        }
        let Some(Ruled { ruling, top, aside, .. }) = &self.ruled else { return };
        // What is gone on both sides is nobody's decision.
        let there = Side::BOTH.iter().any(|&side| difference.at(side).found().is_some());
        let (ruling, why) = (*ruling, Why { by: there.then_some(*ruling), ..self.why_now(&difference) });
        let moved = difference.path.below(top).map(|rest| aside.append(&rest));
        let Difference { path, base, staging, network } = difference;
        let (winner, counts) = match ruling {
            Ruling::Prefer(Side::Staging) | Ruling::Take(Side::Staging) => (Side::Staging, staging),
            Ruling::Prefer(Side::Network) | Ruling::Take(Side::Network) => (Side::Network, network),
            Ruling::KeepBoth => {
                if let (Seen::There(from), Some(moved)) = (staging, moved) {
                    let op = Op::Write { to: Side::Network, from, expect: Seen::Absent, revived: false };
                    self.beside.push(Action { path: moved, op, why });
                }
                (Side::Network, network)
            }
        };
        match counts {
            Seen::There(from) => {
                let op = Op::Write { to: winner.other(), from, expect: Seen::Absent, revived: false };
                self.act(path, op, why);
            }
            _ if base.is_some() => self.act(path, Op::Forget, why),
            _ => {}
        }
    }

    /// A folder in which there is nothing but what is ignored is not made on the other side.
    fn holds_only_ignored(&self, difference: &Difference) -> bool {
        let below = self.below[self.at];
        Side::BOTH.iter().any(|&side| difference.at(side).is_folder() && below.holds_only_ignored(side))
    }

    /// It counts as ignored, with everything below it.
    fn leave(&mut self, difference: Difference) {
        if difference.base.is_some() {
            let why = self.why_now(&difference);
            self.act(difference.path, Op::Forget, why);
        }
        self.hold_below();
    }

    /// Whatever the other side did, `winner`'s version counts.
    pub(super) fn take(&mut self, difference: Difference, winner: Side) {
        let loser = winner.other();
        let (ruling, why) = (Ruling::Take(winner), self.why_now(&difference));
        let kinds = [winner, loser].map(|side| difference.at(side).found().map(|found| found.entry.kind()));
        match (difference.at(winner).found(), difference.at(loser).found()) {
            (Some(a), Some(b)) if a.entry.same_content(&b.entry) || each_its_own(&difference) => {
                metadata::agree(self, difference, Why { by: Some(ruling), ..why });
            }
            (Some(_), Some(_)) if kinds[0] == kinds[1] || self.is_movable(loser) => self.rule(difference, ruling, why),
            (Some(_), Some(_)) => {
                let Difference { path, staging, network, .. } = difference;
                self.plan.conflicts.push(super::Conflict { path, why, staging, network });
                self.hold_below();
            }
            (Some(_), None) if self.holds_only_ignored(&difference) => self.leave(difference),
            (Some(_), None) => self.write(difference, winner, false, Why { by: Some(ruling), ..why }),
            (None, Some(_)) => self.take_away(difference, loser, Why { by: Some(ruling), ..why }),
            (None, None) if difference.base.is_some() => self.act(difference.path, Op::Forget, why),
            (None, None) => {}
        }
    }

    /// The side that counts does not have it. A folder that holds what nobody may throw away stays.
    fn take_away(&mut self, difference: Difference, side: Side, why: Why) {
        let below = self.below[self.at];
        if !self.rules.direction.writes(side) {
            self.plan.pending[side.other()] += 1;
            return;
        }
        if below.unknown(side) {
            return;
        }
        let Difference { path, base, staging, network } = difference;
        if below.by_pattern(side) {
            self.note(&path, "stays because it holds ignored files");
            if base.is_some() {
                self.act(path, Op::Forget, why);
            }
            return;
        }
        let there = if side == Side::Staging { staging } else { network };
        if let Seen::There(expect) = there {
            self.act(path, Op::Delete { side, expect, base }, why);
        }
    }

    fn why_now(&self, difference: &Difference) -> Why {
        let change = |side| self.change(difference, side);
        let changes = PerSide::new(change(Side::Staging), change(Side::Network));
        self.why(difference, changes)
    }
}
