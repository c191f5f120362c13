//! `man`: the manual page of the program or of one command, as roff, made from the same words as `--help`.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Answer;
use crate::cli::args::{self, Common, Typed};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::render::count;
use crate::cli::settings::value::nearest;
use crate::disk::local;

/// The codes of docs/cli.md, in a few words.
const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "Done what this direction can do; a check: in step."),
    ("1", "Failed; the message says what, and how to mend it."),
    ("2", "Wrong usage."),
    ("3", "Done, with conflicts, which are listed; or --conflict abort stopped."),
    ("4", "Refused by a guard: nothing was changed, or deletes were held and the rest was done."),
    ("5", "A check found drift, or doctor a problem that stops sync."),
    ("6", "Done in part; some paths could not be synchronised."),
    ("7", "A check could not be made; never to be read as in step."),
    ("8", "Busy: another process holds the lock."),
    ("75", "A root is not reachable; changes are kept for later."),
    ("128+n", "Ended by signal n."),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("DRIFTLESS_HOME", "The state folder, on a local disk; else ~/.local/state/driftless (XDG_STATE_HOME counts)."),
    ("DRIFTLESS_PAIR", "The pair that a command works on, where no option names one."),
    ("DRIFTLESS_LOG", "What is logged on standard error, like driftless=debug."),
    ("DRIFTLESS_*", "Any setting, its key in capitals: DRIFTLESS_DURABILITY=none."),
    ("NO_COLOR", "No colours."),
];

const FILES: &[(&str, &str)] = &[
    ("~/.local/state/driftless/NAME/", "What a pair remembers: manifest.db, and pair.toml with this machine's settings."),
    ("~/.local/state/driftless/NAME/logs/", "What its watch process logged."),
    ("driftless.toml", "In the network root: the settings that all who share the project share."),
    (".driftless/", "In each root: the root's marker, the lock, the trash. Never synchronised."),
];

pub fn run(typed: &args::Man, common: Common) -> Result<Answer, Failure> {
    let mut program = Typed::command();
    program.build();
    let Some(dir) = &typed.dir else {
        let name = typed.command.as_deref();
        let page = page(&program, name).ok_or_else(|| no_such_command(&program, name.unwrap_or_default()))?;
        return Ok(Answer { exit: Exit::Done, output: page });
    };
    local::make_folders(dir)?;
    let names: Vec<String> = commands(&program).map(|command| command.get_name().to_owned()).collect();
    for name in [None].into_iter().chain(names.iter().map(|name| Some(name.as_str()))) {
        let file = name.map_or_else(|| "driftless.1".to_owned(), |name| format!("driftless-{name}.1"));
        write(&dir.join(file), &page(&program, name).expect("each name is one of the program's commands"))?;
    }
    let written = names.len() as u64 + 1;
    let object = || crate::cli::json::man(dir, written);
    Ok(common.answer(Exit::Done, object, || format!("{} written to {}\n", count(written, "page"), shown(dir))))
}

/// A page of an older version is replaced whole.
fn write(path: &Path, page: &str) -> Result<(), Failure> {
    let staged = path.with_extension("1.new");
    if local::is_taken(&staged) {
        local::remove_file(&staged)?;
    }
    local::create_text(&staged, page)?;
    Ok(local::rename(&staged, path)?)
}

fn commands(program: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn no_such_command(program: &clap::Command, name: &str) -> Failure {
    let near = nearest(name, commands(program).map(clap::Command::get_name)).unwrap_or_default();
    Failure::usage(format!("There is no command called {}.", name.escape_debug())).advise(format!("Did you mean {near}?"))
}

/// The whole page; `None` where the program has no command of that name.
fn page(program: &clap::Command, name: Option<&str>) -> Option<String> {
    let command = match name {
        None => program.clone(),
        Some(name) => commands(program).find(|command| command.get_name() == name)?.clone(),
    };
    let title = name.map_or_else(|| "driftless".to_owned(), |name| format!("driftless-{name}"));
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // The examples come as a section of their own, with their lines as they are. `help` needs no page.
    let plain = command.after_help("").disable_help_subcommand(true).name(title.clone()).bin_name(title.replace('-', " "));
    let man = Man::new(plain).title(title.to_uppercase()).section("1").source(concat!("driftless ", env!("CARGO_PKG_VERSION")));
    let mut roff = Vec::new();
    write_page(&man, name.is_none(), &examples, &mut roff).expect("writing into memory does not fail");
    Some(String::from_utf8_lossy(&roff).into_owned())
}

fn write_page(man: &Man, whole: bool, examples: &str, page: &mut Vec<u8>) -> std::io::Result<()> {
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if whole {
        man.render_subcommands_section(page)?;
    }
    let lines = examples.lines().skip_while(|line| *line == "Examples:").take_while(|line| !line.starts_with("Exit codes"));
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    if !lines.is_empty() {
        let mut section = Roff::new();
        section.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in &lines {
            section.text([roman(line.trim_end())]);
        }
        section.control("fi", []);
        section.to_writer(page)?;
    }
    for (title, rows) in [("EXIT STATUS", EXIT_CODES), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
        let mut section = Roff::new();
        section.control("SH", [title]);
        for (word, sentence) in rows {
            section.control("TP", []).text([bold(*word)]).text([roman(*sentence)]);
        }
        section.to_writer(page)?;
    }
    let mut section = Roff::new();
    let also = if whole { "man(1), rsync(1), sshfs(1)" } else { "driftless(1)" };
    section.control("SH", ["SEE ALSO"]).text([roman(also)]);
    section.to_writer(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is text, a comment, or one of the requests that every `man` knows.
    #[test]
    fn every_page_has_its_sections_and_known_requests_only() {
        let mut program = Typed::command();
        program.build();
        let names: Vec<String> = commands(&program).map(|command| command.get_name().to_owned()).collect();
        for name in [None].into_iter().chain(names.iter().map(|name| Some(name.as_str()))) {
            let page = page(&program, name).expect("a page");
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES"] {
                assert!(page.contains(&format!(".SH {section}\n")), "{name:?} has no {section}: {page}");
            }
            assert_eq!(page.matches(".TH ").count(), 1, "{name:?}");
            let known = [".SH", ".TH", ".TP", ".RS", ".RE", ".nf", ".fi", ".br", ".ie", ".el", ".PP", ".SS", ".IP", ".de", ".."];
            for line in page.lines().filter(|line| line.starts_with('.')) {
                assert!(known.iter().any(|request| line.starts_with(request)), "{name:?}: {line}");
            }
            assert!(page.contains("DRIFTLESS_HOME") && page.contains(name.unwrap_or("driftless")), "{name:?}");
        }
        assert!(page(&program, Some("sink")).is_none());
    }

    #[test]
    fn the_codes_are_those_that_the_help_names() {
        let help = Typed::command().get_after_help().expect("examples").to_string();
        for (code, _) in EXIT_CODES {
            assert!(help.replace('\n', " ").contains(&format!("{code} ")) || help.contains(&format!("{code},")), "{code}");
        }
    }
}
