//! Whether a path needs staging.

use std::path::Path;

use serde::Serialize;

use super::{PathText, line};
use crate::cli::detect::Then;
use crate::roots::mounts::Verdict;

/// What `detect` found.
pub fn detect(path: &Path, verdict: &Verdict, then: &Then) -> String {
    #[derive(Serialize)]
    struct Run<'a> {
        staged: bool,
        /// `null` where there is none yet.
        pair: Option<&'a str>,
        staging: Option<PathText>,
        message: Option<&'a str>,
    }
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
        run: Run<'a>,
    }
    let nothing = Run { staged: false, pair: None, staging: None, message: None };
    let run = match then {
        Then::Bare => nothing,
        Then::Staged { staging, pair, known } => {
            Run { staged: true, pair: known.then_some(pair.as_str()), staging: Some(PathText::whole(staging)), ..nothing }
        }
        Then::Refused(message) => Run { message: Some(message), ..nothing },
    };
    line(&Object {
        schema: "driftless.detect/1",
        exit_code: 0,
        path: PathText::whole(path),
        needs_staging: verdict.network,
        file_system: &verdict.file_system,
        mount_point: PathText::whole(&verdict.mount_point),
        source: &verdict.source,
        reason: &verdict.reason,
        run,
    })
}
