//! Copies of large files that were broken off: the next run goes on where the last record was, or starts anew.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the roots that the program is tried on")]

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use crate::ground::{Ended, Ground, bytes, ended, set_time, then};
use crate::harness::wait_for;
use crate::services::Server;
use crate::tree::temps;

const MIB: u64 = 1 << 20;
/// A record is written after each 64 MiB.
const STEP: u64 = 64 * MIB;
/// Two records, and a rest.
const SIZE: u64 = 160 * MIB;
/// Writes of 256 KiB after the first record and after the second, with room for those of the manifest.
const AFTER: [u32; 2] = [400, 630];

/// Writes `SIZE` bytes, no two MiB of them alike.
fn large(path: &Path, seed: u64) {
    let mut block = bytes(seed, MIB as usize);
    fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
    let mut file = fs::File::create(path).expect("a file");
    for n in 0..SIZE / MIB {
        block[..8].copy_from_slice(&n.to_le_bytes());
        file.write_all(&block).expect("room");
    }
    drop(file);
    set_time(path, then(seed));
}

#[track_caller]
fn same(left: &Path, right: &Path) {
    let [mut one, mut two] = [left, right].map(|path| fs::File::open(path).expect("a file"));
    let (mut a, mut b) = (vec![0; MIB as usize], vec![0; MIB as usize]);
    for n in 0..SIZE / MIB {
        one.read_exact(&mut a).expect("as long as it was");
        two.read_exact(&mut b).expect("as long as it was");
        assert!(a == b, "{left:?} and {right:?} differ in MiB {n}");
    }
    assert_eq!(one.read(&mut a).expect("the end") + two.read(&mut b).expect("the end"), 0, "longer than it was");
}

/// Runs until before the write of that number, counted as the system does.
fn killed_at(ground: &Ground, words: &[&str], write: u32) {
    let inject = format!("inject=pwrite64:signal=KILL:when={write}");
    let tracer = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject];
    let killed = ground.traced(&tracer, words);
    assert_eq!(killed.code, None, "was to be killed: {killed:#?}");
}

/// The records that there are.
fn records(ground: &Ground) -> Vec<PathBuf> {
    let pairs = fs::read_dir(ground.place("home")).into_iter().flatten().flatten();
    let folders = pairs.flat_map(|pair| fs::read_dir(pair.path().join("partial")).into_iter().flatten().flatten());
    folders.map(|item| item.path()).filter(|path| path.extension().is_none()).collect()
}

fn written(ended: &Ended) -> u64 {
    ended.json["written"]["bytes"].as_u64().unwrap_or_else(|| panic!("no count of bytes: {ended:#?}"))
}

/// The next run completes it with `expected` bytes, nothing is left behind, and the one after it does nothing.
#[track_caller]
fn completes(ground: &Ground, words: &[&str], expected: u64) {
    let again = ground.synced(words);
    assert_eq!(written(&again) / MIB, expected / MIB, "MiB written by the next run");
    same(&ground.staging.join("raw.bin"), &ground.network.join("raw.bin"));
    for root in [&ground.staging, &ground.network] {
        assert_eq!(temps(root), Vec::<PathBuf>::new());
    }
    assert_eq!(records(ground), Vec::<PathBuf>::new());
    ground.synced(&[]).did_nothing();
}

/// A pair whose `up` of one large file was killed behind the first record.
fn broken_off(durability: &'static str, write: u32) -> (Ground, PathBuf) {
    let ground = Ground::new().durability(durability);
    large(&ground.staging.join("raw.bin"), 7);
    killed_at(&ground, &["up"], write);
    let temps = temps(&ground.network);
    assert_eq!((temps.len(), records(&ground).len()), (1, 1), "a copy in the making and its record");
    let temp = ground.network.join(&temps[0]);
    (ground, temp)
}

#[test]
fn a_killed_copy_goes_on_behind_the_last_record() {
    for (durability, write, done) in [("none", AFTER[0], STEP), ("full", AFTER[1], 2 * STEP)] {
        let (ground, temp) = broken_off(durability, write);
        let length = fs::metadata(&temp).expect("there").len();
        assert!(length > done && length < done + STEP, "{length} bytes were written");
        completes(&ground, &["up"], SIZE - done);
    }
}

#[test]
fn a_copy_that_is_killed_again_and_again_ends() {
    let (ground, temp) = broken_off("none", AFTER[0]);
    // In the middle of the proof nothing is written; then a few steps on.
    killed_at(&ground, &["up"], 280);
    assert!(fs::metadata(&temp).expect("still there").len() > 2 * STEP, "it went on");
    completes(&ground, &["up"], SIZE - 2 * STEP);
}

#[test]
fn without_a_record_it_starts_anew() {
    let ground = Ground::new();
    large(&ground.staging.join("raw.bin"), 7);
    killed_at(&ground, &["up"], 200);
    assert_eq!(records(&ground), Vec::<PathBuf>::new(), "nothing is recorded before 64 MiB");
    completes(&ground, &["up"], SIZE);
}

#[test]
fn a_temporary_file_that_is_not_what_was_written_is_not_believed() {
    let flip = |temp: &Path| {
        let mut file = fs::File::options().read(true).write(true).open(temp).expect("there");
        file.seek(SeekFrom::Start(10 * MIB + 5)).expect("within");
        file.write_all(b"x").expect("one byte");
    };
    let cut = |temp: &Path| fs::File::options().write(true).open(temp).and_then(|file| file.set_len(STEP - 1)).expect("cut");
    let another = |temp: &Path| {
        fs::copy(temp, temp.with_file_name("copy")).expect("a copy");
        fs::rename(temp.with_file_name("copy"), temp).expect("in its place");
    };
    let second_name = |temp: &Path| fs::hard_link(temp, temp.with_file_name("second")).expect("a second name");
    let stories: [(&str, &dyn Fn(&Path)); 4] =
        [("a byte", &flip), ("shorter", &cut), ("another file", &another), ("a second name", &second_name)];
    for (what, meddle) in stories {
        let (ground, temp) = broken_off("none", AFTER[0]);
        meddle(&temp);
        let kept = fs::metadata(&temp).expect("there").len();
        let again = ground.synced(&["up"]);
        assert_eq!(written(&again), SIZE, "{what}: was to start anew");
        same(&ground.staging.join("raw.bin"), &ground.network.join("raw.bin"));
        let second = ground.network.join("second");
        if second.exists() {
            assert_eq!(fs::metadata(&second).expect("there").len(), kept, "{what}: somebody's file was cut");
        }
    }
}

#[test]
fn a_changed_source_starts_anew() {
    // The same size and time, and other bytes: only the inode's time tells, and the bytes themselves.
    let (ground, _) = broken_off("none", AFTER[0]);
    large(&ground.staging.join("raw.bin"), 8);
    set_time(&ground.staging.join("raw.bin"), then(7));
    completes(&ground, &["up"], SIZE);
    // Another time: another name, and the old copy in the making goes to the trash with its record.
    let (ground, _) = broken_off("none", AFTER[0]);
    set_time(&ground.staging.join("raw.bin"), then(9));
    completes(&ground, &["up"], SIZE);
}

#[test]
fn a_record_that_was_tampered_with_or_is_old_is_none() {
    let (ground, _) = broken_off("none", AFTER[0]);
    let text = fs::read_to_string(&records(&ground)[0]).expect("a record");
    fs::write(&records(&ground)[0], text.replace(&STEP.to_string(), &(STEP - MIB).to_string())).expect("written");
    completes(&ground, &["up"], SIZE);
    let (ground, _) = broken_off("none", AFTER[0]);
    let week_ago = std::time::SystemTime::now() - Duration::from_secs(8 * 86_400);
    set_time(&records(&ground)[0], week_ago.max(UNIX_EPOCH));
    completes(&ground, &["up"], SIZE);
}

#[test]
fn a_run_elsewhere_leaves_it_alone() {
    let (ground, temp) = broken_off("none", AFTER[0]);
    crate::ground::write(&ground.staging.join("small.txt"), b"something else", then(1));
    ground.synced(&["up", "small.txt"]);
    ground.synced(&["down"]);
    assert!(temp.exists(), "the copy in the making went");
    completes(&ground, &["up"], SIZE - STEP);
}

/// A network root on sshfs with its server.
fn served(ground: &Ground) -> (Server, PathBuf) {
    let served = ground.place("served");
    fs::create_dir(&served).expect("a folder to serve");
    (Server::start(&ground.place("server")), served)
}

#[test]
fn an_up_to_a_server_that_died_goes_on_when_it_is_back() {
    let ground = Ground::new();
    let (mut server, served) = served(&ground);
    let mount = server.mount(&served, &ground.network, "");
    ground.synced(&[]);
    large(&ground.staging.join("raw.bin"), 7);
    let mut command = ground.command(&[], &["sync", "up", "--json", "--wait", "1s"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    wait_for("the first record", || !records(&ground).is_empty());
    server.kill();
    let killed = ended(child.wait_with_output().expect("its end"));
    assert_eq!(killed.code, Some(75), "{killed:#?}");
    mount.wait_gone();
    drop(mount);
    server.resume();
    let _mount = server.mount(&served, &ground.network, "");
    let again = ground.synced(&["up"]);
    assert!(written(&again) <= SIZE - STEP, "{} of {SIZE} bytes were written again", written(&again));
    same(&ground.staging.join("raw.bin"), &served.join("raw.bin"));
    assert_eq!((temps(&served), records(&ground)), (Vec::new(), Vec::new()));
    ground.synced(&[]).did_nothing();
}

/// Kills a run once it has written a record; how many bytes that speaks of.
fn killed_behind_a_record(ground: &Ground, words: &[&str]) -> u64 {
    let mut child = ground.command(&[], words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    wait_for("the first record", || !records(ground).is_empty());
    child.kill().expect("our own child");
    assert_eq!(child.wait().expect("its end").code(), None, "it ended before it was killed");
    let text = fs::read_to_string(&records(ground)[0]).expect("a record");
    text.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("a number of bytes")
}

#[test]
fn a_down_from_a_server_reads_only_the_rest() {
    let ground = Ground::new();
    let (server, served) = served(&ground);
    let mount = server.mount(&served, &ground.network, "");
    large(&served.join("raw.bin"), 7);
    let done = killed_behind_a_record(&ground, &["sync", "down"]);
    assert!(done >= STEP, "{done}");
    completes(&ground, &["down"], SIZE - done);
    // Mounted anew, because the mount's cache hides the next version for a while.
    drop(mount);
    let _mount = server.mount(&served, &ground.network, "");
    // A local copy in the making that was meddled with is found out by its digest.
    large(&served.join("raw.bin"), 8);
    killed_behind_a_record(&ground, &["sync", "down"]);
    let temp = ground.staging.join(&temps(&ground.staging)[0]);
    let mut file = fs::File::options().write(true).open(&temp).expect("there");
    file.seek(SeekFrom::Start(MIB)).and_then(|_| file.write_all(b"x")).expect("one byte");
    completes(&ground, &["down"], SIZE);
}
