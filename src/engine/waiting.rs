//! Waiting for a lock or a root: with an end, a word to the user, and an ear for Ctrl-C.

use super::error::Error;
use super::report::{Progress, WaitingFor};
use crate::disk::clock::{self, Moment};
use crate::model::backoff;
use crate::model::side::Side;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon a signal is heard.
const EAR: Duration = Duration::from_millis(100);
/// A lock costs nobody anything to ask for.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Waiting<'a> {
    wait: Duration,
    began: Cell<Moment>,
    /// Times that a root was asked in vain since it answered last.
    tries: Cell<u32>,
    tell: &'a (dyn Fn(Progress) + Sync),
    stop: &'a AtomicBool,
}

impl<'a> Waiting<'a> {
    pub fn new(wait: Duration, tell: &'a (dyn Fn(Progress) + Sync), stop: &'a AtomicBool) -> Waiting<'a> {
        Waiting { wait, began: Cell::new(Moment::now()), tries: Cell::new(0), tell, stop }
    }

    /// Tries until it works, the time is over (`None`) or the user stops it.
    pub fn attempt<T>(&self, what: WaitingFor, mut one: impl FnMut() -> Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            if let Some(value) = one()? {
                return Ok(Some(value));
            }
            if !self.pause(what)? {
                return Ok(None);
            }
        }
    }

    /// A root that went away in the middle: sleeps for a while; `false` where the time is over.
    pub fn again(&self, side: Side) -> Result<bool, Error> {
        self.pause(WaitingFor::Root(side))
    }

    /// Was a root out of reach since the last word that all was well?
    pub fn is_away(&self) -> bool {
        self.tries.get() > 0
    }

    /// The run came further: the next time that a root goes away has the whole wait.
    pub fn afresh(&self) {
        self.began.set(Moment::now());
        self.tries.set(0);
    }

    fn pause(&self, what: WaitingFor) -> Result<bool, Error> {
        let left = self.wait.saturating_sub(self.began.get().elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        (self.tell)(Progress::Waiting(what));
        let whole = match what {
            WaitingFor::Lock => LOCK_PAUSE,
            WaitingFor::Root(_) => {
                let tries = self.tries.get();
                self.tries.set(tries.saturating_add(1));
                backoff::pause(tries, draw())
            }
        };
        let (rest, paused) = (whole.min(left), Moment::now());
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let left = rest.saturating_sub(paused.elapsed());
            if left.is_zero() {
                return Ok(true);
            }
            clock::pause(left.min(EAR));
        }
    }
}

/// Without the system's random numbers all pauses are whole.
fn draw() -> u16 {
    let mut bits = [0xFF; 2];
    let _ = clock::random(&mut bits);
    u16::from_ne_bytes(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::clock::simulated::Simulated;
    use crate::model::time::Time;

    /// Tries until the time is over; when, in milliseconds.
    fn tries(waiting: &Waiting<'_>, what: WaitingFor) -> Vec<u128> {
        let (began, mut at) = (Moment::now(), Vec::new());
        let found = waiting.attempt(what, || {
            at.push(began.elapsed().as_millis());
            Ok(None::<()>)
        });
        assert!(matches!(found, Ok(None)), "it never answers");
        at
    }

    #[test]
    fn a_root_is_asked_less_and_less_often_and_once_more_at_the_end() {
        let _held = Simulated::begin(Time(0), 1);
        let (stop, tell) = (AtomicBool::new(false), |_| {});
        for (wait_s, least, most) in [(0, 1, 1), (1, 3, 5), (30, 6, 9), (600, 25, 48)] {
            let waiting = Waiting::new(Duration::from_secs(wait_s), &tell, &stop);
            let at = tries(&waiting, WaitingFor::Root(Side::Network));
            assert!((least..=most).contains(&at.len()), "{wait_s} s: {at:?}");
            assert_eq!(at.last(), Some(&u128::from(wait_s * 1_000)), "{wait_s} s: {at:?}");
            let pauses = at.windows(2).map(|two| two[1] - two[0]);
            assert!(pauses.enumerate().all(|(n, pause)| pause <= 500 << n.min(6) && pause <= 30_000), "{wait_s} s: {at:?}");
            assert_eq!(waiting.is_away(), wait_s > 0);
        }
    }

    #[test]
    fn a_run_that_came_further_has_the_whole_wait_again() {
        let _held = Simulated::begin(Time(0), 2);
        let (stop, tell) = (AtomicBool::new(false), |_| {});
        let waiting = Waiting::new(Duration::from_secs(5), &tell, &stop);
        tries(&waiting, WaitingFor::Root(Side::Network));
        assert!(matches!(waiting.again(Side::Network), Ok(false)), "the time is over");
        waiting.afresh();
        assert!(!waiting.is_away());
        let began = Moment::now();
        assert!(matches!(waiting.again(Side::Network), Ok(true)));
        assert!(waiting.is_away() && began.elapsed() <= Duration::from_millis(500), "a first pause again");
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(waiting.again(Side::Network), Err(Error::Stopped)));
    }

    #[test]
    fn a_lock_is_asked_for_all_the_time() {
        let _held = Simulated::begin(Time(0), 3);
        let (stop, tell) = (AtomicBool::new(false), |_| {});
        let waiting = Waiting::new(Duration::from_secs(2), &tell, &stop);
        assert_eq!(tries(&waiting, WaitingFor::Lock).len(), 11);
        assert!(!waiting.is_away());
    }
}
