//! `git watch`: the sync loop and the tick loop in one process.
//!
//! Invariants. The two never move the work tree at the same time: each takes its turn (`git::lock`), the sync loop without
//! waiting, so that a long tick does not keep it from looking at the remote. No error ends a loop; each is told, and the pause
//! after several in a row grows.

use std::time::Duration;

use super::error::{Error, Result};
use super::lock::{self, Which};
use super::repository::Repository;
use super::state::{Ask, Relation, look};
use super::sync::{Synced, Wish, bring_in_step};
use super::tick::{Tick, Ticked, run, tick};
use crate::disk::clock::{self, Moment};

/// How often a loop that sleeps hears that it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// No pause after failures is longer.
const LONGEST: Duration = Duration::from_secs(900);

/// What is watched, and how.
pub struct Watching<'a> {
    /// Opens the clone, anew for each round: its settings may have changed.
    pub open: &'a (dyn Fn() -> Result<Repository> + Sync),
    pub tick: &'a Tick,
    pub sync_every: Duration,
    /// `None`: no ticks.
    pub tick_every: Option<Duration>,
    /// A line for `sh`, where a sync moved the branch.
    pub after_change: Option<&'a str>,
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// What happened.
pub enum Event {
    /// The state was found out, before anything was done about it.
    Looked(Relation),
    /// With the time that it took.
    Synced(Result<Synced>, Duration),
    /// Its commands may run for long.
    TickBegan,
    Ticked(Result<Ticked>, Duration),
    AfterChange(Result<()>),
}

/// Runs both loops until somebody stops them.
pub fn watch(watching: &Watching<'_>, tell: &(dyn Fn(&Event) + Sync)) {
    std::thread::scope(|scope| {
        if let Some(every) = watching.tick_every {
            scope.spawn(move || tick_loop(watching, every, tell));
        }
        sync_loop(watching, tell);
    });
}

fn tick_loop(watching: &Watching<'_>, every: Duration, tell: &(dyn Fn(&Event) + Sync)) {
    let mut failures = 0;
    while sleep(watching, pause(every, failures)) {
        let began = Moment::now();
        tell(&Event::TickBegan);
        let ticked = (watching.open)().and_then(|repository| tick(&repository, watching.tick));
        let well = matches!(&ticked, Ok(ticked) if ticked.left.is_none());
        failures = if well { 0 } else { failures + 1 };
        // More than its own commit came in.
        let followed = |ticked: &Ticked| Some(ticked.synced.as_ref()?.followed.as_ref()?.files_changed > ticked.paths.len());
        let moved = ticked.as_ref().ok().and_then(followed).unwrap_or(false);
        tell(&Event::Ticked(ticked, began.elapsed()));
        after_change(watching, moved, tell);
    }
}

fn sync_loop(watching: &Watching<'_>, tell: &(dyn Fn(&Event) + Sync)) {
    let mut wish = Wish { initial: true, ..watching.tick.wish.clone() };
    let mut failures = 0;
    loop {
        let began = Moment::now();
        let synced = round(watching, &wish, tell);
        let moved = matches!(&synced, Ok(synced) if synced.followed.is_some());
        match &synced {
            Ok(_) => (failures, wish.initial) = (0, false),
            // The tick has its turn: the next round comes as usual.
            Err(Error::Busy { .. }) => {}
            Err(_) => failures += 1,
        }
        tell(&Event::Synced(synced, began.elapsed()));
        after_change(watching, moved, tell);
        if !sleep(watching, pause(watching.sync_every, failures)) {
            return;
        }
    }
}

/// The work tree stands still meanwhile.
fn after_change(watching: &Watching<'_>, moved: bool, tell: &(dyn Fn(&Event) + Sync)) {
    let Some(line) = watching.after_change.filter(|_| moved) else { return };
    let done = (watching.open)().and_then(|repository| {
        let _turn = lock::take(&repository, Which::Turn, "after a change", watching.tick.wish.wait)?;
        run(&repository.git, line, watching.tick.run_timeout)
    });
    tell(&Event::AfterChange(done));
}

fn round(watching: &Watching<'_>, wish: &Wish, tell: &(dyn Fn(&Event) + Sync)) -> Result<Synced> {
    let repository = (watching.open)()?;
    let standing = look(&repository, wish.remote.as_deref(), wish.branch.as_deref(), Ask::Remote)?;
    tell(&Event::Looked(standing.relation));
    bring_in_step(&repository, wish, standing, || lock::take(&repository, Which::Turn, "watch", Duration::ZERO))
}

/// The interval, doubled with each failure, and up to a tenth more by chance: many machines do not come in step.
fn pause(every: Duration, failures: u32) -> Duration {
    let mut draw = [0];
    let _ = clock::random(&mut draw);
    let whole = every.saturating_mul(2_u32.saturating_pow(failures.min(10))).min(LONGEST.max(every));
    whole + whole / 10 * u32::from(draw[0]) / 255
}

/// `false` where it was ended.
fn sleep(watching: &Watching<'_>, time: Duration) -> bool {
    let began = Moment::now();
    while began.elapsed() < time {
        if (watching.is_stopped)() {
            return false;
        }
        clock::pause(LOOK.min(time.saturating_sub(began.elapsed())));
    }
    !(watching.is_stopped)()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_failures_and_end_at_a_quarter_of_an_hour() {
        let seconds = Duration::from_secs;
        for (every, failures, least) in [(30, 0, 30), (30, 1, 60), (30, 5, 900), (30, 50, 900), (3600, 3, 3600)] {
            let pause = pause(seconds(every), failures);
            assert!(pause >= seconds(least) && pause <= seconds(least) * 11 / 10, "{every} {failures}: {pause:?}");
        }
    }
}
