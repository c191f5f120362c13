//! Files of the network root that were written half when a run was cut off: nobody's version.

use super::error::Error;
use super::open::Session;
use super::request::{Pair, Request};
use crate::disk::{ErrorKind, Freshness, Node};
use crate::model::entry::{Base, Found};
use crate::model::finding::ProblemKind;
use crate::model::listing::{Difference, Seen, Unknown};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::model::vouch::same_stamp;
use crate::roots::marker::Marker;
use crate::scan::{Reading, digest_of};
use crate::transfer::in_place::{Mark, half};

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Where the marks of a network root are; one that took its place has none.
pub(super) fn folder(pair: &Pair, network: Option<&Marker>) -> PathBuf {
    pair.state.join("in-place").join(network.map_or_else(|| "unmarked".to_owned(), |marker| marker.id.to_string()))
}

/// What a look found, without half written files as versions. Where staging has one, what stands there counts as agreed on, for this run:
/// staging's comes over it, and it goes to the trash. Everything else waits until somebody has decided.
pub(super) fn none_is_half(session: &mut Session<'_>, request: &Request, mut differences: Vec<Difference>) -> Vec<Difference> {
    let (ids, marks) = (session.traits.network.ids, &mut session.half);
    for difference in if marks.is_empty() { &mut [] } else { &mut differences[..] } {
        let Some(found) = difference.network.found_mut() else { continue };
        let Some(mark) = marks.iter_mut().find(|mark| mark.is_of(&difference.path, found)) else { continue };
        mark.moved |= mark.path != difference.path;
        // By its path alone it is not known where the two folders meet anew.
        let known = ids || difference.base.is_some();
        let wins = difference.staging.found().is_some() && request.take != Some(Side::Network);
        if known && wins && mark.path == difference.path {
            found.entry.set_digest(half());
            difference.base = Some(Box::new(Base { entry: found.entry.clone(), stamps: PerSide::default(), sent: None }));
        } else {
            difference.network = waits(mark);
        }
    }
    differences
}

fn waits(mark: &Mark) -> Seen {
    let message = format!(
        "was written half when a run was cut off ({}): `driftless sync up` makes it whole where staging has it; else remove it there, or put a \
         whole one in its place",
        mark.path
    );
    Seen::Unknown(Unknown::Error { kind: ProblemKind::Busy, message })
}

/// These were written whole, and the base says so. One whose half was found elsewhere keeps its mark for that.
pub(super) fn lift(session: &Session<'_>, made_whole: &[RelPath]) {
    session.half.iter().filter(|mark| !mark.moved && made_whole.contains(&mark.path)).for_each(Mark::lift);
}

/// After a look at everything: the marks go whose file is nowhere any more, or is what both sides agreed on, as where not one byte of it
/// had been written.
pub(super) fn lift_others(session: &mut Session<'_>, request: &Request, stop: &AtomicBool) -> Result<(), Error> {
    if !request.is_whole() {
        return Ok(());
    }
    for mark in session.half.iter().filter(|mark| !mark.moved) {
        let base = session.store.find(&mark.path)?.map(|row| row.base);
        match session.roots.network.look(&mark.path, Freshness::Fresh) {
            Ok(node) => match node.as_ref().and_then(Node::found) {
                Some(found) if mark.is_of(&mark.path, &found) && !is_agreed(session, mark, &found, base.as_ref(), stop) => {}
                _ => mark.lift(),
            },
            Err(error) if matches!(error.kind, ErrorKind::Absent | ErrorKind::WrongKind) => mark.lift(),
            Err(error) => tracing::debug!(path = %mark.path, %error, "a mark stays"),
        }
    }
    Ok(())
}

/// By reading it, where its stamp is that of the base: after a power cut a half written file may show that too.
fn is_agreed(session: &Session<'_>, mark: &Mark, found: &Found, base: Option<&Base>, stop: &AtomicBool) -> bool {
    let agreed = base.and_then(|base| Some((base.stamps.network?, base.digest_at(Side::Network)?)));
    let Some((recorded, digest)) = agreed else { return false };
    let (Some(parent), Some(name)) = (mark.path.parent(), mark.path.name()) else { return false };
    let read = || {
        let folder = session.roots.network.folder(&parent).ok()?;
        digest_of(&*folder, &name, &found.stamp, &mut Reading::default(), stop).ok()
    };
    same_stamp(&recorded.stamp, &found.stamp, &session.traits.network) && read() == Some(digest)
}
