//! `check --watch`: the same, kept current. What lies on this machine is looked at often; remotes and registries are asked once a minute.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::{Found, Part, ask, exit, lines, screen};
use crate::cli::args::Check;
use crate::cli::drift::Severity;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::Paint;
use crate::cli::{Answer, Context, json, print};
use crate::git::state::Ask;

/// How often this machine is looked at, and how often others are asked.
const NEAR: Duration = Duration::from_secs(5);
const FAR: Duration = Duration::from_secs(60);
/// How soon a signal is heard.
const LISTEN: Duration = Duration::from_millis(100);

pub fn run(context: &Context, typed: &Check) -> Result<Answer, Failure> {
    let mut found = ask(context, typed, &Part::ALL, Ask::Remote);
    let (mut asked_far, mut last) = (Instant::now(), String::new());
    while context.stop.signal().is_none() {
        tell(context, &found, &mut last);
        if !rest(context, NEAR) {
            break;
        }
        let far = asked_far.elapsed() >= FAR;
        if far {
            asked_far = Instant::now();
        }
        let parts: Vec<Part> = Part::ALL.into_iter().filter(|part| far || is_near(*part, &found)).collect();
        let newer = ask(context, typed, &parts, if far { Ask::Remote } else { Ask::Nobody });
        for (part, finding) in newer {
            found.iter_mut().filter(|(old, _)| *old == part).for_each(|(_, old)| *old = finding.clone());
        }
    }
    Ok(Answer { exit: context.stop.signal().map_or(Exit::Done, Exit::Signal), output: String::new() })
}

/// A remote that did not answer has not answered until it is asked again.
fn is_near(part: Part, found: &Found) -> bool {
    match part {
        Part::Files | Part::Container => true,
        Part::Image => false,
        Part::Git => found.iter().any(|(part, finding)| *part == Part::Git && finding.severity != Severity::CouldNotTell),
    }
}

/// `false` where somebody asked for an end meanwhile.
fn rest(context: &Context, time: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < time && context.stop.signal().is_none() {
        std::thread::sleep(LISTEN);
    }
    context.stop.signal().is_none()
}

/// On a terminal the screen anew; else a line for each part that changed, or an object.
fn tell(context: &Context, found: &Found, last: &mut String) {
    let now = lines(found, Paint::PLAIN);
    if *last == now {
        return;
    }
    let output = if context.common.json {
        json::check(&context.place.here, found, exit(found, None))
    } else if std::io::stdout().is_terminal() {
        clear();
        screen(context, found, context.paint)
    } else {
        let known: Vec<&str> = last.lines().collect();
        now.lines().filter(|line| !known.contains(line)).map(|line| format!("{line}\n")).collect()
    };
    *last = now;
    print(Answer { exit: Exit::Done, output });
}

/// Straight to the terminal: the last look at what is printed lets no such words through.
fn clear() {
    use std::io::Write as _;
    drop(std::io::stdout().lock().write_all(b"\x1b[H\x1b[2J"));
}
