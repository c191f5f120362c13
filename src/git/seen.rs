//! Which versions of a path its writer here had seen, so that somebody else's change of it is not overwritten unseen: the
//! one that is checked out, and the one that this clone published last.
//!
//! The second lies in a small file beside the refs. Where it is lost, more is taken for a conflict, never less.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::Result;
use super::names::{Oid, Target};
use super::pending::{Edit, Ground};
use super::repository::{Head, Repository};
use super::stream::Content;
use super::tree::{Change, Version, versions};
use crate::disk::local;

/// Longer files are begun anew.
const MOST: u64 = 4 << 20;

fn path(repository: &Repository) -> PathBuf {
    repository.common.join("driftless/published")
}

/// One line a path: the branch, the version or a dash for a delete, the path in hexadecimal.
fn read(repository: &Repository) -> BTreeMap<(String, String), Option<Oid>> {
    let text = local::read_text(&path(repository), MOST).ok().flatten().unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (branch, oid, path) = (words.next()?, words.next()?, words.next()?);
        let version = if oid == "-" { None } else { Some(Oid::parse(oid)?) };
        Some(((branch.to_owned(), path.to_owned()), version))
    };
    text.lines().filter_map(line).collect()
}

fn key(target: &Target, path: &[u8]) -> (String, String) {
    (target.to_string(), path.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What this clone published last of each path.
pub fn published(repository: &Repository, target: &Target) -> BTreeMap<Vec<u8>, Option<Oid>> {
    let branch = target.to_string();
    let unhex = |hex: &str| -> Option<Vec<u8>> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
    };
    let all = read(repository).into_iter().filter(|((of, _), _)| *of == branch);
    all.filter_map(|((_, path), oid)| Some((unhex(&path)?, oid))).collect()
}

/// Remembers what was published. Nothing rests on it but fewer conflicts: an error is logged.
pub fn remember(repository: &Repository, target: &Target, published: &BTreeMap<Vec<u8>, Option<Oid>>) {
    let mut all = read(repository);
    all.extend(published.iter().map(|(path, oid)| (key(target, path), oid.clone())));
    write(repository, &all);
}

fn write(repository: &Repository, all: &BTreeMap<(String, String), Option<Oid>>) {
    let line = |((branch, path), oid): (&(String, String), &Option<Oid>)| {
        format!("{branch} {} {path}\n", oid.as_ref().map_or("-", Oid::as_str))
    };
    let text: String = all.iter().map(line).collect();
    let written = repository.own_folder().and_then(|_| Ok(local::write_text(&path(repository), &text)?));
    if let Err(error) = written {
        tracing::warn!(%error, "what was published is not remembered");
    }
}

/// The checked-out branch has moved on: what was published of these paths before is not what their next writer sees.
pub fn outdate(repository: &Repository, target: &Target, changes: &[Change]) {
    let before = read(repository);
    let mut all = before.clone();
    for change in changes {
        let key = key(target, &change.path);
        if all.get(&key).is_some_and(|last| last.as_ref() != change.after.as_ref().map(|version| &version.oid)) {
            all.remove(&key);
        }
    }
    if all != before {
        write(repository, &all);
    }
}

/// What a publish of `paths` is made on: the tip where all of its versions were seen, else what was.
pub fn ground(repository: &Repository, target: &Target, tip: Option<&Oid>, head: &Head, paths: &[Vec<u8>]) -> Result<Ground> {
    let at = |commit: Option<&Oid>| match commit {
        Some(commit) => versions(repository, commit.as_str(), paths),
        None => Ok(vec![None; paths.len()]),
    };
    let at_tip = at(tip)?;
    let published = published(repository, target);
    let is_ours = |(path, tip): (&Vec<u8>, &Option<Version>)| {
        published.get(path).is_some_and(|last| last.as_ref() == tip.as_ref().map(|version| &version.oid))
    };
    let mut seen: Vec<bool> = paths.iter().zip(&at_tip).map(is_ours).collect();
    if tip == head.commit.as_ref() || seen.iter().all(|seen| *seen) {
        return Ok(Ground { commit: tip.cloned(), seen: Vec::new(), before: at_tip });
    }
    let at_head = at(head.commit.as_ref())?;
    seen.iter_mut().zip(at_tip.iter().zip(&at_head)).for_each(|(seen, (tip, head))| *seen |= tip == head);
    if seen.iter().all(|seen| *seen) {
        return Ok(Ground { commit: tip.cloned(), seen: Vec::new(), before: at_tip });
    }
    let (mut edits, mut before) = (Vec::new(), Vec::new());
    for ((path, seen), (tip, head)) in paths.iter().zip(seen).zip(at_tip.into_iter().zip(at_head)) {
        if seen {
            edits.push(Edit { path: path.clone(), content: tip.clone().map_or(Content::Gone, Content::There) });
        }
        before.push(if seen { tip } else { head });
    }
    Ok(Ground { commit: head.commit.clone(), seen: edits, before })
}
