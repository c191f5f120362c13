//! `container`: one file a command; here is what they share.

pub mod check;
mod rebuild;

pub use check::Checked;

use std::path::{Component, Path, PathBuf};

use crate::cli::args::container::{Container, What};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Answer, Context, settings};
use crate::container;
use crate::container::compose::{self, Project};
use crate::disk::local;
use crate::docker::{self, Engine, Surroundings};

pub fn run(context: &Context, typed: &Container) -> Result<Answer, Failure> {
    let mut here = Here::new(context);
    here.files = typed.compose.iter().map(|file| whole(&here.stands.join(file))).collect();
    match &typed.what {
        What::Check(check) => check::run(&here, check),
        What::Rebuild(rebuild) => rebuild::run(&here, rebuild),
    }
}

/// Every container of the project here, for who asks several things; `None` where nothing says that there is one.
pub fn find(context: &Context) -> Result<Option<Checked>, Failure> {
    let here = Here::new(context);
    let settings = settings::container::container(&context.place.reach, &context.place.here)?;
    if settings.is_none() && here.folder().is_none() {
        return Ok(None);
    }
    check::find(&here, settings.unwrap_or_default())
}

/// Where the command was given.
pub struct Here<'a> {
    context: &'a Context,
    /// The folder as compose calls it.
    stands: PathBuf,
    /// The compose files that were named.
    files: Vec<PathBuf>,
}

impl<'a> Here<'a> {
    fn new(context: &'a Context) -> Here<'a> {
        Here { context, stands: as_compose_calls(&context.place.here), files: Vec::new() }
    }

    fn engine(&self) -> Result<Engine, Failure> {
        let address = docker::find(&Surroundings::of_this_process())?;
        Ok(Engine::connect(address, self.context.stop.shared())?)
    }

    /// The folder of the compose project, without asking compose.
    fn folder(&self) -> Option<PathBuf> {
        match self.files.first() {
            Some(file) => file.parent().map(Path::to_path_buf),
            None => compose::folder(&self.stands),
        }
    }

    fn project(&self, engine: &Engine) -> Result<Project, Failure> {
        let folder = self.folder().ok_or_else(|| {
            Failure::usage("There is no compose file in this folder or above it.")
                .advise("Name one with --compose, or the container.")
        })?;
        Ok(Project::read(&folder, &self.files, &engine.address().url, self.context.stop.flag())?)
    }
}

impl From<docker::Error> for Failure {
    fn from(error: docker::Error) -> Failure {
        use docker::Error as E;
        let (exit, advice) = match &error {
            E::Unreachable { .. } => (
                Exit::Unchecked,
                "Start it (`systemctl start docker`, Docker Desktop, `systemctl start podman.socket`), or name another one in DOCKER_HOST.",
            ),
            E::Denied { .. } => {
                (Exit::Unchecked, "Members of the group docker may: `sudo usermod -aG docker $USER`, and log in again.")
            }
            E::Unsupported { .. } | E::Place(_) => {
                (Exit::Unchecked, "Name an engine that can be asked in DOCKER_HOST, like unix:///var/run/docker.sock.")
            }
            E::Silent { .. } => (Exit::Unchecked, "It may be busy; run it again."),
            E::NoContainer(_) => {
                (Exit::Drift, "`docker ps --all` lists those that there are; `docker compose up -d` makes those of a project.")
            }
            E::NoFile { .. } | E::NoImage(_) => (Exit::Drift, "It was there a moment ago, or never; run it again."),
            E::Name(_) => (Exit::Usage, "Names have letters, digits, and `_.-` in them."),
            E::Answer { .. } | E::Engine { .. } | E::Runtime(_) => {
                (Exit::Unchecked, "Nothing is known, and nothing was changed.")
            }
            E::Stopped => (Exit::interrupted(None), "Run it again."),
        };
        Failure { exit, ..Failure::failed(sentence(&error.to_string())) }.advise(advice)
    }
}

impl From<container::Error> for Failure {
    fn from(error: container::Error) -> Failure {
        use container::Error as E;
        let (exit, advice) = match error {
            E::Engine(error) => return error.into(),
            E::Stopped => (Exit::interrupted(None), "Run it again.".to_owned()),
            E::NoCompose(_) => (Exit::Unchecked, "Install it, or name what belongs where with --map.".to_owned()),
            E::Compose { .. } | E::Silent { .. } => {
                (Exit::Unchecked, "Mend that, or name what belongs where with --map.".to_owned())
            }
            E::Unmapped(_) => (
                Exit::Unchecked,
                "Name it with --map LOCAL:PLACE, like --map ./src:/app, or for good in driftless.toml.".to_owned(),
            ),
            E::Asked(_) => (Exit::Usage, "Nothing was compared.".to_owned()),
            E::Refused { ref advice, .. } => (Exit::Refused, advice.clone()),
            E::Unreadable { .. } | E::Disk(_) => (Exit::Unchecked, "Nothing is known, and nothing was changed.".to_owned()),
        };
        Failure { exit, ..Failure::failed(sentence(&error.to_string())) }.advise(advice)
    }
}

/// A project is known by the path of its folder. The newer generation takes the one that the shell went, by way of links too; the older
/// one that without links.
fn as_compose_calls(here: &Path) -> PathBuf {
    let told = settings::variable("PWD").map(PathBuf::from);
    let same = |told: &PathBuf| {
        told.is_absolute() && told != here && local::identity(told).is_some_and(|id| local::identity(here) == Some(id))
    };
    told.filter(same).filter(|_| compose::is_plugin()).unwrap_or_else(|| here.to_path_buf())
}

/// A whole path as compose makes it: without `.` and `..`, and no link is followed, as compose knows a project by the folder in
/// which its file was named.
fn whole(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole
}

/// With a capital letter, where that is no name or command, and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '…']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
