//! Live databases whose sending the base does not know of: a run was cut off between the visible step and the commit, or
//! the manifest was lost. The network root holds what would be sent now: then nobody changed anything.

use super::open::Session;
use super::request::{Pair, Request};
use crate::disk::local::Scratch;
use crate::model::change::{Change, Compare, change_of};
use crate::model::entry::{Base, Entry, Found, Kind};
use crate::model::listing::{Difference, Seen};
use crate::model::side::{PerSide, Side};
use crate::scan::{Reading, digest_of};
use crate::transfer::{Source, would_send};

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Where private copies of a pair's databases lie for a moment: beside its manifest, which is on a local disk.
pub(super) fn scratch(pair: &Pair) -> PathBuf {
    pair.state.join("snapshots")
}

/// Gives the differences that would be conflicts, and are none, the base that they lack.
pub(super) fn know_again(
    session: &Session<'_>,
    request: &Request,
    mut differences: Vec<Difference>,
    stop: &AtomicBool,
) -> Vec<Difference> {
    for difference in differences.iter_mut().filter(|difference| both_changed(session, difference)) {
        // A dry run writes nothing into the pair's folders.
        let base = if request.dry_run {
            Scratch::new().ok().and_then(|place| base_of(session, difference, place.path(), stop))
        } else {
            base_of(session, difference, &scratch(session.pair), stop)
        };
        if let Some((base, there)) = base {
            difference.staging.found_mut().expect("it was found").entry = base.entry.clone();
            difference.network = Seen::There(Box::new(there));
            difference.base = Some(base);
        }
    }
    differences
}

/// Two files, each of them news.
fn both_changed(session: &Session<'_>, difference: &Difference) -> bool {
    let compare = Compare { granularity_ns: session.traits.granularity_ns(), modes: false };
    let news = |seen: &Seen, side: Side| {
        seen.found().is_some_and(|found| found.entry.kind() == Kind::File)
            && matches!(change_of(difference.base.as_deref(), seen, side, compare), Change::Created | Change::Modified)
    };
    news(&difference.staging, Side::Staging) && news(&difference.network, Side::Network)
}

/// The base that the run which sent it would have recorded, and the network's file with its digest.
fn base_of(session: &Session<'_>, difference: &Difference, scratch: &Path, stop: &AtomicBool) -> Option<(Box<Base>, Found)> {
    let (here, there) = (difference.staging.found()?, difference.network.found()?);
    let (parent, name) = (difference.path.parent()?, difference.path.name()?);
    let folders = session.roots.as_ref().map(|root| root.folder(&parent).ok());
    let folder = folders.staging.as_deref()?;
    let traits = &session.traits.staging;
    let source = Source { folder, name: &name, side: Side::Staging, traits, scratch, stop };
    let (digest, sent) = would_send(&source, &here.stamp)?;
    if there.entry.size() != sent.size {
        return None;
    }
    let mut there = there.clone();
    if there.entry.digest().is_none() {
        let read = digest_of(folders.network.as_deref()?, &name, &there.stamp, &mut Reading::default(), stop);
        there.entry.set_digest(read.ok()?);
    }
    let mut entry: Entry = here.entry.clone();
    entry.set_digest(digest);
    let known = there.entry.digest() == Some(sent.digest);
    known.then(|| (Box::new(Base { entry, stamps: PerSide::default(), sent: Some(sent) }), there))
}
