//! Conflicts and what may be done about them.

use super::ignore::{BadPattern, Patterns};
use super::listing::Seen;
use super::path::{Name, RelPath};
use super::plan::Why;
use super::side::Side;
use super::time::Time;
use super::utc;

/// What a run does with a conflicted path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Touch neither side until somebody decides.
    #[default]
    Hold,
    /// This side's version is written over the other's, which goes to its trash.
    Prefer(Side),
    /// The network's version keeps the name, staging's goes beside it under a name of its own.
    KeepBoth,
    /// Any conflict stops the run before its first write.
    Abort,
}

impl Policy {
    pub const ALL: [Policy; 5] =
        [Policy::Hold, Policy::Prefer(Side::Staging), Policy::Prefer(Side::Network), Policy::KeepBoth, Policy::Abort];

    /// The word in flags, settings and reports.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Hold => "hold",
            Policy::Prefer(Side::Staging) => "prefer-staging",
            Policy::Prefer(Side::Network) => "prefer-network",
            Policy::KeepBoth => "keep-both",
            Policy::Abort => "abort",
        }
    }

    pub fn parse(word: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.word() == word)
    }
}

/// One policy for everything, and others for paths that match a pattern.
#[derive(Clone, Debug)]
pub struct Policies {
    default: Policy,
    by_pattern: Vec<(Patterns, Policy)>,
}

impl Policies {
    pub const fn all(default: Policy) -> Policies {
        Policies { default, by_pattern: Vec::new() }
    }

    /// `by_pattern` in `.gitignore` syntax; where several match, the last one counts.
    pub fn new(default: Policy, by_pattern: &[(String, Policy)]) -> Result<Policies, BadPattern> {
        let one = |(pattern, policy): &(String, Policy)| Ok((Patterns::new([pattern.as_str()])?, *policy));
        Ok(Policies { default, by_pattern: by_pattern.iter().map(one).collect::<Result<_, _>>()? })
    }

    /// For a path or what it lies below: a pattern that matches a folder counts for everything in it.
    pub fn of(&self, path: &RelPath, folder: bool) -> Policy {
        let matching = self.by_pattern.iter().rev().find(|(patterns, _)| patterns.cover(path, folder));
        matching.map_or(self.default, |(_, policy)| *policy)
    }

    pub fn default(&self) -> Policy {
        self.default
    }
}

/// Both sides hold versions that the base does not know; reported once, at the topmost path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub path: RelPath,
    pub why: Why,
    pub staging: Seen,
    pub network: Seen,
}

/// Longest name of a file, in bytes, on nearly every file system.
const NAME_MAX: usize = 255;

/// The name beside `name` for the version of staging that `keep-both` keeps:
/// `NAME.conflict-staging-<UTC>-<host>.EXT`. A long name loses the end of its stem.
pub fn beside(name: &Name, now: Time, host: &str) -> Name {
    let (stem, extension) = split_extension(name.as_bytes());
    let middle = format!(".conflict-staging-{}-{}", utc::compact(now), host_word(host));
    let room = NAME_MAX.saturating_sub(middle.len() + extension.len());
    let stem = &stem[..boundary(stem, room)];
    Name::new(&[stem, middle.as_bytes(), extension].concat()).expect("a name with more letters is a name")
}

/// The stem, and the extension with its dot; a name that begins with a dot has none there.
pub fn split_extension(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&byte| byte == b'.') {
        // What is longer is no extension but part of a sentence.
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, b""),
    }
}

/// A machine's name as part of a file's: letters, digits and dashes, at most 32.
pub fn host_word(host: &str) -> String {
    host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect()
}

/// The longest prefix of at most `room` bytes that cuts no UTF-8 letter.
fn boundary(bytes: &[u8], room: usize) -> usize {
    let mut end = bytes.len().min(room);
    while end > 0 && end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile, hostile_text};
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    #[test]
    fn the_last_pattern_that_matches_counts_also_below_a_folder() {
        let rules = [("*.log", Policy::Prefer(Side::Staging)), ("results/", Policy::KeepBoth), ("/results/a.log", Policy::Abort)];
        let rules = rules.map(|(pattern, policy)| (pattern.to_owned(), policy));
        let policies = Policies::new(Policy::Prefer(Side::Network), &rules).expect("good patterns");
        for (at, expected) in [
            ("a.txt", Policy::Prefer(Side::Network)),
            ("x/y.log", Policy::Prefer(Side::Staging)),
            ("results/x/y.log", Policy::KeepBoth),
            ("results/a.log", Policy::Abort),
            ("other/results/a.log", Policy::KeepBoth),
            ("results", Policy::Prefer(Side::Network)),
        ] {
            assert_eq!(policies.of(&path(at), false), expected, "{at}");
        }
        assert_eq!(policies.of(&path("results"), true), Policy::KeepBoth);
    }

    #[test]
    fn words_read_back() {
        for policy in Policy::ALL {
            assert_eq!(Policy::parse(policy.word()), Some(policy));
        }
        assert_eq!(Policy::parse("prefer"), None);
    }

    #[test]
    fn the_name_beside_keeps_the_extension_and_fits() {
        let now = Time::from_parts(1_795_231_000, 7);
        for (name, expected) in [
            ("a.csv", "a.conflict-staging-20261121T031640Z-lab7.csv"),
            (".bashrc", ".bashrc.conflict-staging-20261121T031640Z-lab7"),
            ("Makefile", "Makefile.conflict-staging-20261121T031640Z-lab7"),
            ("x.tar.gz", "x.tar.conflict-staging-20261121T031640Z-lab7.gz"),
            ("Dr. Who and a long sentence", "Dr. Who and a long sentence.conflict-staging-20261121T031640Z-lab7"),
        ] {
            let name = Name::new(name.as_bytes()).expect("a name");
            assert_eq!(beside(&name, now, "lab_7!").to_string(), expected);
        }
        let long = Name::new("é".repeat(127).as_bytes()).expect("a name");
        let aside = beside(&long, now, "h");
        assert!(aside.len() <= 255 && aside.len() > 250, "{}", aside.len());
        assert!(std::str::from_utf8(aside.as_bytes()).is_ok());
    }

    proptest! {
        /// A kept version's name is a name that fits, whatever the file and the machine are called.
        #[test]
        fn every_name_has_one_beside_it(
            bytes in hostile(&["a.csv", ".bashrc", "x.tar.gz", "..a", "é.ü"]), host in hostile_text(&["lab7", "../.."]), nanos in any::<i64>(),
        ) {
            let Ok(name) = Name::new(&bytes[..bytes.len().min(NAME_MAX)]) else { return Ok(()) };
            let aside = beside(&name, Time(nanos), &host);
            prop_assert!(Name::new(&aside).is_ok() && aside.len() <= NAME_MAX, "{aside}");
            let (stem, extension) = split_extension(&name);
            prop_assert_eq!([stem, extension].concat(), name.to_vec());
            prop_assert!(aside.ends_with(extension));
        }

        #[test]
        fn any_rule_gives_a_policy_or_is_refused(pattern in hostile_text(&["*.log", "results/", "a=b"]), at in hostile(&["results/a.log"])) {
            let path = RelPath::parse(&at).unwrap_or_default();
            if let Ok(policies) = Policies::new(Policy::Hold, &[(pattern, Policy::Abort)]) {
                prop_assert!(matches!(policies.of(&path, false), Policy::Hold | Policy::Abort));
            }
        }
    }
}
