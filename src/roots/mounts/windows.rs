//! Where a path lies on Windows: by the letter or the share that it begins with. What is asked is in [`asked`].
//!
//! Invariants. The letter is asked about as it was typed, before the path is resolved: a mapped letter and one of `subst` are
//! told apart from disks by that alone. A share is known by its prefix and not touched. A drive that is not known to be a
//! disk of this machine is never said to be one; the drive that Windows itself is on always is.

mod asked;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf, Prefix};

use super::Verdict;
use crate::disk::local;
use crate::model::shown::quoted;
use crate::roots::error::{Error, Result};
use asked::System;

/// Is `path` on another machine? It need not exist. Links and junctions on this machine's disks are followed.
pub fn detect_by(path: &Path, _: &mut dyn FnMut(&Path, &Verdict) -> Option<PathBuf>) -> Result<Verdict> {
    let failed = |source: io::Error| Error::Mounts { path: path.display().to_string(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let verdict = judge(&absolute, &System, MOST_STEPS).map_err(failed)?;
    if verdict.network {
        return Ok(verdict);
    }
    judge(&local::real_path(&absolute), &System, MOST_STEPS).map_err(failed)
}

/// `subst` of a letter of `subst`, and so on: no more than that.
const MOST_STEPS: usize = 8;

/// What Windows says of a letter or volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drive {
    /// Disks, sticks, disks in memory and optical ones.
    OfThisMachine,
    Remote,
    /// There is none.
    Nowhere,
}

/// What is asked of the system.
trait Ask {
    /// What `X:` is.
    fn drive(&self, letter: char) -> Drive;
    /// The device that `X:` stands for: `\Device\HarddiskVolume3`, `\??\C:\folder`.
    fn device(&self, letter: char) -> Option<OsString>;
    /// The share that `X:` is mapped to in this log-on.
    fn share(&self, letter: char) -> Option<OsString>;
    /// The share that Windows is to map `X:` to at each log-on of this user.
    fn remembered(&self, letter: char) -> Option<OsString>;
    /// The mount point of the volume on which `path` lies, and its file system.
    fn volume(&self, path: &Path) -> Option<(PathBuf, String)>;
    /// The letter of the drive that Windows is on.
    fn home(&self) -> Option<char>;
}

/// The verdict for an absolute path.
fn judge(path: &Path, ask: &dyn Ask, steps: usize) -> io::Result<Verdict> {
    let Some(Component::Prefix(prefix)) = path.components().next() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has neither a letter nor a share"));
    };
    match prefix.kind() {
        Prefix::UNC(server, share) | Prefix::VerbatimUNC(server, share) => Ok(of_share(server, share)),
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => {
            of_letter(char::from(letter).to_ascii_uppercase(), path, ask, steps)
        }
        // A volume by its number; a file there is one of this machine.
        Prefix::Verbatim(name) if is_volume(name) => Ok(of_volume(path, None, ask)),
        Prefix::Verbatim(_) => Ok(of_unknown(prefix.as_os_str())),
        Prefix::DeviceNS(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a device")),
    }
}

fn is_volume(name: &OsStr) -> bool {
    name.to_string_lossy().to_ascii_lowercase().starts_with("volume{")
}

/// `\\?\GLOBALROOT`, `\\?\unc`: they may lead anywhere.
fn of_unknown(prefix: &OsStr) -> Verdict {
    let source = prefix.to_string_lossy().into_owned();
    Verdict {
        network: true,
        file_system: "unknown".to_owned(),
        mount_point: PathBuf::from(format!(r"{source}\")),
        reason: format!("Where {source} leads cannot be told, so it is taken for a network one; use the letter or the share."),
        source,
    }
}

fn of_letter(letter: char, path: &Path, ask: &dyn Ask, steps: usize) -> io::Result<Verdict> {
    let device = ask.device(letter).unwrap_or_default();
    if let Some(target) = substituted(&device) {
        if steps == 0 {
            return Err(io::Error::other("its letter stands for another one without end"));
        }
        let rest: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let mut verdict = judge(&target.join(rest), ask, steps - 1)?;
        verdict.reason = format!("{letter}: stands for {} (subst). {}", quoted(target), verdict.reason);
        return Ok(verdict);
    }
    match ask.drive(letter) {
        Drive::Remote => Ok(of_mapped(letter, ask.share(letter), &device)),
        Drive::Nowhere => Ok(of_no_drive(letter, ask.remembered(letter))),
        Drive::OfThisMachine => Ok(of_volume(path, Some(letter), ask)),
    }
}

/// Where a letter of `subst` leads.
fn substituted(device: &OsStr) -> Option<PathBuf> {
    let text = device.to_str()?.strip_prefix(r"\??\")?;
    match text.strip_prefix(r"UNC\") {
        Some(share) => Some(PathBuf::from(format!(r"\\{share}"))),
        // With the root that a bare letter has not.
        None => Some(PathBuf::from(format!("{}\\", text.trim_end_matches('\\')))),
    }
}

/// What answers for shares of these servers: another kind of machine than a server.
const HOSTS: &[(&str, &str, &str)] = &[
    ("wsl$", "9p", "the files of the WSL distribution"),
    ("wsl.localhost", "9p", "the files of the WSL distribution"),
    ("tsclient", "rdpdr", "a drive of the computer that this remote desktop is shown on,"),
    ("vmware-host", "hgfs", "a VMware shared folder,"),
    ("vboxsvr", "vboxsf", "a VirtualBox shared folder,"),
    ("vboxsrv", "vboxsf", "a VirtualBox shared folder,"),
    ("psf", "prl_fs", "a Parallels shared folder,"),
    ("mac", "prl_fs", "a Parallels shared folder,"),
];

fn of_share(server: &OsStr, share: &OsStr) -> Verdict {
    let (server, share) = (server.to_string_lossy(), share.to_string_lossy());
    let source = format!(r"\\{server}\{share}");
    let host = HOSTS.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(&server));
    let dav = share.eq_ignore_ascii_case("DavWWWRoot") || server.contains('@');
    let docker = share.to_ascii_lowercase().starts_with("docker-desktop");
    let (file_system, reason) = match host {
        Some((_, kind, _)) if *kind == "9p" && docker => (
            *kind,
            format!("{source} is Docker Desktop's own machine ({kind}): no place for a project, it is made anew at will."),
        ),
        Some((_, kind, what)) => {
            (*kind, format!("{source} is {what} {share} ({kind}): another machine answers for it, and tells of no changes."))
        }
        None if dav => ("webdav", format!("{source} is a network file system: WebDAV.")),
        None => ("smb", format!("{source} is a share of another machine.")),
    };
    Verdict {
        network: true,
        file_system: file_system.to_owned(),
        mount_point: PathBuf::from(format!(r"{source}\")),
        source,
        reason,
    }
}

/// What is behind a mapped letter, by the device that answers for it.
const REDIRECTORS: &[(&str, &str, &str)] = &[
    ("lanmanredirector", "smb", "SMB"),
    ("windfs", "smb", "a DFS name space"),
    ("webdavredirector", "webdav", "WebDAV"),
    ("mrxdav", "webdav", "WebDAV"),
    ("nfsrdr", "nfs", "NFS"),
    ("mrxnfs", "nfs", "NFS"),
    ("p9rdr", "9p", "the files of a WSL distribution"),
    ("hgfs", "hgfs", "a VMware shared folder"),
    ("vboxminirdr", "vboxsf", "a VirtualBox shared folder"),
];

fn of_mapped(letter: char, share: Option<OsString>, device: &OsStr) -> Verdict {
    let device = device.to_string_lossy().to_ascii_lowercase();
    let known = REDIRECTORS.iter().find(|(name, _, _)| device.contains(name));
    let (file_system, what) = known.map_or(("network", "a network drive"), |(_, kind, what)| (*kind, *what));
    let source = share.map(|share| share.to_string_lossy().into_owned()).unwrap_or_default();
    let to = if source.is_empty() { String::new() } else { format!(", mapped to {source}") };
    Verdict {
        network: true,
        file_system: file_system.to_owned(),
        mount_point: PathBuf::from(format!("{letter}:\\")),
        source,
        reason: format!("{letter}: is a network drive of this log-on: {what}{to}."),
    }
}

/// A letter that this log-on has not: nothing there is believed.
fn of_no_drive(letter: char, remembered: Option<OsString>) -> Verdict {
    let source = remembered.map(|share| share.to_string_lossy().into_owned()).unwrap_or_default();
    let reason = if source.is_empty() {
        format!(
            "There is no drive {letter}: in this log-on, so it is taken for a network one. Mapped letters belong to one log-on: an \
             elevated window, a service or a task does not see those of the desktop; the \\\\server\\share form works everywhere."
        )
    } else {
        format!(
            "{letter}: is mapped to {source} at log-on, and is not connected here. An elevated window, a service or a task does not \
             see the letters of the desktop; {source} works everywhere."
        )
    };
    let mount_point = PathBuf::from(format!("{letter}:\\"));
    Verdict { network: true, file_system: "unknown".to_owned(), mount_point, source, reason }
}

/// Devices of disks of this machine, as their names begin.
const DISKS: &[&str] =
    &["harddiskvolume", "harddisk", "cdrom", "floppy", "ramdisk", "ramdrive", "imdisk", "veracryptvolume", "truecryptvolume"];

fn of_volume(path: &Path, letter: Option<char>, ask: &dyn Ask) -> Verdict {
    let top: PathBuf = path.components().take_while(|part| !matches!(part, Component::Normal(_))).collect();
    let (mount_point, file_system) = ask.volume(path).unwrap_or_else(|| (top, "unknown".to_owned()));
    let device =
        letter.and_then(|letter| ask.device(letter)).map(|device| device.to_string_lossy().into_owned()).unwrap_or_default();
    let name = device.to_ascii_lowercase();
    let name = name.strip_prefix(r"\device\").unwrap_or(&name);
    // Google Drive and others give a letter to a program that says that it is a disk with FAT32.
    let program = !name.is_empty() && !DISKS.iter().any(|disk| name.starts_with(disk)) && letter != ask.home();
    let reason = if program {
        format!(
            "{} is served by a program ({file_system} from {}) that is not known to keep its files on this \
             machine, so it is taken for a network one.",
            quoted(&mount_point),
            quoted(&device)
        )
    } else {
        format!("{} is a disk of this machine ({file_system}).", quoted(&mount_point))
    };
    Verdict { network: program, file_system, mount_point, source: device, reason }
}
