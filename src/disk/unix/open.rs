//! Open a folder beneath a handle, never through a link and never across a mount.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::Facts;
use crate::model::path::RelPath;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// What the handle of a folder is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handle {
    /// Everything.
    Whole,
    /// What is done to names in it (`O_PATH`): no daemon is asked to open it, or told that it is closed.
    Names,
}

impl Handle {
    pub fn of(facts: Facts) -> Handle {
        // Not where the kernel itself is the client: NFS asks the server about a folder when that is opened, and without it believes
        // the names that it knows for up to a minute, whatever is asked of them.
        if facts.fuse && facts.remote && cfg!(target_os = "linux") { Handle::Names } else { Handle::Whole }
    }

    fn flags(self) -> OFlags {
        match self {
            #[cfg(target_os = "linux")]
            Handle::Names => FOLDER | OFlags::PATH,
            _ => FOLDER,
        }
    }
}

/// Bytes of a path that one call takes; the system's limit is 4,096 with the final NUL.
#[cfg(target_os = "linux")]
const PIECE: usize = 4_000;

/// The folder at `path` below `root`, whose device is `device`.
#[cfg(target_os = "linux")]
pub(super) fn folder(root: &OwnedFd, path: &RelPath, device: u64, wanted: Handle) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let mut open: Option<OwnedFd> = None;
    let mut rest = path.as_bytes();
    loop {
        let (piece, more) = split_piece(rest);
        let at = open.as_ref().unwrap_or(root).as_fd();
        let name = if piece.is_empty() { &b"."[..] } else { piece };
        let next = loop {
            match openat2(at, name, wanted.flags(), Mode::empty(), beneath) {
                // Told when something above was renamed meanwhile: looked up again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS | Errno::PERM) => return by_names(root, path, device, wanted),
                other => break other?,
            }
        };
        if more.is_empty() {
            return Ok(next);
        }
        (open, rest) = (Some(next), more);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn folder(root: &OwnedFd, path: &RelPath, device: u64, wanted: Handle) -> Result<OwnedFd, Errno> {
    by_names(root, path, device, wanted)
}

/// The first whole names that fit into one call, and the rest.
#[cfg(target_os = "linux")]
fn split_piece(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= PIECE {
        return (path, &[]);
    }
    let cut = path[..PIECE].iter().rposition(|&byte| byte == b'/').unwrap_or(path.len());
    (&path[..cut], path.get(cut + 1..).unwrap_or(&[]))
}

/// Name by name, each opened without following and on the root's own device.
pub(super) fn by_names(root: &OwnedFd, path: &RelPath, device: u64, wanted: Handle) -> Result<OwnedFd, Errno> {
    let mut open = openat(root, ".", wanted.flags(), Mode::empty())?;
    for name in path.names() {
        let next = openat(&open, name, wanted.flags(), Mode::empty())
            .map_err(|errno| if errno == Errno::MLINK { Errno::LOOP } else { errno })?;
        if rustix::fs::fstat(&next)?.st_dev as u64 != device {
            return Err(Errno::XDEV);
        }
        open = next;
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NFS asks its server whether names still hold when their folder is opened for reading, and only then.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_far_mount_of_a_daemon_is_opened_for_names_alone() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let root = OwnedFd::from(std::fs::File::open(place.path()).expect("the folder"));
        let device = rustix::fs::fstat(&root).expect("a stat").st_dev;
        for (remote, fuse, names) in [(false, false, false), (false, true, false), (true, false, false), (true, true, true)] {
            let facts = Facts { device, remote, fuse, sshfs: false };
            let opened = folder(&root, &RelPath::root(), device, Handle::of(facts)).expect("opened");
            let flags = rustix::fs::fcntl_getfl(&opened).expect("its flags");
            assert_eq!(flags.contains(OFlags::PATH), names, "remote {remote}, a daemon {fuse}");
        }
    }

    #[test]
    fn the_walk_by_names_finds_what_one_call_finds_and_refuses_links() {
        let place = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(place.path().join("a/b")).expect("folders");
        std::os::unix::fs::symlink("a", place.path().join("link")).expect("a link");
        let root = OwnedFd::from(std::fs::File::open(place.path()).expect("the folder"));
        let device = rustix::fs::fstat(&root).expect("a stat").st_dev;
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("a path");
        let inode = |fd: OwnedFd| rustix::fs::fstat(fd).expect("a stat").st_ino;
        for wanted in [Handle::Whole, Handle::Names] {
            let (one, many) = (folder(&root, &path("a/b"), device, wanted), by_names(&root, &path("a/b"), device, wanted));
            assert_eq!(inode(one.expect("one call")), inode(many.expect("many calls")));
            assert!(by_names(&root, &path("link/b"), device, wanted).is_err());
            assert!(folder(&root, &path("link/b"), device, wanted).is_err());
            assert!(
                folder(&root, &path("link"), device, wanted).is_err() && by_names(&root, &path("link"), device, wanted).is_err()
            );
        }
    }
}
