//! `history [RUN]`: the runs of a pair, what one of them did, or the life of a path. It asks the manifest alone.

use std::fmt::Write as _;

use crate::cli::args::History;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown, size};
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::{Paint, count, table};
use crate::cli::{Answer, Context, json, paths};
use crate::engine::history::{self, Ending, EventRecord, RunId, RunRecord, ToldRun, Version, What};
use crate::engine::undo::UNDONE_RUN;
use crate::model::side::{PerSide, Side};
use crate::model::utc;

pub fn run(context: &Context, typed: &History) -> Result<Answer, Failure> {
    let pair = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair;
    if let Some(path) = &typed.path {
        let path = paths::resolve(&pair, &context.place, std::slice::from_ref(path))?.remove(0);
        let events = history::life(&pair, &path)?;
        return Ok(context.answer(Exit::Done, || json::life(&pair.name, &path, &events), || life(&events)));
    }
    if let Some(which) = typed.run {
        let (told, events) = history::run(&pair, &context.place.reach, which)?;
        let text = || whole(&told, &events, context.paint);
        return Ok(context.answer(Exit::Done, || json::run_told(&pair.name, &told, &events), text));
    }
    let runs = history::runs(&pair, &context.place.reach, (typed.limit > 0).then_some(typed.limit))?;
    Ok(context.answer(Exit::Done, || json::runs(&pair.name, &runs), || list(&runs)))
}

fn list(runs: &[ToldRun]) -> String {
    if runs.is_empty() {
        return "No run had anything to do yet.\n".to_owned();
    }
    let head = ["RUN", "STARTED (UTC)", "DIRECTION", "END", "WHAT"].map(str::to_owned).to_vec();
    let row = |told: &ToldRun| {
        let RunRecord { id, started, direction, .. } = &told.record;
        vec![id.0.to_string(), utc::plain(*started), direction.clone(), told.ending.word().to_owned(), counts(&told.record)]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(runs.iter().map(row)).collect();
    table(&rows)
}

/// "3 files written (5.00 KiB), 1 file deleted".
fn counts(run: &RunRecord) -> String {
    let of = |name: &str| run.counts.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
    let named = |name: &str, one: &str, done: &str| (of(name) > 0).then(|| format!("{}{done}", count(of(name), one)));
    let written = (of("written_files") > 0)
        .then(|| format!("{} written ({})", count(of("written_files"), "file"), size(of("written_bytes"))));
    let parts = [
        (of(UNDONE_RUN) > 0).then(|| format!("of run {}", of(UNDONE_RUN))),
        named("taken_back", "path", " taken back"),
        named("not_taken_back", "path", " not taken back"),
        written,
        named("written_folders", "folder", " made"),
        named("written_links", "link", " made"),
        named("renamed", "path", " renamed"),
        named("metadata", "path", " with new times or modes only"),
        named("deleted_files", "file", " deleted"),
        named("deleted_folders", "folder", " deleted"),
        named("adopted", "path", " found equal"),
        named("revived", "path", " brought back by an edit"),
        named("conflicts", "conflict", ""),
        named("problems", "problem", ""),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn whole(told: &ToldRun, events: &[EventRecord], paint: Paint) -> String {
    let record = &told.record;
    let head = format!("Run {}, {}, {} UTC: {}", record.id.0, record.direction, utc::plain(record.started), told.ending.word());
    let mut text = format!("{}\n", paint.bold(&head));
    let counts = counts(record);
    if !counts.is_empty() {
        let _ = writeln!(text, "  {counts}");
    }
    events.iter().for_each(|one| text.push_str(&event(one, "")));
    if told.ending == Ending::Killed {
        text.push_str(
            "What it did last may be missing here: `driftless trash list` shows every version that it displaced, and\n\
             `driftless undo` takes those into account.\n",
        );
    }
    if events.is_empty() {
        text.push_str("Nothing was deleted, overwritten or renamed.\n");
    }
    text
}

fn life(events: &[(RunId, EventRecord)]) -> String {
    if events.is_empty() {
        return "History knows of no delete, overwrite, rename, conflict or problem there. (Plain creations are only counted.)\n"
            .to_owned();
    }
    let one = |(run, one): &(RunId, EventRecord)| event(one, &format!("{} UTC, run {}: ", utc::plain(one.at), run.0));
    events.iter().map(one).collect()
}

fn event(event: &EventRecord, when: &str) -> String {
    let path = match &event.moved_from {
        Some(from) => format!("{from} -> {}", event.path),
        None => event.path.to_string(),
    };
    let side = event.side.map_or_else(String::new, |side| format!(" {side}"));
    let mut text = format!("{when}{}{side} {path}: {}\n", event.op, shown(event.why.as_ref()));
    let versions = PerSide::new(&event.staging, &event.network);
    match event.side {
        Some(_) if event.op == "problem" => {}
        Some(side) => {
            let _ = writeln!(text, "  {} -> {}", version(versions[side]), version(versions[side.other()]));
        }
        None => {
            for side in [Side::Staging, Side::Network] {
                let _ = writeln!(text, "  {side}: {}", version(versions[side]));
            }
        }
    }
    if let (Some(kept), Some(side)) = (&event.kept, event.side) {
        let _ = writeln!(text, "  kept on the {side} root: {kept}");
    }
    text
}

/// "file, 5 B, 2026-11-21 04:15:00 UTC".
fn version(version: &Version) -> String {
    let what = match version.what {
        What::Absent => "nothing",
        what => what.word(),
    };
    let bytes = version.size.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    let time = version.mtime.map(|time| format!(", {} UTC", utc::plain(time))).unwrap_or_default();
    format!("{what}{bytes}{time}")
}
