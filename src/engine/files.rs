//! Files: copied in chunks that share a flush, by several workers.

use super::carry::{Means, each_name_once, eventful, halted, progress, workers};
use super::error::Error;
use super::ledger::Ledger;
use crate::model::ignore::Patterns;
use crate::model::path::RelPath;
use crate::model::plan::Action;
use crate::model::whole::topmost;
use crate::transfer::{Halt, Outcome, Pending, Run, carry_chunk, restamp};

use std::collections::{HashMap, VecDeque};
use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use std::vec::IntoIter;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Files in one chunk, and bytes: small enough that workers end together, large enough that a flush is shared.
const CHUNK_FILES: usize = 512;
const CHUNK_BYTES: u64 = 64 << 20;

/// A worker's answer.
type Answer = Result<Vec<Outcome>, Halt>;

/// Copies files; when all of them are there, those of repositories that name others.
pub(super) fn carry(run: &Run<'_>, mut files: Vec<Action>, ledger: &mut Ledger<'_>, means: &mut Means<'_>) -> Result<(), Error> {
    let naming = take_naming(&mut files, run.whole);
    for part in [files, naming].into_iter().flat_map(|files| each_name_once(run, files)) {
        carry_some(run, part, ledger, means)?;
    }
    Ok(())
}

/// What lies in a `whole` folder and not below `objects`: references, the index, logs. Whoever finds them after a crash finds what
/// they name.
fn take_naming(files: &mut Vec<Action>, whole: &Patterns) -> Vec<Action> {
    let names_others = |folder: &RelPath| {
        let part = topmost(folder, &|path| whole.name(path, true)).and_then(|top| folder.below(&top));
        part.is_some_and(|part| part.names().all(|name| name != b"objects"))
    };
    // Most have the same folder as their neighbour.
    let mut last: Option<(RelPath, bool)> = None;
    let is_one = |action: &mut Action| {
        let folder = action.path.parent().unwrap_or_default();
        match &last {
            Some((known, answer)) if *known == folder => *answer,
            _ => last.insert((folder.clone(), names_others(&folder))).1,
        }
    };
    files.extract_if(.., is_one).collect()
}

/// Copies files on several threads; this one feeds them and keeps the books.
fn carry_some(run: &Run<'_>, files: Vec<Action>, ledger: &mut Ledger<'_>, means: &mut Means<'_>) -> Result<(), Error> {
    let eventful: HashMap<RelPath, Action> =
        files.iter().filter(|action| eventful(action)).map(|action| (action.path.clone(), action.clone())).collect();
    let enter = |ledger: &mut Ledger<'_>, answer: Answer| -> Result<(), Error> {
        for outcome in answer.map_err(halted)? {
            let action = eventful.get(&outcome.path);
            ledger.enter(outcome, action)?;
        }
        Ok(())
    };
    let threads = workers(run, means.threads, files.len());
    let mut chunks = Chunks::new(run.is_far(), files, threads);
    if threads == 1 {
        let mut resting = None;
        for chunk in chunks {
            for answer in one_chunk(run, chunk, &mut resting) {
                enter(ledger, answer)?;
            }
            (means.tell)(progress(ledger, means.copied));
            (means.tend)()?;
        }
        return enter(ledger, resting.map_or(Ok(Vec::new()), |pending| restamp(run, pending, true)));
    }
    let halt = &AtomicBool::new(false);
    thread::scope(|scope| {
        let (give, take) = bounded::<Vec<Action>>(threads);
        let (answer, answers) = bounded::<Answer>(threads * 2);
        for _ in 0..threads {
            let (take, answer) = (take.clone(), answer.clone());
            scope.spawn(move || work(run, &take, &answer, halt));
        }
        drop((take, answer));
        let mut give = Some(give);
        let mut next = chunks.next();
        let mut first_error = None;
        loop {
            if let (Some(sender), Some(chunk)) = (&give, next.take()) {
                match sender.try_send(chunk) {
                    Ok(()) => {
                        next = chunks.next();
                        continue;
                    }
                    Err(refused) => next = Some(refused.into_inner()),
                }
            }
            if next.is_none() || halt.load(Ordering::Relaxed) {
                (give, next) = (None, None);
            }
            match answers.recv_timeout(Duration::from_millis(100)) {
                Ok(answer) => {
                    if let Err(error) = enter(ledger, answer) {
                        halt.store(true, Ordering::Relaxed);
                        first_error.get_or_insert(error);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            (means.tell)(progress(ledger, means.copied));
            if let Err(error) = (means.tend)() {
                halt.store(true, Ordering::Relaxed);
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    })
}

/// One worker: a chunk at a time, each one's stamps read again while the next one is copied.
fn work(run: &Run<'_>, chunks: &Receiver<Vec<Action>>, answer: &Sender<Answer>, halt: &AtomicBool) {
    let mut resting = None;
    while let Ok(chunk) = chunks.recv() {
        if halt.load(Ordering::Relaxed) {
            break;
        }
        for reply in one_chunk(run, chunk, &mut resting) {
            if reply.is_err() {
                halt.store(true, Ordering::Relaxed);
            }
            if answer.send(reply).is_err() {
                return;
            }
        }
    }
    let last = resting.map_or(Ok(Vec::new()), |pending| restamp(run, pending, !run.stop.load(Ordering::Relaxed)));
    // The deciding thread only goes away before its workers by a panic.
    let _ = answer.send(last);
}

fn one_chunk(run: &Run<'_>, chunk: Vec<Action>, resting: &mut Option<Pending>) -> Vec<Answer> {
    let mut answers = Vec::new();
    match carry_chunk(run, chunk) {
        Ok(end) => {
            answers.push(Ok(end.outcomes));
            if let Some(pending) = resting.replace(end.pending) {
                answers.push(restamp(run, pending, true));
            }
        }
        Err(ended) => {
            let (halt, end) = *ended;
            if let Some(pending) = resting.take() {
                answers.push(restamp(run, pending, false));
            }
            answers.push(Ok(end.outcomes));
            answers.push(restamp(run, end.pending, false));
            answers.push(Err(halt));
        }
    }
    answers
}

/// Files, cut into chunks that keep all workers busy to the end: in path order where both roots are near.
///
/// Where one is far they are parted into as many lanes as there are workers, and each chunk comes from the next lane: a
/// system makes and renames the names of one folder one after the other, so that workers who share a folder would wait for
/// each other's round trips.
struct Chunks {
    lanes: VecDeque<Peekable<IntoIter<Action>>>,
    left: usize,
    threads: usize,
    /// Files in a chunk, as far as there are so many.
    least: usize,
}

impl Chunks {
    fn new(far: bool, mut files: Vec<Action>, threads: usize) -> Chunks {
        let left = files.len();
        let mut lanes = VecDeque::new();
        if far {
            let share = files.len().div_ceil(threads).max(1);
            while files.len() > share {
                lanes.push_front(files.split_off(files.len() - share));
            }
        }
        lanes.push_front(files);
        let lanes = lanes.into_iter().filter(|lane| !lane.is_empty()).map(|lane| lane.into_iter().peekable()).collect();
        Chunks { lanes, left, threads, least: (left / threads).clamp(1, 8) }
    }
}

impl Iterator for Chunks {
    type Item = Vec<Action>;

    fn next(&mut self) -> Option<Vec<Action>> {
        let most = (self.left / (self.threads * 2)).clamp(self.least, CHUNK_FILES);
        let mut lane = self.lanes.pop_front()?;
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while chunk.len() < most
            && let Some(action) =
                lane.next_if(|action| chunk.is_empty() || action.op.bytes().saturating_add(bytes) <= CHUNK_BYTES)
        {
            bytes = action.op.bytes().saturating_add(bytes);
            chunk.push(action);
        }
        self.left -= chunk.len();
        if lane.peek().is_some() {
            self.lanes.push_back(lane);
        }
        (!chunk.is_empty()).then_some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Change;
    use crate::model::entry::{Content, Entry, Found, Stamp};
    use crate::model::listing::Seen;
    use crate::model::plan::{Op, Why};
    use crate::model::side::Side;
    use crate::model::time::Time;

    fn write(path: &str) -> Action {
        let entry = Entry { content: Content::File { size: 1, digest: None }, mtime: Time(1), mode: 0o644 };
        let from = Box::new(Found { entry, stamp: Stamp { size: 1, mtime: Time(1), ctime: Time(1), id: 1 } });
        let op = Op::Write { to: Side::Network, from, expect: Seen::Absent, revived: false };
        let why = Why { in_base: false, staging: Change::Created, network: Change::None, by: None };
        Action { path: RelPath::parse(path.as_bytes()).expect("a path"), op, why }
    }

    /// So many files in so many folders, in path order.
    fn files(folders: usize, each: usize) -> Vec<Action> {
        (0..folders * each).map(|at| write(&format!("d{:02}/f{:03}", at / each, at % each))).collect()
    }

    fn paths(chunk: &[Action]) -> Vec<RelPath> {
        chunk.iter().map(|action| action.path.clone()).collect()
    }

    fn folders_of(chunk: &[Action]) -> Vec<RelPath> {
        let mut folders: Vec<RelPath> = paths(chunk).iter().filter_map(RelPath::parent).collect();
        folders.dedup();
        folders
    }

    #[test]
    fn far_workers_are_in_folders_of_their_own() {
        let chunks: Vec<_> = Chunks::new(true, files(4, 50), 4).collect();
        let at_once: Vec<_> = chunks.iter().take(4).map(|chunk| folders_of(chunk)).collect();
        assert_eq!(at_once.iter().map(Vec::len).collect::<Vec<_>>(), [1; 4]);
        let mut folders = at_once.concat();
        folders.dedup();
        assert_eq!(folders.len(), 4);
    }

    #[test]
    fn every_file_is_in_one_chunk_in_path_order() {
        for (far, threads) in [(true, 1), (true, 3), (true, 64), (false, 3)] {
            let all = paths(&files(5, 37));
            let chunks: Vec<_> = Chunks::new(far, files(5, 37), threads).map(|chunk| paths(&chunk)).collect();
            assert!(chunks.iter().all(|chunk| chunk.is_sorted()), "{far} {threads}");
            let mut seen = chunks.concat();
            if far {
                seen.sort();
            }
            assert_eq!(seen, all, "{far} {threads}");
        }
        assert!(Chunks::new(true, Vec::new(), 3).next().is_none());
    }

    #[test]
    fn what_names_objects_comes_after_them() {
        let whole = Patterns::new([".git"]).expect("patterns");
        let of =
            [".git/HEAD", ".git/index", ".git/modules/a/objects/2", ".git/modules/a/refs/b", ".git/objects/1", ".git/refs/a"];
        let mut files: Vec<_> = of.into_iter().chain(["objects/refs/c", "refs/d"]).map(write).collect();
        let naming = take_naming(&mut files, &whole);
        let shown = |files: &[Action]| paths(files).iter().map(RelPath::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&naming), [".git/HEAD", ".git/index", ".git/modules/a/refs/b", ".git/refs/a"]);
        assert_eq!(shown(&files), [".git/modules/a/objects/2", ".git/objects/1", "objects/refs/c", "refs/d"]);
    }
}
