//! What somebody can do who may write into one of the roots: nothing outside them is read, changed or shown, nothing is
//! lost, and no command hangs. `docs/safety.md` ("Threats") names each of these tests.

mod damage;
#[cfg(unix)]
mod printed; // names that only Unix holds
#[cfg(unix)]
mod rights;
mod settings;
mod shapes;
#[cfg(unix)]
mod swaps; // folders that become links while we run

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{self, Ended, World};

/// No command takes longer, whatever stands in its way.
const MOST: Duration = Duration::from_secs(40);

/// Every command that reads the roots or writes there, each in a way that needs no answer.
const COMMANDS: &[&[&str]] = &[
    &["sync"],
    &["sync", "up"],
    &["sync", "down"],
    &["sync", "--dry-run", "--verify"],
    &["status"],
    &["conflicts", "list"],
    &["conflicts", "resolve", "--all", "--keep", "both"],
    &["history"],
    &["trash", "list"],
    &["trash", "restore", "a/f"],
    &["undo", "1"],
    &["doctor"],
    &["relink", "--dry-run"],
];

/// Runs a command that has to come to its end without a panic, in time, and with nothing on its streams that steers a
/// terminal.
#[track_caller]
fn run(world: &World, words: &[&str]) -> Ended {
    let ended = harness::begun(|| in_time(world, words));
    assert!((0..=7).contains(&ended.code) || ended.code == 75, "{words:?}: {ended}");
    assert!(!ended.stderr.contains("panicked"), "{words:?}: {ended}");
    assert_tame(&ended, words);
    ended
}

#[track_caller]
fn in_time(world: &World, words: &[&str]) -> Ended {
    let mut child = world.start(words);
    let [mut out, mut err] = [
        Box::new(child.stdout.take().expect("piped")) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().expect("piped")),
    ]
    .map(|stream| {
        std::thread::spawn(move || {
            let mut stream = stream;
            let mut bytes = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
            String::from_utf8(bytes).expect("UTF-8")
        })
    })
    .map(Some);
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("asked") {
            break status;
        }
        if began.elapsed() > MOST {
            child.kill().expect("killed");
            panic!("{words:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let [stdout, stderr] = [&mut out, &mut err].map(|stream| stream.take().expect("once").join().expect("read"));
    Ended { code: status.code().unwrap_or(-1), stdout, stderr }
}

/// Nothing that a terminal obeys but line ends.
#[track_caller]
fn assert_tame(ended: &Ended, words: &[&str]) {
    let steers = |c: char| {
        c != '\n' && c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains(steers), "{words:?} prints {text:?}");
    }
}

/// Everything below a folder with content, time and mode: what must not change.
fn picture(at: &Path) -> String {
    let mut lines = Vec::new();
    let mut open = vec![at.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).expect("a stat");
        let content = if meta.is_file() && meta.len() < 1 << 20 { fs::read(&path).expect("read") } else { Vec::new() };
        let (rights, time) = (meta.permissions(), meta.modified().expect("a time"));
        lines.push(format!("{path:?} {rights:?} {time:?} {} {content:?}", meta.len()));
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()));
        }
    }
    lines.sort();
    lines.join("\n")
}

/// Each test that the table of threats names is one.
#[test]
fn the_table_of_threats_names_tests() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(house.join("docs/safety.md")).expect("the page");
    let (_, threats) = text.split_once("## Threats").expect("the chapter");
    let mut code = String::new();
    let mut open = vec![house.join("src"), house.join("tests")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).expect("listed").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(path).expect("read"));
        }
    }
    let rows = threats.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut named = 0;
    for row in rows {
        let tests: Vec<&str> = row.rsplit(" | ").next().expect("a column").split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in {row}");
        for test in tests {
            assert!(code.contains(&format!("fn {test}(")), "{test} is no test");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
