//! A root by its handle.

use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Storage::FileSystem as fs;

use super::folder::WindowsFolder;
use super::listing::{self, Layout};
use super::nt::{self, Ask};
use super::stat;
use super::status::Status;
use super::{Facts, moves, names, open, patiently};
use crate::disk::{Error, ErrorKind, Folder, Onto, Result, Root, Space};
use crate::model::path::{Name, RelPath};

struct WindowsRoot {
    handle: OwnedHandle,
    path: PathBuf,
    facts: Facts,
    /// Its file number when it was opened.
    id: u64,
}

/// Opens the folder at `path` as a root. `remote`: it lies on a network drive.
pub fn open_root(path: &Path, remote: bool) -> Result<Arc<dyn Root>> {
    let facts = Facts { volume: 0, remote, wide_ids: false };
    let failed = |status: Status| facts.error("open", path.display(), status);
    let handle = by_path(path).map_err(failed)?;
    if !stat::by_handle(&handle, facts).map_err(failed)?.has(fs::FILE_ATTRIBUTE_DIRECTORY) {
        return Err(failed(Status::NO_FOLDER));
    }
    let wide_ids = !remote && stat::wide_id(&handle).is_ok() && listing::knows(&handle, Layout::Wide);
    let facts = Facts { volume: volume_of(&handle).map_err(failed)?, wide_ids, ..facts };
    let id = stat::by_handle(&handle, facts).map_err(failed)?.id;
    Ok(Arc::new(WindowsRoot { handle, path: path.to_owned(), facts, id }))
}

/// The folder to which a path leads, whatever links are on the way to it.
#[expect(clippy::disallowed_methods, reason = "the path that the user gave is opened; everything else beneath its handle")]
fn by_path(path: &Path) -> nt::Result<OwnedHandle> {
    let mut options = std::fs::OpenOptions::new();
    options.access_mode(fs::FILE_LIST_DIRECTORY | fs::FILE_TRAVERSE | fs::FILE_READ_ATTRIBUTES | fs::SYNCHRONIZE);
    options.share_mode(fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE | fs::FILE_SHARE_DELETE);
    options.custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS);
    options.open(path).map(OwnedHandle::from).map_err(|error| Status::of_io(&error))
}

/// The serial number of the volume; 0 from a server that gives none.
fn volume_of(handle: &OwnedHandle) -> nt::Result<u64> {
    match nt::query_volume::<24>(handle, wdk::FileFsVolumeInformation) {
        Ok(answer) => Ok(u64::from(answer.u32(8))),
        Err(status) if status.is_unknown_request() => Ok(0),
        Err(status) => Err(status),
    }
}

/// Each name of a path as the system spells it.
fn spelled(op: &'static str, path: &RelPath) -> Result<Vec<Vec<u16>>> {
    path.names().map(|name| names::spell(name).map_err(|flaw| names::refused(op, path, flaw))).collect()
}

impl WindowsRoot {
    fn open(&self, op: &'static str, path: &RelPath) -> Result<WindowsFolder> {
        let names = spelled(op, path)?;
        let handle = patiently(|| open::folder(&self.handle, &names, self.facts.remote));
        let handle = handle.map_err(|status| self.facts.error("open", path, status))?;
        Ok(WindowsFolder::new(handle, self.facts))
    }

    /// The open folder that holds `path`, and its name there.
    fn parent(&self, path: &RelPath, op: &'static str) -> Result<(WindowsFolder, Name)> {
        let Some((parent, name)) = path.parent().zip(path.name()) else {
            let source = std::io::Error::other("the root itself has no name");
            return Err(Error::new(op, path, ErrorKind::BadName, source));
        };
        Ok((self.open(op, &parent)?, name))
    }

    /// Between two names of this root. What fails is told of the first.
    fn between(
        &self,
        op: &'static str,
        from: &RelPath,
        to: &RelPath,
        run: impl Fn((&WindowsFolder, &[u16]), (&WindowsFolder, &[u16])) -> nt::Result<()>,
    ) -> Result<()> {
        let (source, old) = self.parent(from, op)?;
        let (target, new) = self.parent(to, op)?;
        let spell = |name: &Name, path: &RelPath| names::spell(name).map_err(|flaw| names::refused(op, path, flaw));
        let (old_units, new_units) = (spell(&old, from)?, spell(&new, to)?);
        let done = patiently(|| run((&source, &old_units), (&target, &new_units)));
        done.map_err(|status| Error { path: from.to_string(), ..source.failed(op, &old, status) })
    }
}

impl Root for WindowsRoot {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        Ok(Box::new(self.open("open", path)?))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()> {
        self.between("rename", from, to, |(source, old), (target, new)| {
            moves::rename(source.handle(), old, target.handle(), new, onto, self.facts)
        })
    }

    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.between("link", from, to, |(source, old), (target, new)| {
            let file = nt::open(source.handle(), old, Ask::TOUCH)?;
            nt::link(&file, target.handle(), new)
        })
    }

    fn space(&self) -> Result<Space> {
        let answer = nt::query_volume::<32>(&self.handle, wdk::FileFsFullSizeInformation);
        let answer = answer.map_err(|status| self.facts.error("measure", "", status))?;
        let unit = u64::from(answer.u32(24)).saturating_mul(u64::from(answer.u32(28)));
        let bytes = |units: u64| units.saturating_mul(unit);
        Ok(Space { free: bytes(answer.u64(8)), total: bytes(answer.u64(0)), free_files: None })
    }

    /// A whole volume is flushed by administrators only.
    fn flush_all(&self) -> Result<()> {
        Err(self.facts.error("flush", "", Status::UNSUPPORTED))
    }

    fn device(&self) -> Result<u64> {
        Ok(self.facts.volume)
    }

    fn still_there(&self) -> Result<bool> {
        let asked = by_path(&self.path).and_then(|handle| {
            let stat = stat::by_handle(&handle, self.facts)?;
            Ok((stat.id, volume_of(&handle)?) == (self.id, self.facts.volume))
        });
        match asked {
            Err(status) if status.kind(self.facts.remote) == ErrorKind::Absent => Ok(false),
            other => other.map_err(|status| self.facts.error("look at", self.path.display(), status)),
        }
    }
}
