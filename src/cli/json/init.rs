//! The end of an `init`.

use std::path::Path;

use serde::Serialize;

use super::{Head, PathText, line};
use crate::cli::exit::Exit;

/// What `init` made.
pub fn init(name: &str, roots: [&Path; 3], created: bool, notes: &[String]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        created: bool,
        network: PathText,
        staging: PathText,
        state: PathText,
        notes: &'a [String],
    }
    let [network, staging, state] = roots.map(PathText::whole);
    let head = Head::of("driftless.init/1", name, Exit::Done);
    line(&Object { head, created, network, staging, state, notes })
}
