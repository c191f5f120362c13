//! The two roots of the pair that the current folder lies in.

use std::path::PathBuf;

use super::{Finding, Severity};
use crate::cli::args::Choice;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::pairs::{self, IfNew};
use crate::cli::place::Place;
use crate::cli::render::count;
use crate::cli::status::{self, Found};
use crate::cli::{Context, json};
use crate::engine::report::Outcome;
use crate::model::side::Side;

/// How both roots stand; a look that changes nothing.
pub fn find(context: &Context, choice: &Choice) -> Result<Finding, Failure> {
    let place = &context.place;
    let named = choice.pair.is_some() || choice.network.is_some() || choice.staging.is_some();
    if !named && root_here(place)?.is_none() {
        return Ok(Finding::not_set_up("the folder belongs to no pair"));
    }
    let pair = pairs::choose(place, choice, IfNew::Refuse)?.pair;
    let found = status::find(context, &pair)?;
    let (severity, exit) = match found.in_step {
        Some(true) => (Severity::InStep, Exit::Done),
        Some(false) => (Severity::Drift, Exit::Drift),
        None => (Severity::CouldNotTell, Exit::Unchecked),
    };
    let (state, message, mend) = told(&found, &pair.name);
    let mut finding = Finding::new(severity, state, message);
    finding.mend = mend;
    Ok(finding.with_object(json::status(&pair.name, &found.status, found.in_step, found.pending, exit, None)))
}

/// The root of a pair that the current folder lies in.
fn root_here(place: &Place) -> Result<Option<PathBuf>, Failure> {
    let mut roots = pairs::known(place)?.into_iter().flat_map(|pair| [pair.network, pair.staging]);
    Ok(roots.find(|root| place.here.starts_with(root)))
}

fn told(found: &Found, pair: &str) -> (&'static str, String, Option<String>) {
    let sync = format!("driftless sync --pair {pair}");
    let report = found.status.report.as_ref();
    let away = [Side::Network, Side::Staging].into_iter().find(|side| !found.status.roots[*side].reachable);
    match (found.in_step, away) {
        (Some(true), _) => ("in_step", format!("both roots of the pair {pair} hold the same"), None),
        (None, Some(side)) => {
            let unsent = found.pending.staging;
            let waits = if unsent > 0 { format!(", and {} wait in staging", count(unsent, "change")) } else { String::new() };
            let message = format!("the {} root of the pair {pair} cannot be reached{waits}", side.word());
            ("offline", message, Some(format!("{sync} --wait 5m, when it is back")))
        }
        (None, None) => {
            let refused = report.is_some_and(|report| matches!(report.outcome, Outcome::Refused(_)));
            let why = if refused { "a sync would be refused" } else { "what a sync would do could not be found out" };
            ("could_not_tell", format!("{why}, with the pair {pair}"), Some(format!("driftless status --pair {pair}")))
        }
        (Some(false), _) => {
            let (conflicts, problems) = report.map_or((0, 0), |report| (report.conflicts.len(), report.problems.len()));
            let numbers = [
                (found.pending.staging, "path", " to send up"),
                (found.pending.network, "path", " to take down"),
                (conflicts as u64, "conflict", ""),
                (problems as u64, "problem", ""),
            ];
            let parts: Vec<String> = numbers
                .into_iter()
                .filter(|(number, ..)| *number > 0)
                .map(|(number, one, more)| format!("{}{more}", count(number, one)))
                .collect();
            let pending = found.pending.staging + found.pending.network > 0;
            let mend = match (pending, conflicts) {
                (false, 1..) => format!("driftless conflicts list --pair {pair}"),
                (false, 0) => format!("driftless status --pair {pair}"),
                (true, _) => sync,
            };
            (if conflicts > 0 { "conflicts" } else { "pending" }, parts.join(", "), Some(mend))
        }
    }
}
