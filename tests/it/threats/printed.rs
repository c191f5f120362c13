//! Names that somebody else chose are never printed raw: not in text, tables, JSON, errors, notes or logs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::{assert_tame, run};
use crate::harness::{Ended, World, below, write};

const NAMES: &[&[u8]] = &[
    b"\x1b]0;owned\x07",
    b"\x1b[2Jcleared",
    b"two\nlines",
    b"back\rover",
    "c1\u{9b}31mred".as_bytes(),
    "turned\u{202e}txt.exe".as_bytes(),
    "apart\u{2028}line".as_bytes(),
    b"no\xff\xfetext",
    b"del\x7f\x08",
    b"-rf",
    b"--help",
    b"%s%n{}",
];

/// All of them, and one of 255 bytes.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = NAMES.iter().map(|name| name.to_vec()).collect();
    names.push([&b"\x1b[31m"[..], &[b'n'; 250]].concat());
    names
}

/// As text, as JSON, and told at length with everything logged.
fn tell(world: &World, words: &[&str]) {
    run(world, words);
    run(world, &[words, &["--json"]].concat());
    run(world, &[words, &["--verbose"]].concat());
}

/// A tree of such names through every command that names paths: actions, conflicts, problems, notes, held deletes,
/// renames, the trash, the history, undo.
#[test]
fn names_never_steer_a_terminal() {
    let mut world = World::new();
    world.set("DRIFTLESS_LOG", "trace");
    for name in names() {
        let folder = below(&world.network, &name);
        for file in names() {
            write(&below(&folder, &file), "first");
        }
        symlink(OsString::from_vec(name.clone()), folder.join("link")).expect("a link");
    }
    tell(&world, &["sync", "down", "--dry-run"]);
    tell(&world, &["sync", "down"]);
    for (at, name) in names().iter().enumerate() {
        let [staging, network] = [&world.staging, &world.network].map(|root| below(root, name));
        for (at, file) in names().iter().enumerate() {
            match at % 4 {
                0 => {
                    write(&below(&staging, file), "by staging");
                    write(&below(&network, file), "by the network");
                }
                1 => fs::remove_file(below(&staging, file)).expect("removed"),
                2 => fs::rename(below(&staging, file), below(&staging, &[&file[..file.len().min(240)], b"2"].concat()))
                    .expect("renamed"),
                _ => write(&below(&staging, file), "edited"),
            }
        }
        if at % 3 == 0 {
            let fifo = Command::new("mkfifo").arg(below(&network, b"fifo\x1b[1m")).status().expect("run");
            assert!(fifo.success());
            write(&below(&staging, b"fifo\x1b[1m"), "against a FIFO");
            fs::remove_file(staging.join("link")).expect("removed");
            symlink("\u{1b}[2Jhere", staging.join("link")).expect("a link");
            fs::remove_file(network.join("link")).expect("removed");
            symlink("\u{202e}there", network.join("link")).expect("a link");
        }
    }
    for words in [
        &["sync", "--dry-run"][..],
        &["sync", "up"],
        &["status"],
        &["sync", "--allow-deletes"],
        &["conflicts", "list"],
        &["trash", "list"],
        &["history"],
        &["history", "2"],
        &["undo", "2", "--dry-run"],
        &["undo", "2"],
        &["conflicts", "resolve", "--all", "--keep", "staging"],
        &["trash", "restore", "\u{1b}[2Jcleared", "turned\u{202e}txt.exe"],
        &["revert", "\u{1b}]0;owned\u{7}"],
        &["history", "--path", "\u{1b}]0;owned\u{7}"],
        &["sync", "\u{1b}[2Jnot there"],
        &["doctor"],
        &["relink", "--dry-run"],
    ] {
        tell(&world, words);
    }
    // Held deletes name the folders where most of them are.
    world.run(&["sync", "--conflict", "prefer-staging", "--allow-deletes"]);
    for name in names() {
        let _ = fs::remove_dir_all(below(&world.staging, &name));
    }
    tell(&world, &["sync"]);
}

/// The same for what is typed or found in variables: file names come there by a pattern of the shell.
#[test]
fn what_is_typed_never_steers_a_terminal() {
    let world = World::paired(&[("a", "a")]);
    let odd = "\u{1b}]0;owned\u{7}\u{202e}";
    let network = world.top().join(format!("net{odd}"));
    write(&network.join("f"), "f");
    let text = network.to_str().expect("text");
    let staging = world.top().join("staging2");
    let staging = staging.to_str().expect("text");
    let mut all: Vec<Vec<String>> = vec![
        vec![odd.to_owned()],
        vec!["sync".to_owned(), format!("--{odd}")],
        vec!["sync".to_owned(), "--pair".to_owned(), odd.to_owned()],
        vec!["sync".to_owned(), "--conflict".to_owned(), odd.to_owned()],
        vec!["sync".to_owned(), "--wait".to_owned(), odd.to_owned()],
        vec!["undo".to_owned(), odd.to_owned()],
        vec!["detect".to_owned(), text.to_owned()],
        vec!["detect".to_owned(), format!("{odd}/no")],
        vec!["init".to_owned(), "--name".to_owned(), odd.to_owned(), "--network".to_owned(), text.to_owned()],
    ];
    for command in ["sync", "sync --dry-run", "status", "trash list", "conflicts list", "history", "doctor", "relink", "sync"] {
        let words = command.split(' ').map(str::to_owned);
        let roots = ["--network", text, "--staging", staging].map(str::to_owned);
        all.push(words.chain(roots).collect());
    }
    for words in all {
        for json in [false, true] {
            let mut words = words.clone();
            words.extend(json.then(|| "--json".to_owned()));
            let ended = Ended::of(world.command(&world.top(), &words).output().expect("it runs"));
            let shown: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_tame(&ended, &shown);
            assert!(!ended.stderr.contains("panicked"), "{ended}");
        }
    }
    for variable in
        ["DRIFTLESS_WAIT", "DRIFTLESS_IGNORE", "DRIFTLESS_CONFLICT", "DRIFTLESS_PAIR", "DRIFTLESS_LOG", "DRIFTLESS_ODD"]
    {
        let mut world = World::paired(&[("a", "a")]);
        world.set(variable, &format!("{odd}{{"));
        run(&world, &["sync"]);
    }
}

/// Numbers at the end of their range are values like others.
#[test]
fn the_largest_values_are_values() {
    for (variable, value) in [
        ("DRIFTLESS_WAIT", "18446744073709551615s"),
        ("DRIFTLESS_RESERVE", "18446744073709551615"),
        ("DRIFTLESS_TRASH_AGE", "18446744073709551615s"),
        ("DRIFTLESS_TRASH_MAX", "18446744073709551615"),
        ("DRIFTLESS_CONFLICT_COPY_MAX", "18446744073709551615"),
        ("DRIFTLESS_THREADS", "256"),
    ] {
        let mut world = World::paired(&[("a", "a"), ("b", "b")]);
        write(&world.staging.join("a"), "mine");
        write(&world.network.join("a"), "theirs");
        write(&world.staging.join("b"), "edited");
        world.set(variable, value);
        let ended = run(&world, &["sync"]);
        assert_eq!(ended.code, if variable == "DRIFTLESS_RESERVE" { 4 } else { 3 }, "{variable}: {ended}");
        run(&world, &["undo", "2"]);
        run(&world, &["trash", "empty", "--older-than", "18446744073709551615s", "--yes"]);
    }
}
