//! The objects that `--json` prints: keys, their order and units are a promise (`docs/cli.md`).
//!
//! One file per command; here is what they share.

mod bench;
mod check;
mod conflicts;
mod container;
mod detect;
mod doctor;
mod git;
mod history;
mod image;
mod init;
mod logs;
mod man;
mod relink;
mod run;
mod service;
mod staging;
mod status;
mod sync;
mod trash;
mod undo;
mod watch;

use std::path::Path;

use base64::Engine as _;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::engine::report::Report;
use crate::model::conflict::Conflict;
use crate::model::finding::{Note, Problem};
use crate::model::path::RelPath;
use crate::model::shown::tame_json;
use crate::model::side::PerSide;

pub use bench::bench;
pub use check::check;
pub use conflicts::{conflicts, resolved};
pub use container::{container_check, container_rebuild};
pub use detect::detect;
pub use doctor::doctor;
pub use git::{
    git_backups, git_dropped, git_health, git_lock, git_pending, git_pruned, git_publish, git_restored, git_retried, git_state,
    git_sync, git_tick, git_unlock, git_watch,
};
pub use history::{life, run_told, runs};
pub use image::{image_check, image_stamp};
pub use init::init;
pub use logs::logged;
pub use man::man;
pub use relink::relink;
pub use run::{run, step};
pub use service::service;
pub use staging::{copies, copy_removed};
pub use status::status;
pub use sync::sync;
pub use trash::{emptied, restored, trashed};
pub use undo::undone;
pub use watch::{steered, watching};

/// A path as text; where its bytes are no UTF-8, those too.
#[derive(Debug, Serialize)]
struct PathText {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
}

impl PathText {
    fn new(bytes: &[u8]) -> PathText {
        let path_b64 = str::from_utf8(bytes).is_err().then(|| base64::engine::general_purpose::STANDARD.encode(bytes));
        PathText { path: String::from_utf8_lossy(bytes).into_owned(), path_b64 }
    }

    fn of(path: &RelPath) -> PathText {
        PathText::new(path.as_bytes())
    }

    fn whole(path: &Path) -> PathText {
        PathText::new(path.as_os_str().as_encoded_bytes())
    }
}

/// The path as text, where the bytes of one that is no UTF-8 are told elsewhere.
fn text(path: &RelPath) -> String {
    PathText::of(path).path
}

/// What most objects of a command on a pair begin with.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    pair: &'a str,
    outcome: &'static str,
    exit_code: u8,
}

impl<'a> Head<'a> {
    fn of(schema: &'static str, pair: &'a str, exit: Exit) -> Head<'a> {
        Head { schema, pair, outcome: exit.outcome(), exit_code: exit.code() }
    }
}

/// One line of JSON that steers no terminal.
fn line(object: &impl Serialize) -> String {
    tame_json(&serde_json::to_string(object).expect("these objects have text keys only")) + "\n"
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
    /// Where the network root keeps a copy of staging's version.
    copy: Option<String>,
}

impl ConflictItem {
    fn of(conflict: &Conflict, report: &Report) -> ConflictItem {
        let copy = report.copy_of(&conflict.path).map(text);
        ConflictItem { path: PathText::of(&conflict.path), why: conflict.why.sentence(), copy }
    }

    fn all(report: &Report) -> Vec<ConflictItem> {
        report.conflicts.iter().map(|conflict| ConflictItem::of(conflict, report)).collect()
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Typed;

    /// Commands whose parts have an object each.
    const WITH_PARTS: [&str; 3] = ["git", "image", "container"];

    #[test]
    fn control_characters_do_not_break_the_line() {
        let json = line(&PathText::new("a\nb\x1b\x7f\u{9b}31m\u{202e}".as_bytes()));
        assert_eq!(json, "{\"path\":\"a\\nb\\u001b\\u007f\\u009b31m\\u202e\"}\n");
    }

    #[test]
    fn every_command_and_its_object_is_in_the_docs() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
        let docs = crate::disk::local::read_text(Path::new(docs), 1 << 20).expect("read").expect("there");
        for command in Typed::command().get_subcommands().map(|command| command.get_name().to_owned()) {
            assert!(docs.contains(&format!("## `{command}")), "{command}");
            let several = command == "completions" || WITH_PARTS.contains(&command.as_str());
            assert!(several || docs.contains(&format!("\"driftless.{command}/1\"")), "{command}'s object");
        }
        for whole in WITH_PARTS {
            let parts = Typed::command().find_subcommand(whole).cloned().expect("a command");
            for part in parts.get_subcommands().map(|part| part.get_name().to_owned()) {
                assert!(docs.contains(&format!("## `{whole} {part}")), "{whole} {part}");
                assert!(docs.contains(&format!("\"driftless.{whole}.{part}/1\"")), "the object of {whole} {part}");
            }
        }
    }

    #[test]
    fn a_failure_is_an_object_too() {
        let json = failure("sync", &Failure::refused("No.").advise("Do this."));
        let expected = r#"{"schema":"driftless.sync/1","outcome":"refused","exit_code":4,"message":"No.","advice":"Do this."}"#;
        assert_eq!(json, format!("{expected}\n"));
    }
}
