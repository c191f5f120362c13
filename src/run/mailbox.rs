//! Words about steps from inside a container, through files in staging's `.driftless/steps/`.
//!
//! Invariants. Whoever can write in staging can write here, so that nothing is believed but a short line in a regular file with a
//! plain name, and nothing can be asked but `begin`, `end` and `status`. Everything is done beneath the folder's handle, and
//! nothing is followed. The folder is never synchronised: what stands in the network root's is looked at by nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Carrier;
use super::steps::{Record, valid_name};
use crate::disk::clock::now;
use crate::disk::{self, ErrorKind, Folder, Onto, Root};
use crate::model::path::{Name, RelPath};
use crate::roots::{self, own};

const FOLDER: &str = "steps";
/// Stands there while somebody answers.
const OPEN: &str = "open";
const ASK: &str = ".ask";
const ANSWER: &str = ".answer";
/// Bytes of a request.
const LIMIT: usize = 4096;
/// Requests in one round, and those that are remembered because they could not be taken away.
const ROUND: usize = 64;
const REMEMBERED: usize = 10_000;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Begin(String),
    End { name: String, failed: bool },
    Status,
}

impl Word {
    /// # Errors
    /// A sentence for who asked.
    pub fn parse(text: &str) -> Result<Word, String> {
        let line = text.strip_suffix('\n').unwrap_or(text).trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let named = |name: &str| {
            let name = name.trim();
            if valid_name(name) {
                Ok(name.to_owned())
            } else {
                Err("the step's name is missing, too long or not plain".to_owned())
            }
        };
        match verb {
            "begin" => named(rest).map(Word::Begin),
            "end" => {
                let failed = rest.trim_end().strip_suffix(" --failed");
                named(failed.unwrap_or(rest)).map(|name| Word::End { name, failed: failed.is_some() })
            }
            "status" if rest.is_empty() => Ok(Word::Status),
            _ => Err("only `begin NAME`, `end NAME`, `end NAME --failed` and `status` may be asked".to_owned()),
        }
    }

    /// Does it; the exit code and words for who asked.
    pub fn answer(&self, record: &Record, carrier: &dyn Carrier) -> (u8, String) {
        let told = match self {
            Word::Begin(name) => record.begin(name, carrier),
            Word::End { name, failed } => record.end(name, !failed, carrier),
            Word::Status => Ok(record.status()),
        };
        match told {
            Ok(told) => {
                if *self != Word::Status {
                    carrier.say(&told.words);
                }
                (told.code, told.words)
            }
            Err(error) => (1, format!("the record of steps cannot be written: {error}")),
        }
    }
}

/// The mailbox of a staging root, while a run answers.
pub struct Mailbox {
    root: Arc<dyn Root>,
    /// Requests that were answered and could not be removed.
    stuck: BTreeSet<Name>,
}

impl Mailbox {
    /// Opens it: what an earlier run left is swept, and the sign is put up.
    ///
    /// # Errors
    /// That the folder cannot be made or written.
    pub fn open(root: Arc<dyn Root>, mode: u32) -> Result<Mailbox, roots::Error> {
        let own = own::open_or_make(&*root)?;
        match own.make_folder(&name(FOLDER), mode) {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::Exists => {}
            Err(error) => return Err(error.into()),
        }
        let mailbox = Mailbox { root, stuck: BTreeSet::new() };
        let folder = mailbox.folder()?;
        // As wide as staging itself, whatever the umask: a container may be another user.
        folder.touch_self(None, Some(mode))?;
        mailbox.sweep();
        write(&*folder, OPEN, &format!("driftless {}\n", std::process::id()))?;
        Ok(mailbox)
    }

    /// Answers what is asked.
    pub fn tend(&mut self, record: &Record, carrier: &dyn Carrier) {
        let folder = match self.folder() {
            Ok(folder) => folder,
            Err(error) => return tracing::debug!(%error, "the mailbox cannot be opened"),
        };
        let asked = match folder.list() {
            Ok(listing) => listing,
            Err(error) => return tracing::debug!(%error, "the mailbox cannot be listed"),
        };
        let asked = asked.iter().filter(|item| item.value.is_file() && !self.stuck.contains(&item.name));
        let asked: Vec<(Name, String)> =
            asked.filter_map(|item| Some((item.name.clone(), id_of(&item.name)?))).take(ROUND).collect();
        // All are taken away before the first is done, which may take long: who asks sees that it was heard. And first taken away,
        // then answered: who asks under the same name again is heard.
        let taken: Vec<_> = asked.into_iter().map(|(file, id)| (id, self.take(&*folder, file))).collect();
        for (id, word) in taken {
            let (code, words) = match word {
                Ok(word) => word.answer(record, carrier),
                Err(sentence) => (2, sentence),
            };
            if let Err(error) = write(&*folder, &format!("{id}{ANSWER}"), &format!("{code}\n{}\n", words.trim_end())) {
                carrier.say(&format!("a step's answer cannot be written: {error}"));
            }
        }
    }

    fn take(&mut self, folder: &dyn Folder, file: Name) -> Result<Word, String> {
        let word = read(folder, &file).and_then(|text| Word::parse(&text));
        if let Err(error) = folder.remove_file(&file)
            && error.kind != ErrorKind::Absent
            && self.stuck.len() < REMEMBERED
        {
            self.stuck.insert(file);
        }
        word
    }

    fn folder(&self) -> disk::Result<Box<dyn Folder>> {
        self.root.folder(&RelPath::root().join(own::FOLDER.as_bytes()).join(FOLDER.as_bytes()))
    }

    /// Removes the sign, requests and answers. Best effort: who is another user may keep theirs.
    fn sweep(&self) {
        let Ok(folder) = self.folder() else { return };
        for item in folder.list().iter().flat_map(|listing| listing.iter()) {
            let ours =
                [ASK, ANSWER].iter().any(|ending| item.name.ends_with(ending.as_bytes())) || *item.name == *OPEN.as_bytes();
            if ours && !item.value.is_folder() {
                let _ = folder.remove_file(&item.name);
            }
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.sweep();
    }
}

/// What stands before `.ask`, where the name is a plain one.
fn id_of(file: &Name) -> Option<String> {
    let id = str::from_utf8(file).ok()?.strip_suffix(ASK)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!id.is_empty() && id.len() <= 100 && id.chars().all(plain)).then(|| id.to_owned())
}

fn read(folder: &dyn Folder, file: &Name) -> Result<String, String> {
    let mut bytes = vec![0; LIMIT + 1];
    let filled = folder.read(file).and_then(|mut reader| reader.fill(&mut bytes));
    let filled = filled.map_err(|error| format!("the request cannot be read: {}", error.source))?;
    if filled > LIMIT {
        return Err(format!("the request is longer than {LIMIT} bytes"));
    }
    String::from_utf8(bytes[..filled].to_vec()).map_err(|_| "the request is not UTF-8".to_owned())
}

/// In one step, readable for who else uses staging.
fn write(folder: &dyn Folder, file: &str, text: &str) -> disk::Result<()> {
    let staged = name(&format!(".new-{file}"));
    // One that an earlier try left.
    let _ = folder.remove_file(&staged);
    let mut writer = folder.stage(&staged)?;
    writer.write_all(text.as_bytes())?;
    writer.finish(now(), Some(0o644), false)?;
    folder.rename(&staged, &name(file), Onto::File)
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("plain names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_things_may_be_asked() {
        let end = |name: &str, failed| Ok(Word::End { name: name.to_owned(), failed });
        for (text, expected) in [
            ("begin align\n", Ok(Word::Begin("align".to_owned()))),
            ("begin step 2", Ok(Word::Begin("step 2".to_owned()))),
            ("end align", end("align", false)),
            ("end align --failed\n", end("align", true)),
            ("status\n", Ok(Word::Status)),
        ] {
            assert_eq!(Word::parse(text), expected, "{text:?}");
        }
        for text in [
            "",
            "begin",
            "begin ",
            "end --failed",
            "status now",
            "sync up",
            "begin a\nend a",
            "begin \u{1b}[2J",
            "run -- rm",
            "begin --x",
        ] {
            assert!(Word::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_of_requests_are_plain() {
        let id = |file: &str| id_of(&Name::new(file.as_bytes()).expect("a name"));
        assert_eq!(id("a-1_2.b.ask").as_deref(), Some("a-1_2.b"));
        for odd in [".ask", "a.answer", "a.ask.new", "a b.ask", "é.ask", "a\n.ask"] {
            assert_eq!(id(odd), None, "{odd:?}");
        }
    }
}
