//! The one visible step: a complete temporary file takes its name, and what it displaces is kept and proven.

use super::trash;
use super::{Failure, Run};
use crate::disk::{ErrorKind, Folder, Freshness, Node, NodeContent, Onto};
use crate::model::entry::{Entry, Found, Kind, Stamp};
use crate::model::finding::ProblemKind;
use crate::model::listing::{Seen, Unknown};
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

/// Gives `temp`, which was `wrote`, its name, over what `expect` says stands there. On any failure the temporary file is
/// gone and the name holds what it held, as far as the root still answers.
pub(crate) fn place(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, wrote: &Stamp, expect: &Seen) -> Result<(), Failure> {
    let result = match expect {
        Seen::There(old) => match old.entry.kind() {
            Kind::Folder => displace_folder(run, spot).and_then(|()| create(spot, temp)),
            Kind::File | Kind::Link => displace(run, spot, temp, old),
        },
        Seen::Absent | Seen::Ignored(_) | Seen::Unknown(_) => create(spot, temp),
    };
    if result.is_err() {
        // After an exchange somebody else's version may stand there, which only the next run may clear, into the trash.
        let ours = |node: &Node| same_version(&node.stamp, wrote, &run.traits[spot.side]);
        if matches!(&spot.folder.look(temp, Freshness::Fresh), Ok(Some(node)) if ours(node)) {
            // The failure says enough; a temporary name that stays is cleared by the next run.
            let _ = spot.folder.remove_file(temp);
        }
    }
    result
}

fn create(spot: &Spot<'_>, temp: &Name) -> Result<(), Failure> {
    match spot.folder.rename(temp, spot.name, Onto::Nothing) {
        Err(error) if error.kind == ErrorKind::Exists => Err(Failure::Unexpected(seen_now(spot)?)),
        other => other.map_err(|error| Failure::At(spot.side, error)),
    }
}

/// Replaces a file or link. It is linked into the trash and proven there; then the two names are exchanged and what
/// came out is proven again, so that even a version that was put there in the last moment is put back.
fn displace(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, old: &Found) -> Result<(), Failure> {
    let traits = &run.traits[spot.side];
    expect_quiet(spot, old)?;
    expect_version(run, spot, old)?;
    if !traits.hard_links || old.entry.kind() == Kind::Link {
        return displace_by_rename(run, spot, temp, old);
    }
    let kept = trash::place_for(run, spot.side, spot.path)?;
    let at = |error| Failure::At(spot.side, error);
    run.roots[spot.side].link(spot.path, &kept).map_err(at)?;
    let unlink = || trash::take_back(run, spot.side, &kept);
    let proven = trash::look(run, spot.side, &kept)?.is_some_and(|node| same_version(&node.stamp, &old.stamp, traits));
    if !proven {
        unlink()?;
        return Err(Failure::Unexpected(seen_now(spot)?));
    }
    if !traits.exchange {
        // RACE: a version renamed over the name between the proof and here is lost to the trash's blind spot. Only on
        // file systems that cannot exchange two names; the window is two calls long.
        return spot.folder.rename(temp, spot.name, Onto::File).map_err(at);
    }
    spot.folder.exchange(temp, spot.name).map_err(at)?;
    let out = spot.folder.look(temp, Freshness::Fresh);
    if matches!(&out, Ok(Some(node)) if same_version(&node.stamp, &old.stamp, traits)) {
        return spot.folder.remove_file(temp).map_err(at);
    }
    spot.folder.exchange(temp, spot.name).map_err(at)?;
    unlink()?;
    out.map_err(at)?;
    Err(Failure::Unexpected(seen_now(spot)?))
}

/// Without hard links: the old version goes to the trash by rename, is proven there, and the new one takes the free name.
///
/// RACE: the name is absent between the two renames; a crash there leaves it absent and the old version in the trash,
/// and the next run writes the new one.
fn displace_by_rename(run: &Run<'_>, spot: &Spot<'_>, temp: &Name, old: &Found) -> Result<(), Failure> {
    to_trash(run, spot, |node| proves(node, old, &run.traits[spot.side]))?;
    create(spot, temp)
}

/// Moves what stands at the spot to the trash if `proven` says that it is what was expected there; else puts it back.
pub(crate) fn to_trash(run: &Run<'_>, spot: &Spot<'_>, proven: impl Fn(&Node) -> bool) -> Result<(), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let kept = trash::place_for(run, spot.side, spot.path)?;
    run.roots[spot.side].rename(spot.path, &kept, Onto::Nothing).map_err(at)?;
    if trash::look(run, spot.side, &kept)?.is_some_and(|node| proven(&node)) {
        return Ok(());
    }
    match run.roots[spot.side].rename(&kept, spot.path, Onto::Nothing) {
        Ok(()) => Err(Failure::Unexpected(seen_now(spot)?)),
        Err(error) if error.kind == ErrorKind::Exists => {
            let message = format!("changed just before it was replaced; that version is kept as {kept}");
            Err(Failure::Path(spot.side, ProblemKind::Busy, message))
        }
        Err(error) => Err(at(error)),
    }
}

/// A kind change takes a whole subtree away: it goes to the trash in one rename and is only left there if nothing in
/// it changed since the run began.
fn displace_folder(run: &Run<'_>, spot: &Spot<'_>) -> Result<(), Failure> {
    let at = |error| Failure::At(spot.side, error);
    let kept = trash::place_for(run, spot.side, spot.path)?;
    run.roots[spot.side].rename(spot.path, &kept, Onto::Nothing).map_err(at)?;
    if !trash::changed_since_start(run, spot.side, &kept)? {
        return Ok(());
    }
    run.roots[spot.side].rename(&kept, spot.path, Onto::Nothing).map_err(at)?;
    let message = "something in this folder changed just before it was replaced; nothing was moved".to_owned();
    Err(Failure::Path(spot.side, ProblemKind::Busy, message))
}

/// Nobody else may have it open for writing: what a program writes into a displaced file would be lost to the user.
pub(crate) fn expect_quiet(spot: &Spot<'_>, old: &Found) -> Result<(), Failure> {
    if spot.side == Side::Network || old.entry.kind() != Kind::File {
        return Ok(());
    }
    match spot.folder.has_writer(spot.name) {
        Ok(Some(true)) => {
            let message = "is open for writing in another program; the next run tries again".to_owned();
            Err(Failure::Path(spot.side, ProblemKind::Busy, message))
        }
        // RACE: where it cannot be asked, what a program writes into the old file afterwards is only in the trash.
        Ok(Some(false) | None) => Ok(()),
        Err(error) if error.kind == ErrorKind::Absent => Err(Failure::Unexpected(Seen::Absent)),
        Err(error) if error.kind == ErrorKind::Gone => Err(Failure::At(spot.side, error)),
        Err(_) => Ok(()),
    }
}

/// The fresh look: still the version that the plan saw?
pub(crate) fn expect_version(run: &Run<'_>, spot: &Spot<'_>, old: &Found) -> Result<(), Failure> {
    let node = spot.folder.look(spot.name, Freshness::Fresh).map_err(|error| Failure::At(spot.side, error))?;
    if node.as_ref().is_some_and(|node| proves(node, old, &run.traits[spot.side])) {
        return Ok(());
    }
    Err(Failure::Unexpected(node.map_or(Seen::Absent, seen)))
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

fn seen_now(spot: &Spot<'_>) -> Result<Seen, Failure> {
    let node = spot.folder.look(spot.name, Freshness::Fresh).map_err(|error| Failure::At(spot.side, error))?;
    Ok(node.map_or(Seen::Absent, seen))
}

pub(crate) fn seen(node: Node) -> Seen {
    match node.content {
        NodeContent::Plain(content) => {
            let entry = Entry { content, mtime: node.stamp.mtime, mode: node.mode };
            Seen::There(Box::new(Found { entry, stamp: node.stamp }))
        }
        NodeContent::Special => Seen::Unknown(Unknown::Special),
        NodeContent::OtherFileSystem => Seen::Unknown(Unknown::OtherFileSystem),
        NodeContent::Unreadable { kind, message } => Seen::Unknown(Unknown::Error { kind, message }),
    }
}
