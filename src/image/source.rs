//! Whose repository a URL names, however it is written.

/// Do two URLs name the same repository? Users, passwords, schemes, `.git`, ports that go without saying, and the difference of
/// `git@host:path` to `https://host/path` say nothing about that.
pub fn is_same(first: &str, second: &str) -> bool {
    let (first, second) = (plain(first), plain(second));
    !first.is_empty() && first.eq_ignore_ascii_case(&second)
}

/// `host/path`, or `/path` on this machine.
fn plain(url: &str) -> String {
    let url = url.trim().split(['#', '?']).next().unwrap_or_default();
    let url = url.strip_prefix("git+").unwrap_or(url);
    let (host, path) = match url.split_once("://") {
        Some(("file", path)) => ("", path),
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        // `user@host:path`, and no letter of a drive.
        None => match url.split_once(':') {
            Some((host, path)) if host.len() > 1 && !host.contains('/') => (host, path),
            _ => ("", url),
        },
    };
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = [":443", ":80", ":22", ":9418"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(host);
    // A folder of it, as forges show it.
    let path = ["/-/tree/", "/tree/", "/-/blob/", "/blob/"]
        .iter()
        .filter(|_| !host.is_empty())
        .fold(path, |path, part| path.split(part).next().unwrap_or(path));
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    if path.is_empty() { String::new() } else { format!("{host}/{path}") }
}

/// The URL as it may be stored in an image or shown: without user and password, as people open it. `None` where it names a place on
/// this machine.
pub fn public(url: &str) -> Option<String> {
    let plain = plain(url);
    let shown = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./_-~:+@%".contains(&byte));
    (shown && !plain.is_empty() && !plain.starts_with('/')).then(|| format!("https://{plain}"))
}

/// The same text without what could be a password: no user, no query, no fragment, however the URL is written.
pub fn without_user(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    // What stands after a colon and is no port may be the begin of a password with a slash in it.
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match path.rsplit_once('@') {
        Some((_, after)) if host.rsplit_once(':').is_some_and(|(_, port)| !is_port(port)) => format!("{scheme}{after}"),
        _ => format!("{scheme}{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_many_spellings() {
        let ours = "https://github.com/Team/app";
        for same in [
            "https://github.com/team/app.git",
            "http://me:token@github.com/team/app/",
            "git@github.com:team/app.git",
            "ssh://git@github.com:22/team/app.git",
            "git+https://github.com/team/app.git#refs/heads/main",
            "https://github.com/team/app/tree/main/docker",
            "GIT://GitHub.com/team/app",
        ] {
            assert!(is_same(ours, same), "{same}");
        }
        for other in [
            "https://github.com/team/app2",
            "https://github.com.evil.org/team/app",
            "https://evil.org/github.com/team/app",
            "https://gitlab.com/team/app",
            "https://github.com/",
            "",
            "team/app",
        ] {
            assert!(!is_same(ours, other), "{other}");
        }
        assert!(is_same("file:///srv/a.git", "/srv/a") && !is_same("/srv/a", "/srv/b") && !is_same("", ""));
    }

    #[test]
    fn no_password_is_stored_or_shown() {
        assert_eq!(public("https://me:s3cret@github.com/a/b.git").as_deref(), Some("https://github.com/a/b"));
        assert_eq!(public("git@github.com:a/b.git").as_deref(), Some("https://github.com/a/b"));
        for none in ["/home/me/b", "file:///srv/b", "", "https://h/a b", "https://h/$(x)"] {
            assert_eq!(public(none), None, "{none}");
        }
        assert_eq!(without_user("https://me:s3cret@h/a@b"), "https://h/a@b");
        for (url, expected) in [
            ("me:pw@host/a?access_token=tok123", "host/a"),
            ("https://me:pw@h/a?access_token=tok123#x", "https://h/a"),
            ("git+https://tok123@h/a#tok123", "git+https://h/a"),
            ("https://me:p/w@h/a", "https://h/a"),
            ("https://h:8443/a@b", "https://h:8443/a@b"),
            ("git@h:a", "h:a"),
            ("me:tok123@h:a", "h:a"),
            ("/srv/a@b", "/srv/a@b"),
            ("?tok123", ""),
        ] {
            assert_eq!(without_user(url), expected, "{url}");
        }
    }
}
