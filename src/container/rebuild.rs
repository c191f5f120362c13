//! Rebuilding services: the old container serves until the new image is there, and comes back where the new one does not get well.
//!
//! Invariants. Before anything is replaced, all that the old container holds beside its volumes has names of ours in the engine
//! ([`super::kept`]), so that nothing depends on this program to bring the old one back: one line of commands does, and it is told
//! first. Who would lose what cannot be brought back is refused. From the first replacement on, every error is part of the answer.
//! Compose does the replacing; nothing here guesses how a container was made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::chain::shell;
use super::command::Hearing;
use super::compose::{self, Project};
use super::error::{Error, Result};
use super::kept;
use super::well::Unwell;
use crate::docker::{self, Change, Container, Engine, Health, Mount};
use crate::model::shown::short;

/// How long a build may take.
const BUILD: Duration = Duration::from_secs(4 * 3_600);
/// How long compose may take to replace a container: stopping the old one alone can take as long as it was given.
const REPLACE: Duration = Duration::from_secs(900);
/// Last lines of a container that did not get well.
const LAST_LINES: usize = 20;
/// Below these nothing is written that anybody would miss.
const PASSING: [&str; 4] = ["/tmp", "/run", "/var/run", "/dev"];

/// What is to be done.
pub struct Order<'a> {
    /// One that hears no stop: half a replacement serves nobody.
    pub engine: &'a Engine,
    pub project: &'a Project,
    pub services: Vec<String>,
    pub cached: bool,
    pub wait: Duration,
    pub renew_volumes: bool,
    pub rollback: bool,
    pub stop: &'a AtomicBool,
}

/// A service before anything is done.
#[derive(Clone, Debug)]
pub struct Former {
    pub service: String,
    /// None: it is made for the first time, and there is nothing to go back to.
    pub container: Option<Container>,
    /// The name by which compose calls its image.
    pub image: String,
    /// The name under which the image with all that was written inside is kept.
    pub kept: Option<String>,
    /// Files that were written inside the container and are on no volume.
    pub written: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Replaced,
    /// The new one did not get well; the old one serves again.
    RolledBack,
    /// The new one did not get well, and was left or could not be taken back.
    Failed,
    /// One before it did not get well.
    NotTried,
}

impl End {
    pub fn word(self) -> &'static str {
        match self {
            End::Replaced => "replaced",
            End::RolledBack => "rolled_back",
            End::Failed => "failed",
            End::NotTried => "not_tried",
        }
    }
}

/// What became of a service.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    pub former: Former,
    pub end: End,
    pub new_image: Option<String>,
    pub health: Option<Health>,
    pub waited: Duration,
    /// Why the new one did not get well. Tame.
    pub why: Option<String>,
    /// Why the old one is not back, or what of it is not. Tame.
    pub not_back: Option<String>,
    /// What a person types to bring the old one back.
    pub way_back: Option<String>,
    /// The last lines of the new one that did not get well. Tame.
    pub last_lines: Vec<String>,
}

impl Rebuilt {
    fn of(former: Former, end: End) -> Rebuilt {
        Rebuilt {
            former,
            end,
            new_image: None,
            health: None,
            waited: Duration::ZERO,
            why: None,
            not_back: None,
            way_back: None,
            last_lines: Vec::new(),
        }
    }
}

impl Order<'_> {
    /// Looks, and keeps nothing yet.
    pub fn formers(&self) -> Result<Vec<Former>> {
        self.services.iter().map(|service| self.former(service)).collect()
    }

    fn former(&self, service: &str) -> Result<Former> {
        let name = short(service);
        let known = self.project.services.get(service);
        let known = known.ok_or_else(|| Error::Asked(format!("the project here has no service {name}")))?;
        if known.build.is_none() {
            return Err(Error::Refused {
                message: format!("the service {name} is not built here"),
                advice: format!("Its image comes ready-made: `{} {name}` fetches it.", self.project.shown("pull")),
            });
        }
        let image = self.project.image(service).unwrap_or_default();
        let containers = self.containers(service)?;
        super::refuse::what_would_be_lost(self, service, &image, &containers)?;
        let container = containers.into_iter().next();
        let written = match &container {
            Some(container) => written(&self.engine.changes(&container.id)?, &container.mounts),
            None => Vec::new(),
        };
        Ok(Former { service: service.to_owned(), container, image, kept: None, written })
    }

    /// Does it. `say` is told what goes on, line by line, tame. An error means that every old container goes on as it was.
    pub fn carry_out(&self, mut formers: Vec<Former>, say: &mut dyn FnMut(&str)) -> Result<Vec<Rebuilt>> {
        let ready = formers.iter_mut().try_for_each(|former| kept::name(self, former, say));
        if let Err(error) = ready.and_then(|()| self.build(say)).and_then(|()| self.has_images(&formers)) {
            // Nothing was replaced: the old ones go on under their own names.
            formers.iter().filter_map(|former| former.kept.as_deref()).for_each(|kept| drop(self.engine.untag(kept)));
            return Err(error);
        }
        let mut done: Vec<Rebuilt> = Vec::new();
        for former in formers {
            // One may need those before it.
            let goes_on = done.last().is_none_or(|last| last.end == End::Replaced) && !self.is_stopped();
            if !goes_on && done.is_empty() {
                return Err(Error::Stopped);
            }
            done.push(if goes_on { self.replace(former, say) } else { Rebuilt::of(former, End::NotTried) });
        }
        Ok(done)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(super) fn containers(&self, service: &str) -> docker::Result<Vec<Container>> {
        compose::containers(self.engine, service, &self.project.folder, self.project.name.as_deref())
    }

    fn build(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        let mut words = vec!["build"];
        if !self.cached {
            words.push("--no-cache");
        }
        words.extend(self.services.iter().map(String::as_str));
        self.project.does(&words, Hearing { limit: BUILD, stop: Some(self.stop), say: Some(say) })
    }

    /// Are the images called as the way back needs it?
    fn has_images(&self, formers: &[Former]) -> Result<()> {
        formers.iter().try_for_each(|former| Ok(self.engine.image(&former.image).map(drop)?))
    }

    /// Words for compose that make the containers of a service anew, and how a person types them.
    pub(super) fn up_words<'w>(&self, service: &'w str) -> Vec<&'w str> {
        vec!["up", "-d", "--no-deps", "--no-build", "--force-recreate", service]
    }

    /// Not broken off by Ctrl-C: half a replacement serves nobody.
    fn up(&self, service: &str, renew: bool, say: &mut dyn FnMut(&str)) -> Result<()> {
        let mut words = self.up_words(service);
        if renew {
            words.insert(words.len() - 1, "--renew-anon-volumes");
        }
        self.project.does(&words, Hearing { limit: REPLACE, stop: None, say: Some(say) })
    }

    fn replace(&self, mut former: Former, say: &mut dyn FnMut(&str)) -> Rebuilt {
        let (service, began) = (former.service.clone(), Instant::now());
        say(&format!("The new image is there. Replacing {}.", shell(&service)));
        if let Err(error) = self.put_aside(&mut former, say) {
            return self.left(former, &error);
        }
        let came = self.up(&service, self.renew_volumes, say).map_err(|error| Unwell::Lost(short(&error.to_string())));
        let well = came.and_then(|()| self.until_well(&service, former.is_passing(), Some(self.stop)));
        let old = former.container.as_ref().map(|container| container.id.clone());
        let now = self.containers(&service).unwrap_or_default().into_iter().find(|container| Some(&container.id) != old.as_ref());
        let mut rebuilt = Rebuilt {
            new_image: now.as_ref().map(|container| container.image_id.clone()),
            health: now.as_ref().map(|container| container.state.health),
            waited: began.elapsed(),
            ..Rebuilt::of(former, End::Replaced)
        };
        let Err(unwell) = well else { return rebuilt };
        let takes_back = self.rollback && !matches!(unwell, Unwell::Stopped);
        (rebuilt.end, rebuilt.why) = (End::Failed, Some(unwell.to_string()));
        if let Some(container) = now {
            let words = self.engine.last_words(&container.id, LAST_LINES).unwrap_or_default();
            rebuilt.last_lines = words.lines().map(|line| short(line.trim_end())).collect();
        }
        rebuilt.way_back = kept::way_back(self, &rebuilt.former);
        if takes_back {
            self.roll_back(&mut rebuilt, say);
        }
        rebuilt
    }

    /// Stops the old container, so that nothing is written to it any more, and keeps what it holds.
    fn put_aside(&self, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
        let ids: Vec<String> = self.containers(&former.service)?.into_iter().map(|container| container.id).collect();
        if ids != former.container.iter().map(|container| container.id.clone()).collect::<Vec<_>>() {
            return Err(changed("somebody made its container anew meanwhile"));
        }
        let Some(container) = &former.container else { return Ok(()) };
        self.project.does(&["stop", &former.service], Hearing { limit: REPLACE, stop: None, say: Some(say) })?;
        let now = self.engine.container(&container.id)?;
        if now.state.is_running {
            return Err(changed("its container could not be stopped"));
        }
        former.written = written(&self.engine.changes(&now.id)?, &now.mounts);
        if former.written.is_empty() { Ok(()) } else { kept::with_files(self, former, say) }
    }

    /// The old one was not replaced, for an error before that.
    fn left(&self, former: Former, error: &Error) -> Rebuilt {
        let why = short(&error.to_string());
        let again = match former.container.as_ref().filter(|container| container.state.is_running) {
            Some(container) => self.engine.start(&container.id).map_err(|error| short(&error.to_string())),
            None => Ok(()),
        };
        let end = if again.is_ok() { End::RolledBack } else { End::Failed };
        Rebuilt { why: Some(why), not_back: again.err(), ..Rebuilt::of(former, end) }
    }

    fn roll_back(&self, rebuilt: &mut Rebuilt, say: &mut dyn FnMut(&str)) {
        let former = &rebuilt.former;
        let (Some(kept), Some(old)) = (&former.kept, &former.container) else { return };
        say(&format!("{} did not get well. Bringing the old one back.", shell(&former.service)));
        let back = match self.engine.container(&old.id) {
            Ok(still) => self.start_again(&still, old, &former.service),
            Err(docker::Error::NoContainer(_)) => self.make_again(former, kept, say),
            Err(error) => Err(error.into()),
        };
        let back = back.map_err(|error| short(&error.to_string()));
        let well = || match self.until_well(&former.service, former.is_passing(), None) {
            _ if !old.state.is_running => Ok(()),
            well => well.map_err(|unwell| unwell.to_string()),
        };
        match back.and_then(|()| well()).and_then(|()| kept::is_back(self, former)) {
            Ok(()) => rebuilt.end = End::RolledBack,
            Err(why) => rebuilt.not_back = Some(why),
        }
    }

    /// The old container is still there: what was made in its place goes.
    fn start_again(&self, still: &Container, old: &Container, service: &str) -> Result<()> {
        for container in self.containers(service)? {
            if container.id != still.id {
                self.engine.remove(&container.id)?;
            }
        }
        if still.name != old.name {
            self.engine.rename(&still.id, &old.name)?;
        }
        if old.state.is_running && !still.state.is_running {
            self.engine.start(&still.id)?;
        }
        Ok(())
    }

    /// The old container is gone: its image gets the name that compose asks for.
    fn make_again(&self, former: &Former, kept: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
        let (name, tag) = kept::name_and_tag(&former.image);
        self.engine.tag(kept, name, tag)?;
        self.up(&former.service, false, say)
    }
}

impl Former {
    /// Does its container end by itself, when all is done?
    pub fn is_passing(&self) -> bool {
        self.container.as_ref().is_none_or(|old| old.state.word == "exited" && old.state.exit_code == 0)
    }
}

fn changed(why: &str) -> Error {
    Error::Refused { message: why.to_owned(), advice: "Run it again.".to_owned() }
}

/// Files that were written inside a container, as far as anybody could miss them: folders are listed because of what is in them.
fn written(changes: &std::collections::BTreeMap<String, Change>, mounts: &[Mount]) -> Vec<String> {
    // The place of a mount is made with the container.
    let passing = |path: &str| {
        PASSING.iter().any(|folder| super::lies_in(path.as_bytes(), folder.as_bytes()))
            || super::over(mounts, path.as_bytes()).is_some()
    };
    let holds_others = |path: &str| {
        let below = format!("{path}/");
        changes.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    };
    let kept = changes.iter().filter(|(path, change)| **change != Change::Deleted && !passing(path) && !holds_others(path));
    kept.map(|(path, _)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::MountKind;

    #[test]
    fn what_somebody_could_miss_is_kept() {
        let changes = [
            ("/app", Change::Modified),
            ("/app/data", Change::Added),
            ("/app/data.bak", Change::Added),
            ("/app/data/x.db", Change::Added),
            ("/app/gone", Change::Deleted),
            ("/run", Change::Modified),
            ("/run/x.pid", Change::Added),
            ("/runs", Change::Added),
            ("/srv", Change::Modified),
            ("/srv/volume", Change::Added),
        ];
        let changes = changes.into_iter().map(|(path, change)| (path.to_owned(), change)).collect();
        let volume =
            Mount { kind: MountKind::Volume, target: "/srv/volume".to_owned(), source: String::new(), name: String::new() };
        assert_eq!(written(&changes, &[volume]), ["/app/data.bak", "/app/data/x.db", "/runs"]);
    }
}
