//! Could not be told: each reason, never in step and never drift.

use std::sync::{Arc, Mutex};

use super::{REVISION, Shop};
use crate::services::{Picture, Request, Response, Served, digest, pass_on};

/// The shop's registry behind something that goes wrong.
struct Faulty {
    shop: Shop,
    proxy: Served,
    fault: Arc<Mutex<Arc<Fault>>>,
}

type Fault = dyn Fn(&Request, u16) -> Option<Response> + Send + Sync;

impl Faulty {
    fn new() -> Faulty {
        let shop = Shop::new();
        shop.build(&shop.head());
        let first: Arc<Fault> = Arc::new(|request, port| Some(pass_on(port, request)));
        let (port, fault) = (shop.registry.port, Arc::new(Mutex::new(first)));
        let now = Arc::clone(&fault);
        let proxy = Served::start(move |request| {
            let fault = Arc::clone(&*now.lock().expect("no panic in there"));
            fault(request, port)
        });
        Faulty { shop, proxy, fault }
    }

    /// From now on `fault` answers in the registry's place, or calls it. Nothing that was read before is known any more.
    fn turns(&self, fault: impl Fn(&Request, u16) -> Option<Response> + Send + Sync + 'static) -> &Faulty {
        *self.fault.lock().expect("no panic in there") = Arc::new(fault);
        let _ = std::fs::remove_dir_all(self.shop.hub.world.state.join(".documents"));
        self.proxy.take_asked();
        self
    }

    #[track_caller]
    fn check(&self, words: &[&str], code: i32) -> serde_json::Value {
        let name = format!("{}/team/app:latest", self.proxy.host());
        let ended = self.shop.hub.world.run_in(&self.shop.clone, &[&["image", "check", &name[..], "--json"], words].concat());
        ended.ends_with(code);
        ended.json()
    }

    /// It could not be told, because of `cause`; what is told of it holds `part`.
    #[track_caller]
    fn unknown(&self, words: &[&str], cause: &str, part: &str) {
        let object = self.check(words, 7);
        assert_eq!((&object["state"], &object["cause"]), (&"could_not_tell".into(), &cause.into()), "{object}");
        assert_eq!((&object["severity"], &object["fatal"]), (&"could_not_tell".into(), &serde_json::Value::Null), "{object}");
        assert!(object["message"].as_str().is_some_and(|message| message.contains(part)), "{part}: {object}");
    }
}

/// The status for the first `times` requests, then the registry itself.
fn first(
    times: usize,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
) -> impl Fn(&Request, u16) -> Option<Response> {
    let left = Arc::new(Mutex::new(times));
    move |request, port| {
        let mut left = left.lock().expect("no panic in there");
        if *left > 0 {
            *left -= 1;
            return Some(Response::of(status, headers, "{}"));
        }
        Some(pass_on(port, request))
    }
}

#[test]
fn nobody_answers() {
    let shop = Shop::new();
    let nowhere = "127.0.0.1:9/team/app";
    let ended = shop.hub.world.run_in(&shop.clone, &["image", "check", nowhere, "--json"]);
    ended.ends_with(7);
    assert_eq!(ended.json()["cause"], "unreachable", "{ended}");
    let told = shop.hub.world.run_in(&shop.clone, &["image", "check", nowhere]);
    told.ends_with(7);
    assert!(told.stdout.starts_with("Could not tell: 127.0.0.1:9 cannot be reached") && !told.stdout.contains("FATAL"), "{told}");
    let unknown = shop.hub.world.run_in(&shop.clone, &["image", "check", "no-such-host.invalid/a", "--json"]);
    unknown.ends_with(7);
    assert_eq!(unknown.json()["cause"], "unreachable", "{unknown}");
    // The image is known, the repository's remote is gone: HEAD can still be judged.
    shop.build(&shop.head());
    std::fs::rename(&shop.hub.bare, shop.hub.top().join("away.git")).expect("away");
    assert_eq!(shop.check(&[], 7, "could_not_tell")["cause"], "unreachable");
    shop.check(&["--against", "head"], 0, "in_step");
    shop.check(&["--no-fetch"], 0, "in_step");
}

#[test]
fn a_registry_that_asks_for_patience_is_waited_for_within_bounds() {
    let faulty = Faulty::new();
    let object = faulty.turns(first(1, 429, &[("Retry-After", "0")])).check(&[], 0);
    assert_eq!((&object["state"], &object["requests"]["head"]), (&"in_step".into(), &2.into()), "{object}");
    // No time at all is no leave to ask without an end.
    let object = faulty.turns(first(99, 429, &[("Retry-After", "0")])).check(&[], 7);
    assert_eq!((&object["cause"], &object["requests"]["head"]), (&"rate_limited".into(), &3.into()), "{object}");
    assert!(!object.to_string().contains(" 0 s"), "{object}");
    faulty.turns(first(9, 429, &[("Retry-After", "3600")])).unknown(&[], "rate_limited", "again in 3600 s");
    assert_eq!(faulty.proxy.take_asked().len(), 1, "it is asked once, and believed");
    faulty.turns(first(999, 429, &[])).unknown(&["--wait", "0s"], "rate_limited", "too often");
    let object = faulty.turns(first(1, 503, &[("Retry-After", "0")])).check(&[], 0);
    assert_eq!(object["state"], "in_step");
    faulty.turns(first(999, 502, &[("Retry-After", "0")])).unknown(&[], "unreachable", "502");
    let counted = faulty.turns(|request, port| {
        let mut response = pass_on(port, request);
        response.headers.push(("RateLimit-Remaining".to_owned(), "97;w=21600".to_owned()));
        Some(response)
    });
    assert_eq!(counted.check(&[], 0)["rate_limit_remaining"], 97);
}

/// HEAD may be refused, unknown, or say nothing: one GET tells.
#[test]
fn a_head_that_tells_nothing_costs_one_get() {
    let faulty = Faulty::new();
    for status in [404, 405] {
        let odd = faulty.turns(move |request, port| {
            Some(if request.method == "HEAD" { Response::of(status, &[], "") } else { pass_on(port, request) })
        });
        assert_eq!(odd.check(&[], 0)["requests"], serde_json::json!({"head": 1, "get": 2, "token": 0}), "{status}");
    }
    let silent = faulty.turns(|request, port| {
        let mut response = pass_on(port, request);
        response.headers.retain(|(key, _)| key != "docker-content-digest");
        Some(response)
    });
    assert_eq!(silent.check(&[], 0)["state"], "in_step");
}

/// Whatever answers 404 may be no registry at all, or one behind something that is turned off.
#[test]
fn only_a_registry_says_that_there_is_no_image() {
    let faulty = Faulty::new();
    for body in
        ["", "<h1>nothing here</h1>", "{}", "{\"errors\":[]}", "{\"errors\":[{\"code\":\"TEAPOT\"}]}", "[\"MANIFEST_UNKNOWN\"]"]
    {
        faulty.turns(move |_, _| Some(Response::of(404, &[], body))).unknown(&[], "answer", "no registry says so");
    }
    for code in ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"] {
        let body = format!("{{\"errors\":[{{\"code\":\"{code}\"}}]}}");
        let object = faulty.turns(move |_, _| Some(Response::of(404, &[], &body[..]))).check(&[], 5);
        assert_eq!(object["state"], "missing", "{code}");
    }
    let told = [("Docker-Distribution-Api-Version", "registry/2.0")];
    assert_eq!(faulty.turns(move |_, _| Some(Response::of(404, &told, ""))).check(&[], 5)["state"], "missing");
}

/// An index may list what is for no platform that it names: it is looked at, and never passed over for an image that is fresh.
#[test]
fn no_entry_of_an_index_is_dropped() {
    let faulty = Faulty::new();
    let old = faulty.shop.build(&faulty.shop.head());
    faulty.shop.change("app/main.py");
    let new = faulty.shop.build(&faulty.shop.head());
    let lists = |second: serde_json::Value| {
        let first = serde_json::json!({"digest": new, "platform": {"os": "linux", "architecture": "arm64"}});
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [first, second]}).to_string();
        faulty.turns(move |request, port| {
            Some(match (&request.method[..], request.path.ends_with("/latest")) {
                ("HEAD", _) => Response::of(405, &[], ""),
                (_, true) => Response::of(200, &[], &index[..]),
                _ => pass_on(port, request),
            })
        })
    };
    for platform in [serde_json::Value::Null, serde_json::json!({"os": "unknown", "architecture": "unknown"})] {
        let object = lists(serde_json::json!({"digest": old, "platform": platform})).check(&[], 5);
        assert_eq!(object["state"], "partial_platforms", "{object}");
        assert_eq!(object["image"]["platforms"][1]["platform"], "linux/amd64", "{object}");
    }
    let amd64 = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let other = format!("sha512:{}", "a".repeat(128));
    lists(serde_json::json!({"digest": other, "platform": amd64})).unknown(&[], "answer", "digest");
    lists(serde_json::json!({"platform": amd64})).unknown(&[], "answer", "digest");
    lists(serde_json::json!("latest")).unknown(&[], "answer", "digest");
    // What says itself that it is no image is none.
    let signature = serde_json::json!({"digest": other, "artifactType": "application/vnd.example.signature"});
    assert_eq!(lists(signature).check(&[], 0)["state"], "in_step");
}

/// Blobs lie elsewhere; whoever holds them learns no login.
#[test]
fn a_redirect_carries_no_login_to_another_host() {
    let elsewhere = Arc::new(Mutex::new(None::<Arc<Served>>));
    let known = Arc::clone(&elsewhere);
    let mut faulty = Faulty::new();
    faulty.turns(move |request, port| {
        if request.header("authorization").is_none() {
            return Some(Response::of(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], "{}"));
        }
        if request.path.contains("/blobs/") {
            let place = known.lock().expect("no panic in there").as_ref().map(|served| served.host()).expect("it is there");
            return Some(Response::of(307, &[("Location", &format!("http://{place}{}?signature=s3cret", request.path))], ""));
        }
        Some(pass_on(port, request))
    });
    let port = faulty.shop.registry.port;
    let cdn = Arc::new(Served::start(move |request| Some(pass_on(port, request))));
    *elsewhere.lock().expect("no panic in there") = Some(Arc::clone(&cdn));
    let auth = format!("{{\"auths\":{{\"{}\":{{\"username\":\"alice\",\"password\":\"pass-w0rd\"}}}}}}", faulty.proxy.host());
    crate::harness::write(&faulty.shop.hub.top().join("auth.json"), auth);
    let file = faulty.shop.hub.top().join("auth.json").display().to_string();
    faulty.shop.hub.world.set("REGISTRY_AUTH_FILE", &file);
    assert_eq!(faulty.check(&[], 0)["state"], "in_step");
    let asked = cdn.take_asked();
    assert!(asked.len() == 1 && asked[0].header("authorization").is_none(), "{asked:?}");
    assert!(faulty.proxy.take_asked().iter().skip(1).all(|request| request.header("authorization").is_some()));
}

#[test]
fn a_redirect_to_an_unsafe_place_is_not_followed() {
    let faulty = Faulty::new();
    for place in ["http://10.255.255.1/x", "ftp://127.0.0.1/x", "http://me:pw@127.0.0.1/x", "//127.0.0.1:1/x", ""] {
        faulty.turns(move |_, _| Some(Response::of(307, &[("Location", place)], ""))).unknown(
            &[],
            "answer",
            "a redirect to a place that is not safe",
        );
    }
    let round = faulty.turns(|request, _| Some(Response::of(307, &[("Location", &request.path)], "")));
    round.unknown(&[], "answer", "status 307");
}

/// A registry is whoever answers: limits hold, and what it names is what it gives.
#[test]
fn a_hostile_registry_is_not_believed() {
    let faulty = Faulty::new();
    faulty
        .turns(|request, _| match &request.method[..] {
            "HEAD" => Some(Response::of(200, &[("Docker-Content-Digest", &digest(b"{}"))], "")),
            _ => Some(Response::of(200, &[], "{\"config\":{}}")),
        })
        .unknown(&[], "answer", "not the digest");
    faulty
        .turns(|request, _| match &request.method[..] {
            "HEAD" => Some(Response::of(405, &[], "")),
            _ => Some(Response::of(200, &[], vec![b' '; (4 << 20) + 1])),
        })
        .unknown(&[], "answer", "bytes");
    for body in ["", "[]", "nonsense", "{\"manifests\":[]", "{\"config\":{\"digest\":\"sha256:x\"}}", "\u{1b}[2J"] {
        faulty
            .turns(move |request, _| match &request.method[..] {
                "HEAD" => Some(Response::of(405, &[], "")),
                _ => Some(Response::of(200, &[], body)),
            })
            .unknown(&[], "answer", "cannot be used");
    }
    let long = "x".repeat(200_000);
    faulty.turns(move |_, _| Some(Response::of(200, &[("X-Long", &long)], ""))).unknown(&[], "answer", "headers");
}

/// What is pushed may be written to steer a terminal.
#[test]
fn labels_steer_no_terminal() {
    let shop = Shop::new();
    let evil = "\u{1b}]0;gone\u{7}\u{1b}[2J\nIn step: all is well.\u{202e}";
    shop.registry.push("team/app", "latest", &Picture::labelled(&[(REVISION, evil), (super::SOURCE, evil)]));
    for words in [&[][..], &["--json"]] {
        let told = shop.run(words);
        told.ends_with(5);
        let odd = told.stdout.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').count();
        assert_eq!(odd, 0, "{told}");
        assert!(!told.stdout.contains("\nIn step"), "{told}");
    }
}

/// Ctrl-C is heard while a registry says nothing.
#[test]
fn a_registry_that_hangs_is_left() {
    let faulty = Faulty::new();
    faulty.turns(|_, _| None);
    let name = format!("{}/team/app", faulty.proxy.host());
    let mut command = faulty.shop.hub.world.command(&faulty.shop.clone, &["image", "check", &name]);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("it starts");
    crate::harness::wait_for("the question", || !faulty.proxy.take_asked().is_empty());
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    let began = std::time::Instant::now();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}
