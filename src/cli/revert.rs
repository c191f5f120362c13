//! `revert`: one run that makes paths of staging what they are on the network.

use crate::cli::args::Revert;
use crate::cli::failure::Failure;
use crate::cli::pairs::{self, IfNew};
use crate::cli::settings;
use crate::cli::sync::once;
use crate::cli::{Answer, Context, exit, json, paths, render};
use crate::engine::request::{Deletes, Request};
use crate::model::side::{Direction, Side};

pub fn run(context: &Context, typed: &Revert) -> Result<Answer, Failure> {
    let chosen = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?;
    let settings = context.settings(&chosen.pair, settings::flag_layer(&[], typed.wait))?;
    let request = Request {
        paths: paths::resolve(&chosen.pair, &context.place, &typed.paths)?,
        dry_run: typed.dry_run,
        policies_by_flag: true,
        take: Some(Side::Network),
        deletes: if typed.allow_deletes { Deletes::Allow } else { Deletes::Guarded },
        wait: settings.wait,
        yes: context.common.yes,
        list_actions: true,
        ..Request::plain(Direction::Down)
    };
    let (report, done) = once(context, &chosen, &request, &settings)?;
    let (exit, outcome) = exit::of_report(&report, context.stop.signal());
    Ok(context.answer(
        exit,
        || json::sync("revert", &report, exit, outcome, true, "scan"),
        || render::sync(&report, done, true, context.paint),
    ))
}
