//! The records of large copies that were broken off, in the pair's state folder.

use super::hands::owner;
use super::open::Session;
use super::request::{Pair, Request};
use crate::disk::local;
use crate::model::path::Name;
use crate::model::plan::{Op, Plan};
use crate::model::side::{PerSide, Side};
use crate::transfer::partial;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// Nobody comes back for a copy that was broken off so long ago.
const AGE: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn folder(pair: &Pair) -> PathBuf {
    pair.state.join("partial")
}

/// Where the lists of large files' blocks are.
pub(super) fn blocks(pair: &Pair) -> PathBuf {
    pair.state.join("blocks")
}

/// The temporary names that this plan writes.
fn wanted(plan: &Plan, owner: u32) -> HashSet<(Side, Name)> {
    let one = |op: &Op, path| match op {
        Op::Write { to, from, .. } if !from.entry.is_folder() => Some((*to, partial::wanted(owner, path, &from.stamp)?)),
        _ => None,
    };
    plan.actions.iter().filter_map(|action| one(&action.op, &action.path)).collect()
}

/// The temporary files that this run goes on with, or another one may. Records of others go: those that are old or broken,
/// and where the run sees everything those of a version that nobody wants any more.
pub(super) fn kept(session: &Session<'_>, request: &Request, plan: &Plan, owner: u32) -> PerSide<HashSet<Name>> {
    let mut kept = PerSide::<HashSet<Name>>::default();
    let records = partial::list(&folder(session.pair));
    if records.is_empty() {
        return kept;
    }
    let wanted = wanted(plan, owner);
    for (path, record) in records {
        match record {
            Some((name, record, age)) if age < AGE => {
                let seen = request.is_whole() && request.direction.writes(record.side);
                if !seen || wanted.contains(&(record.side, name.clone())) {
                    kept[record.side].insert(name);
                    continue;
                }
            }
            _ => {}
        }
        if let Err(error) = local::remove_file(&path) {
            tracing::debug!(%error, "a record of a copy stays");
        }
    }
    kept
}

/// Bytes of this plan that are at `side` already.
pub(super) fn done(session: &Session<'_>, plan: &Plan, side: Side) -> u64 {
    let records = partial::list(&folder(session.pair));
    if records.is_empty() {
        return 0;
    }
    let wanted = wanted(plan, owner(&local::host_name(), session.pair));
    let ours = records.into_iter().filter_map(|(_, record)| record);
    ours.filter(|(name, ..)| wanted.contains(&(side, name.clone())))
        .fold(0, |done, (_, record, _)| done.saturating_add(record.done))
}
