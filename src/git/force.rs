//! Pushing commits of the user's: forward, or, where this copy counts, over what the remote has.
//!
//! Invariants of a push by force. It replaces exactly the commit that was compared (a lease on it), which is kept in a backup
//! before. What this clone published there is published again. Where the commit that our last force push made was itself
//! replaced, somebody else forces too: nothing is pushed until a person says which copy counts.

use super::backup;
use super::error::{Error, Result};
use super::landed;
use super::lock::Held;
use super::names::{Kind, Oid, Target};
use super::push::{Hooks, Pushed, push};
use super::remote::{self, Learned};
use super::repository::Repository;

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    pub commit: Oid,
    /// The commit that was replaced, and the backup that has it.
    pub replaced: Option<(Oid, String)>,
}

fn forced(target: &Target) -> String {
    target.prefix(Kind::Forced).trim_end_matches('/').to_owned()
}

/// Pushes commits that the remote has not, where it has none that are not here; without a tip, to a remote where nobody pushed yet.
/// `None`: others were faster.
pub fn forward(repository: &Repository, _held: &Held, target: &Target, head: &Oid, tip: Option<&Oid>) -> Result<Option<Ours>> {
    send(repository, target, head, tip, "").map(|sent| sent.map(|()| Ours { commit: head.clone(), replaced: None }))
}

/// Puts `head` in the place of `tip`.
pub fn over(repository: &Repository, _held: &Held, target: &Target, head: &Oid, tip: &Oid) -> Result<Option<Ours>> {
    if let Some(last) = repository.commit(&forced(target))?
        && !repository.is_ancestor(&last, tip)?
    {
        let message =
            format!("What was pushed to {target} by force ({}) was replaced by force again ({}).", last.brief(), tip.brief());
        let advice = "Nothing was pushed: two copies seem to count as the truth. Run `driftless git sync` without alpha on one of them; \
                      it keeps what is here in a backup.";
        return Err(Error::refused(message, advice));
    }
    let why = format!("{target} before {} was pushed over it by force", head.brief());
    let kept = backup::keep_commit(repository, tip, &why)?;
    let lines = format!("update {} {head}\n{}", forced(target), landed::rescue(repository, target, tip, head)?);
    let sent = send(repository, target, head, Some(tip), &lines)?;
    Ok(sent.map(|()| Ours { commit: head.clone(), replaced: Some((tip.clone(), kept)) }))
}

/// The user's own commits go out with the user's own hooks.
fn send(repository: &Repository, target: &Target, head: &Oid, tip: Option<&Oid>, lines: &str) -> Result<Option<()>> {
    match push(repository, target, head, tip, Hooks::Yes)? {
        Pushed::Taken => {}
        Pushed::Lost(_) => return Ok(None),
        Pushed::Refused(message) => {
            let advice = "The commits stay here, and the next tick tries again.";
            return Err(Error::refused(format!("The remote does not take the commits of {target}: {message}."), advice));
        }
    }
    // What another process learned meanwhile is newer; what goes along with the push is so all the same.
    if remote::learn(repository, target, tip, head, lines)? != Learned::Now && !lines.is_empty() {
        repository.git.call(&["update-ref", "--stdin"]).input(lines).unstopped().ok()?;
    }
    Ok(Some(()))
}

/// A person said which copy counts.
pub fn forget(repository: &Repository, target: &Target) -> Result<()> {
    repository.git.call(&["update-ref", "-d", &forced(target)]).ok().map(drop)
}
