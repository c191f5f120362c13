//! Which roots need staging, and what may not lie on them.

use std::fs;
use std::process::Command;

use super::{share, shows_paths_as_people_write_them, text};
use crate::harness::{Ended, World, begun, place_of_networks, read, stands, started, write};

fn needs_staging(world: &World, path: &str) -> bool {
    let ended = world.run_in(&world.top(), &["detect", path, "--json"]);
    ended.ends_with(0).json()["needs_staging"].as_bool().expect("a verdict")
}

#[test]
fn a_disk_of_this_machine_needs_no_staging_and_a_network_drive_does() {
    let world = World::new();
    for path in [r"C:\", r"C:\windows", "c:/windows", text(&world.staging)] {
        assert!(!needs_staging(&world, path), "{path}");
    }
    for path in
        [r"\\server\share", r"\\server\share\a", r"\\wsl$\Debian\home", r"\\wsl.localhost\Debian", r"\\?\UNC\server\share"]
    {
        assert!(needs_staging(&world, path), "{path}");
    }
    if place_of_networks().is_some() {
        for path in [r"N:\", r"n:\", "N:/sub", text(&world.network)] {
            assert!(needs_staging(&world, path), "{path}");
        }
        let shown = world.run_in(&world.top(), &["detect", text(&world.network)]);
        shows_paths_as_people_write_them(shown.ends_with(0).says("needs staging"));
    }
}

#[test]
fn the_first_user_pairs_syncs_and_asks_how_it_stands() {
    let world = World::new();
    write(&world.network.join("results/a.csv"), "1\n");
    let roots = ["--network", text(&world.network), "--staging", text(&world.staging)];
    let init = world.run_in(&world.top(), &[&["init", "--name", "lab"], &roots[..]].concat());
    shows_paths_as_people_write_them(init.ends_with(0));
    // In the folder of the project nobody has to say which pair.
    let here = world.network.join("results");
    shows_paths_as_people_write_them(world.run_in(&here, &["sync", "down"]).ends_with(0));
    assert_eq!(read(&world.staging.join("results/a.csv")), "1\n");
    write(&world.staging.join("results/b.csv"), "2\n");
    let status = world.run_in(&here, &["status"]);
    shows_paths_as_people_write_them(status.ends_with(0).says("lab"));
    world.run_in(&here, &["sync", "up", "b.csv"]).ends_with(0);
    assert_eq!(read(&world.network.join("results/b.csv")), "2\n");
    world.run_in(&world.top(), &["sync", "--pair", "lab", r"results\b.csv"]).ends_with(0).says("Nothing to do");
    world.run_in(&world.top(), &["sync", "--pair", "lab", text(&here.join("a.csv"))]).ends_with(0);
}

#[test]
fn a_share_by_its_own_name_is_a_root_too() {
    let Some(share) = share() else { return };
    let mut world = World::new();
    let below = world.network.strip_prefix(r"N:\").expect("on the network drive").to_path_buf();
    world.network = share.join(below);
    write(&world.network.join("a"), "a");
    let down = world.run(&["sync", "down"]);
    shows_paths_as_people_write_them(down.ends_with(0));
    write(&world.staging.join("b"), "b");
    world.run(&["sync", "up"]).ends_with(0);
    assert_eq!(read(&world.network.join("b")), "b");
    world.in_step();
}

#[test]
fn records_on_a_network_drive_are_refused() {
    let Some(share) = share() else { return };
    for by_share in [false, true] {
        let mut world = World::new();
        write(&world.network.join("a"), "a");
        let state = world.network.parent().expect("a folder above").join("state");
        let below = state.strip_prefix(r"N:\").expect("on the network drive");
        world.state = if by_share { share.join(below) } else { state.clone() };
        let refused = world.run(&["sync", "down"]);
        assert_ne!(refused.code, 0, "{refused}");
        refused.says("network drive").says("DRIFTLESS_HOME");
        assert!(!stands(&state) && !stands(&world.staging.join("a")), "nothing was begun");
    }
}

/// As in an elevated shell, a service or a task: the letter is one of another log-on.
#[test]
fn a_letter_that_is_mapped_only_in_the_users_own_log_on_is_told() {
    const KEY: &str = r"HKCU\Network\Q";
    let reg = |words: &[&str]| begun(|| Ended::of(started(|| Command::new("reg").args(words).output())));
    reg(&["add", KEY, "/v", "RemotePath", "/d", r"\\nas\lab", "/f"]).ends_with(0);
    let world = World::new();
    let ended = world.run_in(&world.top(), &["detect", r"Q:\project"]);
    reg(&["delete", KEY, "/f"]).ends_with(0);
    ended.says(r"\\nas\lab").says("elevated");
}

#[test]
fn a_command_works_on_the_copy_and_its_results_are_on_the_network() {
    let world = World::new();
    write(&world.network.join("in/data.csv"), "1\n");
    let line = r"cd & echo %SMART_SYNC_ENABLED%& echo 2 >out.csv& del in\data.csv& exit 9";
    let ended = world.cmd(line);
    let staging = text(&world.staging).to_owned();
    assert_eq!(ended.ends_with(9).stdout.lines().collect::<Vec<_>>(), [staging.as_str(), "true"], "{ended}");
    assert_eq!(read(&world.network.join("out.csv")).trim_end(), "2");
    assert!(!stands(&world.network.join("in/data.csv")));
    world.in_step();
    world.run_in(&world.network, &["run", "--", "no-such-program"]).ends_with(127);
}

#[test]
fn on_a_disk_of_this_machine_a_command_runs_as_it_is() {
    let world = World::new();
    let folder = world.top().join("alone");
    fs::create_dir(&folder).expect("a folder");
    let ended = world.run_in(&folder, &["run", "--", "cmd", "/D", "/C", "cd & exit 7"]);
    assert_eq!(ended.ends_with(7).stdout.trim_end(), text(&folder), "{ended}");
    assert!(!stands(&world.state), "nothing was made");
    world.run_in(&folder, &["run", "--", "no-such-program"]).ends_with(127);
}

#[test]
fn a_root_is_looked_at_by_doctor() {
    let world = World::paired(&[("a", "a")]);
    let ended = world.run(&["doctor"]);
    shows_paths_as_people_write_them(ended.ends_with(0).says("Nothing stops a sync."));
    for root in [&world.network, &world.staging] {
        ended.says(text(root));
    }
    world.in_step();
}
