//! `history`: the runs, what one of them did, the life of a path; also while a run is at work and when the roots are away.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{World, paths, read, touch, write};

fn events<'a>(object: &'a Value, op: &str) -> Vec<&'a Value> {
    let all = object["events"].as_array().unwrap_or_else(|| panic!("no events in {object}"));
    all.iter().filter(|event| event["op"] == op).collect()
}

/// One run that does one of each: an overwrite, a delete, a rename, a change of kind.
fn one_of_each() -> World {
    let world = World::paired(&[("keep", "k"), ("data/run.csv", "old!"), ("gone/a", "to be deleted"), ("kind", "a file")]);
    write(&world.staging.join("name.txt"), "moved content, long enough");
    world.run(&["sync"]).ends_with(0);
    write(&world.staging.join("data/run.csv"), "new version");
    fs::remove_dir_all(world.staging.join("gone")).expect("removed");
    fs::rename(world.staging.join("name.txt"), world.staging.join("renamed.txt")).expect("renamed");
    fs::remove_file(world.staging.join("kind")).expect("removed");
    write(&world.staging.join("kind/inside"), "a folder now");
    world.run(&["sync", "up"]).ends_with(0);
    world
}

#[test]
fn a_run_tells_each_event_with_what_was_there_and_where_it_is_kept() {
    let world = one_of_each();
    let object = world.json(&["history", "last"], 0);
    assert_eq!((&object["schema"], &object["direction"]), (&json!("driftless.history/1"), &json!("up")), "{object}");
    assert_eq!((&object["outcome"], &object["counts"]["deleted_files"]), (&json!("done"), &json!(1)), "{object}");
    let kept = |event: &Value| {
        let kept = event["kept"].as_str().unwrap_or_else(|| panic!("not kept: {event}"));
        world.network.join(kept)
    };
    for (op, path, content) in
        [("write", "data/run.csv", "old!"), ("delete", "gone/a", "to be deleted"), ("write", "kind", "a file")]
    {
        let found =
            events(&object, op).into_iter().find(|event| event["path"] == path).unwrap_or_else(|| panic!("{path}: {object}"));
        assert_eq!(read(&kept(found)), content, "{found}");
        assert_eq!(found["before"]["what"], "file", "{found}");
        assert_eq!(found["base"], found["before"], "both sides had agreed on it: {found}");
        assert_eq!(found["before"]["bytes"], content.len(), "{found}");
    }
    let gone = events(&object, "delete").into_iter().find(|event| event["path"] == "gone").expect("the folder's own event");
    assert!(kept(gone).is_dir() && gone["after"]["what"] == "absent", "{gone}");
    let [renamed] = events(&object, "rename")[..] else { panic!("one rename: {object}") };
    assert_eq!((&renamed["path"], &renamed["moved_from"]), (&json!("renamed.txt"), &json!("name.txt")), "{renamed}");
    assert_eq!((&renamed["base"]["bytes"], &renamed["kept"]), (&json!(26), &json!(null)), "{renamed}");
    world
        .run(&["history", "last"])
        .ends_with(0)
        .says("name.txt -> renamed.txt")
        .says("kept on the network root: .driftless/trash/");
}

#[test]
fn runs_are_listed_newest_first_and_limited() {
    let world = World::paired(&[("a", "1")]);
    for content in ["two", "three", "fourfour"] {
        write(&world.staging.join("a"), content);
        world.run(&["sync", "up"]).ends_with(0);
    }
    let numbers = |object: &Value| -> Vec<i64> {
        object["runs"].as_array().expect("runs").iter().map(|run| run["run"].as_i64().expect("a number")).collect()
    };
    assert_eq!(numbers(&world.json(&["history"], 0)), [4, 3, 2, 1]);
    assert_eq!(numbers(&world.json(&["history", "--limit", "2"], 0)), [4, 3]);
    assert_eq!(numbers(&world.json(&["history", "--limit", "0"], 0)), [4, 3, 2, 1]);
    world.run(&["history"]).ends_with(0).says("1 file written (8 B)").says("done");
    assert_eq!(world.json(&["history", "2"], 0)["run"], 2);
    let unknown = world.json(&["history", "99"], 1);
    assert!(unknown["message"].as_str().is_some_and(|text| text.contains("99")), "{unknown}");
    world.run(&["history", "first"]).ends_with(2);
}

#[test]
fn the_life_of_a_path_goes_through_all_runs_and_renames() {
    let world = World::paired(&[("lab/a", "the first version of a"), ("other", "o")]);
    write(&world.network.join("lab/a"), "second version of a, longer");
    world.run(&["sync", "down"]).ends_with(0);
    fs::rename(world.staging.join("lab/a"), world.staging.join("lab/b")).expect("renamed");
    world.run(&["sync", "up"]).ends_with(0);
    fs::remove_file(world.staging.join("lab/b")).expect("removed");
    fs::remove_file(world.staging.join("other")).expect("removed");
    world.run(&["sync", "up"]).ends_with(0);
    let ops = |path: &str| -> Vec<String> {
        let object = world.json(&["history", "--path", path], 0);
        let all = object["events"].as_array().expect("events").clone();
        all.iter().map(|event| format!("{} {}", event["op"].as_str().expect("a word"), event["run"])).collect()
    };
    assert_eq!(ops("lab/a"), ["write 2", "rename 3"]);
    assert_eq!(ops("lab"), ["write 2", "rename 3", "delete 4"]);
    assert_eq!(ops(world.network.join("lab").to_str().expect("text")), ["write 2", "rename 3", "delete 4"]);
    assert_eq!(ops("la"), Vec::<String>::new(), "a name is not the beginning of another");
    world.run(&["history", "--path", "nowhere"]).ends_with(0).says("knows of no");
    world.run(&["history", "1", "--path", "lab"]).ends_with(2);
}

#[cfg(unix)]
#[test]
fn odd_names_and_times_before_1970_are_told() {
    let world = World::paired(&[("a", "a")]);
    let odd = crate::harness::below(&world.staging, b"b\xff\n.txt");
    write(&odd, "old");
    touch(&odd, -86_400, 0);
    world.run(&["sync"]).ends_with(0);
    fs::remove_file(&odd).expect("removed");
    world.run(&["sync"]).ends_with(0);
    let object = world.json(&["history", "last"], 0);
    assert_eq!(object["events"][0]["path_b64"], "Yv8KLnR4dA==", "{object}");
    world.run(&["history", "last"]).ends_with(0).says("b\\xff\\n.txt");
}

/// A run that is at work, one that was killed, and roots that are away: history answers all the same.
#[test]
fn history_needs_neither_lock_nor_roots() {
    let world = World::paired(&[("a", "1")]);
    world.run(&["history"]).ends_with(0).says("done");
    let lock = fs::OpenOptions::new().write(true).open(world.staging.join(".driftless/lock")).expect("the lock file");
    lock.lock().expect("locked");
    change_manifest(&world, "UPDATE run SET ended = NULL, outcome = NULL WHERE id = 1");
    assert_eq!(world.json(&["history"], 0)["runs"][0]["outcome"], "running");
    // Closed, it is free everywhere.
    drop(lock);
    assert_eq!(world.json(&["history"], 0)["runs"][0]["outcome"], "killed");
    write(&world.staging.join("a"), "22");
    world.run(&["sync", "up"]).ends_with(0);
    let object = world.json(&["history"], 0);
    assert_eq!((&object["runs"][0]["outcome"], &object["runs"][1]["outcome"]), (&json!("done"), &json!("killed")), "{object}");
    world.run(&["history", "1"]).ends_with(0).says("trash list");
    fs::rename(&world.network, world.top().join("away")).expect("renamed");
    fs::rename(&world.staging, world.top().join("gone")).expect("renamed");
    assert_eq!(paths(&world.json(&["history", "last"], 0), "events"), ["a"]);
}

/// Changes the manifest as a run that was killed would have left it.
fn change_manifest(world: &World, sql: &str) {
    let connection = rusqlite::Connection::open(world.state.join("network/manifest.db")).expect("open");
    connection.execute(sql, []).expect("changed");
}

#[test]
fn a_pair_without_runs_has_no_history() {
    let world = World::new();
    let roots = ["--network", world.network.to_str().expect("text"), "--staging", world.staging.to_str().expect("text")];
    world.run_in(&world.top(), &[&["init"], &roots[..]].concat()).ends_with(0);
    world.run(&["history"]).ends_with(0).says("No run had anything to do yet.");
    world.run(&["history", "last"]).ends_with(1).says("no run");
    world.run(&["undo", "last"]).ends_with(1).says("no run");
}
