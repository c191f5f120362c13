//! Results for people. Colour only on a terminal, and never with `NO_COLOR`.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use super::failure::{Failure, refusal_words, shown, size};
use super::progress::count;
use super::sync::in_step;
use super::utc::plain;
use crate::engine::trash::{Restored, Trashed};
use crate::engine::{Counts, Held, KeptConflict, Outcome, Pair, Report, RootHealth, Status};
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op};
use crate::model::side::{Direction, Side};

/// Entries listed of each kind before the rest is only counted; `--json` has all of them.
const LISTED: usize = 20;

/// What happened, and what to do next.
pub fn failure(failure: &Failure) -> String {
    let advice = failure.advice.as_ref().map(|advice| format!("\n{advice}")).unwrap_or_default();
    let word = if io::stderr().is_terminal() && colours() { "\x1b[31mdriftless:\x1b[0m" } else { "driftless:" };
    format!("{word} {}{advice}", failure.message)
}

fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A word that stands out on a terminal: 31 red, 32 green, 33 yellow.
fn coloured(word: &str, colour: u8) -> String {
    if io::stdout().is_terminal() && colours() { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
}

pub fn sync(report: &Report, verbose: bool) -> String {
    let mut text = String::new();
    for one in &report.actions {
        if report.dry_run || verbose {
            action(&mut text, one);
        }
    }
    match &report.outcome {
        Outcome::Refused(refusal) => {
            let (message, advice) = refusal_words(refusal);
            let _ = writeln!(text, "{} {message}\n{advice}", coloured("Refused:", 31));
            return text;
        }
        Outcome::Busy { holder } => {
            let _ = writeln!(
                text,
                "{} another run of this pair is at work ({holder}). Nothing was changed; --wait waits longer.",
                coloured("Busy:", 31)
            );
            return text;
        }
        Outcome::Aborted => {
            let _ = writeln!(
                text,
                "{} both sides changed the same paths, and --conflict abort was given. Nothing was written.",
                coloured("Stopped:", 31)
            );
        }
        Outcome::Offline { side, message } => {
            let _ = writeln!(text, "{} the {side} root cannot be reached ({message}).", coloured("Offline:", 31));
            done(&mut text, report);
            let _ = writeln!(text, "What changed is kept; the next sync carries it.");
        }
        Outcome::Interrupted => {
            done(&mut text, report);
            let _ = writeln!(
                text,
                "{} Stopped before the end; what was done is recorded, the next sync goes on from there.",
                coloured("Interrupted.", 33)
            );
        }
        Outcome::Done => done(&mut text, report),
    }
    findings(&mut text, report);
    text
}

/// The lines about what was done.
fn done(text: &mut String, report: &Report) {
    let did = did(&report.counts);
    let way = match report.direction {
        Direction::Up => " to the network",
        Direction::Down => " from the network",
        Direction::Both => "",
    };
    let verb = if report.dry_run { "would be " } else { "" };
    if did.is_empty() {
        let word = if in_step(report) { "In step" } else { "Nothing to write in this direction" };
        let _ = writeln!(
            text,
            "{}: {} entries in staging, {} on the network.",
            coloured(word, 32),
            report.scanned.staging,
            report.scanned.network
        );
    } else {
        let files = count(report.counts.written_files, "file");
        let bytes = size(report.counts.written_bytes);
        let time = format!("{:.1} s", report.elapsed_ms as f64 / 1000.0);
        let _ = writeln!(text, "{files} {verb}synced{way} ({bytes}, {time}).");
        let _ = writeln!(text, "  {}", did.join(", "));
    }
}

fn did(counts: &Counts) -> Vec<String> {
    let all = [
        (counts.written_files, "file", "written"),
        (counts.written_folders, "folder", "made"),
        (counts.written_links, "link", "written"),
        (counts.metadata, "time or mode", "set"),
        (counts.renamed, "path", "renamed"),
        (counts.deleted_files, "file", "deleted (to the trash)"),
        (counts.deleted_folders, "folder", "deleted"),
        (counts.adopted, "path", "equal on both sides and adopted"),
        (counts.revived, "path", "revived: an edit beats a delete"),
    ];
    all.into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, what, verb)| format!("{} {verb}", count(number, what)))
        .collect()
}

fn action(text: &mut String, action: &Action) {
    let sign = match &action.op {
        Op::Write { expect, .. } if *expect == crate::model::listing::Seen::Absent => "+",
        Op::Write { .. } => "~",
        Op::Delete { .. } => "-",
        Op::Touch { .. } => "t",
        Op::Rename { .. } => ">",
        Op::Record { .. } | Op::Forget => "=",
    };
    let place = action.op.side().map(|side| format!("{side}: ")).unwrap_or_default();
    let from = if let Op::Rename { from, .. } = &action.op { format!("{from} -> ") } else { String::new() };
    let bytes = if action.op.bytes() > 0 { format!(", {}", size(action.op.bytes())) } else { String::new() };
    let _ = writeln!(text, "{sign} {place}{from}{}  ({}{bytes})", action.path, action.why.sentence());
}

fn findings(text: &mut String, report: &Report) {
    if let Some(held) = &report.held {
        held_lines(text, held);
    }
    section(text, "conflict", "both sides changed; neither is touched", 33, &report.conflicts, |one| {
        format!("{}  ({})", one.path, one.why.sentence())
    });
    section(text, "problem", "could not be synced; the rest is done", 31, &report.problems, |one| {
        format!("{}  ({}: {})", one.path, one.side, one.message)
    });
    section(text, "note", "", 0, &report.notes, |one| {
        if one.path.is_root() { one.message.clone() } else { format!("{}  {}", one.path, one.message) }
    });
    let (up, down) = (report.pending.staging, report.pending.network);
    if up + down > 0 && !report.dry_run {
        let _ = writeln!(text, "Pending: {up} to the network (sync up), {down} from the network (sync down).");
    }
}

fn held_lines(text: &mut String, held: &Held) {
    let _ = writeln!(
        text,
        "{} {} and {} on the {} side: {}.",
        coloured("Deletes held:", 31),
        count(held.files, "file"),
        count(held.folders, "folder"),
        held.side,
        held.why
    );
    for (path, files) in &held.top {
        let _ = writeln!(text, "  {path}  {}", count(*files, "file"));
    }
    let _ = writeln!(
        text,
        "Nothing of it was deleted. `sync --allow-deletes` deletes them (to the trash); `sync --restore-deletes` writes them back to the other side."
    );
}

fn section<T>(text: &mut String, word: &str, about: &str, colour: u8, items: &[T], line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
    let head = count(items.len() as u64, word);
    let _ = writeln!(text, "{}{about}:", if colour == 0 { head } else { coloured(&head, colour) });
    for item in items.iter().take(LISTED) {
        let _ = writeln!(text, "  {}", line(item));
    }
    if items.len() > LISTED {
        let _ = writeln!(text, "  and {} more (--json lists all)", items.len() - LISTED);
    }
}

pub fn status(pair: &Pair, status: &Status, verbose: bool) -> String {
    let mut text = format!("{}\n", pair.name);
    for side in Side::BOTH {
        root(&mut text, side, &status.roots[side], status.free[side]);
    }
    match &status.last_run {
        Some(run) => {
            let ended = run.outcome.as_deref().unwrap_or("was cut short, or still runs");
            let _ = writeln!(text, "  last run {} UTC, {}, {ended}", plain(run.started), run.direction);
        }
        None => text.push_str("  last run never\n"),
    }
    let Some(report) = &status.report else {
        let _ = writeln!(text, "{} the roots could not be compared.", coloured("Unknown:", 31));
        return text;
    };
    if in_step(report) {
        let _ = writeln!(text, "{}", coloured("In step.", 32));
    } else {
        let did = did(&report.counts);
        let what = if did.is_empty() { "see below".to_owned() } else { did.join(", ") };
        let _ = writeln!(text, "{} a sync would do: {what}", coloured("Drift:", 33));
    }
    if verbose {
        report.actions.iter().for_each(|one| action(&mut text, one));
    }
    findings(&mut text, report);
    text
}

fn root(text: &mut String, side: Side, health: &RootHealth, free: Option<u64>) {
    let state = if health.reachable { coloured("reachable", 32) } else { coloured("not reachable", 31) };
    let free = free.map(|free| format!(", {} free", size(free))).unwrap_or_default();
    let message = health.message.as_ref().map(|message| format!("\n             {message}")).unwrap_or_default();
    let _ = writeln!(text, "  {:<8} {}  ({}, {state}{free}){message}", side.word(), shown(&health.path), health.file_system);
}

pub fn conflicts(kept: &[KeptConflict]) -> String {
    if kept.is_empty() {
        return "No conflicts.\n".to_owned();
    }
    let mut text = format!("{}:\n", count(kept.len() as u64, "conflict"));
    for conflict in kept {
        let _ = writeln!(text, "{}  ({}, since {} UTC)", conflict.path, conflict.why, plain(conflict.since));
        let _ = writeln!(text, "  staging  {}\n  network  {}", conflict.staging, conflict.network);
    }
    text.push_str("Neither side is touched. To end one: make both versions equal, or move one of them away; then sync.\n");
    text
}

pub fn trash(all: &[Trashed]) -> String {
    if all.is_empty() {
        return "The trash is empty.\n".to_owned();
    }
    let mut text = String::new();
    let mut run: Option<(&str, Side)> = None;
    for one in all {
        if run != Some((&one.run, one.side)) {
            run = Some((&one.run, one.side));
            let _ = writeln!(text, "{} ({})", one.run, one.side);
        }
        let _ = writeln!(text, "  {}  {}, {} UTC", one.path, size(one.size), plain(one.mtime));
    }
    text.push_str("Back to its place: driftless trash restore PATH\n");
    text
}

pub fn restored(restored: &[Restored]) -> String {
    let line = |path: &RelPath, result: &Result<(), String>| match result {
        Ok(()) => format!("{path} is back; the next sync carries it to the other side.\n"),
        Err(message) => format!("{path}: {message}\n"),
    };
    restored.iter().map(|one| line(&one.path, &one.result)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn a_report_reads_well() {
        let expected = "\
3 files synced to the network (5.00 KiB, 0.0 s).
  3 files written, 1 folder made, 1 file deleted (to the trash)
Deletes held: 30 files and 1 folder on the network side: 30 of 40 files would be deleted within an hour.
  results  30 files
Nothing of it was deleted. `sync --allow-deletes` deletes them (to the trash); `sync --restore-deletes` writes them back to the other side.
1 conflict (both sides changed; neither is touched):
  a.csv  (modified on both sides)
1 problem (could not be synced; the rest is done):
  b\\xff.txt  (network: cannot open: denied)
Pending: 0 to the network (sync up), 2 from the network (sync down).
";
        assert_eq!(sync(&samples::report(), false), expected);
    }
}
