//! What a commit that somebody names is in this clone, and how it lies to another. Nothing of the user's moves; what is fetched
//! comes without a ref.

use super::command::NETWORK;
use super::error::{Error, Result};
use super::names::{Oid, Target};
use super::remote;
use super::repository::Repository;
use super::state::{Ask, Found, Relation, is_shallow};

/// What digits come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Commit(Oid),
    Nothing,
    Several,
    /// Not here, and the remote was not to be asked.
    Unasked,
}

/// What the one commit has that the other has not.
#[derive(Debug)]
pub struct Gap {
    /// `Behind`: `first` is an ancestor of `second`.
    pub relation: Relation,
    /// Commits of `second` that `first` has not.
    pub behind: u64,
    /// Those of them that touch the folder that was named.
    pub in_folder: u64,
    /// Commits of `first` that `second` has not.
    pub ahead: u64,
    /// `false`: the history is cut off, and there may be more.
    pub exact: bool,
    /// When the oldest of them in the folder was committed, in seconds since 1970.
    pub oldest: Option<i64>,
    /// First lines of a few of them, the newest first.
    pub subjects: Vec<String>,
}

/// How many of them are told.
const SUBJECTS: &str = "--max-count=3";

/// Where more of the history is to be had.
pub struct Origin {
    pub remote: String,
    /// Its branch, where one goes with what is checked out.
    pub target: Option<Target>,
}

impl Origin {
    /// That of the branch; where there is none (a detached HEAD), `origin` or the only remote.
    pub fn of(repository: &Repository, target: Option<&Target>) -> Option<Origin> {
        let remote = match target {
            Some(target) => target.remote.clone(),
            None => repository.main_remote()?,
        };
        Some(Origin { remote, target: target.cloned() })
    }

    /// Fetches a commit by its name, without a ref; `false` where the remote answers that it has none of that name.
    fn fetch(&self, repository: &Repository, more: &[&str], commit: &Oid) -> Result<bool> {
        let words =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune", "--refmap=", "--no-auto-maintenance"];
        let call = repository.git.call(&words).args(more).args(["--end-of-options", &self.remote, commit.as_str()]);
        let output = call.limit(NETWORK).run()?;
        let answered = ["not our ref", "couldn't find remote ref"].iter().any(|words| output.message.contains(words));
        match output.code {
            0 => Ok(true),
            _ if answered => Ok(false),
            _ => Err(remote::judged(&self.remote, "fetch", &output.message)),
        }
    }

    /// Gives a shallow clone more history; `false` where there is no more.
    fn deepen(&self, repository: &Repository, commit: &Oid, step: usize) -> Result<bool> {
        match (&self.target, remote::DEEPER.get(step)) {
            (Some(target), _) => remote::deepen(repository, target, step),
            (None, Some(how)) => self.fetch(repository, &[how], commit),
            (None, None) if step == remote::DEEPER.len() => self.fetch(repository, &["--unshallow"], commit),
            (None, None) => Ok(false),
        }
    }
}

/// Looks for a commit by the digits that its name begins with. A whole name that is not here is asked for at the remote.
pub fn find(repository: &Repository, origin: Option<&Origin>, hex: &str, ask: Ask) -> Result<Named> {
    let Some(whole) = Oid::parse(hex) else { return abbreviated(repository, hex) };
    if let Some(commit) = here(repository, whole.as_str())? {
        return Ok(Named::Commit(commit));
    }
    let Some(origin) = origin else { return Ok(Named::Nothing) };
    if ask == Ask::Nobody {
        return Ok(Named::Unasked);
    }
    if !origin.fetch(repository, &[], &whole)? {
        return Ok(Named::Nothing);
    }
    Ok(here(repository, whole.as_str())?.map_or(Named::Nothing, Named::Commit))
}

/// A whole name, or that of a tag, as a commit; `None` where there is no such object here.
pub(super) fn here(repository: &Repository, name: &str) -> Result<Option<Oid>> {
    let asked = repository.git.call(&["cat-file", "--batch-check=%(objecttype)"]).input(format!("{name}^{{commit}}\n")).ok()?;
    if asked.starts_with(b"commit") { repository.commit(name) } else { Ok(None) }
}

/// By the objects that there are, never by refs: a branch may be called like one.
fn abbreviated(repository: &Repository, hex: &str) -> Result<Named> {
    let listed = repository.git.call(&["rev-parse", &format!("--disambiguate={hex}")]).ok()?;
    let kinds = repository.git.call(&["cat-file", "--batch-check=%(objecttype) %(objectname)"]).input(listed).ok()?;
    let text = String::from_utf8_lossy(&kinds);
    let mut commits = text.lines().filter_map(|line| line.strip_prefix("commit ")).filter_map(Oid::parse);
    Ok(match (commits.next(), commits.next()) {
        (Some(commit), None) => Named::Commit(commit),
        (None, _) => Named::Nothing,
        (Some(_), Some(_)) => Named::Several,
    })
}

/// The tree of a folder (empty: the top) in a commit; `None` where there is none.
pub fn tree_of(repository: &Repository, commit: &str, folder: &str) -> Result<Option<Oid>> {
    if folder.is_empty() {
        let named = format!("{commit}^{{tree}}");
        return repository
            .git
            .call(&["rev-parse", "--verify", "--end-of-options", &named])
            .ok()
            .and_then(|line| Oid::of("rev-parse", &line).map(Some));
    }
    let listed = repository.git.call(&["ls-tree", "-d", "-z", "--full-tree", commit, "--", folder]).ok()?;
    let text = String::from_utf8_lossy(&listed);
    let entry = text.split('\0').find_map(|line| line.split_once('\t').filter(|(_, path)| *path == folder));
    Ok(entry.and_then(|(head, _)| Oid::parse(head.rsplit(' ').next()?)))
}

/// How `first` lies to `second`. A shallow history is deepened until it tells, or it cannot be told.
pub fn gap(repository: &Repository, origin: Option<&Origin>, first: &Oid, second: &Oid, folder: &str, ask: Ask) -> Result<Gap> {
    let mut shallow = is_shallow(repository)?;
    let mut found = Found::of(repository, first, second)?;
    let mut step = 0;
    while let (true, true, Some(origin), Ask::Remote) = (shallow, found.is_open(), origin, ask) {
        if !origin.deepen(repository, second, step)? {
            break;
        }
        step += 1;
        shallow = is_shallow(repository)?;
        found = Found::of(repository, first, second)?;
    }
    let relation = found.relation(shallow);
    if relation == Relation::Unknown {
        let advice = "git fetch --unshallow";
        return Err(Error::refused("the history here is cut off (shallow) before a commit that both have", advice));
    }
    let range = format!("{first}..{second}");
    let within = |words: &[&str]| {
        repository
            .git
            .call(&["--literal-pathspecs"])
            .args(words)
            .arg(&range)
            .arg("--")
            .args((!folder.is_empty()).then_some(folder))
    };
    let in_folder = within(&["rev-list", "--count"]).line()?;
    let in_folder = in_folder.parse().map_err(|_| Error::Answer { verb: "rev-list".to_owned(), message: in_folder })?;
    let times = within(&["log", "--format=%ct"]).ok()?;
    let oldest = String::from_utf8_lossy(&times).lines().filter_map(|line| line.parse().ok()).min();
    let subjects = within(&["log", "--format=%s", SUBJECTS]).ok()?;
    let subjects = String::from_utf8_lossy(&subjects).lines().map(str::to_owned).collect();
    Ok(Gap { relation, behind: found.behind, in_folder, ahead: found.ahead, exact: !shallow, oldest, subjects })
}

/// The URLs of all remotes, as they are written and as the settings change them. They may hold credentials: never printed.
pub fn remotes(repository: &Repository) -> Result<Vec<String>> {
    let mut urls = repository.remote_urls();
    let listed = repository.git.call(&["remote", "--verbose"]).ok()?;
    let text = String::from_utf8_lossy(&listed);
    urls.extend(text.lines().filter_map(|line| Some(line.split_once('\t')?.1.rsplit_once(' ')?.0.to_owned())));
    urls.sort();
    urls.dedup();
    Ok(urls)
}
