//! Deletes: in batches that share a flush, and by as many workers as copies have.

use super::carry::{Means, halted, progress};
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

/// A log that is an entry of its own goes first, so that no two workers have a database and its log. So does what lies in a `whole`
/// folder, where the order counts: the refs of a repository before its objects. Then the other files, and folders when they are
/// empty.
fn in_order(run: &Run<'_>, batch: &[Action], outcomes: &mut Vec<Outcome>, means: &mut Means<'_>) -> Result<(), Error> {
    let is_folder = |action: &Action| matches!(&action.op, Op::Delete { expect, .. } if expect.entry.is_folder());
    let is_beside = |action: &Action| action.path.name().is_some_and(|name| database_of(&name).is_some());
    let is_part = |action: &Action| topmost(&action.path, &|path| run.whole.name(path, true)).is_some();
    let (folders, files): (Vec<Action>, Vec<Action>) = batch.iter().cloned().partition(is_folder);
    let (in_turn, files): (Vec<Action>, Vec<Action>) = files.into_iter().partition(|file| is_beside(file) || is_part(file));
    side_by_side(run, &in_turn, 1, outcomes, means)?;
    side_by_side(run, &files, means.threads.min(files.len().div_ceil(8)), outcomes, means)?;
    side_by_side(run, &folders, 1, outcomes, means)
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
        let (answer, answers) = bounded::<Outcome>(threads.max(1) * 8);
        let begin = |part| {
            let answer = answer.clone();
            scope.spawn(move || worker.carry(part, &answer))
        };
        let running: Vec<_> = deletes.chunks(deletes.len().div_ceil(threads.max(1)).max(1)).map(begin).collect();
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
