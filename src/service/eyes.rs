//! The watchers of both roots: opened where that makes sense, and told of each folder that a look enters.

use std::sync::{Arc, PoisonError, RwLock};

use crossbeam_channel::Sender;

use super::Word;
use crate::engine::request::{Entering, Pair};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::model::target::Target;
use crate::roots::own;
use crate::watch::Watcher;

/// A watcher of each root that has one.
#[derive(Default)]
pub(super) struct Eyes(PerSide<RwLock<Option<Watcher>>>);

impl Eyes {
    pub fn entering(self: Arc<Self>) -> Arc<Entering> {
        Arc::new(move |side: Side, path: &RelPath| {
            self.with(side, |watcher| watcher.enter(path));
        })
    }

    /// Watches what is not watched yet.
    pub fn open(&self, pair: &Pair, say: &Sender<Word>) {
        for (side, path) in [(Side::Staging, &pair.staging)] {
            let mut slot = self.0[side].write().unwrap_or_else(PoisonError::into_inner);
            if slot.is_some() {
                continue;
            }
            let say = say.clone();
            let hear = move |said| {
                // The deciding thread has ended.
                let _ = say.send(Word::Said(side, said));
            };
            match Watcher::start(path, &RelPath::root().join(own::FOLDER.as_bytes()), hear) {
                Ok(watcher) => *slot = Some(watcher),
                Err(error) => tracing::warn!(%side, %error, "not watched"),
            }
        }
    }

    pub fn close(&self, side: Side) {
        *self.0[side].write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Folders without a watch, with what is in them.
    pub fn bare(&self, side: Side) -> Vec<Target> {
        self.with(side, Watcher::bare).unwrap_or_default().into_iter().map(Target::tree).collect()
    }

    fn with<T>(&self, side: Side, ask: impl FnOnce(&Watcher) -> T) -> Option<T> {
        self.0[side].read().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
    }
}
