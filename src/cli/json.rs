//! Results as JSON objects (`docs/cli.md`): times RFC 3339 UTC, sizes bytes, durations milliseconds.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::exit::Exit;
use super::failure::refusal_words;
use super::utc::rfc3339;
use crate::engine::trash::{Restored, Trashed};
use crate::engine::{KeptConflict, Outcome, Pair, Report, RootHealth, Status};
use crate::model::path::RelPath;
use crate::model::plan::Action;

/// Adds what every object carries and writes it on one line.
pub fn complete(command: &str, exit: Exit, object: Value) -> String {
    let mut whole = Map::new();
    whole.insert("schema".to_owned(), Value::String(format!("driftless.{command}/1")));
    whole.insert("exit_code".to_owned(), json!(exit.code()));
    if let Value::Object(object) = object {
        whole.extend(object);
    }
    Value::Object(whole).to_string()
}

/// `path`, and for one that is not UTF-8 also its bytes.
fn with_path(path: &RelPath, mut object: Value) -> Value {
    let bytes = path.as_bytes();
    object["path"] = Value::String(String::from_utf8_lossy(bytes).into_owned());
    if std::str::from_utf8(bytes).is_err() {
        object["path_b64"] = Value::String(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    object
}

/// The object of `sync`.
pub fn report(report: &Report, word: &str, exit: Exit) -> Value {
    let counts = &report.counts;
    let held = report.held.as_ref();
    let mut object = json!({
        "pair": report.pair, "direction": report.direction.word(), "dry_run": report.dry_run,
        "outcome": word, "exit_code": exit.code(),
        "written": {"files": counts.written_files, "dirs": counts.written_folders, "symlinks": counts.written_links, "bytes": counts.written_bytes},
        "metadata": counts.metadata, "renamed": counts.renamed,
        "deleted": {"files": counts.deleted_files, "dirs": counts.deleted_folders},
        "held": {"files": held.map_or(0, |held| held.files), "dirs": held.map_or(0, |held| held.folders)},
        "adopted": counts.adopted, "revived": counts.revived,
        "conflicts": report.conflicts.iter().map(|conflict| with_path(&conflict.path, json!({"why": conflict.why.sentence()}))).collect::<Vec<_>>(),
        "problems": report.problems.iter().map(|problem| {
            with_path(&problem.path, json!({"side": problem.side.word(), "kind": problem.kind.word(), "message": problem.message}))
        }).collect::<Vec<_>>(),
        "notes": report.notes.iter().map(|note| with_path(&note.path, json!({"message": note.message}))).collect::<Vec<_>>(),
        "pending": {"up": report.pending.staging, "down": report.pending.network},
        "scanned": {"staging": report.scanned.staging, "network": report.scanned.network},
        "via": "scan", "elapsed_ms": report.elapsed_ms,
    });
    if let Some(message) = message(&report.outcome) {
        object["message"] = Value::String(message);
    }
    if let Some(held) = held {
        object["held"]["why"] = json!(held.why);
        object["held"]["side"] = json!(held.side.word());
    }
    if report.dry_run || !report.actions.is_empty() {
        object["actions"] = report.actions.iter().map(action).collect();
    }
    object
}

fn message(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Done | Outcome::Aborted | Outcome::Interrupted => None,
        Outcome::Refused(refusal) => Some(refusal_words(refusal).0),
        Outcome::Offline { side, message } => Some(format!("the {side} root cannot be reached: {message}")),
        Outcome::Busy { holder } => Some(holder.clone()),
    }
}

fn action(action: &Action) -> Value {
    let mut object = json!({"op": action.op.word(), "bytes": action.op.bytes(), "why": action.why.sentence()});
    if let Some(side) = action.op.side() {
        object["side"] = json!(side.word());
    }
    if let crate::model::plan::Op::Rename { from, .. } = &action.op {
        object["from"] = with_path(from, json!({}))["path"].clone();
    }
    with_path(&action.path, object)
}

pub fn status(pair: &Pair, status: &Status) -> Value {
    let root = |health: &RootHealth, free: Option<u64>| {
        json!({"path": health.path.to_string_lossy(), "reachable": health.reachable, "file_system": health.file_system,
            "message": health.message, "free": free})
    };
    let last = status
        .last_run
        .as_ref()
        .map(|run| json!({"started": rfc3339(run.started), "direction": run.direction, "outcome": run.outcome}));
    let looked = status.report.as_ref().map(|found| {
        let mut object = report(found, "done", Exit::Done);
        for key in ["dry_run", "direction", "exit_code", "outcome", "via", "pair", "actions"] {
            object.as_object_mut().and_then(|object| object.remove(key));
        }
        object
    });
    json!({
        "outcome": if status.report.is_some() { "done" } else { "unchecked" }, "pair": pair.name,
        "in_step": status.report.as_ref().map(super::sync::in_step),
        "roots": {"staging": root(&status.roots.staging, status.free.staging), "network": root(&status.roots.network, status.free.network)},
        "drift": looked, "last_run": last,
    })
}

pub fn conflicts(pair: &Pair, kept: &[KeptConflict]) -> Value {
    let each = |conflict: &KeptConflict| {
        let object = json!({"why": conflict.why, "since": rfc3339(conflict.since), "staging": conflict.staging, "network": conflict.network});
        with_path(&conflict.path, object)
    };
    json!({"outcome": "done", "pair": pair.name, "conflicts": kept.iter().map(each).collect::<Vec<_>>()})
}

pub fn trash(pair: &Pair, all: &[Trashed]) -> Value {
    let each = |one: &Trashed| {
        let object = json!({"side": one.side.word(), "run": one.run, "size": one.size, "mtime": rfc3339(one.mtime), "kind": one.kind.word()});
        with_path(&one.path, object)
    };
    json!({"outcome": "done", "pair": pair.name, "trash": all.iter().map(each).collect::<Vec<_>>()})
}

pub fn restored(pair: &Pair, restored: &[Restored]) -> Value {
    let each =
        |one: &Restored| with_path(&one.path, json!({"restored": one.result.is_ok(), "message": one.result.as_ref().err()}));
    json!({"outcome": "done", "pair": pair.name, "paths": restored.iter().map(each).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn a_report_has_the_documented_keys() {
        let object = report(&samples::report(), "held", Exit::Refused);
        let text = complete("sync", Exit::Refused, object);
        let expected = concat!(
            r#"{"adopted":0,"conflicts":[{"path":"a.csv","why":"modified on both sides"}],"deleted":{"dirs":0,"files":1},"#,
            r#""direction":"up","dry_run":false,"elapsed_ms":41,"exit_code":4,"#,
            r#""held":{"dirs":1,"files":30,"side":"network","why":"30 of 40 files would be deleted within an hour"},"metadata":0,"#,
            r#""notes":[],"outcome":"held","pair":"demo","pending":{"down":2,"up":0},"#,
            r#""problems":[{"kind":"permission","message":"cannot open: denied","path":"b\ufffd.txt","path_b64":"Yv8udHh0","side":"network"}],"#,
            r#""renamed":0,"revived":0,"scanned":{"network":121,"staging":120},"schema":"driftless.sync/1","via":"scan","#,
            r#""written":{"bytes":5120,"dirs":1,"files":3,"symlinks":0}}"#
        );
        let parsed: Value = serde_json::from_str(&text).expect("one object");
        assert_eq!(parsed, serde_json::from_str::<Value>(expected).expect("the expectation is JSON"), "{text}");
    }
}
