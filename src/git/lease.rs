//! A lease beside a kernel lock, where the clone lies on a network drive: there a kernel lock may not reach other hosts.
//!
//! It is the lease of network roots (`roots/lease`), in a folder beside the lock file, written anew by a thread while the lock
//! is held. Processes of one host are kept apart by the kernel lock, so they share one holder, and one that was killed
//! holds up its own host for no moment. It saves work as the locks do; where none is to be had, it is gone on without.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::error::Result;
use super::lock;
use crate::disk::{Root, local, open_root};
use crate::roots::lease::{self, Holder, Monotonic, Outcome, RENEW_EVERY};
use crate::roots::mounts;

/// Beside the lease, for people: who has it.
const HOLDER: &str = "holder";

/// What came of asking for one.
pub enum Asked {
    /// Ours; or nobody needs one here, or none is to be had.
    Free(Option<Lease>),
    /// Another host has it, and did not let go in time.
    Busy,
}

/// Kept alive until it is dropped, and let go then.
pub struct Lease {
    end: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

/// Asks for the lease of a lock file that this process holds.
pub fn take(lock: &Path, me: &lock::Holder, wait: Duration, stop: &AtomicBool) -> Result<Asked> {
    let Some(root) = root(lock, true)? else { return Ok(Asked::Free(None)) };
    let holder = Holder { host: me.host.clone(), state: me.boot.clone() };
    match lease::take(&*root, &holder, wait, &Monotonic::new(stop)) {
        Ok(Outcome::Ours(lease)) => {
            local::write_text(&folder(lock).join(HOLDER), &me.text())?;
            Ok(Asked::Free(Some(keep(lease, root))))
        }
        Ok(Outcome::Busy { .. }) => Ok(Asked::Busy),
        Ok(Outcome::None { reason }) | Err(reason) => {
            tracing::debug!(%reason, "no lease to be had; going on without");
            Ok(Asked::Free(None))
        }
    }
}

/// What the last holder wrote.
pub fn holder(lock: &Path) -> Option<lock::Holder> {
    local::read_text(&folder(lock).join(HOLDER), 4096).ok().flatten().map(|text| lock::Holder::parse(&text))
}

/// Does another host keep the lease of a lock file alive now? Takes as long as a holder may be silent, where one stands.
pub fn is_alive(lock: &Path) -> bool {
    let Ok(Some(root)) = root(lock, false) else { return false };
    lease::is_alive(&*root, &Monotonic::new(&AtomicBool::new(false))).unwrap_or(false)
}

fn folder(lock: &Path) -> PathBuf {
    lock.with_added_extension("lease")
}

/// The folder of the lease as a root; `None` where the lock does not lie on a network drive, or there is no lease.
fn root(lock: &Path, make: bool) -> Result<Option<Arc<dyn Root>>> {
    if !mounts::detect(lock).is_ok_and(|verdict| verdict.network) {
        return Ok(None);
    }
    let folder = folder(lock);
    if !local::is_folder(&folder) {
        let Some(like) = lock.parent().filter(|_| make) else { return Ok(None) };
        local::make_folders_like(&folder, like)?;
    }
    Ok(Some(open_root(&folder, true)?))
}

fn keep(mut lease: lease::Lease, root: Arc<dyn Root>) -> Lease {
    let (end, ended) = bounded::<()>(0);
    let keeper = thread::spawn(move || {
        while ended.recv_timeout(RENEW_EVERY) == Err(RecvTimeoutError::Timeout) {
            match lease.renew(&*root) {
                Ok(true) => {}
                lost => {
                    return tracing::warn!(?lost, "another host took the lease of this clone's lock over; going on beside it");
                }
            }
        }
        if let Err(error) = lease.release(&*root) {
            tracing::debug!(%error, "the lease stays until others take it over");
        }
    });
    Lease { end: Some(end), keeper: Some(keeper) }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}
