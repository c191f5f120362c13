//! Open a folder beneath a handle, never through a link or a junction.

use std::os::windows::io::{AsHandle, OwnedHandle};

use windows_sys::Wdk::Storage::FileSystem::FileAttributeTagInformation;
use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_REPARSE_POINT;

use super::nt::{self, Ask, Result};
use super::stat::Reparse;
use super::status::Status;

/// Bytes of a path that one call takes.
const ONE_CALL: usize = 65_000;

/// The folder at `path` (each name spelled for the system) below `root`.
///
/// On a local volume in one step. A server resolves what lies on the way by itself, junctions too, so a remote path is gone
/// name by name.
pub(super) fn folder(root: &impl AsHandle, path: &[Vec<u16>], remote: bool) -> Result<OwnedHandle> {
    let whole = path.join(&u16::from(b'\\'));
    if remote || path.len() < 2 || size_of_val(&*whole) > ONE_CALL {
        return by_names(root, path);
    }
    match nt::open_path(root, &whole, Ask::FOLDER) {
        Ok(handle) => expect_plain(handle),
        // No promise about links from such a system or file system.
        Err(status) if status.is_unknown_request() => by_names(root, path),
        Err(status) => Err(status),
    }
}

/// Name by name, each asked whether it leads elsewhere.
pub(super) fn by_names(root: &impl AsHandle, path: &[Vec<u16>]) -> Result<OwnedHandle> {
    let Some((first, rest)) = path.split_first() else { return nt::open(root, &[], Ask::FOLDER) };
    let mut open = expect_plain(nt::open(root, first, Ask::FOLDER)?)?;
    for name in rest {
        open = expect_plain(nt::open(&open, name, Ask::FOLDER)?)?;
    }
    Ok(open)
}

/// Opened as a reparse point, a junction is a folder like any: it has to be asked.
fn expect_plain(handle: OwnedHandle) -> Result<OwnedHandle> {
    let [attributes, tag] = tag_of(&handle)?;
    let plain = attributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 || Reparse::of(tag) == Reparse::Plain;
    if plain { Ok(handle) } else { Err(Status::BARRED) }
}

/// Attributes, and the tag of a reparse point.
fn tag_of(handle: &impl AsHandle) -> Result<[u32; 2]> {
    let answer = nt::query::<8>(handle, FileAttributeTagInformation)?;
    Ok([answer.u32(0), answer.u32(4)])
}
