//! Tools that watch: started, waited for until they hear, measured from a save to its arrival, ended.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::change::{edit, line, moment};
use super::findings::Reading;
use super::peer::{self, Purpose, Tool};
use super::plot::{PROJECT, Plot};
use super::stand::{Stand, Turn};
use super::{Error, Stopped};
use crate::disk::group::Group;
use crate::disk::{ground, local, meter};

/// How long a tool may take until it hears, and until a save has arrived.
const READY: Duration = Duration::from_secs(600);
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long one that was told to end may take.
const GRACE: Duration = Duration::from_secs(15);
/// How often the copy is looked at: an arrival is told that much late at most.
const GLANCE: Duration = Duration::from_micros(200);
/// Between two saves, so that each is one of its own.
const PAUSE: Duration = Duration::from_millis(50);
/// A storm is one file in a hundred, and at least so many.
const STORM: u64 = 200;

/// A tool at work, ended when this value goes.
pub struct Watch {
    child: Group,
    /// Empties what the tool prints, so that it never waits for us.
    reader: Option<thread::JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // One that is stuck on a mount is left behind; it ends with its mount.
        let _ = self.child.end(GRACE);
        if let Some(reader) = self.reader.take().filter(|_| self.child.try_wait().is_ok_and(|ended| ended.is_some())) {
            let _ = reader.join();
        }
    }
}

impl Watch {
    /// Starts the tool and waits until a save has arrived.
    pub fn start(stand: &mut Stand, plot: &Plot, tick: u64, stopped: &Stopped) -> Result<Result<Watch, String>, Error> {
        stand.mount(plot)?;
        let words = match stand.tool {
            Tool::Driftless => peer::watch(&stand.program, &stand.roots),
            other => other.words(&stand.program, &stand.roots, Purpose::Bring),
        };
        let mut command = stand.command(&words);
        let is_ours = stand.tool == Tool::Driftless;
        command.stdout(if is_ours { Stdio::piped() } else { Stdio::null() }).stderr(stand.complaints()?);
        let mut child = meter::spawn(&mut command).map_err(|source| stand.cannot_start(source))?;
        let (ready, told) = crossbeam_channel::bounded(1);
        let reader = child.stdout.take().map(|output| {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if line.contains("\"event\":\"ready\"") {
                        // Somebody who no longer waits needs no word.
                        let _ = ready.try_send(());
                    }
                }
            })
        });
        let mut watch = Watch { child, reader };
        let began = Instant::now();
        while is_ours && told.try_recv().is_err() {
            stopped.check()?;
            if let Some(failed) = watch.ended(stand) {
                return Ok(Err(failed));
            }
            if began.elapsed() > READY {
                return Ok(Err(format!("it did not hear after {} s", READY.as_secs())));
            }
            thread::sleep(PAUSE / 10);
        }
        let first = save(stand, plot, "bench-ready", tick, READY, &mut watch, stopped)?;
        Ok(first.map(|_| watch))
    }

    /// Why it is no longer there.
    fn ended(&mut self, stand: &Stand) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("it ended, {status}: {}", stand.last_words())),
            Err(error) => Some(error.to_string()),
        }
    }

    fn cpu(&self) -> Option<Duration> {
        meter::cpu_of(self.child.id())
    }

    fn peak(&self) -> Option<u64> {
        meter::peak_of(self.child.id())
    }
}

/// Saves one file and waits until the copy has it.
fn save(
    stand: &Stand,
    plot: &Plot,
    name: &str,
    tick: u64,
    patience: Duration,
    watch: &mut Watch,
    stopped: &Stopped,
) -> Result<Result<Duration, String>, Error> {
    let (below, text) = (Path::new(PROJECT).join(name), line(tick));
    if local::is_taken(&plot.source().at(&below)) {
        plot.source().write_into(&below, Some(0), text.as_bytes(), moment(tick))?;
    } else {
        plot.source().write(&below, &mut text.as_bytes(), moment(tick))?;
    }
    let (began, there) = (Instant::now(), plot.copy_of(stand.tool).join(name));
    // All lines are of one length: what an older one left behind it does not matter.
    let arrived = || ground::part(&there, 0, text.len()).is_some_and(|bytes| bytes == text.as_bytes());
    wait(arrived, began, patience, stand, watch, stopped)
}

fn wait(
    mut arrived: impl FnMut() -> bool,
    began: Instant,
    patience: Duration,
    stand: &Stand,
    watch: &mut Watch,
    stopped: &Stopped,
) -> Result<Result<Duration, String>, Error> {
    loop {
        if arrived() {
            return Ok(Ok(began.elapsed()));
        }
        stopped.check()?;
        if let Some(failed) = watch.ended(stand) {
            return Ok(Err(failed));
        }
        if began.elapsed() > patience {
            return Ok(Err(format!("what was saved had not arrived after {} s", patience.as_secs())));
        }
        thread::sleep(GLANCE);
    }
}

/// One file after the other, a reading for each.
pub fn events(
    stand: &mut Stand,
    plot: &Plot,
    count: u32,
    tick: &mut u64,
    stopped: &Stopped,
) -> Result<Result<Vec<Reading>, String>, Error> {
    let mut watch = match started(stand, plot, tick, stopped)? {
        Ok(watch) => watch,
        Err(failed) => return Ok(Err(failed)),
    };
    let mut readings = Vec::new();
    stand.clear_counts();
    let before = watch.cpu();
    for number in 0..count {
        thread::sleep(PAUSE);
        *tick += 1;
        let name = format!("bench-saved-{}.txt", number % 10);
        match save(stand, plot, &name, *tick, ARRIVAL, &mut watch, stopped)? {
            Ok(wall) => readings.push(Reading { wall, ..Reading::default() }),
            Err(failed) => return Ok(Err(failed)),
        }
    }
    // What a single save takes of the processor is less than the system can tell: it is an equal part of all.
    let spent = before.zip(watch.cpu()).map(|(before, after)| after.saturating_sub(before) / count.max(1));
    let peak = watch.peak();
    for reading in &mut readings {
        (reading.cpu, reading.peak) = (spent, peak);
    }
    Ok(Ok(readings))
}

/// Many files at once, from the first save until the last is there.
pub fn storm(stand: &mut Stand, plot: &Plot, tick: &mut u64, stopped: &Stopped) -> Result<Turn, Error> {
    let mut watch = match started(stand, plot, tick, stopped)? {
        Ok(watch) => watch,
        Err(failed) => return Ok(Err(failed)),
    };
    stand.clear_counts();
    *tick += 1;
    let (before, began) = (watch.cpu(), Instant::now());
    let count = (plot.census.files / 100).max(STORM).min(plot.census.files);
    let mut open: Vec<PathBuf> = edit(plot.source(), &plot.census, count, *tick)?;
    let (text, copy) = (line(*tick), plot.copy_of(stand.tool));
    let has = |path: &PathBuf| ends_with(&copy.join(path), text.as_bytes());
    let all_there = || {
        while open.last().is_some_and(has) {
            open.pop();
        }
        open.is_empty()
    };
    let wall = match wait(all_there, began, ARRIVAL * 5, stand, &mut watch, stopped)? {
        Ok(wall) => wall,
        Err(failed) => return Ok(Err(failed)),
    };
    let cpu = before.zip(watch.cpu()).map(|(before, after)| after.saturating_sub(before));
    Ok(Ok(Reading { wall, cpu, peak: watch.peak(), written: None, network: stand.traffic() }))
}

fn ends_with(path: &Path, text: &[u8]) -> bool {
    let Some((length, _)) = local::length_and_time(path) else { return false };
    let from = length.saturating_sub(text.len() as u64);
    ground::part(path, from, text.len()).is_some_and(|bytes| bytes == text)
}

/// A few files change, then the tool is asked to bring them. One that can asks its watch process.
pub fn flush(stand: &mut Stand, plot: &Plot, changed: u64, tick: &mut u64, stopped: &Stopped) -> Result<Turn, Error> {
    if stand.tool != Tool::Driftless {
        *tick += 1;
        edit(plot.source(), &plot.census, changed, *tick)?;
        return stand.bring(plot, Purpose::Bring, stopped);
    }
    let watch = match started(stand, plot, tick, stopped)? {
        Ok(watch) => watch,
        Err(failed) => return Ok(Err(failed)),
    };
    *tick += 1;
    edit(plot.source(), &plot.census, changed, *tick)?;
    let turn = stand.run(plot, Purpose::Flush, stopped)?;
    let by_watch = stand.output().contains("\"via\":\"watch\"");
    let held = turn.and_then(|reading| stand.hold(plot).map(|()| reading));
    drop(watch);
    Ok(held.and_then(|reading| if by_watch { Ok(reading) } else { Err("it was not done by the watch process".to_owned()) }))
}

fn started(stand: &mut Stand, plot: &Plot, tick: &mut u64, stopped: &Stopped) -> Result<Result<Watch, String>, Error> {
    if let Err(failed) = stand.catch_up(plot, stopped)? {
        return Ok(Err(failed));
    }
    stand.in_step = false;
    *tick += 1;
    Watch::start(stand, plot, *tick, stopped)
}
