//! Whom a registry lets in, and whom it tells what.

use super::Shop;
use crate::harness::{chmod, write};
use crate::services::{Gate, Registry};

/// The same images behind a gate.
struct Gated {
    shop: Shop,
    gate: Registry,
}

impl Gated {
    fn new(gate: Gate) -> Gated {
        let mut shop = Shop::new();
        shop.build(&shop.head());
        let gate = shop.registry.beside(gate);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", shop.hub.top().join("bin").display());
        shop.hub.world.set("PATH", &path);
        Gated { shop, gate }
    }

    /// The file of Docker's logins, in the home of the world.
    fn docker(&self, text: &str) {
        let text = text.replace("HOST", &self.gate.host());
        write(&self.shop.hub.top().join("home/.docker/config.json"), text);
    }

    fn keeper(&self, name: &str, script: &str) {
        let path = self.shop.hub.top().join(format!("bin/docker-credential-{name}"));
        write(&path, format!("#!/bin/sh\n{script}\n"));
        chmod(&path, 0o755);
    }

    #[track_caller]
    fn check(&self, repository: &str, code: i32) -> serde_json::Value {
        let name = format!("{}/{repository}", self.gate.host());
        let ended = self.shop.hub.world.run_in(&self.shop.clone, &["image", "check", &name, "--json"]);
        ended.ends_with(code);
        assert!(!format!("{ended}").contains("secret"), "{ended}");
        ended.json()
    }

    #[track_caller]
    fn refuses(&self, part: &str) {
        let object = self.check("team/app", 7);
        assert_eq!((&object["state"], &object["cause"]), (&"could_not_tell".into(), &"login".into()), "{object}");
        let told = object.to_string();
        assert!(told.contains(part), "{part}: {told}");
        assert_eq!(object["mend"], format!("docker login {}", self.gate.host()));
    }
}

#[test]
fn im_01_a_password_is_found_where_docker_and_podman_keep_it() {
    let mut gated = Gated::new(Gate::Password);
    gated.refuses("none is known here");
    gated.docker(r#"{"auths":{"HOST":{"auth":"YWxpY2U6c2VjcmV0"}}}"#);
    assert_eq!(gated.check("team/app", 0)["state"], "in_step");
    let object = gated.check("team/app", 0);
    assert_eq!(object["requests"], serde_json::json!({"head": 1, "get": 0, "token": 0}), "{object}");
    assert_eq!(gated.check("team/none", 5)["state"], "missing", "it knows us, and says that there is none");
    gated.docker(r#"{"auths":{"HOST":{"auth":"YWxpY2U6d3Jvbmc="}}}"#);
    gated.refuses("is not taken");
    // A helper for this registry counts before the store for all of them.
    gated.keeper("mine", "read host; echo \"$host\" >>\"$HOME/asked\"; echo '{\"Username\":\"alice\",\"Secret\":\"secret\"}'");
    gated.keeper("all", "cat >/dev/null; echo '{\"Username\":\"alice\",\"Secret\":\"wrong\"}'");
    gated.docker(r#"{"credHelpers":{"HOST":"mine"},"credsStore":"all","auths":{"HOST":{}}}"#);
    gated.check("team/app", 0);
    assert_eq!(crate::harness::read(&gated.shop.hub.top().join("home/asked")).trim(), gated.gate.host());
    gated.docker(r#"{"credsStore":"all"}"#);
    gated.refuses("is not taken");
    gated.docker(r#"{"credsStore":"gone"}"#);
    gated.refuses("docker-credential-gone cannot be started");
    gated.keeper("empty", "echo 'credentials not found in native keychain'; exit 1");
    gated.docker(r#"{"credsStore":"empty"}"#);
    gated.refuses("none is known here");
    gated.keeper("locked", "echo 'the keychain is locked'; exit 1");
    gated.docker(r#"{"credsStore":"locked"}"#);
    gated.refuses("docker-credential-locked gave nothing");
    gated.docker("{ this is no JSON");
    gated.refuses("left out");
    let podman = format!("{{\"auths\":{{\"{}/team\":{{\"auth\":\"YWxpY2U6c2VjcmV0\"}}}}}}", gated.gate.host());
    write(&gated.shop.hub.top().join("run/containers/auth.json"), podman);
    let run = gated.shop.hub.top().join("run").display().to_string();
    gated.shop.hub.world.set("XDG_RUNTIME_DIR", &run);
    gated.check("team/app", 0);
}

#[test]
fn im_01_tokens_are_fetched_as_the_registry_says() {
    let gated = Gated::new(Gate::Token);
    let object = gated.check("team/app", 0);
    assert_eq!(object["state"], "in_step");
    assert_eq!(object["requests"], serde_json::json!({"head": 2, "get": 2, "token": 1}), "{object}");
    let asked = gated.gate.tokens().take_asked();
    assert!(asked.len() == 1 && asked[0].header("authorization").is_none(), "{asked:?}");
    assert!(asked[0].path.contains("service=tests") && asked[0].path.contains("repository%3Ateam%2Fapp%3Apull"), "{asked:?}");
    let object = gated.check("team/app", 0);
    assert_eq!(object["requests"], serde_json::json!({"head": 1, "get": 0, "token": 1}), "{object}");
    // Somebody moved the place for tokens: it is asked for again.
    let folder = gated.shop.hub.world.state.join(".documents");
    let kept = folder.join(format!("challenge-{}", gated.gate.host().replace(':', "_")));
    let right = crate::harness::read(&kept);
    write(&kept, r#"{"Bearer":{"realm":"http://127.0.0.1:9/token","service":"tests","scope":null}}"#);
    gated.check("team/app", 0);
    assert_eq!(crate::harness::read(&kept), right);
    // A tag that the repository has not is missing; a repository that it does not show may be hidden.
    assert_eq!(gated.check("team/app:none", 5)["state"], "missing");
    let hidden = gated.check("team/none", 7);
    assert_eq!(hidden["cause"], "login", "{hidden}");
    gated.docker(r#"{"auths":{"HOST":{"auth":"YWxpY2U6c2VjcmV0"}}}"#);
    assert_eq!(gated.check("team/none", 5)["state"], "missing");
    gated.check("team/app", 0);
    assert!(gated.gate.tokens().take_asked().iter().any(|request| request.header("authorization").is_some()));
    gated.docker(r#"{"auths":{"HOST":{"auth":"YWxpY2U6d3Jvbmc="}}}"#);
    gated.refuses("is not taken");
    // An identity token is exchanged, in a form and not in a URL.
    gated.docker(r#"{"auths":{"HOST":{"auth":"eDp5","identitytoken":"identity"}}}"#);
    gated.gate.tokens().take_asked();
    gated.check("team/app", 0);
    let asked = gated.gate.tokens().take_asked();
    assert!(asked.len() == 1 && asked[0].method == "POST" && !asked[0].path.contains("identity"), "{asked:?}");
    gated.keeper("id", "cat >/dev/null; echo '{\"Username\":\"<token>\",\"Secret\":\"identity\"}'");
    gated.docker(r#"{"credHelpers":{"HOST":"id"}}"#);
    gated.check("team/app", 0);
}

/// The authority that signed a registry's certificate may be one's own.
#[test]
fn im_01_an_encrypted_line_and_an_authority_of_ones_own() {
    let gated = Gated::new(Gate::Encrypted);
    let authority = gated.gate.authority().display().to_string();
    let name = format!("{}/team/app", gated.gate.host());
    let check = |words: &[&str]| {
        gated.shop.hub.world.run_in(&gated.shop.clone, &[&["image", "check", &name[..], "--json"], words].concat())
    };
    let ended = check(&["--ca", &authority]);
    ended.ends_with(0);
    assert_eq!(ended.json()["state"], "in_step");
    let other = gated.shop.registry.beside(Gate::Encrypted).authority().display().to_string();
    let ended = check(&["--ca", &other]);
    ended.ends_with(7);
    let object = ended.json();
    assert_eq!(object["cause"], "unreachable", "{object}");
    assert!(object["mend"].as_str().is_some_and(|mend| mend.contains("--ca FILE")), "{object}");
    check(&["--ca", "/dev/null"]).ends_with(1);
    // By a plain line it is no registry.
    let ended = check(&[]);
    ended.ends_with(7);
    assert_eq!(ended.json()["cause"], "answer", "{ended}");
}

/// Who looks for a fault shows the log to others: no wish for more of it prints a login.
#[test]
fn no_trace_holds_a_password() {
    let mut gated = Gated::new(Gate::Password);
    gated.docker(r#"{"auths":{"HOST":{"auth":"YWxpY2U6c2VjcmV0"}}}"#);
    gated.shop.hub.world.set("DRIFTLESS_LOG", "trace,ureq_proto::util=trace");
    let name = format!("{}/team/app", gated.gate.host());
    let ended = gated.shop.hub.world.run_in(&gated.shop.clone, &["image", "check", &name]);
    ended.ends_with(0);
    // A request is dumped in short lines: what stands at their ends, taken together.
    let dumped: String = ended.stderr.lines().filter_map(|line| line.split_whitespace().last()).collect();
    for told in [&ended.stderr, &dumped] {
        assert!(!told.contains("YWxpY2U6") && !told.to_lowercase().contains("authorization"), "{told}");
    }
    let foreign = ended.stderr.lines().find(|line| line.contains("TRACE") && !line.contains("driftless"));
    assert_eq!(foreign, None);
}
