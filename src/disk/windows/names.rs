//! Which names Windows can hold, asked before any call.
//!
//! The calls of this room go past the layer that cuts trailing dots off, takes `nul.txt` for a device and `a:b` for a stream of
//! `a`. What they would make no program of the user could open, or not as what it is; so it is refused, and where a listing
//! shows such a name (made by WSL, or by a server) it is a problem and is not touched.

use std::io;
use std::os::windows::ffi::OsStrExt;

use crate::disk::{Error, ErrorKind};
use crate::model::native;

/// 16-bit units of a name.
const LONGEST: usize = 255;

/// The system's spelling of a name; else why it cannot hold it.
pub(super) fn spell(name: &[u8]) -> Result<Vec<u16>, String> {
    let native = native::from_bytes(name).ok_or("the name is not valid Unicode, which Windows cannot spell")?;
    let units: Vec<u16> = native.encode_wide().collect();
    match flaw(&units) {
        Some(flaw) => Err(flaw),
        None => Ok(units),
    }
}

/// Why Windows cannot hold this name.
pub(super) fn flaw(units: &[u16]) -> Option<String> {
    if units.len() > LONGEST {
        return Some(format!("the name has {} characters; Windows takes {LONGEST}", units.len()));
    }
    let plain = |unit: &u16| char::from_u32(u32::from(*unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
    if let Some(bad) = units.iter().map(plain).find(|&c| c < ' ' || "<>:\"/\\|?*".contains(c)) {
        return Some(format!("Windows allows no {bad:?} in a name"));
    }
    match units.last().map(plain) {
        Some('.') => return Some("Windows allows no dot at the end of a name".to_owned()),
        Some(' ') => return Some("Windows allows no space at the end of a name".to_owned()),
        None => return Some("the name is empty".to_owned()),
        Some(_) => {}
    }
    let text = String::from_utf16_lossy(units);
    device(&text).map(|device| format!("{device} is the name of a device on Windows, with and without an extension"))
}

/// The device that answers to this name, whatever extension it has.
fn device(name: &str) -> Option<String> {
    const PLAIN: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    let numbered = ["COM", "LPT"].iter().filter_map(|port| stem.strip_prefix(port)).any(|number| {
        // The superscripts are digits to the system, too.
        matches!(number, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}")
    });
    (numbered || PLAIN.contains(&stem.as_str())).then_some(stem)
}

pub(super) fn refused(op: &'static str, name: impl ToString, flaw: String) -> Error {
    Error::new(op, name, ErrorKind::BadName, io::Error::new(io::ErrorKind::InvalidFilename, flaw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_would_bend_are_refused_with_the_reason() {
        let long = "x".repeat(256);
        for (name, word) in [
            ("a:b", "':'"),
            ("a?b", "'?'"),
            ("a*", "'*'"),
            ("a|b", "'|'"),
            ("<", "'<'"),
            (">", "'>'"),
            ("a\"b", "'\"'"),
            ("a\\b", "'\\\\'"),
            ("a\tb", "'\\t'"),
            ("a\u{1f}", "'\\u{1f}'"),
            ("tail.", "dot"),
            ("tail ", "space"),
            ("...", "dot"),
            ("con", "CON"),
            ("NUL", "NUL"),
            ("nul.txt", "NUL"),
            ("Aux.tar.gz", "AUX"),
            ("prn .txt", "PRN"),
            ("com1", "COM1"),
            ("LPT9.log", "LPT9"),
            ("COM\u{b2}", "COM\u{b2}"),
            ("conin$", "CONIN$"),
            (long.as_str(), "256 characters"),
        ] {
            let flaw = spell(name.as_bytes()).expect_err(name);
            assert!(flaw.contains(word), "{name}: {flaw}");
        }
        assert!(spell(b"a\xff").expect_err("no Unicode").contains("Unicode"));
    }

    #[test]
    fn plain_names_are_spelled_as_they_are() {
        for name in [
            "a",
            ".hidden",
            "a b",
            " a",
            "a.b.c",
            "com",
            "com10",
            "com0",
            "console",
            "nulls.txt",
            "aux-1",
            "ä😀",
            "~$doc.docx",
            "a;b'c,d&e(1)",
        ] {
            assert_eq!(spell(name.as_bytes()), Ok(name.encode_utf16().collect()), "{name}");
        }
        assert_eq!(spell("é".repeat(255).as_bytes()).map(|units| units.len()), Ok(255));
        assert_eq!(spell(b"a\xed\xa0\x80"), Ok(vec![97, 0xd800]), "no valid UTF-16, and a name of Windows");
    }
}
