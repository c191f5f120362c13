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
        // RACE: made by path. A link put in the place of our folder has an empty file of a random name made, and removed again,
        // where it leads.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join(own::FOLDER)).expect("made");
        root
    }

    fn left(root: &tempfile::TempDir) -> usize {
        fs::read_dir(root.path().join(own::FOLDER)).expect("listed").count()
    }

    #[test]
    fn a_cookie_goes_when_its_event_comes_from_its_own_side() {
        let (root, mut cookies) = (root(), Cookies::default());
        let name = cookies.lay(Duration::ZERO, Side::Network, root.path()).expect("laid");
        assert!(name.as_bytes().starts_with(own::COOKIE.as_bytes()), "{name}");
        assert!(root.path().join(own::FOLDER).join(name.to_string()).exists());
        assert!(cookies.arrived(Side::Staging, &name).is_none());
        assert_eq!((left(&root), cookies.due()), (1, Some(PATIENCE)));
        assert_eq!(cookies.arrived(Side::Network, &name).map(|cookie| cookie.name), Some(name.clone()));
        assert!(cookies.arrived(Side::Network, &name).is_none(), "once");
        assert_eq!((left(&root), cookies.due()), (0, None));
    }

    #[test]
    fn late_ones_are_told_and_none_stays() {
        let (root, mut cookies) = (root(), Cookies::default());
        let (first, second) = (Duration::ZERO, Duration::from_millis(1));
        let late = cookies.lay(first, Side::Staging, root.path()).expect("laid");
        cookies.lay(second, Side::Staging, root.path()).expect("laid");
        assert!(cookies.late(PATIENCE - second).is_empty());
        let told: Vec<RelPath> = cookies.late(PATIENCE).into_iter().map(|cookie| cookie.name).collect();
        assert_eq!((told, left(&root), cookies.due()), (vec![late], 1, Some(PATIENCE + second)));
        drop(cookies);
        assert_eq!(left(&root), 0);
        assert!(Cookies::default().lay(first, Side::Staging, &root.path().join("nowhere")).is_err());
    }
}
