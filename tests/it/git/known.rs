//! What is known of the remote, and under which names: no slow process sets it back, no two branches share it.

use std::process::{Child, Stdio};

use super::faults::script;
use super::{Hub, commit, git, head, ours, sound};
use crate::harness::{Ended, read, wait_for, write};

impl Hub {
    /// From now on git is a script that does `before` and then is git.
    pub fn wrap(&mut self, before: &str) {
        let path = std::env::join_paths([self.top().join("bin")]).expect("a path").into_string().expect("text");
        script(&self.top().join("bin/git"), &format!("{before}\nPATH=${{PATH#*:}}; export PATH; exec git \"$@\""));
        self.world.set("PATH", &format!("{path}:/usr/local/bin:/usr/bin:/bin"));
    }

    /// The program, whose git waits at `HOLD` until it is let go.
    fn held(&self, clone: &std::path::Path, words: &[&str]) -> Child {
        let mut command = self.world.command(clone, &[&["git"], words].concat());
        command.env("HOLD", "update-ref").stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        wait_for("the step", || self.top().join("held").exists());
        child
    }

    fn let_go(&self, child: Child) -> Ended {
        write(&self.top().join("go"), "");
        Ended::of(child.wait_with_output().expect("it ends"))
    }

    fn holding() -> Hub {
        let mut hub = Hub::new();
        let top = hub.top().display().to_string();
        hub.wrap(&format!(
            "[ -n \"$HOLD\" ] && [ ! -e {top}/go ] && for word in \"$@\"; do\n\
             [ \"$word\" = \"$HOLD\" ] && {{ : >{top}/held; while [ ! -e {top}/go ]; do sleep 0.02; done; }}\ndone"
        ));
        hub
    }

    /// Somebody puts another commit in the place of all that came after his own.
    fn rewrite(&self) {
        let other = self.top().join("first");
        write(&other.join("zero.txt"), "rewritten\n");
        commit(&other, "rewritten");
        git(&other, &["push", "-q", "--force", "origin", "main"]);
    }
}

/// A look that began before a publish ends after it: what it saw is older, and a force push later takes nothing away.
#[test]
fn rc_05_a_slow_look_does_not_set_back_what_is_known() {
    let hub = Hub::holding();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    hub.moves();
    let look = hub.held(&clone, &["state"]);
    write(&clone.join("s"), "published\n");
    assert_eq!(hub.json(&clone, &["publish", "s", "-m", "s"], 0)["result"], "pushed");
    hub.let_go(look).ends_with(0);
    assert_eq!(git(&clone, &["rev-parse", "refs/driftless/remote/origin/main"]), hub.tip());
    assert_eq!(ours(&clone, "incoming"), [] as [&str; 0]);
    hub.rewrite();
    assert_eq!(hub.at_tip("s"), None);
    hub.run(&clone, &["sync"]).ends_with(0);
    assert_eq!((hub.at_tip("s").as_deref(), hub.at_tip("zero.txt").as_deref()), (Some("published\n"), Some("rewritten\n")));
    sound(&clone);
}

/// What was taken out of the remote's history between the push and its being written down is no success yet.
#[test]
fn rc_05_what_is_gone_again_before_it_is_written_down_is_pushed_again() {
    let hub = Hub::holding();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    write(&clone.join("s"), "published\n");
    let publish = hub.held(&clone, &["publish", "s", "-m", "s"]);
    assert_eq!(hub.at_tip("s").as_deref(), Some("published\n"), "it was pushed");
    hub.rewrite();
    hub.json(&clone, &["state"], 0);
    hub.let_go(publish).ends_with(0).says("ublished");
    assert_eq!((hub.at_tip("s").as_deref(), hub.at_tip("zero.txt").as_deref()), (Some("published\n"), Some("rewritten\n")));
    assert_eq!(ours(&clone, "pending"), [] as [&str; 0]);
    sound(&clone);
}

/// Following another branch than its own says nothing about its own.
#[test]
fn gs_02_gits_own_memory_is_moved_for_its_own_branch_alone_and_forward() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let (main, other) = (hub.tip(), hub.top().join("first"));
    commit(&other, "of another branch");
    git(&other, &["push", "-q", "origin", "HEAD:other"]);
    hub.json(&clone, &["sync", "--branch", "other"], 0);
    let tracking = || git(&clone, &["rev-parse", "refs/remotes/origin/main"]);
    assert_eq!((head(&clone), tracking()), (head(&other), main));
    git(&other, &["push", "-q", "origin", "main"]);
    commit(&other, "more");
    git(&other, &["push", "-q", "origin", "main"]);
    hub.json(&clone, &["sync"], 0);
    assert_eq!((head(&clone), tracking()), (hub.tip(), hub.tip()));
    let newest = tracking();
    git(&other, &["reset", "-q", "--hard", "HEAD~2"]);
    hub.rewrite();
    hub.json(&clone, &["sync"], 0);
    assert_eq!((head(&clone), tracking()), (hub.tip(), newest), "it does not go back");
}

/// A branch that is gone is no folder, and stands in nobody's way.
#[test]
fn gs_01_a_branch_that_is_gone_does_not_block_one_below_its_name() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    for branch in ["feature", "feature/x"] {
        git(&hub.bare, &["branch", branch, "main"]);
        write(&clone.join("s"), format!("{branch}\n"));
        let published = hub.json(&clone, &["publish", "s", "-m", "s", "--branch", branch, "--on-conflict", "ours"], 0);
        assert_eq!(published["result"], "pushed", "{published}");
        hub.run(&clone, &["state", "--branch", branch]).ends_with(0);
        let away = hub.top().join("away.git");
        std::fs::rename(&hub.bare, &away).expect("away");
        write(&clone.join("s"), format!("{branch}, waiting\n"));
        assert_eq!(hub.json(&clone, &["publish", "s", "-m", "s", "--branch", branch], 0)["result"], "deferred");
        std::fs::rename(&away, &hub.bare).expect("back");
        git(&hub.bare, &["branch", "-q", "-D", branch]);
    }
    assert_eq!(ours(&clone, "pending").len(), 2, "each under the name of its branch");
    assert_eq!(read(&clone.join("s")), "feature/x, waiting\n");
}
