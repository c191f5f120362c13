//! Drift: what each part of a project that ought to be in step comes to, as one value, for gates and for `check`.
//!
//! Invariants. Nothing is moved but by [`scripts::find`], which says so. What could not be found out is neither drift nor in step, and
//! what nothing says anything of is none of the three.

pub mod container;
pub mod files;
pub mod git;
pub mod image;
pub mod scripts;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// How grave it is, from the lightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing says that it applies here.
    NotSetUp,
    InStep,
    CouldNotTell,
    Drift,
}

/// What one part comes to. Every text is tame.
#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// The part's own word.
    pub state: String,
    /// Without a full stop.
    pub message: String,
    /// The line that scripts look for.
    pub fatal: Option<&'static str>,
    /// Both sides of it and what lies between, line by line.
    pub details: Vec<String>,
    /// The smallest thing that mends it.
    pub mend: Option<String>,
    /// What the part's own command tells.
    pub object: Option<Box<RawValue>>,
}

impl Finding {
    pub fn new(severity: Severity, state: &str, message: impl Into<String>) -> Finding {
        Finding {
            severity,
            state: state.to_owned(),
            message: message.into(),
            fatal: None,
            details: Vec::new(),
            mend: None,
            object: None,
        }
    }

    pub fn not_set_up(message: &str) -> Finding {
        Finding::new(Severity::NotSetUp, "not_set_up", message)
    }

    pub fn could_not_tell(message: impl Into<String>) -> Finding {
        Finding::new(Severity::CouldNotTell, "could_not_tell", message)
    }

    /// A part that ended without an answer. That it was told to stop is for the caller.
    pub fn of_failure(failure: &Failure) -> Finding {
        let severity = if failure.exit == Exit::Drift { Severity::Drift } else { Severity::CouldNotTell };
        let state = if failure.exit == Exit::Drift { "missing" } else { "could_not_tell" };
        let mut finding = Finding::new(severity, state, failure.message.trim_end_matches('.'));
        finding.mend = failure.advice.clone();
        finding
    }

    pub fn of(result: Result<Finding, Failure>) -> Finding {
        result.unwrap_or_else(|failure| Finding::of_failure(&failure))
    }

    /// With the object that the part's own command prints.
    #[must_use]
    pub fn with_object(mut self, line: String) -> Finding {
        self.object = RawValue::from_string(line.trim_end().to_owned()).ok();
        self
    }
}
