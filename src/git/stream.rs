//! Commits made by `git fast-import`: without an index, without a work tree, each path by its exact bytes.

use std::fmt::Write as _;

use super::command::Part;
use super::error::{Error, Result};
use super::names::Oid;
use super::repository::Repository;
use super::tree::{Mode, Version};
use crate::disk::{clock, local};

/// What a path is to be in a commit.
pub enum Content {
    /// These bytes as they are.
    Bytes(Mode, Vec<u8>),
    /// Exactly that many bytes of a file.
    File(Mode, Box<dyn std::io::Read + Send>, u64),
    /// What the repository holds already.
    There(Version),
    Gone,
}

/// Who writes a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub email: String,
}

/// The commits of one run of `fast-import`.
#[derive(Default)]
pub struct Stream {
    parts: Vec<Part>,
    /// Contents, which come before the commits that name them.
    blobs: Vec<u8>,
    text: Vec<u8>,
    marks: u32,
}

/// One commit to be made.
pub struct Commit<'a> {
    /// The ref that names it in the end.
    pub name: &'a str,
    pub message: &'a str,
    /// `None`: a history of its own begins.
    pub parent: Option<String>,
    pub also: Option<String>,
}

impl Stream {
    /// Begins a commit; answers its mark, which later ones may name as their parent.
    pub fn commit(&mut self, repository: &Repository, commit: &Commit<'_>) -> String {
        self.marks += 1;
        let mark = format!(":{}", self.marks);
        let (author, committer) = (person(repository, "AUTHOR"), person(repository, "COMMITTER"));
        let now = clock::now().parts().0;
        let mut head = String::new();
        let _ = writeln!(head, "commit {}\nmark {mark}", commit.name);
        let _ = writeln!(head, "author {} {now} +0000", author.ident());
        let _ = writeln!(head, "committer {} {now} +0000", committer.ident());
        let _ = writeln!(head, "data {}\n{}", commit.message.len(), commit.message);
        if let Some(parent) = &commit.parent {
            let _ = writeln!(head, "from {parent}");
        }
        if let Some(also) = &commit.also {
            let _ = writeln!(head, "merge {also}");
        }
        self.text.extend_from_slice(head.as_bytes());
        mark
    }

    /// What a path is in the commit begun last.
    pub fn put(&mut self, path: &[u8], content: Content) -> Put {
        let (head, put) = match content {
            Content::Gone => ("D ".to_owned(), Put::Gone),
            Content::There(version) => (format!("M {} {} ", version.mode.word(), version.oid), Put::There(version)),
            Content::Bytes(mode, bytes) => {
                let mark = self.blob(bytes.len() as u64);
                self.blobs.extend_from_slice(&bytes);
                self.blobs.push(b'\n');
                (format!("M {} :{mark} ", mode.word()), Put::Made(mode, mark))
            }
            Content::File(mode, file, length) => {
                let mark = self.blob(length);
                self.parts.push(Part::Bytes(std::mem::take(&mut self.blobs)));
                self.parts.push(Part::File(file, length));
                self.blobs.push(b'\n');
                (format!("M {} :{mark} ", mode.word()), Put::Made(mode, mark))
            }
        };
        self.text.extend_from_slice(head.as_bytes());
        self.text.extend_from_slice(&quoted(path));
        self.text.push(b'\n');
        put
    }

    fn blob(&mut self, length: u64) -> u32 {
        self.marks += 1;
        self.blobs.extend_from_slice(format!("blob\nmark :{}\ndata {length}\n", self.marks).as_bytes());
        self.marks
    }

    /// Makes the commits and their refs; all of them are on the disk then.
    pub fn run(mut self, repository: &Repository) -> Result<Made> {
        for mark in 1..=self.marks {
            self.text.extend_from_slice(format!("get-mark :{mark}\n").as_bytes());
        }
        // Without this word at its end the stream is not whole, and git takes nothing of it.
        self.text.extend_from_slice(b"done\n");
        self.parts.extend([Part::Bytes(self.blobs), Part::Bytes(self.text)]);
        let words = ["fast-import", "--quiet", "--done", "--date-format=raw"];
        let output = repository.git.call(&words).parts(self.parts).run()?;
        if output.code == 0 {
            let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            return lines.map(|line| Oid::of("fast-import", line)).collect::<Result<_>>().map(Made);
        }
        let full = ["No space left", "Disk quota", "File too large"].iter().any(|part| output.message.contains(part));
        if full {
            let advice = "Nothing of yours was changed. Make room, and run it again.";
            return Err(Error::refused(format!("The disk of the repository is full: {}.", output.message), advice));
        }
        Err(output.error("fast-import"))
    }
}

/// What was put at a path, before it has a name.
pub enum Put {
    Gone,
    There(Version),
    Made(Mode, u32),
}

/// The names of what a run made, by their marks.
pub struct Made(Vec<Oid>);

impl Made {
    fn at(&self, mark: u32) -> Result<Oid> {
        let missing = || Error::Answer { verb: "fast-import".to_owned(), message: format!("no name for :{mark}") };
        self.0.get(mark as usize - 1).cloned().ok_or_else(missing)
    }

    /// The commit or blob of a mark like `:3`.
    pub fn named(&self, mark: &str) -> Result<Oid> {
        self.at(mark.trim_start_matches(':').parse().unwrap_or(1))
    }

    pub fn version(&self, put: Put) -> Result<Option<Version>> {
        Ok(match put {
            Put::Gone => None,
            Put::There(version) => Some(version),
            Put::Made(mode, mark) => Some(Version { mode, oid: self.at(mark)? }),
        })
    }
}

/// A path as `fast-import` reads any path: in quotes, with every odd byte escaped.
pub fn quoted(path: &[u8]) -> Vec<u8> {
    let mut name = vec![b'"'];
    for &byte in path {
        match byte {
            b'"' | b'\\' => name.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => name.push(byte),
            _ => name.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    name.push(b'"');
    name
}

impl Person {
    fn ident(&self) -> String {
        let plain = |text: &str| text.replace(['<', '>', '\n', '\0'], "").trim().to_owned();
        let name = plain(&self.name);
        let gap = if name.is_empty() { "" } else { " " };
        format!("{name}{gap}<{}>", plain(&self.email))
    }
}

/// As git finds it: the environment, then the settings; a machine without any writes as itself.
fn person(repository: &Repository, role: &str) -> Person {
    let variable = |what: &str| std::env::var(format!("GIT_{role}_{what}")).ok().filter(|value| !value.is_empty());
    let setting = |key: &str| {
        let own = format!("{}.{key}", role.to_lowercase());
        repository.setting(&own).or_else(|| repository.setting(&format!("user.{key}"))).map(str::to_owned)
    };
    let name = variable("NAME").or_else(|| setting("name")).unwrap_or_else(|| "driftless".to_owned());
    let email = variable("EMAIL").or_else(|| setting("email")).or_else(|| std::env::var("EMAIL").ok());
    Person { name, email: email.unwrap_or_else(|| format!("driftless@{}", local::host_name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_one_word() {
        for (path, expected) in [
            (&b"plain"[..], "\"plain\""),
            (b"a b", "\"a b\""),
            (b"q\"\\", "\"q\\\"\\\\\""),
            (b"line\nend", "\"line\\012end\""),
            (b"\xff\xc3\xa9", "\"\\377\\303\\251\""),
        ] {
            assert_eq!(quoted(path), expected.as_bytes());
        }
    }

    #[test]
    fn a_person_cannot_break_out_of_a_line() {
        let person = Person { name: "A <x>\nfrom 0".to_owned(), email: "a@b>\n".to_owned() };
        assert_eq!(person.ident(), "A xfrom 0 <a@b>");
        assert_eq!(Person { name: " ".to_owned(), email: "a@b".to_owned() }.ident(), "<a@b>");
    }
}
