//! Looking at two folders beside their base, and copying files from one to the other, by the real disk.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Part;
use super::agreed::path;
use crate::disk::clock::Moment;
use crate::disk::{self, Freshness, Root, open_root};
use crate::model::change::Change;
use crate::model::digest::{self, Digest};
use crate::model::entry::{Base, Found, Recorded, Stamp};
use crate::model::ignore::Patterns;
use crate::model::listing::{FolderId, Item, Listing, Row, Seen};
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Op, Why};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
use crate::model::traits::Traits;
use crate::model::vouch::{Clock, Effort};
use crate::scan::{BaseReader, Scope, Sight, scan as look};
use crate::transfer::{Run, carry_chunk};

/// What every file of [`Pair`] holds.
pub const CONTENT: &[u8] = &[0x5a; 4096];

/// Two folders that the caller made, each with a `.driftless/`. Those in `names` are in staging and hold [`CONTENT`].
pub struct Pair {
    pub staging: PathBuf,
    pub network: PathBuf,
    /// For records of copies; it is there.
    pub state: PathBuf,
    pub names: Vec<String>,
}

type Roots = PerSide<Arc<dyn Root>>;

fn open(pair: &Pair) -> disk::Result<Roots> {
    Ok(PerSide::new(open_root(&pair.staging, false)?, open_root(&pair.network, false)?))
}

fn found(roots: &Roots, side: Side, path: &RelPath) -> disk::Result<Option<Found>> {
    Ok(roots[side].look(path, Freshness::Fresh)?.and_then(|node| node.found()))
}

/// A base in memory, of one folder.
#[derive(Clone)]
struct Agreed(Listing<Row>);

impl BaseReader for Agreed {
    fn folder(&mut self, folder: FolderId) -> Result<Listing<Row>, String> {
        Ok(if folder == FolderId::ROOT { self.0.clone() } else { Vec::new() })
    }

    fn find(&mut self, path: &RelPath) -> Result<Option<Row>, String> {
        let name = path.name();
        Ok(self.0.iter().find(|item| Some(&item.name) == name.as_ref()).map(|item| item.value.clone()))
    }

    fn vouched(&mut self, _: &RelPath, _: Side, _: &Stamp, _: &Traits) -> Result<Option<Digest>, String> {
        Ok(None)
    }
}

/// Both folders hold the same; the base says so, and every stamp vouches: nothing is read, and nothing differs.
fn agreed(pair: &Pair, roots: &Roots) -> disk::Result<Agreed> {
    let digest = digest::of(CONTENT);
    let mut rows = Vec::new();
    for name in &pair.names {
        let (staging, network) = (found(roots, Side::Staging, &path(name))?, found(roots, Side::Network, &path(name))?);
        let Some((Found { mut entry, stamp }, there)) = staging.zip(network) else { continue };
        entry.set_digest(digest);
        let recorded = |stamp| Some(Recorded { stamp, racy: false });
        let base = Base { entry, stamps: PerSide::new(recorded(stamp), recorded(there.stamp)), sent: None };
        let name = Name::new(name.as_bytes()).expect("a name of ours is one");
        rows.push(Item { name, value: Row { base, folder: None } });
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Agreed(rows))
}

/// One look at two folders with the same files beside their base, by one worker: counts what it saw of both.
pub fn scan(pair: &Pair) -> disk::Result<Part> {
    let roots = open(pair)?;
    let base = Rc::new(agreed(pair, &roots)?);
    let roots = Rc::new(roots);
    Ok(Part::of(
        "scan",
        move || (roots.clone(), base.clone()),
        |(roots, base)| {
            let seen = PerSide::new(AtomicU64::new(0), AtomicU64::new(0));
            let sight = scan_once(&roots, &base, &seen);
            let counted = Side::BOTH.iter().map(|&side| seen[side].load(Ordering::Relaxed)).sum();
            // What differs would have been read: that is another measurement.
            if sight.is_some_and(|sight| sight.differences.is_empty()) { counted } else { 0 }
        },
    ))
}

fn scan_once(roots: &Roots, base: &Agreed, seen: &PerSide<AtomicU64>) -> Option<Sight> {
    let scope = Scope {
        roots,
        traits: &PerSide::new(Traits::LOCAL, Traits::LOCAL),
        patterns: &Patterns::none(),
        patterns_unchanged: true,
        stale_base: false,
        from_base: None,
        effort: Effort::Normal,
        targets: None,
        hints: false,
        entering: &|_, _| {},
        threads: 1,
        stop: &AtomicBool::new(false),
        seen,
    };
    let rows = std::sync::Mutex::new(base.clone());
    let reader =
        || -> Result<Box<dyn BaseReader>, String> { Ok(Box::new(rows.lock().map_err(|error| error.to_string())?.clone())) };
    look(&scope, &reader).ok()
}

/// Copies the files of staging to the network folder, where they are not, as a run without flushes does.
pub fn copy(pair: Pair) -> disk::Result<Part> {
    let (roots, pair) = (Rc::new(open(&pair)?), Rc::new(pair));
    let input = move || {
        let cleared = clear(&roots, &pair).and_then(|()| writes(&roots, &pair));
        (roots.clone(), pair.clone(), cleared.unwrap_or_default())
    };
    Ok(Part::of("copy", input, |(roots, pair, actions)| copied(&roots, &pair.state, actions)))
}

/// Removes the copies of the last round, and only these: what is not a file with [`CONTENT`]'s length is left.
fn clear(roots: &Roots, pair: &Pair) -> disk::Result<()> {
    let folder = roots.network.folder(&RelPath::root())?;
    for name in &pair.names {
        let name = Name::new(name.as_bytes()).expect("a name of ours is one");
        if folder.look(&name, Freshness::Fresh)?.is_some_and(|node| node.is_file() && node.stamp.size == CONTENT.len() as u64) {
            folder.remove_file(&name)?;
        }
    }
    Ok(())
}

fn writes(roots: &Roots, pair: &Pair) -> disk::Result<Vec<Action>> {
    let why = Why { in_base: false, staging: Change::Created, network: Change::None, by: None };
    let mut actions = Vec::new();
    for name in &pair.names {
        let path = path(name);
        if let Some(from) = found(roots, Side::Staging, &path)? {
            let op = Op::Write { to: Side::Network, from: Box::new(from), expect: Seen::Absent, revived: false };
            actions.push(Action { path, op, why });
        }
    }
    actions.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(actions)
}

fn copied(roots: &Roots, state: &Path, actions: Vec<Action>) -> u64 {
    let run = Run {
        roots,
        traits: &PerSide::new(Traits::LOCAL, Traits::LOCAL),
        clocks: PerSide::new(Clock::Own(Time(i64::MAX)), Clock::Own(Time(i64::MAX))),
        asked: PerSide::new(Moment::now(), Moment::now()),
        trash_name: Name::new(b"run").expect("a name"),
        owner: 0x6d65_6173,
        flush: false,
        partials: state.to_owned(),
        blocks: state.to_owned(),
        marks: state.to_owned(),
        half: HashSet::new(),
        append: &Patterns::none(),
        in_place: &Patterns::none(),
        whole: &Patterns::none(),
        stop: &AtomicBool::new(false),
        copied: &|_, _| {},
        scratch: state.to_owned(),
        trash_made: PerSide::default(),
    };
    let asked = actions.len();
    match carry_chunk(&run, actions) {
        // What is not pending has failed.
        Ok(end) if end.outcomes.is_empty() => asked as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pair(place: &Path, sides: &[&str]) -> Pair {
        let names: Vec<String> = (0..40).map(|n| format!("file {n:02}")).collect();
        for side in ["staging", "network"] {
            fs::create_dir_all(place.join(side).join(".driftless")).expect("a root");
        }
        fs::create_dir(place.join("state")).expect("a folder");
        for (side, name) in sides.iter().flat_map(|side| names.iter().map(move |name| (side, name))) {
            fs::write(place.join(side).join(name), CONTENT).expect("a file");
        }
        Pair { staging: place.join("staging"), network: place.join("network"), state: place.join("state"), names }
    }

    #[test]
    fn a_look_sees_all_and_finds_no_difference() {
        let place = tempfile::tempdir().expect("a folder");
        let mut part = scan(&pair(place.path(), &["staging", "network"])).expect("roots");
        // With `.driftless` itself, which is listed and left out.
        assert_eq!((part.prepare)()(), 82);
        fs::write(place.path().join("staging/file 07"), "another version").expect("written");
        assert_eq!((part.prepare)()(), 0);
    }

    #[test]
    fn all_files_are_copied_each_time() {
        let place = tempfile::tempdir().expect("a folder");
        let mut part = copy(pair(place.path(), &["staging"])).expect("roots");
        fs::write(place.path().join("network/other"), CONTENT).expect("a file of somebody else");
        for _ in 0..2 {
            assert_eq!((part.prepare)()(), 40);
            assert_eq!(fs::read(place.path().join("network/file 39")).expect("copied"), CONTENT);
        }
        assert_eq!(fs::read_dir(place.path().join("network")).expect("listed").count(), 42);
    }
}
