//! Rebuilding services: the old container serves until the new image is there, and comes back where the new one does not get well.
//!
//! Invariants. Before anything is replaced, all that the old container holds beside its volumes has names of ours in the engine
//! ([`super::kept`]), so that nothing depends on this program to bring the old one back: one line of commands does, and it is told
//! just before. Until then the old container is the only place of what was written inside it, and is neither removed nor told to be. Who would lose what cannot be brought back is refused. From the first replacement on, every error is part of the answer.
//! Compose does the replacing; nothing here guesses how a container was made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::chain::shell;
use super::command::Hearing;
use super::compose::{self, Project};
use super::error::{Error, Result};
use super::kept;
use super::well::Unwell;
use crate::docker::{self, Change, Container, Engine, Mount};
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
    /// What that name meant, by id.
    pub image_id: Option<String>,
    /// Does the compose file say what it said when the container was made? `None`: not known.
    pub same_settings: Option<bool>,
    /// The name under which the old image is kept.
    pub kept: Option<String>,
    /// The name of the image that has in it what was written inside. `None`: there was nothing, or it is in the container alone.
    pub kept_files: Option<String>,
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
    /// The new container, as it was last seen.
    pub now: Option<Container>,
    pub waited: Duration,
    /// Why the new one did not get well. Tame.
    pub why: Option<String>,
    /// Why the old one is not back, or what of it is not. Tame.
    pub not_back: Option<String>,
    /// The old one is back, and its container was made anew by a compose file that may say other things by now.
    pub made_again: bool,
    /// The old container is there, with all that was written inside it, and does not run as it did.
    pub stands_still: bool,
    /// What a person types to bring the old one back.
    pub way_back: Option<String>,
    /// The image with what the new one wrote that gave way to the old one, and these files.
    pub new_files: Option<(String, Vec<String>)>,
    /// The last lines of the new one that did not get well. Tame.
    pub last_lines: Vec<String>,
}

impl Rebuilt {
    pub(super) fn of(former: Former, end: End) -> Rebuilt {
        Rebuilt {
            former,
            end,
            now: None,
            waited: Duration::ZERO,
            why: None,
            not_back: None,
            made_again: false,
            stands_still: false,
            way_back: None,
            new_files: None,
            last_lines: Vec::new(),
        }
    }

    /// What lay in the old container and does not lie in the new one, which took its place.
    pub fn left_behind(&self) -> Vec<&Mount> {
        match (&self.former.container, &self.now) {
            (Some(old), Some(now)) if self.end == End::Replaced => kept::left_behind(&old.mounts, &now.mounts),
            _ => Vec::new(),
        }
    }

    /// Does the new one run, as far as it was seen?
    pub fn runs(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.state.is_running)
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
            Some(container) => self.written(container)?,
            None => Vec::new(),
        };
        let image_id = match self.engine.image(&image) {
            Ok(found) => Some(found.id),
            Err(docker::Error::NoImage(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let settings = |container: &Container| self.project.says_the_same(service, container, image_id.as_deref());
        let same_settings = container.as_ref().and_then(settings);
        let service = service.to_owned();
        Ok(Former { service, container, image, image_id, same_settings, kept: None, kept_files: None, written })
    }

    /// Does it. `say` is told what goes on, line by line, tame. An error means that every old container goes on as it was.
    pub fn carry_out(&self, mut formers: Vec<Former>, say: &mut dyn FnMut(&str)) -> Result<Vec<Rebuilt>> {
        let ready = formers.iter_mut().try_for_each(|former| kept::name(self, former, say));
        if let Err(error) = ready.and_then(|()| self.build(say)).and_then(|()| self.has_images(&formers)) {
            formers.iter_mut().for_each(|former| self.untouched(former));
            return Err(error);
        }
        let mut done: Vec<Rebuilt> = Vec::new();
        for mut former in formers {
            // One may need those before it.
            if done.last().is_none_or(|last| last.end == End::Replaced) && !self.is_stopped() {
                done.push(self.replace(former, say));
            } else {
                self.untouched(&mut former);
                done.push(Rebuilt::of(former, End::NotTried));
            }
        }
        if done.iter().all(|rebuilt| rebuilt.end == End::NotTried) { Err(Error::Stopped) } else { Ok(done) }
    }

    /// The old container goes on.
    pub(super) fn untouched(&self, former: &mut Former) {
        self.give_name_back(former);
        if let Some(kept) = former.kept.take() {
            drop(self.engine.untag(&kept));
        }
    }

    /// What the image of a container that goes on is called is what the next `up` makes: one that was built and not tried, or did not get
    /// well, would take its place.
    pub(super) fn give_name_back(&self, former: &Former) {
        let shared = self.project.shares_image(&former.service, &former.image).is_some();
        if let Some(id) = former.image_id.as_deref().filter(|_| !shared) {
            let (name, tag) = kept::name_and_tag(&former.image);
            // Where it cannot be asked, nobody would hear of it either.
            if self.engine.image(&former.image).is_ok_and(|image| image.id != id) {
                drop(self.engine.tag(id, name, tag));
            }
        }
    }

    /// Files that were written inside a container and are on no volume.
    pub(super) fn written(&self, container: &Container) -> docker::Result<Vec<String>> {
        Ok(written(&self.engine.changes(&container.id)?, &container.mounts))
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
        formers.iter().try_for_each(|former| match self.engine.image(&former.image) {
            Err(docker::Error::NoImage(_)) => Err(Error::Refused {
                message: format!("compose built no image that is called {}", short(&former.image)),
                advice: "The old container goes on. Name the image in the compose file, like `image: app:1`.".to_owned(),
            }),
            found => Ok(found.map(drop)?),
        })
    }

    /// Not broken off by Ctrl-C: half a replacement serves nobody.
    pub(super) fn up(&self, service: &str, starts: bool, renew: bool, say: &mut dyn FnMut(&str)) -> Result<()> {
        let words = self.project.up_words(service, starts, renew);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.project.does(&words, Hearing { limit: REPLACE, stop: None, say: Some(say) })
    }

    fn replace(&self, mut former: Former, say: &mut dyn FnMut(&str)) -> Rebuilt {
        let (service, began) = (former.service.clone(), Instant::now());
        say(&format!("The new image is there. Replacing {}.", shell(&service)));
        if let Err(error) = self.put_aside(&mut former, say) {
            return self.left(former, &error);
        }
        let came = self.up(&service, true, self.renew_volumes, say).map_err(|error| Unwell::Lost(short(&error.to_string())));
        let well = came.and_then(|()| self.until_well(&service, former.is_passing(), Some(self.stop)));
        let mut rebuilt =
            Rebuilt { now: self.newcomer(&former).ok().flatten(), waited: began.elapsed(), ..Rebuilt::of(former, End::Replaced) };
        let Err(unwell) = well else { return rebuilt };
        let takes_back = self.rollback && !matches!(unwell, Unwell::Stopped);
        (rebuilt.end, rebuilt.why) = (End::Failed, Some(unwell.to_string()));
        if let Some(container) = &rebuilt.now {
            let words = self.engine.last_words(&container.id, LAST_LINES).unwrap_or_default();
            rebuilt.last_lines = words.lines().map(|line| short(line.trim_end())).collect();
        }
        if takes_back {
            self.roll_back(&mut rebuilt, say);
        }
        // What is there by now may be neither the old nor the new one.
        rebuilt.way_back = match self.newcomer(&rebuilt.former) {
            Ok(Some(now)) => kept::way_back_from(self, &rebuilt.former, &now),
            _ => kept::way_back(self, &rebuilt.former),
        };
        rebuilt
    }

    /// The container that was made in the place of the old one.
    pub(super) fn newcomer(&self, former: &Former) -> docker::Result<Option<Container>> {
        let old = former.container.as_ref().map(|container| container.id.as_str());
        Ok(self.containers(&former.service)?.into_iter().find(|container| Some(container.id.as_str()) != old))
    }

    /// Stops the old container, so that nothing is written to it any more, and keeps what it holds.
    fn put_aside(&self, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
        let ids: Vec<String> = self.containers(&former.service)?.into_iter().map(|container| container.id).collect();
        if ids != former.container.iter().map(|container| container.id.clone()).collect::<Vec<_>>() {
            return Err(changed("somebody made its container anew meanwhile"));
        }
        let Some(container) = &former.container else { return Ok(()) };
        self.halt(&former.service, say)?;
        let now = self.engine.container(&container.id)?;
        if now.state.is_running {
            return Err(changed("its container could not be stopped"));
        }
        former.written = self.written(&now)?;
        kept::with_files(self, former, say)
    }

    pub(super) fn halt(&self, service: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
        self.project.does(&["stop", service], Hearing { limit: REPLACE, stop: None, say: Some(say) })
    }
}

impl Former {
    /// Does its container end by itself, when all is done?
    pub fn is_passing(&self) -> bool {
        self.container.as_ref().is_none_or(|old| old.state.word == "exited" && old.state.exit_code == 0)
    }

    pub fn was_running(&self) -> bool {
        self.container.as_ref().is_some_and(|old| old.state.is_running)
    }

    /// Its image has in it what was written inside an earlier container: it came back by such an image.
    pub fn has_earlier_files(&self) -> bool {
        self.container.as_ref().is_some_and(|old| old.labels.contains_key(kept::LABEL))
    }

    /// The image of which the old container can be made again.
    pub fn brings_back(&self) -> Option<&str> {
        self.kept_files.as_deref().or(self.kept.as_deref())
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
