//! `watch`: the watch process in the foreground.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::Watch;
use crate::cli::exit::{self, Exit};
use crate::cli::failure::Failure;
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::{self, Paint};
use crate::cli::settings::{self, Settings};
use crate::cli::signals::Waker;
use crate::cli::{Answer, Context, detach, hooks, init, json, logbook, warn};
use crate::disk;
use crate::engine;
use crate::engine::report::{Counts, Outcome, Report, Work};
use crate::engine::request::{Pair, Request};
use crate::model::path::RelPath;
use crate::model::settle::Pace;
use crate::model::side::{Direction, PerSide};
use crate::service::control::{self, Asked, Hub, Reported, Server, Words};
use crate::service::{self, Event, Handle, Plan, Snapshot};

pub fn run(context: &Context, typed: &Watch) -> Result<Answer, Failure> {
    let chosen = pairs::choose(&context.place, &typed.choice, IfNew::PairIfBothAreFree)?;
    let settings = context.settings(&chosen.pair, settings::flag_layer(&typed.conflict, typed.wait))?;
    if chosen.new {
        init::establish(&context.place, &chosen, &settings)?.iter().for_each(|note| warn(note));
    }
    if typed.detach { detach::run(context, typed, &chosen.pair) } else { stay(context, typed, &chosen.pair, &settings) }
}

fn stay(context: &Context, typed: &Watch, pair: &Pair, settings: &Settings) -> Result<Answer, Failure> {
    if typed.in_background {
        detach::leave_terminal();
    }
    let _logged =
        logbook::start(&pair.state, context.common.verbose).inspect_err(|error| warn(&format!("no log is kept: {error}"))).ok();
    let template = Request {
        policies: settings.policies.clone(),
        policies_by_flag: settings.policies_by_flag,
        yes: context.common.yes,
        ..Request::plain(Direction::Both)
    };
    let pace = typed.settle.map_or_else(Pace::default, |quiet| Pace { quiet, ..Pace::default() });
    let plan = Plan { pair, template: &template, options: &settings.options, pace, wait: typed.wait.unwrap_or_default() };
    let told = Told { pair: &pair.name, json: context.common.json, paint: context.paint };
    let words = Arc::new(Voice { pair: pair.clone(), template: template.clone(), wait: settings.wait });
    let hub = Hub::default();
    let begun = |handle: Handle| {
        let failed = |source| disk::Error::new("listen in", pair.state.display(), disk::ErrorKind::Other, source);
        let server = control::serve(&pair.state, typed.listen, handle.clone(), hub.clone(), words).map_err(failed)?;
        told.begin(&handle.snapshot(), &server);
        Ok((server, Waker::start(move || handle.stop()).map_err(failed)?))
    };
    let hooks =
        hooks::Watching::start(settings, pair, context.stop.shared()).map_err(|error| Failure::failed(error.to_string()))?;
    let tell = |event: Event| {
        told.tell(&event);
        if let Event::Ran { report, whole, asked } = &event {
            hooks.ran(report, *whole, *asked);
        }
        hub.tell(event);
    };
    service::watch(&plan, &context.stop.shared(), &tell, begun).map_err(|error| match error {
        engine::Error::Busy { holder } => busy(pair, &holder),
        other => other.into(),
    })?;
    Ok(Answer { exit: context.stop.signal().map_or(Exit::Done, Exit::Signal), output: String::new() })
}

fn busy(pair: &Pair, holder: &str) -> Failure {
    let message = format!("The pair {} is watched already: {holder}.", pair.name);
    Failure { exit: Exit::Busy, ..Failure::failed(message) }
        .advise("`driftless status` tells how it stands, `driftless stop` ends it.")
}

/// What requests and reports look like to who asks over the control interface.
struct Voice {
    pair: Pair,
    template: Request,
    wait: Duration,
}

impl Words for Voice {
    fn request(&self, asked: &Asked) -> Result<Request, String> {
        let direction = match asked.direction.as_deref() {
            None | Some("both") => Direction::Both,
            Some("up") => Direction::Up,
            Some("down") => Direction::Down,
            Some(other) => return Err(format!("`direction` is up, down or both, not {other:?}")),
        };
        let path = |text: &String| RelPath::parse(text.as_bytes()).map_err(|error| format!("the path {text:?}: {error}"));
        let paths = asked.paths.iter().map(path).collect::<Result<_, _>>()?;
        let wait = asked.wait_ms.map_or(self.wait, Duration::from_millis);
        Ok(Request { direction, paths, list_actions: asked.actions, wait, ..self.template.clone() })
    }

    fn report(&self, report: &Report, done: PerSide<Work>, asked: &Asked) -> Reported {
        let (exit, outcome) = exit::of_report(report, None);
        Reported {
            exit_code: exit.code(),
            object: json::sync("sync", report, exit, outcome, asked.actions, "watch"),
            text: render::sync(report, done, asked.actions, Paint::asked(asked.colour)),
        }
    }

    fn conflicts(&self) -> Result<String, String> {
        let kept = engine::conflicts(&self.pair).map_err(|error| error.to_string())?;
        Ok(json::conflicts(&self.pair.name, &kept))
    }
}

/// What a process in the foreground prints.
struct Told<'a> {
    pair: &'a str,
    json: bool,
    paint: Paint,
}

impl Told<'_> {
    fn begin(&self, shown: &Snapshot, server: &Server) {
        let tcp = server.tcp.map(|at| format!(", also on http://{at}")).unwrap_or_default();
        self.print(
            || json::watching("begun", self.pair, Some(shown), None, None),
            || format!("Watching the pair {} as process {}{tcp}. Ctrl-C ends it.\n", self.pair, shown.process),
        );
    }

    fn tell(&self, event: &Event) {
        match event {
            Event::Ready => self.print(
                || json::watching("ready", self.pair, None, None, None),
                || "Everything was looked at; from now on changes are carried as they happen.\n".to_owned(),
            ),
            Event::Ran { report, .. } if is_news(report) => {
                let (exit, outcome) = exit::of_report(report, None);
                let object = || json::sync("sync", report, exit, outcome, false, "watch");
                self.print(
                    || json::watching("ran", self.pair, None, Some(&object()), None),
                    || render::sync(report, PerSide::default(), false, self.paint),
                );
            }
            Event::Failed(message) => self.print(
                || json::watching("failed", self.pair, None, None, Some(message)),
                || format!("{} {message}\n", self.paint.bad("failed:")),
            ),
            Event::Ran { .. } | Event::Progress(_) | Event::Changed => {}
        }
    }

    /// Nobody may be reading; the work goes on.
    fn print(&self, object: impl FnOnce() -> String, text: impl FnOnce() -> String) {
        let text = if self.json { object() } else { render::at_the_door(&text(), self.paint) };
        let mut stdout = io::stdout().lock();
        drop(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
    }
}

/// A run that found nothing and did nothing is none.
fn is_news(report: &Report) -> bool {
    let quiet = matches!(report.outcome, Outcome::Done | Outcome::Busy { .. });
    report.counts != Counts::default() || !quiet || report.held.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_over_the_wire_is_a_request_or_a_sentence() {
        let pair =
            Pair { name: "p".to_owned(), state: "/state".into(), staging: "/s".into(), network: "/n".into(), others: Vec::new() };
        let template = Request { yes: true, ..Request::plain(Direction::Both) };
        let voice = Voice { pair, template, wait: Duration::from_secs(30) };
        let plain = voice.request(&Asked::default()).expect("a request");
        assert_eq!((plain.direction, plain.wait, plain.yes), (Direction::Both, Duration::from_secs(30), true));
        let up = Asked {
            direction: Some("up".to_owned()),
            paths: vec!["a/b".to_owned()],
            actions: true,
            wait_ms: Some(5),
            ..Asked::default()
        };
        let up = voice.request(&up).expect("a request");
        assert_eq!((up.direction, up.wait, up.list_actions), (Direction::Up, Duration::from_millis(5), true));
        assert_eq!(up.paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a/b"]);
        for (direction, path, complaint) in
            [("Up", "a", "`direction` is up, down or both"), ("up", "../a", "the path \"../a\""), ("up", "/a", "the path \"/a\"")]
        {
            let asked = Asked { direction: Some(direction.to_owned()), paths: vec![path.to_owned()], ..Asked::default() };
            let sentence = voice.request(&asked).map(|_| ()).expect_err(path);
            assert!(sentence.contains(complaint), "{sentence}");
        }
    }
}
