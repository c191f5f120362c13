//! The values that Windows runs when this user logs on.

use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY_CURRENT_USER, REG_SZ, RRF_RT_REG_SZ, RegDeleteKeyValueW, RegGetValueW, RegSetKeyValueW,
};

const KEY: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";

/// Bytes of the longest value that is read.
const MOST: usize = 4096;

/// A value; `None` where there is none.
pub fn read(name: &str) -> Result<Option<String>, String> {
    let (key, value) = (wide(KEY), wide(name));
    let mut units = vec![0_u16; MOST / 2];
    let mut bytes = u32::try_from(MOST).expect("a small number");
    // SAFETY: the texts end with a zero, and `bytes` says how large the place for the answer is.
    let done = unsafe {
        let into = units.as_mut_ptr().cast();
        RegGetValueW(HKEY_CURRENT_USER, key.as_ptr(), value.as_ptr(), RRF_RT_REG_SZ, ptr::null_mut(), into, &raw mut bytes)
    };
    match done {
        ERROR_SUCCESS => {
            let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
            Ok(Some(String::from_utf16_lossy(&units[..end])))
        }
        ERROR_FILE_NOT_FOUND => Ok(None),
        failed => Err(sentence("read", failed)),
    }
}

pub fn write(name: &str, text: &str) -> Result<(), String> {
    let (key, value, text) = (wide(KEY), wide(name), wide(text));
    let bytes = u32::try_from(text.len() * 2).map_err(|_| "the line is too long".to_owned())?;
    // SAFETY: the texts end with a zero; of `text` all bytes are given.
    let done = unsafe { RegSetKeyValueW(HKEY_CURRENT_USER, key.as_ptr(), value.as_ptr(), REG_SZ, text.as_ptr().cast(), bytes) };
    if done == ERROR_SUCCESS { Ok(()) } else { Err(sentence("written", done)) }
}

/// One that is not there is gone.
pub fn remove(name: &str) -> Result<(), String> {
    let (key, value) = (wide(KEY), wide(name));
    // SAFETY: both texts end with a zero.
    match unsafe { RegDeleteKeyValueW(HKEY_CURRENT_USER, key.as_ptr(), value.as_ptr()) } {
        ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
        failed => Err(sentence("changed", failed)),
    }
}

fn sentence(what: &str, code: u32) -> String {
    format!("the values that run at log-on cannot be {what}: {}", io::Error::from_raw_os_error(code.cast_signed()))
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
