//! `doctor`: what this machine and the roots can do, what that limits, how to mend it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::apart::{self, End, Heard};
use crate::cli::args::{Doctor, Part};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, IfNew};
use crate::cli::render::{Paint, count};
use crate::cli::settings::{FILE_LIMIT, PAIR_FILE, file};
use crate::cli::{Answer, Context, json};
use crate::disk::local;
use crate::engine::doctor::{self, Check, Health};
use crate::engine::request::Pair;
use crate::model::side::PerSide;
use crate::roots::checkup::judge;

/// How long a root may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One root as far as it answered.
#[derive(Clone, Debug)]
pub struct Looked {
    pub part: Part,
    pub path: PathBuf,
    pub file_system: String,
    pub answered: bool,
    pub checks: Vec<Check>,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Findings {
    pub pair: Option<String>,
    pub machine: Vec<Check>,
    pub roots: Vec<Looked>,
    /// What the roots and the manifest come to together.
    pub together: Vec<Check>,
    pub elapsed_ms: u64,
}

pub fn run(context: &Context, typed: &Doctor) -> Result<Answer, Failure> {
    let began = Instant::now();
    let pair = match typed.paths.is_empty() {
        true => Some(pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair),
        false => None,
    };
    let roots: Vec<(Part, PathBuf)> = match &pair {
        Some(pair) => vec![(Part::Network, pair.network.clone()), (Part::Staging, pair.staging.clone())],
        None => typed.paths.iter().map(|path| (Part::Folder, context.place.here.join(path))).collect(),
    };
    let wait = typed.wait.unwrap_or(PATIENCE);
    let heard = apart::ask(&roots, wait, &context.stop)?;
    let state = pair.as_ref().map_or(&context.place.state, |pair| &pair.state);
    let mut findings = Findings {
        pair: pair.as_ref().map(|pair| pair.name.clone()),
        machine: doctor::machine(state, env!("CARGO_PKG_VERSION")),
        together: pair.as_ref().map(|pair| together(pair, &heard)).unwrap_or_default(),
        roots: roots.into_iter().zip(heard).map(|((part, path), heard)| looked(part, path, heard, wait)).collect(),
        elapsed_ms: 0,
    };
    findings.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let exit = context.stop.signal().map_or_else(|| findings.exit(), Exit::Signal);
    let verbose = context.common.verbose;
    Ok(context.answer(exit, || json::doctor(&findings, exit), || text(&findings, verbose, context.paint)))
}

fn together(pair: &Pair, heard: &[Heard]) -> Vec<Check> {
    let marker = |number: usize| heard.get(number).and_then(|heard: &Heard| heard.marker);
    let mut checks = doctor::pair(pair, &PerSide::new(marker(1), marker(0)));
    let path = pair.state.join(PAIR_FILE);
    let read = local::read_text(&path, FILE_LIMIT).map_err(|error| error.to_string());
    let mistake =
        read.and_then(|text| file::pair_settings(&path, &text.unwrap_or_default()).map_err(|mistake| mistake.to_string()));
    checks.push(match mistake {
        Ok(_) => Check::ok("pair-settings", "pair.toml is valid"),
        Err(message) => Check::new("pair-settings", Health::Problem, message)
            .meaning("every sync stops before it begins")
            .mend("correct that line; docs/configuration.md lists the keys"),
    });
    checks
}

fn looked(part: Part, path: PathBuf, heard: Heard, wait: Duration) -> Looked {
    // By the kernel's table alone: this process asks no root anything.
    let (file_system, mut checks) = match doctor::from_the_table(&path, part.role()) {
        Ok((verdict, checks)) => (verdict.file_system, checks),
        Err(error) => (String::new(), vec![Check::new("mount", Health::Unknown, error.to_string())]),
    };
    checks.extend(heard.checks);
    if heard.end != Some(End::Done) {
        // It answered at first, perhaps from a cache; that it stopped is what counts.
        checks.retain(|check| check.check != judge::REACHABLE);
    }
    match &heard.end {
        Some(End::Done) => {}
        Some(End::Gone(message)) => checks.push(judge::unreachable(message)),
        None => checks.push(judge::silent(&heard.step, wait.as_secs())),
    }
    Looked { part, path, file_system, answered: heard.end == Some(End::Done), checks }
}

impl Findings {
    fn all(&self) -> impl Iterator<Item = &Check> {
        self.machine.iter().chain(self.roots.iter().flat_map(|root| &root.checks)).chain(&self.together)
    }

    fn problems(&self) -> usize {
        self.all().filter(|check| check.status == Health::Problem).count()
    }

    /// What stops sync comes before what could not be found out.
    fn exit(&self) -> Exit {
        match (self.problems(), self.roots.iter().all(|root| root.answered)) {
            (0, true) => Exit::Done,
            (0, false) => Exit::Unchecked,
            _ => Exit::Drift,
        }
    }
}

fn text(findings: &Findings, verbose: bool, paint: Paint) -> String {
    let mut text = String::new();
    group(&mut text, "This machine", &findings.machine, verbose, paint);
    for root in &findings.roots {
        let title = match root.part {
            Part::Network => format!("Network root {} ({})", shown(&root.path), root.file_system),
            Part::Staging => format!("Staging root {} ({})", shown(&root.path), root.file_system),
            Part::Folder => format!("{} ({})", shown(&root.path), root.file_system),
        };
        group(&mut text, &title, &root.checks, verbose, paint);
    }
    if let Some(pair) = &findings.pair {
        group(&mut text, &format!("Pair {pair}"), &findings.together, verbose, paint);
    }
    text.push_str(&ending(findings, paint));
    text
}

/// What is limited first, each with what follows; what is well in one line.
fn group(text: &mut String, title: &str, checks: &[Check], verbose: bool, paint: Paint) {
    let _ = writeln!(text, "{}", paint.bold(title));
    for check in checks.iter().filter(|check| verbose || check.status != Health::Ok) {
        let word = format!("{:8}", word(check.status));
        let word = match check.status {
            Health::Ok => word,
            Health::Limited | Health::Unknown => paint.warn(&word),
            Health::Degraded | Health::Problem => paint.bad(&word),
        };
        let _ = writeln!(text, "  {word}  {}: {}", check.check, check.value);
        for (before, sentence) in [("", &check.meaning), ("to mend: ", &check.mend)] {
            if let Some(sentence) = sentence {
                let _ = writeln!(text, "            {before}{sentence}");
            }
        }
    }
    let well: Vec<&str> = checks.iter().filter(|check| check.status == Health::Ok).map(|check| check.check.as_str()).collect();
    if !verbose && !well.is_empty() {
        let _ = writeln!(text, "  ok        {}", well.join(", "));
    }
}

pub fn word(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Limited => "limited",
        Health::Degraded => "degraded",
        Health::Unknown => "unknown",
        Health::Problem => "problem",
    }
}

fn ending(findings: &Findings, paint: Paint) -> String {
    let silent: Vec<String> = findings.roots.iter().filter(|root| !root.answered).map(|root| shown(&root.path)).collect();
    let mut text = String::new();
    if findings.problems() > 0 {
        let problems = count(findings.problems() as u64, "problem");
        let _ = writeln!(text, "{}", paint.bad(&format!("{problems} to mend before a sync can work.")));
    }
    if !silent.is_empty() {
        let _ = writeln!(text, "{}", paint.bad(&format!("Not everything could be looked at: {}.", silent.join(", "))));
    }
    if text.is_empty() {
        text.push_str("Nothing stops a sync.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(status: Health, answered: bool) -> Findings {
        let check = Check::new("times", status, "1 s steps").meaning("what follows").mend("what helps");
        let checks = vec![Check::ok("space", "1 GiB free"), Check::ok("case", "told apart"), check];
        let root = Looked { part: Part::Network, path: "/n".into(), file_system: "nfs4".into(), answered, checks };
        Findings { pair: None, machine: vec![], roots: vec![root], together: vec![], elapsed_ms: 7 }
    }

    #[test]
    fn a_problem_comes_before_silence_and_limits_are_no_failure() {
        for (status, answered, code) in [
            (Health::Limited, true, 0),
            (Health::Degraded, true, 0),
            (Health::Unknown, true, 0),
            (Health::Problem, true, 5),
            (Health::Limited, false, 7),
            (Health::Problem, false, 5),
        ] {
            assert_eq!(findings(status, answered).exit().code(), code, "{status:?} {answered}");
        }
    }

    #[test]
    fn what_is_well_is_one_line_and_the_rest_says_what_follows() {
        let found = findings(Health::Limited, true);
        let expected = "This machine\nNetwork root /n (nfs4)\n  limited   times: 1 s steps\n            what follows\n            \
                        to mend: what helps\n  ok        space, case\nNothing stops a sync.\n";
        assert_eq!(text(&found, false, Paint::PLAIN), expected);
        assert!(text(&found, true, Paint::PLAIN).contains("  ok        space: 1 GiB free\n"));
        assert!(text(&findings(Health::Problem, false), false, Paint::PLAIN).contains("1 problem to mend"));
    }

    #[test]
    fn the_object_holds_each_check() {
        let object = json::doctor(&findings(Health::Limited, true), Exit::Done);
        let expected = r#"{"schema":"driftless.doctor/1","pair":null,"outcome":"done","exit_code":0,"machine":[],"roots":[{"side":"network","path":"/n","file_system":"nfs4","answered":true,"checks":[{"check":"space","status":"ok","value":"1 GiB free","meaning":null,"mend":null},{"check":"case","status":"ok","value":"told apart","meaning":null,"mend":null},{"check":"times","status":"limited","value":"1 s steps","meaning":"what follows","mend":"what helps"}]}],"checks":[],"elapsed_ms":7}"#;
        assert_eq!(object, format!("{expected}\n"));
    }
}
