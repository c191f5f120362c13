//! Workers that take folders off one stack until it is empty.
//!
//! Depth first, so that the stack holds at most the open folders' subfolders.

use super::folder::{Task, Worker};
use super::{BaseReader, Error, Scope, Sight};
use crate::disk::Freshness;
use crate::model::listing::Difference;
use crate::model::path::RelPath;
use crate::model::side::Side;

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Looks at both roots. `readers` makes each worker its own view of the base.
pub fn scan(scope: &Scope<'_>, readers: &(dyn Fn() -> Result<Box<dyn BaseReader>, String> + Sync)) -> Result<Sight, Error> {
    let stack = Stack::default();
    let mut sight = Sight::default();
    {
        let mut first = Worker::new(scope, readers().map_err(Error::Base)?);
        for path in starts(scope.paths) {
            begin(&mut first, &path, &stack)?;
        }
        first.finish(&mut sight);
    }
    if scope.threads <= 1 {
        work(scope, readers, &stack, &mut sight)?;
    } else {
        let parts: Vec<Result<Sight, Error>> = thread::scope(|threads| {
            let spawn = |_| {
                threads.spawn(|| {
                    let mut part = Sight::default();
                    let result = work(scope, readers, &stack, &mut part);
                    if result.is_err() {
                        stack.close();
                    }
                    result.map(|()| part)
                })
            };
            let running: Vec<_> = (0..scope.threads).map(spawn).collect();
            let join =
                |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            running.into_iter().map(join).collect()
        });
        for part in parts {
            sight.absorb(part?);
        }
    }
    sight.differences.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    sight.differences.dedup_by(|later, earlier| later.path == earlier.path);
    Ok(sight)
}

impl Sight {
    fn absorb(&mut self, mut part: Sight) {
        if self.differences.is_empty() {
            self.differences = part.differences;
        } else {
            self.differences.append(&mut part.differences);
        }
        for side in Side::BOTH {
            self.leftovers[side].append(&mut part.leftovers[side]);
        }
    }
}

/// The topmost of the asked paths; the root where none was asked for.
fn starts(paths: &[RelPath]) -> Vec<RelPath> {
    if paths.is_empty() {
        return vec![RelPath::root()];
    }
    let mut sorted = paths.to_vec();
    sorted.sort();
    sorted.dedup_by(|later, earlier| later.is_within(earlier));
    sorted
}

/// Puts a starting path on the stack, and tells of the folders above it that are not on both sides yet: without
/// them what is below could not be written.
fn begin(worker: &mut Worker<'_>, path: &RelPath, stack: &Stack) -> Result<(), Error> {
    let mut above = path.ancestors();
    above.push(path.clone());
    for at in above {
        let task = worker.single(&at, Freshness::Cached)?;
        let Some(task) = task else { return Ok(()) };
        if at == *path {
            if task.is_folder() {
                stack.push(vec![task]);
            }
            return Ok(());
        }
        if !task.is_folder() {
            return Ok(());
        }
        if task.unsettled() {
            worker.keep(Difference { path: at, base: task.base(), staging: task.seen.staging, network: task.seen.network });
        }
    }
    Ok(())
}

fn work(
    scope: &Scope<'_>,
    readers: &(dyn Fn() -> Result<Box<dyn BaseReader>, String> + Sync),
    stack: &Stack,
    sight: &mut Sight,
) -> Result<(), Error> {
    let mut worker = Worker::new(scope, readers().map_err(Error::Base)?);
    while let Some(task) = stack.take() {
        if scope.stop.load(Ordering::Relaxed) {
            stack.close();
            return Err(Error::Stopped);
        }
        let below = worker.look(task);
        stack.done(below?);
    }
    worker.finish(sight);
    Ok(())
}

/// The folders still to be looked at.
#[derive(Default)]
struct Stack {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tasks: Vec<Task>,
    /// Folders taken whose subfolders are not known yet.
    open: usize,
    closed: bool,
}

impl Stack {
    /// A panic in another worker leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut tasks: Vec<Task>) {
        self.lock().tasks.append(&mut tasks);
    }

    fn take(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(task) = state.tasks.pop() {
                state.open += 1;
                return Some(task);
            }
            if state.open == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, mut below: Vec<Task>) {
        let mut state = self.lock();
        state.open -= 1;
        state.tasks.append(&mut below);
        drop(state);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}
