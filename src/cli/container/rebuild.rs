//! `container rebuild`: build anew, replace, wait, check.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use super::Here;
use super::check::{Checked, recheck};
use crate::cli::args::container::Rebuild;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json, say};
use crate::container::compose::{self, Project};
use crate::container::rebuild::{End, Former, Order, Rebuilt};
use crate::container::{self, State};
use crate::disk::local;
use crate::docker::{Engine, Health};
use crate::model::shown::{short, tame};

pub fn run(here: &Here<'_>, typed: &Rebuild) -> Result<Answer, Failure> {
    let engine = here.engine()?;
    let project = here.project(&engine)?;
    let steady = engine.steady()?;
    // Before anything is looked at: what another one leaves is what counts.
    let _alone = if typed.dry_run { None } else { Some(alone(here, &engine, &project)?) };
    let order = Order {
        engine: &steady,
        project: &project,
        services: project.in_order(&services(&steady, &project, typed)?),
        cached: typed.cached,
        wait: typed.wait,
        renew_volumes: typed.renew_volumes,
        rollback: !typed.no_rollback,
        stop: here.context.stop.flag(),
    };
    let formers = order.formers()?;
    if typed.dry_run {
        let text = || plan(&order, &formers);
        return Ok(here.context.answer(Exit::Done, || json::container_rebuild(&formers, &[], None, Exit::Done), text));
    }
    // Also with --json: the way back has to be told before anything is done.
    let done = order.carry_out(formers, &mut |line| say(&format!("{line}\n"))).map_err(|error| failed(here, error))?;
    let tried = done.iter().filter(|rebuilt| rebuilt.end != End::NotTried);
    let services: Vec<&str> = tried.map(|rebuilt| rebuilt.former.service.as_str()).collect();
    let checked = recheck(here, steady, project, &services);
    let exit = exit(here, &done, &checked);
    Ok(here.context.answer(exit, || json::container_rebuild(&[], &done, Some(&checked), exit), || text(&done, &checked)))
}

/// Those that were named; else those that are built here and run: a job that was never started is not to be run.
fn services(engine: &Engine, project: &Project, typed: &Rebuild) -> Result<Vec<String>, Failure> {
    let mut named = typed.services.clone();
    if !named.is_empty() {
        named.sort();
        named.dedup();
        // What is unknown is refused by name later on, not left out here.
        return Ok(named);
    }
    let mut running = Vec::new();
    for (name, _) in project.services.iter().filter(|(_, service)| service.build.is_some()) {
        let containers = compose::containers(engine, name, &project.folder, project.name.as_deref())?;
        let namesakes = compose::namesakes(engine, name, &project.folder, project.name.as_deref().unwrap_or_default())?;
        if containers.iter().chain(&namesakes).any(|container| container.state.is_running) {
            running.push(name.clone());
        }
    }
    if running.is_empty() {
        return Err(
            Failure::usage("No service of the project here that is built here runs.").advise("Name those that are meant.")
        );
    }
    Ok(running)
}

/// One rebuild of a project at a time: compose knows it by its name in an engine, whatever the folder.
fn alone(here: &Here<'_>, engine: &Engine, project: &Project) -> Result<local::Lock, Failure> {
    let folder = here.context.place.state.join(".rebuild");
    local::make_private_folder(&folder)?;
    let known = format!("{}\0{}", engine.address().url, project.name.as_deref().unwrap_or_default());
    let name = format!("{:?}", crate::model::digest::of(known.as_bytes()));
    let holder = format!("process {}", std::process::id());
    let lock = local::Lock::try_take(&folder.join(name), &holder)?;
    lock.ok_or_else(|| Failure { exit: Exit::Busy, ..Failure::failed("Another rebuild of this project is under way.") })
}

/// A build that fails is no check that could not be made.
fn failed(here: &Here<'_>, error: container::Error) -> Failure {
    match error {
        container::Error::Compose { .. } | container::Error::Silent { .. } => {
            Failure::failed(format!("{}.", short(&error.to_string()))).advise("The old container was not touched, and goes on.")
        }
        container::Error::Stopped => Failure {
            exit: Exit::interrupted(here.context.stop.signal()),
            ..Failure::failed("Stopped. What serves now was left as it is; the lines above say how to bring the old one back.")
        },
        other => other.into(),
    }
}

fn exit(here: &Here<'_>, done: &[Rebuilt], checked: &Checked) -> Exit {
    if here.context.stop.flag().load(Ordering::SeqCst) {
        return Exit::interrupted(here.context.stop.signal());
    }
    if done.iter().any(|rebuilt| rebuilt.end != End::Replaced) {
        return Exit::Failed;
    }
    let any = |state| checked.reports.iter().any(|report| report.state == state);
    match () {
        () if any(State::Stale) => Exit::Drift,
        () if any(State::Unknown) || !checked.failed.is_empty() => Exit::Unchecked,
        () => Exit::Done,
    }
}

fn plan(order: &Order<'_>, formers: &[Former]) -> String {
    let mut text = String::new();
    let cache = if order.cached { "" } else { "--no-cache " };
    for former in formers {
        let service = short(&former.service);
        match &former.container {
            Some(container) if former.written.is_empty() => {
                let _ = writeln!(text, "keep the image of {} ({})", short(&container.name), short(&container.image_name));
            }
            Some(container) => {
                let (name, first) = (short(&container.name), tame(&former.written[0]));
                let files = count(former.written.len() as u64, "file");
                let _ = writeln!(text, "keep the image of {name} with what was written inside it: {files}, like {first}");
            }
            None => {
                let _ = writeln!(text, "{service} has no container yet: there is nothing to go back to");
            }
        }
        let _ = writeln!(text, "{}", order.project.shown(&format!("build {cache}{service}")));
        let renew = if order.renew_volumes { "--renew-anon-volumes " } else { "" };
        let up = format!("up -d --no-deps --no-build --force-recreate {renew}{service}");
        let _ = writeln!(text, "{}", order.project.shown(&up));
        let _ = writeln!(text, "wait up to {} s until it is well, then compare its files", order.wait.as_secs());
    }
    text
}

fn text(done: &[Rebuilt], checked: &Checked) -> String {
    let mut text = String::new();
    for rebuilt in done {
        let service = short(&rebuilt.former.service);
        let seconds = rebuilt.waited.as_secs_f64();
        let _ = match rebuilt.end {
            End::Replaced if rebuilt.health == Some(Health::Healthy) => {
                writeln!(text, "{service} was replaced and is healthy, after {seconds:.1} s.")
            }
            End::Replaced => writeln!(text, "{service} was replaced and runs, after {seconds:.1} s; nobody checks its health."),
            End::RolledBack => {
                writeln!(text, "{service} was NOT replaced: {}. The old one is back.", rebuilt.why.as_deref().unwrap_or_default())
            }
            End::Failed => writeln!(text, "{service} FAILED: {}.", rebuilt.why.as_deref().unwrap_or_default()),
            End::NotTried => writeln!(text, "{service} was not tried, and goes on as it was."),
        };
        if let Some(why) = &rebuilt.not_back {
            let _ = writeln!(text, "The old one is NOT back: {why}.");
        }
        if let Some(way) = rebuilt.way_back.as_deref().filter(|_| rebuilt.end == End::Failed) {
            let _ = writeln!(text, "The old one comes back by\n  {way}");
        }
        if !rebuilt.last_lines.is_empty() {
            let _ = writeln!(text, "The last lines of the new one:");
            text.extend(rebuilt.last_lines.iter().map(|line| format!("  {line}\n")));
        }
        let written = rebuilt.end != End::NotTried && !rebuilt.former.written.is_empty();
        if let Some(kept) = rebuilt.former.kept.as_deref().filter(|_| written) {
            let (first, files) = (tame(&rebuilt.former.written[0]), count(rebuilt.former.written.len() as u64, "file"));
            let _ = writeln!(
                text,
                "What was written inside the old container ({files}, like {first}) is kept in the image {kept}; do not push it."
            );
        }
    }
    if !checked.reports.is_empty() || !checked.failed.is_empty() {
        text.push('\n');
        text.push_str(&super::check::text(checked, false, crate::cli::render::Paint::PLAIN));
    }
    text
}
