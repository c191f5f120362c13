//! What git says, as it may be shown: without credentials, and steering no terminal.

use crate::model::shown::tame;

/// What stands for something secret.
const HIDDEN: &str = "***";
/// Advice of git's that is ours to give, or none.
const NOISE: [&str; 9] = [
    "hint:",
    "Please make sure",
    "and the repository exists",
    "Another git process seems",
    "an editor opened by",
    "are terminated then try",
    "may have crashed in this",
    "remove the file manually",
    "warning: redirecting to",
];
/// Longer messages are cut; git repeats itself and servers send banners.
const LONGEST: usize = 1_000;

/// A message of git or of a server without credentials: user and password of URLs, headers, and the `secrets` themselves.
pub fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), HIDDEN);
    }
    text.lines().map(without_header).map(|line| without_userinfo(&line)).collect::<Vec<_>>().join("\n")
}

/// The same in one line for a message, tame and not too long.
pub fn told(stderr: &[u8], secrets: &[String]) -> String {
    let text = redact(&String::from_utf8_lossy(stderr), secrets);
    // Progress comes with carriage returns; what stands before the last one was overwritten.
    let lines = text.lines().map(|line| line.trim_end().rsplit('\r').next().unwrap_or_default().trim());
    let kept = lines.filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)));
    let kept: Vec<String> = kept.map(|line| tame(line.trim_end_matches('.'))).collect();
    let mut text = kept.join("; ");
    if let Some((cut, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn without_header(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    match lower.find("authorization:") {
        Some(at) => format!("{}{HIDDEN}", &line[..at + "authorization:".len()]),
        None => line.to_owned(),
    }
}

/// `https://user:secret@host` becomes `https://***@host`. A user without a password (`ssh://git@host`) is no secret.
fn without_userinfo(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"' | '?' | '#')).unwrap_or(after.len());
        let authority = &after[..end];
        let is_ssh = before.ends_with("ssh://");
        match authority.rsplit_once('@') {
            Some((user, host)) if !is_ssh || user.contains(':') => {
                shown.push_str(HIDDEN);
                shown.push('@');
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        rest = &after[end..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile_text, is_tame};
    use proptest::prelude::*;

    #[test]
    fn credentials_are_hidden_wherever_they_stand() {
        let secrets = ["s3cret".to_owned(), String::new()];
        for (said, shown) in [
            (
                "fatal: unable to access 'https://me:pass@host/x.git/': 403",
                "fatal: unable to access 'https://***@host/x.git/': 403",
            ),
            ("https://token@github.com/a/b and http://u:p@[::1]:80?x", "https://***@github.com/a/b and http://***@[::1]:80?x"),
            ("https://user:p@ss@host/", "https://***@host/"),
            ("ssh://git@host/x", "ssh://git@host/x"),
            ("ssh://git:pw@host/x", "ssh://***@host/x"),
            ("file:///a/b@c", "file:///a/b@c"),
            ("> Authorization: Basic abcd", "> Authorization:***"),
            ("the token is s3cret.", "the token is ***."),
            ("nothing to hide: me@host.org", "nothing to hide: me@host.org"),
        ] {
            assert_eq!(redact(said, &secrets), shown);
        }
    }

    #[test]
    fn one_line_is_told_without_hints_and_progress() {
        let said = b"remote: Counting 1%\rremote: Counting 100%\nhint: do this\n\nfatal: no\x1b[2J\n";
        assert_eq!(told(said, &[]), "remote: Counting 100%; fatal: no\\u{1b}[2J");
        assert!(told(&[b'x'; 9_000], &[]).len() < 2_100);
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_may_be_shown(text in hostile_text(&["remote: ok", "https://a:b@c"])) {
            prop_assert!(is_tame(&told(text.as_bytes(), &[])));
        }
    }
}
