//! What `doctor` looks at in a root: tried out in a folder of its own, judged, and said with what it limits.
//!
//! Invariants. Only `.driftless/probe-<random>/` is written, and removed whatever happens; where `.driftless` was made for
//! it, that goes too. Each check is told as soon as it is known, and each step before it begins, so that a root that
//! stops answering leaves what was found so far. [`judge`] turns values into checks without looking; [`trials`] looks.

pub mod judge;
#[cfg(test)]
mod judge_tests;
mod trials;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::mounts::{self, Verdict};
use super::{error::Result, lease, marker, own};
use crate::disk::{self, ErrorKind, Root};
use crate::model::side::Side;
use crate::model::time::Time;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    /// Something cannot be had here; what is done instead is said.
    Limited,
    /// A promise does not hold here.
    Degraded,
    /// It could not be found out.
    Unknown,
    /// It stops sync.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// A stable word for scripts.
    pub check: String,
    pub status: Health,
    /// What was found.
    pub value: String,
    /// What that limits; `None` where there is nothing to say.
    pub meaning: Option<String>,
    /// How to mend it, where that can be said.
    pub mend: Option<String>,
}

impl Check {
    pub fn new(check: &str, status: Health, value: impl Into<String>) -> Check {
        Check { check: check.to_owned(), status, value: value.into(), meaning: None, mend: None }
    }

    pub fn ok(check: &str, value: impl Into<String>) -> Check {
        Check::new(check, Health::Ok, value)
    }

    #[must_use]
    pub fn meaning(mut self, meaning: impl Into<String>) -> Check {
        self.meaning = Some(meaning.into());
        self
    }

    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Check {
        self.mend = Some(mend.into());
        self
    }
}

/// What a root is to be: what stops one stops not the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Of(Side),
    /// Of no pair, or of none that was named.
    Folder,
}

/// What an examination tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// What is about to be done.
    Step(String),
    Check(Check),
    /// The marker, and whether the root could be asked for it.
    Marker(Option<marker::Told>),
    /// Everything was looked at.
    Done,
}

/// What can be told of a path without asking the file system: never hangs.
pub fn from_the_table(path: &Path, role: Role) -> Result<(Verdict, Vec<Check>)> {
    let verdict = mounts::detect(path)?;
    let options = mounts::options(&verdict);
    let checks =
        vec![judge::mount(&verdict, options.as_deref()), judge::place(&verdict, role), judge::age(&verdict, options.as_deref())];
    Ok((verdict, checks))
}

/// Looks at the root at `path`, which may hang where its mount does. `here` is this machine's clock.
///
/// # Errors
/// Where the root is out of reach or went away meanwhile; what was told before that holds.
pub fn examine(path: &Path, role: Role, here: impl Fn() -> Time, tell: &dyn Fn(Told)) -> Result<()> {
    let step = |word: &str| tell(Told::Step(word.to_owned()));
    let check = |check: Check| tell(Told::Check(check));
    let verdict = mounts::detect(path)?;
    let options = mounts::options(&verdict);
    step("opening the folder");
    let root = disk::open_root(path, verdict.network)?;
    let root = &*root;
    root.folder(&crate::model::path::RelPath::root())?.list().map(|listing| check(judge::reachable(listing.len())))?;
    step("asking for free space");
    match root.space() {
        Ok(space) => judge::space(&space, &verdict).into_iter().for_each(&check),
        Err(error) if error.kind == ErrorKind::Gone => return Err(error.into()),
        Err(error) => check(Check::new("space", Health::Unknown, error.to_string())),
    }
    step("reading the marker");
    look_at_own_files(root, tell)?;
    trials::try_out(root, &trials::Around { verdict: &verdict, options: options.as_deref(), role, here: &here }, tell)
}

/// The marker, the lease and what killed runs left behind.
fn look_at_own_files(root: &dyn Root, tell: &dyn Fn(Told)) -> Result<()> {
    match marker::read(root) {
        Ok(marker) => tell(Told::Marker(marker.as_ref().map(marker::Told::of))),
        Err(error) if error.is_gone() => return Err(error),
        Err(error) => tell(Told::Check(judge::bad_marker(&error.to_string()))),
    }
    if let Ok(Some(holder)) = lease::holder(root) {
        tell(Told::Check(judge::lease(&holder.host)));
    }
    let left = own::leftovers(root)?;
    if left > 0 {
        tell(Told::Check(judge::leftovers(left)));
    }
    Ok(())
}
