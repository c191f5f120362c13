//! Text from outside as it may be shown: names, patterns and keys that somebody else wrote must not steer a terminal, begin
//! a line of their own, or turn the rest of one round.

use std::ffi::OsStr;

/// Longer words are cut where they are quoted.
const MOST: usize = 200;

/// Would this letter do something to a terminal, or to the order of what stands beside it? (Control characters, line and
/// paragraph separators, marks of writing direction.)
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with such letters escaped, and else as it is.
pub fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    text.chars().for_each(|c| if steers(c) { tamed.extend(c.escape_default()) } else { tamed.push(c) });
    tamed
}

/// A line of JSON with such letters escaped beyond what JSON asks for; they stand in strings only.
pub fn tame_json(line: &str) -> String {
    let mut tamed = String::with_capacity(line.len());
    line.chars().for_each(|c| if steers(c) { tamed.push_str(&format!("\\u{:04x}", u32::from(c))) } else { tamed.push(c) });
    tamed
}

/// A word to be quoted in a message: tame, and cut where it is longer than anybody would read.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", tame(&text[..cut])),
        None => tame(text),
    }
}

/// A path between quotation marks, with what could steer a terminal escaped. What stands between all names on Windows is not
/// doubled there.
pub fn quoted(path: impl AsRef<OsStr>) -> String {
    let text = format!("{:?}", path.as_ref());
    if cfg!(windows) { text.replace(r"\\", r"\") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile_text, is_tame};
    use proptest::prelude::*;

    #[test]
    fn a_path_is_quoted_as_people_write_it() {
        let tab = r#""Z:\a b\t\u{202e}.txt""#;
        assert_eq!(quoted("Z:\\a b\t\u{202e}.txt"), if cfg!(windows) { tab.to_owned() } else { tab.replace(r"Z:\a", r"Z:\\a") });
    }

    proptest! {
        #[test]
        fn any_text_may_be_shown(text in hostile_text(&["plain, é and e\u{301}", "a\u{202e}b"])) {
            prop_assert!(is_tame(&short(&text)));
            prop_assert_eq!(tame(&text) == text, !text.chars().any(steers));
        }
    }
}
