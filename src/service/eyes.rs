//! The watchers of both roots: opened where that makes sense, told of each folder that a look enters, and tried out.

use std::sync::{Arc, PoisonError, RwLock};

use super::inbox::Inbox;
use super::state::{Mode, RootWatch};
use crate::engine::request::{Entering, Options, Pair};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::model::target::Target;
use crate::roots::own;
use crate::watch::Watcher;

/// Servers of Windows shares may tell of changes, also of those of other machines; others tell half or nothing.
const SHARES_TELL: bool = cfg!(windows);

/// A watcher of each root that has one.
#[derive(Default)]
pub(super) struct Eyes(PerSide<RwLock<Eye>>);

#[derive(Default)]
struct Eye {
    watcher: Option<Watcher>,
    /// Events did come when they were waited for, as far as that was tried.
    proven: bool,
    /// What is told is a hint, and silence says nothing: everything is looked at as if there were no watcher.
    hearsay: bool,
    /// Why there is no watcher, or none to rely upon.
    why: Option<String>,
}

impl Eyes {
    pub fn entering(self: Arc<Self>) -> Arc<Entering> {
        Arc::new(move |side: Side, path: &RelPath| {
            self.with(side, |eye| {
                if let Some(watcher) = &eye.watcher {
                    watcher.enter(path);
                }
            });
        })
    }

    /// Watches what is not watched yet. Events of a network mount tell of this machine's changes alone, so that it is not
    /// worth a watch; those of a share on Windows are hearsay. Is a root watched from now on that was not before?
    pub fn open(&self, pair: &Pair, options: &Options, inbox: &Arc<Inbox>) -> bool {
        let mut opened = false;
        for (side, path) in [(Side::Staging, &pair.staging), (Side::Network, &pair.network)] {
            if self.with(side, |eye| eye.watcher.is_some()) {
                continue;
            }
            let far = options.reach.detect(path).is_ok_and(|verdict| verdict.network || verdict.is_fuse());
            let hearsay = far && side == Side::Network;
            let eye = if hearsay && !SHARES_TELL {
                Eye {
                    why: Some("it lies on a network drive, which tells nothing of other machines".to_owned()),
                    ..Eye::default()
                }
            } else {
                let inbox = inbox.clone();
                let own = RelPath::root().join(own::FOLDER.as_bytes());
                match Watcher::start(path, &own, move |said| inbox.hear(side, said)) {
                    Ok(watcher) if hearsay => {
                        let why = "it lies on a network drive: what its server tells is looked at, and everything now and then";
                        Eye { watcher: Some(watcher), proven: false, hearsay, why: Some(why.to_owned()) }
                    }
                    Ok(watcher) => {
                        opened = true;
                        Eye { watcher: Some(watcher), proven: true, hearsay, why: None }
                    }
                    Err(error) => Eye { why: Some(error.to_string()), ..Eye::default() },
                }
            };
            self.set(side, eye);
        }
        opened
    }

    /// Of no use any more: opened anew before the next look at everything.
    pub fn close(&self, side: Side) {
        self.set(side, Eye::default());
    }

    pub fn prove(&self, side: Side, proven: bool) {
        let mut eye = self.0[side].write().unwrap_or_else(PoisonError::into_inner);
        if eye.hearsay {
            return;
        }
        eye.proven = proven;
        eye.why = (!proven).then(|| "events did not come within 2 s".to_owned());
    }

    /// Is there a watcher whose silence could be believed?
    pub fn is_open(&self, side: Side) -> bool {
        self.with(side, |eye| eye.watcher.is_some() && !eye.hearsay)
    }

    /// Do events come? Folders without a watch are told by [`Eyes::bare`].
    pub fn sees(&self, side: Side) -> bool {
        self.with(side, |eye| eye.watcher.is_some() && eye.proven)
    }

    /// Do events of every folder come?
    pub fn sees_all(&self, side: Side) -> bool {
        self.sees(side) && self.with(side, |eye| eye.watcher.as_ref().is_some_and(|watcher| watcher.bare_count() == 0))
    }

    /// Folders without a watch, with what is in them.
    pub fn bare(&self, side: Side) -> Vec<Target> {
        let bare = self.with(side, |eye| eye.watcher.as_ref().map(Watcher::bare).unwrap_or_default());
        bare.into_iter().map(Target::tree).collect()
    }

    pub fn retry_bare(&self) {
        for side in Side::BOTH {
            self.with(side, |eye| eye.watcher.as_ref().map(Watcher::retry_bare));
        }
    }

    pub fn shown(&self) -> PerSide<RootWatch> {
        PerSide::new(Side::Staging, Side::Network).map(|side| self.with(side, Eye::shown))
    }

    fn with<T>(&self, side: Side, ask: impl FnOnce(&Eye) -> T) -> T {
        ask(&self.0[side].read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, side: Side, eye: Eye) {
        *self.0[side].write().unwrap_or_else(PoisonError::into_inner) = eye;
    }
}

impl Eye {
    fn shown(&self) -> RootWatch {
        let Some(watcher) = &self.watcher else { return RootWatch { message: self.why.clone(), ..RootWatch::default() } };
        let (folders, bare) = (watcher.folders() as u64, watcher.bare_count() as u64);
        let (mode, message) = match (self.proven, bare) {
            (false, _) => (Mode::Polling, self.why.clone()),
            (true, 0) => (Mode::Reliable, None),
            (true, _) => (Mode::Degraded, Some(watcher.advice())),
        };
        RootWatch { mode, folders, bare, message }
    }
}
