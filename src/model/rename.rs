//! A delete and a create that are one move: a cheaper way to the same two trees.
//!
//! Works on a finished plan. A file: size with id or time finds the candidate, the digest decides. A folder: everything
//! below it is as the base says, by stamps, which a move leaves alone; then it is one rename. Renames are carried out
//! before any delete, so that what moves out of a folder is gone when the folder goes.

use std::collections::{HashMap, HashSet};

use super::entry::{Base, Content, Found, Kind, Stamp};
use super::listing::Seen;
use super::path::RelPath;
use super::plan::{Action, Op, Plan};
use super::side::{PerSide, Side};

/// A new file to be read, because it may be an old one with another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in `Plan::actions`.
    pub action: usize,
    /// The side where it is new.
    pub side: Side,
}

/// New files that have the size and the id or time of one that goes from the same target. `ids`: where file ids can be
/// trusted.
pub fn candidates(plan: &Plan, ids: PerSide<bool>) -> Vec<Candidate> {
    let mut gone: HashSet<(Side, u64, Mark)> = HashSet::new();
    for action in &plan.actions {
        if let Op::Delete { side, base: Some(base), .. } = &action.op
            && base.sent.is_none()
            && let Content::File { size, digest: Some(_) } = base.entry.content
        {
            gone.extend(base_marks(base, side.other(), ids).into_iter().map(|mark| (*side, size, mark)));
        }
    }
    if gone.is_empty() {
        return Vec::new();
    }
    let is_candidate = |action: &Action| match new_file(action) {
        Some((to, from)) if from.entry.digest().is_none() && from.entry.size() > 0 => {
            let marks = stamp_marks(&from.stamp, ids[to.other()]);
            marks.into_iter().any(|mark| gone.contains(&(to, from.entry.size(), mark))).then_some(to.other())
        }
        _ => None,
    };
    let place = |(at, action)| is_candidate(action).map(|side| Candidate { action: at, side });
    plan.actions.iter().enumerate().filter_map(place).collect()
}

/// By what a moved file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mark {
    Id(u64),
    Time(i64),
}

fn stamp_marks(stamp: &Stamp, ids: bool) -> Vec<Mark> {
    let mut marks = vec![Mark::Time(stamp.mtime.0)];
    marks.extend(ids.then_some(Mark::Id(stamp.id)));
    marks
}

fn base_marks(base: &Base, side: Side, ids: PerSide<bool>) -> Vec<Mark> {
    base.stamps[side].map(|recorded| stamp_marks(&recorded.stamp, ids[side])).unwrap_or_default()
}

fn new_file(action: &Action) -> Option<(Side, &Found)> {
    match &action.op {
        Op::Write { to, from, expect: Seen::Absent, .. } if from.entry.kind() == Kind::File => Some((*to, from)),
        _ => None,
    }
}

/// Makes renames of deletes and creates that belong together.
pub fn pair(plan: Plan, ids: PerSide<bool>) -> Plan {
    pair_files(pair_folders(plan, ids))
}

/// Whole folders first; what is left goes file by file.
fn pair_folders(mut plan: Plan, ids: PerSide<bool>) -> Plan {
    let mut by_shape: HashMap<(Side, u64), Vec<usize>> = HashMap::new();
    for (at, action) in plan.actions.iter().enumerate() {
        if let Op::Delete { side, expect, .. } = &action.op
            && expect.entry.is_folder()
        {
            by_shape.entry((*side, expect_id(action, *side, ids))).or_default().push(at);
        }
    }
    if by_shape.is_empty() {
        return plan;
    }
    let mut gone: HashSet<usize> = HashSet::new();
    let mut renames: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < plan.actions.len() {
        let end = subtree_end(&plan.actions, at);
        if let Some((to, from)) = new_folder(&plan.actions[at]) {
            let key = (to, if ids[to.other()] { from.stamp.id } else { 0 });
            // A part that went elsewhere as a folder of its own is no longer there to go along.
            let whole = |old: usize| (old..subtree_end(&plan.actions, old)).all(|part| !gone.contains(&part));
            let fits = |&&old: &&usize| whole(old) && same_tree(&plan.actions, old, at, to, ids);
            if let Some(&old) = by_shape.get(&key).into_iter().flatten().find(fits) {
                gone.extend(old..subtree_end(&plan.actions, old));
                gone.extend(at + 1..end);
                renames.push((at, old));
                at = end;
                continue;
            }
        }
        at += 1;
    }
    for (new, old) in renames {
        let from = plan.actions[old].path.clone();
        make_rename(&mut plan.actions, new, old, from);
    }
    drop_gone(&mut plan, &gone);
    plan
}

/// The id that the folder had on the side where it moved; 0 where ids mean nothing.
fn expect_id(action: &Action, side: Side, ids: PerSide<bool>) -> u64 {
    let Op::Delete { base: Some(base), .. } = &action.op else { return 0 };
    let source = side.other();
    if ids[source] { base.stamps[source].map_or(0, |recorded| recorded.stamp.id) } else { 0 }
}

fn new_folder(action: &Action) -> Option<(Side, &Found)> {
    match &action.op {
        Op::Write { to, from, expect: Seen::Absent, revived: false } if from.entry.is_folder() => Some((*to, from)),
        _ => None,
    }
}

fn subtree_end(actions: &[Action], at: usize) -> usize {
    let top = &actions[at].path;
    at + 1 + actions[at + 1..].iter().take_while(|action| action.path.is_within(top)).count()
}

/// Is the folder written at `new` the one deleted at `old`, unchanged below?
fn same_tree(actions: &[Action], old: usize, new: usize, to: Side, ids: PerSide<bool>) -> bool {
    let (from_path, to_path) = (&actions[old].path, &actions[new].path);
    if from_path.is_within(to_path) || to_path.is_within(from_path) {
        return false;
    }
    let before = &actions[old + 1..subtree_end(actions, old)];
    let after = &actions[new + 1..subtree_end(actions, new)];
    // An empty folder is made as quickly as it is moved.
    !before.is_empty()
        && before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            before.path.below(from_path) == after.path.below(to_path) && same_entry(&before.op, &after.op, to, ids)
        })
}

fn same_entry(before: &Op, after: &Op, to: Side, ids: PerSide<bool>) -> bool {
    let (Op::Delete { side, base: Some(base), .. }, Op::Write { to: at, from, expect: Seen::Absent, .. }) = (before, after)
    else {
        return false;
    };
    if *side != to || *at != to || base.entry.kind() != from.entry.kind() || base.entry.mode != from.entry.mode {
        return false;
    }
    // A database that may be open goes file by file: its program finds its log by its name.
    if base.sent.is_some() {
        return false;
    }
    match &base.entry.content {
        Content::Folder => true,
        Content::Link { .. } => base.entry.content == from.entry.content,
        Content::File { .. } => base.stamps[to.other()].is_some_and(|recorded| {
            let (old, new) = (recorded.stamp, from.stamp);
            old.size == new.size && old.mtime == new.mtime && (!ids[to.other()] || old.id == new.id)
        }),
    }
}

fn pair_files(mut plan: Plan) -> Plan {
    let mut by_digest: HashMap<(Side, super::digest::Digest), Vec<usize>> = HashMap::new();
    for (at, action) in plan.actions.iter().enumerate() {
        if let Op::Delete { side, base: Some(base), .. } = &action.op
            && base.sent.is_none()
            && let Some(digest) = base.entry.digest()
        {
            by_digest.entry((*side, digest)).or_default().push(at);
        }
    }
    if by_digest.is_empty() {
        return plan;
    }
    let mut gone: HashSet<usize> = HashSet::new();
    for new in 0..plan.actions.len() {
        let Some((to, from)) = new_file(&plan.actions[new]) else { continue };
        let Some(digest) = from.entry.digest().filter(|_| from.entry.size() > 0) else { continue };
        let Some(old) = by_digest.get_mut(&(to, digest)).and_then(|olds| take_best(olds, &plan.actions, new)) else { continue };
        gone.insert(old);
        let path = plan.actions[old].path.clone();
        make_rename(&mut plan.actions, new, old, path);
    }
    drop_gone(&mut plan, &gone);
    plan
}

/// The one with the same id, else with the same name, else the first in path order.
fn take_best(olds: &mut Vec<usize>, actions: &[Action], new: usize) -> Option<usize> {
    let (to, from) = new_file(&actions[new])?;
    let rank = |&old: &usize| {
        let Op::Delete { base: Some(base), .. } = &actions[old].op else { return 2 };
        match base.stamps[to.other()] {
            Some(recorded) if recorded.stamp.id == from.stamp.id => 0,
            _ if actions[old].path.name() == actions[new].path.name() => 1,
            _ => 2,
        }
    };
    let best = (0..olds.len()).min_by_key(|&at| rank(&olds[at]))?;
    Some(olds.remove(best))
}

fn make_rename(actions: &mut [Action], new: usize, old: usize, from: RelPath) {
    let Op::Delete { side, expect, base } = &actions[old].op else { return };
    let (side, mut expect) = (*side, expect.clone());
    // The digest that both sides agreed on goes along.
    if let Some(digest) = base.as_ref().and_then(|base| base.entry.digest()) {
        expect.entry.set_digest(digest);
    }
    if let Op::Write { from: found, .. } = &actions[new].op {
        let found = found.clone();
        actions[new].op = Op::Rename { side, from, expect, found };
    }
}

fn drop_gone(plan: &mut Plan, gone: &HashSet<usize>) {
    let mut at = 0;
    plan.actions.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

#[cfg(test)]
#[path = "rename_tests.rs"]
mod tests;
