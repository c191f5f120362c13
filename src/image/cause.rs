//! Why a check could not be made. Texts of registries come in here tame and short; credentials never do.

use std::time::Duration;

use crate::model::shown::short;

pub type Result<T> = std::result::Result<T, Error>;

/// What ends a step of a check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The answer is not known; never to be read as in step.
    #[error("{0}")]
    Unknown(Cause),
    /// Ctrl-C.
    #[error("stopped")]
    Stopped,
}

/// Why something could not be told, as a sentence without a full stop, and a kind for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Cause {
    pub kind: Kind,
    pub message: String,
    /// What helps; a command where there is one.
    pub mend: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No connection, no answer in time, a certificate that is not trusted.
    Unreachable,
    /// Nobody is let in without a login, or not with this one; it may also be that the image is hidden.
    Login,
    /// Asked too often.
    RateLimited,
    /// The history here is cut off, and more of it could not be had.
    Shallow,
    /// What the image says of itself does not go together.
    Contradiction,
    /// An answer came that is none.
    Answer,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Unreachable => "unreachable",
            Kind::Login => "login",
            Kind::RateLimited => "rate_limited",
            Kind::Shallow => "shallow",
            Kind::Contradiction => "contradiction",
            Kind::Answer => "answer",
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Error {
        Error::Unknown(cause)
    }
}

/// Nobody can be asked at `host`.
pub fn unreachable(host: &str, why: &str) -> Error {
    Cause {
        kind: Kind::Unreachable,
        message: format!("{} cannot be reached: {}", short(host), short(why)),
        mend: "Run it again when it answers.".to_owned(),
    }
    .into()
}

/// The registry `host` does not let us in.
pub fn login(host: &str, why: &str) -> Error {
    Cause {
        kind: Kind::Login,
        message: format!("{} does not let us in: {}", short(host), short(why)),
        mend: format!("docker login {}", short(host)),
    }
    .into()
}

/// Asked too often; `after` is when it may be asked again, where it said so.
pub fn rate_limited(host: &str, after: Option<Duration>) -> Error {
    // "In 0 s" would be an invitation.
    let after = after.map(|after| after.as_secs().max(1));
    let when = after.map_or_else(String::new, |after| format!("; it may be asked again in {after} s"));
    let mend = match after {
        Some(after) => format!("Run it again in {after} s, or with --wait {after}s; a login often allows more."),
        None => "Run it again later; a login often allows more.".to_owned(),
    };
    Cause { kind: Kind::RateLimited, message: format!("{} was asked too often{when}", short(host)), mend }.into()
}

/// `host` answered something that is no answer.
pub fn odd(host: &str, what: &str) -> Error {
    Cause {
        kind: Kind::Answer,
        message: format!("{} answers something that cannot be used: {}", short(host), short(what)),
        mend: "Look at the image with another tool, or push it again.".to_owned(),
    }
    .into()
}
