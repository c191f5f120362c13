//! What goes over the wire. What a report looks like is for the command line to say ([`Words`]).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::report::{Progress, Report, WaitingFor, Work};
use crate::engine::request::Request;
use crate::model::side::PerSide;
use crate::service::Event;

/// The body of `POST /sync`; everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// `up`, `down` or `both`.
    pub direction: Option<String>,
    /// Root-relative, with `/`; empty is everything.
    pub paths: Vec<String>,
    /// The actions, with their reasons.
    pub actions: bool,
    /// The text of the report with the colours of a terminal.
    pub colour: bool,
    /// How long an unreachable root or another run is waited for; without it as long as the watch process's settings say.
    pub wait_ms: Option<u64>,
}

/// The end of a run that was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    pub exit_code: u8,
    /// The object of `sync --json`.
    pub report: Box<RawValue>,
    /// The same for people.
    pub text: String,
}

/// A report as the command line tells it.
pub struct Reported {
    pub exit_code: u8,
    /// One line of JSON.
    pub object: String,
    pub text: String,
}

impl Reported {
    pub(super) fn raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.object.trim_end().to_owned()).expect("the command line writes JSON")
    }
}

/// A run that has ended, on the stream of events.
#[derive(Debug, Serialize)]
pub(super) struct Ran {
    /// It looked at everything.
    pub whole: bool,
    /// The object of `sync --json`.
    pub report: Box<RawValue>,
}

/// What the command line knows and this room does not.
pub trait Words: Send + Sync + 'static {
    /// # Errors
    /// A sentence for who asked.
    fn request(&self, asked: &Asked) -> Result<Request, String>;
    fn report(&self, report: &Report, done: PerSide<Work>, asked: &Asked) -> Reported;
    /// The object of `conflicts list --json`.
    ///
    /// # Errors
    /// A sentence for who asked.
    fn conflicts(&self) -> Result<String, String>;
}

/// One line of progress.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "lowercase")]
pub enum Told {
    Waiting { r#for: String },
    Looking { staging: u64, network: u64 },
    Planned { staging: Amount, network: Amount },
    Doing { staging: Amount, network: Amount },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub paths: u64,
    pub files: u64,
    pub bytes: u64,
}

impl From<Work> for Amount {
    fn from(Work { paths, files, bytes }: Work) -> Amount {
        Amount { paths, files, bytes }
    }
}

impl From<Amount> for Work {
    fn from(Amount { paths, files, bytes }: Amount) -> Work {
        Work { paths, files, bytes }
    }
}

impl From<Progress> for Told {
    fn from(progress: Progress) -> Told {
        let amounts = |work: PerSide<Work>| (work.staging.into(), work.network.into());
        match progress {
            Progress::Waiting(WaitingFor::Lock) => Told::Waiting { r#for: "lock".to_owned() },
            Progress::Waiting(WaitingFor::Root(side)) => Told::Waiting { r#for: side.word().to_owned() },
            Progress::Looking { seen } => Told::Looking { staging: seen.staging, network: seen.network },
            Progress::Planned { to } => {
                let (staging, network) = amounts(to);
                Told::Planned { staging, network }
            }
            Progress::Doing { done } => {
                let (staging, network) = amounts(done);
                Told::Doing { staging, network }
            }
        }
    }
}

impl Told {
    /// Back to what the engine tells; `None` for a wait, which is shown by who waits.
    pub fn progress(self) -> Option<Progress> {
        let works = |staging: Amount, network: Amount| PerSide::new(staging.into(), network.into());
        match self {
            Told::Waiting { .. } => None,
            Told::Looking { staging, network } => Some(Progress::Looking { seen: PerSide::new(staging, network) }),
            Told::Planned { staging, network } => Some(Progress::Planned { to: works(staging, network) }),
            Told::Doing { staging, network } => Some(Progress::Doing { done: works(staging, network) }),
        }
    }
}

/// The name of an event on the stream.
pub(super) fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Ready => "ready",
        Event::Progress(_) => "progress",
        Event::Ran { .. } => "ran",
        Event::Failed(_) => "failed",
        Event::Changed => "status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::side::Side;

    #[test]
    fn progress_comes_through_the_wire_as_it_went_in() {
        let work = |paths| Work { paths, files: paths + 1, bytes: paths + 2 };
        let both = PerSide::new(work(1), work(7));
        for (progress, expected) in [
            (Progress::Looking { seen: PerSide::new(3, 4) }, r#"{"at":"looking","staging":3,"network":4}"#),
            (
                Progress::Planned { to: both },
                r#"{"at":"planned","staging":{"paths":1,"files":2,"bytes":3},"network":{"paths":7,"files":8,"bytes":9}}"#,
            ),
            (
                Progress::Doing { done: both },
                r#"{"at":"doing","staging":{"paths":1,"files":2,"bytes":3},"network":{"paths":7,"files":8,"bytes":9}}"#,
            ),
        ] {
            let text = serde_json::to_string(&Told::from(progress)).expect("text keys only");
            assert_eq!(text, expected);
            let back: Told = serde_json::from_str(&text).expect("its own text");
            assert_eq!(back.progress().map(Told::from), Some(Told::from(progress)));
        }
        for (waiting, word) in [(WaitingFor::Lock, "lock"), (WaitingFor::Root(Side::Network), "network")] {
            let told = Told::from(Progress::Waiting(waiting));
            assert_eq!(serde_json::to_value(&told).expect("JSON"), serde_json::json!({ "at": "waiting", "for": word }));
            assert!(told.progress().is_none());
        }
    }

    #[test]
    fn everything_that_is_asked_may_be_left_out_and_nothing_else_be_there() {
        let asked = |text: &str| serde_json::from_str::<Asked>(text).map_err(|error| error.to_string());
        assert_eq!(asked("{}"), Ok(Asked::default()));
        let full = Asked {
            direction: Some("up".to_owned()),
            paths: vec!["a/b".to_owned()],
            actions: true,
            colour: true,
            wait_ms: Some(5_000),
        };
        assert_eq!(asked(&serde_json::to_string(&full).expect("text keys only")), Ok(full));
        for (text, complaint) in [
            (r#"{"dir":"up"}"#, "unknown field `dir`"),
            (r#"{"paths":"a"}"#, "expected a sequence"),
            (r#"{"wait_ms":-1}"#, "expected u64"),
            ("[", "EOF"),
        ] {
            assert!(asked(text).expect_err(text).contains(complaint), "{text}");
        }
    }
}
