//! Whether a path needs staging.

use std::path::Path;

use serde::Serialize;

use super::{PathText, line};
use crate::roots::mounts::Verdict;

/// What `detect` found.
pub fn detect(path: &Path, verdict: &Verdict) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        #[serde(flatten)]
        path: PathText,
        needs_staging: bool,
        file_system: &'a str,
        mount_point: PathText,
        source: &'a str,
        reason: &'a str,
    }
    line(&Object {
        schema: "driftless.detect/1",
        exit_code: 0,
        path: PathText::whole(path),
        needs_staging: verdict.network,
        file_system: &verdict.file_system,
        mount_point: PathText::whole(&verdict.mount_point),
        source: &verdict.source,
        reason: &verdict.reason,
    })
}
