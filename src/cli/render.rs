//! Text for people. Colour only where it is shown on a terminal and `NO_COLOR` is not set.

use std::fmt::Write as _;
use std::io::IsTerminal;

use crate::cli::failure::{Failure, refusal_words, size};
use crate::cli::settings::variable;
use crate::engine::report::{Held, Outcome, Report, Work};
use crate::model::entry::Content;
use crate::model::listing::Seen;
use crate::model::plan::{Action, Op};
use crate::model::shown::steers;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::utc;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    pub const PLAIN: Paint = Paint { on: false };

    pub fn for_stdout() -> Paint {
        Paint { on: std::io::stdout().is_terminal() && may_colour() }
    }

    /// Colours for somebody else's terminal.
    pub fn asked(on: bool) -> Paint {
        Paint { on }
    }

    pub fn for_stderr() -> Paint {
        Paint { on: std::io::stderr().is_terminal() && may_colour() }
    }

    pub fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.code("1;31", text)
    }

    pub fn warn(self, text: &str) -> String {
        self.code("33", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The last look at what is printed. Names and the words of others are escaped where they enter a text; whatever slipped
/// through is escaped here, so that nothing but line ends, tabs and our own colours reaches a terminal.
pub fn at_the_door(text: &str, paint: Paint) -> String {
    const OURS: [&str; 4] = ["\x1b[1m", "\x1b[1;31m", "\x1b[33m", "\x1b[0m"];
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = OURS.iter().find(|code| paint.on && rest.starts_with(**code)).map(|code| code.len());
        let end = colour.unwrap_or_else(|| c.len_utf8());
        if colour.is_some() || matches!(c, '\n' | '\t') || !steers(c) {
            tamed.push_str(&rest[..end]);
        } else {
            tamed.extend(c.escape_default());
        }
        rest = &rest[end..];
    }
    tamed
}

fn may_colour() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
}

/// A failure with its advice on the lines below.
pub fn failure(failure: &Failure, paint: Paint) -> String {
    let advice = failure.advice.as_deref().map(|advice| format!("{advice}\n")).unwrap_or_default();
    format!("{} {}\n{advice}", paint.bad("driftless:"), failure.message)
}

/// `1 file`, `2 files`.
pub fn count(number: u64, one: &str) -> String {
    match (number, one) {
        (1, one) => format!("1 {one}"),
        (number, "entry") => format!("{number} entries"),
        (number, one) => format!("{number} {one}s"),
    }
}

/// Columns as wide as their widest cell; the last one is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The end of a `sync`. `done` is what each root got, where the run told it.
pub fn sync(report: &Report, done: PerSide<Work>, list_actions: bool, paint: Paint) -> String {
    let mut text = String::new();
    if list_actions {
        report.actions.iter().filter_map(action).for_each(|line| text.push_str(&line));
    }
    text.push_str(&summary(report, done, paint));
    text.push_str(&findings(report, paint));
    if let Some(held) = &report.held {
        text.push_str(&held_deletes(held, report.dry_run, paint));
    }
    for (number, way, command) in [(report.pending.staging, "staging", "up"), (report.pending.network, "the network", "down")] {
        // A run that could not reach its root says it in its own words.
        if number > 0 && !matches!(report.outcome, Outcome::Offline { .. }) {
            let number = count(number, "change");
            let _ = writeln!(text, "{number} in {way} left for another run (`driftless sync {command}` takes what it can).");
        }
    }
    text.push_str(&ending(report, paint));
    text
}

fn action(action: &Action) -> Option<String> {
    let side = action.op.side()?;
    let path = &action.path;
    let what = match &action.op {
        Op::Rename { from, .. } => format!("{from} -> {path}"),
        Op::Aside { to, .. } => format!("{path} -> {to}"),
        op if op.bytes() > 0 => format!("{path} ({})", size(op.bytes())),
        _ => path.to_string(),
    };
    Some(format!("{:8} {:7} {what}: {}\n", action.op.word(), side.word(), action.why.sentence()))
}

fn summary(report: &Report, done: PerSide<Work>, paint: Paint) -> String {
    let counts = &report.counts;
    let mut text = String::new();
    let ways = [(Side::Network, "to the network"), (Side::Staging, "from the network")];
    let split = done.network.files + done.staging.files == counts.written_files;
    for (side, way) in ways {
        let files = match report.direction {
            Direction::Both if split => done[side].files,
            Direction::Both => 0,
            direction if direction.writes(side) => counts.written_files,
            Direction::Up | Direction::Down => 0,
        };
        if files > 0 {
            let verb = if report.dry_run { "would be synced" } else { "synced" };
            let _ = writeln!(text, "{}", paint.bold(&format!("{} {verb} {way}", count(files, "file"))));
        }
    }
    if text.is_empty() && counts.written_files > 0 {
        let verb = if report.dry_run { "would be synced" } else { "synced" };
        let _ = writeln!(text, "{}", paint.bold(&format!("{} {verb}", count(counts.written_files, "file"))));
    }
    let parts = [
        (counts.written_files, size(counts.written_bytes)),
        (counts.written_folders, count(counts.written_folders, "folder")),
        (counts.written_links, count(counts.written_links, "link")),
        (counts.renamed, format!("{} renamed", counts.renamed)),
        (counts.metadata, format!("{} with new times or modes only", counts.metadata)),
        (counts.deleted_files + counts.deleted_folders, deleted(counts.deleted_files, counts.deleted_folders)),
        (counts.adopted, format!("{} found equal on both sides", counts.adopted)),
        (counts.revived, format!("{} brought back, because an edit wins over a delete", counts.revived)),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, words)| words).collect();
    if !parts.is_empty() {
        if text.is_empty() {
            let verb = if report.dry_run { "Would be synced" } else { "Synced" };
            let alone = ways.into_iter().find(|(side, _)| !report.direction.writes(side.other()));
            let way = alone.map_or("", |(_, way)| way);
            let _ = writeln!(text, "{}", paint.bold(format!("{verb} {way}").trim_end()));
        }
        let _ = writeln!(text, "  {}", parts.join(", "));
    }
    let finished = matches!(report.outcome, Outcome::Done);
    if text.is_empty() && finished {
        let left = report.held.is_some() || !report.conflicts.is_empty() || !report.problems.is_empty();
        text.push_str(if left { "Nothing was changed.\n" } else { "Nothing to do.\n" });
    }
    text
}

fn deleted(files: u64, folders: u64) -> String {
    match (files, folders) {
        (files, 0) => format!("{} to the trash", count(files, "file")),
        (0, folders) => format!("{} to the trash", count(folders, "folder")),
        (files, folders) => format!("{} and {} to the trash", count(files, "file"), count(folders, "folder")),
    }
}

/// Conflicts, problems and notes.
pub fn findings(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    if !report.conflicts.is_empty() {
        let head = format!("{}, left as they are on both sides:", count(report.conflicts.len() as u64, "conflict"));
        let _ = writeln!(text, "{}", paint.warn(&head));
        for conflict in &report.conflicts {
            let (staging, network) = (version(&conflict.staging), version(&conflict.network));
            let _ = writeln!(
                text,
                "  {}: {}\n    staging: {staging}\n    network: {network}",
                conflict.path,
                conflict.why.sentence()
            );
            if let Some(copy) = report.copy_of(&conflict.path) {
                let _ = writeln!(text, "    staging's version is copied to {copy} on the network");
            }
        }
        text.push_str("  To end one: driftless conflicts resolve PATH --keep staging|network|both\n");
    }
    if !report.problems.is_empty() {
        let head = format!("{} could not be synced; the next run tries again:", count(report.problems.len() as u64, "path"));
        let _ = writeln!(text, "{}", paint.warn(&head));
        for problem in &report.problems {
            let _ = writeln!(text, "  {} ({}): {}", problem.path, problem.side, problem.message.escape_debug());
        }
    }
    for note in &report.notes {
        let at = if note.path.is_root() { String::new() } else { format!("{}: ", note.path) };
        let _ = writeln!(text, "Note: {at}{}", note.message);
    }
    text
}

/// One side of a conflict.
fn version(seen: &Seen) -> String {
    match seen {
        Seen::Absent => "not there".to_owned(),
        Seen::Ignored(_) => "ignored".to_owned(),
        Seen::Unknown(_) => "could not be seen".to_owned(),
        Seen::There(found) => match &found.entry.content {
            Content::File { size: bytes, .. } => format!("file, {}, {} UTC", size(*bytes), utc::plain(found.entry.mtime)),
            Content::Folder => "folder".to_owned(),
            Content::Link { target } => format!(
                "link to {}",
                target.utf8_chunks().map(|c| c.valid().escape_debug().to_string()).collect::<Vec<_>>().join("\u{fffd}")
            ),
        },
    }
}

fn held_deletes(held: &Held, dry_run: bool, paint: Paint) -> String {
    let would = if dry_run { "would be held" } else { "were held" };
    let head = format!(
        "{} of {} and {} on the {} side {would}: {}.",
        count(held.files, "delete"),
        count(held.of_files, "file"),
        count(held.folders, "folder"),
        held.side,
        held.why
    );
    let mut text = format!("{}\n", paint.bad(&head));
    for (folder, files) in &held.top {
        let name = if folder.is_root() { "(top folder)".to_owned() } else { folder.to_string() };
        let _ = writeln!(text, "  {name}: {}", count(*files, "file"));
    }
    text.push_str(
        "  Nothing of it was deleted; everything else went on. If the deletes are meant, `driftless sync --allow-deletes` does them;\n  \
         if not, with --restore-deletes it writes the other side's copies back.\n",
    );
    text
}

fn ending(report: &Report, paint: Paint) -> String {
    let (message, advice) = match &report.outcome {
        Outcome::Done => return String::new(),
        Outcome::Aborted => (
            "Stopped before the first write, because of the conflicts (--conflict abort).".to_owned(),
            "Nothing was changed.".to_owned(),
        ),
        Outcome::Refused(refusal) => refusal_words(refusal),
        Outcome::Offline { side, message } => (
            format!("The {side} root is not reachable: {message}."),
            match report.pending.staging {
                0 => "Nothing is lost. Run the same command again when it is back. Where it lies elsewhere now, see `driftless relink --help`."
                    .to_owned(),
                number => format!(
                    "{} not on the network yet and safe in staging. Run the same command again when it is back.",
                    if number == 1 { "1 change of staging is".to_owned() } else { format!("{number} changes of staging are") }
                ),
            },
        ),
        Outcome::Busy { holder } => (
            format!("Another run works on this pair: {holder}."),
            "Nothing was changed by this one. Run again when that one has ended, or wait longer with --wait 10m.".to_owned(),
        ),
        Outcome::Interrupted => (
            "Stopped by a signal.".to_owned(),
            "What was done is recorded, every file is whole. Run the same command again to go on.".to_owned(),
        ),
    };
    format!("{}\n  {advice}\n", paint.bad(&message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn a_report_says_what_went_where_and_what_did_not() {
        let report = samples::report();
        let text = sync(&report, PerSide::default(), true, Paint::PLAIN);
        assert_eq!(
            text,
            "write    network a/b.txt (5.00 KiB): modified in staging\n\
             3 files synced to the network\n  \
             5.00 KiB, 1 folder, 1 file to the trash\n\
             1 conflict, left as they are on both sides:\n  \
             a.csv: modified on both sides\n    \
             staging: file, 10 B, 2026-11-21 04:15:00 UTC\n    \
             network: file, 20 B, 2026-11-21 04:15:00 UTC\n    \
             staging's version is copied to .driftless/conflicts/a.csv/20261121T041500Z-lab7-01234567.csv on the network\n  \
             To end one: driftless conflicts resolve PATH --keep staging|network|both\n\
             1 path could not be synced; the next run tries again:\n  \
             b\\xff.txt (network): access was denied\n\
             2 changes in the network left for another run (`driftless sync down` takes what it can).\n"
        );
    }

    #[test]
    fn both_ways_are_told_apart_where_the_run_told_them() {
        let mut report = samples::report();
        report.direction = Direction::Both;
        let work = |files| Work { paths: files, files, bytes: 0 };
        let text = sync(&report, PerSide::new(work(1), work(2)), false, Paint::PLAIN);
        assert!(text.starts_with("2 files synced to the network\n1 file synced from the network\n"), "{text}");
        let text = sync(&report, PerSide::default(), false, Paint::PLAIN);
        assert!(text.starts_with("3 files synced\n"), "{text}");
    }

    #[test]
    fn held_deletes_name_both_ways_out() {
        let text = held_deletes(&samples::held(), false, Paint::PLAIN);
        assert!(text.contains("raw: 1100 files") && text.contains("--allow-deletes") && text.contains("--restore-deletes"));
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["éé".to_owned(), "c".to_owned()]];
        assert_eq!(table(&rows), "a   bb\néé  c\n");
    }

    #[test]
    fn only_our_own_colours_pass_the_door() {
        let odd = "a\x1b[2J\x1b[1mb\x1b[0m\r\u{9b}c\u{202e}\n\té";
        let plain = "a\\u{1b}[2J\\u{1b}[1mb\\u{1b}[0m\\r\\u{9b}c\\u{202e}\n\té";
        assert_eq!(at_the_door(odd, Paint::PLAIN), plain);
        assert_eq!(at_the_door(odd, Paint { on: true }), "a\\u{1b}[2J\x1b[1mb\x1b[0m\\r\\u{9b}c\\u{202e}\n\té");
    }
}
