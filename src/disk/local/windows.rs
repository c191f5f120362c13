//! Files outside the roots: what Windows has of its own.
//!
//! Files inherit the rights of their folder. Folders of ours lie in the user's profile, which is closed to others; one that
//! lies elsewhere, and a secret in a folder that is not ours, get rights of their own.

mod rights;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Component, Path, PathBuf, Prefix};

use windows_sys::Win32::Foundation::{self as code, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_FLAG_OVERLAPPED,
    FILE_ID_INFO, FILE_INFO_BY_HANDLE_CLASS, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_STANDARD_INFO, FileBasicInfo,
    FileIdInfo, FileStandardInfo, GetDiskFreeSpaceExW, GetFileInformationByHandle, GetFileInformationByHandleEx,
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, MOVEFILE_REPLACE_EXISTING, MOVEFILE_WRITE_THROUGH,
    MoveFileExW, UnlockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::SystemInformation::{ComputerNamePhysicalDnsHostname, GetComputerNameExW};

use crate::model::time::Time;

/// How to open what may be a link by now: it is opened itself, and is no file then.
pub fn careful() -> OpenOptions {
    unlinked()
}

/// How to open a file that must be no link.
pub fn unlinked() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// How to make a file that this user alone may read: its folder says so.
pub fn private() -> OpenOptions {
    OpenOptions::new()
}

/// The same where no link may stand in its place.
pub fn private_and_unlinked() -> OpenOptions {
    unlinked()
}

/// The same: Windows has no FIFOs among files.
pub fn private_and_careful() -> OpenOptions {
    unlinked()
}

/// A folder, to hear of changes below it by calls that do not wait. Nobody else is kept from anything.
pub fn open_to_hear(folder: &Path) -> io::Result<File> {
    let mut open = OpenOptions::new();
    open.access_mode(FILE_LIST_DIRECTORY).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED).open(folder)
}

/// A file with a name of the moment, for this user alone or as the folder gives it.
pub fn temporary(folder: &Path, private: bool) -> io::Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new_in(folder)?;
    if private {
        close_to_others(file.path())?;
    }
    Ok(file)
}

/// Gives a file that holds nothing yet to this user alone, unless the profile does so already.
pub fn close_to_others(path: &Path) -> io::Result<()> {
    if is_in_profile(path) { Ok(()) } else { rights::close(path, rights::Kind::File) }
}

/// Renames; what stood there is replaced. Returns when both names are on the disk as far as Windows does that.
pub fn rename_for_good(from: &Path, to: &Path) -> io::Result<()> {
    let (old, new) = (wide(from)?, wide(to)?);
    // SAFETY: both are texts that end with a zero and outlive the call.
    if unsafe { MoveFileExW(old.as_ptr(), new.as_ptr(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) } != 0 {
        return Ok(());
    }
    // Somebody has it open: the standard library replaces its name by the newer way where there is one.
    fs::rename(from, to)?;
    OpenOptions::new().write(true).open(to)?.sync_all()
}

/// Makes the names in a folder durable. Windows keeps a journal of them and offers nothing that is sure to flush it; what it
/// does offer is asked for.
pub fn flush_folder(path: &Path) -> io::Result<()> {
    let folder = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path);
    let _ = folder.and_then(|folder| folder.sync_all());
    Ok(())
}

/// Makes a new file's name durable.
pub fn flush_name(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// How to make folders that others may enter no more than they may enter `like`: rights are inherited.
pub fn builder_like(_like: &Metadata) -> DirBuilder {
    DirBuilder::new()
}

/// As [`super::make_private_folder`].
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if is_in_profile(path) {
        return Ok(());
    }
    rights::close(path, rights::Kind::Folder)
}

/// Does it lie where Windows lets nobody else in?
fn is_in_profile(path: &Path) -> bool {
    let real = |path: PathBuf| fs::canonicalize(path).ok();
    let own = ["LOCALAPPDATA", "APPDATA", "USERPROFILE"].into_iter().filter_map(|name| std::env::var_os(name).map(PathBuf::from));
    let Some(path) = real(path.to_owned()) else { return false };
    own.filter(|own| own.is_absolute()).filter_map(real).any(|own| path.starts_with(own))
}

/// Bytes that may still be written at a path; `None` where that is not told.
pub fn free(path: &Path) -> Option<u64> {
    let path = wide(path).ok()?;
    let mut free = 0;
    // SAFETY: the text ends with a zero; the number outlives the call, the others may be left out.
    let told = unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &raw mut free, std::ptr::null_mut(), std::ptr::null_mut()) };
    (told != 0).then_some(free)
}

/// The last part of the user's SID: it tells the accounts of one machine from each other.
pub fn user_id() -> u32 {
    rights::user_number().unwrap_or_default()
}

/// This machine's name on the network, as far as it has one.
pub fn host_name() -> String {
    let mut name = [0_u16; 256];
    let mut length = name.len() as u32;
    // SAFETY: `length` says how many units fit.
    let told = unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, name.as_mut_ptr(), &raw mut length) };
    if told == 0 { String::new() } else { String::from_utf16_lossy(&name[..length as usize]) }
}

/// The operating system's name, its release, and the hardware.
pub fn system() -> (String, String, String) {
    use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
    use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;
    let mut version = OSVERSIONINFOW { dwOSVersionInfoSize: size_of::<OSVERSIONINFOW>() as u32, ..OSVERSIONINFOW::default() };
    // SAFETY: the value says how large it is.
    unsafe { RtlGetVersion(&raw mut version) };
    let release = format!("{}.{}.{}", version.dwMajorVersion, version.dwMinorVersion, version.dwBuildNumber);
    ("Windows".to_owned(), release, std::env::consts::ARCH.to_owned())
}

/// How many files this process may have open; `None` is no limit.
pub fn open_file_limit() -> Option<u64> {
    None
}

/// Does the error say that what the path lies on is out of reach?
pub fn is_gone(error: &io::Error) -> bool {
    crate::disk::windows::is_gone(error, false)
}

/// The volume's serial number and the file's number there, links followed.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    identity_of(&to_be_asked(path)?)
}

/// The same of an open file. Numbers of 128 bits (ReFS) are folded.
pub fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    let mut found = FILE_ID_INFO::default();
    if ask(file, FileIdInfo, &mut found).is_ok() {
        let number = u128::from_le_bytes(found.FileId.Identifier);
        return Ok((found.VolumeSerialNumber, number as u64 ^ (number >> 64) as u64));
    }
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open and the value outlives the call.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok((found.dwVolumeSerialNumber.into(), number))
}

/// How many names an open file has; one that is about to go has none.
pub fn names(file: &File) -> io::Result<u64> {
    let mut found = FILE_STANDARD_INFO::default();
    ask(file, FileStandardInfo, &mut found)?;
    Ok(if found.DeletePending { 0 } else { found.NumberOfLinks.into() })
}

/// What `class` says of an open file; `T` is the type that goes with it.
fn ask<T>(file: &File, class: FILE_INFO_BY_HANDLE_CLASS, found: &mut T) -> io::Result<()> {
    // SAFETY: the handle is open; the value is as large as it is said to be.
    let told = unsafe {
        GetFileInformationByHandleEx(file.as_raw_handle(), class, std::ptr::from_mut(found).cast(), size_of::<T>() as u32)
    };
    if told == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens a file or folder for nothing but questions: nobody is in the way of that.
fn to_be_asked(path: &Path) -> io::Result<File> {
    OpenOptions::new().access_mode(FILE_READ_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// Windows tells a socket from no other link.
pub fn is_socket(_meta: &Metadata) -> bool {
    false
}

/// Permission bits as far as Windows has any: a file that is not to be written has none for that.
pub fn mode(meta: &Metadata) -> u32 {
    if meta.permissions().readonly() && meta.is_file() { 0o555 } else { 0o777 }
}

/// The last change of the content and of anything at all.
pub fn changes(path: &Path, meta: &Metadata) -> Option<(Time, Time)> {
    let mut found = FILE_BASIC_INFO::default();
    ask(&to_be_asked(path).ok()?, FileBasicInfo, &mut found).ok()?;
    let inode = if found.ChangeTime == 0 { found.LastWriteTime } else { found.ChangeTime };
    Some((time(meta.last_write_time()), time(inode.cast_unsigned())))
}

/// Windows counts in steps of 100 ns from 1601 on.
fn time(ticks: u64) -> Time {
    const TO_1970: i64 = 116_444_736_000_000_000;
    Time(ticks.cast_signed().saturating_sub(TO_1970).saturating_mul(100))
}

/// Reads at a place until `bytes` is full. The place of the next read moves.
pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => (bytes, offset) = (&mut bytes[count..], offset + count as u64),
        }
    }
    Ok(())
}

/// Nobody can read what is locked, and who holds a lock is written in the file; so a byte is locked that no file has.
const FAR: u32 = 0x4000_0000;

pub fn try_lock(file: &File) -> Result<(), TryLockError> {
    lock(file, LOCKFILE_EXCLUSIVE_LOCK)
}

pub fn try_lock_shared(file: &File) -> Result<(), TryLockError> {
    lock(file, 0)
}

pub fn unlock(file: &File) -> io::Result<()> {
    let mut place = far();
    // SAFETY: as in `lock`.
    if unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &raw mut place) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn far() -> OVERLAPPED {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.OffsetHigh = FAR;
    place
}

fn lock(file: &File, kind: u32) -> Result<(), TryLockError> {
    let mut place = far();
    // SAFETY: the handle is open and not for overlapped calls, so that `place` is not used after the call.
    let locked = unsafe { LockFileEx(file.as_raw_handle(), kind | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &raw mut place) };
    if locked != 0 {
        return Ok(());
    }
    let failed = io::Error::last_os_error();
    match failed.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Err(TryLockError::WouldBlock),
        _ => Err(TryLockError::Error(failed)),
    }
}

/// The path without links and dots, as people write it. A mapped letter becomes the share that it stands for.
pub fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(plain(&real)),
        // Some drivers of disks that are not real ones cannot say what a file is called.
        Err(odd)
            if matches!(
                odd.raw_os_error().map(i32::cast_unsigned),
                Some(code::ERROR_INVALID_FUNCTION | code::ERROR_UNRECOGNIZED_VOLUME)
            ) =>
        {
            fs::metadata(path)?;
            std::path::absolute(path)
        }
        Err(error) => Err(error),
    }
}

/// `\\?\C:\a` as `C:\a` and `\\?\UNC\server\share\a` as `\\server\share\a`, where that means the same.
fn plain(path: &Path) -> PathBuf {
    let mut components = path.components();
    let Some(Component::Prefix(prefix)) = components.next() else { return path.to_owned() };
    let start = match prefix.kind() {
        Prefix::VerbatimDisk(letter) => format!("{}:\\", char::from(letter)).into(),
        Prefix::VerbatimUNC(server, share) => {
            let mut start = std::ffi::OsString::from("\\\\");
            start.push(server);
            start.push("\\");
            start.push(share);
            start.push("\\");
            start
        }
        _ => return path.to_owned(),
    };
    let rest: PathBuf = components.filter(|part| *part != Component::RootDir).collect();
    let simple = PathBuf::from(start).join(rest);
    // A name with a dot at its end, or that of a device, means something else without the prefix.
    if std::path::absolute(&simple).is_ok_and(|same| same.as_os_str() == simple.as_os_str()) { simple } else { path.to_owned() }
}

/// For calls that the standard library does not make: whole, and with the prefix that lets it be of any length.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    use std::os::windows::ffi::OsStrExt;
    let path = std::path::absolute(path)?;
    let name = path.as_os_str();
    let units: Vec<u16> = match path.components().next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::Disk(_) => r"\\?\".encode_utf16().chain(name.encode_wide()).collect(),
            Prefix::UNC(..) => r"\\?\UNC".encode_utf16().chain(name.encode_wide().skip(1)).collect(),
            _ => name.encode_wide().collect(),
        },
        _ => name.encode_wide().collect(),
    };
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name holds a zero"));
    }
    Ok(units.into_iter().chain([0]).collect())
}
