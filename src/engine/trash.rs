//! The trash as its user sees it: what it holds and why, back to its place, away for good.
//!
//! Invariants. Only folders that are named like a run are the trash's: whatever else somebody put beside them is neither
//! listed nor removed. Nothing is restored over anything. On a shared root other machines' runs are here as well.

use super::carry::halted;
use super::error::Error;
use super::history::{Reason, Reasons, RunId, trash_name};
use super::open::{Access, Session};
use super::request::{Durability, Options, Pair};
use super::reverse::own_again;
use super::runs::{SETTLED, age, each, each_below, host_of, remove_run, run_name, runs, runs_by_age};
use crate::disk::beside;
use crate::disk::clock::now;
use crate::disk::{self, ErrorKind, Freshness, Node, NodeContent, Root, local};
use crate::manifest::Reader;
use crate::model::database::database_of;
use crate::model::entry::Kind;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::time::Time;
use crate::model::utc;
use crate::transfer::back::{MadeAgain, Refused, bring_back, clear_empty, finish_made_again, flush_names, make_folders_again};
use crate::transfer::trash::{home, mode_of_kept};

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One version in a trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    pub side: Side,
    /// The folder of the run that put it there; begins with its UTC time.
    pub run: String,
    /// When that run began.
    pub at: Time,
    /// The machine that it ran on.
    pub host: String,
    /// Its number in this pair's history, where that knows it.
    pub number: Option<RunId>,
    /// Why it was put there, where the history knows it.
    pub reason: Option<Reason>,
    pub path: RelPath,
    /// Bytes.
    pub size: u64,
    pub mtime: Time,
    pub kind: Kind,
}

/// A run's folder that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    pub side: Side,
    pub run: String,
    /// A sentence without its name.
    pub why: String,
}

/// What the trash holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub entries: Vec<Trashed>,
    /// What could not be listed.
    pub passed: Vec<Passed>,
}

/// What came of one path to be restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub path: RelPath,
    /// The root where it stands again.
    pub side: Option<Side>,
    pub result: Result<(), String>,
}

/// What was removed for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emptied {
    pub files: u64,
    pub bytes: u64,
    pub passed: Vec<Passed>,
}

/// Everything in the trash of one or both roots, at or below `path`, the newest run first. Folders are told where they
/// were deleted themselves and held nothing that is kept.
pub fn list(pair: &Pair, options: &Options, side: Option<Side>, path: &RelPath) -> Result<Listed, Error> {
    let stop = AtomicBool::new(false);
    let session = Session::open(pair, options, Access::LookOnly, Duration::ZERO, &|_| {}, &stop)?;
    // A history that cannot be read hides no version.
    let reader = Reader::open(&pair.state).unwrap_or_default();
    let reasons = Reasons::of(reader.as_ref()).unwrap_or_default();
    let mut listed = Listed::default();
    for at in Side::BOTH.into_iter().filter(|&at| side.is_none_or(|side| side == at)) {
        let root = &*session.roots[at];
        for run in runs(root).map_err(Error::disk_at(at))? {
            let mut held = Vec::new();
            let told = each_below(root, &run, path, &mut |below, node| {
                held.extend(trashed(at, &run, below, node, &reasons));
                Ok(())
            });
            if let Err(error) = told {
                listed.passed.push(passed(at, &run, error)?);
            }
            held.sort_by(|a, b| a.path.cmp(&b.path));
            // A folder with something inside is seen by that.
            let next: Vec<Option<RelPath>> = held.iter().skip(1).map(|next| Some(next.path.clone())).chain([None]).collect();
            let filled = |(held, next): &(Trashed, Option<RelPath>)| next.as_ref().is_some_and(|next| next.is_within(&held.path));
            listed.entries.extend(held.into_iter().zip(next).filter(|pair| !filled(pair)).map(|(held, _)| held));
        }
    }
    listed.entries.sort_by(|a, b| b.run.cmp(&a.run).then_with(|| a.path.cmp(&b.path)));
    Ok(listed)
}

fn trashed(side: Side, run: &Name, path: &RelPath, node: &Node, reasons: &Reasons) -> Option<Trashed> {
    let NodeContent::Plain(content) = &node.content else { return None };
    let kind = content.kind();
    if kind == Kind::Folder && mode_of_kept(node.mode).is_none() {
        return None;
    }
    let at = utc::parse_compact(run)?;
    let (number, reason) = (reasons.number(run), reasons.find(side, run, path).cloned());
    let (host, run) = (host_of(run), run.to_string());
    let (size, mtime) = if kind == Kind::Folder { (0, node.stamp.mtime) } else { (node.stamp.size, node.stamp.mtime) };
    Some(Trashed { side, run, at, host, number, reason, path: path.clone(), size, mtime, kind })
}

/// What belongs to another user, say. A root that is gone is an error.
fn passed(side: Side, run: &Name, error: disk::Error) -> Result<Passed, Error> {
    match error.kind {
        ErrorKind::Gone => Err(Error::disk_at(side)(error)),
        ErrorKind::Denied => Ok(Passed { side, run: run.to_string(), why: "belongs to another user".to_owned() }),
        _ => Ok(Passed { side, run: run.to_string(), why: error.to_string() }),
    }
}

/// A version that may be restored.
struct InTrash {
    side: Side,
    run: Name,
    node: Node,
}

/// Puts the newest trashed version of each path (or the one of `run`, by its number or its folder's name) back to its
/// place, never over anything; of a folder, everything below it. An edit like a user's: the next sync carries it over.
pub fn restore(pair: &Pair, options: &Options, paths: &[RelPath], run: Option<&str>) -> Result<Vec<Restored>, Error> {
    let stop = AtomicBool::new(false);
    let mut session = Session::open(pair, options, Access::Write, Duration::from_secs(5), &|_| {}, &stop)?;
    let wanted = run.map(|run| run_named(&session, run)).transpose()?;
    let (mut results, mut made, mut emptied) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let versions = versions(&session, path, wanted.as_ref())?;
        if versions.is_empty() {
            let result = Err("is in no trash".to_owned());
            results.push(Restored { path: path.clone(), side: None, result });
        }
        for (path, version) in versions {
            let result = put_back(&mut session, &path, &version, &mut made)?;
            let kept = home().join(&version.run).append(&path);
            let folder = version.node.is_folder();
            emptied.extend(if folder { Some(kept) } else { kept.parent() }.map(|kept| (version.side, kept)));
            results.push(Restored { path, side: Some(version.side), result });
        }
    }
    for side in Side::BOTH {
        let root = &*session.roots[side];
        let here: Vec<MadeAgain> = made.iter().filter(|made| made.side == side).cloned().collect();
        finish_made_again(root, &session.traits[side], &here);
        // A name that is on its way from one folder to another is in neither where the first is gone durably before the
        // second is written.
        if options.durability == Durability::Full && !flush_restored(root, side, &mut results, &here) {
            continue;
        }
        let emptied: Vec<RelPath> = emptied.iter().filter(|(at, _)| *at == side).map(|(_, kept)| kept.clone()).collect();
        clear_empty(root, &emptied);
    }
    Ok(results)
}

/// Makes what came back durable; where that fails, says so of each version.
fn flush_restored(root: &dyn Root, side: Side, results: &mut [Restored], made: &[MadeAgain]) -> bool {
    let back = || |restored: &&mut Restored| restored.side == Some(side) && restored.result.is_ok();
    let shown = results.iter_mut().filter(back()).map(|restored| &restored.path).chain(made.iter().map(|made| &made.path));
    let folders = shown.map(|path| path.parent().unwrap_or_default()).collect();
    let Err(error) = flush_names(root, &folders) else { return true };
    for restored in results.iter_mut().filter(back()) {
        restored.result = Err(format!("is back at its place, but a power cut may still undo that: {error}"));
    }
    false
}

fn run_named(session: &Session<'_>, run: &str) -> Result<Name, Error> {
    let by_number = match run.parse::<i64>() {
        Ok(number) => session.store.runs()?.into_iter().find(|run| run.id.0 == number).map(|run| trash_name(&run)),
        Err(_) => None,
    };
    by_number.or_else(|| Name::new(run.as_bytes()).ok()).ok_or_else(|| Error::NoSuchRun(format!("{run:?} is no run")))
}

/// The versions to put back for a path that was asked for, folders before what they hold: the newest of a file, or of
/// everything below a folder; whichever of the two was trashed last.
fn versions(session: &Session<'_>, path: &RelPath, wanted: Option<&Name>) -> Result<BTreeMap<RelPath, InTrash>, Error> {
    let mut newest: BTreeMap<RelPath, InTrash> = BTreeMap::new();
    for side in Side::BOTH {
        let root = &*session.roots[side];
        for run in runs(root).map_err(Error::disk_at(side))? {
            if wanted.is_some_and(|wanted| *wanted != run) {
                continue;
            }
            let mut one = |below: &RelPath, node: &Node| {
                let folder = node.is_folder();
                let newer = newest.get(below).is_none_or(|known| known.run < run);
                if newer && (!folder || mode_of_kept(node.mode).is_some()) {
                    newest.insert(below.clone(), InTrash { side, run: run.clone(), node: node.clone() });
                }
                Ok(())
            };
            match each_below(root, &run, path, &mut one) {
                Err(error) if error.kind == ErrorKind::Denied => {}
                other => other.map_err(Error::disk_at(side))?,
            }
        }
    }
    let itself = newest.get(path).filter(|version| !version.node.is_folder());
    if let Some(run) = itself.map(|version| version.run.clone()) {
        let below = newest.iter().filter(|(below, _)| *below != path).map(|(_, version)| &version.run).max();
        if below.is_none_or(|below| *below <= run) {
            newest.retain(|below, _| below == path);
        } else {
            newest.remove(path);
        }
    }
    leave_companions(session, &mut newest)?;
    Ok(newest)
}

/// What went to the trash beside a database comes back with it or not at all: of another run it is another one's.
fn leave_companions(session: &Session<'_>, chosen: &mut BTreeMap<RelPath, InTrash>) -> Result<(), Error> {
    let owner = |path: &RelPath| Some(path.parent()?.join(&database_of(&path.name()?)?.0));
    let mut owned = Vec::new();
    for path in chosen.keys() {
        let Some(version) = owner(path).and_then(|owner| chosen.get(&owner).map(|version| (owner, version))) else { continue };
        let (owner, InTrash { side, run, .. }) = version;
        let kept = home().join(run).append(&owner);
        if beside::is_database_at(&*session.roots[*side], &kept).map_err(Error::disk_at(*side))? {
            owned.push(path.clone());
        }
    }
    for path in owned {
        chosen.remove(&path);
    }
    Ok(())
}

fn put_back(
    session: &mut Session<'_>,
    path: &RelPath,
    version: &InTrash,
    made: &mut Vec<MadeAgain>,
) -> Result<Result<(), String>, Error> {
    let InTrash { side, run, node } = version;
    let roots = session.roots.clone();
    let root = &*roots[*side];
    let free = match root.look(path, Freshness::Fresh) {
        Ok(there) => there.is_none(),
        Err(error) => error.kind == ErrorKind::Absent,
    };
    if free {
        own_again(&mut session.store, &roots, &session.traits, *side, path)?;
    }
    let folder = node.is_folder();
    match make_folders_again(root, *side, path, folder, run) {
        Ok(again) => made.extend(again),
        Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(*side)(error)),
        Err(error) => return Ok(Err(error.to_string())),
    }
    if folder {
        return Ok(Ok(()));
    }
    match bring_back(root, &session.traits[*side], *side, &home().join(run).append(path), path) {
        Ok(()) => Ok(Ok(())),
        Err(Refused::Path(message)) => Ok(Err(message)),
        Err(Refused::Halt(halt)) => Err(halted(halt)),
    }
}

/// Removes trashed versions for good: all of them, or those of runs older than `older_than`. What another machine put
/// there less than an hour ago stays: it may be at work, and put a version back.
pub fn empty(pair: &Pair, options: &Options, older_than: Option<Duration>, side: Option<Side>) -> Result<Emptied, Error> {
    let stop = AtomicBool::new(false);
    let session = Session::open(pair, options, Access::Write, Duration::from_secs(5), &|_| {}, &stop)?;
    let ours = run_name(now(), &local::host_name());
    let mut emptied = Emptied::default();
    for side in Side::BOTH.into_iter().filter(|&at| side.is_none_or(|side| side == at)) {
        let root = &*session.roots[side];
        let clock = session.clocks[side].earliest();
        for (run, last) in runs_by_age(root).map_err(Error::disk_at(side))? {
            if older_than.is_some_and(|limit| age(&run, now()).is_none_or(|age| age <= limit)) {
                continue;
            }
            let young = clock.0.saturating_sub(last.0) < i64::try_from(SETTLED.as_nanos()).unwrap_or(i64::MAX);
            if host_of(&run) != host_of(&ours) && young {
                let why = "is of another machine that may still be at work; it can be emptied in an hour".to_owned();
                emptied.passed.push(Passed { side, run: run.to_string(), why });
                continue;
            }
            let (mut files, mut bytes) = (0, 0);
            let counted = each(root, &run, &mut |_, node| {
                if !node.is_folder() {
                    files += 1;
                    bytes = u64::saturating_add(bytes, node.stamp.size);
                }
                Ok(())
            });
            match counted.and_then(|()| remove_run(root, &run)) {
                Ok(()) => {
                    emptied.files += files;
                    emptied.bytes = emptied.bytes.saturating_add(bytes);
                }
                Err(error) => emptied.passed.push(passed(side, &run, error)?),
            }
        }
    }
    Ok(emptied)
}
