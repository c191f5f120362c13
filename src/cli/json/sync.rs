//! The end of a `sync`.

use serde::Serialize;

use super::{ConflictItem, NoteItem, PathText, ProblemItem, Sides, UpDown, line};
use crate::cli::exit::Exit;
use crate::cli::failure::refusal_words;
use crate::engine::report::{Outcome, Report};
use crate::model::plan::{Action, Op};

#[derive(Serialize)]
struct SyncObject<'a> {
    schema: String,
    pair: &'a str,
    direction: &'static str,
    dry_run: bool,
    outcome: &'static str,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    written: Written,
    metadata: u64,
    renamed: u64,
    deleted: FilesDirs,
    held: FilesDirs,
    adopted: u64,
    revived: u64,
    conflicts: Vec<ConflictItem>,
    problems: Vec<ProblemItem<'a>>,
    notes: Vec<NoteItem<'a>>,
    pending: UpDown,
    scanned: Sides<u64>,
    via: &'static str,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<ActionItem>>,
}

#[derive(Serialize)]
struct Written {
    files: u64,
    dirs: u64,
    symlinks: u64,
    bytes: u64,
}

#[derive(Default, Serialize)]
struct FilesDirs {
    files: u64,
    dirs: u64,
}

#[derive(Serialize)]
struct ActionItem {
    op: &'static str,
    #[serde(flatten)]
    path: PathText,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<PathText>,
    side: &'static str,
    bytes: u64,
    why: String,
}

impl ActionItem {
    /// What changes only the base is no action for people.
    fn of(action: &Action) -> Option<ActionItem> {
        let from = if let Op::Rename { from, .. } = &action.op { Some(PathText::of(from)) } else { None };
        let (op, side, bytes) = (action.op.word(), action.op.side()?.word(), action.op.bytes());
        Some(ActionItem { op, path: PathText::of(&action.path), from, side, bytes, why: action.why.sentence() })
    }
}

/// The end of a `sync`, or of another command that is one run of the engine.
pub fn sync(command: &str, report: &Report, exit: Exit, outcome: &'static str, list_actions: bool, via: &'static str) -> String {
    let counts = &report.counts;
    let held = report.held.as_ref().map(|held| FilesDirs { files: held.files, dirs: held.folders });
    line(&SyncObject {
        schema: format!("driftless.{command}/1"),
        pair: &report.pair,
        direction: report.direction.word(),
        dry_run: report.dry_run,
        outcome,
        exit_code: exit.code(),
        message: ending(&report.outcome),
        written: Written {
            files: counts.written_files,
            dirs: counts.written_folders,
            symlinks: counts.written_links,
            bytes: counts.written_bytes,
        },
        metadata: counts.metadata,
        renamed: counts.renamed,
        deleted: FilesDirs { files: counts.deleted_files, dirs: counts.deleted_folders },
        held: held.unwrap_or_default(),
        adopted: counts.adopted,
        revived: counts.revived,
        conflicts: ConflictItem::all(report),
        problems: report.problems.iter().map(Into::into).collect(),
        notes: report.notes.iter().map(Into::into).collect(),
        pending: UpDown { up: report.pending.staging, down: report.pending.network },
        scanned: report.scanned.into(),
        via,
        elapsed_ms: report.elapsed_ms,
        actions: list_actions.then(|| report.actions.iter().filter_map(ActionItem::of).collect()),
    })
}

/// What a run that did not get to its end has to say.
fn ending(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Done | Outcome::Aborted | Outcome::Interrupted => None,
        Outcome::Refused(refusal) => Some(refusal_words(refusal).0),
        Outcome::Offline { message, .. } => Some(message.clone()),
        Outcome::Busy { holder } => Some(format!("held by {holder}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn a_sync_is_the_object_of_the_contract() {
        let json = sync("sync", &samples::report(), Exit::Conflicts, "conflicts", true, "scan");
        let expected = r#"{"schema":"driftless.sync/1","pair":"demo","direction":"up","dry_run":false,"outcome":"conflicts","exit_code":3,"written":{"files":3,"dirs":1,"symlinks":0,"bytes":5120},"metadata":0,"renamed":0,"deleted":{"files":1,"dirs":0},"held":{"files":0,"dirs":0},"adopted":0,"revived":0,"conflicts":[{"path":"a.csv","why":"modified on both sides","copy":".driftless/conflicts/a.csv/20261121T041500Z-lab7-01234567.csv"}],"problems":[{"path":"b�.txt","path_b64":"Yv8udHh0","side":"network","kind":"permission","message":"access was denied"}],"notes":[],"pending":{"up":0,"down":2},"scanned":{"staging":120,"network":121},"via":"scan","elapsed_ms":41,"actions":[{"op":"write","path":"a/b.txt","side":"network","bytes":5120,"why":"modified in staging"}]}"#;
        assert_eq!(json, format!("{expected}\n"));
        assert!(!sync("sync", &samples::report(), Exit::Done, "done", false, "scan").contains("actions"));
    }
}
