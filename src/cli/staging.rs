//! `staging list|remove`: the copies that `run` and `init` made, and what is in them alone.

use std::path::PathBuf;

use crate::cli::args::run::Staging;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, IfNew};
use crate::cli::place::Place;
use crate::cli::render::{count, table};
use crate::cli::settings::keys::Layer;
use crate::cli::{Answer, Context, json, settings};
use crate::disk::local;
use crate::disk::users::User;
use crate::engine;
use crate::engine::request::{Options, Pair};
use crate::engine::spare::{self, Alone, Found, Stays};
use crate::model::shown::tame;
use crate::roots::own;

/// What is done with a copy now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A command runs on it.
    Running,
    Watched,
    Idle,
    /// Its folder is not there.
    Gone,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Watched => "watched",
            State::Idle => "idle",
            State::Gone => "gone",
        }
    }
}

/// A staged copy.
#[derive(Clone, Debug)]
pub struct Copy {
    pub pair: Pair,
    /// It lies in the place for such copies.
    pub made_here: bool,
    pub state: State,
    /// Changes that are in it alone; `None`: that could not be found out.
    pub unsent: Option<u64>,
}

pub fn run(context: &Context, typed: &Staging) -> Result<Answer, Failure> {
    match typed {
        Staging::List => {
            let copies: Vec<Copy> =
                pairs::known(&context.place)?.into_iter().map(|pair| look(context, pair)).collect::<Result<_, Failure>>()?;
            Ok(context.answer(Exit::Done, || json::copies(&copies), || text(&copies)))
        }
        Staging::Remove { choice, wait } => {
            let pair = pairs::choose(&context.place, choice, IfNew::Refuse)?.pair;
            let settings = context.settings(&pair, settings::run_layer(*wait, None))?;
            remove(context, &pair, &settings.options, settings.wait)
        }
    }
}

fn look(context: &Context, pair: Pair) -> Result<Copy, Failure> {
    let options = context.settings(&pair, Layer::new())?.options;
    let place = &context.place;
    let locked = |path: PathBuf| place.reach.is_locked(&path) == Some(true);
    let state = match place.reach.is_folder(&pair.staging) {
        Ok(false) => State::Gone,
        _ if locked(own::run_path(&pair.staging)) => State::Running,
        _ if locked(own::post_path(&pair.staging)) => State::Watched,
        _ => State::Idle,
    };
    let unsent = engine::unsent(&pair, &options, context.stop.flag());
    Ok(Copy { made_here: is_made_here(place, &pair), state, unsent, pair })
}

fn is_made_here(place: &Place, pair: &Pair) -> bool {
    pair.staging != place.staging && pair.staging.starts_with(&place.staging)
}

fn text(copies: &[Copy]) -> String {
    if copies.is_empty() {
        return "No staged copies.\n".to_owned();
    }
    let row = |copy: &Copy| {
        let left = match copy.unsent {
            Some(0) => "all sent".to_owned(),
            Some(number) => format!("{} not sent", count(number, "change")),
            None => "unknown".to_owned(),
        };
        let whose = if copy.made_here { "" } else { "  (its place was chosen by you)" };
        let places = format!("{} of {}{whose}", shown(&copy.pair.staging), shown(&copy.pair.network));
        vec![copy.pair.name.clone(), copy.state.word().to_owned(), left, places]
    };
    table(&copies.iter().map(row).collect::<Vec<_>>())
}

fn remove(context: &Context, pair: &Pair, options: &Options, wait: std::time::Duration) -> Result<Answer, Failure> {
    let copy = shown(&pair.staging);
    let kept = |why: String| Failure::refused(format!("{copy} stays: {why}."));
    if !is_made_here(&context.place, pair) && local::is_taken(&pair.staging) {
        let place = shown(&context.place.staging);
        let advice = format!("Nothing was changed. Only copies below {place} are removed; this folder is yours to remove.");
        return Err(kept("its place was chosen by you".to_owned()).advise(advice));
    }
    let failed = |error: engine::Error| match error {
        engine::Error::Busy { holder } => {
            Failure { exit: Exit::Busy, ..kept(format!("somebody works with it ({holder})")) }.advise("Nothing was changed.")
        }
        error => error.into(),
    };
    let refused = |stays: Stays| match stays {
        Stays::Needed(why) => kept(why).advise(format!(
            "Nothing was removed. `driftless sync --pair {}` brings both roots in step, or tells what is in the way.",
            pair.name
        )),
        Stays::Used(User { process, name, at }) => {
            kept(format!("process {process} ({}) works in it, at {}", tame(&name), shown(&at)))
                .advise("Nothing was removed. End it first: what it writes would be lost.")
        }
        Stays::Open => kept("somebody works in it, or has a file or folder in it open".to_owned())
            .advise("Nothing was removed. Close shells and programs that stand in it."),
        Stays::Mount(point) => kept(format!("something is mounted in it, at {}", shown(&point))).advise("Nothing was removed."),
    };
    let answer = || {
        let words = || format!("Removed {copy}. The project itself is in {}.\n", shown(&pair.network));
        Ok(context.answer(Exit::Done, || json::copy_removed(pair, Exit::Done), words))
    };
    let agreed = |question: &str| context.common.yes || context.ask(question) == Some(true);
    match spare::look(pair, options, wait, context.stop.flag()).map_err(failed)? {
        Found::Stays(why) => Err(refused(why)),
        Found::Gone { begun } => {
            // A folder of that name beside one that its user chose is the user's.
            let begun = begun && is_made_here(&context.place, pair);
            if !begun && !agreed(&format!("{copy} is not there any more. Forget the pair {}, with its history?", pair.name)) {
                return Err(Failure::refused(format!("{copy} is not there any more."))
                    .advise(format!("Nothing was changed. With --yes the pair {} is forgotten, with its history.", pair.name)));
            }
            spare::forget(pair, begun).map_err(|error| half_removed(error, pair))?;
            answer()
        }
        Found::Spare(found) => {
            if let Some(question) = question(found.alone, &copy)
                && !agreed(&question)
            {
                return Err(kept(question.replace(" Remove them too?", "").trim_end_matches('.').to_owned())
                    .advise("Nothing was removed. With --yes they go too."));
            }
            let removed = spare::remove(pair, options, *found, context.stop.flag());
            removed.map_err(|error| half_removed(error, pair))?.map_err(refused)?;
            answer()
        }
    }
}

/// All of it is on the network; what stands in the way is told by its path.
fn half_removed(error: engine::Error, pair: &Pair) -> Failure {
    Failure::failed(format!("The copy could not be removed: {error}.")).advise(format!(
        "What is in step stays on the network. `driftless staging remove --pair {}` goes on from there.",
        pair.name
    ))
}

/// What would go that no sync carries.
fn question(alone: Alone, copy: &str) -> Option<String> {
    let parts = [
        (alone.ignored, "file that patterns leave out", "files that patterns leave out"),
        (alone.trashed, "version in its trash", "versions in its trash"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| format!("{number} {}", if number == 1 { one } else { many }))
        .collect();
    (!parts.is_empty()).then(|| format!("{} are in {copy} alone. Remove them too?", parts.join(" and ")))
}
