//! Looking at a root in a second process of this binary, which is left behind where the root's mount hangs.
//!
//! Invariants. A process with one thread that is stuck in the kernel cannot end, not even when it is killed; so this process
//! asks no root anything itself. The other one is never killed, unlike those of `disk::apart`: once its mount answers it
//! removes what it made and ends by itself, heard or not. It speaks one JSON value a line; a line that is none ends the talk.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::cli::args::Part;
use crate::cli::failure::Failure;
use crate::cli::settings::{FILE_LIMIT, PROJECT_FILE, file};
use crate::cli::signals::Stop;
use crate::disk::apart::second;
use crate::disk::local;
use crate::engine::doctor::{Check, Health, Told, examine_root};

/// Lines that wait to be read; a process that says more waits.
const LINES: usize = 64;

/// How often a wait looks whether the user wants to stop.
const TICK: Duration = Duration::from_millis(100);

/// What one root's process told so far.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub checks: Vec<Check>,
    /// `None`: it was not asked. Else the marker, if there is one.
    pub marker: Option<Option<crate::roots::marker::Marker>>,
    /// What it began last.
    pub step: String,
    pub end: Option<End>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    /// The root is out of reach.
    Gone(String),
}

/// The other process: looks at the root and tells on stdout.
pub fn serve(part: Part, path: &Path) -> String {
    let out = Mutex::new(std::io::stdout());
    let say = |told: &Result<Told, String>| {
        let line = serde_json::to_string(told).expect("these objects have text keys only") + "\n";
        // Nobody may be listening any more; the trial is brought to its end all the same.
        if let Ok(mut out) = out.lock() {
            drop(out.write_all(line.as_bytes()).and_then(|()| out.flush()));
        }
    };
    if let Err(message) = examine_root(path, part.role(), &|told| say(&Ok(told))) {
        say(&Err(message));
    } else if part == Part::Network {
        say(&Ok(Told::Check(shared_settings(path))));
    }
    String::new()
}

fn shared_settings(network: &Path) -> Check {
    let path = network.join(PROJECT_FILE);
    let mistake = match local::read_text(&path, FILE_LIMIT) {
        Ok(None) => return Check::ok("settings", "no driftless.toml"),
        Ok(Some(text)) => file::project_settings(&path, &text, Path::new("pair.toml")).err().map(|mistake| mistake.to_string()),
        Err(error) => Some(error.to_string()),
    };
    match mistake {
        None => Check::ok("settings", "driftless.toml is valid"),
        Some(message) => Check::new("settings", Health::Problem, message)
            .meaning("every sync stops before it begins: with half of the patterns it would take too much")
            .mend("correct that line; docs/configuration.md lists the keys"),
    }
}

/// Starts a process for each root and listens until all have ended or `wait` is over.
pub fn ask(roots: &[(Part, PathBuf)], wait: Duration, stop: &Stop) -> Result<Vec<Heard>, Failure> {
    let (sender, lines) = bounded(LINES);
    for (number, (part, path)) in roots.iter().enumerate() {
        start(*part, path, number, sender.clone())?;
    }
    drop(sender);
    Ok(listen(roots.len(), &lines, Instant::now() + wait, stop))
}

type Line = (usize, Result<Told, String>);

fn start(part: Part, path: &Path, number: usize, lines: Sender<Line>) -> Result<(), Failure> {
    let words = ["doctor", "--part", part.word(), "--"].map(OsStr::new);
    let words = [&words[..], &[path.as_os_str()]].concat();
    let started = second(&words).and_then(|mut command| command.stdout(Stdio::piped()).spawn());
    let started = started.map_err(|error| Failure::failed(format!("A second process cannot be started: {error}.")))?;
    let Some(stdout) = started.stdout else { return Ok(()) };
    // Not joined: where the mount hangs this thread waits for a line that does not come, and ends with the program.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Some(told) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { return };
            if lines.send((number, told)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn listen(roots: usize, lines: &Receiver<Line>, until: Instant, stop: &Stop) -> Vec<Heard> {
    let mut heard = vec![Heard::default(); roots];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left.min(TICK)) {
            Ok((number, told)) => heard[number].take(told),
            Err(RecvTimeoutError::Disconnected) => return heard,
            Err(RecvTimeoutError::Timeout) if left.is_zero() || stop.signal().is_some() => return heard,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

impl Heard {
    fn take(&mut self, told: Result<Told, String>) {
        match told {
            Ok(Told::Step(step)) => self.step = step,
            Ok(Told::Check(check)) => self.checks.push(check),
            Ok(Told::Marker(marker)) => self.marker = Some(marker.and_then(|marker| marker.marker())),
            Ok(Told::Done) => self.end = Some(End::Done),
            Err(message) => self.end = Some(End::Gone(message)),
        }
    }
}
