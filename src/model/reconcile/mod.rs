//! From what differs to what to do: the table of `docs/semantics.md`, as a pure function.
//!
//! In the order of the invariants: what is ignored or unknown is no target, nor is anything below it; what is gone on
//! both sides is forgotten; what is equal is agreed; an edit beats a delete; two edits are a conflict, reported once at
//! the topmost path and held with its whole subtree, unless a person's ruling says which of them counts ([`ruled`]).
//! Folders ask what survives below them first ([`below`]).
//!
//! Deliberately missing: any look at a clock or a file, and any choice between two edits that nobody made.

mod below;
mod metadata;
mod ruled;

use super::change::{Change, Compare, change_of};
use super::conflict::{Conflict, Policies, Policy};
use super::consume::consume;
use super::entry::{Base, Found};
use super::finding::{Note, Problem, ProblemKind};
use super::listing::{Difference, Seen, Unknown};
use super::path::RelPath;
use super::plan::{Action, Op, Plan, Why};
use super::side::{Direction, PerSide, Side};
use super::time::Time;
use below::Below;
use ruled::Ruled;

/// What a run may do and how it compares.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub direction: Direction,
    pub policies: &'a Policies,
    /// This side's version counts at every path, whatever the other did (`revert`).
    pub take: Option<Side>,
    /// The coarser granularity of both roots, in nanoseconds.
    pub granularity_ns: i64,
    /// Both roots keep permission bits.
    pub modes: bool,
    /// Only to tell sane times from others, and for the names of versions that are kept beside.
    pub now: Time,
    /// This machine's name, for the same names.
    pub host: &'a str,
}

impl Rules<'_> {
    pub fn compare(&self) -> Compare {
        Compare { granularity_ns: self.granularity_ns, modes: self.modes }
    }
}

/// Decides for every difference. They come in path order, each path once; within a folder that is not a folder in all
/// three, everything that any of them holds is among them, ignored and unknown entries too.
pub fn reconcile(differences: Vec<Difference>, rules: &Rules<'_>) -> Plan {
    let below = below::survey(&differences, rules.compare());
    let (plan, beside) = (Plan::default(), Vec::new());
    let mut deciding =
        Deciding { rules, plan, below, at: 0, held_until: 0, noted_until: 0, replaced_until: 0, ruled: None, beside };
    consume(differences, |difference| {
        deciding.one(difference);
        deciding.at += 1;
    });
    let Deciding { mut plan, beside, .. } = deciding;
    if !beside.is_empty() {
        plan.actions.extend(beside);
        plan.actions.sort_by(|a, b| a.path.cmp(&b.path));
    }
    plan.aborted = plan.conflicts.iter().any(|conflict| policy_of(rules, conflict) == Policy::Abort);
    if plan.aborted {
        drop(plan.take_notes_of_rulings());
        plan.actions = Vec::new();
    }
    plan
}

fn policy_of(rules: &Rules<'_>, conflict: &Conflict) -> Policy {
    rules.policies.of(&conflict.path, conflict.staging.is_folder() || conflict.network.is_folder())
}

/// The walk over the differences.
struct Deciding<'a> {
    rules: &'a Rules<'a>,
    plan: Plan,
    below: Vec<Below>,
    at: usize,
    /// Up to here everything lies below a path that is held as a whole.
    held_until: usize,
    /// Up to here everything lies below a folder of which the one note was made.
    noted_until: usize,
    /// Up to here everything lies below a folder that another kind replaces: what the base knew there is forgotten.
    replaced_until: usize,
    /// The ruling over the subtree that the walk is in, or was in last.
    ruled: Option<Ruled>,
    /// Actions at names of our own making, which come out of order.
    beside: Vec<Action>,
}

impl Deciding<'_> {
    fn one(&mut self, difference: Difference) {
        if self.at < self.held_until {
            return;
        }
        if self.ruled.as_ref().is_some_and(|ruled| self.at < ruled.until) {
            self.below_ruled(difference);
            return;
        }
        if self.at < self.replaced_until {
            if difference.base.is_some() {
                let changes = PerSide::new(self.change(&difference, Side::Staging), self.change(&difference, Side::Network));
                let why = self.why(&difference, changes);
                self.act(difference.path, Op::Forget, why);
            }
            return;
        }
        if !self.ignored(&difference) && !self.unknown(&difference) {
            match self.rules.take {
                Some(side) => self.take(difference, side),
                None => self.seen(difference),
            }
        }
    }

    /// Holds everything below the present path.
    fn hold_below(&mut self) {
        self.held_until = self.below[self.at].end;
    }

    /// What is ignored is no target; what it stands in the way of is a problem.
    fn ignored(&mut self, difference: &Difference) -> bool {
        let ignored = |side: Side| matches!(difference.at(side), Seen::Ignored(_));
        let Some(side) = Side::BOTH.into_iter().find(|&side| ignored(side)) else { return false };
        match difference.at(side.other()) {
            Seen::Unknown(_) => return false,
            Seen::There(_) => {
                let message = "its place is taken by something that is ignored there".to_owned();
                self.problem(difference, side, ProblemKind::Taken, message);
            }
            Seen::Absent | Seen::Ignored(_) if difference.base.is_some() => {
                let why = self.why(difference, PerSide::new(Change::Deleted, Change::Deleted));
                self.act(difference.path.clone(), Op::Forget, why);
            }
            Seen::Absent | Seen::Ignored(_) => {}
        }
        self.hold_below();
        true
    }

    /// Unknown is never absence: nothing is done on either side, nor below it.
    fn unknown(&mut self, difference: &Difference) -> bool {
        let mut any = false;
        for side in Side::BOTH {
            let Seen::Unknown(unknown) = difference.at(side) else { continue };
            any = true;
            let other = self.change(difference, side.other());
            let matters =
                !matches!(other, Change::None | Change::Unknown) || matches!(difference.at(side.other()), Seen::There(_));
            match unknown {
                Unknown::Error { kind, message } => self.problem(difference, side, *kind, message.clone()),
                Unknown::Special if matters => {
                    let message = "is a device, socket or FIFO here; it is not synchronised".to_owned();
                    self.problem(difference, side, ProblemKind::NotRepresentable, message);
                }
                Unknown::OtherFileSystem if matters => {
                    let message = "lies on another file system than its root; it is not looked into".to_owned();
                    self.problem(difference, side, ProblemKind::Unreadable, message);
                }
                Unknown::Special => self.note(&difference.path, "is a device, socket or FIFO: not synchronised"),
                Unknown::OtherFileSystem => self.note(&difference.path, "lies on another file system: not synchronised"),
                Unknown::Whole => {}
                Unknown::Moving => self.note(&difference.path, "changed while it was looked at; the next run sees it"),
            }
        }
        if any {
            self.hold_below();
        }
        any
    }

    /// Both sides were really seen.
    fn seen(&mut self, difference: Difference) {
        let changes = PerSide::new(self.change(&difference, Side::Staging), self.change(&difference, Side::Network));
        let why = self.why(&difference, changes);
        match (difference.staging.found(), difference.network.found()) {
            (None, None) => {
                if difference.base.is_some() {
                    self.act(difference.path, Op::Forget, why);
                }
            }
            (Some(a), Some(b)) if a.entry.same_content(&b.entry) => metadata::agree(self, difference, why),
            (Some(_), Some(_)) if each_its_own(&difference) => metadata::agree(self, difference, why),
            _ => self.differ(difference, changes, why),
        }
    }

    fn differ(&mut self, difference: Difference, changes: PerSide<Change>, why: Why) {
        use Change::{Created, Deleted, Metadata, Modified, None};
        match (changes.staging, changes.network) {
            (Created | Modified, Created | Modified) => self.conflict(difference, why),
            (Created | Modified, None | Metadata) => self.write(difference, Side::Staging, false, why),
            (None | Metadata, Created | Modified) => self.write(difference, Side::Network, false, why),
            (Created | Modified, Deleted) => self.write(difference, Side::Staging, true, why),
            (Deleted, Created | Modified) => self.write(difference, Side::Network, true, why),
            (Deleted, None | Metadata) => self.delete(difference, Side::Network, why),
            (None | Metadata, Deleted) => self.delete(difference, Side::Staging, why),
            // Both unchanged and yet different cannot be; both gone and unknown were handled before.
            _ => {}
        }
    }

    fn conflict(&mut self, difference: Difference, why: Why) {
        if let Some(ruling) = self.ruling(&difference) {
            self.rule(difference, ruling, why);
            return;
        }
        let Difference { path, staging, network, .. } = difference;
        self.plan.conflicts.push(Conflict { path, why, staging, network });
        self.hold_below();
    }

    /// The version of `from` goes to the other side.
    fn write(&mut self, difference: Difference, from: Side, revived: bool, why: Why) {
        let to = from.other();
        let below = self.below[self.at];
        let replaces_kind = matches!((difference.staging.found(), difference.network.found()),
            (Some(a), Some(b)) if a.entry.kind() != b.entry.kind());
        if difference.base.is_none() && difference.at(from).is_folder() && below.kept_by_pattern(from) {
            self.hold_below();
            return;
        }
        if replaces_kind && difference.at(to).is_folder() && below.survivors(to) {
            // With something below that nobody may throw away, neither kind can win.
            self.conflict(difference, why);
            return;
        }
        if !self.rules.direction.writes(to) {
            self.plan.pending[from] += 1;
            if replaces_kind {
                self.hold_below();
            }
            return;
        }
        if replaces_kind && difference.at(to).is_folder() {
            self.replaced_until = below.end;
        }
        let Difference { path, staging, network, .. } = difference;
        let (brought, expect) = if from == Side::Staging { (staging, network) } else { (network, staging) };
        let Seen::There(mut found) = brought else { return };
        self.keep_sane(&path, &mut found, &expect);
        self.act(path, Op::Write { to, from: found, expect, revived }, why);
    }

    /// A nonsense time is not copied over a sane one: the content goes, the time stays.
    fn keep_sane(&mut self, path: &RelPath, found: &mut Found, expect: &Seen) {
        if found.entry.is_folder() || found.entry.mtime.sane(self.rules.now) {
            return;
        }
        match expect.found() {
            Some(old) if !old.entry.is_folder() && old.entry.mtime.sane(self.rules.now) => {
                found.entry.mtime = old.entry.mtime;
                self.note(path, "its time makes no sense and was not copied");
            }
            _ => self.note(path, "its time makes no sense; it was copied as it is"),
        }
    }

    /// The other side deleted it and nobody edited it here: it goes from `side`, unless it is a folder in which
    /// something survives.
    fn delete(&mut self, difference: Difference, side: Side, why: Why) {
        let below = self.below[self.at];
        let folder = difference.at(side).is_folder();
        if folder && below.edited(side) {
            self.write(difference, side, true, why);
            return;
        }
        if folder && below.unknown(side) {
            return;
        }
        if !self.rules.direction.writes(side) {
            self.plan.pending[side.other()] += 1;
            return;
        }
        // Only together with the deletes below it: the base forgets a folder with everything in it.
        if folder && below.kept_by_pattern(side) {
            if self.at >= self.noted_until {
                self.note(&difference.path, "stays because it holds ignored files");
                self.noted_until = below.end;
            }
            self.act(difference.path, Op::Forget, why);
            return;
        }
        let Difference { path, base, staging, network } = difference;
        let there = if side == Side::Staging { staging } else { network };
        if let Seen::There(expect) = there {
            self.act(path, Op::Delete { side, expect, base }, why);
        }
    }

    fn change(&self, difference: &Difference, side: Side) -> Change {
        change_of(difference.base.as_deref(), difference.at(side), side, self.rules.compare())
    }

    fn why(&self, difference: &Difference, changes: PerSide<Change>) -> Why {
        Why { in_base: difference.base.is_some(), staging: changes.staging, network: changes.network, by: None }
    }

    fn act(&mut self, path: RelPath, op: Op, why: Why) {
        self.plan.actions.push(Action { path, op, why });
    }

    fn note(&mut self, path: &RelPath, message: &str) {
        self.plan.notes.push(Note { path: path.clone(), message: message.to_owned() });
    }

    fn problem(&mut self, difference: &Difference, side: Side, kind: ProblemKind, message: String) {
        self.plan.problems.push(Problem { path: difference.path.clone(), side, kind, message });
    }
}

/// Not equal byte for byte, and yet in step: staging holds the live database, the network root the snapshot of it that
/// it was given.
pub(super) fn each_its_own(difference: &Difference) -> bool {
    let base = difference.base.as_deref().filter(|base| base.sent.is_some());
    let own = |base: &Base, side: Side| difference.at(side).found().is_some_and(|found| base.holds(side, &found.entry));
    base.is_some_and(|base| Side::BOTH.into_iter().all(|side| own(base, side)))
}
