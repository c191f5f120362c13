//! Pushing one commit onto one branch, only if that still stands where we saw it.

use super::command::NETWORK;
use super::error::{Error, Result};
use super::names::{Oid, Target};
use super::remote::judged;
use super::repository::Repository;
use crate::model::shown::short;

/// What the remote did with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    Taken,
    /// The branch stands elsewhere, or another push was at it in the same moment: look again. With the remote's words.
    Lost(String),
    /// A hook or a rule there; the same commit will not be taken later either.
    Refused(String),
}

/// Hooks of the clone that a push runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// None: what is pushed is no work of the user's to be checked.
    No,
    /// For LFS, whose hook sends the contents along.
    Yes,
}

/// Pushes `commit`; `expected` is where the branch was seen, `None` where it was seen not to be.
pub fn push(repository: &Repository, target: &Target, commit: &Oid, expected: Option<&Oid>, hooks: Hooks) -> Result<Pushed> {
    let branch = target.at_remote();
    let lease = format!("--force-with-lease={branch}:{}", expected.map_or("", Oid::as_str));
    let spec = format!("{commit}:{branch}");
    let mut call = repository.git.call(&["push", "--porcelain", "--no-signed", &lease]);
    if hooks == Hooks::No {
        call = call.arg("--no-verify");
    }
    // Not stopped in the middle: whether the remote took it would be unknown.
    let output = call.args(["--end-of-options", &target.remote, &spec]).limit(NETWORK).unstopped().run()?;
    let told = String::from_utf8_lossy(&output.stdout);
    match verdict(&told) {
        // Which lock stands in the way is told beside.
        Some(Pushed::Lost(summary)) => Ok(Pushed::Lost(match output.message.is_empty() {
            true => summary,
            false => format!("{summary}: {}", output.message),
        })),
        Some(pushed) => Ok(pushed),
        None if output.code == 0 => Ok(Pushed::Taken),
        None => Err(match judged(&target.remote, "push", &output.said()) {
            // The server's own disk, or its end in the middle: it may work later.
            Error::Git { message, .. } if told.contains("unpacker error") || told.contains("[remote failure]") => {
                Error::Unreachable { remote: target.remote.clone(), message }
            }
            error => error,
        }),
    }
}

/// By the line of the branch; its words are git's own, those in brackets may be the server's.
fn verdict(porcelain: &str) -> Option<Pushed> {
    let line = porcelain.lines().find(|line| line.split('\t').count() >= 3)?;
    let (flag, summary) = (line.split('\t').next()?, line.splitn(3, '\t').nth(2)?);
    if flag != "!" {
        return Some(Pushed::Taken);
    }
    let passing =
        ["cannot lock ref", "failed to update ref", "incorrect old value", "reference already exists", "failed to lock"];
    if summary.starts_with("[rejected]") || passing.iter().any(|part| summary.contains(part)) {
        return Some(Pushed::Lost(short(summary)));
    }
    let unknown = summary.starts_with("[remote failure]")
        || summary.contains("unpacker error")
        || summary.contains("missing necessary objects");
    (!unknown).then(|| Pushed::Refused(short(summary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_race_is_no_refusal_and_silence_is_neither() {
        let line = |rest: &str| format!("To x\n{rest}\nDone\n");
        let lost = |words: &str| Some(Pushed::Lost(words.to_owned()));
        for (said, expected) in [
            (line(" \tabc:refs/heads/main\ta..b"), Some(Pushed::Taken)),
            (line("*\tabc:refs/heads/main\t[new branch]"), Some(Pushed::Taken)),
            (line("=\tabc:refs/heads/main\t[up to date]"), Some(Pushed::Taken)),
            (line("!\tabc:refs/heads/main\t[rejected] (stale info)"), lost("[rejected] (stale info)")),
            (line("!\tabc:refs/heads/main\t[rejected] (fetch first)"), lost("[rejected] (fetch first)")),
            (
                line("!\tabc:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main': is at)"),
                lost("[remote rejected] (cannot lock ref 'refs/heads/main': is at)"),
            ),
            (
                line("!\tabc:refs/heads/main\t[remote rejected] (failed to update ref)"),
                lost("[remote rejected] (failed to update ref)"),
            ),
            (
                line("!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)"),
                Some(Pushed::Refused("[remote rejected] (pre-receive hook declined)".to_owned())),
            ),
            (line("!\tabc:refs/heads/main\t[remote rejected] (unpacker error)"), None),
            (line("!\tabc:refs/heads/main\t[remote failure] (remote failed to report status)"), None),
            (String::new(), None),
        ] {
            assert_eq!(verdict(&said), expected, "{said}");
        }
    }
}
