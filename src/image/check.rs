//! Is the image that the registry has built from the commit that counts?
//!
//! Invariants. The strongest evidence that is about this repository decides. "In step" is said only where nothing that could be
//! judged speaks against it; what could not be found out is *could not tell*. Registry and git are asked at the same time by the
//! caller: [`look`] knows nothing of git, [`judge`] nothing of the network.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cause::{Cause, Error, Kind, Result};
use super::contents::{self, Contents};
use super::evidence::{CONTEXT, Evidence, Look, Whose, gather};
use super::finding::{Finding, Platform, Severity, State};
use super::history::{Against, Distance, History, Relation, Search};
use super::http::Asked;
use super::reference::Reference;
use super::registry::{Access, Registry, Tag};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub reference: Reference,
    /// `None`: all that there are.
    pub platform: Option<String>,
    /// Labels and annotations that name the commit, besides the usual ones.
    pub keys: Vec<String>,
    /// Those of `keys` that may be variables.
    pub variables: Vec<String>,
    /// URLs that mean this repository, besides its remotes.
    pub sources: Vec<String>,
    /// How long a commit may wait to be built.
    pub grace: Duration,
    /// Does evidence count that names no repository?
    pub require_source: bool,
    /// Is an image from a tree that was not clean as good as one of the commit?
    pub allow_dirty: bool,
    /// Below the top of the work tree; empty is all of it.
    pub context: String,
    /// Is it compared with what is checked out?
    pub against_head: bool,
}

/// What the registry told.
#[derive(Debug)]
pub struct Seen {
    /// `None`: it has no such image.
    pub contents: Option<Contents>,
    pub notes: Vec<String>,
    pub asked: Asked,
    pub rate_left: Option<u64>,
}

/// Asks the registry; a cause comes with what was counted and noted on the way.
pub fn look(question: &Question, access: &Access<'_>) -> (Result<()>, Seen) {
    let registry = Registry::new(&question.reference, access);
    let read = registry.resolve().and_then(|tag| match tag {
        Tag::Missing => Ok(None),
        Tag::At { digest } => {
            contents::read(&registry, &question.reference.host, &digest, question.platform.as_deref()).map(Some)
        }
    });
    let mut seen =
        Seen { contents: None, notes: registry.take_notes(), asked: registry.asked(), rate_left: registry.rate_left() };
    match read {
        Ok(contents) => {
            seen.contents = contents;
            (Ok(()), seen)
        }
        Err(error) => (Err(error), seen),
    }
}

/// An answer that nobody could give, because of `cause`.
pub fn could_not_tell(question: &Question, seen: Option<Seen>, against: Option<Against>, cause: Cause) -> Finding {
    let mut finding = begin(question, seen.as_ref(), against);
    finding.state = State::CouldNotTell(cause);
    finding
}

fn begin(question: &Question, seen: Option<&Seen>, against: Option<Against>) -> Finding {
    let contents = seen.and_then(|seen| seen.contents.as_ref());
    let images = contents.map(|contents| &contents.images[..]).unwrap_or_default();
    let platforms =
        images.iter().map(|image| Platform { platform: image.platform.clone(), digest: image.digest.clone(), revision: None });
    let noted = seen.map(|seen| seen.notes.clone()).unwrap_or_default();
    Finding {
        state: State::Missing,
        reference: question.reference.clone(),
        digest: contents.map(|contents| contents.digest.clone()),
        platforms: platforms.collect(),
        created: images.first().and_then(|image| image.created.clone()),
        against,
        commit: None,
        distance: None,
        evidence: Vec::new(),
        disagreement: false,
        context: question.context.clone(),
        notes: noted.into_iter().chain(contents.map(|contents| contents.notes.clone()).unwrap_or_default()).collect(),
        asked: seen.map(|seen| seen.asked).unwrap_or_default(),
        rate_left: seen.and_then(|seen| seen.rate_left),
        against_head: question.against_head,
        local: None,
    }
}

/// Judges what the registry told against the commit that counts. Only `Stopped` is an error.
pub fn judge(question: &Question, seen: Seen, against: Against, history: &dyn History) -> Result<Finding> {
    let mut finding = begin(question, Some(&seen), Some(against.clone()));
    let Some(contents) = &seen.contents else { return Ok(finding) };
    if contents.images.is_empty() {
        let platform = question.platform.as_deref().unwrap_or("any platform");
        finding.notes.push(format!("the registry has this image, but not for {platform}"));
        return Ok(finding);
    }
    let mut ours = history.remotes();
    ours.extend(question.sources.iter().cloned());
    let look = Look { tag: question.reference.tag.as_deref(), keys: &question.keys, variables: &question.variables, ours: &ours };
    finding.evidence = gather(contents, &look);
    let case = Case { question, contents, against: &against, history };
    match case.judge(&mut finding) {
        Ok(()) => {}
        Err(Error::Stopped) => return Err(Error::Stopped),
        Err(Error::Unknown(cause)) => finding.state = State::CouldNotTell(cause),
    }
    Ok(finding)
}

/// What the evidence of one platform comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Nothing,
    Foreign,
    /// By the digits that stand there.
    Commit {
        hex: String,
        dirty: bool,
        /// May it have come down from the base image?
        inherited: bool,
        found: Search,
    },
}

struct Case<'a> {
    question: &'a Question,
    contents: &'a Contents,
    against: &'a Against,
    history: &'a dyn History,
}

impl Case<'_> {
    fn judge(&self, finding: &mut Finding) -> Result<()> {
        self.search(&mut finding.evidence)?;
        let decisions: Vec<Decision> =
            self.contents.images.iter().map(|image| self.decide(&finding.evidence, &image.platform)).collect();
        for (platform, decision) in finding.platforms.iter_mut().zip(&decisions) {
            platform.revision = match decision {
                Decision::Commit { hex, found, .. } => Some(found.name().unwrap_or(hex).to_owned()),
                _ => None,
            };
        }
        let first = decisions.first().expect("an image has a platform");
        if decisions.iter().any(|other| !first.is_same(other)) {
            finding.state = State::PartialPlatforms;
            return Ok(());
        }
        match first {
            Decision::Foreign => finding.state = State::Foreign,
            Decision::Nothing => finding.state = State::Unlabelled,
            Decision::Commit { hex, dirty, inherited, found } => {
                finding.commit = found.name().map(str::to_owned);
                (finding.state, finding.distance) = self.compare(found)?;
                finding.notes.extend(note_of(found, hex).map(str::to_owned));
                finding.disagreement = finding.evidence.iter().any(|other| speaks_of_another(other, hex, found));
                let is_clean = self.question.allow_dirty || !(*dirty || self.says_dirty(finding)?);
                if finding.state.severity() == Severity::InStep && !is_clean {
                    finding.state = State::DirtyBuild;
                }
                let in_step = finding.state.severity() == Severity::InStep;
                if finding.disagreement && in_step {
                    self.contradict(finding)?;
                }
                if in_step && *inherited && self.is_of_another_build(found)? {
                    contradiction(
                        finding,
                        "the stamp in its labels is of another build context; it may have come down from the base image",
                    );
                }
            }
        }
        Ok(())
    }

    /// Looks each commit up once, whoever names it.
    fn search(&self, evidence: &mut [Evidence]) -> Result<()> {
        let mut known: BTreeMap<String, Search> = BTreeMap::new();
        for one in evidence.iter_mut().filter(|one| self.counts(one)) {
            let Some(hex) = &one.hex else { continue };
            let found = match known.get(hex) {
                Some(found) => found.clone(),
                // What counts needs no question: it is here.
                None if *hex == self.against.commit => Search::Commit(hex.clone()),
                None => self.history.find(hex)?,
            };
            known.insert(hex.clone(), found.clone());
            one.found = Some(found);
        }
        Ok(())
    }

    /// Is it about our repository, as far as it says?
    fn counts(&self, one: &Evidence) -> bool {
        match one.whose {
            Whose::Ours => true,
            Whose::Foreign => false,
            Whose::Unsaid => !self.question.require_source,
        }
    }

    fn decide(&self, evidence: &[Evidence], platform: &str) -> Decision {
        let mut none = Decision::Nothing;
        for one in evidence.iter().filter(|one| one.platform.as_deref().is_none_or(|of| of == platform)) {
            if one.whose == Whose::Foreign {
                if !one.origin.is_inherited() {
                    return Decision::Foreign;
                }
                // It came down from the base; what is weaker may still be about us.
                none = Decision::Foreign;
            } else if let (Some(hex), Some(found)) = (&one.hex, &one.found) {
                let inherited = one.origin.is_inherited();
                return Decision::Commit { hex: hex.clone(), dirty: one.dirty, inherited, found: found.clone() };
            }
        }
        none
    }

    fn compare(&self, found: &Search) -> Result<(State, Option<Distance>)> {
        let wanted = &self.against.commit;
        let Search::Commit(commit) = found else {
            let known = self.is_of_tree()?;
            return Ok((if known { State::InStepByTree } else { State::UnknownRevision }, None));
        };
        if commit == wanted {
            return Ok((State::InStep, None));
        }
        if self.is_same_tree(commit)? {
            return Ok((State::InStepByTree, None));
        }
        let distance = self.history.distance(commit, wanted)?;
        let young = distance.oldest.is_some_and(|oldest| oldest < self.question.grace);
        let state = match distance.relation {
            Relation::Behind if young => State::Pending,
            Relation::Behind => State::Behind,
            Relation::Ahead => State::Ahead,
            Relation::Diverged => State::Diverged,
        };
        Ok((state, Some(distance)))
    }

    fn is_same_tree(&self, commit: &str) -> Result<bool> {
        let (theirs, ours) = (self.history.tree(commit)?, self.history.tree(&self.against.commit)?);
        Ok(theirs.is_some() && theirs == ours)
    }

    /// Do all platforms say that they were built from the tree that counts? A commit that was squashed away is no matter then.
    fn is_of_tree(&self) -> Result<bool> {
        let ours = self.history.tree(&self.against.commit)?;
        Ok(ours.is_some() && self.contents.images.iter().all(|image| image.labels.get(CONTEXT) == ours.as_ref()))
    }

    /// Does one place that is about what was built say that the tree was not clean? It is enough, whatever is trusted more.
    fn says_dirty(&self, finding: &Finding) -> Result<bool> {
        for commit in finding.evidence.iter().filter(|one| one.dirty).filter_map(Evidence::commit) {
            if Some(commit) == finding.commit.as_deref() || self.is_same_tree(commit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does a stamp name another tree than the build context has in its commit? Then another folder was built, like that of a base image.
    fn is_of_another_build(&self, found: &Search) -> Result<bool> {
        let Some(commit) = found.name() else { return Ok(false) };
        let built = self.history.tree(commit)?;
        let mut stamped =
            self.contents.images.iter().filter_map(|image| image.labels.get(CONTEXT)).filter(|tree| !tree.is_empty());
        Ok(stamped.any(|tree| Some(tree) != built.as_ref()))
    }

    /// "In step" stays only where whatever else is named has the same tree, or is nothing that is known here.
    fn contradict(&self, finding: &mut Finding) -> Result<()> {
        for one in &finding.evidence {
            if let Some(commit) = one.commit()
                && commit != self.against.commit
                && Some(commit) != finding.commit.as_deref()
                && !self.is_same_tree(commit)?
            {
                let message = format!(
                    "the {} of the image names another commit of this repository than what is trusted more",
                    one.origin.word()
                );
                contradiction(finding, &message);
                return Ok(());
            }
        }
        Ok(())
    }
}

/// It could not be told: what it says does not go together.
fn contradiction(finding: &mut Finding, message: &str) {
    let cause = Cause { kind: Kind::Contradiction, message: crate::model::shown::short(message), mend: finding.build_again() };
    finding.state = State::CouldNotTell(cause);
}

/// What else there is to say of digits that came to no commit.
fn note_of(found: &Search, hex: &str) -> Option<&'static str> {
    match found {
        Search::Several => Some("the abbreviated commit that it names begins the names of several"),
        Search::Nothing if hex.len() < 40 => Some("an abbreviated commit is looked for in this clone alone"),
        _ => None,
    }
}

/// Does it name another commit than the one that was decided on?
fn speaks_of_another(one: &Evidence, hex: &str, decided: &Search) -> bool {
    match (&one.hex, &one.found) {
        (Some(other), Some(found)) => match (found.name(), decided.name()) {
            (Some(found), Some(decided)) => found != decided,
            _ => other != hex,
        },
        _ => false,
    }
}

impl Search {
    fn name(&self) -> Option<&str> {
        match self {
            Search::Commit(commit) => Some(commit),
            _ => None,
        }
    }
}

impl Decision {
    fn is_same(&self, other: &Decision) -> bool {
        match (self, other) {
            (
                Decision::Commit { hex, dirty, found, .. },
                Decision::Commit { hex: other_hex, dirty: other_dirty, found: other_found, .. },
            ) => {
                let same = match (found.name(), other_found.name()) {
                    (Some(one), Some(other)) => one == other,
                    _ => hex == other_hex,
                };
                same && dirty == other_dirty
            }
            _ => self == other,
        }
    }
}
