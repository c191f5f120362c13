//! Parts of the model: functions of values, whose instructions are the same each time.

use super::agreed::{base, found, path, paths, there};
use super::{Part, agreed};
use crate::model::conflict::{Policies, Policy};
use crate::model::digest::Digesting;
use crate::model::entry::Found;
use crate::model::ignore::{Patterns, Verdict};
use crate::model::listing::{Difference, Item, Listing, Seen, zip};
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Op, Plan};
use crate::model::reconcile::{Rules, reconcile};
use crate::model::rename;
use crate::model::side::{Direction, PerSide};
use crate::model::time::Time;

static POLICIES: Policies = Policies::all(Policy::Hold);

/// All of them, each about so many files (a multiple of 8, and none of 7).
pub fn parts(files: u64) -> Vec<Part> {
    vec![
        Part::of("reconcile", move || differences(files), |differences| plan(differences).actions.len() as u64),
        Part::of("path-order", move || shuffled(files), order),
        Part::of("ignore", move || (patterns(), paths(files)), ignored),
        Part::of("digest", || vec![0x5a_u8; 1 << 20], digest),
        Part::of("rename-pairing", move || plan(moves(files)), pair),
        Part::of("zip", move || PerSide::new(names(files), names(files)), zipped),
    ]
}

fn rules() -> Rules<'static> {
    let now = Time(1_800_000_000_000_000_000);
    Rules { direction: Direction::Both, policies: &POLICIES, take: None, granularity_ns: 1, modes: true, now, host: "here" }
}

fn plan(differences: Vec<Difference>) -> Plan {
    reconcile(differences, &rules())
}

/// What a day leaves: edits on one side, new files, deletes, times, and some conflicts.
fn differences(count: u64) -> Vec<Difference> {
    let one = |(n, path): (u64, RelPath)| {
        let same = || there(found(n, 0, true));
        let (in_base, staging, network) = match n % 8 {
            0 | 1 => (true, there(found(n, 1, true)), same()),
            2 => (true, same(), there(found(n, 1, true))),
            3 => (false, there(found(n, 0, false)), Seen::Absent),
            4 => (true, Seen::Absent, same()),
            5 => (true, touched(n), same()),
            6 => (true, there(found(n, 1, true)), there(found(n, 2, true))),
            _ => (true, Seen::Absent, Seen::Absent),
        };
        Difference { path, base: in_base.then(|| Box::new(base(n))), staging, network }
    };
    (0..).zip(paths(count)).map(one).collect()
}

/// The agreed content with a later time.
fn touched(n: u64) -> Seen {
    let Found { mut entry, mut stamp } = found(n, 0, true);
    (entry.mtime.0, stamp.mtime.0) = (entry.mtime.0 + 5_000_000_000, stamp.mtime.0 + 5_000_000_000);
    there(Found { entry, stamp })
}

/// Every second file went to another folder, in staging.
fn moves(count: u64) -> Vec<Difference> {
    let mut all = Vec::new();
    for (n, at) in (0..).zip(paths(count)).filter(|(n, _)| n % 2 == 0) {
        let old = there(found(n, 0, true));
        let to = path(&format!("moved/{n:06}"));
        all.push(Difference { path: at, base: Some(Box::new(base(n))), staging: Seen::Absent, network: old.clone() });
        all.push(Difference { path: to, base: None, staging: old, network: Seen::Absent });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn pair(plan: Plan) -> u64 {
    let paired = rename::pair(plan, PerSide::new(true, true));
    paired.actions.iter().filter(|action| matches!(action.op, Op::Rename { .. })).count() as u64
}

/// The paths in an order that has nothing to do with theirs: 7 steps on each time, which comes by all of them.
fn shuffled(count: u64) -> Vec<RelPath> {
    const STEP: u64 = 7;
    let paths = paths(count);
    let at = |n: u64| usize::try_from((n * STEP) % count).expect("an index");
    (0..count).map(|n| paths[at(n)].clone()).collect()
}

fn order(mut paths: Vec<RelPath>) -> u64 {
    paths.sort();
    paths.iter().zip(&paths[1..]).filter(|(a, b)| a < b).count() as u64
}

fn patterns() -> Patterns {
    let patterns = ["*.tmp", "build/", "/results/run 7/", "**/deep/er/table-1*", "!table-12.parquet", "raw/*/scan-000[0-4].bin"];
    Patterns::new(patterns).expect("patterns of ours are some")
}

fn ignored((patterns, paths): (Patterns, Vec<RelPath>)) -> u64 {
    paths.iter().filter(|path| patterns.verdict(path, false) != Verdict::Wanted).count() as u64
}

fn digest(content: Vec<u8>) -> u64 {
    const BUFFER: usize = 256 * 1024;
    let mut digesting = Digesting::default();
    content.chunks(BUFFER).for_each(|piece| digesting.update(piece));
    u64::from(digesting.finish().0[0])
}

fn names(count: u64) -> Listing<u64> {
    let name = |n: u64| Name::new(format!("file {n:05}").as_bytes()).expect("a name of ours is one");
    (0..count).filter(|n| n % agreed::IN_A_FOLDER != 3).map(|n| Item { name: name(n), value: n }).collect()
}

fn zipped(names: PerSide<Listing<u64>>) -> u64 {
    let base = names.staging.clone();
    zip(base, names.staging, names.network).filter(|triple| triple.base == triple.network).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part does what it is named after: a part that does nothing would be fast for ever.
    #[test]
    fn every_part_comes_to_something_and_to_the_same_each_time() {
        let expected = [
            // All but the 250 conflicts.
            ("reconcile", 1_750),
            ("path-order", 1_999),
            ("ignore", 0),
            ("digest", 0),
            ("rename-pairing", 1_000),
            ("zip", 1_960),
        ];
        for (mut part, (name, count)) in parts(2_000).into_iter().zip(expected) {
            assert_eq!(part.name, name);
            let (first, second) = ((part.prepare)()(), (part.prepare)()());
            assert_eq!(first, second, "{name}");
            match name {
                "ignore" | "digest" => assert!(first > 0, "{name}: {first}"),
                _ => assert_eq!(first, count, "{name}"),
            }
        }
        assert_eq!(parts(2_000).len(), expected.len());
    }
}
