//! SQLite's own traps on Windows. The write-ahead log needs memory that all its users share, and no share has that: on a UNC
//! path or a mapped letter two machines, or two log-ons, damage the database. So it is refused there before it is begun.
//!
//! SQLite 3.51 took `\\?\C:\…` for a share and let its log grow without end (its wal-index kept a lock); 3.54.1, which is
//! bundled, asks for the kind of drive. Nobody gives it such a path here anyway.

use std::path::{Component, Path, Prefix};

use rusqlite::ffi;
use windows_sys::Win32::Storage::FileSystem::GetDriveTypeW;
use windows_sys::Win32::System::WindowsProgramming::DRIVE_REMOTE;

use super::{Error, Result};

/// The SQLite whose source was read for that, as SQLite numbers its releases.
#[cfg(test)]
const TELLS_SHARES: i32 = 3_054_001;

/// An error where `path` lies on a share, whichever way it is written, or may: `\\?\GLOBALROOT` and `\\?\unc` lead anywhere.
pub(super) fn refuse_shares(path: &Path) -> Result<()> {
    if !is_on_a_share(path, drive_type) {
        return Ok(());
    }
    let why = "it lies on a network drive, where SQLite's locks and shared memory do not work; set DRIFTLESS_HOME to a folder on a \
               disk of this machine";
    let source = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(why.to_owned()));
    Err(Error::new("open the database", path, source))
}

fn is_on_a_share(path: &Path, drive_type: impl Fn(char) -> u32) -> bool {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(Component::Prefix(prefix)) = absolute.components().next() else { return false };
    match prefix.kind() {
        Prefix::UNC(..) | Prefix::VerbatimUNC(..) => true,
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => drive_type(char::from(letter)) == DRIVE_REMOTE,
        Prefix::Verbatim(name) => !name.to_string_lossy().to_ascii_lowercase().starts_with("volume{"),
        Prefix::DeviceNS(_) => true,
    }
}

fn drive_type(letter: char) -> u32 {
    let root: Vec<u16> = format!("{letter}:\\").encode_utf16().chain([0]).collect();
    // SAFETY: the text ends with a zero.
    unsafe { GetDriveTypeW(root.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{Access, ErrorKind, open};

    #[test]
    fn no_database_with_a_log_is_opened_on_a_share() {
        let drive_type = |letter: char| if letter.eq_ignore_ascii_case(&'z') { DRIVE_REMOTE } else { 3 };
        for (path, share) in [
            (r"Z:\state\manifest.db", true),
            (r"z:\state\manifest.db", true),
            (r"\\?\Z:\state\manifest.db", true),
            (r"\\nas\share\manifest.db", true),
            (r"\\?\UNC\nas\share\manifest.db", true),
            (r"\\?\unc\nas\share\manifest.db", true),
            (r"\\?\GLOBALROOT\Device\Mup\nas\share\manifest.db", true),
            (r"\\.\pipe\manifest.db", true),
            (r"\\?\Volume{0a1b2c3d-0000-0000-0000-100000000000}\manifest.db", false),
            (r"C:\state\manifest.db", false),
            (r"\\?\C:\state\manifest.db", false),
        ] {
            assert_eq!(is_on_a_share(Path::new(path), drive_type), share, "{path}");
        }
        let refused = open(Path::new(r"\\nas\share\manifest.db"), Access::ReadOnly, 64).expect_err("a share");
        assert!(refused.kind == ErrorKind::Denied && refused.to_string().contains("network drive"), "{refused}");
    }

    #[test]
    fn the_sqlite_that_is_bundled_tells_shares_from_disks() {
        assert!(rusqlite::version_number() >= TELLS_SHARES, "{}", rusqlite::version());
    }
}
