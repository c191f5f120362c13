//! Deletes that a run does not carry by itself: a mass of them within an hour, and those that cannot be believed now.

use super::error::Error;
use super::open::Session;
use super::report::Held;
use super::request::{Deletes, Request};
use super::whole;
use crate::manifest::{Manifest, key};
use crate::model::guard;
use crate::model::path::RelPath;
use crate::model::plan::{Op, Plan};
use crate::model::side::Side;
use crate::model::time::Time;

const HOUR_NS: i64 = 3_600_000_000_000;

/// Takes the deletes out of the plan that have to wait, at either side.
pub(super) fn guard(session: &Session<'_>, request: &Request, plan: &mut Plan) -> Result<Option<Held>, Error> {
    let mut answer = None;
    if request.deletes == Deletes::Allow {
        return Ok(answer);
    }
    for side in Side::BOTH {
        if !plan.actions.iter().any(|action| guard::deletes_at(&action.op, side)) {
            continue;
        }
        let doubt = session.standing.hold_deletes.clone();
        let Some(why) = doubt.clone().map_or_else(|| mass(session, request, plan, side), |why| Ok(Some(why)))? else { continue };
        guard::hold_deletes(plan, side);
        if doubt.is_none() && request.deletes == Deletes::Restore && request.direction.writes(side.other()) {
            guard::restore_deletes(plan, side);
        }
        // A folder that another kind replaces cannot be turned round: it stays held, and that is said.
        if plan.held.iter().any(|action| action.op.side() == Some(side)) {
            answer = Some(held(session, plan, side, why)?);
            whole::hold_with_deletes(session, plan, side);
        }
    }
    Ok(answer)
}

/// Why the plan's deletes at `side` are a mass, or a part of one.
fn mass(session: &Session<'_>, request: &Request, plan: &Plan, side: Side) -> Result<Option<String>, Error> {
    if let Deletes::Held { since } = request.deletes
        && answered_at(session)?.is_none_or(|answered| answered < since)
    {
        return Ok(Some("deletes wait for an answer, and these are more of them".to_owned()));
    }
    let earlier = session.store.deletes_since(side, counted_from(session)?)?;
    let below = |folder: &RelPath| session.store.files_below(folder).unwrap_or(0);
    let trip = guard::mass_delete(plan, side, &earlier, session.store.count_files()?, &below);
    Ok(trip.map(|trip| trip.to_string()))
}

/// An hour back, or the moment of the last answer. A moment that is still to come was told by a clock that was wrong.
fn counted_from(session: &Session<'_>) -> Result<Time, Error> {
    let hour_ago = Time(session.started.0 - HOUR_NS);
    Ok(answered_at(session)?.filter(|&at| at <= session.started).map_or(hour_ago, |at| at.max(hour_ago)))
}

/// When deletes were allowed last, by whichever process.
fn answered_at(session: &Session<'_>) -> Result<Option<Time>, Error> {
    Ok(session.store.meta(key::DELETES_ALLOWED)?.and_then(|at| at.parse().ok()).map(Time))
}

/// A run over everything whose deletes were allowed is an answer to all before it: they count no more.
pub(super) fn answered(manifest: &mut Manifest, request: &Request, now: Time) -> Result<(), Error> {
    if request.deletes == Deletes::Allow && request.paths.is_empty() {
        manifest.set_meta(key::DELETES_ALLOWED, &now.0.to_string())?;
    }
    Ok(())
}

fn held(session: &Session<'_>, plan: &Plan, side: Side, why: String) -> Result<Held, Error> {
    let mut held = Held { side, files: 0, folders: 0, of_files: session.store.count_files()?, top: Vec::new(), why };
    for action in plan.held.iter().filter(|action| action.op.side() == Some(side)) {
        let folder = matches!(&action.op, Op::Delete { expect, .. } if expect.entry.is_folder());
        if folder {
            held.folders += 1;
            continue;
        }
        held.files += 1;
        let top = guard::top_of(&action.path);
        match held.top.iter_mut().find(|(path, _)| *path == top) {
            Some((_, count)) => *count += 1,
            None => held.top.push((top, 1)),
        }
    }
    held.top.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    held.top.truncate(5);
    Ok(held)
}
