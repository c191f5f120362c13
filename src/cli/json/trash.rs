//! What the trash holds, what was put back, what is gone for good.

use serde::Serialize;

use super::{PathText, line};
use crate::cli::exit::Exit;
use crate::engine::trash;
use crate::model::utc::rfc3339;

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
