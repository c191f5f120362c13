//! What has to be there before files can be written: folders, renames, and places that change their kind.
//!
//! In path order and one after the other, so that nothing precedes what it needs.

use super::chunk::{ChunkEnd, carry_chunk, split};
use super::database;
use super::place::{Spot, displace_by_rename, expect_gone, expect_own_name, proves};
use super::restamp::Item;
use super::{Ending, Failure, Halt, Learnt, Outcome, Run, Tally, ending, outcome};
use crate::disk::{self, ErrorKind, Folder, Freshness, Node, Onto};
use crate::model::entry::{Base, Found, Kind, Recorded, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Op};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;

/// A folder that this run made, whose time and mode are set once it is filled.
pub struct Made {
    pub side: Side,
    pub path: RelPath,
    pub from: Found,
    /// It has another mode until it is filled: nothing could be written inside, or the system gave another one.
    late_mode: bool,
}

impl Made {
    /// Is its mode still to be set?
    pub fn waits(&self) -> bool {
        self.late_mode
    }
}

/// What came of one structural action.
#[derive(Default)]
pub struct StructureEnd {
    pub chunk: ChunkEnd,
    pub made: Option<Made>,
    /// A rename that could not be made although nothing is lost: copy instead.
    pub instead: Option<Action>,
}

/// Carries out a folder's write, a kind change or a rename.
pub fn carry_structure(run: &Run<'_>, action: Action) -> Result<StructureEnd, Halt> {
    let mut end = StructureEnd::default();
    let result = match &action.op {
        Op::Write { to, from, expect, revived } if from.entry.is_folder() => {
            make_folder(run, &action, *to, from, expect, *revived).map(|(outcome, made)| {
                end.chunk.outcomes.push(outcome);
                end.made = Some(made);
            })
        }
        Op::Write { .. } | Op::Touch { .. } => {
            end.chunk = carry_chunk(run, vec![action]).map_err(|ended| ended.0)?;
            return Ok(end);
        }
        Op::Rename { side, from, expect, found } => match rename(run, &action, *side, from, expect, found) {
            Err(Failure::At(_, error)) if matches!(error.kind, ErrorKind::Absent | ErrorKind::Unsupported) => {
                end.instead = Some(copy_instead(&action));
                Ok(())
            }
            other => other.map(|item| end.chunk.pending.push(item)),
        },
        Op::Aside { to, expect } => put_aside(run, &action, to, expect).map(|outcome| end.chunk.outcomes.push(outcome)),
        Op::Record { .. } | Op::Forget | Op::Delete { .. } => unreachable!("sorted out by the engine"),
    };
    if let Err(failure) = result {
        let side = action.op.side().expect("folders, renames and kind changes are at a side");
        let brought = match &action.op {
            Op::Write { from, .. } => Some(&**from),
            Op::Rename { found, .. } => Some(&**found),
            _ => None,
        };
        let ending = ending(failure, &action.path, action.why, side, brought)?;
        end.chunk.outcomes.push(outcome(&action, ending));
    }
    Ok(end)
}

fn make_folder(
    run: &Run<'_>,
    action: &Action,
    to: Side,
    from: &Found,
    expect: &Seen,
    revived: bool,
) -> Result<(Outcome, Made), Failure> {
    let at = |error| Failure::At(to, error);
    let (parent, name) = split(&action.path);
    let folder = run.roots[to].folder(&parent).map_err(at)?;
    let spot = Spot { side: to, path: &action.path, folder: &*folder, name: &name };
    let open_mode = from.entry.mode | 0o700;
    let make = || make_at(run, &spot, open_mode);
    let kept = match expect {
        Seen::There(old) => {
            let standing = database::expect_standing(run, &spot, old)?;
            let show = || database::without_beside(run, &spot, &standing.beside, make);
            Some(displace_by_rename(run, &spot, &standing.old, show)?)
        }
        Seen::Absent | Seen::Ignored(_) | Seen::Unknown(_) => {
            make()?;
            None
        }
    };
    let node = folder.look(&name, Freshness::Cached).ok().flatten();
    let mut entry = from.entry.clone();
    // The umask may have taken rights away, and not every bit is taken when a folder is made.
    entry.mode = node.as_ref().map_or(open_mode, |node| node.mode);
    let late_mode = entry.mode != from.entry.mode;
    let base = folder_base(node.map(|node| node.stamp), to, Found { entry, stamp: from.stamp });
    let tally = Tally::Folder { revived };
    let made = Made { side: to, path: action.path.clone(), from: from.clone(), late_mode };
    Ok((outcome(action, Ending::Done { learnt: Learnt::Put(base), tally, kept }), made))
}

/// A folder that somebody made there meanwhile will do.
fn make_at(run: &Run<'_>, spot: &Spot<'_>, mode: u32) -> Result<(), Failure> {
    let at = |error| Failure::At(spot.side, error);
    match spot.folder.make_folder(spot.name, mode) {
        Err(error) if error.kind == ErrorKind::Exists => {
            expect_own_name(run, spot)?;
            let there = spot.folder.look(spot.name, Freshness::Fresh).map_err(at)?.map_or(Seen::Absent, Node::seen);
            if there.is_folder() { Ok(()) } else { Err(Failure::Unexpected(there)) }
        }
        other => other.map_err(at),
    }
}

/// A folder's stamps say nothing that is ever compared; they are kept for the reader of the manifest.
fn folder_base(own: Option<Stamp>, to: Side, from: Found) -> Box<Base> {
    let recorded = |stamp| Some(Recorded { stamp, racy: true });
    let own = own.and_then(recorded);
    let other = recorded(from.stamp);
    let stamps = if to == Side::Staging { PerSide::new(own, other) } else { PerSide::new(other, own) };
    Box::new(Base { entry: from.entry, stamps, sent: None })
}

/// Sets times, and modes that had to wait, of the folders that this run made; the deepest first.
pub fn finish_folders(run: &Run<'_>, made: Vec<Made>) -> Result<Vec<(RelPath, Box<Base>)>, Halt> {
    let mut learnt = Vec::new();
    for Made { side, path, from, late_mode } in made.into_iter().rev() {
        let mode = (late_mode && run.traits[side].modes).then_some(from.entry.mode);
        let touched = run.roots[side].folder(&path).and_then(|folder| folder.touch_self(Some(from.entry.mtime), mode));
        match touched {
            Err(source) if source.kind == ErrorKind::Gone => return Err(Halt::Gone { side, source }),
            Ok(()) if late_mode => {
                let recorded = Some(Recorded { stamp: from.stamp, racy: true });
                learnt.push((path, Box::new(Base { entry: from.entry, stamps: PerSide::new(recorded, recorded), sent: None })));
            }
            // A folder that went away since, or that takes no times: nothing depends on it.
            _ => {}
        }
    }
    Ok(learnt)
}

fn rename(run: &Run<'_>, action: &Action, side: Side, from: &RelPath, expect: &Found, found: &Found) -> Result<Item, Failure> {
    let at = |error| Failure::At(side, error);
    let (old_parent, old_name) = split(from);
    let folder = run.roots[side].folder(&old_parent).map_err(at)?;
    let spot = Spot { side, path: from, folder: &*folder, name: &old_name };
    expect_gone(run, side.other(), from).map_err(|failure| match failure {
        Failure::Unexpected(_) => {
            let message = format!("{from}, from where it was moved, is there again; the next run looks anew");
            Failure::Path(side.other(), ProblemKind::Busy, message)
        }
        other => other,
    })?;
    let standing = database::expect_standing(run, &spot, expect)?;
    database::expect_no_log_at(run, &spot, &action.path)?;
    let node = move_proven(run, side, from, &action.path, expect)?;
    let Some(node) = node else { return Err(Failure::Unexpected(Seen::There(Box::new(found.clone())))) };
    // What lay beside a database holds nothing; it would stay behind as files of its own.
    database::without_beside(run, &spot, &standing.beside, || Ok(()))?;
    let (parent, name) = split(&action.path);
    let folder = run.roots[side].folder(&parent).map_err(at)?;
    let mut wrote = node.stamp;
    if found.entry.kind() == Kind::File {
        wrote.mtime = touch_moved(run, side, &*folder, &name, &node, found)?;
    }
    let mut entry = found.entry.clone();
    if let Some(digest) = expect.entry.digest().or(found.entry.digest()) {
        entry.set_digest(digest);
    }
    Ok(Item::new(run, action, side, entry, Some(found.stamp), wrote, Tally::Renamed))
}

/// Staging's version of a conflict gets a name of its own. The base learns of it with the write that follows.
fn put_aside(run: &Run<'_>, action: &Action, to: &RelPath, expect: &Found) -> Result<Outcome, Failure> {
    let side = Side::Staging;
    let at = |error| Failure::At(side, error);
    let (parent, name) = split(&action.path);
    let folder = run.roots[side].folder(&parent).map_err(at)?;
    let spot = Spot { side, path: &action.path, folder: &*folder, name: &name };
    let beside = database::expect_movable(run, &spot, expect)?;
    database::without_beside(run, &spot, &beside, || Ok(()))?;
    if move_proven(run, side, &action.path, to, expect)?.is_none() {
        let there = folder.look(&name, Freshness::Fresh).map_err(at)?.map_or(Seen::Absent, Node::seen);
        return Err(Failure::Unexpected(there));
    }
    Ok(outcome(action, Ending::Done { learnt: Learnt::Nothing, tally: Tally::Renamed, kept: None }))
}

/// Renames to a free name and looks at what came there; `None` where it was not what was expected, and went back.
pub(crate) fn move_proven(
    run: &Run<'_>,
    side: Side,
    from: &RelPath,
    to: &RelPath,
    expect: &Found,
) -> Result<Option<Node>, Failure> {
    let at = |error| Failure::At(side, error);
    match run.roots[side].rename(from, to, Onto::Nothing) {
        Err(error) if error.kind == ErrorKind::Exists => rename_folded(run, side, from, to, expect, error)?,
        other => other.map_err(at)?,
    }
    let node = run.roots[side].look(to, Freshness::JustNamed).map_err(at)?;
    let proven = node.filter(|node| proves(node, expect, &run.traits[side]));
    if proven.is_none() {
        // RACE: something else took the old name in the last moment. Back it goes; until then, or where the old name is
        // taken again, it stands at the new one. Nothing is lost.
        run.roots[side].rename(to, from, Onto::Nothing).map_err(at)?;
    }
    Ok(proven)
}

/// A rename that a file system which folds names takes for one onto itself: by way of a temporary name. If the new name
/// turns out to be another's, the file goes back.
///
/// RACE: absent between the two renames; after a crash the next run moves it to the trash and writes the new name.
fn rename_folded(
    run: &Run<'_>,
    side: Side,
    from: &RelPath,
    to: &RelPath,
    expect: &Found,
    taken: disk::Error,
) -> Result<(), Failure> {
    let at = |error| Failure::At(side, error);
    let (parent, name) = split(to);
    let folder = run.roots[side].folder(&parent).map_err(at)?;
    let spot = Spot { side, path: to, folder: &*folder, name: &name };
    let Err(folded) = expect_own_name(run, &spot) else {
        return Err(at(taken));
    };
    let temp = parent.join(&run.temp_name(to, &expect.stamp));
    run.roots[side].rename(from, &temp, Onto::Nothing).map_err(at)?;
    run.roots[side].rename(&temp, to, Onto::Nothing).map_err(|error| match run.roots[side].rename(&temp, from, Onto::Nothing) {
        Ok(()) if error.kind == ErrorKind::Exists => folded,
        _ => at(error),
    })
}

/// A moved file takes the time and mode that it has on the side where the user moved it.
fn touch_moved(run: &Run<'_>, side: Side, folder: &dyn Folder, name: &Name, node: &Node, found: &Found) -> Result<Time, Failure> {
    let granularity = run.traits.granularity_ns();
    let mtime = (!node.stamp.mtime.near(found.entry.mtime, granularity)).then_some(found.entry.mtime);
    let modes = run.traits.modes();
    let mode = (modes && node.mode != found.entry.mode).then_some(found.entry.mode);
    if mtime.is_some() || mode.is_some() {
        folder.touch(name, mtime, mode).map_err(|error| Failure::At(side, error))?;
    }
    Ok(mtime.unwrap_or(node.stamp.mtime))
}

/// The old name was gone: write the content instead. (A folder's content follows with the next run.)
fn copy_instead(action: &Action) -> Action {
    let Op::Rename { side, found, .. } = &action.op else { unreachable!("only renames fall back") };
    let op = Op::Write { to: *side, from: found.clone(), expect: Seen::Absent, revived: false };
    Action { path: action.path.clone(), op, why: action.why }
}
