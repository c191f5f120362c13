//! `conflicts list`: what both sides changed, with both versions.

use crate::cli::args::Conflicts;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::count;
use crate::cli::{Answer, Context, json};
use crate::engine::{self, KeptConflict};
use crate::model::utc;

pub fn run(context: &Context, typed: &Conflicts) -> Result<Answer, Failure> {
    let Conflicts::List { choice } = typed;
    let pair = pairs::choose(&context.place, choice, IfNew::Refuse)?.pair;
    let kept = engine::conflicts(&pair)?;
    Ok(context.answer(Exit::Done, || json::conflicts(&pair.name, &kept), || text(&kept)))
}

fn text(kept: &[KeptConflict]) -> String {
    if kept.is_empty() {
        return "No conflicts.\n".to_owned();
    }
    let item = |kept: &KeptConflict| {
        let since = utc::plain(kept.since);
        format!("{}\n  {}, since {since} UTC\n  staging: {}\n  network: {}\n", kept.path, kept.why, kept.staging, kept.network)
    };
    let items: String = kept.iter().map(item).collect();
    format!(
        "{items}{}, left as they are on both sides. To end one: make both versions equal, or move one away, and sync again.\n",
        count(kept.len() as u64, "conflict")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RelPath;
    use crate::model::time::Time;

    #[test]
    fn both_versions_are_shown_and_names_cannot_steer_a_terminal() {
        let kept = [KeptConflict {
            path: RelPath::parse(b"a\x1b[2J").expect("legal"),
            why: "modified on both sides".to_owned(),
            since: Time::from_parts(1_795_234_500, 0),
            staging: "file, 1 byte".to_owned(),
            network: "file, 2 bytes".to_owned(),
        }];
        let text = text(&kept);
        assert!(text.starts_with("a\\u{1b}[2J\n  modified on both sides, since 2026-11-21 04:15:00 UTC\n"), "{text}");
        let expected = r#"{"schema":"driftless.conflicts/1","pair":"p","exit_code":0,"conflicts":[{"path":"a\u001b[2J","why":"modified on both sides","since":"2026-11-21T04:15:00Z","staging":"file, 1 byte","network":"file, 2 bytes"}]}"#;
        assert_eq!(json::conflicts("p", &kept), format!("{expected}\n"));
    }
}
