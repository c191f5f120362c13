//! What an undo took back.

use serde::Serialize;

use super::{PathText, line, text};
use crate::cli::exit::Exit;
use crate::engine::undo::{Item, Outcome, Undone};

#[derive(Serialize)]
struct ItemObject<'a> {
    side: &'static str,
    #[serde(flatten)]
    path: PathText,
    back_to: Option<String>,
    did: &'static str,
    result: &'static str,
    message: Option<&'a str>,
}

fn item(item: &Item) -> ItemObject<'_> {
    let (result, message) = match &item.result {
        Outcome::Done => ("done", None),
        Outcome::Already => ("already", None),
        Outcome::Left(message) => ("left", Some(message.as_str())),
    };
    let (side, path, back_to) = (item.side.word(), PathText::of(&item.path), item.back_to.as_ref().map(text));
    ItemObject { side, path, back_to, did: item.did, result, message }
}

/// What was taken back, and what was not.
pub fn undone(pair: &str, undone: &Undone, dry_run: bool, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        dry_run: bool,
        outcome: &'static str,
        exit_code: u8,
        run: i64,
        as_run: Option<i64>,
        paths: Vec<ItemObject<'a>>,
        notes: &'a [String],
    }
    line(&Object {
        schema: "driftless.undo/1",
        pair,
        dry_run,
        outcome: exit.outcome(),
        exit_code: exit.code(),
        run: undone.run.id.0,
        as_run: undone.as_run.map(|run| run.0),
        paths: undone.items.iter().map(item).collect(),
        notes: &undone.notes,
    })
}
