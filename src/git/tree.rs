//! Trees and differences as git tells them, with `-z`, so that any name comes through.

use super::error::{Error, Result};
use super::names::Oid;
use super::repository::Repository;

/// What a path is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub mode: Mode,
    pub oid: Oid,
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

/// What each of the paths is in a tree, in their order; a folder counts as nothing.
pub fn versions(repository: &Repository, tree: &str, paths: &[Vec<u8>]) -> Result<Vec<Option<Version>>> {
    let mut found = std::collections::HashMap::new();
    // A command line has an end.
    for some in paths.chunks(400) {
        let names = some.iter().map(|path| <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
        let stdout = repository.git.call(&["ls-tree", "-z", "--full-tree", tree, "--"]).args(names).ok()?;
        for line in stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let (path, version) = entry(line).ok_or_else(|| unknown("ls-tree"))?;
            found.insert(path.to_vec(), version);
        }
    }
    Ok(paths.iter().map(|path| found.remove(path).flatten()).collect())
}

/// `mode kind oid TAB path`; a folder has no version.
fn entry(line: &[u8]) -> Option<(&[u8], Option<Version>)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let words: Vec<&str> = str::from_utf8(&line[..tab]).ok()?.split(' ').collect();
    let [mode, kind, oid] = words[..] else { return None };
    let version = match kind {
        "tree" => None,
        _ => Some(Version { mode: Mode::parse(mode)?, oid: Oid::parse(oid)? }),
    };
    Some((&line[tab + 1..], version))
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
pub fn status<S: AsRef<std::ffi::OsStr>>(repository: &Repository, untracked: Untracked, paths: &[S]) -> Result<Status> {
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
    fn an_entry_of_a_tree_is_a_version_or_a_folder() {
        assert_eq!(entry(format!("100755 blob {A}\ta\tb").as_bytes()), Some((&b"a\tb"[..], at(Mode::Executable, A))));
        assert_eq!(entry(format!("040000 tree {A}\td").as_bytes()), Some((&b"d"[..], None)));
        assert_eq!(entry(b"nonsense"), None);
    }
}
