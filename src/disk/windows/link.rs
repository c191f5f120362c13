//! Symbolic links: what a reparse point holds, and the other way round.
//!
//! A link travels as the text of its target with `/` between the names, as Unix has it. Links to whole paths of Windows
//! (`C:\…`, shares) stay where they are: they would lead elsewhere, or nowhere, on any other machine. So does a target that
//! Windows would read differently than whoever made it.

use std::os::windows::io::AsHandle;

use windows_sys::Wdk::Storage::FileSystem::IO_REPARSE_TAG_LX_SYMLINK;
use windows_sys::Win32::System::Ioctl::{FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT};
use windows_sys::Win32::System::SystemServices::{IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK};

use super::names;
use super::nt::{self, Result, u32_at};
use crate::model::native;

/// Where a link leads, or a sentence why it is left alone.
pub(super) type Target = std::result::Result<Box<[u8]>, String>;

/// The most that a reparse point holds (`MAXIMUM_REPARSE_DATA_BUFFER_SIZE`).
const MOST: usize = 16 * 1024;
const RELATIVE: u32 = 1;

/// Asks an open link where it leads.
pub(super) fn target(link: &impl AsHandle) -> Result<Target> {
    let mut buffer = vec![0; MOST];
    let length = nt::control(link, FSCTL_GET_REPARSE_POINT, &[], &mut buffer)?;
    Ok(parse(&buffer[..length]))
}

/// Makes an open, new and empty file or folder a link.
pub(super) fn become_link(file: &impl AsHandle, target: &[u16]) -> Result<()> {
    nt::control(file, FSCTL_SET_REPARSE_POINT, &compose(target), &mut []).map(drop)
}

fn parse(buffer: &[u8]) -> Target {
    let broken = || "is a link that holds nonsense".to_owned();
    // Tag, length, reserved; then what the tag says.
    let body = buffer.get(8..).ok_or_else(broken)?;
    let tag = u32_at(buffer, 0);
    if tag.cast_signed() == IO_REPARSE_TAG_LX_SYMLINK {
        // A version, then the target as Linux wrote it.
        return body.get(4..).map(Into::into).ok_or_else(broken);
    }
    // Offsets and lengths, in bytes, of the target and of the text for people; flags; both texts.
    let (head, texts) = body.split_at_checked(12).ok_or_else(broken)?;
    let number = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let bytes = texts.get(number(0)..number(0) + number(2)).ok_or_else(broken)?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    if u32_at(head, 8) & RELATIVE == 0 || units.first() == Some(&u16::from(b'\\')) {
        let path = String::from_utf16_lossy(&units);
        return Err(format!(
            "is a link to a whole path of this machine ({}), which is not carried",
            path.trim_start_matches("\\??\\")
        ));
    }
    let slashes: Vec<u16> = units.iter().map(|&unit| if unit == u16::from(b'\\') { u16::from(b'/') } else { unit }).collect();
    let native: std::ffi::OsString = std::os::windows::ffi::OsStringExt::from_wide(&slashes);
    Ok(native::to_bytes(&native).into())
}

fn compose(target: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = target.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let length = bytes.len() as u16;
    let mut buffer = IO_REPARSE_TAG_SYMLINK.to_le_bytes().to_vec();
    buffer.extend_from_slice(&(12 + 2 * length).to_le_bytes());
    buffer.extend_from_slice(&[0; 2]);
    for number in [0, length, length, length] {
        buffer.extend_from_slice(&number.to_le_bytes());
    }
    buffer.extend_from_slice(&RELATIVE.to_le_bytes());
    buffer.extend_from_slice(&bytes);
    buffer.extend_from_slice(&bytes);
    buffer
}

/// A target as Windows spells it; else why it cannot.
pub(super) fn spell(target: &[u8]) -> std::result::Result<Vec<u16>, String> {
    if target.is_empty() || target.starts_with(b"/") {
        return Err("a link to a whole path of another system leads nowhere on Windows".to_owned());
    }
    let mut units = Vec::new();
    for name in target.split(|&byte| byte == b'/') {
        if !units.is_empty() {
            units.push(u16::from(b'\\'));
        }
        match name {
            b"." | b".." => units.extend(name.iter().map(|&byte| u16::from(byte))),
            _ => units.extend(names::spell(name).map_err(|flaw| format!("in the link's target: {flaw}"))?),
        }
    }
    // Longer ones do not fit twice into what a reparse point may hold.
    if units.len() > 4_000 { Err("the link's target is too long for Windows".to_owned()) } else { Ok(units) }
}

/// A sentence about a reparse point that is none of ours.
pub(super) fn strange(tag: u32) -> String {
    match tag {
        IO_REPARSE_TAG_MOUNT_POINT => "is a junction or a mounted volume, which leads elsewhere: not followed".to_owned(),
        _ => format!("is a reparse point of a kind that is not known here ({tag:#010x}): not followed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_comes_back_as_it_was_given() {
        for target in ["file", "no/such target", "../up/ä😀", "./here"] {
            let units = spell(target.as_bytes()).expect(target);
            assert!(!units.contains(&u16::from(b'/')));
            assert_eq!(parse(&compose(&units)).expect("a link").as_ref(), target.as_bytes());
        }
    }

    #[test]
    fn targets_that_windows_reads_differently_are_refused() {
        for target in ["", "/etc/passwd", "a//b", "folder/", "a\\b", "C:", "C:/x", "nul", "a/con/b", "a:b"] {
            assert!(spell(target.as_bytes()).is_err(), "{target}");
        }
    }

    #[test]
    fn whole_paths_and_nonsense_are_left_alone() {
        let whole: Vec<u16> = "\\??\\C:\\x".encode_utf16().collect();
        let mut absolute = compose(&whole);
        absolute[16..20].fill(0);
        assert!(parse(&absolute).expect_err("absolute").contains("(C:\\x)"));
        let rooted: Vec<u16> = "\\x".encode_utf16().collect();
        assert!(parse(&compose(&rooted)).is_err(), "from the drive's top");
        let lx = [&0xa000_001d_u32.to_le_bytes()[..], &[6, 0, 0, 0, 2, 0, 0, 0], b"/x"].concat();
        assert_eq!(parse(&lx).expect("a link of WSL").as_ref(), b"/x");
        let good = compose(&whole);
        for length in 0..good.len() {
            // Must not panic, whatever is cut off.
            let _ = parse(&good[..length]);
        }
        assert!(parse(&[0xff; 64]).is_err());
    }
}
