//! The control interface as a script has it: HTTP on the socket, and on TCP with the token.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Said, Watching, curl, save};
use crate::harness::{World, read, stands, wait_for, write};
use crate::services::Running;

const ROUTES: &[(&str, &str)] = &[
    ("GET", "/status"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/conflicts"),
    ("GET", "/events"),
    ("POST", "/sync"),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("POST", "/stop"),
];

impl Said {
    #[track_caller]
    fn object(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn is(self, code: u16) -> Said {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

fn post<'a>(body: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--request", "POST", "--data-binary", body], more].concat()
}

#[test]
fn how_things_stand_is_told_by_each_route() {
    let world = World::paired(&[("a", "a"), ("b", "b")]);
    let watching = Watching::ready(&world, &[]);
    let mode = fs::symlink_metadata(&watching.socket).expect("the socket");
    assert!(mode.file_type().is_socket());
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let status = watching.shows("rest", |shown| shown["phase"] == "idle");
    assert_eq!(status["pair"], "network", "{status}");
    assert_eq!(status["roots"]["staging"]["mode"], "reliable", "{status}");
    assert_eq!(watching.ask("/healthz", &[]).is(200).object(), json!({"message": "idle"}));
    assert_eq!(watching.ask("/conflicts", &[]).is(200).object()["conflicts"], json!([]));

    world.run(&["pause"]).ends_with(0);
    write(&world.staging.join("a"), "mine");
    write(&world.network.join("a"), "theirs");
    world.run(&["resume"]).ends_with(0);
    watching.shows("the conflict", |shown| shown["conflicts"] == 1);
    let listed = watching.ask("/conflicts", &[]).is(200).object();
    assert_eq!(listed, world.json(&["conflicts", "list"], 0));
    assert_eq!(listed["conflicts"][0]["path"], "a", "{listed}");
}

/// By the rules of the text format: a help and a type before each figure, and a number.
#[test]
fn the_figures_can_be_read_by_prometheus() {
    let world = World::paired(&[("a", "a")]);
    let watching = Watching::ready(&world, &[]);
    save(&world, "b", "bb");
    wait_for("a file", || stands(&world.network.join("b")));
    watching.shows("the count", |shown| shown["counters"]["written_files"] == 1);
    let said = watching.ask("/metrics", &["--dump-header", "/dev/stderr"]).is(200);
    let (mut figures, mut known) = (Vec::new(), Vec::new());
    for line in said.body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            match words[..] {
                ["HELP", _, help] => assert!(!help.is_empty(), "{line}"),
                ["TYPE", name, "counter" | "gauge"] => known.push(name.to_owned()),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: u64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        let bare = name.split('{').next().expect("a name").to_owned();
        assert!(bare.starts_with("driftless_") && known.contains(&bare), "{line} in {known:?}");
        figures.push((name.to_owned(), value));
    }
    let of = |name: &str| figures.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}: {figures:?}")).1;
    assert_eq!((of("driftless_written_files_total"), of("driftless_written_bytes_total")), (1, 2));
    assert_eq!((of("driftless_watched{root=\"staging\"}"), of("driftless_paused")), (1, 0));
    assert!(of("driftless_runs_total") >= 2);
}

#[test]
fn a_sync_is_asked_for_and_told_in_three_ways() {
    let world = World::paired(&[("a", "a")]);
    let watching = Watching::ready(&world, &[]);
    watching.ask("/pause", &post("", &[])).is(200);
    let saved = |name: &str| write(&world.staging.join(name), name);

    saved("one");
    let object = watching.ask("/sync", &post("", &[])).is(200).object();
    assert_eq!((&object["via"], &object["written"]["files"]), (&json!("watch"), &json!(1)), "{object}");

    saved("two");
    let text = watching.ask("/sync", &post(r#"{"direction":"up"}"#, &["--header", "Accept: text/plain"])).is(200).body;
    assert!(text.contains("1 file"), "{text}");

    saved("three");
    saved("other");
    let body = r#"{"direction":"up","paths":["three"],"actions":true}"#;
    let lines = watching.ask("/sync", &post(body, &["--header", "Accept: text/event-stream"])).is(200).body;
    let data = lines.rsplit_once("event: done\ndata: ").unwrap_or_else(|| panic!("{lines}")).1;
    let done: Value = serde_json::from_str(data.trim()).expect("JSON");
    assert_eq!((&done["exit_code"], &done["report"]["actions"][0]["path"]), (&json!(0), &json!("three")), "{done}");
    assert!(stands(&world.network.join("three")) && !stands(&world.network.join("other")));
}

#[test]
fn what_is_asked_wrongly_is_refused_with_a_reason() {
    let world = World::paired(&[("a", "a")]);
    let mut watching = Watching::ready(&world, &[]);
    let runs = watching.status()["counters"]["runs"].clone();
    for (body, reason) in [
        ("{", "EOF"),
        ("[1]", "invalid"),
        (r#"{"direction":"sideways"}"#, "up, down or both"),
        (r#"{"direction":1}"#, "invalid type"),
        (r#"{"delete_everything":true}"#, "unknown field"),
        (r#"{"paths":"a"}"#, "invalid type"),
        (r#"{"paths":["../outside"]}"#, "outside"),
        (r#"{"paths":["/etc/passwd"]}"#, "etc/passwd"),
    ] {
        let said = watching.ask("/sync", &post(body, &[])).is(400);
        assert!(said.object()["message"].as_str().is_some_and(|message| message.contains(reason)), "{body}: {said:?}");
    }
    watching.ask("/sync", &["--request", "GET"]).is(405);
    watching.ask("/stop", &["--request", "GET"]).is(405);
    watching.ask("/status", &post("", &[])).is(405);
    watching.ask("/nothing", &[]).is(404);
    let large = world.top().join("large");
    write(&large, vec![b' '; 5 << 20]);
    let large = format!("@{}", large.to_str().expect("text"));
    watching.ask("/sync", &post(&large, &[])).is(413);
    assert_eq!(watching.status()["counters"]["runs"], runs);
    watching.is_well();
}

/// A curl that goes on listening.
fn listening(world: &World, watching: &Watching) -> (Running, PathBuf) {
    let heard = world.top().join("heard");
    let file = fs::File::create(&heard).expect("a new file");
    let mut command = Command::new("curl");
    command.args(["--silent", "--no-buffer", "--unix-socket"]).arg(&watching.socket).arg("http://localhost/events");
    (Running::start(command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null())), heard)
}

#[test]
fn events_are_told_while_they_happen() {
    let world = World::paired(&[("a", "a")]);
    let mut watching = Watching::ready(&world, &[]);
    let (mut curl, heard) = listening(&world, &watching);
    let hears = |part: &str| wait_for(part, || read(&heard).contains(part));
    hears("event: status\ndata: {");
    write(&world.staging.join("new"), "new");
    hears("event: ran\ndata: {");
    hears("\"files\":1");
    world.run(&["pause"]).ends_with(0);
    hears("\"phase\":\"paused\"");
    watching.signal(Signal::TERM);
    watching.ends().ends_with(143);
    wait_for("the end of the stream", || curl.has_ended());
    for block in read(&heard).split("\n\n").filter(|block| !block.trim().is_empty() && !block.starts_with(':')) {
        let (event, data) = block.split_once('\n').unwrap_or_else(|| panic!("{block}"));
        assert!(event.starts_with("event: "), "{block}");
        let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("{block}"));
        serde_json::from_str::<Value>(data).unwrap_or_else(|error| panic!("{error}: {block}"));
    }
}

#[test]
fn over_tcp_only_who_knows_the_token_is_answered() {
    let world = World::paired(&[("a", "a")]);
    let mut watching = Watching::ready(&world, &["--listen", "127.0.0.1:0"]);
    let file = watching.socket.with_file_name("control.token");
    assert_eq!(fs::metadata(&file).expect("the token").permissions().mode() & 0o777, 0o600);
    let text = read(&file);
    let (at, token) = text.trim().split_once(' ').expect("an address and a token");
    let ask =
        |method: &str, path: &str, header: &str| curl(&["--request", method, "--header", header, &format!("http://{at}{path}")]);
    let wrong = token.chars().rev().collect::<String>();
    for (method, path) in ROUTES.iter().chain(&[("GET", "/nothing")]) {
        for header in
            ["X-None: 1", "Authorization: Bearer ", &format!("Authorization: Bearer {wrong}"), &format!("Authorization: {token}")]
        {
            assert_eq!(ask(method, path, header).code, 401, "{method} {path} {header}");
        }
    }
    watching.is_well();
    let known = format!("Authorization: Bearer {token}");
    assert_eq!(ask("GET", "/status", &known).is(200).object()["process"], watching.child.id());
    ask("POST", "/sync", &known).is(200);
    // The socket is there too, and asks for no token.
    watching.ask("/healthz", &[]).is(200);
    ask("POST", "/stop", &known).is(200);
    watching.ends().ends_with(0);
    assert!(!stands(&file) && !stands(&watching.socket));
}

#[test]
fn other_machines_are_not_listened_to() {
    let world = World::paired(&[("a", "a")]);
    for address in ["0.0.0.0:0", "[::]:0"] {
        world.run(&["watch", "--listen", address]).ends_with(2).says("only addresses of this machine");
    }
    Watching::ready(&world, &[]).is_well();
}
