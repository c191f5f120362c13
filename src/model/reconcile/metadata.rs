//! Equal content: times and modes are merged attribute by attribute, and the base learns the agreement.

use super::Deciding;
use crate::model::change::{mode_changed, mtime_changed};
use crate::model::entry::{Base, Entry, Found, Kind, Recorded};
use crate::model::listing::{Difference, Seen};
use crate::model::plan::{Op, Why};
use crate::model::side::{Direction, PerSide, Side};
use crate::model::time::Time;

/// One attribute: whose value counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Nobody changed it.
    Nobody,
    Of(Side),
}

/// Both sides hold the same content, or staging a database and the network root what it was sent of it.
pub(super) fn agree(deciding: &mut Deciding<'_>, difference: Difference, why: Why) {
    let (Some(staging), Some(network)) = (difference.staging.found(), difference.network.found()) else { return };
    let found = PerSide::new(staging, network);
    let mtime = whose_mtime(deciding, &difference, &found);
    let mode = whose_mode(deciding, &difference, &found);
    let old = difference.base.as_deref();
    let sent = if found.staging.entry.same_content(&found.network.entry) { None } else { old.and_then(|old| old.sent) };
    let mut entry = found.network.entry.clone();
    entry.content = found.staging.entry.content.clone();
    entry.mtime = value(mtime, old, &found, |entry| entry.mtime);
    entry.mode = value(mode, old, &found, |entry| entry.mode);
    let mut touches = Vec::new();
    let mut stamps = found.map(|found| Some(Recorded { stamp: found.stamp, racy: true }));
    for side in Side::BOTH {
        let needs_mtime =
            mtime == Whose::Of(side.other()) && !found[side].entry.mtime.near(entry.mtime, deciding.rules.granularity_ns);
        let needs_mode = mode == Whose::Of(side.other()) && found[side].entry.mode != entry.mode;
        if !needs_mtime && !needs_mode {
            continue;
        }
        if deciding.rules.direction.writes(side) {
            touches.push((side, needs_mtime.then_some(entry.mtime), needs_mode.then_some(entry.mode)));
        } else if let Some(old) = old {
            // Left for a run that may write there; until then the base goes on to say what both agreed on.
            deciding.plan.pending[side.other()] += 1;
            if needs_mtime {
                entry.mtime = old.entry.mtime;
                stamps[side.other()] = old.stamps[side.other()];
            }
            if needs_mode {
                entry.mode = old.entry.mode;
            }
        }
    }
    let news = old.is_none_or(|old| old.entry != entry || old.sent != sent || !settled(old, &stamps));
    let base = Box::new(Base { entry, stamps, sent });
    let first = difference.base.is_none();
    let Difference { path, staging, network, .. } = difference;
    if touches.is_empty() {
        if news {
            deciding.act(path, Op::Record { base, first }, why);
        }
        return;
    }
    for (side, mtime, mode) in touches {
        let there = if side == Side::Staging { &staging } else { &network };
        let Seen::There(expect) = there.clone() else { continue };
        deciding.act(path.clone(), Op::Touch { side, expect, mtime, mode, base: base.clone() }, why);
    }
}

/// The recorded stamps are these, and vouch already.
fn settled(old: &Base, stamps: &PerSide<Option<Recorded>>) -> bool {
    Side::BOTH.iter().all(|&side| match (old.stamps[side], stamps[side]) {
        (Some(old), Some(new)) => !old.racy && old.stamp == new.stamp,
        _ => false,
    })
}

fn value<T>(whose: Whose, old: Option<&Base>, found: &PerSide<&Found>, of: impl Fn(&Entry) -> T) -> T {
    match (whose, old) {
        (Whose::Of(side), _) => of(&found[side].entry),
        (Whose::Nobody, Some(old)) => of(&old.entry),
        // Where the network's value could not be carried, it shows as the network's change from now on.
        (Whose::Nobody, None) => of(&found.staging.entry),
    }
}

fn whose_mtime(deciding: &mut Deciding<'_>, difference: &Difference, found: &PerSide<&Found>) -> Whose {
    let rules = deciding.rules;
    let kind = found.staging.entry.kind();
    let times = found.map(|found| found.entry.mtime);
    if kind == Kind::Folder {
        return Whose::Nobody;
    }
    let winner = match (rules.take, difference.base.as_deref()) {
        (Some(side), _) => side,
        (None, None) => return earlier_sane(rules.direction, &times, rules.now),
        (None, Some(base)) => {
            let changed = |side: Side| mtime_changed(base, &found[side].entry, side, rules.compare());
            match (changed(Side::Staging), changed(Side::Network)) {
                (false, false) => return Whose::Nobody,
                (true, false) => Side::Staging,
                (false, true) => Side::Network,
                (true, true) => match rules.direction {
                    Direction::Up => Side::Staging,
                    Direction::Down => Side::Network,
                    Direction::Both if times.staging > times.network => Side::Staging,
                    Direction::Both => Side::Network,
                },
            }
        }
    };
    if !times[winner].sane(rules.now) && times[winner.other()].sane(rules.now) {
        deciding.note(&difference.path, "its time makes no sense and was not copied");
        return Whose::Nobody;
    }
    Whose::Of(winner)
}

/// First meeting: copies by hand are stamped "now", so the earlier time is the true one. A run that may not write the
/// side with the later time leaves both as they are: nothing depends on it.
fn earlier_sane(direction: Direction, times: &PerSide<Time>, now: Time) -> Whose {
    let winner = match (times.staging.sane(now), times.network.sane(now)) {
        (true, false) => Side::Staging,
        (false, true) => Side::Network,
        (false, false) => return Whose::Nobody,
        (true, true) if times.staging < times.network => Side::Staging,
        (true, true) => Side::Network,
    };
    if direction.writes(winner.other()) { Whose::Of(winner) } else { Whose::Nobody }
}

fn whose_mode(deciding: &Deciding<'_>, difference: &Difference, found: &PerSide<&Found>) -> Whose {
    let rules = deciding.rules;
    if !rules.modes || found.staging.entry.kind() == Kind::Link {
        return Whose::Nobody;
    }
    if let Some(side) = rules.take {
        return Whose::Of(side);
    }
    let Some(base) = difference.base.as_deref() else {
        // First meeting: the copy that people keep.
        return if rules.direction.writes(Side::Staging) { Whose::Of(Side::Network) } else { Whose::Nobody };
    };
    let changed = |side: Side| {
        mode_changed(base, &difference.at(side).found().expect("an agreement has an entry on both sides").entry, rules.compare())
    };
    match (changed(Side::Staging), changed(Side::Network)) {
        (false, false) => Whose::Nobody,
        (true, false) => Whose::Of(Side::Staging),
        (false, true) => Whose::Of(Side::Network),
        (true, true) if rules.direction == Direction::Down => Whose::Of(Side::Network),
        (true, true) => Whose::Of(Side::Staging),
    }
}
