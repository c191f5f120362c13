//! The network root's lease `.driftless/lease.toml`: held from a run's first visible write there to its last, so
//! that two machines do not write one root at the same time.
//!
//! Invariants. A lease saves work; what keeps data safe is the look just before each visible step. So where none can
//! be had the run goes on, and no answer here is proof. Clocks of two machines are never compared: a lease is dead
//! when its content stood still for 15 s of our own monotonic clock. Every write changes the content.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::own::{self, Keep};
use crate::disk::clock::{Moment, pause, random};
use crate::disk::{ErrorKind, Folder, Onto, Root};

const FILE: &str = "lease.toml";

/// A lease whose content does not change for this long is taken over.
pub const STILL: Duration = Duration::from_secs(15);

/// A holder writes its lease anew at least this often: three chances within [`STILL`], a slow mount allowed for.
pub const RENEW_EVERY: Duration = Duration::from_secs(4);

/// Time between two looks at another's lease.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Who writes: a host and, on it, a state folder. One process at a time has both, by the kernel lock on staging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub host: String,
    /// A lasting name of the state folder.
    pub state: String,
}

/// Our monotonic clock, from outside so that tests need not wait.
pub trait Clock {
    /// Time since some moment that does not change.
    fn now(&self) -> Duration;
    /// Waits, or returns `false` where the run is to stop.
    fn pause(&self, time: Duration) -> bool;
}

/// The machine's own, until somebody wants to stop.
pub struct Monotonic<'a> {
    began: Moment,
    stop: &'a AtomicBool,
}

impl Monotonic<'_> {
    pub fn new(stop: &AtomicBool) -> Monotonic<'_> {
        Monotonic { began: Moment::now(), stop }
    }
}

impl Clock for Monotonic<'_> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause(&self, time: Duration) -> bool {
        pause(time.min(Duration::from_millis(200)));
        !self.stop.load(Ordering::Relaxed)
    }
}

/// What came of asking for the lease.
#[derive(Debug)]
pub enum Outcome {
    Ours(Lease),
    /// Another one is alive and did not let go in time.
    Busy {
        holder: Option<Holder>,
    },
    /// None to be had (read-only, no right, a strange file in its place): go on without.
    None {
        reason: Error,
    },
}

/// A lease that we hold. Dropping it without [`release`](Lease::release) leaves it to be taken over.
#[derive(Debug)]
pub struct Lease {
    holder: Holder,
    counter: u64,
}

/// The file as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    state: String,
    /// Starts at random, so that a lease let go and taken again never looks like one that stood still.
    counter: u64,
}

/// Asks for the lease, and waits up to `wait` for another's.
///
/// # Errors
/// Only where the root is gone; everything else is an [`Outcome`].
pub fn take(root: &dyn Root, holder: &Holder, wait: Duration, clock: &dyn Clock) -> Result<Outcome> {
    match wait_for(root, holder, wait, clock) {
        Err(error) if !error.is_gone() => Ok(Outcome::None { reason: error }),
        other => other,
    }
}

/// Who holds the lease, as far as it can be read; whether that one still lives is not asked.
pub fn holder(root: &dyn Root) -> Result<Option<Holder>> {
    let Some(folder) = own::open(root)? else { return Ok(None) };
    Ok(own::read(folder.as_ref(), &own::name(FILE))?.as_deref().and_then(parse).map(Written::holder))
}

/// Is a lease written anew by somebody now? Where one stands, it is looked at until it changes, or a holder who lives would have
/// written twice.
pub fn is_alive(root: &dyn Root, clock: &dyn Clock) -> Result<bool> {
    let Some(folder) = own::open(root)? else { return Ok(false) };
    let read = || own::read(folder.as_ref(), &own::name(FILE));
    let Some(before) = read()? else { return Ok(false) };
    let start = clock.now();
    while clock.now().saturating_sub(start) < 2 * RENEW_EVERY && clock.pause(LOOK_EVERY) {
        let now = read()?;
        if now.as_ref() != Some(&before) {
            return Ok(now.is_some());
        }
    }
    Ok(false)
}

fn wait_for(root: &dyn Root, holder: &Holder, wait: Duration, clock: &dyn Clock) -> Result<Outcome> {
    let folder = own::open_or_make(root)?;
    let start = clock.now();
    let mut still: Option<(Vec<u8>, Duration)> = None;
    loop {
        let now = clock.now();
        let found = own::read(folder.as_ref(), &own::name(FILE))?;
        let free = match &found {
            None => Some(Onto::Nothing),
            Some(bytes) if parse(bytes).is_some_and(|written| is_of(&written, holder)) => Some(Onto::File),
            Some(bytes) => match &still {
                Some((before, since)) if before == bytes => (now.saturating_sub(*since) >= STILL).then_some(Onto::File),
                _ => {
                    still = Some((bytes.clone(), now));
                    None
                }
            },
        };
        if let Some(onto) = free
            && let Some(lease) = claim(folder.as_ref(), holder, onto)?
        {
            return Ok(Outcome::Ours(lease));
        }
        let left = wait.saturating_sub(now.saturating_sub(start));
        if left.is_zero() || !clock.pause(left.min(LOOK_EVERY)) {
            return Ok(Outcome::Busy { holder: found.as_deref().and_then(parse).map(Written::holder) });
        }
    }
}

/// Writes our lease and reads it back; `None` where another one was faster.
///
/// RACE: two that take over at once can both read their own lease back. Worst outcome: two machines write the root at
/// the same time, and meet in the look before each visible step.
fn claim(folder: &dyn Folder, holder: &Holder, onto: Onto) -> Result<Option<Lease>> {
    let lease = Lease { holder: holder.clone(), counter: first_counter()? };
    match lease.write(folder, onto) {
        Err(error) if error.kind() == Some(ErrorKind::Exists) => return Ok(None),
        written => written?,
    }
    Ok(lease.stands(folder)?.then_some(lease))
}

/// 31 random bits: TOML holds 63, and there has to be room to count.
fn first_counter() -> Result<u64> {
    let mut bits = [0; 4];
    random(&mut bits).map_err(Error::Random)?;
    Ok(u64::from(u32::from_be_bytes(bits) >> 1))
}

impl Lease {
    /// Writes the lease anew; `false` where it is ours no longer, and the batch should end. To be called every
    /// [`RENEW_EVERY`].
    pub fn renew(&mut self, root: &dyn Root) -> Result<bool> {
        let Some(folder) = own::open(root)? else { return Ok(false) };
        if !self.stands(folder.as_ref())? {
            return Ok(false);
        }
        // RACE: taken over between the look and the write, after we stalled for 15 s: as in `claim`.
        self.counter += 1;
        self.write(folder.as_ref(), Onto::File)?;
        Ok(true)
    }

    /// Lets go. A lease that is ours no longer is left alone.
    pub fn release(self, root: &dyn Root) -> Result<()> {
        let Some(folder) = own::open(root)? else { return Ok(()) };
        if self.stands(folder.as_ref())? {
            folder.remove_file(&own::name(FILE))?;
        }
        Ok(())
    }

    fn stands(&self, folder: &dyn Folder) -> Result<bool> {
        let found = own::read(folder, &own::name(FILE))?;
        Ok(found.as_deref().and_then(parse).is_some_and(|found| is_of(&found, &self.holder) && found.counter == self.counter))
    }

    fn write(&self, folder: &dyn Folder, onto: Onto) -> Result<()> {
        let Holder { host, state } = self.holder.clone();
        let text = toml::to_string(&Written { host, state, counter: self.counter })
            .expect("strings and a number below 2^63 can be written as TOML");
        own::replace(folder, &own::name(FILE), &text, Keep::Lazily, onto)
    }
}

impl Written {
    fn holder(self) -> Holder {
        Holder { host: self.host, state: self.state }
    }
}

/// `None` for what is no lease: somebody's all the same, until it stood still long enough.
fn parse(bytes: &[u8]) -> Option<Written> {
    toml::from_str(std::str::from_utf8(bytes).ok().filter(|_| !own::too_long(bytes))?).ok()
}

fn is_of(written: &Written, holder: &Holder) -> bool {
    written.host == holder.host && written.state == holder.state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::hostile;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_lease_or_none(bytes in hostile(&["host = \"lab7\"\nstate = \"0123\"\ncounter = 17\n"])) {
            if let Some(written) = parse(&bytes) {
                let text = toml::to_string(&written).expect("what was read can be written");
                let again = parse(text.as_bytes()).expect("what was written can be read");
                prop_assert_eq!((again.host, again.state, again.counter), (written.host, written.state, written.counter));
            }
        }
    }
}
