//! A log that stays small, and reading it while it is written.
//!
//! Invariants. Lines are appended to one file. When it is full it becomes the first of its former ones (`NAME.1`), and the
//! oldest of these is replaced, so that the newest lines are kept, at most [`FORMER`] + 1 times [`FULL`] bytes of them
//! and one line more. What cannot be written is left out: no log is worth more than the work that it tells of.
//! Reading holds one block and one line in memory, however large a file is.

#![expect(clippy::disallowed_methods, reason = "disk is the door to the file system")]

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::Result;
use super::local::{careful, error, identity_of, make_private_folder, names_of, private_and_careful, read_exact_at};

/// Bytes after which a file gets no more lines.
const FULL: u64 = 4 << 20;
/// Full files that are kept.
const FORMER: u32 = 3;
/// Longer lines are read in pieces.
const LINE: u64 = 1 << 20;
/// What is looked through at once, from the end on.
const BLOCK: u64 = 64 << 10;

/// A log open for writing.
pub struct Log {
    path: PathBuf,
    file: File,
    full: u64,
}

impl Log {
    /// The log at `path`, in a folder that is this user's alone.
    pub fn open(path: &Path) -> Result<Log> {
        Log::of_size(path, FULL)
    }

    fn of_size(path: &Path, full: u64) -> Result<Log> {
        if let Some(folder) = path.parent() {
            make_private_folder(folder)?;
        }
        let file = appendable(path).map_err(|source| error("open", path, source))?;
        Ok(Log { path: path.to_path_buf(), file, full })
    }

    /// Appends one line, which ends with a line end, in one piece.
    pub fn append(&mut self, line: &[u8]) -> Result<()> {
        let mut append = || {
            let meta = self.file.metadata()?;
            if names_of(&self.file)? == 0 {
                // Somebody cleared the folder.
                self.file = appendable(&self.path)?;
            } else if meta.len() > 0 && meta.len() + line.len() as u64 > self.full {
                match turn(&self.path) {
                    Ok(()) => self.file = appendable(&self.path)?,
                    // Who reads a former one can keep it from going (Windows): the newest lines are worth some room.
                    Err(error) if meta.len() > self.full * u64::from(FORMER) => return Err(error),
                    Err(_) => {}
                }
            }
            self.file.write_all(line)
        };
        append().map_err(|source| error("write", &self.path, source))
    }
}

/// Opened for this user alone. A line that a power cut tore gets its end, so that the next one begins a line.
fn appendable(path: &Path) -> io::Result<File> {
    let mut file = private_and_careful().read(true).append(true).create(true).open(path)?;
    let length = regular(&file)?;
    let mut last = [b'\n'];
    if length > 0 && read_exact_at(&file, &mut last, length - 1).is_ok() && last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// The length of a regular file.
fn regular(file: &File) -> io::Result<u64> {
    let meta = file.metadata()?;
    if meta.is_file() { Ok(meta.len()) } else { Err(io::Error::other("it is no regular file")) }
}

/// The full file becomes the first former one, each of these the next.
fn turn(path: &Path) -> io::Result<()> {
    for number in (0..FORMER).rev() {
        match fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(absent) if absent.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    Ok(())
}

/// 0 is the file that is written to.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 { path.to_path_buf() } else { path.with_added_extension(number.to_string()) }
}

/// One of the files. They lie in one folder, so its number alone tells it from the others, wherever it is renamed to: of a file
/// whose name is gone Wine does not know the volume.
struct Opened {
    number: u64,
    file: BufReader<File>,
}

/// A place in a log, from which on lines are read.
pub struct Reading {
    path: PathBuf,
    /// Oldest first; one at least.
    open: VecDeque<Opened>,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl Reading {
    /// Before the last `count` lines of the log at `path`; `None` where there is no log.
    pub fn of_last(path: &Path, count: u64) -> Result<Option<Reading>> {
        let failed = |source| error("read", path, source);
        let mut open = newer_than(path, None).map_err(failed)?;
        let (mut missing, mut needed) = (count, 0);
        for opened in open.iter_mut().rev() {
            missing -= seek_lines(opened.file.get_mut(), missing).map_err(failed)?;
            needed += 1;
            if missing == 0 {
                break;
            }
        }
        open.drain(..open.len() - needed);
        let there = !open.is_empty();
        Ok(there.then(|| Reading { path: path.to_path_buf(), open, begun: Vec::new() }))
    }

    /// The next line without its end, bytes as they are; `None` where nothing more is written yet.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        self.next().map_err(|source| error("read", &self.path, source))
    }

    /// The beginning of a line whose end was never written: a power cut tore it.
    pub fn torn(self) -> Option<Vec<u8>> {
        Some(self.begun).filter(|begun| !begun.is_empty())
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let complete = self.open.len() > 1;
            let Some(Opened { number, file }) = self.open.front_mut() else { return Ok(None) };
            let room = LINE.saturating_sub(self.begun.len() as u64);
            file.by_ref().take(room).read_until(b'\n', &mut self.begun)?;
            let whole = self.begun.pop_if(|last| *last == b'\n').is_some();
            if whole || self.begun.len() as u64 >= LINE || (complete && !self.begun.is_empty()) {
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            if complete {
                self.open.pop_front();
                continue;
            }
            let known = *number;
            self.open.extend(newer_than(&self.path, Some(known))?);
            // Where there is a newer file, this one is complete from here on, and its end is read once more.
            if self.open.len() == 1 {
                return Ok(None);
            }
        }
    }
}

/// The files of the log that are newer than the one with that number, oldest first; all of them where there is none such.
fn newer_than(path: &Path, known: Option<u64>) -> io::Result<VecDeque<Opened>> {
    let mut newer = VecDeque::<Opened>::new();
    for turns in 0..=FORMER {
        let file = match careful().read(true).open(numbered(path, turns)) {
            Err(absent) if absent.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        regular(&file)?;
        let (_, number) = identity_of(&file)?;
        if known == Some(number) {
            break;
        }
        // Under its next name a second time, where the log turned meanwhile.
        if newer.iter().all(|other| other.number != number) {
            newer.push_front(Opened { number, file: BufReader::new(file) });
        }
    }
    Ok(newer)
}

/// Places a file before its last `count` lines, or at its start where it has fewer; answers how many follow.
fn seek_lines(file: &mut File, count: u64) -> io::Result<u64> {
    let (mut at, mut found) = (file.seek(SeekFrom::End(0))?, 0);
    let length = at;
    let mut block = Vec::new();
    while at > 0 && count > 0 {
        let start = at.saturating_sub(BLOCK);
        block.resize(usize::try_from(at - start).expect("a block fits into memory"), 0);
        read_exact_at(file, &mut block, start)?;
        for (offset, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let line = start + offset as u64 + 1;
            if line == length {
                continue;
            }
            found += 1;
            if found == count {
                file.seek(SeekFrom::Start(line))?;
                return Ok(found);
            }
        }
        at = start;
    }
    if count == 0 || length == 0 {
        return Ok(0);
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(found + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use std::os::unix::fs::PermissionsExt;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("logs/watch.jsonl");
        (dir, path)
    }

    fn write(log: &mut Log, lines: impl Iterator<Item = u32>) {
        lines.for_each(|number| log.append(format!("line {number:03}\n").as_bytes()).expect("written"));
    }

    fn rest(reading: &mut Reading) -> Vec<String> {
        let next = || reading.next_line().expect("readable").map(|line| String::from_utf8(line).expect("text"));
        std::iter::from_fn(next).collect()
    }

    fn last(path: &Path, count: u64) -> Vec<String> {
        rest(&mut Reading::of_last(path, count).expect("readable").expect("there"))
    }

    fn lines(numbers: impl Iterator<Item = u32>) -> Vec<String> {
        numbers.map(|number| format!("line {number:03}")).collect()
    }

    #[test]
    fn a_storm_leaves_the_newest_lines_in_few_private_files() {
        let (_dir, path) = place();
        let mut log = Log::of_size(&path, 30).expect("open");
        write(&mut log, 0..500);
        // Three lines of nine bytes fit into 30.
        let files: Vec<PathBuf> = (0..=FORMER).map(|number| numbered(&path, number)).collect();
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("a list").count(), files.len());
        for file in files {
            let meta = fs::metadata(&file).expect("there");
            assert!(meta.len() <= 30, "{file:?}");
            #[cfg(unix)]
            assert!(meta.permissions().mode() & 0o777 == 0o600, "{file:?}");
        }
        #[cfg(unix)]
        assert_eq!(fs::metadata(path.parent().expect("a folder")).expect("there").permissions().mode() & 0o777, 0o700);
        assert_eq!(last(&path, 1000), lines(489..500));
        for count in [0, 1, 2, 3, 5, 11] {
            assert_eq!(last(&path, count.into()), lines(500 - count..500), "{count}");
        }
        log.append(&[b'x'; 100]).expect("a line longer than a file");
        log.append(b"\n").expect("and on");
        assert_eq!(last(&path, 2), ["x".repeat(100), String::new()]);
    }

    #[test]
    fn the_last_lines_are_found_across_blocks() {
        let (_dir, path) = place();
        let mut log = Log::of_size(&path, FULL).expect("open");
        let block = usize::try_from(BLOCK).expect("small");
        let long = ["a".repeat(block), "b".repeat(block - 1), "c".repeat(3 * block), "d".to_owned()];
        long.iter().for_each(|line| log.append(format!("{line}\n").as_bytes()).expect("written"));
        for count in 1..=4 {
            assert_eq!(last(&path, count as u64), long[4 - count..], "{count}");
        }
        log.append(&[b'e'; LINE as usize + 5]).expect("no end yet");
        let mut reading = Reading::of_last(&path, 1).expect("readable").expect("there");
        assert_eq!(rest(&mut reading), ["e".repeat(LINE as usize)], "in pieces");
        log.append(b"\n").expect("its end");
        assert_eq!(rest(&mut reading), ["eeeee"]);
    }

    /// Not under Wine, which replaces and removes no file that is open; there the log waits for its reader.
    #[cfg(unix)]
    #[test]
    fn a_reader_goes_on_where_the_log_turns() {
        let (_dir, path) = place();
        assert!(Reading::of_last(&path, 9).expect("no error").is_none(), "no log yet");
        let mut log = Log::of_size(&path, 30).expect("open");
        write(&mut log, 0..2);
        let mut reading = Reading::of_last(&path, 1).expect("readable").expect("there");
        assert_eq!(rest(&mut reading), lines(1..2));
        // None, one and several turns between two looks; more than are kept cost lines, and nothing else.
        for (from, to) in [(2, 3), (3, 5), (5, 14), (14, 14)] {
            write(&mut log, from..to);
            assert_eq!(rest(&mut reading), lines(from..to), "{from}..{to}");
        }
        write(&mut log, 14..40);
        assert_eq!(rest(&mut reading), lines(std::iter::once(14).chain(30..40)), "the file it has open, and those that are left");
    }

    /// Under Wine the identity of an open file is another one while its name is gone.
    #[test]
    fn a_reader_may_look_while_the_log_turns() {
        let (_dir, path) = place();
        write(&mut Log::of_size(&path, FULL).expect("open"), 0..3);
        let mut reading = Reading::of_last(&path, 1).expect("readable").expect("there");
        fs::rename(&path, numbered(&path, 1)).expect("turned by half");
        assert_eq!(rest(&mut reading), lines(2..3), "and what is read stays read");
        write(&mut Log::of_size(&path, FULL).expect("open"), 3..4);
        assert_eq!(rest(&mut reading), lines(3..4));
    }

    #[test]
    fn a_torn_line_and_a_cleared_folder_do_no_harm() {
        let (_dir, path) = place();
        let mut log = Log::of_size(&path, 300).expect("open");
        write(&mut log, 0..1);
        log.append(b"torn").expect("written");
        let mut reading = Reading::of_last(&path, 9).expect("readable").expect("there");
        assert_eq!(rest(&mut reading), ["line 000"]);
        assert_eq!(reading.torn().as_deref(), Some(&b"torn"[..]));
        drop(log);
        let mut log = Log::of_size(&path, 300).expect("again");
        write(&mut log, 1..2);
        assert_eq!(last(&path, 9), ["line 000", "torn", "line 001"]);
        #[cfg(unix)]
        {
            fs::remove_file(&path).expect("cleared");
            write(&mut log, 2..3);
            assert_eq!(last(&path, 9), ["line 002"]);
            no_link_is_followed(&path, &mut log);
        }
    }

    #[cfg(unix)]
    fn no_link_is_followed(path: &Path, log: &mut Log) {
        fs::remove_file(path).expect("cleared");
        std::os::unix::fs::symlink("elsewhere", path).expect("a link");
        assert!(log.append(b"x\n").is_err() && Reading::of_last(path, 1).is_err(), "no link is followed");
    }
}
