//! Delivering what waits: all of it as one commit on the remote's tip, pushed with a lease on exactly that tip, again and
//! again with pauses until it is taken or the time is up. What is not taken goes on waiting.
//!
//! A difference whose paths nobody else touched is applied to any tip. So a push that was taken without our hearing of it
//! costs nothing: applied again, it changes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use super::landed;
use super::lock::Held;
use super::merge;
use super::names::{Kind, Oid, Target, fresh_id};
use super::overlay::{Overlay, meet};
use super::pending::{Pending, Policy, Waiting, waiting};
use super::push::{Hooks, Pushed, push};
use super::remote::{self, Learned};
use super::repository::Repository;
use super::seen;
use super::stream::{Commit, Content, Stream};
use super::tree::{Change, Version};
use crate::disk::clock;

/// The pause after a lost race: doubled with each, by chance between nothing and all of it.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// What became of one publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the remote's history, in this commit.
    Landed(Oid),
    /// The remote has it so already.
    Unchanged,
    /// Somebody else changed these paths too; ours is under that ref.
    Conflict { paths: Vec<Vec<u8>>, kept: String },
    /// The remote does not take it; it is under that ref.
    Rejected { message: String, kept: String },
}

/// What a delivery came to.
#[derive(Debug, Default)]
pub struct Delivery {
    pub outcomes: Vec<(String, Outcome)>,
    /// Paths where the other version was taken, or both were merged, though the publish landed.
    pub settled: Vec<(Vec<u8>, Policy)>,
    pub tip: Option<Oid>,
    pub attempts: u32,
    /// Why something still waits.
    pub left: Option<Error>,
}

/// How long, and for whom.
pub struct Errand<'a> {
    /// The publish that somebody waits for: no ref has to tell its end.
    pub mine: Option<&'a Pending>,
    /// What waited when the lock was held already, with or without `mine`.
    pub beside: Option<Waiting>,
    pub retry_for: Duration,
    pub hooks: Hooks,
}

impl Errand<'_> {
    fn first_listing(&self) -> Option<Waiting> {
        let (mut all, tip) = self.beside.clone()?;
        if let Some(mine) = self.mine {
            all.retain(|pending| pending.id != mine.id);
            all.push(mine.clone());
        }
        Some((all, tip))
    }
}

/// Delivers everything that waits for the branch.
pub fn deliver(repository: &Repository, target: &Target, _held: &Held, errand: &Errand<'_>) -> Result<Delivery> {
    let mut delivery = Delivery::default();
    let began = Instant::now();
    let (mut alone, mut lost, mut asked) = (false, 0, false);
    let mut listed = errand.first_listing();
    loop {
        let (mut waiting, known) = match listed.take() {
            Some(listed) => listed,
            None => waiting(repository, target, errand.mine)?,
        };
        if !asked && delivery.attempts == 0 {
            delivery.tip = known;
        }
        if alone {
            waiting.truncate(1);
        }
        if waiting.is_empty() {
            return Ok(delivery);
        }
        if delivery.tip.is_none() && !asked {
            delivery.tip = match ask(repository, target) {
                Ok(tip) => tip,
                Err(error) => return Ok(Delivery { left: Some(error), ..delivery }),
            };
            asked = true;
        }
        let batch = Batch::of(repository, target, delivery.tip.as_ref(), &waiting)?;
        let sent = batch.send(repository, target, delivery.tip.as_ref(), errand.hooks, &mut delivery.attempts, asked);
        let settled = match sent {
            Ok(Sent::Taken(commit)) => batch.settle(repository, target, commit, errand, &mut delivery),
            other => other,
        };
        match settled {
            Ok(Sent::Taken(_)) if !alone => return Ok(delivery),
            Ok(Sent::Taken(_)) => {}
            Ok(Sent::Moved(message)) => {
                if began.elapsed() > errand.retry_for {
                    let remote = target.remote.clone();
                    return Ok(Delivery { left: Some(Error::Outrun { remote, message }), ..delivery });
                }
                if lost > 0 {
                    pause(lost)?;
                }
                lost += 1;
                match remote::fetch(repository, target) {
                    Ok(None) if delivery.tip.is_some() => return Ok(Delivery { left: Some(gone(target)), ..delivery }),
                    Ok(tip) => delivery.tip = tip,
                    Err(error) => return Ok(Delivery { left: Some(error), ..delivery }),
                }
                asked = true;
            }
            Ok(Sent::Refused(_)) if waiting.len() > 1 => alone = true,
            Ok(Sent::Refused(message)) => reject(repository, target, &waiting[0], message, errand, &mut delivery)?,
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(error) => return Ok(Delivery { left: Some(error), ..delivery }),
        }
    }
}

/// What a delivery onto `tip` would come to, if nobody is faster. Nothing is moved.
pub fn foresee(repository: &Repository, target: &Target, tip: Option<&Oid>) -> Result<Delivery> {
    let (waiting, _) = waiting(repository, target, None)?;
    let batch = Batch::of(repository, target, tip, &waiting)?;
    let outcome = |(pending, verdict): (Pending, Verdict)| {
        let outcome = match verdict {
            Verdict::Applied => Outcome::Landed(pending.commit),
            Verdict::Nothing => Outcome::Unchanged,
            Verdict::Conflict(paths) => {
                Outcome::Conflict { paths, kept: format!("{}{}", target.prefix(Kind::Conflict), pending.id) }
            }
        };
        (pending.id, outcome)
    };
    Ok(Delivery { outcomes: batch.verdicts.into_iter().map(outcome).collect(), ..Delivery::default() })
}

/// A branch that was there and is gone is not made anew by a publish, and one that never was only in an empty remote.
fn ask(repository: &Repository, target: &Target) -> Result<Option<Oid>> {
    let tip = remote::fetch(repository, target)?;
    if tip.is_none() && !remote::is_empty(repository, target)? {
        return Err(gone(target));
    }
    let head = repository.head()?;
    if tip.is_none() && head.commit.is_some() && repository.upstream(head.branch.as_deref())?.as_ref() == Some(target) {
        // A first commit without what is here would be a history of its own.
        let advice = "What waits goes on waiting. `git push` or `driftless git tick` pushes the commits that are here first.";
        return Err(Error::refused(format!("The remote {} has no commit yet.", target.remote), advice));
    }
    Ok(tip)
}

fn gone(target: &Target) -> Error {
    let advice = "What waits goes on waiting. `git push REMOTE HEAD:BRANCH` makes the branch; --branch names another.";
    Error::refused(format!("The remote {} has no branch {}.", target.remote, target.branch), advice)
}

fn pause(lost: u32) -> Result<()> {
    let mut draw = [0; 2];
    clock::random(&mut draw).map_err(Error::NoGit)?;
    let whole = FIRST.saturating_mul(2_u32.saturating_pow(lost)).min(LONGEST);
    clock::pause(whole * u32::from(u16::from_le_bytes(draw)) / u32::from(u16::MAX));
    Ok(())
}

enum Sent {
    /// The commit at the tip then, `None` where nothing had to be pushed.
    Taken(Option<Oid>),
    /// Somebody was faster; how that showed.
    Moved(String),
    Refused(String),
}

/// One commit of a batch: differences that do not touch each other's paths.
#[derive(Default)]
struct Step {
    messages: Vec<String>,
    edits: Vec<(Vec<u8>, Option<Content>)>,
}

/// What is to be pushed on one tip.
struct Batch {
    steps: Vec<Step>,
    /// A publish whose own commit can be pushed as it is.
    as_it_is: Option<Oid>,
    verdicts: Vec<(Pending, Verdict)>,
    settled: Vec<(Vec<u8>, Policy)>,
    /// Versions that this clone brought, and so has seen: delivered before, and earlier in this batch.
    ours: BTreeMap<Vec<u8>, Option<Oid>>,
}

/// What one publish comes to on a tip.
#[derive(Default)]
struct Weighed {
    edits: Vec<(Vec<u8>, Option<Version>)>,
    conflicts: Vec<Vec<u8>>,
    settled: Vec<(Vec<u8>, Policy)>,
}

enum Verdict {
    Applied,
    Nothing,
    Conflict(Vec<Vec<u8>>),
}

impl Batch {
    fn of(repository: &Repository, target: &Target, tip: Option<&Oid>, waiting: &[Pending]) -> Result<Batch> {
        let ours = seen::published(repository, target);
        let mut batch = Batch { steps: Vec::new(), as_it_is: None, verdicts: Vec::new(), settled: Vec::new(), ours };
        if let [only] = waiting
            && only.parent.as_ref() == tip
            && !only.changes.is_empty()
        {
            batch.as_it_is = Some(only.commit.clone());
            batch.ours.extend(only.changes.iter().map(|change| (change.path.clone(), oid(&change.after))));
            batch.verdicts.push((only.clone(), Verdict::Applied));
            return Ok(batch);
        }
        let changes = waiting.iter().flat_map(|pending| &pending.changes);
        let mut paths: Vec<Vec<u8>> = changes.map(|change| change.path.clone()).collect();
        paths.sort();
        paths.dedup();
        let mut tree = Overlay::of(repository, tip, &paths)?;
        for pending in waiting {
            let verdict = batch.add(repository, pending, &mut tree)?;
            batch.verdicts.push((pending.clone(), verdict));
        }
        Ok(batch)
    }

    fn add(&mut self, repository: &Repository, pending: &Pending, tree: &mut Overlay<'_>) -> Result<Verdict> {
        let mut weighed = Weighed::default();
        // What goes makes room for what comes.
        let (going, coming): (Vec<_>, Vec<_>) = pending.changes.iter().partition(|change| change.after.is_none());
        for change in going.into_iter().chain(coming) {
            self.weigh(repository, pending.policy, change, tree, &mut weighed)?;
        }
        let Weighed { edits, conflicts, mut settled } = weighed;
        if !conflicts.is_empty() {
            return Ok(Verdict::Conflict(conflicts));
        }
        let lost = settled.iter().any(|(_, policy)| *policy == Policy::Theirs);
        self.settled.append(&mut settled);
        if edits.is_empty() {
            return Ok(if lost {
                Verdict::Conflict(pending.changes.iter().map(|change| change.path.clone()).collect())
            } else {
                Verdict::Nothing
            });
        }
        let touches = |step: &Step| step.edits.iter().any(|(path, _)| edits.iter().any(|(other, _)| meet(other, path)));
        if self.steps.last().is_none_or(touches) {
            self.steps.push(Step::default());
        }
        let step = self.steps.last_mut().expect("one was pushed where there was none");
        step.messages.push(pending.message.clone());
        for (path, wanted) in edits {
            tree.put(&path, wanted.as_ref());
            self.ours.insert(path.clone(), oid(&wanted));
            step.edits.push((path, wanted.map(Content::There)));
        }
        Ok(Verdict::Applied)
    }

    /// One path of a publish against what is there now.
    fn weigh(
        &mut self,
        repository: &Repository,
        policy: Policy,
        change: &Change,
        tree: &Overlay<'_>,
        weighed: &mut Weighed,
    ) -> Result<()> {
        let Change { path, before, after } = change;
        let theirs = tree.version(path);
        if theirs == *after {
            self.ours.insert(path.clone(), oid(after));
            return Ok(());
        }
        let is_ours = |path: &[u8], version: &Option<Version>| self.ours.get(path).is_some_and(|ours| *ours == oid(version));
        let mut in_the_way = if after.is_some() { tree.in_the_way(path)? } else { Vec::new() };
        in_the_way.retain(|(path, _)| !weighed.edits.iter().any(|(gone, wanted)| gone == path && wanted.is_none()));
        let unseen = in_the_way.iter().any(|(path, version)| !is_ours(path, &Some(version.clone())));
        let mut wanted = after.clone();
        if unseen || (theirs != *before && !is_ours(path, &theirs)) {
            let merged = match policy {
                Policy::Theirs => {
                    // What was to make room for it stays, too.
                    let (kept, edits) = std::mem::take(&mut weighed.edits)
                        .into_iter()
                        .partition(|(gone, wanted)| wanted.is_none() && meet(gone, path));
                    weighed.edits = edits;
                    weighed.settled.extend(kept.into_iter().map(|(path, _): (Vec<u8>, _)| (path, Policy::Theirs)));
                    weighed.settled.push((path.clone(), Policy::Theirs));
                    return Ok(());
                }
                Policy::Ours if tree.submodule_above(path).is_none() => Some(wanted),
                Policy::Merge if !unseen => merge::merged(repository, change, theirs.as_ref())?.map(Some),
                Policy::Ours | Policy::Merge | Policy::Fail => None,
            };
            let Some(merged) = merged else {
                weighed.conflicts.push(path.clone());
                return Ok(());
            };
            wanted = merged;
            weighed.settled.push((path.clone(), policy));
        }
        weighed.edits.extend(in_the_way.into_iter().map(|(path, _)| (path, None)));
        weighed.edits.push((path.clone(), wanted));
        Ok(())
    }

    /// Makes the commits and pushes the last one. `fresh`: the tip was asked for just now.
    fn send(
        &self,
        repository: &Repository,
        target: &Target,
        tip: Option<&Oid>,
        hooks: Hooks,
        attempts: &mut u32,
        fresh: bool,
    ) -> Result<Sent> {
        if self.as_it_is.is_none() && self.steps.is_empty() {
            // Nothing to push is an answer only if the tip is still that one.
            let is_so = fresh || remote::probe(repository, target)?.as_ref() == tip;
            return Ok(if is_so { Sent::Taken(None) } else { Sent::Moved(format!("{target} moved on")) });
        }
        let commit = match &self.as_it_is {
            Some(commit) => commit.clone(),
            None => self.build(repository, tip)?,
        };
        *attempts += 1;
        // Before it is there: a kill just after the push leaves it known as ours.
        landed::remember(repository, tip.filter(|_| self.steps.len() > 1), &commit)?;
        Ok(match push(repository, target, &commit, tip, hooks)? {
            Pushed::Taken => Sent::Taken(Some(commit)),
            Pushed::Lost(message) => Sent::Moved(message),
            Pushed::Refused(message) => Sent::Refused(message),
        })
    }

    fn build(&self, repository: &Repository, tip: Option<&Oid>) -> Result<Oid> {
        let name = format!("refs/driftless/landing/{}", fresh_id()?);
        let mut stream = Stream::default();
        let mut parent = tip.map(Oid::to_string);
        for step in &self.steps {
            let commit = Commit { name: &name, message: &message(&step.messages), parent, also: None };
            parent = Some(stream.commit(repository, &commit));
            for (path, content) in &step.edits {
                let content = match content {
                    Some(Content::There(version)) => Content::There(version.clone()),
                    _ => Content::Gone,
                };
                stream.put(path, content);
            }
        }
        let made = stream.run(repository)?;
        let commit = made.named(&parent.unwrap_or_default())?;
        repository.git.call(&["update-ref", "-d", &name]).ok()?;
        Ok(commit)
    }

    /// Every ref tells what is so now, in one transaction. `Moved` where somebody has taken it out of the remote's history
    /// since, by force: then everything waits as before.
    fn settle(
        self,
        repository: &Repository,
        target: &Target,
        pushed: Option<Oid>,
        errand: &Errand<'_>,
        delivery: &mut Delivery,
    ) -> Result<Sent> {
        let mut lines = String::new();
        let mut outcomes = Vec::new();
        for (pending, verdict) in &self.verdicts {
            let Pending { id, commit, .. } = pending;
            lines.push_str(&format!("delete {}{id} {commit}\n", target.prefix(Kind::Pending)));
            let is_mine = errand.mine.is_some_and(|mine| mine.id == *id);
            let outcome = match (verdict, &pushed) {
                (Verdict::Applied, Some(pushed)) => {
                    if !is_mine {
                        lines.push_str(&format!("update {}{id} {pushed}\n", target.prefix(Kind::Done)));
                    }
                    Outcome::Landed(pushed.clone())
                }
                (Verdict::Conflict(paths), _) => {
                    let kept = format!("{}{id}", target.prefix(Kind::Conflict));
                    lines.push_str(&format!("update {kept} {commit}\n"));
                    Outcome::Conflict { paths: paths.clone(), kept }
                }
                _ => Outcome::Unchanged,
            };
            outcomes.push((id.clone(), outcome));
        }
        // A part of a publish that lost is kept, too.
        for (pending, verdict) in &self.verdicts {
            let lost = |change: &Change| self.settled.iter().any(|(path, _)| *path == change.path);
            if matches!(verdict, Verdict::Applied) && pending.policy != Policy::Fail && pending.changes.iter().any(lost) {
                lines.push_str(&format!("update {}{} {}\n", target.prefix(Kind::Conflict), pending.id, pending.commit));
            }
        }
        seen::remember(repository, target, &self.ours);
        let learn = |pushed| remote::learn(repository, target, delivery.tip.as_ref(), pushed, &lines);
        match pushed.as_ref().map(learn).transpose()? {
            Some(Learned::Now) => {}
            Some(Learned::Other) => return Ok(Sent::Moved(format!("{target} was moved back"))),
            Some(Learned::More(_)) | None => {
                repository.git.call(&["update-ref", "--stdin"]).input(lines).unstopped().ok()?;
            }
        }
        delivery.tip = pushed.clone().or(delivery.tip.take());
        delivery.outcomes.append(&mut outcomes);
        delivery.settled.extend(self.settled);
        Ok(Sent::Taken(pushed))
    }
}

fn oid(version: &Option<Version>) -> Option<Oid> {
    version.as_ref().map(|version| version.oid.clone())
}

/// One message for several publishes: a heading and theirs.
fn message(messages: &[String]) -> String {
    if let [only] = messages {
        return only.clone();
    }
    let subjects: Vec<&str> = messages.iter().map(|message| message.lines().next().unwrap_or_default()).collect();
    format!("Publish {} updates\n\n* {}\n", subjects.len(), subjects.join("\n* "))
}

/// The remote does not take it: it waits no more, and is kept.
fn reject(
    repository: &Repository,
    target: &Target,
    pending: &Pending,
    message: String,
    errand: &Errand<'_>,
    delivery: &mut Delivery,
) -> Result<()> {
    let Pending { id, commit, .. } = pending;
    let kept = format!("{}{id}", target.prefix(Kind::Rejected));
    let lines = format!("update {kept} {commit}\ndelete {}{id} {commit}\n", target.prefix(Kind::Pending));
    repository.git.call(&["update-ref", "--stdin"]).input(lines).unstopped().ok()?;
    if errand.mine.is_none_or(|mine| mine.id != *id) {
        tracing::warn!(publish = %id, %message, kept, "the remote does not take a publish");
    }
    delivery.outcomes.push((id.clone(), Outcome::Rejected { message, kept }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_messages_become_one_and_one_stays() {
        assert_eq!(message(&["only\n\nbody\n".to_owned()]), "only\n\nbody\n");
        assert_eq!(message(&["a\n\nx".to_owned(), "b".to_owned()]), "Publish 2 updates\n\n* a\n* b\n");
    }
}
