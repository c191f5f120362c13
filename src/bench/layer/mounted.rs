//! Putting the layer at a folder, taking it away, and taking away what a process left that was killed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fuser::{Config, MountOption, Session, SessionUnmounter};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, test_kill_process};

use super::books::Books;
use super::pool::Pool;
use super::serve::Serve;
use super::share::Share;
use super::source::Source;
use crate::roots::mounts;

/// The source of our mounts in the system's table, with the number of the process that serves it.
const SOURCE: &str = "driftless-bench-";

/// How long the server is waited for after the folder is free. It is done with the requests that it has.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Mounted {
    at: PathBuf,
    unmounter: SessionUnmounter,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl Mounted {
    pub(super) fn put(
        source: &Path,
        at: &Path,
        wait: Duration,
        width: usize,
        caches: Duration,
        books: &Arc<Books>,
    ) -> io::Result<Mounted> {
        let width = width.max(1);
        let (source, at) = (std::path::absolute(source)?, std::path::absolute(at)?);
        if at.starts_with(&source) {
            // A look at the source would come back to the layer, and wait for itself.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the layer cannot lie within its own source"));
        }
        let share = Arc::new(Share::new(Source::open(&source)?, caches, books.clone()));
        let serve = Serve { share, pool: Pool::start(width, wait, books)?, width };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(format!("{SOURCE}{}", std::process::id())),
            MountOption::CUSTOM("subtype=driftless".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        let mut session = Session::new(serve, &at, &config)?;
        let unmounter = session.unmount_callable();
        let server = thread::Builder::new().name("layer".to_owned()).spawn(move || session.run())?;
        Ok(Mounted { at, unmounter, server: Some(server) })
    }

    /// Takes it away. Where somebody is still in it, it goes out of sight at once and ends with the last of them.
    pub(super) fn take_away(&mut self) -> io::Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        if self.unmounter.unmount().is_err() {
            detach(&self.at)?;
        }
        let began = Instant::now();
        while !server.is_finished() {
            if began.elapsed() > PATIENCE {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
        }
        server.join().unwrap_or_else(|_| Err(io::Error::other("the layer's server broke")))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            tracing::warn!(at = ?self.at, %error, "the layer could not be taken away");
        }
    }
}

/// Takes the mount at `at` out of sight, whoever is in it.
fn detach(at: &Path) -> io::Result<()> {
    match rustix::mount::unmount(at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Err(Errno::PERM) => {}
        other => return Ok(other?),
    }
    let told = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(at).stdin(Stdio::null()).output()?;
    if told.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&told.stderr).trim().to_owned()))
}

/// Takes away the layers of processes that are no more; gives where they were. A mount whose process lives is never touched.
pub(super) fn sweep() -> io::Result<Vec<PathBuf>> {
    let mut swept = Vec::new();
    for (at, source) in mounts::of_source(SOURCE)? {
        let number = source[SOURCE.len()..].parse().ok().and_then(Pid::from_raw);
        if number.is_some_and(|number| test_kill_process(number) == Err(Errno::SRCH)) && is_dead(&at) {
            detach(&at)?;
            swept.push(at);
        }
    }
    Ok(swept)
}

/// Nobody answers there any more. Another machine's numbers may be in the table too (a container's), so that one that is not among
/// our processes proves nothing alone.
fn is_dead(at: &Path) -> bool {
    matches!(rustix::fs::lstat(at), Err(Errno::NOTCONN))
}
