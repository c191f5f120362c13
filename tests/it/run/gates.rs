//! Gates: the command is started where what has to be in step is, and not where it is not.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::git::{Hub, commit, git, head};
use crate::harness::{Ended, stands, write};
use crate::services::{Gate, Picture, Registry};

const REVISION: &str = "org.opencontainers.image.revision";

/// A project with a clone's worth of history, and what runs in it.
struct Shop {
    hub: Hub,
    clone: PathBuf,
    registry: Registry,
}

impl Shop {
    fn new(gates: &str) -> Shop {
        let hub = Hub::new();
        let registry = Registry::start(&hub.top(), Gate::Open);
        let clone = hub.clone("mine", None);
        write(
            &clone.join("driftless.toml"),
            format!("[image]\nref = \"{}/team/app:latest\"\n[gates]\n{gates}\n", registry.host()),
        );
        commit(&clone, "a project");
        let shop = Shop { hub, clone, registry };
        shop.push();
        shop
    }

    fn push(&self) {
        git(&self.clone, &["push", "-q", "origin", "HEAD:main"]);
    }

    fn build(&self) {
        let revision = head(&self.clone);
        self.registry.push("team/app", "latest", &Picture::labelled(&[(REVISION, &revision)]));
    }

    fn run(&self, words: &[&str], script: &str) -> Ended {
        self.hub.world.run_in(&self.clone, &[&["run"], words, &["--", "sh", "-c", script]].concat())
    }
}

fn gate<'a>(object: &'a Value, name: &str) -> &'a Value {
    let all = object["gates"].as_array().expect("gates");
    all.iter().find(|gate| gate["gate"] == name).unwrap_or_else(|| panic!("no gate {name}: {object}"))
}

/// IM-04, the mismatch sequence of the user's own document: commit and do not build, build and push.
#[test]
fn im_04_a_commit_that_nobody_built_stops_the_run() {
    let shop = Shop::new("image = 'fatal'");
    let ended = shop.run(&[], "touch started");
    ended.ends_with(5).says("FATAL: Repository has been updated but no corresponding Docker image exists");
    ended.says("was not started").says("docker build");
    shop.build();
    shop.run(&[], "touch started; exit 3").ends_with(3);
    assert!(stands(&shop.clone.join("started")));
    write(&shop.clone.join("app.py"), "2\n");
    let made = commit(&shop.clone, "change");
    shop.push();
    let ended = shop.run(&[], "touch again");
    ended.ends_with(5).says("FATAL: Repository has been updated").says(&made).says("1 commit");
    assert!(!stands(&shop.clone.join("again")), "{ended}");
    let object = shop.run(&["--json"], "touch again").ends_with(5).json();
    assert_eq!((&object["command"], &object["exit_code"]), (&Value::Null, &5.into()), "{object}");
    let image = gate(&object, "image");
    assert_eq!(
        (&image["state"], &image["stops"], &image["level"]),
        (&"behind".into(), &true.into(), &"fatal".into()),
        "{object}"
    );
    assert_eq!(image["object"]["schema"], "driftless.image.check/1", "{object}");
    let ended = shop.run(&["--gates", "warn"], "touch relaxed");
    ended
        .ends_with(0)
        .says("the gate image is warn for this run, and not fatal")
        .says("gate image: the image is built from an older");
    assert!(stands(&shop.clone.join("relaxed")));
    assert!(!shop.run(&["--gates", "off"], "true").ends_with(0).stderr.contains("older commit"));
    shop.build();
    assert_eq!(shop.run(&[], "touch again").ends_with(0).stderr, "");
    assert!(stands(&shop.clone.join("again")));
}

/// There is work on trains: who cannot ask is warned, unless the project wants otherwise.
#[test]
fn what_nobody_can_tell_is_as_on_unknown_says() {
    for (on_unknown, code, said) in [("warn", 0, "gate image could not tell"), ("fatal", 7, "FATAL: gate image"), ("pass", 0, "")]
    {
        let shop = Shop::new(&format!("image = 'fatal'\non_unknown = '{on_unknown}'"));
        shop.build();
        let Shop { hub, clone, registry } = shop;
        drop(registry);
        let ended = hub.world.run_in(&clone, &["run", "--", "touch", "started"]);
        ended.ends_with(code).says(said);
        assert_eq!(stands(&clone.join("started")), code == 0, "{on_unknown}: {ended}");
        assert_eq!(ended.stderr.is_empty(), on_unknown == "pass", "{ended}");
    }
}

#[test]
fn the_branch_and_its_remote_are_a_gate_and_a_mistake_stops_the_run() {
    let shop = Shop::new("git = 'fatal'");
    shop.run(&[], "true").ends_with(0);
    shop.hub.moves_on();
    let ended = shop.run(&[], "touch started");
    ended
        .ends_with(5)
        .says("FATAL: Repository is not in step with its remote")
        .says("driftless git sync")
        .says(&head(&shop.clone));
    assert!(!stands(&shop.clone.join("started")));
    write(&shop.clone.join("driftless.toml"), "[gates]\ngti = 'fatal'\n");
    shop.run(&[], "touch started").ends_with(1).says("did you mean `git`");
    // Who knows what it was to say?
    for (text, said) in [("nonsense\n", "is no valid TOML"), ("[Gates]\ngit = 'fatal'\n", "did you mean `gates`")] {
        write(&shop.clone.join("driftless.toml"), text);
        shop.run(&[], "touch started").ends_with(1).says("driftless.toml:1").says(said);
    }
    write(&shop.clone.join("driftless.toml"), "[\"g\\u0061tes\"]\ngit = 'fatal'\n");
    shop.run(&[], "touch started").ends_with(5);
    assert!(!stands(&shop.clone.join("started")));
    // Who asks for gates where none is on is told so.
    write(&shop.clone.join("driftless.toml"), "");
    shop.run(&["--gates", "fatal"], "true").ends_with(0).says("--gates fatal asks nothing here");
    assert_eq!(shop.run(&["--gates", "off"], "true").ends_with(0).stderr, "");
}

/// A file below that names no gate leaves the one above as it is; one that names some counts.
#[test]
fn a_file_without_gates_in_a_subfolder_ends_no_search() {
    let shop = Shop::new("git = 'fatal'");
    shop.hub.moves_on();
    let sub = shop.clone.join("sub/deep");
    let does = || shop.hub.world.run_in(&sub, &["run", "--", "touch", "started"]);
    for text in ["ignore = []\n", "[image]\nref = 'x'\n", "", "[gates]\non_unknown = 'pass'\n"] {
        write(&shop.clone.join("sub/driftless.toml"), text);
        write(&sub.join("driftless.toml"), text);
        does().ends_with(5).says("FATAL: Repository is not in step with its remote");
    }
    assert!(!stands(&sub.join("started")));
    write(&sub.join("driftless.toml"), "[gates]\ngit = 'warn'\n");
    does().ends_with(0).says("gate git");
}

/// Two gates that would wait for ever cost the time that they are given together.
#[test]
fn gates_have_a_bound_of_time() {
    let shop = Shop::new("git = 'fatal'\nscripts = 'fatal'\nscripts_repository = 'scripts'\non_unknown = 'fatal'");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("git://127.0.0.1:{}/x", silent.local_addr().expect("its address").port());
    git(&shop.clone, &["remote", "set-url", "origin", &url]);
    let began = std::time::Instant::now();
    let ended = shop.run(&["--wait", "300ms"], "touch started");
    ended.ends_with(7).says("gate git could not tell").says("gate scripts could not tell");
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{ended}");
}

/// IM-06: scripts and image move together.
#[test]
fn im_06_the_scripts_are_brought_up_to_date_first() {
    let shop = Shop::new("scripts = 'fatal'\nscripts_repository = 'scripts'");
    git(&shop.clone, &["clone", "-q", &shop.hub.url(), "scripts"]);
    let scripts = shop.clone.join("scripts");
    shop.hub.moves_on();
    shop.run(&[], "cat scripts/news.txt").ends_with(0).says("news");
    // What is only here is on no other machine.
    write(&scripts.join("mine.txt"), "mine\n");
    commit(&scripts, "mine");
    let ended = shop.run(&[], "touch started");
    ended.ends_with(5).says("FATAL: Scripts repository is not in step").says("git push");
    assert!(!stands(&shop.clone.join("started")));
}

/// The shared file leads into no other clone of the user's: not by a path, not by a link, not by a file `.git`, and not by the
/// absence of one.
#[test]
fn a_scripts_repository_of_the_shared_file_lies_in_the_project() {
    let shop = Shop::new("scripts = 'fatal'\nscripts_repository = 'scripts'\non_unknown = 'fatal'");
    let mine = shop.hub.clone("private", None);
    let before = head(&mine);
    let project = head(&shop.clone);
    shop.hub.moves_on();
    let scripts = shop.clone.join("scripts");
    std::os::unix::fs::symlink(&mine, &scripts).expect("a link");
    shop.run(&[], "true").ends_with(7).says("is no git repository of its own in the project");
    fs::remove_file(&scripts).expect("removed");
    fs::create_dir(&scripts).expect("a folder");
    shop.run(&[], "true").ends_with(7).says("is no git repository of its own in the project");
    write(&scripts.join(".git"), format!("gitdir: {}\n", mine.join(".git").display()));
    shop.run(&[], "true").ends_with(7).says("is no git repository of its own in the project");
    assert_eq!((head(&mine), head(&shop.clone)), (before, project), "nothing moved");
    write(&shop.clone.join("driftless.toml"), "[gates]\nscripts_repository = '../private'\n");
    shop.run(&[], "true").ends_with(1).says("leads out of the project");
}

/// A repository on the share.
fn staged(gates: &str) -> Hub {
    let hub = Hub::new();
    let network = &hub.world.network;
    git(&hub.top(), &["clone", "-q", &hub.url(), network.to_str().expect("text")]);
    write(&network.join("driftless.toml"), format!("[gates]\n{gates}\n"));
    hub
}

/// Who can break the repository on the share, and so has a gate not tell, does not have that passed over.
#[test]
fn the_share_does_not_say_that_nothing_is_said_of_what_nobody_could_tell() {
    let hub = staged("on_unknown = 'pass'");
    hub.world.run(&["sync", "down"]).ends_with(0);
    let own = hub.world.state.join("network/pair.toml");
    let before = crate::harness::read(&own);
    write(&own, format!("{before}[gates]\ngit = 'fatal'\n"));
    fs::remove_file(hub.world.network.join(".git/HEAD")).expect("removed");
    hub.world.sh(&[], "touch started").ends_with(0).says("gate git could not tell");
    write(&own, format!("{before}[gates]\ngit = 'fatal'\non_unknown = 'fatal'\n"));
    hub.world.sh(&[], "touch again").ends_with(7).says("FATAL: gate git could not tell");
    assert!(!stands(&hub.world.staging.join("again")));
}

fn objects(folder: &Path) -> usize {
    crate::harness::below_all(&folder.join(".git")).len()
}

/// On a staged copy: between `down` and the command, with nothing left half done and nothing written into the copy's clone.
#[test]
fn im_04_a_staged_run_that_is_stopped_ends_in_order() {
    let hub = staged("git = 'fatal'");
    hub.world.sh(&["--gates", "fatal"], "echo made > result").ends_with(0);
    assert!(stands(&hub.world.network.join("result")));
    hub.moves_on();
    write(&hub.world.network.join("new"), "1");
    let before = objects(&hub.world.staging);
    let ended = hub.world.sh(&["--gates", "fatal"], "echo again > result2");
    ended.ends_with(5).says("FATAL: Repository is not in step").says("was not started");
    assert!(!stands(&hub.world.staging.join("result2")), "{ended}");
    assert!(stands(&hub.world.staging.join("new")), "down was done; {ended}");
    assert_eq!(objects(&hub.world.staging), before, "a gate writes nothing into the copy");
    hub.world.in_step();
}

/// Whoever writes the share writes the repository's settings, and git starts what they name.
#[test]
fn the_shared_file_alone_starts_no_git_on_a_staged_copy() {
    let hub = staged("git = 'fatal'\nimage = 'fatal'\non_unknown = 'fatal'");
    let trap = hub.top().join("trapped");
    let line = format!("touch '{}'; cat", trap.display());
    git(&hub.world.network, &["config", "filter.x.clean", &line]);
    git(&hub.world.network, &["config", "core.sshCommand", &line]);
    git(&hub.world.network, &["remote", "set-url", "origin", "ssh://127.0.0.1:1/x"]);
    write(&hub.world.network.join(".gitattributes"), "* filter=x\n");
    write(&hub.world.network.join("edit.txt"), "edit!\n");
    let ended = hub.world.sh(&[], "touch started");
    ended.ends_with(7).says("gate git could not tell").says("the shared driftless.toml alone asks for it").says("pair.toml");
    assert!(!stands(&trap) && !stands(&hub.world.staging.join("started")), "{ended}");
}
