//! Files of the network root that were written half when a run was cut off: nobody's version.

use super::error::Error;
use super::open::Session;
use super::report::Report;
use super::request::{Pair, Request};
use crate::model::digest;
use crate::model::entry::{Base, Entry, Kind};
use crate::model::listing::Difference;
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::model::target::{self, Target};
use crate::transfer::in_place::{Mark, marks};

use std::collections::HashSet;
use std::path::PathBuf;

pub(super) fn folder(pair: &Pair) -> PathBuf {
    pair.state.join("in-place")
}

/// What stands there counts as agreed on, for this run: whatever staging holds comes over it, and it goes to the trash.
pub(super) fn disown(session: &Session<'_>, mut differences: Vec<Difference>) -> Vec<Difference> {
    let half: HashSet<RelPath> = marks(&folder(session.pair)).into_iter().map(|mark| mark.path).collect();
    if half.is_empty() {
        return differences;
    }
    for difference in differences.iter_mut().filter(|difference| half.contains(&difference.path)) {
        let there = difference.network.found_mut().filter(|found| found.entry.kind() == Kind::File);
        let Some(found) = there else { continue };
        // Where it was not read: no file's.
        found.entry.set_digest(found.entry.digest().unwrap_or_else(|| digest::of(b"written half")));
        let entry: Entry = found.entry.clone();
        difference.base = Some(Box::new(Base { entry, stamps: PerSide::default(), sent: None }));
    }
    differences
}

/// After a run: where it left nothing open nothing is half written.
pub(super) fn forget_done(pair: &Pair, request: &Request, report: &Report, looked_at: Option<&[Target]>) -> Result<(), Error> {
    if !request.direction.writes(Side::Network) {
        return Ok(());
    }
    let open = |mark: &Mark| {
        let problem = report.problems.iter().any(|problem| problem.path == mark.path);
        let conflict = report.conflicts.iter().any(|conflict| mark.path.is_within(&conflict.path));
        problem || conflict || report.unfinished.contains(&mark.path) || !target::looked_at(looked_at, &mark.path)
    };
    for mark in marks(&folder(pair)).iter().filter(|mark| !open(mark)) {
        mark.is_done()?;
    }
    Ok(())
}
