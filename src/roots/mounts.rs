//! Where does a path lie: on this machine's own disks, or on another machine?
//!
//! Invariants. A mount that is stalled hangs every process that asks it anything, `statfs` included; so on Linux the
//! answer comes from the text of `/proc/self/mountinfo`, and a link is only read where its folder is already known
//! to be local. A file system that is not known to be local is never said to be.

#[cfg(windows)]
mod windows;

#[cfg(unix)]
use std::ffi::OsString;
#[cfg(not(windows))]
use std::io;
#[cfg(target_vendor = "apple")]
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

#[cfg(not(windows))]
use super::error::Error;
use super::error::Result;
#[cfg(unix)]
use super::kinds::{self, Place};
#[cfg(target_os = "linux")]
use super::mountinfo;
#[cfg(target_os = "linux")]
pub use super::mountinfo::Mounts;
use crate::disk::local;
#[cfg(windows)]
pub(super) use windows::detect_by;

/// The answer for one path, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub network: bool,
    /// As the kernel names it, with the FUSE subtype: `nfs4`, `fuse.sshfs`, `ext4`.
    pub file_system: String,
    pub mount_point: PathBuf,
    /// The device, server or share; invalid bytes replaced.
    pub source: String,
    /// A sentence for people.
    pub reason: String,
}

impl Verdict {
    /// Calls on it may hang without end, because another machine or a program answers for it.
    pub fn may_hang(&self) -> bool {
        self.network || self.is_fuse()
    }

    /// A daemon answers for this mount: `syncfs` does not reach it, its ids and change times are its own invention.
    pub fn is_fuse(&self) -> bool {
        let kind = self.file_system.as_str();
        kind == "fuse" || kind == "fuseblk" || kind.starts_with("fuse.") || matches!(kind, "macfuse" | "osxfuse")
    }
}

/// Is `path` on a network file system? It need not exist; what is missing is judged by what is above it.
pub fn detect(path: &Path) -> Result<Verdict> {
    detect_by(path, &mut |link, _| local::link_target(link))
}

/// The same; `read_link` is asked for the target of what may be a link on a mount that may hang.
#[cfg(target_os = "linux")]
pub(super) fn detect_by(path: &Path, read_link: &mut dyn FnMut(&Path, &Verdict) -> Option<PathBuf>) -> Result<Verdict> {
    let failed = |source: io::Error| Error::Mounts { path: path.display().to_string(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let text = read_table().map_err(failed)?;
    let mut read = |link: &Path, lies_on: &Verdict| {
        if lies_on.may_hang() { read_link(link, lies_on) } else { local::link_target(link) }
    };
    Ok(mountinfo::judge(&text, &absolute, &mut read))
}

/// The options of the mount that a verdict names, the mount's own first, then the file system's; `None` where the system
/// does not tell.
#[cfg(target_os = "linux")]
pub fn options(verdict: &Verdict) -> Option<String> {
    mountinfo::options(&read_table().ok()?, verdict)
}

/// The first mount point below `path`, which has no links in it; `None` where there is none or the system does not tell.
#[cfg(target_os = "linux")]
pub fn below(path: &Path) -> Result<Option<PathBuf>> {
    let text = read_table().map_err(|source| Error::Mounts { path: path.display().to_string(), source })?;
    Ok(mountinfo::below(&text, path))
}

/// The mounts whose source begins with `start`: where each is, and its source.
#[cfg(target_os = "linux")]
pub fn of_source(start: &str) -> io::Result<Vec<(PathBuf, String)>> {
    Ok(mountinfo::of_source(&read_table()?, start))
}

#[cfg(not(target_os = "linux"))]
pub fn below(_path: &Path) -> Result<Option<PathBuf>> {
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
pub fn options(_verdict: &Verdict) -> Option<String> {
    None
}

/// Is `path` on a network file system? The nearest folder above it that exists is asked.
#[cfg(target_vendor = "apple")]
pub(super) fn detect_by(path: &Path, _: &mut dyn FnMut(&Path, &Verdict) -> Option<PathBuf>) -> Result<Verdict> {
    let failed = |source: io::Error| Error::Mounts { path: path.display().to_string(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let text = |field: &[std::ffi::c_char]| -> Vec<u8> {
        field.iter().map(|&c| c.to_ne_bytes()[0]).take_while(|&byte| byte != 0).collect()
    };
    for above in absolute.ancestors() {
        match rustix::fs::statfs(above) {
            Ok(found) => {
                let mount = Mount {
                    point: PathBuf::from(OsString::from_vec(text(&found.f_mntonname))),
                    kind: String::from_utf8_lossy(&text(&found.f_fstypename)).into_owned(),
                    source: OsString::from_vec(text(&found.f_mntfromname)),
                };
                return Ok(verdict(Some(&mount), above));
            }
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    Err(failed(io::ErrorKind::NotFound.into()))
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple", windows)))]
pub(super) fn detect_by(path: &Path, _: &mut dyn FnMut(&Path, &Verdict) -> Option<PathBuf>) -> Result<Verdict> {
    Err(Error::Mounts { path: path.display().to_string(), source: io::ErrorKind::Unsupported.into() })
}

/// The mounts that a process sees, this one where none is named; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn seen_by(process: Option<u32>) -> Option<Mounts> {
    let text = match process {
        Some(process) => read_table_of(&format!("/proc/{process}/mountinfo")),
        None => read_table(),
    };
    text.ok().map(|text| Mounts::read(&text))
}

#[cfg(not(target_os = "linux"))]
pub fn seen_by(_process: Option<u32>) -> Option<Mounts> {
    None
}

/// What only Linux tells.
#[cfg(not(target_os = "linux"))]
pub enum Mounts {}

#[cfg(not(target_os = "linux"))]
impl Mounts {
    /// Where `path` lies.
    pub fn spot(&self, _path: &Path) -> Option<()> {
        match *self {}
    }

    /// The mount points at `path` and below it.
    pub fn points(&self, _path: &Path) -> Vec<PathBuf> {
        match *self {}
    }
}

#[cfg(target_os = "linux")]
fn read_table() -> io::Result<Vec<u8>> {
    read_table_of("/proc/self/mountinfo")
}

#[cfg(target_os = "linux")]
fn read_table_of(path: &str) -> io::Result<Vec<u8>> {
    use rustix::fs::{Mode, OFlags};
    let table = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(&table, &mut piece[..]) {
            Ok(0) => return Ok(text),
            Ok(count) => text.extend_from_slice(&piece[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a kernel says of one mount.
#[cfg(unix)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    pub(super) kind: String,
    pub(super) source: OsString,
}

#[cfg(unix)]
pub(super) fn verdict(mount: Option<&Mount>, path: &Path) -> Verdict {
    let Some(mount) = mount else {
        return Verdict {
            network: true,
            file_system: "unknown".into(),
            mount_point: "/".into(),
            source: String::new(),
            reason: format!("{path:?} is on no mount that this machine shows, so it is taken for a network one."),
        };
    };
    let source = mount.source.to_string_lossy().into_owned();
    let place = kinds::place(&mount.kind, mount.source.as_encoded_bytes());
    Verdict {
        network: place.is_network(),
        reason: sentence(&place, mount, &source),
        file_system: mount.kind.clone(),
        mount_point: mount.point.clone(),
        source,
    }
}

#[cfg(unix)]
fn sentence(place: &Place, Mount { point, kind, .. }: &Mount, source: &str) -> String {
    match place {
        Place::Local => format!("{point:?} is a file system of this machine ({kind} on {source:?})."),
        Place::Network(what) => format!("{point:?} is a network file system: {what} ({kind}) from {source:?}."),
        Place::Host(what) => {
            format!("{point:?} is shared into this machine from its host: {what} ({kind}) from {source:?}.")
        }
        Place::OnDemand => {
            format!("{point:?} is mounted on demand ({kind}) and not mounted now, so it is taken for a network one.")
        }
        Place::Assumed => {
            format!(
                "{point:?} is served by a program ({kind} from {source:?}) that is not known to be local, so it is taken \
                 for a network one."
            )
        }
    }
}
