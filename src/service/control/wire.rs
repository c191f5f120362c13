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
