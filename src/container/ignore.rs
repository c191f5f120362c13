//! `.dockerignore`, by the rules of the engine's own matcher: patterns count from the top of the build context, the last one that
//! matches decides, a folder that matches takes along what is in it, and `!` brings back. These are not git's rules.

use crate::model::shown::short;

/// The patterns of one file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    brings_back: bool,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// One byte, as it is.
    Byte(u8),
    /// `?`: one letter that is no `/`.
    One,
    /// `*`: letters that are no `/`.
    Many,
    /// `**/`: folders, or none.
    Folders,
    /// `**` at an end: whatever there is.
    Whatever,
    /// `[a-z]`.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// A pattern that the engine would refuse as well.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no valid pattern", short(.0))]
pub struct BadPattern(String);

impl Ignore {
    /// From the text of a `.dockerignore`.
    pub fn parse(text: &str) -> Result<Ignore, BadPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ignore::of(text.lines().filter(|line| !line.starts_with('#')))
    }

    /// From patterns, one each.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Ignore, BadPattern> {
        let patterns = lines.into_iter().map(str::trim).filter(|line| !line.is_empty()).map(pattern);
        Ok(Ignore { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// May something in an ignored folder be brought back? If not, such a folder need not be looked into.
    pub fn may_bring_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.brings_back)
    }

    /// Is the path, from the top of the context, left out?
    pub fn ignores(&self, path: &[u8]) -> bool {
        let mut ignored = false;
        for pattern in &self.patterns {
            if pattern.brings_back == ignored && takes(&pattern.parts, path) {
                ignored = !ignored;
            }
        }
        ignored
    }
}

fn pattern(line: &str) -> Result<Pattern, BadPattern> {
    let (brings_back, text) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    let bad = || BadPattern(line.to_owned());
    if text.is_empty() {
        return Err(bad());
    }
    let text = clean(text);
    Ok(Pattern {
        brings_back,
        parts: parts(text.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&text)).ok_or_else(bad)?,
    })
}

/// Without `.`, `..` as far as there is something above, and doubled slashes.
fn clean(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            ".." if absolute => {}
            name => names.push(name),
        }
    }
    match (absolute, names.is_empty()) {
        (true, _) => format!("/{}", names.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => names.join("/"),
    }
}

/// `None` where a class does not end.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text.chars().peekable();
    let mut begins_loose = false;
    while let Some(letter) = rest.next() {
        match letter {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let folders = rest.next_if_eq(&'/').is_some();
                begins_loose |= parts.is_empty() && !folders;
                parts.push(if rest.peek().is_none() { Part::Whatever } else { Part::Folders });
            }
            '*' => parts.push(Part::Many),
            '?' => parts.push(Part::One),
            '[' => parts.push(class(&mut rest)?),
            '\\' => bytes(rest.next().unwrap_or('\\'), &mut parts),
            letter => bytes(letter, &mut parts),
        }
    }
    // The engine looks at the end of the path alone where only letters follow a `**` that begins the pattern.
    if begins_loose && parts[1..].iter().all(|part| matches!(part, Part::Byte(_))) {
        parts[0] = Part::Whatever;
    }
    Some(parts)
}

fn bytes(letter: char, parts: &mut Vec<Part>) {
    parts.extend(letter.encode_utf8(&mut [0; 4]).bytes().map(Part::Byte));
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let mut letter = rest.next()?;
        match letter {
            ']' if ranges.is_empty() => return None,
            ']' => return Some(Part::Class { negated, ranges }),
            '\\' => letter = rest.next()?,
            _ => {}
        }
        let mut last = letter;
        if rest.next_if_eq(&'-').is_some() {
            last = rest.next().filter(|last| *last != ']' && *last >= letter)?;
        }
        ranges.push((letter, last));
    }
}

/// Do the parts make up the path or a folder above it? In one pass, whatever they are: `reached[i]` says whether the parts so far
/// can make up the first `i` bytes.
fn takes(parts: &[Part], path: &[u8]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in parts {
        let mut next = vec![false; path.len() + 1];
        let (mut any, mut within) = (false, false);
        for at in 0..=path.len() {
            let slash_before = at > 0 && path[at - 1] == b'/';
            within = reached[at] || (within && !slash_before);
            match part {
                Part::Byte(byte) => next[at] |= at > 0 && reached[at - 1] && path[at - 1] == *byte,
                Part::Many => next[at] = within,
                Part::Folders => next[at] = reached[at] || (any && slash_before),
                Part::Whatever => next[at] = any || reached[at],
                Part::One | Part::Class { .. } if reached[at] => {
                    if let Some(length) = letter(part, &path[at..]) {
                        next[at + length] = true;
                    }
                }
                Part::One | Part::Class { .. } => {}
            }
            any |= reached[at];
        }
        reached = next;
    }
    reached[path.len()] || path.iter().zip(&reached).any(|(byte, reached)| *reached && *byte == b'/')
}

/// How long the letter is with which `path` begins, where the part takes it.
fn letter(part: &Part, path: &[u8]) -> Option<usize> {
    let chunk = path.utf8_chunks().next()?;
    let letter = chunk.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
    let length = if chunk.valid().is_empty() { 1 } else { letter.len_utf8() };
    let taken = match part {
        Part::One => letter != '/',
        Part::Class { negated, ranges } => ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) != *negated,
        _ => false,
    };
    taken.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::hostile_text;
    use proptest::prelude::*;

    /// Patterns, paths that they leave out, and paths that they do not.
    #[test]
    fn paths_are_left_out_as_the_engine_does() {
        for (patterns, out, kept) in [
            ("a", &["a", "a/b", "a/b/c"][..], &["b", "b/a", "ab"][..]),
            ("/a", &["a", "a/x"], &["b/a"]),
            ("a/", &["a", "a/x"], &["b/a"]),
            ("./a//b/../c", &["a/c", "a/c/d"], &["a/b", "a"]),
            ("*.pyc", &["x.pyc", ".pyc"], &["d/x.pyc", "x.pyc2"]),
            ("**/*.pyc", &["x.pyc", "d/x.pyc", "d/e/x.pyc"], &["x.py"]),
            ("*/x", &["d/x", "d/x/y"], &["x", "d/e/x"]),
            ("**/x", &["x", "d/x", "d/e/x/y"], &["xy", "d/yx"]),
            ("**x", &["x", "dx", "d/x", "d/yx"], &["xy"]),
            ("**x*", &["x", "xy", "d/xy"], &["dx", "d/yx"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
            ("a**", &["a", "ab", "a/b", "ab/c"], &["b"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b/z"], &["ab", "a/xb"]),
            ("**", &["a", "a/b"], &[]),
            ("**/", &["a", "a/b"], &[]),
            ("a?c", &["abc", "aéc"], &["ac", "a/c"]),
            ("a[b-d]e", &["ace", "abe/x"], &["aee", "ae"]),
            ("a[^b]c", &["axc"], &["abc"]),
            ("a\\*b", &["a*b"], &["axb"]),
            ("a.b+(c)", &["a.b+(c)"], &["axb+(c)"]),
            ("*\n!keep", &["a", "a/b", "a/keep"], &["keep", "keep/x"]),
            ("docs\n!docs/README.md", &["docs/a", "docs"], &["docs/README.md"]),
            ("!a\na", &["a"], &[]),
            ("a\n!a\na/b", &["a/b"], &["a", "a/c"]),
            ("*.md\n!README*.md\nREADME-secret.md", &["x.md", "README-secret.md"], &["README.md"]),
            ("# a\n  b  \n\n #c", &["b", "#c"], &["a", "c"]),
            ("\u{feff}a", &["a"], &[]),
            ("! a\na\n!  a/b", &["a", "a/c"], &["a/b"]),
        ] {
            let ignore = Ignore::parse(patterns).expect(patterns);
            for path in out {
                assert!(ignore.ignores(path.as_bytes()), "{patterns:?} leaves {path:?} out");
            }
            for path in kept {
                assert!(!ignore.ignores(path.as_bytes()), "{patterns:?} keeps {path:?}");
            }
        }
    }

    #[test]
    fn a_pattern_that_the_engine_refuses_is_refused() {
        for bad in ["[", "a[", "a[]", "[a", "[b-a]", "!", "a\n[-"] {
            assert!(Ignore::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_letters_too() {
        let ignore = Ignore::parse("a?b").expect("valid");
        assert!(ignore.ignores(b"a\xffb"));
        assert!(!ignore.ignores(b"a\xff\xffb"));
    }

    proptest! {
        /// Whoever wrote it: patterns or an error, and an answer at once.
        #[test]
        fn any_text_is_patterns_or_a_mistake(text in hostile_text(&["**/*a*a*a*a\n!**/[a-z]?*/b\n", "a/**\n"]), path in "[a/]{0,60}") {
            if let Ok(ignore) = Ignore::parse(&text) {
                ignore.ignores(path.as_bytes());
            }
        }
    }
}
