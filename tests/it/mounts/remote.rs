//! A network root on sshfs that stays where it is.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::project;
use crate::ground::{Ground, bytes, then, write};
use crate::services::{Server, Sshfs};
use crate::tree::{Tree, content, contents, temps};

/// A pair whose network root is a mount of the folder `served`. Fields go in order: the mount before its server.
pub struct Remote {
    _mount: Sshfs,
    _server: Server,
    pub served: PathBuf,
    pub ground: Ground,
}

fn remote(options: &str) -> Remote {
    let ground = Ground::new().durability("full");
    let served = ground.place("served");
    fs::create_dir(&served).expect("a folder to serve");
    project(&served);
    let server = Server::start(&ground.place("server"));
    let mount = server.mount(&served, &ground.network, options);
    Remote { _mount: mount, _server: server, served, ground }
}

/// Does this sshfs keep links that lead out of the mount to itself, unless told otherwise?
fn contains_links() -> bool {
    let help = std::process::Command::new("sshfs").arg("--help").output().expect("sshfs starts");
    [help.stdout, help.stderr].iter().any(|text| String::from_utf8_lossy(text).contains("no_contain_symlinks"))
}

/// A link that the mount takes and does not show is a problem of that path alone.
#[test]
fn a_link_that_the_mount_does_not_show_is_told_and_left_out() {
    let Remote { ground, served, _mount, _server } = remote("");
    ground.synced(&["down"]);
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, ground.staging.join(name)).expect("a link");
    link("/etc/hostname", "whole");
    link("raw/scan.bin", "inside");
    let ended = ground.sync(&["up"]);
    let problems = ended.json["problems"].as_array().expect("a list").len();
    if contains_links() {
        assert_eq!((ended.code, problems), (Some(6), 1), "{ended:#?}");
        assert_eq!(ended.json["problems"][0]["kind"], "not_representable", "{ended:#?}");
        assert!(!served.join("whole").is_symlink(), "nothing is left there");
    } else {
        assert_eq!((ended.code, problems), (Some(0), 0), "{ended:#?}");
    }
    assert_eq!(fs::read_link(served.join("inside")).expect("a link"), Path::new("raw/scan.bin"));
    assert_eq!(fs::read_link(ground.staging.join("whole")).expect("a link"), Path::new("/etc/hostname"));
}

/// Project files that a run opens to read their bytes, below `root`.
fn opened(ground: &Ground, root: &Path, words: &[&str]) -> BTreeSet<String> {
    let log = ground.place("opened");
    let out = log.to_str().expect("plain");
    let tracer = ["strace", "-f", "-y", "-o", out, "-e", "trace=open,openat,openat2", "-e", "signal=none"];
    let ended = ground.traced(&tracer, words);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.did_nothing();
    let text = fs::read_to_string(log).expect("the trace");
    let start = format!("<{}/", root.to_str().expect("plain"));
    // `-y` shows what the new descriptor is; only files that were really opened have one.
    let results = text.lines().filter(|line| !line.contains("O_PATH")).filter_map(|line| line.rsplit_once(" = "));
    let below = results.filter(|(_, result)| result.contains(&start) && !result.contains("/.driftless"));
    let paths = below.filter_map(|(_, result)| Some(result.split_once('<')?.1.trim_end_matches('>').to_owned()));
    paths.filter(|path| !Path::new(path).is_dir()).collect()
}

#[test]
fn down_edits_up_and_both_sides_are_equal_on_the_server() {
    let Remote { ground, served, _mount, _server } = remote("");
    let detected = ground_detect(&ground);
    assert_eq!(detected["needs_staging"], true, "{detected:#}");
    assert_eq!(detected["file_system"], "fuse.sshfs", "{detected:#}");
    ground.synced(&["down"]);
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&served), "after `down`");
    write(&ground.staging.join("results/new.txt"), b"a new result", then(100));
    write(&ground.staging.join("plate-1/well 01.csv"), b"another version", then(101));
    write(&ground.staging.join("raw/scan.bin"), &bytes(1_000, 3 << 20), then(102));
    fs::remove_file(ground.staging.join("plate-2/well 02.csv")).expect("a delete");
    fs::rename(ground.staging.join("plate-3"), ground.staging.join("plate-three")).expect("a rename");
    let up = ground.synced(&["up"]);
    assert_eq!(up.json["deleted"]["files"], 1, "{up:#?}");
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&served), "after `up`");
    assert_eq!(temps(&served), Vec::<PathBuf>::new());
    ground.synced(&[]).did_nothing();
}

fn ground_detect(ground: &Ground) -> serde_json::Value {
    let program = env!("CARGO_BIN_EXE_driftless");
    let output = std::process::Command::new(program).args(["detect", "--json"]).arg(&ground.network).output().expect("starts");
    serde_json::from_slice(&output.stdout).expect("an object")
}

#[test]
fn nothing_changed_is_no_write_and_no_file_is_read_again() {
    let Remote { ground, served, _mount, _server } = remote("");
    ground.synced(&[]);
    write(&ground.staging.join("plate-1/well 01.csv"), b"another version", then(101));
    ground.synced(&[]);
    let before = Tree::of(&served);
    for root in [&ground.network, &ground.staging] {
        assert_eq!(opened(&ground, root, &[]), BTreeSet::new(), "files that were read again in {root:?}");
    }
    before.assert_same(&Tree::of(&served), "nothing was to be written");
}

#[test]
fn whole_seconds_make_no_phantom_changes() {
    let Remote { ground, served, _mount, _server } = remote("");
    let odd = then(50) + std::time::Duration::from_nanos(987_654_321);
    write(&ground.staging.join("odd time.txt"), b"an odd time", odd);
    write(&served.join("odd there.txt"), b"another odd time", odd);
    ground.synced(&[]);
    for words in [&["up"][..], &["down"], &[]] {
        ground.synced(words).did_nothing();
    }
    Tree::coarse(&ground.staging).assert_same(&Tree::coarse(&served), "at the end");
    // Written just now: racy at first, vouched for in the end.
    write(&ground.staging.join("fresh.txt"), b"just written", std::time::SystemTime::now());
    ground.synced(&["up"]);
    ground.synced(&[]).did_nothing();
}

#[test]
fn an_edit_on_the_server_behind_the_mounts_cache_is_not_lost() {
    let Remote { ground, served, _mount, _server } = remote("dcache_timeout=60");
    ground.synced(&[]);
    // The mount has this file's old size in its cache now.
    fs::metadata(ground.network.join("plate-1/well 01.csv")).expect("a look");
    let theirs = b"what somebody else wrote on the server in the meantime";
    write(&served.join("plate-1/well 01.csv"), theirs, then(500));
    write(&served.join("plate-1/well 06.csv"), theirs, then(500));
    write(&ground.staging.join("plate-1/well 01.csv"), b"ours", then(501));
    fs::remove_file(ground.staging.join("plate-1/well 06.csv")).expect("a delete");
    ground.sync(&["up"]);
    for name in ["well 01.csv", "well 06.csv"] {
        let now = fs::read(served.join("plate-1").join(name));
        assert_eq!(now.ok().as_deref(), Some(&theirs[..]), "{name}: the version that nobody had looked at stays in its place");
    }
    assert!(contents(&[&served, &ground.staging]).contains(&content(b"ours")), "and ours is somewhere");
}

/// The server sets the times of what a path leads to: a link's must not be set.
#[test]
fn a_link_that_is_sent_touches_nothing_else_whatever_it_leads_to() {
    let Remote { ground, served, _mount, _server } = remote(if contains_links() { "no_contain_symlinks" } else { "" });
    let outside = ground.place("outside.txt");
    write(&outside, b"not ours", then(1));
    ground.synced(&["down"]);
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, ground.staging.join(name)).expect("a link");
    link(&outside, "outside");
    link(Path::new("raw/scan.bin"), "inside");
    link(Path::new("nowhere"), "dangling");
    link(Path::new("zz"), "aa");
    write(&ground.staging.join("zz"), b"new", then(5));
    let time = |path: &Path| fs::metadata(path).expect("there").modified().expect("a time");
    let [before, inside] = [&outside, &served.join("raw/scan.bin")].map(|path| time(path));
    ground.synced(&["up"]);
    assert_eq!([time(&outside), time(&served.join("raw/scan.bin"))], [before, inside]);
    for (name, target) in [("dangling", "nowhere"), ("aa", "zz")] {
        assert_eq!(fs::read_link(served.join(name)).expect("a link"), Path::new(target));
    }
    // A new time of a link is no change of anything there either, and both sides come to rest.
    rustix::fs::utimensat(
        rustix::fs::CWD,
        ground.staging.join("outside"),
        &rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 },
        },
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .expect("a link's own time");
    ground.synced(&[]);
    assert_eq!(time(&outside), before);
    ground.synced(&[]).did_nothing();
}
