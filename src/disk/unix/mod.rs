//! The real disk of Unix systems, by file descriptors that all hang below the root's.
//!
//! Linux opens a path beneath a handle in one call (`openat2`); elsewhere, and where that call is forbidden, names are
//! opened one by one without following. Both refuse links, mounts and everything that leads out of the root.

mod folder;
mod open;
#[cfg(target_os = "linux")]
mod over;
mod reader;
mod root;
mod stat;
#[cfg(test)]
pub(super) mod tests;
mod trial;
mod writer;

pub use root::open_root;

use super::{Error, ErrorKind};
use rustix::io::Errno;

/// What every open handle of a root knows about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// The root's device: a folder with another one is not synchronised.
    device: u64,
    /// Answers can be stale, and EIO means that the root is gone.
    remote: bool,
    /// A daemon answers for what lies there.
    fuse: bool,
    /// It is sshfs, which keeps what it knows of files by their paths.
    sshfs: bool,
}

impl Facts {
    fn error(self, op: &'static str, path: impl ToString, errno: Errno) -> Error {
        Error::new(op, path, kind(errno, self.remote), errno.into())
    }
}

/// Does this error say that the root is not reachable?
pub fn is_gone(error: &std::io::Error, remote: bool) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| kind(errno, remote) == ErrorKind::Gone)
}

fn kind(errno: Errno, remote: bool) -> ErrorKind {
    match errno {
        Errno::NOENT => ErrorKind::Absent,
        Errno::EXIST => ErrorKind::Exists,
        Errno::ACCESS | Errno::PERM => ErrorKind::Denied,
        Errno::BUSY | Errno::TXTBSY | Errno::AGAIN => ErrorKind::Busy,
        Errno::NOSPC | Errno::DQUOT => ErrorKind::Full,
        Errno::ROFS => ErrorKind::ReadOnly,
        Errno::NOTCONN
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::TIMEDOUT
        | Errno::STALE
        | Errno::NETUNREACH
        | Errno::NETDOWN
        | Errno::CONNABORTED
        | Errno::CONNRESET
        | Errno::CONNREFUSED
        | Errno::SHUTDOWN
        | Errno::NODEV
        | Errno::NXIO => ErrorKind::Gone,
        Errno::IO if remote => ErrorKind::Gone,
        Errno::NOTEMPTY => ErrorKind::NotEmpty,
        Errno::NAMETOOLONG | Errno::ILSEQ => ErrorKind::BadName,
        Errno::INVAL => ErrorKind::BadName,
        Errno::NOTDIR | Errno::ISDIR => ErrorKind::WrongKind,
        Errno::LOOP | Errno::XDEV => ErrorKind::Barred,
        Errno::NOSYS | Errno::OPNOTSUPP => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}
