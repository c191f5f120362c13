//! Publishes that wait: commits under `refs/driftless/pending/REMOTE/BRANCH/`.
//!
//! Each is a difference, from its parent to it. Its parent holds of each path the version that its writer had seen; its name
//! ends with the word of what is done where somebody else changed the same path.

use std::collections::HashMap;

use super::error::Result;
use super::names::{Kind, Oid, Target, fresh_id};
use super::refs::{self, Ref};
use super::repository::Repository;
use super::stream::{Commit, Content, Stream};
use super::tree::{Change, Version, difference, empty_tree};
use crate::disk::clock;
use crate::model::time::Time;
use crate::model::utc;

/// What happens to a path that somebody else changed too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing of this publish is pushed.
    #[default]
    Fail,
    Ours,
    Theirs,
    /// Both changes, where they do not touch; else as `Fail`.
    Merge,
}

impl Policy {
    pub fn word(self) -> &'static str {
        match self {
            Policy::Fail => "fail",
            Policy::Ours => "ours",
            Policy::Theirs => "theirs",
            Policy::Merge => "merge",
        }
    }

    pub fn parse(word: &str) -> Option<Policy> {
        [Policy::Fail, Policy::Ours, Policy::Theirs, Policy::Merge].into_iter().find(|policy| policy.word() == word)
    }
}

/// One that waits.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: String,
    pub policy: Policy,
    pub commit: Oid,
    pub parent: Option<Oid>,
    pub message: String,
    pub changes: Vec<Change>,
}

/// A path and what it is to be.
pub struct Edit {
    pub path: Vec<u8>,
    pub content: Content,
}

/// What a publish is made on.
pub struct Ground {
    /// The tip that it goes onto, or the commit whose versions its writer had seen.
    pub commit: Option<Oid>,
    /// Paths of which the writer had seen another version than `commit` has.
    pub seen: Vec<Edit>,
    pub edits: Vec<Edit>,
    /// The version that the writer had seen, of each edit in its order.
    pub before: Vec<Option<Version>>,
}

/// Makes the ref: a kill does not lose the publish any more. Who says that it waits flushes the ref before
/// (`Repository::flush_ref`). `waiting` are those that wait already: what one of them changes may be changed back by this.
pub fn record(
    repository: &Repository,
    target: &Target,
    ground: Ground,
    (message, policy): (&str, Policy),
    waiting: &[Pending],
) -> Result<Pending> {
    let base = ground.commit.clone();
    let id = id_after(waiting, policy)?;
    let (pending, versions) = put(repository, target, ground, message, (&id, policy))?;
    let last = last(waiting);
    let back = |(path, before, after): &&(Vec<u8>, Option<Version>, Option<Version>)| {
        before == after && last.get(path).is_some_and(|waits| waits != after)
    };
    let content = |version: &Option<Version>| version.clone().map_or(Content::Gone, Content::There);
    if !versions.iter().any(|entry| back(&entry)) {
        return Ok(pending);
    }
    // Its tree alone would say that nothing changed: it is made anew, on what waits.
    let before: Vec<Option<Version>> =
        versions.iter().map(|entry| if back(&entry) { last[&entry.0].clone() } else { entry.1.clone() }).collect();
    let edits = versions.iter().map(|(path, _, after)| Edit { path: path.clone(), content: content(after) }).collect();
    let earlier = versions.iter().zip(&before).map(|((path, ..), before)| Edit { path: path.clone(), content: content(before) });
    let ground = Ground { commit: base, seen: earlier.collect(), edits, before };
    let id = id_after(std::slice::from_ref(&pending), policy)?;
    let (anew, _) = put(repository, target, ground, message, (&id, policy))?;
    let name = format!("{}{}", target.prefix(Kind::Pending), pending.id);
    // Who delivers meanwhile may have taken it: it changes nothing.
    repository.git.call(&["update-ref", "-d", &name, pending.commit.as_str()]).run()?;
    Ok(anew)
}

/// What the last of those that wait makes of each path.
pub fn last(waiting: &[Pending]) -> HashMap<Vec<u8>, Option<Version>> {
    let changes = waiting.iter().flat_map(|pending| &pending.changes);
    changes.map(|change| (change.path.clone(), change.after.clone())).collect()
}

/// An id that sorts after all that wait, also where the clock was set back since.
pub fn id_after(waiting: &[Pending], policy: Policy) -> Result<String> {
    let fresh = fresh_id()?;
    let last = waiting.iter().map(|pending| &pending.id[..]).max().unwrap_or_default();
    // Time, nanoseconds, what makes it unique.
    let mut parts = last.splitn(3, '-');
    let id = match (parts.next(), parts.next().and_then(|nanoseconds| nanoseconds.parse::<u64>().ok())) {
        (Some(time), Some(nanoseconds)) if last > &fresh[..] => {
            // A tenth digit sorts behind all that have nine.
            let next = if nanoseconds < 999_999_999 { format!("{:09}", nanoseconds + 1) } else { format!("{nanoseconds}9") };
            format!("{time}-{next}-{}", fresh.rsplit('-').next().unwrap_or_default())
        }
        _ => fresh,
    };
    Ok(format!("{id}-{}", policy.word()))
}

/// A path with its version before and after.
type Versions = Vec<(Vec<u8>, Option<Version>, Option<Version>)>;

fn put(
    repository: &Repository,
    target: &Target,
    ground: Ground,
    message: &str,
    (id, policy): (&str, Policy),
) -> Result<(Pending, Versions)> {
    let id = id.to_owned();
    let name = format!("{}{id}", target.prefix(Kind::Pending));
    let mut stream = Stream::default();
    let mut base = ground.commit.as_ref().map(Oid::to_string);
    let is_mixed = !ground.seen.is_empty();
    if is_mixed {
        let commit = Commit { name: &name, message: "what was seen\n", parent: base.clone(), also: None };
        base = Some(stream.commit(repository, &commit));
        in_order(ground.seen.into_iter().map(|edit| (edit, None))).into_iter().for_each(|(edit, _)| {
            stream.put(&edit.path, edit.content);
        });
    }
    let mark = stream.commit(repository, &Commit { name: &name, message, parent: base.clone(), also: None });
    let mut puts = Vec::new();
    for (edit, before) in in_order(ground.edits.into_iter().zip(ground.before)) {
        // A delete of nothing would be one of a folder, if there is one.
        let nothing = before.is_none() && matches!(edit.content, Content::Gone);
        let put = (!nothing).then(|| stream.put(&edit.path, edit.content));
        puts.push((edit.path, put, before));
    }
    let made = stream.run(repository)?;
    let parent = match base {
        Some(mark) if mark.starts_with(':') => Some(made.named(&mark)?),
        _ => ground.commit,
    };
    let commit = made.named(&mark)?;
    let mut versions = Vec::new();
    for (path, put, before) in puts {
        versions.push((path, before, put.map_or(Ok(None), |put| made.version(put))?));
    }
    let differ = versions.iter().filter(|(_, before, after)| before != after).cloned();
    let mut changes: Vec<Change> = differ.map(|(path, before, after)| Change { path, before, after }).collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    if is_mixed || cfg!(debug_assertions) {
        let read = changes_of(repository, parent.as_ref(), &commit)?;
        debug_assert!(is_mixed || read == changes, "a publish that is read again is another: {changes:?} {read:?}");
        changes = read;
    }
    Ok((Pending { id, policy, commit, parent, message: message.to_owned(), changes }, versions))
}

/// What goes makes room for what comes: the other way round it would go with it.
fn in_order(edits: impl Iterator<Item = (Edit, Option<Version>)>) -> Vec<(Edit, Option<Version>)> {
    let mut edits: Vec<_> = edits.collect();
    edits.sort_by_key(|(edit, _)| !matches!(edit.content, Content::Gone));
    edits
}

/// The difference that a commit is.
pub fn changes_of(repository: &Repository, parent: Option<&Oid>, commit: &Oid) -> Result<Vec<Change>> {
    difference(repository, parent.map_or_else(|| empty_tree(commit), Oid::as_str), commit.as_str())
}

/// The publishes of some refs, as they were written.
pub fn read(repository: &Repository, refs: &[Ref]) -> Result<Vec<(Pending, Time)>> {
    let commits: Vec<Oid> = refs.iter().map(|one| one.oid.clone()).collect();
    let one = |(one, written): (&Ref, refs::Written)| {
        let parent = written.parents.into_iter().next();
        let changes = changes_of(repository, parent.as_ref(), &one.oid)?;
        let (id, commit) = (one.id().to_owned(), one.oid.clone());
        let policy = id.rsplit_once('-').and_then(|(_, word)| Policy::parse(word)).unwrap_or_default();
        Ok((Pending { id, policy, commit, parent, message: written.message, changes }, written.time))
    };
    refs.iter().zip(refs::read(repository, &commits)?).map(one).collect()
}

/// All that wait for the branch, the oldest first, and what is known of the remote's branch.
pub type Waiting = (Vec<Pending>, Option<Oid>);

/// All that wait for the branch.
pub fn list(repository: &Repository, target: &Target) -> Result<Vec<Pending>> {
    waiting(repository, target, None).map(|(all, _)| all)
}

/// The same, with the tip, by one question. `known` need not be read again.
pub fn waiting(repository: &Repository, target: &Target, known: Option<&Pending>) -> Result<Waiting> {
    let (prefix, tip_name) = (target.prefix(Kind::Pending), target.known());
    let listed = refs::list(repository, &[prefix.trim_end_matches('/'), &tip_name])?;
    let tip = listed.iter().find(|one| one.name == tip_name).map(|one| one.oid.clone());
    let is_one = |one: &&Ref| one.name.strip_prefix(&prefix).is_some_and(|id| !id.is_empty() && !id.contains('/'));
    let waiting: Vec<Ref> = listed.iter().filter(is_one).cloned().collect();
    let is_known = |one: &Ref| known.is_some_and(|known| known.id == one.id());
    let new: Vec<Ref> = waiting.iter().filter(|one| !is_known(one)).cloned().collect();
    let mut read = read(repository, &new)?.into_iter().map(|(pending, _)| pending);
    let all = waiting.iter().filter_map(|one| if is_known(one) { known.cloned() } else { read.next() });
    Ok((all.collect(), tip))
}

/// Refs that only a process at work needs are gone after a day, should it have been killed.
pub fn sweep(repository: &Repository) -> Result<()> {
    let listed = refs::list(repository, &["refs/driftless/done/", "refs/driftless/incoming/", "refs/driftless/landing/"])?;
    let day = 86_400;
    let now = clock::now().parts().0;
    let is_old = |one: &&Ref| utc::parse_compact(one.id().as_bytes()).is_some_and(|time| time.parts().0 + day < now);
    let lines: String = listed.iter().filter(is_old).map(|one| format!("delete {} {}\n", one.name, one.oid)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    repository.git.call(&["update-ref", "--stdin"]).input(lines).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_each_other_also_where_the_clock_was_set_back() {
        let waits = |id: &str| Pending {
            id: id.to_owned(),
            policy: Policy::Fail,
            commit: Oid::parse(&"a".repeat(40)).expect("an oid"),
            parent: None,
            message: String::new(),
            changes: Vec::new(),
        };
        for last in ["99991231T235959Z-000000009-0123abcd-fail", "99991231T235959Z-999999999-0123abcd-theirs"] {
            let id = id_after(&[waits(last), waits("20200101T000000Z-000000000-0123abcd-fail")], Policy::Merge).expect("an id");
            assert!(&id[..] > last && id.ends_with("-merge"), "{id}");
            assert!(id_after(&[waits(&id)], Policy::Ours).expect("an id") > id, "{id}");
        }
        let first = id_after(&[], Policy::Fail).expect("an id");
        assert!(id_after(&[waits(&first)], Policy::Fail).expect("an id") > first);
    }
}
