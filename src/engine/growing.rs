//! Files that were written to while they were copied: left alone, unread, until they were quiet.

use super::clock::now_at;
use super::error::Error;
use super::open::Session;
use super::report::Report;
use super::request::Request;
use crate::model::finding::{Problem, ProblemKind};
use crate::model::growing::Torn;
use crate::model::path::RelPath;
use crate::model::plan::{Op, Plan};
use crate::model::side::Side;
use crate::model::target::{self, Target};
use crate::model::utc;

use std::collections::HashMap;

/// Takes the copies of such files out of a plan and says so.
pub(super) fn hold_back(session: &Session<'_>, request: &Request, plan: &mut Plan) {
    if session.torn.is_empty() || request.insist {
        return;
    }
    let torn: HashMap<(&RelPath, Side), &Torn> = session.torn.iter().map(|torn| ((&torn.path, torn.side), torn)).collect();
    let mut problems = Vec::new();
    plan.actions.retain(|action| {
        let Op::Write { to, from, .. } = &action.op else { return true };
        let side = to.other();
        let (Some(torn), Some(now)) = (torn.get(&(&action.path, side)), now_at(session, side)) else { return true };
        if from.entry.is_folder() || !torn.waits(from.stamp.mtime, now) {
            return true;
        }
        let (last, quiet) = (utc::plain(from.stamp.mtime), torn.quiet());
        let message = format!("is still being written (last at {last} UTC); it is tried again once it was quiet for {quiet}");
        problems.push(Problem { path: action.path.clone(), side, kind: ProblemKind::Busy, message });
        false
    });
    plan.problems.append(&mut problems);
}

/// After a run: a file that is busy no more, or gone, starts from the beginning the next time.
pub(super) fn forget_quiet(
    session: &mut Session<'_>,
    request: &Request,
    report: &Report,
    looked_at: Option<&[Target]>,
) -> Result<(), Error> {
    for Torn { path, side, .. } in std::mem::take(&mut session.torn) {
        let busy = report.problems.iter().any(|problem| problem.path == path && problem.kind == ProblemKind::Busy);
        if busy || !target::looked_at(looked_at, &path) || !request.direction.writes(side.other()) {
            continue;
        }
        if let Some(manifest) = session.store.writing() {
            manifest.forget_torn(&path, side)?;
        }
    }
    Ok(())
}
