//! Progress on stderr, for anything over a second: a bar on a terminal, else a plain line at most every two seconds.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::failure::size;
use crate::cli::render::count;
use crate::engine::report::{Progress, WaitingFor, Work};
use crate::model::side::{PerSide, Side};

/// Shorter runs say nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two plain lines.
const PACE: Duration = Duration::from_secs(2);
/// Between two drawings of a bar.
const DRAW: Duration = Duration::from_millis(100);

/// What is shown of a run while it goes on.
pub struct Shown {
    started: Instant,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    last: Option<Duration>,
}

/// What the run told last.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    waiting: Option<WaitingFor>,
    seen: PerSide<u64>,
    to: Option<PerSide<Work>>,
    done: PerSide<Work>,
    /// When the copying began, for the rate.
    began: Duration,
}

impl Shown {
    pub fn start() -> Shown {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template("{spinner} [{bar:24}] {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Shown { started: Instant::now(), bar, state: Mutex::default() }
    }

    /// Takes what the engine tells.
    pub fn tell(&self, progress: Progress) {
        let elapsed = self.started.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tally.take(progress, elapsed);
        let pace = if self.bar.is_some() { DRAW } else { PACE };
        if !due(elapsed, state.last, pace) {
            return;
        }
        state.last = Some(elapsed);
        let line = state.tally.line(elapsed);
        match &self.bar {
            Some(bar) => {
                let (position, length) = state.tally.measure();
                draw(bar, position, length, line);
            }
            // Nobody may be reading; the run goes on.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    /// Takes the bar away; what each root got.
    pub fn finish(self) -> PerSide<Work> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).tally.done
    }
}

/// What is shown of something that goes by steps.
pub struct Steps {
    started: Instant,
    bar: Option<ProgressBar>,
    last: Mutex<Option<Duration>>,
}

impl Steps {
    pub fn start() -> Steps {
        let Shown { started, bar, .. } = Shown::start();
        Steps { started, bar, last: Mutex::default() }
    }

    /// `done` of `all` steps, and what is going on; the words are made only where they are shown.
    pub fn tell(&self, done: u64, all: u64, line: impl FnOnce() -> String) {
        let elapsed = self.started.elapsed();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = if self.bar.is_some() { DRAW } else { PACE };
        if !due(elapsed, *last, pace) {
            return;
        }
        *last = Some(elapsed);
        match &self.bar {
            Some(bar) => draw(bar, done, all, line()),
            // Nobody may be reading; it goes on.
            None => drop(writeln!(std::io::stderr(), "{}", line())),
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, position: u64, length: u64, line: String) {
    if bar.is_hidden() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar.set_length(length);
    bar.set_position(position);
    bar.set_message(line);
}

/// Is it time to show something?
fn due(elapsed: Duration, last: Option<Duration>, pace: Duration) -> bool {
    elapsed >= PATIENCE && last.is_none_or(|last| elapsed >= last + pace)
}

impl Tally {
    fn take(&mut self, progress: Progress, elapsed: Duration) {
        self.waiting = None;
        match progress {
            Progress::Waiting(waiting) => self.waiting = Some(waiting),
            Progress::Looking { seen } => self.seen = seen,
            Progress::Planned { to } => {
                self.to = Some(to);
                self.began = elapsed;
            }
            Progress::Doing { done } => self.done = done,
        }
    }

    /// Done and all: bytes where content is copied, else paths.
    fn measure(&self) -> (u64, u64) {
        let to = self.to.unwrap_or_default();
        let (done, all) = (sum(self.done), sum(to));
        if all.bytes > 0 { (done.bytes, all.bytes) } else { (done.paths, all.paths) }
    }

    fn line(&self, elapsed: Duration) -> String {
        match (self.waiting, self.to) {
            (Some(WaitingFor::Lock), _) => "Waiting for another run of this pair to end".to_owned(),
            (Some(WaitingFor::Root(side)), _) => format!("Waiting for the {side} root to come back"),
            (None, None) => {
                format!("Looking: {} in staging, {} on the network", count(self.seen.staging, "entry"), self.seen.network)
            }
            (None, Some(to)) => self.doing(to, elapsed),
        }
    }

    fn doing(&self, to: PerSide<Work>, elapsed: Duration) -> String {
        let (done, all) = (sum(self.done), sum(to));
        let way = |side: Side, way: &str| {
            let work = to[side];
            let what = if work.files > 0 { count(work.files, "file") } else { count(work.paths, "path") };
            (work.paths > 0).then(|| format!("{what} {way} the network"))
        };
        let ways: Vec<String> = way(Side::Network, "to").into_iter().chain(way(Side::Staging, "from")).collect();
        if ways.is_empty() {
            return "Recording what is equal on both sides".to_owned();
        }
        let mut line = format!("Syncing {}", ways.join(", "));
        if done.paths > 0 || done.bytes > 0 {
            line.push_str(&format!(": {} of {} paths, {} of {}", done.paths, all.paths, size(done.bytes), size(all.bytes)));
            line.push_str(&self.rate(done.bytes, all.bytes, elapsed));
        }
        line
    }

    fn rate(&self, done: u64, all: u64, elapsed: Duration) -> String {
        let seconds = elapsed.saturating_sub(self.began).as_secs();
        let Some(rate) = done.checked_div(seconds).filter(|rate| *rate > 0) else { return String::new() };
        let left = Duration::from_secs(all.saturating_sub(done) / rate);
        format!(", {}/s, {} left", size(rate), HumanDuration(left))
    }
}

fn sum(work: PerSide<Work>) -> Work {
    let (a, b) = (work.staging, work.network);
    Work { paths: a.paths + b.paths, files: a.files + b.files, bytes: a.bytes.saturating_add(b.bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn nothing_within_a_second_then_one_line_every_two() {
        assert!(!due(Duration::from_millis(999), None, PACE));
        assert!(due(seconds(1), None, PACE));
        assert!(!due(Duration::from_millis(2_999), Some(seconds(1)), PACE));
        assert!(due(seconds(3), Some(seconds(1)), PACE));
    }

    #[test]
    fn the_lines_say_what_goes_where_how_fast_and_how_long() {
        let work = |files, bytes| Work { paths: files, files, bytes };
        let mut tally = Tally::default();
        tally.take(Progress::Looking { seen: PerSide::new(1, 5) }, seconds(1));
        assert_eq!(tally.line(seconds(1)), "Looking: 1 entry in staging, 5 on the network");
        tally.take(Progress::Planned { to: PerSide::new(work(12, 100 << 20), work(0, 0)) }, seconds(10));
        assert_eq!(tally.line(seconds(10)), "Syncing 12 files from the network");
        tally.take(Progress::Doing { done: PerSide::new(work(3, 20 << 20), work(0, 0)) }, seconds(12));
        let expected = "Syncing 12 files from the network: 3 of 12 paths, 20.00 MiB of 100.00 MiB, 10.00 MiB/s, 8 seconds left";
        assert_eq!(tally.line(seconds(12)), expected);
        tally.take(Progress::Waiting(WaitingFor::Root(Side::Network)), seconds(13));
        assert_eq!(tally.line(seconds(13)), "Waiting for the network root to come back");
        tally.take(Progress::Planned { to: PerSide::new(work(1, 1), work(2, 1)) }, seconds(14));
        assert!(tally.line(seconds(14)).starts_with("Syncing 2 files to the network, 1 file from the network"));
    }
}
