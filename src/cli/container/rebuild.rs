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
use crate::container::{self, kept};
use crate::disk::local;
use crate::docker::{Engine, Health, Mount, MountKind};
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
    let exit = exit(here, &done, &checked, typed.renew_volumes);
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
            Failure::failed(format!("{}.", short(&error.to_string()))).advise("The old containers were not touched, and go on.")
        }
        container::Error::Stopped => Failure {
            exit: Exit::interrupted(here.context.stop.signal()),
            ..Failure::failed("Stopped. The old containers were not touched, and go on.")
        },
        other => other.into(),
    }
}

fn exit(here: &Here<'_>, done: &[Rebuilt], checked: &Checked, renewed: bool) -> Exit {
    if here.context.stop.flag().load(Ordering::SeqCst) {
        return Exit::interrupted(here.context.stop.signal());
    }
    if done.iter().any(|rebuilt| rebuilt.end != End::Replaced) {
        return Exit::Failed;
    }
    // A job ends, and so does a server that does not come up; a volume stays behind by intent, or with all that is in it.
    let doubted = |rebuilt: &Rebuilt| !rebuilt.runs() || rebuilt.left_behind().iter().any(|mount| counts(mount, renewed));
    match checked.exit() {
        Exit::Done if done.iter().any(doubted) => Exit::Unchecked,
        exit => exit,
    }
}

/// Was it meant to stay behind?
fn counts(mount: &Mount, renewed: bool) -> bool {
    mount.kind == MountKind::Volume && !(renewed && mount.is_anonymous())
}

fn plan(order: &Order<'_>, formers: &[Former]) -> String {
    let mut text = String::new();
    let cache = if order.cached { "" } else { "--no-cache " };
    for former in formers {
        let service = short(&former.service);
        match &former.container {
            Some(container) if former.written.is_empty() && !former.has_earlier_files() => {
                let _ = writeln!(text, "keep the image of {} ({})", short(&container.name), short(&container.image_name));
            }
            Some(container) => {
                let _ = writeln!(text, "keep the image of {} with {}", short(&container.name), inside(former));
            }
            None => {
                let _ = writeln!(text, "{service} has no container yet: there is nothing to go back to");
            }
        }
        let _ = writeln!(text, "{}", order.project.shown(&format!("build {cache}{service}")));
        if order.rollback && former.same_settings == Some(false) {
            let _ =
                writeln!(text, "the compose file says other things of it than when its container was made: {}", kept::NOT_SURE);
        }
        let up = order.project.up_words(&service, true, order.renew_volumes).join(" ");
        let _ = writeln!(text, "{}", order.project.shown(&up));
        let _ = writeln!(text, "wait up to {} s until it is well, then compare its files", order.wait.as_secs());
    }
    text
}

/// What was written inside, in words.
fn inside(former: &Former) -> String {
    match former.written.first() {
        Some(_) => format!("what was written inside it: {}", some(&former.written)),
        None => "what was written inside an earlier one".to_owned(),
    }
}

fn some(files: &[String]) -> String {
    let first = files.first().map(|first| format!(", like {}", tame(first))).unwrap_or_default();
    format!("{}{first}", count(files.len() as u64, "file"))
}

fn text(done: &[Rebuilt], checked: &Checked) -> String {
    let mut text = String::new();
    for rebuilt in done {
        let _ = writeln!(text, "{}", became(rebuilt));
        if let Some(why) = &rebuilt.not_back {
            let _ = writeln!(text, "The old one is NOT back: {why}.");
        }
        let old = rebuilt.former.container.as_ref().filter(|_| rebuilt.stands_still);
        if let Some(old) = old {
            let _ = writeln!(text, "Its container {} is there, with all that was written inside it.", kept::brief(&old.id));
        }
        if let Some(way) = rebuilt.way_back.as_deref().filter(|_| rebuilt.end == End::Failed) {
            let once = match rebuilt.former.same_settings {
                Some(false) if !rebuilt.stands_still => "Once the compose file says of it what it said before, the",
                _ => "The",
            };
            let _ = writeln!(text, "{once} old one comes back by\n  {way}");
        }
        if !rebuilt.last_lines.is_empty() {
            let _ = writeln!(text, "The last lines of the new one:");
            text.extend(rebuilt.last_lines.iter().map(|line| format!("  {line}\n")));
        }
        for mount in rebuilt.left_behind() {
            let (target, what) = (short(&mount.target), kept::shown(mount));
            let prune = if mount.is_anonymous() { "; the next `docker volume prune` takes it away" } else { "" };
            let _ = writeln!(text, "At {target} the new one has not {what} that the old one had. That was left as it is{prune}.");
        }
        if let Some((kept, files)) = &rebuilt.new_files {
            let _ = writeln!(text, "What the new one wrote ({}) is kept in the image {kept}; do not push it.", some(files));
        }
        let former = &rebuilt.former;
        if let Some(kept) = former.kept_files.as_deref() {
            let what = match former.written.is_empty() {
                true => "What was written inside an earlier container".to_owned(),
                false => format!("What was written inside the old container ({})", some(&former.written)),
            };
            let lost = if rebuilt.end == End::Replaced { ", and is not in the new one" } else { "" };
            let _ = writeln!(text, "{what} is kept in the image {kept}{lost}; do not push it.");
        }
    }
    let said =
        checked.reports.is_empty() && checked.failed.is_empty() && checked.missing.is_empty() && checked.unmapped.is_empty();
    if !said {
        text.push('\n');
        text.push_str(super::check::text(checked, false, crate::cli::render::Paint::PLAIN).trim_start_matches('\n'));
    }
    text
}

fn became(rebuilt: &Rebuilt) -> String {
    let (service, seconds) = (short(&rebuilt.former.service), rebuilt.waited.as_secs_f64());
    let why = rebuilt.why.as_deref().unwrap_or_default();
    let state = rebuilt.now.as_ref().map(|now| &now.state);
    match (rebuilt.end, state) {
        (End::Replaced, Some(state)) if !state.is_running => {
            format!("{service} was replaced, ended with {}, and does not run.", state.exit_code)
        }
        (End::Replaced, Some(state)) if state.health == Health::Healthy => {
            format!("{service} was replaced and is healthy, after {seconds:.1} s.")
        }
        (End::Replaced, Some(_)) => {
            format!("{service} was replaced and runs, after {seconds:.1} s; nobody checks its health.")
        }
        (End::Replaced, None) => format!("{service} was replaced; whether it runs could not be asked."),
        (End::RolledBack, _) if rebuilt.made_again && rebuilt.former.same_settings != Some(true) => {
            format!("{service} was NOT replaced: {why}. The old one is back, with the settings that the compose file has now.")
        }
        (End::RolledBack, _) => format!("{service} was NOT replaced: {why}. The old one is back."),
        (End::Failed, _) => format!("{service} FAILED: {why}."),
        (End::NotTried, _) => format!("{service} was not tried, and goes on as it was."),
    }
}
