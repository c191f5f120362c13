//! `driftless sync`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use super::args;
use super::exit::{self, Exit};
use super::failure::{Failure, refusal_words};
use super::progress::Shown;
use super::{Answer, Call, eprintln_quietly};
use super::{init, json, pairs, paths, render, settings};
use crate::engine::{self, Deletes, Outcome, Pair, Refusal, Report, Request};
use crate::model::path::RelPath;

pub fn sync(call: &Call, typed: &args::Sync) -> Result<Answer, Failure> {
    let here = here();
    let chosen = pairs::choose(&typed.choice, &here)?;
    chosen.warnings.iter().for_each(|warning| eprintln_quietly(warning));
    let pair = &chosen.pair;
    let (direction, typed_paths) = typed.direction_and_paths();
    let limited = paths::resolve(pair, &here, &typed_paths)?;
    let flags = settings::flag_layer(typed.conflict.map(args::ConflictPolicy::policy), typed.wait);
    let settings = settings::of_pair(pair, flags, std::env::vars_os())?;
    settings.warnings.iter().for_each(|warning| eprintln_quietly(&format!("warning: {warning}")));
    if chosen.is_new && !typed.dry_run {
        init::first(&chosen, &settings.options)?;
    }
    let request = Request {
        direction,
        paths: if limited.contains(&RelPath::root()) { Vec::new() } else { limited },
        dry_run: typed.dry_run,
        policy: settings.policy,
        policy_by_flag: typed.conflict.is_some(),
        deletes: match (typed.allow_deletes, typed.restore_deletes) {
            (true, _) => Deletes::Allow,
            (_, true) => Deletes::Restore,
            _ => Deletes::Guarded,
        },
        verify: typed.verify,
        trust_times: typed.trust_times,
        wait: settings.wait,
        yes: call.common.yes,
        list_actions: typed.dry_run || call.common.verbose,
    };
    let mut report = once(call, pair, &request, &settings)?;
    if asks(call, &report) {
        let Outcome::Refused(refusal) = &report.outcome else { unreachable!("only a refusal asks") };
        if confirmed(refusal) {
            report = once(call, pair, &Request { yes: true, ..request }, &settings)?;
        }
    }
    let (exit, word) = exit::of_report(&report, call.stop.signal());
    Ok(Answer { text: render::sync(&report, call.common.verbose), json: json::report(&report, word, exit), exit })
}

/// The folder that relative paths start from; without one they are relative to the root.
pub fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

fn once(call: &Call, pair: &Pair, request: &Request, settings: &settings::Settings) -> Result<Report, Failure> {
    let shown = Shown::new(request.direction);
    let result = engine::sync(pair, request, &settings.options, &|progress| shown.tell(progress), call.stop.flag());
    shown.end();
    Ok(result?)
}

/// Only a person at a terminal is asked; without one a question is a refusal.
fn asks(call: &Call, report: &Report) -> bool {
    let question = matches!(report.outcome, Outcome::Refused(Refusal::MostlyDifferent { .. }));
    question && !call.common.json && io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn confirmed(refusal: &Refusal) -> bool {
    let (message, _) = refusal_words(refusal);
    eprintln_quietly(&message);
    let _ = write!(io::stderr(), "Do they belong together? Nothing would be deleted or overwritten. [y/N] ");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

/// For a check: drift or not.
pub fn in_step(report: &Report) -> bool {
    let pending = report.pending.staging + report.pending.network;
    pending == 0
        && report.counts == engine::Counts { adopted: report.counts.adopted, ..engine::Counts::default() }
        && report.conflicts.is_empty()
        && report.problems.is_empty()
        && report.held.is_none()
        && report.outcome == Outcome::Done
}

/// The exit of a command that only looks.
pub fn looked(report: &Report) -> Exit {
    if in_step(report) { Exit::Done } else { Exit::Drift }
}
