//! `relink`: each row of the table of markers, roots that moved, copies, and that nothing of it ever deletes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

#[cfg(unix)]
use crate::ground::Ground;
use crate::harness::{Ended, World, copy_all, paths, read, stands, write};
use crate::tree::Tree;

const OTHER: &str = "0123456789abcdef0123456789abcdef";
const ANOTHER: &str = "fedcba9876543210fedcba9876543210";

fn marker(root: &Path) -> PathBuf {
    root.join(".driftless/root.toml")
}

/// The value of a key in a root's marker.
fn says(root: &Path, key: &str) -> String {
    let text = read(&marker(root));
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim_matches('"').to_owned()
}

fn set(root: &Path, key: &str, value: &str) {
    let text = read(&marker(root));
    let old = text.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("the key");
    fs::write(marker(root), text.replace(old, &format!("{key} = {value}"))).expect("a marker");
}

fn lose(root: &Path) {
    fs::remove_file(marker(root)).expect("a marker");
}

/// To another state folder the pair is unknown.
fn forget(world: &mut World) {
    world.state = world.top().join("another-state");
}

fn init(world: &World) -> Ended {
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    world.run_in(&world.top(), &["init", "--network", &text(&world.network), "--staging", &text(&world.staging)])
}

/// One row of the table: what was done to the roots, then what each command says.
struct Row {
    name: &'static str,
    set: fn(&mut World),
    /// Of a `sync` or `init`.
    sync: i32,
    /// Of a `relink` without `--new-id`.
    relink: i32,
    /// Staging, network.
    found: (&'static str, &'static str),
}

const fn row(name: &'static str, set: fn(&mut World), sync: i32, relink: i32, found: (&'static str, &'static str)) -> Row {
    Row { name, set, sync, relink, found }
}

/// Pairs that this machine has a record of.
const KNOWN: &[Row] = &[
    row("as recorded", |_| {}, 0, 0, ("as_recorded", "as_recorded")),
    row("staging marker missing", |w| lose(&w.staging), 4, 0, ("lost_marker", "as_recorded")),
    row("network marker missing", |w| lose(&w.network), 4, 0, ("as_recorded", "lost_marker")),
    row(
        "both missing",
        |w| [&w.staging, &w.network].into_iter().for_each(|root| lose(root)),
        4,
        0,
        ("lost_marker", "lost_marker"),
    ),
    row("other staging id", |w| set(&w.staging, "id", &format!("{OTHER:?}")), 4, 0, ("other_id", "as_recorded")),
    row("other network id", |w| set(&w.network, "id", &format!("{OTHER:?}")), 4, 0, ("as_recorded", "other_id")),
    row("older staging", |w| set(&w.staging, "generation", "0"), 4, 0, ("older_generation", "as_recorded")),
    row("older network", |w| set(&w.network, "generation", "0"), 4, 0, ("as_recorded", "older_generation")),
    row("paired otherwise", |w| set(&w.staging, "network", &format!("{OTHER:?}")), 4, 0, ("other_network", "as_recorded")),
    row("damaged", |w| fs::write(marker(&w.staging), "x").expect("written"), 1, 0, ("damaged_marker", "as_recorded")),
    row("another pair's staging", another_pairs_staging, 4, 4, ("other_pair", "as_recorded")),
    row("staging is a network copy", copy_down, 4, 4, ("other_side", "as_recorded")),
    row("network is a staging copy", copy_up, 4, 4, ("as_recorded", "other_side")),
];

/// The same roots before a state folder that has no record of them.
const UNKNOWN: &[Row] = &[
    row("no markers", |w| [&w.staging, &w.network].into_iter().for_each(|root| lose(root)), 0, 0, ("new", "new")),
    row("a shared network root", |w| lose(&w.staging), 0, 0, ("new", "unrecorded")),
    row("record lost", |_| {}, 0, 0, ("unrecorded", "unrecorded")),
    row("of another pair", |w| set(&w.staging, "network", &format!("{OTHER:?}")), 4, 4, ("other_pair", "unrecorded")),
    row("network emptied", |w| lose(&w.network), 4, 4, ("other_pair", "new")),
    row("damaged", |w| fs::write(marker(&w.staging), "x").expect("written"), 1, 4, ("damaged_marker", "unrecorded")),
    row("staging is a network copy", copy_down, 4, 4, ("other_side", "unrecorded")),
    row(
        "network is a staging copy",
        |w| {
            copy_up(w);
            lose(&w.staging)
        },
        4,
        4,
        ("new", "other_side"),
    ),
];

fn another_pairs_staging(world: &mut World) {
    set(&world.staging, "id", &format!("{OTHER:?}"));
    set(&world.staging, "network", &format!("{ANOTHER:?}"));
}

fn copy_down(world: &mut World) {
    fs::copy(marker(&world.network), marker(&world.staging)).expect("copied");
}

fn copy_up(world: &mut World) {
    fs::copy(marker(&world.staging), marker(&world.network)).expect("copied");
}

/// A pair that has written both ways, with a delete on each side that no sync has carried.
fn with_deletes() -> World {
    let world = World::paired(&[("kept", "k"), ("gone here", "h"), ("gone there", "t")]);
    write(&world.staging.join("up"), "u");
    world.run(&["sync"]).ends_with(0);
    fs::remove_file(world.staging.join("gone here")).expect("removed");
    fs::remove_file(world.network.join("gone there")).expect("removed");
    world
}

/// What `relink` left is a first meeting: everything comes back, nothing goes.
#[track_caller]
fn meets_for_the_first_time(world: &World, what: &str) {
    let object = world.json(&["sync"], 0);
    assert_eq!(object["deleted"]["files"], 0, "{what}: {object}");
    for name in ["kept", "gone here", "gone there", "up"] {
        assert!(stands(&world.staging.join(name)) && stands(&world.network.join(name)), "{what}: {name}; {object}");
    }
    world.in_step();
}

fn check(row: &Row, unknown: bool) {
    let mut world = with_deletes();
    (row.set)(&mut world);
    if unknown {
        forget(&mut world);
    }
    let (name, before) = (row.name, world.trees());
    assert_eq!(world.run(&["sync", "--dry-run"]).code, row.sync, "{name}: sync --dry-run");
    if row.sync != 0 {
        let ended = world.run(&["sync", "--yes"]);
        assert_eq!((ended.code, init(&world).code), (row.sync, row.sync), "{name}: {ended}");
        let helps = if row.relink == 0 { "driftless relink`" } else { "driftless relink --new-id" };
        let said = ended.stdout.contains(helps) || ended.stderr.contains(helps);
        assert!(row.sync == 1 || said, "{name}: the way out; {ended}");
    }
    let was = [&world.staging, &world.network].map(|root| fs::read(marker(root)).ok());
    let ended = world.run(&["relink", "--dry-run"]);
    assert_eq!(ended.code, row.relink, "{name}: {ended}");
    if row.relink != 0 {
        world.run(&["relink"]).ends_with(row.relink).says("relink --new-id");
    }
    assert!(was == [&world.staging, &world.network].map(|root| fs::read(marker(root)).ok()), "{name}: nothing was marked");
    let words: &[&str] = if row.relink == 0 { &["relink"] } else { &["relink", "--new-id"] };
    let object = world.json(words, 0);
    assert_eq!(
        (&object["roots"]["staging"]["found"], &object["roots"]["network"]["found"]),
        (&json!(row.found.0), &json!(row.found.1)),
        "{name}: {object}"
    );
    assert_eq!(object["given_up"]["files"], if unknown { 0 } else { 4 }, "{name}: {object}");
    assert_eq!((says(&world.staging, "side"), says(&world.network, "side")), ("staging".into(), "network".into()), "{name}");
    assert_eq!(says(&world.staging, "network"), says(&world.network, "id"), "{name}");
    assert!(world.trees() == before, "{name}: relink touches no project path");
    meets_for_the_first_time(&world, name);
}

#[test]
fn ss_11_each_row_of_the_table_for_a_known_pair() {
    KNOWN.iter().for_each(|row| check(row, false));
}

#[test]
fn ss_11_each_row_of_the_table_for_an_unknown_pair() {
    UNKNOWN.iter().for_each(|row| check(row, true));
}

/// Other roots keep their ids where only one needs a new one.
#[test]
fn ss_11_a_new_id_goes_only_where_it_is_needed() {
    let mut world = with_deletes();
    copy_down(&mut world);
    forget(&mut world);
    let before = says(&world.network, "id");
    world.json(&["relink", "--new-id"], 0);
    assert_eq!(says(&world.network, "id"), before);
    assert_ne!(says(&world.staging, "id"), before);
}

/// A project folder that was copied to save the first sync: what its `.driftless/` brought along does not mislead.
#[test]
fn ss_11_a_copied_project_folder_becomes_staging() {
    let mut world = with_deletes();
    write(&world.staging.join("kept"), "edited");
    world.run(&["sync"]).ends_with(0);
    let copy = world.top().join("copy");
    copy_all(&world.network, &copy);
    assert!(stands(&copy.join(".driftless/trash")), "the copy has the trash too");
    let old = std::mem::replace(&mut world.staging, copy);
    let names = || fs::read_dir(&world.state).expect("listed").count();
    let before = names();
    world.run(&["relink"]).ends_with(4).says("a copy of one").says("relink --new-id");
    assert_eq!(names(), before, "a refused pair leaves no name behind");
    let object = world.json(&["relink", "--new-id"], 0);
    assert_eq!((&object["created"], &object["pair"]), (&json!(true), &json!("network-2")), "{object}");
    let object = world.json(&["sync"], 0);
    assert_eq!((&object["written"]["files"], &object["deleted"]["files"]), (&json!(0), &json!(0)), "{object}");
    world.in_step();
    world.staging = old;
    world.in_step();
}

/// A root that another pair of this machine uses from the other side is not taken, new id or not.
#[test]
fn ss_11_the_root_of_another_pair_is_not_taken() {
    let mut world = with_deletes();
    let other = world.top().join("other");
    fs::create_dir(&other).expect("a folder");
    world.network = std::mem::replace(&mut world.staging, other);
    let before = read(&marker(&world.network));
    world.run(&["relink", "--new-id"]).ends_with(4).says("is the staging root of the pair network");
    assert_eq!(read(&marker(&world.network)), before);
}

/// Moved roots: the pair knows the new place, its other settings stay byte for byte, and so do the ids.
#[test]
fn ss_11_moved_roots_are_recorded() {
    let mut world = with_deletes();
    let settings = world.state.join("network/pair.toml");
    let more = "\n# mine\n  wait   = '7s' # seven\nignore = [\n 'x' ]\n";
    fs::write(&settings, read(&settings) + more).expect("written");
    let ids = [says(&world.staging, "id"), says(&world.network, "id")];
    // No name of Windows holds a quote.
    let name = if cfg!(windows) { "new 'network'" } else { "new \"network\"" };
    let (network, staging) = (world.network.with_file_name(name), world.staging.with_file_name("new staging"));
    fs::rename(&world.network, &network).expect("moved");
    world.run(&["sync", "--wait", "0s"]).ends_with(75);
    let to =
        |option: &str, place: &Path| ["relink", "--pair", "network", option, place.to_str().expect("text")].map(str::to_owned);
    world.run_in(&world.top(), &to("--network", &world.top().join("nowhere"))).ends_with(4).says("does not exist");
    world.run_in(&world.top(), &to("--network", &network)).ends_with(0).says("was ");
    fs::rename(&world.staging, &staging).expect("moved");
    world.run(&["sync", "--wait", "0s"]).ends_with(4);
    world.run_in(&world.top(), &["sync", "--pair", "network"]).ends_with(4).says("relink --pair NAME --staging DIR");
    // By the current folder: it lies in the network root.
    let place = staging.to_str().expect("text");
    let object = world.run_in(&network, &["relink", "--staging", place, "--json"]);
    let object = object.ends_with(0).json();
    assert_eq!(object["roots"]["staging"]["was"]["path"], json!(world.staging.to_str()), "{object}");
    (world.network, world.staging) = (network, staging);
    assert_eq!([says(&world.staging, "id"), says(&world.network, "id")], ids);
    let text = read(&settings);
    assert!(text.ends_with(more) && text.contains(world.staging.to_str().expect("text")), "{text}");
    meets_for_the_first_time(&world, "moved");
}

/// A half copy of a root carries its marker: it is only believed once the base is gone, so nothing is deleted.
#[test]
fn ss_11_a_half_copied_root_deletes_nothing() {
    let mut world = with_deletes();
    let half = world.top().join("half");
    fs::create_dir_all(half.join(".driftless")).expect("a folder");
    fs::copy(marker(&world.network), marker(&half)).expect("copied");
    write(&half.join("kept"), "k");
    let place = half.to_str().expect("text").to_owned();
    let ended = world.run(&["relink", "--pair", "network", "--network", &place]);
    ended.ends_with(0).says("1 entry at its top").says("4 files");
    world.network = half;
    let object = world.json(&["sync"], 0);
    assert_eq!(object["deleted"]["files"], 0, "{object}");
    assert!(stands(&world.network.join("up")) && stands(&world.staging.join("up")));
}

/// An empty root is accepted, said loudly, and filled again.
#[test]
fn ss_11_an_empty_root_is_said_loudly() {
    let world = with_deletes();
    fs::remove_dir_all(&world.network).expect("removed");
    fs::create_dir(&world.network).expect("a folder");
    let loud = "the network root is empty and the pair knew 4 files";
    world.run(&["relink", "--dry-run"]).ends_with(0).says(loud).says("Would relink");
    assert!(!stands(&world.network.join(".driftless")), "a dry run writes nowhere");
    let object = world.json(&["relink"], 0);
    assert!(object["warnings"].to_string().contains(loud), "{object}");
    let object = world.json(&["sync"], 0);
    assert_eq!((&object["deleted"]["files"], &object["written"]["files"]), (&json!(0), &json!(3)), "{object}");
}

/// What was listed ends, history stays, and the question of a first sync is asked again.
#[test]
fn ss_11_a_relinked_pair_asks_again() {
    let world = World::new();
    for number in 0..12 {
        write(&world.staging.join(format!("s{number}")), "s");
        write(&world.network.join(format!("n{number}")), "n");
    }
    write(&world.staging.join("both"), "s");
    write(&world.network.join("both"), "network's");
    world.run(&["sync", "--yes"]).ends_with(3);
    for number in 0..12 {
        fs::rename(world.staging.join(format!("s{number}")), world.staging.join(format!("t{number}"))).expect("renamed");
    }
    world.run(&["sync", "up"]).ends_with(3);
    for number in 0..12 {
        fs::remove_file(world.network.join(format!("t{number}"))).expect("removed");
        fs::remove_file(world.staging.join(format!("n{number}"))).expect("removed");
    }
    let object = world.json(&["relink"], 0);
    assert_eq!(object["given_up"], json!({"files": 24, "conflicts": 1, "problems": 0}), "{object}");
    assert_eq!(paths(&world.json(&["conflicts", "list"], 0), "conflicts"), Vec::<&str>::new());
    world.run(&["sync"]).ends_with(4).says("mostly different");
    world.run(&["sync", "--yes"]).ends_with(3);
    world.run(&["sync"]).ends_with(3);
    assert_eq!(Tree::of(&world.staging).0.len(), 25);
}

/// The pair's lock: while a run is at work nothing is accepted.
#[test]
fn ss_11_relink_waits_for_the_lock() {
    let world = with_deletes();
    let file = fs::OpenOptions::new().write(true).open(world.staging.join(".driftless/lock")).expect("the lock file");
    file.lock().expect("locked");
    world.json(&["relink", "--wait", "0s"], 8);
    // A run that still works at staging's old place writes to the same manifest.
    let copy = world.top().join("moved");
    copy_all(&world.staging, &copy);
    let place = copy.to_str().expect("text");
    world.run(&["relink", "--pair", "network", "--staging", place, "--wait", "0s"]).ends_with(8);
    let waiting = world.start(&["relink", "--wait", "60s"]);
    drop(file);
    Ended::of(waiting.wait_with_output().expect("it ends")).ends_with(0);
    meets_for_the_first_time(&world, "waited");
}

/// A network root that could not be written when it was paired gets its marker, and deletes go through again.
#[cfg(unix)]
#[test]
fn ss_11_an_unmarked_network_root_gets_its_marker() {
    let mut world = World::new();
    world.as_nobody();
    ["a", "b"].iter().for_each(|name| write(&world.network.join(name), name));
    world.give_away(&world.network);
    crate::harness::chmod(&world.network, 0o555);
    world.run(&["sync", "down"]).ends_with(0);
    world.run(&["relink"]).ends_with(0).says("cannot be marked").says("only `sync down` works");
    world.run(&["sync", "down"]).ends_with(0);
    crate::harness::chmod(&world.network, 0o755);
    world.run(&["relink"]).ends_with(0);
    assert_eq!(says(&world.staging, "network"), says(&world.network, "id"));
    world.run(&["sync"]).ends_with(0);
    fs::remove_file(world.network.join("a")).expect("removed");
    assert_eq!(world.json(&["sync"], 0)["deleted"]["files"], 1);
    world.in_step();
}

/// Killed at any of its writes: the pair is refused or meets for the first time, and the same command completes it.
#[cfg(unix)]
#[test]
fn ss_11_a_killed_relink_deletes_nothing_and_is_completed() {
    let rows: [fn(&mut World); 3] = [
        |w| [&w.staging, &w.network].into_iter().for_each(|root| lose(root)),
        |w| set(&w.staging, "network", &format!("{OTHER:?}")),
        another_pairs_staging,
    ];
    let mut killed = 0;
    for (number, set_up) in rows.into_iter().enumerate() {
        for (call, most) in [("renameat2,renameat,rename", 3), ("fsync,fdatasync", 8)] {
            for when in (1..=most).step_by(if most > 4 { 2 } else { 1 }) {
                let mut world = with_deletes();
                set_up(&mut world);
                if !world.killed_at(&["relink", "--new-id"], call, when, &[]) {
                    break;
                }
                killed += 1;
                let what = format!("row {number}, killed at {call} {when}");
                let object = world.run(&["sync", "--json"]);
                assert!([0, 4].contains(&object.code), "{what}: {object}");
                assert_eq!(object.json()["deleted"]["files"], 0, "{what}: {object}");
                world.json(&["relink", "--new-id"], 0);
                meets_for_the_first_time(&world, &what);
            }
        }
    }
    assert!(killed >= 12, "only {killed} kills");
}

/// Project files that a run opens to read them, below `root`.
#[cfg(unix)]
fn opened(ground: &Ground, root: &Path, words: &[&str]) -> usize {
    let log = ground.place("opened");
    let out = log.to_str().expect("plain");
    let tracer = ["strace", "-f", "-y", "-o", out, "-e", "trace=open,openat,openat2", "-e", "signal=none"];
    let ended = ground.traced(&tracer, words);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let text = fs::read_to_string(log).expect("the trace");
    let start = format!("<{}/", root.to_str().expect("plain"));
    let results = text.lines().filter(|line| !line.contains("O_PATH")).filter_map(|line| line.rsplit_once(" = "));
    results.filter(|(_, result)| result.contains(&start) && result.contains(".dat>")).count()
}

/// The digests of a base that was given up spare the reading; `--verify` and a file that changed are read.
#[cfg(unix)]
#[test]
fn ss_06_a_relinked_project_is_not_read_again() {
    let ground = Ground::new();
    for number in 0..20 {
        crate::ground::write(
            &ground.network.join(format!("d{}/f{number}.dat", number % 3)),
            b"content",
            crate::ground::then(number),
        );
    }
    ground.synced(&[]);
    // Their stamps are young until a second run has seen them rest.
    ground.synced(&[]);
    let relink = || assert!(ground.command(&[], &["relink"]).output().expect("the program starts").status.success());
    relink();
    assert_eq!(opened(&ground, &ground.network, &[]), 0, "nothing is read again");
    relink();
    assert_eq!(opened(&ground, &ground.network, &["--verify"]), 20);
    relink();
    lose(&ground.network);
    relink();
    crate::ground::write(&ground.network.join("d0/f0.dat"), b"content", crate::ground::then(500));
    assert_eq!(opened(&ground, &ground.network, &[]), 1, "one was written anew");
    // Its time was brought in step, and its stamp has to rest before it vouches.
    ground.synced(&[]);
    set(&ground.network, "id", &format!("{OTHER:?}"));
    relink();
    assert_eq!(opened(&ground, &ground.network, &[]), 20, "another root's files are read");
}
