//! The network root's lease while a run shows writes there.

use super::error::Error;
use super::hands::owner;
use super::open::Session;
use crate::disk::Root;
use crate::disk::clock::Moment;
use crate::model::side::Side;
use crate::roots::lease::{self, Holder, Lease, Monotonic};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Taken for one run, and given back at its end.
pub(super) struct Borrowed {
    root: Arc<dyn Root>,
    lease: Option<Lease>,
    renewed: Moment,
}

impl Borrowed {
    /// Others save work by it; what keeps data safe is the look before each visible step. So none to be had is no reason
    /// to stop.
    pub fn take(session: &Session<'_>, host: &str, wait: Duration, stop: &AtomicBool) -> Result<Self, Error> {
        let root = session.roots.network.clone();
        let holder = Holder { host: host.to_owned(), state: format!("{:08x}", owner(host, session.pair)) };
        let clock = Monotonic::new(stop);
        let lease = match lease::take(&*root, &holder, wait, &clock).map_err(Error::at(Side::Network))? {
            lease::Outcome::Ours(lease) => Some(lease),
            lease::Outcome::Busy { holder } => {
                tracing::info!(?holder, "another machine writes to the network root; going on beside it");
                None
            }
            lease::Outcome::None { reason } => {
                tracing::debug!(%reason, "no lease to be had");
                None
            }
        };
        Ok(Borrowed { root, lease, renewed: Moment::now() })
    }

    pub fn tend(&mut self) -> Result<(), Error> {
        if self.renewed.elapsed() < lease::RENEW_EVERY {
            return Ok(());
        }
        self.renewed = Moment::now();
        let kept = self.lease.as_mut().map(|lease| lease.renew(&*self.root));
        match kept {
            Some(Err(error)) if error.is_gone() => Err(Error::at(Side::Network)(error)),
            Some(Ok(false) | Err(_)) => {
                self.lease = None;
                Ok(())
            }
            Some(Ok(true)) | None => Ok(()),
        }
    }

    pub fn release(self) {
        if let Some(lease) = self.lease
            && let Err(error) = lease.release(&*self.root)
        {
            tracing::debug!(%error, "the lease stays until others take it over");
        }
    }
}
