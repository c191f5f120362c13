//! Two watch processes with a staging folder each on one network root, and people who save on all three at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Signal, geteuid};

use super::{Watching, nothing_lost};
use crate::harness::{World, paths, read, stands, wait_for, write};
use crate::tree::{Content, Tree, content, temps};

/// Two worlds on one network root: that of the first one.
fn worlds() -> [World; 2] {
    let mut worlds = [World::new(), World::new()];
    worlds[1].network = worlds[0].network.clone();
    write(&worlds[0].network.join("d0/f0"), "of old");
    for world in &mut worlds {
        world.set("DRIFTLESS_DURABILITY", "none");
        world.run(&["sync", "down"]).ends_with(0);
    }
    worlds
}

/// The watch process of a machine of that name.
fn watch(world: &World, host: &str) -> Watching {
    // Another name needs a namespace, and that needs root.
    let before = ["unshare", "--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\"", host];
    Watching::start_by(world, if geteuid().is_root() { &before } else { &[] }, &[])
}

/// Somebody who works below a root.
struct Person {
    root: PathBuf,
    /// Where new versions are written before they are renamed into place.
    desk: PathBuf,
    name: &'static str,
    random: u64,
    /// What they saved last at each path, and neither replaced nor deleted themselves.
    saved: BTreeMap<String, Content>,
}

impl Person {
    fn new(root: &Path, desk: PathBuf, name: &'static str, seed: u64) -> Person {
        Person { root: root.to_owned(), desk, name, random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, saved: BTreeMap::new() }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % below
    }

    fn path(&mut self) -> String {
        format!("d{}/f{}", self.draw(3), self.draw(5))
    }

    fn works(&mut self, steps: u32) {
        for step in 0..steps {
            let path = self.path();
            let at = self.root.join(&path);
            match self.draw(20) {
                0..12 => {
                    let text = format!("{} in step {step}\n", self.name).repeat(1 + self.draw(200) as usize);
                    if self.draw(3) == 0 {
                        write(&self.desk, &text);
                        fs::create_dir_all(at.parent().expect("a folder")).expect("folders");
                        fs::rename(&self.desk, &at).expect("renamed into place");
                    } else {
                        write(&at, &text);
                    }
                    self.saved.insert(path, content(text.as_bytes()));
                }
                12..16 => {
                    // It may not be there.
                    drop(fs::remove_file(&at));
                    self.saved.remove(&path);
                }
                16..18 => {
                    let other = self.path();
                    let there = self.root.join(&other);
                    fs::create_dir_all(there.parent().expect("a folder")).expect("folders");
                    if path != other && fs::rename(&at, &there).is_ok() {
                        self.saved.remove(&other);
                        let carried = self.saved.remove(&path);
                        self.saved.extend(carried.map(|version| (other, version)));
                    }
                }
                _ => std::thread::sleep(Duration::from_millis(self.draw(60))),
            }
        }
    }
}

/// Settles every conflict and syncs by both until nobody has anything to do; then the laws.
fn come_to_rest(worlds: &[World; 2], watching: &mut [Watching; 2], saved: &BTreeSet<Content>) {
    wait_for("rest on both machines", || {
        // Both are asked, whatever the first one says.
        let rested: Vec<bool> = worlds
            .iter()
            .map(|world| {
                let listed = world.json(&["conflicts", "list"], 0);
                if paths(&listed, "conflicts").is_empty() {
                    let synced = world.run(&["sync", "--json"]);
                    assert!([0, 3, 4, 6].contains(&synced.code), "{synced}");
                    let object = synced.json();
                    return synced.code == 0 && object["written"]["files"] == 0 && object["deleted"]["files"] == 0;
                }
                world.run(&["conflicts", "resolve", "--all", "--keep", "both"]);
                false
            })
            .collect();
        rested.iter().all(|rested| *rested)
    });
    for (world, watching) in worlds.iter().zip(watching) {
        watching.laws(world, &BTreeSet::new());
    }
    let roots = [&worlds[0].network, &worlds[0].staging, &worlds[1].staging].map(PathBuf::as_path);
    for root in roots {
        Tree::of(root).assert_same(&Tree::of(roots[0]), "a root against the network root");
        assert_eq!(temps(root), Vec::<PathBuf>::new());
    }
    nothing_lost(&roots, saved);
}

/// `DRIFTLESS_SEED` for the seed of one that failed.
#[test]
fn they_converge_and_lose_nothing_although_one_is_killed_again_and_again() {
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let seed = std::env::var("DRIFTLESS_SEED").ok().map_or_else(clock, |text| text.parse().expect("a number"));
    eprintln!("seed {seed}");
    let worlds = worlds();
    let mut watching = [watch(&worlds[0], "lab1"), watch(&worlds[1], "lab2")];
    watching.iter_mut().for_each(|watching| watching.waits_for("ready"));
    let desk = |name: &str| worlds[0].top().join("desks").join(name);
    let mut people = [
        Person::new(&worlds[0].staging, desk("one"), "the first", seed),
        Person::new(&worlds[1].staging, desk("two"), "the second", seed ^ 0xABCD),
        Person::new(&worlds[0].network, desk("three"), "the third", seed ^ 0x1234),
    ];
    for round in 0..3 {
        std::thread::scope(|scope| {
            people.iter_mut().for_each(|person| drop(scope.spawn(|| person.works(60))));
            let [first, second] = &mut watching;
            first.signal(Signal::KILL);
            first.ends().ends_with(-9);
            let name = format!("after kill {round}");
            let began = Instant::now();
            write(&worlds[1].staging.join(&name), &name);
            wait_for("what the other one carries", || stands(&worlds[0].network.join(&name)));
            assert!(began.elapsed() < Duration::from_secs(10), "it waited for the dead one: {:?}", began.elapsed());
            second.is_alive();
            *first = watch(&worlds[0], "lab1");
            first.waits_for("ready");
        });
    }
    let saved = people.iter().flat_map(|person| person.saved.values().copied()).collect();
    come_to_rest(&worlds, &mut watching, &saved);
}

#[test]
fn what_both_edited_is_listed_where_it_comes_second() {
    let worlds = worlds();
    let mut watching = [watch(&worlds[0], "lab1"), watch(&worlds[1], "lab2")];
    watching.iter_mut().for_each(|watching| watching.waits_for("ready"));
    for world in &worlds {
        world.run(&["pause"]).ends_with(0);
    }
    write(&worlds[0].staging.join("d0/f0"), "of the first");
    write(&worlds[1].staging.join("d0/f0"), "of the second");
    worlds[0].run(&["resume"]).ends_with(0);
    wait_for("the first one's version", || read(&worlds[0].network.join("d0/f0")) == "of the first");
    worlds[1].run(&["resume"]).ends_with(0);
    watching[1].shows("a conflict", |shown| shown["conflicts"] == 1);
    assert_eq!(paths(&worlds[1].json(&["conflicts", "list"], 0), "conflicts"), ["d0/f0"]);
    assert_eq!(watching[0].status()["conflicts"], 0);
    assert_eq!(read(&worlds[1].staging.join("d0/f0")), "of the second");
    let saved = ["of old", "of the first", "of the second"].map(|text| content(text.as_bytes()));
    come_to_rest(&worlds, &mut watching, &saved.into());
}
