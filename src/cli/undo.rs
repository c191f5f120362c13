//! `undo RUN`: takes back what a run displaced, deleted and renamed.

use std::fmt::Write as _;

use crate::cli::args::Undo;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, IfNew};
use crate::cli::progress::Shown;
use crate::cli::render::{Paint, count};
use crate::cli::settings;
use crate::cli::trash::carried_over;
use crate::cli::{Answer, Context, json, paths};
use crate::engine::undo::{self, Item, Outcome, Request, Undone};
use crate::model::utc;

pub fn run(context: &Context, typed: &Undo) -> Result<Answer, Failure> {
    let pair = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair;
    let settings = context.settings(&pair, settings::flag_layer(&[], typed.wait))?;
    let paths = paths::resolve(&pair, &context.place, &typed.paths)?;
    let request = Request { run: typed.run, paths, dry_run: typed.dry_run, wait: settings.wait };
    let progress = Shown::start();
    let undone = undo::undo(&pair, &request, &settings.options, &|told| progress.tell(told), context.stop.flag());
    progress.finish();
    let undone = undone?;
    let exit = if undone.interrupted {
        Exit::interrupted(context.stop.signal())
    } else if undone.items.iter().any(|item| matches!(item.result, Outcome::Left(_))) {
        Exit::Partial
    } else {
        Exit::Done
    };
    let text = || text(&undone, typed.dry_run, context.paint);
    Ok(context.answer(exit, || json::undone(&pair.name, &undone, typed.dry_run, exit), text))
}

fn text(undone: &Undone, dry_run: bool, paint: Paint) -> String {
    let number = undone.run.id.0;
    let mut text = undone.notes.iter().map(|note| format!("Note: {note}\n")).collect::<String>();
    undone.items.iter().for_each(|item| text.push_str(&line(item, dry_run)));
    let of = |wanted: fn(&Outcome) -> bool| undone.items.iter().filter(|item| wanted(&item.result)).count() as u64;
    let done = of(|result| *result == Outcome::Done);
    let left = of(|result| matches!(result, Outcome::Left(_)));
    let started = utc::plain(undone.run.started);
    let head = match (done, dry_run) {
        (0, _) if undone.items.is_empty() => {
            format!("Run {number} ({started} UTC) displaced, deleted and renamed nothing there: nothing to take back.")
        }
        (done, true) => format!("{} of run {number} ({started} UTC) would be taken back.", count(done, "path")),
        (done, false) => format!("{} of run {number} ({started} UTC) taken back.", count(done, "path")),
    };
    let _ = writeln!(text, "{}", paint.bold(&head));
    if left > 0 {
        let left = count(left, "path");
        let _ = writeln!(text, "{}", paint.warn(&format!("{left} left as found, listed above; nothing was overwritten there.")));
    }
    if undone.interrupted {
        text.push_str("Stopped by a signal. What was taken back is recorded; run the same command again to go on.\n");
    }
    if let Some(run) = undone.as_run.filter(|_| done > 0) {
        let _ = writeln!(text, "This was run {}; `driftless undo {}` takes it back again.", run.0, run.0);
    }
    if !dry_run {
        text.push_str(&carried_over(undone.items.iter().filter(|item| item.result == Outcome::Done).map(|item| item.side)));
    }
    text
}

fn line(item: &Item, dry_run: bool) -> String {
    let Item { side, path, back_to, did, result } = item;
    let path = match back_to {
        Some(back) => format!("{path} -> {back}"),
        None => path.to_string(),
    };
    let would = if dry_run { "would be " } else { "" };
    match result {
        Outcome::Done => {
            let words = match *did {
                "write" => "put back in place of what replaced it",
                "rename" => "renamed back",
                "restore" => "put into the trash again",
                _ => "brought back",
            };
            format!("{side:7} {path}: {would}{words}\n", side = side.word())
        }
        Outcome::Already => format!("{:7} {path}: is as it was before that run\n", side.word()),
        Outcome::Left(message) => format!("{:7} {path}: {}\n", side.word(), shown(message.as_ref())),
    }
}
