//! The pairs of this machine: where they are kept, and which one is meant.

use std::path::{Path, PathBuf};

use super::args::Choice;
use super::failure::{Failure, shown};
use super::settings::file::{Roots, pair_roots, pair_text};
use super::settings::{FILE_LIMIT, PAIR_FILE, variable};
use crate::disk::local;
use crate::engine::request::{Known, Pair};
use crate::roots::mounts;

/// A pair, and whether this machine has it already.
pub struct Chosen {
    pub pair: Pair,
    pub is_new: bool,
    /// What is worth a word: a state folder in an unusual place.
    pub warnings: Vec<String>,
}

/// Where this machine keeps its pairs.
struct Home {
    path: PathBuf,
    warnings: Vec<String>,
}

/// `$DRIFTLESS_HOME`, else the platform's state folder. A manifest may not lie on a network drive: there its locks may
/// not hold, so a local folder stands in and is named.
fn home() -> Result<Home, Failure> {
    let path = match (variable("DRIFTLESS_HOME"), variable("XDG_STATE_HOME"), variable("HOME")) {
        (Some(home), _, _) => PathBuf::from(home),
        (None, Some(state), _) => PathBuf::from(state).join("driftless"),
        (None, None, Some(home)) => PathBuf::from(home).join(".local/state/driftless"),
        (None, None, None) => {
            return Err(Failure::failed("Neither DRIFTLESS_HOME nor HOME is set: there is no place for the state."));
        }
    };
    let path = std::path::absolute(&path).map_err(|error| Failure::failed(format!("{} is no path: {error}", shown(&path))))?;
    let verdict = mounts::detect(&path).map_err(|error| Failure::failed(error.to_string()))?;
    if !verdict.network {
        return Ok(Home { path, warnings: Vec::new() });
    }
    let stand_in = PathBuf::from(format!("/var/tmp/driftless-{}", local::user_id()));
    let warning = format!(
        "The state folder {} lies on a network file system ({}), where a database is not safe; {} is used instead.",
        shown(&path),
        verdict.file_system,
        shown(&stand_in)
    );
    Ok(Home { path: stand_in, warnings: vec![warning] })
}

/// Every pair in the state folder.
fn known(home: &Path) -> Result<Vec<Pair>, Failure> {
    let mut pairs = Vec::new();
    for name in local::folders(home)? {
        let state = home.join(&name);
        let file = state.join(PAIR_FILE);
        if let Some(text) = local::read_text(&file, FILE_LIMIT)? {
            let Roots { network, staging } = pair_roots(&file, &text)?;
            pairs.push(Pair { name: name.to_string_lossy().into_owned(), state, staging, network, others: Vec::new() });
        }
    }
    Ok(pairs)
}

/// The pair that a command is about. With `create`, `--network` and `--staging` may name a new one.
pub fn choose(choice: &Choice, here: &Path) -> Result<Chosen, Failure> {
    let home = home()?;
    let pairs = known(&home.path)?;
    let asked = choice.pair.clone().or_else(|| match (&choice.network, &choice.staging) {
        (None, None) => variable("DRIFTLESS_PAIR").map(|name| name.to_string_lossy().into_owned()),
        _ => None,
    });
    let found = match (&asked, &choice.network, &choice.staging) {
        (Some(name), _, _) => pairs.iter().find(|pair| pair.name == *name).ok_or_else(|| unknown_name(name, &pairs)),
        (None, Some(network), Some(staging)) => match by_roots(&pairs, Some(network), Some(staging)).first() {
            Some(pair) => Ok(*pair),
            None => return new(home, &pairs, network, staging, None),
        },
        (None, None, None) => one_of(&in_a_root(&pairs, here), "the current folder", &pairs),
        (None, network, staging) => one_of(&by_roots(&pairs, network.as_deref(), staging.as_deref()), "the folder given", &pairs),
    }?;
    Ok(finish(found.clone(), &pairs, false, home.warnings))
}

/// The pair that `init` is about.
pub fn choose_for_init(network: &Path, staging: Option<&Path>, name: Option<&str>) -> Result<Chosen, Failure> {
    let home = home()?;
    let pairs = known(&home.path)?;
    if let Some(pair) = by_roots(&pairs, Some(network), staging).first() {
        if name.is_some_and(|name| name != pair.name) {
            return Err(Failure::refused(format!("These two folders are the pair {} already.", pair.name)));
        }
        return Ok(finish((*pair).clone(), &pairs, false, home.warnings));
    }
    if let Some(name) = name
        && let Some(pair) = pairs.iter().find(|pair| pair.name == name)
    {
        let message = format!("The name {name} is taken by the pair of {} and {}.", shown(&pair.network), shown(&pair.staging));
        return Err(Failure::refused(message).advise("Give another --name."));
    }
    let chosen = match staging {
        Some(staging) => staging.to_path_buf(),
        None => staging_place(&name.map_or_else(|| free_name(network, &pairs), str::to_owned))?,
    };
    new(home, &pairs, network, &chosen, name)
}

/// One folder a project, named after it and always the same.
fn staging_place(name: &str) -> Result<PathBuf, Failure> {
    match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => Ok(PathBuf::from(cache).join("driftless").join(name)),
        (None, Some(home)) => Ok(PathBuf::from(home).join(".cache/driftless").join(name)),
        (None, None) => Err(Failure::failed("HOME is not set: name a staging folder with --staging.")),
    }
}

fn new(home: Home, pairs: &[Pair], network: &Path, staging: &Path, name: Option<&str>) -> Result<Chosen, Failure> {
    let [network, staging] = [network, staging].map(local::real_path);
    for root in [&network, &staging] {
        if root.to_str().is_none() {
            return Err(Failure::failed(format!("{} is not valid UTF-8 and cannot be written into {PAIR_FILE}.", shown(root))));
        }
    }
    let name = name.map_or_else(|| free_name(&network, pairs), str::to_owned);
    if !is_plain(&name) {
        return Err(Failure::usage(format!("{:?} is no name for a pair: letters, digits, `-`, `_` and `.` make one.", name)));
    }
    let pair = Pair { state: home.path.join(&name), name, staging, network, others: Vec::new() };
    Ok(finish(pair, pairs, true, home.warnings))
}

/// Writes down a new pair, after its roots were found to be good.
pub fn remember(pair: &Pair) -> Result<(), Failure> {
    local::make_private_folder(&pair.state)?;
    let text = |path: &Path| path.to_str().expect("checked when the pair was named").to_owned();
    let file = pair.state.join(PAIR_FILE);
    Ok(local::create_text(&file, &pair_text(&text(&pair.network), &text(&pair.staging)))?)
}

fn finish(mut pair: Pair, pairs: &[Pair], is_new: bool, warnings: Vec<String>) -> Chosen {
    let others = pairs.iter().filter(|other| other.state != pair.state);
    let known = |other: &Pair| Known { name: other.name.clone(), staging: other.staging.clone(), network: other.network.clone() };
    pair.others = others.map(known).collect();
    Chosen { pair, is_new, warnings }
}

fn by_roots<'p>(pairs: &'p [Pair], network: Option<&Path>, staging: Option<&Path>) -> Vec<&'p Pair> {
    let same = |given: Option<&Path>, root: &Path| given.is_none_or(|given| local::real_path(given) == local::real_path(root));
    pairs.iter().filter(|pair| same(network, &pair.network) && same(staging, &pair.staging)).collect()
}

fn in_a_root<'p>(pairs: &'p [Pair], here: &Path) -> Vec<&'p Pair> {
    let holds = |root: &Path| here.starts_with(root) || local::real_path(here).starts_with(local::real_path(root));
    pairs.iter().filter(|pair| holds(&pair.staging) || holds(&pair.network)).collect()
}

fn one_of<'p>(found: &[&'p Pair], what: &str, all: &[Pair]) -> Result<&'p Pair, Failure> {
    let names = |pairs: &mut dyn Iterator<Item = &Pair>| pairs.map(|pair| pair.name.as_str()).collect::<Vec<_>>().join(", ");
    match found {
        [one] => Ok(one),
        [] if all.is_empty() => Err(Failure::failed("No folders are paired on this machine yet.")
            .advise("Pair two with `driftless init --network DIR --staging DIR`.")),
        [] => Err(Failure::failed(format!("No pair belongs to {what}."))
            .advise(format!("Name one with --pair; there are: {}.", names(&mut all.iter())))),
        several => Err(Failure::failed(format!("Several pairs belong to {what}."))
            .advise(format!("Name one with --pair: {}.", names(&mut several.iter().copied())))),
    }
}

fn unknown_name(name: &str, pairs: &[Pair]) -> Failure {
    let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
    let advice = match names.as_slice() {
        [] => "Pair two folders with `driftless init --network DIR --staging DIR`.".to_owned(),
        names => format!("There are: {}.", names.join(", ")),
    };
    Failure::failed(format!("There is no pair called {}.", name.escape_debug())).advise(advice)
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 100 && name.chars().all(plain) && !name.starts_with('.')
}

/// The network folder's name in plain letters, with a number where it is taken.
fn free_name(network: &Path, pairs: &[Pair]) -> String {
    let own = network.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = own.chars().take(60).map(plain).collect();
    let name = name.trim_start_matches('.');
    let name = if name.is_empty() { "project" } else { name };
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    let taken = |name: &String| pairs.iter().any(|pair| pair.name == *name);
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).expect("numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, network: &str, staging: &str) -> Pair {
        let state = PathBuf::from("/state").join(name);
        Pair { name: name.to_owned(), state, staging: staging.into(), network: network.into(), others: Vec::new() }
    }

    #[test]
    fn names_come_from_the_network_folder_and_are_free() {
        let taken = [pair("lab", "/n/lab", "/s/lab"), pair("lab-2", "/m/lab", "/s/lab2")];
        for (network, expected) in
            [("/x/lab", "lab-3"), ("/x/a b:c", "a-b-c"), ("/", "project"), ("/x/...", "project"), ("/x/é", "é")]
        {
            let name = free_name(Path::new(network), &taken);
            assert_eq!(name, expected);
            assert!(is_plain(&name), "{name}");
        }
        assert!(!is_plain("a/b") && !is_plain("..") && !is_plain(""));
    }

    #[test]
    fn a_folder_below_a_root_belongs_to_its_pair() {
        let pairs = [pair("a", "/n/a", "/s/a"), pair("b", "/n/a", "/s/b"), pair("c", "/n/c", "/s/c")];
        let names = |here: &str| in_a_root(&pairs, Path::new(here)).iter().map(|pair| pair.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("/s/a/sub"), ["a"]);
        assert_eq!(names("/n/a"), ["a", "b"]);
        assert_eq!(names("/s/ab"), [""; 0]);
        assert!(
            one_of(&in_a_root(&pairs, Path::new("/n/a")), "it", &pairs)
                .is_err_and(|failure| failure.advice.is_some_and(|a| a.contains("a, b")))
        );
    }
}
