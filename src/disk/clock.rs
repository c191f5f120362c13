//! The machine's clocks and its random numbers: the one door to them, so that a test can hold both in its hand and a run
//! can be repeated step by step.
//!
//! Clocks of two machines are never compared for a decision; a root has its own clock (`roots::probe`).

use crate::model::time::Time;

use std::io;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// This machine's wall clock.
pub fn now() -> Time {
    #[cfg(test)]
    if let Some(time) = simulated::read(|held| held.now) {
        return time;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A moment of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(At);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Real(Instant),
    #[cfg(test)]
    Held(Duration),
}

impl Moment {
    pub fn now() -> Moment {
        #[cfg(test)]
        if let Some(passed) = simulated::read(|held| held.passed) {
            return Moment(At::Held(passed));
        }
        Moment(At::Real(Instant::now()))
    }

    pub fn elapsed(self) -> Duration {
        match self.0 {
            At::Real(instant) => instant.elapsed(),
            #[cfg(test)]
            At::Held(passed) => simulated::read(|held| held.passed).unwrap_or_default().saturating_sub(passed),
        }
    }
}

/// Lets time pass.
pub fn pause(time: Duration) {
    #[cfg(test)]
    if simulated::advance(time) {
        return;
    }
    thread::sleep(time);
}

/// Fills `bytes` with random ones of the system.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    #[cfg(test)]
    if simulated::fill(bytes) {
        return Ok(());
    }
    getrandom::fill(bytes).map_err(io::Error::other)
}

/// Clocks and chance that a test holds. They are those of its thread: what runs on it alone can be repeated.
#[cfg(test)]
pub mod simulated {
    use super::{Duration, Time};
    use std::cell::RefCell;

    pub(super) struct Held {
        pub now: Time,
        pub passed: Duration,
        chance: u64,
    }

    thread_local! {
        static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    }

    /// While it lives, this thread's clocks stand still unless they are advanced, and its chance comes from a seed.
    pub struct Simulated(());

    impl Simulated {
        pub fn begin(now: Time, seed: u64) -> Simulated {
            HELD.set(Some(Held { now, passed: Duration::ZERO, chance: seed }));
            Simulated(())
        }
    }

    impl Drop for Simulated {
        fn drop(&mut self) {
            HELD.set(None);
        }
    }

    pub(super) fn read<T>(value: impl FnOnce(&Held) -> T) -> Option<T> {
        HELD.with_borrow(|held| held.as_ref().map(value))
    }

    /// Lets time pass on this thread's clocks; `false` where they are the real ones.
    pub fn advance(time: Duration) -> bool {
        HELD.with_borrow_mut(|held| {
            let Some(held) = held else { return false };
            held.passed = held.passed.saturating_add(time);
            held.now = Time(held.now.0.saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)));
            true
        })
    }

    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        HELD.with_borrow_mut(|held| {
            let Some(held) = held else { return false };
            for byte in bytes {
                // splitmix64.
                held.chance = held.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = held.chance;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                *byte = (mixed ^ (mixed >> 31)) as u8;
            }
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_clocks_move_only_when_told_and_chance_repeats() {
        let chance = || {
            let held = simulated::Simulated::begin(Time(1_000), 7);
            let began = Moment::now();
            pause(Duration::from_secs(5));
            let mut bytes = [0; 16];
            random(&mut bytes).expect("bytes");
            let seen = (now(), began.elapsed(), bytes);
            drop(held);
            seen
        };
        let first = chance();
        assert_eq!((first.0, first.1), (Time(5_000_001_000), Duration::from_secs(5)));
        assert_eq!(chance(), first);
        assert!(now() > Time(1_700_000_000_000_000_000), "the real clock is back");
    }
}
