//! What a root keeps through a power cut, before the base says that it holds it.

use super::chunk::{FLUSH_SINGLY, split};
use super::{Halt, Run};
use crate::disk::{self, ErrorKind};
use crate::model::entry::Kind;
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op};
use crate::model::side::Side;

use std::collections::BTreeSet;

/// Something that the base is about to learn of a side.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    pub side: Side,
    pub path: &'a RelPath,
    pub file: bool,
}

impl<'a> Claim<'a> {
    /// What a write brings, where it comes from.
    pub fn of_source(action: &'a Action) -> Option<Claim<'a>> {
        let Op::Write { to, from, .. } = &action.op else { return None };
        Some(Claim { side: to.other(), path: &action.path, file: from.entry.kind() == Kind::File })
    }
}

/// Makes durable what is claimed and was not written by this run: a program wrote it just now, or a run that was killed. Gone
/// with the power after the base spoke of it, it would be a delete, or an older version, that goes out to the other side.
///
/// Roots of other machines are left to those: what was closed is with them. What has gone or changed since the look is left to
/// the next one.
pub fn settle(run: &Run<'_>, claims: &[Claim<'_>]) -> Result<(), Halt> {
    for side in Side::BOTH {
        let claims: Vec<&Claim<'_>> = claims.iter().filter(|claim| claim.side == side).collect();
        if claims.is_empty() || !run.flush || run.traits[side].remote || run.traits[side].fuse {
            continue;
        }
        if claims.len() > FLUSH_SINGLY && cfg!(target_os = "linux") {
            flush_side(run, side)?;
            continue;
        }
        let folders: BTreeSet<RelPath> = claims.iter().map(|claim| split(claim.path).0).collect();
        for claim in claims.iter().filter(|claim| claim.file) {
            let (parent, name) = split(claim.path);
            let file = run.roots[side].folder(&parent).and_then(|folder| folder.read(&name));
            kept(side, file.and_then(|file| file.flush()))?;
        }
        for folder in folders {
            kept(side, run.roots[side].folder(&folder).and_then(|folder| folder.flush()))?;
        }
    }
    Ok(())
}

/// Makes everything written at a side durable before the base learns of it; nothing where the user does not ask for that
/// or the file system cannot.
pub fn flush_side(run: &Run<'_>, side: Side) -> Result<(), Halt> {
    match run.flush.then(|| run.roots[side].flush_all()) {
        Some(Err(source)) if source.kind != ErrorKind::Unsupported => Err(halt_of(side, source)),
        _ => Ok(()),
    }
}

fn kept(side: Side, flushed: disk::Result<()>) -> Result<(), Halt> {
    use ErrorKind::{Absent, BadName, Barred, Busy, Denied, Unsupported, WrongKind};
    match flushed {
        Err(source) if !matches!(source.kind, Absent | BadName | Barred | Busy | Denied | Unsupported | WrongKind) => {
            Err(halt_of(side, source))
        }
        _ => Ok(()),
    }
}

/// What a flush of a folder that was written to came to. A file system that cannot flush a folder has nothing better to offer;
/// a folder that is not there any more, or something else now, holds nothing of ours.
pub(crate) fn folder_flushed(flushed: disk::Result<()>) -> disk::Result<()> {
    use ErrorKind::{Absent, BadName, Unsupported, WrongKind};
    match flushed {
        Err(source) if matches!(source.kind, Absent | BadName | Unsupported | WrongKind) => Ok(()),
        other => other,
    }
}

/// A root that does not answer, has no room, or does not keep what is written.
pub(crate) fn halt_of(side: Side, source: disk::Error) -> Halt {
    match source.kind {
        ErrorKind::Gone => Halt::Gone { side, source },
        ErrorKind::Full => Halt::Full { side, source },
        _ => Halt::Failed { side, source },
    }
}
