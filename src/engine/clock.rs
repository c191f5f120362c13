//! What time it is at a root.

use super::open::Session;
use crate::model::side::Side;
use crate::model::time::Time;
use crate::model::vouch::Clock;

/// A root's own clock, as far as it is known: where the root lies on this machine, this machine's is the same.
pub(super) fn now_at(session: &Session<'_>, side: Side) -> Option<Time> {
    const DAY_NS: i64 = 86_400_000_000_000;
    let elapsed = i64::try_from(session.asked[side].elapsed().as_nanos()).unwrap_or(i64::MAX);
    match session.clocks[side].after(elapsed) {
        Clock::Own(now) => Some(now),
        Clock::DayAgo(time) => (!session.traits[side].remote).then(|| Time(time.0.saturating_add(DAY_NS))),
    }
}
