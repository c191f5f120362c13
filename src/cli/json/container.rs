//! What the commands of `container` tell.

use serde::Serialize;

use super::{PathText, line};
use crate::cli::container::Checked;
use crate::cli::exit::Exit;
use crate::container::pair::Seen;
use crate::container::rebuild::{End, Former, Rebuilt};
use crate::container::{Break, Report, Told};
use crate::docker::{Change, Health, Mount, MountKind};
use crate::model::utc::rfc3339;

#[derive(Serialize)]
struct EngineItem<'a> {
    address: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct CheckItem<'a> {
    state: &'static str,
    severity: &'static str,
    first_break: Option<&'static str>,
    breaks: Vec<&'static str>,
    service: Option<&'a str>,
    container: ContainerItem<'a>,
    compared: ComparedItem,
    changed: Vec<FileItem>,
    missing: Vec<FileItem>,
    matching: Vec<FileItem>,
    masked: Vec<MountItem<'a>>,
    not_here: OthersItem,
    skipped: SkippedItem,
    not_compared: &'a [String],
    unknown: Vec<UnknownItem<'a>>,
    changed_after_start: Option<LateItem>,
    map: Vec<&'static str>,
    fix: Option<&'a str>,
    fixes: &'a [String],
}

#[derive(Serialize)]
struct ContainerItem<'a> {
    id: &'a str,
    name: &'a str,
    running: bool,
    status: &'a str,
    health: &'static str,
    image: &'a str,
    image_id: &'a str,
    tag_image_id: Option<&'a str>,
    started_at: Option<String>,
}

#[derive(Serialize)]
struct ComparedItem {
    files: u64,
    bytes: u64,
    ms: u128,
    via: &'static str,
}

#[derive(Serialize)]
struct FileItem {
    #[serde(flatten)]
    path: PathText,
    in_container: PathText,
    class: &'static str,
    host: Option<String>,
    container: Option<String>,
    host_bytes: Option<u64>,
    container_bytes: Option<u64>,
    patched: Option<&'static str>,
    under_mount: Option<String>,
}

#[derive(Serialize)]
struct MountItem<'a> {
    path: &'a str,
    kind: &'static str,
    by: &'a str,
}

#[derive(Serialize)]
struct OthersItem {
    files: u64,
    some: Vec<PathText>,
}

#[derive(Serialize)]
struct SkippedItem {
    dockerignore: u64,
    bind_live: u64,
    dockerfile_lines: usize,
}

#[derive(Serialize)]
struct UnknownItem<'a> {
    #[serde(flatten)]
    path: PathText,
    message: &'a str,
}

#[derive(Serialize)]
struct LateItem {
    #[serde(flatten)]
    path: PathText,
    at: String,
}

fn severity(report: &Report) -> &'static str {
    report.finding().severity.word()
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Unchecked => "none",
        Health::Starting => "starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}

fn file(told: &Told) -> FileItem {
    let digest = |seen: Option<Seen>| seen.and_then(|seen| seen.digest).map(|digest| format!("{digest:?}"));
    let bytes = |seen: Option<Seen>| seen.map(|seen| seen.bytes);
    let patched = told.patched.map(|change| match change {
        Change::Modified => "modified",
        Change::Added => "added",
        Change::Deleted => "deleted",
    });
    FileItem {
        path: PathText::whole(&told.whole),
        in_container: PathText::new(&told.place),
        class: told.pair.class.word(),
        host: digest(told.pair.here),
        container: digest(told.pair.there),
        host_bytes: bytes(told.pair.here),
        container_bytes: bytes(told.pair.there),
        patched,
        under_mount: told.under.as_ref().map(|mount| mount.target.clone()),
    }
}

fn mount(mount: &Mount) -> MountItem<'_> {
    let kind = match mount.kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Memory => "tmpfs",
        MountKind::Other => "other",
    };
    MountItem { path: &mount.target, kind, by: if mount.name.is_empty() { &mount.source } else { &mount.name } }
}

fn check(report: &Report) -> CheckItem<'_> {
    let (container, finding) = (&report.container, report.finding());
    let mut masks: Vec<&Mount> = Vec::new();
    report.stale().filter_map(|told| told.under.as_ref()).for_each(|mount| {
        if !masks.contains(&mount) {
            masks.push(mount);
        }
    });
    let missing = |told: &&Told| told.pair.here.is_none() || told.pair.there.is_none();
    let same = |told: &&Told| told.pair.class == crate::container::pair::Class::Same;
    CheckItem {
        state: report.state.word(),
        severity: severity(report),
        first_break: finding.first_break,
        breaks: report.breaks.iter().copied().map(Break::word).collect(),
        service: report.service.as_ref().map(|managed| managed.service.as_str()),
        container: ContainerItem {
            id: &container.id,
            name: &container.name,
            running: container.state.is_running,
            status: &container.state.word,
            health: health(container.state.health),
            image: &container.image_name,
            image_id: &container.image_id,
            tag_image_id: report.tag_image.as_deref(),
            started_at: container.state.started.map(rfc3339),
        },
        compared: ComparedItem { files: report.files, bytes: report.bytes, ms: report.elapsed.as_millis(), via: "archive" },
        changed: report.told.iter().filter(|told| !missing(told) && !same(told)).map(file).collect(),
        missing: report.told.iter().filter(missing).map(file).collect(),
        matching: report.told.iter().filter(same).map(file).collect(),
        masked: masks.into_iter().map(mount).collect(),
        not_here: OthersItem { files: report.others, some: report.some_others.iter().map(|path| PathText::new(path)).collect() },
        skipped: SkippedItem {
            dockerignore: report.left_out,
            bind_live: report.live,
            dockerfile_lines: report.not_followed.len(),
        },
        not_compared: &report.not_followed,
        unknown: report.unknown.iter().map(|(path, message)| UnknownItem { path: PathText::whole(path), message }).collect(),
        changed_after_start: report
            .late
            .as_ref()
            .map(|(path, time)| LateItem { path: PathText::whole(path), at: rfc3339(*time) }),
        map: report.said_by.iter().map(|by| by.word()).collect(),
        fix: report.fix.first().map(String::as_str),
        fixes: &report.fix,
    }
}

/// What `container check` found: the gravest answer on top, and all of them.
pub fn container_check(checked: &Checked, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        engine: EngineItem<'a>,
        message: Option<String>,
        #[serde(flatten)]
        worst: Option<CheckItem<'a>>,
        services_without_container: &'a [String],
        services_not_mapped: &'a [String],
        checks: Vec<CheckItem<'a>>,
    }
    line(&Object {
        schema: "driftless.container.check/1",
        exit_code: exit.code(),
        engine: EngineItem { address: &checked.engine.0, version: &checked.engine.1 },
        message: checked.finding().map(|finding| finding.message),
        worst: checked.worst().map(check),
        services_without_container: &checked.missing,
        services_not_mapped: &checked.unmapped,
        checks: checked.reports.iter().map(check).collect(),
    })
}

#[derive(Serialize)]
struct RebuiltItem<'a> {
    service: &'a str,
    result: &'static str,
    old_container: Option<&'a str>,
    old_image: Option<&'a str>,
    new_image: Option<&'a str>,
    /// The image that brings the old container back.
    rollback: Option<&'a str>,
    written_inside: &'a [String],
    /// The image with what was written inside; without one it is in the old container alone.
    written_kept: Option<&'a str>,
    /// The compose file says of the service what it said when the old container was made.
    same_settings: Option<bool>,
    running: Option<bool>,
    not_back: Option<&'a str>,
    way_back: Option<&'a str>,
    /// The image with what the new container wrote, where it gave way, and these files.
    new_kept: Option<&'a str>,
    written_by_new: &'a [String],
    /// What lay in the old container and not in the new one.
    left_behind: Vec<MountItem<'a>>,
    health: Option<&'static str>,
    waited_ms: u128,
    reason: Option<&'a str>,
    last_lines: &'a [String],
}

impl<'a> RebuiltItem<'a> {
    fn planned(former: &'a Former) -> RebuiltItem<'a> {
        let container = former.container.as_ref();
        RebuiltItem {
            service: &former.service,
            result: "planned",
            old_container: container.map(|container| container.name.as_str()),
            old_image: container.map(|container| container.image_id.as_str()),
            new_image: None,
            rollback: former.brings_back(),
            written_inside: &former.written,
            written_kept: former.kept_files.as_deref(),
            same_settings: former.same_settings,
            running: None,
            not_back: None,
            way_back: None,
            new_kept: None,
            written_by_new: &[],
            left_behind: Vec::new(),
            health: None,
            waited_ms: 0,
            reason: None,
            last_lines: &[],
        }
    }

    fn done(rebuilt: &'a Rebuilt) -> RebuiltItem<'a> {
        RebuiltItem {
            result: rebuilt.end.word(),
            new_image: rebuilt.now.as_ref().map(|now| now.image_id.as_str()),
            health: rebuilt.now.as_ref().map(|now| health(now.state.health)),
            running: rebuilt.now.as_ref().map(|now| now.state.is_running),
            not_back: rebuilt.not_back.as_deref(),
            way_back: rebuilt.way_back.as_deref().filter(|_| rebuilt.end == End::Failed),
            new_kept: rebuilt.new_files.as_ref().map(|(kept, _)| kept.as_str()),
            written_by_new: rebuilt.new_files.as_ref().map(|(_, files)| files.as_slice()).unwrap_or_default(),
            left_behind: rebuilt.left_behind().into_iter().map(mount).collect(),
            waited_ms: rebuilt.waited.as_millis(),
            reason: rebuilt.why.as_deref(),
            last_lines: &rebuilt.last_lines,
            ..RebuiltItem::planned(&rebuilt.former)
        }
    }
}

/// What `container rebuild` would do, or did; `recheck` is the gravest answer of the check afterwards.
pub fn container_rebuild(planned: &[Former], done: &[Rebuilt], checked: Option<&Checked>, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        dry_run: bool,
        services: Vec<RebuiltItem<'a>>,
        recheck: Option<&'static str>,
        checks: Vec<CheckItem<'a>>,
    }
    let services = planned.iter().map(RebuiltItem::planned).chain(done.iter().map(RebuiltItem::done)).collect();
    line(&Object {
        schema: "driftless.container.rebuild/1",
        exit_code: exit.code(),
        dry_run: checked.is_none(),
        services,
        recheck: checked.and_then(Checked::worst).map(|report| report.state.word()),
        checks: checked.map(|checked| checked.reports.iter().map(check).collect()).unwrap_or_default(),
    })
}
