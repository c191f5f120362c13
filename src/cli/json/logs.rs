//! One line of a watch process's log.

use serde::Serialize;
use serde_json::{Map, Value};

use super::line;
use crate::cli::logs::Line;

/// The line; what is no line of ours is a message without the rest.
pub fn logged(pair: &str, logged: &Line) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        time: Option<&'a str>,
        level: Option<&'a str>,
        target: Option<&'a str>,
        message: &'a str,
        fields: &'a Map<String, Value>,
    }
    let Line { time, level, target, message, fields } = logged;
    let (time, level, target) = (time.as_deref(), level.as_deref(), target.as_deref());
    line(&Object { schema: "driftless.logs/1", pair, time, level, target, message, fields })
}
