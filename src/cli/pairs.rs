//! Which pair a command works on, and the folders of known pairs.
//!
//! Invariants. A staging root belongs to one pair. What is paired is never paired with something else by a `sync`.
//! Nothing is written here before [`create`].

use std::path::{Path, PathBuf};

use crate::cli::args::Choice;
use crate::cli::failure::{Failure, shown};
use crate::cli::place::{Place, name_of_folder, valid_name};
use crate::cli::settings::{FILE_LIMIT, PAIR_FILE, file, variable};
use crate::disk::local;
use crate::engine::request::{Known, Pair};
use crate::manifest;

/// What a command does with two roots that are no pair yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfNew<'a> {
    /// `init`: a pair of this name or of the network folder's; a second pair of one network root is meant.
    Pair {
        name: Option<&'a str>,
    },
    /// `sync`: a pair, but not of a root that is paired with something else: that would be a slip of the pen.
    PairIfBothAreFree,
    Refuse,
}

/// A pair, and whether it is still to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub pair: Pair,
    pub new: bool,
}

/// By `--network` and `--staging`, else by name, else by the current folder.
pub fn choose(place: &Place, choice: &Choice, if_new: IfNew<'_>) -> Result<Chosen, Failure> {
    if let Some(pair) = as_written(place, choice)?
        && !matches!(if_new, IfNew::Pair { name: Some(name) } if name != pair.name)
    {
        return Ok(Chosen { pair, new: false });
    }
    let root = |typed: &Option<PathBuf>| typed.as_ref().map(|path| real(place, path)).transpose();
    let old = |pair| Chosen { pair, new: false };
    match (root(&choice.network)?, root(&choice.staging)?) {
        (Some(network), Some(staging)) => by_roots(place, network, staging, if_new),
        (Some(network), None) => by_root(place, &network, |pair| &pair.network, "--staging").map(old),
        (None, Some(staging)) => by_root(place, &staging, |pair| &pair.staging, "--network").map(old),
        (None, None) => {
            let named = choice.pair.clone().or_else(|| Some(variable("DRIFTLESS_PAIR")?.to_string_lossy().into_owned()));
            named.map_or_else(|| by_folder(place), |name| by_name(place, &name)).map(old)
        }
    }
}

/// A typed path without links and dots. That of a known root is one already, and is not asked about.
pub(super) fn real(place: &Place, typed: &Path) -> Result<PathBuf, Failure> {
    let whole = place.here.join(typed);
    let is_known = known(place)?.iter().any(|pair| pair.network == whole || pair.staging == whole);
    if is_known { Ok(whole) } else { Ok(place.reach.real_path(&whole)?) }
}

/// The known pair of the roots as they are typed, without asking the roots: one of them may be a mount that hangs.
fn as_written(place: &Place, choice: &Choice) -> Result<Option<Pair>, Failure> {
    let (Some(network), Some(staging)) = (&choice.network, &choice.staging) else { return Ok(None) };
    let (network, staging) = (place.here.join(network), place.here.join(staging));
    Ok(known(place)?.into_iter().find(|pair| pair.network == network && pair.staging == staging))
}

/// Every pair that this machine knows. A file that cannot be read stops this: its roots could be the ones asked for.
pub(super) fn known(place: &Place) -> Result<Vec<Pair>, Failure> {
    let mut pairs = Vec::new();
    for name in local::folders(&place.state)? {
        let Some(name) = name.to_str().filter(|name| valid_name(name)) else { continue };
        pairs.extend(read(place, name)?);
    }
    Ok(pairs)
}

/// The pair of that name, if there is one.
fn read(place: &Place, name: &str) -> Result<Option<Pair>, Failure> {
    let state = place.state.join(name);
    let pair_file = state.join(PAIR_FILE);
    let Some(text) = local::read_text(&pair_file, FILE_LIMIT)? else { return Ok(None) };
    let roots = file::pair_roots(&pair_file, &text)?;
    Ok(Some(Pair { name: name.to_owned(), state, staging: roots.staging, network: roots.network, others: Vec::new() }))
}

pub(super) fn by_name(place: &Place, name: &str) -> Result<Pair, Failure> {
    let found = if valid_name(name) { read(place, name)? } else { None };
    found.ok_or_else(|| {
        let names = listed(&known(place).unwrap_or_default());
        Failure::usage(format!("There is no pair called {}.", name.escape_debug())).advise(names)
    })
}

fn by_root(place: &Place, root: &Path, side: fn(&Pair) -> &PathBuf, other: &str) -> Result<Pair, Failure> {
    let mut found: Vec<Pair> = known(place)?.into_iter().filter(|pair| side(pair) == root).collect();
    match (found.pop(), found.is_empty()) {
        (Some(pair), true) => Ok(pair),
        (Some(pair), false) => {
            found.push(pair);
            Err(Failure::usage(format!("{} belongs to several pairs.", shown(root))).advise(listed(&found)))
        }
        (None, _) => Err(Failure::usage(format!("{} belongs to no pair.", shown(root)))
            .advise(format!("Name the other root too, with {other} DIR."))),
    }
}

pub(super) fn by_folder(place: &Place) -> Result<Pair, Failure> {
    let pairs = known(place)?;
    let depth = |pair: &Pair| {
        let roots = [&pair.staging, &pair.network].into_iter();
        roots.filter(|root| place.here.starts_with(root)).map(|root| root.components().count()).max()
    };
    let deepest = pairs.iter().filter_map(depth).max();
    let mut found: Vec<Pair> = pairs.iter().filter(|pair| deepest.is_some() && depth(pair) == deepest).cloned().collect();
    match (found.pop(), found.is_empty()) {
        (Some(pair), true) => Ok(pair),
        (Some(pair), false) => {
            found.push(pair);
            Err(Failure::usage("The current folder belongs to several pairs.").advise(listed(&found)))
        }
        (None, _) => Err(Failure::usage("The current folder belongs to no pair.")
            .advise(format!("Name the roots with --network DIR --staging DIR, or a pair with --pair NAME. {}", listed(&pairs)))),
    }
}

/// "Known pairs: …", one a line.
fn listed(pairs: &[Pair]) -> String {
    if pairs.is_empty() {
        return "No pair is known yet; `driftless init --network DIR --staging DIR` makes one.".to_owned();
    }
    let line = |pair: &Pair| {
        format!("\n  --pair {}  ({} on network, {} in staging)", pair.name, shown(&pair.network), shown(&pair.staging))
    };
    format!("Known pairs:{}", pairs.iter().map(line).collect::<String>())
}

fn by_roots(place: &Place, network: PathBuf, staging: PathBuf, if_new: IfNew<'_>) -> Result<Chosen, Failure> {
    let pairs = known(place)?;
    if let Some(pair) = pairs.iter().find(|pair| pair.network == network && pair.staging == staging) {
        return match if_new {
            IfNew::Pair { name: Some(name) } if name != pair.name => {
                Err(Failure::refused(format!("These two folders are already paired, as {}.", pair.name))
                    .advise("Nothing was changed. Leave --name out to use that pair."))
            }
            _ => Ok(Chosen { pair: pair.clone(), new: false }),
        };
    }
    if if_new == IfNew::Refuse {
        return Err(Failure::usage(format!("{} and {} are no pair yet.", shown(&network), shown(&staging)))
            .advise("`driftless init` with the same two options pairs them."));
    }
    refuse_paired_otherwise(&pairs, &network, &staging, if_new)?;
    refuse_around_state(place, &network, &staging)?;
    let name = new_name(place, &network, if_new)?;
    let others = pairs.into_iter().map(|pair| Known { name: pair.name, staging: pair.staging, network: pair.network }).collect();
    Ok(Chosen { pair: Pair { state: place.state.join(&name), name, staging, network, others }, new: true })
}

/// A root inside or around another known root of the same side, or one that is paired with something else.
pub(super) fn refuse_paired_otherwise(pairs: &[Pair], network: &Path, staging: &Path, if_new: IfNew<'_>) -> Result<(), Failure> {
    for pair in pairs {
        for (new, old, side) in [(staging, &pair.staging, "staging"), (network, &pair.network, "network")] {
            let overlaps = new.starts_with(old) || old.starts_with(new);
            if new != old && overlaps {
                return Err(Failure::refused(format!(
                    "{} and {}, the {side} root of the pair {}, lie one inside the other.",
                    shown(new),
                    shown(old),
                    pair.name
                ))
                .advise("Nothing was changed. Choose a folder beside it, or sync that pair with PATH."));
            }
        }
        if pair.staging == staging {
            return Err(paired_otherwise(pair, staging, "A staging folder belongs to one pair: choose another one."));
        }
        if pair.network == network && if_new == IfNew::PairIfBothAreFree {
            let advice = "For a second staging folder of the same network root, run `driftless init` with these options first.";
            return Err(paired_otherwise(pair, network, advice));
        }
    }
    Ok(())
}

pub(super) fn refuse_around_state(place: &Place, network: &Path, staging: &Path) -> Result<(), Failure> {
    match [network, staging].into_iter().find(|root| place.state.starts_with(root)) {
        None => Ok(()),
        Some(root) => Err(Failure::refused(format!("The state folder {} lies inside {}.", shown(&place.state), shown(root)))
            .advise("Nothing was changed. Set DRIFTLESS_HOME to a folder outside both roots.")),
    }
}

fn paired_otherwise(pair: &Pair, root: &Path, advice: &str) -> Failure {
    let other = if root == pair.staging { &pair.network } else { &pair.staging };
    Failure::refused(format!("{} is already paired with {} (pair {}).", shown(root), shown(other), pair.name))
        .advise(format!("Nothing was changed. {advice}"))
}

/// The name asked for, or the network folder's with a number where that is taken.
pub(super) fn new_name(place: &Place, network: &Path, if_new: IfNew<'_>) -> Result<String, Failure> {
    let free = |name: &str| local::is_vacant(&place.state.join(name));
    if let IfNew::Pair { name: Some(name) } = if_new {
        return match name {
            bad if !valid_name(bad) => Err(Failure::usage(format!("{} is no name for a pair.", bad.escape_debug()))
                .advise("A name has no `/`, no control characters, does not begin with a dot and is at most 100 bytes long.")),
            taken if !free(taken) => {
                Err(Failure::refused(format!("There is already a pair called {taken}.")).advise("Nothing was changed."))
            }
            name => Ok(name.to_owned()),
        };
    }
    let plain = name_of_folder(network.file_name());
    let numbered = (2_u32..).map(|number| format!("{plain}-{number}"));
    let name = std::iter::once(plain.clone()).chain(numbered).find(|name| free(name));
    Ok(name.expect("the numbers do not run out before the disk does"))
}

/// Where a staging folder goes that nobody named: the one that the network root already has, or a new one.
pub fn default_staging(place: &Place, network: &Path, name: Option<&str>) -> Result<PathBuf, Failure> {
    let network = real(place, network)?;
    let mut pairs = known(place)?.into_iter();
    if let Some(pair) = pairs.find(|pair| pair.network == network && name.is_none_or(|name| name == pair.name)) {
        return Ok(pair.staging);
    }
    Ok(place.staging.join(new_name(place, &network, IfNew::Pair { name })?))
}

/// Makes the pair's folder and its `pair.toml`. A missing staging folder is made later, once the roots are found fit.
pub fn create(pair: &Pair) -> Result<(), Failure> {
    let content = file::pair_text(&text(&pair.network)?, &text(&pair.staging)?);
    local::make_private_folder(&pair.state)?;
    Ok(local::create_private_text(&pair.state.join(PAIR_FILE), &content)?)
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("The root {} has a name that is not UTF-8.", shown(path))).advise("Rename it or link to it.")
    })
}

/// Writes the present places of the roots into the pair's `pair.toml`; everything else in it stays as it is.
pub(super) fn move_roots(pair: &Pair) -> Result<(), Failure> {
    let pair_file = pair.state.join(PAIR_FILE);
    let before =
        local::read_text(&pair_file, FILE_LIMIT)?.ok_or_else(|| Failure::failed(format!("{} is gone.", shown(&pair_file))))?;
    let content = file::with_roots(&pair_file, &before, &text(&pair.network)?, &text(&pair.staging)?)?;
    Ok(local::replace_text(&pair_file, &content)?)
}

/// Takes back what [`create`] wrote, where the roots turned out not to be a pair. Best effort: what stays behind is an
/// unused name. The staging folder stays.
pub fn forget(pair: &Pair) {
    // The folder was vacant before, so that a manifest in it is the one that was made and never used.
    for ending in ["", "-wal", "-shm"] {
        let _ = local::remove_file(&pair.state.join(format!("{}{ending}", manifest::FILE_NAME)));
    }
    let gone = local::remove_file(&pair.state.join(PAIR_FILE)).and_then(|()| local::remove_folder(&pair.state));
    if let Err(error) = gone {
        tracing::debug!(%error, "the folder of a pair that was not made stays behind");
    }
}

#[cfg(test)]
#[path = "pairs_tests.rs"]
mod tests;
