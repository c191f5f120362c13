//! The conflicts that wait.

use serde::Serialize;

use super::{Head, NoteItem, PathText, line, text};
use crate::cli::conflicts::Resolved;
use crate::cli::exit::Exit;
use crate::engine::KeptConflict;
use crate::engine::report::Report;
use crate::model::utc::rfc3339;

/// The conflicts that wait.
pub fn conflicts(pair: &str, kept: &[KeptConflict]) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        #[serde(flatten)]
        path: PathText,
        why: &'a str,
        since: String,
        staging: &'a str,
        network: &'a str,
        copy: Option<String>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        conflicts: Vec<Item<'a>>,
    }
    fn item(kept: &KeptConflict) -> Item<'_> {
        let KeptConflict { path, why, since, staging, network, copy, folder: _ } = kept;
        let copy = copy.as_ref().map(text);
        Item { path: PathText::of(path), why, since: rfc3339(*since), staging, network, copy }
    }
    line(&Object { schema: "driftless.conflicts/1", pair, exit_code: 0, conflicts: kept.iter().map(item).collect() })
}

/// What became of the conflicts that were to be ended.
pub fn resolved(pair: &str, keep: &str, report: Option<&Report>, resolved: &[Resolved], exit: Exit) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        #[serde(flatten)]
        path: PathText,
        resolved: bool,
        message: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        dry_run: bool,
        keep: &'a str,
        paths: Vec<Item<'a>>,
        notes: Vec<NoteItem<'a>>,
    }
    fn item(resolved: &Resolved) -> Item<'_> {
        let Resolved { path, result } = resolved;
        let message = result.as_ref().map_or_else(|message| Some(message.as_str()), |otherwise| *otherwise);
        Item { path: PathText::of(path), resolved: result.is_ok(), message }
    }
    let (paths, dry_run) = (resolved.iter().map(item).collect(), report.is_some_and(|report| report.dry_run));
    let notes = report.map(|report| report.notes.iter().map(Into::into).collect()).unwrap_or_default();
    line(&Object { head: Head::of("driftless.conflicts/1", pair, exit), dry_run, keep, paths, notes })
}
