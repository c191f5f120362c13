//! `fixtures/lab-workflow` in a real container, on a project that lies on sshfs: steps told from inside, the drive cut in the middle
//! and returned, Ctrl-C, and at the end both sides equal.
//!
//! Needs Docker's engine and Compose, a static busybox and sqlite3, besides what `mount` needs.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::Running;
use crate::harness::{World, read, stands, wait_for};
use crate::services::{Engine, Server, Sshfs, run};
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
        let engine = Engine::start(&world.top().join("engine"));
        engine.does(&fixture().join("make-image"));
        world.set("DOCKER_HOST", engine.host());
        if let Ok(folder) = std::env::var("DOCKER_CONFIG") {
            world.set("DOCKER_CONFIG", &folder);
        }
        world.set("CONTROL_PATH", control.to_str().expect("text"));
        world.set("DRIFTLESS_SILENCE", "2s");
        let server = Server::start(&world.top().join("server"));
        let mount = server.mount(&served, &world.network, "reconnect,dir_cache=no");
        Lab { engine, _mount: mount, server, served, control, world }
    }

    fn begins(&self) -> Running {
        let words = [&["run", "--wait", "1s", "--"], self.engine.compose(), &["up", "--exit-code-from", "workflow"]].concat();
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
    wait_for("the mount to answer", || lab.world.network.join("workflow").exists());
    running.signal(Signal::INT);
    let ended = running.ends();
    // The code is Compose's own, and differs between its versions.
    ended.says("Step import synced to the network").says("Step align ended, its results are kept in staging");
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
