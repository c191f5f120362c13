//! How long to wait before a root is looked at again, where nobody tells of changes.
//!
//! The pause follows what a look costs and how often one finds something. Times and chance are arguments.

use std::time::Duration;

/// A pause is at least as many times what the look before it took: a look costs half a percent of the time.
const COST: u32 = 200;

/// When to look next.
#[derive(Clone, Debug)]
pub struct Spacing {
    least: Duration,
    most: Duration,
    pause: Duration,
    next: Duration,
}

impl Spacing {
    /// The first look is due after `least`; later ones at most `most` apart, unless they cost much.
    pub fn new(least: Duration, most: Duration, now: Duration) -> Spacing {
        Spacing { least, most, pause: least, next: now + least }
    }

    pub fn due(&self) -> Duration {
        self.next
    }

    /// A look that took `cost` has ended. `chance` is a number of 0 to 255 that keeps many machines from looking at the same
    /// time; it adds up to a tenth.
    pub fn looked(&mut self, now: Duration, cost: Duration, found: bool, chance: u8) {
        self.pause = if found { self.least } else { (self.pause * 2).min(self.most) };
        let pause = self.pause.max(cost.saturating_mul(COST));
        self.next = now + pause + pause / 10 * u32::from(chance) / 255;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn looks_that_find_nothing_grow_rare_and_dear_ones_rarer() {
        let mut spacing = Spacing::new(seconds(30), seconds(300), seconds(0));
        assert_eq!(spacing.due(), seconds(30));
        let cheap = Duration::from_millis(10);
        for (now, cost, found, expected) in [
            (30, cheap, false, 90),
            (90, cheap, false, 210),
            (210, cheap, false, 450),
            (450, cheap, false, 750),
            (750, cheap, false, 1_050),
            (1_050, cheap, true, 1_080),
            (1_080, seconds(1), true, 1_280),
            (1_280, seconds(10), false, 3_280),
        ] {
            spacing.looked(seconds(now), cost, found, 0);
            assert_eq!(spacing.due(), seconds(expected), "after a look at {now} s");
        }
        spacing.looked(seconds(0), cheap, true, 255);
        assert_eq!(spacing.due(), seconds(33));
    }
}
