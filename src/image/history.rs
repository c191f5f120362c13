//! All that the check asks of git. Who calls it brings it along: this room knows no other of its floor.

use std::time::Duration;

use super::cause::Result;

/// What digits come to in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// The whole name of the one commit that they begin.
    Commit(String),
    /// Neither here nor at the remote.
    Nothing,
    /// They begin more than one.
    Several,
}

/// How the image's commit lies to the repository's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Behind,
    Ahead,
    Diverged,
}

/// What lies between the two. Commits are counted from where both histories part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distance {
    pub relation: Relation,
    /// Commits that the image has not.
    pub behind: u64,
    /// Those of them that touch the build context.
    pub in_context: u64,
    /// Commits that the repository has not.
    pub ahead: u64,
    /// `false`: the history is cut off, and there may be more.
    pub exact: bool,
    /// Since when the oldest commit in the context waits to be built.
    pub oldest: Option<Duration>,
    /// First lines of some commits that the image has not, the newest first.
    pub subjects: Vec<String>,
}

/// The commit that the image ought to be built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// As people name it: `origin/main`, `HEAD`.
    pub name: String,
    /// Its whole name.
    pub commit: String,
}

pub trait History {
    /// URLs that mean this repository.
    fn remotes(&self) -> Vec<String>;
    /// Looks for a commit by the digits that its name begins with; asks the remote where it is not here.
    fn find(&self, hex: &str) -> Result<Search>;
    /// The tree of the build context in a commit; `None` where it has none.
    fn tree(&self, commit: &str) -> Result<Option<String>>;
    /// How two different commits lie to each other.
    fn distance(&self, image: &str, repository: &str) -> Result<Distance>;
}
