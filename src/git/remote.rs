//! What a remote's branch holds: one question over the network, and a fetch into a ref of our own only where it moved.

use super::command::NETWORK;
use super::error::{Error, Result};
use super::landed;
use super::names::{Oid, Target, fresh_id};
use super::repository::Repository;

/// How many more commits a shallow clone is given, step by step, until the history tells.
pub const DEEPER: [&str; 3] = ["--deepen=50", "--deepen=200", "--deepen=1000"];
/// How often the remote is asked anew because another process learned something meanwhile.
const TRIES: u32 = 5;

/// Where the branch stands at the remote now; `None` where the remote answered that there is none.
pub fn probe(repository: &Repository, target: &Target) -> Result<Option<Oid>> {
    let words = ["ls-remote", "--exit-code", "--quiet", "--end-of-options", &target.remote, &target.at_remote()];
    let output = repository.git.call(&words).limit(NETWORK).run()?;
    match output.code {
        0 => {
            let line = output.stdout.split(|byte| *byte == b'\t').next().unwrap_or_default();
            Oid::of("ls-remote", line).map(Some)
        }
        2 => Ok(None),
        _ => Err(judged(&target.remote, "ls-remote", &output.said())),
    }
}

/// Has the remote no branch at all?
pub fn is_empty(repository: &Repository, target: &Target) -> Result<bool> {
    let output =
        repository.git.call(&["ls-remote", "--heads", "--quiet", "--end-of-options", &target.remote]).limit(NETWORK).run()?;
    if output.code == 0 { Ok(output.stdout.is_empty()) } else { Err(judged(&target.remote, "ls-remote", &output.said())) }
}

/// What we knew of it last.
pub fn known(repository: &Repository, target: &Target) -> Result<Option<Oid>> {
    repository.commit(&target.known())
}

/// Fetches the branch; answers where it stands, `None` where it is gone. No ref but ours moves.
pub fn fetch(repository: &Repository, target: &Target) -> Result<Option<Oid>> {
    fetch_with(repository, target, &[])
}

/// Gives a shallow clone more history, the `step`th time more than before; `false` where there is no further step.
pub fn deepen(repository: &Repository, target: &Target, step: usize) -> Result<bool> {
    let how = match DEEPER.get(step) {
        Some(how) => how,
        None if step == DEEPER.len() => "--unshallow",
        None => return Ok(false),
    };
    fetch_with(repository, target, &[how]).map(|_| true)
}

fn fetch_with(repository: &Repository, target: &Target, more: &[&str]) -> Result<Option<Oid>> {
    for _ in 0..TRIES {
        // Before the remote is asked: so what it answers is never older than what is replaced.
        let before = known(repository, target)?;
        match fetch_once(repository, target, more)? {
            None => return Ok(None),
            Some((now, incoming)) => {
                if let Some(now) = accept(repository, target, before.as_ref(), now, &incoming)? {
                    return Ok(Some(now));
                }
            }
        }
    }
    let message = format!("{target} was moved here while it was fetched");
    Err(Error::Outrun { remote: target.remote.clone(), message })
}

/// What came, and the ref of ours that holds it.
fn fetch_once(repository: &Repository, target: &Target, more: &[&str]) -> Result<Option<(Oid, String)>> {
    // Beside what is known: where our commits are gone from it, both change in one step, so that no kill loses them.
    let incoming = format!("refs/driftless/incoming/{}", fresh_id()?);
    let spec = format!("+{}:{incoming}", target.at_remote());
    let words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune", "--refmap=", "--no-auto-maintenance"];
    let call = repository.git.call(&words).args(more).args(["--end-of-options", &target.remote, &spec]);
    let output = call.limit(NETWORK).run()?;
    if output.code == 0 {
        return Ok(repository.commit(&incoming)?.map(|now| (now, incoming)));
    }
    if output.message.contains("couldn't find remote ref") {
        return Ok(None);
    }
    Err(judged(&target.remote, "fetch", &output.said()))
}

/// Makes it what is known; `None` where another process learned something else meanwhile, so that the answer may be old.
fn accept(repository: &Repository, target: &Target, before: Option<&Oid>, now: Oid, incoming: &str) -> Result<Option<Oid>> {
    let rescued = match before {
        Some(before) => landed::rescue(repository, target, before, &now)?,
        None => String::new(),
    };
    let done = format!("delete {incoming} {now}\n");
    let learned = learn(repository, target, before, &now, &format!("{rescued}{done}"))?;
    if learned != Learned::Now {
        repository.git.call(&["update-ref", "--stdin"]).input(done).unstopped().ok()?;
    }
    Ok(match learned {
        Learned::Now => Some(now),
        Learned::More(known) => Some(known),
        Learned::Other => None,
    })
}

/// What became of a step forward of what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    Now,
    /// Another process knew it already, and maybe more: nothing was changed.
    More(Oid),
    /// What another process learned meanwhile has it not: nothing was changed.
    Other,
}

/// Moves what is known from `before` to `now`, with what goes along (`lines` for `update-ref`) in the same step, if no other
/// process moved it meanwhile.
///
/// Invariant. What is known goes only from a commit that stood at the remote to one that stood there later, and each step lets
/// those of our commits wait that the first has and the second has not (`landed`). So what was acknowledged is in the
/// history of what is known, or waits.
pub fn learn(repository: &Repository, target: &Target, before: Option<&Oid>, now: &Oid, lines: &str) -> Result<Learned> {
    let old = before.map_or_else(|| now.none_like(), Oid::to_string);
    let text = format!("update {} {now} {old}\n{lines}", target.known());
    let output = repository.git.call(&["update-ref", "--stdin"]).input(text).unstopped().run()?;
    if output.code == 0 {
        return Ok(Learned::Now);
    }
    match known(repository, target)? {
        after if after.as_ref() == before => Err(output.error("update-ref")),
        Some(after) if repository.is_ancestor(now, &after)? => Ok(Learned::More(after)),
        _ => Ok(Learned::Other),
    }
}

/// Asks, and fetches where there is something new.
pub fn look(repository: &Repository, target: &Target) -> Result<Option<Oid>> {
    let Some(now) = probe(repository, target)? else { return Ok(None) };
    if known(repository, target)?.as_ref() == Some(&now) {
        return Ok(Some(now));
    }
    fetch(repository, target)
}

/// What the words of a command that failed over the network come to.
pub fn judged(remote: &str, verb: &str, message: &str) -> Error {
    const LOGIN: [&str; 11] = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "Permission denied",
        "Host key verification failed",
        "returned error: 401",
        "returned error: 403",
        "Repository not found",
        "not authorized",
        "access denied",
    ];
    const AWAY: [&str; 20] = [
        "Could not resolve",
        "Connection refused",
        "Connection reset",
        "Connection timed out",
        "Connection closed",
        "Network is unreachable",
        "No route to host",
        "Operation timed out",
        "unable to access",
        "Could not read from remote repository",
        "does not appear to be a git repository",
        "hung up unexpectedly",
        "early EOF",
        "unexpected disconnect",
        "RPC failed",
        "Broken pipe",
        "expected flush after ref listing",
        "unable to connect",
        "invalid index-pack output",
        "returned error: 5",
    ];
    let (remote, message) = (remote.to_owned(), message.to_owned());
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if says(&LOGIN) {
        Error::Login { remote, message }
    } else if says(&AWAY) || message.contains("returned error: 429") {
        Error::Unreachable { remote, message }
    } else {
        Error::Git { verb: verb.to_owned(), message }
    }
}
