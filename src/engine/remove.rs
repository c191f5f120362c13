//! Deletes: in batches that share a flush, and by as many workers as copies have.

use super::carry::{Means, halted, levels, progress, workers};
use super::error::Error;
use super::ledger::Ledger;
use crate::model::database::database_of;
use crate::model::ignore::Patterns;
use crate::model::plan::{Action, Op};
use crate::model::side::Side;
use crate::model::whole::topmost;
use crate::transfer::{Halt, Outcome, Run, delete_each, flush_side};

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

/// Deletes that share a flush.
const BATCH: usize = 1_024;

/// Deletes, children before their folder, durable in batches before the base forgets them.
pub(super) fn carry_deletes(
    run: &Run<'_>,
    deletes: &[Action],
    ledger: &mut Ledger<'_>,
    means: &mut Means<'_>,
) -> Result<(), Error> {
    for batch in deletes.rchunks(BATCH) {
        let mut outcomes = Vec::new();
        let end = in_order(run, batch, &mut outcomes, means);
        for side in Side::BOTH.into_iter().filter(|&side| batch.iter().any(|action| action.op.side() == Some(side))) {
            flush_side(run, side).map_err(halted)?;
        }
        let by_path: HashMap<_, _> = batch.iter().map(|action| (&action.path, action)).collect();
        outcomes.sort_by(|a, b| b.path.cmp(&a.path));
        for outcome in outcomes {
            let action = by_path.get(&outcome.path).copied();
            ledger.enter(outcome, action)?;
        }
        (means.tell)(progress(ledger, means.copied));
        end?;
        (means.tend)()?;
    }
    Ok(())
}

/// What goes one after the other, then files, then folders when they are empty, the deepest first.
fn in_order(run: &Run<'_>, batch: &[Action], outcomes: &mut Vec<Outcome>, means: &mut Means<'_>) -> Result<(), Error> {
    let Turns { in_turn, files, folders } = Turns::of(batch, run.whole);
    side_by_side(run, &in_turn, 1, outcomes, means)?;
    side_by_side(run, &files, workers(run, means.threads, files.len()), outcomes, means)?;
    for level in levels(folders).iter().rev() {
        side_by_side(run, level, workers(run, means.threads, level.len()), outcomes, means)?;
    }
    Ok(())
}

/// A log that is an entry of its own goes first, so that no two workers have a database and its log. So does what lies in a `whole`
/// folder, where the order counts: the refs of a repository before its objects.
#[derive(Default)]
struct Turns {
    in_turn: Vec<Action>,
    files: Vec<Action>,
    folders: Vec<Action>,
}

impl Turns {
    fn of(batch: &[Action], whole: &Patterns) -> Turns {
        let is_folder = |action: &Action| matches!(&action.op, Op::Delete { expect, .. } if expect.entry.is_folder());
        let is_beside = |action: &Action| action.path.name().is_some_and(|name| database_of(&name).is_some());
        let is_part = |action: &Action| topmost(&action.path, &|path| whole.name(path, true)).is_some();
        let mut turns = Turns::default();
        for action in batch {
            let turn = match action {
                _ if is_folder(action) => &mut turns.folders,
                _ if is_beside(action) || is_part(action) => &mut turns.in_turn,
                _ => &mut turns.files,
            };
            turn.push(action.clone());
        }
        turns
    }
}

/// Parts the deletes among so many workers; this thread keeps the lease alive meanwhile.
fn side_by_side(
    run: &Run<'_>,
    deletes: &[Action],
    threads: usize,
    outcomes: &mut Vec<Outcome>,
    means: &mut Means<'_>,
) -> Result<(), Error> {
    let halt = AtomicBool::new(false);
    let worker = Worker { run, patterns: means.patterns, halt: &halt };
    thread::scope(|scope| {
        let (answer, answers) = bounded::<Outcome>(threads * 8);
        let begin = |part| {
            let answer = answer.clone();
            scope.spawn(move || worker.carry(part, &answer))
        };
        let running: Vec<_> = deletes.chunks(deletes.len().div_ceil(threads).max(1)).map(begin).collect();
        drop(answer);
        let mut tended = Ok(());
        loop {
            match answers.recv_timeout(Duration::from_millis(100)) {
                Ok(outcome) => outcomes.push(outcome),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if tended.is_ok() {
                tended = (means.tend)();
                halt.fetch_or(tended.is_err(), Ordering::Relaxed);
            }
        }
        let join =
            |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let halts: Vec<Halt> = running.into_iter().filter_map(|thread| join(thread).err()).collect();
        tended?;
        // One that stopped because another one halted has nothing to tell.
        let first = halts.into_iter().min_by_key(|halt| matches!(halt, Halt::Stopped));
        first.map_or(Ok(()), |halt| Err(halted(halt)))
    })
}

#[derive(Clone, Copy)]
struct Worker<'a, 'r> {
    run: &'a Run<'r>,
    patterns: &'a Patterns,
    /// Another one came to a halt.
    halt: &'a AtomicBool,
}

impl Worker<'_, '_> {
    fn carry(self, part: &[Action], answer: &Sender<Outcome>) -> Result<(), Halt> {
        let ended = delete_each(self.run, self.patterns, part, &mut |outcome| {
            // The deciding thread only goes away before its workers by a panic.
            let _ = answer.send(outcome);
            if self.halt.load(Ordering::Relaxed) { Err(Halt::Stopped) } else { Ok(()) }
        });
        ended.inspect_err(|_| self.halt.store(true, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Change;
    use crate::model::entry::{Content, Entry, Found, Stamp};
    use crate::model::path::RelPath;
    use crate::model::plan::Why;
    use crate::model::time::Time;

    fn delete(path: &str) -> Action {
        let content = if path.ends_with('/') { Content::Folder } else { Content::File { size: 1, digest: None } };
        let entry = Entry { content, mtime: Time(1), mode: 0o755 };
        let expect = Box::new(Found { entry, stamp: Stamp { size: 1, mtime: Time(1), ctime: Time(1), id: 1 } });
        let why = Why { in_base: true, staging: Change::Deleted, network: Change::None, by: None };
        let path = RelPath::parse(path.trim_end_matches('/').as_bytes()).expect("a path");
        Action { path, op: Op::Delete { side: Side::Network, expect, base: None }, why }
    }

    #[test]
    fn what_has_an_order_goes_one_after_the_other() {
        let whole = Patterns::new([".git"]).expect("patterns");
        let batch: Vec<_> =
            ["a/", "a/data.db", "a/data.db-wal", "a/text", "r/", "r/.git/", "r/.git/objects/1", "r/.git/refs/1", "r/x"]
                .map(delete)
                .into();
        let turns = Turns::of(&batch, &whole);
        // In path order, from which deletes go backwards: refs before objects.
        let shown = |turn: &[Action]| turn.iter().map(|action| action.path.to_string()).collect::<Vec<_>>();
        assert_eq!(shown(&turns.in_turn), ["a/data.db-wal", "r/.git/objects/1", "r/.git/refs/1"]);
        assert_eq!(shown(&turns.files), ["a/data.db", "a/text", "r/x"]);
        assert_eq!(shown(&turns.folders), ["a", "r", "r/.git"]);
    }
}
