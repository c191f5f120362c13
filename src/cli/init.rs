//! `init`: pairs two roots; the same pair again is no error.

use crate::cli::args::{Choice, Init};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, Chosen, IfNew};
use crate::cli::place::{Place, STAGING_HOME};
use crate::cli::settings::{Settings, keys::Layer};
use crate::cli::{Answer, Context, json};
use crate::disk::local;
use crate::engine;

pub fn run(context: &Context, typed: &Init) -> Result<Answer, Failure> {
    let name = typed.name.as_deref();
    let staging = match &typed.staging {
        Some(staging) => staging.clone(),
        None => pairs::default_staging(&context.place, &typed.network, name)?,
    };
    let choice = Choice { network: Some(typed.network.clone()), staging: Some(staging), pair: None };
    let chosen = pairs::choose(&context.place, &choice, IfNew::Pair { name })?;
    let settings = context.settings(&chosen.pair, Layer::new())?;
    let notes = establish(&context.place, &chosen, &settings)?;
    let pair = &chosen.pair;
    Ok(context.answer(
        Exit::Done,
        || json::init(&pair.name, [&pair.network, &pair.staging, &pair.state], chosen.new, &notes),
        || {
            let head = if chosen.new { "Paired, as" } else { "Already paired, as" };
            let notes: String = notes.iter().map(|note| format!("Note: {note}\n")).collect();
            format!(
                "{}\n  network  {}\n  staging  {}\n  state    {}\n{notes}Next: `driftless sync --pair {}`\n",
                context.paint.bold(&format!("{head} {}", pair.name)),
                shown(&pair.network),
                shown(&pair.staging),
                shown(&pair.state),
                pair.name
            )
        },
    ))
}

/// Makes a new pair known and its roots marked; where the roots are refused, the pair is forgotten again.
pub fn establish(place: &Place, chosen: &Chosen, settings: &Settings) -> Result<Vec<String>, Failure> {
    if chosen.new {
        if chosen.pair.staging.starts_with(&place.staging) {
            make_place(place)?;
        }
        pairs::create(&chosen.pair)?;
    }
    match engine::init(&chosen.pair, &settings.options) {
        Ok(initialised) => Ok(initialised.notes),
        Err(error) => {
            if chosen.new {
                pairs::forget(&chosen.pair);
            }
            Err(error.into())
        }
    }
}

/// Makes the place for staged copies, closed to other users, where it is not there yet.
fn make_place(place: &Place) -> Result<(), Failure> {
    if local::is_taken(&place.staging) {
        return Ok(());
    }
    local::make_private_folder(&place.staging).map_err(|error| {
        Failure::refused(format!("The place for staged copies cannot be made: {error}.")).advise(format!(
            "Nothing was changed. Set {STAGING_HOME} to a folder that you may write, or name one with --staging DIR."
        ))
    })
}
