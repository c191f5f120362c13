//! `sync`: one run, the first-sync question, and its report.

use crate::cli::args::Sync;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, refusal_words};
use crate::cli::pairs::{self, Chosen, IfNew};
use crate::cli::progress::Shown;
use crate::cli::settings::{self, Settings};
use crate::cli::{Answer, Context, exit, hooks, init, json, paths, render, steer, warn};
use crate::engine;
use crate::engine::report::{Outcome, Refusal, Report, Work};
use crate::engine::request::{Deletes, Request};
use crate::model::side::PerSide;
use crate::run::Carried;

pub fn run(context: &Context, typed: &Sync) -> Result<Answer, Failure> {
    let (direction, typed_paths) = typed.direction_and_paths();
    let chosen = pairs::choose(&context.place, &typed.choice, IfNew::PairIfBothAreFree)?;
    let flags = settings::flag_layer(&typed.conflict, typed.wait);
    let settings = context.settings(&chosen.pair, flags)?;
    let mut request = Request {
        paths: paths::resolve(&chosen.pair, &context.place, &typed_paths)?,
        dry_run: typed.dry_run,
        policies: settings.policies.clone(),
        policies_by_flag: settings.policies_by_flag,
        deletes: deletes(typed),
        verify: typed.verify,
        trust_times: typed.trust_times,
        wait: settings.wait,
        yes: context.common.yes,
        list_actions: typed.dry_run || context.common.verbose,
        ..Request::plain(direction)
    };
    if chosen.new && !typed.dry_run {
        init::establish(&context.place, &chosen, &settings)?.iter().for_each(|note| warn(note));
    }
    let pair = &chosen.pair;
    let hooked = |direction, code, object: &str| {
        if !typed.dry_run {
            let report = serde_json::from_str(object).unwrap_or_default();
            hooks::after_sync(&settings, pair, direction, &Carried { code, report }, context.stop.flag());
        }
    };
    if !typed.dry_run {
        hooks::before_sync(&settings, pair, direction, context.stop.flag());
    }
    if !chosen.new
        && let Some(done) = steer::sync(context, pair, &request)
    {
        let done = done?;
        hooked(direction, done.exit_code, done.report.get());
        let exit = Exit::of_code(done.exit_code);
        return Ok(context.answer(exit, || format!("{}\n", done.report.get()), || done.text.clone()));
    }
    let (mut report, mut done) = once(context, &chosen, &request, &settings)?;
    if let Outcome::Refused(refusal @ Refusal::MostlyDifferent { .. }) = &report.outcome
        && !request.yes
        && context.ask(&format!("{} Sync them all the same?", refusal_words(refusal).0)) == Some(true)
    {
        request.yes = true;
        (report, done) = once(context, &chosen, &request, &settings)?;
    }
    let (exit, outcome) = exit::of_report(&report, context.stop.signal());
    let object = json::sync("sync", &report, exit, outcome, request.list_actions, "scan");
    hooked(direction, exit.code(), &object);
    Ok(context.answer(exit, || object.clone(), || render::sync(&report, done, request.list_actions, context.paint)))
}

/// One run, shown while it goes on.
pub fn once(
    context: &Context,
    chosen: &Chosen,
    request: &Request,
    settings: &Settings,
) -> Result<(Report, PerSide<Work>), Failure> {
    let shown = Shown::start();
    let report = engine::sync(&chosen.pair, request, &settings.options, &|progress| shown.tell(progress), context.stop.flag());
    let done = shown.finish();
    Ok((report?, done))
}

fn deletes(typed: &Sync) -> Deletes {
    match (typed.allow_deletes, typed.restore_deletes) {
        (true, _) => Deletes::Allow,
        (_, true) => Deletes::Restore,
        _ => Deletes::Guarded,
    }
}
