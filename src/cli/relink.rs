//! `relink`: which pair is meant and where its roots lie now, the engine's part, then `pair.toml`.
//!
//! Invariant. `pair.toml` names a new place last, when the base is given up already: before that, the folder there could be
//! half of a copy that carries the old root's marker.

use std::path::{Path, PathBuf};

use crate::cli::args::Relink;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs;
use crate::cli::progress::Shown;
use crate::cli::render::{count, table};
use crate::cli::settings::{self, variable};
use crate::cli::{Answer, Context, json, steer, warn};
use crate::engine;
use crate::engine::relink::{Accepted, Relinked, Taken};
use crate::engine::request::{Known, Pair};
use crate::model::side::{PerSide, Side};

/// A pair with its roots at their present places.
struct Chosen {
    pair: Pair,
    new: bool,
    /// Where a root that moved lay before.
    was: PerSide<Option<PathBuf>>,
}

pub fn run(context: &Context, typed: &Relink) -> Result<Answer, Failure> {
    let chosen = choose(context, typed)?;
    let settings = context.settings(&chosen.pair, settings::flag_layer(&[], typed.wait))?;
    let request = engine::relink::Relink {
        known: !chosen.new,
        new_id: typed.new_id,
        dry_run: typed.dry_run,
        wait: settings.wait,
        staging_was: chosen.was.staging.clone(),
    };
    let pair = &chosen.pair;
    if chosen.new && !typed.dry_run {
        pairs::create(pair)?;
    }
    let progress = Shown::start();
    let tell = |step| progress.tell(step);
    let result = engine::relink::relink(pair, &request, &settings.options, &tell, context.stop.flag());
    progress.finish();
    let relinked = result.inspect_err(|_| {
        if chosen.new && !typed.dry_run {
            pairs::forget(pair);
        }
    })?;
    let moved = Side::BOTH.into_iter().any(|side| chosen.was[side].is_some());
    if moved && !typed.dry_run {
        pairs::move_roots(pair)?;
        if let Some(watched) = steer::snapshot(pair) {
            let process = watched.process;
            warn(&format!("process {process} watches the old place; `driftless stop` and then `driftless watch` mend that"));
        }
    }
    let empty: Vec<String> = Side::BOTH.into_iter().filter_map(|side| emptied(side, &relinked)).collect();
    empty.iter().for_each(|warning| warn(warning));
    Ok(context.answer(
        Exit::Done,
        || json::relink(pair, chosen.new, typed.dry_run, &chosen.was, &relinked, &empty),
        || text(context, &chosen, typed.dry_run, &relinked),
    ))
}

fn choose(context: &Context, typed: &Relink) -> Result<Chosen, Failure> {
    let place = &context.place;
    let real = |typed: &Option<PathBuf>| typed.as_ref().map(|path| pairs::real(place, path)).transpose();
    let given = PerSide::new(real(&typed.staging)?, real(&typed.network)?);
    let mut all = pairs::known(place)?;
    let found = match (&typed.pair, &given.network, &given.staging) {
        (Some(name), _, _) => Some(pairs::by_name(place, name)?),
        (None, Some(network), Some(staging)) => by_both(context, &all, network, staging)?,
        (None, network, staging) => Some(by_one(context, &all, network.as_deref(), staging.as_deref())?),
    };
    let Some(known) = found else {
        let (network, staging) = given.network.zip(given.staging).expect("a pair is only new where both roots are named");
        return fresh(context, &all, network, staging);
    };
    all.retain(|other| other.name != known.name);
    let before = PerSide::new(known.staging.clone(), known.network.clone());
    let now = PerSide::new(given.staging.unwrap_or(known.staging), given.network.unwrap_or(known.network));
    let mut was = PerSide::default();
    for side in Side::BOTH {
        if now[side] != before[side] {
            exists(context, side, &now[side])?;
            was[side] = Some(before[side].clone());
        }
    }
    fit(context, &all, &now)?;
    let others = others(all);
    let PerSide { staging, network } = now;
    Ok(Chosen { pair: Pair { staging, network, others, ..known }, new: false, was })
}

/// A staging root belongs to one pair, and so names it; the network root is then where that pair's lies now.
fn by_both(context: &Context, all: &[Pair], network: &Path, staging: &Path) -> Result<Option<Pair>, Failure> {
    if let Some(pair) = all.iter().find(|pair| pair.staging == staging) {
        return Ok(Some(pair.clone()));
    }
    // A second staging folder of that network root, or the first one at a new place?
    let mut missing = None;
    for pair in all.iter().filter(|pair| pair.network == network) {
        if !context.place.reach.is_folder(&pair.staging)? {
            missing = Some(pair);
            break;
        }
    }
    match missing {
        Some(pair) => Err(Failure::refused(format!(
            "{} is paired with {} (pair {}), which is not there.",
            shown(network),
            shown(&pair.staging),
            pair.name
        ))
        .advise(format!(
            "Nothing was changed. If that folder lies at {} now, run `driftless relink --pair {} --staging {}`; for a second \
             staging folder run `driftless init` with these options.",
            shown(staging),
            pair.name,
            shown(staging)
        ))),
        None => Ok(None),
    }
}

/// The pair that has the root, else the one named by the variable or the current folder: its root lies there now.
fn by_one(context: &Context, all: &[Pair], network: Option<&Path>, staging: Option<&Path>) -> Result<Pair, Failure> {
    let has = |pair: &&Pair| Some(pair.network.as_path()) == network || Some(pair.staging.as_path()) == staging;
    let mut found = all.iter().filter(has);
    match (found.next(), found.next()) {
        (Some(pair), None) => Ok(pair.clone()),
        (Some(_), Some(_)) => {
            Err(Failure::usage("The root named belongs to several pairs.").advise("Choose one of them with --pair NAME."))
        }
        (None, _) => match variable("DRIFTLESS_PAIR") {
            Some(name) => pairs::by_name(&context.place, &name.to_string_lossy()),
            None => pairs::by_folder(&context.place),
        },
    }
}

fn fresh(context: &Context, all: &[Pair], network: PathBuf, staging: PathBuf) -> Result<Chosen, Failure> {
    fit(context, all, &PerSide::new(staging.clone(), network.clone()))?;
    let name = pairs::new_name(&context.place, &network, pairs::IfNew::Pair { name: None })?;
    let state = context.place.state.join(&name);
    let pair = Pair { name, state, staging, network, others: others(all.to_vec()) };
    Ok(Chosen { pair, new: true, was: PerSide::default() })
}

fn others(all: Vec<Pair>) -> Vec<Known> {
    all.into_iter().map(|Pair { name, staging, network, .. }| Known { name, staging, network }).collect()
}

fn exists(context: &Context, side: Side, path: &Path) -> Result<(), Failure> {
    if context.place.reach.is_folder(path)? {
        return Ok(());
    }
    Err(Failure::refused(format!("{} does not exist or is not a folder.", shown(path)))
        .advise(format!("Nothing was changed. Name the folder where the {side} root lies now.")))
}

/// May these be the roots of one pair beside all others? A new id must not be written into a root that another pair of
/// this machine uses from the other side.
fn fit(context: &Context, others: &[Pair], now: &PerSide<PathBuf>) -> Result<(), Failure> {
    pairs::refuse_paired_otherwise(others, &now.network, &now.staging, pairs::IfNew::Pair { name: None })?;
    pairs::refuse_around_state(&context.place, &now.network, &now.staging)?;
    for other in others {
        for (path, theirs, side) in [(&now.staging, &other.network, "network"), (&now.network, &other.staging, "staging")] {
            if path == theirs {
                return Err(Failure::refused(format!("{} is the {side} root of the pair {}.", shown(path), other.name))
                    .advise("Nothing was changed. Choose another folder, or a copy of this one."));
            }
        }
    }
    Ok(())
}

/// What people have to hear, whatever else was asked: an empty root is most often the wrong one.
fn emptied(side: Side, relinked: &Relinked) -> Option<String> {
    let files = relinked.given_up.files;
    (files > 0 && relinked.roots[side].top == 0).then(|| {
        let knew = count(files, "file");
        let other = side.other();
        format!("the {side} root is empty and the pair knew {knew}: the next sync copies what the {other} root holds into it")
    })
}

fn text(context: &Context, chosen: &Chosen, dry_run: bool, relinked: &Relinked) -> String {
    let pair = &chosen.pair;
    let head = if dry_run { "Would relink" } else { "Relinked" };
    let line = |side: Side, path: &Path| {
        let root = &relinked.roots[side];
        let was = chosen.was[side].as_ref().map(|was| format!("; was {}", shown(was))).unwrap_or_default();
        let top = if root.top == 1 { "1 entry at its top".to_owned() } else { format!("{} entries at its top", root.top) };
        vec![format!("  {side}"), shown(path), format!("{}; {top}{was}", words(root))]
    };
    let roots = table(&[line(Side::Network, &pair.network), line(Side::Staging, &pair.staging)]);
    let given_up = relinked.given_up;
    let base = match given_up.files {
        0 => "There was no base".to_owned(),
        files => {
            let listed = match (given_up.conflicts, given_up.problems) {
                (0, 0) => String::new(),
                (conflicts, problems) => format!(", with {} and {}", count(conflicts, "conflict"), count(problems, "problem")),
            };
            let verb = if dry_run { "would be given up" } else { "is given up" };
            format!("The base of {} {verb}{listed}", count(files, "file"))
        }
    };
    let notes: String = relinked.notes.iter().map(|note| format!("Note: {note}\n")).collect();
    let next = if dry_run { String::new() } else { format!("Next: `driftless sync --pair {} --dry-run`\n", pair.name) };
    format!(
        "{}\n{roots}{base}: the next sync compares both folders as if they met for the first time.\n\
         It deletes nothing: what is on one side only is copied, so that deletes which were not synchronised come back;\n\
         what is equal is taken as it is; what differs is a conflict.\n{notes}{next}",
        context.paint.bold(&format!("{head} {}", pair.name))
    )
}

fn words(root: &Accepted) -> &'static str {
    match (root.taken, root.marked) {
        (Taken::AsRecorded, false) => "as recorded",
        (Taken::AsRecorded, true) => "as recorded; its marker names the network root's new id",
        (Taken::Unrecorded, false) => "known by its marker",
        (Taken::Unrecorded, true) => "known by its marker; it names the network root's new id",
        (Taken::New, true) => "new: marked",
        (Taken::LostMarker, true) => "lost its marker: marked anew",
        (Taken::New | Taken::LostMarker, false) => "cannot be marked",
        (Taken::DamagedMarker, _) => "its marker could not be read: marked anew",
        (Taken::OtherId, _) => "another root than before: accepted",
        (Taken::OlderGeneration, _) => "older than before: accepted",
        (Taken::OtherNetwork, _) => "was paired with another network root meanwhile: accepted",
        (Taken::OtherSide, _) => "a copy of the other side's root: it has an id of its own now",
        (Taken::OtherPair, _) => "of another pair: it has an id of its own now",
    }
}
