//! An open folder, read as a far server tells it: so many names an answer. The kernel takes an answer in pages of its own.

use std::ffi::OsString;

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use super::source::os;

/// Names that come with one answer. Windows shares and NFS send some hundreds, SFTP one hundred.
const ANSWER: usize = 256;

pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) inode: u64,
    pub(super) kind: FileType,
}

pub(super) struct Listing {
    pub(super) folder: OwnedFd,
    dir: Dir,
    /// How many entries were told before `entries`.
    start: u64,
    entries: Vec<Entry>,
    ended: bool,
}

impl Listing {
    pub(super) fn new(folder: OwnedFd) -> Result<Listing, Errno> {
        let dir = Dir::read_from(&folder)?;
        Ok(Listing { folder, dir, start: 0, entries: Vec::new(), ended: false })
    }

    /// Is what comes after the first `offset` entries in the last answer? Who begins again wants a new one.
    pub(super) fn has(&self, offset: u64) -> bool {
        let end = self.start + self.entries.len() as u64;
        offset > 0 && offset >= self.start && (offset < end || self.ended)
    }

    /// What comes after the first `offset` entries; nothing at the end.
    pub(super) fn after(&mut self, offset: u64) -> Result<&[Entry], Errno> {
        if offset == 0 || offset < self.start {
            self.dir.rewind();
            (self.start, self.ended) = (0, false);
            self.entries.clear();
        }
        while !self.ended && offset >= self.start + self.entries.len() as u64 {
            self.start += self.entries.len() as u64;
            self.read()?;
        }
        let skip = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.entries.get(skip..).unwrap_or_default())
    }

    fn read(&mut self) -> Result<(), Errno> {
        self.entries.clear();
        while self.entries.len() < ANSWER {
            let Some(entry) = self.dir.read() else {
                self.ended = true;
                break;
            };
            let entry = entry?;
            let name = os(entry.file_name()).to_owned();
            self.entries.push(Entry { name, inode: entry.ino(), kind: entry.file_type() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn listing(files: usize) -> (tempfile::TempDir, Listing) {
        let place = tempfile::tempdir().expect("a folder");
        for n in 0..files {
            std::fs::write(place.path().join(format!("{n}")), "").expect("a file");
        }
        let folder = OwnedFd::from(std::fs::File::open(place.path()).expect("the folder"));
        (place, Listing::new(folder).expect("a listing"))
    }

    /// All names, taken in pages of `page`, and how many answers that took.
    fn all(listing: &mut Listing, page: usize) -> (BTreeSet<OsString>, usize) {
        let (mut names, mut answers, mut offset) = (BTreeSet::new(), 0, 0);
        loop {
            answers += usize::from(!listing.has(offset));
            let entries = listing.after(offset).expect("entries");
            if entries.is_empty() {
                return (names, answers);
            }
            let taken = entries.iter().take(page);
            offset += taken.len() as u64;
            taken.for_each(|entry| assert!(names.insert(entry.name.clone()), "{:?} twice", entry.name));
        }
    }

    #[test]
    fn every_name_comes_once_whatever_the_pages() {
        for (files, answers) in [(0, 1), (10, 1), (253, 1), (254, 2), (600, 3)] {
            let (_place, mut listing) = listing(files);
            for page in [1, 7, 400] {
                let (names, took) = all(&mut listing, page);
                assert_eq!((names.len(), took), (files + 2, answers), "{files} files, pages of {page}");
            }
        }
    }

    #[test]
    fn who_begins_again_sees_what_came_since() {
        let (place, mut listing) = listing(3);
        assert_eq!(all(&mut listing, 2).0.len(), 5);
        std::fs::write(place.path().join("new"), "").expect("a file");
        assert!(all(&mut listing, 2).0.contains(std::ffi::OsStr::new("new")));
    }

    #[test]
    fn a_place_before_the_last_answer_is_found_again() {
        let (_place, mut listing) = listing(600);
        let second = listing.after(1).expect("entries")[0].name.clone();
        listing.after(500).expect("entries");
        assert!(!listing.has(1));
        assert_eq!(listing.after(1).expect("entries")[0].name, second);
    }
}
