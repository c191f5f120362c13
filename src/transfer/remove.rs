//! Deletes: everything goes to the trash, children before their folder, and a folder with anything left inside stays.

use super::chunk::{Opened, split};
use super::place::{Kept, Spot, displace_by_rename, expect_gone, to_trash};
use super::{Ending, Failure, Halt, Learnt, Outcome, Run, Tally, database, ending, outcome, trash};
use crate::disk::{ErrorKind, Folder, Node};
use crate::model::entry::{Found, Kind};
use crate::model::finding::Note;
use crate::model::ignore::{Patterns, Verdict, is_own_name};
use crate::model::listing::{Item, Seen};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op};
use crate::model::side::Side;

use std::sync::atomic::Ordering;

/// Carries out deletes given in path order, from the last to the first; tells each outcome as it comes. Files that do not lie
/// beside a database can be parted among several callers.
pub fn delete_each(
    run: &Run<'_>,
    patterns: &Patterns,
    actions: &[Action],
    tell: &mut dyn FnMut(Outcome) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let mut open = Opened::default();
    for action in actions.iter().rev() {
        if run.stop.load(Ordering::Relaxed) {
            return Err(Halt::Stopped);
        }
        let Op::Delete { side, expect, .. } = &action.op else { unreachable!("only deletes come here") };
        let result = match expect.entry.kind() {
            Kind::Folder => {
                // Windows keeps the name of a removed folder as long as a handle of it is open.
                open = Opened::default();
                remove_folder(run, patterns, &action.path, *side, expect)
            }
            Kind::File | Kind::Link => remove_file(run, &mut open, &action.path, *side, expect),
        };
        let ending = match result {
            Ok(ending) => ending,
            Err(failure) => ending(failure, &action.path, action.why, *side, None)?,
        };
        tell(outcome(action, ending))?;
    }
    Ok(())
}

fn gone(tally: Tally, kept: Kept) -> Ending {
    Ending::Done { learnt: Learnt::Forget, tally, kept }
}

fn remove_file(run: &Run<'_>, open: &mut Opened, path: &RelPath, side: Side, expect: &Found) -> Result<Ending, Failure> {
    if let Err(failure) = expect_gone(run, side.other(), path) {
        return back_again(failure, path);
    }
    let (parent, name) = split(path);
    let folder = match open.at(run, side, &parent) {
        Err(error) if error.kind == ErrorKind::Absent => return Ok(gone(Tally::DeletedFile, None)),
        other => other.map_err(|error| Failure::At(side, error))?,
    };
    let spot = Spot { side, path, folder, name: &name };
    let standing = match database::expect_standing(run, &spot, expect) {
        Err(Failure::Unexpected(Seen::Absent)) => return Ok(gone(Tally::DeletedFile, None)),
        Err(Failure::Unexpected(_)) => return Ok(changed(path)),
        other => other?,
    };
    // The log after the database, which at no moment stands without it; where the log cannot go both stay.
    let aside = || database::without_beside(run, &spot, &standing.beside, || Ok(()));
    let kept = match displace_by_rename(run, &spot, &standing.old, aside) {
        Err(Failure::Unexpected(_)) => return Ok(changed(path)),
        other => other?,
    };
    Ok(gone(Tally::DeletedFile, Some(kept)))
}

/// It stands where it was believed to be deleted.
fn back_again(failure: Failure, path: &RelPath) -> Result<Ending, Failure> {
    match failure {
        Failure::Unexpected(_) => {
            let message = "is there again on the side that had deleted it; the next run looks anew".to_owned();
            Ok(Ending::Later(Note { path: path.clone(), message }))
        }
        other => Err(other),
    }
}

/// An edit against a delete: the edit wins, with the next run.
fn changed(path: &RelPath) -> Ending {
    Ending::Later(Note { path: path.clone(), message: "was changed just before it was to be deleted; it stays".to_owned() })
}

fn remove_folder(run: &Run<'_>, patterns: &Patterns, path: &RelPath, side: Side, expect: &Found) -> Result<Ending, Failure> {
    let at = |error| Failure::At(side, error);
    if let Err(failure) = expect_gone(run, side.other(), path) {
        return back_again(failure, path);
    }
    let (parent, name) = split(path);
    let folder = match run.roots[side].folder(&parent) {
        Err(error) if error.kind == ErrorKind::Absent => return Ok(gone(Tally::DeletedFolder, None)),
        other => other.map_err(at)?,
    };
    let kept = trash::folder_for(run, side, path)?;
    if let Err(error) = folder.remove_folder(&name) {
        match error.kind {
            ErrorKind::Absent => return Ok(gone(Tally::DeletedFolder, None)),
            ErrorKind::NotEmpty => {}
            _ => return Err(at(error)),
        }
        if !clear_junk(run, patterns, path, side)? {
            let message = "stays, because something in it is not to be deleted".to_owned();
            return Ok(Ending::Later(Note { path: path.clone(), message }));
        }
        folder.remove_folder(&name).map_err(at)?;
    }
    trash::keep_looks(run, side, &kept, expect);
    Ok(gone(Tally::DeletedFolder, Some(kept)))
}

/// Moves built-in junk out of a folder that goes; false where anything else is inside, which is then left alone.
fn clear_junk(run: &Run<'_>, patterns: &Patterns, path: &RelPath, side: Side) -> Result<bool, Failure> {
    let at = |error| Failure::At(side, error);
    let folder: Box<dyn Folder> = run.roots[side].folder(path).map_err(at)?;
    let listing = folder.list().map_err(at)?;
    let junk = |item: &Item<Node>| {
        let verdict = patterns.verdict(&path.join(&item.name), item.value.is_folder());
        is_own_name(&item.name) || verdict == Verdict::Junk
    };
    if !listing.iter().all(junk) {
        return Ok(false);
    }
    for item in listing {
        let below = path.join(&item.name);
        to_trash(run, &Spot { side, path: &below, folder: &*folder, name: &item.name }, |_, _| Ok(true))?;
    }
    Ok(true)
}
