//! What this clone brought into a remote's history stays there: where somebody rewinds or replaces the branch from outside, the
//! commits of ours that went are found, and wait to be published again.
//!
//! The names of our commits lie in a small file. A commit of ours is a difference from its parent, so a ref to it under
//! `refs/driftless/pending/` is all that a second delivery takes. Where somebody else has changed the path since, theirs stays.

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::Result;
use super::names::{Kind, Oid, Target};
use super::pending::Policy;
use super::repository::Repository;
use crate::disk::local;

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
    let words = ["rev-list", "--reverse", "--topo-order", "--no-merges", "--timestamp", &range, "--"];
    let listed = repository.git.call(&words).ok()?;
    let mut lines = String::new();
    for (number, line) in String::from_utf8_lossy(&listed).lines().enumerate() {
        let Some((seconds, oid)) = line.split_once(' ').and_then(|(seconds, oid)| Some((seconds, Oid::parse(oid)?))) else {
            continue;
        };
        if !ours.contains(&oid) {
            continue;
        }
        // The same name from every process that finds it; in their order also within a second.
        let time = crate::model::time::Time::from_parts(seconds.parse().unwrap_or_default(), 0);
        let id = format!("{}-{number:09}-{}-{}", crate::model::utc::compact(time), &oid.as_str()[..8], Policy::Theirs.word());
        lines.push_str(&format!("update {}{id} {oid}\n", target.prefix(Kind::Pending)));
        tracing::warn!(commit = %oid, %target, "a commit of ours was taken out of the remote's history, and is published again");
    }
    Ok(lines)
}
