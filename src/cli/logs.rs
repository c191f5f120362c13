//! `logs`: the last lines of what a pair's watch process logged, and with `--follow` what it logs from now on.
//!
//! Lines are printed one by one as they are read, because there may be many.

use std::fmt::Write as _;
use std::time::Duration;
use std::{io, thread};

use serde_json::{Map, Value};

use crate::cli::args::background::Logs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::Paint;
use crate::cli::{Answer, Context, json, logbook, put, say};
use crate::disk::log::Reading;
use crate::model::shown::tame;

/// How often a log is looked at that is followed.
const PAUSE: Duration = Duration::from_millis(200);

/// A line as it was logged. What is no such line, because a power cut tore it, is a message alone.
#[derive(Debug, Default, PartialEq)]
pub struct Line {
    /// RFC 3339, UTC.
    pub time: Option<String>,
    pub level: Option<String>,
    pub target: Option<String>,
    pub message: String,
    pub fields: Map<String, Value>,
}

pub fn run(context: &Context, typed: &Logs) -> Result<Answer, Failure> {
    let pair = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair;
    let path = logbook::path(&pair.state);
    let ended = |exit| Ok(Answer { exit, output: String::new() });
    let show = |bytes: &[u8]| {
        let line = Line::parse(&String::from_utf8_lossy(bytes));
        put(&if context.common.json { json::logged(&pair.name, &line) } else { line.text(context.paint) })
    };
    let mut reading = Reading::of_last(&path, typed.lines.into())?;
    if reading.is_none() {
        say(&format!("No log yet: no watch process has run for the pair {}.\n", tame(&pair.name)));
    }
    loop {
        let mut line = reading.as_mut().map_or(Ok(None), Reading::next_line)?;
        let at_the_end = line.is_none();
        if at_the_end && !typed.follow {
            line = reading.take().and_then(Reading::torn);
        }
        match line.as_deref().map_or(Ok(()), show) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ended(Exit::Done),
            Err(error) => return Err(Failure::failed(format!("The log cannot be shown: {error}."))),
            Ok(()) => {}
        }
        if let Some(signal) = context.stop.signal() {
            return ended(Exit::Signal(signal));
        }
        if !at_the_end {
            continue;
        }
        if !typed.follow {
            return ended(Exit::Done);
        }
        thread::sleep(PAUSE);
        if reading.is_none() {
            // All of a log that begins while it is waited for.
            reading = Reading::of_last(&path, u64::MAX)?;
        }
    }
}

impl Line {
    fn parse(text: &str) -> Line {
        Line::of_object(text).unwrap_or_else(|| Line { message: text.to_owned(), ..Line::default() })
    }

    fn of_object(text: &str) -> Option<Line> {
        let Value::Object(mut object) = serde_json::from_str(text).ok()? else { return None };
        let mut word = |key| object.remove(key).and_then(|value| value.as_str().map(str::to_owned));
        let (time, level, target) = (word("timestamp")?, word("level")?, word("target"));
        let Some(Value::Object(mut fields)) = object.remove("fields") else { return None };
        let message = fields.remove("message").map(|value| plain(&value)).unwrap_or_default();
        Some(Line { time: Some(time), level: Some(level), target, message, fields })
    }

    fn text(&self, paint: Paint) -> String {
        let mut text = String::new();
        if let (Some(time), Some(level)) = (&self.time, &self.level) {
            // To the second: the day and the hour are what is looked for.
            let time = time.get(..19).map_or_else(|| time.clone(), |seconds| format!("{seconds}Z"));
            let level = format!("{level:5}");
            let level = match level.trim_end() {
                "ERROR" => paint.bad(&level),
                "WARN" => paint.warn(&level),
                _ => tame(&level),
            };
            let _ = write!(text, "{} {level} ", tame(&time));
        }
        text.push_str(&tame(&self.message));
        for (key, value) in &self.fields {
            let _ = write!(text, " {}={}", tame(key), tame(&plain(value)));
        }
        text.push('\n');
        text
    }
}

/// A text without quotes, everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGGED: &str = r#"{"timestamp":"2026-11-21T04:15:00.123456Z","level":"WARN","fields":{"message":"a\nb\u001b[2J","path":"x y","files":3},"target":"driftless::service"}"#;

    #[test]
    fn a_line_is_text_and_an_object() {
        let line = Line::parse(LOGGED);
        assert_eq!(line.text(Paint::PLAIN), "2026-11-21T04:15:00Z WARN  a\\nb\\u{1b}[2J files=3 path=x y\n");
        let expected = r#"{"schema":"driftless.logs/1","pair":"demo","time":"2026-11-21T04:15:00.123456Z","level":"WARN","target":"driftless::service","message":"a\nb\u001b[2J","fields":{"files":3,"path":"x y"}}"#;
        assert_eq!(json::logged("demo", &line), format!("{expected}\n"));
    }

    #[test]
    fn what_is_no_line_of_ours_is_shown_harmless() {
        for torn in [&LOGGED[..90], "", "\0\0{\"level\":3}", "{}", "[1]", "\u{1b}]0;x\u{7}", r#"{"timestamp":"é","level":"x"}"#]
        {
            let line = Line::parse(torn);
            assert_eq!(line, Line { message: torn.to_owned(), ..Line::default() });
            assert_eq!(line.text(Paint::PLAIN), format!("{}\n", tame(torn)));
            assert!(json::logged("demo", &line).contains(r#""time":null,"level":null,"target":null"#), "{torn:?}");
        }
        let odd = r#"{"timestamp":"2026-11-21T04:15:0é0","level":"\u009b31m","fields":{}}"#;
        assert_eq!(Line::parse(odd).text(Paint::PLAIN), "2026-11-21T04:15:0é0 \\u{9b}31m  \n");
    }
}
