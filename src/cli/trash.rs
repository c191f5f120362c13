//! `trash list|restore|empty`: versions that were displaced, deleted or lost a conflict.

use crate::cli::args::{Trash, TrashSide};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, size};
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::{count, table};
use crate::cli::settings::keys::Layer;
use crate::cli::{Answer, Context, json, paths};
use crate::engine::request::{Options, Pair};
use crate::engine::trash::{self, Listed, Passed, Restored, Trashed};
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::utc;

use std::time::Duration;

pub fn run(context: &Context, typed: &Trash) -> Result<Answer, Failure> {
    let (Trash::List { choice, .. } | Trash::Restore { choice, .. } | Trash::Empty { choice, .. }) = typed;
    let pair = pairs::choose(&context.place, choice, IfNew::Refuse)?.pair;
    let options = context.settings(&pair, Layer::new())?.options;
    match typed {
        Trash::List { side, path, .. } => {
            let path = match path {
                Some(path) => paths::resolve(&pair, &context.place, std::slice::from_ref(path))?.remove(0),
                None => RelPath::root(),
            };
            let held = trash::list(&pair, &options, side.map(TrashSide::side), &path)?;
            Ok(context.answer(Exit::Done, || json::trashed(&pair.name, &held), || listed(&held)))
        }
        Trash::Restore { paths, run, .. } => {
            let paths = paths::resolve(&pair, &context.place, paths)?;
            let results = trash::restore(&pair, &options, &paths, run.as_deref())?;
            let exit = if results.iter().all(|one| one.result.is_ok()) { Exit::Done } else { Exit::Partial };
            Ok(context.answer(exit, || json::restored(&pair.name, &results, exit), || restored(&results)))
        }
        Trash::Empty { older_than, side, .. } => empty(context, &pair, &options, *older_than, side.map(TrashSide::side)),
    }
}

fn empty(
    context: &Context,
    pair: &Pair,
    options: &Options,
    older_than: Option<Duration>,
    side: Option<Side>,
) -> Result<Answer, Failure> {
    let of = match side {
        Some(side) => format!("of the {side} root of the pair {}", pair.name),
        None => format!("of both roots of the pair {}", pair.name),
    };
    let question = match older_than {
        None => format!("Remove everything in the trash {of} for good?"),
        Some(age) => {
            let age = humantime::format_duration(age);
            format!("Remove what was put into the trash {of} more than {age} ago for good?")
        }
    };
    if !context.common.yes && context.ask(&question) != Some(true) {
        return Err(Failure::refused("The trash was not emptied: that was not confirmed.")
            .advise("Nothing was removed. Say yes at the question, or give --yes."));
    }
    let emptied = trash::empty(pair, options, older_than, side)?;
    let exit = if emptied.passed.is_empty() { Exit::Done } else { Exit::Partial };
    let text = || {
        let done = format!("{} removed for good, {} free again.\n", count(emptied.files, "file"), size(emptied.bytes));
        done + &passed(&emptied.passed, "was not removed")
    };
    Ok(context.answer(exit, || json::emptied(&pair.name, &emptied, exit), text))
}

fn listed(held: &Listed) -> String {
    if held.entries.is_empty() {
        return format!("The trash is empty.\n{}", passed(&held.passed, "could not be listed"));
    }
    let head = ["SIDE", "TRASHED (UTC)", "BY", "WHY", "KIND", "SIZE", "MODIFIED (UTC)", "PATH"].map(str::to_owned).to_vec();
    let row = |entry: &Trashed| {
        let by = match &entry.number {
            Some(run) => format!("run {}", run.0),
            None => entry.run.clone(),
        };
        let why = entry.reason.as_ref().map_or_else(|| "not in the history".to_owned(), |reason| reason.why.clone());
        let (side, kind) = (entry.side.word().to_owned(), entry.kind.word().to_owned());
        let path = entry.path.to_string();
        vec![side, utc::plain(entry.at), by, why, kind, size(entry.size), utc::plain(entry.mtime), path]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(held.entries.iter().map(row)).collect();
    table(&rows) + &passed(&held.passed, "could not be listed")
}

fn passed(passed: &[Passed], what: &str) -> String {
    let line = |one: &Passed| format!("{} on the {} root {what}: {}\n", one.run, one.side, one.why);
    passed.iter().map(line).collect()
}

fn restored(results: &[Restored]) -> String {
    let line = |one: &Restored| match (&one.result, one.side) {
        (Ok(()), Some(side)) => format!("{} is back on the {side} root\n", one.path),
        (Ok(()), None) => format!("{} is back\n", one.path),
        (Err(message), _) => format!("{} was not restored: {message}\n", one.path),
    };
    let back = results.iter().filter(|one| one.result.is_ok()).filter_map(|one| one.side);
    results.iter().map(line).collect::<String>() + &carried_over(back)
}

/// Which sync carries over what came back at these sides.
pub fn carried_over(sides: impl Iterator<Item = Side>) -> String {
    let sides: Vec<Side> = sides.collect();
    let (way, other, to) = match Side::BOTH.map(|side| sides.contains(&side)) {
        [false, false] => return String::new(),
        [true, false] => ("up", "down", Side::Network),
        [false, true] => ("down", "up", Side::Staging),
        [true, true] => {
            return "The next `driftless sync` carries it over; `sync up` or `sync down` alone carries its own half.\n"
                .to_owned();
        }
    };
    format!("The next `driftless sync` (or `sync {way}`) carries it over to the {to} root; `sync {other}` alone does not.\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::history::{Reason, RunId};
    use crate::model::entry::Kind;
    use crate::model::time::Time;

    #[test]
    fn the_list_lines_up_and_is_an_object() {
        let reason = Reason { run: RunId(4), op: "delete".to_owned(), why: "deleted in staging".to_owned() };
        let entry = Trashed {
            side: Side::Network,
            run: "20261121T041500Z-lab7-000001".to_owned(),
            at: Time::from_parts(1_795_234_500, 0),
            host: "lab7".to_owned(),
            number: Some(RunId(4)),
            reason: Some(reason),
            path: RelPath::parse(b"a/b").expect("legal"),
            size: 5,
            mtime: Time::from_parts(0, 0),
            kind: Kind::File,
        };
        let other = Trashed { host: "lab8".to_owned(), run: "r8".to_owned(), number: None, reason: None, ..entry.clone() };
        let held = Listed { entries: vec![entry.clone(), other], passed: Vec::new() };
        assert_eq!(
            listed(&held),
            "SIDE     TRASHED (UTC)        BY     WHY                 KIND  SIZE  MODIFIED (UTC)       PATH\n\
             network  2026-11-21 04:15:00  run 4  deleted in staging  file  5 B   1970-01-01 00:00:00  a/b\n\
             network  2026-11-21 04:15:00  r8     not in the history  file  5 B   1970-01-01 00:00:00  a/b\n"
        );
        let expected = r#"{"schema":"driftless.trash/1","pair":"p","exit_code":0,"entries":[{"side":"network","run":"20261121T041500Z-lab7-000001","number":4,"host":"lab7","trashed":"2026-11-21T04:15:00Z","op":"delete","why":"deleted in staging","path":"a/b","kind":"file","bytes":5,"mtime":"1970-01-01T00:00:00Z"}],"passed":[]}"#;
        let one = Listed { entries: vec![entry], passed: Vec::new() };
        assert_eq!(json::trashed("p", &one), format!("{expected}\n"));
        assert_eq!(listed(&Listed::default()), "The trash is empty.\n");
    }

    #[test]
    fn what_could_not_be_restored_is_said() {
        let path = RelPath::parse(b"a").expect("legal");
        let results = [Restored { path, side: None, result: Err("a file is there".to_owned()) }];
        assert_eq!(restored(&results), "a was not restored: a file is there\n");
        let expected = r#"{"schema":"driftless.trash/1","pair":"p","outcome":"partial","exit_code":6,"paths":[{"path":"a","side":null,"restored":false,"message":"a file is there"}]}"#;
        assert_eq!(json::restored("p", &results, Exit::Partial), format!("{expected}\n"));
    }
}
