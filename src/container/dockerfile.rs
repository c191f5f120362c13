//! Which files of a build context a Dockerfile copies where: the `COPY` and `ADD` lines of its last stage and of the stages below it.
//!
//! This is a guess that says so: lines that are run afterwards may change what was copied. What is not understood (other stages,
//! addresses, archives, variables without a value, files that a `RUN` line mounts) is left out and named, never guessed.

use std::collections::{BTreeMap, BTreeSet};

/// Names and their values; `None`: it has one that is not known here.
pub type Variables = BTreeMap<String, Option<String>>;

/// A builder gives these values of its own, whatever a line says.
const AUTOMATIC: [&str; 8] =
    ["TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"];

/// One source of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Below the context, without `.` and `..`; `""` is the context. May be a pattern.
    pub from: String,
    /// The whole path in the image.
    pub to: String,
    /// `to` is a folder into which a file goes under its own name.
    pub into: bool,
    /// The line gives the files rights of its own.
    pub own_modes: bool,
}

/// What a Dockerfile copies, in its order, and its lines that could not be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    pub copies: Vec<Copy>,
    pub not_followed: Vec<String>,
    /// The image that all of it stands on, where that is no stage.
    pub base: Option<String>,
}

#[derive(Clone, Default)]
struct Stage {
    name: String,
    copies: Copies,
    work_folder: String,
    variables: Variables,
    /// Of them, those of `ENV`: no `ARG` changes them.
    fixed: BTreeSet<String>,
    /// Lines that bring files of ours into what is built on this stage.
    later: Vec<String>,
}

/// `target` is the stage that is built; `None` is the last. `args` are what the builder is given. `None` where there is no such stage.
pub fn read(text: &str, target: Option<&str>, args: &Variables) -> Option<Copies> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut before = Stage::default();
    for line in lines(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let rest = rest.trim();
        match (word.to_ascii_uppercase().as_str(), stages.last_mut()) {
            ("FROM", _) => {
                let stage = stage(rest, &stages, &before.variables);
                stages.push(stage);
            }
            ("ARG", None) => declare(&mut before, rest, &Variables::new(), args),
            ("ARG", Some(stage)) => declare(stage, rest, &before.variables, args),
            ("ENV", Some(stage)) => set(stage, rest),
            ("WORKDIR", Some(stage)) => work_folder(stage, rest),
            ("COPY" | "ADD", Some(stage)) => copy(stage, &line, rest, word.eq_ignore_ascii_case("ADD")),
            ("RUN", Some(stage)) if binds(rest) => stage.copies.not_followed.push(line.clone()),
            ("ONBUILD", Some(stage)) if brings_files(rest) => stage.later.push(line.clone()),
            _ => {}
        }
    }
    let wanted = match target {
        Some(name) => {
            let named = |stage: &Stage| stage.name.eq_ignore_ascii_case(name);
            stages.iter().position(named).or_else(|| name.parse().ok().filter(|at| *at < stages.len()))?
        }
        None => stages.len().checked_sub(1)?,
    };
    Some(stages.swap_remove(wanted).copies)
}

/// Instructions, each on one line: continued lines joined, comments and the bodies of here-documents left out.
fn lines(text: &str) -> Vec<String> {
    let escape = if text.lines().take_while(|line| line.trim_start().starts_with('#')).any(is_backtick) { '`' } else { '\\' };
    let (mut found, mut open) = (Vec::new(), String::new());
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        let plain = line.trim();
        if plain.starts_with('#') || (plain.is_empty() && open.is_empty()) {
            continue;
        }
        if let Some(begun) = plain.strip_suffix(escape) {
            open.push_str(begun);
            open.push(' ');
            continue;
        }
        open.push_str(plain);
        let whole = std::mem::take(&mut open);
        for end in here_documents(&whole) {
            rest.by_ref().take_while(|line| line.trim_start_matches('\t') != end).for_each(drop);
        }
        found.push(whole);
    }
    if !open.is_empty() {
        found.push(open);
    }
    found
}

fn is_backtick(line: &str) -> bool {
    let plain: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    plain.eq_ignore_ascii_case("#escape=`")
}

/// The words that end the here-documents of a line.
fn here_documents(line: &str) -> Vec<String> {
    let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !matches!(word.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    let marks = line.split_whitespace().filter_map(|word| word.strip_prefix("<<"));
    let names = marks.map(|name| name.trim_start_matches('-').trim_matches(['"', '\'']).to_owned());
    names.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).collect()
}

fn stage(rest: &str, stages: &[Stage], before: &Variables) -> Stage {
    let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
    let base = words.first().and_then(|base| expand(base, before)).unwrap_or_default();
    let name = match words.as_slice() {
        [_, middle, name, ..] if middle.eq_ignore_ascii_case("as") => (*name).to_owned(),
        _ => String::new(),
    };
    let below = stages.iter().find(|stage| !stage.name.is_empty() && stage.name.eq_ignore_ascii_case(&base));
    match below.cloned() {
        Some(mut below) => {
            below.copies.not_followed.append(&mut below.later);
            Stage { name, ..below }
        }
        None => {
            let copies = Copies { base: (!base.is_empty() && base != "scratch").then_some(base), ..Copies::default() };
            // The folder that a foreign image works in is not known here.
            Stage { name, copies, work_folder: "?".to_owned(), ..Stage::default() }
        }
    }
}

/// `ARG NAME=VALUE …`; a bare `NAME` takes its value from before the first stage. What the builder is given counts before both.
fn declare(stage: &mut Stage, rest: &str, before: &Variables, args: &Variables) {
    for word in words(rest) {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if stage.fixed.contains(name) {
            continue;
        }
        let value = match (args.get(name), value) {
            (Some(given), _) => Some(given.clone()),
            (None, _) if AUTOMATIC.contains(&name) => Some(None),
            (None, Some(value)) => Some(expand(value, &stage.variables)),
            (None, None) => before.get(name).cloned(),
        };
        if let Some(value) = value {
            stage.variables.insert(name.to_owned(), value);
        }
    }
}

/// `ENV NAME=VALUE …` and `ENV NAME VALUE`.
fn set(stage: &mut Stage, rest: &str) {
    let words = words(rest);
    let pairs: Vec<(&str, &str)> = match words.as_slice() {
        [name, value, ..] if !name.contains('=') => vec![(name, value)],
        all => all.iter().filter_map(|word| word.split_once('=')).collect(),
    };
    for (name, value) in pairs {
        let value = expand(value, &stage.variables);
        stage.variables.insert(name.to_owned(), value);
        stage.fixed.insert(name.to_owned());
    }
}

/// Does a `RUN` line see files of the context, or of another stage?
fn binds(rest: &str) -> bool {
    let flags = rest.split_whitespace().take_while(|word| word.starts_with("--"));
    flags.filter_map(|flag| flag.strip_prefix("--mount")).any(|mount| {
        let mut fields = mount.trim_start_matches('=').trim_matches(['"', '\'']).split(',');
        let kind = fields.find_map(|field| field.strip_prefix("type="));
        !matches!(kind, Some("cache" | "tmpfs" | "secret" | "ssh"))
    })
}

/// Does an instruction bring files of a build context into an image?
pub fn brings_files(instruction: &str) -> bool {
    let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
    match word.to_ascii_uppercase().as_str() {
        "COPY" | "ADD" => true,
        "RUN" => binds(rest.trim()),
        _ => false,
    }
}

fn work_folder(stage: &mut Stage, rest: &str) {
    let to = words(rest).first().and_then(|word| expand(word, &stage.variables));
    stage.work_folder = to.and_then(|to| below(&stage.work_folder, &to)).unwrap_or_else(|| "?".to_owned());
}

/// The whole path that `path` means in the folder `at`; `None` where that is not known.
fn below(at: &str, path: &str) -> Option<String> {
    if !path.starts_with('/') && at == "?" {
        return None;
    }
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{at}/{path}") };
    Some(super::map::inside(&whole))
}

fn copy(stage: &mut Stage, line: &str, rest: &str, is_add: bool) {
    match copied(stage, rest, is_add) {
        Some(copies) => stage.copies.copies.extend(copies),
        None => stage.copies.not_followed.push(line.to_owned()),
    }
}

fn copied(stage: &Stage, rest: &str, is_add: bool) -> Option<Vec<Copy>> {
    let all = words(rest);
    let flags = all.iter().take_while(|word| word.starts_with("--")).count();
    let (flags, paths) = all.split_at(flags);
    if flags.iter().any(|flag| ["--from", "--exclude", "--parents"].iter().any(|other| flag.starts_with(other))) {
        return None;
    }
    let paths: Vec<String> = paths.iter().map(|path| expand(path, &stage.variables)).collect::<Option<_>>()?;
    let (to, from) = paths.split_last().filter(|(_, from)| !from.is_empty())?;
    let odd = |path: &String| {
        let archive = [".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst"].iter().any(|end| path.ends_with(end));
        path.starts_with("<<") || (is_add && (path.contains("://") || path.starts_with("git@") || archive))
    };
    if from.iter().any(odd) {
        return None;
    }
    let whole = below(&stage.work_folder, to)?;
    let into = to.ends_with('/')
        || to.ends_with("/.")
        || matches!(to.as_str(), "." | "./" | "..")
        || from.len() > 1
        || whole == stage.work_folder;
    let own_modes = flags.iter().any(|flag| flag.starts_with("--chmod"));
    let one = |from: &String| Copy { from: super::map::inside(from)[1..].to_owned(), to: whole.clone(), into, own_modes };
    Some(from.iter().map(one).collect())
}

/// Words as a shell splits them, or the strings of a JSON list.
fn words(text: &str) -> Vec<String> {
    let flags = text.split_whitespace().take_while(|word| word.starts_with("--")).count();
    let list = text.split_whitespace().nth(flags).is_some_and(|word| word.starts_with('['));
    if list
        && let Some(at) = text.find('[')
        && let Ok(listed) = serde_json::from_str::<Vec<String>>(&text[at..])
    {
        return text[..at].split_whitespace().map(str::to_owned).chain(listed).collect();
    }
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (letter, Some(end)) if letter == end => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// `$NAME`, `${NAME}` and `${NAME:-else}` filled in; `None` where a value is not known.
fn expand(text: &str, variables: &Variables) -> Option<String> {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        whole.push_str(before);
        let (name, otherwise, behind) = if let Some(braced) = after.strip_prefix('{') {
            let (inner, behind) = braced.split_once('}')?;
            let (name, otherwise) = inner.split_once(":-").map_or((inner, None), |(name, other)| (name, Some(other)));
            (name, otherwise, behind)
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            (&after[..end], None, &after[end..])
        };
        whole.push_str(match (variables.get(name), otherwise) {
            (Some(None), _) => return None,
            (Some(Some(value)), Some(otherwise)) if value.is_empty() => otherwise,
            (Some(Some(value)), _) => value,
            (None, otherwise) => otherwise?,
        });
        rest = behind;
    }
    whole.push_str(rest);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::hostile_text;
    use proptest::prelude::*;

    /// Each copy as `from > to`, with a slash behind where it goes into a folder.
    fn told(text: &str, target: Option<&str>) -> Vec<String> {
        told_with(text, target, &[])
    }

    fn told_with(text: &str, target: Option<&str>, args: &[(&str, Option<&str>)]) -> Vec<String> {
        let args = args.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        let copies = read(text, target, &args).expect(text);
        let mut told: Vec<String> =
            copies.copies.iter().map(|copy| format!("{} > {}{}", copy.from, copy.to, if copy.into { "/" } else { "" })).collect();
        if !copies.not_followed.is_empty() {
            told.push(format!("{} not followed", copies.not_followed.len()));
        }
        told
    }

    #[test]
    fn the_lines_of_the_last_stage_are_followed() {
        for (text, expected) in [
            ("FROM a\nCOPY . /app", &[" > /app"][..]),
            ("FROM a\nWORKDIR /app\nCOPY . .", &[" > /app/"]),
            ("FROM a\nWORKDIR /srv\nWORKDIR app\nCOPY src ./src/\nADD x.txt y", &["src > /srv/app/src/", "x.txt > /srv/app/y"]),
            ("FROM a\nCOPY . .", &["1 not followed"]),
            ("FROM a\nCOPY a.txt b.txt /d/\nCOPY ./c/../d.txt /e", &["a.txt > /d/", "b.txt > /d/", "d.txt > /e"]),
            ("FROM a AS one\nCOPY one /one\nFROM b\nCOPY --from=one /one /one\nCOPY two /two", &["two > /two", "1 not followed"]),
            ("FROM a AS base\nWORKDIR /w\nCOPY one .\nFROM base\nCOPY two .", &["one > /w/", "two > /w/"]),
            ("FROM a\nCOPY --chown=1:1 [\"a b\", \"/c d/\"]", &["a b > /c d/"]),
            ("FROM a\nCOPY \\\n  # a comment\n  x \\\n  /y", &["x > /y"]),
            ("# escape=`\nFROM a\nCOPY x `\n  /y", &["x > /y"]),
            ("FROM a\nRUN <<EOF\nCOPY no /no\nEOF\nCOPY x /y", &["x > /y"]),
            ("FROM a\nCOPY <<EOF /etc/x\nCOPY no /no\nEOF\nCOPY x /y", &["x > /y", "1 not followed"]),
            ("ARG top=/app\nFROM a\nARG top\nENV d=$top/d\nCOPY x ${d}/x\nCOPY y $no/y", &["x > /app/d/x", "1 not followed"]),
            ("FROM a\nARG d=/d\nCOPY x ${e:-/e}/x\nCOPY 'y' $d", &["x > /e/x", "y > /d"]),
            ("FROM a\nADD https://h/x /x\nADD x.tar.gz /x\nCOPY x.tar.gz /x", &["x.tar.gz > /x", "2 not followed"]),
            ("from a\ncopy ../../x /y", &["x > /y"]),
        ] {
            assert_eq!(told(text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_target_is_a_name_or_a_number() {
        let text = "FROM a AS one\nCOPY 1 /1\nFROM b AS two\nCOPY 2 /2";
        assert_eq!(told(text, Some("ONE")), ["1 > /1"]);
        assert_eq!(told(text, Some("1")), ["2 > /2"]);
        assert_eq!(read(text, Some("three"), &Variables::new()), None);
        assert_eq!(read("# nothing", None, &Variables::new()), None);
    }

    #[test]
    fn what_the_builder_is_given_counts_before_what_the_lines_say() {
        let text = "ARG s=a\nFROM x\nARG s\nARG t=${s}/t\nCOPY $s /s\nCOPY $t /t";
        assert_eq!(told(text, None), ["a > /s", "a/t > /t"]);
        assert_eq!(told_with(text, None, &[("s", Some("b"))]), ["b > /s", "b/t > /t"]);
        assert_eq!(told_with(text, None, &[("s", None)]), ["2 not followed"]);
        assert_eq!(told_with(text, None, &[("t", Some("c"))]), ["a > /s", "c > /t"]);
        // What ENV says stays.
        assert_eq!(told_with("FROM x\nENV s=a\nARG s\nCOPY $s /s", None, &[("s", Some("b"))]), ["a > /s"]);
        for text in ["FROM x\nARG TARGETARCH=amd64\nCOPY $TARGETARCH /s", "FROM x\nARG s=$none\nCOPY ${s:-a} /s"] {
            assert_eq!(told(text, None), ["1 not followed"], "{text}");
        }
    }

    #[test]
    fn files_that_come_without_a_copy_are_named() {
        for (text, expected) in [
            ("FROM a\nRUN --mount=type=bind,source=r.txt,target=/r pip install", 1),
            ("FROM a\nRUN --mount=target=/src make", 1),
            ("FROM a\nRUN --network=none --mount=target=/src,source=. make", 1),
            ("FROM a\nRUN --mount=type=cache,target=/c --mount=type=secret,id=x make", 0),
            ("FROM a AS b\nONBUILD COPY . /app\nONBUILD RUN x\nFROM b", 1),
            ("FROM a AS b\nONBUILD COPY . /app", 0),
        ] {
            let copies = read(text, None, &Variables::new()).expect(text);
            assert_eq!((copies.copies.len(), copies.not_followed.len()), (0, expected), "{text}");
            assert_eq!(copies.base.as_deref(), Some("a"));
        }
    }

    #[test]
    fn rights_of_its_own_are_told() {
        let copies = read("FROM a\nCOPY --chmod=755 x /y", None, &Variables::new()).expect("read");
        assert!(copies.copies[0].own_modes);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in hostile_text(&["FROM a\nARG x=${y:-$z}\nCOPY [\"a\"] <<E \\\n", "FROM \"\nWORKDIR $\nCOPY ' ${"])) {
            if let Some(copies) = read(&text, None, &Variables::new()) {
                prop_assert!(copies.copies.iter().all(|copy| copy.to.starts_with('/') && !copy.from.split('/').any(|name| name == "..")));
            }
        }
    }
}
