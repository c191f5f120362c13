//! What carrying out promises, on two real folders and with somebody meddling at any step.

mod databases;
mod failures;
mod growing;
mod in_place;
mod meddler;
mod removes;
mod writes;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Ending, Halt, Outcome, Run, Tally, carry_chunk, restamp};
use crate::disk::clock::Moment;
use crate::disk::{Freshness, Node, Root, open_root};
use crate::model::change::Change;
use crate::model::entry::{Base, Found};
use crate::model::ignore::{Patterns, is_temp_name};
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Op, Why};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
use crate::model::traits::Traits;
use crate::model::vouch::Clock;
use meddler::{Meddled, Meddler};

const NETWORK: Side = Side::Network;
const STAGING: Side = Side::Staging;

/// Two roots with somebody who meddles at the network one and at staging.
struct World {
    at: PerSide<PathBuf>,
    roots: PerSide<Arc<dyn Root>>,
    meddler: PerSide<Meddler>,
    traits: PerSide<Traits>,
    stop: AtomicBool,
    flush: bool,
    partials: PathBuf,
    blocks: PathBuf,
    append: Patterns,
    in_place: Patterns,
    half: HashSet<RelPath>,
    whole: Patterns,
    began: Time,
    scratch: PathBuf,
    /// Last: a folder that is open is not removed everywhere.
    _held: tempfile::TempDir,
}

fn world() -> World {
    let held = tempfile::tempdir().expect("a folder for the moment");
    let at = PerSide::new("staging", "network").map(|side| held.path().join(side));
    let meddler = PerSide::new(Meddler::default(), Meddler::default());
    let root = |side: Side| -> Arc<dyn Root> {
        fs::create_dir_all(at[side].join(".driftless")).expect("a root");
        let inner = open_root(&at[side], false).expect("the root opens");
        Arc::new(Meddled { inner, meddler: meddler[side].clone() })
    };
    let roots = PerSide::new(root(STAGING), root(NETWORK));
    // Windows keeps no modes, makes links for some, and exchanges no names.
    let unix = cfg!(unix);
    let own = Traits { exchange: unix, modes: unix, links: unix, ..Traits::LOCAL };
    let traits = PerSide::new(own, own);
    let (partials, blocks) = (held.path().join("partial"), held.path().join("blocks"));
    // Long ago: nothing that a test lays out counts as changed since, unless it says so.
    let scratch = held.path().join("scratch");
    World {
        scratch,
        _held: held,
        at,
        roots,
        meddler,
        traits,
        stop: AtomicBool::new(false),
        flush: false,
        partials,
        blocks,
        append: Patterns::none(),
        in_place: Patterns::none(),
        half: HashSet::new(),
        whole: Patterns::none(),
        began: Time(i64::MAX),
    }
}

impl World {
    fn run(&self) -> Run<'_> {
        Run {
            roots: &self.roots,
            traits: &self.traits,
            clocks: PerSide::new(Clock::Own(self.began), Clock::Own(self.began)),
            asked: PerSide::new(Moment::now(), Moment::now()),
            trash_name: Name::new(b"run").expect("a name"),
            owner: 0xabcd_0123,
            flush: self.flush,
            partials: self.partials.clone(),
            blocks: self.blocks.clone(),
            marks: self.scratch.join("marks"),
            half: self.half.clone(),
            append: &self.append,
            in_place: &self.in_place,
            whole: &self.whole,
            stop: &self.stop,
            copied: &|_, _| {},
            scratch: self.scratch.clone(),
            trash_made: PerSide::default(),
        }
    }

    fn file(&self, side: Side, path: &str) -> PathBuf {
        self.at[side].join(path)
    }

    fn lay(&self, side: Side, path: &str, content: &str) {
        let at = self.file(side, path);
        fs::create_dir_all(at.parent().expect("below the root")).expect("its folder");
        fs::write(at, content).expect("a file");
    }

    fn seen(&self, side: Side, at: &str) -> Seen {
        let node = self.roots[side].look(&path(at), Freshness::Fresh).expect("looked");
        node.map_or(Seen::Absent, Node::seen)
    }

    fn found(&self, side: Side, at: &str) -> Box<Found> {
        Box::new(self.seen(side, at).found().expect("there").clone())
    }

    /// Brings what the other side holds over what this one holds now.
    fn write_to(&self, to: Side, at: &str) -> Action {
        let op = Op::Write { to, from: self.found(to.other(), at), expect: self.seen(to, at), revived: false };
        action(at, op)
    }

    fn delete_at(&self, side: Side, at: &str) -> Action {
        action(at, Op::Delete { side, expect: self.found(side, at), base: None })
    }

    /// Everything a user sees: path and content (or kind); and what must not be there, temporary files, as well.
    fn shown(&self, side: Side) -> BTreeMap<String, String> {
        shown(&self.at[side], &|name| name != ".driftless")
    }

    /// What the trash of this run holds, by path.
    fn trashed(&self, side: Side) -> BTreeMap<String, String> {
        shown(&self.at[side].join(".driftless/trash/run"), &|_| true)
    }
}

fn shown(top: &Path, wanted: &dyn Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut open = vec![(top.to_owned(), String::new())];
    while let Some((at, prefix)) = open.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten() {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if !wanted(&name) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                open.push((entry.path(), format!("{path}/")));
                all.insert(format!("{path}/"), String::new());
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).expect("a target");
                all.insert(path, format!("-> {}", target.display()));
            } else {
                all.insert(path, fs::read_to_string(entry.path()).expect("read"));
            }
        }
    }
    all
}

/// `false` where this system lets not everybody make links.
fn make_link(target: &str, at: &Path) -> bool {
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, at).expect("a link");
    let _ = (target, at);
    cfg!(unix)
}

fn tree(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|&(path, content)| (path.to_owned(), content.to_owned())).collect()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn action(at: &str, op: Op) -> Action {
    Action { path: path(at), op, why: Why { in_base: true, staging: Change::Modified, network: Change::None, by: None } }
}

/// Carries out one chunk and reads its stamps; the halt comes with what was done before it.
fn carry(run: &Run<'_>, actions: Vec<Action>) -> (Vec<Outcome>, Option<Halt>) {
    let (end, halt) = match carry_chunk(run, actions) {
        Ok(end) => (end, None),
        Err(ended) => (ended.1, Some(ended.0)),
    };
    let mut outcomes = end.outcomes;
    outcomes.extend(restamp(run, end.pending, false).expect("stamps read"));
    (outcomes, halt)
}

/// The one ending of a chunk that does not halt.
fn one(run: &Run<'_>, action: Action) -> Ending {
    let (mut outcomes, halt) = carry(run, vec![action]);
    assert!(halt.is_none(), "{halt:?}");
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.remove(0).result
}

/// The base that a finished write left, and its count.
fn done(ending: Ending) -> (Box<Base>, Tally) {
    match ending {
        Ending::Done { learnt: super::Learnt::Put(base), tally, .. } => (base, tally),
        other => panic!("not done: {other:?}"),
    }
}

/// The version that a conflict found at this side.
fn met(ending: Ending, side: Side) -> Seen {
    match ending {
        Ending::Conflict(conflict) if side == NETWORK => conflict.network,
        Ending::Conflict(conflict) => conflict.staging,
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn temporary_names_are_known_as_such_and_are_the_same_for_one_version() {
    let world = world();
    world.lay(STAGING, "a/b", "x");
    let run = world.run();
    let found = world.found(STAGING, "a/b");
    let name = run.temp_name(&path("a/b"), &found.stamp);
    assert!(is_temp_name(&name), "{name:?}");
    assert_eq!(name, world.run().temp_name(&path("a/b"), &found.stamp));
    assert_ne!(name, run.temp_name(&path("a/c"), &found.stamp));
    let mut later = found.stamp;
    later.mtime.0 += 1;
    assert_ne!(name, run.temp_name(&path("a/b"), &later));
    let other = Run { owner: 1, ..world.run() };
    assert_ne!(name, other.temp_name(&path("a/b"), &found.stamp));
}
