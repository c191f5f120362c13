//! When a stamp may speak for a file's content, and which files have to be read because none can.

use super::entry::{Base, Content, Found, Recorded, Stamp};
use super::side::{PerSide, Side};
use super::time::Time;
use super::traits::Traits;

/// Equal as far as this root's stamps mean anything: size and mtime, ctime and id where they can be trusted.
pub fn same_stamp(a: &Stamp, b: &Stamp, traits: &Traits) -> bool {
    a.size == b.size && a.mtime == b.mtime && (!traits.ctime || a.ctime == b.ctime) && (!traits.ids || a.id == b.id)
}

/// The same version of a file, although our own rename or link may have moved its ctime since.
pub fn same_version(a: &Stamp, b: &Stamp, traits: &Traits) -> bool {
    a.size == b.size && a.mtime == b.mtime && (!traits.ids || a.id == b.id)
}

/// Does the recorded stamp vouch for a file that now shows `stamp`?
pub fn vouches(recorded: Option<&Recorded>, stamp: &Stamp, traits: &Traits) -> bool {
    recorded.is_some_and(|recorded| !recorded.racy && same_stamp(&recorded.stamp, stamp, traits))
}

/// The root's own clock: when its listing began, or so much later as passed here since. It may lag, and
/// is not ahead unless somebody sets the root's clock back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The mtime of a file that this run wrote there.
    Own(Time),
    /// The root cannot be written; this machine's clock less a day stands in.
    DayAgo(Time),
}

impl Clock {
    /// It is at least so late there.
    pub fn earliest(self) -> Time {
        let (Clock::Own(time) | Clock::DayAgo(time)) = self;
        time
    }

    /// This clock `elapsed_ns` later.
    #[must_use]
    pub fn after(self, elapsed_ns: i64) -> Clock {
        match self {
            Clock::Own(time) => Clock::Own(Time(time.0.saturating_add(elapsed_ns))),
            Clock::DayAgo(time) => Clock::DayAgo(Time(time.0.saturating_add(elapsed_ns))),
        }
    }
}

/// Too young to vouch: an edit within one step of the clock could leave every time of the stamp as it is.
/// (git calls it *racily clean*.)
pub fn racy(stamp: &Stamp, traits: &Traits, clock: Clock) -> bool {
    rests_in_ns(stamp, traits, clock) >= 0
}

/// In how many nanoseconds it is older than one step of the clock; negative where it is.
pub fn rests_in_ns(stamp: &Stamp, traits: &Traits, clock: Clock) -> i64 {
    let newest = if traits.ctime { stamp.mtime.max(stamp.ctime) } else { stamp.mtime };
    newest.0.saturating_add(traits.clock_step_ns).saturating_sub(clock.earliest().0)
}

/// How the content of a file is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learn {
    /// Nothing depends on it (or it is no file).
    Nothing,
    /// The base's digest still stands: its stamp vouches.
    FromBase,
    /// The other side's digest counts for it: equal size and time, and the user trusts times.
    FromOther,
    /// It has to be read.
    Read,
}

/// What to learn of each side at one path.
pub fn to_learn(base: Option<&Base>, seen: PerSide<Option<&Found>>, traits: &PerSide<Traits>, effort: Effort) -> PerSide<Learn> {
    let size = |side: Side| match seen[side].map(|found| &found.entry.content) {
        Some(Content::File { size, .. }) => Some(*size),
        _ => None,
    };
    let known = base.is_some_and(|base| base.entry.digest().is_some());
    let vouched = |side: Side| match (base, seen[side]) {
        (Some(base), Some(found)) if known && effort != Effort::Verify => {
            vouches(base.stamps[side].as_ref(), &found.stamp, &traits[side])
        }
        _ => false,
    };
    let equal_sizes = size(Side::Staging).is_some() && size(Side::Staging) == size(Side::Network);
    let both_new = equal_sizes && !vouched(Side::Staging) && !vouched(Side::Network);
    let learn = |side: Side| match size(side) {
        None => Learn::Nothing,
        Some(_) if vouched(side) => Learn::FromBase,
        Some(own) if both_new || base.is_some_and(|base| base.may_hold(side, own)) => Learn::Read,
        Some(_) => Learn::Nothing,
    };
    let mut answer = PerSide::new(learn(Side::Staging), learn(Side::Network));
    let coarser = traits.granularity_ns();
    if effort == Effort::TrustTimes && base.is_none() && both_new && coarser < 1_000_000_000 {
        let near = |a: &Found, b: &Found| a.entry.mtime.near(b.entry.mtime, coarser);
        if seen.staging.zip(seen.network).is_some_and(|(a, b)| near(a, b)) {
            answer.network = Learn::FromOther;
        }
    }
    answer
}

/// How much a look trusts what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    #[default]
    Normal,
    /// Where both sides meet for the first time, equal size and mtime (finer than 1 s) count as equal content.
    TrustTimes,
    /// Read everything that is on both sides or in the base.
    Verify,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest;
    use crate::model::entry::Entry;

    fn found(size: u64, mtime: i64) -> Found {
        let time = Time(mtime);
        Found {
            entry: Entry { content: Content::File { size, digest: None }, mtime: time, mode: 0o644 },
            stamp: Stamp { size, mtime: time, ctime: time, id: 7 },
        }
    }

    fn base(size: u64, mtime: i64, racy: bool) -> Base {
        let mut found = found(size, mtime);
        found.entry.set_digest(digest::of(b"x"));
        let recorded = Some(Recorded { stamp: found.stamp, racy });
        Base { entry: found.entry, stamps: PerSide::new(recorded, recorded), sent: None }
    }

    fn learn(base: Option<&Base>, staging: Option<&Found>, network: Option<&Found>, effort: Effort) -> (Learn, Learn) {
        let answer = to_learn(base, PerSide::new(staging, network), &PerSide::new(Traits::LOCAL, Traits::LOCAL), effort);
        (answer.staging, answer.network)
    }

    #[test]
    fn files_are_read_only_where_no_stamp_vouches() {
        use Learn::{FromBase, FromOther, Nothing, Read};
        let (old, new, longer) = (found(5, 100), found(5, 200), found(6, 200));
        let (sure, racy) = (base(5, 100, false), base(5, 100, true));
        for (name, base, staging, network, effort, expected) in [
            ("unchanged", Some(&sure), Some(&old), Some(&old), Effort::Normal, (FromBase, FromBase)),
            ("verify reads all", Some(&sure), Some(&old), Some(&old), Effort::Verify, (Read, Read)),
            ("racy is read", Some(&racy), Some(&old), Some(&old), Effort::Normal, (Read, Read)),
            ("touched", Some(&sure), Some(&new), Some(&old), Effort::Normal, (Read, FromBase)),
            ("another size is an answer", Some(&sure), Some(&longer), Some(&old), Effort::Normal, (Nothing, FromBase)),
            ("both to another equal size", Some(&sure), Some(&longer), Some(&longer), Effort::Normal, (Read, Read)),
            ("new on one side", None, Some(&new), None, Effort::Normal, (Nothing, Nothing)),
            ("first meeting", None, Some(&old), Some(&new), Effort::Normal, (Read, Read)),
            ("first meeting, other sizes", None, Some(&old), Some(&longer), Effort::Normal, (Nothing, Nothing)),
            ("trusted times", None, Some(&new), Some(&new), Effort::TrustTimes, (Read, FromOther)),
            ("trusted times differ", None, Some(&old), Some(&new), Effort::TrustTimes, (Read, Read)),
            ("deleted", Some(&sure), None, Some(&old), Effort::Normal, (Nothing, FromBase)),
        ] {
            assert_eq!(learn(base, staging, network, effort), expected, "{name}");
        }
    }

    #[test]
    fn a_stamp_within_a_clock_step_is_racy() {
        let stamp = Stamp { size: 1, mtime: Time(1_000), ctime: Time(2_000), id: 1 };
        let traits = Traits { clock_step_ns: 500, ..Traits::LOCAL };
        assert!(racy(&stamp, &traits, Clock::Own(Time(2_500))));
        assert!(!racy(&stamp, &traits, Clock::Own(Time(2_501))));
        assert!(!racy(&stamp, &Traits { ctime: false, ..traits }, Clock::Own(Time(1_501))));
    }
}
