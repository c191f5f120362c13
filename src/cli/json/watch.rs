//! What a watch process tells, one object a line.

use serde::Serialize;
use serde_json::value::RawValue;

use super::line;
use crate::service::Snapshot;

/// One event; `report` is the object of a `sync`.
pub fn watching(event: &str, pair: &str, status: Option<&Snapshot>, report: Option<&str>, message: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        event: &'a str,
        pair: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'a Snapshot>,
        #[serde(skip_serializing_if = "Option::is_none")]
        report: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    let report = report.and_then(|report| RawValue::from_string(report.trim_end().to_owned()).ok());
    line(&Object { schema: "driftless.watch/1", event, pair, status, report, message })
}

/// `stop`, `pause`, `resume`: the process, where there was one.
pub fn steered(command: &str, pair: &str, process: Option<u32>) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: String,
        pair: &'a str,
        outcome: &'static str,
        exit_code: u8,
        process: Option<u32>,
    }
    line(&Object { schema: format!("driftless.{command}/1"), pair, outcome: "done", exit_code: 0, process })
}
