//! Guards over a finished plan: mass deletes, room, and two folders that are not one project.

use std::collections::BTreeMap;
use std::fmt;

use super::entry::Kind;
use super::listing::{Difference, Seen};
use super::path::RelPath;
use super::plan::{Action, Op, Plan};
use super::side::{PerSide, Side};

/// Below this many files nobody speaks of a mass.
const FEW: u64 = 20;
/// As many are one, whatever the share.
const MANY: u64 = 1_000;
/// A top-level folder with more files than this is worth a question when it goes as a whole.
const TOP_FOLDER: u64 = 50;
/// One in so many of the base's files.
const SHARE: u64 = 4;

/// Why deletes are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trip {
    /// A quarter of the files, or more.
    Share {
        files: u64,
        of: u64,
    },
    Many {
        files: u64,
    },
    TopFolder {
        path: RelPath,
        files: u64,
    },
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trip::Share { files, of } => write!(f, "{files} of {of} files would be deleted within an hour"),
            Trip::Many { files } => write!(f, "{files} files would be deleted within an hour"),
            Trip::TopFolder { path, files } => {
                write!(f, "the whole folder {path} with {files} files would be deleted within an hour")
            }
        }
    }
}

/// Does this take something away at `side`: a delete, or a folder that another kind replaces?
pub fn deletes_at(op: &Op, side: Side) -> bool {
    match op {
        Op::Delete { side: at, .. } => *at == side,
        Op::Write { to, expect: Seen::There(old), .. } => *to == side && old.entry.kind() == Kind::Folder,
        _ => false,
    }
}

/// How many files, by the top-level name under which they lie.
pub type ByTop = BTreeMap<RelPath, u64>;

/// Files that the plan deletes at `side`; a replaced folder counts what the base forgets below it.
fn deleted_files(plan: &Plan, side: Side) -> ByTop {
    let mut by_top = ByTop::new();
    let mut replaced: Option<&RelPath> = None;
    for action in &plan.actions {
        let counts = match &action.op {
            Op::Delete { side: at, expect, .. } => *at == side && !expect.entry.is_folder(),
            op if deletes_at(op, side) => {
                replaced = Some(&action.path);
                false
            }
            Op::Forget => replaced.is_some_and(|folder| action.path.is_within(folder)),
            _ => false,
        };
        if counts {
            *by_top.entry(top_of(&action.path)).or_insert(0) += 1;
        }
    }
    by_top
}

/// The top-level name under which a path lies.
pub fn top_of(path: &RelPath) -> RelPath {
    path.names().next().map_or_else(RelPath::root, |name| RelPath::root().join(name))
}

/// More than 20 files *and* (a quarter of the base's files, or 1,000 files, or a whole top-level folder of more than 50),
/// counted over a rolling hour. `earlier` are the files deleted at this side in that hour before this run, which the base and
/// `files_below` know no more.
pub fn mass_delete(
    plan: &Plan,
    side: Side,
    earlier: &ByTop,
    base_files: u64,
    files_below: &dyn Fn(&RelPath) -> u64,
) -> Option<Trip> {
    let by_top = deleted_files(plan, side);
    let now: u64 = by_top.values().sum();
    let before: u64 = earlier.values().sum();
    let files = now + before;
    if now == 0 || files <= FEW {
        return None;
    }
    if files >= MANY {
        return Some(Trip::Many { files });
    }
    // The base has lost the earlier ones already.
    let of = base_files + before;
    if files * SHARE >= of {
        return Some(Trip::Share { files, of });
    }
    by_top.into_iter().find_map(|(path, now)| {
        let files = now + earlier.get(&path).copied().unwrap_or(0);
        (files > TOP_FOLDER && now >= files_below(&path)).then_some(Trip::TopFolder { path, files })
    })
}

/// Takes the deletes at `side` out of the plan; they stay pending.
pub fn hold_deletes(plan: &mut Plan, side: Side) {
    let mut kept = Vec::with_capacity(plan.actions.len());
    let mut replaced: Option<RelPath> = None;
    for action in std::mem::take(&mut plan.actions) {
        let below_replaced = replaced.as_ref().is_some_and(|folder| action.path.is_within(folder));
        if deletes_at(&action.op, side) {
            if !matches!(action.op, Op::Delete { .. }) {
                replaced = Some(action.path.clone());
            }
            plan.pending[side.other()] += 1;
            plan.held.push(action);
        } else if !below_replaced {
            kept.push(action);
        }
    }
    plan.actions = kept;
}

/// Turns held deletes at `side` into writes of what is there back to the side that lost it.
pub fn restore_deletes(plan: &mut Plan, side: Side) {
    let back = side.other();
    for Action { path, op, why } in std::mem::take(&mut plan.held) {
        match op {
            Op::Delete { side: at, expect, .. } if at == side => {
                plan.pending[back] = plan.pending[back].saturating_sub(1);
                let op = Op::Write { to: back, from: expect, expect: Seen::Absent, revived: true };
                plan.actions.push(Action { path, op, why });
            }
            op => plan.held.push(Action { path, op, why }),
        }
    }
    plan.actions.sort_by(|a, b| a.path.cmp(&b.path));
}

/// Bytes that the plan writes at `side`.
pub fn room_needed(plan: &Plan, side: Side) -> u64 {
    let there = plan.actions.iter().filter(|action| action.op.side() == Some(side));
    there.fold(0, |bytes, action| bytes.saturating_add(action.op.bytes()))
}

/// How two folders meet for the first time, in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    pub only: PerSide<u64>,
    /// On both, with equal size.
    pub equal: u64,
    /// On both, with another size.
    pub different: u64,
}

impl Meeting {
    pub fn of(differences: &[Difference]) -> Meeting {
        let mut meeting = Meeting::default();
        for difference in differences {
            let file =
                |seen: &Seen| seen.found().filter(|found| found.entry.kind() == Kind::File).map(|found| found.entry.size());
            match (file(&difference.staging), file(&difference.network)) {
                (Some(a), Some(b)) if a == b => meeting.equal += 1,
                (Some(_), Some(_)) => meeting.different += 1,
                (Some(_), None) => meeting.only.staging += 1,
                (None, Some(_)) => meeting.only.network += 1,
                (None, None) => {}
            }
        }
        meeting
    }
}

/// Both sides hold more than 10 files and fewer than half of the paths are on both with equal size.
pub fn mostly_different(meeting: &Meeting) -> bool {
    let both = meeting.equal + meeting.different;
    let paths = meeting.only.staging + meeting.only.network + both;
    meeting.only.staging + both > 10 && meeting.only.network + both > 10 && meeting.equal * 2 < paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Change;
    use crate::model::entry::{Content, Entry, Found, Stamp};
    use crate::model::plan::Why;
    use crate::model::time::Time;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    fn deletes(folder: &str, count: u64) -> Plan {
        let time = Time(1);
        let entry = Entry { content: Content::File { size: 1, digest: None }, mtime: time, mode: 0o644 };
        let found = Box::new(Found { entry, stamp: Stamp { size: 1, mtime: time, ctime: time, id: 1 } });
        let why = Why { in_base: true, staging: Change::Deleted, network: Change::None, by: None };
        let action = |n| Action {
            path: path(&format!("{folder}/{n:04}")),
            op: Op::Delete { side: Side::Network, expect: found.clone(), base: None },
            why,
        };
        Plan { actions: (0..count).map(action).collect(), ..Plan::default() }
    }

    #[test]
    fn a_mass_is_many_files_and_a_large_part() {
        for (name, count, earlier, base, below, trips) in [
            ("twenty of twenty", 20, 0, 20, 20, false),
            ("twenty-one of eighty-four", 21, 0, 84, 100, true),
            ("twenty-one of eighty-five", 21, 0, 85, 100, false),
            ("with those of the last hour", 11, 10, 74, 100, true),
            ("a whole folder of 51", 51, 0, 100_000, 51, true),
            ("a whole folder of 50", 50, 0, 100_000, 50, false),
            ("the last five of 51", 5, 46, 100_000, 5, true),
            ("the last five of 50", 5, 45, 100_000, 5, false),
            ("five of the last six", 5, 46, 100_000, 6, false),
            ("part of a folder", 51, 0, 100_000, 52, false),
            ("a thousand", 1_000, 0, 10_000_000, 5_000, true),
            ("nothing now", 0, 5_000, 10, 0, false),
        ] {
            let earlier = ByTop::from([(path("top"), earlier)]);
            let trip = mass_delete(&deletes("top", count), Side::Network, &earlier, base, &|_| below);
            assert_eq!(trip.is_some(), trips, "{name}: {trip:?}");
            assert_eq!(mass_delete(&deletes("top", count), Side::Staging, &earlier, base, &|_| below), None, "{name}");
        }
        let elsewhere = ByTop::from([(path("other"), 46)]);
        assert_eq!(mass_delete(&deletes("top", 5), Side::Network, &elsewhere, 100_000, &|_| 5), None);
    }

    /// A file takes the place of a folder with `count` files, which the base forgets.
    fn replaced(count: u64) -> Plan {
        let mut plan = deletes("top", count);
        let Op::Delete { expect: file, .. } = plan.actions[0].op.clone() else { panic!("only deletes") };
        let mut old = file.clone();
        old.entry.content = Content::Folder;
        plan.actions.iter_mut().for_each(|action| action.op = Op::Forget);
        let path = path("top");
        let why = Why { in_base: true, staging: Change::Modified, network: Change::None, by: None };
        let op = Op::Write { to: Side::Network, from: file, expect: Seen::There(old), revived: false };
        plan.actions.insert(0, Action { path, op, why });
        plan
    }

    #[test]
    fn a_folder_that_another_kind_replaces_counts_with_all_it_held() {
        let none = ByTop::new();
        let trip = mass_delete(&replaced(21), Side::Network, &none, 84, &|_| 100);
        assert_eq!(trip, Some(Trip::Share { files: 21, of: 84 }));
        assert_eq!(mass_delete(&replaced(20), Side::Network, &none, 84, &|_| 100), None);
        let mut plan = replaced(21);
        let (mut forgets, elsewhere) = (replaced(1), path("z"));
        let mut other = forgets.actions.remove(1);
        other.path = elsewhere.clone();
        plan.actions.push(other);
        hold_deletes(&mut plan, Side::Network);
        assert_eq!((plan.held.len(), plan.pending.staging), (1, 1));
        assert!(plan.actions.iter().all(|action| action.path == elsewhere), "the base forgets what is still there");
        restore_deletes(&mut plan, Side::Network);
        assert_eq!((plan.actions.len(), plan.held.len()), (1, 1), "only a delete can be turned round");
    }

    #[test]
    fn held_deletes_can_be_turned_round() {
        let mut plan = deletes("top", 3);
        hold_deletes(&mut plan, Side::Network);
        assert_eq!((plan.actions.len(), plan.held.len(), plan.pending.staging), (0, 3, 3));
        restore_deletes(&mut plan, Side::Network);
        assert_eq!((plan.actions.len(), plan.held.len(), plan.pending.staging), (3, 0, 0));
        assert!(plan.actions.iter().all(|action| action.op.side() == Some(Side::Staging)));
    }

    #[test]
    fn two_projects_are_told_from_one() {
        let meeting = |staging, network, equal, different| Meeting { only: PerSide::new(staging, network), equal, different };
        assert!(mostly_different(&meeting(11, 11, 0, 0)));
        assert!(!mostly_different(&meeting(10, 500, 0, 0)));
        assert!(!mostly_different(&meeting(6, 6, 12, 0)));
        assert!(mostly_different(&meeting(7, 6, 12, 0)));
    }
}
