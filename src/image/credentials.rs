//! The logins that Docker and Podman keep, found where they keep them, by their rules.
//!
//! Invariants. Files are read, never written. A helper is started by its plain name, without a shell, and has a deadline. What
//! cannot be used is said in a note, and the registry is asked without a login: a public image needs none.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::bounded;
use serde::Deserialize;

use super::cause::{Error, Result};
use crate::disk::local;
use crate::model::shown::short;

/// How long a helper may take: some ask a keychain, none should ask a person.
const HELPER: Duration = Duration::from_secs(10);
/// No file with logins and no answer of a helper is longer, in bytes.
const MOST: u64 = 1 << 20;
/// What Docker calls its own registry in these files.
const HUB: &str = "https://index.docker.io/v1/";

/// What opens a registry. It has no `Debug`, so that no log holds it.
pub enum Credential {
    Password {
        user: String,
        password: String,
    },
    /// Exchanged for a token.
    Identity(String),
    /// A token as it is.
    Bearer(String),
}

/// What was found, and what could not be used.
#[derive(Default)]
pub struct Found {
    pub credential: Option<Credential>,
    /// Sentences without a full stop.
    pub notes: Vec<String>,
}

/// The files that hold logins, in their order.
#[derive(Clone, Debug, Default)]
pub struct Keychain {
    pub files: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    auths: BTreeMap<String, Auth>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    #[serde(rename = "identitytoken")]
    identity: String,
    #[serde(rename = "registrytoken")]
    bearer: String,
}

impl Keychain {
    /// Where this user's are: by the variables of Docker and Podman, else in his home.
    pub fn of_user() -> Keychain {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = set("HOME").or_else(|| set("USERPROFILE"));
        let below = |base: Option<PathBuf>, path: &str| base.map(|base| base.join(path));
        let config = set("XDG_CONFIG_HOME").or_else(|| below(home.clone(), ".config"));
        let files = [
            set("REGISTRY_AUTH_FILE"),
            below(set("DOCKER_CONFIG").or_else(|| below(home.clone(), ".docker")), "config.json"),
            below(set("XDG_RUNTIME_DIR"), "containers/auth.json"),
            below(config, "containers/auth.json"),
        ];
        Keychain { files: files.into_iter().flatten().collect() }
    }

    /// The login for a repository of the registry `host`, as people name that.
    pub fn find(&self, host: &str, repository: &str, stop: &AtomicBool) -> Result<Found> {
        let mut found = Found::default();
        for path in &self.files {
            let Some(file) = read(path, &mut found.notes) else { continue };
            if let Some(keeper) = file.helpers.iter().find(|(key, _)| names(key, host)).map(|(_, helper)| helper) {
                found.credential = ask(keeper, host, stop, &mut found.notes)?;
            }
            if found.credential.is_none() {
                found.credential = file.login(host, repository);
            }
            if let (None, Some(store)) = (&found.credential, &file.store) {
                found.credential = ask(store, host, stop, &mut found.notes)?;
            }
            if found.credential.is_some() {
                break;
            }
        }
        Ok(found)
    }
}

impl File {
    /// Podman's keys may name a part of the registry: the longest that fits counts.
    fn login(&self, host: &str, repository: &str) -> Option<Credential> {
        let whole = format!("{host}/{repository}");
        let part = |key: &str| whole.strip_prefix(key).is_some_and(|rest| rest.starts_with('/') || rest.is_empty());
        let mut fitting: Vec<_> = self.auths.iter().filter(|(key, _)| names(key, host) || part(key)).collect();
        fitting.sort_by_key(|(key, _)| std::cmp::Reverse(if names(key, host) { host.len() } else { key.len() }));
        fitting.into_iter().find_map(|(_, auth)| auth.credential())
    }
}

impl Auth {
    fn credential(&self) -> Option<Credential> {
        if !self.identity.is_empty() {
            return Some(Credential::Identity(self.identity.clone()));
        }
        if !self.bearer.is_empty() && self.bearer.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(Credential::Bearer(self.bearer.clone()));
        }
        let decoded = STANDARD.decode(self.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (user, password) = match decoded.split_once(':') {
            Some((user, password)) => (user, password.trim_end_matches('\0')),
            None => (&self.username[..], &self.password[..]),
        };
        (!user.is_empty() && !password.is_empty())
            .then(|| Credential::Password { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Does a key of such a file stand for the registry? Docker writes them with and without a scheme and a path.
fn names(key: &str, host: &str) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    let hub = |name: &str| matches!(name, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    bare.eq_ignore_ascii_case(host) || (hub(bare) && hub(host))
}

fn read(path: &Path, notes: &mut Vec<String>) -> Option<File> {
    // People keep such files elsewhere and link to them.
    let text = match local::read_text(&local::real_path(path), MOST) {
        Ok(text) => text?,
        Err(error) => {
            notes.push(format!(
                "the logins in {} are left out: {}",
                short(&path.to_string_lossy()),
                short(&error.source.to_string())
            ));
            return None;
        }
    };
    // The error of the parser would quote what stands there.
    let file = serde_json::from_str(&text).ok();
    if file.is_none() {
        notes.push(format!(
            "the logins in {} are left out: it is not the JSON that Docker writes",
            short(&path.to_string_lossy())
        ));
    }
    file
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "Username", default)]
    user: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// Asks `docker-credential-NAME`.
fn ask(helper: &str, host: &str, stop: &AtomicBool, notes: &mut Vec<String>) -> Result<Option<Credential>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if helper.is_empty() || !helper.bytes().all(plain) {
        notes.push(format!("the credential helper `{}` is left out: that is no name of one", short(helper)));
        return Ok(None);
    }
    let asked = if host == "docker.io" { HUB } else { host };
    match run(&format!("docker-credential-{helper}"), asked, HELPER, stop)? {
        Ok(answer) => match serde_json::from_slice::<Told>(&answer) {
            Ok(told) if told.secret.is_empty() => Ok(None),
            Ok(told) if told.user == "<token>" => Ok(Some(Credential::Identity(told.secret))),
            Ok(told) => Ok(Some(Credential::Password { user: told.user, password: told.secret })),
            // "credentials not found in native keychain" is how they say that there are none.
            Err(_) if String::from_utf8_lossy(&answer).contains("not found") => Ok(None),
            Err(_) => {
                notes.push(format!("the credential helper docker-credential-{helper} gave nothing that could be read"));
                Ok(None)
            }
        },
        Err(why) => {
            notes.push(format!("the credential helper docker-credential-{helper} {why}; the registry is asked without a login"));
            Ok(None)
        }
    }
}

/// Its output whatever code it ends with, or why there is none.
fn run(program: &str, input: &str, limit: Duration, stop: &AtomicBool) -> Result<std::result::Result<Vec<u8>, String>> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Err(format!("cannot be started ({error})"))),
    };
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let input = format!("{input}\n");
    let (told, heard) = bounded(1);
    // Threads of their own: one that it started may hold its pipes open for ever.
    thread::spawn(move || {
        let wrote = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
        drop(wrote);
        let mut answer = Vec::new();
        let read = stdout.map(|stdout| stdout.take(MOST).read_to_end(&mut answer));
        let _ = told.send(read.is_some_and(|read| read.is_ok()).then_some(answer));
    });
    let began = Instant::now();
    let answer = loop {
        if let Ok(answer) = heard.recv_timeout(Duration::from_millis(10)) {
            break answer.ok_or_else(|| "cannot be heard".to_owned());
        }
        let stopped = stop.load(Ordering::SeqCst);
        if stopped || began.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            if stopped {
                return Err(Error::Stopped);
            }
            return Ok(Err(format!("gave no answer for {} s", limit.as_secs())));
        }
    };
    // It said all that it has to say.
    let _ = child.kill();
    let _ = child.wait();
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str, repository: &str) -> Option<String> {
        let file: File = serde_json::from_str(text).expect("JSON");
        file.login(host, repository).map(|credential| match credential {
            Credential::Password { user, password } => format!("{user}/{password}"),
            Credential::Identity(text) => format!("identity {text}"),
            Credential::Bearer(text) => format!("bearer {text}"),
        })
    }

    #[test]
    fn keys_are_matched_as_docker_and_podman_write_them() {
        let text = |key: &str, auth: &str| format!(r#"{{"auths":{{"{key}":{auth}}},"other":1}}"#);
        let alice = r#"{"auth":"YWxpY2U6czpjcmV0"}"#;
        for (key, auth, host, repository, expected) in [
            ("https://index.docker.io/v1/", alice, "docker.io", "library/nginx", Some("alice/s:cret")),
            ("docker.io", alice, "docker.io", "a/b", Some("alice/s:cret")),
            ("https://r.io", alice, "r.io", "a", Some("alice/s:cret")),
            ("r.io:5000", alice, "r.io:5000", "a", Some("alice/s:cret")),
            ("r.io/team", alice, "r.io", "team/app", Some("alice/s:cret")),
            ("r.io/tea", alice, "r.io", "team/app", None),
            ("evil.io", alice, "r.io", "a", None),
            ("r.io.evil.io", alice, "r.io", "a", None),
            ("r.io", "{}", "r.io", "a", None),
            ("r.io", r#"{"username":"bob","password":"p"}"#, "r.io", "a", Some("bob/p")),
            ("r.io", r#"{"auth":"YWxpY2U6czpjcmV0","identitytoken":"it"}"#, "r.io", "a", Some("identity it")),
            ("r.io", r#"{"registrytoken":"rt"}"#, "r.io", "a", Some("bearer rt")),
            ("r.io", r#"{"auth":"!!!"}"#, "r.io", "a", None),
        ] {
            assert_eq!(login(&text(key, auth), host, repository).as_deref(), expected, "{key} {auth}");
        }
        let two = r#"{"auths":{"r.io":{"auth":"YTpi"},"r.io/team":{"auth":"YzpkCg=="}}}"#;
        assert_eq!(login(two, "r.io", "team/app").as_deref(), Some("c/d\n"));
        assert_eq!(login(two, "r.io", "other/app").as_deref(), Some("a/b"));
    }

    #[test]
    fn a_keeper_of_logins_that_is_none_or_not_there_is_left_out() {
        for (helper, part) in [("../x", "no name"), ("a b", "no name"), ("", "no name"), ("driftless-none", "cannot be started")]
        {
            let mut notes = Vec::new();
            let credential = ask(helper, "r.io", &AtomicBool::new(false), &mut notes).expect("not stopped");
            assert!(credential.is_none() && notes.len() == 1 && notes[0].contains(part), "{notes:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_keeper_of_logins_that_hangs_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("helper");
        std::fs::write(&program, "#!/bin/sh\nexec sleep 600\n").expect("written");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        let program = program.to_str().expect("text");
        let began = Instant::now();
        let answer = run(program, "r.io", Duration::from_millis(50), &AtomicBool::new(false)).expect("not stopped");
        assert!(answer.is_err_and(|why| why.contains("no answer")));
        assert_eq!(run(program, "r.io", HELPER, &AtomicBool::new(true)).err(), Some(Error::Stopped));
        assert!(began.elapsed() < HELPER, "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_no_file_of_logins_is_said_without_its_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        std::fs::write(&path, "{\"auths\": s3cret").expect("written");
        let keychain = Keychain { files: vec![folder.path().join("none.json"), path] };
        let found = keychain.find("r.io", "a", &AtomicBool::new(false)).expect("not stopped");
        assert!(found.credential.is_none());
        assert!(found.notes.len() == 1 && !found.notes[0].contains("s3cret"), "{:?}", found.notes);
    }
}
