//! What this clone brought into a remote's history stays there: where somebody rewinds or replaces the branch from outside, the
//! commits of ours that went are found, and wait to be published again.
//!
//! The names of our commits lie in a small file. A commit of ours is a difference from its parent, so a ref to it under
//! `refs/driftless/pending/` is all that a second delivery takes. Where somebody else has changed the path since, theirs stays.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use super::backup;
use super::error::Result;
use super::lock::Held;
use super::names::{Kind, Oid, Target};
use super::pending::{self, Pending, Policy, changes_of};
use super::refs;
use super::repository::Repository;
use super::tree::{Change, Version, entries};
use crate::disk::local;
use crate::model::time::Time;

/// Older ones are forgotten.
const MOST: usize = 2_000;

fn path(repository: &Repository) -> PathBuf {
    repository.common.join("driftless/landed")
}

fn read(repository: &Repository) -> Vec<Oid> {
    let text = local::read_text(&path(repository), 1 << 20).ok().flatten().unwrap_or_default();
    text.lines().filter_map(Oid::parse).collect()
}

/// Remembers a commit of ours that the remote took; with `since` also those between the two.
pub fn remember(repository: &Repository, since: Option<&Oid>, pushed: &Oid) -> Result<()> {
    let mut all = read(repository);
    match since {
        None => all.push(pushed.clone()),
        Some(since) => {
            let listed = repository.git.call(&["rev-list", "--reverse", &format!("{since}..{pushed}"), "--"]).ok()?;
            all.extend(String::from_utf8_lossy(&listed).lines().filter_map(Oid::parse));
        }
    }
    let text: String = all[all.len().saturating_sub(MOST)..].iter().map(|oid| format!("{oid}\n")).collect();
    repository.own_folder()?;
    Ok(local::write_text(&path(repository), &text)?)
}

/// The lines for `update-ref` that let our commits wait again which `before` had and `now` has not.
pub fn rescue(repository: &Repository, target: &Target, before: &Oid, now: &Oid) -> Result<String> {
    let ours: HashSet<Oid> = read(repository).into_iter().collect();
    if ours.is_empty() || before == now {
        return Ok(String::new());
    }
    let range = format!("{now}..{before}");
    let words = ["rev-list", "--reverse", "--topo-order", "--no-merges", &range, "--"];
    let listed = repository.git.call(&words).ok()?;
    let lost: Vec<Oid> =
        String::from_utf8_lossy(&listed).lines().filter_map(Oid::parse).filter(|oid| ours.contains(oid)).collect();
    let mut lines = String::new();
    for (number, commit) in missing(repository, &lost, now)?.into_iter().enumerate() {
        // The same name from every process that finds it; in their order also within a second.
        let Lost { oid, time, .. } = commit;
        let id = format!("{}-{number:09}-{}-{}", crate::model::utc::compact(time), &oid.as_str()[..8], Policy::Theirs.word());
        lines.push_str(&format!("update {}{id} {oid}\n", target.prefix(Kind::Pending)));
        tracing::warn!(commit = %oid, %target, "a commit of ours was taken out of the remote's history, and is published again");
    }
    Ok(lines)
}

/// A commit of ours that went.
struct Lost {
    oid: Oid,
    time: Time,
    changes: Vec<Change>,
}

/// Those of which something is missing at the tip: where the branch was rewritten (squashed, say) with the same content,
/// nothing is. A path of which the last version is missing is published again with all of its versions, so that each is in the
/// history; and with it whatever went in the same commits.
fn missing(repository: &Repository, lost: &[Oid], now: &Oid) -> Result<Vec<Lost>> {
    let mut all = Vec::new();
    for (oid, written) in lost.iter().zip(refs::read(repository, lost)?) {
        let changes = changes_of(repository, written.parents.first(), oid)?;
        all.push(Lost { oid: oid.clone(), time: written.time, changes });
    }
    let last: BTreeMap<&Vec<u8>, &Option<Version>> =
        all.iter().flat_map(|lost| &lost.changes).map(|change| (&change.path, &change.after)).collect();
    let paths: Vec<Vec<u8>> = last.keys().map(|path| (*path).clone()).collect();
    let there = entries(repository, now.as_str(), &paths)?;
    let gone = last.into_iter().filter(|(path, version)| there.version(path) != **version);
    let mut gone: HashSet<Vec<u8>> = gone.map(|(path, _)| path.clone()).collect();
    loop {
        let touches = |lost: &&Lost| lost.changes.iter().any(|change| gone.contains(&change.path));
        let along: HashSet<Vec<u8>> =
            all.iter().filter(touches).flat_map(|lost| lost.changes.iter().map(|change| change.path.clone())).collect();
        if along.len() == gone.len() {
            all.retain(|lost| lost.changes.iter().any(|change| gone.contains(&change.path)));
            return Ok(all);
        }
        gone = along;
    }
}

/// What was given up on purpose: how many commits, and the backups that have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub commits: usize,
    pub backups: Vec<String>,
}

/// Commits of ours that were taken out of the remote's history, and wait to be published again, stay out. A backup keeps them.
pub fn leave_out(repository: &Repository, target: &Target, _held: &Held) -> Result<Option<LeftOut>> {
    let ours: HashSet<Oid> = read(repository).into_iter().collect();
    let waiting = pending::list(repository, target)?;
    // What waits for the first time was never there.
    let out: Vec<&Pending> = waiting.iter().filter(|pending| ours.contains(&pending.commit)).collect();
    if out.is_empty() {
        return Ok(None);
    }
    let heads = repository.git.call(&["merge-base", "--independent"]).args(out.iter().map(|one| one.commit.as_str())).ok()?;
    let mut backups = Vec::new();
    for head in String::from_utf8_lossy(&heads).lines().filter_map(Oid::parse) {
        backups.push(backup::keep_commit(repository, &head, &format!("what was taken out of {target} stays out"))?);
    }
    let prefix = target.prefix(Kind::Pending);
    let lines: String = out.iter().map(|one| format!("delete {prefix}{} {}\n", one.id, one.commit)).collect();
    repository.git.call(&["update-ref", "--stdin"]).input(lines).unstopped().ok()?;
    Ok(Some(LeftOut { commits: out.len(), backups }))
}
