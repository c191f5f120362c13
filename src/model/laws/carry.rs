//! Carries plans out on model trees, checking what each action expects on the way.

use super::render;
use super::trees::{Node, World, stamp};
use crate::model::entry::{Base, Entry, Found, Kind, Recorded};
use crate::model::listing::{Difference, Ignored, Seen};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op, Plan, Ruling};
use crate::model::reconcile::Rules;
use crate::model::side::{Direction, PerSide, Side};

impl World {
    /// The world after `plan`. Panics where a real run would have to refuse.
    pub(super) fn after(&self, plan: &Plan, rules: &Rules<'_>) -> World {
        self.stopped_after(plan.actions.len(), plan, rules)
    }

    /// The world after a run that was killed `steps` actions into `plan`. Deletes come after all writes, children
    /// first; what is forgotten comes last, because until then it says why its folder goes.
    pub(super) fn stopped_after(&self, steps: usize, plan: &Plan, rules: &Rules<'_>) -> World {
        let mut world = self.clone();
        if steps > 0 {
            plan.actions.iter().filter(|action| action.unlearns()).for_each(|action| world.forget(&action.path));
        }
        let phase = |op: &Op| match op {
            Op::Aside { .. } => 0,
            Op::Record { .. } | Op::Write { .. } | Op::Touch { .. } | Op::Rename { .. } => 1,
            Op::Delete { .. } => 2,
            Op::Forget => 3,
        };
        let in_phase = |wanted: u8| plan.actions.iter().filter(move |action| phase(&action.op) == wanted);
        let order = in_phase(0).chain(in_phase(1)).chain(in_phase(2).rev()).chain(in_phase(3).rev());
        order.take(steps).for_each(|action| world.carry(action, self, rules));
        world
    }

    fn carry(&mut self, action: &Action, before: &World, rules: &Rules<'_>) {
        let path = &action.path;
        match &action.op {
            Op::Record { base, .. } => self.learn(path, base, before),
            Op::Forget => self.forget(path),
            Op::Write { to, expect, .. } => self.write(path, *to, expect, rules, action.why.by.is_some()),
            Op::Touch { side, mtime, mode, base, .. } => {
                let Some(Node::There(entry)) = self.sides[*side].get_mut(path) else { panic!("{path}: nothing to touch") };
                entry.mtime = mtime.unwrap_or(entry.mtime);
                entry.mode = mode.unwrap_or(entry.mode);
                self.learn(path, base, before);
            }
            Op::Delete { side, .. } => {
                self.remove(path, *side, action.why.by.is_some());
                self.forget(path);
            }
            Op::Aside { to, .. } => {
                let old: Vec<RelPath> = self.sides.staging.keys().filter(|at| at.is_within(path)).cloned().collect();
                assert!(!old.is_empty(), "{path}: nothing to put aside");
                for at in old {
                    let node = self.sides.staging.remove(&at).expect("it was listed");
                    self.sides.staging.insert(to.append(&at.below(path).expect("it is within")), node);
                }
            }
            Op::Rename { .. } => panic!("reconcile plans no renames"),
        }
    }

    /// The base learns to forget a folder with everything below it.
    fn forget(&mut self, path: &RelPath) {
        self.base.retain(|known, _| !known.is_within(path));
    }

    fn read(&self, side: Side, path: &RelPath) -> Option<Recorded> {
        self.there(side, path).map(|entry| Recorded { stamp: stamp(entry), racy: false })
    }

    /// The engine reads the stamps of what it wrote again, so that they are not racy. One that is not what was seen
    /// stays as it is: the plan wants the change to show again.
    fn learn(&mut self, path: &RelPath, base: &Base, before: &World) {
        let stamp = |side: Side| match base.stamps[side] {
            Some(old) if before.read(side, path).is_some_and(|seen| seen.stamp == old.stamp) => self.read(side, path),
            old => old,
        };
        let stamps = PerSide::new(stamp(Side::Staging), stamp(Side::Network));
        let mut entry = base.entry.clone();
        if let Some(digest) = self.there(Side::Staging, path).and_then(Entry::digest) {
            entry.set_digest(digest);
        }
        self.base.insert(path.clone(), Base { entry, stamps, sent: None });
    }

    fn write(&mut self, path: &RelPath, to: Side, expect: &Seen, rules: &Rules<'_>, ruled: bool) {
        let parent = path.parent().expect("the root is never written");
        let made = parent.is_root() || self.there(to, &parent).is_some_and(Entry::is_folder);
        assert!(made, "{path}: no folder to write it into on {to}");
        let mut entry = self.there(to.other(), path).expect("what is written is there").clone();
        if let Some(old) = expect.found() {
            if old.entry.kind() != entry.kind() {
                self.remove(path, to, ruled);
            } else if old.entry.mtime.sane(rules.now) && !entry.mtime.sane(rules.now) && entry.kind() != Kind::Folder {
                entry.mtime = old.entry.mtime;
            }
        }
        if !rules.modes {
            entry.mode = expect.found().map_or(0o666, |old| old.entry.mode);
        }
        self.sides[to].insert(path.clone(), Node::There(entry.clone()));
        let stamps = PerSide::new(self.read(Side::Staging, path), self.read(Side::Network, path));
        self.base.insert(path.clone(), Base { entry, stamps, sent: None });
    }

    /// To the trash, with the junk in it; the write that replaces a folder takes what the base knew in it, too.
    fn remove(&mut self, path: &RelPath, side: Side, ruled: bool) {
        let below: Vec<RelPath> = self.sides[side].keys().filter(|at| at.is_within(path) && *at != path).cloned().collect();
        for inside in below {
            let junk = self.sides[side][&inside] == Node::Ignored(Ignored::Junk);
            let old = self.there(side, &inside).zip(self.base.get(&inside));
            let known = old.is_some_and(|(entry, base)| entry.same_content(&base.entry));
            let ruled = ruled && matches!(self.sides[side][&inside], Node::There(_));
            assert!(junk || known || ruled, "{path}: {inside} would go with it on {side}");
            self.sides[side].remove(&inside);
        }
        self.sides[side].remove(path).expect("what is removed is there");
    }
}

/// What holds for every plan, whatever the trees were.
pub(super) fn check_plan(rows: &[Difference], plan: &Plan, rules: &Rules<'_>) {
    let row_at = |path: &RelPath| rows.iter().find(|row| row.path == *path);
    for pair in plan.actions.windows(2) {
        let two_touches = matches!((&pair[0].op, &pair[1].op), (Op::Touch { side: a, .. }, Op::Touch { side: b, .. }) if a != b);
        let aside = matches!((&pair[0].op, &pair[1].op), (Op::Aside { .. }, Op::Write { to: Side::Staging, .. }));
        let in_order = pair[0].path < pair[1].path || (pair[0].path == pair[1].path && (two_touches || aside));
        assert!(in_order, "{} does not come before {}", pair[0].path, pair[1].path);
    }
    for action in &plan.actions {
        let path = &action.path;
        let beside = action.why.by == Some(Ruling::KeepBoth);
        if beside && (row_at(path).is_none() || matches!(action.op, Op::Aside { .. })) {
            assert_eq!(rules.direction, Direction::Both, "{path}: both sides have to be written");
            continue;
        }
        let row = row_at(path).unwrap_or_else(|| panic!("{path}: an action where nothing differs"));
        if let Some(side) = action.op.side() {
            assert!(rules.direction.writes(side), "{path}: {} may not be written", side);
            check_place(rows, path);
        }
        check_expectation(row, action, rules);
    }
    for conflict in &plan.conflicts {
        let row = row_at(&conflict.path).expect("a conflict is at a difference");
        assert_eq!((&conflict.staging, &conflict.network), (&row.staging, &row.network));
        let beside = |path: &RelPath| path.is_within(&conflict.path);
        assert!(!plan.actions.iter().any(|action| beside(&action.path)), "{}: an action within a conflict", conflict.path);
        let inner = plan.conflicts.iter().filter(|other| beside(&other.path)).count();
        assert_eq!(inner, 1, "{}: a conflict within a conflict", conflict.path);
    }
}

/// Nothing ignored or unknown is a target, nor anything below it.
fn check_place(rows: &[Difference], path: &RelPath) {
    for row in rows.iter().filter(|row| path.is_within(&row.path)) {
        for side in Side::BOTH {
            let seen = row.at(side);
            let blind = matches!(seen, Seen::Ignored(_) | Seen::Unknown(_));
            assert!(!blind, "{path}: a target, but {} is {} on {side}", row.path, render::word(seen));
        }
    }
}

/// As it was seen, but for a time that makes no sense, which does not replace one that does.
fn check_brought(row: &Difference, brought: &Found, to: Side, expect: &Seen, rules: &Rules<'_>) {
    let mut seen = row.at(to.other()).found().expect("what is written is there").clone();
    let sane = expect.found().map(|old| &old.entry).filter(|old| !old.is_folder() && old.mtime.sane(rules.now));
    if let (Some(old), false) = (sane, seen.entry.is_folder() || seen.entry.mtime.sane(rules.now)) {
        seen.entry.mtime = old.mtime;
    }
    assert_eq!(*brought, seen, "{}", row.path);
}

/// A write, touch or delete names what is there; nothing that the base does not know is displaced.
fn check_expectation(row: &Difference, action: &Action, rules: &Rules<'_>) {
    let there = |side: Side| row.at(side).found();
    let ruled = action.why.by.is_some();
    let known = |found: &Found| ruled || row.base.as_ref().is_some_and(|base| found.entry.same_content(&base.entry));
    match &action.op {
        Op::Write { to, from, expect, .. } => {
            // A ruling moves what stood there, and the folder above it, away before.
            assert!(expect == row.at(*to) || (ruled && *expect == Seen::Absent), "{}", row.path);
            check_brought(row, from, *to, expect, rules);
            assert!(expect.found().is_none_or(known), "{}: an unknown version would be overwritten", row.path);
            assert!(expect.found().is_some() || *expect == Seen::Absent, "{}", row.path);
        }
        Op::Delete { side, expect, base } => {
            assert_eq!(base, &row.base, "{}", row.path);
            assert_eq!(Some(&**expect), there(*side), "{}", row.path);
            assert!(known(expect), "{}: an unknown version would be deleted", row.path);
        }
        Op::Touch { side, expect, mtime, mode, .. } => {
            assert_eq!(Some(&**expect), there(*side), "{}", row.path);
            assert!(mtime.is_some() || mode.is_some(), "{}: an empty touch", row.path);
        }
        Op::Record { base, first } => {
            assert_eq!(*first, row.base.is_none(), "{}", row.path);
            let agrees = Side::BOTH.iter().all(|&side| there(side).is_some_and(|found| found.entry.kind() == base.entry.kind()));
            assert!(agrees, "{}: a record of what is not there", row.path);
        }
        Op::Forget => assert!(row.base.is_some(), "{}: nothing to forget", row.path),
        Op::Rename { .. } | Op::Aside { .. } => panic!("{}: reconcile plans no renames", row.path),
    }
}
