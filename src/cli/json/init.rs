//! The end of an `init`.

use std::path::Path;

use serde::Serialize;

use super::{PathText, line};

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
