//! Names and paths between our bytes and the system's spelling of them.
//!
//! On Unix both are the same bytes. On Windows the system has 16-bit units, which need not be valid UTF-16; we keep them as
//! WTF-8 (UTF-8 that may hold lone surrogates), so that every name of Windows has one spelling here. Bytes that are no WTF-8
//! are no name on Windows.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

/// The bytes of a name or path. On Windows `\` stays as it is.
pub fn to_bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

/// The system's spelling; `None` where the system cannot spell it.
#[cfg(unix)]
pub fn from_bytes(bytes: &[u8]) -> Option<Cow<'_, OsStr>> {
    Some(Cow::Borrowed(std::os::unix::ffi::OsStrExt::from_bytes(bytes)))
}

/// The system's spelling; `None` where the system cannot spell it.
#[cfg(windows)]
pub fn from_bytes(bytes: &[u8]) -> Option<Cow<'_, OsStr>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(OsStr::new(text)));
    }
    let units = wide(bytes)?;
    Some(Cow::Owned(std::os::windows::ffi::OsStringExt::from_wide(&units)))
}

/// A path's bytes with `/` between the names, as git and our own records have them.
pub fn slashed(path: &Path) -> Cow<'_, [u8]> {
    let bytes = to_bytes(path.as_os_str());
    if cfg!(windows) && bytes.contains(&b'\\') {
        Cow::Owned(bytes.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect())
    } else {
        Cow::Borrowed(bytes)
    }
}

/// The system's spelling for an argument of another program. What the system cannot spell becomes a text with a NUL in it, which
/// no call takes: better none than another name.
pub fn spelled(bytes: &[u8]) -> Cow<'_, OsStr> {
    from_bytes(bytes).unwrap_or(Cow::Borrowed(OsStr::new("\0")))
}

/// The 16-bit units of WTF-8; `None` where it is none. A surrogate pair has to be written as one character.
#[cfg(any(windows, test))]
fn wide(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (valid, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, &rest[rest.len()..]),
            Err(error) => {
                let (valid, bad) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).ok()?, bad)
            }
        };
        units.extend(valid.encode_utf16());
        rest = match bad {
            [] => bad,
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, after @ ..] => {
                let unit = 0xd000 | (u16::from(second & 0x3f) << 6) | u16::from(third & 0x3f);
                let after_lead = valid.is_empty() && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last));
                if after_lead && unit >= 0xdc00 {
                    return None;
                }
                units.push(unit);
                after
            }
            _ => return None,
        };
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_windows_has_one_spelling() {
        for (bytes, units) in [
            (&b"plain"[..], Some(&[112, 108, 97, 105, 110][..])),
            ("ä😀".as_bytes(), Some(&[0xe4, 0xd83d, 0xde00])),
            (b"a\xed\xa0\x80b", Some(&[97, 0xd800, 98])),
            (b"\xed\xb0\x80\xed\xa0\x80", Some(&[0xdc00, 0xd800])),
            (b"\xed\xa0\x80\xf0\x9f\x98\x80", Some(&[0xd800, 0xd83d, 0xde00])),
            // A pair in two pieces: the system would tell it as one character.
            (b"\xed\xa0\xbd\xed\xb8\x80", None),
            (b"\xff", None),
            (b"a\xed\xa0", None),
            (b"\xc3", None),
        ] {
            assert_eq!(wide(bytes).as_deref(), units, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_came_from_the_system_goes_back_to_it() {
        for name in ["plain", "ä😀", "a b"] {
            assert_eq!(from_bytes(to_bytes(OsStr::new(name))).as_deref(), Some(OsStr::new(name)));
        }
    }
}
