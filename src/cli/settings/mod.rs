//! What the settings of a run are: flag, then `DRIFTLESS_*` variable, then `pair.toml`, then `driftless.toml`, then default.
//!
//! [`keys`] is the only list of settings. Files are read by [`file`]; a mistake in one stops the command, because a
//! run with half of its ignore patterns does the wrong thing. An unknown variable is only a warning: it may be meant
//! for another version.

pub mod container;
pub mod file;
pub mod gates;
pub mod keys;
pub mod value;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::{self, local};
use crate::engine::request::{Durability, Options, Pair, Watched};
use crate::model::conflict::{Policies, Policy};
use crate::model::ignore::BadPattern;
use crate::roots::reach::Reach;
use crate::run::hooks::Hooks;
use file::Mistake;
use keys::{KEYS, Layer, OTHER_VARIABLES, SILENCE};
use value::{Value, nearest};

/// The file in the network root that all who share it share.
pub const PROJECT_FILE: &str = "driftless.toml";
/// The file of a pair on this machine.
pub const PAIR_FILE: &str = "pair.toml";
/// More than a person writes; a shared file could be anything.
pub const FILE_LIMIT: u64 = 1 << 20;

/// `reserve = "auto"`, in bytes: room for the manifest's own growth and for what others write meanwhile.
const RESERVE: u64 = 16 << 20;

/// Larger versions of held conflicts are listed as not copied.
const CONFLICT_COPY_MAX: u64 = 256 << 20;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Mistake(#[from] Mistake),
    #[error("the variable {name}: {message}")]
    Variable { name: String, message: String },
    #[error("`conflict`: {0}")]
    Pattern(#[from] BadPattern),
    #[error(transparent)]
    Read(#[from] disk::Error),
}

/// The settings of one run, and what is worth a warning.
#[derive(Clone, Debug)]
pub struct Settings {
    pub options: Options,
    pub policies: Policies,
    /// The policies were given for this run.
    pub policies_by_flag: bool,
    pub wait: Duration,
    /// How often `run` sends results; `None`: only at its end.
    pub push_every: Option<Duration>,
    pub hooks: Hooks,
    pub gates: gates::Resolved,
    pub warnings: Vec<String>,
}

/// The settings for a pair; `flags` are those that were typed.
pub fn of_pair(
    reach: &Reach,
    pair: &Pair,
    flags: Layer,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Settings, Error> {
    let pair_file = pair.state.join(PAIR_FILE);
    let own = match local::read_text(&pair_file, FILE_LIMIT)? {
        Some(text) => file::pair_settings(&pair_file, &text)?,
        None => Layer::new(),
    };
    let (variables, warnings) = variable_layer(variables)?;
    if let Some(Value::Span(silence)) = variables.get(SILENCE).or_else(|| own.get(SILENCE)) {
        reach.set_silence(*silence);
    }
    let mut project = project_layer(reach, &pair.network, &pair_file)?;
    // Checked here for its mistakes; the run itself takes the patterns through the root's handle, once it knows that the
    // root is the right one.
    for name in ["ignore", "append", "whole"] {
        project.remove(name);
    }
    let gates = gates_of(&gates_in(&project).of_the_share(), &[&own, &variables, &flags]);
    Ok(Settings { gates, ..resolve(&[project, own, variables, flags], warnings, reach)? })
}

/// The gates that this machine's own file of a pair names.
pub fn own_gates(pair: &Pair) -> Result<gates::Gates, Error> {
    let pair_file = pair.state.join(PAIR_FILE);
    let own = match local::read_text(&pair_file, FILE_LIMIT)? {
        Some(text) => file::pair_settings(&pair_file, &text)?,
        None => Layer::new(),
    };
    Ok(gates_in(&own))
}

fn gates_in(layer: &Layer) -> gates::Gates {
    match layer.get("gates") {
        Some(Value::Gates(gates)) => gates.clone(),
        _ => gates::Gates::default(),
    }
}

fn gates_of(shared: &gates::Gates, own: &[&Layer]) -> gates::Resolved {
    let own: Vec<gates::Gates> = own.iter().map(|layer| gates_in(layer)).collect();
    gates::resolve(shared, &own.iter().collect::<Vec<_>>())
}

/// The gates of a project that needs no staging, where a `driftless.toml` names some: in `here`, or above it up to the top of the work
/// tree. A file that names none does not end the search, and a mistake in any of them stops it: who wrote `[Gates]` wants some.
pub fn gates_of_folder(here: &Path, flags: &Layer) -> Result<Option<(PathBuf, gates::Resolved)>, Error> {
    let top = here.ancestors().find(|folder| local::is_taken(&folder.join(".git"))).unwrap_or(here);
    let inside = here.ancestors().take_while(|folder| folder.starts_with(top));
    for folder in inside {
        let file = folder.join(PROJECT_FILE);
        let Some(text) = local::read_text(&file, FILE_LIMIT)? else { continue };
        let shared = gates_in(&file::project_settings(&file, &text, Path::new(PAIR_FILE))?);
        if !shared.names_any() {
            continue;
        }
        let (variables, _) = variable_layer(std::env::vars_os())?;
        return Ok(Some((folder.to_path_buf(), gates_of(&shared, &[&variables, flags]))));
    }
    Ok(None)
}

/// An unreachable or forbidden root has no settings to read: the engine finds that out by its handle, and waits for the
/// root or refuses it. Everything else that goes wrong here is an error, since without its ignore patterns the run would
/// take too much.
fn project_layer(reach: &Reach, network: &Path, pair_file: &Path) -> Result<Layer, Error> {
    let project_file = network.join(PROJECT_FILE);
    let read = match reach.is_folder(network) {
        Ok(true) => reach.read_text(&project_file, FILE_LIMIT),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    match read {
        Ok(Some(text)) => Ok(file::project_settings(&project_file, &text, pair_file)?),
        Ok(None) => Ok(Layer::new()),
        Err(error) if matches!(error.kind, disk::ErrorKind::Gone | disk::ErrorKind::Denied) => Ok(Layer::new()),
        Err(error) => Err(error.into()),
    }
}

/// The settings among the variables, and a warning for each `DRIFTLESS_*` that is none.
fn variable_layer(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(Layer, Vec<String>), Error> {
    let (mut layer, mut warnings) = (Layer::new(), Vec::new());
    for (name, text) in variables.filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DRIFTLESS_")) {
        let name = name.to_string_lossy().into_owned();
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let Some(key) = KEYS.iter().find(|key| key.variable().as_deref() == Some(&name)) else {
            let known: Vec<String> = KEYS.iter().filter_map(keys::Key::variable).collect();
            let near = nearest(&name.to_lowercase(), known.iter().map(String::as_str).chain(OTHER_VARIABLES));
            let near = near.unwrap_or_default();
            warnings.push(format!("the variable {} is unknown and left out; did you mean {near}?", name.escape_debug()));
            continue;
        };
        let parsed = text.to_str().ok_or_else(|| "is not valid UTF-8".to_owned()).and_then(|text| key.kind.parse(text));
        layer.insert(key.name, parsed.map_err(|message| Error::Variable { name, message })?);
    }
    Ok((layer, warnings))
}

/// The silence that the variable sets, for what is asked before a pair is known.
pub fn silence() -> Result<Option<Duration>, Error> {
    let all = std::env::vars_os()
        .filter(|(name, _)| Some(name) == keys::find(SILENCE).and_then(keys::Key::variable).map(Into::into).as_ref());
    match variable_layer(all)?.0.get(SILENCE) {
        Some(Value::Span(silence)) => Ok(Some(*silence)),
        _ => Ok(None),
    }
}

/// The flags that are settings.
pub fn flag_layer(policies: &[(Option<String>, Policy)], wait: Option<Duration>) -> Layer {
    let policies = (!policies.is_empty()).then(|| ("conflict", Value::Policies(policies.to_vec())));
    policies.into_iter().chain(wait.map(|wait| ("wait", Value::Span(wait)))).collect()
}

/// The flags of `run` and `step` that stand for settings.
pub fn run_layer(wait: Option<Duration>, push_every: Option<Duration>) -> Layer {
    let mut layer = flag_layer(&[], wait);
    layer.extend(push_every.map(|every| ("push_every", Value::Span(every))));
    layer
}

/// Those without a pattern count for everything, the last one of them.
fn policies(list: &[(Option<String>, Policy)]) -> Result<Policies, Error> {
    let default = list.iter().rev().find(|(pattern, _)| pattern.is_none()).map(|(_, policy)| *policy).unwrap_or_default();
    let by_pattern: Vec<(String, Policy)> =
        list.iter().filter_map(|(pattern, policy)| Some((pattern.clone()?, *policy))).collect();
    Ok(Policies::new(default, &by_pattern)?)
}

/// Lays `layers` over the defaults, the last one on top.
fn resolve(layers: &[Layer], warnings: Vec<String>, reach: &Reach) -> Result<Settings, Error> {
    let defaults = KEYS.iter().filter_map(|key| Some((key.name, key.kind.parse(key.default).ok()?)));
    let mut values: Layer = defaults.collect();
    for (name, value) in layers.iter().flatten() {
        match (keys::find(name).is_some_and(|key| key.adds_up), values.get_mut(name), value) {
            (true, Some(Value::Patterns(all)), Value::Patterns(more)) => all.extend_from_slice(more),
            _ => drop(values.insert(name, value.clone())),
        }
    }
    let span = |name| if let Value::Span(span) = values[name] { span } else { unreachable!("{name} is a duration") };
    let size = |name| if let Value::Size(size) = values[name] { size } else { unreachable!("{name} is a size") };
    let is = |name, word| values[name] == Value::Choice(word);
    let threads = if let Value::Count(count) = values["threads"] { count } else { None };
    // Of this machine alone: what the network root says is read through its handle, and lies below it.
    let set = |name| match layers.iter().rev().find_map(|layer| layer.get(name)) {
        Some(Value::Patterns(patterns)) => Some(patterns.clone()),
        _ => None,
    };
    let ignore = if let Value::Patterns(patterns) = &values["ignore"] { patterns.clone() } else { Vec::new() };
    let listed = if let Value::Policies(list) = &values["conflict"] { list.as_slice() } else { &[] };
    let policies_by_flag = layers.last().is_some_and(|flags| flags.contains_key("conflict"));
    Ok(Settings {
        options: Options {
            durability: if is("durability", "none") { Durability::None } else { Durability::Full },
            ignore,
            append: set("append"),
            in_place: set("in_place").unwrap_or_default(),
            whole: set("whole"),
            trash_max: size("trash_max"),
            trash_age: span("trash_age"),
            reserve: size("reserve").unwrap_or(RESERVE),
            threads,
            reach: reach.clone(),
            watched: Watched::default(),
            conflict_copy_max: size("conflict_copy_max").unwrap_or(CONFLICT_COPY_MAX),
        },
        policies: policies(listed)?,
        policies_by_flag,
        wait: span("wait"),
        push_every: Some(span("push_every")).filter(|every| !every.is_zero()),
        hooks: if let Value::Hooks(hooks) = &values["hooks"] { hooks.clone() } else { Hooks::new() },
        gates: gates::Resolved::default(),
        warnings,
    })
}

/// A variable of this process that is set and not empty.
pub fn variable(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>().into_iter()
    }

    fn reach() -> Reach {
        Reach::new(Duration::from_secs(20), Arc::default())
    }

    /// A pair in a temporary folder with the two files.
    fn pair(own: &str, project: &str) -> (tempfile::TempDir, Pair) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        for (folder, name, text) in [("state", PAIR_FILE, own), ("network", PROJECT_FILE, project)] {
            std::fs::create_dir(at(folder)).expect("new");
            std::fs::write(at(folder).join(name), text).expect("writable");
        }
        let pair =
            Pair { name: "p".to_owned(), state: at("state"), staging: at("staging"), network: at("network"), others: Vec::new() };
        (dir, pair)
    }

    #[test]
    fn flag_beats_variable_beats_pair_file_beats_default() {
        let seconds = Duration::from_secs;
        let own = "network = \"/n\"\nstaging = \"/s\"\nwait = \"2s\"\ndurability = \"none\"\n";
        let (_dir, pair) = pair(own, "");
        let set = [("DRIFTLESS_WAIT", "3s"), ("PATH", "/bin")];
        let wait = |flag: Option<Duration>, set: &[(&str, &str)]| {
            of_pair(&reach(), &pair, flag_layer(&[], flag), variables(set)).expect("valid").wait
        };
        assert_eq!(wait(Some(seconds(4)), &set), seconds(4));
        assert_eq!(wait(None, &set), seconds(3));
        assert_eq!(wait(None, &[]), seconds(2));
        let settings = of_pair(&reach(), &pair, Layer::new(), variables(&[])).expect("valid");
        assert_eq!(settings.options.durability, Durability::None);
        assert_eq!(settings.options.trash_age, seconds(30 * 86_400));
        assert_eq!(resolve(&[], Vec::new(), &reach()).expect("valid").wait, seconds(30));
        let by_flag = resolve(&[flag_layer(&[(None, Policy::Abort)], None)], Vec::new(), &reach()).expect("valid");
        assert_eq!((by_flag.policies.default(), by_flag.policies_by_flag), (Policy::Abort, true));
    }

    #[test]
    fn ignore_patterns_of_this_machine_count_the_nearest_last() {
        let (_dir, pair) = pair("ignore = [\"!keep\"]", "ignore = [\"*.tmp\", \"keep\"]");
        let settings = of_pair(&reach(), &pair, Layer::new(), variables(&[("DRIFTLESS_IGNORE", "x,y")])).expect("valid");
        assert_eq!(settings.options.ignore, ["!keep", "x", "y"]);
    }

    #[test]
    fn an_unknown_variable_warns_and_a_wrong_value_stops() {
        let (_, warnings) = variable_layer(variables(&[
            ("DRIFTLESS_HOME", "/x"),
            ("DRIFTLESS_LOG", "debug"),
            ("DRIFTLESS_PAIR", "p"),
            ("DRIFTLESS_DURABILTY", "none"),
        ]))
        .expect("only a warning");
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("DRIFTLESS_DURABILTY") && warnings[0].contains("mean DRIFTLESS_DURABILITY?"),
            "{}",
            warnings[0]
        );
        let wrong = variable_layer(variables(&[("DRIFTLESS_DURABILITY", "non")])).map(|_| ()).expect_err("wrong");
        assert!(wrong.to_string().starts_with("the variable DRIFTLESS_DURABILITY: `non` is not valid"), "{wrong}");
    }

    #[cfg(unix)]
    #[test]
    fn a_shared_file_that_is_no_regular_file_is_refused() {
        let (_dir, pair) = pair("", "");
        let project = pair.network.join(PROJECT_FILE);
        std::fs::remove_file(&project).expect("there");
        std::os::unix::fs::symlink("/etc/hostname", &project).expect("new");
        assert!(of_pair(&reach(), &pair, Layer::new(), variables(&[])).is_err());
    }
}
