//! What a check comes to: the first broken link of source → image name → container's image → container's files → process, and the
//! smallest thing that mends it.

use std::fmt::Write as _;

use super::Report;
use crate::docker::MountKind;
pub use crate::model::severity::Severity;
use crate::model::shown::{short, tame};

/// How the container stands to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Current,
    Stale,
    /// Something could not be compared, and nothing else is wrong.
    Unknown,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Current => "current",
            State::Stale => "stale",
            State::Unknown => "unknown",
        }
    }
}

/// Where the chain is broken. In the order of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    /// The name of its image means another image by now.
    RunsOlderImage,
    /// The image was made of other files.
    ImageOlderThanSource,
    /// Files were changed in the container itself.
    PatchedInContainer,
    /// A volume or another folder lies over the image's files.
    Masked,
    /// Files that are not here.
    OtherFiles,
    /// The process started before its files changed.
    ProcessOlderThanFiles,
}

impl Break {
    pub fn word(self) -> &'static str {
        match self {
            Break::RunsOlderImage => "container_runs_older_image",
            Break::ImageOlderThanSource => "image_older_than_source",
            Break::PatchedInContainer => "patched_in_container",
            Break::Masked => "masked_by_mount",
            Break::OtherFiles => "files_not_in_source",
            Break::ProcessOlderThanFiles => "process_older_than_files",
        }
    }

    /// One sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Break::RunsOlderImage => "The container runs an older image than the one its image name means now.",
            Break::ImageOlderThanSource => "The container's image was made of other files than those here.",
            Break::PatchedInContainer => "Files were changed in the container itself, by hand or by a program.",
            Break::Masked => "A mount lies over files of the image: the container sees the mount's.",
            Break::OtherFiles => "The container has files that are not here.",
            Break::ProcessOlderThanFiles => "The process started before its files changed.",
        }
    }
}

/// The answer of a check as one value, for whoever asks for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `current`, `stale`, `unknown` or `missing`.
    pub state: &'static str,
    pub severity: Severity,
    /// The word of the first broken link.
    pub first_break: Option<&'static str>,
    /// One sentence. Tame.
    pub message: String,
    /// The smallest thing that mends it. Tame.
    pub fix: Option<String>,
}

impl Report {
    /// The answer as one value.
    pub fn finding(&self) -> Finding {
        let name = short(&self.container.name);
        let (severity, message) = match self.state {
            State::Current => (Severity::InStep, format!("The container {name} has the files that are here.")),
            State::Stale => {
                let why = self.breaks.first().map(|first| first.sentence()).unwrap_or_default();
                (Severity::Drift, format!("The container {name} is stale. {why}"))
            }
            State::Unknown => {
                let what = self.unknown.first().map(|(path, _)| path.to_string_lossy().into_owned());
                let what = what.or_else(|| self.not_followed.first().cloned()).unwrap_or_default();
                (
                    Severity::CouldNotTell,
                    format!("Whether the container {name} is current could not be told: not compared is {}.", short(&what)),
                )
            }
        };
        let first_break = self.breaks.first().filter(|_| self.state == State::Stale).map(|first| first.word());
        Finding { state: self.state.word(), severity, first_break, message, fix: self.fix.first().cloned() }
    }

    /// Files that differ and count.
    pub fn stale(&self) -> impl Iterator<Item = &super::Told> {
        self.told.iter().filter(|told| told.pair.class.is_stale())
    }
}

/// Fills in state, breaks and fixes.
pub fn judge(report: &mut Report, extra: bool, process: bool) {
    let mut breaks = Vec::new();
    if report.tag_image.as_ref().is_some_and(|image| *image != report.container.image_id) {
        breaks.push(Break::RunsOlderImage);
    }
    for told in report.stale() {
        breaks.push(match (&told.under, told.patched) {
            (Some(_), _) => Break::Masked,
            (None, Some(_)) => Break::PatchedInContainer,
            (None, None) => Break::ImageOlderThanSource,
        });
    }
    if extra && report.others > 0 {
        breaks.push(Break::OtherFiles);
    }
    let counts = !breaks.is_empty();
    if report.late.is_some() {
        breaks.push(Break::ProcessOlderThanFiles);
    }
    breaks.sort_unstable();
    breaks.dedup();
    // What a line that was not followed brings into the container is compared with nothing.
    let is_all = report.unknown.is_empty() && report.not_followed.is_empty();
    report.state = match (counts || (process && report.late.is_some()), is_all) {
        (true, _) => State::Stale,
        (false, false) => State::Unknown,
        (false, true) => State::Current,
    };
    report.fix = fix(report, &breaks, counts);
    report.breaks = breaks;
}

/// The smallest thing first. What recreates the container starts its process anew, too.
fn fix(report: &Report, breaks: &[Break], counts: bool) -> Vec<String> {
    let has = |wanted| breaks.contains(&wanted);
    let name = shell(&report.container.name);
    let mut fix = Vec::new();
    if has(Break::PatchedInContainer) && !has(Break::RunsOlderImage) {
        let patched = report.stale().find(|told| told.patched.is_some() && told.under.is_none());
        let kept = patched.map(|told| shell(&String::from_utf8_lossy(&told.place))).unwrap_or_default();
        let lost = if keeps(report) { "is kept in an image" } else { "is lost" };
        fix.push(format!(
            "{} (what was changed in the container {lost}; `docker cp {name}:{kept} .` takes it out)",
            recreate(report)
        ));
    }
    if has(Break::RunsOlderImage) {
        fix.push(recreate(report));
    } else if has(Break::ImageOlderThanSource) || has(Break::OtherFiles) {
        fix = vec![rebuild(report)];
    }
    if has(Break::Masked) {
        fix.push(unmask(report));
    }
    if !counts && has(Break::ProcessOlderThanFiles) {
        fix.push(match &report.service {
            Some(managed) => format!("{} restart {}", managed.compose, shell(&managed.service)),
            None => format!("docker restart {name}"),
        });
    }
    fix
}

fn keeps(report: &Report) -> bool {
    report.service.as_ref().is_some_and(|managed| managed.is_built)
}

fn rebuild(report: &Report) -> String {
    match &report.service {
        Some(managed) => format!("driftless container rebuild {}", shell(&managed.service)),
        None => format!("build the image {} again, and make the container anew of it", shell(&report.container.image_name)),
    }
}

fn recreate(report: &Report) -> String {
    match &report.service {
        // It keeps what was written inside.
        Some(managed) if managed.is_built => format!("driftless container rebuild --cached {}", shell(&managed.service)),
        Some(managed) => {
            let (compose, service) = (&managed.compose, shell(&managed.service));
            format!("{compose} up -d --no-deps --force-recreate {service} (what was written inside the container is lost)")
        }
        None => format!("make the container anew of the image {}", shell(&report.container.image_name)),
    }
}

fn unmask(report: &Report) -> String {
    let mut text = String::new();
    let mut known = Vec::new();
    for mount in report.stale().filter_map(|told| told.under.as_ref()) {
        if known.contains(&mount) {
            continue;
        }
        known.push(mount);
        let (target, name) = (shell(&mount.target), shell(&mount.name));
        let one = match (mount.kind, &report.service) {
            (MountKind::Volume, Some(managed)) if mount.is_anonymous() => {
                let (compose, service) = (&managed.compose, shell(&managed.service));
                format!("{compose} up -d --no-deps --force-recreate --renew-anon-volumes {service}")
            }
            (MountKind::Volume, _) if mount.is_anonymous() => {
                format!("make the container anew without its old volume at {target}")
            }
            (MountKind::Volume, _) => {
                format!(
                    "take away the volume {name} at {target}: `docker volume rm {name}` once no container uses it; what is in it is lost"
                )
            }
            _ => format!("the container sees {} at {target}: mount the folder that is meant", shell(&mount.source)),
        };
        let _ = write!(text, "{}{one}", if text.is_empty() { "" } else { "; " });
    }
    text
}

/// A word for a shell and for a terminal: quoted where it is not plain, and never cut, as half a path is another one.
pub fn shell(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:@".contains(&byte));
    if plain { word.to_owned() } else { format!("'{}'", tame(word).replace('\'', "'\\''")) }
}
