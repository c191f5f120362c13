//! `driftless trash`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::args::{self, Choice, TrashSide};
use super::exit::Exit;
use super::failure::{Failure, size};
use super::sync::here;
use super::{Answer, Call, json, pairs, paths, render, settings};
use crate::engine::{self, Options, Pair};
use crate::model::side::Side;

pub fn trash(call: &Call, typed: &args::Trash) -> Result<Answer, Failure> {
    match typed {
        args::Trash::List { choice, side } => list(choice, side.map(TrashSide::side)),
        args::Trash::Restore { paths, choice, run } => restore(choice, paths, run.as_deref()),
        args::Trash::Empty { choice, older_than } => empty(call, choice, *older_than),
    }
}

fn open(choice: &Choice) -> Result<(Pair, Options), Failure> {
    let chosen = pairs::choose(choice, &here())?;
    let settings = settings::of_pair(&chosen.pair, settings::keys::Layer::new(), std::env::vars_os())?;
    Ok((chosen.pair, settings.options))
}

fn list(choice: &Choice, side: Option<Side>) -> Result<Answer, Failure> {
    let (pair, options) = open(choice)?;
    let all = engine::trash::list(&pair, &options, side)?;
    Ok(Answer { text: render::trash(&all), json: json::trash(&pair, &all), exit: Exit::Done })
}

fn restore(choice: &Choice, typed: &[PathBuf], run: Option<&str>) -> Result<Answer, Failure> {
    let (pair, options) = open(choice)?;
    let paths = paths::resolve(&pair, &here(), typed)?;
    let restored = engine::trash::restore(&pair, &options, &paths, run)?;
    let failed = restored.iter().filter(|one| one.result.is_err()).count();
    let exit = match failed {
        0 => Exit::Done,
        all if all == restored.len() => Exit::Failed,
        _ => Exit::Partial,
    };
    Ok(Answer { text: render::restored(&restored), json: json::restored(&pair, &restored), exit })
}

fn empty(call: &Call, choice: &Choice, older_than: Option<Duration>) -> Result<Answer, Failure> {
    let (pair, options) = open(choice)?;
    if !call.common.yes && !confirmed(&pair, older_than) {
        return Err(Failure::refused("Nothing was removed.")
            .advise("`driftless trash list` shows what is there; --yes removes it without a question."));
    }
    let emptied = engine::trash::empty(&pair, &options, older_than)?;
    let text = format!("{} files, {} removed for good.\n", emptied.files, size(emptied.bytes));
    let json = serde_json::json!({ "outcome": "done", "pair": pair.name, "files": emptied.files, "bytes": emptied.bytes });
    Ok(Answer { text, json, exit: Exit::Done })
}

fn confirmed(pair: &Pair, older_than: Option<Duration>) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    let what = older_than
        .map_or_else(|| "everything".to_owned(), |age| format!("what is older than {}", humantime::format_duration(age)));
    let _ = write!(io::stderr(), "Remove {what} in the trash of {} for good? [y/N] ", pair.name);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}
