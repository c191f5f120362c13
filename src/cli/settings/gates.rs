//! `[gates]`: what `run` asks before it starts its command, and what an answer comes to.
//!
//! Invariants. The shared file may ask for a gate, never for a program: a repository in a staged copy came from the share with its
//! settings, which may name programs, so a gate there has to be wanted by this machine, too ([`Asked::agreed`]). The folder that the
//! shared file names lies below the project.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};

use super::value::nearest;
use crate::model::shown::short;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    Git,
    Image,
    Scripts,
}

/// What drift comes to. The order is from the laxest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    Off,
    Warn,
    Fatal,
}

/// What comes of an answer that nobody could give. The order is from the laxest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnUnknown {
    Pass,
    #[default]
    Warn,
    Fatal,
}

impl Gate {
    pub const ALL: [Gate; 3] = [Gate::Git, Gate::Image, Gate::Scripts];

    pub fn word(self) -> &'static str {
        match self {
            Gate::Git => "git",
            Gate::Image => "image",
            Gate::Scripts => "scripts",
        }
    }
}

impl Level {
    const ALL: [Level; 3] = [Level::Off, Level::Warn, Level::Fatal];

    pub fn word(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Warn => "warn",
            Level::Fatal => "fatal",
        }
    }
}

impl OnUnknown {
    const ALL: [OnUnknown; 3] = [OnUnknown::Pass, OnUnknown::Warn, OnUnknown::Fatal];

    fn word(self) -> &'static str {
        match self {
            OnUnknown::Pass => "pass",
            OnUnknown::Warn => "warn",
            OnUnknown::Fatal => "fatal",
        }
    }
}

/// What one place says: a file, the variable, or the flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    levels: BTreeMap<Gate, Level>,
    /// Of the variable and the flag: for every gate that a file names.
    all: Option<Level>,
    on_unknown: Option<OnUnknown>,
    scripts: Option<PathBuf>,
}

/// What all places come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Those that are on.
    pub asked: Vec<Asked>,
    pub on_unknown: OnUnknown,
    /// The folder of the scripts' repository.
    pub scripts: Option<Scripts>,
    /// Gates that are laxer than the files say, and what the files say.
    pub relaxed: Vec<(Gate, Level, Level)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub gate: Gate,
    pub level: Level,
    /// Is it wanted by this machine, and not by the shared file alone?
    pub agreed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// Below the project, or a whole path.
    pub folder: PathBuf,
    /// The shared file says it: it has to lie in the project.
    pub shared: bool,
}

impl Gates {
    pub fn all(level: Level) -> Gates {
        Gates { all: Some(level), ..Gates::default() }
    }

    /// From the variable.
    pub fn parse(text: &str) -> Result<Gates, String> {
        if text.is_empty() {
            return Ok(Gates::default());
        }
        one_of(text, Level::ALL, Level::word).map(Gates::all)
    }

    /// From a file.
    pub fn read(table: &DeTable<'_>) -> Result<Gates, String> {
        let mut gates = Gates::default();
        for (name, value) in table {
            let name = name.get_ref().as_ref();
            let DeValue::String(text) = value.get_ref() else {
                return Err(format!("`{}`: a {} is not valid here; it takes a text", short(name), value.get_ref().type_str()));
            };
            match (Gate::ALL.into_iter().find(|gate| gate.word() == name), name) {
                (Some(gate), _) => drop(gates.levels.insert(gate, one_of(text, Level::ALL, Level::word)?)),
                (None, "on_unknown") => gates.on_unknown = Some(one_of(text, OnUnknown::ALL, OnUnknown::word)?),
                (None, "scripts_repository") => gates.scripts = Some(PathBuf::from(text.as_ref())),
                (None, _) => {
                    let known = Gate::ALL.map(Gate::word).into_iter().chain(["on_unknown", "scripts_repository"]);
                    let near = nearest(name, known).unwrap_or_default();
                    return Err(format!("unknown key `{}`; did you mean `{near}`?", short(name)));
                }
            }
        }
        Ok(gates)
    }

    /// Does this file want the gate, and so agree to what asking it may start?
    pub fn agrees_to(&self, gate: Gate) -> bool {
        self.levels.get(&gate).is_some_and(|level| *level != Level::Off)
    }

    /// Is any gate named?
    pub fn names_any(&self) -> bool {
        !self.levels.is_empty()
    }

    /// As the share may say it: with what nobody could tell it is stricter than this machine would be by itself, or says nothing.
    #[must_use]
    pub fn of_the_share(mut self) -> Gates {
        self.on_unknown = self.on_unknown.filter(|word| *word > OnUnknown::default());
        self
    }

    /// May a file that others write say this?
    pub fn fit_to_share(&self) -> Result<(), String> {
        let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        match &self.scripts {
            Some(folder) if !inside(folder) => Err(format!(
                "`scripts_repository`: `{}` leads out of the project; a folder elsewhere belongs into pair.toml",
                short(&folder.to_string_lossy())
            )),
            _ => Ok(()),
        }
    }
}

fn one_of<T: Copy, const N: usize>(text: &str, all: [T; N], word: fn(T) -> &'static str) -> Result<T, String> {
    all.into_iter().find(|one| word(*one) == text).ok_or_else(|| {
        let near = nearest(text, all.into_iter().map(word)).unwrap_or_default();
        format!("`{}` is not valid here; did you mean `{near}`?", short(text))
    })
}

/// Lays this machine's words (its file, the variable, the flag, in this order) over the shared file's.
pub fn resolve(shared: &Gates, own: &[&Gates]) -> Resolved {
    let mut levels = shared.levels.clone();
    own.iter().for_each(|gates| levels.extend(&gates.levels));
    let all = own.iter().rev().find_map(|gates| gates.all);
    let mut resolved = Resolved::default();
    for (gate, by_file) in levels {
        let level = match (by_file, all) {
            (Level::Off, _) => Level::Off,
            (_, Some(level)) => level,
            (level, None) => level,
        };
        if level < by_file {
            resolved.relaxed.push((gate, by_file, level));
        }
        let agreed = all.is_some() || own.iter().any(|gates| gates.levels.contains_key(&gate));
        if level != Level::Off {
            resolved.asked.push(Asked { gate, level, agreed });
        }
    }
    let nearest_first = || own.iter().rev();
    resolved.on_unknown = nearest_first().find_map(|gates| gates.on_unknown).or(shared.on_unknown).unwrap_or_default();
    let of_own = nearest_first().find_map(|gates| gates.scripts.clone()).map(|folder| Scripts { folder, shared: false });
    resolved.scripts = of_own.or_else(|| shared.scripts.clone().map(|folder| Scripts { folder, shared: true }));
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Gates, String> {
        Gates::read(DeTable::parse(text).expect("TOML").get_ref())
    }

    #[test]
    fn the_nearest_word_counts_and_a_flag_turns_on_no_gate() {
        let shared = read("git = 'fatal'\nimage = 'fatal'\nscripts = 'off'\non_unknown = 'fatal'").expect("valid");
        let own = read("image = 'warn'").expect("valid");
        let words = |resolved: &Resolved| {
            resolved.asked.iter().map(|asked| (asked.gate.word(), asked.level.word(), asked.agreed)).collect::<Vec<_>>()
        };
        let plain = resolve(&shared, &[&own]);
        assert_eq!(words(&plain), [("git", "fatal", false), ("image", "warn", true)]);
        assert_eq!((plain.on_unknown, plain.relaxed.len()), (OnUnknown::Fatal, 0));
        let relaxed = resolve(&shared, &[&own, &Gates::all(Level::Fatal), &Gates::all(Level::Warn)]);
        assert_eq!(words(&relaxed), [("git", "warn", true), ("image", "warn", true)]);
        assert_eq!(relaxed.relaxed, [(Gate::Git, Level::Fatal, Level::Warn)]);
        assert_eq!(words(&resolve(&shared, &[&Gates::all(Level::Off)])), []);
        assert_eq!(resolve(&Gates::default(), &[&Gates::all(Level::Fatal)]), Resolved::default());
    }

    #[test]
    fn the_share_is_only_stricter_with_what_nobody_could_tell() {
        for (shared, own, expected) in [
            ("pass", None, OnUnknown::Warn),
            ("warn", None, OnUnknown::Warn),
            ("fatal", None, OnUnknown::Fatal),
            ("pass", Some("fatal"), OnUnknown::Fatal),
            ("fatal", Some("pass"), OnUnknown::Pass),
        ] {
            let said = |word| read(&format!("on_unknown = '{word}'")).expect("valid");
            let own = own.map_or_else(Gates::default, said);
            assert_eq!(resolve(&said(shared).of_the_share(), &[&own]).on_unknown, expected, "{shared} {own:?}");
        }
    }

    #[test]
    fn mistakes_are_named_and_the_shared_file_names_no_folder_outside() {
        for (text, part) in [
            ("gti = 'off'", "did you mean `git`"),
            ("git = 'fatl'", "did you mean `fatal`"),
            ("on_unknown = 'off'", "`off` is not valid here"),
            ("git = true", "a boolean is not valid here"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
        for (folder, fits) in [("scripts", true), ("./a/b", true), ("/home/me", false), ("../x", false), ("a/../../x", false)] {
            let gates = read(&format!("scripts_repository = '{folder}'")).expect("valid");
            assert_eq!(gates.fit_to_share().is_ok(), fits, "{folder}");
        }
    }
}
