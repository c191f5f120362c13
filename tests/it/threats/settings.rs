//! The `driftless.toml` of a share, written by somebody else.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
#[cfg(unix)]
use std::process::Command;

use serde_json::json;

use super::{COMMANDS, run};
use crate::harness::{World, paths, read, stands, write, wrote_nothing};
use crate::tree::Tree;

/// Patterns that ignore everything hold everything back: no file is deleted, moved or written, and nothing is forgotten
/// for good.
#[test]
fn a_stranger_who_ignores_everything_deletes_nothing() {
    let world = World::new();
    // Wine is slow.
    for number in 0..if cfg!(windows) { 100 } else { 1_000 } {
        write(&world.network.join(format!("d{}/f{number}", number % 25)), "content");
    }
    world.run(&["sync", "down"]).ends_with(0);
    let (staging, network) = world.trees();
    for patterns in [r#"["*"]"#, r#"["d*/", "!nothing"]"#] {
        write(&world.network.join("driftless.toml"), format!("ignore = {patterns}\n"));
        for words in [&["sync"][..], &["sync", "up"], &["sync", "down"], &["sync", "--verify"]] {
            let object = world.json(words, 0);
            assert_eq!(object["deleted"], json!({"files": 0, "dirs": 0}), "{patterns} {object}");
        }
        // What is deleted while nothing is looked at is not deleted elsewhere, now or later.
        fs::remove_file(world.staging.join("d3/f3")).expect("removed");
        assert_eq!(world.json(&["sync"], 0)["deleted"]["files"], 0);
        assert!(stands(&world.network.join("d3/f3")));
        for root in [&world.staging, &world.network] {
            let _ = fs::remove_file(root.join("driftless.toml"));
        }
        let object = world.json(&["sync"], 0);
        assert_eq!(object["deleted"], json!({"files": 0, "dirs": 0}), "{patterns} {object}");
        let (a, b) = world.trees();
        a.without(|path| path == b"driftless.toml").assert_same(&staging, "staging");
        b.without(|path| path == b"driftless.toml").assert_same(&network, "the network root");
    }
}

/// Patterns that take everything back never make the tool's own names travel.
#[test]
fn a_stranger_who_ignores_nothing_moves_none_of_the_tools_own() {
    let world = World::paired(&[("f", "f")]);
    write(&world.network.join("driftless.toml"), "ignore = [\"!*\", \"!.driftless/\", \"!.dl~*\", \"!**/.driftless/**\"]\n");
    write(&world.network.join("d/.driftless/root.toml"), "forged");
    write(&world.network.join(".dl~0123abcd-89efabcd"), "forged");
    world.run(&["sync"]).ends_with(0);
    assert_eq!(Tree::of(&world.staging).names(), ["d", "driftless.toml", "f"]);
    wrote_nothing(&world.json(&["sync"], 0));
}

/// Whatever stands in the place of the file, every command ends with a line that says so; it shows and changes nothing.
#[test]
fn whatever_stands_for_the_shared_settings_is_refused() {
    let world = World::paired(&[("a/f", "f"), ("g", "g")]);
    let file = world.network.join("driftless.toml");
    let secret = world.top().join("secret");
    write(&secret, "ignore = [\"precious secret\"]\nprecious = = 1\n");
    fs::remove_file(world.staging.join("g")).expect("removed");
    write(&world.staging.join("new"), "new");
    let before = world.trees();
    let shapes: Vec<(&str, Box<dyn Fn()>)> = vec![
        #[cfg(unix)]
        ("a link to a secret", Box::new(|| symlink(&secret, &file).expect("a link"))),
        #[cfg(unix)]
        ("a link to nothing", Box::new(|| symlink("/nowhere", &file).expect("a link"))),
        #[cfg(unix)]
        ("a FIFO", Box::new(|| assert!(Command::new("mkfifo").arg(&file).status().expect("run").success()))),
        ("a folder", Box::new(|| fs::create_dir(&file).expect("a folder"))),
        ("1 GB", Box::new(|| fs::File::create(&file).and_then(|file| file.set_len(1 << 30)).expect("a hole"))),
        ("a bit over 1 MiB", Box::new(|| write(&file, format!("ignore = []\n#{}", "x".repeat(1 << 20))))),
        ("no UTF-8", Box::new(|| write(&file, b"ignore = [\"\xff\"]"))),
        ("deep nesting", Box::new(|| write(&file, format!("ignore = {}", "[".repeat(400_000))))),
        ("a long dotted key", Box::new(|| write(&file, format!("git.{}x = 1", "a.".repeat(400_000))))),
        ("a setting of this machine", Box::new(|| write(&file, "durability = \"none\"\n"))),
        ("a root", Box::new(|| write(&file, "staging = \"/etc\"\n"))),
        ("a pattern that steers", Box::new(|| write(&file, "ignore = [\"\\u001b]0;owned\\u0007\\u202e{\"]\n"))),
        ("a key that steers", Box::new(|| write(&file, "\"\\u001b[2J\\nfine\" = 1\n"))),
        ("a key of 1 MB", Box::new(|| write(&file, format!("{} = 1", "k".repeat(1_000_000))))),
        ("a pattern of 1 MB", Box::new(|| write(&file, format!("ignore = [\"{}[z-a]\"]\n", "a".repeat(1_000_000))))),
    ];
    for (name, make) in shapes {
        make();
        for words in [&["sync"][..], &["status"], &["undo", "1"], &["doctor"]] {
            let ended = run(&world, words);
            assert!(words[0] == "doctor" || ended.code == 1, "{name} {words:?}: {ended}");
            assert!(ended.stderr.len() + ended.stdout.len() < 40_000, "{name} {words:?}: {} bytes", ended.stderr.len());
            assert!(!format!("{ended}").contains("precious"), "{name} {words:?}: {ended}");
        }
        if file.is_dir() && !file.is_symlink() { fs::remove_dir(&file) } else { fs::remove_file(&file) }.expect("removed");
        let (staging, network) = world.trees();
        staging.assert_same(&before.0, name);
        network.assert_same(&before.1, name);
    }
    world.json(&["sync"], 0);
    world.in_step();
}

/// Many and odd patterns cost no more than a moment, and are refused or obeyed.
#[test]
fn patterns_that_cost_much_are_refused_or_obeyed_in_time() {
    let list = |patterns: Vec<String>| format!("ignore = [{}]\n", patterns.join(", "));
    let many = list((0..40_000).map(|number| format!("\"x{number}*y\"")).collect());
    let stars = list(vec![format!("\"{}b\"", "**/*a*".repeat(60))]);
    let nested = list(vec![format!("\"{}{}\"", "{a,".repeat(3_000), "}".repeat(3_000))]);
    let classes = list(vec![format!("\"{}\"", "[a-z]?*".repeat(20_000))]);
    for (name, text) in [("many", many), ("stars", stars), ("nested", nested), ("classes", classes)] {
        let world = World::new();
        write(&world.network.join("driftless.toml"), text);
        write(&world.network.join("a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "a");
        let ended = run(&world, &["sync", "down"]);
        assert!([0, 1].contains(&ended.code), "{name}: {ended}");
        assert_eq!(ended.code == 0, stands(&world.staging.join("a")), "{name}: {ended}");
    }
}

/// The other lists of patterns hold back, or let a file grow while it is sent; no version is lost by them.
#[test]
fn a_stranger_who_calls_everything_whole_or_growing_loses_nothing() {
    let world = World::paired(&[("d/f", "f"), ("d/g", "g"), ("h", "h")]);
    write(&world.network.join("driftless.toml"), "whole = [\"*\", \"**\", \"/\"]\nappend = [\"*\"]\n");
    write(&world.staging.join("d/f"), "by staging");
    write(&world.network.join("d/g"), "by the network");
    write(&world.network.join("h"), "");
    fs::remove_file(world.staging.join("d/g")).expect("removed");
    let before = world.trees();
    let object = world.json(&["sync"], 3);
    assert_eq!((paths(&object, "conflicts"), &object["deleted"]["files"]), (vec!["d"], &json!(0)), "{object}");
    let (staging, network) = world.trees();
    assert_eq!((staging.get("d/f"), network.get("d/g")), (before.0.get("d/f"), before.1.get("d/g")));
    assert_eq!(read(&world.staging.join("h")), "");
    assert_eq!(paths(&world.json(&["trash", "list"], 0), "entries"), ["h"]);
}

/// A shared file that is there names no path twice: the same file in staging is a file like any other.
#[test]
fn only_the_copy_on_the_network_root_counts() {
    let world = World::paired(&[("f", "f"), ("driftless.toml", "ignore = []\n")]);
    write(&world.staging.join("driftless.toml"), "ignore = [\"*\"]\n");
    write(&world.staging.join("f"), "edited");
    let object = world.json(&["sync", "up"], 0);
    assert_eq!((object["written"]["files"].as_u64(), read(&world.network.join("f"))), (Some(2), "edited".to_owned()), "{object}");
    assert_eq!(paths(&object, "conflicts"), [""; 0]);
    for words in COMMANDS {
        run(&world, words);
    }
}
