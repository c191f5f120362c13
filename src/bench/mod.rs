//! Measures this program and its peers on projects that look real, from outside: each tool is a process, with its roots in
//! folders that are made for it and taken away again.
//!
//! Invariants. Nothing that somebody owns is written to: a given folder is copied first, and a place for roots gets one folder
//! with a marker, beneath which alone things are changed and removed. A tool that fails, or leaves a difference, gives no
//! reading. What cannot be measured here is told as such, never as 0.

mod change;
pub mod findings;
pub mod fit;
mod grow;
pub mod layer;
pub mod page;
pub mod parts;
pub mod peer;
mod plot;
pub mod profile;
pub mod run;
pub mod scenario;
mod stand;
pub mod table;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{disk, sqlite};
use peer::Tool;
use profile::Profile;
use scenario::Scenario;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Request {
    pub project: Project,
    /// How large the project is, once for each: how many files, `None` what is usual.
    pub scales: Vec<Option<u64>>,
    /// What all files have together; `None` what is usual.
    pub bytes: Option<u64>,
    pub seed: u64,
    pub scenarios: Vec<Scenario>,
    /// In this order; those that are not there are told.
    pub tools: Vec<Tool>,
    pub rounds: u32,
    /// How many files change in `changed`, `conflicts` and `flush`.
    pub changed: u64,
    /// How long the file of `append` and `middle` is at least.
    pub huge: u64,
    /// How often a file is saved in each round of `event`.
    pub events: u32,
    /// Where the folders of each side are made.
    pub staging: PathBuf,
    pub network: PathBuf,
    pub way: Way,
    pub far: Option<Far>,
    /// This program.
    pub program: PathBuf,
}

/// What is measured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Project {
    Made(Profile),
    /// A copy of somebody's folder.
    Copied(PathBuf),
}

/// On which side the project is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In staging; the changes go to the network root.
    Up,
    /// On the network root; they come to staging.
    Down,
}

impl Way {
    pub fn word(self) -> &'static str {
        match self {
            Way::Up => "up",
            Way::Down => "down",
        }
    }
}

/// A network root that is made to be far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// Each request to it waits so long.
    pub wait: Duration,
    /// So many wait side by side.
    pub width: usize,
    /// How long the system believes what it was told of names and attributes.
    pub caches: Duration,
}

/// What is going on, for people who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Making {
        files: u64,
        all: Option<u64>,
    },
    /// `done` of `all` turns are over; each is one tool in one round of a scenario.
    Measuring {
        what: String,
        done: u64,
        all: u64,
    },
}

/// A measurement that could not be made. A tool that fails is a finding, not this.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Disk(#[from] disk::Error),
    #[error("{0}")]
    Database(#[from] sqlite::Error),
    #[error("{0}")]
    Refused(String),
    #[error("{name} cannot be run: {source}")]
    Start { name: String, source: std::io::Error },
    #[error("the delaying layer cannot be mounted: {0}")]
    Layer(std::io::Error),
    #[error("stopped")]
    Stopped,
}

/// Did somebody ask us to stop?
#[derive(Clone, Debug)]
pub struct Stopped(pub Arc<AtomicBool>);

impl Stopped {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), Error> {
        if self.is_set() { Err(Error::Stopped) } else { Ok(()) }
    }
}
