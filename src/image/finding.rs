//! The answer of a check, as a value: gates, reports and the command line show the same.

use super::cause::Cause;
use super::evidence::Evidence;
use super::history::{Against, Distance};
use super::http::Asked;
use super::local::Local;
use super::reference::Reference;
pub use crate::model::severity::Severity;

/// The one word for how image and repository lie to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Built from exactly this commit.
    InStep,
    /// Built from another commit with the same tree of the build context.
    InStepByTree,
    /// Behind, and within the time that was given for building.
    Pending,
    Behind,
    Ahead,
    Diverged,
    /// Built from a tree that was not clean.
    DirtyBuild,
    /// Nothing in it names a commit.
    Unlabelled,
    /// It names another repository.
    Foreign,
    /// It names a commit that neither this clone nor its remote has.
    UnknownRevision,
    /// The registry has no such image.
    Missing,
    /// Its platforms were not built from the same commit.
    PartialPlatforms,
    /// Never to be read as one of the others.
    CouldNotTell(Cause),
}

impl State {
    pub fn word(&self) -> &'static str {
        match self {
            State::InStep => "in_step",
            State::InStepByTree => "in_step_by_tree",
            State::Pending => "pending",
            State::Behind => "behind",
            State::Ahead => "ahead",
            State::Diverged => "diverged",
            State::DirtyBuild => "dirty_build",
            State::Unlabelled => "unlabelled",
            State::Foreign => "foreign",
            State::UnknownRevision => "unknown_revision",
            State::Missing => "missing",
            State::PartialPlatforms => "partial_platforms",
            State::CouldNotTell(_) => "could_not_tell",
        }
    }

    pub fn severity(&self) -> Severity {
        match self {
            State::InStep | State::InStepByTree | State::Pending => Severity::InStep,
            State::CouldNotTell(_) => Severity::CouldNotTell,
            _ => Severity::Drift,
        }
    }

    /// The line that scripts look for; `None` where nothing drifts, or nobody knows.
    pub fn fatal(&self) -> Option<&'static str> {
        match self {
            State::Missing | State::Behind => Some("FATAL: Repository has been updated but no corresponding Docker image exists"),
            State::Diverged => Some("FATAL: Repository and Docker image have diverged"),
            state if state.severity() == Severity::Drift => Some("FATAL: Docker image is out of sync with repository"),
            _ => None,
        }
    }
}

/// What one platform was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    pub platform: String,
    pub digest: String,
    /// As it is named there.
    pub revision: Option<String>,
}

/// All that a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub state: State,
    pub reference: Reference,
    /// What the tag leads to now.
    pub digest: Option<String>,
    pub platforms: Vec<Platform>,
    /// When it was made, as it says itself.
    pub created: Option<String>,
    /// `None` where it could not be found out.
    pub against: Option<Against>,
    /// The commit that the image was built from, where one was decided on.
    pub commit: Option<String>,
    pub distance: Option<Distance>,
    pub evidence: Vec<Evidence>,
    /// Do two places that are not about another repository name different commits?
    pub disagreement: bool,
    /// The build context, as a folder below the top of the work tree.
    pub context: String,
    /// Sentences without a full stop.
    pub notes: Vec<String>,
    pub asked: Asked,
    pub rate_left: Option<u64>,
    /// Was it compared with what is checked out, rather than with what the remote has?
    pub against_head: bool,
    /// How the engine's image lies to the registry's, where that was asked.
    pub local: Option<Local>,
}

impl Finding {
    /// Of the image at the registry and of the one at the engine, the worse: drift, then what nobody knows.
    pub fn severity(&self) -> Severity {
        let local = self.local.as_ref().map_or(Severity::InStep, |local| local.matches.severity());
        let both = [self.state.severity(), local];
        let worst = [Severity::Drift, Severity::CouldNotTell].into_iter().find(|worst| both.contains(worst));
        worst.unwrap_or(Severity::InStep)
    }

    /// The smallest thing that mends it: a command where there is one, else a sentence. Nothing in it comes from the registry.
    pub fn mend(&self) -> Option<String> {
        match &self.state {
            State::InStep | State::InStepByTree if self.pulls() => Some(format!("docker pull {}", self.reference)),
            State::InStep | State::InStepByTree => None,
            State::Pending => Some("Wait for the build, and run it again.".to_owned()),
            State::Ahead if self.against_head => Some("driftless git sync".to_owned()),
            State::Ahead => Some("git push".to_owned()),
            State::CouldNotTell(cause) => Some(cause.mend.clone()),
            _ => Some(self.build_again()),
        }
    }

    fn pulls(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.matches.severity() == Severity::Drift)
    }

    /// Builds from what is checked out and pushes; both for all platforms that there are now.
    pub(super) fn build_again(&self) -> String {
        let name = Reference { digest: None, ..self.reference.clone() };
        let context = if self.context.is_empty() { "." } else { &self.context };
        let context =
            if context.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./_-".contains(&byte)) { context } else { "CONTEXT" };
        let stamp = if context == "." {
            "driftless image stamp".to_owned()
        } else {
            format!("driftless image stamp --context {context}")
        };
        if self.platforms.len() > 1 {
            return format!("docker buildx build --push --platform {} $({stamp}) -t {name} {context}", self.platform_names());
        }
        format!("docker build $({stamp}) -t {name} {context} && docker push {name}")
    }

    fn platform_names(&self) -> String {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let names: Vec<&str> = self.platforms.iter().map(|platform| &platform.platform[..]).filter(|name| plain(name)).collect();
        names.join(",")
    }
}
