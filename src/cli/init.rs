//! `driftless init`.

use super::args;
use super::exit::Exit;
use super::failure::{Failure, shown};
use super::pairs;
use super::settings;
use super::{Answer, eprintln_quietly};
use crate::engine;

pub fn init(typed: &args::Init) -> Result<Answer, Failure> {
    let chosen = pairs::choose_for_init(&typed.network, typed.staging.as_deref(), typed.name.as_deref())?;
    chosen.warnings.iter().for_each(|warning| eprintln_quietly(warning));
    let pair = &chosen.pair;
    let settings = settings::of_pair(pair, settings::keys::Layer::new(), std::env::vars_os())?;
    settings.warnings.iter().for_each(|warning| eprintln_quietly(&format!("warning: {warning}")));
    let initialised = engine::init(pair, &settings.options)?;
    if chosen.is_new {
        pairs::remember(pair)?;
    }
    let state = if chosen.is_new { "paired" } else { "was paired already" };
    let mut text = format!(
        "{} {state}.\n  network  {}\n  staging  {}\n  state    {}\n",
        pair.name,
        shown(&pair.network),
        shown(&pair.staging),
        shown(&pair.state)
    );
    for note in &initialised.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    if chosen.is_new {
        text.push_str(&format!("Nothing is copied yet. Next: driftless sync down --pair {}\n", pair.name));
    }
    let json = serde_json::json!({
        "outcome": "done", "pair": pair.name, "created": chosen.is_new, "notes": initialised.notes,
        "network": pair.network.to_string_lossy(), "staging": pair.staging.to_string_lossy(), "state": pair.state.to_string_lossy(),
    });
    Ok(Answer { text, json, exit: Exit::Done })
}

/// A new pair named by two folders: made known before its first sync.
pub fn first(chosen: &pairs::Chosen, options: &engine::Options) -> Result<(), Failure> {
    engine::init(&chosen.pair, options)?;
    pairs::remember(&chosen.pair)
}
