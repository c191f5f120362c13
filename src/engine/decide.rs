//! From differences to a plan that may be carried out: reconcile, renames, guards, room.

use super::deletes;
use super::error::Error;
use super::growing;
use super::moved;
use super::open::Session;
use super::partials;
use super::report::{Held, Outcome, Refusal};
use super::request::Request;
use super::whole;
use crate::disk::clock::now;
use crate::disk::{ErrorKind, local};
use crate::manifest::key;
use crate::model::conflict::{Policies, Policy};
use crate::model::guard::{self, Meeting};
use crate::model::listing::Difference;
use crate::model::plan::{Op, Plan};
use crate::model::reconcile::Rules;
use crate::model::rename;
use crate::model::side::{PerSide, Side};
use crate::scan::{Reading, digest_of};

use std::sync::atomic::AtomicBool;

/// A plan, and what keeps the run from carrying it out.
pub(super) struct Decision {
    pub plan: Plan,
    pub held: Option<Held>,
    /// `None`: go.
    pub stop: Option<Outcome>,
}

pub(super) fn decide(
    session: &Session<'_>,
    request: &Request,
    differences: Vec<Difference>,
    stop: &AtomicBool,
) -> Result<Decision, Error> {
    if let Some(refusal) = ask_first(session, request, &differences)? {
        return Ok(Decision { plan: Plan::default(), held: None, stop: Some(Outcome::Refused(refusal)) });
    }
    let differences = super::databases::know_again(session, request, differences, stop);
    let traits = &session.traits;
    let host = local::host_name();
    let rules = Rules {
        direction: request.direction,
        policies: policies(session, request)?,
        take: request.take,
        granularity_ns: traits.granularity_ns(),
        modes: traits.modes(),
        now: now(),
        host: &host,
    };
    let mut plan = whole::plan(session, request, differences, &rules, stop)?;
    if plan.aborted {
        return Ok(Decision { plan, held: None, stop: Some(Outcome::Aborted) });
    }
    growing::hold_back(session, request, &mut plan);
    read_candidates(session, &mut plan, stop)?;
    let ids = traits.map(|traits| traits.ids);
    plan = rename::pair(plan, ids);
    moved::hold_moved_out(session, request, &mut plan)?;
    let held = deletes::guard(session, request, &mut plan)?;
    let stop = no_room(session, &plan)?.map(Outcome::Refused);
    Ok(Decision { plan, held, stop })
}

static HOLD: Policies = Policies::all(Policy::Hold);
static ABORT: Policies = Policies::all(Policy::Abort);

/// Where both sides meet for the first time, only a policy that was given for this very run decides over content.
fn policies<'r>(session: &Session<'_>, request: &'r Request) -> Result<&'r Policies, Error> {
    let first = session.store.meta(key::FIRST_SYNC_ENDED)?.is_none();
    Ok(match (first && !request.policies_by_flag, request.policies.default()) {
        (false, _) => &request.policies,
        (true, Policy::Abort) => &ABORT,
        (true, _) => &HOLD,
    })
}

/// The question of a first sync: do these two folders hold the same project at all?
fn ask_first(session: &Session<'_>, request: &Request, differences: &[Difference]) -> Result<Option<Refusal>, Error> {
    if request.yes || request.take.is_some() || session.store.meta(key::FIRST_SYNC_BEGUN)?.is_some() {
        return Ok(None);
    }
    let meeting = Meeting::of(differences);
    Ok(guard::mostly_different(&meeting).then_some(Refusal::MostlyDifferent {
        only_staging: meeting.only.staging,
        only_network: meeting.only.network,
        equal: meeting.equal,
        different: meeting.different,
    }))
}

/// Reads the new files that may be renamed old ones: the digest decides.
fn read_candidates(session: &Session<'_>, plan: &mut Plan, stop: &AtomicBool) -> Result<(), Error> {
    let ids = session.traits.map(|traits| traits.ids);
    let mut reading = Reading::default();
    for candidate in rename::candidates(plan, ids) {
        let action = &mut plan.actions[candidate.action];
        let (Some(parent), Some(name)) = (action.path.parent(), action.path.name()) else { continue };
        let Op::Write { from, .. } = &mut action.op else { continue };
        let folder = session.roots[candidate.side].folder(&parent);
        // What cannot be read is no rename; the copy will say why.
        if let Ok(folder) = folder
            && let Ok(digest) = digest_of(&*folder, &name, &from.stamp, &mut reading, stop)
        {
            from.entry.set_digest(digest);
        }
    }
    Ok(())
}

/// A run that cannot fit stops before it writes. Trash costs nothing here: it is made of renames and links.
fn no_room(session: &Session<'_>, plan: &Plan) -> Result<Option<Refusal>, Error> {
    for side in Side::BOTH {
        let needed = guard::room_needed(plan, side).saturating_sub(partials::done(session, plan, side));
        if needed == 0 {
            continue;
        }
        let space = match session.roots[side].space() {
            Ok(space) => space,
            Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(side)(error)),
            // Some network mounts do not tell; the write will.
            Err(_) => continue,
        };
        // A file system that says it has no size at all does not know.
        if space.total > 0 && needed.saturating_add(session.options.reserve) > space.free {
            return Ok(Some(Refusal::Space { side, needed: needed.saturating_add(session.options.reserve), free: space.free }));
        }
    }
    Ok(None)
}

/// What each side would be asked to do, for progress.
pub(super) fn work(plan: &Plan) -> PerSide<super::report::Work> {
    let mut work = PerSide::<super::report::Work>::default();
    for action in &plan.actions {
        if let Some(side) = action.op.side() {
            work[side].paths += 1;
            work[side].bytes = work[side].bytes.saturating_add(action.op.bytes());
            work[side].files +=
                u64::from(matches!(&action.op, Op::Write { from, .. } if from.entry.size() > 0 || !from.entry.is_folder()));
        }
    }
    work
}
