//! How long to leave a root alone that is out of reach, before it is asked again.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(500);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// The pause after `tries` tries in vain: doubling from 0.5 s to 30 s, and from half of that to all of it by `draw`, a
/// random number: many machines that lost one server do not come back to it in step.
pub fn pause(tries: u32, draw: u16) -> Duration {
    let whole = FIRST.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST);
    let half = whole / 2;
    half + half * u32::from(draw) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_half_a_minute_and_are_cut_by_up_to_a_half() {
        let table = [
            // tries, draw, milliseconds
            (0, u16::MAX, 500),
            (0, 0, 250),
            (0, u16::MAX / 2 + 1, 375),
            (1, u16::MAX, 1_000),
            (1, 0, 500),
            (5, u16::MAX, 16_000),
            (6, u16::MAX, 30_000),
            (6, 0, 15_000),
            (31, u16::MAX, 30_000),
            (32, u16::MAX, 30_000),
            (u32::MAX, 0, 15_000),
            (u32::MAX, u16::MAX, 30_000),
        ];
        for (tries, draw, expected) in table {
            assert_eq!(pause(tries, draw).as_millis(), expected, "after {tries} tries, draw {draw}");
        }
    }
}
