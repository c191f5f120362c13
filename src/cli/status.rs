//! `status`: both roots, what a sync would do each way, and the last run. It writes nothing.

use std::fmt::Write as _;

use crate::cli::args;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown, size};
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::{Paint, count, findings};
use crate::cli::settings::keys::Layer;
use crate::cli::{Answer, Context, json, steer};
use crate::engine::report::{Outcome, Report};
use crate::engine::request::Pair;
use crate::engine::{self, Status};
use crate::model::side::{PerSide, Side};
use crate::model::utc;
use crate::service::Snapshot;

pub fn run(context: &Context, typed: &args::Status) -> Result<Answer, Failure> {
    let pair = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair;
    if typed.watch {
        return steer::follow(context, &pair);
    }
    let watched = steer::snapshot(&pair);
    let Found { status, pending, in_step } = find(context, &pair)?;
    let exit = match (context.stop.signal(), typed.exit_code, in_step) {
        (Some(signal), ..) => Exit::Signal(signal),
        (None, false, _) | (None, true, Some(true)) => Exit::Done,
        (None, true, Some(false)) => Exit::Drift,
        (None, true, None) => Exit::Unchecked,
    };
    Ok(context.answer(
        exit,
        || json::status(&pair.name, &status, in_step, pending, exit, watched.as_ref()),
        || text(&pair.name, &status, pending, in_step, context.paint) + &watching(watched.as_ref()),
    ))
}

/// How both roots stand.
pub struct Found {
    pub status: Status,
    /// What a sync would carry, by the side that holds the change.
    pub pending: PerSide<u64>,
    /// `None` where that could not be found out.
    pub in_step: Option<bool>,
}

/// A look that changes nothing, as a value.
pub fn find(context: &Context, pair: &Pair) -> Result<Found, Failure> {
    let settings = context.settings(pair, Layer::new())?;
    let status = engine::status(pair, &settings.options, settings.policies.clone(), context.stop.flag())?;
    let alone = || PerSide::new(status.unsent.unwrap_or_default(), 0);
    let pending = status.report.as_ref().map_or_else(alone, pending);
    let in_step = in_step(&status, pending);
    Ok(Found { status, pending, in_step })
}

fn watching(watched: Option<&Snapshot>) -> String {
    // To the second, as the other times are told.
    let plain = |time: &str| time.get(..19).map_or_else(|| time.to_owned(), |seconds| seconds.replace('T', " "));
    watched
        .map(|shown| format!("Watched by process {} since {} UTC: {}", shown.process, plain(&shown.since), steer::line(shown)))
        .unwrap_or_default()
}

/// What a sync would carry, by the side that holds the change: up and down. Held deletes are pending in the report
/// already.
fn pending(report: &Report) -> PerSide<u64> {
    let mut pending = report.pending;
    for side in report.actions.iter().filter_map(|action| action.op.side()) {
        pending[side.other()] += 1;
    }
    pending
}

/// `None` where that could not be found out.
fn in_step(status: &Status, pending: PerSide<u64>) -> Option<bool> {
    let report = status.report.as_ref().filter(|report| matches!(report.outcome, Outcome::Done | Outcome::Aborted))?;
    let quiet = pending == PerSide::default() && report.conflicts.is_empty() && report.problems.is_empty();
    Some(quiet)
}

fn text(name: &str, status: &Status, pending: PerSide<u64>, in_step: Option<bool>, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(&format!("Pair {name}")));
    for side in [Side::Network, Side::Staging] {
        let root = &status.roots[side];
        let health = if root.reachable { root.file_system.clone() } else { paint.bad("not reachable") };
        let free = status.free[side].map(|free| format!(", {} free", size(free))).unwrap_or_default();
        let _ = writeln!(text, "  {:8} {}  ({health}{free})", side.word(), shown(&root.path));
        if let Some(message) = &root.message {
            let _ = writeln!(text, "           {message}");
        }
    }
    let _ = match &status.last_run {
        Some(run) => {
            let outcome = run.outcome.as_deref().unwrap_or("cut short, or still at work");
            writeln!(text, "  last run {} UTC, {}: {outcome}", utc::plain(run.started), run.direction)
        }
        None => writeln!(text, "  last run none yet"),
    };
    text.push_str(match in_step {
        Some(true) => "In step: nothing to do.\n",
        Some(false) => "",
        None => "What a sync would do could not be found out; nothing was changed.\n",
    });
    for (number, way) in
        [(pending.staging, "up, from staging to the network"), (pending.network, "down, from the network to staging")]
    {
        if number > 0 {
            let _ = writeln!(text, "{} to sync {way}", count(number, "path"));
        }
    }
    if let Some(report) = &status.report {
        text.push_str(&findings(report, paint));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;
    use crate::engine::RootHealth;

    fn status(report: Option<Report>) -> Status {
        let root = |path: &str| RootHealth { path: path.into(), reachable: true, file_system: "ext4".to_owned(), message: None };
        Status {
            roots: PerSide::new(root("/s"), root("/n")),
            report,
            last_run: None,
            unsent: None,
            free: PerSide::new(None, Some(1 << 30)),
        }
    }

    #[test]
    fn actions_and_what_is_pending_count_by_the_side_that_changed_and_held_deletes_once() {
        let mut report = samples::report();
        assert_eq!(pending(&report), PerSide::new(1, 2));
        report.held = Some(samples::held());
        report.pending.staging = 1_203;
        assert_eq!(pending(&report), PerSide::new(1_204, 2));
    }

    #[test]
    fn what_could_not_be_checked_is_not_in_step() {
        assert_eq!(in_step(&status(None), PerSide::default()), None);
        let mut report = samples::report();
        report.outcome = Outcome::Offline { side: Side::Network, message: "gone".to_owned() };
        assert_eq!(in_step(&status(Some(report.clone())), PerSide::default()), None);
        report.outcome = Outcome::Done;
        assert_eq!(in_step(&status(Some(report.clone())), PerSide::default()), Some(false), "a conflict is drift");
        report.conflicts.clear();
        report.problems.clear();
        assert_eq!(in_step(&status(Some(report.clone())), PerSide::default()), Some(true));
        assert_eq!(in_step(&status(Some(report)), PerSide::new(0, 1)), Some(false));
    }

    #[test]
    fn the_object_and_the_text_hold_both_roots() {
        let status = status(None);
        let json = json::status("p", &status, None, PerSide::default(), Exit::Unchecked, None);
        let expected = r#"{"schema":"driftless.status/1","pair":"p","exit_code":7,"in_step":null,"roots":{"staging":{"path":"/s","reachable":true,"file_system":"ext4","free":null,"message":null},"network":{"path":"/n","reachable":true,"file_system":"ext4","free":1073741824,"message":null}},"pending":{"up":0,"down":0},"conflicts":[],"problems":[],"last_run":null,"watch":null}"#;
        assert_eq!(json, format!("{expected}\n"));
        let text = text("p", &status, PerSide::default(), None, Paint::PLAIN);
        assert!(text.contains("network  /n  (ext4, 1.00 GiB free)") && text.contains("could not be found out"), "{text}");
    }
}
