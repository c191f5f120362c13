//! Bytes that nobody would write, for the tests of whatever reads bytes from outside: noise, and valid texts that were
//! flipped, cut, doubled, filled up and taken apart. `PROPTEST_CASES` raises the number of tries.

use proptest::prelude::*;
use proptest::sample::Index;

/// What breaks readers: ends of strings and lists, numbers at the ends of their range, escape sequences, odd letters.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff\xfe",
    b"\xc3",
    b"\x1b]0;x\x07",
    b"\x1b[2J",
    "\u{9b}31m".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    "é".as_bytes(),
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"/",
    b"../",
    b".",
    b"~",
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b"{a,",
    b"[a-",
    b"[z-a]",
    b"a.",
    b"x = [",
    b"\"",
    b"'''",
    b"\"\"\"",
    b"\\",
    b"\\u001b",
    b"\\040",
    b"\\777",
    b"*",
    b"**/",
    b"!",
    b"?",
    b"=",
    b"#",
    b",",
    b"-",
    b"+",
    b"_",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"99999999999999999999999999",
    b"1e999",
    b"nan",
    b"true",
    b"1979-05-27T07:32:00Z",
];

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index, Index),
    Double(Index, Index),
    Insert(Index, &'static [u8]),
    /// Deep nesting and long lines.
    Fill(Index, &'static [u8], usize),
    /// Another number in the place of one.
    Number(Index, &'static [u8]),
}

fn any_piece() -> impl Strategy<Value = &'static [u8]> {
    proptest::sample::select(PIECES)
}

fn any_change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        2 => (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        2 => (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
        6 => (at(), any_piece()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        1 => (at(), any_piece(), 1_usize..8_000).prop_map(|(at, piece, times)| Change::Fill(at, piece, times)),
        3 => (at(), any_piece()).prop_map(|(at, piece)| Change::Number(at, piece)),
    ]
}

fn span(a: Index, b: Index, length: usize) -> std::ops::Range<usize> {
    let (a, b) = (a.index(length + 1), b.index(length + 1));
    a.min(b)..a.max(b)
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let length = bytes.len();
    match change {
        Change::Flip(at, mask) if length > 0 => bytes[at.index(length)] ^= mask,
        Change::Flip(..) => {}
        Change::Cut(from, to) => drop(bytes.drain(span(*from, *to, length))),
        Change::Double(from, to) => {
            let span = span(*from, *to, length);
            let piece = bytes[span.clone()].to_vec();
            insert(bytes, span.end, &piece);
        }
        Change::Insert(at, piece) => insert(bytes, at.index(length + 1), piece),
        Change::Fill(at, piece, times) => insert(bytes, at.index(length + 1), &piece.repeat(*times)),
        Change::Number(which, piece) => {
            let numbers = numbers(bytes);
            if !numbers.is_empty() {
                bytes.splice(numbers[which.index(numbers.len())].clone(), piece.iter().copied());
            }
        }
    }
}

/// Where runs of digits stand.
fn numbers(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..bytes.len()).filter(|&at| digit(at) && (at == 0 || !digit(at - 1)));
    starts.map(|start| start..(start..).find(|&at| !digit(at)).expect("the end is no digit")).collect()
}

/// One of `valid`, changed up to six times; now and then noise, or nothing but such pieces.
pub(crate) fn hostile(valid: &[&str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let valid: Vec<Vec<u8>> = valid.iter().map(|text| text.as_bytes().to_vec()).collect();
    let changed = (proptest::sample::select(valid), proptest::collection::vec(any_change(), 0..6)).prop_map(|(text, changes)| {
        changes.iter().fold(text, |mut bytes, change| {
            apply(&mut bytes, change);
            bytes
        })
    });
    let pieces = proptest::collection::vec(any_piece(), 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![8 => changed, 2 => pieces, 1 => proptest::collection::vec(any::<u8>(), 0..200)]
}

/// The same as text.
pub(crate) fn hostile_text(valid: &[&str]) -> impl Strategy<Value = String> + use<> {
    hostile(valid).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// May this stand in a line on a terminal? No escape sequence, no second line, no letter that turns the rest round, no end.
pub(crate) fn is_tame(text: &str) -> bool {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.len() < 4_000 && !text.chars().any(|c| c.is_control() || turns(c))
}
