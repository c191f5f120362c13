//! Root-relative paths and the names they are made of: bytes, validated once, with one total order.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use unicode_normalization::UnicodeNormalization;

use super::shown::tame;

/// One name in a folder: not empty, no `/`, no NUL, neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

/// Why bytes are no [`Name`] or no [`RelPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    #[error("the path holds an empty name")]
    Empty,
    #[error("the path holds `.` or `..`")]
    Dots,
    #[error("the name holds a `/` or a NUL byte")]
    Separator,
}

impl Name {
    pub fn new(bytes: &[u8]) -> Result<Name, BadPath> {
        match bytes {
            b"" => Err(BadPath::Empty),
            b"." | b".." => Err(BadPath::Dots),
            _ if bytes.iter().any(|&byte| byte == b'/' || byte == 0) => Err(BadPath::Separator),
            _ => Ok(Name(bytes.into())),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Could a root that folds letter case, Unicode forms or both take the two for one name?
    pub fn may_fold_to(&self, other: &Name) -> bool {
        folded(self) == folded(other)
    }
}

/// The same for all that a root which folds letter case, Unicode forms or both could take for one: by the canonical caseless
/// match of the Unicode Standard (3.13, D145). What is not UTF-8 is folded by nobody.
fn folded(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_ascii() => {
            let caseless = text.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
            caseless.nfd().collect::<String>().into_bytes()
        }
        Ok(text) => text.to_ascii_lowercase().into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A path below a root: names joined with `/`; the root itself is empty. Never absolute, never with `..`.
///
/// The order is that of a walk: a folder before what it holds, and a folder's subtree in one piece.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RelPath(Box<[u8]>);

impl RelPath {
    pub fn root() -> RelPath {
        RelPath::default()
    }

    /// Validates bytes with `/` between the names; the empty string is the root.
    pub fn parse(bytes: &[u8]) -> Result<RelPath, BadPath> {
        if !bytes.is_empty() {
            bytes.split(|&byte| byte == b'/').try_for_each(|name| Name::new(name).map(drop))?;
        }
        Ok(RelPath(bytes.into()))
    }

    pub fn join(&self, name: &[u8]) -> RelPath {
        debug_assert!(Name::new(name).is_ok());
        if self.is_root() {
            return RelPath(name.into());
        }
        RelPath([&self.0, &b"/"[..], name].concat().into())
    }

    /// This path with `below` appended.
    pub fn append(&self, below: &RelPath) -> RelPath {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => RelPath([&self.0, &b"/"[..], &below.0].concat().into()),
        }
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<RelPath> {
        let cut = self.0.iter().rposition(|&byte| byte == b'/');
        (!self.is_root()).then(|| RelPath(self.0[..cut.unwrap_or(0)].into()))
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<Name> {
        self.names().next_back().map(|name| Name(name.into()))
    }

    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The same for all paths that a root which folds letter case, Unicode forms or both could take for one.
    pub fn folded(&self) -> Vec<u8> {
        self.names().map(folded).collect::<Vec<_>>().join(&b'/')
    }

    /// Is this path `folder` itself or below it?
    pub fn is_within(&self, folder: &RelPath) -> bool {
        folder.is_root() || (self.0.starts_with(&folder.0) && matches!(self.0.get(folder.0.len()), None | Some(b'/')))
    }

    /// The part below `folder`; `None` where this path is not within it.
    pub fn below(&self, folder: &RelPath) -> Option<RelPath> {
        if !self.is_within(folder) {
            return None;
        }
        let rest = &self.0[folder.0.len()..];
        Some(RelPath(rest.strip_prefix(b"/").unwrap_or(rest).into()))
    }

    /// Every folder above this path, the root first, without the path itself.
    pub fn ancestors(&self) -> Vec<RelPath> {
        let mut above: Vec<RelPath> = std::iter::successors(self.parent(), RelPath::parent).collect();
        above.reverse();
        above
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &RelPath) -> Ordering {
        // Word by word to the first difference: long lists of paths with long beginnings in common are sorted by this.
        let (a, b) = (&*self.0, &*other.0);
        let words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(x, y)| x == y).count() * 8;
        let same = words + a[words..].iter().zip(&b[words..]).take_while(|(x, y)| x == y).count();
        let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        a.get(same).map(rank).cmp(&b.get(same).map(rank))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &RelPath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// For people and logs: UTF-8 as it is, what could steer a terminal and invalid bytes escaped.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_bytes(&self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_bytes(&self.0, f)
    }
}

fn show_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        f.write_str(&tame(chunk.valid()))?;
        write!(f, "{}", chunk.invalid().escape_ascii())?;
    }
    Ok(())
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile, is_tame};
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn what_could_leave_the_root_is_no_path() {
        for bad in ["/", "/a", "a/", "a//b", "..", "a/../b", ".", "a/.", "a\0b"] {
            assert!(RelPath::parse(bad.as_bytes()).is_err(), "{bad:?} was taken");
        }
        assert!(Name::new(b"a/b").is_err());
    }

    #[test]
    fn a_subtree_is_one_piece_of_the_order() {
        let mut paths = ["a-b", "a/c", "a", "a/b/c", "a.txt", "a/b", "b", ""].map(path);
        paths.sort();
        assert_eq!(paths.each_ref().map(ToString::to_string), ["", "a", "a/b", "a/b/c", "a/c", "a-b", "a.txt", "b"]);
    }

    #[test]
    fn only_names_that_somebody_folds_fold_to_one() {
        let name = |bytes: &[u8]| Name::new(bytes).expect("a name");
        let pairs = [
            ("Upper", "uPPER"),
            ("cafe\u{301}", "CAF\u{c9}"),
            ("\u{212b}", "\u{e5}"),
            ("Stra\u{df}e", "STRASSE"),
            ("\u{3a3}", "\u{3c2}"),
        ];
        for (one, other) in pairs {
            assert!(name(one.as_bytes()).may_fold_to(&name(other.as_bytes())), "{one} {other}");
        }
        for (one, other) in [(&b"a"[..], &b"b"[..]), (b"cafe", "caf\u{e9}".as_bytes()), (b"a\xff", b"A\xff"), (b"\xfe", b"\xff")]
        {
            assert!(!name(one).may_fold_to(&name(other)), "{one:?} {other:?}");
        }
        let [path, other] = [&b"A\xff/B"[..], b"A\xff/b"].map(|bytes| RelPath::parse(bytes).expect("a path"));
        assert_eq!(path.folded(), other.folded());
        assert_eq!(path.folded(), b"A\xff/b");
    }

    #[test]
    fn within_needs_a_whole_name() {
        assert!(path("a/b").is_within(&path("a")) && path("a").is_within(&path("a")) && path("a").is_within(&path("")));
        assert!(!path("ab").is_within(&path("a")));
        assert_eq!(path("a/b/c").below(&path("a")), Some(path("b/c")));
        assert_eq!(path("a/b/c").ancestors(), [path(""), path("a"), path("a/b")]);
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        let odd = RelPath::parse(b"a\x1b[2Jb\n\xff").expect("a legal name");
        assert_eq!(odd.to_string(), "a\\u{1b}[2Jb\\n\\xff");
    }

    proptest! {
        /// What is taken stays below the root, comes apart into names and back together, and cannot steer a terminal.
        #[test]
        fn bytes_are_a_path_below_the_root_or_refused(bytes in hostile(&["a/b c/d.x", "a", "", "é/ü", "a/../b", "/a"])) {
            let plain = bytes.is_empty() || bytes.split(|&byte| byte == b'/').all(|name| Name::new(name).is_ok());
            let Ok(path) = RelPath::parse(&bytes) else {
                prop_assert!(!plain);
                return Ok(());
            };
            prop_assert!(plain && path.as_bytes() == bytes);
            for name in path.names() {
                prop_assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&0) && !name.contains(&b'/'));
            }
            prop_assert_eq!(path.names().fold(RelPath::root(), |above, name| above.join(name)), path.clone());
            for above in path.ancestors() {
                prop_assert!(path.is_within(&above) && above < path);
                prop_assert_eq!(path.below(&above).map(|below| above.append(&below)), Some(path.clone()));
            }
            let shown = path.to_string();
            prop_assert!(shown.len() > 3_900 || is_tame(&shown), "{shown:?}");
        }
    }
}
