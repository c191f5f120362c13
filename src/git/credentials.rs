//! A token from the environment or a file, told to git by askpass: never in a URL, an argument, a log or an error.

use std::path::Path;

use super::command::{ASKPASS_HOST, ASKPASS_TOKEN, Git, Token};
use super::error::{Error, Result};
use crate::disk::local;

/// The user that tokens of GitHub go with; others take any.
const USER: &str = "x-access-token";
/// No token is longer.
const MOST: u64 = 16 << 10;

/// Where a token comes from.
pub struct Source<'a> {
    /// Named by the user: for the host of whatever remote it is used with.
    pub file: Option<&'a Path>,
}

/// Lets git use the token that there is for `url`, if any: that of the file, else `GITHUB_TOKEN` for GitHub's host.
pub fn lend(git: &mut Git, source: &Source<'_>, url: &str) -> Result<()> {
    let Some(host) = https_host(url) else { return Ok(()) };
    let text = match source.file {
        Some(file) => {
            let missing = || Error::refused(format!("There is no token file {}.", file.display()), "Nothing was done.");
            local::read_text(file, MOST)?.ok_or_else(missing)?
        }
        None if host == github_host() => match std::env::var("GITHUB_TOKEN") {
            Ok(text) => text,
            Err(_) => return Ok(()),
        },
        None => return Ok(()),
    };
    let text = text.trim().to_owned();
    if text.is_empty() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(Error::NoGit)?;
    git.with_token(Token { text, host: host.to_owned(), program });
    Ok(())
}

fn github_host() -> String {
    let server = std::env::var("GITHUB_SERVER_URL").unwrap_or_else(|_| "https://github.com".to_owned());
    https_host(&server).unwrap_or("github.com").to_owned()
}

/// The URL of the repository that a workflow of GitHub runs for; `None` outside of one.
pub fn github_repository() -> Option<String> {
    let name =
        std::env::var("GITHUB_REPOSITORY").ok().filter(|name| name.split('/').count() == 2 && super::names::is_name(name))?;
    let server = std::env::var("GITHUB_SERVER_URL").unwrap_or_else(|_| "https://github.com".to_owned());
    Some(format!("{}/{name}.git", server.trim_end_matches('/')))
}

/// The host, with its port, of a URL that a token may be sent to: encrypted, or this machine itself.
fn https_host(url: &str) -> Option<&str> {
    let (rest, encrypted) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_here = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    (encrypted || is_here).then_some(host)
}

/// The answer to git's question, where this program runs as `GIT_ASKPASS`; `None` where it does not.
pub fn answer(words: &[std::ffi::OsString]) -> Option<String> {
    let [_, question] = words else { return None };
    let (host, token) = (std::env::var(ASKPASS_HOST).ok()?, std::env::var(ASKPASS_TOKEN).ok()?);
    reply(question.to_str()?, &host, &token)
}

/// `Username for 'https://host': ` or `Password for 'https://user@host': `; another host is told nothing.
fn reply(question: &str, host: &str, token: &str) -> Option<String> {
    let (what, rest) = question.split_once(" for '")?;
    let url = rest.split_once('\'')?.0;
    let is_ours = https_host(url) == Some(host);
    match what {
        "Username" => Some(if is_ours { USER.to_owned() } else { String::new() }),
        "Password" => Some(if is_ours { token.to_owned() } else { String::new() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_that_is_meant_is_told() {
        for (question, expected) in [
            ("Username for 'https://github.com': ", Some("x-access-token")),
            ("Password for 'https://x-access-token@github.com': ", Some("t0ken")),
            ("Password for 'https://x@evil.org': ", Some("")),
            ("Password for 'https://github.com@evil.org': ", Some("")),
            ("Password for 'https://github.com.evil.org': ", Some("")),
            ("Password for 'http://github.com': ", Some("")),
            ("sync", None),
            ("Enter passphrase for key '/x': ", None),
        ] {
            assert_eq!(reply(question, "github.com", "t0ken").as_deref(), expected, "{question}");
        }
    }

    #[test]
    fn a_token_goes_over_an_encrypted_line_or_stays_here() {
        for (url, expected) in [
            ("https://github.com/a/b", Some("github.com")),
            ("https://u:p@host:8443/a", Some("host:8443")),
            ("http://127.0.0.1:80/a", Some("127.0.0.1:80")),
            ("http://localhost/a", Some("localhost")),
            ("http://host/a", None),
            ("ssh://git@host/a", None),
            ("git@host:a", None),
            ("/a/b", None),
        ] {
            assert_eq!(https_host(url), expected, "{url}");
        }
    }
}
