//! Files outside the roots: what Unix has of its own.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::model::time::Time;

/// The mode of files that are nobody else's business.
const PRIVATE: u32 = 0o600;

/// How to open what may be a FIFO or a link by now: neither waits, neither is followed.
pub fn careful() -> OpenOptions {
    with_flags(OFlags::NONBLOCK | OFlags::NOFOLLOW)
}

/// How to open a file that must be no link.
pub fn unlinked() -> OpenOptions {
    with_flags(OFlags::NOFOLLOW)
}

fn with_flags(flags: OFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(flags.bits().cast_signed());
    options
}

/// How to make a file that this user alone may read.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(PRIVATE);
    options
}

/// The same where no link may stand in its place.
pub fn private_and_unlinked() -> OpenOptions {
    let mut options = unlinked();
    options.mode(PRIVATE);
    options
}

/// The same where what stands there may be a FIFO too.
pub fn private_and_careful() -> OpenOptions {
    let mut options = careful();
    options.mode(PRIVATE);
    options
}

/// A file with a name of the moment, for this user alone or as the folder gives it.
pub fn temporary(folder: &Path, private: bool) -> io::Result<tempfile::NamedTempFile> {
    let rights = fs::Permissions::from_mode(if private { PRIVATE } else { 0o666 });
    tempfile::Builder::new().permissions(rights).tempfile_in(folder)
}

/// A private file is one from its first moment.
pub fn close_to_others(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The path without links and dots; it exists.
pub fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Makes a new file's name durable: not asked for here, a power cut may take it.
pub fn flush_name(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Renames; what stood there is replaced.
pub fn rename_for_good(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Makes the names in a folder durable.
pub fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// How to make folders that others may enter no more than they may enter `like`.
pub fn builder_like(like: &Metadata) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(like.mode() & 0o777 | 0o700);
    builder
}

/// As [`super::make_private_folder`].
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for meta in [fs::symlink_metadata(path), fs::metadata(path)] {
        if meta?.uid() != user_id() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
        }
    }
    if fs::metadata(path)?.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Bytes that may still be written at a path; `None` where that is not told.
pub fn free(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok().filter(|stat| stat.f_blocks > 0)?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

pub fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

/// This machine's name on the network, as far as it has one.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The operating system's name, its release, and the hardware.
pub fn system() -> (String, String, String) {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    (text(uname.sysname()), text(uname.release()), text(uname.machine()))
}

/// How many files this process may have open; `None` is no limit.
pub fn open_file_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Does the error say that what the path lies on is out of reach?
pub fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotConnected
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
            | io::ErrorKind::StaleNetworkFileHandle
    )
}

/// Device and number of what stands at a path, links followed.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// The same of an open file.
pub fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// How many names an open file has.
pub fn names(file: &File) -> io::Result<u64> {
    file.metadata().map(|meta| meta.nlink())
}

pub fn is_socket(meta: &Metadata) -> bool {
    meta.file_type().is_socket()
}

/// The permission bits.
pub fn mode(meta: &Metadata) -> u32 {
    meta.mode() & 0o777
}

/// The last change of the content and of anything at all.
pub fn changes(_path: &Path, meta: &Metadata) -> Option<(Time, Time)> {
    let at = |seconds, nanoseconds: i64| Time::from_parts(seconds, u32::try_from(nanoseconds).unwrap_or_default());
    Some((at(meta.mtime(), meta.mtime_nsec()), at(meta.ctime(), meta.ctime_nsec())))
}

/// Reads at a place until `bytes` is full.
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

pub fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

pub fn unlock(file: &File) -> io::Result<()> {
    file.unlock()
}

pub fn try_lock_shared(file: &File) -> Result<(), TryLockError> {
    file.try_lock_shared()
}
