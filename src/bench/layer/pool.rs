//! The workers of the far share: each takes one request, lets it wait, then acts.
//!
//! As many requests wait side by side as there are workers; the next one waits in the kernel, so memory is bounded by the width.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::books::Books;

/// A worker holds one answer of the source folder at a time, on the heap.
const STACK: usize = 256 * 1024;

struct Errand {
    wait: Duration,
    act: Box<dyn FnOnce() + Send>,
}

pub(super) struct Pool {
    wait: Duration,
    /// `None` once the pool is being dropped.
    errands: Option<Sender<Errand>>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn start(width: usize, wait: Duration, books: &Arc<Books>) -> io::Result<Pool> {
        let (errands, waiting) = bounded(0);
        let mut pool = Pool { wait, errands: Some(errands), workers: Vec::with_capacity(width) };
        for number in 0..width {
            let (waiting, books) = (waiting.clone(), books.clone());
            let thread = thread::Builder::new().name(format!("layer-{number}")).stack_size(STACK);
            pool.workers.push(thread.spawn(move || work(&waiting, &books))?);
        }
        Ok(pool)
    }

    /// Has it done by the next worker that is free, after the wait. Comes back as soon as one took it.
    pub(super) fn far(&self, act: impl FnOnce() + Send + 'static) {
        self.send(Errand { wait: self.wait, act: Box::new(act) });
    }

    /// The same without the wait, for what no far server would be asked.
    pub(super) fn near(&self, act: impl FnOnce() + Send + 'static) {
        self.send(Errand { wait: Duration::ZERO, act: Box::new(act) });
    }

    fn send(&self, errand: Errand) {
        let Some(errands) = &self.errands else { return };
        // Without a worker the request is dropped, and its reply answers with an error when it goes.
        drop(errands.send(errand));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.errands = None;
        for worker in self.workers.drain(..) {
            drop(worker.join());
        }
    }
}

fn work(waiting: &Receiver<Errand>, books: &Books) {
    for errand in waiting {
        let _at_work = books.begin();
        if !errand.wait.is_zero() {
            thread::sleep(errand.wait);
        }
        (errand.act)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::mpsc::sync_channel;

    /// Five at work meet; a pool that serves one after the other would never let them.
    #[test]
    fn as_many_are_at_work_as_there_are_workers() {
        let books = Arc::new(Books::default());
        let pool = Pool::start(5, Duration::ZERO, &books).expect("threads");
        let (meet, (met, all_met)) = (Arc::new(Barrier::new(5)), sync_channel(5));
        for _ in 0..5 {
            let (meet, met) = (meet.clone(), met.clone());
            pool.far(move || {
                meet.wait();
                met.send(()).expect("the test waits");
            });
        }
        for _ in 0..5 {
            all_met.recv_timeout(Duration::from_secs(20)).expect("all five at work at once");
        }
        assert_eq!(books.counts().most_at_once, 5);
    }

    #[test]
    fn no_more_are_at_work_than_there_are_workers() {
        let books = Arc::new(Books::default());
        let pool = Pool::start(2, Duration::ZERO, &books).expect("threads");
        for _ in 0..50 {
            pool.far(|| thread::sleep(Duration::from_millis(1)));
        }
        drop(pool);
        assert!(books.counts().most_at_once <= 2, "{:?}", books.counts());
    }

    #[test]
    fn only_what_is_far_waits() {
        let books = Arc::new(Books::default());
        let pool = Pool::start(2, Duration::from_secs(40), &books).expect("threads");
        let (done, is_done) = sync_channel(1);
        pool.near(move || done.send(()).expect("the test waits"));
        is_done.recv_timeout(Duration::from_secs(20)).expect("no wait");
    }
}
