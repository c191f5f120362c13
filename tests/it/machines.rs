//! One network root, several who use it: two state folders on the same two roots, and two machines with a staging folder
//! each, which work at the same time.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::ground::Ground;
use crate::harness::{Ended, World, is_root, paths, read, stands, wait_for, write};
use crate::services::Server;
use crate::tree::Tree;

/// Two state folders for the same two roots: two users, or a `DRIFTLESS_HOME` each.
struct Shared {
    world: World,
    states: [PathBuf; 2],
}

impl Shared {
    fn new(files: &[(&str, &str)]) -> Shared {
        let world = World::paired(files);
        let states = [world.state.clone(), world.top().join("another-state")];
        Shared { world, states }
    }

    /// The roots as the user `number` has them.
    fn by(&mut self, number: usize) -> &World {
        self.world.state.clone_from(&self.states[number]);
        &self.world
    }
}

const MEANWHILE: &str = "another state folder has synchronised this staging folder since";

/// They alternate: every edit arrives; a delete that the other one's run comes before is brought back, never the reverse.
#[test]
fn ss_11_two_state_folders_take_turns() {
    let mut shared = Shared::new(&[("a", "a"), ("gone", "g")]);
    shared.by(1).run(&["sync"]).ends_with(0).says("no record of the pair");
    for (turn, name) in [(0, "a"), (1, "b"), (0, "c"), (1, "a"), (1, "a"), (0, "b")] {
        let world = shared.by(turn);
        write(&world.staging.join(name), format!("{name} of {turn}"));
        write(&world.network.join(format!("n-{name}")), format!("there, {name} of {turn}"));
        let object = world.json(&["sync"], 0);
        assert_eq!((&object["deleted"]["files"], paths(&object, "conflicts")), (&json!(0), Vec::new()), "{object}");
        world.trees().0.assert_same(&world.trees().1, "both roots");
        assert_eq!(read(&world.network.join(name)), format!("{name} of {turn}"));
    }
    // Both have a base, and the stamps in it have rested.
    [0, 1, 0, 1].iter().for_each(|&turn| drop(shared.by(turn).json(&["sync"], 0)));
    // Deletes go through, whoever's turn it is: the other side shows that nobody touched the file since.
    let world = shared.by(0);
    fs::remove_file(world.staging.join("gone")).expect("removed");
    let object = world.json(&["sync"], 0);
    assert!(object["notes"].to_string().contains(MEANWHILE), "{object}");
    assert_eq!(object["deleted"]["files"], 1, "{object}");
    let world = shared.by(1);
    fs::remove_file(world.network.join("n-a")).expect("removed");
    let dry = world.json(&["sync", "--dry-run"], 0);
    let object = world.json(&["sync"], 0);
    for object in [&dry, &object] {
        assert!(object["notes"].to_string().contains(MEANWHILE), "{object}");
        assert_eq!((&object["deleted"]["files"], &object["written"]["files"]), (&json!(1), &json!(0)), "{object}");
    }
    let object = world.json(&["sync"], 0);
    assert!(!object["notes"].to_string().contains(MEANWHILE), "{object}");
    world.in_step();
}

/// A run for a PATH leaves the rest of an overtaken base as doubtful as it was.
#[test]
fn ss_11_a_path_run_does_not_vouch_for_the_rest() {
    let mut shared = Shared::new(&[("f", "one"), ("other", "o")]);
    shared.by(1).json(&["sync"], 0);
    let world = shared.by(1);
    fs::remove_file(world.staging.join("f")).expect("removed");
    world.json(&["sync"], 0);
    write(&world.network.join("f"), "one");
    let world = shared.by(0);
    write(&world.staging.join("other"), "edited");
    world.json(&["sync", "other"], 0);
    // Nor has the other one a true base now.
    let dry = shared.by(1).json(&["sync", "--dry-run"], 0);
    assert!(dry["notes"].to_string().contains(MEANWHILE), "{dry}");
    let world = shared.by(0);
    // A direction that cannot bring it back does not settle the matter either.
    assert_eq!(world.json(&["sync", "up"], 0)["deleted"]["files"], 0);
    assert_eq!(world.json(&["sync", "up"], 0)["deleted"]["files"], 0);
    assert_eq!(world.json(&["sync"], 0)["written"]["files"], 1);
    assert!(stands(&world.staging.join("f")));
    world.in_step();
}

/// A file that the other one's run deleted, and that somebody made again as it was: to the older base it looks untouched
/// there and deleted here.
#[test]
fn ss_11_a_file_made_again_is_not_deleted_by_an_older_base() {
    let mut shared = Shared::new(&[("f", "one"), ("other", "o")]);
    shared.by(1).json(&["sync"], 0);
    let world = shared.by(1);
    fs::remove_file(world.staging.join("f")).expect("removed");
    assert_eq!(world.json(&["sync"], 0)["deleted"]["files"], 1);
    write(&world.network.join("f"), "one");
    let world = shared.by(0);
    assert_eq!(world.json(&["sync"], 0)["deleted"]["files"], 0);
    assert_eq!((read(&world.staging.join("f")), read(&world.network.join("f"))), ("one".into(), "one".into()));
}

/// An edit that takes a file back to what the older base holds is an edit all the same.
#[test]
fn ss_11_an_edit_back_is_not_overwritten_by_an_older_base() {
    let mut shared = Shared::new(&[("f", "one")]);
    shared.by(1).json(&["sync"], 0);
    let world = shared.by(1);
    write(&world.staging.join("f"), "two, longer");
    world.json(&["sync"], 0);
    write(&world.network.join("f"), "one");
    let world = shared.by(0);
    assert_eq!(paths(&world.json(&["sync"], 3), "conflicts"), ["f"]);
    assert_eq!(read(&world.network.join("f")), "one");
}

/// The lock lies in staging: the second state folder's run waits for the first one's.
#[test]
fn ss_11_two_state_folders_share_the_lock() {
    let mut shared = Shared::new(&[("a", "a")]);
    let file = fs::OpenOptions::new().write(true).open(shared.world.staging.join(".driftless/lock")).expect("the lock file");
    file.lock().expect("locked");
    shared.by(1).run(&["sync", "--wait", "0s"]).ends_with(8);
}

/// One machine: a host name, a staging folder and a state folder of its own.
struct Machine {
    host: &'static str,
    /// The shared folder as this machine sees it, and on its server.
    network: PathBuf,
    served: PathBuf,
    staging: PathBuf,
    state: PathBuf,
}

impl Machine {
    fn new(top: &Path, host: &'static str, network: &Path, served: &Path) -> Machine {
        let staging = top.join(host);
        fs::create_dir(&staging).expect("a staging folder");
        let [network, served] = [network, served].map(Path::to_owned);
        Machine { host, network, served, staging, state: top.join(format!("state-{host}")) }
    }

    fn start(&self, words: &[&str]) -> Child {
        // A UTS namespace: the host name is the kernel's own there.
        let mut command = Command::new("unshare");
        command.args(["--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\"", self.host, env!("CARGO_BIN_EXE_driftless")]);
        command.args(words).arg("--json").arg("--network").arg(&self.network).arg("--staging").arg(&self.staging);
        command.env("DRIFTLESS_HOME", &self.state).env("DRIFTLESS_DURABILITY", "none");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("unshare starts")
    }

    fn end(&self, child: Child) -> Value {
        let ended = Ended::of(child.wait_with_output().expect("it ends"));
        // Conflicts and files that were busy are to be expected; nothing else.
        assert!([0, 3, 6].contains(&ended.code), "{}: {ended}", self.host);
        ended.json()
    }

    fn sync(&self) -> Value {
        self.end(self.start(&["sync"]))
    }

    /// Adds a line, as a program that keeps a log does: what was read before stays.
    fn add(&self, name: &str, line: &str, said: &mut BTreeSet<String>) {
        let path = self.staging.join(name);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("open");
        writeln!(file, "{line}").expect("written");
        said.insert(line.to_owned());
    }
}

/// All lines in all files below a folder, the tool's own folders included.
fn lines(folder: &Path, found: &mut BTreeSet<String>) {
    for item in fs::read_dir(folder).expect("a listing") {
        let path = item.expect("an entry").path();
        match fs::symlink_metadata(&path).expect("a look").is_dir() {
            true => lines(&path, found),
            false => found.extend(String::from_utf8_lossy(&fs::read(&path).expect("read")).lines().map(str::to_owned)),
        }
    }
}

/// What a person does with a conflict: puts both versions into one file, on both sides.
fn settle(machine: &Machine, object: &Value) {
    for name in paths(object, "conflicts") {
        let both = [machine.staging.join(name), machine.served.join(name)];
        let mut all = BTreeSet::new();
        for text in both.iter().filter(|path| stands(path)).map(|path| read(path)) {
            all.extend(text.lines().map(str::to_owned));
        }
        let text: String = all.iter().map(|line| format!("{line}\n")).collect();
        both.iter().for_each(|path| fs::write(path, &text).expect("written"));
    }
}

/// Rounds of work on both machines at once, then a quiet end: every line that anybody wrote is somewhere.
fn work_together(machines: &[Machine; 2], rounds: usize) {
    let mut said = BTreeSet::new();
    let mut let_go = BTreeSet::new();
    let [one, two] = machines;
    let mut conflicts = 0;
    for round in 0..rounds {
        for (machine, name) in [(one, round % 6), (two, (round * 3 + 1) % 6)] {
            machine.add(&format!("f{name}"), &format!("{} in round {round}", machine.host), &mut said);
        }
        if round % 4 == 2 {
            // One deletes what the other one edits.
            let (path, name) = (one.staging.join("f5"), "f5");
            if stands(&path) {
                let_go.extend(read(&path).lines().map(str::to_owned));
                fs::remove_file(&path).expect("removed");
            }
            two.add(name, &format!("lab2 saves it in round {round}"), &mut said);
        }
        let running = [one.start(&["sync"]), two.start(&["sync"])];
        for machine in machines {
            // While they run.
            machine.add(&format!("log-{}", machine.host), &format!("{} meanwhile, {round}", machine.host), &mut said);
            machine.add("f0", &format!("{} at f0 meanwhile, {round}", machine.host), &mut said);
        }
        let ended = running.into_iter().zip(machines).map(|(child, machine)| machine.end(child)).collect::<Vec<_>>();
        for (object, machine) in ended.iter().zip(machines) {
            conflicts += paths(object, "conflicts").len();
            if round % 3 == 2 {
                settle(machine, object);
            }
        }
    }
    assert!(conflicts > 0, "both edited the same file, and nobody noticed");
    quiet(machines);
    let mut found = BTreeSet::new();
    [&one.served, &one.staging, &two.staging].iter().for_each(|root| lines(root, &mut found));
    let lost: Vec<&String> = said.iter().filter(|line| !found.contains(*line) && !let_go.contains(*line)).collect();
    assert!(lost.is_empty(), "{} of {} lines are nowhere: {lost:#?}", lost.len(), said.len());
}

/// Nobody writes any more: after some runs all three folders hold the same. (A mount's cache may take its time.)
fn quiet(machines: &[Machine; 2]) {
    wait_for("two machines coming to rest", || {
        let objects = machines.each_ref().map(Machine::sync);
        objects.iter().zip(machines).for_each(|(object, machine)| settle(machine, object));
        let none = json!({"files": 0, "dirs": 0, "symlinks": 0, "bytes": 0});
        let still = |object: &Value| object["written"] == none && object["adopted"] == 0 && object["exit_code"] == 0;
        let expected = lines_by_file(&machines[0].served);
        objects.iter().all(still) && machines.iter().all(|machine| lines_by_file(&machine.staging) == expected)
    });
}

fn lines_by_file(root: &Path) -> Vec<(String, String)> {
    let names = Tree::of(root).names();
    names.into_iter().map(|name| (name.clone(), read(&root.join(name)))).collect()
}

/// Two machines on one share, twenty rounds at the same time.
#[test]
fn ss_11_two_machines_lose_nothing() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let (top, network) = (world.top(), world.network.clone());
    let machines = ["lab1", "lab2"].map(|host| Machine::new(&top, host, &network, &network));
    work_together(&machines, 20);
}

/// The same with one of them on a real network mount, whose answers are late.
#[test]
fn ss_11_two_machines_one_of_them_on_sshfs() {
    let ground = Ground::new();
    let (served, point) = (ground.place("served"), ground.place("mounted"));
    [&served, &point].iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
    let server = Server::start(&ground.place("server"));
    // Names and sizes that are a second old, where sshfs would keep them for twenty.
    let _mount = server.mount(&served, &point, "dcache_timeout=1");
    let top = ground.staging.parent().expect("a folder").to_owned();
    let machines = [Machine::new(&top, "lab1", &served, &served), Machine::new(&top, "lab2", &point, &served)];
    work_together(&machines, 6);
}

/// A delete on one machine and an edit on the other: the edit wins, whoever comes first.
#[test]
fn ss_11_an_edit_beats_another_machines_delete() {
    if !is_root() {
        return;
    }
    for first in [0, 1] {
        let world = World::new();
        ["a", "b"].iter().for_each(|name| write(&world.network.join(name), "old"));
        let top = world.top();
        let machines = ["lab1", "lab2"].map(|host| Machine::new(&top, host, &world.network, &world.network));
        machines.iter().for_each(|machine| drop(machine.sync()));
        fs::remove_file(machines[0].staging.join("a")).expect("removed");
        write(&machines[1].staging.join("a"), "edited");
        for number in [first, 1 - first, first] {
            machines[number].sync();
        }
        for root in [&world.network, &machines[0].staging, &machines[1].staging] {
            assert_eq!(read(&root.join("a")), "edited", "{}", root.display());
        }
    }
}
