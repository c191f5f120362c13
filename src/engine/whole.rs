//! Folders that are carried as one (`whole`): not at all while their program is at work in them, and one conflict where
//! both sides changed them.

use super::clock::now_at;
use super::error::Error;
use super::open::Session;
use super::request::Request;
use crate::disk::{self, ErrorKind, Folder, Node, NodeContent, Root};
use crate::model::change::Compare;
use crate::model::conflict::Policy;
use crate::model::entry::{Content, Entry, Kind};
use crate::model::finding::{Note, Problem, ProblemKind};
use crate::model::ignore::is_own_name;
use crate::model::listing::{Difference, Seen, Unknown};
use crate::model::path::RelPath;
use crate::model::plan::Plan;
use crate::model::reconcile::{Rules, reconcile};
use crate::model::side::{PerSide, Side};
use crate::model::target::Target;
use crate::model::time::Time;
use crate::model::vouch::Clock;
use crate::model::whole::{self, Folded, Names};
use crate::scan::barred;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// A lock file that stood so long was left by a program that crashed.
const YOUNG_NS: i64 = 600_000_000_000;

/// A path within a whole folder means all of it: a part of a repository is none. Whoever takes a part of one back to the
/// network's version is told instead, see [`leave_parts`].
pub(super) fn widened(session: &Session<'_>, request: &Request) -> Option<Request> {
    let around =
        |path: &RelPath| path.parent().and_then(|parent| whole::topmost(&parent, &|path| session.whole.name(path, true)));
    let hints = request.hints.iter().flatten().map(|target| &target.path);
    if request.take.is_some() || !request.paths.iter().chain(hints).any(|path| around(path).is_some()) {
        return None;
    }
    let paths = request.paths.iter().map(|path| around(path).unwrap_or_else(|| path.clone())).collect();
    let all = |hint: &Target| around(&hint.path).map_or_else(|| hint.clone(), Target::tree);
    let hints = request.hints.as_ref().map(|hints| hints.iter().map(all).collect());
    Some(Request { paths, hints, ..request.clone() })
}

/// Takes out what lies in a whole folder of which only a part was asked for.
fn leave_parts(request: &Request, differences: &mut Vec<Difference>, names: &Names<'_>, problems: &mut Vec<Problem>) {
    for path in &request.paths {
        let Some(folder) = path.parent().and_then(|parent| whole::topmost(&parent, names)) else { continue };
        if request.paths.iter().any(|asked| folder.is_within(asked)) {
            continue;
        }
        differences.retain(|difference| !difference.path.is_within(&folder));
        let message = format!("is a part of {folder}, which is carried as one; name that folder to take all of it back");
        problems.push(Problem { path: path.clone(), side: Side::Staging, kind: ProblemKind::Taken, message });
    }
}

/// Where deletes in a whole folder are held, all that would be done in it on that side waits with them.
pub(super) fn hold_with_deletes(session: &Session<'_>, plan: &mut Plan, side: Side) {
    let names = |path: &RelPath| session.whole.name(path, true);
    let around = |path: &RelPath| path.parent().and_then(|parent| whole::topmost(&parent, &names));
    let at_side = plan.held.iter().filter(|action| action.op.side() == Some(side));
    let waiting: BTreeSet<RelPath> = at_side.filter_map(|action| around(&action.path)).collect();
    if waiting.is_empty() {
        return;
    }
    let before = plan.actions.len();
    plan.actions.retain(|action| action.op.side() != Some(side) || !waiting.iter().any(|folder| action.path.is_within(folder)));
    plan.pending[side.other()] += (before - plan.actions.len()) as u64;
    let told = "deletes in this folder are held, and it is carried as one: nothing in it was carried";
    plan.notes.retain(|note| !waiting.contains(&note.path));
    plan.notes.extend(waiting.iter().map(|folder| Note::of(folder, told)));
}

/// The plan for what differs, with whole folders decided as such.
pub(super) fn plan(
    session: &Session<'_>,
    request: &Request,
    differences: Vec<Difference>,
    rules: &Rules<'_>,
    stop: &AtomicBool,
) -> Result<Plan, Error> {
    let names = |path: &RelPath| session.whole.name(path, true);
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    let mut differences = differences;
    if request.take.is_some() {
        leave_parts(request, &mut differences, &names, &mut problems);
    }
    let differences = leave_busy(session, differences, &names, rules.compare(), &mut notes, stop)?;
    // Who takes a path back to one side's version takes it with everything in it.
    let preferred = |path: &RelPath| match rules.policies.of(path, true) {
        Policy::Prefer(winner) => Some(winner),
        Policy::Hold | Policy::KeepBoth | Policy::Abort => None,
    };
    let folded = if request.take.is_some() {
        Folded { differences, ..Folded::default() }
    } else {
        whole::fold(differences, &names, &preferred, rules.compare())
    };
    let mut plan = reconcile(folded.differences, rules);
    plan.problems.append(&mut problems);
    for (folder, winner, group) in folded.preferred {
        let decided = reconcile(group, &Rules { take: Some(winner), ..*rules });
        if decided.actions.iter().any(|action| action.op.side() == Some(winner.other())) {
            notes.push(Note::of(
                &folder,
                &format!("both sides changed something in this folder: {winner}'s version of it counts"),
            ));
        }
        plan.actions.extend(decided.actions);
        plan.problems.extend(decided.problems);
        plan.notes.extend(decided.notes);
        plan.conflicts.extend(decided.conflicts);
        plan.aborted |= decided.aborted;
        for side in Side::BOTH {
            plan.pending[side] += decided.pending[side];
        }
    }
    let told =
        "both sides changed something in this folder; it is one conflict, and nothing in it is carried until somebody decides";
    notes.extend(folded.conflicts.iter().map(|conflict| Note::of(&conflict.path, told)));
    plan.aborted |= folded.conflicts.iter().any(|conflict| rules.policies.of(&conflict.path, true) == Policy::Abort);
    plan.conflicts.extend(folded.conflicts);
    plan.notes.append(&mut notes);
    plan.actions.sort_by(|a, b| a.path.cmp(&b.path));
    plan.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    if plan.aborted {
        drop(plan.take_notes_of_rulings());
        plan.actions.clear();
    }
    Ok(plan)
}

/// Takes out what lies in folders in which a program is at work, or of which a part could not be seen.
fn leave_busy(
    session: &Session<'_>,
    differences: Vec<Difference>,
    names: &Names<'_>,
    compare: Compare,
    notes: &mut Vec<Note>,
    stop: &AtomicBool,
) -> Result<Vec<Difference>, Error> {
    let mut failed = None;
    let left = whole::each(differences, names, &mut |folder, mut group| {
        if failed.is_some() {
            return group;
        }
        match why_held(session, folder, &mut group, compare, notes, stop) {
            Ok(None) => group,
            Ok(Some((side, unknown))) => vec![held(session, folder, group, side, unknown)],
            Err(error) => {
                failed = Some(error);
                group
            }
        }
    });
    failed.map_or(Ok(left), Err)
}

/// What keeps the folder from being carried now; what costs the most is asked last.
fn why_held(
    session: &Session<'_>,
    folder: &RelPath,
    group: &mut [Difference],
    compare: Compare,
    notes: &mut Vec<Note>,
    stop: &AtomicBool,
) -> Result<Option<(Side, Unknown)>, Error> {
    if let Some(unseen) = in_part(group, compare) {
        return Ok(Some(unseen));
    }
    if let Some((side, message)) = at_work(session, folder, group, notes)? {
        return Ok(Some((side, Unknown::Error { kind: ProblemKind::Busy, message })));
    }
    try_unread(session, group, stop)?;
    Ok(in_part(group, compare))
}

/// A file that is new, or of another size, is known as changed without being read: can it be, now that its copy would be a part
/// of something? On roots of this machine: elsewhere each of these calls would cost what its copy costs.
fn try_unread(session: &Session<'_>, group: &mut [Difference], stop: &AtomicBool) -> Result<(), Error> {
    for side in Side::BOTH.into_iter().filter(|&side| !session.traits[side].remote && !session.traits[side].fuse) {
        let mut open: Option<(RelPath, Box<dyn Folder>)> = None;
        for difference in group.iter_mut() {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let unread = |entry: &Entry| entry.kind() == Kind::File && entry.digest().is_none();
            if difference.at(side).found().is_some_and(|found| unread(&found.entry))
                && let Some(unknown) = barred(&*session.roots[side], &mut open, &difference.path).map_err(Error::disk_at(side))?
            {
                *difference.at_mut(side) = Seen::Unknown(unknown);
            }
        }
    }
    Ok(())
}

/// Why only a part of the folder could be carried, and where: not before all of it can be seen.
fn in_part(group: &[Difference], compare: Compare) -> Option<(Side, Unknown)> {
    let (side, path, unknown, more) = whole::unseen(group, compare)?;
    let (kind, what) = match unknown {
        Unknown::Error { kind, message } => (*kind, message.as_str()),
        _ => (ProblemKind::Busy, "changed while it was looked at"),
    };
    let more = if more == 0 { String::new() } else { format!(", and {more} more like it") };
    let message = format!("{path} {what}{more}; this folder is carried as one, so nothing in it is until all of it can be seen");
    Some((side, Unknown::Error { kind, message }))
}

/// The side on which a program is at work in the folder, with what tells it. A lock file that is not in the base is among
/// the differences; a root on this machine is looked at once more, for what began since.
fn at_work(
    session: &Session<'_>,
    folder: &RelPath,
    group: &[Difference],
    notes: &mut Vec<Note>,
) -> Result<Option<(Side, String)>, Error> {
    for side in Side::BOTH {
        for difference in group.iter().filter(|difference| is_lock(&difference.path)) {
            let Some(found) = difference.at(side).found().filter(|found| found.entry.kind() == Kind::File) else { continue };
            if young(session, side, found.stamp.mtime) {
                return Ok(Some((side, locked(&difference.path))));
            }
            let told = "is a lock file older than 10 minutes, left by a program that crashed; it is carried like any file";
            notes.push(Note::of(&difference.path, told));
        }
        if !session.traits[side].remote
            && let Some(message) = look_again(session, side, folder)?
        {
            return Ok(Some((side, message)));
        }
    }
    Ok(None)
}

fn is_lock(path: &RelPath) -> bool {
    path.names().next_back().is_some_and(|name| name.ends_with(b".lock"))
}

/// Where the root's clock is not known, a lock is taken for a young one: waiting costs a run, believing costs a repository.
fn young(session: &Session<'_>, side: Side, mtime: Time) -> bool {
    now_at(session, side).is_none_or(|now| now.0.saturating_sub(mtime.0) < YOUNG_NS)
}

fn locked(path: &RelPath) -> String {
    format!("a program is at work in this folder ({path} is there); nothing in it is carried until it is done")
}

/// A lock file that came, or a change, since the look began.
///
/// RACE: a program that begins after this is met in the middle, and so is one on a remote root, where nobody looks again.
/// What it changes is proven like any file: not taken, or a conflict. The folder can be mixed until the next run.
fn look_again(session: &Session<'_>, side: Side, folder: &RelPath) -> Result<Option<String>, Error> {
    let root: &dyn Root = &*session.roots[side];
    let began = match session.clocks[side] {
        Clock::Own(began) => Some(began),
        Clock::DayAgo(_) => None,
    };
    let changed = |node: &Node| {
        let newest = if session.traits[side].ctime { node.stamp.mtime.max(node.stamp.ctime) } else { node.stamp.mtime };
        began.is_some_and(|began| newest > began)
    };
    let mut open = vec![folder.clone()];
    while let Some(path) = open.pop() {
        let listing = match root.folder(&path).and_then(|folder| folder.list()) {
            Ok(listing) => listing,
            Err(error) if error.kind == ErrorKind::Gone => return Err(Error::disk_at(side)(error)),
            // Gone or barred since: the look saw something else, and what is done looks for itself.
            Err(disk::Error { .. }) => continue,
        };
        for item in listing.into_iter().filter(|item| !is_own_name(&item.name)) {
            let below = path.join(&item.name);
            match item.value.content {
                NodeContent::Plain(Content::File { .. }) if is_lock(&below) && young(session, side, item.value.stamp.mtime) => {
                    return Ok(Some(locked(&below)));
                }
                _ if changed(&item.value) => {
                    return Ok(Some(format!(
                        "a program is at work in this folder ({below} changed just now); nothing in it is carried until it is done"
                    )));
                }
                NodeContent::Plain(Content::Folder) => open.push(below),
                _ => {}
            }
        }
    }
    Ok(None)
}

/// One difference for the folder: unknown where it is held, so that nothing is done at it, below it, or to what is above it.
fn held(session: &Session<'_>, folder: &RelPath, group: Vec<Difference>, side: Side, unseen: Unknown) -> Difference {
    let own = group.into_iter().find(|difference| difference.path == *folder);
    let row = own.is_none().then(|| session.store.find(folder).ok().flatten()).flatten();
    let base = own.map_or_else(|| row.map(|row| Box::new(row.base)), |own| own.base);
    let mut seen = PerSide::new(Seen::Unknown(Unknown::Whole), Seen::Unknown(Unknown::Whole));
    seen[side] = Seen::Unknown(unseen);
    Difference { path: folder.clone(), base, staging: seen.staging, network: seen.network }
}
