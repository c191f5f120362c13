//! What every command prints, word for word, kept in `fixtures/golden`: one fixed session on the lab project, once as text
//! and once as JSON, and the help and errors that need no pair.
//!
//! A new command is one line in a table below. `DRIFTLESS_BLESS=1` writes the files anew; look at the difference then.
//! What is not the same on every machine is masked by [`Masks`], and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::harness::{Ended, World, make_lab_project, touch, write};

/// A step of the session: a command with a name for its file, or something that a user does in between.
enum Step {
    Run(&'static str, &'static [&'static str]),
    Edit(fn(&World)),
}

use Step::{Edit, Run};

/// `{network}` and `{staging}` stand for the roots. Each line makes NAME.txt and NAME.json.
const SESSION: &[Step] = &[
    Run("init", &["init", "--network", "{network}", "--staging", "{staging}", "--name", "lab"]),
    Run("init-again", &["init", "--network", "{network}", "--staging", "{staging}"]),
    Run("detect", &["detect", "{network}"]),
    Run("sync-down-first", &["sync", "down", "--pair", "lab"]),
    Run("status-in-step", &["status", "--pair", "lab", "--exit-code"]),
    Edit(work),
    Run("status-drift", &["status", "--pair", "lab", "--exit-code"]),
    Run("sync-up-dry-run", &["sync", "up", "--pair", "lab", "--dry-run"]),
    Run("sync-up", &["sync", "up", "--pair", "lab"]),
    Run("sync-nothing-to-do", &["sync", "--pair", "lab"]),
    Run("trash-list", &["trash", "list", "--pair", "lab"]),
    Run("trash-restore", &["trash", "restore", "results/final.txt", "--pair", "lab"]),
    Run("trash-restore-taken", &["trash", "restore", "results/final.txt", "no/such.txt", "--pair", "lab"]),
    Edit(both_edit),
    Run("sync-conflict", &["sync", "--pair", "lab"]),
    Run("sync-abort", &["sync", "--pair", "lab", "--conflict", "abort"]),
    Run("conflicts-list", &["conflicts", "list", "--pair", "lab"]),
    Edit(agree),
    Run("sync-agreed", &["sync", "--pair", "lab"]),
    Run("conflicts-none", &["conflicts", "list", "--pair", "lab"]),
    Edit(both_edit_again),
    Run("sync-conflict-again", &["sync", "--pair", "lab"]),
    Run("conflicts-resolve-dry-run", &["conflicts", "resolve", "--all", "--keep", "both", "--pair", "lab", "--dry-run"]),
    Run("conflicts-resolve", &["conflicts", "resolve", "--all", "--keep", "staging", "--pair", "lab"]),
    Edit(regret),
    Run("revert", &["revert", "README.txt", "--pair", "lab"]),
    Run("history", &["history", "--pair", "lab"]),
    Run("history-run", &["history", "2", "--pair", "lab"]),
    Run("history-path", &["history", "--path", "README.txt", "--pair", "lab"]),
    Run("history-no-such-run", &["history", "99", "--pair", "lab"]),
    Run("undo-dry-run", &["undo", "2", "--pair", "lab", "--dry-run"]),
    Run("undo", &["undo", "2", "--pair", "lab"]),
    Run("undo-again", &["undo", "2", "--pair", "lab"]),
    Run("sync-undone", &["sync", "--pair", "lab"]),
    Edit(delete_a_lot),
    Run("sync-held", &["sync", "up", "--pair", "lab"]),
    Run("sync-restore-deletes", &["sync", "--pair", "lab", "--restore-deletes"]),
    Run("trash-empty-refused", &["trash", "empty", "--pair", "lab"]),
    Run("trash-empty", &["trash", "empty", "--pair", "lab", "--yes"]),
    Run("doctor", &["doctor", "--pair", "lab", "--verbose"]),
    Run("stop-none", &["stop", "--pair", "lab"]),
    Run("pause-none", &["pause", "--pair", "lab"]),
    Run("logs-none", &["logs", "--pair", "lab"]),
    Edit(log_something),
    Run("logs", &["logs", "--pair", "lab", "-n", "3"]),
    Run("service-uninstall-none", &["service", "uninstall", "--pair", "lab"]),
    Run("run", &["run", "--pair", "lab", "--", "sh", "-c", "echo hello; echo more > made.txt; exit 3"]),
    Run("run-no-such-command", &["run", "--pair", "lab", "--", "no-such-command"]),
    Run("step-begin", &["step", "begin", "align", "--pair", "lab"]),
    Run("step-status", &["step", "status", "--pair", "lab"]),
    Run("step-end", &["step", "end", "align", "--pair", "lab"]),
    Run("step-end-failed", &["step", "end", "count", "--failed", "--pair", "lab"]),
    Run("staging-list", &["staging", "list"]),
    Run("staging-remove-refused", &["staging", "remove", "--pair", "lab"]),
    // What follows tells of the last run: that is not to depend on how young a file is.
    Edit(go_on),
    Run("sync-after-steps", &["sync", "--pair", "lab"]),
    Edit(lose_the_marker),
    Run("sync-refused", &["sync", "--pair", "lab"]),
    Run("relink-dry-run", &["relink", "--pair", "lab", "--dry-run"]),
    Run("relink", &["relink", "--pair", "lab"]),
    Run("relink-refused", &["relink", "--network", "{staging}", "--staging", "{network}"]),
    Edit(lose_the_network),
    Run("sync-offline", &["sync", "--pair", "lab", "--wait", "10ms"]),
    Run("status-offline", &["status", "--pair", "lab"]),
];

/// Commands whose `-h` and `--help` are kept.
const COMMANDS: &[&str] = &[
    "init",
    "sync",
    "status",
    "conflicts",
    "revert",
    "history",
    "undo",
    "trash",
    "relink",
    "detect",
    "doctor",
    "run",
    "step",
    "staging",
    "watch",
    "stop",
    "pause",
    "resume",
    "logs",
    "service",
    "git",
    "container",
    "image",
    "check",
    "bench",
    "completions",
    "man",
];

/// What is typed wrong, without a pair. Each line makes NAME.txt.
const USAGE: &[(&str, &[&str])] = &[
    ("usage-nothing", &[]),
    ("usage-help", &["--help"]),
    ("usage-version", &["--version"]),
    ("usage-no-such-command", &["snyc"]),
    ("usage-no-such-option", &["sync", "--dryrun"]),
    ("usage-no-such-policy", &["sync", "--conflict", "newest"]),
    ("usage-no-such-duration", &["sync", "--wait", "soon"]),
    ("usage-no-pair-here", &["sync"]),
    ("usage-no-such-pair", &["status", "--pair", "nope"]),
    ("usage-path-missing", &["trash", "restore"]),
    ("usage-doctor-both", &["doctor", "some/folder", "--pair", "lab"]),
    ("usage-run-without-dashes", &["run", "make"]),
    ("usage-man-no-such-page", &["man", "snyc"]),
    ("help-git-state", &["git", "state", "--help"]),
    ("help-git-sync", &["git", "sync", "--help"]),
    ("help-git-tick", &["git", "tick", "--help"]),
    ("help-git-watch", &["git", "watch", "--help"]),
    ("help-git-publish", &["git", "publish", "--help"]),
    ("help-git-pending", &["git", "pending", "--help"]),
    ("help-git-backups", &["git", "backups", "--help"]),
    ("help-git-health", &["git", "health", "--help"]),
    ("help-git-unlock", &["git", "unlock", "--help"]),
    ("help-container-check", &["container", "check", "--help"]),
    ("help-container-rebuild", &["container", "rebuild", "--help"]),
    ("usage-container-nothing", &["container"]),
    ("help-image-check", &["image", "check", "--help"]),
    ("help-image-stamp", &["image", "stamp", "--help"]),
    ("usage-git-nothing", &["git"]),
    ("usage-image-nothing", &["image"]),
    ("usage-image-no-such-name", &["image", "check", "A b"]),
    ("usage-git-no-message", &["git", "publish", "a"]),
    ("man-detect", &["man", "detect"]),
];

fn work(world: &World) {
    edit(&world.staging, "results/growth.csv", "time,od\n0,0.1\n", 1_780_000_000);
    edit(&world.staging, "workflow_state.json", "{\"step\": \"grown\"}\n", 1_780_000_001);
    fs::remove_file(world.staging.join("results/final.txt")).expect("removed");
    fs::rename(world.staging.join("samples/plate-05.csv"), world.staging.join("samples/plate-5b.csv")).expect("renamed");
}

fn edit(root: &Path, path: &str, text: &str, seconds: i64) {
    write(&root.join(path), text);
    touch(&root.join(path), seconds, 0);
}

fn both_edit(world: &World) {
    edit(&world.staging, "README.txt", "mine\n", 1_780_000_002);
    edit(&world.network, "README.txt", "yours!\n", 1_780_000_003);
}

fn agree(world: &World) {
    edit(&world.staging, "README.txt", "yours!\n", 1_780_000_003);
}

fn both_edit_again(world: &World) {
    edit(&world.staging, "README.txt", "mine again\n", 1_780_000_004);
    edit(&world.network, "README.txt", "yours\n", 1_780_000_005);
}

fn regret(world: &World) {
    edit(&world.staging, "README.txt", "a mistake\n", 1_780_000_006);
}

/// Three lines, as a watch process writes them, and the beginning of a fourth. Their day is no run's: it stays.
fn log_something(world: &World) {
    let line = |level: &str, fields: &str| {
        format!(
            "{{\"timestamp\":\"2026-01-02T03:04:05.5Z\",\"level\":\"{level}\",\"fields\":{{{fields}}},\"target\":\"driftless::service\"}}\n"
        )
    };
    let lines = [
        line("INFO", "\"message\":\"not shown\""),
        line("INFO", "\"message\":\"a run ended\",\"files\":3,\"way\":\"up\""),
        line("WARN", "\"message\":\"cannot be read\",\"path\":\"a\\nb\\u001b[2J\\u202e\""),
        "{\"timestamp\":\"2026-01-02T03:0".to_owned(),
    ];
    write(&world.state.join("lab/logs/watch.jsonl"), lines.concat());
}

fn delete_a_lot(world: &World) {
    for folder in [".snapshots", ".workflow_logs"] {
        fs::remove_dir_all(world.staging.join(folder)).expect("removed");
    }
}

fn go_on(world: &World) {
    edit(&world.staging, "README.txt", "going on\n", 1_780_000_007);
}

fn lose_the_marker(world: &World) {
    let marker = world.network.join(".driftless/root.toml");
    fs::rename(&marker, world.top().join("root.toml")).expect("renamed");
}

fn lose_the_network(world: &World) {
    fs::rename(&world.network, world.top().join("away")).expect("renamed");
}

/// What differs from machine to machine and from day to day.
struct Masks(Vec<(Regex, &'static str)>);

impl Masks {
    fn new(world: &World) -> Masks {
        let top = world.top();
        let quoted = |text: &str| regex::escape(text);
        // Times of today are the run's; those of the lab project are fixed and stay.
        let days = ["yesterday", "today", "tomorrow"].map(|day| output("date", &["-u", "-d", day, "+%F"]));
        let (days, compact) = (days.join("|"), days.join("|").replace('-', ""));
        let host: String = output("uname", &["-n"]).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect();
        let rules: Vec<(String, &'static str)> = vec![
            (quoted(top.to_str().expect("text")), "TOP"),
            // Before the next: eight hexadecimal digits may begin with six decimal ones.
            (format!(r"({compact})T\d{{6}}Z-{}-[0-9a-f]{{8}}", quoted(&host)), "STAMP-HOST"),
            (format!(r"({compact})T\d{{6}}Z-{}-\d{{6}}", quoted(&host)), "RUN"),
            (format!(r"({compact})T\d{{6}}Z-{}", quoted(&host)), "STAMP-HOST"),
            (format!(r"({days})[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?"), "TIME"),
            (format!(r"({compact})T\d{{6}}Z"), "STAMP"),
            (format!(r"driftless( |\\-)?v?{}", quoted(env!("CARGO_PKG_VERSION"))), "driftless VERSION"),
            (r#""elapsed_ms":\d+"#.to_owned(), r#""elapsed_ms":0"#),
            (r"\d+\.\d s\b".to_owned(), "0.0 s"),
            (format!(r#""host":"{}""#, quoted(&host)), r#""host":"HOST""#),
            (r#""free":\d+"#.to_owned(), r#""free":0"#),
            (r#""(file_system|source|reason)":"([^"\\]|\\.)*""#.to_owned(), r#""$1":"…""#),
            (r#""mount_point":\{[^}]*\}"#.to_owned(), r#""mount_point":"…""#),
            (r"(TOP/\w+) +\([\w.]+(, [\d.]+ [KMGT]?i?B free)?\)".to_owned(), "$1  (…)"),
            (r"  Why: .*".to_owned(), "  Why: …"),
            // How this machine's own disks are is no business of these files: only that each check is told.
            (
                r#""status":"\w+","value":"([^"\\]|\\.)*","meaning":(null|"([^"\\]|\\.)*"),"mend":(null|"([^"\\]|\\.)*")"#
                    .to_owned(),
                r#""status":"…""#,
            ),
            (r"(?m)^  (ok|limited|degraded|unknown) +([a-z-]+): .*$".to_owned(), "  … $2: …"),
            (r"(?m)^            .*\n".to_owned(), ""),
            (r"(?m)^((?:Network|Staging) root \S+) \(.*\)$".to_owned(), "$1 (…)"),
        ];
        Masks(rules.into_iter().map(|(rule, mask)| (Regex::new(&rule).expect("a rule"), mask)).collect())
    }

    fn hide(&self, text: &str) -> String {
        let masked = self.0.iter().fold(text.to_owned(), |text, (rule, mask)| rule.replace_all(&text, *mask).into_owned());
        // Columns are as wide as what was masked in them.
        Regex::new(r"(\S) {3,}").expect("a rule").replace_all(&masked, "$1  ").into_owned()
    }
}

fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).env("LC_ALL", "C").output().expect("a tool of every system");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// The files as they are to be, by name.
type Files = BTreeMap<String, String>;

/// How the lines begin that tell of long work: they come by the clock.
const PROGRESS: &[&str] = &["Looking: ", "Syncing ", "Recording what is equal", "Waiting for "];

fn told(words: &[String], ended: &Ended) -> String {
    let lines = ended.stderr.split_inclusive('\n').filter(|line| !PROGRESS.iter().any(|begin| line.starts_with(begin)));
    let stderr: String = lines.collect();
    let stderr = if stderr.is_empty() { stderr } else { format!("stderr:\n{stderr}") };
    format!("$ driftless {}\nexit {}\n{}{stderr}", words.join(" "), ended.code, ended.stdout)
}

fn session(form: &str, files: &mut Files) {
    let mut world = World::new();
    world.set("DRIFTLESS_DURABILITY", "none");
    make_lab_project(&world.network);
    let masks = Masks::new(&world);
    for step in SESSION {
        let (name, words) = match step {
            Edit(edit) => {
                edit(&world);
                continue;
            }
            Run(name, words) => (name, words),
        };
        let [network, staging] = [&world.network, &world.staging].map(|path| path.to_str().expect("text"));
        let mut typed: Vec<String> =
            words.iter().map(|word| word.replace("{network}", network).replace("{staging}", staging)).collect();
        if form == "json" {
            // What follows `--` belongs to somebody else.
            let end = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
            typed.insert(end, "--json".to_owned());
        }
        let ended = world.run_in(&world.top(), &typed);
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        let masked = masks.hide(&told(&typed, &ended));
        let shown = if form == "json" { spread(&masked) } else { masked };
        files.insert(format!("{name}.{form}"), shown);
    }
}

/// One key or item a line, in the order in which they were printed.
fn spread(text: &str) -> String {
    let (mut shown, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    for c in text.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            shown.push(c);
            continue;
        }
        let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
        match c {
            '{' | '[' => {
                depth += 1;
                shown.push(c);
                shown.push_str(&line(depth));
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                shown.push_str(&line(depth));
                shown.push(c);
            }
            ',' if depth > 0 => {
                shown.push(c);
                shown.push_str(&line(depth));
            }
            c => {
                quoted = c == '"';
                shown.push(c);
            }
        }
    }
    Regex::new(r"([\[{])\s+([\]}])").expect("a rule").replace_all(&shown, "$1$2").into_owned()
}

fn without_a_pair(files: &mut Files) {
    let world = World::new();
    let masks = Masks::new(&world);
    let mut keep = |name: String, words: &[&str]| {
        let ended = world.run_in(&world.top(), words);
        let typed: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        // Its columns are what it is about.
        let shown = told(&typed, &ended);
        files.insert(
            name,
            if words.iter().any(|word| word.ends_with('h') || word.ends_with("help")) { shown } else { masks.hide(&shown) },
        );
    };
    for command in COMMANDS {
        keep(format!("help-{command}.txt"), &[command, "--help"]);
        keep(format!("help-{command}-short.txt"), &[command, "-h"]);
    }
    for (name, words) in USAGE {
        keep(format!("{name}.txt"), words);
    }
}

/// ALL-03, ALL-04: every word that people and scripts read is meant.
#[test]
fn all_03_04_every_output_is_as_it_was_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let mut files = Files::new();
    session("txt", &mut files);
    session("json", &mut files);
    without_a_pair(&mut files);
    if std::env::var_os("DRIFTLESS_BLESS").is_some_and(|value| value == "1") {
        return bless(&folder, &files);
    }
    let kept = kept(&folder);
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    let differ: Vec<String> = files
        .iter()
        .filter(|(name, text)| kept.get(*name) != Some(text))
        .map(|(name, text)| difference(name, kept.get(name), text))
        .collect();
    assert!(differ.is_empty(), "{}\nIf that is meant: DRIFTLESS_BLESS=1, and look at the difference.", differ.join("\n"));
    assert_eq!(names(&files), names(&kept), "files in fixtures/golden");
}

fn difference(name: &str, kept: Option<&String>, text: &str) -> String {
    let Some(kept) = kept else { return format!("{name} is new") };
    let at = kept.lines().zip(text.lines()).take_while(|(kept, now)| kept == now).count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(its end)").to_owned();
    format!("{name}:{}:\n  kept {}\n  now  {}", at + 1, line(kept), line(text))
}

fn kept(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_str().expect("text").to_owned();
    entries.map(|path| (name(&path), fs::read_to_string(&path).expect("text"))).collect()
}

fn bless(folder: &Path, files: &Files) {
    fs::create_dir_all(folder).expect("a folder");
    for name in kept(folder).keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(folder.join(name)).expect("removed");
    }
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("written");
    }
}
