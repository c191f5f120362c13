//! Where hints wait: folded by the thread that hears them, so that a storm costs no more memory than [`Settle`] keeps.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::{Word, lock};
use crate::disk::clock::Moment;
use crate::model::settle::{Pace, Settle};
use crate::model::side::Side;
use crate::roots::own;
use crate::watch::Said;

/// Hints of both roots, in one order for each root.
pub(super) struct Inbox {
    began: Moment,
    settle: Mutex<Settle>,
    words: Sender<Word>,
}

impl Inbox {
    pub fn new(began: Moment, pace: Pace, words: Sender<Word>) -> Arc<Inbox> {
        Arc::new(Inbox { began, settle: Mutex::new(Settle::new(pace)), words })
    }

    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes what a watcher says. The deciding thread is woken where it may be asleep, or cannot sleep on.
    pub fn hear(&self, side: Side, said: Said) {
        let word = match said {
            Said::Hint(target) => {
                let mut settle = self.settle();
                let first = settle.is_empty();
                settle.hint(self.now(), target);
                if !first {
                    return;
                }
                Word::Hinted
            }
            Said::Own(name) if !name.as_bytes().starts_with(own::COOKIE.as_bytes()) => return,
            said => Word::Said(side, said),
        };
        // The deciding thread has ended.
        let _ = self.words.send(word);
    }

    pub fn settle(&self) -> MutexGuard<'_, Settle> {
        lock(&self.settle)
    }
}
