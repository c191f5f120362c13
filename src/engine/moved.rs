//! A run limited to some paths does not delete what was only moved out of them.

use super::error::Error;
use super::open::Session;
use super::request::Request;
use crate::disk::{ErrorKind, NodeContent};
use crate::model::entry::{Content, Kind, Stamp};
use crate::model::finding::Note;
use crate::model::ignore::is_own_name;
use crate::model::path::RelPath;
use crate::model::plan::{Op, Plan};
use crate::model::side::Side;
use crate::model::vouch::same_version;

use std::collections::HashSet;

/// Holds each delete of a file that stands elsewhere, outside the asked paths, on the side that deleted it: the run
/// that also sees the new place makes a rename of it.
pub(super) fn hold_moved_out(session: &Session<'_>, request: &Request, plan: &mut Plan) -> Result<(), Error> {
    // Hints name both ends of a move.
    if request.paths.is_empty() {
        return Ok(());
    }
    for side in Side::BOTH {
        let wanted: HashSet<(u64, i64)> = plan.actions.iter().filter_map(|action| deleted(&action.op, side)).collect();
        if wanted.is_empty() {
            continue;
        }
        let elsewhere = stamps_outside(session, side.other(), &request.paths, &wanted)?;
        let (kept, moved): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.actions)
            .into_iter()
            .partition(|action| deleted(&action.op, side).is_none_or(|stamp| !elsewhere.contains(&stamp)));
        plan.actions = kept;
        for action in moved {
            plan.notes.push(Note::of(
                &action.path,
                "moved to a place outside the paths given; its delete waits for a run that covers both",
            ));
            plan.pending[side.other()] += 1;
            plan.held.push(action);
        }
    }
    Ok(())
}

/// Size and time of a file that is to be deleted at `side`: a move leaves both alone.
fn deleted(op: &Op, side: Side) -> Option<(u64, i64)> {
    match op {
        Op::Delete { side: at, expect, .. } if *at == side && expect.entry.kind() == Kind::File && expect.entry.size() > 0 => {
            Some(mark(&expect.stamp))
        }
        _ => None,
    }
}

/// A file that the base knows at its place has not come from elsewhere: many files share a size and a time.
fn stood_there(session: &Session<'_>, side: Side, path: &RelPath, stamp: &Stamp) -> Result<bool, Error> {
    let row = session.store.find(path)?;
    let recorded = row.and_then(|row| row.base.stamps[side]);
    Ok(recorded.is_some_and(|recorded| same_version(&recorded.stamp, stamp, &session.traits[side])))
}

fn mark(stamp: &Stamp) -> (u64, i64) {
    (stamp.size, stamp.mtime.0)
}

/// Which of the `wanted` files stand outside `paths`? Stats only.
fn stamps_outside(
    session: &Session<'_>,
    side: Side,
    paths: &[RelPath],
    wanted: &HashSet<(u64, i64)>,
) -> Result<HashSet<(u64, i64)>, Error> {
    let mut found = HashSet::new();
    let mut open = vec![RelPath::root()];
    while let Some(path) = open.pop() {
        if paths.iter().any(|asked| path.is_within(asked)) {
            continue;
        }
        let listing = match session.roots[side].folder(&path).and_then(|folder| folder.list()) {
            Ok(listing) => listing,
            Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(side)(error)),
            Err(_) => continue,
        };
        for item in listing.into_iter().filter(|item| !is_own_name(&item.name)) {
            match item.value.content {
                NodeContent::Plain(Content::Folder) => open.push(path.join(&item.name)),
                NodeContent::Plain(Content::File { .. }) if wanted.contains(&mark(&item.value.stamp)) => {
                    let stamp = &item.value.stamp;
                    if !stood_there(session, side, &path.join(&item.name), stamp)? {
                        found.insert(mark(stamp));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}
