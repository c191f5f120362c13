//! Trees and differences as git tells them, with `-z`, so that any name comes through.
use crate::model::native;

use std::collections::HashMap;
use std::ffi::OsStr;

use super::error::{Error, Result};
use super::names::Oid;
use super::repository::Repository;

/// What a path is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub mode: Mode,
    pub oid: Oid,
}

impl Version {
    pub fn name(&self) -> Oid {
        self.oid.clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    File,
    Executable,
    Link,
    /// The commit of another repository.
    Submodule,
}

impl Mode {
    pub fn parse(text: &str) -> Option<Mode> {
        match text {
            "100644" | "100664" => Some(Mode::File),
            "100755" => Some(Mode::Executable),
            "120000" => Some(Mode::Link),
            "160000" => Some(Mode::Submodule),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Mode::File => "100644",
            Mode::Executable => "100755",
            Mode::Link => "120000",
            Mode::Submodule => "160000",
        }
    }
}

/// One path of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub path: Vec<u8>,
    pub before: Option<Version>,
    pub after: Option<Version>,
}

/// The tree without entries.
pub fn empty_tree(like: &Oid) -> &'static str {
    match like.as_str().len() {
        40 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        _ => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
}

/// What differs from `before` to `after`, both trees or commits; renames are a path that goes and one that comes.
pub fn difference(repository: &Repository, before: &str, after: &str) -> Result<Vec<Change>> {
    let words = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff", "--full-index", before, after, "--"];
    let stdout = repository.git.call(&words).ok()?;
    parse_difference(&stdout).ok_or_else(|| unknown("diff-tree"))
}

fn unknown(verb: &str) -> Error {
    Error::Answer { verb: verb.to_owned(), message: "its list cannot be read".to_owned() }
}

fn parse_difference(listed: &[u8]) -> Option<Vec<Change>> {
    let mut fields = listed.split(|byte| *byte == 0);
    let mut changes = Vec::new();
    while let Some(head) = fields.next().filter(|head| !head.is_empty()) {
        let head = str::from_utf8(head).ok()?.strip_prefix(':')?;
        let words: Vec<&str> = head.split(' ').collect();
        let [before_mode, after_mode, before, after, _] = words[..] else { return None };
        let path = fields.next()?.to_vec();
        changes.push(Change { path, before: version(before_mode, before)?, after: version(after_mode, after)? });
    }
    Some(changes)
}

/// The outer `None` is an answer that cannot be read.
fn version(mode: &str, oid: &str) -> Option<Option<Version>> {
    if mode == "000000" {
        return Some(None);
    }
    Some(Some(Version { mode: Mode::parse(mode)?, oid: Oid::parse(oid)? }))
}

/// What a tree has at some paths, and above them.
#[derive(Clone, Debug, Default)]
pub struct Entries(HashMap<Vec<u8>, Found>);

/// What a tree has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Absent,
    Folder,
    /// A file, a link or a submodule.
    There(Version),
}

impl Entries {
    pub fn at(&self, path: &[u8]) -> Found {
        self.0.get(path).cloned().unwrap_or(Found::Absent)
    }

    /// A folder has none.
    pub fn version(&self, path: &[u8]) -> Option<Version> {
        match self.at(path) {
            Found::There(version) => Some(version),
            Found::Absent | Found::Folder => None,
        }
    }

    pub fn set(&mut self, path: Vec<u8>, found: Found) {
        self.0.insert(path, found);
    }

    /// Those paths are absent then.
    pub fn forget(&mut self, which: impl Fn(&[u8]) -> bool) {
        self.0.retain(|path, _| !which(path));
    }
}

/// The folders that a path lies in, the highest first.
pub fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}

/// What a tree has at each of the paths and above them.
pub fn entries(repository: &Repository, tree: &str, paths: &[Vec<u8>]) -> Result<Entries> {
    let mut entries = Entries::default();
    list_into(repository, tree, paths, &mut entries)?;
    // Where a folder is missing, something else may stand in its place. To ask for a folder that is there would list it.
    let missing = |path: &Vec<u8>| above(path).find(|above| entries.at(above) != Found::Folder).map(<[u8]>::to_vec);
    let mut missing: Vec<Vec<u8>> = paths.iter().filter_map(missing).collect();
    missing.sort();
    missing.dedup();
    list_into(repository, tree, &missing, &mut entries)?;
    Ok(entries)
}

fn list_into(repository: &Repository, tree: &str, paths: &[Vec<u8>], entries: &mut Entries) -> Result<()> {
    // A command line has an end.
    for some in paths.chunks(400) {
        let names = some.iter().map(|path| native::spelled(path));
        let words = ["--literal-pathspecs", "ls-tree", "-t", "-z", "--full-tree", tree, "--"];
        let stdout = repository.git.call(&words).args(names).ok()?;
        for line in stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let (path, found) = entry(line).ok_or_else(|| unknown("ls-tree"))?;
            entries.set(path.to_vec(), found);
        }
    }
    Ok(())
}

/// What each of the paths is in a tree, in their order, for whom a folder is none of them.
pub fn versions(repository: &Repository, tree: &str, paths: &[Vec<u8>]) -> Result<Vec<Option<Version>>> {
    let entries = entries(repository, tree, paths)?;
    Ok(paths.iter().map(|path| entries.version(path)).collect())
}

/// All files, links and submodules below a folder of a tree.
pub fn below(repository: &Repository, tree: &str, folder: &[u8]) -> Result<Vec<(Vec<u8>, Version)>> {
    let words = ["--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree, "--"];
    let mut name = folder.to_vec();
    name.push(b'/');
    let stdout = repository.git.call(&words).arg(native::spelled(&name)).ok()?;
    let mut found = Vec::new();
    for line in stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        match entry(line).ok_or_else(|| unknown("ls-tree"))? {
            (path, Found::There(version)) => found.push((path.to_vec(), version)),
            _ => return Err(unknown("ls-tree")),
        }
    }
    Ok(found)
}

/// `mode kind oid TAB path`.
fn entry(line: &[u8]) -> Option<(&[u8], Found)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let words: Vec<&str> = str::from_utf8(&line[..tab]).ok()?.split(' ').collect();
    let [mode, kind, oid] = words[..] else { return None };
    let found = match kind {
        "tree" => Found::Folder,
        _ => Found::There(Version { mode: Mode::parse(mode)?, oid: Oid::parse(oid)? }),
    };
    Some((&line[tab + 1..], found))
}

/// A tracked path that is not as HEAD has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirty {
    pub path: Vec<u8>,
    /// In the index, against HEAD.
    pub staged: bool,
    /// On the disk, against the index.
    pub unstaged: bool,
    pub unmerged: bool,
    pub head: Option<Version>,
    pub index: Option<Version>,
}

/// What `git status` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub dirty: Vec<Dirty>,
    pub untracked: Vec<Vec<u8>>,
}

/// Whether untracked files are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untracked {
    No,
    /// A folder of them is one.
    Folders,
    All,
}

/// No path in particular.
pub const ALL: &[&str] = &[];

/// Looks at the index and the work tree, and writes neither. `paths` are files and folders; none is everything.
pub fn status<S: AsRef<OsStr>>(repository: &Repository, untracked: Untracked, paths: &[S]) -> Result<Status> {
    let files = match untracked {
        Untracked::No => "--untracked-files=no",
        Untracked::Folders => "--untracked-files=normal",
        Untracked::All => "--untracked-files=all",
    };
    let words =
        ["--literal-pathspecs", "status", "--porcelain=v2", "-z", "--no-renames", "--ignore-submodules=dirty", files, "--"];
    let stdout = repository.git.call(&words).args(paths).ok()?;
    parse_status(&stdout).ok_or_else(|| unknown("status"))
}

fn parse_status(listed: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let mut fields = line.splitn(2, |byte| *byte == b' ');
        let (kind, rest) = (fields.next()?, fields.next()?);
        match kind {
            b"1" => status.dirty.push(ordinary(rest)?),
            b"u" => {
                // XY sub m1 m2 m3 mW h1 h2 h3 path
                let path = rest.splitn(10, |byte| *byte == b' ').nth(9)?.to_vec();
                let (staged, unstaged, unmerged) = (true, true, true);
                status.dirty.push(Dirty { path, staged, unstaged, unmerged, head: None, index: None });
            }
            b"?" => status.untracked.push(rest.to_vec()),
            b"#" | b"!" => {}
            _ => return None,
        }
    }
    Some(status)
}

/// `XY sub mH mI mW hH hI path`.
fn ordinary(rest: &[u8]) -> Option<Dirty> {
    let fields: Vec<&[u8]> = rest.splitn(8, |byte| *byte == b' ').collect();
    let [how, _, head_mode, index_mode, _, head, index, path] = fields[..] else { return None };
    let [staged, unstaged] = how else { return None };
    let text = |bytes| str::from_utf8(bytes).ok();
    Some(Dirty {
        path: path.to_vec(),
        staged: *staged != b'.',
        unstaged: *unstaged != b'.',
        unmerged: false,
        head: version(text(head_mode)?, text(head)?)?,
        index: version(text(index_mode)?, text(index)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn at(mode: Mode, oid: &str) -> Option<Version> {
        Some(Version { mode, oid: Oid::parse(oid).expect("an oid") })
    }

    #[test]
    fn a_difference_keeps_odd_names_whole() {
        let listed =
            format!(":100644 120000 {A} {B} T\0a \n\"b\0:000000 100755 {NONE} {B} A\0c\td\0:160000 000000 {A} {NONE} D\0s\0");
        let changes = parse_difference(listed.as_bytes()).expect("a difference");
        assert_eq!(
            changes,
            [
                Change { path: b"a \n\"b".to_vec(), before: at(Mode::File, A), after: at(Mode::Link, B) },
                Change { path: b"c\td".to_vec(), before: None, after: at(Mode::Executable, B) },
                Change { path: b"s".to_vec(), before: at(Mode::Submodule, A), after: None },
            ]
        );
        assert_eq!(parse_difference(b""), Some(vec![]));
        for broken in [&b"x"[..], b":100644 100644 a b M\0a\0", b":100644\0a\0"] {
            assert_eq!(parse_difference(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn status_tells_staged_from_unstaged() {
        let listed = format!(
            "1 M. N... 100644 100644 100644 {A} {B} a b\01 .M N... 100644 100644 100644 {A} {A} c\01 A. N... 000000 100644 100644 \
             {NONE} {B} n\0u UU N... 100644 100644 100644 100644 {A} {A} {B} u v\0? x y\0? z/\0"
        );
        let status = parse_status(listed.as_bytes()).expect("a status");
        let told: Vec<_> =
            status.dirty.iter().map(|dirty| (&dirty.path[..], dirty.staged, dirty.unstaged, dirty.unmerged)).collect();
        let expected: [(&[u8], bool, bool, bool); 4] =
            [(b"a b", true, false, false), (b"c", false, true, false), (b"n", true, false, false), (b"u v", true, true, true)];
        assert_eq!(told, expected);
        assert_eq!((status.dirty[0].head.clone(), status.dirty[0].index.clone()), (at(Mode::File, A), at(Mode::File, B)));
        assert_eq!(status.dirty[2].head, None);
        assert_eq!(status.untracked, [b"x y".to_vec(), b"z/".to_vec()]);
        assert_eq!(parse_status(b"9 what"), None);
    }

    #[test]
    fn the_folders_above_a_path_come_from_the_top() {
        let told: Vec<&[u8]> = above(b"a/b c/d").collect();
        assert_eq!(told, [&b"a"[..], b"a/b c"]);
        assert_eq!(above(b"a").count(), 0);
    }

    #[test]
    fn an_entry_of_a_tree_is_a_version_or_a_folder() {
        assert_eq!(
            entry(format!("100755 blob {A}\ta\tb").as_bytes()),
            Some((&b"a\tb"[..], at(Mode::Executable, A).map_or(Found::Absent, Found::There)))
        );
        assert_eq!(entry(format!("040000 tree {A}\td").as_bytes()), Some((&b"d"[..], Found::Folder)));
        assert_eq!(entry(b"nonsense"), None);
    }
}
