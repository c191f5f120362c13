//! A command that could not be carried out: what happened, and what to do next.

use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::settings;
use crate::engine::report::{Refusal, Way};
use crate::model::shown::tame;
use crate::model::side::Side;
use crate::{disk, engine};

/// The end of a command without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// What happened, to which path.
    pub message: String,
    /// What stays safe and what to do next.
    pub advice: Option<String>,
}

impl Failure {
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Failed, message: message.into(), advice: None }
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into(), advice: None }
    }

    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Refused, message: message.into(), advice: None }
    }

    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Failure {
        self.advice = Some(advice.into());
        self
    }

    /// A refusal of the engine with the advice that belongs to it.
    pub fn of_refusal(refusal: &Refusal) -> Failure {
        let (message, advice) = refusal_words(refusal);
        Failure::refused(message).advise(advice)
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Failure {
        match &error {
            engine::Error::Refused(refusal) => Failure::of_refusal(refusal),
            engine::Error::NoSuchRun(message) => Failure::failed(format!("There is no such run: {message}."))
                .advise("Nothing was changed. `driftless history` lists the runs; those of the last 90 days are kept."),
            damaged if damaged.is_damage() => Failure::failed(error.to_string()).advise(
                "Nothing was changed. `driftless sync` sets that file aside, keeps it, and compares both folders as if they met for \
                 the first time; it deletes nothing then.",
            ),
            engine::Error::Pattern(_) | engine::Error::Shared { .. } => Failure::failed(error.to_string()).advise(
                "Nothing was done. Mend it, in driftless.toml of the network root or where this machine's patterns are set, and run \
                 the command again; see docs/configuration.md.",
            ),
            other => {
                let advice = "What was synchronised so far is recorded; run the command again.";
                Failure { exit: exit_of(other.kind()), ..Failure::failed(other.to_string()) }.advise(advice)
            }
        }
    }
}

fn exit_of(kind: engine::ErrorKind) -> Exit {
    match kind {
        engine::ErrorKind::Failed => Exit::Failed,
        engine::ErrorKind::Refused => Exit::Refused,
        engine::ErrorKind::Offline => Exit::Offline,
        engine::ErrorKind::Busy => Exit::Busy,
        engine::ErrorKind::Stopped => Exit::interrupted(None),
    }
}

impl From<settings::Error> for Failure {
    fn from(error: settings::Error) -> Failure {
        Failure::failed(error.to_string())
            .advise("Nothing was done. Mend it and run the command again; the settings are listed in docs/configuration.md.")
    }
}

impl From<settings::file::Mistake> for Failure {
    fn from(mistake: settings::file::Mistake) -> Failure {
        settings::Error::from(mistake).into()
    }
}

impl From<disk::Error> for Failure {
    fn from(error: disk::Error) -> Failure {
        let exit = if error.kind == disk::ErrorKind::Gone { Exit::Offline } else { Exit::Failed };
        Failure { exit, ..Failure::failed(error.to_string()) }
    }
}

/// What happened, and what stays safe and is to be done.
pub fn refusal_words(refusal: &Refusal) -> (String, String) {
    match refusal {
        Refusal::Identity { side, message, way } => {
            (format!("The {side} root is not the one this pair knows: {message}."), identity_advice(*side, *way))
        }
        Refusal::MostlyDifferent { only_staging, only_network, equal, different } => (
            format!(
                "The two folders hold mostly different things: {only_staging} paths only in staging, {only_network} only on network, \
                 {equal} equal, {different} different."
            ),
            "Nothing was changed. If they do belong together, run again with --yes: what is on one side only is then copied to the \
             other, nothing is deleted, and what differs stays as it is on both."
                .to_owned(),
        ),
        Refusal::Space { side, needed, free } => (
            format!("There is not enough room on the {side} root: {} needed, {} free.", size(*needed), size(*free)),
            "Nothing was changed. Make room there (`driftless trash empty` may help), or sync less by naming paths.".to_owned(),
        ),
        Refusal::StateFull { path, free } => (
            format!("The disk of {}, where this pair's records are kept, has only {} free.", shown(path), size(*free)),
            "Nothing was changed. Make room there: a run that cannot write down what it did is not begun.".to_owned(),
        ),
        Refusal::Roots { message } => {
            (message.clone(), "Nothing was changed. Name two separate folders that both exist and can be read.".to_owned())
        }
        Refusal::ReadOnly { side } => (
            format!("The {side} root cannot be written, and this direction needs it."),
            format!("Nothing was changed. Get the right to write there, or sync {} only.", read_only_way(*side)),
        ),
    }
}

/// `relink` is named last: most often the folder is the wrong one, and putting the right one there keeps the base.
fn identity_advice(side: Side, way: Way) -> String {
    let help = match way {
        Way::Relink => {
            "If it is the right one, `driftless relink`, with the same --pair (or --network and --staging), takes both folders as \
             they are now. It deletes nothing."
                .to_owned()
        }
        Way::NewId => {
            "If it is a copy that is to be a root of its own, `driftless relink --new-id --network DIR --staging DIR` makes it one. \
             It deletes nothing."
                .to_owned()
        }
        Way::Place => format!(
            "If it lies elsewhere now, `driftless relink --pair NAME --{side} DIR` says so; if it is gone for good, make an empty \
             folder there and run `driftless relink --pair NAME`. Neither deletes anything."
        ),
    };
    format!(
        "Nothing was changed. If the folder is the wrong one (a drive that is not mounted, a restored copy), put the right one in \
         its place and run again. {help}"
    )
}

fn read_only_way(side: Side) -> &'static str {
    match side {
        Side::Staging => "up",
        Side::Network => "down",
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A path for people: quoted as it is, with what could steer a terminal escaped.
pub fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&tame(chunk.valid()));
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}
