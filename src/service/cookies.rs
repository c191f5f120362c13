//! Files that are made so that somebody sees their events: what happened before the file was made has been told by then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::clock::random;
use crate::disk::local;
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::roots::own;

/// How long the event of such a file may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// One that waits for its event.
#[derive(Debug)]
pub(super) struct Cookie {
    pub side: Side,
    pub name: RelPath,
    file: PathBuf,
    until: Duration,
}

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

impl Cookies {
    /// Makes one in our own folder of a root on a local file system.
    pub fn lay(&mut self, now: Duration, side: Side, root: &Path) -> Result<RelPath, String> {
        let mut bits = [0; 8];
        random(&mut bits).map_err(|error| error.to_string())?;
        let name = format!("{}{:016x}", own::COOKIE, u64::from_be_bytes(bits));
        let file = root.join(own::FOLDER).join(&name);
        local::make_private_file(&file).map_err(|error| error.to_string())?;
        let name = RelPath::root().join(name.as_bytes());
        self.0.push(Cookie { side, name: name.clone(), file, until: now + PATIENCE });
        Ok(name)
    }

    /// The event of one has come.
    pub fn arrived(&mut self, side: Side, name: &RelPath) -> Option<Cookie> {
        let at = self.0.iter().position(|cookie| cookie.side == side && cookie.name == *name)?;
        let cookie = self.0.swap_remove(at);
        cookie.remove();
        Some(cookie)
    }

    /// Those whose events have not come in time.
    pub fn late(&mut self, now: Duration) -> Vec<Cookie> {
        let late: Vec<Cookie> = self.0.extract_if(.., |cookie| cookie.until <= now).collect();
        late.iter().for_each(Cookie::remove);
        late
    }

    /// When the next one is late.
    pub fn due(&self) -> Option<Duration> {
        self.0.iter().map(|cookie| cookie.until).min()
    }
}

impl Cookie {
    fn remove(&self) {
        if let Err(error) = local::remove_file(&self.file) {
            tracing::debug!(%error, "a cookie stays until leftovers are swept");
        }
    }
}

impl Drop for Cookies {
    fn drop(&mut self) {
        self.0.iter().for_each(Cookie::remove);
    }
}
