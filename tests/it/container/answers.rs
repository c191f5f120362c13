//! Who asks gets another answer for each thing that can be wrong; and an engine that talks nonsense is no reason to call anything
//! missing or current.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use super::{Lab, says, set_mode};
use crate::harness::{World, write};

#[test]
fn cs_03_each_trouble_has_its_own_answer() {
    let lab = Lab::new();
    lab.image("app:1", &[("a.py", "1\n"), ("secret", "2\n")]);
    lab.start("app", "app:1");
    let map = ["--map", "src:/app"];
    lab.check(&["nobody", map[0], map[1]]).ends_with(5).says("There is no container nobody");
    lab.check(&["../app", map[0], map[1]]).ends_with(2).says("is no name of a container");
    lab.check(&["app", "src/no.py", map[0], map[1]]).ends_with(2).says("none in the container app either");
    lab.check(&["app"]).ends_with(7).says("Nothing says which files here belong where").says("--map");
    lab.check(&["app", "--map", "src"]).ends_with(2).says("write it like ./src:/app");
    lab.check(&["app", "--map", "nowhere:/app"]).ends_with(5).says("no such file");
    lab.check(&["app", "--map", "src:/no/such"]).ends_with(5).says("no such file");
    // Somebody who may not read a file knows nothing of it, and who may not ask the engine nothing at all.
    let mut other = World::new();
    for (name, text) in [("a.py", "1\n"), ("secret", "2\n")] {
        write(&other.staging.join("src").join(name), text);
    }
    other.set("DOCKER_HOST", lab.engine.host());
    other.as_nobody();
    let socket = lab.top().join("e/s");
    [lab.top(), lab.top().join("e"), other.top()].iter().for_each(|folder| set_mode(folder, 0o755));
    set_mode(&socket, 0o666);
    set_mode(&other.staging.join("src/secret"), 0);
    let asks = || other.run_in(&other.staging, &["container", "check", "app", map[0], map[1]]);
    asks().ends_with(7).says("secret").says("COULD NOT TELL");
    set_mode(&socket, 0o600);
    asks().ends_with(7).says("may not talk to the container engine").says("group docker");
    let mut world = World::new();
    world.set("DOCKER_HOST", &format!("unix://{}/none", world.top().display()));
    let check = |words: &[&str]| world.run_in(&world.staging, &[&["container", "check", "app"], words].concat());
    check(&map).ends_with(7).says("cannot be reached").says("DOCKER_HOST");
    let object = check(&["--json", map[0], map[1]]).json();
    assert_eq!(object["exit_code"], 7, "{object}");
}

/// Speaks as much of an engine's language as a check needs, and answers for an archive what it is given.
fn nonsense(socket: &Path, inspect: &'static str, archive: Vec<u8>) {
    let listener = UnixListener::bind(socket).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a caller");
            let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
            let body = match () {
                () if first.contains("/version") => br#"{"Version":"1","ApiVersion":"1.41"}"#.to_vec(),
                () if first.contains("/archive") => archive.clone(),
                () if first.contains("/json") => inspect.as_bytes().to_vec(),
                () => b"[]".to_vec(),
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
        }
    });
}

#[test]
fn what_cannot_be_understood_is_neither_missing_nor_current() {
    const RUNNING: &str = r#"{"Id":"1","Name":"/app","Image":"sha256:1","State":{"Running":true,"Status":"running"},"Config":{"Image":"sha256:1"}}"#;
    let mut world = World::new();
    for (name, text) in [("a.py", "1\n"), ("b.py", "2\n")] {
        write(&world.staging.join("src").join(name), text);
    }
    let tar = |what: &[&str]| {
        let mut command = std::process::Command::new("tar");
        command.args(["-cf", "-", "--format=pax", "-C"]).arg(world.staging.join("src")).args(what);
        command.output().expect("tar").stdout
    };
    // As Docker tells it, and as Podman does.
    let (whole, bare) = (tar(&["."]), tar(&["b.py", "a.py"]));
    // The end marker is gone, a header is broken, a name leads out, and an entry is half there.
    let end = whole.iter().rposition(|byte| *byte != 0).expect("content");
    let cut = whole[..end / 512 * 512 + 512].to_vec();
    let mut broken = whole.clone();
    let second = broken
        .windows(6)
        .rposition(|window| window == b"./b.py")
        .or_else(|| broken.windows(6).rposition(|window| window == b"./a.py"));
    broken[second.expect("a name") + 150] ^= 0x7f;
    let unknown_state = RUNNING.replace("\"running\"", "\"dreaming\"").leak();
    for (at, (inspect, archive, code)) in [
        (RUNNING, whole.clone(), 0),
        (RUNNING, bare, 0),
        (RUNNING, cut, 7),
        (RUNNING, broken, 7),
        (RUNNING, b"no tar".repeat(200), 7),
        (unknown_state, whole, 7),
        ("{", vec![], 7),
    ]
    .into_iter()
    .enumerate()
    {
        let socket = world.top().join(format!("s{at}"));
        nonsense(&socket, inspect, archive);
        world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
        let ended = world.run_in(&world.staging, &["container", "check", "app", "--map", "src:/app", "--json"]);
        assert_eq!(ended.code, code, "{at}: {ended}");
        if code == 0 {
            says(&ended.json(), "current", None, "");
        }
    }
    fs::remove_dir_all(world.staging.join("src")).expect("removed");
}
