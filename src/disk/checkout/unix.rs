//! Bits, links and renames of Unix.

use std::ffi::OsStr;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

pub fn place(folder: &Path, path: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(path))
}

pub fn is_executable(meta: &Metadata) -> Option<bool> {
    Some(meta.mode() & 0o100 != 0)
}

/// What changes with every write.
pub fn facts(meta: &Metadata) -> impl PartialEq + use<> {
    (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
}

/// Neither follows a link nor waits for a writer.
pub fn careful(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed())
}

/// With the rights that the umask leaves.
pub fn for_everybody<'a, 'b>(
    file: &'a mut tempfile::Builder<'b, 'static>,
    executable: bool,
) -> &'a mut tempfile::Builder<'b, 'static> {
    file.permissions(fs::Permissions::from_mode(if executable { 0o777 } else { 0o666 }))
}

pub fn rename_to_free_place(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // RACE: without that call, what comes to `to` between the look and the rename is replaced.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        moved => moved.map_err(io::Error::from),
    }
}

pub fn symlink(target: &[u8], path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(OsStr::from_bytes(target), path)
}
