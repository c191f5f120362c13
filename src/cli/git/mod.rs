//! `git`: one file a command; here is what they share.

mod backups;
mod clone;
mod health;
mod locks;
mod pending;
mod publish;
pub mod state;
mod sync;
mod tick;
mod watch;

pub use locks::Judged;
pub use publish::word;
pub use tick::word as tick_word;
pub use watch::{Board, Turns};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::cli::args::git::{Git, Place, What};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Answer, Context};
use crate::disk::local;
use crate::git;
use crate::git::credentials::{self, Source};
use crate::git::history::Event;
use crate::git::names::Target;
use crate::git::repository::Repository;
use crate::model::shown::tame;

/// How long another writer is waited for.
const WAIT: Duration = Duration::from_secs(30);

pub fn run(context: &Context, typed: &Git) -> Result<Answer, Failure> {
    let here = Here { context, place: &typed.place };
    match &typed.what {
        What::State(state) => state::run(&here, state),
        What::Sync(sync) => sync::run(&here, sync),
        What::Publish(publish) => publish::run(&here, publish),
        What::Pending(pending) => pending::run(&here, pending),
        What::Backups(backups) => backups::run(&here, backups),
        What::Tick(tick) => tick::run(&here, tick),
        What::Watch(watch) => watch::run(&here, watch),
        What::Health(health) => health::run(&here, health),
        What::Lock => locks::run(&here),
        What::Unlock(unlock) => locks::unlock(&here, unlock),
    }
}

/// The clone that `folder` lies in, with the token that belongs to its remote, for who asks several things.
pub fn open(folder: &Path, stop: Arc<AtomicBool>) -> Result<Repository, Failure> {
    let mut repository = Repository::open(&git::Git::new(folder, stop))?;
    lend(&mut repository, &Place::default())?;
    Ok(repository)
}

fn lend(repository: &mut Repository, place: &Place) -> Result<(), git::Error> {
    let head = repository.branch()?;
    let target = repository.target(head.as_deref(), place.remote.as_deref(), place.branch.as_deref())?;
    let url = target.and_then(|target| repository.setting(&format!("remote.{}.url", target.remote)).map(str::to_owned));
    if let Some(url) = url {
        credentials::lend(&mut repository.git, &Source { file: place.token_file.as_deref() }, &url)?;
    }
    Ok(())
}

/// Where the command was given.
pub struct Here<'a> {
    context: &'a Context,
    place: &'a Place,
}

impl Here<'_> {
    fn folder(&self) -> PathBuf {
        self.place.dir.as_ref().map_or_else(|| self.context.place.here.clone(), |dir| self.context.place.here.join(dir))
    }

    fn wait(&self) -> Duration {
        self.place.wait.unwrap_or(WAIT)
    }

    fn git(&self, folder: &Path) -> git::Git {
        git::Git::new(folder, self.context.stop.shared())
    }

    /// The clone, with the token that belongs to its remote.
    fn repository(&self) -> Result<Repository, Failure> {
        let folder = self.folder();
        if !local::is_folder(&folder) {
            return Err(Failure::failed(format!("There is no folder {}.", crate::cli::failure::shown(&folder))));
        }
        let mut repository = Repository::open(&self.git(&folder))?;
        lend(&mut repository, self.place)?;
        Ok(repository)
    }

    /// A path as typed, below the top of the work tree.
    fn below_top(&self, repository: &Repository, typed: &Path) -> Result<Vec<u8>, Failure> {
        let whole = self.folder().join(typed);
        // A link in the last place is what is meant, not what it leads to.
        let real = match (whole.parent(), whole.file_name()) {
            (Some(folder), Some(name)) => local::real_path(folder).join(name),
            _ => local::real_path(&whole),
        };
        let outside = || Failure::usage(format!("{} does not lie in the work tree.", crate::cli::failure::shown(typed)));
        repository.below_top(&real).ok_or_else(outside)
    }

    fn target(&self, repository: &Repository) -> Result<Target, Failure> {
        let head = repository.branch()?;
        let target = repository.target(head.as_deref(), self.place.remote.as_deref(), self.place.branch.as_deref())?;
        target.ok_or_else(|| {
            Failure::refused("Nothing says which branch of which remote is meant.")
                .advise("Name it with --branch, or for good: `git branch --set-upstream-to=REMOTE/BRANCH`.")
        })
    }
}

/// A path of git for people.
fn shown(path: &[u8]) -> String {
    path.utf8_chunks().map(|chunk| format!("{}{}", tame(chunk.valid()), chunk.invalid().escape_ascii())).collect()
}

/// Some paths for people, and how many more.
fn some(paths: &[Vec<u8>]) -> String {
    let named: Vec<String> = paths.iter().take(5).map(|path| shown(path)).collect();
    let more = paths.len().saturating_sub(5);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}

impl From<git::Error> for Failure {
    fn from(error: git::Error) -> Failure {
        let (exit, advice) = match &error {
            git::Error::Refused { advice, .. } => (Exit::Refused, advice.clone()),
            git::Error::NoGit(_) => (Exit::Failed, "Install git 2.34 or newer.".to_owned()),
            git::Error::Unreachable { .. } | git::Error::Silent { .. } => {
                (Exit::Offline, "What waits goes on waiting. Run it again when the remote answers.".to_owned())
            }
            git::Error::Stirred { .. } => {
                (Exit::Busy, "What stood in the way is kept: `driftless git backups list`. Run it again.".to_owned())
            }
            git::Error::Outrun { .. } => (
                Exit::Busy,
                "What waits goes on waiting; --retry-for tries for longer. A lock that nobody holds is to be removed there.".to_owned(),
            ),
            git::Error::Login { .. } => (
                Exit::Failed,
                "Credentials are those of git: an ssh key or agent, a credential helper, GIT_ASKPASS; or --token-file, GITHUB_TOKEN."
                    .to_owned(),
            ),
            git::Error::Busy { .. } => (Exit::Busy, "`driftless git lock` tells who; --wait waits longer.".to_owned()),
            git::Error::Stopped => (Exit::interrupted(None), "What was begun is safe; run it again.".to_owned()),
            git::Error::Disk(_) => {
                (Exit::Failed, "Nothing of yours was given up. Free the disk or mend the permissions there, and run it again.".to_owned())
            }
            git::Error::Git { verb, .. } | git::Error::Answer { verb, .. } => (
                Exit::Failed,
                format!(
                    "Nothing of yours was given up. `git {verb}` in this folder may tell more; `driftless git unlock` looks at lock files \
                     that a crash left."
                ),
            ),
        };
        Failure { exit, ..Failure::failed(sentence(&error.to_string())) }.advise(advice)
    }
}

/// How a command ended, for the history and the status file.
pub enum Ended<'a> {
    Well(&'a str),
    /// Somebody else had the turn: neither well nor badly.
    Waited,
    Badly {
        result: &'a str,
        message: String,
    },
}

impl Ended<'_> {
    fn failed(error: &git::Error) -> Self {
        Ended::Badly { result: "failed", message: error.to_string() }
    }

    pub fn word(&self) -> &str {
        match self {
            Ended::Well(word) | Ended::Badly { result: word, .. } => word,
            Ended::Waited => "busy",
        }
    }
}

/// Writes down how a command ended.
fn note(repository: &Repository, op: &str, elapsed: Duration, ended: &Ended<'_>) {
    let mut event = Event::now(op, matches!(ended, Ended::Well(_)), ended.word());
    if let Ended::Badly { message, .. } = ended {
        event.message.clone_from(message);
    }
    event.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    git::history::note(repository, &event);
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '…']) { "" } else { "." };
    format!("{}{end}", capital(text))
}

/// With a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}
