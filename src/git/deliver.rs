//! Delivering what waits: all of it as one commit on the remote's tip, pushed with a lease on exactly that tip, again and
//! again with pauses until it is taken or the time is up. What is not taken goes on waiting.
//!
//! A difference whose paths nobody else touched is applied to any tip. So a push that was taken without our hearing of it
//! costs nothing: applied again, it changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use super::landed;
use super::lock::Held;
use super::merge;
use super::names::{Kind, Oid, Target, fresh_id};
use super::pending::{Pending, Policy, Waiting, waiting};
use super::push::{Hooks, Pushed, push};
use super::remote;
use super::repository::Repository;
use super::seen;
use super::stream::{Commit, Content, Stream};
use super::tree::{Version, versions};
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
        let result = batch.send(repository, target, delivery.tip.as_ref(), errand.hooks, &mut delivery.attempts, asked);
        match result {
            Ok(Sent::Taken(commit)) => {
                batch.settle(repository, target, commit, errand, &mut delivery)?;
                if !alone {
                    return Ok(delivery);
                }
            }
            Ok(Sent::Moved) => {
                if began.elapsed() > errand.retry_for {
                    let remote = target.remote.clone();
                    return Ok(Delivery { left: Some(Error::Outrun { remote }), ..delivery });
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

/// A branch that was there and is gone is not made anew by a publish, and one that never was only in an empty remote.
fn ask(repository: &Repository, target: &Target) -> Result<Option<Oid>> {
    let tip = remote::fetch(repository, target)?;
    if tip.is_none() && !remote::is_empty(repository, target)? {
        return Err(gone(target));
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
    Moved,
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
        let paths: Vec<Vec<u8>> =
            waiting.iter().flat_map(|pending| pending.changes.iter().map(|change| change.path.clone())).collect();
        let at_tip = match tip {
            Some(tip) => versions(repository, tip.as_str(), &paths)?,
            None => vec![None; paths.len()],
        };
        // Equal paths come with an answer once only.
        let mut now: HashMap<Vec<u8>, Option<Version>> = HashMap::new();
        for (path, version) in paths.into_iter().zip(at_tip) {
            let known = now.entry(path).or_default();
            *known = known.take().or(version);
        }
        for pending in waiting {
            let verdict = batch.add(repository, pending, &mut now)?;
            batch.verdicts.push((pending.clone(), verdict));
        }
        Ok(batch)
    }

    fn add(
        &mut self,
        repository: &Repository,
        pending: &Pending,
        now: &mut HashMap<Vec<u8>, Option<Version>>,
    ) -> Result<Verdict> {
        let (mut edits, mut conflicts, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for change in &pending.changes {
            let theirs = now.get(&change.path).cloned().flatten();
            if theirs == change.after {
                self.ours.insert(change.path.clone(), oid(&change.after));
                continue;
            }
            let mut wanted = change.after.clone();
            let is_ours = self.ours.get(&change.path).is_some_and(|ours| *ours == oid(&theirs));
            if theirs != change.before && !is_ours {
                match pending.policy {
                    Policy::Ours => {}
                    Policy::Theirs => {
                        settled.push((change.path.clone(), Policy::Theirs));
                        continue;
                    }
                    Policy::Merge => match merge::merged(repository, change, theirs.as_ref())? {
                        Some(version) => wanted = Some(version),
                        None => conflicts.push(change.path.clone()),
                    },
                    Policy::Fail => conflicts.push(change.path.clone()),
                }
                if pending.policy != Policy::Fail {
                    settled.push((change.path.clone(), pending.policy));
                }
            }
            edits.push((change.path.clone(), wanted));
        }
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
        let touches = |step: &Step| step.edits.iter().any(|(path, _)| edits.iter().any(|(other, _)| other == path));
        if self.steps.last().is_none_or(touches) {
            self.steps.push(Step::default());
        }
        let step = self.steps.last_mut().expect("one was pushed where there was none");
        step.messages.push(pending.message.clone());
        for (path, wanted) in edits {
            now.insert(path.clone(), wanted.clone());
            self.ours.insert(path.clone(), oid(&wanted));
            step.edits.push((path, wanted.map(Content::There)));
        }
        Ok(Verdict::Applied)
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
            return Ok(if is_so { Sent::Taken(None) } else { Sent::Moved });
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
            Pushed::Lost => Sent::Moved,
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

    /// Every ref tells what is so now, in one transaction.
    fn settle(
        self,
        repository: &Repository,
        target: &Target,
        pushed: Option<Oid>,
        errand: &Errand<'_>,
        delivery: &mut Delivery,
    ) -> Result<()> {
        let mut lines = String::new();
        if let Some(pushed) = &pushed {
            lines.push_str(&format!("update {} {pushed}\n", target.known()));
            delivery.tip = Some(pushed.clone());
        }
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
            let lost = |change: &super::tree::Change| self.settled.iter().any(|(path, _)| *path == change.path);
            if matches!(verdict, Verdict::Applied) && pending.policy != Policy::Fail && pending.changes.iter().any(lost) {
                lines.push_str(&format!("update {}{} {}\n", target.prefix(Kind::Conflict), pending.id, pending.commit));
            }
        }
        seen::remember(repository, target, &self.ours);
        repository.git.call(&["update-ref", "--stdin"]).input(lines).unstopped().ok()?;
        delivery.outcomes.append(&mut outcomes);
        delivery.settled.extend(self.settled);
        Ok(())
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
