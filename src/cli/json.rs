//! The objects that `--json` prints: keys, their order and units are a promise (`docs/cli.md`).

use std::path::Path;

use base64::Engine as _;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, refusal_words};
use crate::engine::KeptConflict;
use crate::engine::report::{Outcome, Report};
use crate::engine::{LastRun, RootHealth, Status, trash};
use crate::model::conflict::Conflict;
use crate::model::finding::{Note, Problem};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op};
use crate::model::side::{PerSide, Side};
use crate::model::utc::rfc3339;

/// A path as text; where its bytes are no UTF-8, those too.
#[derive(Debug, Serialize)]
pub struct PathText {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
}

impl PathText {
    pub fn new(bytes: &[u8]) -> PathText {
        let path_b64 = str::from_utf8(bytes).is_err().then(|| base64::engine::general_purpose::STANDARD.encode(bytes));
        PathText { path: String::from_utf8_lossy(bytes).into_owned(), path_b64 }
    }

    fn of(path: &RelPath) -> PathText {
        PathText::new(path.as_bytes())
    }

    pub fn whole(path: &Path) -> PathText {
        PathText::new(path.as_os_str().as_encoded_bytes())
    }
}

/// One line of JSON.
pub fn line(object: &impl Serialize) -> String {
    serde_json::to_string(object).expect("these objects have text keys only") + "\n"
}

/// A command that ended without a result.
pub fn failure(command: &str, failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: String,
        outcome: &'static str,
        exit_code: u8,
        message: &'a str,
        advice: Option<&'a str>,
    }
    line(&Object {
        schema: format!("driftless.{command}/1"),
        outcome: failure.exit.outcome(),
        exit_code: failure.exit.code(),
        message: &failure.message,
        advice: failure.advice.as_deref(),
    })
}

#[derive(Serialize)]
struct SyncObject<'a> {
    schema: &'static str,
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
struct UpDown {
    up: u64,
    down: u64,
}

#[derive(Serialize)]
struct Sides<T> {
    staging: T,
    network: T,
}

impl<T> From<PerSide<T>> for Sides<T> {
    fn from(sides: PerSide<T>) -> Sides<T> {
        Sides { staging: sides.staging, network: sides.network }
    }
}

#[derive(Serialize)]
struct ConflictItem {
    #[serde(flatten)]
    path: PathText,
    why: String,
    /// Where staging's version is kept on the network root; there is none yet.
    copy: Option<String>,
}

impl From<&Conflict> for ConflictItem {
    fn from(conflict: &Conflict) -> ConflictItem {
        ConflictItem { path: PathText::of(&conflict.path), why: conflict.why.sentence(), copy: None }
    }
}

#[derive(Serialize)]
struct ProblemItem<'a> {
    #[serde(flatten)]
    path: PathText,
    side: &'static str,
    kind: &'static str,
    message: &'a str,
}

impl<'a> From<&'a Problem> for ProblemItem<'a> {
    fn from(problem: &'a Problem) -> ProblemItem<'a> {
        let Problem { path, side, kind, message } = problem;
        ProblemItem { path: PathText::of(path), side: side.word(), kind: kind.word(), message }
    }
}

#[derive(Serialize)]
struct NoteItem<'a> {
    #[serde(flatten)]
    path: PathText,
    message: &'a str,
}

impl<'a> From<&'a Note> for NoteItem<'a> {
    fn from(note: &'a Note) -> NoteItem<'a> {
        NoteItem { path: PathText::of(&note.path), message: &note.message }
    }
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

/// The end of a `sync`.
pub fn sync(report: &Report, exit: Exit, outcome: &'static str, list_actions: bool) -> String {
    let counts = &report.counts;
    let held = report.held.as_ref().map(|held| FilesDirs { files: held.files, dirs: held.folders });
    line(&SyncObject {
        schema: "driftless.sync/1",
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
        conflicts: report.conflicts.iter().map(Into::into).collect(),
        problems: report.problems.iter().map(Into::into).collect(),
        notes: report.notes.iter().map(Into::into).collect(),
        pending: UpDown { up: report.pending.staging, down: report.pending.network },
        scanned: report.scanned.into(),
        via: "scan",
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

/// What `init` made.
pub fn init(name: &str, roots: [&Path; 3], created: bool, notes: &[String]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        outcome: &'static str,
        exit_code: u8,
        created: bool,
        network: PathText,
        staging: PathText,
        state: PathText,
        notes: &'a [String],
    }
    let [network, staging, state] = roots.map(PathText::whole);
    let schema = "driftless.init/1";
    line(&Object { schema, pair: name, outcome: "done", exit_code: 0, created, network, staging, state, notes })
}

/// What `status` found; `pending` is what a sync would do each way.
pub fn status(pair: &str, status: &Status, in_step: Option<bool>, pending: PerSide<u64>, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Root {
        #[serde(flatten)]
        path: PathText,
        reachable: bool,
        file_system: String,
        free: Option<u64>,
        message: Option<String>,
    }
    #[derive(Serialize)]
    struct Last<'a> {
        started: String,
        direction: &'a str,
        outcome: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        in_step: Option<bool>,
        roots: Sides<Root>,
        pending: UpDown,
        conflicts: Vec<ConflictItem>,
        problems: Vec<ProblemItem<'a>>,
        last_run: Option<Last<'a>>,
    }
    let root = |side: Side| {
        let RootHealth { path, reachable, file_system, message } = &status.roots[side];
        let (file_system, message) = (file_system.clone(), message.clone());
        Root { path: PathText::whole(path), reachable: *reachable, file_system, free: status.free[side], message }
    };
    fn last(run: &LastRun) -> Last<'_> {
        Last { started: rfc3339(run.started), direction: &run.direction, outcome: run.outcome.as_deref() }
    }
    let listed = status.report.as_ref();
    line(&Object {
        schema: "driftless.status/1",
        pair,
        exit_code: exit.code(),
        in_step,
        roots: Sides { staging: root(Side::Staging), network: root(Side::Network) },
        pending: UpDown { up: pending.staging, down: pending.network },
        conflicts: listed.map(|report| report.conflicts.iter().map(Into::into).collect()).unwrap_or_default(),
        problems: listed.map(|report| report.problems.iter().map(Into::into).collect()).unwrap_or_default(),
        last_run: status.last_run.as_ref().map(last),
    })
}

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
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        conflicts: Vec<Item<'a>>,
    }
    fn item(kept: &KeptConflict) -> Item<'_> {
        let KeptConflict { path, why, since, staging, network } = kept;
        Item { path: PathText::of(path), why, since: rfc3339(*since), staging, network }
    }
    line(&Object { schema: "driftless.conflicts/1", pair, exit_code: 0, conflicts: kept.iter().map(item).collect() })
}

/// What the trash holds.
pub fn trashed(pair: &str, entries: &[trash::Trashed]) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        side: &'static str,
        run: &'a str,
        #[serde(flatten)]
        path: PathText,
        kind: &'static str,
        bytes: u64,
        mtime: String,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        entries: Vec<Item<'a>>,
    }
    fn item(trashed: &trash::Trashed) -> Item<'_> {
        let trash::Trashed { side, run, path, size, mtime, kind } = trashed;
        let (side, kind) = (side.word(), kind.word());
        Item { side, run, path: PathText::of(path), kind, bytes: *size, mtime: rfc3339(*mtime) }
    }
    line(&Object { schema: "driftless.trash/1", pair, exit_code: 0, entries: entries.iter().map(item).collect() })
}

/// What was put back.
pub fn restored(pair: &str, results: &[trash::Restored], exit: Exit) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        #[serde(flatten)]
        path: PathText,
        restored: bool,
        message: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        outcome: &'static str,
        exit_code: u8,
        paths: Vec<Item<'a>>,
    }
    fn item(restored: &trash::Restored) -> Item<'_> {
        let trash::Restored { path, result } = restored;
        let message = result.as_ref().err().map(String::as_str);
        Item { path: PathText::of(path), restored: result.is_ok(), message }
    }
    let paths = results.iter().map(item).collect();
    line(&Object { schema: "driftless.trash/1", pair, outcome: exit.outcome(), exit_code: exit.code(), paths })
}

/// What was removed for good.
pub fn emptied(pair: &str, emptied: &trash::Emptied) -> String {
    #[derive(Serialize)]
    struct Removed {
        files: u64,
        bytes: u64,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        outcome: &'static str,
        exit_code: u8,
        removed: Removed,
    }
    let removed = Removed { files: emptied.files, bytes: emptied.bytes };
    line(&Object { schema: "driftless.trash/1", pair, outcome: "done", exit_code: 0, removed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn a_sync_is_the_object_of_the_contract() {
        let json = sync(&samples::report(), Exit::Conflicts, "conflicts", true);
        let expected = r#"{"schema":"driftless.sync/1","pair":"demo","direction":"up","dry_run":false,"outcome":"conflicts","exit_code":3,"written":{"files":3,"dirs":1,"symlinks":0,"bytes":5120},"metadata":0,"renamed":0,"deleted":{"files":1,"dirs":0},"held":{"files":0,"dirs":0},"adopted":0,"revived":0,"conflicts":[{"path":"a.csv","why":"modified on both sides","copy":null}],"problems":[{"path":"b�.txt","path_b64":"Yv8udHh0","side":"network","kind":"permission","message":"access was denied"}],"notes":[],"pending":{"up":0,"down":2},"scanned":{"staging":120,"network":121},"via":"scan","elapsed_ms":41,"actions":[{"op":"write","path":"a/b.txt","side":"network","bytes":5120,"why":"modified in staging"}]}"#;
        assert_eq!(json, format!("{expected}\n"));
        assert!(!sync(&samples::report(), Exit::Done, "done", false).contains("actions"));
    }

    #[test]
    fn control_characters_do_not_break_the_line() {
        let json = line(&PathText::new(b"a\nb\x1b"));
        assert_eq!(json, "{\"path\":\"a\\nb\\u001b\"}\n");
    }

    #[test]
    fn a_failure_is_an_object_too() {
        let json = failure("sync", &Failure::refused("No.").advise("Do this."));
        let expected = r#"{"schema":"driftless.sync/1","outcome":"refused","exit_code":4,"message":"No.","advice":"Do this."}"#;
        assert_eq!(json, format!("{expected}\n"));
    }
}
