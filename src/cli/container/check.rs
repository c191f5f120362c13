//! `container check`: is what runs in a container what lies here?

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Here;
use crate::cli::args::container::Check;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::render::{Paint, count};
use crate::cli::settings::{self, container::Container as Settings};
use crate::cli::{Answer, json};
use crate::container::chain::{Finding, Severity};
use crate::container::compose::{self, Project};
use crate::container::map::{self, Map};
use crate::container::pair::{Class, Seen};
use crate::container::{self, Break, Managed, Report, Request, State, Told};
use crate::disk::{self, local};
use crate::docker::{self, Container, Engine};
use crate::model::shown::{short, tame};
use crate::model::utc::rfc3339;

/// Files that are told in full where nobody asked for all.
const SOME: usize = 10;

/// What one or several checks found.
pub struct Checked {
    /// Which engine was asked: its address, and its version. Raw text.
    pub engine: (String, String),
    pub reports: Vec<Report>,
    /// Services without a container, and services of which nothing says what belongs where.
    pub missing: Vec<String>,
    pub unmapped: Vec<String>,
    /// Services that could not be checked after a rebuild, and why. Tame.
    pub failed: Vec<(String, String)>,
}

impl Checked {
    pub fn exit(&self) -> Exit {
        let any = |state| self.reports.iter().any(|report| report.state == state);
        match () {
            () if any(State::Stale) || !self.missing.is_empty() => Exit::Drift,
            () if any(State::Unknown) || !self.unmapped.is_empty() || !self.failed.is_empty() => Exit::Unchecked,
            () if self.reports.is_empty() => Exit::Drift,
            () => Exit::Done,
        }
    }

    /// The answer as one value.
    pub fn finding(&self) -> Option<Finding> {
        let worst = self.worst().map(Report::finding);
        let drifts = worst.as_ref().is_some_and(|worst| worst.severity == Severity::Drift);
        let told = |state, severity, message| Finding { state, severity, first_break: None, message, fix: None };
        if let Some(service) = self.missing.first().filter(|_| !drifts) {
            return Some(told("missing", Severity::Drift, format!("The service {} has no container.", short(service))));
        }
        let unknown = self.unmapped.first().map(|service| (service, "nothing says which files here belong where in it"));
        let unknown = unknown.or(self.failed.first().map(|(service, why)| (service, why.as_str())));
        match unknown.filter(|_| !drifts) {
            Some((service, why)) => Some(told(
                "unknown",
                Severity::CouldNotTell,
                format!("The service {} could not be checked: {why}", short(service)),
            )),
            None => worst,
        }
    }

    /// The gravest one.
    pub fn worst(&self) -> Option<&Report> {
        let weight = |report: &&Report| match report.state {
            State::Stale => 0,
            State::Unknown => 1,
            State::Current => 2,
        };
        self.reports.iter().min_by_key(weight)
    }
}

pub fn run(here: &Here<'_>, typed: &Check) -> Result<Answer, Failure> {
    let checked = ask(here, typed)?;
    let (exit, paint) = (checked.exit(), here.context.paint);
    Ok(here.context.answer(exit, || json::container_check(&checked, exit), || text(&checked, typed.all, paint)))
}

/// Finds out, and prints nothing. What could not be told is a failure with [`Exit::Unchecked`], what is missing one with [`Exit::Drift`].
pub fn ask(here: &Here<'_>, typed: &Check) -> Result<Checked, Failure> {
    let settings = settings::container::container(&here.context.place.reach, &here.context.place.here)?.unwrap_or_default();
    let asking = Asking { here, typed, settings, engine: here.engine()?, project: OnceCell::new() };
    asking.check()
}

/// The same as a value, with what the settings say; `None` where nothing here is built for a container.
pub fn find(here: &Here<'_>, settings: Settings) -> Result<Option<Checked>, Failure> {
    let typed = Check::default();
    let asking = Asking { here, typed: &typed, settings, engine: here.engine()?, project: OnceCell::new() };
    if let (Wanted::All, _) = asking.wanted()?
        && (here.folder().is_none() || !asking.project()?.services.values().any(is_built))
    {
        return Ok(None);
    }
    asking.check().map(Some)
}

/// Is its image, or what it runs, made of files here?
fn is_built(service: &compose::Service) -> bool {
    service.build.is_some() || service.develop.is_some()
}

/// Checks services once more, after something was done to them; those of which nothing says what belongs where are named, and what
/// cannot be told is part of the answer.
pub fn recheck(here: &Here<'_>, engine: Engine, project: Project, services: &[&str]) -> Checked {
    let typed = Check::default();
    let asking = Asking { here, typed: &typed, settings: Settings::default(), engine, project: OnceCell::from(project) };
    let mut checked = asking.nothing_yet();
    for service in services {
        if let Err(failure) = asking.service(service, &[], &mut checked) {
            checked.failed.push(((*service).to_owned(), failure.message));
        }
    }
    checked
}

struct Asking<'a> {
    here: &'a Here<'a>,
    typed: &'a Check,
    settings: Settings,
    engine: Engine,
    /// Asked once, where it is needed.
    project: OnceCell<Project>,
}

/// What was asked for.
enum Wanted {
    Container(String),
    Service(String),
    /// Every service that is built here.
    All,
}

impl Asking<'_> {
    fn check(&self) -> Result<Checked, Failure> {
        let (wanted, files) = self.wanted()?;
        let mut checked = self.nothing_yet();
        match wanted {
            Wanted::Container(name) => {
                for container in self.by_name(&name)? {
                    checked.reports.push(self.one(container, &files)?);
                }
            }
            Wanted::Service(name) => {
                let containers = self.of_service(&name)?;
                if containers.is_empty() {
                    return Err(no_container(&name));
                }
                for container in containers {
                    checked.reports.push(self.one(container, &files)?);
                }
            }
            Wanted::All => self.all(&files, &mut checked)?,
        }
        Ok(checked)
    }

    fn nothing_yet(&self) -> Checked {
        let engine = (self.engine.address().url.clone(), self.engine.version().engine.clone());
        Checked { engine, reports: Vec::new(), missing: Vec::new(), unmapped: Vec::new(), failed: Vec::new() }
    }

    /// What was typed, else what the settings say.
    fn wanted(&self) -> Result<(Wanted, Vec<PathBuf>), Failure> {
        let (typed, settings) = (self.typed, &self.settings);
        let mut words = typed.words.as_slice();
        let wanted = match (&typed.service, words.split_first()) {
            (Some(service), _) => Wanted::Service(service.clone()),
            (None, Some((name, files))) => {
                words = files;
                let name = name.to_str().ok_or_else(|| Failure::usage(format!("{} is no name of a container.", shown(name))))?;
                Wanted::Container(name.to_owned())
            }
            (None, None) => match (&settings.name, &settings.service) {
                (Some(name), _) => Wanted::Container(name.clone()),
                (None, Some(service)) => Wanted::Service(service.clone()),
                (None, None) => Wanted::All,
            },
        };
        let (folder, files) =
            if words.is_empty() { (&settings.folder, settings.files.as_slice()) } else { (&self.here.context.place.here, words) };
        Ok((wanted, files.iter().map(|file| whole(&folder.join(file))).collect()))
    }

    /// A container of that name, else those of a service of that name.
    fn by_name(&self, name: &str) -> Result<Vec<Container>, Failure> {
        match self.engine.container(name) {
            Ok(container) => Ok(vec![container]),
            Err(error @ docker::Error::NoContainer(_)) if self.here.folder().is_some() => {
                let containers = self.of_service(name)?;
                if containers.is_empty() { Err(error.into()) } else { Ok(containers) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The containers of a service of the project in this folder.
    fn of_service(&self, service: &str) -> Result<Vec<Container>, Failure> {
        let folder = self.here.folder().ok_or_else(|| Failure::usage("There is no compose file in this folder or above it."))?;
        // Several projects may share a folder. Who says what belongs where needs no compose.
        let name = if self.is_said() { None } else { self.project()?.name.as_deref() };
        Ok(compose::containers(&self.engine, service, &folder, name)?)
    }

    fn project(&self) -> Result<&Project, Failure> {
        if self.project.get().is_none() {
            drop(self.project.set(self.here.project(&self.engine)?));
        }
        Ok(self.project.get().expect("it was set just before"))
    }

    fn all(&self, files: &[PathBuf], checked: &mut Checked) -> Result<(), Failure> {
        let services: Vec<String> =
            self.project()?.services.iter().filter(|(_, service)| is_built(service)).map(|(name, _)| name.clone()).collect();
        for service in services {
            self.service(&service, files, checked)?;
        }
        match (checked.reports.is_empty(), checked.missing.first()) {
            (true, Some(service)) => Err(no_container(service)),
            (true, None) if checked.unmapped.is_empty() => {
                Err(Failure::usage("No service of the project here is built from files here.")
                    .advise("Name a container, and what belongs where with --map."))
            }
            _ => Ok(()),
        }
    }

    fn service(&self, service: &str, files: &[PathBuf], checked: &mut Checked) -> Result<(), Failure> {
        let containers = self.of_service(service)?;
        if containers.is_empty() {
            checked.missing.push(service.to_owned());
        }
        for container in containers {
            match self.mapped(&container)? {
                Some(map) => checked.reports.push(self.compare(container, &map, files)?),
                None => checked.unmapped.push(service.to_owned()),
            }
        }
        Ok(())
    }

    fn one(&self, container: Container, files: &[PathBuf]) -> Result<Report, Failure> {
        let name = short(&container.name);
        let map = self.mapped(&container)?;
        let map = map.ok_or_else(|| {
            container::Error::Unmapped(format!("nothing says which files here belong where in the container {name}"))
        })?;
        self.compare(container, &map, files)
    }

    fn compare(&self, container: Container, map: &Map, files: &[PathBuf]) -> Result<Report, Failure> {
        let reach = &self.here.context.place.reach;
        let open = |path: &Path| {
            let verdict = reach.detect(path).map_err(|error| {
                disk::Error::new("look at", path.display(), disk::ErrorKind::Other, std::io::Error::other(error.to_string()))
            })?;
            reach.open_root(path, &verdict)
        };
        let service = self.managed(&container);
        let (extra, process) = (self.typed.extra, self.typed.process);
        Ok(container::check(&Request { engine: &self.engine, container, service, map, files, extra, process, open: &open })?)
    }

    /// Did somebody say what belongs where?
    fn is_said(&self) -> bool {
        !self.typed.map.is_empty() || !self.settings.map.is_empty()
    }

    fn managed(&self, container: &Container) -> Option<Managed> {
        let name = self.project.get().and_then(|project| project.name.as_deref());
        let service = compose::service_of(container, &self.here.folder()?, name)?.to_owned();
        let project = self.project.get();
        let compose = project.map_or_else(|| "docker compose".to_owned(), |project| project.shown(""));
        let known = project.and_then(|project| project.services.get(&service));
        let is_built = known.is_none_or(|known| known.build.is_some());
        Some(Managed { service, compose: compose.trim_end().to_owned(), is_built })
    }

    /// What belongs where: as typed, by the settings, by compose, by the container's bind mounts. `None` where nothing says it.
    fn mapped(&self, container: &Container) -> Result<Option<Map>, Failure> {
        let here = &self.here.context.place.here;
        let (typed, folder) =
            if self.typed.map.is_empty() { (&self.settings.map, &self.settings.folder) } else { (&self.typed.map, here) };
        if !typed.is_empty() {
            let mappings = typed.iter().map(|text| map::typed(text, folder)).collect::<Result<Vec<_>, _>>()?;
            return Ok(Some(Map { mappings, ..Map::default() }));
        }
        let (compose, mut not_followed) = (self.here.folder(), Vec::new());
        if let Some(folder) = &compose
            && compose::service_of(container, folder, None).is_some()
            && let Some(service) = compose::service_of(container, folder, self.project()?.name.as_deref())
            && let Some(service) = self.project()?.services.get(service)
        {
            let mut map = map::of_service(service, folder)?;
            map.not_followed.extend(self.brought_by(map.base.as_deref())?);
            if !map.mappings.is_empty() {
                return Ok(Some(map));
            }
            not_followed = map.not_followed;
        }
        let map = map::of_mounts(container, compose.as_deref().unwrap_or(here));
        let map = Map { not_followed, ..map };
        Ok((!map.mappings.is_empty()).then_some(map))
    }
}

impl Asking<'_> {
    /// What the image that a Dockerfile stands on brings in by itself, where the engine has that image: its `ONBUILD` lines.
    fn brought_by(&self, base: Option<&str>) -> Result<Vec<String>, Failure> {
        let Some(base) = base else { return Ok(Vec::new()) };
        match self.engine.image(base) {
            Ok(image) => {
                Ok(image.on_build.iter().filter(|line| map::brings_files(line)).map(|line| format!("ONBUILD {line}")).collect())
            }
            Err(docker::Error::NoImage(_) | docker::Error::Name(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

fn no_container(service: &str) -> Failure {
    let service = short(service);
    Failure { exit: Exit::Drift, ..Failure::failed(format!("The service {service} has no container.")) }
        .advise(format!("`docker compose up -d {service}` makes one."))
}

/// Without links above the last name: a link there is what is meant, not what it leads to.
fn whole(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => local::real_path(folder).join(name),
        _ => local::real_path(path),
    }
}

pub fn text(checked: &Checked, all: bool, paint: Paint) -> String {
    let mut text = String::new();
    for report in &checked.reports {
        if !text.is_empty() {
            text.push('\n');
        }
        one(&mut text, report, all, paint);
    }
    for service in &checked.missing {
        let _ = writeln!(text, "\nThe service {} has no container.", short(service));
    }
    for (service, why) in &checked.failed {
        let _ = writeln!(text, "\nCOULD NOT TELL - The service {} could not be checked: {why}", short(service));
    }
    for service in &checked.unmapped {
        let _ =
            writeln!(text, "\nNothing says which files here belong where in the service {}: name it with --map.", short(service));
    }
    text
}

fn one(text: &mut String, report: &Report, all: bool, paint: Paint) {
    let state = &report.container.state;
    let image = short(&report.container.image_name);
    let _ = writeln!(text, "Container: {} ({}, image {image})", short(&report.container.name), short(&state.word));
    if !state.is_running {
        let code = if state.started.is_some() { format!(", it ended with {}", state.exit_code) } else { String::new() };
        let _ = writeln!(text, "It is not running{code}; its files were compared all the same.");
    }
    let most = if all { usize::MAX } else { SOME };
    let listed: Vec<&Told> = report.told.iter().filter(|told| report.named || told.pair.class.is_stale()).collect();
    listed.iter().take(most).for_each(|told| file(text, told));
    if listed.len() > most {
        let _ = writeln!(text, "and {} more; --all lists them.", count((listed.len() - most) as u64, "file"));
    }
    for (class, words) in [(Class::Mode, "only in their rights"), (Class::LineEnds, "only in the ends of their lines")] {
        let of_class: Vec<String> =
            report.told.iter().filter(|told| told.pair.class == class).map(|told| place(&told.place)).collect();
        if let Some(first) = of_class.first() {
            let _ = writeln!(text, "{} differ {words}, like {first}; that does not count.", count(of_class.len() as u64, "file"));
        }
    }
    for (path, why) in report.unknown.iter().take(most) {
        let _ = writeln!(text, "Could not be compared: {}: {}", shown(path), tame(why));
    }
    for what in report.not_followed.iter().take(most) {
        let _ = writeln!(text, "Not compared, as it is not known what belongs where: {}", short(what));
    }
    others(text, report, all);
    summary(text, report);
    verdict(text, report, paint);
}

fn file(text: &mut String, told: &Told) {
    let _ = writeln!(text, "File:      {} ({} in the container)", shown(&told.whole), place(&told.place));
    let line = |seen: Option<Seen>, absent: &str| match seen {
        None => absent.to_owned(),
        Some(Seen { bytes, digest: Some(digest) }) => format!("{digest:?}  {}", count(bytes, "byte")),
        Some(Seen { digest: None, .. }) if told.pair.class == Class::Target => "a link to another place".to_owned(),
        Some(Seen { digest: None, .. }) => "there".to_owned(),
    };
    let _ = writeln!(text, "  here       {}", line(told.pair.here, "no such file"));
    let _ = writeln!(text, "  container  {}", line(told.pair.there, "no such file"));
    if told.patched.is_some() {
        let _ = writeln!(text, "  it was changed in the container itself");
    }
    if let Some(mount) = &told.under {
        let what = if mount.name.is_empty() { short(&mount.source) } else { format!("the volume {}", short(&mount.name)) };
        let _ = writeln!(text, "  {what} lies over it, at {}", short(&mount.target));
    }
}

fn others(text: &mut String, report: &Report, all: bool) {
    if report.others == 0 || !(all || report.breaks.contains(&Break::OtherFiles)) {
        return;
    }
    let most = if all { usize::MAX } else { SOME };
    let named: Vec<String> = report.some_others.iter().take(most).map(|path| place(path)).collect();
    let _ = writeln!(text, "In the container and not here: {}: {}", count(report.others, "file"), named.join(", "));
}

fn summary(text: &mut String, report: &Report) {
    let mut parts = vec![format!(
        "{} ({}) compared in {} ms",
        count(report.files, "file"),
        count(report.bytes, "byte"),
        report.elapsed.as_millis()
    )];
    if report.live > 0 {
        parts.push(format!("{} mounted from here", count(report.live, "file")));
    }
    if report.left_out > 0 {
        parts.push(format!("{} left out by .dockerignore", report.left_out));
    }
    let guessed = report.said_by.contains(&map::SaidBy::Copies);
    let by = if guessed { "; what belongs where is inferred from the Dockerfile, which itself was not compared" } else { "" };
    let _ = writeln!(text, "{}{by}.", parts.join(", "));
}

fn verdict(text: &mut String, report: &Report, paint: Paint) {
    let differ = report.stale().next().is_some();
    let words = match (report.state, differ) {
        (State::Current, _) => paint.bold("FILES MATCH - Container is current"),
        (State::Stale, true) => paint.bad("FILES DIFFER - Container is STALE"),
        (State::Stale, false) => paint.bad("FILES MATCH - Container is STALE all the same"),
        (State::Unknown, _) if report.unknown.is_empty() => {
            paint.warn("COULD NOT TELL - What belongs where is not known of all files; name it with --map")
        }
        (State::Unknown, _) => paint.warn("COULD NOT TELL - Some files could not be compared"),
    };
    let _ = writeln!(text, "{words}");
    if let Some((path, time)) = &report.late {
        let started = report.container.state.started.map(rfc3339).unwrap_or_default();
        let _ = writeln!(
            text,
            "The process started at {started}; {} changed at {}. It may have to be started anew.",
            shown(path),
            rfc3339(*time)
        );
    }
    if let Some(first) = report.breaks.first().filter(|first| **first != Break::ProcessOlderThanFiles) {
        let _ = writeln!(text, "{}", first.sentence());
    }
    for fix in &report.fix {
        let _ = writeln!(text, "Fix: {fix}");
    }
}

/// A place in a container, for people.
fn place(place: &[u8]) -> String {
    place.utf8_chunks().map(|chunk| format!("{}{}", tame(chunk.valid()), chunk.invalid().escape_ascii())).collect()
}
