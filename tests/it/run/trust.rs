//! Whoever can write the share writes the settings of the repository on it, and git starts what they name: no command that is not aimed at
//! git does, before `pair.toml` agrees. Every trap is tried with the word, too, so that each is known to spring.

use std::path::{Path, PathBuf};

use crate::git::{Hub, commit, git};
use crate::harness::{Ended, read, stands, write};

/// A pair with a repository on the share, whose settings name programs wherever git looks for some.
struct Trapped {
    hub: Hub,
}

impl Trapped {
    fn new() -> Trapped {
        let hub = Hub::new();
        let trapped = Trapped { hub };
        let network = &trapped.hub.world.network;
        git(&trapped.hub.top(), &["clone", "-q", &trapped.hub.url(), network.to_str().expect("text")]);
        write(&network.join("driftless.toml"), "[image]\nref = \"localhost:1/a/b\"\n");
        write(&network.join(".gitattributes"), "edit.txt filter=x\n");
        commit(network, "a project");
        git(network, &["push", "-q"]);
        trapped.set(network);
        trapped.hub.world.run(&["sync", "down"]).ends_with(0);
        trapped
    }

    /// Names a program in all the settings that a look comes by.
    fn set(&self, clone: &Path) {
        let springs = |name: &str, then: &str| format!("touch '{}'; {then}", self.at(name).display());
        git(clone, &["config", "filter.x.clean", &springs("clean", "cat")]);
        git(clone, &["config", "core.sshCommand", &springs("ssh", "false")]);
        git(clone, &["config", "remote.origin.uploadpack", &springs("pack", "git-upload-pack")]);
        git(clone, &["config", "core.fsmonitor", &springs("monitor", "true")]);
        git(clone, &["config", "credential.helper", &format!("!{}", springs("helper", "true"))]);
        git(clone, &["config", "core.hooksPath", ".hooks"]);
        // As long as before: git has to read it to know.
        write(&clone.join("edit.txt"), "tide\n");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.hub.top().join(format!("trap-{name}"))
    }

    fn sprung(&self) -> Vec<&'static str> {
        ["clean", "ssh", "pack", "monitor", "helper"].into_iter().filter(|name| stands(&self.at(name))).collect()
    }

    #[track_caller]
    fn does(&self, folder: &Path, words: &[&str], code: i32) -> Ended {
        let ended = self.hub.world.run_in(folder, words);
        ended.ends_with(code);
        assert_eq!(self.sprung(), Vec::<&str>::new(), "{words:?} in {folder:?}: {ended}");
        ended
    }
}

#[test]
fn check_starts_no_git_where_others_write_its_settings_before_pair_toml_agrees() {
    let trapped = Trapped::new();
    let world = &trapped.hub.world;
    let own = world.state.join("network/pair.toml");
    for root in [&world.staging, &world.network] {
        for folder in [root.clone(), root.join("dir")] {
            let object = trapped.does(&folder, &["check", "--json"], 7).json();
            for part in ["git", "image"] {
                assert_eq!(object[part]["severity"], "could_not_tell", "{object}");
                let mend = object[part]["mend"].as_str().expect("how to agree");
                assert!(mend.contains(&format!("{part} = \"warn\" in {}", own.display())), "{mend}");
            }
        }
        trapped.does(root, &["check"], 7).says("git was not started: others can write the settings");
        trapped.does(root, &["image", "check", "localhost:1/a/b", "--no-fetch"], 7).says("git was not started");
        let stamp = trapped.does(root, &["image", "stamp"], 4);
        assert_eq!(stamp.stdout, "");
        trapped.does(root, &["status"], 0);
        trapped.does(root, &["detect", "."], 0);
        trapped.does(root, &["doctor"], 0);
    }
    // `off` is no agreement, and one part's word is none for the other.
    let before = read(&own);
    write(&own, format!("{before}[gates]\ngit = \"off\"\nimage = \"off\"\n"));
    trapped.does(&world.staging, &["check"], 7);
    write(&own, format!("{before}[gates]\ngit = \"warn\"\n"));
    let object = world.run_in(&world.staging, &["check", "--json"]).json();
    assert_eq!(object["git"]["severity"], "in_step", "{object}");
    assert!(object["image"]["message"].as_str().expect("words").starts_with("git was not started"), "{object}");
    assert_eq!(trapped.sprung(), ["clean", "pack"], "the traps are traps");
}

/// A folder that is no repository by its `.git`, and passes for one by what lies in it.
#[test]
fn a_folder_of_the_share_that_passes_for_a_repository_is_none() {
    let trapped = Trapped::new();
    let world = &trapped.hub.world;
    let bare = world.network.join("bare");
    git(&world.network, &["init", "-q", "--bare", "bare"]);
    git(&bare, &["config", "core.bare", "false"]);
    git(&bare, &["config", "core.worktree", world.staging.to_str().expect("text")]);
    trapped.set(&world.network.join("bare"));
    std::fs::remove_dir_all(world.network.join(".git")).expect("removed");
    world.run(&["sync", "down", "--allow-deletes"]).ends_with(0);
    for root in [&world.network, &world.staging] {
        let ended = trapped.does(&root.join("bare"), &["check"], 0);
        ended.says("not set up here: the folder lies in no git repository");
        trapped.does(&root.join("bare"), &["image", "stamp"], 4).says("no git repository");
    }
}

/// The folder is this user's own, and its `.git` leads to the share.
#[test]
fn a_work_tree_of_a_clone_on_the_share_is_not_this_users_own() {
    let trapped = Trapped::new();
    let world = &trapped.hub.world;
    let tree = trapped.hub.top().join("tree");
    git(&trapped.hub.clone("plain", None), &["rev-parse", "HEAD"]);
    std::fs::create_dir(&tree).expect("new");
    write(&tree.join(".git"), format!("gitdir: {}\n", world.network.join(".git").display()));
    write(&tree.join("driftless.toml"), "[gates]\ngit = \"fatal\"\non_unknown = \"fatal\"\n");
    trapped.does(&tree, &["check"], 7).says("git was not started");
    trapped.does(&tree, &["run", "--", "touch", "started"], 7).says("the shared driftless.toml alone asks for it");
    assert!(!stands(&tree.join("started")));
    let linked = trapped.hub.top().join("linked");
    std::fs::create_dir(&linked).expect("new");
    std::os::unix::fs::symlink(world.staging.join(".git"), linked.join(".git")).expect("a link");
    trapped.does(&linked, &["check"], 7).says("git was not started");
    // What is this user's own is looked at as ever.
    let object = world.run_in(&trapped.hub.top().join("plain"), &["check", "--json"]).json();
    assert_eq!(object["git"]["severity"], "in_step", "{object}");
}

/// A copy whose pair this state folder does not know is a copy all the same.
#[test]
fn a_copy_of_another_state_folder_is_not_this_users_own() {
    let trapped = Trapped::new();
    let world = &trapped.hub.world;
    let other = trapped.hub.top().join("other-state");
    let mut command = world.command(&world.staging, &["check"]);
    let output = command.env("DRIFTLESS_HOME", &other).output().expect("it ends");
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(trapped.sprung(), Vec::<&str>::new());
}
