//! What `run` does with a folder: works on a staged copy of it, or leaves it alone.
//!
//! Invariants. Nothing is written. A folder that is neither on a network drive nor part of a pair is left alone, whatever else
//! is wrong: a command there is to run as it would without this program.

use std::path::{Path, PathBuf};

use crate::cli::args::Choice;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, Chosen, IfNew};
use crate::cli::place::{Place, STAGING_HOME};
use crate::cli::settings::variable;
use crate::engine::request::Pair;
use crate::roots::mounts::{self, Verdict};
use crate::roots::own;
use crate::roots::reach::Reach;

/// A folder, and what is done with it.
#[derive(Debug)]
pub struct Project {
    /// The project as it was named.
    pub folder: PathBuf,
    pub way: Way,
}

#[derive(Debug)]
pub enum Way {
    /// No staging.
    Bare,
    /// On a staged copy.
    Staged {
        chosen: Box<Chosen>,
        /// Where in the project the command was given.
        below: PathBuf,
    },
    /// Inside a run of the same project: the environment is there already.
    Within,
}

/// Decides it. `place` may have failed: then only a project that needs a pair does.
pub fn find(
    place: Result<Place, Failure>,
    reach: &Reach,
    here: &Path,
    choice: &Choice,
) -> Result<(Project, Option<Place>), Failure> {
    let folder = choice.network.as_ref().map_or_else(|| here.to_path_buf(), |network| here.join(network));
    let named = choice.pair.is_some() || choice.staging.is_some();
    let verdict = || reach.detect(&folder).map_err(|error| Failure::failed(error.to_string()));
    let place = match place {
        Ok(place) => place,
        Err(failure) if named || verdict()?.network => return Err(failure),
        Err(_) => return Ok((Project { folder, way: Way::Bare }, None)),
    };
    let way = way(&place, &folder, choice, named, &verdict)?;
    Ok((Project { folder, way }, Some(place)))
}

/// What a `run` in this folder would do.
pub fn of_folder(place: &Place, folder: &Path, verdict: &Verdict) -> Result<Way, Failure> {
    let place = Place { here: pairs::real(place, folder)?, ..place.clone() };
    by_folder(&place, &place.here, &|| Ok(verdict.clone()))
}

fn way(
    place: &Place,
    folder: &Path,
    choice: &Choice,
    named: bool,
    verdict: &dyn Fn() -> Result<Verdict, Failure>,
) -> Result<Way, Failure> {
    if !named && choice.network.is_none() && is_within_a_run(place)? {
        return Ok(Way::Within);
    }
    let staged = |chosen| staged(chosen, folder);
    if choice.pair.is_some() || (choice.network.is_none() && !named && names_a_pair(place)?) {
        return pairs::choose(place, choice, IfNew::Refuse).map(staged);
    }
    if let Some(staging) = &choice.staging {
        return with(place, folder, staging.clone());
    }
    if choice.network.is_none() {
        return by_folder(place, folder, verdict);
    }
    let root = pairs::real(place, folder)?;
    if pairs::known(place)?.iter().any(|pair| pair.network == root) {
        return pairs::choose(place, choice, IfNew::Refuse).map(staged);
    }
    by_mount(place, folder, verdict)
}

fn by_folder(place: &Place, folder: &Path, verdict: &dyn Fn() -> Result<Verdict, Failure>) -> Result<Way, Failure> {
    let holds = |pair: &Pair| folder.starts_with(&pair.network) || folder.starts_with(&pair.staging);
    if pairs::known(place)?.iter().any(holds) {
        return Ok(staged(Chosen { pair: pairs::by_folder(place)?, new: false }, folder));
    }
    by_mount(place, folder, verdict)
}

fn by_mount(place: &Place, folder: &Path, verdict: &dyn Fn() -> Result<Verdict, Failure>) -> Result<Way, Failure> {
    if !verdict()?.network {
        return Ok(Way::Bare);
    }
    refuse_a_distant_place(place)?;
    with(place, folder, pairs::default_staging(place, folder, None)?)
}

fn with(place: &Place, folder: &Path, staging: PathBuf) -> Result<Way, Failure> {
    let choice = Choice { network: Some(folder.to_path_buf()), staging: Some(staging), pair: None };
    Ok(staged(pairs::choose(place, &choice, IfNew::PairIfBothAreFree)?, folder))
}

fn staged(chosen: Chosen, folder: &Path) -> Way {
    let inside = |root: &PathBuf| folder.strip_prefix(root).ok().map(Path::to_path_buf);
    let below = inside(&chosen.pair.network).or_else(|| inside(&chosen.pair.staging)).unwrap_or_default();
    Way::Staged { chosen: Box::new(chosen), below }
}

/// A script that uses `run` is run by `run`: the command is on the staged copy already.
fn is_within_a_run(place: &Place) -> Result<bool, Failure> {
    let says_so = variable("SMART_SYNC_ENABLED").is_some_and(|word| word == "true");
    let (Some(staging), Some(name), true) = (variable("LOCAL_PROJECT_PATH"), variable("DRIFTLESS_PAIR"), says_so) else {
        return Ok(false);
    };
    let is_it =
        |pair: &Pair| pair.name.as_str() == name && pair.staging.as_os_str() == staging && place.here.starts_with(&pair.staging);
    let found = pairs::known(place)?.into_iter().find(is_it);
    Ok(found.is_some_and(|pair| place.reach.is_locked(&own::run_path(&pair.staging)) == Some(true)))
}

/// Does the environment name the pair that is meant? What a run of another project has left there does not.
fn names_a_pair(place: &Place) -> Result<bool, Failure> {
    let Some(name) = variable("DRIFTLESS_PAIR") else { return Ok(false) };
    let by_a_run = variable("SMART_SYNC_ENABLED").is_some_and(|word| word == "true");
    let here = |pair: &Pair| {
        let roots = [&pair.network, &pair.staging];
        pair.name.as_str() == name && roots.into_iter().any(|root| place.here.starts_with(root))
    };
    Ok(!by_a_run || pairs::known(place)?.iter().any(here))
}

/// A staged copy on a network drive would be none.
fn refuse_a_distant_place(place: &Place) -> Result<(), Failure> {
    let verdict = mounts::detect(&place.staging).map_err(|error| Failure::failed(error.to_string()))?;
    if !verdict.network {
        return Ok(());
    }
    let place = shown(&place.staging);
    Err(Failure::refused(format!("The place for staged copies, {place}, lies on a network drive itself: {}", verdict.reason))
        .advise(format!("Nothing was changed. Set {STAGING_HOME} to a folder on a local disk, or name one with --staging DIR.")))
}
