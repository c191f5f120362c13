//! The real disk of Windows, by handles that are all opened beneath the root's.
//!
//! The calls are those below Win32: only they open beneath a handle, take names of any length, and tell a folder's entries with
//! sizes, times and ids in one answer. What Win32 would do to a name (cut a dot off, find a device) is refused instead
//! ([`names`]). docs/windows.md tells what of this Wine can show.

mod busy;
mod folder;
mod link;
mod listing;
mod moves;
mod names;
mod nt;
mod open;
mod reader;
mod root;
mod stat;
mod status;
mod streams;
#[cfg(test)]
mod tests;
mod trial;
mod writer;

pub use root::open_root;

use super::{Error, ErrorKind};
use nt::Result;
use status::Status;

/// What every open handle of a root knows about it.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// The serial number of the root's volume.
    volume: u64,
    /// Answers can be stale, and more errors mean that the root is gone.
    remote: bool,
    /// Files have ids of 128 bits there (ReFS uses them; NTFS says the same in 64).
    wide_ids: bool,
}

impl Facts {
    fn error(self, op: &'static str, path: impl ToString, status: Status) -> Error {
        Error::new(op, path, status.kind(self.remote), status.source())
    }
}

/// Is this a name that Windows holds as it is?
pub(super) fn is_name(name: &[u8]) -> bool {
    names::spell(name).is_ok()
}

/// Does this error say that the root is not reachable?
pub fn is_gone(error: &std::io::Error, remote: bool) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    code.is_some_and(|code| status::kind_of(code, remote) == ErrorKind::Gone)
}

/// How long a file that somebody holds is waited for: indexers and virus scanners look at what is new.
const MOMENTS: [u64; 5] = [5, 10, 20, 40, 80];

/// Asks again for some moments where somebody is in the way who is likely to go.
fn patiently<T>(mut run: impl FnMut() -> Result<T>) -> Result<T> {
    for moment in MOMENTS {
        match run() {
            Err(status) if status.passes() => super::clock::pause(std::time::Duration::from_millis(moment)),
            other => return other,
        }
    }
    run()
}
