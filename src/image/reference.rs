//! Names of images as people type them, by the rules of Docker: `nginx`, `team/app:1.0`, `ghcr.io/team/app@sha256:…`.

use std::fmt;
use std::net::Ipv6Addr;

use crate::model::shown::short;

/// The registry that is meant where none is named, and where it is reached.
const HUB: &str = "docker.io";
const HUB_REACHED: &str = "registry-1.docker.io";

/// An image at a registry. Its parts hold nothing that a shell, a terminal or a URL would take for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As people name it, with its port: `docker.io`, `ghcr.io`, `localhost:5000`.
    pub host: String,
    pub repository: String,
    pub tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

/// The text names no image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name of an image: {why}")]
pub struct NoReference {
    text: String,
    why: &'static str,
}

impl Reference {
    /// The parts of a name; what is left out is filled in as Docker does.
    pub fn parse(text: &str) -> Result<Reference, NoReference> {
        let wrong = |why| NoReference { text: short(text), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(wrong("a digest is sha256: and 64 hexadecimal digits"));
        }
        let named_host = |first: &&str| first.contains(['.', ':']) || *first == "localhost" || first.starts_with('[');
        let (host, path) = match rest.split_once('/').filter(|(first, _)| named_host(first)) {
            Some((host, path)) => (host, path),
            None => (HUB, rest),
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        let host = if matches!(host, "index.docker.io" | HUB_REACHED) { HUB } else { host };
        if !is_host(host) {
            return Err(wrong("its registry is no host name with a port"));
        }
        if !is_repository(path) {
            return Err(wrong("a repository has small letters, digits, and . _ - / between them"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag has up to 128 letters, digits, and . _ -"));
        }
        let official = host == HUB && !path.contains('/');
        let repository = if official { format!("library/{path}") } else { path.to_owned() };
        Ok(Reference { host: host.to_owned(), repository, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// The host and port that requests go to.
    pub fn reached(&self) -> &str {
        if self.host == HUB { HUB_REACHED } else { &self.host }
    }

    /// What is asked for at the registry: the digest where one is named, else the tag, else `latest`.
    pub fn version(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// The name without tag and digest, as the engine shows it: without `docker.io/` and `library/`.
    pub fn name(&self) -> String {
        match self.host.as_str() {
            HUB => self.repository.strip_prefix("library/").unwrap_or(&self.repository).to_owned(),
            host => format!("{host}/{}", self.repository),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match (&self.tag, &self.digest) {
            (Some(tag), Some(digest)) => write!(f, ":{tag}@{digest}"),
            (None, Some(digest)) => write!(f, "@{digest}"),
            (Some(tag), None) => write!(f, ":{tag}"),
            (None, None) => f.write_str(":latest"),
        }
    }
}

/// `sha256:` and 64 digits in small letters; no other algorithm is used by registries today.
pub fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    text.strip_prefix("sha256:").is_some_and(|rest| rest.len() == 64 && rest.bytes().all(hex))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_repository(text: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(word)
            && bytes.last().is_some_and(word)
            && bytes.iter().all(|byte| word(byte) || matches!(byte, b'.' | b'_' | b'-'))
            && !part.contains("..")
    };
    text.len() <= 255 && text.split('/').all(part)
}

/// A host name or an address, with or without a port.
pub fn is_host(text: &str) -> bool {
    let (name, port) = split_port(text);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let named = !name.is_empty() && name.bytes().all(letter) && !name.starts_with(['-', '.']);
    let address =
        name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).is_some_and(|name| name.parse::<Ipv6Addr>().is_ok());
    (named || address) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    }
}

/// Does the host, with or without a port, stand for this machine itself?
pub fn is_loopback(host: &str) -> bool {
    let name = split_port(host).0;
    let four = name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    name.eq_ignore_ascii_case("localhost") || four || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile_text, is_tame};
    use proptest::prelude::*;

    #[test]
    fn names_are_filled_in_as_docker_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, host, repository, version, shown) in [
            ("nginx", "docker.io", "library/nginx", "latest", "nginx:latest"),
            ("team/app:1.0", "docker.io", "team/app", "1.0", "team/app:1.0"),
            ("docker.io/nginx:x", "docker.io", "library/nginx", "x", "nginx:x"),
            ("index.docker.io/a/b", "docker.io", "a/b", "latest", "a/b:latest"),
            ("ghcr.io/a/b/c:v1", "ghcr.io", "a/b/c", "v1", "ghcr.io/a/b/c:v1"),
            ("localhost/a", "localhost", "a", "latest", "localhost/a:latest"),
            ("localhost:5000/a", "localhost:5000", "a", "latest", "localhost:5000/a:latest"),
            ("[::1]:5000/a:t", "[::1]:5000", "a", "t", "[::1]:5000/a:t"),
            (&format!("r.io/a@{digest}"), "r.io", "a", &digest, &format!("r.io/a@{digest}")),
            (&format!("r.io/a:t@{digest}"), "r.io", "a", &digest, &format!("r.io/a:t@{digest}")),
        ] {
            let reference = Reference::parse(text).expect(text);
            assert_eq!(
                (&reference.host[..], &reference.repository[..], reference.version()),
                (host, repository, version),
                "{text}"
            );
            assert_eq!(reference.to_string(), shown);
        }
        assert_eq!(Reference::parse("nginx").expect("a name").reached(), "registry-1.docker.io");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ":x",
            "A",
            "a:",
            "a:-x",
            "a b",
            "a/../b",
            "/a",
            "a/",
            "r.io/",
            "r.io:99999/a",
            "a@sha256:1",
            "a@md5:x",
            "-r.io/a",
            "$(x)/a",
            "a;b",
            "[::1/a",
            "r.io/a:x\n",
            "user@r.io/a",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.9.9.9:80", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil.org", "127.0.0.1.evil.org", "10.0.0.1", "[::2]", "128.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        /// What is taken for a name may be shown, put into a URL, and put into a line for a shell.
        #[test]
        fn any_text_is_a_plain_name_or_an_error_that_may_be_shown(text in hostile_text(&["ghcr.io/a/b:1", "a@sha256:", "[::1]:5/a"])) {
            match Reference::parse(&text) {
                Ok(reference) => prop_assert!(
                    reference.to_string().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./:@_-[]".contains(&byte))
                ),
                Err(error) => prop_assert!(is_tame(&error.to_string())),
            }
        }
    }
}
