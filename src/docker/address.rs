//! Where the container engine is, found as the docker command line finds it: `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context
//! of `config.json`, the default socket; where that does not exist, podman's sockets.

use std::env;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{Error, Result};
use crate::disk::local;
use crate::model::shown::short;

/// No configuration file of docker's is longer.
const MOST: u64 = 4 << 20;
#[cfg(unix)]
const DEFAULT: &str = "unix:///var/run/docker.sock";
#[cfg(windows)]
const DEFAULT: &str = "npipe:////./pipe/docker_engine";
/// The port where no TLS is spoken.
const PLAIN_PORT: &str = "2375";

/// Where an engine is, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `unix:///path`, `npipe:////./pipe/name` or `tcp://host:port`. From the user's own surroundings.
    pub url: String,
    /// For people: `DOCKER_HOST`, `the context "colima"`, `the default`.
    pub said_by: String,
}

/// What of a process's surroundings says where the engine is.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub host: Option<String>,
    pub context: Option<String>,
    /// The folder of `config.json`.
    pub config: Option<PathBuf>,
    /// Sockets that are tried where nothing is named and the default does not exist, with who listens there.
    pub others: Vec<(PathBuf, &'static str)>,
    /// `DOCKER_TLS_VERIFY` is set: whoever set it does not want the plain protocol.
    pub wants_tls: bool,
}

impl Surroundings {
    pub fn of_this_process() -> Surroundings {
        let named = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let home = || env::home_dir().map(|home| home.join(".docker"));
        let mut others = Vec::new();
        if let Some(folder) = named("XDG_RUNTIME_DIR").map(PathBuf::from) {
            others.push((folder.join("docker.sock"), "the user's own socket of docker"));
            others.push((folder.join("podman/podman.sock"), "the user's own socket of podman"));
        }
        others.push((PathBuf::from("/run/podman/podman.sock"), "the socket of podman"));
        Surroundings {
            host: named("DOCKER_HOST"),
            context: named("DOCKER_CONTEXT"),
            config: named("DOCKER_CONFIG").map(PathBuf::from).or_else(home),
            others: if cfg!(unix) { others } else { Vec::new() },
            wants_tls: named("DOCKER_TLS_VERIFY").is_some(),
        }
    }
}

/// Finds the engine. What is named and cannot be read is an error: another engine than the named one has other containers.
pub fn find(around: &Surroundings) -> Result<Address> {
    if let Some(host) = &around.host {
        return checked(host, "DOCKER_HOST".to_owned(), around.wants_tls);
    }
    let by_file = || match &around.config {
        Some(folder) => Ok(read::<Config>(&folder.join("config.json"))?.and_then(|config| config.current)),
        None => Ok(None),
    };
    let context = match &around.context {
        Some(context) => Some(context.clone()),
        None => by_file()?,
    };
    if let Some(context) = context.filter(|name| !name.is_empty() && name != "default") {
        return of_context(around, &context);
    }
    let default = Address { url: DEFAULT.to_owned(), said_by: "the default".to_owned() };
    let is_there = |path: &Path| local::is_socket(path);
    if DEFAULT.strip_prefix("unix://").is_some_and(|path| !is_there(Path::new(path)))
        && let Some((path, who)) = around.others.iter().find(|(path, _)| is_there(path))
        && let Some(path) = path.to_str()
    {
        return Ok(Address { url: format!("unix://{path}"), said_by: (*who).to_owned() });
    }
    Ok(default)
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    name: String,
    #[serde(default)]
    endpoints: std::collections::BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: Option<String>,
}

/// The folders of contexts are named by a hash of the context's name, which stands in clear in the file.
fn of_context(around: &Surroundings, context: &str) -> Result<Address> {
    let said_by = format!("the context {}", short(context));
    let unknown = |why: &str| Error::Place(format!("{said_by} {why}"));
    let contexts = around.config.as_ref().ok_or_else(|| unknown("has no folder"))?.join("contexts/meta");
    let folders = local::folders(&contexts).map_err(|error| unknown(&format!("cannot be read: {error}")))?;
    for folder in folders {
        // Another context's broken file is no reason to fail.
        let Ok(Some(found)) = read::<Context>(&contexts.join(folder).join("meta.json")) else { continue };
        if found.name == context {
            let host = found.endpoints.get("docker").and_then(|endpoint| endpoint.host.clone());
            return checked(&host.ok_or_else(|| unknown("names no engine"))?, said_by.clone(), false);
        }
    }
    Err(unknown("does not exist"))
}

/// An address that this program speaks, as the docker command line writes it.
fn checked(host: &str, said_by: String, wants_tls: bool) -> Result<Address> {
    let host = host.trim();
    let unsupported = |message: &str| Error::Unsupported { at: short(host), message: message.to_owned() };
    let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
    let url = match scheme {
        "unix" if cfg!(unix) => format!("unix://{rest}"),
        "npipe" if cfg!(windows) => format!("npipe://{rest}"),
        "tcp" | "http" => {
            let authority = rest.trim_end_matches('/');
            let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
            if wants_tls || port == Some("2376") {
                return Err(unsupported("it speaks TLS, and this program does not; forward its socket with `ssh -L`"));
            }
            let port = if port.is_none() { format!(":{PLAIN_PORT}") } else { String::new() };
            format!("tcp://{authority}{port}")
        }
        "ssh" => return Err(unsupported("it is reached by ssh; forward its socket with `ssh -L` and name that in DOCKER_HOST")),
        _ => return Err(unsupported("nobody here knows that kind of address")),
    };
    Ok(Address { url, said_by })
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let unreadable = |why: String| Error::Place(format!("{}: {why}", short(&path.to_string_lossy())));
    let Some(text) = local::read_text(&local::real_path(path), MOST).map_err(|error| unreadable(error.to_string()))? else {
        return Ok(None);
    };
    serde_json::from_str(&text).map(Some).map_err(|error| unreadable(short(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            Place { folder: tempfile::tempdir().expect("a temporary folder") }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        }

        fn around(&self) -> Surroundings {
            Surroundings { config: Some(self.folder.path().to_owned()), ..Surroundings::default() }
        }
    }

    fn url(around: &Surroundings) -> String {
        find(around).map_or_else(|error| error.to_string(), |address| address.url)
    }

    #[test]
    fn an_engine_is_named_by_host_then_context_then_the_file() {
        let place = Place::new();
        place.write("config.json", r#"{"currentContext":"lab","auths":{}}"#);
        place.write("contexts/meta/00/meta.json", "broken");
        let lab = if cfg!(windows) { "npipe:////./pipe/lab" } else { "unix:///lab" };
        let meta = r#"{"Name":"lab","Endpoints":{"docker":{"Host":"LAB"}}}"#.replace("LAB", lab);
        place.write("contexts/meta/aa/meta.json", &meta);
        place.write("contexts/meta/bb/meta.json", r#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://far"}}}"#);
        let around = place.around();
        assert_eq!(url(&around), lab);
        let default = Surroundings { context: Some("default".to_owned()), ..around.clone() };
        assert_eq!(url(&default), DEFAULT);
        let far = Surroundings { context: Some("far".to_owned()), ..around.clone() };
        assert!(url(&far).contains("ssh -L"), "{}", url(&far));
        let nowhere = Surroundings { context: Some("nowhere".to_owned()), ..around.clone() };
        assert!(url(&nowhere).contains("the context nowhere does not exist"), "{}", url(&nowhere));
        let host = Surroundings { host: Some("tcp://127.0.0.1".to_owned()), ..nowhere };
        assert_eq!(url(&host), "tcp://127.0.0.1:2375");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_default() {
        let place = Place::new();
        place.write("config.json", "{");
        assert!(url(&place.around()).contains("cannot be found out"), "{}", url(&place.around()));
    }

    #[cfg(unix)]
    #[test]
    fn where_nothing_is_named_and_no_default_is_there_others_are_tried() {
        let place = Place::new();
        let socket = place.folder.path().join("podman.sock");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let around = Surroundings { others: vec![("/nowhere/s".into(), "a"), (socket.clone(), "podman")], ..place.around() };
        let expected = if local::is_socket(Path::new("/var/run/docker.sock")) {
            DEFAULT.to_owned()
        } else {
            format!("unix://{}", socket.to_str().expect("text"))
        };
        assert_eq!(url(&around), expected);
    }

    #[test]
    fn tls_is_not_spoken_in_clear() {
        for (host, wants_tls, part) in [
            ("tcp://engine:2376", false, "TLS"),
            ("tcp://engine:2375", true, "TLS"),
            ("fd://3", false, "nobody here knows"),
            ("engine:4243", false, "tcp://engine:4243"),
        ] {
            let said = checked(host, String::new(), wants_tls).map_or_else(|error| error.to_string(), |address| address.url);
            assert!(said.contains(part), "{host}: {said}");
        }
    }
}
