//! The few URLs that are asked: `http` or `https`, a host, a path. No credential stands in any of them.

use super::reference::{is_host, is_loopback};

/// A place at a host. Its query may hold a signature, so it is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub safety: Safety,
    /// With its port.
    pub host: String,
    /// From the first slash on, with the query.
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    Encrypted,
    Plain,
}

impl Url {
    pub fn new(safety: Safety, host: &str, path: &str) -> Url {
        Url { safety, host: host.to_owned(), path: path.to_owned() }
    }

    /// `None` for everything that is not such a URL, or has a user in it.
    pub fn parse(text: &str) -> Option<Url> {
        let (safety, rest) = match text.split_once("://")? {
            (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (Safety::Encrypted, rest),
            (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (Safety::Plain, rest),
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        (is_host(host) && plain && text.len() <= 8192).then(|| Url::new(safety, &host.to_ascii_lowercase(), &path))
    }

    /// Where a `Location` leads from here.
    pub fn follow(&self, location: &str) -> Option<Url> {
        let location = location.trim();
        if location.starts_with("//") || !location.starts_with('/') {
            return Url::parse(location);
        }
        location.bytes().all(|byte| byte.is_ascii_graphic()).then(|| Url::new(self.safety, &self.host, location))
    }

    /// May somebody who was asked at `self` send us to `other`? Never from an encrypted line to a plain one, and from a plain
    /// one to another plain one only where both end on this machine.
    pub fn may_lead_to(&self, other: &Url) -> bool {
        other.safety == Safety::Encrypted
            || (self.safety == Safety::Plain
                && (self.host == other.host || (is_loopback(&self.host) && is_loopback(&other.host))))
    }

    /// The same host, reached in the same way: what is told to one is told to the other.
    pub fn is_at(&self, other: &Url) -> bool {
        self.safety == other.safety && self.host == other.host
    }

    /// With more in its query.
    pub fn with_query(mut self, pairs: &[(&str, &str)]) -> Url {
        for (name, value) in pairs {
            let sign = if self.path.contains('?') { '&' } else { '?' };
            self.path = format!("{}{sign}{name}={}", self.path, escaped(value));
        }
        self
    }

    /// As it is asked; not for people.
    pub fn whole(&self) -> String {
        let scheme = match self.safety {
            Safety::Encrypted => "https",
            Safety::Plain => "http",
        };
        format!("{scheme}://{}{}", self.host, self.path)
    }
}

/// For queries and forms.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_places_are_urls() {
        for (text, expected) in [
            ("https://Auth.Docker.io/token?a=b#c", Some("https://auth.docker.io/token?a=b")),
            ("http://[::1]:5000", Some("http://[::1]:5000/")),
            ("https://h?x=1", Some("https://h/?x=1")),
            ("https://me:secret@h/", None),
            ("ftp://h/", None),
            ("https://h/a b", None),
            ("https:///x", None),
            ("/x", None),
        ] {
            assert_eq!(Url::parse(text).map(|url| url.whole()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_redirect_never_leaves_the_encrypted_lines() {
        let at = |text: &str| Url::parse(text).expect("a URL");
        for (from, to, expected) in [
            ("https://r.io/a", "https://cdn.io/b", true),
            ("https://r.io/a", "http://r.io/b", false),
            ("https://r.io/a", "http://127.0.0.1/b", false),
            ("http://127.0.0.1:1/a", "http://localhost:2/b", true),
            ("http://127.0.0.1:1/a", "http://10.0.0.1/b", false),
            ("http://r.lan/a", "http://r.lan/b", true),
            ("http://r.lan/a", "http://169.254.169.254/b", false),
        ] {
            assert_eq!(at(from).may_lead_to(&at(to)), expected, "{from} {to}");
        }
        assert_eq!(at("https://r.io/a/b").follow("/c?d=e").map(|url| url.whole()).as_deref(), Some("https://r.io/c?d=e"));
        assert_eq!(at("https://r.io/a/b").follow("//evil.org/c"), None);
    }

    #[test]
    fn a_query_is_escaped() {
        let url = Url::parse("https://h/t?x=1").expect("a URL").with_query(&[("scope", "repository:a/b:pull"), ("s", "é &")]);
        assert_eq!(url.whole(), "https://h/t?x=1&scope=repository%3Aa%2Fb%3Apull&s=%C3%A9%20%26");
    }
}
