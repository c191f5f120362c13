//! Alternate data streams: what a file holds beside its content. They are not carried, and that is told.

use std::os::windows::io::AsHandle;

use windows_sys::Wdk::Storage::FileSystem::FileStreamInformation;

use super::nt::{self, u32_at};

/// Names that are told; that there are more is said.
const MOST: usize = 3;

/// A sentence about the streams of an open file that are not its content; `None` where there are none, or where the file
/// system knows none.
pub(super) fn left_behind(file: &impl AsHandle) -> Option<String> {
    // More streams than fit here are not all told: the sentence names three.
    let answer = nt::query::<4096>(file, FileStreamInformation).ok()?;
    sentence(&names(&answer.0))
}

fn sentence(names: &[String]) -> Option<String> {
    let told = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        1 => Some(format!("has an alternate data stream, which is not carried: {told}")),
        count if count <= MOST => Some(format!("has alternate data streams, which are not carried: {told}")),
        _ => Some(format!("has alternate data streams, which are not carried: {told}…")),
    }
}

/// Next, length of the name in bytes, size, allocated size, the name as `:name:$DATA`.
fn names(mut answer: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(head) = answer.get(..24) {
        let length = u32_at(head, 4) as usize;
        let Some(name) = answer.get(24..24 + length) else { break };
        let units: Vec<u16> = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16_lossy(&units);
        let plain = text.trim_end_matches(":$DATA").trim_start_matches(':');
        if !plain.is_empty() {
            names.push(plain.to_owned());
        }
        match u32_at(head, 0) as usize {
            0 => break,
            next => answer = answer.get(next..).unwrap_or_default(),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let length = (24 + units.len()).next_multiple_of(8);
            let next = if at + 1 == names.len() { 0 } else { length as u32 };
            let begin = bytes.len();
            bytes.extend(next.to_le_bytes());
            bytes.extend((units.len() as u32).to_le_bytes());
            bytes.extend([0; 16]);
            bytes.extend(units);
            bytes.resize(begin + length, 0);
        }
        bytes
    }

    #[test]
    fn streams_beside_the_content_are_named() {
        for (streams, expected) in [
            (&["::$DATA"][..], None),
            (&[], None),
            (&["::$DATA", ":Zone.Identifier:$DATA"], Some("has an alternate data stream, which is not carried: Zone.Identifier")),
            (&["::$DATA", ":a:$DATA", ":b:$DATA"], Some("has alternate data streams, which are not carried: a, b")),
            (
                &[":a:$DATA", ":b:$DATA", ":c:$DATA", ":d:$DATA"],
                Some("has alternate data streams, which are not carried: a, b, c…"),
            ),
        ] {
            assert_eq!(sentence(&names(&laid(streams))).as_deref(), expected, "{streams:?}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_no_reason_to_fail() {
        let whole = laid(&["::$DATA", ":stream:$DATA"]);
        for length in 0..whole.len() {
            assert!(names(&whole[..length]).len() <= 1);
        }
    }
}
