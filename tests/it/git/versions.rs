//! Each git that the machine has, and one that is too old.

use std::path::PathBuf;

use super::faults::script;
use super::{Hub, commit, git, head, ours, sound};
use crate::harness::{read, write};

/// One of each version. More are named in `DRIFTLESS_GITS`, with colons between.
fn installed() -> Vec<(PathBuf, String)> {
    let named = std::env::var_os("DRIFTLESS_GITS").unwrap_or_default();
    let usual = ["/usr/local/bin/git", "/usr/bin/git"].map(PathBuf::from);
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for program in std::env::split_paths(&named).chain(usual) {
        let Ok(told) = std::process::Command::new(&program).arg("version").output() else { continue };
        let version = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        if told.status.success() && found.iter().all(|(_, other)| *other != version) {
            found.push((program, version));
        }
    }
    found
}

/// All that is asked of git, once: look, follow with a backup, publish, wait, deliver on another tip, tick, force, unlock.
#[test]
fn each_git_of_the_machine_does_all_of_it() {
    let installed = installed();
    assert!(!installed.is_empty(), "there is a git");
    for (program, version) in installed {
        let mut hub = Hub::new();
        std::os::unix::fs::symlink(&program, hub.top().join("that-git")).expect("a link");
        let path = hub.top().join("bin");
        script(&path.join("git"), &format!("exec {} \"$@\"", program.display()));
        hub.world.set("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", path.display()));
        let clone = hub.clone("mine", Some("1"));
        hub.moves();
        write(&clone.join("edit.txt"), "mine\n");
        write(&clone.join("new.txt"), "mine\n");
        assert_eq!(hub.json(&clone, &["state"], 0)["state"], "behind", "{version}");
        hub.run(&clone, &["sync"]).ends_with(0);
        assert_eq!((head(&clone), read(&clone.join("edit.txt")).as_str()), (hub.tip(), "theirs\n"), "{version}");
        let backup = ours(&clone, "backup").pop().expect("a backup");
        assert_eq!(git(&clone, &["show", &format!("{backup}:new.txt")]), "mine", "{version}");
        write(&clone.join("a"), "a\n");
        assert_eq!(hub.json(&clone, &["publish", "a", "-m", "a"], 0)["result"], "pushed", "{version}");
        let away = hub.top().join("away.git");
        std::fs::rename(&hub.bare, &away).expect("away");
        write(&clone.join("a"), "b\n");
        assert_eq!(hub.json(&clone, &["publish", "a", "-m", "b"], 0)["result"], "deferred", "{version}");
        std::fs::rename(&away, &hub.bare).expect("back");
        let other = hub.top().join("first");
        git(&other, &["pull", "-q", "origin", "main"]);
        commit(&other, "between");
        git(&other, &["push", "-q", "origin", "main"]);
        hub.run(&clone, &["tick", "--run", "mkdir -p state; echo 1 >state/s"]).ends_with(0);
        assert_eq!((hub.at_tip("a").as_deref(), hub.at_tip("state/s").as_deref()), (Some("b\n"), Some("1\n")), "{version}");
        commit(&other, "theirs");
        git(&other, &["push", "-q", "--force", "origin", "main"]);
        let mine = commit(&clone, "mine");
        hub.run(&clone, &["tick", "--alpha"]).ends_with(0);
        let taken = super::try_git(&hub.bare, &["merge-base", "--is-ancestor", &mine, "main"]);
        assert!(taken.status.success(), "{version}");
        hub.run(&clone, &["unlock", "--older-than", "0s"]).ends_with(0);
        sound(&clone);
    }
}

#[test]
fn a_git_that_is_too_old_is_refused_and_each_is_told_to_flush_in_its_words() {
    let mut hub = Hub::new();
    let clone = hub.clone("mine", None);
    let said = hub.top().join("said");
    hub.wrap(&format!(
        "for word in \"$@\"; do [ \"$word\" = version ] && {{ echo \"git version $CLAIM\"; exit; }}; done; echo \"$@\" >>{}",
        said.display()
    ));
    hub.world.set("CLAIM", "2.33.8");
    hub.run(&clone, &["state"]).ends_with(4).says("2.33").says("2.34 or newer");
    for (claim, expected, other) in [
        ("2.35.1", "core.fsyncObjectFiles=true", "core.fsync="),
        ("2.36.0", "core.fsync=committed,reference", "core.fsyncObjectFiles"),
    ] {
        drop(std::fs::remove_file(&said));
        hub.world.set("CLAIM", claim);
        write(&clone.join("a"), format!("{claim}\n"));
        hub.json(&clone, &["publish", "a", "-m", "a"], 0);
        let said = read(&said);
        let import = said.lines().find(|line| line.contains("fast-import")).expect("a commit was made");
        assert!(import.contains(expected) && !said.contains(other), "{said}");
    }
}
