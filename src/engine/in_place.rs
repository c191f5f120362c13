//! Files of the network root that were written half when a run was cut off: nobody's version.

use super::open::Session;
use super::request::{Pair, Request};
use crate::disk::Freshness;
use crate::model::digest;
use crate::model::entry::Base;
use crate::model::finding::ProblemKind;
use crate::model::listing::{Difference, Seen, Unknown};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::roots::marker::Marker;
use crate::transfer::in_place::Mark;

use std::path::PathBuf;

/// Where the marks of a network root are; one that took its place has none.
pub(super) fn folder(pair: &Pair, network: Option<&Marker>) -> PathBuf {
    pair.state.join("in-place").join(network.map_or_else(|| "unmarked".to_owned(), |marker| marker.id.to_string()))
}

/// What a look found, without the half written files as versions.
#[derive(Debug)]
pub(super) struct Disowned {
    pub differences: Vec<Difference>,
    /// Marks whose file was found at another path.
    pub moved: Vec<RelPath>,
}

/// Where staging has a version, what stands there counts as agreed on, for this run: that version comes over it, and it goes to the trash.
/// Everything else waits until somebody has decided.
pub(super) fn disown(session: &Session<'_>, request: &Request, mut differences: Vec<Difference>) -> Disowned {
    let mut moved = Vec::new();
    if session.half.is_empty() {
        return Disowned { differences, moved };
    }
    let ids = session.traits.network.ids;
    for difference in &mut differences {
        let Some(found) = difference.network.found_mut() else { continue };
        if let Some(mark) = session.half.iter().find(|mark| mark.path == difference.path && mark.is_there(found, ids)) {
            let wins = difference.staging.found().is_some() && request.take != Some(Side::Network);
            match &difference.base {
                // Met for the first time, or again: a conflict, if they differ.
                None => {}
                Some(_) if wins => {
                    // No file's, so that it is like nothing that staging has.
                    found.entry.set_digest(digest::of(b"written half"));
                    difference.base = Some(Box::new(Base { entry: found.entry.clone(), stamps: PerSide::default(), sent: None }));
                }
                Some(_) => difference.network = waits(mark),
            }
        } else if let Some(mark) = session.half.iter().find(|mark| ids && mark.is_elsewhere(found)) {
            moved.push(mark.path.clone());
            difference.network = waits(mark);
        }
    }
    Disowned { differences, moved }
}

fn waits(mark: &Mark) -> Seen {
    let message = format!(
        "was written half when a run was cut off ({}): `driftless sync up` makes it whole where staging has it; else remove it there",
        mark.path
    );
    Seen::Unknown(Unknown::Error { kind: ProblemKind::Busy, message })
}

/// After a run: a mark goes where the whole file was written, or where a look at everything shows that another file stands there now, or
/// none, and it is nowhere else.
pub(super) fn lift(session: &Session<'_>, request: &Request, moved: &[RelPath], made_whole: &[RelPath]) {
    let ids = session.traits.network.ids;
    let is_over = |mark: &Mark| match session.roots.network.look(&mark.path, Freshness::Fresh) {
        Ok(node) => node.and_then(|node| node.found()).is_none_or(|found| !mark.is_there(&found, ids)),
        Err(_) => false,
    };
    for mark in session.half.iter().filter(|mark| !moved.contains(&mark.path)) {
        if made_whole.contains(&mark.path) || request.is_whole() && is_over(mark) {
            mark.lift();
        }
    }
}
