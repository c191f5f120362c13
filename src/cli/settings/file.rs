//! Reading `pair.toml` and `driftless.toml`: an unknown key or value is an error with its file and line.
//!
//! `driftless.toml` is shared and so not trusted: it may hold the keys marked as shared, all others are refused with
//! the place where they belong.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, FLAGS_ONLY, KEYS, Layer, PAIR_KEYS};
use super::value::{Value, nearest};
use crate::model::shown::short;

/// A file that cannot be used as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct Mistake {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// The two roots that a `pair.toml` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    pub network: PathBuf,
    pub staging: PathBuf,
}

/// A file's text and where it stands.
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn mistake(&self, at: usize, message: impl Into<String>) -> Mistake {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Mistake { file: self.file.to_path_buf(), line, message: message.into() }
    }

    fn table(&self) -> Result<DeTable<'_>, Mistake> {
        let parsed = DeTable::parse(self.text).map_err(|error| {
            self.mistake(error.span().map_or(0, |span| span.start), format!("is no valid TOML: {}", short(error.message())))
        })?;
        Ok(parsed.into_inner())
    }
}

/// The settings in a `pair.toml`.
pub fn pair_settings(file: &Path, text: &str) -> Result<Layer, Mistake> {
    let source = Source { file, text };
    let mut layer = Layer::new();
    for (name, value) in source.table()? {
        if !PAIR_KEYS.contains(&name.get_ref().as_ref()) {
            let known = KEYS.iter().map(|key| key.name).chain(PAIR_KEYS);
            read_key(&source, &name, &value, known, &mut layer)?;
        }
    }
    Ok(layer)
}

/// The settings in a `driftless.toml`; `pair_file` is named where a key belongs there.
pub fn project_settings(file: &Path, text: &str, pair_file: &Path) -> Result<Layer, Mistake> {
    let source = Source { file, text };
    let mut layer = Layer::new();
    for (name, value) in source.table()? {
        let word = name.get_ref().as_ref();
        let private = keys::find(word).is_some_and(|key| !key.shared) || PAIR_KEYS.contains(&word);
        if private {
            let message = format!(
                "`{word}` does not belong here: this file is shared, and decides nothing about this machine. Put it into {}",
                pair_file.display()
            );
            return Err(source.mistake(name.span().start, message));
        }
        let known = KEYS.iter().filter(|key| key.shared).map(|key| key.name);
        read_key(&source, &name, &value, known, &mut layer)?;
        if let Some(Value::Gates(gates)) = layer.get(word) {
            gates.fit_to_share().map_err(|why| source.mistake(value.span().start, format!("`{word}`: {why}")))?;
        }
    }
    Ok(layer)
}

/// The roots in a `pair.toml`, whatever its settings are.
pub fn pair_roots(file: &Path, text: &str) -> Result<Roots, Mistake> {
    let source = Source { file, text };
    let table = source.table()?;
    let root = |word: &str| -> Result<PathBuf, Mistake> {
        let (_, value) = table
            .iter()
            .find(|(name, _)| name.get_ref() == word)
            .ok_or_else(|| source.mistake(text.len(), format!("the key `{word}` is missing: it names the {word} root")))?;
        match value.get_ref().as_str() {
            Some(path) if Path::new(path).is_absolute() => Ok(PathBuf::from(path)),
            _ => Err(source.mistake(value.span().start, format!("`{word}` takes the whole path of a folder, like \"/mnt/lab\""))),
        }
    };
    Ok(Roots { network: root("network")?, staging: root("staging")? })
}

/// The text with other roots in it, and else as it was, byte for byte.
pub fn with_roots(file: &Path, text: &str, network: &str, staging: &str) -> Result<String, Mistake> {
    let source = Source { file, text };
    let table = source.table()?;
    let mut spans: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for (name, value) in &table {
        let root = match name.get_ref().as_ref() {
            "network" => network,
            "staging" => staging,
            _ => continue,
        };
        if value.get_ref().as_str() != Some(root) {
            spans.push((value.span(), quoted(root)));
        }
    }
    spans.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut changed = text.to_owned();
    spans.into_iter().for_each(|(span, root)| changed.replace_range(span, &root));
    Ok(changed)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The text of a new `pair.toml`.
pub fn pair_text(network: &str, staging: &str) -> String {
    format!(
        "# A pair of driftless on this machine. Settings may be added; see docs/configuration.md.\n\
         network = {}\nstaging = {}\n",
        quoted(network),
        quoted(staging)
    )
}

fn read_key<'k>(
    source: &Source<'_>,
    name: &Spanned<toml::de::DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    known: impl Iterator<Item = &'k str>,
    layer: &mut Layer,
) -> Result<(), Mistake> {
    let word = name.get_ref().as_ref();
    if FLAGS_ONLY.contains(&word) {
        let message = format!("`{word}` is for one run only: give it as the flag --{}", word.replace('_', "-"));
        return Err(source.mistake(name.span().start, message));
    }
    let Some(key) = keys::find(word) else {
        let near = nearest(word, known).unwrap_or_default();
        let message = format!("unknown key `{}`; did you mean `{near}`?", short(word));
        return Err(source.mistake(name.span().start, message));
    };
    let read = key.kind.read(value.get_ref());
    let valid = read.map_err(|reason| source.mistake(value.span().start, format!("`{word}`: {reason}")))?;
    layer.insert(key.name, valid);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile_text, is_tame};
    use proptest::prelude::*;

    /// How a whole path begins.
    const TOP: &str = if cfg!(windows) { "C:\\" } else { "/" };

    #[test]
    fn other_roots_leave_every_other_byte() {
        let text = &format!("# mine\n staging='{TOP}s'   # here\r\nwait   = '7s'\nnetwork = '{TOP}n'");
        let file = Path::new("/s/p/pair.toml");
        let changed = with_roots(file, text, &format!("{TOP}new \"n\""), &format!("{TOP}s")).expect("valid");
        assert_eq!(changed, format!("# mine\n staging='{TOP}s'   # here\r\nwait   = '7s'\nnetwork = '{TOP}new \"n\"'"));
        let [network, staging] = [format!("{TOP}n"), format!("{TOP}a\nb")];
        let changed = with_roots(file, &changed, &network, &staging).expect("valid");
        let roots = pair_roots(file, &changed).expect("valid");
        assert_eq!((roots.network.to_str(), roots.staging.to_str()), (Some(&*network), Some(&*staging)));
        assert!(changed.contains("   # here\r\nwait   = '7s'\n"), "{changed}");
    }

    #[test]
    fn mistakes_name_file_line_and_what_is_nearest() {
        let pair = Path::new("/s/p/pair.toml");
        for (text, expected) in [
            (
                "network = \"/n\"\nstaging = \"/s\"\ndurabilty = \"full\"\n",
                "3: unknown key `durabilty`; did you mean `durability`?",
            ),
            ("\n\nnetwrk = \"/n\"", "3: unknown key `netwrk`; did you mean `network`?"),
            ("wait = \"30s\"\ndurability = \"fulll\"", "2: `durability`: `fulll` is not valid here; did you mean `full`?"),
            ("threads = 0", "1: `threads`: `0` is not valid here; it takes a number from 1 to 256"),
            ("threads = true", "1: `threads`: a boolean is not valid here"),
            ("ignore = [\"a\",\n 1]", "1: `ignore`: a list of something else"),
            ("ignore = \"*.tmp\"", "1: `ignore`: a string is not valid here; it takes a list of patterns"),
            ("trash.max = 5", "1: unknown key `trash`; did you mean `trash_"),
            ("a = 1\nb = = 2\n", "2: is no valid TOML"),
            ("wait = \"1s\"\nwait = \"2s\"", "2: is no valid TOML: duplicate key"),
            ("allow_deletes = true", "1: `allow_deletes` is for one run only: give it as the flag --allow-deletes"),
        ] {
            let mistake = pair_settings(pair, text).expect_err(text).to_string();
            assert!(mistake.starts_with(&format!("/s/p/pair.toml:{expected}")), "{text:?} gave {mistake}");
        }
    }

    #[test]
    fn a_shared_file_decides_nothing_about_this_machine() {
        let (file, pair) = (Path::new("/n/driftless.toml"), Path::new("/s/p/pair.toml"));
        for (text, expected) in [
            ("ignore = []\ndurability = \"none\"", "2: `durability` does not belong here"),
            ("staging = \"/home\"", "1: `staging` does not belong here"),
            ("yes = true", "1: `yes` is for one run only"),
            ("ignroe = []", "1: unknown key `ignroe`; did you mean `ignore`?"),
            ("git = 1", "1: `git`: a integer is not valid here; it takes a table"),
        ] {
            let mistake = project_settings(file, text, pair).expect_err(text).to_string();
            assert!(mistake.starts_with(&format!("/n/driftless.toml:{expected}")), "{text:?} gave {mistake}");
        }
        let text =
            "ignore = [\"*.tmp\"]\nwhole = []\nappend = []\n[gates]\ngit = \"warn\"\n[git]\n[image]\n[container]\ny.z = [1]";
        let layer = project_settings(file, text, pair).expect("all of these are allowed");
        assert_eq!(layer["ignore"], Value::Patterns(vec!["*.tmp".to_owned()]));
    }

    #[test]
    fn a_new_pair_file_reads_back_whatever_the_roots_are_called() {
        for (network, staging) in [("mnt/lab", "home/me/lab"), ("a \"b\" \\c\n#d", "x'y\u{1b}é")] {
            let [network, staging] = [network, staging].map(|path| format!("{TOP}{path}"));
            let roots = pair_roots(Path::new("p"), &pair_text(&network, &staging)).expect(&network);
            assert_eq!(roots, Roots { network: network.into(), staging: staging.into() });
        }
        let missing = pair_roots(Path::new("p"), &format!("network = '{TOP}n'\n")).expect_err("no staging");
        assert_eq!((missing.line, missing.message.contains("`staging`")), (2, true));
        assert!(pair_roots(Path::new("p"), "network = \"n\"\nstaging = \"/s\"").is_err());
    }

    const VALID: &[&str] = &[
        "network = \"/mnt/lab\"\nstaging = '/home/me'\nwait = \"7s\"\nthreads = 8\ntrash_max = \"20GiB\"\nignore = [\"*.tmp\"]\n",
        "# shared\nignore = [\"*.tmp\", \"build/\"]\nappend = []\nwhole = [\".git\"]\n[gates]\ngit = \"fatal\"\nscripts_repository = \"a\"\n[git]\n",
        "conflict = [\"hold\", \"*.log=prefer-staging\"]\ndurability = \"none\"\n",
    ];

    proptest! {
        /// Whoever wrote the file: settings, or one line that may be shown and names a line of the file.
        #[test]
        fn any_text_is_settings_or_a_mistake(text in hostile_text(VALID)) {
            let (file, pair) = (Path::new("/n/driftless.toml"), Path::new("/s/p/pair.toml"));
            for read in [pair_settings(file, &text), project_settings(file, &text, pair)] {
                if let Err(mistake) = read {
                    prop_assert!(is_tame(&mistake.to_string()), "{mistake:?}");
                    prop_assert!((1..=1 + text.matches('\n').count()).contains(&mistake.line));
                }
            }
            let shared = project_settings(file, &text, pair).unwrap_or_default();
            prop_assert!(shared.keys().all(|key| keys::find(key).is_some_and(|key| key.shared)));
        }

        /// Moving a root leaves a file that names the new roots, whatever else is in it.
        #[test]
        fn roots_are_replaced_in_any_file_that_has_some(text in hostile_text(VALID), network in hostile_text(&["/n"])) {
            let file = Path::new("p");
            let network = format!("/{network}");
            if pair_roots(file, &text).is_ok() {
                let changed = with_roots(file, &text, &network, "/s").expect("it is valid");
                let roots = Roots { network: network.into(), staging: "/s".into() };
                prop_assert_eq!(pair_roots(file, &changed), Ok(roots));
            }
        }
    }
}
