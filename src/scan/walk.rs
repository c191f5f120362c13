//! Workers that take folders off one stack until it is empty.
//!
//! Depth first, so that the stack holds at most the open folders' subfolders.

use super::folder::{Task, Worker};
use super::{BaseReader, Error, Scope, Sight};
use crate::disk::Freshness;
use crate::model::listing::FolderId;
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::target::{Reach, Target};

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Looks at both roots. `readers` makes each worker its own view of the base.
pub fn scan(scope: &Scope<'_>, readers: &(dyn Fn() -> Result<Box<dyn BaseReader>, String> + Sync)) -> Result<Sight, Error> {
    let stack = Stack::default();
    let mut sight = Sight::default();
    {
        let mut first = Worker::new(scope, readers().map_err(Error::Base)?);
        let mut places = BTreeMap::new();
        let mut fine = HashSet::new();
        for target in starts(scope.targets) {
            if !is_spanned(&places, &target) {
                let Target { path, reach } = begin(&mut first, target, scope.hints, &mut fine, &stack)?;
                places.entry(path).and_modify(|known: &mut Reach| *known = (*known).max(reach)).or_insert(reach);
            }
        }
        first.finish(&mut sight);
        sight.looked_at = scope.targets.map(|_| places.into_iter().map(|(path, reach)| Target { path, reach }).collect());
    }
    if scope.threads <= 1 {
        work(scope, readers, &stack, &mut sight)?;
    } else {
        let parts: Vec<Result<Sight, Error>> = thread::scope(|threads| {
            let spawn = |_| {
                threads.spawn(|| {
                    let mut part = Sight::default();
                    let _guard = CloseOnPanic(&stack);
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
    // Stable, because that sort sees the sorted parts and merges them.
    sight.differences.sort_by(|a, b| a.path.cmp(&b.path));
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
        self.disowned.append(&mut part.disowned);
        for side in Side::BOTH {
            self.leftovers[side].append(&mut part.leftovers[side]);
        }
    }
}

/// The asked places in path order, without those that others span; the root where none was asked for.
fn starts(targets: Option<&[Target]>) -> Vec<Target> {
    let Some(targets) = targets else { return vec![Target::tree(RelPath::root())] };
    let mut sorted = targets.to_vec();
    sorted.sort_by(|a, b| a.path.cmp(&b.path).then(b.reach.cmp(&a.reach)));
    sorted.dedup_by(|later, earlier| earlier.spans(later));
    sorted
}

/// Is it looked at for another place? Asked of those above it alone: there may be many thousands.
fn is_spanned(places: &BTreeMap<RelPath, Reach>, target: &Target) -> bool {
    let spans = |path: RelPath| places.get(&path).is_some_and(|&reach| Target { path, reach }.spans(target));
    spans(target.path.clone()) || target.path.ancestors().into_iter().any(spans)
}

/// Puts a starting place on the stack, and tells of the folders above it that are not on both sides yet: without
/// them what is below could not be written. Returns where the look begins. `fine` are folders that need not be asked again.
fn begin(
    worker: &mut Worker<'_>,
    target: Target,
    hints: bool,
    fine: &mut HashSet<RelPath>,
    stack: &Stack,
) -> Result<Target, Error> {
    for at in target.path.ancestors() {
        if fine.contains(&at) {
            continue;
        }
        let Some(task) = worker.single(&at, Freshness::Cached)? else {
            return Ok(Target { path: at, reach: Reach::Entry });
        };
        if hints && !task.is_common() {
            stack.push([task]);
            return Ok(Target::tree(at));
        }
        if !task.unsettled() {
            fine.insert(at);
        } else if !worker.keep_above(task) {
            return Ok(Target { path: at, reach: Reach::Entry });
        }
    }
    let Some(mut task) = worker.single(&target.path, Freshness::Cached)? else { return Ok(target) };
    let reach = if task.is_common() { target.reach } else { Reach::Tree };
    task.reach = reach;
    match reach {
        Reach::Entry => worker.keep_unsettled(task),
        Reach::Children | Reach::Tree => stack.push([task]),
    }
    Ok(Target { reach, ..target })
}

fn work(
    scope: &Scope<'_>,
    readers: &(dyn Fn() -> Result<Box<dyn BaseReader>, String> + Sync),
    stack: &Stack,
    sight: &mut Sight,
) -> Result<(), Error> {
    let mut worker = Worker::new(scope, readers().map_err(Error::Base)?);
    while let Some(task) = stack.take() {
        let mut own = vec![task];
        while let Some(task) = own.pop() {
            if scope.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            if task.only_in_base().is_some_and(|folder| !stack.first_time(folder)) {
                return Err(Error::Circle(task.path));
            }
            own.append(&mut worker.look(task)?);
            if own.len() > 1 && stack.hungry.load(Ordering::Relaxed) > 0 {
                // The oldest are the topmost, with the most below them.
                let half = own.len() / 2;
                stack.push(own.drain(..half));
            }
        }
        stack.done();
    }
    worker.finish(sight);
    Ok(())
}

/// The folders still to be looked at.
#[derive(Default)]
struct Stack {
    state: Mutex<State>,
    changed: Condvar,
    /// Workers that wait for a folder.
    hungry: AtomicUsize,
    /// Folders of the base alone that were looked at: a damaged base may lead round in a circle.
    gone: Mutex<HashSet<FolderId>>,
}

#[derive(Default)]
struct State {
    tasks: Vec<Task>,
    /// Workers that are at a folder or have some of their own.
    busy: usize,
    closed: bool,
}

impl Stack {
    /// A panic in another worker leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_time(&self, folder: FolderId) -> bool {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(folder)
    }

    fn push(&self, tasks: impl IntoIterator<Item = Task>) {
        self.lock().tasks.extend(tasks);
        self.changed.notify_all();
    }

    fn take(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(task) = state.tasks.pop() {
                state.busy += 1;
                return Some(task);
            }
            if state.busy == 0 {
                return None;
            }
            self.hungry.fetch_add(1, Ordering::Relaxed);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            self.hungry.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A worker has nothing left; the last one to say so ends the look.
    fn done(&self) {
        let mut state = self.lock();
        state.busy -= 1;
        if state.busy == 0 {
            self.changed.notify_all();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// Lets the other workers go where one has panicked, so that the panic is seen and nobody waits for ever.
struct CloseOnPanic<'a>(&'a Stack);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_looked_at_for_those_above_it() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("a path");
        let at = |text: &str, reach| Target { path: path(text), reach };
        let places = BTreeMap::from([(path("a"), Reach::Tree), (path("b"), Reach::Children), (path("c"), Reach::Entry)]);
        for (target, spanned) in [
            (at("a/x/y", Reach::Tree), true),
            (at("ab", Reach::Entry), false),
            (at("b/x", Reach::Entry), true),
            (at("b/x", Reach::Children), false),
            (at("b/x/y", Reach::Entry), false),
            (at("c", Reach::Entry), true),
            (at("c", Reach::Children), false),
            (at("c/x", Reach::Entry), false),
        ] {
            assert_eq!(is_spanned(&places, &target), spanned, "{target:?}");
        }
        assert!(is_spanned(&BTreeMap::from([(RelPath::root(), Reach::Tree)]), &at("a/b", Reach::Tree)));
    }
}
