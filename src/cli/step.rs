//! `step begin|end NAME`: the sync before and after a workflow's step, from the host.

use crate::cli::args::Choice;
use crate::cli::args::run::{Named, Step};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::ferry::Ferry;
use crate::cli::pairs::{self, IfNew};
use crate::cli::settings::variable;
use crate::cli::{Answer, Context, json, settings, warn};
use crate::engine::request::Pair;
use crate::run::steps::{Record, Told};

pub fn run(context: &Context, typed: &Step) -> Result<Answer, Failure> {
    let choice = match typed {
        Step::Begin(step) | Step::End { step, .. } => &step.choice,
        Step::Status { choice } => choice,
    };
    let unnamed = matches!(choice, Choice { network: None, staging: None, pair: None });
    if unnamed && variable("SMART_SYNC_ENABLED").is_some_and(|word| word == "false") {
        let words = "The project needs no staging: there is nothing to be taken or sent".to_owned();
        let told = Told { code: 0, words, sync: None };
        return Ok(context.answer(Exit::Done, || json::step(None, &told, &[], Exit::Done), || format!("{}\n", told.words)));
    }
    match typed {
        Step::Begin(step) => sync(context, step, |record, ferry| record.begin(&step.name, ferry)),
        Step::End { step, failed } => sync(context, step, |record, ferry| record.end(&step.name, !failed, ferry)),
        Step::Status { choice } => {
            let pair = chosen(context, choice)?;
            let record = Record::of(pair.state.clone());
            Ok(answer(context, &pair, &record, &record.status(), Exit::Done))
        }
    }
}

fn chosen(context: &Context, choice: &Choice) -> Result<Pair, Failure> {
    Ok(pairs::choose(&context.place, choice, IfNew::Refuse)?.pair)
}

/// A sync that fails never breaks the workflow, unless that was asked for.
fn sync(
    context: &Context,
    typed: &Named,
    word: impl FnOnce(&Record, &Ferry<'_>) -> crate::disk::Result<Told>,
) -> Result<Answer, Failure> {
    let pair = chosen(context, &typed.choice)?;
    let settings = context.settings(&pair, settings::run_layer(typed.wait, None))?;
    let record = Record::of(pair.state.clone());
    let ferry = Ferry { context, pair: &pair, settings: &settings };
    let told = word(&record, &ferry)?;
    let failed = told.code != 0;
    if failed && !context.common.json {
        warn(&told.words);
    }
    let exit = if typed.strict { Exit::of_code(told.code) } else { Exit::Done };
    let shown = if failed { Told { words: String::new(), ..told.clone() } } else { told.clone() };
    let shown = if context.common.json { &told } else { &shown };
    Ok(answer(context, &pair, &record, shown, exit))
}

fn answer(context: &Context, pair: &Pair, record: &Record, told: &Told, exit: Exit) -> Answer {
    let text = || if told.words.is_empty() { String::new() } else { format!("{}\n", told.words.trim_end()) };
    context.answer(exit, || json::step(Some(&pair.name), told, &record.steps(), exit), text)
}
