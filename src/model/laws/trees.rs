//! Trees as a line of text, and the differences that a scan would emit for three of them.
//!
//! `d/` folder, `d/x=2` file, `l->a` link, `x!` ignored by a pattern, `x!junk` built-in junk, `x?special`, `x?fs`,
//! `x?moving`, `x?error` unknown; `@5` is a time in seconds, `@old` and `@far` are insane ones, `:700` is a mode.
//! Parents come by themselves. A file's content is its text, so `1` and `2` have one size and `11` has another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::conflict::{Policies, Policy};
use crate::model::digest;
use crate::model::entry::{Base, Content, Entry, Found, Kind, Recorded, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::{Difference, Ignored, Seen, Unknown};
use crate::model::path::RelPath;
use crate::model::reconcile::Rules;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::time::Time;

/// A place in a tree. Ignored and unknown ones hold nothing below, because nobody looks there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    There(Entry),
    Ignored(Ignored),
    Unknown(Unknown),
}

/// Every parent of a path is there as a folder.
pub(super) type Tree = BTreeMap<RelPath, Node>;

/// The three things a run looks at.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct World {
    pub(super) base: BTreeMap<RelPath, Base>,
    pub(super) sides: PerSide<Tree>,
}

const SECOND: i64 = 1_000_000_000;
/// What `@0` means, and the time of everything that says none.
const START: i64 = 1_700_000_000 * SECOND;
const NOW: Time = Time(START + 100_000 * SECOND);

pub(super) fn at(seconds: i64) -> Time {
    Time(START + seconds * SECOND)
}

/// A time as the DSL writes it.
pub(super) fn time_word(time: Time) -> String {
    match time {
        OLD => "@old".to_owned(),
        FAR => "@far".to_owned(),
        Time(n) => format!("@{}", (n - START) / SECOND),
    }
}

pub(super) const OLD: Time = Time(0);
pub(super) const FAR: Time = Time(4_000_000_000 * SECOND);

static HOLD: Policies = Policies::all(Policy::Hold);
static ABORT: Policies = Policies::all(Policy::Abort);
static STAGING: Policies = Policies::all(Policy::Prefer(Side::Staging));
static NETWORK: Policies = Policies::all(Policy::Prefer(Side::Network));
static BOTH: Policies = Policies::all(Policy::KeepBoth);

/// One policy for every path.
pub(super) fn policies(policy: Policy) -> &'static Policies {
    match policy {
        Policy::Hold => &HOLD,
        Policy::Abort => &ABORT,
        Policy::Prefer(Side::Staging) => &STAGING,
        Policy::Prefer(Side::Network) => &NETWORK,
        Policy::KeepBoth => &BOTH,
    }
}

pub(super) fn rules(direction: Direction) -> Rules<'static> {
    let (policies, take) = (policies(Policy::Hold), None);
    Rules { direction, policies, take, granularity_ns: 1, modes: true, now: NOW, host: "lab" }
}

pub(super) fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("the DSL writes legal paths")
}

pub(super) fn file(text: &str) -> Entry {
    let content = Content::File { size: text.len() as u64, digest: Some(digest::of(text.as_bytes())) };
    Entry { content, mtime: at(0), mode: 0o644 }
}

pub(super) fn folder() -> Entry {
    Entry { content: Content::Folder, mtime: at(0), mode: 0o755 }
}

pub(super) fn link(target: &str) -> Entry {
    Entry { content: Content::Link { target: target.as_bytes().into() }, mtime: at(0), mode: 0o777 }
}

pub(super) fn tree(text: &str) -> Tree {
    let mut tree = Tree::new();
    for token in text.split_whitespace() {
        let (path, node) = place(token);
        for parent in path.ancestors().into_iter().filter(|parent| !parent.is_root()) {
            tree.entry(parent).or_insert_with(|| Node::There(folder()));
        }
        tree.insert(path, node);
    }
    tree
}

fn place(token: &str) -> (RelPath, Node) {
    let (head, attributes) = token.split_at(token.find(['@', ':']).unwrap_or(token.len()));
    if let Some((name, target)) = head.split_once("->") {
        (path(name), Node::There(with_attributes(link(target), attributes)))
    } else if let Some((name, text)) = head.split_once('=') {
        (path(name), Node::There(with_attributes(file(text), attributes)))
    } else if let Some((name, word)) = head.split_once('!') {
        (path(name), Node::Ignored(if word == "junk" { Ignored::Junk } else { Ignored::Pattern }))
    } else if let Some((name, word)) = head.split_once('?') {
        (path(name), Node::Unknown(unknown(word)))
    } else {
        let name = head.strip_suffix('/').expect("a token is a folder, file, link, ignored or unknown");
        (path(name), Node::There(with_attributes(folder(), attributes)))
    }
}

pub(super) fn unknown(word: &str) -> Unknown {
    match word {
        "special" => Unknown::Special,
        "fs" => Unknown::OtherFileSystem,
        "moving" => Unknown::Moving,
        "error" => Unknown::Error { kind: ProblemKind::Permission, message: "may not be read".to_owned() },
        other => panic!("no such unknown: {other}"),
    }
}

fn with_attributes(mut entry: Entry, attributes: &str) -> Entry {
    let spaced = attributes.replace('@', " @").replace(':', " :");
    for piece in spaced.split_whitespace() {
        match piece.split_at_checked(1) {
            Some(("@", "old")) => entry.mtime = OLD,
            Some(("@", "far")) => entry.mtime = FAR,
            Some(("@", seconds)) => entry.mtime = at(seconds.parse().expect("seconds")),
            Some((":", mode)) => entry.mode = u32::from_str_radix(mode, 8).expect("an octal mode"),
            _ => panic!("no such attribute: {piece}"),
        }
    }
    entry
}

pub(super) fn stamp(entry: &Entry) -> Stamp {
    Stamp { size: entry.size(), mtime: entry.mtime, ctime: entry.mtime, id: 0 }
}

/// The base in which both sides held `entry` just so.
pub(super) fn agreed(entry: &Entry) -> Base {
    let recorded = Some(Recorded { stamp: stamp(entry), racy: false });
    Base { entry: entry.clone(), stamps: PerSide::new(recorded, recorded), sent: None }
}

impl World {
    pub(super) fn parse(base: &str, staging: &str, network: &str) -> World {
        World::new(&tree(base), tree(staging), tree(network))
    }

    /// Both sides once held `base`, apart from what was not synchronised in it.
    pub(super) fn new(base: &Tree, staging: Tree, network: Tree) -> World {
        let agreed = base.iter().filter_map(|(path, node)| match node {
            Node::There(entry) => Some((path.clone(), agreed(entry))),
            Node::Ignored(_) | Node::Unknown(_) => None,
        });
        World { base: agreed.collect(), sides: PerSide::new(staging, network) }
    }

    /// What a scan emits: only what may differ.
    pub(super) fn differences(&self) -> Vec<Difference> {
        self.rows().into_iter().filter(|row| self.may_differ(row)).collect()
    }

    /// A row for every path that any of the three holds and that is looked at.
    pub(super) fn rows(&self) -> Vec<Difference> {
        let mut paths: BTreeSet<&RelPath> = self.base.keys().collect();
        paths.extend(Side::BOTH.iter().flat_map(|&side| self.sides[side].keys()));
        paths.into_iter().filter_map(|path| self.row(path)).collect()
    }

    fn row(&self, path: &RelPath) -> Option<Difference> {
        let base = self.base.get(path).cloned().map(Box::new);
        let looked_away = |side: &Side| path.ancestors().iter().any(|above| self.sides[*side].get(above).is_some_and(is_blind));
        if Side::BOTH.iter().any(looked_away) {
            return None;
        }
        let [staging, network] = Side::BOTH.map(|side| self.seen(side, path));
        Some(Difference { path: path.clone(), base, staging, network })
    }

    /// With a digest only where the scan promises one.
    fn seen(&self, side: Side, path: &RelPath) -> Seen {
        let mut entry = match self.sides[side].get(path) {
            None => return Seen::Absent,
            Some(Node::Ignored(why)) => return Seen::Ignored(*why),
            Some(Node::Unknown(why)) => return Seen::Unknown(why.clone()),
            Some(Node::There(entry)) => entry.clone(),
        };
        let stamp = stamp(&entry);
        let as_large = |other: &Entry| other.kind() == Kind::File && other.size() == entry.size();
        let like_base = self.base.get(path).is_some_and(|base| as_large(&base.entry));
        let like_other = self.there(side.other(), path).is_some_and(as_large);
        if let (Content::File { digest, .. }, false) = (&mut entry.content, like_base || like_other) {
            *digest = None;
        }
        Seen::There(Box::new(Found { entry, stamp }))
    }

    pub(super) fn there(&self, side: Side, path: &RelPath) -> Option<&Entry> {
        match self.sides[side].get(path) {
            Some(Node::There(entry)) => Some(entry),
            _ => None,
        }
    }

    fn may_differ(&self, row: &Difference) -> bool {
        let known = |side: Side, seen: &Seen| {
            let recorded = row.base.as_ref().and_then(|base| base.stamps[side]);
            seen.found().is_some_and(|found| recorded == Some(Recorded { stamp: found.stamp, racy: false }))
        };
        let same_mode = |seen: &Seen| {
            seen.found().map(|found| found.entry.mode) == row.base.as_ref().map(|base| base.entry.mode)
                && seen.found().is_some_and(|found| row.base.as_ref().is_some_and(|base| found.entry.same_content(&base.entry)))
        };
        let parent = row.path.parent().unwrap_or_default();
        let whole = parent.is_root()
            || (self.base.get(&parent).is_some_and(|base| base.entry.is_folder())
                && Side::BOTH.iter().all(|&side| self.there(side, &parent).is_some_and(Entry::is_folder)));
        let ignored_on_both =
            row.base.is_none() && [&row.staging, &row.network].iter().all(|seen| matches!(seen, Seen::Ignored(_) | Seen::Absent));
        let unchanged = known(Side::Staging, &row.staging)
            && known(Side::Network, &row.network)
            && same_mode(&row.staging)
            && same_mode(&row.network);
        !whole || !(unchanged || ignored_on_both)
    }
}

/// As the DSL writes it, so that a failed law is a line for the table.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.iter().map(|(path, base)| (path.clone(), Node::There(base.entry.clone()))).collect();
        let [staging, network] = Side::BOTH.map(|side| text(&self.sides[side]));
        write!(f, "{} | {staging} | {network}", text(&base))
    }
}

fn text(tree: &Tree) -> String {
    let word = |(path, node): (&RelPath, &Node)| match node {
        Node::Ignored(Ignored::Pattern) => format!("{path}!"),
        Node::Ignored(Ignored::Junk) => format!("{path}!junk"),
        Node::Unknown(why) => {
            let words = ["special", "fs", "moving", "error"];
            format!("{path}?{}", words.iter().find(|word| unknown(word) == *why).expect("a word of the DSL"))
        }
        Node::There(entry) => format!("{path}{}{}:{:o}", content_text(entry), time_word(entry.mtime), entry.mode),
    };
    tree.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn content_text(entry: &Entry) -> String {
    match &entry.content {
        Content::Folder => "/".to_owned(),
        Content::Link { target } => format!("->{}", target.escape_ascii()),
        Content::File { digest, .. } => {
            let known = ["", "1", "2", "3", "11"].into_iter().find(|text| *digest == Some(digest::of(text.as_bytes())));
            format!("={}", known.unwrap_or("…"))
        }
    }
}

/// Nobody looks below it.
pub(super) fn is_blind(node: &Node) -> bool {
    matches!(node, Node::Ignored(_) | Node::Unknown(_))
}

pub(super) fn mirrored_base(base: Base) -> Base {
    Base { entry: base.entry, stamps: base.stamps.mirrored(), sent: base.sent }
}

#[test]
fn a_line_of_text_is_a_tree() {
    let tree = tree("d/x=2@5:600 l->a d/y! p?special");
    let paths: Vec<String> = tree.keys().map(ToString::to_string).collect();
    assert_eq!(paths, ["d", "d/x", "d/y", "l", "p"]);
    assert_eq!(tree[&path("d/x")], Node::There(Entry { mtime: at(5), mode: 0o600, ..file("2") }));
}

#[test]
fn only_what_may_differ_is_emitted() {
    let emitted = |base: &str, staging: &str, network: &str| -> Vec<String> {
        World::parse(base, staging, network).differences().iter().map(|row| row.path.to_string()).collect()
    };
    assert_eq!(emitted("a=1 d/x=1", "a=1 d/x=1", "a=1 d/x=1"), [""; 0]);
    assert_eq!(emitted("a=1 d/x=1 d/y=1", "a=1 d/x=2 d/y=1", "a=1 d/x=1 d/y=1"), ["d/x"]);
    assert_eq!(emitted("d/x=1 d/y=1", "d/x=1 d/y=1 d/z!", "b=1"), ["b", "d", "d/x", "d/y", "d/z"]);
    assert_eq!(emitted("d/x=1", "d?error", "d/x=1"), ["d"]);
    assert_eq!(emitted("d/x=1", "d!", "d!"), ["d"]);
}
