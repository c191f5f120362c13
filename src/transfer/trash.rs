//! The trash of a root: `.driftless/trash/<run>/<path>`, on the root's own file system so that keeping is a rename.

use super::{Failure, Run};
use crate::disk::{ErrorKind, Freshness, Node, Onto, Root};
use crate::model::entry::Found;
use crate::model::ignore::OWN_FOLDER;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The folders of a run's trash on one side.
#[derive(Debug, Default)]
pub struct Made {
    /// This run has made them already.
    there: HashSet<RelPath>,
    /// Of these, what was made ahead and nobody has needed yet.
    spare: HashSet<RelPath>,
}

impl Made {
    /// Somebody is about to keep something in `folder`.
    fn need(&mut self, folder: &RelPath) {
        if !self.spare.is_empty() {
            for needed in std::iter::successors(Some(folder.clone()), RelPath::parent) {
                self.spare.remove(&needed);
            }
        }
    }
}

/// `.driftless/trash`.
pub fn home() -> RelPath {
    RelPath::root().join(OWN_FOLDER).join(b"trash")
}

/// Moves what lies under a temporary name beside `path` to the trash.
pub(crate) fn set_temp_aside(run: &Run<'_>, side: Side, path: &RelPath, temp: &Name) -> Result<(), Failure> {
    let at = path.parent().unwrap_or_default().join(temp);
    take(run, side, &at, &at).map(drop)
}

/// Moves what stands at `from` to this run's trash, as a version of `path`. Returns where it is kept.
pub(crate) fn take(run: &Run<'_>, side: Side, from: &RelPath, path: &RelPath) -> Result<RelPath, Failure> {
    keep(run, side, path, |kept| run.roots[side].rename(from, kept, Onto::Nothing))
}

/// `give` gives a version of `path` a free name in this run's trash, and refuses one that is taken; the folders are made. So
/// no call looks for a free one, which nearly every name is.
pub(crate) fn keep(
    run: &Run<'_>,
    side: Side,
    path: &RelPath,
    give: impl Fn(&RelPath) -> crate::disk::Result<()>,
) -> Result<RelPath, Failure> {
    let parent = folder_for(run, side, &path.parent().unwrap_or_default())?;
    let name = path.name().expect("the root is never trashed");
    let mut kept = parent.join(&name);
    let mut given = give(&kept);
    for again in 2..1_000 {
        if !matches!(&given, Err(error) if error.kind == ErrorKind::Exists) {
            break;
        }
        kept = parent.join(&numbered(&name, again));
        given = give(&kept);
    }
    given.map(|()| kept).map_err(|error| Failure::At(side, error))
}

/// A second version of one name in one run.
fn numbered(name: &Name, again: u32) -> Name {
    let suffix = format!("~{again}");
    let room = 255 - suffix.len();
    let stem = &name.as_bytes()[..name.len().min(room)];
    Name::new(&[stem, suffix.as_bytes()].concat()).expect("a name with a suffix is a name")
}

/// The folder in this run's trash that stands for `path`, made where it is not there yet. Several workers may make one at a time:
/// nobody waits for another one's round trips, but for the run's own folder, which all need first.
pub(crate) fn folder_for(run: &Run<'_>, side: Side, path: &RelPath) -> Result<RelPath, Failure> {
    let top = home().join(&run.trash_name);
    let wanted = top.append(path);
    let root = &*run.roots[side];
    let made = || run.trash_made[side].lock().unwrap_or_else(PoisonError::into_inner);
    let make = || -> crate::disk::Result<()> {
        let mut known = made();
        known.need(&wanted);
        if known.there.contains(&wanted) {
            return Ok(());
        }
        if !known.there.contains(&top) {
            make_folders(root, &top)?;
            known.there.insert(top.clone());
        }
        drop(known);
        match make_below(root, &top, path, &made) {
            // Somebody took away what was made before.
            Err(error) if error.kind == ErrorKind::Absent => {
                made().there.clear();
                make_folders(root, &wanted)
            }
            other => other,
        }
    };
    make().map_err(|error| Failure::At(side, error))?;
    Ok(wanted)
}

/// Makes folders of a run's trash before anybody needs them, one after the other until `over`. What fails is tried again, and told,
/// by who needs it.
pub fn make_ahead(root: &dyn Root, trash_name: &Name, paths: &BTreeSet<RelPath>, over: &AtomicBool) -> Made {
    let (top, made) = (home().join(trash_name), Mutex::new(Made::default()));
    let known = || made.lock().unwrap_or_else(PoisonError::into_inner);
    if make_folders(root, &top).is_ok() {
        known().there.insert(top.clone());
        for path in paths {
            if over.load(Ordering::Relaxed) {
                break;
            }
            match make_below(root, &top, path, &known) {
                Err(error) if error.kind == ErrorKind::Gone => break,
                _ => {}
            }
        }
    }
    let there = made.into_inner().unwrap_or_else(PoisonError::into_inner).there;
    Made { spare: there.clone(), there }
}

/// Removes what was made ahead for nothing: a run of which the trash has nothing would pass for the newest one, which stays
/// whatever it weighs. What somebody has put something into stays.
pub fn remove_spare(root: &dyn Root, made: &mut Made) {
    let mut spare: Vec<RelPath> = made.spare.drain().collect();
    spare.sort();
    for folder in spare.iter().rev() {
        let (parent, name) = super::chunk::split(folder);
        match root.folder(&parent).and_then(|parent| parent.remove_folder(&name)) {
            Err(error) if error.kind == ErrorKind::Gone => break,
            _ => {}
        }
    }
}

/// Makes the folders of `path` below `top`, which is there, from the first that was not made yet: none is asked for before.
fn make_below<'a>(
    root: &dyn Root,
    top: &RelPath,
    path: &RelPath,
    made: &impl Fn() -> MutexGuard<'a, Made>,
) -> crate::disk::Result<()> {
    let mut above = top.clone();
    for name in path.names() {
        let folder = above.join(name);
        if !made().there.contains(&folder) {
            let name = folder.name().expect("a folder below another one has a name");
            match root.folder(&above)?.make_folder(&name, BARE) {
                Err(error) if error.kind != ErrorKind::Exists => return Err(error),
                _ => made().there.insert(folder.clone()),
            };
        }
        above = folder;
    }
    Ok(())
}

/// Makes a folder and those above it. `.driftless` and the trash are for everybody who may write the root; what a run
/// keeps there, and folders that a restored file needs, have the rights of who runs it.
pub fn make_folders(root: &dyn Root, wanted: &RelPath) -> crate::disk::Result<()> {
    let mut missing = vec![wanted.clone()];
    while let Some(made) = missing.last().cloned() {
        let (Some(parent), Some(name)) = (made.parent(), made.name()) else { return Ok(()) };
        match root.folder(&parent) {
            Ok(folder) => {
                let shared = home();
                let mode = if shared.is_within(&made) {
                    0o775
                } else if made.is_within(&shared) {
                    BARE
                } else {
                    0o777
                };
                match folder.make_folder(&name, mode) {
                    Err(error) if error.kind != ErrorKind::Exists => return Err(error),
                    _ => missing.pop(),
                };
            }
            Err(error) if error.kind == ErrorKind::Absent && !parent.is_root() => missing.push(parent),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The trashed folder looks like the one that went; a nicety for who restores it.
pub(crate) fn keep_looks(run: &Run<'_>, side: Side, kept: &RelPath, expect: &Found) {
    let mode = run.traits[side].modes.then_some(marked(expect.entry.mode | 0o700));
    let _ = run.roots[side].folder(kept).and_then(|folder| folder.touch_self(Some(expect.entry.mtime), mode));
}

/// The mode of a folder that the trash has only for what it holds.
const BARE: u32 = 0o700;
/// Tells a folder that had that very mode itself.
const MARK: u32 = 0o1000;

fn marked(mode: u32) -> u32 {
    if mode == BARE { mode | MARK } else { mode }
}

/// The mode that a folder in the trash had at its place; `None` for one that is there only for what it holds.
pub fn mode_of_kept(mode: u32) -> Option<u32> {
    match mode & 0o7777 {
        BARE => None,
        mode if mode == BARE | MARK => Some(BARE),
        mode => Some(mode),
    }
}

/// What the trash holds at `kept`, to where it was brought just now, really looked at.
pub(crate) fn look(run: &Run<'_>, side: Side, kept: &RelPath) -> Result<Option<Node>, Failure> {
    run.roots[side].look(kept, Freshness::JustNamed).map_err(|error| Failure::At(side, error))
}

/// Takes a link back out of the trash: the same file stands at its own path.
pub(crate) fn take_back(run: &Run<'_>, side: Side, kept: &RelPath) -> Result<(), Failure> {
    let (parent, name) = super::chunk::split(kept);
    let folder = run.roots[side].folder(&parent).map_err(|error| Failure::At(side, error))?;
    folder.remove_file(&name).map_err(|error| Failure::At(side, error))
}

/// Was anything below a folder in the trash changed, added or removed since the run began? By the root's own clock; a
/// rename moves no time below the folder itself.
pub(crate) fn changed_since_start(run: &Run<'_>, side: Side, kept: &RelPath) -> Result<bool, Failure> {
    let traits = &run.traits[side];
    let start = run.clocks[side].earliest();
    // Within one step of the clock a change shows the time of the start itself.
    let young = |node: &Node, top: bool| {
        let ctime = traits.ctime && !top && node.stamp.ctime.0 >= start.0;
        ctime || node.stamp.mtime.0 >= start.0
    };
    let mut open = vec![kept.clone()];
    if look(run, side, kept)?.is_some_and(|node| young(&node, true)) {
        return Ok(true);
    }
    while let Some(path) = open.pop() {
        let folder = run.roots[side].folder(&path).map_err(|error| Failure::At(side, error))?;
        for item in folder.list().map_err(|error| Failure::At(side, error))? {
            if young(&item.value, false) {
                return Ok(true);
            }
            if item.value.is_folder() {
                open.push(path.join(&item.name));
            }
        }
    }
    Ok(false)
}
