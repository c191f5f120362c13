//! Take back what a run did: what the trash holds returns to its name, what stands there goes to this run's trash.
//!
//! Invariants. A free name is taken without replacing. A version that stands there is displaced by the same proven steps
//! as in a sync. The version that comes back leaves the trash by the very rename that shows it, or stays there, linked,
//! until its new name is durable ([`drop_spent`]). Killed anywhere, both versions are somewhere and the name holds one of
//! them (absent where a sync would leave it so).

use super::chunk::{FLUSH_SINGLY, split};
use super::durable::folder_flushed;
use super::place::{Kept, Spot, displace_by_rename, displace_folder, place};
use super::structure::move_proven;
use super::{Failure, Halt, Run, database, trash};
use crate::disk::beside;
use crate::disk::{self, ErrorKind, Folder, Freshness, Node, Onto, Root};
use crate::model::entry::{Found, Kind, Stamp};
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::time::Time;
use crate::model::traits::Traits;

use std::collections::BTreeSet;

/// Why something was not taken back.
#[derive(Debug)]
pub enum Refused {
    /// This path stays as it is; a sentence without the path.
    Path(String),
    /// The root itself failed.
    Halt(Halt),
}

/// What came back over something.
pub struct Exchanged {
    /// Where this run's trash holds what was displaced.
    pub kept: RelPath,
    /// A second name, in the trash, of what stands at the path now: to be dropped once that is durable.
    pub spent: Kept,
}

/// What the trash holds at `kept` takes its free name again, a database together with its log.
pub fn bring_back(root: &dyn Root, traits: &Traits, side: Side, kept: &RelPath, path: &RelPath) -> Result<(), Refused> {
    return_to((root, traits), side, kept, path).map_err(refused)
}

fn return_to(at: (&dyn Root, &Traits), side: Side, kept: &RelPath, path: &RelPath) -> Result<(), Failure> {
    let show = || at.0.rename(kept, path, Onto::Nothing).map_err(|error| Failure::At(side, error));
    database::with_log_back(at, side, kept, path, show)
}

/// What the trash holds at `kept` takes its name again from `present`, which goes to this run's trash.
pub fn exchange_back(run: &Run<'_>, side: Side, kept: &RelPath, path: &RelPath, present: &Found) -> Result<Exchanged, Refused> {
    exchange(run, side, kept, path, present).map_err(refused)
}

fn exchange(run: &Run<'_>, side: Side, kept: &RelPath, path: &RelPath, present: &Found) -> Result<Exchanged, Failure> {
    let at = |error| Failure::At(side, error);
    let (parent, name) = split(path);
    let folder = run.roots[side].folder(&parent).map_err(at)?;
    let spot = Spot { side, path, folder: &*folder, name: &name };
    let root = &*run.roots[side];
    let back = || return_to((root, &run.traits[side]), side, kept, path);
    if present.entry.is_folder() {
        let kept = displace_folder(run, &spot, present, back)?;
        return Ok(Exchanged { kept, spent: None });
    }
    let standing = database::expect_standing(run, &spot, present)?;
    let alone = standing.beside.is_empty() && !database::kept_log(root, side, kept)?;
    if alone && beside::is_database_at(root, kept).map_err(at)? {
        database::expect_no_foreign_log(side, &*folder, &name)?;
    }
    if alone && let Some((temp, wrote)) = link_beside(run, &spot, kept, present)? {
        let displaced = place(run, &spot, &temp, &wrote, &Seen::There(Box::new(present.clone())))?;
        let displaced = displaced.expect("a file was displaced, so it is kept");
        return Ok(Exchanged { kept: displaced, spent: Some(kept.clone()) });
    }
    let show = || database::without_beside(run, &spot, &standing.beside, back);
    let kept = displace_by_rename(run, &spot, &standing.old, show)?;
    Ok(Exchanged { kept, spent: None })
}

/// A second name for what the trash holds, beside its target, so that the two can be exchanged in one step; `None` where
/// that cannot be had.
fn link_beside(run: &Run<'_>, spot: &Spot<'_>, kept: &RelPath, present: &Found) -> Result<Option<(Name, Stamp)>, Failure> {
    let side = spot.side;
    let node = run.roots[side].look(kept, Freshness::Fresh).map_err(|error| Failure::At(side, error))?;
    let Some(node) = node.filter(Node::is_file) else { return Ok(None) };
    if !run.traits[side].hard_links || present.entry.kind() != Kind::File {
        return Ok(None);
    }
    let temp = run.temp_name(spot.path, &node.stamp);
    let beside = spot.path.parent().unwrap_or_default().join(&temp);
    let linked = match run.roots[side].link(kept, &beside) {
        // Of a run that was killed.
        Err(error) if error.kind == ErrorKind::Exists => {
            trash::set_temp_aside(run, side, spot.path, &temp)?;
            run.roots[side].link(kept, &beside)
        }
        other => other,
    };
    match linked {
        Ok(()) => Ok(Some((temp, node.stamp))),
        // Another user's file (protected_hardlinks), or one that has as many names as it may have.
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Other) => Ok(None),
        Err(error) => Err(Failure::At(side, error)),
    }
}

/// What an exchange that was killed half-way left under a temporary name goes to this run's trash.
pub fn clear_half_done(run: &Run<'_>, side: Side, path: &RelPath) -> Result<(), Refused> {
    let cleared = || {
        let at = |error| Failure::At(side, error);
        let (parent, name) = split(path);
        let folder = run.roots[side].folder(&parent).map_err(at)?;
        let Some(node) = folder.look(&name, Freshness::Fresh).map_err(at)? else { return Ok(()) };
        let temp = run.temp_name(path, &node.stamp);
        match folder.look(&temp, Freshness::Fresh).map_err(at)? {
            Some(_) => trash::set_temp_aside(run, side, path, &temp),
            None => Ok(()),
        }
    };
    cleared().map_err(refused)
}

/// The trash's second name of a version that stands at its path, durably, goes.
pub fn drop_spent(run: &Run<'_>, side: Side, spent: &RelPath) {
    // What stays is one version more in the trash.
    if let Err(Failure::At(_, error)) = trash::take_back(run, side, spent) {
        tracing::debug!(%spent, %error, "stays in the trash as well");
    }
}

/// What was renamed takes its old name, which is free.
pub fn move_back(run: &Run<'_>, side: Side, from: &RelPath, to: &RelPath, present: &Found) -> Result<(), Refused> {
    let moved = || {
        let (parent, name) = split(from);
        let folder = run.roots[side].folder(&parent).map_err(|error| Failure::At(side, error))?;
        let spot = Spot { side, path: from, folder: &*folder, name: &name };
        let beside = database::expect_movable(run, &spot, present)?;
        database::expect_no_log_at(run, &spot, to)?;
        move_proven(run, side, from, to, present)?.ok_or(Failure::Unexpected(Seen::Absent))?;
        database::without_beside(run, &spot, &beside, || Ok(()))
    };
    moved().map_err(refused)
}

/// What an undo had brought back goes to this run's trash; a folder only where nothing is left inside.
pub fn take_away(run: &Run<'_>, side: Side, path: &RelPath, present: &Found) -> Result<RelPath, Refused> {
    let taken = || {
        let at = |error| Failure::At(side, error);
        let (parent, name) = split(path);
        let folder = run.roots[side].folder(&parent).map_err(at)?;
        if present.entry.is_folder() {
            let kept = trash::folder_for(run, side, path)?;
            folder.remove_folder(&name).map_err(at)?;
            trash::keep_looks(run, side, &kept, present);
            return Ok(kept);
        }
        let spot = Spot { side, path, folder: &*folder, name: &name };
        let standing = database::expect_standing(run, &spot, present)?;
        let aside = || database::without_beside(run, &spot, &standing.beside, || Ok(()));
        displace_by_rename(run, &spot, &standing.old, aside)
    };
    taken().map_err(refused)
}

fn refused(failure: Failure) -> Refused {
    match failure {
        Failure::Stopped => Refused::Halt(Halt::Stopped),
        Failure::Path(_, _, message) => Refused::Path(message),
        Failure::Torn(..) => Refused::Path("is being written to; nothing was moved".to_owned()),
        Failure::Unexpected(_) => Refused::Path("was changed in this very moment; nothing was moved".to_owned()),
        Failure::At(side, source) => match source.kind {
            ErrorKind::Gone => Refused::Halt(Halt::Gone { side, source }),
            ErrorKind::Full => Refused::Halt(Halt::Full { side, source }),
            ErrorKind::Exists => Refused::Path("something stands at its place; move that away first".to_owned()),
            ErrorKind::NotEmpty => Refused::Path("is not empty any more; it stays".to_owned()),
            _ => Refused::Path(format!("cannot {}: {}", source.op, source.source)),
        },
    }
}

/// A folder that was made again; its time and mode are set once it is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeAgain {
    pub side: Side,
    pub path: RelPath,
    /// As the trash shows them; `None` where it has the folder only for what it holds.
    looks: Option<(Time, u32)>,
}

/// Makes the missing folders above `path`, or with `itself` that folder too, looking like those that the run `trashed`
/// keeps. A link or file in their place is an error: nothing is followed and nothing replaced.
pub fn make_folders_again(
    root: &dyn Root,
    side: Side,
    path: &RelPath,
    itself: bool,
    trashed: &Name,
) -> disk::Result<Vec<MadeAgain>> {
    let mut wanted = path.ancestors();
    wanted.retain(|folder| !folder.is_root());
    wanted.extend(itself.then(|| path.clone()));
    let mut made = Vec::new();
    for path in wanted {
        let (parent, name) = split(&path);
        let folder = root.folder(&parent)?;
        if let Some(node) = folder.look(&name, Freshness::Fresh)? {
            if !node.is_folder() {
                let source = std::io::Error::other("something else stands where its folder was");
                return Err(disk::Error::new("make the folder of", &name, ErrorKind::WrongKind, source));
            }
            continue;
        }
        let looks = looks(root, &path, trashed)?;
        match folder.make_folder(&name, looks.map_or(0o777, |(_, mode)| mode | 0o700)) {
            Ok(()) => made.push(MadeAgain { side, path, looks }),
            // Somebody made it meanwhile: it is theirs.
            Err(error) if error.kind == ErrorKind::Exists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

/// How a folder looked when it went to the trash.
fn looks(root: &dyn Root, path: &RelPath, trashed: &Name) -> disk::Result<Option<(Time, u32)>> {
    let node = match root.look(&trash::home().join(trashed).append(path), Freshness::Cached) {
        Err(error) if matches!(error.kind, ErrorKind::Absent | ErrorKind::WrongKind) => return Ok(None),
        other => other?.filter(Node::is_folder),
    };
    Ok(node.and_then(|node| Some((node.stamp.mtime, trash::mode_of_kept(node.mode)?))))
}

/// Sets times and modes of folders that were made again and are filled now; the deepest first.
pub fn finish_made_again(root: &dyn Root, traits: &Traits, made: &[MadeAgain]) {
    for MadeAgain { path, looks, .. } in made.iter().rev() {
        let Some((mtime, mode)) = looks else { continue };
        // A folder that went away since, or that takes no times: nothing depends on it.
        let folder: disk::Result<Box<dyn Folder>> = root.folder(path);
        let _ = folder.and_then(|folder| folder.touch_self(Some(*mtime), traits.modes.then_some(*mode)));
    }
}

/// Makes what these folders got durable.
pub fn flush_names(root: &dyn Root, folders: &BTreeSet<RelPath>) -> disk::Result<()> {
    if folders.len() > FLUSH_SINGLY {
        match root.flush_all() {
            Err(error) if error.kind == ErrorKind::Unsupported => {}
            other => return other,
        }
    }
    folders.iter().try_for_each(|path| folder_flushed(root.folder(path).and_then(|folder| folder.flush())))
}

/// Removes folders of a run's trash that hold nothing any more, and those above them up to the run's own.
pub fn clear_empty(root: &dyn Root, folders: &[RelPath]) {
    let mut folders = folders.to_vec();
    folders.sort();
    folders.dedup();
    for folder in folders.into_iter().rev() {
        let mut above = Some(folder);
        while let Some(path) = above.take().filter(|path| path.is_within(&trash::home()) && *path != trash::home()) {
            let (parent, name) = split(&path);
            // One that is not empty stays, and all above it.
            if root.folder(&parent).and_then(|folder| folder.remove_folder(&name)).is_ok() {
                above = Some(parent);
            }
        }
    }
}
