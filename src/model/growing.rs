//! Files that are written to while they are copied: when they are tried again, and what may be sent of those that only grow.

use super::digest::Digest;
use super::path::RelPath;
use super::side::Side;
use super::time::Time;

/// The shortest quiet that is asked for: programs that write in bursts pause for about a second.
const SHORTEST_NS: i64 = 2_000_000_000;
/// The longest: a file that is quiet for so long is tried, however long its copy takes.
const LONGEST_NS: i64 = 600_000_000_000;

/// A file that was written to while it was copied, and is not tried again before it was quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub path: RelPath,
    /// Where it is written to.
    pub side: Side,
    /// How often in a row.
    pub times: u32,
    /// Not tried before its mtime is older than this, by the root's own clock.
    pub quiet_ns: i64,
}

impl Torn {
    /// After a copy that took `took_ns` and was in vain.
    pub fn after(before: Option<&Torn>, path: RelPath, side: Side, took_ns: i64) -> Torn {
        let doubled = before.map_or(0, |torn| torn.quiet_ns.saturating_mul(2));
        let times = before.map_or(0, |torn| torn.times).saturating_add(1);
        Torn { path, side, times, quiet_ns: doubled.max(took_ns).clamp(SHORTEST_NS, LONGEST_NS) }
    }

    /// Is a file with this mtime to be left alone at `now`, by its root's own clock? A time ahead of that clock says
    /// nothing about quiet: then the copy itself finds out.
    pub fn waits(&self, mtime: Time, now: Time) -> bool {
        let age = now.0.saturating_sub(mtime.0);
        (-SHORTEST_NS..self.quiet_ns).contains(&age)
    }

    /// The quiet in words.
    pub fn quiet(&self) -> String {
        match self.quiet_ns.cast_unsigned().div_ceil(1_000_000_000) {
            seconds @ 0..120 => format!("{seconds} s"),
            seconds => format!("{} min", seconds.div_ceil(60)),
        }
    }
}

/// What both sides agreed on of a file that only grows: its first bytes have to be these still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Bytes.
    pub size: u64,
    pub digest: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn torn(quiet_ns: i64) -> Torn {
        Torn { path: RelPath::root(), side: Side::Staging, times: 1, quiet_ns }
    }

    #[test]
    fn the_quiet_is_the_copys_time_and_doubles() {
        for (before, took, expected) in [
            (None, 0, 2 * S),
            (None, 7 * S, 7 * S),
            (Some(2 * S), 0, 4 * S),
            (Some(2 * S), 9 * S, 9 * S),
            (Some(400 * S), 0, 600 * S),
            (None, i64::MAX, 600 * S),
        ] {
            let before = before.map(torn);
            let after = Torn::after(before.as_ref(), RelPath::root(), Side::Staging, took);
            assert_eq!(after.quiet_ns, expected, "{before:?} {took}");
            assert_eq!(after.times, 1 + u32::from(before.is_some()));
        }
    }

    #[test]
    fn it_waits_until_the_file_was_quiet() {
        for (mtime, now, expected) in [
            (100 * S, 100 * S, true),
            (100 * S, 103 * S, true),
            (100 * S, 104 * S, false),
            (101 * S, 100 * S, true),
            // A program that stamps its files with tomorrow.
            (9_000 * S, 100 * S, false),
        ] {
            assert_eq!(torn(4 * S).waits(Time(mtime), Time(now)), expected, "{mtime} {now}");
        }
    }

    #[test]
    fn the_quiet_in_words_is_never_less() {
        assert_eq!(
            [2 * S, 2 * S + 1, 119 * S, 121 * S, 600 * S].map(|ns| torn(ns).quiet()),
            ["2 s", "3 s", "119 s", "3 min", "10 min"]
        );
    }
}
