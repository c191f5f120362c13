//! What a folder holds, so that two can be compared: names as bytes, kinds, content, times to the nanosecond, modes,
//! link targets. The program's own folder at the top is left out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File { size: u64, digest: u128 },
    Folder,
    Link(Vec<u8>),
    Special,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Nanoseconds; a folder's is 0 unless it was asked for.
    pub(crate) mtime: i128,
    pub(crate) mode: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<Vec<u8>, Entry>);

/// Whether folders' times are compared: only a first sync promises them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FolderTimes {
    Compared,
    LeftOut,
}

impl Tree {
    pub(crate) fn of(root: &Path) -> Tree {
        Tree::with(root, FolderTimes::LeftOut)
    }

    pub(crate) fn with(root: &Path, times: FolderTimes) -> Tree {
        let mut tree = Tree::default();
        tree.add(root, b"", times);
        tree
    }

    fn add(&mut self, folder: &Path, below: &[u8], times: FolderTimes) {
        for item in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let item = item.expect("an entry");
            let name = item.file_name();
            if below.is_empty() && name.as_bytes() == b".driftless" {
                continue;
            }
            let path = [below, name.as_bytes()].concat();
            let entry = entry(&item.path(), times);
            let inside = entry.kind == Kind::Folder;
            self.0.insert(path.clone(), entry);
            if inside {
                self.add(&item.path(), &[&path[..], b"/"].concat(), times);
            }
        }
    }

    /// Without the paths that `unwanted` names.
    pub(crate) fn without(mut self, unwanted: impl Fn(&[u8]) -> bool) -> Tree {
        self.0.retain(|path, _| !unwanted(path));
        self
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().map(|path| path.escape_ascii().to_string()).collect()
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path.as_bytes())
    }

    /// Fails with the paths that differ.
    #[track_caller]
    pub(crate) fn assert_same(&self, expected: &Tree, what: &str) {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(expected.0.keys()).collect();
        let differ = paths.into_iter().filter(|path| self.0.get(*path) != expected.0.get(*path));
        let told: Vec<String> = differ
            .map(|path| {
                format!("{}\n  is       {:?}\n  expected {:?}", path.escape_ascii(), self.0.get(path), expected.0.get(path))
            })
            .collect();
        assert!(told.is_empty(), "{what}:\n{}", told.join("\n"));
    }
}

fn entry(path: &Path, times: FolderTimes) -> Entry {
    let metadata = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let of = metadata.file_type();
    let kind = match () {
        () if of.is_dir() => Kind::Folder,
        () if of.is_symlink() => Kind::Link(fs::read_link(path).expect("a target").into_os_string().into_vec()),
        () if of.is_file() => Kind::File { size: metadata.len(), digest: digest(path) },
        () => {
            assert!(of.is_fifo() || of.is_socket() || of.is_char_device() || of.is_block_device());
            Kind::Special
        }
    };
    let timed = kind != Kind::Folder || times == FolderTimes::Compared;
    let mtime = if timed { i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()) } else { 0 };
    let mode = if of.is_symlink() { 0 } else { metadata.mode() & 0o7777 };
    Entry { kind, mtime, mode }
}

fn digest(path: &Path) -> u128 {
    let mut file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).expect("content") {
            0 => return hash.digest128(),
            count => hash.update(&buffer[..count]),
        }
    }
}
