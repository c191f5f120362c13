//! The conflicts that wait.

use serde::Serialize;

use super::{PathText, line};
use crate::engine::KeptConflict;
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
