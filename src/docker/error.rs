//! How a question to a container engine fails. Texts of the engine come in tame and cut.

use std::error::Error as _;
use std::io;

use bollard::errors::Error as Bollard;

use crate::model::shown::short;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("the container engine at {at} cannot be reached: {message}")]
    Unreachable { at: String, message: String },
    /// Somebody answers there, and not to this user.
    #[error("this user may not talk to the container engine at {at}")]
    Denied { at: String },
    /// It is named in a way that this program does not speak.
    #[error("the container engine at {at} cannot be asked: {message}")]
    Unsupported { at: String, message: String },
    /// What says where the engine is cannot be read.
    #[error("where the container engine is cannot be found out: {0}")]
    Place(String),
    #[error("there is no container {0}")]
    NoContainer(String),
    #[error("there is no image {0} in the container engine")]
    NoImage(String),
    #[error("there is no {path} in the container {container}")]
    NoFile { container: String, path: String },
    /// What was given as a name is none.
    #[error("{0} is no name of a container or image")]
    Name(String),
    #[error("the container engine gave no answer to `{verb}` for {seconds} s")]
    Silent { verb: &'static str, seconds: u64 },
    /// It answered, and this program does not understand it: nothing is known then.
    #[error("the container engine's answer to `{verb}` cannot be read: {message}")]
    Answer { verb: &'static str, message: String },
    /// It refused or failed.
    #[error("the container engine failed at `{verb}` ({status}): {message}")]
    Engine { verb: &'static str, status: u16, message: String },
    #[error("a runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    /// Ctrl-C.
    #[error("stopped")]
    Stopped,
}

/// What a question was about: the engine says only 404.
pub(super) enum Subject<'a> {
    Engine(&'a str),
    Container(&'a str),
    Image(&'a str),
    File { container: &'a str, path: &'a str },
}

pub(super) fn told(verb: &'static str, subject: &Subject<'_>, error: Bollard) -> Error {
    let at = || match subject {
        Subject::Engine(at) => short(at),
        _ => "its address".to_owned(),
    };
    match error {
        Bollard::DockerResponseServerError { status_code: 404, message } => absent(verb, subject, &message),
        Bollard::DockerResponseServerError { status_code, message } => {
            Error::Engine { verb, status: status_code, message: short(message.trim()) }
        }
        Bollard::RequestTimeoutError => Error::Silent { verb, seconds: super::SLOW.as_secs() },
        Bollard::SocketNotFoundError(path) => {
            Error::Unreachable { at: at(), message: format!("there is no socket {}", short(&path)) }
        }
        Bollard::UnsupportedURISchemeError { .. } => {
            Error::Unsupported { at: at(), message: "it is reached in a way that this program does not speak".to_owned() }
        }
        error => match cause(&error) {
            Some(source) if source.kind() == io::ErrorKind::PermissionDenied => Error::Denied { at: at() },
            Some(source) => Error::Unreachable { at: at(), message: short(&source.to_string()) },
            None if is_of_the_line(&error) => Error::Unreachable { at: at(), message: short(&error.to_string()) },
            None => Error::Answer { verb, message: short(&error.to_string()) },
        },
    }
}

fn is_of_the_line(error: &Bollard) -> bool {
    matches!(error, Bollard::HyperLegacyError { .. } | Bollard::HyperResponseError { .. })
}

/// What the system said, below what the libraries made of it.
fn cause(error: &Bollard) -> Option<&io::Error> {
    if let Bollard::IOError { err } = error {
        return Some(err);
    }
    let mut below = error.source();
    while let Some(error) = below {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        below = error.source();
    }
    None
}

fn absent(verb: &'static str, subject: &Subject<'_>, message: &str) -> Error {
    let lower = message.to_ascii_lowercase();
    let no_container = lower.contains("no such container") || lower.contains("no container with");
    match subject {
        Subject::Container(name) => Error::NoContainer(short(name)),
        Subject::File { container, .. } if no_container => Error::NoContainer(short(container)),
        Subject::File { container, path } => Error::NoFile { container: short(container), path: short(path) },
        Subject::Image(name) => Error::NoImage(short(name)),
        Subject::Engine(_) => Error::Engine { verb, status: 404, message: short(message.trim()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_told_apart() {
        let file = Subject::File { container: "web", path: "/app/x" };
        let response =
            |status, message: &str| Bollard::DockerResponseServerError { status_code: status, message: message.to_owned() };
        for (subject, status, message, shown) in [
            (&file, 404, "Could not find the file /app/x in container web", "there is no /app/x in the container web"),
            (&file, 404, "No such container: web", "there is no container web"),
            (&Subject::Container("web"), 404, "no container with name or ID \"web\" found", "there is no container web"),
            (&Subject::Image("a:1"), 404, "No such image: a:1", "there is no image a:1 in the container engine"),
            (&file, 500, "a\u{1b}[2J", "the container engine failed at `archive` (500): a\\u{1b}[2J"),
        ] {
            assert_eq!(told("archive", subject, response(status, message)).to_string(), shown);
        }
    }

    #[test]
    fn a_line_that_fails_and_an_answer_nobody_understands_are_two_things() {
        let io = |kind| Bollard::IOError { err: io::Error::from(kind) };
        let at = Subject::Engine("unix:///s");
        assert!(matches!(told("version", &at, io(io::ErrorKind::PermissionDenied)), Error::Denied { .. }));
        assert!(matches!(told("version", &at, io(io::ErrorKind::ConnectionRefused)), Error::Unreachable { .. }));
        assert!(matches!(told("version", &at, Bollard::APIVersionParseError {}), Error::Answer { .. }));
        let json = Bollard::JsonDataError { message: "unknown variant".to_owned(), column: 3 };
        assert!(matches!(told("inspect", &at, json), Error::Answer { .. }));
    }
}
