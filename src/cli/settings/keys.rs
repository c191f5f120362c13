//! The one table of settings: `docs/configuration.md` is checked against it.

use std::collections::BTreeMap;

use super::value::{Kind, Value};
use crate::engine::request::{APPEND, WHOLE};

/// One setting.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As it would be written in a variable.
    pub default: &'static str,
    /// May it stand in the shared `driftless.toml`?
    pub shared: bool,
    /// Do values of all places count together, instead of the nearest one alone?
    pub adds_up: bool,
    /// For the table in `docs/configuration.md`.
    #[cfg_attr(not(test), expect(dead_code, reason = "the documentation is checked against it"))]
    pub about: &'static str,
}

/// Values from one place.
pub type Layer = BTreeMap<&'static str, Value>;

const fn own(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, shared: false, adds_up: false, about }
}

const fn shared(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, shared: true, adds_up: false, about }
}

pub const KEYS: &[Key] = &[
    Key {
        name: "ignore",
        kind: Kind::Patterns,
        default: "",
        shared: true,
        adds_up: true,
        about: "What is not synchronised, in `.gitignore` syntax, besides what is always left out. \
                The patterns of all places count, later places after earlier ones.",
    },
    shared(
        "append",
        Kind::Patterns,
        APPEND,
        "Files that programs only append to: sent up to the length they had, also while they grow.",
    ),
    shared(
        "whole",
        Kind::Patterns,
        WHOLE,
        "Folders that are carried as one: not while a lock file in them is young, and a conflict as a whole.",
    ),
    own(
        "conflict",
        Kind::Policies,
        "hold",
        "What a run does with paths that both sides changed (`--conflict`); of several patterns that match, the last one counts.",
    ),
    own(
        "conflict_copy_max",
        Kind::Size,
        "256MiB",
        "Largest version of staging that a held conflict is copied of to the network root; `auto`: the same.",
    ),
    own(
        "durability",
        Kind::Choice(&["full", "none"]),
        "full",
        "`full`: a file is on the disk before the manifest says so. `none`: as the operating system likes; for folders that can be thrown away.",
    ),
    own(
        "hooks",
        Kind::Hooks,
        "",
        "Command lines that run around the syncs of `sync`, `run` and `step`, with the report on their stdin; at most 30 s each.",
    ),
    own(
        "in_place",
        Kind::Patterns,
        "",
        "Large files of the network root that may be changed where they stand, where the file system shares no blocks ([in place](growing-files.md#in-place)).",
    ),
    own(
        "push_every",
        Kind::Span,
        "60s",
        "How often `run` sends results while its command works, where no step was begun (`--push-every`); `0s`: only at the end.",
    ),
    own(
        "reserve",
        Kind::Size,
        "auto",
        "Room that a run leaves free on a root's file system; one that would not is refused; `auto`: 16 MiB.",
    ),
    own(
        SILENCE,
        Kind::Span,
        "20s",
        "How long a network root may give no answer at all before it counts as out of reach: its mount hangs.",
    ),
    own("threads", Kind::Count, "auto", "Workers that look at and copy files; `auto`: by the machine and the roots."),
    own("trash_age", Kind::Span, "30d", "How long displaced and deleted versions are kept."),
    own(
        "trash_max",
        Kind::Size,
        "auto",
        "Bytes that a root's trash may hold, oldest go first; `auto`: 5 % of its file system, at most 20 GiB.",
    ),
    own("wait", Kind::Span, "30s", "How long an unreachable root or another run is waited for (`--wait`)."),
    shared(
        "gates",
        Kind::Gates,
        "",
        "What has to be in step before `run` starts its command ([gates](run.md#gates)); the variable holds one level, for all gates that a file turns on (`--gates`).",
    ),
    shared("git", Kind::Table, "", "The git layer. Reserved for a later version; not looked into."),
    shared(
        "image",
        Kind::Table,
        "",
        "What `image check` compares (docs/image.md); read by that command alone, from the top of the work tree.",
    ),
    shared(
        "container",
        Kind::Table,
        "",
        "What `container check` takes where nobody says anything else: `name` or `service`, `map`, `files` ([container](container.md)). Not looked into by other commands.",
    ),
];

/// Needed before the others are known.
pub const SILENCE: &str = "silence";

/// What `pair.toml` holds besides settings.
pub const PAIR_KEYS: [&str; 2] = ["network", "staging"];

/// Words that a file may not hold, because a decision for one run must not stay behind.
pub const FLAGS_ONLY: [&str; 5] = ["allow_deletes", "restore_deletes", "yes", "verify", "trust_times"];

/// `DRIFTLESS_*` variables that are no settings.
pub const OTHER_VARIABLES: [&str; 5] =
    ["DRIFTLESS_HOME", "DRIFTLESS_PAIR", "DRIFTLESS_LOG", "DRIFTLESS_STAGING_HOME", "DRIFTLESS_HOOK"];

pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

impl Key {
    /// The variable that sets it; a table has none.
    pub fn variable(&self) -> Option<String> {
        (!matches!(self.kind, Kind::Table | Kind::Hooks)).then(|| format!("DRIFTLESS_{}", self.name.to_uppercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &Key) -> String {
        let files = if key.shared { "`driftless.toml`, `pair.toml`" } else { "`pair.toml`" };
        let variable = key.variable().map_or("none".to_owned(), |name| format!("`{name}`"));
        let default = if key.default.is_empty() { "none".to_owned() } else { format!("`{}`", key.default) };
        format!("| `{}` | {} | {default} | {files} | {variable} | {} |", key.name, key.kind.words(), key.about)
    }

    #[test]
    fn the_documentation_has_the_row_of_every_key_and_no_other() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md"))
            .expect("docs/configuration.md is there");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = KEYS.iter().map(row).collect();
        assert_eq!(rows, expected, "docs/configuration.md should hold these rows:\n{}\n", expected.join("\n"));
    }

    #[test]
    fn every_default_is_a_valid_value() {
        for key in KEYS.iter().filter(|key| key.kind != Kind::Table) {
            assert!(key.kind.parse(key.default).is_ok(), "{}", key.name);
        }
    }
}
