//! `conflicts list`: what both sides changed, with both versions. `conflicts resolve`: one run in which somebody has said
//! whose version counts.

use std::path::Path;

use crate::cli::args::{Conflicts, Resolve};
use crate::cli::exit::{self, Exit};
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, Chosen, IfNew};
use crate::cli::render::count;
use crate::cli::sync::once;
use crate::cli::{Answer, Context, json, paths, render, settings};
use crate::engine::report::Report;
use crate::engine::request::Request;
use crate::engine::{self, KeptConflict};
use crate::model::conflict::Policies;
use crate::model::ignore::Patterns;
use crate::model::path::RelPath;
use crate::model::side::Direction;
use crate::model::utc;

pub fn run(context: &Context, typed: &Conflicts) -> Result<Answer, Failure> {
    match typed {
        Conflicts::List { choice } => {
            let pair = pairs::choose(&context.place, choice, IfNew::Refuse)?.pair;
            let kept = engine::conflicts(&pair)?;
            Ok(context.answer(Exit::Done, || json::conflicts(&pair.name, &kept), || text(&kept)))
        }
        Conflicts::Resolve(resolve) => run_resolve(context, resolve),
    }
}

fn text(kept: &[KeptConflict]) -> String {
    if kept.is_empty() {
        return "No conflicts.\n".to_owned();
    }
    let item = |kept: &KeptConflict| {
        let since = utc::plain(kept.since);
        let copy = kept.copy.as_ref().map_or_else(
            || "  staging's version is not copied to the network\n".to_owned(),
            |copy| format!("  staging's version is copied to {copy} on the network\n"),
        );
        format!(
            "{}\n  {}, since {since} UTC\n  staging: {}\n  network: {}\n{copy}",
            kept.path, kept.why, kept.staging, kept.network
        )
    };
    let items: String = kept.iter().map(item).collect();
    format!(
        "{items}{}, left as they are on both sides. To end one: driftless conflicts resolve PATH --keep staging|network|both\n",
        count(kept.len() as u64, "conflict")
    )
}

/// A conflict that was to be ended, and why it was not.
pub struct Resolved {
    pub path: RelPath,
    /// With a sentence where it ended otherwise than was asked for.
    pub result: Result<Option<&'static str>, String>,
}

/// One version went away, or both became equal, since the conflict was listed: there was nothing to choose.
const ENDED_BEFORE: &str = "was in conflict no more: the version that there was counts, whatever was to be kept";

fn run_resolve(context: &Context, typed: &Resolve) -> Result<Answer, Failure> {
    let chosen = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?;
    let settings = context.settings(&chosen.pair, settings::flag_layer(&[], typed.wait))?;
    let selected = select(context, typed, &chosen)?;
    let name = &chosen.pair.name;
    if selected.is_empty() {
        let nothing = || "No conflicts.\n".to_owned();
        return Ok(context.answer(Exit::Done, || json::resolved(name, typed.keep.word(), None, &[], Exit::Done), nothing));
    }
    let request = Request {
        paths: selected.clone(),
        dry_run: typed.dry_run,
        policies: Policies::all(typed.keep.policy()),
        policies_by_flag: true,
        wait: settings.wait,
        yes: context.common.yes,
        list_actions: typed.dry_run || context.common.verbose,
        insist: true,
        ..Request::plain(Direction::Both)
    };
    let (report, done) = once(context, &chosen, &request, &settings)?;
    let (exit, _) = exit::of_report(&report, context.stop.signal());
    let resolved: Vec<Resolved> = selected.iter().map(|path| ended(path, &report, exit)).collect();
    Ok(context.answer(
        exit,
        || json::resolved(name, typed.keep.word(), Some(&report), &resolved, exit),
        || words(&resolved, &request) + &render::sync(&report, done, request.list_actions, context.paint),
    ))
}

/// What became of one conflict: by the run's own look, not by what was planned.
fn ended(path: &RelPath, report: &Report, exit: Exit) -> Resolved {
    let held = report.conflicts.iter().any(|conflict| path.is_within(&conflict.path) || conflict.path.is_within(path));
    let problem = report.problems.iter().find(|problem| problem.path.is_within(path) || path.is_within(&problem.path));
    let result = match (held, problem) {
        (_, Some(problem)) => Err(problem.message.clone()),
        (true, None) => Err("stays as it is: it is a folder that is carried as one, of which both cannot be kept, or holds \
                             files that are ignored or could not be read, which no choice may displace"
            .to_owned()),
        (false, None) if exit == Exit::Done || matches!(exit, Exit::Conflicts | Exit::Partial) => {
            // Each ruling that was carried out leaves a note at its path.
            let ruled = report.notes.iter().any(|note| note.path.is_within(path) || path.is_within(&note.path));
            Ok((!ruled).then_some(ENDED_BEFORE))
        }
        (false, None) => Err("the run did not come to its end".to_owned()),
    };
    Resolved { path: path.clone(), result }
}

fn words(resolved: &[Resolved], request: &Request) -> String {
    let ended = resolved.iter().filter(|one| one.result.is_ok()).count() as u64;
    let mut text = match (ended, request.dry_run) {
        (0, _) => String::new(),
        (_, true) => format!("{} would be resolved\n", count(ended, "conflict")),
        (_, false) => format!("{} resolved\n", count(ended, "conflict")),
    };
    for Resolved { path, result } in resolved {
        match result {
            Err(message) => text.push_str(&format!("{path} is still in conflict: {message}\n")),
            Ok(Some(message)) => text.push_str(&format!("{path} {message}\n")),
            Ok(None) => {}
        }
    }
    text
}

/// The known conflicts that were meant: at a path, below a folder, or by a pattern. What meets none is an error, and then
/// nothing is done.
fn select(context: &Context, typed: &Resolve, chosen: &Chosen) -> Result<Vec<RelPath>, Failure> {
    let known = engine::conflicts(&chosen.pair)?;
    if typed.all {
        return Ok(known.into_iter().map(|conflict| conflict.path).collect());
    }
    let mut selected = Vec::new();
    for given in &typed.paths {
        let path = paths::resolve(&chosen.pair, &context.place, std::slice::from_ref(given)).map(|mut all| all.pop());
        let path = path.ok().flatten();
        let meant = |conflict: &&KeptConflict| path.as_ref().is_some_and(|path| conflict.path.is_within(path));
        let mut found: Vec<RelPath> = known.iter().filter(meant).map(|conflict| conflict.path.clone()).collect();
        if found.is_empty() {
            found = by_pattern(given, &known)?;
        }
        if found.is_empty() {
            let above = path.and_then(|path| known.iter().find(|conflict| path.is_within(&conflict.path)));
            let advice = above.map_or_else(
                || "Nothing was changed. `driftless conflicts list` shows the conflicts.".to_owned(),
                |top| format!("Nothing was changed. It is held with {}: name that path.", top.path),
            );
            return Err(Failure::usage(format!("{} is in no conflict.", shown(given))).advise(advice));
        }
        selected.extend(found);
    }
    selected.sort();
    selected.dedup();
    Ok(selected)
}

fn by_pattern(given: &Path, known: &[KeptConflict]) -> Result<Vec<RelPath>, Failure> {
    let Some(text) = given.to_str().filter(|text| text.contains(['*', '?', '['])) else { return Ok(Vec::new()) };
    let text = text.strip_prefix("./").unwrap_or(text);
    let patterns = Patterns::new([text]).map_err(|error| Failure::usage(format!("{error}.")))?;
    let found = known.iter().filter(|conflict| patterns.cover(&conflict.path, conflict.folder));
    Ok(found.map(|conflict| conflict.path.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    #[test]
    fn both_versions_are_shown_and_names_cannot_steer_a_terminal() {
        let kept = [KeptConflict {
            path: RelPath::parse(b"a\x1b[2J").expect("legal"),
            why: "modified on both sides".to_owned(),
            since: Time::from_parts(1_795_234_500, 0),
            staging: "file, 1 byte".to_owned(),
            network: "file, 2 bytes".to_owned(),
            copy: None,
            folder: false,
        }];
        let text = text(&kept);
        assert!(text.starts_with("a\\u{1b}[2J\n  modified on both sides, since 2026-11-21 04:15:00 UTC\n"), "{text}");
        let expected = r#"{"schema":"driftless.conflicts/1","pair":"p","exit_code":0,"conflicts":[{"path":"a\u001b[2J","why":"modified on both sides","since":"2026-11-21T04:15:00Z","staging":"file, 1 byte","network":"file, 2 bytes","copy":null}]}"#;
        assert_eq!(json::conflicts("p", &kept), format!("{expected}\n"));
    }
}
