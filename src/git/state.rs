//! How a branch stands to its remote. Nothing of the user's moves: not HEAD, not the index, not the work tree, not
//! `refs/remotes`.

use super::ancestry;
use super::error::{Error, Result};
use super::follow;
use super::names::{Oid, Target};
use super::remote;
use super::repository::{Head, Repository};
use super::tree::{ALL, Status, Untracked, empty_tree, status};

/// The one word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    UpToDate,
    Behind,
    Ahead,
    Diverged,
    /// No commit here yet.
    Unborn,
    /// No branch is checked out.
    Detached,
    /// Nothing says which branch of which remote goes with this one.
    NoUpstream,
    /// The remote answered, and has no such branch.
    Gone,
    /// The remote answered, and has no branch at all: nobody pushed there yet.
    Empty,
    /// Two histories without a common commit.
    Unrelated,
    /// Could not be found out; never to be read as one of the others.
    Unknown,
}

impl Relation {
    pub fn word(self) -> &'static str {
        match self {
            Relation::UpToDate => "up-to-date",
            Relation::Behind => "behind",
            Relation::Ahead => "ahead",
            Relation::Diverged => "diverged",
            Relation::Unborn => "unborn",
            Relation::Detached => "detached",
            Relation::NoUpstream => "no-upstream",
            Relation::Gone => "gone",
            Relation::Empty => "empty",
            Relation::Unrelated => "unrelated",
            Relation::Unknown => "unknown",
        }
    }
}

/// Where a look at the remote ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The remote is asked, and what is new is fetched.
    Remote,
    /// What is known here has to do.
    Nobody,
}

/// All that was found.
#[derive(Debug)]
pub struct Standing {
    pub relation: Relation,
    /// Commits here that the remote has not, where they could be counted.
    pub ahead: Option<u64>,
    /// Commits at the remote that are not here.
    pub behind: Option<u64>,
    pub head: Head,
    pub target: Option<Target>,
    pub remote: Option<Oid>,
    pub merge_base: Option<Oid>,
    /// Was the remote asked, and did it answer?
    pub asked: bool,
    pub shallow: bool,
    pub operation: Option<&'static str>,
    pub status: Status,
    /// Paths that following the remote would put aside.
    pub in_the_way: Vec<Vec<u8>>,
    /// Why it is unknown.
    pub cause: Option<Error>,
}

/// Looks at HEAD, the remote and the work tree.
pub fn look(repository: &Repository, remote: Option<&str>, branch: Option<&str>, ask: Ask) -> Result<Standing> {
    let mut standing = look_at(repository, remote, branch)?;
    compare(repository, &mut standing, ask)?;
    if let (Relation::Behind | Relation::Diverged | Relation::Unborn, Some(tip), Some(target)) =
        (standing.relation, &standing.remote, &standing.target)
    {
        let old = standing.head.commit.as_ref().map_or_else(|| empty_tree(tip), Oid::as_str);
        match follow::plan(repository, target, old, tip, &standing.status) {
            Ok(plan) => standing.in_the_way = plan.in_the_way.into_iter().map(|item| item.path).collect(),
            // A merge, or something that cannot be kept: a sync says what.
            Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(standing)
}

/// What is here; how it stands is not known yet.
fn look_at(repository: &Repository, remote: Option<&str>, branch: Option<&str>) -> Result<Standing> {
    let head = repository.head()?;
    let target = repository.target(head.branch.as_deref(), remote, branch)?;
    Ok(Standing {
        relation: Relation::Unknown,
        ahead: None,
        behind: None,
        head,
        target,
        remote: None,
        merge_base: None,
        asked: false,
        shallow: repository.shallow,
        operation: repository.operation(),
        status: status(repository, Untracked::Folders, ALL)?,
        in_the_way: Vec::new(),
        cause: None,
    })
}

/// The same with nothing written, into the clone neither: for one that others carry about. A commit that only the remote has is
/// `Behind`, and nobody counts how far.
pub fn glance(repository: &Repository) -> Result<Standing> {
    let mut standing = look_at(repository, None, None)?;
    let Some(target) = standing.target.clone() else {
        compare(repository, &mut standing, Ask::Nobody)?;
        return Ok(standing);
    };
    match remote::probe(repository, &target) {
        Ok(Some(tip)) => {
            standing.asked = true;
            let here = ancestry::here(repository, tip.as_str())?.is_some();
            standing.remote = Some(tip.clone());
            match (standing.head.commit.clone(), here) {
                (None, _) => standing.relation = Relation::Unborn,
                (Some(_), false) => standing.relation = Relation::Behind,
                (Some(head), true) => settle(&mut standing, &Found::of(repository, &head, &tip)?),
            }
        }
        Ok(None) => (standing.asked, standing.relation) = (true, Relation::Gone),
        Err(Error::Stopped) => return Err(Error::Stopped),
        Err(cause) => standing.cause = Some(cause),
    }
    Ok(standing)
}

/// What two histories come to.
fn settle(standing: &mut Standing, found: &Found) {
    (standing.ahead, standing.behind) = (Some(found.ahead), Some(found.behind));
    standing.merge_base = found.base.clone();
    standing.relation = found.relation(standing.shallow);
    if standing.relation == Relation::Unknown {
        (standing.ahead, standing.behind) = (None, None);
        let advice = "Run it without --no-fetch, or `git fetch --unshallow`.";
        standing.cause = Some(Error::refused("The history is cut off (shallow) before a commit that both have.", advice));
    } else if standing.head.branch.is_none() {
        standing.relation = Relation::Detached;
    }
}

fn compare(repository: &Repository, standing: &mut Standing, ask: Ask) -> Result<()> {
    let Some(target) = standing.target.clone() else {
        let no_branch = standing.head.branch.is_none();
        standing.relation = if no_branch { Relation::Detached } else { Relation::NoUpstream };
        return Ok(());
    };
    let tip = match ask {
        Ask::Nobody => remote::known(repository, &target)?,
        Ask::Remote => match remote::look(repository, &target) {
            Ok(tip) => {
                standing.asked = true;
                if tip.is_none() {
                    standing.relation = nothing_there(repository, &target)?;
                    return Ok(());
                }
                tip
            }
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(cause) => {
                // What was known stays worth telling.
                standing.remote = remote::known(repository, &target)?;
                standing.cause = Some(cause);
                return Ok(());
            }
        },
    };
    let Some(tip) = tip else {
        standing.cause = Some(Error::refused("The remote was never asked.", "Run it once without --no-fetch."));
        return Ok(());
    };
    standing.remote = Some(tip.clone());
    let Some(head) = standing.head.commit.clone() else {
        standing.relation = Relation::Unborn;
        return Ok(());
    };
    let mut found = Found::of(repository, &head, &tip)?;
    let mut step = 0;
    // Behind the end of a shallow history there may be the commit that both have.
    while standing.shallow && found.is_open() && ask == Ask::Remote {
        match remote::deepen(repository, &target, step) {
            Ok(true) => {}
            Ok(false) => break,
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(cause) => {
                standing.cause = Some(cause);
                return Ok(());
            }
        }
        step += 1;
        standing.shallow = is_shallow(repository)?;
        found = Found::of(repository, &head, &tip)?;
    }
    settle(standing, &found);
    Ok(())
}

/// A branch that was known is gone, whatever else is there.
fn nothing_there(repository: &Repository, target: &Target) -> Result<Relation> {
    let is_new = remote::known(repository, target)?.is_none() && remote::is_empty(repository, target)?;
    Ok(if is_new { Relation::Empty } else { Relation::Gone })
}

pub(super) fn is_shallow(repository: &Repository) -> Result<bool> {
    Ok(repository.git.call(&["rev-parse", "--is-shallow-repository"]).line()? == "true")
}

/// What two commits come to.
pub(super) struct Found {
    base: Option<Oid>,
    pub(super) ahead: u64,
    pub(super) behind: u64,
}

impl Found {
    pub(super) fn of(repository: &Repository, head: &Oid, tip: &Oid) -> Result<Found> {
        let base = repository.git.call(&["merge-base", head.as_str(), tip.as_str()]).run()?;
        let base = match base.code {
            0 => Some(Oid::of("merge-base", &base.stdout)?),
            1 => None,
            // An error (a missing object) is no "not an ancestor".
            _ => return Err(base.error("merge-base")),
        };
        let range = format!("{head}...{tip}");
        let counted = repository.git.call(&["rev-list", "--left-right", "--count", &range, "--"]).line()?;
        let mut counts = counted.split('\t').map(str::parse::<u64>);
        let (Some(Ok(ahead)), Some(Ok(behind))) = (counts.next(), counts.next()) else {
            return Err(Error::Answer { verb: "rev-list".to_owned(), message: counted });
        };
        Ok(Found { base, ahead, behind })
    }

    /// Could more history change the answer?
    pub(super) fn is_open(&self) -> bool {
        self.base.is_none() || (self.ahead > 0 && self.behind > 0)
    }

    pub(super) fn relation(&self, shallow: bool) -> Relation {
        match (&self.base, self.ahead, self.behind) {
            (_, 0, 0) => Relation::UpToDate,
            _ if shallow && self.is_open() => Relation::Unknown,
            (None, ..) => Relation::Unrelated,
            (_, 0, _) => Relation::Behind,
            (_, _, 0) => Relation::Ahead,
            _ => Relation::Diverged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_to_a_word_and_a_cut_history_to_none() {
        let base = || Oid::parse(&"a".repeat(40));
        for (base, ahead, behind, shallow, expected) in [
            (base(), 0, 0, false, Relation::UpToDate),
            (base(), 0, 3, false, Relation::Behind),
            (base(), 2, 0, false, Relation::Ahead),
            (base(), 2, 3, false, Relation::Diverged),
            (None, 2, 3, false, Relation::Unrelated),
            (base(), 0, 0, true, Relation::UpToDate),
            (base(), 0, 3, true, Relation::Behind),
            (base(), 2, 0, true, Relation::Ahead),
            (base(), 2, 3, true, Relation::Unknown),
            (None, 1, 1, true, Relation::Unknown),
        ] {
            let found = Found { base, ahead, behind };
            assert_eq!(found.relation(shallow), expected, "{ahead} {behind} {shallow}");
        }
    }
}
