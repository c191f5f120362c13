//! `bench`: measures this program and its peers, and tells it as a table, an object and a page.

use std::path::{Path, PathBuf};

use crate::bench::findings::Findings;
use crate::bench::page::page;
use crate::bench::profile::Profile;
use crate::bench::run::measure;
use crate::bench::{self, Far, Progress, Project, Request, Stopped, table};
use crate::cli::args::bench::{Bench, typed};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::progress::Steps;
use crate::cli::render::{Paint, count};
use crate::cli::{Answer, Context, json};
use crate::disk::{clock, ground, local};
use crate::model::utc;

pub fn run(context: &Context, typed: &Bench) -> Result<Answer, Failure> {
    let request = request(typed)?;
    if let Some(file) = &typed.html {
        may_write(file)?;
    }
    let steps = Steps::start();
    let told = |progress: Progress| match progress {
        Progress::Making { files, all: Some(all) } => {
            steps.tell(files, all, || format!("Making the project: {files} of {all} files"))
        }
        Progress::Making { .. } => steps.tell(0, 0, || "Copying the project".to_owned()),
        Progress::Measuring { what, done, all } => {
            steps.tell(done, all, || format!("Measuring: {what} ({done} of {all} turns done)"))
        }
    };
    let measured = measure(&request, &told, &Stopped(context.stop.shared()));
    steps.finish();
    let findings = measured.map_err(|error| failure(error, context))?;
    let mut text = text(&findings, context.paint);
    if let Some(file) = &typed.html {
        let when = utc::plain(clock::now());
        local::write_text(file, &page(&findings, &self::typed(std::env::args_os()), &when))?;
        text.push_str(&format!("The page is in {}.\n", shown(file)));
    }
    let exit = exit(&findings, context);
    Ok(context.answer(exit, || json::bench(&request, &findings, exit), || text))
}

fn failure(error: bench::Error, context: &Context) -> Failure {
    match error {
        bench::Error::Refused(message) => Failure::refused(format!("Nothing was measured: {message}."))
            .advise("Nothing was changed. Take fewer --files, less --bytes or fewer --peers, or another place by --network and --staging."),
        bench::Error::Stopped => Failure { exit: Exit::interrupted(context.stop.signal()), ..Failure::failed("It was stopped.") },
        bench::Error::Layer(_) => Failure::failed(format!("{error}."))
            .advise("Nothing is left behind. --latency takes Linux, /dev/fuse and the program fusermount3 (package fuse3)."),
        other => Failure::failed(format!("{other}."))
            .advise("What it made is removed; what could not be is removed by the next run with the same places."),
    }
}

/// What failed in part is told as such: a script must not take half a comparison for a whole one.
fn exit(findings: &Findings, context: &Context) -> Exit {
    match context.stop.signal() {
        Some(signal) if findings.stopped => Exit::Signal(signal),
        _ if findings.rows.iter().any(|row| row.failed.is_some()) => Exit::Partial,
        _ => Exit::Done,
    }
}

fn request(typed: &Bench) -> Result<Request, Failure> {
    let staging = place("--staging", typed.staging.clone().unwrap_or_else(ground::temporary))?;
    let network = match &typed.network {
        Some(network) => place("--network", network.clone())?,
        None => staging.clone(),
    };
    let project = match &typed.project {
        Some(folder) => Project::Copied(given(folder, &[&staging, &network])?),
        None => Project::Made(typed.profile.0),
    };
    if typed.latency.is_some() && !cfg!(target_os = "linux") {
        return Err(Failure::failed("--latency needs a layer that there is on Linux alone."));
    }
    let far = typed.latency.map(|wait| Far { wait, width: usize::from(typed.latency_width), caches: typed.latency_cache });
    let scales = if typed.scale.is_empty() { vec![typed.files] } else { typed.scale.iter().map(|files| Some(*files)).collect() };
    let program = std::env::current_exe().map_err(|error| Failure::failed(format!("This program cannot be found: {error}.")))?;
    Ok(Request {
        project,
        scales,
        bytes: typed.bytes,
        seed: typed.seed,
        scenarios: typed.scenarios(),
        tools: typed.tools(),
        rounds: typed.rounds,
        changed: typed.changed,
        huge: typed.huge,
        events: typed.events,
        staging,
        network,
        way: typed.way.way(),
        far,
        program,
    })
}

/// A folder that is there, without links.
fn place(option: &str, path: PathBuf) -> Result<PathBuf, Failure> {
    if !local::is_folder(&path) {
        let message = format!("{option} has to be a folder that is there: {} is none.", shown(&path));
        return Err(Failure::failed(message).advise("Nothing was done. A folder is made in it, and removed at the end."));
    }
    Ok(local::canonicalize(&path)?)
}

/// The folder that is copied. What is made must not lie in it: it would be copied into itself.
fn given(path: &Path, places: &[&PathBuf]) -> Result<PathBuf, Failure> {
    if !local::is_folder(path) {
        return Err(Failure::failed(format!("--project has to be a folder that is there: {} is none.", shown(path))));
    }
    let path = local::canonicalize(path)?;
    if places.iter().any(|place| place.starts_with(&path)) {
        let message = format!("The roots cannot be made inside the project itself, {}.", shown(&path));
        return Err(Failure::failed(message).advise("Nothing was done. Name a place elsewhere by --staging and --network."));
    }
    Ok(path)
}

/// A page that cannot be written is better told before an hour of measuring.
fn may_write(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !local::is_folder(folder) || local::is_folder(file) {
        return Err(Failure::failed(format!(
            "The page cannot be written to {}: name a file in a folder that is there.",
            shown(file)
        )));
    }
    Ok(())
}

fn text(findings: &Findings, paint: Paint) -> String {
    let mut text = table::text(findings);
    text.push('\n');
    for line in table::legend(findings) {
        text.push_str(&format!("{line}\n"));
    }
    for note in &findings.notes {
        text.push_str(&format!("Note: {note}.\n"));
    }
    let failed = findings.rows.iter().filter(|row| row.failed.is_some()).count() as u64;
    if failed > 0 {
        text.push_str(&format!("{}\n", paint.bad(&format!("{} could not be measured to its end.", count(failed, "row")))));
    }
    if findings.stopped {
        text.push_str(&format!("{}\n", paint.warn("It was stopped; this is what was measured until then.")));
    }
    text
}

/// What is measured on, for the object.
pub fn kind(project: &Project) -> (&'static str, Option<&Path>) {
    match project {
        Project::Made(profile) => (Profile::word(*profile), None),
        Project::Copied(folder) => ("folder", Some(folder)),
    }
}
