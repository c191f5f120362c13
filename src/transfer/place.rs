//! The one visible step: a complete temporary file takes its name, and what it displaces is kept and proven.

use super::{Failure, Run};
use super::{database, in_place, trash};
use crate::disk::{ErrorKind, Folder, Freshness, Node, NodeContent, Onto};
use crate::model::entry::{Found, Kind, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::traits::Traits;
use crate::model::vouch::same_version;

/// Where something is to appear.
pub(crate) struct Spot<'a> {
    pub side: Side,
    pub path: &'a RelPath,
    pub folder: &'a dyn Folder,
    pub name: &'a Name,
}

/// Where the trash holds what was displaced; `None` where nothing was.
pub(crate) type Kept = Option<RelPath>;

/// Gives `temp`, which was `wrote`, its name, over what `expect` says stands there. On any failure the name holds what it
/// held, as far as the root still answers; and what the temporary name holds is gone if it is our copy, and in the trash
/// if an exchange put somebody's version there. Returns where the displaced version is kept.
pub(crate) fn place(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, wrote: &Stamp, expect: &Seen) -> Result<Kept, Failure> {
    let result = match expect {
        Seen::There(old) => match old.entry.kind() {
            Kind::Folder => displace_folder(run, spot, old, || create(run, spot, temp)).map(Some),
            // It is offered to nobody as a version.
            Kind::File if old.entry.digest() == Some(in_place::half()) => displace_half(run, spot, temp, old).map(|()| None),
            Kind::File | Kind::Link => displace_one(run, spot, temp, old).map(Some),
        },
        Seen::Absent | Seen::Ignored(_) | Seen::Unknown(_) => create(run, spot, temp).map(|()| None),
    };
    if result.is_err()
        && let Ok(Some(node)) = spot.folder.look(temp, Freshness::Fresh)
    {
        if same_version(&node.stamp, wrote, &run.traits[spot.side]) {
            // The failure says enough; a temporary name that stays is cleared by the next run.
            let _ = spot.folder.remove_file(temp);
        } else {
            keep_theirs(run, spot, temp);
        }
    }
    result
}

fn create(run: &Run<'_>, spot: &Spot<'_>, temp: &Name) -> Result<(), Failure> {
    match spot.folder.rename(temp, spot.name, Onto::Nothing) {
        Err(error) if error.kind == ErrorKind::Exists => {
            expect_own_name(run, spot)?;
            Err(Failure::Unexpected(seen_now(spot)?))
        }
        other => other.map_err(|error| Failure::At(spot.side, error)),
    }
}

/// Where a name is taken: by itself, or by another one that the file system does not tell from it?
pub(crate) fn expect_own_name(run: &Run<'_>, spot: &Spot<'_>) -> Result<(), Failure> {
    if !run.traits[spot.side].folds() {
        return Ok(());
    }
    let listing = spot.folder.list().map_err(|error| Failure::At(spot.side, error))?;
    if listing.iter().any(|item| item.name == *spot.name) {
        return Ok(());
    }
    let message = "has a name that differs from another one there only by case or Unicode form".to_owned();
    Err(Failure::Path(spot.side, ProblemKind::NotRepresentable, message))
}

/// A version of somebody else that could not be put back goes to the trash under its own name. Where even that fails it
/// stays under the temporary one, which later runs only ever move.
fn keep_theirs(run: &Run<'_>, spot: &Spot<'_>, temp: &Name) {
    let parent = spot.path.parent().unwrap_or_default();
    let _ = trash::take(run, spot.side, &parent.join(temp), spot.path);
}

/// A database goes together with what lies beside it, so that no log is ever left for another database.
fn displace_one(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, old: &Found) -> Result<RelPath, Failure> {
    let standing = database::expect_standing(run, spot, old)?;
    // On the network root what lies there holds nothing: else the database would be busy.
    if standing.beside.is_empty() || spot.side == Side::Network {
        return displace(run, spot, temp, &standing.old);
    }
    displace_by_rename(run, spot, &standing.old, || {
        database::without_beside(run, spot, &standing.beside, || create(run, spot, temp))
    })
}

/// Replaces a file or link that was just looked at. A file is linked into the trash and proven there; then the two names are
/// exchanged and what came out is proven again, so that even a version that was put there in the last moment is put back.
fn displace(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, old: &Found) -> Result<RelPath, Failure> {
    let traits = &run.traits[spot.side];
    let at = |error| Failure::At(spot.side, error);
    if old.entry.kind() == Kind::Link && traits.exchange {
        return exchange(run, spot, temp, old, |out| trash::take(run, spot.side, out, spot.path));
    }
    if !traits.hard_links || old.entry.kind() == Kind::Link {
        return displace_by_rename(run, spot, old, || create(run, spot, temp));
    }
    let kept = match trash::keep(run, spot.side, spot.path, |kept| run.roots[spot.side].link(spot.path, kept)) {
        // Another user's file (protected_hardlinks), or one that has as many names as it may have.
        Err(Failure::At(_, error)) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Other) => {
            return displace_by_rename(run, spot, old, || create(run, spot, temp));
        }
        other => other?,
    };
    let proven =
        trash::look(run, spot.side, &kept).map(|node| node.is_some_and(|node| same_version(&node.stamp, &old.stamp, traits)));
    if !matches!(proven, Ok(true)) {
        trash::take_back(run, spot.side, &kept)?;
        proven?;
        return Err(Failure::Unexpected(seen_now(spot)?));
    }
    if !traits.exchange {
        // RACE: a version renamed over the name between the proof and here is lost to the trash's blind spot. Only on
        // file systems that cannot exchange two names; the window is two calls long.
        spot.folder.rename(temp, spot.name, Onto::File).map_err(at)?;
        return Ok(kept);
    }
    let swapped = exchange(run, spot, temp, old, |_| spot.folder.remove_file(temp).map_err(at));
    if matches!(swapped, Err(Failure::Unexpected(_))) {
        trash::take_back(run, spot.side, &kept)?;
    }
    swapped.map(|()| kept)
}

/// Exchanges the two names and proves what came out; `away` takes it from the temporary name. Anything unexpected is
/// exchanged back.
///
/// RACE: between the two exchanges a reader sees our version in the place of the other program's, and a crash leaves
/// theirs under the temporary name, which later runs only ever move to the trash.
fn exchange<T>(
    run: &Run<'_>,
    spot: &Spot<'_>,
    temp: &Name,
    old: &Found,
    away: impl FnOnce(&RelPath) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let at = |error| Failure::At(spot.side, error);
    spot.folder.exchange(temp, spot.name).map_err(at)?;
    let out = spot.folder.look(temp, Freshness::Fresh);
    if matches!(&out, Ok(Some(node)) if proves(node, old, &run.traits[spot.side])) {
        return away(&spot.path.parent().unwrap_or_default().join(temp));
    }
    spot.folder.exchange(temp, spot.name).map_err(at)?;
    came_back(run, spot);
    out.map_err(at)?;
    Err(Failure::Unexpected(seen_now(spot)?))
}

/// What somebody saved and was put back keeps its name when the power fails. Where that cannot be had, it is in the trash, or
/// goes there with the next run.
fn came_back(run: &Run<'_>, spot: &Spot<'_>) {
    if run.flush {
        let _ = spot.folder.flush();
    }
}

/// Without hard links: the old version goes to the trash by rename, is proven there, and `show` gives the new one the
/// free name; if that fails the old one comes back.
///
/// RACE: the name is absent between the two renames; a crash there leaves it absent and the old version in the trash,
/// and the next run writes the new one.
pub(crate) fn displace_by_rename(
    run: &Run<'_>,
    spot: &Spot<'_>,
    old: &Found,
    show: impl FnOnce() -> Result<(), Failure>,
) -> Result<RelPath, Failure> {
    rename_away(run, spot, spot.path, old, show)
}

/// What is half written goes to the trash under a name of its own.
fn displace_half(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, old: &Found) -> Result<(), Failure> {
    rename_away(run, spot, &in_place::set_apart(spot.path), old, || create(run, spot, temp)).map(drop)
}

fn rename_away(
    run: &Run<'_>,
    spot: &Spot<'_>,
    kept_as: &RelPath,
    old: &Found,
    show: impl FnOnce() -> Result<(), Failure>,
) -> Result<RelPath, Failure> {
    let kept = to_trash_as(run, spot, kept_as, |node, _| Ok(proves(node, old, &run.traits[spot.side])))?;
    show().inspect_err(|_| {
        // Where it cannot come back it is in the trash, and the failure is told.
        let _ = run.roots[spot.side].rename(&kept, spot.path, Onto::Nothing);
        came_back(run, spot);
    })?;
    Ok(kept)
}

/// Moves what stands at the spot to the trash if `proven` says that it is what was expected there; else, and on any
/// error, puts it back. Returns where it is kept.
///
/// RACE: a version that nobody expected is absent from its name until it is put back; where the name is taken meanwhile,
/// or a crash comes between, it stays in the trash.
pub(crate) fn to_trash(
    run: &Run<'_>,
    spot: &Spot<'_>,
    proven: impl FnOnce(&Node, &RelPath) -> Result<bool, Failure>,
) -> Result<RelPath, Failure> {
    to_trash_as(run, spot, spot.path, proven)
}

/// The same, as a version of another path.
fn to_trash_as(
    run: &Run<'_>,
    spot: &Spot<'_>,
    kept_as: &RelPath,
    proven: impl FnOnce(&Node, &RelPath) -> Result<bool, Failure>,
) -> Result<RelPath, Failure> {
    let at = |error| Failure::At(spot.side, error);
    let kept = trash::take(run, spot.side, spot.path, kept_as)?;
    let judged = trash::look(run, spot.side, &kept).and_then(|node| node.map_or(Ok(false), |node| proven(&node, &kept)));
    if let Ok(true) = judged {
        return Ok(kept);
    }
    match run.roots[spot.side].rename(&kept, spot.path, Onto::Nothing) {
        Ok(()) => {
            came_back(run, spot);
            judged.and_then(|_| Err(Failure::Unexpected(seen_now(spot)?)))
        }
        Err(error) if error.kind == ErrorKind::Exists => {
            let message = format!("changed just before it was replaced; that version is kept as {kept}");
            Err(Failure::Path(spot.side, ProblemKind::Busy, message))
        }
        Err(error) => Err(at(error)),
    }
}

/// A kind change takes a whole subtree away: it goes to the trash in one rename and is only left there if nothing in
/// it changed since the run began, and if `show` can put the new thing in its place.
///
/// RACE: the name is absent in between; a crash there leaves the old subtree in the trash, and the next run writes the new
/// kind.
pub(crate) fn displace_folder(
    run: &Run<'_>,
    spot: &Spot<'_>,
    old: &Found,
    show: impl FnOnce() -> Result<(), Failure>,
) -> Result<RelPath, Failure> {
    let quiet = |node: &Node, kept: &RelPath| {
        Ok(proves(node, old, &run.traits[spot.side]) && !trash::changed_since_start(run, spot.side, kept)?)
    };
    let kept = to_trash(run, spot, quiet).map_err(|failure| match failure {
        Failure::Unexpected(_) => {
            let message = "something in this folder changed just before it was replaced; nothing was moved".to_owned();
            Failure::Path(spot.side, ProblemKind::Busy, message)
        }
        other => other,
    })?;
    show().inspect_err(|_| {
        let _ = run.roots[spot.side].rename(&kept, spot.path, Onto::Nothing);
        came_back(run, spot);
    })?;
    Ok(kept)
}

/// Nobody else may have it open for writing: what a program writes into a displaced file would be lost to the user.
pub(crate) fn expect_quiet(spot: &Spot<'_>, old: &Found) -> Result<(), Failure> {
    if spot.side == Side::Network || old.entry.kind() != Kind::File {
        return Ok(());
    }
    match spot.folder.has_writer(spot.name) {
        Ok(Some(true)) => {
            let message = match spot.folder.holders(spot.name) {
                Some(who) => format!("is open for writing: {who}; the next run tries again"),
                None => "is open for writing in another program; the next run tries again".to_owned(),
            };
            Err(Failure::Path(spot.side, ProblemKind::Busy, message))
        }
        // RACE: where it cannot be asked, what a program writes into the old file afterwards is only in the trash.
        Ok(Some(false) | None) => Ok(()),
        Err(error) if error.kind == ErrorKind::Absent => Err(Failure::Unexpected(Seen::Absent)),
        Err(error) if error.kind == ErrorKind::Gone => Err(Failure::At(spot.side, error)),
        Err(_) => Ok(()),
    }
}

/// Is it really gone on the side that is believed to have deleted or moved it? A listing may have been taken in the
/// moment between an unlink and a create; one look more is cheap against a delete.
pub(crate) fn expect_gone(run: &Run<'_>, side: Side, path: &RelPath) -> Result<(), Failure> {
    let (parent, name) = super::chunk::split(path);
    let looked = run.roots[side].folder(&parent).and_then(|folder| {
        let node = folder.look(&name, Freshness::Fresh)?;
        // Where names are folded, a path that differs by case or form alone answers to this one. Where they are on both
        // sides, a folder that is spelled anew takes nothing along: its new spelling can be made on neither.
        let root = &*run.roots[side];
        let so = || if run.traits[side.other()].folds() { root.is_named_so(path) } else { root.is_spelled_so(path) };
        let another = run.traits[side].folds() && node.is_some() && !so();
        Ok(node.filter(|_| !another))
    });
    match looked {
        Ok(None) => Ok(()),
        Ok(Some(node)) => Err(Failure::Unexpected(node.seen())),
        Err(error) if matches!(error.kind, ErrorKind::Absent | ErrorKind::WrongKind) => Ok(()),
        Err(error) => Err(Failure::At(side, error)),
    }
}

/// Is this node the expected entry?
pub(crate) fn proves(node: &Node, old: &Found, traits: &Traits) -> bool {
    let NodeContent::Plain(content) = &node.content else { return false };
    match old.entry.kind() {
        Kind::File => content.kind() == Kind::File && same_version(&node.stamp, &old.stamp, traits),
        Kind::Folder => content.kind() == Kind::Folder && (!traits.ids || node.stamp.id == old.stamp.id),
        Kind::Link => *content == old.entry.content,
    }
}

pub(super) fn seen_now(spot: &Spot<'_>) -> Result<Seen, Failure> {
    let node = spot.folder.look(spot.name, Freshness::Fresh).map_err(|error| Failure::At(spot.side, error))?;
    Ok(node.map_or(Seen::Absent, Node::seen))
}
