//! The comparison of a container's files with local ones: one tar stream each, compared by other threads while it flows.
//!
//! Invariants. What a stream holds is only compared, never written. A name in it that leads out is counted and nothing else. A stream
//! that ends before its end says nothing about what was not in it: that is an error, never a missing file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tar::EntryType;

use super::error::{Error, Result};
use super::local::{Kind, Local};
use super::pair::{Class, Content, Pair, compare};
use crate::disk::clock::Moment;
use crate::docker::{self, Engine};
use crate::model::shown::short;
use crate::model::time::Time;

/// Files up to this size are read whole before somebody compares them.
const WHOLE: u64 = 256 << 10;
/// How much of a larger one is handed over at once.
const PART: usize = 256 << 10;
/// Files and parts that may wait.
const WAITING: usize = 32;
/// Names of other files that are kept.
const KEPT: usize = 1_000;
/// An archive ends with so many zero bytes.
const END: u64 = 1_024;

/// What is compared with what.
pub struct Question<'a> {
    pub engine: &'a Engine,
    pub container: &'a str,
    /// By the whole path in the container.
    pub files: &'a BTreeMap<Vec<u8>, Local>,
    /// Would a file at this place in the container be a source, if it were there?
    pub is_ours: &'a (dyn Fn(&[u8]) -> bool + Sync),
    /// Tell the digests of files that are the same as well.
    pub all_digests: bool,
}

/// What came out.
#[derive(Default)]
pub struct Compared {
    /// By the whole path in the container, the same ones included.
    pub pairs: BTreeMap<Vec<u8>, Pair>,
    /// Bytes of file content that were compared.
    pub bytes: u64,
    /// Files that are in the container and not here: how many, and some.
    pub others: u64,
    pub some_others: Vec<Vec<u8>>,
    /// What could not be compared, and why. Tame.
    pub unknown: Vec<(PathBuf, String)>,
    /// The compared file that changed last in the container.
    pub newest: Option<(Vec<u8>, Time)>,
}

struct Job<'a> {
    place: &'a [u8],
    local: &'a Local,
    content: Content,
    mode: u32,
}

type Answer<'a> = (&'a [u8], &'a Local, std::result::Result<Pair, String>);

/// Compares everything below (or at) each of the `roots`; what is in `files` and in no stream is missing in the container.
pub fn compare_all(question: &Question<'_>, roots: &[Root]) -> Result<Compared> {
    let mut compared = Compared::default();
    let mut linked = Vec::new();
    for root in roots {
        one(question, root, &mut compared, &mut linked)?;
    }
    for (place, target) in linked {
        hard_link(question, &place, &target, &mut compared)?;
    }
    let unknown: BTreeSet<&PathBuf> = compared.unknown.iter().map(|(path, _)| path).collect();
    for (place, local) in question.files {
        if !compared.pairs.contains_key(place) && !unknown.contains(&local.whole) {
            compared.pairs.insert(place.clone(), Pair::missing(local));
        }
    }
    Ok(compared)
}

/// A place in the container that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    pub path: String,
    /// Here it is a folder: there a link to one is followed.
    pub is_folder: bool,
}

fn one(question: &Question<'_>, root: &Root, compared: &mut Compared, linked: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Result<()> {
    let asked = if root.is_folder { format!("{}/.", root.path.trim_end_matches('/')) } else { root.path.clone() };
    let archive = match question.engine.archive(question.container, &asked) {
        Err(docker::Error::NoFile { .. }) => return Ok(question.engine.sees(question.container)?),
        // A file where a folder is here: all that is in it here is missing there.
        Err(docker::Error::Engine { message, .. }) if root.is_folder && message.contains("not a directory") => return Ok(()),
        archive => archive?,
    };
    let (jobs, waiting) = bounded::<Job<'_>>(WAITING);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    let (answers, streamed) = thread::scope(|threads| {
        let spawn = |_| {
            let waiting: Receiver<Job<'_>> = waiting.clone();
            threads.spawn(move || work(&waiting, question.all_digests))
        };
        let running: Vec<_> = (0..workers).map(spawn).collect();
        let mut stream = Stream { question, root, compared, linked, jobs };
        let here = question.files.values().map(|local| if let Kind::File { bytes } = local.kind { bytes } else { 0 }).sum();
        let streamed = stream.read(Bounded::new(archive, here));
        drop(stream);
        let join =
            |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (running.into_iter().flat_map(join).collect::<Vec<Answer<'_>>>(), streamed)
    });
    streamed?;
    for (place, local, answer) in answers {
        match answer {
            Ok(pair) => drop(compared.pairs.insert(place.to_vec(), pair)),
            Err(message) => compared.unknown.push((local.whole.clone(), message)),
        }
    }
    Ok(())
}

fn work<'a>(waiting: &Receiver<Job<'a>>, all_digests: bool) -> Vec<Answer<'a>> {
    let mut answers = Vec::new();
    for Job { place, local, content, mode } in waiting {
        answers.push((place, local, compare(local, content, mode, all_digests).map_err(|error| short(&error.to_string()))));
    }
    answers
}

/// How long a stream may take: so long, and longer by what is here.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes a second that a slow engine still manages.
const SLOWLY: u64 = 4 << 20;
/// Bytes that a stream may have beside those of what is here, with room for names.
const BESIDE: u64 = 64 << 30;

/// Ends with an error where a container has more to say than anybody can wait for: a file of holes alone can be endless.
struct Bounded<R> {
    inner: R,
    left: u64,
    until: Moment,
    patience: Duration,
}

impl<R> Bounded<R> {
    fn new(inner: R, here: u64) -> Bounded<R> {
        let left = BESIDE.saturating_add(here.saturating_mul(4));
        Bounded { inner, left, until: Moment::now(), patience: PATIENCE + Duration::from_secs(here / SLOWLY) }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || self.until.elapsed() > self.patience {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the container has more there than can be looked through"));
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// Is there anything but folders in an archive? Reads no further than to the first one.
pub fn holds_files(archive: impl Read) -> Result<bool> {
    let mut archive = tar::Archive::new(Bounded::new(archive, 0));
    for entry in archive.entries().map_err(broken)? {
        if entry.map_err(broken)?.header().entry_type() != EntryType::Directory {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Stream<'q, 's> {
    question: &'q Question<'q>,
    root: &'s Root,
    compared: &'s mut Compared,
    linked: &'s mut Vec<(Vec<u8>, Vec<u8>)>,
    jobs: Sender<Job<'q>>,
}

impl<'q> Stream<'q, '_> {
    fn read(&mut self, archive: impl Read) -> Result<()> {
        let mut archive = tar::Archive::new(Ending { inner: archive, zeros: 0 });
        // What is in a folder is told from there on, with the folder itself (Docker) or without it (Podman).
        let mut top: Option<Vec<Vec<u8>>> = self.root.is_folder.then(Vec::new);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let Some(names) = names(&entry.path_bytes()) else { continue };
            // A file is what was asked for, whatever it is called here.
            let top = top.get_or_insert_with(|| names.clone());
            let Some(place) = self.place(top, &names) else { continue };
            let target = entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
            match entry.header().entry_type() {
                EntryType::Link => {
                    let target = self::names(&target).and_then(|names| self.place(top, &names));
                    self.hard_link(place, target);
                }
                EntryType::Symlink => self.symbolic_link(place, target),
                EntryType::Regular | EntryType::Continuous => self.file(&place, &mut entry)?,
                EntryType::GNUSparse => self.told_apart(&place, "it is sparse in a way that is not understood"),
                _ => {}
            }
        }
        let mut ending = archive.into_inner();
        io::copy(&mut ending, &mut io::sink()).map_err(broken)?;
        if ending.zeros < END {
            return Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        Ok(())
    }

    /// The whole path in the container; `None` for a name that is not below what was asked for.
    fn place(&self, top: &[Vec<u8>], names: &[Vec<u8>]) -> Option<Vec<u8>> {
        let below = names.strip_prefix(top)?;
        let mut place = self.root.path.trim_end_matches('/').as_bytes().to_vec();
        for name in below {
            place.push(b'/');
            place.extend_from_slice(name);
        }
        Some(place)
    }

    fn other(&mut self, place: Vec<u8>) {
        if (self.question.is_ours)(&place) {
            self.compared.others += 1;
            if self.compared.some_others.len() < KEPT {
                self.compared.some_others.push(place);
            }
        }
    }

    fn hard_link(&mut self, place: Vec<u8>, target: Option<Vec<u8>>) {
        match (self.question.files.contains_key(&place), target) {
            (true, Some(target)) => self.linked.push((place, target)),
            (true, None) => self.told_apart(&place, "it is a second name of something else"),
            (false, _) => self.other(place),
        }
    }

    fn symbolic_link(&mut self, place: Vec<u8>, target: Vec<u8>) {
        match self.question.files.get(&place) {
            Some(local) => {
                let pair = Pair::of_link(local, &target);
                self.compared.pairs.insert(place, pair);
            }
            None => self.other(place),
        }
    }

    fn told_apart(&mut self, place: &[u8], why: &str) {
        if let Some(local) = self.question.files.get(place) {
            self.compared.unknown.push((local.whole.clone(), why.to_owned()));
        }
    }

    fn file(&mut self, place: &[u8], entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
        let question = self.question;
        let Some((place, local)) = question.files.get_key_value(place) else {
            self.other(place.to_vec());
            return Ok(());
        };
        let (bytes, mode) = (entry.size(), entry.header().mode().map_err(broken)?);
        let changed = Time::from_parts(i64::try_from(entry.header().mtime().unwrap_or_default()).unwrap_or_default(), 0);
        if self.compared.newest.as_ref().is_none_or(|(_, newest)| changed > *newest) {
            self.compared.newest = Some((place.clone(), changed));
        }
        self.compared.bytes += bytes;
        if matches!(local.kind, Kind::Link { .. }) {
            self.compared.pairs.insert(place.clone(), Pair::other_kind(local, bytes));
            return Ok(());
        }
        if bytes <= WHOLE {
            let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
            entry.read_to_end(&mut content).map_err(broken)?;
            return self.send(Job { place, local, content: Content::Whole(content), mode });
        }
        let (parts, waiting) = bounded(WAITING);
        self.send(Job { place, local, content: Content::Parts { bytes, parts: waiting }, mode })?;
        let mut left = bytes;
        while left > 0 {
            let mut part = vec![0; PART.min(usize::try_from(left).unwrap_or(PART))];
            entry.read_exact(&mut part).map_err(broken)?;
            left -= part.len() as u64;
            // Who compares may have seen enough.
            if parts.send(part).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn send(&self, job: Job<'q>) -> Result<()> {
        self.jobs.send(job).map_err(|_| broken(io::Error::other("a thread of ours broke off")))
    }
}

fn broken(error: io::Error) -> Error {
    match error.downcast::<docker::Error>() {
        Ok(error) => Error::Engine(error),
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::UnexpectedEof => "it ended before its end".to_owned(),
                _ => short(&error.to_string()),
            };
            Error::Engine(docker::Error::Answer { verb: "archive", message })
        }
    }
}

/// The names of a path in a stream; `None` where one of them leads up.
fn names(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.map(|name| (name != b"..").then(|| name.to_vec())).collect()
}

/// A second name of a file has no content of its own in the stream. Where the first one was found to be the same as here, it is
/// enough to compare the two here; else it is asked for alone.
fn hard_link(question: &Question<'_>, place: &[u8], target: &[u8], compared: &mut Compared) -> Result<()> {
    let Some(local) = question.files.get(place) else { return Ok(()) };
    let first = question.files.get(target).filter(|_| compared.pairs.get(target).is_some_and(|pair| pair.class == Class::Same));
    if let Some(first) = first
        && let Ok(true) = super::pair::are_same(first, local)
    {
        let mut pair = compared.pairs[target].clone();
        pair.here = pair.there;
        compared.pairs.insert(place.to_vec(), pair);
        return Ok(());
    }
    let path = String::from_utf8_lossy(place).into_owned();
    if path.as_bytes() != place {
        compared.unknown.push((local.whole.clone(), "its name is no text, and it is a second name of another file".to_owned()));
        return Ok(());
    }
    let alone = Question { files: &BTreeMap::from([(place.to_vec(), local.clone())]), is_ours: &|_| false, ..*question };
    one(&alone, &Root { path, is_folder: false }, compared, &mut Vec::new())
}

/// Counts the zero bytes at the end of what was read.
struct Ending<R> {
    inner: R,
    zeros: u64,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match buffer[..count].iter().rposition(|byte| *byte != 0) {
            Some(last) => self.zeros = (count - last - 1) as u64,
            None => self.zeros += count as u64,
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_have_no_place() {
        let told = |path: &[u8]| names(path).map(|names| names.join(&b'/'));
        for (path, expected) in [
            (&b"./a/b"[..], Some(&b"a/b"[..])),
            (b"a//b/", Some(b"a/b")),
            (b"/etc/passwd", Some(b"etc/passwd")),
            (b"../etc/passwd", None),
            (b"a/../../b", None),
            (b"a/..", None),
            (b"./", Some(b"")),
            (b"a/..b", Some(b"a/..b")),
        ] {
            assert_eq!(told(path).as_deref(), expected, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn an_endless_stream_ends() {
        let mut endless = Bounded { inner: io::repeat(0), left: 1 << 20, until: Moment::now(), patience: PATIENCE };
        let error = io::copy(&mut endless, &mut io::sink()).expect_err("an end");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let patience = Duration::ZERO;
        let mut late = Bounded { inner: io::repeat(0).take(1 << 20), left: u64::MAX, until: Moment::now(), patience };
        assert!(io::copy(&mut late, &mut io::sink()).is_err());
    }

    #[test]
    fn zeros_are_counted_to_the_end_only() {
        let bytes = [vec![0; 2_000], vec![1], vec![0; 700]].concat();
        for piece in [1, 7, 4_096] {
            let mut ending = Ending { inner: &bytes[..], zeros: 0 };
            let mut buffer = vec![0; piece];
            while ending.read(&mut buffer).expect("bytes") > 0 {}
            assert_eq!(ending.zeros, 700);
        }
    }
}
