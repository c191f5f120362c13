//! Stamps of what we wrote, read again once they are old enough to vouch.
//!
//! A server may restamp a file after it was closed, our own rename moves its ctime, and a stamp younger than a step of
//! the root's clock proves nothing. So a write is reported as done with the stamp that the root shows a moment later,
//! if it still is what was written. On a far root without ctime one write of a chunk is asked for all.

use super::chunk::{Opened, agreed, split};
use super::place::Kept;
use super::{Ending, Halt, Learnt, MOST_REST, Outcome, Run, Tally};
use crate::disk::clock::{Moment, pause};
use crate::disk::{ErrorKind, Freshness, Node, NodeContent};
use crate::model::entry::{Content, Entry, Recorded, Sent, Stamp};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op, Why};
use crate::model::side::{PerSide, Side};
use crate::model::vouch::{Clock, racy, same_version};

/// Writes whose stamps rest.
#[derive(Default)]
pub struct Pending {
    items: Vec<Item>,
    last: Option<Moment>,
}

/// One write that was shown.
pub struct Item {
    path: RelPath,
    why: Why,
    op: &'static str,
    side: Side,
    /// What both sides hold now.
    entry: Entry,
    /// The other side's stamp.
    other: Option<Recorded>,
    /// What the written side said of it before it was shown.
    wrote: Stamp,
    /// Shown while its time was young: an edit since could have left it as it is.
    young: bool,
    tally: Tally,
    moved_from: Option<RelPath>,
    sent: Option<Sent>,
    kept: Kept,
}

impl Item {
    pub(crate) fn new(
        run: &Run<'_>,
        action: &Action,
        side: Side,
        entry: Entry,
        other: Option<Stamp>,
        wrote: Stamp,
        tally: Tally,
    ) -> Item {
        let source = side.other();
        let other = other.map(|stamp| Recorded { stamp, racy: racy(&stamp, &run.traits[source], run.clocks[source]) });
        let moved_from = match &action.op {
            Op::Rename { from, .. } => Some(from.clone()),
            _ => None,
        };
        let (path, why, op) = (action.path.clone(), action.why, action.op.word());
        Item { path, why, op, side, entry, other, wrote, young: false, tally, moved_from, sent: None, kept: None }
    }

    /// Does no rest make its stamp vouch? A touch sets the very time by which an edit just before it would be known.
    fn is_read_anyway(&self) -> bool {
        self.young || self.tally == Tally::Metadata || self.moved_from.is_some()
    }

    /// A file's content was written, and nothing else.
    fn is_plain_write(&self) -> bool {
        self.entry.digest().is_some() && matches!(self.tally, Tally::File { .. }) && self.moved_from.is_none()
    }

    /// The file took its place when that root's clock was at least `clock`.
    pub(crate) fn shown_after(self, run: &Run<'_>, clock: Clock) -> Item {
        // Its own change is what the later look is for.
        let as_set = Stamp { ctime: self.wrote.mtime, ..self.wrote };
        Item { young: racy(&as_set, &run.traits[self.side], clock), ..self }
    }

    /// The network root holds this in the place of staging's bytes.
    pub(crate) fn with_sent(self, sent: Option<Sent>) -> Item {
        Item { sent, ..self }
    }

    /// The same, having displaced what the trash now holds there.
    pub(crate) fn keeping(self, kept: Kept) -> Item {
        Item { kept, ..self }
    }
}

impl Pending {
    pub(crate) fn push(&mut self, item: Item) {
        self.items.push(item);
        self.last = Some(Moment::now());
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Waits until the youngest stamp has rested, reads what has to be read and reports what is done. With `wait` false (the run is
/// ending early) stamps are recorded as racy instead.
pub fn restamp(run: &Run<'_>, pending: Pending, wait: bool) -> Result<Vec<Outcome>, Halt> {
    let rest = Side::BOTH.iter().filter_map(|&side| run.rest(side)).max();
    if let (Some(rest), Some(last), true) = (rest, pending.last, wait) {
        pause(rest.saturating_sub(last.elapsed()));
    }
    let mut open = Opened::default();
    let mut patience = MOST_REST;
    let mut kept_as_set = PerSide::<bool>::default();
    let mut outcomes = Vec::with_capacity(pending.items.len());
    for item in pending.items {
        let traits = &run.traits[item.side];
        // A server that restamps does it to the first one too. Where it does not, the others are not asked: what they were given
        // is what they show. Where that is wrong all the same the next look sees another stamp, and reads the file. A ctime is
        // never the one that was given: our own rename moved it.
        if kept_as_set[item.side] && !traits.ctime && item.is_plain_write() {
            outcomes.push(as_it_was_set(item));
            continue;
        }
        let (parent, name) = split(&item.path);
        let folder = match open.at(run, item.side, &parent) {
            Err(source) if source.kind == ErrorKind::Gone => return Err(Halt::Gone { side: item.side, source }),
            other => other.ok(),
        };
        let fresh = traits.remote && !kept_as_set[item.side];
        let freshness = if fresh { Freshness::Fresh } else { Freshness::Cached };
        let look = |freshness| folder.as_ref().and_then(|folder| folder.look(&name, freshness).ok().flatten());
        // The clock before the look: what is edited after it shows another time only where the stamp had rested by then.
        let (mut clock, mut node) = (run.clock_now(item.side), look(freshness));
        let rests = node.as_ref().filter(|_| wait && !item.is_read_anyway());
        if let Some(missing) = rests.and_then(|node| run.missing_rest(item.side, &node.stamp, clock))
            && missing <= patience
        {
            pause(missing);
            patience -= missing;
            (clock, node) = (run.clock_now(item.side), look(Freshness::Fresh));
        }
        if fresh && item.is_plain_write() {
            let as_set = |node: &Node| same_version(&node.stamp, &item.wrote, traits);
            kept_as_set[item.side] = node.as_ref().is_some_and(as_set);
        }
        outcomes.push(done(run, item, node.as_ref(), clock));
    }
    Ok(outcomes)
}

/// What the base learns of a file that was not looked at again.
fn as_it_was_set(item: Item) -> Outcome {
    let own = Recorded { stamp: item.wrote, racy: item.young };
    learnt(item, Some(own))
}

/// What the base learns, with the clock just before the look. A file that is no longer what was written was edited since: its
/// stamp is left out, so that the next look reads it.
fn done(run: &Run<'_>, item: Item, node: Option<&Node>, clock: Clock) -> Outcome {
    let Item { side, entry, wrote, .. } = &item;
    let traits = &run.traits[*side];
    let plain = node.filter(|node| matches!(&node.content, NodeContent::Plain(content) if content.kind() == entry.kind()));
    let own = plain.and_then(|node| {
        let ours = match entry.content {
            Content::File { .. } => same_version(&node.stamp, wrote, traits),
            Content::Folder | Content::Link { .. } => true,
        };
        ours.then(|| Recorded { stamp: node.stamp, racy: item.is_read_anyway() || racy(&node.stamp, traits, clock) })
    });
    // Restamped by the server: keep the stamp, so that its time is no change, but let it be read once.
    let own = own.or_else(|| {
        let restamped = plain.filter(|node| node.stamp.size == wrote.size && traits.remote);
        restamped.map(|node| Recorded { stamp: node.stamp, racy: true })
    });
    learnt(item, own)
}

fn learnt(item: Item, own: Option<Recorded>) -> Outcome {
    let Item { path, why, op, side, entry, other, tally, moved_from, sent, kept, .. } = item;
    let stamps = if side == Side::Staging { PerSide::new(own, other) } else { PerSide::new(other, own) };
    let base = agreed(entry, stamps, sent);
    let learnt = match moved_from {
        Some(from) => Learnt::Moved { from, base: Some(base) },
        None => Learnt::Put(base),
    };
    Outcome { path, why, op, side: Some(side), result: Ending::Done { learnt, tally, kept } }
}
