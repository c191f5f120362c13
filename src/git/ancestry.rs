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

/// Looks for a commit by the digits that its name begins with. A whole name that is not here is asked for at the remote.
pub fn find(repository: &Repository, remote: Option<&Target>, hex: &str, ask: Ask) -> Result<Named> {
    let Some(whole) = Oid::parse(hex) else { return abbreviated(repository, hex) };
    if let Some(commit) = here(repository, whole.as_str())? {
        return Ok(Named::Commit(commit));
    }
    let Some(target) = remote else { return Ok(Named::Nothing) };
    if ask == Ask::Nobody {
        return Ok(Named::Unasked);
    }
    let words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune", "--refmap=", "--no-auto-maintenance"];
    let call = repository.git.call(&words).args(["--end-of-options", &target.remote, whole.as_str()]);
    let output = call.limit(NETWORK).run()?;
    if output.code == 0 {
        return Ok(here(repository, whole.as_str())?.map_or(Named::Nothing, Named::Commit));
    }
    let answered = ["not our ref", "couldn't find remote ref"].iter().any(|words| output.message.contains(words));
    if answered { Ok(Named::Nothing) } else { Err(remote::judged(&target.remote, "fetch", &output.message)) }
}

/// A whole name, or that of a tag, as a commit; `None` where there is no such object here.
fn here(repository: &Repository, name: &str) -> Result<Option<Oid>> {
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
pub fn gap(repository: &Repository, target: Option<&Target>, first: &Oid, second: &Oid, folder: &str, ask: Ask) -> Result<Gap> {
    let mut shallow = is_shallow(repository)?;
    let mut found = Found::of(repository, first, second)?;
    let mut step = 0;
    while let (true, true, Some(target), Ask::Remote) = (shallow, found.is_open(), target, ask) {
        if !remote::deepen(repository, target, step)? {
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
