//! `man`: the pages that it writes are pages that `man` reads.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::World;

/// ALL-04: a page of the program and of each command, without a warning where the machine has groff.
#[test]
fn all_04_man_pages() {
    let world = World::new();
    let dir = world.top().join("man1");
    let path = dir.to_str().expect("text");
    let object = world.json(&["man", "--dir", path], 0);
    let pages: Vec<_> = fs::read_dir(&dir).expect("pages").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(object["pages"], pages.len(), "{object}");
    for name in ["driftless.1", "driftless-sync.1", "driftless-doctor.1", "driftless-man.1"] {
        assert!(pages.iter().any(|page| page.ends_with(name)), "{name} in {pages:?}");
    }
    world.run_in(&world.top(), &["man", "--dir", path]).ends_with(0).says("pages written to");
    let one = world.run_in(&world.top(), &["man", "sync"]);
    assert_eq!(one.ends_with(0).stdout, fs::read_to_string(dir.join("driftless-sync.1")).expect("the page"));
    assert!(one.stdout.contains(".SH EXAMPLES") && one.stdout.contains("driftless sync down"), "{one}");
    world.run_in(&world.top(), &["man", "snyc"]).ends_with(2).says("Did you mean sync?");
    // The structure of each page is held by a unit test; groff reads them where there is one.
    if Command::new("groff").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped in part: no groff (package groff-base), so no page was formatted");
        return;
    }
    pages.iter().for_each(|page| reads(page));
}

fn reads(page: &Path) {
    let output = Command::new("groff").args(["-man", "-ww", "-Tutf8", "-P-cbou"]).arg(page).output().expect("groff");
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && warnings.is_empty(), "{page:?}: {warnings}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("EXIT STATUS"), "{page:?}");
}
