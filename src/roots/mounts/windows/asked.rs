//! What Windows says of letters, shares and volumes.

use std::ffi::OsString;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::NetworkManagement::WNet::WNetGetConnectionW;
use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetVolumeInformationW, GetVolumePathNameW, QueryDosDeviceW};
use windows_sys::Win32::System::Registry::{HKEY_CURRENT_USER, RRF_RT_REG_SZ, RegGetValueW};
use windows_sys::Win32::System::WindowsProgramming::{DRIVE_NO_ROOT_DIR, DRIVE_REMOTE, DRIVE_UNKNOWN};

use super::{Ask, Drive};

/// The system that this program runs on.
pub(super) struct System;

/// As long as a path can be, in units.
const ROOM: usize = 32_768;

impl Ask for System {
    fn drive(&self, letter: char) -> Drive {
        let root = units(&format!("{letter}:\\"));
        // SAFETY: the text ends with a zero.
        match unsafe { GetDriveTypeW(root.as_ptr()) } {
            DRIVE_UNKNOWN | DRIVE_NO_ROOT_DIR => Drive::Nowhere,
            DRIVE_REMOTE => Drive::Remote,
            _ => Drive::OfThisMachine,
        }
    }

    fn device(&self, letter: char) -> Option<OsString> {
        let (name, mut device) = (units(&format!("{letter}:")), vec![0; ROOM]);
        // SAFETY: the name ends with a zero; the length given is that of the buffer.
        let length = unsafe { QueryDosDeviceW(name.as_ptr(), device.as_mut_ptr(), device.len() as u32) };
        // The newest of several meanings comes first.
        (length > 0).then(|| first(&device)).filter(|device| !device.is_empty())
    }

    fn share(&self, letter: char) -> Option<OsString> {
        let (name, mut share) = (units(&format!("{letter}:")), vec![0; ROOM]);
        let mut length = share.len() as u32;
        // SAFETY: the name ends with a zero; `length` says how many units fit.
        let told = unsafe { WNetGetConnectionW(name.as_ptr(), share.as_mut_ptr(), &raw mut length) };
        (told == ERROR_SUCCESS).then(|| first(&share)).filter(|share| !share.is_empty())
    }

    fn remembered(&self, letter: char) -> Option<OsString> {
        let (key, value, mut share) = (units(&format!("Network\\{letter}")), units("RemotePath"), vec![0_u16; ROOM]);
        let mut length = size_of_val(&share[..]) as u32;
        // SAFETY: both names end with a zero; `length` says how many bytes fit.
        let told = unsafe {
            RegGetValueW(
                HKEY_CURRENT_USER,
                key.as_ptr(),
                value.as_ptr(),
                RRF_RT_REG_SZ,
                std::ptr::null_mut(),
                share.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        (told == ERROR_SUCCESS).then(|| first(&share)).filter(|share| !share.is_empty())
    }

    fn volume(&self, path: &Path) -> Option<(PathBuf, String)> {
        let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
        let mut point = vec![0; ROOM];
        // SAFETY: the name ends with a zero; the length given is that of the buffer.
        if unsafe { GetVolumePathNameW(name.as_ptr(), point.as_mut_ptr(), point.len() as u32) } == 0 {
            return None;
        }
        let mut kind = [0; 64];
        // SAFETY: the mount point ends with a zero, the length given is that of the buffer; the rest is not asked for.
        let told = unsafe {
            GetVolumeInformationW(
                point.as_ptr(),
                std::ptr::null_mut(),
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                kind.as_mut_ptr(),
                kind.len() as u32,
            )
        };
        let kind = if told == 0 { "unknown".to_owned() } else { first(&kind).to_string_lossy().into_owned() };
        Some((PathBuf::from(first(&point)), kind))
    }

    fn home(&self) -> Option<char> {
        let letter = std::env::var("SystemRoot").ok()?.chars().next()?;
        letter.is_ascii_alphabetic().then(|| letter.to_ascii_uppercase())
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The text up to the first zero.
fn first(units: &[u16]) -> OsString {
    let length = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    OsString::from_wide(&units[..length])
}
