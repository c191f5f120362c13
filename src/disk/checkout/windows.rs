//! What Windows has of bits, links and renames. There is no bit that makes a file a program.

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OPEN_REPARSE_POINT, MOVEFILE_WRITE_THROUGH, MoveFileExW};

use crate::model::native;

/// Each name as Windows holds it. One with a colon, a backslash or a dot at its end would lead somewhere else.
pub fn place(folder: &Path, path: &[u8]) -> PathBuf {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.fold(folder.to_path_buf(), |whole, name| match crate::disk::windows::is_name(name) {
        true => whole.join(native::spelled(name)),
        false => whole.join("\0"),
    })
}

pub fn is_executable(_: &Metadata) -> Option<bool> {
    None
}

/// What changes with every write.
pub fn facts(meta: &Metadata) -> impl PartialEq + use<> {
    (meta.file_size(), meta.last_write_time())
}

/// Does not follow a link.
pub fn careful(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
}

/// Rights come from the folder.
pub fn for_everybody<'a, 'b>(file: &'a mut tempfile::Builder<'b, 'static>, _: bool) -> &'a mut tempfile::Builder<'b, 'static> {
    file
}

/// Without the flag to replace; between two drives it fails, so that copying is ours.
pub fn rename_to_free_place(from: &Path, to: &Path) -> io::Result<()> {
    let [from, to] = [wide(from)?, wide(to)?];
    // SAFETY: both texts end with a zero and outlive the call.
    match unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The form that takes paths of any length, ended with a zero.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let whole = std::path::absolute(path)?;
    let units: Vec<u16> = whole.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, "Windows cannot hold this name"));
    }
    let begins = |start: &str| units.iter().take(start.len()).copied().eq(start.encode_utf16());
    let (start, rest) = match () {
        () if begins(r"\\?\") || begins(r"\\.\") => ("", &units[..]),
        () if begins(r"\\") => (r"\\?\UNC\", &units[2..]),
        () => (r"\\?\", &units[..]),
    };
    Ok(start.encode_utf16().chain(rest.iter().copied()).chain([0]).collect())
}

/// Needs a right that most users do not have, or the developer mode.
pub fn symlink(target: &[u8], path: &Path) -> io::Result<()> {
    let target = native::spelled(target);
    let leads_to_folder = path.parent().is_some_and(|folder| folder.join(&target).is_dir());
    if leads_to_folder {
        std::os::windows::fs::symlink_dir(target, path)
    } else {
        std::os::windows::fs::symlink_file(target, path)
    }
}
