//! The kinds of value a setting can have, from text (variables) and from TOML (files).

use std::time::Duration;

use toml::de::DeValue;

use super::gates::{self, Gates};
use crate::model::conflict::Policy;
use crate::model::shown::short;
use crate::run::hooks::{Hooks, Occasion};

/// What may stand behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Choice(&'static [&'static str]),
    /// A list of texts; in a variable separated by commas.
    Patterns,
    /// A policy for conflicts, and others for what matches a pattern; in a variable separated by commas.
    Policies,
    /// Bytes, or `auto`.
    Size,
    Span,
    /// 1 to 256, or `auto`.
    Count,
    /// Command lines by occasion; not in a variable.
    Hooks,
    /// Levels by gate; in a variable one for all that a file names.
    Gates,
    /// Belongs to a later layer; kept closed.
    Table,
}

/// A valid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Choice(&'static str),
    Patterns(Vec<String>),
    /// In order; without a pattern: for everything.
    Policies(Vec<(Option<String>, Policy)>),
    Size(Option<u64>),
    Span(Duration),
    Count(Option<usize>),
    Hooks(Hooks),
    Gates(Gates),
    Table,
}

const AUTO: &str = "auto";
const MAX_COUNT: usize = 256;

impl Kind {
    /// What is valid, for messages and for the documentation.
    pub fn words(self) -> String {
        match self {
            Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" or "),
            Kind::Patterns => "a list of patterns, like `[\"*.tmp\"]`".to_owned(),
            Kind::Policies => {
                format!("{}, or a list of them, of which `\"PATTERN=POLICY\"` counts for what matches", policy_words())
            }
            Kind::Size => "a size, like `\"20GiB\"`, or bytes, or `\"auto\"`".to_owned(),
            Kind::Span => "a duration, like `\"30s\"` or `\"7d\"`".to_owned(),
            Kind::Count => format!("a number from 1 to {MAX_COUNT}, or `\"auto\"`"),
            Kind::Hooks => {
                let words = Occasion::ALL.map(|occasion| format!("`{}`", occasion.word()));
                format!("a table of command lines, by {}", words.join(", "))
            }
            Kind::Gates => {
                let words = gates::Gate::ALL.map(|gate| format!("`{}`", gate.word())).join(", ");
                format!("a table: {words} with `\"off\"`, `\"warn\"` or `\"fatal\"`, `on_unknown`, `scripts_repository`")
            }
            Kind::Table => "a table".to_owned(),
        }
    }

    /// From a variable or a default. The error says what is valid.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let parsed = match self {
            Kind::Choice(words) => return choice(words, text),
            Kind::Patterns => {
                let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
                Some(Value::Patterns(patterns.map(str::to_owned).collect()))
            }
            Kind::Policies => return policies(text.split(',')),
            Kind::Size if text == AUTO => Some(Value::Size(None)),
            Kind::Size => bytes(text).map(|bytes| Value::Size(Some(bytes))),
            Kind::Span => humantime::parse_duration(text).ok().map(Value::Span),
            Kind::Count if text == AUTO => Some(Value::Count(None)),
            Kind::Count => text.parse().ok().filter(|n| (1..=MAX_COUNT).contains(n)).map(|n| Value::Count(Some(n))),
            Kind::Gates => return Gates::parse(text).map(Value::Gates),
            Kind::Hooks if text.is_empty() => Some(Value::Hooks(Hooks::new())),
            Kind::Hooks | Kind::Table => None,
        };
        parsed.ok_or_else(|| format!("`{}` is not valid here; it takes {}", short(text), self.words()))
    }

    /// From a file.
    pub fn read(self, value: &DeValue<'_>) -> Result<Value, String> {
        match (self, value) {
            (Kind::Table, DeValue::Table(_)) => Ok(Value::Table),
            (Kind::Hooks, DeValue::Table(table)) => hooks(table),
            (Kind::Gates, DeValue::Table(table)) => Gates::read(table).map(Value::Gates),
            (Kind::Policies, DeValue::String(text)) => policies(std::iter::once(&**text)),
            (Kind::Policies, DeValue::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                let texts =
                    texts.ok_or_else(|| format!("a list of something else is not valid here; it takes {}", self.words()))?;
                policies(texts.into_iter())
            }
            (Kind::Choice(_) | Kind::Size | Kind::Span | Kind::Count, DeValue::String(text)) => self.parse(text),
            (Kind::Size | Kind::Count, DeValue::Integer(number)) if number.radix() == 10 => self.parse(number.as_str()),
            (Kind::Patterns, DeValue::Array(items)) => {
                let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                let texts: Option<Vec<String>> = texts.collect();
                texts
                    .map(Value::Patterns)
                    .ok_or_else(|| format!("a list of something else is not valid here; it takes {}", self.words()))
            }
            _ => Err(format!("a {} is not valid here; it takes {}", value.type_str(), self.words())),
        }
    }
}

fn choice(words: &'static [&'static str], text: &str) -> Result<Value, String> {
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Ok(Value::Choice(word));
    }
    let near = nearest(text, words.iter().copied()).unwrap_or_default();
    Err(format!("`{}` is not valid here; did you mean `{near}`? It takes {}", short(text), Kind::Choice(words).words()))
}

/// `hold`, `*.log=prefer-staging`: the pattern ends at the last `=`.
pub fn policies<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    let one = |text: &str| {
        let (pattern, word) = match text.trim().rsplit_once('=') {
            Some((pattern, word)) => (Some(pattern.trim().to_owned()), word.trim()),
            None => (None, text.trim()),
        };
        let policy = Policy::parse(word).ok_or_else(|| {
            let near = nearest(word, Policy::ALL.into_iter().map(Policy::word)).unwrap_or_default();
            format!("`{}` is not valid here; did you mean `{near}`? It takes {}", short(word), policy_words())
        })?;
        Ok((pattern, policy))
    };
    texts.map(one).collect::<Result<_, String>>().map(Value::Policies)
}

fn hooks(table: &toml::de::DeTable<'_>) -> Result<Value, String> {
    let one = |name: &str, value: &DeValue<'_>| {
        let occasion = Occasion::parse(name).ok_or_else(|| {
            let near = nearest(name, Occasion::ALL.into_iter().map(Occasion::word)).unwrap_or_default();
            format!("`{}` is no occasion; did you mean `{near}`? It takes {}", short(name), Kind::Hooks.words())
        })?;
        let line = value.as_str().ok_or_else(|| format!("`{name}` takes a command line, like \"notify-send done\""))?;
        Ok((occasion, line.to_owned()))
    };
    table.iter().map(|(name, value)| one(name.get_ref(), value.get_ref())).collect::<Result<_, String>>().map(Value::Hooks)
}

fn policy_words() -> String {
    Policy::ALL.map(|policy| format!("`\"{}\"`", policy.word())).join(" or ")
}

/// The candidate that looks most like `word`.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody types longer ones, and each letter is compared with each.
    let word: String = word.chars().take(100).collect();
    let likeness = |candidate: &str| strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
    candidates.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// `20GiB`, `500 MB`, `4096`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile_text, is_tame};
    use proptest::prelude::*;

    #[test]
    fn values_are_read_or_refused() {
        let seconds = Duration::from_secs;
        for (kind, text, expected) in [
            (Kind::Size, "20GiB", Some(Value::Size(Some(20 << 30)))),
            (Kind::Size, "1_000 kB", Some(Value::Size(Some(1_000_000)))),
            (Kind::Size, "auto", Some(Value::Size(None))),
            (Kind::Size, "20G", None),
            (Kind::Size, "-1", None),
            (Kind::Size, "99999999TiB", None),
            (Kind::Span, "30s", Some(Value::Span(seconds(30)))),
            (Kind::Span, "30", None),
            (Kind::Count, "0", None),
            (Kind::Count, "257", None),
            (Kind::Count, "8", Some(Value::Count(Some(8)))),
            (Kind::Patterns, " a, b ,", Some(Value::Patterns(vec!["a".to_owned(), "b".to_owned()]))),
            (Kind::Choice(&["full", "none"]), "none", Some(Value::Choice("none"))),
            (Kind::Choice(&["full", "none"]), "fuel", None),
            (Kind::Policies, "hold", Some(Value::Policies(vec![(None, Policy::Hold)]))),
            (
                Kind::Policies,
                "keep-both, a=b/*.x = abort",
                Some(Value::Policies(vec![(None, Policy::KeepBoth), (Some("a=b/*.x".to_owned()), Policy::Abort)])),
            ),
            (Kind::Policies, "prefer", None),
            (Kind::Policies, "*.x=prefer-mine", None),
        ] {
            assert_eq!(kind.parse(text).ok(), expected, "{kind:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_a_line(
            text in hostile_text(&["20GiB", "1_000 kB", "auto", "1h 30m", "7d", "8", "a,b", "hold,*.x=abort", "full", "18446744073709551615s"]),
        ) {
            let kinds = [Kind::Choice(&["full", "none"]), Kind::Patterns, Kind::Policies, Kind::Size, Kind::Span, Kind::Count, Kind::Hooks, Kind::Gates, Kind::Table];
            for kind in kinds {
                if let Err(line) = kind.parse(&text) {
                    prop_assert!(is_tame(&line), "{kind:?} {line:?}");
                }
            }
        }
    }
}
