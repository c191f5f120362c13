//! What starts a pair's watch process at login.

use serde::Serialize;

use super::{Head, PathText, line};
use crate::cli::exit::Exit;
use crate::cli::unit::{Did, Unit};

/// What was done with the unit; `printed` is its text, where that was asked for.
pub fn service(pair: &str, did: Did, unit: &Unit, printed: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        did: &'static str,
        kind: &'static str,
        name: &'a str,
        unit: PathText,
        text: Option<&'a str>,
    }
    let head = Head::of("driftless.service/1", pair, Exit::Done);
    let (kind, unit_path) = (unit.kind.word(), PathText::whole(&unit.path));
    line(&Object { head, did: did.word(), kind, name: &unit.name, unit: unit_path, text: printed })
}
