//! Rebuilding services: the old container serves until the new image is there, and comes back where the new one does not get well.
//!
//! Invariants. Before anything is replaced, the old container's image has a name of ours, with what was written inside the container
//! in it, so that nothing depends on this program to bring the old one back: two commands do, and they are told first. Compose
//! does the replacing; nothing here guesses how a container was made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::chain::shell;
use super::command::Hearing;
use super::compose::{self, Project};
use super::error::{Error, Result};
use crate::disk::clock;
use crate::docker::{self, Change, Container, Engine, Health, Mount};
use crate::model::shown::{short, tame};
use crate::model::utc;

/// How long a build may take.
const BUILD: Duration = Duration::from_secs(4 * 3_600);
/// How long compose may take to replace a container: stopping the old one alone can take as long as it was given.
const REPLACE: Duration = Duration::from_secs(900);
/// A container that nobody checks is well when it has run for so long, or for all the time there is to wait.
const STEADY: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Last lines of a container that did not get well.
const LAST_LINES: usize = 20;
/// Below these nothing is written that anybody would miss.
const PASSING: [&str; 6] = ["/tmp", "/run", "/var/run", "/var/tmp", "/var/cache", "/dev"];

/// What is to be done.
pub struct Order<'a> {
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
    /// The name under which the old image is kept.
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
}

impl End {
    pub fn word(self) -> &'static str {
        match self {
            End::Replaced => "replaced",
            End::RolledBack => "rolled_back",
            End::Failed => "failed",
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
    /// The last lines of the new one that did not get well. Tame.
    pub last_lines: Vec<String>,
}

impl Order<'_> {
    /// Looks, and keeps nothing yet.
    pub fn formers(&self) -> Result<Vec<Former>> {
        let one = |service: &String| {
            let name = short(service);
            let known = self
                .project
                .services
                .get(service)
                .ok_or_else(|| Error::Asked(format!("the project here has no service {name}")))?;
            if known.build.is_none() {
                return Err(Error::Refused {
                    message: format!("the service {name} is not built here"),
                    advice: format!("Its image comes ready-made: `{} {name}` fetches it.", self.project.shown("pull")),
                });
            }
            let container = self.containers(service)?.into_iter().next();
            let written = match &container {
                Some(container) => written(&self.engine.changes(&container.id)?, &container.mounts),
                None => Vec::new(),
            };
            Ok(Former { service: service.clone(), container, kept: None, written })
        };
        self.services.iter().map(one).collect()
    }

    /// Does it. `say` is told what goes on, line by line, tame.
    pub fn carry_out(&self, mut formers: Vec<Former>, say: &mut dyn FnMut(&str)) -> Result<Vec<Rebuilt>> {
        for former in &mut formers {
            self.keep(former, say)?;
        }
        if let Err(error) = self.build(say) {
            // Nothing was replaced: the old ones go on under their own names.
            formers.iter().filter_map(|former| former.kept.as_deref()).for_each(|kept| drop(self.engine.untag(kept)));
            return Err(error);
        }
        let mut done = Vec::new();
        for former in formers {
            if self.stop.load(Ordering::SeqCst) {
                return Err(Error::Stopped);
            }
            let rebuilt = self.replace(former, say)?;
            let well = rebuilt.end == End::Replaced;
            done.push(rebuilt);
            // The next one may need this one.
            if !well {
                break;
            }
        }
        Ok(done)
    }

    fn containers(&self, service: &str) -> docker::Result<Vec<Container>> {
        compose::containers(self.engine, service, &self.project.folder, self.project.name.as_deref())
    }

    /// Gives what serves now a name of ours, before its own name means something else.
    fn keep(&self, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
        let Some(container) = &former.container else { return Ok(()) };
        let (name, tag) = (kept_name(self.project, &former.service), utc::compact(clock::now()));
        if former.written.is_empty() {
            self.engine.tag(&container.image_id, &name, &tag)?;
        } else {
            self.engine.commit(&container.id, &name, &tag)?;
        }
        let kept = format!("{name}:{tag}");
        let service = shell(&former.service);
        say(&format!("The old image of {service} is kept as {kept}. If this is broken off, the old container comes back by"));
        say(&format!("  docker tag {kept} {} && {}", shell(&container.image_name), self.up_words(&service).1));
        former.kept = Some(kept);
        Ok(())
    }

    fn build(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        let mut words = vec!["build"];
        if !self.cached {
            words.push("--no-cache");
        }
        words.extend(self.services.iter().map(String::as_str));
        self.project.does(&words, Hearing { limit: BUILD, stop: Some(self.stop), say: Some(say) })
    }

    /// Words for compose that make the containers of a service anew, and how a person types them.
    fn up_words<'w>(&self, service: &'w str) -> (Vec<&'w str>, String) {
        let words = vec!["up", "-d", "--no-deps", "--no-build", "--force-recreate", service];
        let shown = self.project.shown(&words.join(" "));
        (words, shown)
    }

    /// Not broken off by Ctrl-C: half a replacement serves nobody.
    fn up(&self, service: &str, renew: bool, say: &mut dyn FnMut(&str)) -> Result<()> {
        let (mut words, _) = self.up_words(service);
        if renew {
            words.insert(words.len() - 1, "--renew-anon-volumes");
        }
        self.project.does(&words, Hearing { limit: REPLACE, stop: None, say: Some(say) })
    }

    fn replace(&self, former: Former, say: &mut dyn FnMut(&str)) -> Result<Rebuilt> {
        let service = former.service.clone();
        say(&format!("The new image is there. Replacing {}.", shell(&service)));
        let began = Instant::now();
        let came = self.up(&service, self.renew_volumes, say).map_err(|error| short(&error.to_string()));
        let well = match came {
            Ok(()) => self.until_well(&service)?,
            Err(why) => Err(why),
        };
        let now = self.containers(&service)?.into_iter().next();
        let mut rebuilt = Rebuilt {
            end: End::Replaced,
            new_image: now.as_ref().map(|container| container.image_id.clone()),
            health: now.as_ref().map(|container| container.state.health),
            waited: began.elapsed(),
            why: None,
            last_lines: Vec::new(),
            former,
        };
        let Err(why) = well else { return Ok(rebuilt) };
        (rebuilt.end, rebuilt.why) = (End::Failed, Some(why));
        if let Some(container) = now {
            let words = self.engine.last_words(&container.id, LAST_LINES).unwrap_or_default();
            rebuilt.last_lines = words.lines().map(|line| tame(line.trim_end())).collect();
        }
        if self.rollback {
            self.roll_back(&mut rebuilt, say);
        }
        Ok(rebuilt)
    }

    fn roll_back(&self, rebuilt: &mut Rebuilt, say: &mut dyn FnMut(&str)) {
        let (Some(kept), Some(container)) = (&rebuilt.former.kept, &rebuilt.former.container) else { return };
        say(&format!("{} did not get well. Bringing the old one back.", shell(&rebuilt.former.service)));
        let (name, tag) = name_and_tag(&container.image_name);
        let back = self.engine.tag(kept, name, tag).map_err(Error::from);
        let back = back.and_then(|()| self.up(&rebuilt.former.service, false, say));
        match back.and_then(|()| self.until_well(&rebuilt.former.service)) {
            Ok(Ok(())) => rebuilt.end = End::RolledBack,
            Ok(Err(why)) => say(&format!("The old one does not get well either: {why}")),
            Err(error) => say(&format!("The old one could not be brought back: {}", short(&error.to_string()))),
        }
    }

    /// Waits until all containers of the service are well; the inner error tells why one is not.
    fn until_well(&self, service: &str) -> Result<std::result::Result<(), String>> {
        let began = Instant::now();
        let (mut since, mut before) = (began, Vec::new());
        loop {
            let containers = self.containers(service)?;
            let now: Vec<_> = containers
                .iter()
                .map(|container| (container.id.clone(), container.state.started, container.state.restarts))
                .collect();
            if now != before {
                (since, before) = (Instant::now(), now);
            }
            if let Some(why) = containers.iter().find_map(lost) {
                return Ok(Err(why));
            }
            let steady = since.elapsed() >= STEADY.min(self.wait);
            let well = |container: &Container| match container.state.health {
                Health::Healthy => true,
                Health::Unchecked => container.state.is_running && !container.state.is_restarting && steady,
                Health::Starting | Health::Unhealthy => false,
            };
            if !containers.is_empty() && containers.iter().all(well) {
                return Ok(Ok(()));
            }
            if began.elapsed() > self.wait + LOOK_AGAIN * 5 {
                return Ok(Err(format!("it was not well within {} s", self.wait.as_secs())));
            }
            if self.stop.load(Ordering::SeqCst) {
                return Err(Error::Stopped);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Why a container will not get well by waiting.
fn lost(container: &Container) -> Option<String> {
    let state = &container.state;
    if !state.is_running && !state.is_restarting && state.word != "created" {
        return Some(format!("it ended with {}", state.exit_code));
    }
    (state.health == Health::Unhealthy).then(|| "it is unhealthy".to_owned())
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

/// A name in the engine for old images of a service.
fn kept_name(project: &Project, service: &str) -> String {
    let folder = project.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let plain: String = lower.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        if plain.is_empty() { "x".to_owned() } else { plain }
    };
    format!("driftless-rollback/{}/{}", plain(project.name.as_deref().unwrap_or(&folder)), plain(service))
}

/// A reference's name and its tag; a colon before a slash belongs to a port.
fn name_and_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::MountKind;

    #[test]
    fn a_port_is_no_tag() {
        for (reference, expected) in
            [("a", ("a", "latest")), ("a:1", ("a", "1")), ("h:5000/a", ("h:5000/a", "latest")), ("h:5000/a:1", ("h:5000/a", "1"))]
        {
            assert_eq!(name_and_tag(reference), expected);
        }
    }

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
