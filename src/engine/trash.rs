//! The trash as its user sees it: what it holds, back to its place, away for good.

use super::error::Error;
use super::open::{Access, Session, now};
use super::request::{Options, Pair};
use crate::disk::{self, ErrorKind, Folder, Freshness, Node, NodeContent, Onto, Root};
use crate::model::conflict::host_word;
use crate::model::entry::{Content, Kind};
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::time::Time;
use crate::model::utc;
use crate::transfer::trash::home;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One version in a trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    pub side: Side,
    /// The run that put it there; begins with its UTC time.
    pub run: String,
    pub path: RelPath,
    /// Bytes.
    pub size: u64,
    pub mtime: Time,
    pub kind: Kind,
}

/// What came of one path to be restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub path: RelPath,
    pub result: Result<(), String>,
}

/// What was removed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emptied {
    pub files: u64,
    pub bytes: u64,
}

/// Everything in the trash of one or both roots, newest run first.
pub fn list(pair: &Pair, options: &Options, side: Option<Side>) -> Result<Vec<Trashed>, Error> {
    let stop = AtomicBool::new(false);
    let session = Session::open(pair, options, Access::LookOnly, Duration::ZERO, &|_| {}, &stop)?;
    let mut all = Vec::new();
    for at in Side::BOTH.into_iter().filter(|&at| side.is_none_or(|side| side == at)) {
        let root = &*session.roots[at];
        for run in runs(root).map_err(Error::disk_at(at))? {
            each(root, &run, &mut |path, node| {
                let NodeContent::Plain(content) = &node.content else { return Ok(()) };
                let (run, kind) = (run.to_string(), content.kind());
                all.push(Trashed { side: at, run, path: path.clone(), size: node.stamp.size, mtime: node.stamp.mtime, kind });
                Ok(())
            })
            .map_err(Error::disk_at(at))?;
        }
    }
    all.retain(|trashed| trashed.kind != Kind::Folder);
    all.sort_by(|a, b| b.run.cmp(&a.run).then_with(|| a.path.cmp(&b.path)));
    Ok(all)
}

/// Puts the newest trashed version of each path (or the one of `run`) back to its place, never over anything. An edit
/// like a user's: the next sync carries it to the other side.
pub fn restore(pair: &Pair, options: &Options, paths: &[RelPath], run: Option<&str>) -> Result<Vec<Restored>, Error> {
    let stop = AtomicBool::new(false);
    let session = Session::open(pair, options, Access::Write, Duration::from_secs(5), &|_| {}, &stop)?;
    let mut results = Vec::new();
    for path in paths {
        let mut versions: Vec<(Side, Name)> = Vec::new();
        for side in Side::BOTH {
            let root = &*session.roots[side];
            for found in runs(root).map_err(Error::disk_at(side))? {
                let asked = run.is_none_or(|run| found.to_string() == run);
                if asked && stands(root, &home().join(&found).append(path)).map_err(Error::disk_at(side))? {
                    versions.push((side, found));
                }
            }
        }
        versions.sort_by(|a, b| a.1.cmp(&b.1));
        let result = match versions.pop() {
            None => Err("is in no trash".to_owned()),
            Some((side, found)) => put_back(&*session.roots[side], &found, path),
        };
        results.push(Restored { path: path.clone(), result });
    }
    Ok(results)
}

fn put_back(root: &dyn Root, run: &Name, path: &RelPath) -> Result<(), String> {
    let made = match path.parent() {
        Some(parent) if !parent.is_root() => crate::transfer::trash::make_folders(root, &parent),
        _ => Ok(()),
    };
    let kept = home().join(run).append(path);
    made.and_then(|()| root.rename(&kept, path, Onto::Nothing)).map_err(|error| match error.kind {
        ErrorKind::Exists => "something stands at its place; move that away first".to_owned(),
        _ => error.to_string(),
    })
}

fn stands(root: &dyn Root, path: &RelPath) -> disk::Result<bool> {
    let Some((parent, name)) = path.parent().zip(path.name()) else { return Ok(false) };
    match root.folder(&parent) {
        Ok(folder) => Ok(folder.look(&name, Freshness::Fresh)?.is_some()),
        Err(error) if matches!(error.kind, ErrorKind::Absent | ErrorKind::WrongKind) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes trashed versions for good: all of them, or those of runs older than `older_than`.
pub fn empty(pair: &Pair, options: &Options, older_than: Option<Duration>) -> Result<Emptied, Error> {
    let stop = AtomicBool::new(false);
    let session = Session::open(pair, options, Access::Write, Duration::from_secs(5), &|_| {}, &stop)?;
    let mut emptied = Emptied::default();
    for side in Side::BOTH {
        let root = &*session.roots[side];
        for run in runs(root).map_err(Error::disk_at(side))? {
            let due = older_than.is_none_or(|limit| age(&run, now()).is_some_and(|age| age > limit));
            if due {
                each(root, &run, &mut |_, node| {
                    if node.content != NodeContent::Plain(Content::Folder) {
                        emptied.files += 1;
                        emptied.bytes += node.stamp.size;
                    }
                    Ok(())
                })
                .map_err(Error::disk_at(side))?;
                remove_run(root, &run).map_err(Error::disk_at(side))?;
            }
        }
    }
    Ok(emptied)
}

/// The runs that have something in this root's trash.
pub(super) fn runs(root: &dyn Root) -> disk::Result<Vec<Name>> {
    match root.folder(&home()) {
        Ok(folder) => Ok(folder.list()?.into_iter().map(|item| item.name).collect()),
        Err(error) if error.kind == ErrorKind::Absent => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The runs with the time of their last change at the top, the youngest first.
pub(super) fn runs_by_age(root: &dyn Root) -> disk::Result<Vec<(Name, Time)>> {
    let mut runs: Vec<(Name, Time)> = match root.folder(&home()) {
        Ok(folder) => folder.list()?.into_iter().map(|item| (item.name, item.value.stamp.mtime)).collect(),
        Err(error) if error.kind == ErrorKind::Absent => Vec::new(),
        Err(error) => return Err(error),
    };
    runs.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    Ok(runs)
}

/// How long ago the run was, by the time in its name; `None` for a name that is not ours.
pub(super) fn age(run: &Name, now: Time) -> Option<Duration> {
    let then = Duration::from_nanos(u64::try_from(utc::parse_compact(run)?.0).ok()?);
    let now = Duration::from_nanos(u64::try_from(now.0).ok()?);
    Some(now.saturating_sub(then))
}

/// The name of a run's folder: its UTC time, then the host.
pub(super) fn run_name(started: Time, host: &str) -> Name {
    let compact = utc::compact(started);
    let host = host_word(host);
    let part = started.parts().1 / 1_000;
    Name::new(format!("{compact}-{host}-{part:06}").as_bytes()).expect("digits and letters make a name")
}

/// Bytes that a run's folder holds.
pub(super) fn size(root: &dyn Root, run: &Name) -> disk::Result<u64> {
    let mut bytes = 0;
    each(root, run, &mut |_, node| {
        bytes += node.stamp.size;
        Ok(())
    })?;
    Ok(bytes)
}

/// Everything below a run's folder, folders before what they hold.
pub(super) fn each(root: &dyn Root, run: &Name, tell: &mut dyn FnMut(&RelPath, &Node) -> disk::Result<()>) -> disk::Result<()> {
    let top = home().join(run);
    let mut open = vec![RelPath::root()];
    while let Some(path) = open.pop() {
        for item in root.folder(&top.append(&path))?.list()? {
            let below = path.join(&item.name);
            tell(&below, &item.value)?;
            if item.value.content == NodeContent::Plain(Content::Folder) {
                open.push(below);
            }
        }
    }
    Ok(())
}

/// Removes a run's folder from the trash, links never followed.
pub(super) fn remove_run(root: &dyn Root, run: &Name) -> disk::Result<()> {
    let trash = root.folder(&home())?;
    clear(root, &home().join(run))?;
    trash.remove_folder(run)
}

fn clear(root: &dyn Root, path: &RelPath) -> disk::Result<()> {
    let folder: Box<dyn Folder> = root.folder(path)?;
    for item in folder.list()? {
        if item.value.content == NodeContent::Plain(Content::Folder) {
            let below = path.join(&item.name);
            // A folder that came to the trash without the right to change it.
            let _ = root.folder(&below).and_then(|folder| folder.touch_self(None, Some(0o700)));
            clear(root, &below)?;
            folder.remove_folder(&item.name)?;
        } else {
            folder.remove_file(&item.name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_knows_its_age() {
        let started = Time::from_parts(1_700_000_000, 5_000);
        let name = run_name(started, "lab 7.example/..");
        assert_eq!(name.to_string(), "20231114T221320Z-lab7example-000005");
        assert_eq!(age(&name, Time::from_parts(1_700_000_060, 0)), Some(Duration::from_secs(60)));
        assert_eq!(age(&Name::new(b"something else").expect("a name"), started), None);
    }
}
