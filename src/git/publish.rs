//! Publishing named files: exactly these, as they are on the disk, as one commit on the remote's tip. HEAD, the index and
//! the work tree are not touched.

use std::time::Duration;

use super::backup;
use super::command::both;
use super::deliver::{Delivery, Errand, Outcome, deliver};
use super::error::{Error, Result};
use super::halfway;
use super::lock::{self, Held, Which};
use super::names::{Kind, Oid, Target};
use super::pending::{Edit, Pending, Policy, Waiting, list, record, waiting};
use super::push::Hooks;
use super::remote;
use super::repository::{Head, Repository};
use super::seen;
use super::stream::Content;
use super::tree::{Mode, versions};
use crate::disk::checkout::{self, Place};
use crate::model::native;
use crate::model::shown::short;

/// What is to be published.
pub struct Request {
    pub target: Target,
    /// Below the top of the work tree; files and links.
    pub paths: Vec<Vec<u8>>,
    /// Paths that are to go; of a folder, the files in it that were seen.
    pub deletes: Vec<Vec<u8>>,
    pub message: String,
    pub policy: Policy,
    /// How long another writer of this clone is waited for.
    pub wait: Duration,
    /// How long lost races are run again.
    pub retry_for: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Published {
    pub id: String,
    pub end: End,
    pub attempts: u32,
    /// Each path with its version before and now; `None` is a delete.
    pub paths: Vec<(Vec<u8>, Option<Oid>, Option<Oid>)>,
    /// Paths that somebody else changed too, and what was done.
    pub settled: Vec<(Vec<u8>, Policy)>,
    /// How many others were delivered along.
    pub others: usize,
}

#[derive(Debug)]
pub enum End {
    Done(Outcome),
    /// It waits under that ref, for that reason.
    Waits {
        kept: String,
        why: Error,
    },
}

/// Publishes.
pub fn publish(repository: &Repository, request: &Request) -> Result<Published> {
    let target = &request.target;
    let (Heads { head, mut tip, waits }, attributes) =
        both(|| heads(repository, target), || Attributes::of(repository, &request.paths))?;
    if tip.is_none() {
        // Never asked so far. Where nobody answers, the commit that is checked out has to do.
        tip = remote::fetch(repository, target).ok().flatten();
    }
    let mut edits = Vec::new();
    for path in &request.paths {
        edits.push(Edit { path: path.clone(), content: content(repository, &attributes, tip.as_ref(), path)? });
    }
    let deletes = seen::going(repository, target, tip.as_ref(), &head, &request.deletes)?;
    for path in deletes.into_iter().filter(|path| !request.paths.contains(path)) {
        let content = gone(repository, &path)?;
        edits.push(Edit { path, content });
    }
    let ground = seen::ground(repository, target, tip.as_ref(), &head, edits)?;
    let (message, hooks) = (message(&request.message), if attributes.lfs { Hooks::Yes } else { Hooks::No });
    let recorded = |earlier: &[Pending]| record(repository, target, ground, (&message, request.policy), earlier);
    if waits {
        let pending = recorded(&list(repository, target)?)?;
        return finish(repository, request, pending, None, hooks);
    }
    let held = lock::take(repository, Which::Writer, "publish", Duration::ZERO).ok();
    // Where nobody else is at work, what waits beside ours is listed while ours is recorded.
    let beside = || Ok(held.as_ref().and_then(|_| waiting(repository, target, None).ok()));
    let (pending, beside) = both(|| recorded(&[]), beside)?;
    finish(repository, request, pending, held.zip(beside), hooks)
}

struct Heads {
    head: Head,
    tip: Option<Oid>,
    /// Does something wait already?
    waits: bool,
}

/// What is checked out, what is known of the remote, and whether something waits, by one question.
fn heads(repository: &Repository, target: &Target) -> Result<Heads> {
    let Some(branch) = repository.branch()? else {
        return Ok(Heads { head: repository.head()?, tip: remote::known(repository, target)?, waits: true });
    };
    let (name, known, pending) = (format!("refs/heads/{branch}"), target.known(), target.prefix(Kind::Pending));
    let mut refs = repository.refs(&[&name, &known, pending.trim_end_matches('/')])?;
    let (commit, tip) = (refs.remove(&name), refs.remove(&known));
    let waits = refs.keys().any(|name| name.starts_with(&pending));
    Ok(Heads { head: Head { branch: Some(branch), commit }, tip, waits })
}

/// A message that git takes as it is.
pub fn message(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !matches!(c, '\0' | '\u{1}')).collect();
    format!("{}\n", plain.trim_end())
}

/// Delivers it with all that waits, if the lock is to be had in time.
fn finish(
    repository: &Repository,
    request: &Request,
    pending: Pending,
    early: Option<(Held, Waiting)>,
    hooks: Hooks,
) -> Result<Published> {
    let target = &request.target;
    let mut published = Published {
        id: pending.id.clone(),
        end: End::Done(Outcome::Unchanged),
        attempts: 0,
        paths: paths(&pending),
        settled: Vec::new(),
        others: 0,
    };
    let waits = |why: Error| End::Waits { kept: format!("{}{}", target.prefix(Kind::Pending), pending.id), why };
    let taken = match early {
        Some((held, beside)) => Ok((held, Some(beside))),
        None => lock::take(repository, Which::Writer, "publish", request.wait).map(|held| (held, None)),
    };
    let (held, beside) = match taken {
        Ok(taken) => taken,
        Err(why @ (Error::Busy { .. } | Error::Stopped)) => {
            published.end = told_elsewhere(repository, target, &pending)?.map_or_else(|| waits(why), End::Done);
            return flushed(repository, published);
        }
        Err(error) => return Err(error),
    };
    let errand = Errand { mine: Some(&pending), beside, retry_for: request.retry_for, hooks };
    let Delivery { outcomes, settled, attempts, left, .. } = deliver(repository, target, &held, &errand)?;
    published.attempts = attempts;
    published.others = outcomes.len().saturating_sub(1);
    let mine = outcomes.into_iter().find(|(id, _)| *id == pending.id).map(|(_, outcome)| outcome);
    published.settled =
        settled.into_iter().filter(|(path, _)| pending.changes.iter().any(|change| change.path == *path)).collect();
    published.end = match (mine, left) {
        (Some(outcome), _) => End::Done(outcome),
        (None, Some(why)) => waits(why),
        (None, None) => End::Done(told_elsewhere(repository, target, &pending)?.unwrap_or(Outcome::Unchanged)),
    };
    flushed(repository, published)
}

/// What is kept for later is on the disk before that is said.
fn flushed(repository: &Repository, published: Published) -> Result<Published> {
    if let End::Waits { kept, .. } = &published.end {
        repository.flush_ref(kept)?;
    }
    Ok(published)
}

fn paths(pending: &Pending) -> Vec<(Vec<u8>, Option<Oid>, Option<Oid>)> {
    let oid = |version: &Option<super::tree::Version>| version.as_ref().map(|version| version.oid.clone());
    pending.changes.iter().map(|change| (change.path.clone(), oid(&change.before), oid(&change.after))).collect()
}

/// What another process made of it, where it did; the ref that told is taken away.
fn told_elsewhere(repository: &Repository, target: &Target, pending: &Pending) -> Result<Option<Outcome>> {
    let name = |kind: Kind| format!("{}{}", target.prefix(kind), pending.id);
    if repository.commit(&name(Kind::Pending))?.is_some() {
        return Ok(None);
    }
    if let Some(landed) = repository.commit(&name(Kind::Done))? {
        repository.git.call(&["update-ref", "-d", &name(Kind::Done)]).ok()?;
        return Ok(Some(Outcome::Landed(landed)));
    }
    if repository.commit(&name(Kind::Conflict))?.is_some() {
        let paths = pending.changes.iter().map(|change| change.path.clone()).collect();
        return Ok(Some(Outcome::Conflict { paths, kept: name(Kind::Conflict) }));
    }
    if repository.commit(&name(Kind::Rejected))?.is_some() {
        let message = "the remote does not take it".to_owned();
        return Ok(Some(Outcome::Rejected { message, kept: name(Kind::Rejected) }));
    }
    Ok(Some(Outcome::Unchanged))
}

/// Which paths git would not keep byte for byte.
pub struct Attributes {
    filtered: Vec<Vec<u8>>,
    pub lfs: bool,
}

impl Attributes {
    pub fn of(repository: &Repository, paths: &[Vec<u8>]) -> Result<Attributes> {
        let mut found = Attributes { filtered: Vec::new(), lfs: false };
        if paths.is_empty() {
            return Ok(found);
        }
        let autocrlf = repository.setting("core.autocrlf").is_some_and(|value| !matches!(value, "false" | "no" | "off" | "0"));
        if autocrlf {
            found.filtered = paths.to_vec();
        }
        let words = ["check-attr", "-z", "--stdin", "filter", "text", "eol", "crlf", "ident", "working-tree-encoding"];
        let input: Vec<u8> = paths.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
        let listed = repository.git.call(&words).input(input).ok()?;
        let fields: Vec<&[u8]> = listed.split(|byte| *byte == 0).collect();
        for answer in fields.chunks_exact(3) {
            let [path, attribute, value] = answer else { continue };
            if matches!(*value, b"unspecified" | b"unset") {
                continue;
            }
            found.lfs |= *attribute == b"filter" && *value == b"lfs";
            found.filtered.push(path.to_vec());
        }
        Ok(found)
    }

    fn has(&self, path: &[u8]) -> bool {
        self.filtered.iter().any(|filtered| filtered == path)
    }
}

/// What a path is now, its bytes read once and whole.
pub fn content(repository: &Repository, attributes: &Attributes, tip: Option<&Oid>, path: &[u8]) -> Result<Content> {
    let place = repository.place(path);
    let named = || short(&String::from_utf8_lossy(path));
    match checkout::look(&place)? {
        Place::Link(target) => Ok(Content::Bytes(Mode::Link, target)),
        Place::File { .. } => {
            if halfway::is_half(repository, path)? {
                let message = format!("The file {} was half written by a sync that has not ended.", named());
                return Err(Error::refused(message, "Nothing was published. `driftless git sync` brings it to its end."));
            }
            let (bytes, executable) = checkout::read_once(&place)?;
            let mode = mode(repository, tip, path, executable)?;
            if !attributes.has(path) {
                return Ok(Content::Bytes(mode, bytes));
            }
            let mut name = std::ffi::OsString::from("--path=");
            name.push(native::spelled(path));
            let stdout = repository.git.call(&["hash-object", "-w", "--stdin"]).arg(name).input(bytes).ok()?;
            Ok(Content::There(super::tree::Version { mode, oid: Oid::of("hash-object", &stdout)? }))
        }
        Place::Absent => {
            let advice = "Nothing was published. --delete PATH publishes that it is gone.";
            Err(Error::refused(format!("There is no file {}.", named()), advice))
        }
        Place::Folder | Place::Other => {
            Err(Error::refused(format!("The path {} is no file.", named()), "Nothing was published."))
        }
    }
}

/// That a path is gone, unless it only lies aside while the branch is moved.
pub fn gone(repository: &Repository, path: &[u8]) -> Result<Content> {
    if backup::is_displaced(repository, path)? {
        let message = format!("The file {} was put aside by a sync that has not ended.", short(&String::from_utf8_lossy(path)));
        return Err(Error::refused(message, "Nothing was published. `driftless git sync` brings it to its end."));
    }
    Ok(Content::Gone)
}

/// Where the file system has no such bit, or no links, what the branch has.
fn mode(repository: &Repository, tip: Option<&Oid>, path: &[u8], executable: Option<bool>) -> Result<Mode> {
    if let Some(executable) = executable.filter(|_| repository.is_on("core.filemode") != Some(false)) {
        return Ok(if executable { Mode::Executable } else { Mode::File });
    }
    let Some(tip) = tip else { return Ok(Mode::File) };
    // Where git makes no links, it checks them out as files that hold their targets.
    let as_files = repository.is_on("core.symlinks") == Some(false);
    let kept = |mode: &Mode| *mode == Mode::Executable || (as_files && *mode == Mode::Link);
    let at_tip = versions(repository, tip.as_str(), &[path.to_vec()])?;
    Ok(at_tip.into_iter().flatten().map(|version| version.mode).find(kept).unwrap_or(Mode::File))
}

/// The files that a word of the command line means: a folder is all that git would see below it.
pub fn files(repository: &Repository, word: &[u8]) -> Result<Vec<Vec<u8>>> {
    match checkout::look(&repository.place(word))? {
        Place::Folder => {}
        _ => return Ok(vec![word.to_vec()]),
    }
    let words = ["--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"];
    let whole = if word.is_empty() { b"." } else { word };
    let listed = repository.git.call(&words).arg(native::spelled(whole)).ok()?;
    let mut found = Vec::new();
    for path in listed.split(|byte| *byte == 0).filter(|path| !path.is_empty() && !path.ends_with(b"/")) {
        // What is gone from a folder is not published by naming the folder: --delete says so.
        if matches!(checkout::look(&repository.place(path))?, Place::File { .. } | Place::Link(_)) {
            found.push(path.to_vec());
        }
    }
    Ok(found)
}
