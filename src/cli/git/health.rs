//! `git health`: how it goes.

use super::Here;
use crate::cli::args::git::Health as Typed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::history::{Event, Health, health};
use crate::git::lock::{self, Holder, Which};

pub fn run(here: &Here<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let repository = here.repository()?;
    let health = health(&repository)?;
    let holder = lock::holder(&repository, Which::Writer);
    let bad = health.pending > 0 || health.failures > 0 || health.conflicts > 0 || health.rejected > 0;
    let exit = if typed.exit_code && bad { Exit::Drift } else { Exit::Done };
    Ok(here.context.answer(exit, || json::git_health(&health, holder.as_ref(), exit), || text(&health, holder.as_ref())))
}

fn text(health: &Health, holder: Option<&Holder>) -> String {
    let event = |event: &Option<Event>| {
        event.as_ref().map_or_else(|| "never".to_owned(), |event| format!("{} ({}: {})", event.at, event.op, event.result))
    };
    let rate = match health.events {
        0 => "nothing was done here yet".to_owned(),
        events => format!("{} of the last {} went well", health.went_well, count(events, "event")),
    };
    let mut text =
        format!("{rate}\nlast success  {}\nlast failure  {}\n", event(&health.last_success), event(&health.last_failure));
    if let Some(failure) = health.last_failure.as_ref().filter(|_| health.failures > 0) {
        text.push_str(&format!(
            "{} in a row: {}\n",
            count(health.failures, "failure"),
            crate::model::shown::short(&failure.message)
        ));
    }
    let since = health.oldest.as_ref().map_or_else(String::new, |oldest| format!(", the oldest since {oldest}"));
    text.push_str(&format!("waiting       {}{since}\n", health.pending));
    text.push_str(&format!(
        "kept          {} in conflict, {} not taken, {}\n",
        health.conflicts,
        health.rejected,
        count(health.backups as u64, "backup")
    ));
    let at_work = holder.map_or_else(|| "nobody".to_owned(), Holder::sentence);
    text.push_str(&format!("at work       {at_work}\n"));
    text
}
