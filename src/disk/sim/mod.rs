//! Simulated volumes behind the port, for tests: one seed, one story.
//!
//! Invariants. Everything that varies (the clock, faults, what a power cut leaves) is drawn from the world's seed and
//! moves only with calls, so that a run is replayed by its seed. What is answered, and with which [`ErrorKind`], is what
//! the real disk answers (`tests/script.rs` compares the two). One lock guards the world and is never held while a hook
//! acts. Only calls through the port are the engine's; users act through [`User`] and own what they destroy.

mod acts;
mod books;
mod faults;
mod files;
mod habits;
mod medium;
mod port;
mod power;
mod seats;
mod seed;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod turn;
mod users;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use books::{Loss, Names, Place, ProjectFile, Shown};
pub use faults::{Fault, Rule, weather};
pub use habits::{Flush, Habits, Ids, Restamp};
pub use power::Crash;
pub use seats::{Seated, at, habits_at};
pub use seed::Seed;
pub use show::Show;
pub use turn::{Call, Stop, Stopped};
pub use users::User;

use self::books::{Books, Fallen};
use self::faults::Plan;
use self::medium::Medium;
use super::clock::simulated::Simulated;
use super::{Error, ErrorKind, Result, Root, clock};
use crate::model::digest;
use crate::model::time::Time;
use crate::model::traits::Traits;

/// 2026-01-01 by the world's clock: where it begins.
const BEGIN: i64 = 1_767_225_600 * 1_000_000_000;

type Hook = Box<dyn FnMut(&Call) -> Option<ErrorKind> + Send>;

/// Everything that is simulated: the clock, the volumes, the books.
#[derive(Clone)]
pub struct World(Arc<Mutex<Inner>>);

/// One volume behind its path; it survives crashes, mounts and being away.
#[derive(Clone)]
pub struct Volume {
    world: World,
    seat: usize,
}

/// What a volume was at some time.
pub struct Backup(Box<Medium>);

struct Inner {
    seed: Seed,
    /// Nanoseconds since 1970.
    now: i64,
    /// Each call takes up to so many nanoseconds.
    call_ns: u64,
    seats: Vec<Seat>,
    eras: u64,
    books: Books,
    hook: Option<Hook>,
    calls: u64,
    faults: u64,
    stop: Option<(u64, Stop)>,
    stopped: bool,
    log: Vec<String>,
}

/// A path at which a volume can be.
struct Seat {
    name: String,
    /// What the path leads to.
    medium: Medium,
    /// The true volume, while an empty one stands in for it.
    away: Option<Medium>,
    gone: bool,
    plan: Plan,
    faults: Seed,
    cuts: Seed,
}

impl Seat {
    /// The volume that users know, whatever the path leads to at the moment.
    fn own(&self) -> &Medium {
        self.away.as_ref().unwrap_or(&self.medium)
    }

    fn own_mut(&mut self) -> &mut Medium {
        self.away.as_mut().unwrap_or(&mut self.medium)
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let inner = Inner {
            seed: Seed::new(seed),
            now: BEGIN,
            call_ns: 100_000,
            seats: Vec::new(),
            eras: 0,
            books: Books::default(),
            hook: None,
            calls: 0,
            faults: 0,
            stop: None,
            stopped: false,
            log: Vec::new(),
        };
        World(Arc::new(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new empty volume.
    pub fn volume(&self, name: &str, habits: Habits) -> Volume {
        let mut inner = self.lock();
        let (faults, cuts) = (inner.seed.split(), inner.seed.split());
        let medium = Medium::new(habits, inner.now, inner.era());
        let seat = Seat { name: name.to_owned(), medium, away: None, gone: false, plan: Plan::default(), faults, cuts };
        inner.seats.push(seat);
        Volume { world: self.clone(), seat: inner.seats.len() - 1 }
    }

    pub fn now(&self) -> Time {
        Time(self.lock().now)
    }

    /// Lets time pass, also on the machine's clocks where this thread holds them.
    pub fn advance(&self, ns: u64) {
        self.lock().pass(ns);
    }

    /// While the answer lives, the machine's clocks are the world's on this thread, and its chance is of the world's seed:
    /// what the engine does on this thread alone can be replayed. Its pauses let the world's time pass.
    pub fn hold(&self) -> Simulated {
        let mut inner = self.lock();
        let seed = inner.seed.draw();
        Simulated::begin(Time(inner.now), seed)
    }

    /// A generator of the world's seed for the test's own choices.
    pub fn draws(&self) -> Seed {
        self.lock().seed.split()
    }

    /// Called before each call of the engine; users may act in it, and its error is what the call says instead.
    pub fn before_each(&self, hook: impl FnMut(&Call) -> Option<ErrorKind> + Send + 'static) {
        self.lock().hook = Some(Box::new(hook));
    }

    pub fn leave_alone(&self) {
        self.lock().hook = None;
    }

    /// Calls of the engine so far, on all volumes.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Faults so far, on all volumes.
    pub fn faults(&self) -> u64 {
        self.lock().faults
    }

    /// After `calls` more calls none is carried out any more.
    pub fn stop_after(&self, calls: u64, how: Stop) {
        let mut inner = self.lock();
        inner.stop = Some((inner.calls + calls, how));
    }

    /// Crashes all volumes at once; a stop is over with it.
    pub fn crash(&self, crash: Crash) {
        let mut inner = self.lock();
        (0..inner.seats.len()).for_each(|seat| inner.crash(seat, crash));
        (inner.stop, inner.stopped) = (None, false);
    }

    /// What an engine call or a crash took the last safe name of, since the beginning.
    pub fn losses(&self) -> Vec<Loss> {
        self.lock().books.losses.clone()
    }

    /// The losses whose content has no safe name on its volume now either.
    pub fn missing(&self) -> Vec<Loss> {
        let inner = self.lock();
        let still = |loss: &&Loss| inner.seats[loss.seat].own().counts.of(&loss.content).safe() == 0;
        inner.books.losses.iter().filter(still).cloned().collect()
    }

    /// Takes a content for one that a user wrote, as what a database's snapshot holds.
    pub fn know(&self, bytes: &[u8]) {
        self.lock().books.learn(&Arc::new(bytes.to_vec()));
    }

    /// Every content that a user ever wrote.
    pub fn known(&self) -> Vec<Arc<Vec<u8>>> {
        self.lock().books.known.values().cloned().collect()
    }

    /// One line a call: number, volume, operation, path, answer.
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }
}

impl Inner {
    /// Lets time pass; what passed on this thread's held clock since the last call has passed here too.
    fn pass(&mut self, ns: u64) {
        let held = clock::simulated::advance(Duration::from_nanos(ns)).then(clock::now);
        self.now = (self.now + ns.cast_signed()).max(held.map_or(i64::MIN, |now| now.0));
    }

    /// Lets a call's time pass.
    fn pass_call(&mut self) {
        let ns = 1 + self.seed.below(self.call_ns);
        self.pass(ns);
    }

    fn era(&mut self) -> u64 {
        self.eras += 1;
        self.eras
    }

    fn crash(&mut self, at: usize, crash: Crash) {
        let (era, now) = (self.era(), self.now);
        let seat = &mut self.seats[at];
        seat.own_mut().now = now;
        let mut fallen = Vec::new();
        if crash == Crash::Power {
            let Seat { medium, away, cuts, .. } = seat;
            fallen = away.as_mut().unwrap_or(medium).cut(cuts);
        }
        seat.own_mut().attach(era);
        self.lose(at, fallen, "crash");
    }

    /// Books what an engine call left without a safe name.
    fn lose(&mut self, at: usize, fallen: Vec<Fallen>, call: &str) {
        for Fallen { content, path, from } in fallen {
            let Some(bytes) = self.books.known.get(&content).cloned() else { continue };
            let others = self.seats.iter().enumerate().filter(|(seat, _)| *seat != at);
            let elsewhere = others.map(|(_, seat)| seat.own().counts.of(&content).safe()).sum();
            let names = self.seats[at].own().counts.of(&content);
            let hidden = names.temporary + names.own;
            let (volume, call) = (self.seats[at].name.clone(), call.to_owned());
            self.books.losses.push(Loss { content, bytes, volume, call, path, from, elsewhere, hidden, seat: at });
        }
    }
}

impl Volume {
    fn with<T>(&self, act: impl FnOnce(&mut Inner, usize) -> T) -> T {
        act(&mut self.world.lock(), self.seat)
    }

    /// The root, as the path leads to it now; also after a crash, when handles of before are gone.
    pub fn open(&self) -> Result<Arc<dyn Root>> {
        let era = self.with(|inner, at| (!inner.seats[at].gone).then_some(inner.seats[at].medium.era));
        let gone = || Error::new("open", self.name(), ErrorKind::Gone, std::io::Error::other("simulated: not connected"));
        Ok(port::root(turn::Handle { world: self.world.clone(), seat: self.seat, era: era.ok_or_else(gone)? }))
    }

    pub fn name(&self) -> String {
        self.with(|inner, at| inner.seats[at].name.clone())
    }

    pub fn user(&self) -> User {
        User::new(self.clone())
    }

    pub fn traits(&self) -> Traits {
        self.with(|inner, at| inner.seats[at].own().habits.traits())
    }

    /// Until when its cache may hide what is done now.
    pub fn hidden_until(&self) -> Time {
        self.with(|inner, at| Time(inner.now.saturating_add(inner.seats[at].medium.habits.cache_ns)))
    }

    /// Changes the habits that may change while a volume is in use (room, rates of the cache, skew), not those of names.
    pub fn adjust(&self, change: impl FnOnce(&mut Habits)) {
        self.with(|inner, at| change(&mut inner.seats[at].own_mut().habits));
    }

    pub fn crash(&self, crash: Crash) {
        self.with(|inner, at| inner.crash(at, crash));
    }

    /// Unmounted properly and mounted again: everything is durable, handles are gone, another device, perhaps other ids.
    pub fn remount(&self) {
        self.with(|inner, at| {
            let era = inner.era();
            let medium = inner.seats[at].own_mut();
            medium.settle_all();
            medium.mount(era);
        });
    }

    /// From now on all calls fail with [`ErrorKind::Gone`].
    pub fn goes(&self) {
        self.with(|inner, at| inner.seats[at].gone = true);
    }

    /// The volume answers again; handles of before are good.
    pub fn returns(&self) {
        self.with(|inner, at| inner.seats[at].gone = false);
    }

    pub fn is_gone(&self) -> bool {
        self.with(|inner, at| inner.seats[at].gone)
    }

    /// The path leads to another, empty volume, as where a mount dropped out. Users, books and lines stay with the true one.
    pub fn swap_for_empty(&self) {
        self.with(|inner, at| {
            let era = inner.era();
            let empty = Medium::new(Habits::LOCAL, inner.now, era);
            let seat = &mut inner.seats[at];
            if seat.away.is_none() {
                seat.away = Some(std::mem::replace(&mut seat.medium, empty));
            }
        });
    }

    /// The volume as it is now, for a backup that somebody puts back.
    pub fn backup(&self) -> Backup {
        self.with(|inner, at| Backup(Box::new(inner.seats[at].own().clone())))
    }

    /// The path leads to a backup, as where somebody put one back. Users, books and lines stay with the true one.
    pub fn swap_for(&self, backup: Backup) {
        self.with(|inner, at| {
            let era = inner.era();
            let Backup(mut old) = backup;
            old.attach(era);
            let seat = &mut inner.seats[at];
            if seat.away.is_none() {
                seat.away = Some(std::mem::replace(&mut seat.medium, *old));
            }
        });
    }

    /// The path leads to the true volume again; what was written to the empty one is forgotten.
    pub fn swap_back(&self) {
        self.with(|inner, at| {
            let seat = &mut inner.seats[at];
            if let Some(own) = seat.away.take() {
                seat.medium = own;
            }
        });
    }

    /// Faults from now on; those of before are forgotten.
    pub fn plan(&self, rules: Vec<Rule>) {
        self.with(|inner, at| inner.seats[at].plan = Plan { rules, ..Plan::default() });
    }

    /// How many names a content has here.
    pub fn names_of(&self, bytes: &[u8]) -> Names {
        self.with(|inner, at| inner.seats[at].own().counts.of(&digest::of(bytes)))
    }
}
