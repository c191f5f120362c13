//! `fixtures/lab-workflow` in a real container, on a project that lies on sshfs: steps told from inside, the drive cut in the middle
//! and returned, Ctrl-C, and at the end both sides equal.
//!
//! Needs podman, runc, a static busybox and sqlite3, besides what `mount` needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::Running;
use crate::harness::{World, read, stands, wait_for};
use crate::services::{Server, Sshfs, run};
use crate::tree::Tree;

/// Fields go in order: containers, the mount, its server.
struct Lab {
    engine: Engine,
    _mount: Sshfs,
    server: Server,
    served: PathBuf,
    control: PathBuf,
    world: World,
}

/// A container engine that has nothing but this test's image.
struct Engine(Vec<(&'static str, String)>);

impl Engine {
    fn new(folder: &Path) -> Engine {
        let at = |name: &str| folder.join(name).to_str().expect("text").to_owned();
        fs::create_dir(folder).expect("its folder");
        // What works without systemd, without a network of its own, and within the limits of a test's machine.
        let limits = "default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\nnetns = \"none\"\n";
        let engine = "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n";
        fs::write(at("containers.conf"), format!("[containers]\n{limits}{engine}")).expect("written");
        let places = format!("graphroot = \"{}\"\nrunroot = \"{}\"\n", at("images"), at("run"));
        fs::write(at("storage.conf"), format!("[storage]\ndriver = \"vfs\"\n{places}")).expect("written");
        Engine(vec![("CONTAINERS_CONF", at("containers.conf")), ("CONTAINERS_STORAGE_CONF", at("storage.conf"))])
    }

    #[track_caller]
    fn does(&self, program: &Path, words: &[&str]) {
        let output = Command::new(program).args(words).envs(self.0.iter().map(|(name, value)| (name, value))).output();
        let output = output.unwrap_or_else(|error| panic!("{program:?} cannot be started ({error}); is podman installed?"));
        assert!(output.status.success(), "{program:?} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut command = Command::new("podman");
        let _ = command
            .args(["rm", "--all", "--force", "--time", "0"])
            .envs(self.0.iter().map(|(name, value)| (name, value)))
            .output();
    }
}

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab-workflow")
}

impl Lab {
    fn new() -> Lab {
        let mut world = World::new();
        let [served, control] = ["served", "control"].map(|name| world.top().join(name));
        run("cp", &["-r", fixture().join("project").to_str().expect("text"), served.to_str().expect("text")]);
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients/step.sh");
        fs::copy(client, served.join("workflow/step.sh")).expect("a copy");
        fs::create_dir(&control).expect("a folder");
        let engine = Engine::new(&world.top().join("engine"));
        engine.does(&fixture().join("make-image"), &[]);
        engine.0.iter().for_each(|(name, value)| world.set(name, value));
        world.set("CONTROL_PATH", control.to_str().expect("text"));
        world.set("DRIFTLESS_SILENCE", "2s");
        let server = Server::start(&world.top().join("server"));
        let mount = server.mount(&served, &world.network, "reconnect,dir_cache=no");
        Lab { engine, _mount: mount, server, served, control, world }
    }

    fn begins(&self) -> Running {
        let up = fixture().join("up");
        let words = ["run", "--wait", "1s", "--", up.to_str().expect("text"), "import", "align", "report"];
        Running::of(self.world.command(&self.world.network, &words), &self.world)
    }

    fn copy(&self) -> PathBuf {
        self.world.state.join(".staging/network")
    }

    /// Both sides are equal, and what the workflow wrote can be read on the drive.
    fn in_step(&self, steps: &str) {
        // The database is one thing with its log, and has none on the drive.
        let [staging, served] = [self.copy(), self.served.clone()].map(|root| Tree::coarse(&root));
        let database = self.served.join("workflow.db");
        let asked = run(
            "sqlite3",
            &[database.to_str().expect("text"), "PRAGMA integrity_check; SELECT step FROM history ORDER BY rowid;"],
        );
        assert_eq!(asked.replace('\n', " "), format!("ok {steps}"));
        staging.assert_same(&served, "staging against the server");
    }

    fn has(&self, path: &str) -> bool {
        stands(&self.served.join(path))
    }
}

#[test]
fn ss_10_to_16_a_workflow_in_a_container_survives_a_cut_drive_and_ctrl_c() {
    let mut lab = Lab::new();
    fs::write(lab.control.join("hang"), "").expect("written");
    let running = lab.begins();
    wait_for("the step align", || stands(&lab.control.join("aligning")));
    // The first step is on the drive, and nothing of the second.
    assert!(lab.has(".workflow_status/import.success") && lab.has("workflow.db"));
    assert!(!lab.has("results/align.csv.part") && !lab.has(".workflow_status/align.running"));
    lab.server.kill();
    fs::write(lab.control.join("go"), "").expect("written");
    wait_for("the step report, without the drive", || stands(&lab.control.join("reporting")));
    lab.server.resume();
    wait_for("the mount to answer", || stands(&lab.world.network.join("workflow")));
    running.signal(Signal::INT);
    let ended = running.ends();
    ended.ends_with(130).says("Step import synced to the network").says("Step align ended, its results are kept in staging");
    assert_eq!(read(&lab.served.join("results/align.csv")), "plate-1|20\nplate-2|20\nplate-3|20\n", "{ended}");
    assert!(read(&lab.served.join(".workflow_logs/manager.log")).contains("asked to stop"));
    lab.in_step("import align");
    // The next run goes on where it stopped, with what somebody added on the drive meanwhile.
    fs::remove_file(lab.control.join("hang")).expect("removed");
    fs::write(lab.served.join("data/note.txt"), "a note\n").expect("written");
    lab.begins().ends().ends_with(0).says("Step report synced to the network");
    assert!(stands(&lab.copy().join("data/note.txt")));
    assert_eq!(read(&lab.served.join("results/report.txt")), "plates:\nplate-1|20\nplate-2|20\nplate-3|20\n1260\n");
    lab.in_step("import align report");
    drop(lab.engine);
}
