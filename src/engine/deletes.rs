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
    let told = session.store.meta(key::deletes_allowed(side))?.and_then(|at| at.parse().ok()).map(Time);
    let Some(counted_from) = counted_from(told, request.deletes, session.started) else {
        return Ok(Some("deletes wait for an answer, and these are more of them".to_owned()));
    };
    let earlier = session.store.deletes_since(side, counted_from)?;
    let below = |folder: &RelPath| session.store.files_below(folder).unwrap_or(0);
    let trip = guard::mass_delete(plan, side, &earlier, session.store.count_files()?, &below);
    Ok(trip.map(|trip| trip.to_string()))
}

/// Since when deletes count: for an hour, or since they were allowed at `answered`, by whichever process. `None` where a mass
/// waits since later.
fn counted_from(answered: Option<Time>, deletes: Deletes, now: Time) -> Option<Time> {
    let hour_ago = Time(now.0 - HOUR_NS);
    // A moment that is still to come was told by a clock that was wrong.
    let answered = answered.filter(|&at| at <= now);
    match deletes {
        Deletes::Held { since } if answered.is_none_or(|at| at < since) => None,
        _ => Some(answered.map_or(hour_ago, |at| at.max(hour_ago))),
    }
}

/// A run over everything whose deletes were allowed is an answer to all before it, where it may write: they count no more.
pub(super) fn answered(manifest: &mut Manifest, request: &Request, now: Time) -> Result<(), Error> {
    if request.deletes == Deletes::Allow && request.paths.is_empty() {
        for side in Side::BOTH.into_iter().filter(|&side| request.direction.writes(side)) {
            manifest.set_meta(key::deletes_allowed(side), &now.0.to_string())?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_let_go_by_a_later_answer_alone() {
        let (hour, now) = (Time(HOUR_NS), Time(2 * HOUR_NS));
        let [before, since, after, to_come] = [30, 40, 50, 70].map(|minutes| Time(HOUR_NS + minutes * HOUR_NS / 60));
        let held = Deletes::Held { since };
        for (name, answered, deletes, expected) in [
            ("nobody was asked", None, Deletes::Guarded, Some(hour)),
            ("an old answer", Some(Time(1)), Deletes::Guarded, Some(hour)),
            ("an answer", Some(after), Deletes::Guarded, Some(after)),
            ("a clock that was wrong", Some(to_come), Deletes::Guarded, Some(hour)),
            ("it waits", None, held, None),
            ("an answer to another one", Some(before), held, None),
            ("its answer", Some(after), held, Some(after)),
            ("an answer by a clock that was wrong", Some(to_come), held, None),
        ] {
            assert_eq!(counted_from(answered, deletes, now), expected, "{name}");
        }
    }
}
