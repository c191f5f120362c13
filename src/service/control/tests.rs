//! The server and the client, over real sockets.

use super::client::{Ask, Heard, ask, listen};
use super::*;
use crate::engine::report::{Report, Work};
use crate::engine::request::Request;
use crate::model::side::PerSide;
use crate::service::{Handle, Snapshot};
use crossbeam_channel::unbounded;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

struct Mute;

impl Words for Mute {
    fn request(&self, _: &Asked) -> Result<Request, String> {
        Err("not asked for".to_owned())
    }

    fn report(&self, _: &Report, _: PerSide<Work>, _: &Asked) -> Reported {
        Reported { exit_code: 0, object: "{}\n".to_owned(), text: String::new() }
    }

    fn conflicts(&self) -> Result<String, String> {
        Err("no manifest \u{9b}31m".to_owned())
    }
}

/// Serves the state folder of a process that tells `message`.
fn served(state: &Path, at: Option<&str>, message: &str) -> Server {
    let shown = Snapshot { message: Some(message.to_owned()), ..Snapshot::new("demo") };
    let handle = Handle { words: unbounded().0, stop: Arc::default(), shown: Arc::new(Mutex::new(shown)) };
    let at = at.map(|at| at.parse().expect("an address"));
    serve(state, at, handle, Hub::default(), Arc::new(Mute)).expect("it listens")
}

fn found(state: &Path) -> Address {
    Address::find(state).expect("an address")
}

#[test]
fn nothing_that_is_answered_steers_a_terminal() {
    let state = tempfile::tempdir().expect("a folder");
    let _server = served(state.path(), None, "a\u{9b}31m\u{202e}é");
    let escaped = "a\\u009b31m\\u202eé";
    for path in ["/status", "/healthz"] {
        let (status, text) = ask(&found(state.path()), &Ask::get(path)).expect("an answer");
        assert!(status == 200 && text.contains(escaped), "{path}: {text}");
    }
    let (status, text) = ask(&found(state.path()), &Ask::get("/conflicts")).expect("an answer");
    assert_eq!((status, text.as_str()), (500, "{\"message\":\"no manifest \\u009b31m\"}"));
    let mut heard = Vec::new();
    let mut hear = |event: Heard| {
        heard.push(event);
        false
    };
    listen(&found(state.path()), &Ask::get("/events"), None, &false.into(), &mut hear).expect("a stream");
    assert!(heard[0].event == "status" && heard[0].data.contains(escaped), "{heard:?}");
}

#[test]
fn over_tcp_only_who_knows_the_token_is_answered() {
    let state = tempfile::tempdir().expect("a folder");
    let server = served(state.path(), Some("127.0.0.1:0"), "");
    let (at, file) = (server.tcp.expect("a port"), state.path().join("control.token"));
    let text = fs::read_to_string(&file).expect("the token");
    let (told, token) = text.trim_end().split_once(' ').expect("two words");
    assert_eq!((told, token.len()), (at.to_string().as_str(), 64));
    let other = token.replace(|_| true, "0");
    for (token, expected) in [(token, 200), (&token[1..], 401), (&other, 401), ("", 401)] {
        for path in ["/status", "/healthz", "/metrics"] {
            let (status, _) = ask(&Address::Tcp { at, token: token.to_owned() }, &Ask::get(path)).expect("an answer");
            assert_eq!(status, expected, "{path} {token}");
        }
    }
    drop(server);
    assert!(!file.exists() && Address::find(state.path()).is_none());
}

#[cfg(unix)]
#[test]
fn where_a_socket_has_no_room_it_is_the_loopback_and_an_old_token_goes() {
    let top = tempfile::tempdir().expect("a folder");
    let deep = top.path().join("d".repeat(120));
    fs::create_dir(&deep).expect("made");
    let server = served(&deep, None, "");
    assert!(server.tcp.is_some());
    let (status, _) = ask(&found(&deep), &Ask::get("/status")).expect("an answer");
    assert_eq!(status, 200);
    drop(server);
    let old = top.path().join("control.token");
    fs::write(&old, "127.0.0.1:9 0\n").expect("written");
    let server = served(top.path(), None, "");
    assert!(server.tcp.is_none() && !old.exists());
}
