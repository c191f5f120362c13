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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_one_line_that_holds_what_there_is() {
        assert_eq!(
            watching("ready", "demo", None, None, None),
            "{\"schema\":\"driftless.watch/1\",\"event\":\"ready\",\"pair\":\"demo\"}\n"
        );
        let ran = watching("ran", "demo", None, Some("{\"z\":1,\"a\":2}\n"), None);
        assert_eq!(ran, "{\"schema\":\"driftless.watch/1\",\"event\":\"ran\",\"pair\":\"demo\",\"report\":{\"z\":1,\"a\":2}}\n");
        let failed = watching("failed", "demo", None, None, Some("a\u{9b}31m\nb"));
        assert!(failed.ends_with(",\"message\":\"a\\u009b31m\\nb\"}\n"), "{failed}");
        let begun = watching("begun", "demo", Some(&Snapshot::new("demo")), None, None);
        let object: serde_json::Value = serde_json::from_str(&begun).expect("JSON");
        assert_eq!((&object["status"]["phase"], &object["status"]["last_run"]), (&"starting".into(), &serde_json::Value::Null));
        assert_eq!(begun.lines().count(), 1);
    }

    #[test]
    fn what_was_steered_names_the_process_where_there_was_one() {
        let stopped = r#"{"schema":"driftless.stop/1","pair":"demo","outcome":"done","exit_code":0,"process":12}"#;
        assert_eq!(steered("stop", "demo", Some(12)), format!("{stopped}\n"));
        let none = r#"{"schema":"driftless.stop/1","pair":"demo","outcome":"done","exit_code":0,"process":null}"#;
        assert_eq!(steered("stop", "demo", None), format!("{none}\n"));
    }
}
