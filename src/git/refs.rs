//! Refs as they are listed, and commits as they were written.
//!
//! Invariant: what a stranger may have written (a message, a name) never stands in a list between separators: of refs only
//! names and objects are listed, and commits are read by their length.

use super::error::{Error, Result};
use super::names::{Kind, Oid};
use super::repository::Repository;
use crate::model::time::Time;

/// A ref and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    pub name: String,
    pub oid: Oid,
}

impl Ref {
    /// The last part of its name; ours begin with their time there.
    pub fn id(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

/// All refs of these names, and below them, by their names.
pub fn list<S: AsRef<std::ffi::OsStr>>(repository: &Repository, names: &[S]) -> Result<Vec<Ref>> {
    let words = ["for-each-ref", "--sort=refname", "--format=%(objectname) %(refname)", "--"];
    let listed = repository.git.call(&words).args(names).ok()?;
    // A name that is no text is none of ours.
    let lines = listed.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    Ok(lines
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(oid, name)| Some(Ref { name: name.to_owned(), oid: Oid::parse(oid)? }))
        .collect())
}

/// All refs of a kind, of any branch.
pub fn of_kind(repository: &Repository, kind: Kind) -> Result<Vec<Ref>> {
    list(repository, &[format!("refs/driftless/{}/", kind.word())])
}

/// A commit as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub parents: Vec<Oid>,
    pub time: Time,
    pub message: String,
}

impl Written {
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// What the message says of a key, on a line of its own.
    pub fn word(&self, key: &str) -> Option<&str> {
        self.message.lines().skip(1).find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }
}

/// The commits of these names, in their order.
pub fn read(repository: &Repository, commits: &[Oid]) -> Result<Vec<Written>> {
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    let asked: String = commits.iter().map(|oid| format!("{oid}\n")).collect();
    let stdout = repository.git.call(&["cat-file", "--batch"]).input(asked).ok()?;
    let unknown = || Error::Answer { verb: "cat-file".to_owned(), message: "a commit that cannot be read".to_owned() };
    let (mut rest, mut all) = (&stdout[..], Vec::new());
    for _ in commits {
        let (object, after) = object(rest).ok_or_else(unknown)?;
        all.push(written(object).ok_or_else(unknown)?);
        rest = after;
    }
    Ok(all)
}

/// `oid commit length NEWLINE bytes NEWLINE`: the bytes, and what comes after.
fn object(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let head = str::from_utf8(&answer[..end]).ok()?;
    let [_, "commit", length] = head.split(' ').collect::<Vec<_>>()[..] else { return None };
    let (bytes, after) = answer[end + 1..].split_at_checked(length.parse().ok()?)?;
    Some((bytes, after.strip_prefix(b"\n")?))
}

fn written(object: &[u8]) -> Option<Written> {
    let end = object.windows(2).position(|two| two == b"\n\n")?;
    let head = String::from_utf8_lossy(&object[..end]);
    let parents = head.lines().filter_map(|line| Oid::parse(line.strip_prefix("parent ")?)).collect();
    // `committer NAME <MAIL> SECONDS ZONE`; no name holds a bracket.
    let committer = head.lines().find_map(|line| line.strip_prefix("committer "))?;
    let seconds = committer.rsplit_once('>')?.1.split_whitespace().next().and_then(|text| text.parse().ok());
    Some(Written {
        parents,
        time: Time::from_parts(seconds.unwrap_or_default(), 0),
        message: String::from_utf8_lossy(&object[end + 2..]).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_by_its_length_whatever_it_says() {
        let a = "a".repeat(40);
        let hostile = "subject\u{1}\u{0}\n\nparent b\ncommitter x\nFiles: 3\n\n";
        let text = format!(
            "tree {a}\nparent {a}\nauthor x <y> 1 +0000\ncommitter x <y> 1795234500 +0100\ngpgsig x\n parent q\n\n{hostile}"
        );
        let answer = format!("{a} commit {}\n{text}\n{a} missing\n", text.len());
        let (bytes, rest) = object(answer.as_bytes()).expect("an object");
        assert_eq!(rest, format!("{a} missing\n").as_bytes());
        assert_eq!(object(rest), None);
        let commit = written(bytes).expect("a commit");
        assert_eq!((commit.parents.len(), commit.time.parts().0, &commit.message[..]), (1, 1_795_234_500, hostile));
        assert_eq!((commit.subject(), commit.word("Files"), commit.word("subject")), ("subject\u{1}\u{0}", Some("3"), None));
        assert_eq!(written(b"tree x\n"), None);
    }
}
