//! Names: those that Windows cannot hold, those that differ by case, and long ones.

use std::fs;

use super::on_the_server;
use crate::harness::{World, paths, place_of_networks, read, stands, write};
use crate::tree::Tree;

#[test]
fn names_that_windows_cannot_hold_are_told_and_stay_where_they_are() {
    if place_of_networks().is_none() {
        return;
    }
    let world = World::new();
    write(&world.network.join("plain.txt"), "plain");
    let odd = ["a:b.txt", "tail.", "CON", "nul.txt", "what?", "back\\\\slash"];
    let made: Vec<String> = odd.iter().map(|name| format!("printf %s x >'{name}'")).collect();
    on_the_server(&world.network, &made.join(" && "));
    let object = world.json(&["sync", "down"], 6);
    assert_eq!(read(&world.staging.join("plain.txt")), "plain");
    let told = paths(&object, "problems");
    for name in ["a:b.txt", "tail.", "CON", "nul.txt", "what?"] {
        assert!(told.contains(&name), "{name} in {object}");
    }
    assert_eq!(Tree::of(&world.staging).names(), ["plain.txt"], "and nothing else is made");
    // A full run takes their absence in staging for no deletion.
    world.json(&["sync"], 6);
    let test: Vec<String> = odd.iter().map(|name| format!("test -f '{name}'")).collect();
    on_the_server(&world.network, &test.join(" && "));
}

#[test]
fn of_two_names_that_differ_by_case_nothing_is_lost() {
    if place_of_networks().is_none() {
        return;
    }
    let world = World::new();
    on_the_server(&world.network, "mkdir twins && printf %s one >twins/Name && printf %s two >twins/name && printf %s x >other");
    for words in [&["sync", "down"][..], &["sync"]] {
        let object = world.json(words, 6);
        assert_eq!(paths(&object, "problems"), ["twins/name"], "{object}");
        assert_eq!(Tree::of(&world.staging).names(), ["other", "twins", "twins/Name"], "{object}");
        assert_eq!(read(&world.staging.join("twins/Name")), "one");
    }
    on_the_server(&world.network, "test \"$(cat twins/Name twins/name)\" = onetwo");
}

#[test]
fn a_path_of_more_than_four_hundred_characters_goes_both_ways() {
    let world = World::new();
    let name = "a-folder-with-a-long-name-that-makes-the-path-longer".repeat(2);
    let deep = (0..5).fold(std::path::PathBuf::new(), |path, _| path.join(&name));
    assert!(deep.as_os_str().len() > 500);
    // The form that takes any length.
    let verbatim = |root: &std::path::Path| {
        let whole = format!(r"\\?\{}", root.join(&deep).display());
        std::path::PathBuf::from(whole)
    };
    fs::create_dir_all(verbatim(&world.network)).expect("folders");
    fs::write(verbatim(&world.network).join("down.txt"), "down").expect("written");
    world.json(&["sync", "down"], 0);
    assert_eq!(read(&verbatim(&world.staging).join("down.txt")), "down");
    fs::write(verbatim(&world.staging).join("up.txt"), "up").expect("written");
    fs::remove_file(verbatim(&world.staging).join("down.txt")).expect("removed");
    world.json(&["sync", "up"], 0);
    assert_eq!(read(&verbatim(&world.network).join("up.txt")), "up");
    assert!(!stands(&verbatim(&world.network).join("down.txt")));
    let again = world.json(&["sync"], 0);
    assert_eq!(again["pending"], serde_json::json!({"up": 0, "down": 0}), "{again}");
}

#[test]
fn names_of_many_scripts_arrive_as_they_are() {
    let names = ["Übersicht ä.txt", "日本語.csv", "emoji 😀.md", ".hidden", "a.b.c", "with spaces", "semi;colon", "%TEMP%"];
    let world = World::new();
    for name in names {
        write(&world.network.join("d").join(name), name);
    }
    world.json(&["sync", "down"], 0);
    for name in names {
        assert_eq!(read(&world.staging.join("d").join(name)), name);
    }
    world.in_step();
}
