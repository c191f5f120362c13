//! Names of commits, branches and refs, and which refs are ours.

use std::fmt;

use super::error::{Error, Result};
use crate::disk::clock;
use crate::model::shown::short;
use crate::model::utc;

/// The name of an object, in hexadecimal: 40 digits, or 64 in a repository of SHA-256.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(String);

impl Oid {
    pub fn parse(text: &str) -> Option<Oid> {
        let hex = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        (hex && matches!(text.len(), 40 | 64)).then(|| Oid(text.to_owned()))
    }

    /// What an answer of git must hold.
    pub fn of(verb: &str, text: &[u8]) -> Result<Oid> {
        let text = String::from_utf8_lossy(text);
        Oid::parse(text.trim()).ok_or_else(|| Error::Answer { verb: verb.to_owned(), message: short(text.trim()) })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for "there is none" in such a repository.
    pub fn none_like(&self) -> String {
        "0".repeat(self.0.len())
    }

    /// Enough of it for people.
    pub fn brief(&self) -> &str {
        &self.0[..10]
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.brief())
    }
}

/// A branch of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub remote: String,
    pub branch: String,
}

impl Target {
    /// Both must be names that git takes, and no options.
    pub fn new(remote: &str, branch: &str) -> Result<Target> {
        for (what, name) in [("remote", remote), ("branch", branch)] {
            if !is_name(name) {
                let message = format!("`{}` is no name of a {what}.", short(name));
                return Err(Error::refused(message, "Nothing was changed. `git remote` and `git branch -a` list the names."));
            }
        }
        Ok(Target { remote: remote.to_owned(), branch: branch.to_owned() })
    }

    /// The branch's ref at the remote.
    pub fn at_remote(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// What we know of it.
    pub fn known(&self) -> String {
        format!("refs/driftless/remote/{}", self.as_parts())
    }

    /// Where refs of a `kind` for this branch begin: `refs/driftless/pending/origin/main/`.
    pub fn prefix(&self, kind: Kind) -> String {
        format!("refs/driftless/{}/{}/", kind.word(), self.as_parts())
    }

    /// Remote and branch as one part of a name each. So no two targets have one name (`a/b` of `c`, `b` of `a/c`), and the
    /// branch `x` does not stand where `x/y` needs a folder, which it would for ever.
    pub fn as_parts(&self) -> String {
        let part = |name: &str| name.replace('%', "%25").replace('/', "%2F");
        format!("{}/{}", part(&self.remote), part(&self.branch))
    }

    /// The target of `REMOTE/BRANCH` as [`Target::as_parts`] writes it; `None` where that is none.
    pub fn from_parts(parts: &str) -> Option<Target> {
        let name = |part: &str| part.replace("%2F", "/").replace("%25", "%");
        let (remote, branch) = parts.split_once('/').filter(|(_, branch)| !branch.contains('/'))?;
        Target::new(&name(remote), &name(branch)).ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.remote, self.branch)
    }
}

/// What a ref of ours keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A publish that waits.
    Pending,
    /// One that was delivered by another process: the commit that holds it.
    Done,
    /// One that lost against somebody else's change.
    Conflict,
    /// One that the remote does not take.
    Rejected,
    /// What following or a force push displaced.
    Backup,
    /// The commit that our last force push made.
    Forced,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Pending => "pending",
            Kind::Done => "done",
            Kind::Conflict => "conflict",
            Kind::Rejected => "rejected",
            Kind::Backup => "backup",
            Kind::Forced => "forced",
        }
    }
}

/// By the rules of `git check-ref-format`, and a little narrower.
pub fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock") && !part.ends_with('.');
    !name.starts_with('-')
        && name != "@"
        && !name.contains(odd)
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(part)
}

/// A name that sorts by time, and that no other process makes.
pub fn fresh_id() -> Result<String> {
    let now = clock::now();
    let mut random = [0; 4];
    clock::random(&mut random).map_err(Error::NoGit)?;
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{:09}-{random}", utc::compact(now), now.parts().1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_git_takes_are_names() {
        for name in ["main", "feature/x", "origin", "v1.0", "é", "a@b"] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", "-f", "--upload-pack=x", "a b", "a..b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a:b", "@", "a@{1}", "a\n"]
        {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(Target::new("origin", "--all").is_err());
    }

    #[test]
    fn no_two_branches_share_a_name_or_stand_in_each_others_way() {
        let of = |remote: &str, branch: &str| Target::new(remote, branch).expect("names").known();
        let all = [of("o", "x/main"), of("o/x", "main"), of("o", "x%2Fmain"), of("o", "x"), of("o", "main")];
        for (at, name) in all.iter().enumerate() {
            assert!(
                all.iter()
                    .enumerate()
                    .all(|(other, beside)| other == at || beside != name && !beside.starts_with(&format!("{name}/"))),
                "{name}"
            );
        }
        for (remote, branch) in [("o/x", "a/b"), ("o", "x%2Fmain"), ("o%25", "%2F%/x")] {
            let target = Target::new(remote, branch).expect("names");
            assert_eq!(Target::from_parts(&target.as_parts()), Some(target));
        }
        assert_eq!(of("origin", "main"), "refs/driftless/remote/origin/main");
    }

    #[test]
    fn objects_are_named_in_lower_hexadecimal() {
        let sha1 = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        assert_eq!(Oid::parse(sha1).map(|oid| oid.to_string()), Some(sha1.to_owned()));
        for bad in ["", "4b825", &sha1.to_uppercase(), &format!("{sha1} "), "HEAD"] {
            assert_eq!(Oid::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_sort_by_time_and_differ() {
        let ids: Vec<String> = (0..3).map(|_| fresh_id().expect("an id")).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
}
