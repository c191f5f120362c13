//! How far a long run is: a bar on a terminal, a plain line now and then elsewhere, nothing for what is quick.

use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::eprintln_quietly;
use crate::engine::{Progress, WaitingFor, Work};
use crate::model::side::{Direction, PerSide, Side};

/// Anything shorter is over before it could be read.
const QUIET: Duration = Duration::from_secs(1);
/// Between two plain lines.
const LINES: Duration = Duration::from_secs(2);

/// What is shown of one run.
pub struct Shown {
    began: Instant,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
    direction: Direction,
}

struct State {
    last: Option<Instant>,
    planned: PerSide<Work>,
    announced: bool,
    waiting: bool,
    /// When the writing began.
    doing: Option<Instant>,
}

impl Shown {
    pub fn new(direction: Direction) -> Shown {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.with_style(style)
        });
        let state = State { last: None, planned: PerSide::default(), announced: false, waiting: false, doing: None };
        Shown { began: Instant::now(), bar, state: Mutex::new(state), direction }
    }

    pub fn tell(&self, progress: Progress) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Progress::Planned { to } = progress {
            state.planned = to;
            return;
        }
        if let Progress::Waiting(what) = progress {
            if !state.waiting {
                state.waiting = true;
                eprintln_quietly(waiting(what));
            }
            return;
        }
        if self.began.elapsed() < QUIET {
            return;
        }
        let line = match progress {
            Progress::Looking { seen } => looking(seen),
            Progress::Doing { done } => {
                let since = *state.doing.get_or_insert_with(Instant::now);
                if !state.announced {
                    state.announced = true;
                    self.announce(&state.planned);
                }
                doing(done, state.planned, since.elapsed())
            }
            Progress::Planned { .. } | Progress::Waiting(_) => return,
        };
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None if state.last.is_none_or(|last| last.elapsed() >= LINES) => {
                state.last = Some(Instant::now());
                eprintln_quietly(&line);
            }
            None => {}
        }
    }

    /// "Syncing 12 files from the network".
    fn announce(&self, planned: &PerSide<Work>) {
        for side in Side::BOTH.into_iter().filter(|&side| self.direction.writes(side) && planned[side].paths > 0) {
            let files = count(planned[side].files, "file");
            let way = if side == Side::Staging { "from the network" } else { "to the network" };
            let line = format!("Syncing {files} {way}");
            match &self.bar {
                Some(bar) => bar.suspend(|| eprintln_quietly(&line)),
                None => eprintln_quietly(&line),
            }
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn waiting(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Lock => "Waiting for another run of this pair to end…",
        WaitingFor::Root(Side::Staging) => "Waiting for the staging root to come back…",
        WaitingFor::Root(Side::Network) => "Waiting for the network root to come back…",
    }
}

fn looking(seen: PerSide<u64>) -> String {
    format!("looking: {} entries in staging, {} on the network", seen.staging, seen.network)
}

fn doing(done: PerSide<Work>, planned: PerSide<Work>, elapsed: Duration) -> String {
    let sum = |of: PerSide<Work>| Work {
        paths: of.staging.paths + of.network.paths,
        files: of.staging.files + of.network.files,
        bytes: of.staging.bytes + of.network.bytes,
    };
    let (done, planned) = (sum(done), sum(planned));
    let rate = bytes_a_second(done.bytes, elapsed);
    let left = planned.bytes.saturating_sub(done.bytes);
    let time_left = left.checked_div(rate).map(|seconds| format!(", {} left", HumanDuration(Duration::from_secs(seconds))));
    format!(
        "{} of {} files, {} of {}, {}/s{}",
        done.files,
        planned.files,
        HumanBytes(done.bytes),
        HumanBytes(planned.bytes),
        HumanBytes(rate),
        time_left.unwrap_or_default()
    )
}

fn bytes_a_second(bytes: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1_000) / millis
}

/// "1 file", "12 files".
pub fn count(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_files_bytes_rate_and_time_left() {
        let work = |files, bytes| PerSide::new(Work { paths: files, files, bytes }, Work::default());
        let line = doing(work(3, 10 << 20), work(12, 40 << 20), Duration::from_secs(2));
        assert_eq!(line, "3 of 12 files, 10.00 MiB of 40.00 MiB, 5.00 MiB/s, 6 seconds left");
        let line = doing(work(0, 0), work(12, 40 << 20), Duration::ZERO);
        assert_eq!(line, "0 of 12 files, 0 B of 40.00 MiB, 0 B/s");
    }
}
