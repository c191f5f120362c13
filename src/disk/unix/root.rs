//! A root by its handle.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, linkat};
use rustix::io::Errno;

use super::folder::UnixFolder;
use super::{Facts, folder, kind, open, stat};
use crate::disk::{Error, ErrorKind, Folder, Onto, Result, Root, Space};
use crate::model::path::{Name, RelPath};

struct UnixRoot {
    handle: OwnedFd,
    path: PathBuf,
    facts: Facts,
    /// Its file number when it was opened.
    id: u64,
    only_plain: Arc<AtomicBool>,
}

/// Opens the folder at `path` as a root. `remote`: it lies on a network mount.
pub fn open_root(path: &Path, remote: bool) -> Result<Arc<dyn Root>> {
    let failed = |errno: Errno| Error::new("open", path.display(), kind(errno, remote), errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
    let stat = stat::by_handle(&handle, stat::Sync::AsIs).map_err(failed)?;
    let fuse = stat::is_fuse(&handle).map_err(failed)?;
    let facts = Facts { device: stat.device, remote, fuse, sshfs: fuse && stat::is_sshfs(stat.device) };
    Ok(Arc::new(UnixRoot { handle, path: path.to_owned(), facts, id: stat.id, only_plain: Arc::default() }))
}

impl UnixRoot {
    fn open(&self, path: &RelPath) -> Result<UnixFolder> {
        let handle = open::folder(&self.handle, path, self.facts.device, open::Handle::of(self.facts));
        let handle = handle.map_err(|errno| self.facts.error("open", path, errno))?;
        Ok(UnixFolder::new(handle, self.facts, Arc::clone(&self.only_plain)))
    }

    /// The open folder that holds `path`, and its name there.
    fn parent(&self, path: &RelPath, op: &'static str) -> Result<(UnixFolder, Name)> {
        let Some((parent, name)) = path.parent().zip(path.name()) else {
            return Err(self.facts.error(op, path, Errno::INVAL));
        };
        Ok((self.open(&parent)?, name))
    }
}

impl Root for UnixRoot {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        Ok(Box::new(self.open(path)?))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()> {
        let (source, old) = self.parent(from, "rename")?;
        let (target, new) = self.parent(to, "rename")?;
        folder::rename(&source, &old, &target, &new, onto).map_err(|errno| self.renaming(from, errno))
    }

    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        let (source, old) = self.parent(from, "link")?;
        let (target, new) = self.parent(to, "link")?;
        let linked = linkat(source.handle(), old.as_bytes(), target.handle(), new.as_bytes(), AtFlags::empty());
        linked.map_err(|errno| self.renaming(from, errno))
    }

    fn space(&self) -> Result<Space> {
        let stat = rustix::fs::fstatvfs(&self.handle).map_err(|errno| self.facts.error("measure", "", errno))?;
        let unit = stat.f_frsize.max(1);
        let bytes = |blocks: u64| blocks.saturating_mul(unit);
        let free_files = (stat.f_files > 0).then_some(stat.f_favail);
        Ok(Space { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks), free_files })
    }

    #[cfg(target_os = "linux")]
    fn flush_all(&self) -> Result<()> {
        let failed = |errno| self.facts.error("flush", "", errno);
        if self.facts.fuse {
            return Err(failed(Errno::OPNOTSUPP));
        }
        rustix::fs::syncfs(&self.handle).map_err(failed)
    }

    #[cfg(not(target_os = "linux"))]
    fn flush_all(&self) -> Result<()> {
        Err(self.facts.error("flush", "", Errno::OPNOTSUPP))
    }

    fn device(&self) -> Result<u64> {
        Ok(self.facts.device)
    }

    #[expect(clippy::disallowed_methods, reason = "the path by which the root was opened is asked about itself")]
    fn still_there(&self) -> Result<bool> {
        match std::fs::metadata(&self.path) {
            Ok(meta) => Ok(meta.ino() == self.id && meta.dev() == self.facts.device),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => {
                let errno = Errno::from_io_error(&source).unwrap_or(Errno::IO);
                Err(self.facts.error("look at", self.path.display(), errno))
            }
        }
    }
}

impl UnixRoot {
    /// Between folders EXDEV is no link in the way but a file system that cannot.
    fn renaming(&self, from: &RelPath, errno: Errno) -> Error {
        let mut error = self.facts.error("rename", from, errno);
        if errno == Errno::XDEV {
            error.kind = ErrorKind::Unsupported;
        }
        error
    }
}
