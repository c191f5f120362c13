//! The house rules that the compiler does not hold: floors, doors, sizes, words.
//!
//! Each rule is a function from a path and a text to what is wrong with them, so that it can be shown to bite on a bad
//! sample (module `bites`) before it is run on the tree (module `tree`). The tables below are the plan of the house;
//! `docs/architecture.md` tells it in words.

#![expect(clippy::disallowed_methods, reason = "reads the source tree, which is no root of a pair")]

use std::path::{Path, PathBuf};

/// Rooms and their floors. A room names only rooms on lower floors. Rooms that are not built yet have their place here,
/// so that the walls are cut for them.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("sqlite", 1),
    ("disk", 1),
    ("roots", 2),
    ("scan", 2),
    ("watch", 2),
    ("manifest", 2),
    ("transfer", 2),
    ("docker", 2),
    ("engine", 3),
    ("git", 4),
    ("image", 4),
    ("container", 4),
    ("bench", 4),
    ("run", 5),
    ("service", 5),
    ("cli", 6),
    ("main", 7),
    ("lib", 7),
];

/// Outside crates and the rooms that may name them: one door each, where it can be.
const DOORS: &[(&str, &[&str])] = &[
    ("base64", &["cli", "image"]),
    ("bollard", &["docker"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("fuser", &["bench"]),
    ("getrandom", &["disk"]),
    ("httpdate", &["image"]),
    ("humantime", &["cli"]),
    ("ignore", &["model"]),
    ("indicatif", &["cli"]),
    ("axum", &["service"]),
    ("http_body_util", &["service"]),
    ("hyper", &["service"]),
    ("hyper_util", &["service"]),
    ("notify", &["watch"]),
    ("postcard", &["disk"]),
    ("rusqlite", &["sqlite", "manifest"]),
    ("rustls_native_certs", &["image"]),
    ("serde_json", &["cli", "container", "docker", "git", "image", "run", "service"]),
    ("sha2", &["image"]),
    ("signal_hook", &["cli"]),
    ("strsim", &["cli"]),
    ("tempfile", &["disk"]),
    ("libc", &["disk"]),
    ("serde_saphyr", &["container"]),
    ("tar", &["container"]),
    ("toml", &["cli", "roots", "engine"]),
    ("tracing_subscriber", &["cli"]),
    ("tokio", &["docker", "service"]),
    ("tokio_stream", &["docker", "service"]),
    ("unicode_normalization", &["model"]),
    ("ureq", &["image"]),
    ("xxhash_rust", &["model"]),
];

/// Crates that are used like the standard library, and the lowest floor that may name them.
const SHARED: &[(&str, u8)] =
    &[("crossbeam_channel", 1), ("rustix", 1), ("windows_sys", 1), ("serde", 1), ("thiserror", 0), ("tracing", 1)];

/// Files that are longer than `FILE_LINES`, each with the reason why it still has one subject.
const LONG_FILES: &[(&str, &str)] = &[];

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// Words that say nothing of what a thing is for.
const EMPTY_WORDS: &[&str] = &["manager", "handler", "helper", "helpers", "util", "utils"];
const EMPTY_PREFIXES: &[&str] = &["do_", "impl_"];

/// What floor 0 must not ask for: its answers depend on its arguments alone.
const NOT_IN_MODEL: &[&str] = &[
    "SystemTime",
    "Instant",
    "std::thread",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "println!",
    "eprintln!",
    "tracing::",
    "getrandom::",
];

/// A rule's finding: the line (1 is the first, 0 the whole file) and a sentence.
type Finding = (usize, String);

// ---- reading ----------------------------------------------------------------------------------------------------

/// The text with comments, strings and character literals blanked; lines and columns stay.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        match end {
            Some(end) => {
                code[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
                at = end;
            }
            None => at += 1,
        }
    }
    String::from_utf8(code).expect("blanking whole literals keeps UTF-8 whole")
}

/// Where a comment or literal that starts at `at` ends; `None` where none starts.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let after_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => Some(at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(at + block_comment(rest)),
        [b'r', b'"' | b'#', ..] if !after_word => raw_string(rest, 1).map(|length| at + length),
        [b'b', b'r', b'"' | b'#', ..] if !after_word => raw_string(rest, 2).map(|length| at + length),
        [b'"', ..] => Some(at + quoted(rest, b'"')),
        [b'\'', b'\\', ..] => Some(at + quoted(rest, b'\'')),
        [b'\'', first, ..] => {
            let width = match first {
                0..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            (rest.get(1 + width) == Some(&b'\'')).then_some(at + width + 2)
        }
        _ => None,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a raw string whose hashes begin at `hashes_at`; `None` where it is a raw identifier.
fn raw_string(rest: &[u8], hashes_at: usize) -> Option<usize> {
    let hashes = rest[hashes_at..].iter().take_while(|byte| **byte == b'#').count();
    let body = hashes_at + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    Some(end.map_or(rest.len(), |end| body + end + close.len()))
}

fn quoted(rest: &[u8], close: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == close => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the bracket that opens at `open` closes.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len() - 1
}

/// How modules begin that are compiled for tests alone, on all systems or on one.
const TEST_MARKS: [&str; 3] = ["#[cfg(test)]", "#[cfg(all(test, unix))]", "#[cfg(all(test, windows))]"];

/// Code with the bodies of modules for tests blanked: some rules are for what ships.
fn shipped(code: &str) -> String {
    let mut kept = code.to_owned();
    let marks: Vec<usize> = TEST_MARKS.iter().flat_map(|mark| code.match_indices(mark)).map(|(at, _)| at).collect();
    for mark in marks {
        let Some(open) = code[mark..].find(['{', ';']).map(|at| mark + at) else { continue };
        if code.as_bytes()[open] == b'{' {
            let body: String = code[open..=closing(code, open)].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            let blank_width = code[open..=closing(code, open)].len() - body.len();
            kept.replace_range(open..=closing(code, open), &(body + &" ".repeat(blank_width)));
        }
    }
    kept
}

/// Each place of `word` in `code` where it is a whole word.
fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).is_none_or(|before| !is_word(bytes[before]));
        before && bytes.get(at + word.len()).is_none_or(|after| !is_word(*after) || !is_word(bytes[at + word.len() - 1]))
    })
}

fn line_at(code: &str, at: usize) -> usize {
    1 + code[..at].matches('\n').count()
}

fn word_at(code: &str, at: usize) -> &str {
    let length = code.as_bytes()[at..].iter().take_while(|byte| is_word(**byte)).count();
    &code[at..at + length]
}

/// The first names of a `use` tree's branches: `a::b` gives `a`, `{a::b, c}` gives `a` and `c`.
fn branches(tree: &str) -> Vec<&str> {
    let tree = tree.trim_start();
    let Some(group) = tree.strip_prefix('{') else { return vec![word_at(tree, 0)] };
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(word_at(group[start..at].trim_start(), 0));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(word_at(group[start..at].trim_start(), 0));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The room of a file below `src/`: its first folder, or the name of a file that stands alone.
fn room_of(path: &str) -> Option<&str> {
    let below = path.strip_prefix("src/")?;
    Some(below.split('/').next().unwrap_or(below).trim_end_matches(".rs"))
}

fn floor_of(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

// ---- the rules --------------------------------------------------------------------------------------------------

/// A room names only rooms on lower floors; rooms of one floor never name each other.
fn floors(path: &str, code: &str) -> Vec<Finding> {
    let Some(room) = room_of(path) else { return Vec::new() };
    let Some(floor) = floor_of(room) else { return vec![(0, format!("room `{room}` has no floor in tests/tidy.rs"))] };
    let mut found = Vec::new();
    for at in words(code, "crate::") {
        for named in branches(&code[at + "crate::".len()..]) {
            if let Some(other) = floor_of(named).filter(|other| named != room && *other >= floor) {
                found.push((line_at(code, at), format!("`{room}` (floor {floor}) names `{named}` (floor {other})")));
            }
        }
    }
    found
}

/// Every outside crate has its door; the standard-library-like ones are open above the model.
fn doors(path: &str, code: &str) -> Vec<Finding> {
    let Some(room) = room_of(path) else { return Vec::new() };
    let floor = floor_of(room).unwrap_or(0);
    let closed = DOORS.iter().filter(|(_, rooms)| !rooms.contains(&room)).map(|(name, _)| *name);
    let too_high = SHARED.iter().filter(|(_, lowest)| floor < *lowest).map(|(name, _)| *name);
    let mut found = Vec::new();
    for name in closed.chain(too_high).filter(|name| !binds(code, name)) {
        for at in words(code, name) {
            let named = code[at + name.len()..].starts_with("::") || code[..at].ends_with("use ");
            if named && !code[..at].ends_with([':', '.']) {
                found.push((line_at(code, at), format!("`{room}` is no door to the crate `{name}`")));
            }
        }
    }
    found
}

/// Has the file a module of its own by that name (`use crate::model::ignore;`, `mod ignore;`)?
fn binds(code: &str, name: &str) -> bool {
    let module = words(code, name).any(|at| code[..at].ends_with("mod "));
    let imported = code.split(';').map(str::trim_start).any(|statement| {
        let of_ours = ["use crate::", "use super::", "pub use crate::"].iter().any(|start| statement.starts_with(start));
        of_ours && words(statement, name).any(|at| !statement[at + name.len()..].starts_with("::"))
    });
    module || imported
}

/// Functions fit a screen.
fn function_length(_: &str, code: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let name = word_at(code, code[at + 2..].find(|c: char| !c.is_whitespace()).map_or(at, |skip| at + 2 + skip));
        let Some(open) = code[at..].find(['{', ';']).map(|skip| at + skip) else { continue };
        if name.is_empty() || code.as_bytes()[open] == b';' {
            continue;
        }
        let lines = code[at..=closing(code, open)].lines().count();
        if lines > FUNCTION_LINES {
            found.push((line_at(code, at), format!("`{name}` has {lines} lines, more than {FUNCTION_LINES}")));
        }
    }
    found
}

/// A file has one subject; a longer one needs a note in `LONG_FILES`.
fn file_length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    let noted = LONG_FILES.iter().any(|(long, _)| *long == path);
    let sentence = || format!("{lines} lines, more than {FILE_LINES}: split it or note the reason in LONG_FILES");
    if lines > FILE_LINES && !noted { vec![(0, sentence())] } else { Vec::new() }
}

/// Work to be done is written in the open, not in comments.
fn open_work(_: &str, text: &str) -> Vec<Finding> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let found = marks.iter().flat_map(|mark| words(text, mark).map(move |at| (line_at(text, at), *mark)));
    found.map(|(line, mark)| (line, format!("a bare {mark}"))).collect()
}

/// `expect` tells when it is no longer needed, and asks for a reason.
fn silenced_lints(_: &str, code: &str) -> Vec<Finding> {
    let found = ["#[allow(", "#![allow("].iter().flat_map(|mark| code.match_indices(mark));
    found.map(|(at, mark)| (line_at(code, at), format!("`{mark}…)]`: use #[expect(…, reason = …)]"))).collect()
}

/// `disk` is the only door to the file system.
fn file_system(path: &str, shipped: &str) -> Vec<Finding> {
    if room_of(path).is_none_or(|room| room == "disk") {
        return Vec::new();
    }
    let plain = words(shipped, "std::fs").collect::<Vec<_>>();
    let grouped = words(shipped, "std::").filter(|at| {
        let tree = &shipped[at + "std::".len()..];
        tree.starts_with('{') && branches(tree).contains(&"fs")
    });
    let all = plain.into_iter().chain(grouped);
    all.map(|at| (line_at(shipped, at), "`std::fs` outside `disk`".to_owned())).collect()
}

/// The model asks for nothing.
fn pure_model(path: &str, shipped: &str) -> Vec<Finding> {
    if room_of(path) != Some("model") {
        return Vec::new();
    }
    let found = NOT_IN_MODEL.iter().flat_map(|banned| words(shipped, banned).map(move |at| (at, banned)));
    found.map(|(at, banned)| (line_at(shipped, at), format!("`{banned}` in the model"))).collect()
}

/// What goes on between the disk and the command line goes by clocks that a test can hold.
fn clocks(path: &str, shipped: &str) -> Vec<Finding> {
    let room = room_of(path).unwrap_or_default();
    if !FLOORS.iter().any(|(name, floor)| *name == room && (2..=3).contains(floor)) {
        return Vec::new();
    }
    let banned = ["SystemTime::now", "Instant::now", "thread::sleep"];
    let found = banned.iter().flat_map(|banned| words(shipped, banned).map(move |at| (at, banned)));
    found.map(|(at, banned)| (line_at(shipped, at), format!("`{banned}`: go through `disk::clock`"))).collect()
}

/// Names say what a thing is for.
fn empty_words(_: &str, code: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for keyword in ["fn", "struct", "enum", "trait", "mod", "type", "const", "static", "let"] {
        for at in words(code, keyword) {
            let rest = &code[at + keyword.len()..];
            let Some(skip) = rest.find(|c: char| !c.is_whitespace()) else { continue };
            let name = word_at(code, at + keyword.len() + skip);
            let snake = snake_case(name);
            let word = snake.split('_').any(|word| EMPTY_WORDS.contains(&word));
            if word || EMPTY_PREFIXES.iter().any(|prefix| snake.starts_with(prefix)) {
                found.push((line_at(code, at), format!("the name `{name}` says nothing of what it is for")));
            }
        }
    }
    found
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && snake.ends_with(|before: char| before.is_ascii_lowercase()) {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Nobody imports the whole house.
fn whole_house(_: &str, code: &str) -> Vec<Finding> {
    let found = words(code, "crate::").filter(|at| code[at + "crate::".len()..].starts_with('*'));
    found.map(|at| (line_at(code, at), "`use crate::*`".to_owned())).collect()
}

/// The project names no path of a machine that it was written on.
fn machine_paths(_: &str, text: &str) -> Vec<Finding> {
    let paths = [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/tmp/", "w/"), concat!("bash", "_jobs")];
    let found = paths.iter().flat_map(|path| text.match_indices(path));
    found.map(|(at, path)| (line_at(text, at), format!("`{path}` is a path of one machine"))).collect()
}

// ---- the tree ---------------------------------------------------------------------------------------------------

mod tree {
    use super::*;

    type Rule = fn(&str, &str) -> Vec<Finding>;

    fn top() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// All files below `folder` with one of the endings, as (path below the package, text).
    fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
        let mut open: Vec<PathBuf> = vec![top().join(folder)];
        let mut found = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).expect("a listed folder").map(|entry| entry.expect("an entry").path()));
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                let below = path.strip_prefix(top()).expect("below the package").to_string_lossy().into_owned();
                found.push((below, std::fs::read_to_string(&path).expect("source text")));
            }
        }
        found.sort();
        found
    }

    /// Files that are compiled for tests only: `tests.rs`, `*_tests.rs`, folders `tests`, and modules declared under
    /// `#[cfg(test)]`.
    fn is_test(path: &str, all: &[(String, String)]) -> bool {
        let by_name = path.starts_with("tests/")
            || path.split('/').any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"));
        let stem = path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let declared = all.iter().filter(|(other, _)| {
            *other == format!("{folder}.rs") || *other == format!("{folder}/mod.rs") || *other == format!("{folder}/lib.rs")
        });
        let under_test = |text: &str| {
            let code = code_of(text);
            TEST_MARKS.iter().flat_map(|mark| code.match_indices(mark)).any(|(at, mark)| {
                let after = code[at + mark.len()..].trim_start();
                let after = after.strip_prefix("pub(crate) ").or_else(|| after.strip_prefix("pub ")).unwrap_or(after);
                after.strip_prefix("mod ").is_some_and(|rest| rest.starts_with(&format!("{name};")))
            })
        };
        by_name || declared.into_iter().any(|(_, text)| under_test(text))
    }

    fn hold(rule: Rule, texts: impl IntoIterator<Item = (String, String)>) {
        let mut wrong = Vec::new();
        for (path, text) in texts {
            wrong.extend(rule(&path, &text).into_iter().map(|(line, sentence)| format!("{path}:{line}: {sentence}")));
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    fn source() -> Vec<(String, String)> {
        let found = files("src", &[".rs"]);
        assert!(found.len() > 10, "the source tree was not found");
        found
    }

    fn source_code() -> impl Iterator<Item = (String, String)> {
        source().into_iter().map(|(path, text)| (path, code_of(&text)))
    }

    fn tests_code() -> impl Iterator<Item = (String, String)> {
        files("tests", &[".rs"]).into_iter().map(|(path, text)| (path, code_of(&text)))
    }

    fn shipped_code() -> Vec<(String, String)> {
        let all = source();
        let kept = all.iter().filter(|(path, _)| !is_test(path, &all));
        kept.map(|(path, text)| (path.clone(), shipped(&code_of(text)))).collect()
    }

    #[test]
    fn rooms_name_only_lower_floors() {
        hold(floors, source_code());
    }

    #[test]
    fn outside_crates_come_through_their_doors() {
        hold(doors, shipped_code());
    }

    #[test]
    fn every_dependency_has_a_door() {
        let manifest = std::fs::read_to_string(top().join("Cargo.toml")).expect("Cargo.toml");
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let shipped = section.ends_with("dependencies]") && !section.contains("dev-") && !line.starts_with('[');
            let Some((name, _)) = line.split_once('=').filter(|_| shipped) else { continue };
            let name = name.trim().replace('-', "_");
            let known = DOORS.iter().any(|(door, _)| *door == name) || SHARED.iter().any(|(shared, _)| *shared == name);
            assert!(known, "the crate `{name}` has no door in tests/tidy.rs");
        }
    }

    #[test]
    fn functions_fit_a_screen() {
        hold(function_length, shipped_code().into_iter().chain(tests_code()));
    }

    #[test]
    fn files_have_one_subject() {
        let all = source();
        hold(file_length, all.clone().into_iter().filter(|(path, _)| !is_test(path, &all)));
        for (path, _) in LONG_FILES {
            let long = all.iter().any(|(file, text)| file == path && text.lines().count() > FILE_LINES);
            assert!(long, "{path} is noted in LONG_FILES and is not long");
        }
    }

    #[test]
    fn no_open_work_in_comments() {
        hold(open_work, source().into_iter().chain(files("tests", &[".rs"])).chain(files("benches", &[".rs"])));
    }

    #[test]
    fn no_lint_is_silenced_for_good() {
        hold(silenced_lints, source_code().chain(tests_code()));
    }

    #[test]
    fn only_disk_opens_files() {
        hold(file_system, shipped_code());
    }

    #[test]
    fn the_model_asks_for_nothing() {
        hold(pure_model, shipped_code());
        hold(clocks, shipped_code());
    }

    #[test]
    fn names_say_something() {
        hold(empty_words, source_code().chain(tests_code()));
    }

    #[test]
    fn nobody_imports_the_whole_house() {
        hold(whole_house, source_code());
    }

    /// A mistake whose text is gone tries nothing any more.
    #[test]
    fn the_list_of_mistakes_is_up_to_date() {
        let listed = std::fs::read_to_string(top().join("scripts/mutations.toml")).expect("the list");
        let listed: toml::Table = toml::from_str(&listed).expect("TOML");
        let mistakes = listed["mutation"].as_array().expect("a list");
        for mistake in mistakes {
            for change in mistake["changes"].as_array().expect("a list") {
                let (file, text) = (change["file"].as_str().expect("a path"), change["text"].as_str().expect("a text"));
                let source = std::fs::read_to_string(top().join(file)).expect(file);
                assert_eq!(source.matches(text).count(), 1, "{}: {text:?} in {file}", mistake["name"]);
            }
        }
        assert!(mistakes.len() >= 60, "{} mistakes", mistakes.len());
    }

    #[test]
    fn no_path_of_one_machine() {
        let folders = ["src", "tests", "docs", "scripts", "benches", "fixtures", ".ci"];
        let endings = ["", ".rs", ".md", ".toml", ".txt", ".json"];
        let texts = folders.iter().flat_map(|folder| {
            let endings: &[&str] = if matches!(*folder, "scripts" | "benches" | ".ci") { &endings } else { &endings[1..] };
            files(folder, endings)
        });
        let single = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml", "clippy.toml"];
        let single = single.map(|name| (name.to_owned(), std::fs::read_to_string(top().join(name)).expect(name)));
        hold(machine_paths, texts.chain(single));
    }
}

/// Each rule shown to fail on a text that breaks it, and to pass on its neighbour.
mod bites {
    use super::*;

    fn bites(found: Vec<Finding>, part: &str) {
        assert!(found.iter().any(|(_, sentence)| sentence.contains(part)), "no finding with {part:?} in {found:?}");
    }

    #[test]
    fn upward_and_sideways_imports() {
        bites(floors("src/disk/mod.rs", "use crate::engine::Report;"), "names `engine`");
        bites(floors("src/scan/mod.rs", "use crate::transfer::x;"), "names `transfer`");
        bites(floors("src/scan/mod.rs", "fn f() { crate::engine::run() }"), "names `engine`");
        bites(floors("src/scan/mod.rs", "use crate::{model::{a, b}, engine::c};"), "names `engine`");
        bites(floors("src/attic/mod.rs", ""), "no floor");
        assert_eq!(floors("src/scan/mod.rs", "use crate::{disk::a, model::b};\nuse crate::scan::c;"), []);
        assert_eq!(floors("src/main.rs", "driftless::cli::run()"), []);
    }

    #[test]
    fn crates_beside_their_doors() {
        bites(doors("src/engine/mod.rs", "use rusqlite::Connection;"), "`rusqlite`");
        bites(doors("src/engine/mod.rs", "fn f() { clap::x() }"), "`clap`");
        bites(doors("src/engine/mod.rs", "use ignore::gitignore::Gitignore;"), "`ignore`");
        bites(doors("src/model/path.rs", "use tracing::debug;"), "`tracing`");
        assert_eq!(doors("src/sqlite/mod.rs", "use rusqlite::Connection;"), []);
        assert_eq!(doors("src/engine/mod.rs", "use tracing::debug;\nuse thiserror::Error;"), []);
        assert_eq!(doors("src/engine/mod.rs", "use crate::model::ignore;\nfn f() { ignore::built_in() }"), []);
        assert_eq!(doors("src/engine/mod.rs", "crate::model::ignore::built_in()"), []);
    }

    #[test]
    fn long_functions_and_files() {
        let long = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(FUNCTION_LINES));
        bites(function_length("src/a.rs", &long), "`long`");
        let fits = format!("fn fits() {{\n{}}}\n", "    step();\n".repeat(FUNCTION_LINES - 2));
        assert_eq!(function_length("src/a.rs", &fits), []);
        assert_eq!(function_length("src/a.rs", &format!("trait T {{ fn declared();\n{} }}", "\n".repeat(90))), []);
        bites(file_length("src/a.rs", &"\n".repeat(FILE_LINES + 1)), "lines");
        assert_eq!(file_length("src/a.rs", &"\n".repeat(FILE_LINES)), []);
    }

    #[test]
    fn open_work_and_silenced_lints() {
        bites(open_work("src/a.rs", concat!("// TO", "DO: later")), "bare");
        bites(open_work("src/a.rs", concat!("let x = 1; // FIX", "ME")), "bare");
        bites(silenced_lints("src/a.rs", "#[allow(dead_code)]\nfn f() {}"), "allow");
        bites(silenced_lints("src/a.rs", "#![allow(dead_code)]"), "allow");
        assert_eq!(silenced_lints("src/a.rs", "#[expect(dead_code, reason = \"\")]"), []);
    }

    #[test]
    fn the_file_system_beside_its_door() {
        bites(file_system("src/engine/mod.rs", "use std::fs::File;"), "std::fs");
        bites(file_system("src/engine/mod.rs", "use std::{fs, io};"), "std::fs");
        assert_eq!(file_system("src/disk/local.rs", "use std::fs::File;"), []);
        assert_eq!(file_system("src/engine/mod.rs", "use std::{fmt, io};"), []);
        let with_test = shipped("fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }\n");
        assert_eq!(file_system("src/engine/mod.rs", &with_test), []);
        let of_one_system = shipped("fn f() {}\n#[cfg(all(test, unix))]\nmod tests { use std::fs; }\n");
        assert_eq!(file_system("src/engine/mod.rs", &of_one_system), []);
        let after_test = shipped("#[cfg(test)]\nmod tests { fn f() { g() } }\nuse std::fs;\n");
        bites(file_system("src/engine/mod.rs", &after_test), "std::fs");
    }

    #[test]
    fn a_model_that_asks() {
        for bad in ["std::time::SystemTime::now()", "Instant::now()", "std::thread::spawn", "std::env::var", "println!()"] {
            bites(pure_model("src/model/time.rs", bad), "in the model");
        }
        assert_eq!(pure_model("src/model/time.rs", "use std::time::Duration;"), []);
        assert_eq!(pure_model("src/engine/mod.rs", "Instant::now()"), []);
    }

    #[test]
    fn a_clock_of_its_own() {
        for bad in ["SystemTime::now()", "std::time::Instant::now()", "std::thread::sleep(time)"] {
            bites(clocks("src/engine/sync.rs", bad), "disk::clock");
        }
        assert_eq!(clocks("src/disk/clock.rs", "Instant::now()"), []);
        assert_eq!(clocks("src/cli/progress.rs", "Instant::now()"), []);
    }

    #[test]
    fn empty_names() {
        for bad in ["struct SyncManager;", "fn path_helper() {}", "mod utils;", "let handler = 1;", "fn do_copy() {}"] {
            bites(empty_words("src/a.rs", bad), "says nothing");
        }
        assert_eq!(empty_words("src/a.rs", "fn handle() {}\nstruct Utility;\nuse signal::Handler;"), []);
    }

    #[test]
    fn globs_of_the_house_and_machine_paths() {
        bites(whole_house("src/a.rs", "use crate::*;"), "crate::*");
        assert_eq!(whole_house("src/a.rs", "use crate::model::*;"), []);
        bites(machine_paths("README.md", concat!("see /wo", "rk/x")), "one machine");
        assert_eq!(machine_paths("README.md", "see ./work and network/"), []);
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "// crate::engine\n/* a /* b */ crate::cli */ let s = \"crate::cli \\\" x\"; let c = '\"'; let r = r#\"crate::cli\"#;";
        let code = code_of(text);
        assert_eq!(code.len(), text.len());
        assert!(!code.contains("crate::"), "{code}");
        assert!(code.contains("let c =") && code.contains("let r ="), "{code}");
        assert!(code_of("fn f<'a>(x: &'a str) -> &'a str { crate::cli::x }").contains("crate::cli"));
    }
}
