//! File times as one number, so that they compare, subtract and store without conversion.

/// Nanoseconds since 1970-01-01T00:00:00Z; times outside 1677 to 2262 are held at the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Time {
    /// From whole seconds and nanoseconds (0 to 999,999,999), as `stat` gives them.
    pub fn from_parts(seconds: i64, nanos: u32) -> Time {
        Time(seconds.saturating_mul(SECOND).saturating_add(i64::from(nanos)))
    }

    /// Whole seconds (rounded down) and nanoseconds (0 to 999,999,999).
    pub fn parts(self) -> (i64, u32) {
        let nanos = u32::try_from(self.0.rem_euclid(SECOND)).expect("a remainder of a second fits");
        (self.0.div_euclid(SECOND), nanos)
    }

    /// Equal as far as a root that stores times in steps of `granularity_ns` can tell.
    pub fn near(self, other: Time, granularity_ns: i64) -> bool {
        self.0 == other.0 || self.0.abs_diff(other.0) < granularity_ns.unsigned_abs()
    }

    /// Not before 1970-01-02 and not more than a day ahead of `now`: a time that may replace another one
    /// (guard *Sanity*; clients that wrote 1970 to servers destroyed real dates).
    pub fn sane(self, now: Time) -> bool {
        self.0 > DAY && self.0 <= now.0.saturating_add(DAY)
    }
}
