//! Large files of which only what changed is written.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::databases::sql;
use crate::ground::{Ground, bytes, then, write};
use crate::harness::below_all;
use crate::services::{Kind, Loop};
use crate::tree::Tree;

pub(super) const BLOCK: u64 = 64 << 10;
/// What a run reads of its own at the network root: marker, lease, generation, settings.
const MARKS: u64 = 4 << 10;

/// Writes at a place in a file, and gives it another time.
pub(super) fn edit(path: &Path, place: u64, content: &[u8], seconds: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("a file");
    file.write_all_at(content, place).expect("written");
    file.set_modified(then(seconds)).expect("its time");
}

/// Bytes that a run wrote into the temporary files of the network root.
fn written(ground: &Ground) -> u64 {
    let (sum, told) = written_to(ground, ".dl~");
    // Holes are content, too.
    assert!(told == sum || told == 2 * BLOCK, "{sum} written, {told} told");
    sum
}

/// Bytes that a run wrote into files of the network root whose names begin so, and what it told.
pub(super) fn written_to(ground: &Ground, name: &str) -> (u64, u64) {
    let trace = ground.place("trace");
    drop(fs::remove_dir_all(&trace));
    fs::create_dir(&trace).expect("a folder");
    let out = trace.join("of");
    let out = out.to_str().expect("plain");
    // A file for each thread: in one for all a call that another one comes between is told by halves.
    let tracer = ["strace", "-ff", "-y", "-o", out, "-e", "trace=read,pread64,pwrite64,copy_file_range", "-e", "signal=none"];
    let ended = ground.traced(&tracer, &["up"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let (there, at) = (format!("<{}/", ground.network.display()), format!("<{}/{name}", ground.network.display()));
    let parts = fs::read_dir(&trace).expect("a listing");
    let text: String = parts.map(|part| fs::read_to_string(part.expect("a trace").path()).expect("text")).collect();
    let count = |line: &str| line.rsplit_once("= ").and_then(|(_, count)| count.trim().parse::<u64>().ok());
    let reads = |line: &&str| line.starts_with("read(") || line.starts_with("pread64(");
    let read: u64 = text.lines().filter(|line| reads(line) && line.contains(&there)).filter_map(count).sum();
    assert!(read > 0 && read <= MARKS, "{read} bytes were read at the share");
    let ours = text.lines().filter(|line| !reads(line) && line.contains(&at));
    (ours.filter_map(count).sum(), ended.json["written"]["bytes"].as_u64().expect("a number"))
}

#[test]
fn of_a_large_file_only_the_blocks_that_changed_are_written() {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "1MiB");
    let mount = Loop::mount(Kind::Btrfs, 512 << 20, &ground.network);
    let (here, size) = (ground.staging.join("large.bin"), 40 << 20);
    write(&here, &bytes(1, size), then(1));
    assert_eq!(written(&ground), size as u64, "the first time all of it");
    let size = size as u64;
    // In the middle; over the edge of two blocks; at the end; longer; shorter; all zeros, and a hole.
    let edits: [(&str, u64); 6] = [("middle", 1), ("edge", 2), ("end", 1), ("longer", 2), ("shorter", 0), ("hole", 0)];
    for (at, (what, blocks)) in (2..).zip(edits) {
        match what {
            "middle" => edit(&here, 7 * BLOCK + 5, b"changed", at),
            "edge" => edit(&here, 9 * BLOCK - 3, b"changed", at),
            "end" => edit(&here, size - 1, b"!", at),
            "longer" => edit(&here, size, &bytes(7, 2 * BLOCK as usize), at),
            _ => {
                let file = fs::OpenOptions::new().write(true).open(&here).expect("a file");
                file.set_len(size - 3 * BLOCK).expect("its length");
                if what == "hole" {
                    file.set_len(size - BLOCK).expect("its length");
                }
                file.set_modified(then(at)).expect("its time");
            }
        }
        let wrote = written(&ground);
        assert_eq!(wrote, blocks * BLOCK, "{what}");
        Tree::of(&ground.staging).assert_same(&Tree::of(&ground.network), what);
        assert_eq!(fs::read(&here).expect("here"), fs::read(ground.network.join("large.bin")).expect("there"), "{what}");
    }
    ground.synced(&[]).did_nothing();
    drop(mount);
}

/// Somebody else's version, or a list that is gone, is no ground to keep anything.
#[test]
fn what_is_not_known_is_written_whole() {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "1MiB");
    let mount = Loop::mount(Kind::Btrfs, 512 << 20, &ground.network);
    let (here, there) = (ground.staging.join("large.bin"), ground.network.join("large.bin"));
    let size = 20 << 20;
    write(&here, &bytes(1, size), then(1));
    ground.synced(&[]);
    edit(&there, 3 * BLOCK, b"theirs", 2);
    ground.synced(&["down"]);
    assert_eq!(fs::read(&here).expect("here"), fs::read(&there).expect("there"));
    // The version that came is known block by block, too.
    edit(&here, 5 * BLOCK, b"ours", 3);
    assert_eq!(written(&ground), BLOCK);
    let home = ground.place("home");
    let lists: Vec<String> = below_all(&home).into_iter().filter(|path| path.contains("/blocks/")).collect();
    assert_eq!(lists.len(), 1, "that of the last version alone: {lists:?}");
    fs::write(home.join(&lists[0]), "broken").expect("broken");
    edit(&here, 5 * BLOCK, b"more", 4);
    assert_eq!(written(&ground), size as u64);
    drop(mount);
}

/// A row that changes writes the page that holds it, and the first one, which counts the changes.
#[test]
fn of_a_large_database_only_the_blocks_that_changed_are_written() {
    let ground = Ground::new().setting("DRIFTLESS_RESERVE", "1MiB");
    let mount = Loop::mount(Kind::Btrfs, 512 << 20, &ground.network);
    let [here, there] = [&ground.staging, &ground.network].map(|root| root.join("runs.db"));
    let fill = "CREATE TABLE t (n, b); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 6000) \
                INSERT INTO t SELECT n, randomblob(3500) FROM c;";
    sql(&here, fill, "closed");
    let size = written(&ground);
    assert!(size > 20 << 20 && size == fs::metadata(&here).expect("a file").len(), "the first time all of it: {size}");
    sql(&here, "UPDATE t SET b = randomblob(3500) WHERE rowid = 4000;", "closed");
    let wrote = written(&ground);
    assert!((1..=3 * BLOCK).contains(&wrote), "{wrote} bytes for a row");
    sql(&there, "CREATE TABLE torn (n CHECK (n = 6000)); INSERT INTO torn SELECT count(*) FROM t;", "closed");
    drop(mount);
}
