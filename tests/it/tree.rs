//! What a folder holds, so that two can be compared: names as bytes, kinds, content, times to the nanosecond, modes,
//! link targets. The program's own folder at the top is left out, unless contents alone are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use filetime::FileTime;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

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
            if below.is_empty() && name.as_encoded_bytes() == b".driftless" {
                continue;
            }
            let path = [below, name.as_encoded_bytes()].concat();
            let entry = entry(&item.path(), times);
            let inside = entry.kind == Kind::Folder;
            self.0.insert(path.clone(), entry);
            if inside {
                self.add(&item.path(), &[&path[..], b"/"].concat(), times);
            }
        }
    }

    /// Without the names of files in the making.
    pub(crate) fn shown(root: &Path) -> Tree {
        Tree::of(root).without(is_temp)
    }

    /// With times cut to two seconds, without modes and the times of links, as coarse mounts keep it.
    pub(crate) fn coarse(root: &Path) -> Tree {
        Tree::of(root).coarser()
    }

    pub(crate) fn coarser(mut self) -> Tree {
        for entry in self.0.values_mut() {
            entry.mtime -= entry.mtime.rem_euclid(2_000_000_000);
            entry.mode = 0;
            if matches!(entry.kind, Kind::Link(_)) {
                entry.mtime = 0;
            }
        }
        self
    }

    /// What its files hold.
    pub(crate) fn contents(&self) -> BTreeSet<Content> {
        let file = |entry: &Entry| if let Kind::File { size, digest } = entry.kind { Some((size, digest)) } else { None };
        self.0.values().filter_map(file).collect()
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
        let paths: BTreeSet<_> = self.0.keys().chain(expected.0.keys()).collect();
        let differ = paths.into_iter().filter(|path| self.0.get(*path) != expected.0.get(*path));
        let told: Vec<String> = differ
            .map(|path| {
                format!("{}\n  is       {:?}\n  expected {:?}", path.escape_ascii(), self.0.get(path), expected.0.get(path))
            })
            .collect();
        assert!(told.is_empty(), "{what}:\n{}", told.join("\n"));
    }
}

/// A file's length and the digest of its bytes.
pub(crate) type Content = (u64, u128);

pub(crate) fn content(bytes: &[u8]) -> Content {
    (bytes.len() as u64, xxh3_128(bytes))
}

/// What all files below the roots hold, the program's own folders and files in the making included.
pub(crate) fn contents(roots: &[&Path]) -> BTreeSet<Content> {
    let mut all = BTreeSet::new();
    for root in roots {
        all.extend(Tree::of(root).contents());
        if fs::symlink_metadata(root.join(".driftless")).is_ok() {
            all.extend(Tree::of(&root.join(".driftless")).contents());
        }
    }
    all
}

/// Names of files in the making that stand at project paths.
pub(crate) fn temps(root: &Path) -> Vec<PathBuf> {
    let paths = Tree::of(root).0.into_keys().filter(|path| is_temp(path));
    paths.map(|path| PathBuf::from(native(&path))).collect()
}

fn is_temp(path: &[u8]) -> bool {
    path.rsplit(|&byte| byte == b'/').next().is_some_and(|name| name.starts_with(b".dl~"))
}

fn entry(path: &Path, times: FolderTimes) -> Entry {
    let metadata = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let of = metadata.file_type();
    let kind = match () {
        () if of.is_dir() => Kind::Folder,
        () if of.is_symlink() => Kind::Link(fs::read_link(path).expect("a target").as_os_str().as_encoded_bytes().to_vec()),
        () if of.is_file() => Kind::File { size: metadata.len(), digest: digest(path) },
        () => {
            assert!(is_special(of));
            Kind::Special
        }
    };
    let timed = kind != Kind::Folder || times == FolderTimes::Compared;
    let time = FileTime::from_last_modification_time(&metadata);
    let mtime = if timed { i128::from(time.unix_seconds()) * 1_000_000_000 + i128::from(time.nanoseconds()) } else { 0 };
    let mode = if of.is_symlink() { 0 } else { mode(&metadata) };
    Entry { kind, mtime, mode }
}

#[cfg(unix)]
fn is_special(kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
}

#[cfg(windows)]
fn is_special(_: fs::FileType) -> bool {
    false
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777
}

/// Windows has one bit of them, which is not carried.
#[cfg(windows)]
fn mode(_: &fs::Metadata) -> u32 {
    0
}

#[cfg(unix)]
fn native(path: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(path)
}

#[cfg(windows)]
fn native(path: &[u8]) -> &OsStr {
    OsStr::new(str::from_utf8(path).expect("names of tests"))
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
