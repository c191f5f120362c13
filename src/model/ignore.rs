//! What is not synchronised: the tool's own names, built-in junk, and the user's patterns.

use super::path::{Name, RelPath};
use super::shown::short;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The folder in each root that belongs to this program, at any depth.
pub const OWN_FOLDER: &[u8] = b".driftless";
/// How the names of temporary files begin.
pub const TEMP_PREFIX: &[u8] = b".dl~";

/// Never synchronised and never shown: the tool's own.
pub fn is_own_name(name: &Name) -> bool {
    name.as_bytes() == OWN_FOLDER || is_temp_name(name)
}

/// `.dl~<8>-<8>`: machine and pair in the first part, path and source in the second.
pub fn is_temp_name(name: &Name) -> bool {
    name.as_bytes().strip_prefix(TEMP_PREFIX).is_some_and(|rest| {
        rest.len() == 17 && rest[8] == b'-' && rest.iter().enumerate().all(|(at, byte)| at == 8 || byte.is_ascii_hexdigit())
    })
}

/// Names that programs and network drives leave about (requirement SS-08 and semantics, *Edges*). They go with
/// their folder. The flag says whether only a folder of that name is meant.
const JUNK: &[(&[u8], Only)] = &[
    (b"__pycache__", Only::Folders),
    (b".DS_Store", Only::Files),
    (b"Thumbs.db", Only::Files),
    (b"desktop.ini", Only::Files),
    (b".sync_log.json", Only::Files),
    (b"@eaDir", Only::Folders),
    (b"#recycle", Only::Folders),
    (b"#snapshot", Only::Folders),
    (b"~snapshot", Only::Folders),
    (b".snapshot", Only::Folders),
    (b"$RECYCLE.BIN", Only::Folders),
    (b"System Volume Information", Only::Folders),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Files,
    Folders,
}

/// What the patterns say of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wanted,
    /// Built-in: goes with its folder.
    Junk,
    /// By a pattern of the user: stays where it is, and keeps its folder.
    Pattern,
}

/// The user's patterns, compiled.
#[derive(Clone, Debug)]
pub struct Patterns {
    user: Option<Gitignore>,
}

/// A pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ignore pattern \"{}\" cannot be read: {reason}", short(pattern))]
pub struct BadPattern {
    pub pattern: String,
    pub reason: String,
}

impl Patterns {
    /// `.gitignore` syntax, one pattern an item; later ones win.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Patterns, BadPattern> {
        let mut builder = GitignoreBuilder::new("");
        let mut any = false;
        for pattern in patterns {
            let bad = |error: ignore::Error| BadPattern { pattern: pattern.to_owned(), reason: reason(error) };
            builder.add_line(None, pattern).map_err(bad)?;
            any = true;
        }
        let bad = |error: ignore::Error| BadPattern { pattern: "all of them together".to_owned(), reason: reason(error) };
        let user = any.then(|| builder.build()).transpose().map_err(bad)?;
        Ok(Patterns { user })
    }

    /// Only what is built in.
    pub fn none() -> Patterns {
        Patterns { user: None }
    }

    /// Is this path itself ignored? What lies below an ignored folder is not asked for.
    pub fn verdict(&self, path: &RelPath, folder: bool) -> Verdict {
        let Some(name) = path.names().next_back() else { return Verdict::Wanted };
        if is_junk(name, folder, path.names().nth(1).is_none()) {
            return Verdict::Junk;
        }
        if self.names(path, folder) { Verdict::Pattern } else { Verdict::Wanted }
    }

    /// Does one of the user's patterns match this path, or a folder above it?
    pub fn cover(&self, path: &RelPath, folder: bool) -> bool {
        self.names(path, folder) || path.ancestors().iter().any(|above| !above.is_root() && self.names(above, true))
    }

    /// Does one of the user's patterns match this very path?
    fn names(&self, path: &RelPath, folder: bool) -> bool {
        self.user.as_ref().is_some_and(|user| user.matched(as_path(path.as_bytes()).as_ref(), folder).is_ignore())
    }
}

impl Patterns {
    /// Do these patterns, apart from what is built in, name this path itself?
    pub fn name(&self, path: &RelPath, folder: bool) -> bool {
        self.user.as_ref().is_some_and(|user| user.matched(as_path(path.as_bytes()).as_ref(), folder).is_ignore())
    }

    /// Do they name this file or a folder that it lies in?
    pub fn name_or_hold(&self, path: &RelPath) -> bool {
        let user = self.user.as_ref();
        user.is_some_and(|user| user.matched_path_or_any_parents(as_path(path.as_bytes()).as_ref(), false).is_ignore())
    }
}

/// Without the pattern itself, which may be anything.
fn reason(error: ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => short(&err),
        other => short(&other.to_string()),
    }
}

fn is_junk(name: &[u8], folder: bool, at_root: bool) -> bool {
    let only = if folder { Only::Folders } else { Only::Files };
    // What mkfs puts into the root of a file system; elsewhere somebody may own the name.
    (at_root && folder && name == b"lost+found") || JUNK.iter().any(|(junk, kind)| *kind == only && *junk == name)
}

/// Bytes that the system cannot spell are of no file that it holds; they are matched as far as they can be read.
fn as_path(bytes: &[u8]) -> std::borrow::Cow<'_, std::path::Path> {
    match super::native::from_bytes(bytes) {
        Some(std::borrow::Cow::Borrowed(name)) => std::path::Path::new(name).into(),
        Some(std::borrow::Cow::Owned(name)) => std::path::PathBuf::from(name).into(),
        None => std::path::PathBuf::from(String::from_utf8_lossy(bytes).into_owned()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile, hostile_text, is_tame};
    use proptest::prelude::*;

    fn verdict(patterns: &[&str], path: &str, folder: bool) -> Verdict {
        let patterns = Patterns::new(patterns.iter().copied()).expect("good patterns");
        patterns.verdict(&RelPath::parse(path.as_bytes()).expect("a path"), folder)
    }

    #[test]
    fn junk_patterns_and_the_rest() {
        use Verdict::{Junk, Pattern, Wanted};
        for (path, folder, expected) in [
            ("a/__pycache__", true, Junk),
            ("a/__pycache__", false, Wanted),
            ("a/.DS_Store", false, Junk),
            ("lost+found", true, Junk),
            ("a/lost+found", true, Wanted),
            ("a/x.tmp", false, Pattern),
            ("keep.tmp", false, Wanted),
            ("build", true, Pattern),
            ("build", false, Wanted),
            (".snapshots", true, Wanted),
            (".snapshot", true, Junk),
            ("data.db", false, Wanted),
        ] {
            assert_eq!(verdict(&["*.tmp", "!keep.tmp", "build/"], path, folder), expected, "{path}");
        }
    }

    #[test]
    fn own_names_are_exact() {
        let own = |name: &str| is_own_name(&Name::new(name.as_bytes()).expect("a name"));
        assert!(own(".driftless") && own(".dl~0123abcd-89efABCD"));
        assert!(!own(".driftless2") && !own(".dl~notes") && !own(".dl~0123abcd-89efABC"));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        assert_eq!(Patterns::new(["ok", "a[z-b]"]).expect_err("a range turned round").pattern, "a[z-b]");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 3, ..ProptestConfig::default() })]
        /// Any pattern is compiled or refused in one line, and any path gets an answer.
        #[test]
        fn any_pattern_gives_an_answer(
            patterns in proptest::collection::vec(hostile_text(&["*.tmp", "build/", "!keep/**/x[a-c]", "a/{b,c}/d", "\\#x"]), 0..4),
            at in hostile(&["a/b/c.tmp", "build", "keep/x"]),
        ) {
            let path = RelPath::parse(&at).unwrap_or_default();
            match Patterns::new(patterns.iter().map(String::as_str)) {
                Ok(patterns) => {
                    let named = patterns.verdict(&path, true) == Verdict::Pattern;
                    prop_assert!(!named || patterns.cover(&path, true));
                    patterns.name_or_hold(&path);
                }
                Err(bad) => prop_assert!(is_tame(&bad.to_string()), "{bad}"),
            }
        }
    }
}
