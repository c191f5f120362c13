//! The same decisions as `reconcile`, made naively: one flat map, each path asked in turn, every question about a
//! subtree answered by walking the whole map. Slow and plain on purpose; the two must agree.

use std::collections::BTreeMap;

use crate::model::change::Change;
use crate::model::conflict::{Conflict, Policy, beside};
use crate::model::entry::{Base, Entry, Found, Kind, Recorded};
use crate::model::finding::{Note, Problem, ProblemKind};
use crate::model::listing::{Difference, Ignored, Seen, Unknown};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op, Plan, Ruling, Why};
use crate::model::reconcile::Rules;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::time::Time;

pub(super) fn reference(rows: &[Difference], rules: &Rules<'_>) -> Plan {
    let rows = rows.iter().map(|row| (row.path.clone(), row.clone())).collect();
    let (held, replaced, kept) = (Vec::new(), Vec::new(), Vec::new());
    let mut reference = Reference { rows, rules, plan: Plan::default(), held, replaced, kept, ruled: Vec::new() };
    let paths: Vec<RelPath> = reference.rows.keys().cloned().collect();
    paths.iter().for_each(|path| reference.decide(path));
    let mut plan = reference.plan;
    plan.actions.sort_by(|a, b| a.path.cmp(&b.path));
    if rules.policies.default() == Policy::Abort && !plan.conflicts.is_empty() {
        drop(plan.take_notes_of_rulings());
        plan.actions.clear();
        plan.aborted = true;
    }
    plan
}

struct Reference<'a> {
    rows: BTreeMap<RelPath, Difference>,
    rules: &'a Rules<'a>,
    plan: Plan,
    /// Nothing below these is looked at any more.
    held: Vec<RelPath>,
    /// Old folders that go as a whole with the write that takes their place.
    replaced: Vec<RelPath>,
    /// Folders that leave the base and stay for what is ignored in them; one note for a tree of them.
    kept: Vec<RelPath>,
    /// Subtrees of which a person has said whose version counts.
    ruled: Vec<(RelPath, Ruling)>,
}

fn mtime_changed(base: &Base, entry: &Entry, side: Side, rules: &Rules<'_>) -> bool {
    entry.kind() != Kind::Folder && !entry.mtime.near(base.mtime_at(side), rules.granularity_ns)
}

fn mode_counts(entry: &Entry, rules: &Rules<'_>) -> bool {
    rules.modes && entry.kind() != Kind::Link
}

fn mode_changed(base: &Base, entry: &Entry, rules: &Rules<'_>) -> bool {
    mode_counts(entry, rules) && entry.mode != base.entry.mode
}

fn change(row: &Difference, side: Side, rules: &Rules<'_>) -> Change {
    match (row.base.as_deref(), row.at(side)) {
        (_, Seen::Unknown(_)) => Change::Unknown,
        (Some(_), Seen::Absent | Seen::Ignored(_)) => Change::Deleted,
        (None, Seen::Absent | Seen::Ignored(_)) => Change::None,
        (None, Seen::There(_)) => Change::Created,
        (Some(base), Seen::There(found)) if !found.entry.same_content(&base.entry) => Change::Modified,
        (Some(base), Seen::There(found)) => {
            let touched = mtime_changed(base, &found.entry, side, rules) || mode_changed(base, &found.entry, rules);
            if touched { Change::Metadata } else { Change::None }
        }
    }
}

fn is_edit(change: Change) -> bool {
    matches!(change, Change::Created | Change::Modified)
}

impl Reference<'_> {
    fn decide(&mut self, path: &RelPath) {
        if self.held.iter().any(|top| path.is_within(top)) {
            return;
        }
        let row = self.rows[path].clone();
        let ruling = self.ruled.iter().find(|(top, _)| path.is_within(top)).cloned();
        match (&row.staging, &row.network) {
            (Seen::Unknown(_), _) | (_, Seen::Unknown(_)) => {
                self.unknown(&row);
                // What a ruling moved has no past any more, seen or not, and nor has what lies below it.
                if ruling.is_some() && row.base.is_some() {
                    let why = Why { staging: Change::Deleted, network: Change::Deleted, ..self.why(&row) };
                    self.plan.actions.push(Action { path: row.path.clone(), op: Op::Forget, why });
                }
            }
            (Seen::Ignored(_), Seen::There(_)) => self.taken(&row, Side::Staging),
            (Seen::There(_), Seen::Ignored(_)) => self.taken(&row, Side::Network),
            (Seen::Ignored(_) | Seen::Absent, Seen::Ignored(_) | Seen::Absent) => {
                // The base forgets a folder with all that it holds.
                if row.base.is_some() {
                    self.act(&row, Op::Forget);
                }
            }
            _ if ruling.is_some() => self.below_ruled(&row, ruling.expect("just asked")),
            _ if self.rules.take.is_some() => self.take(&row, self.rules.take.expect("just asked")),
            (Seen::There(_), Seen::Absent) => self.on_one_side(&row, Side::Staging),
            (Seen::Absent, Seen::There(_)) => self.on_one_side(&row, Side::Network),
            (Seen::There(staging), Seen::There(network)) => {
                if staging.entry.same_content(&network.entry) {
                    self.merge(&row, staging, network);
                } else {
                    self.unequal(&row);
                }
            }
        }
    }

    fn change(&self, row: &Difference, side: Side) -> Change {
        change(row, side, self.rules)
    }

    fn why(&self, row: &Difference) -> Why {
        Why {
            in_base: row.base.is_some(),
            staging: self.change(row, Side::Staging),
            network: self.change(row, Side::Network),
            by: None,
        }
    }

    fn act(&mut self, row: &Difference, op: Op) {
        // Nobody's word where the versions agree or are both gone.
        let by = self.rules.take.filter(|_| op != Op::Forget || Side::BOTH.iter().any(|&side| row.at(side).found().is_some()));
        let by = by.map(Ruling::Take);
        let why = Why { by, ..self.why(row) };
        self.plan.actions.push(Action { path: row.path.clone(), op, why });
    }

    fn problem(&mut self, row: &Difference, side: Side, kind: ProblemKind) {
        self.plan.problems.push(Problem { path: row.path.clone(), side, kind, message: String::new() });
    }

    fn note(&mut self, row: &Difference) {
        self.plan.notes.push(Note { path: row.path.clone(), message: String::new() });
    }

    fn ruling(&self, row: &Difference) -> Option<Ruling> {
        let stays = |side: Side| self.unknown_below(row, side) || self.ignored_below(row, side);
        match self.rules.policies.default() {
            Policy::Prefer(winner) if !stays(winner.other()) => Some(Ruling::Prefer(winner)),
            Policy::KeepBoth if self.rules.direction == Direction::Both => Some(Ruling::KeepBoth),
            _ => None,
        }
    }

    fn act_by(&mut self, row: &Difference, path: RelPath, op: Op, ruling: Ruling) {
        let why = Why { by: Some(ruling), ..self.why(row) };
        self.plan.actions.push(Action { path, op, why });
    }

    /// `counts` is there on both sides, and the other side's version gives way.
    fn give_way(&mut self, row: &Difference, counts: Side, ruling: Ruling) {
        let to = counts.other();
        if !self.rules.direction.writes(to) {
            self.plan.pending[counts] += 1;
            self.held.push(row.path.clone());
            return;
        }
        if matches!(ruling, Ruling::Prefer(_)) {
            self.note(row);
        }
        self.ruled.push((row.path.clone(), ruling));
        let from = self.brought(row, counts);
        self.act_by(row, row.path.clone(), Op::Write { to, from, expect: row.at(to).clone(), revived: false }, ruling);
    }

    fn aside(&self, top: &RelPath) -> RelPath {
        let name = beside(&top.name().expect("no root"), self.rules.now, self.rules.host);
        top.parent().expect("no root").join(&name)
    }

    fn rule(&mut self, row: &Difference, ruling: Ruling) {
        let Ruling::KeepBoth = ruling else {
            let (Ruling::Prefer(counts) | Ruling::Take(counts)) = ruling else { return };
            return self.give_way(row, counts, ruling);
        };
        self.note(row);
        self.ruled.push((row.path.clone(), ruling));
        let to = self.aside(&row.path);
        let found = |side: Side| Box::new(row.at(side).found().expect("both are there").clone());
        self.act_by(row, row.path.clone(), Op::Aside { to: to.clone(), expect: found(Side::Staging) }, ruling);
        for (path, side) in [(row.path.clone(), Side::Staging), (to, Side::Network)] {
            let from = found(side.other());
            self.act_by(row, path, Op::Write { to: side, from, expect: Seen::Absent, revived: false }, ruling);
        }
    }

    fn below_ruled(&mut self, row: &Difference, (top, ruling): (RelPath, Ruling)) {
        let found = |side: Side| row.at(side).found().map(|found| Box::new(found.clone()));
        let side = if found(Side::Staging).is_some() { Side::Staging } else { Side::Network };
        if row.at(side).is_folder() && self.only_ignored_below(row, side) {
            return self.leave(row);
        }
        let counts = match ruling {
            Ruling::Prefer(counts) | Ruling::Take(counts) => counts,
            Ruling::KeepBoth => {
                if let Some(from) = found(Side::Staging) {
                    let at = self.aside(&top).append(&row.path.below(&top).expect("it is within"));
                    let op = Op::Write { to: Side::Network, from, expect: Seen::Absent, revived: false };
                    self.act_by(row, at, op, ruling);
                }
                Side::Network
            }
        };
        if let Some(from) = found(counts) {
            let op = Op::Write { to: counts.other(), from, expect: Seen::Absent, revived: false };
            self.act_by(row, row.path.clone(), op, ruling);
        } else if row.base.is_some() {
            self.act_by(row, row.path.clone(), Op::Forget, ruling);
        }
    }

    fn leave(&mut self, row: &Difference) {
        if row.base.is_some() {
            let why = self.why(row);
            self.plan.actions.push(Action { path: row.path.clone(), op: Op::Forget, why });
        }
        self.held.push(row.path.clone());
    }

    fn only_ignored_below(&self, row: &Difference, side: Side) -> bool {
        self.ignored_below(row, side)
            && self.below(&row.path).iter().all(|row| match row.at(side) {
                Seen::There(found) => found.entry.is_folder() && self.only_ignored_below(row, side),
                Seen::Unknown(_) => false,
                Seen::Ignored(_) | Seen::Absent => true,
            })
    }

    fn take(&mut self, row: &Difference, counts: Side) {
        let gives = counts.other();
        match (row.at(counts).found(), row.at(gives).found()) {
            (Some(a), Some(b)) if a.entry.same_content(&b.entry) => {
                let (staging, network) = if counts == Side::Staging { (a, b) } else { (b, a) };
                self.merge(row, staging, network);
            }
            (Some(a), Some(b)) => {
                let stays = self.unknown_below(row, gives) || self.ignored_below(row, gives);
                if a.entry.kind() != b.entry.kind() && stays {
                    self.hold_conflict(row);
                } else {
                    self.give_way(row, counts, Ruling::Take(counts));
                }
            }
            (Some(found), None) if found.entry.is_folder() && self.only_ignored_below(row, counts) => self.leave(row),
            (Some(_), None) => self.write(row, counts, false),
            (None, Some(_)) if self.unknown_below(row, gives) && self.rules.direction.writes(gives) => {}
            (None, Some(_)) if self.ignored_below(row, gives) && self.rules.direction.writes(gives) => {
                if row.base.is_some() {
                    self.act(row, Op::Forget);
                }
                self.note(row);
            }
            (None, Some(_)) => self.delete(row, gives),
            (None, None) => {}
        }
    }

    fn conflict(&mut self, row: &Difference) {
        match self.ruling(row) {
            Some(ruling) => self.rule(row, ruling),
            None => self.hold_conflict(row),
        }
    }

    fn hold_conflict(&mut self, row: &Difference) {
        let why = self.why(row);
        let (staging, network) = (row.staging.clone(), row.network.clone());
        self.plan.conflicts.push(Conflict { path: row.path.clone(), why, staging, network });
        self.held.push(row.path.clone());
    }

    fn taken(&mut self, row: &Difference, side: Side) {
        self.problem(row, side, ProblemKind::Taken);
        self.held.push(row.path.clone());
    }

    fn unknown(&mut self, row: &Difference) {
        self.held.push(row.path.clone());
        for side in Side::BOTH {
            let Seen::Unknown(why) = row.at(side) else { continue };
            let other = self.change(row, side.other());
            let matters = row.at(side.other()).found().is_some() || !matches!(other, Change::None | Change::Unknown);
            match why {
                Unknown::Special if matters => self.problem(row, side, ProblemKind::NotRepresentable),
                Unknown::OtherFileSystem if matters => self.problem(row, side, ProblemKind::Unreadable),
                Unknown::Error { kind, .. } => self.problem(row, side, *kind),
                Unknown::Special | Unknown::OtherFileSystem | Unknown::Moving => self.note(row),
                Unknown::Whole => {}
            }
        }
    }

    fn below(&self, folder: &RelPath) -> Vec<&Difference> {
        self.rows.values().filter(|row| row.path != *folder && row.path.is_within(folder)).collect()
    }

    fn is_ignored_by_pattern(&self, row: &Difference, side: Side) -> bool {
        matches!(row.at(side), Seen::Ignored(Ignored::Pattern))
    }

    /// A new folder of `side` in which there is nothing but what is ignored, some of it by a pattern.
    fn counts_as_ignored(&self, row: &Difference, side: Side) -> bool {
        let new = |row: &Difference| row.base.is_none() && row.at(side).is_folder() && *row.at(side.other()) == Seen::Absent;
        let below = self.below(&row.path);
        new(row)
            && below.iter().any(|row| self.is_ignored_by_pattern(row, side))
            && below.iter().all(|row| match row.at(side) {
                Seen::Ignored(_) => true,
                Seen::There(_) => new(row) && self.counts_as_ignored(row, side),
                Seen::Absent => row.base.is_none(),
                Seen::Unknown(_) => false,
            })
    }

    /// Is anything of `side` below here an edit that must not go with its folder?
    fn edits_below(&self, row: &Difference, side: Side) -> bool {
        self.below(&row.path).iter().any(|row| is_edit(self.change(row, side)) && !self.counts_as_ignored(row, side))
    }

    fn unknown_below(&self, row: &Difference, side: Side) -> bool {
        self.below(&row.path).iter().any(|row| matches!(row.at(side), Seen::Unknown(_)))
    }

    fn ignored_below(&self, row: &Difference, side: Side) -> bool {
        self.below(&row.path).iter().any(|row| self.is_ignored_by_pattern(row, side))
    }

    /// `row` is there on `side` and absent on the other.
    fn on_one_side(&mut self, row: &Difference, side: Side) {
        let here = self.change(row, side);
        let folder = row.at(side).is_folder();
        if self.replaced.iter().any(|top| row.path.is_within(top)) && row.base.is_some() {
            self.act(row, Op::Forget);
        } else if self.counts_as_ignored(row, side) {
            // It waits until it holds something else.
        } else if here == Change::Created {
            self.write(row, side, false);
        } else if here == Change::Modified || (folder && self.edits_below(row, side)) {
            self.write(row, side, true);
        } else if folder && self.unknown_below(row, side) {
            // It stays where it is, and so does its base.
        } else if folder && self.ignored_below(row, side) {
            self.leave_with_ignored(row, side);
        } else {
            self.delete(row, side);
        }
    }

    fn leave_with_ignored(&mut self, row: &Difference, side: Side) {
        if !self.rules.direction.writes(side) {
            self.plan.pending[side.other()] += 1;
            return;
        }
        self.act(row, Op::Forget);
        if !self.kept.iter().any(|top| row.path.is_within(top)) {
            self.note(row);
        }
        self.kept.push(row.path.clone());
    }

    fn delete(&mut self, row: &Difference, side: Side) {
        if self.rules.direction.writes(side) {
            let expect = Box::new(row.at(side).found().expect("it is there").clone());
            self.act(row, Op::Delete { side, expect, base: row.base.clone() });
        } else {
            self.plan.pending[side.other()] += 1;
        }
    }

    /// Carries what `from` holds to the other side, where the direction allows.
    fn write(&mut self, row: &Difference, from: Side, revived: bool) {
        let to = from.other();
        if !self.rules.direction.writes(to) {
            self.plan.pending[from] += 1;
            return;
        }
        let found = self.brought(row, from);
        self.act(row, Op::Write { to, from: found, expect: row.at(to).clone(), revived });
    }

    /// What a write brings: an insane time does not replace a sane one.
    fn brought(&mut self, row: &Difference, from: Side) -> Box<Found> {
        let mut found = row.at(from).found().expect("it is there").clone();
        if found.entry.kind() != Kind::Folder && !found.entry.mtime.sane(self.rules.now) {
            self.note(row);
            let old = row.at(from.other()).found().filter(|old| old.entry.kind() != Kind::Folder);
            if let Some(old) = old.filter(|old| old.entry.mtime.sane(self.rules.now)) {
                found.entry.mtime = old.entry.mtime;
            }
        }
        Box::new(found)
    }

    /// Both are there, with different content or kinds.
    fn unequal(&mut self, row: &Difference) {
        let edited = |side: Side| is_edit(self.change(row, side));
        let from = match (edited(Side::Staging), edited(Side::Network)) {
            (true, true) => return self.conflict(row),
            (true, false) => Side::Staging,
            (false, _) => Side::Network,
        };
        let to = from.other();
        let kind = |side: Side| row.at(side).found().map(|found| found.entry.kind());
        if kind(from) != kind(to) {
            if self.edits_below_at_all(row, to) || self.unknown_below(row, to) || self.ignored_below(row, to) {
                return self.conflict(row);
            }
            if self.rules.direction.writes(to) {
                self.replaced.push(row.path.clone());
            } else {
                self.held.push(row.path.clone());
            }
        }
        self.write(row, from, false);
    }

    fn edits_below_at_all(&self, row: &Difference, side: Side) -> bool {
        self.below(&row.path).iter().any(|row| is_edit(self.change(row, side)))
    }

    /// Both are there and equal: only times and modes are left to agree on.
    fn merge(&mut self, row: &Difference, staging: &Found, network: &Found) {
        let found = PerSide::new(staging, network);
        let (mtime, mode) = (self.agreed_mtime(row, found), self.agreed_mode(row, found));
        let mut agreement = Base {
            entry: Entry {
                mode: mode.or(row.base.as_ref().map(|base| base.entry.mode)).unwrap_or(staging.entry.mode),
                ..network.entry.clone()
            },
            stamps: found.map(|found| Some(Recorded { stamp: found.stamp, racy: true })),
            sent: None,
        };
        let mut touches = Vec::new();
        for side in Side::BOTH {
            let entry = &found[side].entry;
            let new_mtime = mtime.filter(|time| !entry.mtime.near(*time, self.rules.granularity_ns));
            let insane = new_mtime.is_some_and(|time| !time.sane(self.rules.now) && entry.mtime.sane(self.rules.now));
            if insane {
                self.note(row);
            }
            let new_mtime = new_mtime.filter(|_| !insane);
            let new_mode = mode.filter(|mode| *mode != entry.mode);
            if new_mtime.is_none() && new_mode.is_none() {
                continue;
            }
            if self.rules.direction.writes(side) {
                touches.push((side, new_mtime, new_mode));
                continue;
            }
            // What cannot be carried now has to show as the other side's change again.
            let old = row.base.as_deref().expect("a first meeting agrees on what this run may write");
            self.plan.pending[side.other()] += 1;
            if new_mtime.is_some() {
                agreement.stamps[side.other()] = old.stamps[side.other()];
            }
            if new_mode.is_some() {
                agreement.entry.mode = old.entry.mode;
            }
        }
        if touches.is_empty() && self.is_news(row, &agreement) {
            self.act(row, Op::Record { base: Box::new(agreement.clone()), first: row.base.is_none() });
        }
        for (side, mtime, mode) in touches {
            let (expect, base) = (Box::new(found[side].clone()), Box::new(agreement.clone()));
            self.act(row, Op::Touch { side, expect, mtime, mode, base });
        }
    }

    /// The mtime that somebody has to be given, if any.
    fn agreed_mtime(&self, row: &Difference, found: PerSide<&Found>) -> Option<Time> {
        let times = found.map(|found| found.entry.mtime);
        if found.staging.entry.kind() == Kind::Folder {
            return None;
        }
        if let Some(counts) = self.rules.take {
            return Some(times[counts]);
        }
        let Some(base) = row.base.as_deref() else {
            let first = Side::BOTH.map(|side| times[side]).into_iter().filter(|time| time.sane(self.rules.now)).min()?;
            // A run that may not write where the time is another one takes both as they are: nothing depends on it.
            return Side::BOTH.into_iter().all(|side| times[side] == first || self.rules.direction.writes(side)).then_some(first);
        };
        let changed = |side: Side| mtime_changed(base, &found[side].entry, side, self.rules);
        match (changed(Side::Staging), changed(Side::Network)) {
            (false, false) => None,
            (true, false) => Some(times.staging),
            (false, true) => Some(times.network),
            (true, true) => Some(match self.rules.direction {
                Direction::Up => times.staging,
                Direction::Down => times.network,
                Direction::Both => times.staging.max(times.network),
            }),
        }
    }

    fn agreed_mode(&self, row: &Difference, found: PerSide<&Found>) -> Option<u32> {
        if !mode_counts(&found.staging.entry, self.rules) {
            return None;
        }
        let modes = found.map(|found| found.entry.mode);
        if let Some(counts) = self.rules.take {
            return Some(modes[counts]);
        }
        let Some(base) = row.base.as_deref() else {
            // Else staging's is taken for the agreed one, and the network's shows as a change.
            return self.rules.direction.writes(Side::Staging).then_some(modes.network);
        };
        let changed = |side: Side| mode_changed(base, &found[side].entry, self.rules);
        match (changed(Side::Staging), changed(Side::Network)) {
            (false, false) => None,
            (true, false) => Some(modes.staging),
            (false, true) => Some(modes.network),
            (true, true) if self.rules.direction == Direction::Down => Some(modes.network),
            (true, true) => Some(modes.staging),
        }
    }

    /// Would the base learn anything?
    fn is_news(&self, row: &Difference, agreement: &Base) -> bool {
        let Some(old) = row.base.as_deref() else { return true };
        let vouches = |side: Side| match (old.stamps[side], agreement.stamps[side]) {
            (Some(old), Some(new)) => !old.racy && old.stamp == new.stamp,
            _ => false,
        };
        let same_mode = !mode_counts(&old.entry, self.rules) || old.entry.mode == agreement.entry.mode;
        !(old.entry.same_content(&agreement.entry) && same_mode && Side::BOTH.into_iter().all(vouches))
    }
}
