//! How paths are asked that may lie on a mount that hangs: there in a process apart, everywhere else here.
//!
//! Invariants. Which of the two is known from the kernel's table alone, before the path is touched. There is one process
//! for each mount. A mount that was silent is not asked again within the same moment, so that a command which asks
//! several things gives up once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{Error, Result};
use super::mounts::{self, Verdict};
use crate::disk::apart::{Asking, Patience};
use crate::disk::clock::Moment;
use crate::disk::{self, ErrorKind, Root, local};

/// How long a silence is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The silence that is taken for a mount that hangs, where nobody says anything else.
pub const SILENCE: Duration = Duration::from_secs(20);

/// One for a command; clones are the same.
#[derive(Clone)]
pub struct Reach(Arc<Inner>);

struct Inner {
    patience: Patience,
    mounts: Mutex<BTreeMap<PathBuf, Asked>>,
}

/// One mount that is asked from apart.
struct Asked {
    asking: Arc<Asking>,
    /// It gave no answer: when, and what was said about it.
    silent: Option<(Moment, String)>,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reach").field(&self.0.patience).finish()
    }
}

impl Reach {
    /// `stop` is set once the user wants to stop.
    pub fn new(silence: Duration, stop: Arc<AtomicBool>) -> Reach {
        Reach(Arc::new(Inner { patience: Patience::new(silence, stop), mounts: Mutex::default() }))
    }

    /// From now on.
    pub fn set_silence(&self, silence: Duration) {
        self.0.patience.set_silence(silence);
    }

    /// As [`mounts::detect`]; links on FUSE mounts are read apart too.
    pub fn detect(&self, path: &Path) -> Result<Verdict> {
        #[cfg(test)]
        if let Some(verdict) = simulated(path) {
            return Ok(verdict);
        }
        let mut failed = None;
        let verdict = mounts::detect_by(path, &mut |link, lies_on| {
            if failed.is_some() {
                return None;
            }
            let target = self.ask_at(lies_on, |asking| asking.link_target(link));
            target.unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        })?;
        match failed {
            Some(error) => Err(Error::Disk(error)),
            None => Ok(verdict),
        }
    }

    /// Opens the folder at `path`, which is on the mount of `verdict`, as a root.
    pub fn open_root(&self, path: &Path, verdict: &Verdict) -> disk::Result<Arc<dyn Root>> {
        #[cfg(test)]
        if let Some(volume) = disk::sim::at(path) {
            return volume.open();
        }
        if verdict.may_hang() {
            self.ask_at(verdict, |asking| asking.open_root(path, verdict.network))
        } else {
            disk::open_root(path, verdict.network)
        }
    }

    pub fn canonicalize(&self, path: &Path) -> disk::Result<PathBuf> {
        self.ask(path, |asking| asking.canonicalize(path), || local::canonicalize(path))
    }

    /// The same for a path on the mount of `verdict`: the system's mounts are not asked for again.
    pub fn canonicalize_on(&self, path: &Path, verdict: &Verdict) -> disk::Result<PathBuf> {
        self.ask_on(path, verdict, |asking| asking.canonicalize(path), || local::canonicalize(path))
    }

    pub fn real_path(&self, path: &Path) -> disk::Result<PathBuf> {
        self.ask(path, |asking| asking.real_path(path), || Ok(local::real_path(path)))
    }

    pub fn is_folder(&self, path: &Path) -> disk::Result<bool> {
        self.ask(path, |asking| asking.is_folder(path), || Ok(local::is_folder(path)))
    }

    pub fn is_taken(&self, path: &Path) -> disk::Result<bool> {
        self.ask(path, |asking| asking.is_taken(path), || Ok(local::is_taken(path)))
    }

    /// Does somebody hold the lock on the file at `path`? `None` where that cannot be found out.
    pub fn is_locked(&self, path: &Path) -> Option<bool> {
        self.ask(path, |asking| asking.is_locked(path), || Ok(local::Lock::is_held(path))).ok().flatten()
    }

    /// `path` lies on the mount of `verdict`.
    pub fn chain(&self, path: &Path, verdict: &Verdict) -> disk::Result<disk::Chain> {
        self.ask_on(path, verdict, |asking| asking.chain(path), || local::chain(path))
    }

    pub fn read_text(&self, path: &Path, limit: u64) -> disk::Result<Option<String>> {
        self.ask(path, |asking| asking.read_text(path, limit), || local::read_text(path, limit))
    }

    fn ask<T>(
        &self,
        path: &Path,
        apart: impl Fn(&Asking) -> disk::Result<T>,
        here: impl FnOnce() -> disk::Result<T>,
    ) -> disk::Result<T> {
        match self.detect(path) {
            Ok(verdict) => self.ask_on(path, &verdict, apart, here),
            Err(Error::Disk(error)) => Err(error),
            // Where the system does not tell of its mounts nothing is known to hang.
            Err(_) => here(),
        }
    }

    #[cfg_attr(not(test), expect(unused_variables, reason = "a simulated volume is known by its path"))]
    fn ask_on<T>(
        &self,
        path: &Path,
        verdict: &Verdict,
        apart: impl Fn(&Asking) -> disk::Result<T>,
        here: impl FnOnce() -> disk::Result<T>,
    ) -> disk::Result<T> {
        #[cfg(test)]
        if simulated(path).is_some() {
            return here();
        }
        if verdict.may_hang() { self.ask_at(verdict, apart) } else { here() }
    }

    fn ask_at<T>(&self, verdict: &Verdict, question: impl Fn(&Asking) -> disk::Result<T>) -> disk::Result<T> {
        let point = &verdict.mount_point;
        let asking = {
            let mut mounts = self.mounts();
            let asked = mounts
                .entry(point.clone())
                .or_insert_with(|| Asked { asking: Arc::new(Asking::new(self.0.patience.clone())), silent: None });
            if let Some((_, said)) = asked.silent.as_ref().filter(|(when, _)| when.elapsed() < REMEMBERED) {
                let source = std::io::Error::new(std::io::ErrorKind::TimedOut, said.clone());
                // As the question that was not answered: nothing is believed, and nothing is asked.
                return Err(disk::Error::new("ask", point.display(), ErrorKind::Gone, source));
            }
            Arc::clone(&asked.asking)
        };
        let answer = question(&asking);
        if let Err(error) = &answer
            && error.kind == ErrorKind::Gone
            && matches!(error.source.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::Interrupted)
            && let Some(asked) = self.mounts().get_mut(point)
        {
            asked.silent = Some((Moment::now(), error.source.to_string()));
        }
        answer
    }

    fn mounts(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Asked>> {
        self.0.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
/// What a path that leads to a simulated volume lies on; what stands for it on this machine's disk never hangs.
#[cfg(test)]
fn simulated(path: &Path) -> Option<Verdict> {
    let habits = disk::sim::habits_at(path)?;
    Some(Verdict {
        network: habits.remote,
        file_system: if habits.fuse { "fuse.simulated" } else { "simulated" }.to_owned(),
        mount_point: path.to_owned(),
        source: "simulated".to_owned(),
        reason: "it is simulated".to_owned(),
    })
}
