//! A network root on sshfs that is cut off, stalls, drops out from under its path, and comes back, under a watch process.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{Watching, nothing_lost};
use crate::harness::{World, stands, wait_for, write, wrote_nothing};
use crate::services::{Server, Sshfs};
use crate::tree::{Content, Tree, content, temps};

/// How soon ten questions about how things stand are answered, whatever hangs.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Fields go in order: the process before the mount, the mount before its server.
struct Mounted {
    watching: Watching,
    mount: Option<Sshfs>,
    server: Server,
    served: PathBuf,
    options: &'static str,
    world: World,
    /// What was saved by anybody.
    saved: BTreeSet<Content>,
}

impl Mounted {
    fn new(options: &'static str, silence: &str) -> Mounted {
        let mut world = World::new();
        world.set("DRIFTLESS_DURABILITY", "none");
        world.set("DRIFTLESS_SILENCE", silence);
        let served = world.top().join("served");
        fs::create_dir(&served).expect("a folder to serve");
        for n in 0..40 {
            write(&served.join(format!("plate {}/well {n}.csv", n % 5)), format!("well {n}\n").repeat(n));
        }
        let server = Server::start(&world.top().join("server"));
        let mount = Some(server.mount(&served, &world.network, options));
        world.run(&["sync"]).ends_with(0);
        let watching = Watching::ready(&world, &[]);
        assert_eq!(watching.status()["roots"]["network"]["mode"], "polling");
        Mounted { watching, mount, server, served, options, world, saved: BTreeSet::new() }
    }

    fn saves(&mut self, at: Side, path: &str, text: &str) {
        let root = if at == Side::Staging { &self.world.staging } else { &self.served };
        write(&root.join(path), text);
        self.saved.insert(content(text.as_bytes()));
    }

    /// It says so, and goes on answering.
    fn is_offline(&self, phases: &[&str]) -> Value {
        let shown = self.watching.shows("that the root is away", |shown| phases.iter().any(|phase| shown["phase"] == *phase));
        assert!(shown["message"].as_str().is_some_and(|message| message.contains("network")), "{shown}");
        self.answers();
        shown
    }

    fn answers(&self) {
        let began = Instant::now();
        (0..10).for_each(|_| drop(self.watching.status()));
        assert!(began.elapsed() < AT_ONCE, "its status took {:?}, ten times", began.elapsed());
    }

    fn carried(&self, path: &str) {
        wait_for(&format!("{path} on both sides"), || {
            [&self.world.staging, &self.served].iter().all(|root| stands(&root.join(path)))
        });
    }

    /// The laws, as far as a mount keeps times and modes, seen on the server.
    fn laws(&mut self) {
        let world = &self.world;
        // Where it was mounted anew, deletes wait for one run.
        wait_for("a run that comes to its end", || world.run(&["sync", "--json"]).code == 0);
        Tree::coarse(&world.staging).assert_same(&Tree::coarse(&self.served), "staging against the server");
        assert_eq!(temps(&self.served), Vec::<PathBuf>::new(), "names in the making");
        let again = world.json(&["sync"], 0);
        wrote_nothing(&again);
        assert_eq!(again["via"], "watch", "{again}");
        nothing_lost(&[&world.staging, &self.served], &self.saved);
        self.watching.is_well();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Also where a test fails in between: nothing can be taken down while it hangs.
        if self.server.is_running() {
            self.server.wake();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Staging,
    Server,
}

#[test]
fn what_is_saved_while_the_server_is_away_arrives_when_it_is_back() {
    let mut world = Mounted::new("reconnect,dir_cache=no", "2s");
    world.saves(Side::Staging, "before", "before");
    world.carried("before");
    world.server.kill();
    for n in 0..20 {
        world.saves(Side::Staging, &format!("mine/{n}"), &format!("mine {n}"));
        world.saves(Side::Server, &format!("theirs/{n}"), &format!("theirs {n}"));
    }
    world.saves(Side::Staging, "plate 1/well 1.csv", "edited");
    fs::remove_file(world.world.staging.join("plate 2/well 2.csv")).expect("removed");
    world.is_offline(&["offline"]);
    world.world.run(&["status"]).ends_with(0).says("offline");
    world.server.resume();
    (0..20).for_each(|n| [format!("mine/{n}"), format!("theirs/{n}")].iter().for_each(|path| world.carried(path)));
    world.laws();
    assert!(!stands(&world.served.join("plate 2/well 2.csv")));
}

#[test]
fn what_is_saved_while_the_server_says_nothing_arrives_when_it_speaks() {
    let mut world = Mounted::new("dir_cache=no", "2s");
    world.server.stall();
    world.saves(Side::Staging, "mine/a", "mine");
    world.saves(Side::Server, "theirs/a", "theirs");
    world.is_offline(&["offline"]);
    let began = Instant::now();
    world.world.run(&["status"]).says("offline");
    assert!(began.elapsed() < Duration::from_secs(10), "`status` took {:?}", began.elapsed());
    world.saves(Side::Staging, "mine/b", "mine, too");
    world.answers();
    world.server.wake();
    ["mine/a", "mine/b", "theirs/a"].iter().for_each(|path| world.carried(path));
    world.laws();
}

#[test]
fn a_mount_that_drops_out_leaves_an_empty_folder_that_nobody_believes() {
    let mut world = Mounted::new("", "2s");
    world.server.kill();
    world.mount.as_ref().expect("mounted").wait_gone();
    world.saves(Side::Staging, "mine/a", "mine");
    world.saves(Side::Server, "theirs/a", "theirs");
    let before = Tree::of(&world.world.staging);
    world.is_offline(&["offline", "stuck"]);
    before.assert_same(&Tree::of(&world.world.staging), "staging");
    assert_eq!(fs::read_dir(&world.world.network).expect("a local folder").count(), 0, "written below the mount");
    world.mount = None;
    world.server.resume();
    world.mount = Some(world.server.mount(&world.served, &world.world.network, world.options));
    ["mine/a", "theirs/a"].iter().for_each(|path| world.carried(path));
    world.laws();
}

/// Nothing that hangs in the kernel keeps it from ending.
#[test]
fn sigterm_ends_it_soon_also_where_its_root_hangs() {
    let mut world = Mounted::new("dir_cache=no", "20s");
    world.server.stall();
    world.saves(Side::Staging, "mine", "mine");
    world.watching.shows("a run that hangs", |shown| shown["phase"] == "running");
    let began = Instant::now();
    world.watching.signal(Signal::TERM);
    world.watching.ends().ends_with(143);
    assert!(began.elapsed() < Duration::from_secs(15), "it took {:?}", began.elapsed());
    world.server.wake();
    world.watching = Watching::ready(&world.world, &[]);
    world.carried("mine");
    world.laws();
}
