//! What `man --dir` wrote.

use std::path::Path;

use serde::Serialize;

use super::{PathText, line};

/// The folder and how many pages are in it now.
pub fn man(dir: &Path, pages: u64) -> String {
    #[derive(Serialize)]
    struct Object {
        schema: &'static str,
        exit_code: u8,
        #[serde(flatten)]
        path: PathText,
        pages: u64,
    }
    line(&Object { schema: "driftless.man/1", exit_code: 0, path: PathText::whole(dir), pages })
}
