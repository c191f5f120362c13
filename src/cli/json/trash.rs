//! What the trash holds, what was put back, what is gone for good.

use serde::Serialize;

use super::{Head, PathText, line};
use crate::cli::exit::Exit;
use crate::engine::trash;
use crate::model::side::Side;
use crate::model::utc::rfc3339;

/// What the trash holds.
pub fn trashed(pair: &str, held: &trash::Listed) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        side: &'static str,
        run: &'a str,
        number: Option<i64>,
        host: &'a str,
        trashed: String,
        op: Option<&'a str>,
        why: Option<&'a str>,
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
        passed: Vec<PassedItem<'a>>,
    }
    fn item(trashed: &trash::Trashed) -> Item<'_> {
        let reason = trashed.reason.as_ref();
        Item {
            side: trashed.side.word(),
            run: &trashed.run,
            number: trashed.number.map(|run| run.0),
            host: &trashed.host,
            trashed: rfc3339(trashed.at),
            op: reason.map(|reason| reason.op.as_str()),
            why: reason.map(|reason| reason.why.as_str()),
            path: PathText::of(&trashed.path),
            kind: trashed.kind.word(),
            bytes: trashed.size,
            mtime: rfc3339(trashed.mtime),
        }
    }
    let (entries, passed) = (held.entries.iter().map(item).collect(), passed_items(&held.passed));
    line(&Object { schema: "driftless.trash/1", pair, exit_code: 0, entries, passed })
}

/// A run's folder that was passed over.
#[derive(Serialize)]
struct PassedItem<'a> {
    side: &'static str,
    run: &'a str,
    message: &'a str,
}

fn passed_items(passed: &[trash::Passed]) -> Vec<PassedItem<'_>> {
    passed.iter().map(|one| PassedItem { side: one.side.word(), run: &one.run, message: &one.why }).collect()
}

/// What was put back.
pub fn restored(pair: &str, results: &[trash::Restored], exit: Exit) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        #[serde(flatten)]
        path: PathText,
        side: Option<&'static str>,
        restored: bool,
        message: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        paths: Vec<Item<'a>>,
    }
    fn item(restored: &trash::Restored) -> Item<'_> {
        let trash::Restored { path, side, result } = restored;
        let (side, message) = (side.map(Side::word), result.as_ref().err().map(String::as_str));
        Item { path: PathText::of(path), side, restored: result.is_ok(), message }
    }
    let paths = results.iter().map(item).collect();
    line(&Object { head: Head::of("driftless.trash/1", pair, exit), paths })
}

/// What was removed for good.
pub fn emptied(pair: &str, emptied: &trash::Emptied, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Removed {
        files: u64,
        bytes: u64,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        removed: Removed,
        passed: Vec<PassedItem<'a>>,
    }
    let removed = Removed { files: emptied.files, bytes: emptied.bytes };
    let passed = passed_items(&emptied.passed);
    line(&Object { head: Head::of("driftless.trash/1", pair, exit), removed, passed })
}
