//! `trash list|restore|empty`: versions that were displaced, deleted or lost a conflict.

use crate::cli::args::{Trash, TrashSide};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, size};
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::{count, table};
use crate::cli::settings::{self, keys::Layer};
use crate::cli::{Answer, Context, json, paths};
use crate::engine::request::{Options, Pair};
use crate::engine::trash::{self, Restored, Trashed};
use crate::model::utc;

pub fn run(context: &Context, typed: &Trash) -> Result<Answer, Failure> {
    let (Trash::List { choice, .. } | Trash::Restore { choice, .. } | Trash::Empty { choice, .. }) = typed;
    let pair = pairs::choose(&context.place, choice, IfNew::Refuse)?.pair;
    let options = settings::of_pair(&pair, Layer::new(), std::env::vars_os())?.options;
    match typed {
        Trash::List { side, .. } => {
            let entries = trash::list(&pair, &options, side.map(TrashSide::side))?;
            Ok(context.answer(Exit::Done, || json::trashed(&pair.name, &entries), || listed(&entries)))
        }
        Trash::Restore { paths, run, .. } => {
            let paths = paths::resolve(&pair, &context.place.here, paths)?;
            let results = trash::restore(&pair, &options, &paths, run.as_deref())?;
            let exit = if results.iter().all(|one| one.result.is_ok()) { Exit::Done } else { Exit::Partial };
            Ok(context.answer(exit, || json::restored(&pair.name, &results, exit), || restored(&results)))
        }
        Trash::Empty { older_than, .. } => empty(context, &pair, &options, *older_than),
    }
}

fn empty(context: &Context, pair: &Pair, options: &Options, older_than: Option<std::time::Duration>) -> Result<Answer, Failure> {
    let question = match older_than {
        None => format!("Remove everything in the trash of the pair {} for good?", pair.name),
        Some(age) => {
            let age = humantime::format_duration(age);
            format!("Remove what was put into the trash of the pair {} more than {age} ago for good?", pair.name)
        }
    };
    if !context.common.yes && context.ask(&question) != Some(true) {
        return Err(Failure::refused("The trash was not emptied: that was not confirmed.")
            .advise("Nothing was removed. Say yes at the question, or give --yes."));
    }
    let emptied = trash::empty(pair, options, older_than)?;
    Ok(context.answer(
        Exit::Done,
        || json::emptied(&pair.name, &emptied),
        || format!("{} removed for good, {} free again.\n", count(emptied.files, "file"), size(emptied.bytes)),
    ))
}

fn listed(entries: &[Trashed]) -> String {
    if entries.is_empty() {
        return "The trash is empty.\n".to_owned();
    }
    let head = ["SIDE", "RUN", "KIND", "SIZE", "MODIFIED (UTC)", "PATH"].map(str::to_owned).to_vec();
    let row = |entry: &Trashed| {
        let (side, kind) = (entry.side.word().to_owned(), entry.kind.word().to_owned());
        vec![side, entry.run.clone(), kind, size(entry.size), utc::plain(entry.mtime), entry.path.to_string()]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(entries.iter().map(row)).collect();
    table(&rows)
}

fn restored(results: &[Restored]) -> String {
    let line = |one: &Restored| match &one.result {
        Ok(()) => format!("{} is back\n", one.path),
        Err(message) => format!("{} was not restored: {message}\n", one.path),
    };
    let next = if results.iter().any(|one| one.result.is_ok()) { "The next sync carries it over.\n" } else { "" };
    results.iter().map(line).collect::<String>() + next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Kind;
    use crate::model::path::RelPath;
    use crate::model::side::Side;
    use crate::model::time::Time;

    #[test]
    fn the_list_lines_up_and_is_an_object() {
        let entries = [Trashed {
            side: Side::Network,
            run: "r1".to_owned(),
            path: RelPath::parse(b"a/b").expect("legal"),
            size: 5,
            mtime: Time::from_parts(0, 0),
            kind: Kind::File,
        }];
        assert_eq!(
            listed(&entries),
            "SIDE     RUN  KIND  SIZE  MODIFIED (UTC)       PATH\n\
             network  r1   file  5 B   1970-01-01 00:00:00  a/b\n"
        );
        let expected = r#"{"schema":"driftless.trash/1","pair":"p","exit_code":0,"entries":[{"side":"network","run":"r1","path":"a/b","kind":"file","bytes":5,"mtime":"1970-01-01T00:00:00Z"}]}"#;
        assert_eq!(json::trashed("p", &entries), format!("{expected}\n"));
        assert_eq!(listed(&[]), "The trash is empty.\n");
    }

    #[test]
    fn what_could_not_be_restored_is_said() {
        let path = RelPath::parse(b"a").expect("legal");
        let results = [Restored { path, result: Err("a file is there".to_owned()) }];
        assert_eq!(restored(&results), "a was not restored: a file is there\n");
        let expected = r#"{"schema":"driftless.trash/1","pair":"p","outcome":"partial","exit_code":6,"paths":[{"path":"a","restored":false,"message":"a file is there"}]}"#;
        assert_eq!(json::restored("p", &results, Exit::Partial), format!("{expected}\n"));
    }
}
