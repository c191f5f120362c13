//! What `check` found.

use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{PathText, line};
use crate::cli::check::{Found, Part, mending};
use crate::cli::drift::{Finding, Severity};
use crate::cli::exit::Exit;

#[derive(Serialize)]
struct PartItem<'a> {
    severity: Severity,
    state: &'a str,
    message: &'a str,
    fatal: Option<&'static str>,
    mend: Option<&'a str>,
    object: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct MendItem<'a> {
    part: &'static str,
    command: &'a str,
}

/// Every part, and the order in which to mend them.
pub fn check(folder: &Path, found: &Found, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        folder: PathText,
        files: Option<PartItem<'a>>,
        git: Option<PartItem<'a>>,
        image: Option<PartItem<'a>>,
        container: Option<PartItem<'a>>,
        mend: Vec<MendItem<'a>>,
    }
    let of = |part: Part| found.iter().find(|(known, _)| *known == part).map(|(_, finding)| item(finding));
    line(&Object {
        schema: "driftless.check/1",
        exit_code: exit.code(),
        folder: PathText::whole(folder),
        files: of(Part::Files),
        git: of(Part::Git),
        image: of(Part::Image),
        container: of(Part::Container),
        mend: mending(found).into_iter().map(|(part, command)| MendItem { part: part.word(), command }).collect(),
    })
}

fn item(finding: &Finding) -> PartItem<'_> {
    PartItem {
        severity: finding.severity,
        state: &finding.state,
        message: &finding.message,
        fatal: finding.fatal,
        mend: finding.mend.as_deref(),
        object: finding.object.as_deref(),
    }
}
