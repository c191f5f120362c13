//! Publishes that are not at the remote: those that wait, that met somebody else's change, that the remote does not take.
//! They are listed, made to wait again, or dropped.

use super::error::{Error, Result};
use super::lock::Held;
use super::names::{Kind, Target};
use super::pending::{Pending, Policy, id_after, list as list_waiting, read};
use super::refs;
use super::repository::Repository;
use crate::model::shown::short;
use crate::model::utc;

/// One of them.
#[derive(Clone, Debug)]
pub struct Kept {
    /// `Pending`, `Conflict` or `Rejected`.
    pub kind: Kind,
    pub target: Target,
    /// Its ref.
    pub name: String,
    /// RFC 3339; when it was made.
    pub time: String,
    pub publish: Pending,
}

impl Kept {
    /// The word for it.
    pub fn state(&self) -> &'static str {
        match self.kind {
            Kind::Pending => "waiting",
            other => other.word(),
        }
    }
}

/// All of them, of any branch, by kind and age.
pub fn list(repository: &Repository) -> Result<Vec<Kept>> {
    let mut all = Vec::new();
    for kind in [Kind::Pending, Kind::Conflict, Kind::Rejected] {
        let listed = refs::of_kind(repository, kind)?;
        for (one, (publish, time)) in listed.iter().zip(read(repository, &listed)?) {
            let Some(target) = target(kind, &one.name, one.id()) else { continue };
            let (name, time) = (one.name.clone(), utc::rfc3339(time));
            all.push(Kept { kind, target, name, time, publish });
        }
    }
    Ok(all)
}

/// By `refs/driftless/KIND/REMOTE/BRANCH/ID`.
fn target(kind: Kind, name: &str, id: &str) -> Option<Target> {
    let prefix = format!("refs/driftless/{}/", kind.word());
    Target::from_parts(name.strip_prefix(&prefix)?.strip_suffix(id)?.strip_suffix('/')?)
}

/// That of exactly this id.
pub fn find(repository: &Repository, id: &str) -> Result<Kept> {
    let found = list(repository)?.into_iter().find(|kept| kept.publish.id == id);
    found.ok_or_else(|| {
        let message = format!("No publish {} waits or is kept.", short(id));
        Error::refused(message, "Nothing was changed. `driftless git pending list` lists them.")
    })
}

/// Lets one wait that met another change or was not taken; with `policy` by that word from now on.
pub fn wait_again(repository: &Repository, _held: &Held, kept: &Kept, policy: Option<Policy>) -> Result<()> {
    let policy = policy.unwrap_or(kept.publish.policy);
    if kept.kind == Kind::Pending && policy == kept.publish.policy {
        return Ok(());
    }
    let id = id_after(&list_waiting(repository, &kept.target)?, policy)?;
    let name = format!("{}{id}", kept.target.prefix(Kind::Pending));
    let lines = format!("create {name} {}\ndelete {} {}\n", kept.publish.commit, kept.name, kept.publish.commit);
    repository.git.call(&["update-ref", "--stdin"]).input(lines).unstopped().ok().map(drop)
}

/// Takes its ref away. The commit stays until git cleans up.
pub fn drop_one(repository: &Repository, _held: &Held, kept: &Kept) -> Result<()> {
    repository.git.call(&["update-ref", "-d", &kept.name, kept.publish.commit.as_str()]).ok().map(drop)
}
