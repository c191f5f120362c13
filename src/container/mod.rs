//! A container and the source that it should run: are they in step, where does the chain break first, and what is the smallest thing
//! that mends it. `rebuild` mends it.
//!
//! `docs/decisions/0012-container-in-step.md` has the flow. Invariants. A check writes nothing, neither here nor in the engine. What
//! could not be seen is unknown, never in step and never missing. Everything that a container, an image or a label says is somebody
//! else's text: compared, or told tame; never a path that is opened, never a command that is run.

mod back;
pub mod chain;
mod command;
pub mod compose;
mod dockerfile;
mod error;
mod ignore;
pub mod kept;
mod live;
pub mod local;
pub mod map;
pub mod pair;
pub mod rebuild;
mod refuse;
mod roots;
mod stream;
mod well;

pub use chain::{Break, State};
pub use error::{Error, Result};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::disk::checkout;
use crate::docker::{self, Change, Container, Engine, Mount, MountKind};
use crate::model::shown::short;
use crate::model::time::Time;
use local::{Local, Open, Side};
use map::{Map, Mapping, SaidBy};
use pair::{Class, Pair};
use stream::{Compared, Question};

/// A container's service, and how its compose is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    pub service: String,
    /// As a person types it.
    pub compose: String,
    /// Its image is built here.
    pub is_built: bool,
}

/// What is to be checked.
pub struct Request<'a> {
    pub engine: &'a Engine,
    pub container: Container,
    /// Its service, where it belongs to the compose project at hand.
    pub service: Option<Managed>,
    pub map: &'a Map,
    /// Only these local files and folders, by whole paths; empty: everything that is mapped.
    pub files: &'a [PathBuf],
    /// Files that are in the container and not here count too.
    pub extra: bool,
    /// A process that started before its files changed counts too.
    pub process: bool,
    pub open: Open<'a>,
}

/// One file in which both differ, or that was asked for by name.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whole path in the container.
    pub place: Vec<u8>,
    pub whole: PathBuf,
    pub pair: Pair,
    /// What the container did to it since it was made.
    pub patched: Option<Change>,
    /// The mount that lies over it.
    pub under: Option<Mount>,
}

/// What a check found.
#[derive(Debug)]
pub struct Report {
    pub container: Container,
    pub service: Option<Managed>,
    /// The image that the container's image name means now; `None` where that cannot be asked or is no name.
    pub tag_image: Option<String>,
    pub state: State,
    /// Where the chain breaks, the first break first.
    pub breaks: Vec<Break>,
    /// What mends it, in this order.
    pub fix: Vec<String>,
    pub files: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// In the order of their places: those that differ, and all that were named.
    pub told: Vec<Told>,
    /// Files that the container sees where they lie here.
    pub live: u64,
    pub left_out: u64,
    /// Files in the container that are not here: how many, and some.
    pub others: u64,
    pub some_others: Vec<Vec<u8>>,
    pub unknown: Vec<(PathBuf, String)>,
    /// The file that changed after the process started, and when.
    pub late: Option<(PathBuf, Time)>,
    pub said_by: Vec<SaidBy>,
    /// Only some files were asked for: all of them are told.
    pub named: bool,
    /// What brings files into the container and was not looked at. Raw text.
    pub not_followed: Vec<String>,
}

/// Checks one container.
pub fn check(request: &Request<'_>) -> Result<Report> {
    let began = Instant::now();
    let mut side = local::look(&request.map.mappings, request.open);
    let mut absent = choose(request, &mut side)?;
    if request.files.is_empty() {
        absent.append(&mut side.absent);
    }
    let empty = request.map.mappings.iter().filter(|mapping| request.files.is_empty() && side.has_none_of(mapping));
    absent.extend(empty.map(|mapping| (mapping.local.clone(), mapping.inside.clone().into_bytes())).collect::<Vec<_>>());
    let mut seen = Seen::of(request, side)?;
    let compared = seen.compare(request)?;
    let mut told = told(request, &seen, &compared);
    for (whole, place) in absent {
        match missing_here(request, whole.clone(), place)? {
            Some(missing) => told.push(missing),
            None if request.files.is_empty() => {
                seen.unknown.push((whole, "nothing of it is here, and nothing in the container".to_owned()))
            }
            None => return Err(Error::Asked(nowhere(request, &whole))),
        }
    }
    if compared.pairs.is_empty() && seen.live == 0 && told.is_empty() && seen.unknown.is_empty() {
        return Err(Error::Unmapped(format!(
            "nothing of what is mapped into the container {} is here",
            short(&request.container.name)
        )));
    }
    told.sort_by(|a, b| a.place.cmp(&b.place));
    if told.iter().any(|told| told.pair.class.is_stale() && told.under.is_none()) {
        let changes = request.engine.changes(&request.container.id)?;
        told.iter_mut().for_each(|told| told.patched = patched(&changes, &told.place));
    }
    let late = seen.late(&request.container, compared.newest.clone());
    let mut report = Report {
        tag_image: tag_image(request)?,
        state: State::Current,
        breaks: Vec::new(),
        fix: Vec::new(),
        files: compared.pairs.len() as u64,
        bytes: compared.bytes,
        elapsed: Duration::ZERO,
        told,
        live: seen.live,
        left_out: seen.left_out,
        others: compared.others,
        some_others: compared.some_others,
        unknown: seen.unknown,
        late,
        said_by: said_by(&request.map.mappings),
        not_followed: request.map.not_followed.clone(),
        named: !request.files.is_empty(),
        service: request.service.clone(),
        container: request.container.clone(),
    };
    report.unknown.extend(compared.unknown);
    chain::judge(&mut report, request.extra, request.process);
    report.elapsed = began.elapsed();
    Ok(report)
}

/// Keeps what was asked for; what was asked for and is not here comes back with its place in the container.
fn choose(request: &Request<'_>, side: &mut Side) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    if request.files.is_empty() {
        return Ok(Vec::new());
    }
    let mut absent = Vec::new();
    for file in request.files {
        let known = side.files.values().any(|local| local.whole.starts_with(file));
        let unknown = side.unknown.iter().any(|(path, _)| path.starts_with(file));
        if known || unknown {
            continue;
        }
        let mapping = request.map.mappings.iter().rev().find(|mapping| file.starts_with(&mapping.local));
        let shown = short(&file.to_string_lossy());
        let mapping = mapping.ok_or_else(|| Error::Unmapped(format!("nothing says where {shown} belongs in the container")))?;
        if mapping.leaves_out(file) {
            return Err(Error::Asked(format!("{shown} is left out by patterns of .dockerignore or of develop.watch")));
        }
        absent.push((file.clone(), place_of(mapping, file)));
    }
    let wanted = |path: &Path| request.files.iter().any(|file| path.starts_with(file));
    side.files.retain(|_, local| wanted(&local.whole));
    side.unknown.retain(|(path, _)| wanted(path));
    Ok(absent)
}

fn place_of(mapping: &Mapping, file: &Path) -> Vec<u8> {
    let below = file.strip_prefix(&mapping.local).unwrap_or(Path::new(""));
    let mut place = mapping.inside.trim_end_matches('/').as_bytes().to_vec();
    for name in below.iter() {
        place.push(b'/');
        place.extend_from_slice(name.as_encoded_bytes());
    }
    place
}

/// A file that is not here: is it in the container?
fn missing_here(request: &Request<'_>, whole: PathBuf, place: Vec<u8>) -> Result<Option<Told>> {
    let path = String::from_utf8_lossy(&place).into_owned();
    match request.engine.archive(&request.container.id, &path) {
        Ok(archive) => {
            if !stream::holds_files(archive)? {
                return Ok(None);
            }
        }
        Err(docker::Error::NoFile { .. }) => {
            request.engine.sees(&request.container.id)?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    let pair = Pair { class: Class::MissingHere, here: None, there: Some(pair::Seen { bytes: 0, digest: None }) };
    Ok(Some(Told { place, whole, pair, patched: None, under: None }))
}

fn nowhere(request: &Request<'_>, whole: &Path) -> String {
    let (here, name) = (short(&whole.to_string_lossy()), short(&request.container.name));
    format!("there is no {here}, and none in the container {name} either")
}

/// The local side without what need not or cannot be compared.
struct Seen {
    files: BTreeMap<Vec<u8>, Local>,
    left_out: u64,
    live: u64,
    /// The newest of the live ones.
    newest_live: Option<(PathBuf, Time)>,
    unknown: Vec<(PathBuf, String)>,
}

impl Seen {
    fn of(request: &Request<'_>, side: Side) -> Result<Seen> {
        let mut seen =
            Seen { files: BTreeMap::new(), left_out: side.left_out, live: 0, newest_live: None, unknown: side.unknown };
        let (mut near, mut doubts) = (None, BTreeMap::new());
        let is_near = || live::is_near(request.engine);
        for (place, local) in side.files {
            match over(&request.container.mounts, &place) {
                Some(mount) if live::is_mounted(mount, &place, &local.whole) && *near.get_or_insert_with(is_near) => {
                    let doubt = || live::doubt(request.engine, &request.container, mount);
                    if doubts.entry(&mount.target).or_insert_with(doubt).is_of(mount, &local.whole) {
                        let why = "the container may see what was here before: something else was moved, linked or mounted here since it \
                                   started; restart it";
                        seen.unknown.push((local.whole, why.to_owned()));
                        continue;
                    }
                    seen.live += 1;
                    if seen.newest_live.as_ref().is_none_or(|(_, newest)| local.changed > *newest) {
                        seen.newest_live = Some((local.whole, local.changed));
                    }
                }
                Some(mount) if mount.kind == MountKind::Memory => {
                    seen.unknown.push((
                        local.whole,
                        "in the container it lies in memory (tmpfs), which cannot be seen from outside".to_owned(),
                    ));
                }
                _ => drop(seen.files.insert(place, local)),
            }
        }
        Ok(seen)
    }

    fn compare(&mut self, request: &Request<'_>) -> Result<Compared> {
        let (container, mappings) = (&request.container, &request.map.mappings);
        let is_ours = |place: &[u8]| over(&container.mounts, place).is_none() && is_source(mappings, place);
        let named = !request.files.is_empty();
        let question = Question {
            engine: request.engine,
            container: &container.id,
            files: &self.files,
            is_ours: &is_ours,
            all_digests: named,
        };
        let roots = roots::of(mappings, &self.files, &container.mounts, named, request.extra);
        stream::compare_all(&question, &roots)
    }

    /// What changed after the container's process had started.
    fn late(&self, container: &Container, newest: Option<(Vec<u8>, Time)>) -> Option<(PathBuf, Time)> {
        let started = container.state.started.filter(|_| container.state.is_running)?;
        let there = newest.and_then(|(place, time)| Some((self.files.get(&place)?.whole.clone(), time)));
        let newest = [self.newest_live.clone(), there].into_iter().flatten().max_by_key(|(_, time)| *time)?;
        (newest.1 > started).then_some(newest)
    }
}

/// The mount in which a place lies: the deepest one.
fn over<'m>(mounts: &'m [Mount], place: &[u8]) -> Option<&'m Mount> {
    let covers = |mount: &&Mount| lies_in(place, map::inside(&mount.target).as_bytes());
    mounts.iter().filter(covers).max_by_key(|mount| mount.target.len())
}

/// Is `place` the folder or below it?
fn lies_in(place: &[u8], folder: &[u8]) -> bool {
    folder == b"/" || place.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Would a file at this place be a source of ours, were it here?
fn is_source(mappings: &[Mapping], place: &[u8]) -> bool {
    let mapping = mappings.iter().rev().find(|mapping| lies_in(place, mapping.inside.as_bytes()));
    let Some(mapping) = mapping.filter(|mapping| crate::disk::local::is_folder(&mapping.local)) else { return false };
    let below = place.strip_prefix(mapping.inside.trim_end_matches('/').as_bytes()).unwrap_or_default();
    let below = checkout::place(Path::new(""), below.strip_prefix(b"/").unwrap_or(below));
    !mapping.leaves_out(&mapping.local.join(below))
}

fn told(request: &Request<'_>, seen: &Seen, compared: &Compared) -> Vec<Told> {
    let named = !request.files.is_empty();
    let worth = compared.pairs.iter().filter(|(_, pair)| named || pair.class != Class::Same);
    let told = |(place, pair): (&Vec<u8>, &Pair)| {
        let whole = seen.files.get(place).map(|local| local.whole.clone()).unwrap_or_default();
        let under = over(&request.container.mounts, place).cloned();
        Told { place: place.clone(), whole, pair: pair.clone(), patched: None, under }
    };
    worth.map(told).collect()
}

/// What the container did to a place: to itself, or to a folder above that it removed.
fn patched(changes: &BTreeMap<String, Change>, place: &[u8]) -> Option<Change> {
    let place = std::str::from_utf8(place).ok()?;
    let above = place.match_indices('/').skip(1).map(|(at, _)| &place[..at]);
    let removed = above.filter_map(|folder| changes.get(folder)).find(|change| **change == Change::Deleted);
    changes.get(place).or(removed).copied()
}

/// Hexadecimal digits by which people name an image; less of them may as well be its name.
const SHORT_ID: usize = 12;

/// The image that the container's image name means now.
fn tag_image(request: &Request<'_>) -> Result<Option<String>> {
    let name = &request.container.image_name;
    let hex = request.container.image_id.trim_start_matches("sha256:");
    let is_id = |name: &str| name.len() >= SHORT_ID && hex.starts_with(name);
    if name.starts_with("sha256:") || name.contains('@') || is_id(name) {
        return Ok(None);
    }
    match request.engine.image(name) {
        Ok(image) => Ok(Some(image.id)),
        // The name was taken away: nothing newer is known by it.
        Err(docker::Error::NoImage(_) | docker::Error::Name(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn said_by(mappings: &[Mapping]) -> Vec<SaidBy> {
    let mut said: Vec<SaidBy> = Vec::new();
    for mapping in mappings {
        if !said.contains(&mapping.said_by) {
            said.push(mapping.said_by);
        }
    }
    said
}
