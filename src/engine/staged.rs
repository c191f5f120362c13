//! The staged copy as a place to work in: may a command start there, and what would be lost with it.

use super::error::Error;
use super::open::{Duty, Post, take_post};
use super::report::{Counts, Outcome, Report};
use super::request::{Options, Pair, Request};
use super::sync::sync;
use super::unsent::unsent;
use crate::disk::local;
use crate::manifest::{Reader, key};
use crate::model::finding::ProblemKind;
use crate::model::side::{Direction, PerSide, Side};
use crate::roots::{mounts, own};

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Did staging ever hold everything that it could take of the network root? A command that works on less finds inputs missing
/// and makes new ones.
///
/// # Errors
/// That the manifest cannot be read.
pub fn is_complete(pair: &Pair) -> Result<bool, Error> {
    let Some(reader) = Reader::open(&pair.state)? else { return Ok(false) };
    Ok(reader.meta(key::STAGING_COMPLETE)?.is_some())
}

/// Has this run, which came to its end, made staging complete? What nobody may read here, or what staging cannot hold, would be
/// missing for ever, and does not count.
pub(super) fn is_completed_by(request: &Request, report: &Report) -> bool {
    let for_a_while = |kind| match kind {
        ProblemKind::Busy | ProblemKind::Unreadable | ProblemKind::Full | ProblemKind::Io => true,
        ProblemKind::Permission | ProblemKind::NotRepresentable | ProblemKind::Taken => false,
    };
    let whole = request.is_whole() && request.direction.writes(Side::Staging) && report.outcome == Outcome::Done;
    whole && !report.problems.iter().any(|problem| for_a_while(problem.kind))
}

/// A staged copy that nobody else works on while this lives, and of which everything that is synchronised is on the network.
pub struct Spare {
    /// Files that patterns leave out, and that are on this disk alone.
    pub ignored: u64,
    /// Displaced and deleted versions in its trash.
    pub trashed: u64,
    _posts: [Post; 3],
}

/// What became of a staged copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is the last place of something: a sentence.
    Needed(String),
    /// Something is mounted in it.
    Mount(PathBuf),
}

/// Looks whether a staged copy may go. Keeps runs, watch processes and commands out while the answer lives.
///
/// # Errors
/// [`Error::Busy`] where somebody works with it; that a root is out of reach; what else stands in the way of a look.
pub fn spare(pair: &Pair, options: &Options, wait: Duration, stop: &AtomicBool) -> Result<Result<Spare, Kept>, Error> {
    let take = |duty| take_post(pair, options, duty, Duration::ZERO, &|_| {}, stop);
    let posts = [take(Duty::Run)?, take(Duty::Watch)?, take(Duty::Sync)?];
    if let Some(mount) = mounts::below(&pair.staging).map_err(Error::at(Side::Staging))? {
        return Ok(Err(Kept::Mount(mount)));
    }
    let request = Request { dry_run: true, wait, ..Request::plain(Direction::Both) };
    let report = sync(pair, &request, options, &|_| {}, stop)?;
    if let Some(sentence) = what_is_not_in_step(&report) {
        return Ok(Err(Kept::Needed(sentence)));
    }
    let at = Error::disk_at(Side::Staging);
    let base = Reader::open(&pair.state)?.map_or(Ok(0), |reader| reader.count_files())?;
    let files = local::count_below(&pair.staging, own::FOLDER).map_err(&at)?;
    let trash = pair.staging.join(own::FOLDER).join("trash");
    let trashed = if local::is_folder(&trash) { local::count_below(&trash, own::FOLDER).map_err(&at)? } else { 0 };
    Ok(Ok(Spare { ignored: files.saturating_sub(base), trashed, _posts: posts }))
}

fn what_is_not_in_step(report: &Report) -> Option<String> {
    match &report.outcome {
        Outcome::Done => {}
        Outcome::Offline { message, .. } => return Some(format!("the network root cannot be looked at: {message}")),
        other => return Some(format!("the two roots cannot be compared: {other:?}")),
    }
    let quiet = report.counts == Counts::default() && report.pending == PerSide::default() && report.held.is_none();
    let listed = [(report.conflicts.len(), "conflict"), (report.problems.len(), "path that could not be compared")];
    match listed.into_iter().find(|(number, _)| *number > 0) {
        Some((number, what)) => Some(format!("{number} {what}{}", if number == 1 { "" } else { ", and others" })),
        None if !quiet => Some("the two roots are not in step".to_owned()),
        None => None,
    }
}

/// Removes a spare copy and what this machine knows of the pair.
///
/// RACE: a program that has a file there open for writing goes on writing to what is removed. One that opens it by its path
/// finds it gone.
///
/// # Errors
/// That it cannot be moved or removed; what is left is told by the path in the error.
pub fn remove(pair: &Pair, options: &Options, _spare: &Spare, stop: &AtomicBool) -> Result<Result<(), Kept>, Error> {
    let at = Error::disk_at(Side::Staging);
    let name = pair.staging.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let aside = pair.staging.with_file_name(format!(".removing-{name}-{}", std::process::id()));
    local::rename(&pair.staging, &aside).map_err(&at)?;
    // Somebody may have written since the first look; from now on nobody finds it by its path.
    let moved = Pair { staging: aside.clone(), ..pair.clone() };
    match unsent(&moved, options, stop) {
        Some(0) => {}
        left => {
            local::rename(&aside, &pair.staging).map_err(&at)?;
            let number = left.map_or("something".to_owned(), |number| number.to_string());
            return Ok(Err(Kept::Needed(format!("{number} changed while it was looked at"))));
        }
    }
    // In this order: a kill in between leaves files that nobody knows, and never a pair whose staging is half empty.
    local::remove_tree(&pair.state).map_err(&at)?;
    local::remove_tree(&aside).map_err(&at)?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::super::sync::empty_report;
    use super::*;
    use crate::model::finding::Problem;
    use crate::model::path::RelPath;
    use crate::model::side::Direction;

    #[test]
    fn only_a_whole_run_into_staging_with_nothing_left_for_later_completes_it() {
        let pair =
            Pair { name: "p".to_owned(), state: "/state".into(), staging: "/s".into(), network: "/n".into(), others: Vec::new() };
        let path = RelPath::parse(b"a").expect("a path");
        let one = |kind| Problem { path: path.clone(), side: Side::Network, kind, message: String::new() };
        let part = |direction| Request { paths: vec![path.clone()], ..Request::plain(direction) };
        for (request, outcome, problems, expected) in [
            (Request::plain(Direction::Down), Outcome::Done, vec![], true),
            (Request::plain(Direction::Both), Outcome::Done, vec![], true),
            (Request::plain(Direction::Up), Outcome::Done, vec![], false),
            (part(Direction::Down), Outcome::Done, vec![], false),
            (Request::plain(Direction::Down), Outcome::Interrupted, vec![], false),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::Permission)], true),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::NotRepresentable)], true),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::Permission), one(ProblemKind::Io)], false),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::Busy)], false),
        ] {
            let report = Report { outcome, problems, ..empty_report(&pair, &request) };
            assert_eq!(is_completed_by(&request, &report), expected, "{request:?} {report:?}");
        }
    }
}
