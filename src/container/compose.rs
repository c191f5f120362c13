//! A compose project, as compose itself understands it: asked by its command line, whichever of the two there is.
//!
//! Invariants. A project is found from a folder of the user's, as compose does it. What labels of containers say of files is never
//! opened: an image can carry any label.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::chain::shell;
use super::command::{Ended, Hearing, run};
use super::error::{Error, Result};
use crate::disk::local;
use crate::docker::{self, Container, Engine};
use crate::model::shown::short;

/// The labels by which compose knows its containers.
pub const SERVICE: &str = "com.docker.compose.service";
const PROJECT: &str = "com.docker.compose.project";
const FOLDER: &str = "com.docker.compose.project.working_dir";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const HASH: &str = "com.docker.compose.config-hash";

/// As compose looks for them.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Variables that steer compose and that another shell may not have.
const STEERING: [&str; 6] = [
    "COMPOSE_FILE",
    "COMPOSE_PATH_SEPARATOR",
    "COMPOSE_ENV_FILES",
    "COMPOSE_DISABLE_ENV_FILE",
    "COMPOSE_PROFILES",
    "COMPOSE_COMPATIBILITY",
];
/// Compose removes nothing that it was not asked to remove: a service that the file has no more may hold what is nowhere else.
const KEEP_ORPHANS: (&str, &str) = ("COMPOSE_REMOVE_ORPHANS", "0");
/// How long compose may take to understand its files.
const READING: Duration = Duration::from_secs(60);

/// A project and how its compose is called.
#[derive(Debug)]
pub struct Project {
    /// The folder of its file.
    pub folder: PathBuf,
    pub name: Option<String>,
    pub services: BTreeMap<String, Service>,
    words: &'static [&'static str],
    files: Vec<PathBuf>,
    host: String,
}

/// What is known of a service.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service {
    #[serde(default, deserialize_with = "build")]
    pub build: Option<Build>,
    #[serde(default)]
    pub develop: Option<Develop>,
    /// The name that its image has or gets; without it compose makes one.
    #[serde(default)]
    pub image: Option<String>,
    /// `service:NAME`: it lives in the network of another one.
    #[serde(default)]
    pub network_mode: Option<String>,
    #[serde(default, deserialize_with = "names")]
    pub depends_on: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Build {
    #[serde(default)]
    pub context: Option<String>,
    #[serde(default)]
    pub dockerfile: Option<String>,
    #[serde(default)]
    pub dockerfile_inline: Option<String>,
    #[serde(default)]
    pub target: Option<String>,
    /// What the builder is given; `None`: compose does not say which value.
    #[serde(default, deserialize_with = "args")]
    pub args: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Develop {
    #[serde(default)]
    pub watch: Vec<Watch>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Watch {
    pub action: String,
    pub path: String,
    #[serde(default)]
    pub target: Option<String>,
    #[serde(default)]
    pub ignore: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    services: BTreeMap<String, Service>,
}

fn build<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Build>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Short(String),
        Long(Build),
    }
    Ok(Option::<Either>::deserialize(from)?.map(|either| match either {
        Either::Short(context) => Build { context: Some(context), ..Build::default() },
        Either::Long(build) => build,
    }))
}

/// A table, or a list of `NAME=VALUE` and `NAME`.
fn args<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<BTreeMap<String, Option<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Table(BTreeMap<String, serde_json::Value>),
    }
    let of_value = |value: serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(match Option::<Either>::deserialize(from)? {
        Some(Either::List(words)) => words
            .into_iter()
            .map(|word| match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            })
            .collect(),
        Some(Either::Table(table)) => table.into_iter().map(|(name, value)| (name, of_value(value))).collect(),
        None => BTreeMap::new(),
    })
}

/// The names of a list, or of a table with more about each.
fn names<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Table(BTreeMap<String, serde::de::IgnoredAny>),
    }
    Ok(match Option::<Either>::deserialize(from)? {
        Some(Either::List(names)) => names,
        Some(Either::Table(table)) => table.into_keys().collect(),
        None => Vec::new(),
    })
}

/// The nearest folder with a compose file, from `here` upwards.
pub fn folder(here: &Path) -> Option<PathBuf> {
    here.ancestors().find(|folder| NAMES.iter().any(|name| local::is_file(&folder.join(name)))).map(Path::to_path_buf)
}

impl Project {
    /// Asks compose for the project of `folder`, or of `files` where some are named. `host` is the engine's address.
    pub fn read(folder: &Path, files: &[PathBuf], host: &str, stop: &AtomicBool) -> Result<Project> {
        let empty = |words| Project {
            folder: folder.to_path_buf(),
            name: None,
            services: BTreeMap::new(),
            words,
            files: files.to_vec(),
            host: host.to_owned(),
        };
        let plugin = empty(&["docker", "compose"]);
        let asked = plugin.asks(&["config", "--format", "json"], Hearing { limit: READING, stop: Some(stop), say: None });
        let lacks_plugin = |ended: &Ended| ended.last.iter().any(|line| is_no_plugin(line));
        let (mut project, answer) = match asked {
            Ok(ended) if ended.success => (plugin, ended),
            Err(Error::Stopped) => return Err(Error::Stopped),
            Ok(ended) if !lacks_plugin(&ended) => return Err(plugin.failure("config", &ended)),
            _ => {
                let old = empty(&["docker-compose"]);
                let ended = old.asks(&["config"], Hearing { limit: READING, stop: Some(stop), say: None })?;
                if !ended.success {
                    return Err(old.failure("config", &ended));
                }
                (old, ended)
            }
        };
        let text = String::from_utf8_lossy(&answer.stdout);
        let config: Config = serde_saphyr::from_str(&text).map_err(|error| Error::Unreadable {
            path: project.shown("config"),
            message: short(error.to_string().lines().next().unwrap_or_default()),
        })?;
        project.name = match config.name {
            Some(name) => Some(name),
            None => Some(old_name(folder, std::env::var("COMPOSE_PROJECT_NAME").ok())?),
        };
        project.services = config.services;
        Ok(project)
    }

    /// The containers of a service as compose knows them, by their ids: those that it would replace.
    pub fn ids(&self, service: &str) -> Result<Vec<String>> {
        let hearing = Hearing { limit: READING, stop: None, say: None };
        let ended = self.asks(&["ps", "-q", service], hearing)?;
        // Some generations call it an error where there is none.
        let text = String::from_utf8_lossy(&ended.stdout);
        let ids: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let none = ended.last.iter().any(|line| line.to_ascii_lowercase().contains("no such container"));
        if ended.success || (ids.is_empty() && none) { Ok(ids) } else { Err(self.failure("ps", &ended)) }
    }

    /// The name by which compose calls the image of a service that is built here.
    pub fn image(&self, service: &str) -> Option<String> {
        let known = self.services.get(service)?;
        let between = if self.is_old() || is_compatible() { '_' } else { '-' };
        let made = || Some(format!("{}{between}{service}", self.name.as_deref()?));
        known.image.clone().or_else(made)
    }

    /// Another service whose image has the same name.
    pub fn shares_image(&self, service: &str, image: &str) -> Option<&str> {
        let others = self.services.keys().filter(|other| other.as_str() != service);
        others.map(String::as_str).find(|other| self.image(other).as_deref() == Some(image))
    }

    /// Does the compose file say of a service what it said when its container was made? `None` where that is not known. `image` is
    /// what its image's name means now, by id.
    pub fn says_the_same(&self, service: &str, container: &Container, image: Option<&str>) -> Option<bool> {
        // The older generation has the image in its hash.
        if self.is_old() && image != Some(container.image_id.as_str()) {
            return None;
        }
        let then = container.labels.get(HASH)?;
        let ended = self.asks(&["config", "--hash", service], Hearing { limit: READING, stop: None, say: None }).ok()?;
        let text = String::from_utf8_lossy(&ended.stdout);
        let now = text.split_whitespace().skip_while(|word| *word != service).nth(1).filter(|_| ended.success)?;
        Some(then == now)
    }

    /// Words for compose that make the containers of a service anew of the image that is there, and of no other. One that did not run is
    /// not started.
    pub fn up_words(&self, service: &str, starts: bool, renew_volumes: bool) -> Vec<String> {
        let mut words = vec!["up", if starts { "-d" } else { "--no-start" }, "--no-deps", "--no-build"];
        // The older generation fetches only where there is no such image.
        words.extend(["--pull", "never"].into_iter().filter(|_| !self.is_old()));
        words.push("--force-recreate");
        words.extend(["--renew-anon-volumes"].into_iter().filter(|_| renew_volumes));
        words.push(service);
        words.into_iter().map(str::to_owned).collect()
    }

    fn is_old(&self) -> bool {
        self.words.len() == 1
    }

    /// A line of commands for a shell, from any folder, for the same engine and with the same files.
    pub fn line(&self, commands: &[String]) -> String {
        let folder = shell(&self.folder.to_string_lossy());
        let set = STEERING.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        let set: String = set.map(|(name, value)| format!(" {name}={}", shell(&value))).collect();
        let orphans = format!("{}={}", KEEP_ORPHANS.0, KEEP_ORPHANS.1);
        format!("cd {folder} && export DOCKER_HOST={} {orphans}{set} && {}", shell(&self.host), commands.join(" && "))
    }

    /// The same, for commands that are not compose's.
    pub fn engine_line(&self, commands: &[String]) -> String {
        format!("export DOCKER_HOST={} && {}", shell(&self.host), commands.join(" && "))
    }

    /// These services, each after those that it needs; in the order of their names otherwise.
    pub fn in_order(&self, services: &[String]) -> Vec<String> {
        let (mut ordered, mut open) = (Vec::new(), Vec::new());
        for service in services {
            self.after_its_needs(service, services, &mut open, &mut ordered);
        }
        ordered
    }

    fn after_its_needs(&self, service: &str, wanted: &[String], open: &mut Vec<String>, ordered: &mut Vec<String>) {
        if open.iter().any(|name| name == service) {
            return;
        }
        open.push(service.to_owned());
        for need in self.services.get(service).map(|known| known.depends_on.as_slice()).unwrap_or_default() {
            self.after_its_needs(need, wanted, open, ordered);
        }
        if wanted.iter().any(|name| name == service) {
            ordered.push(service.to_owned());
        }
    }

    fn asks(&self, words: &[&str], hearing: Hearing<'_>) -> Result<Ended> {
        run(&mut self.command(words), &self.shown(words.first().copied().unwrap_or_default()), hearing)
    }

    /// Runs compose and takes an error of its for ours.
    pub fn does(&self, words: &[&str], hearing: Hearing<'_>) -> Result<()> {
        let ended = self.asks(words, hearing)?;
        if ended.success { Ok(()) } else { Err(self.failure(words.first().copied().unwrap_or_default(), &ended)) }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]);
        if let Some(name) = &self.name {
            command.arg("-p").arg(name);
        }
        for file in &self.files {
            command.arg("-f").arg(file);
        }
        command.args(words).current_dir(&self.folder);
        // The same engine that is asked here; lines instead of drawings.
        command.env("DOCKER_HOST", &self.host).env_remove("DOCKER_CONTEXT").env("PWD", &self.folder);
        command.env(KEEP_ORPHANS.0, KEEP_ORPHANS.1);
        command.env("BUILDKIT_PROGRESS", "plain").env("COMPOSE_ANSI", "never").env("NO_COLOR", "1");
        command
    }

    fn failure(&self, verb: &str, ended: &Ended) -> Error {
        Error::Compose { command: self.shown(verb), message: ended.message() }
    }

    /// A command of compose's as a person types it in the project's folder. Another shell may call the project by another name.
    pub fn shown(&self, words: &str) -> String {
        let name = self.name.as_deref().map(|name| format!(" -p {}", shell(name))).unwrap_or_default();
        let files: String = self.files.iter().map(|file| format!(" -f {}", shell(&file.to_string_lossy()))).collect();
        format!("{}{name}{files} {words}", self.words.join(" "))
    }
}

/// The service of the project in `folder` (and called `project`, where that is known) that a container belongs to; one that was made
/// for one command belongs to none. Several projects can share a folder, and a name can be that of another folder's.
pub fn service_of<'c>(container: &'c Container, folder: &Path, project: Option<&str>) -> Option<&'c str> {
    let label = |name: &str| container.labels.get(name).map(String::as_str);
    let here = label(FOLDER).is_some_and(|there| Path::new(there) == folder);
    let named = project.is_none() || label(PROJECT) == project;
    let one_off = label(ONE_OFF).is_some_and(|word| word.eq_ignore_ascii_case("true"));
    label(SERVICE).filter(|_| here && named && !one_off)
}

/// The containers of a service of the project in `folder`, and called `project` where that is known.
pub fn containers(engine: &Engine, service: &str, folder: &Path, project: Option<&str>) -> docker::Result<Vec<Container>> {
    let mut found = Vec::new();
    for id in engine.labelled(&[(SERVICE, service)])? {
        match engine.container(&id) {
            Ok(container) if service_of(&container, folder, project) == Some(service) => found.push(container),
            // Gone since it was listed.
            Ok(_) | Err(docker::Error::NoContainer(_)) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The containers of a service that compose takes for the project's by its name, and that were made in another folder.
pub fn namesakes(engine: &Engine, service: &str, folder: &Path, project: &str) -> docker::Result<Vec<Container>> {
    let mut found = Vec::new();
    for id in engine.labelled(&[(SERVICE, service), (PROJECT, project)])? {
        match engine.container(&id) {
            Ok(container) if container.labels.get(FOLDER).is_none_or(|there| Path::new(there) != folder) => found.push(container),
            Ok(_) | Err(docker::Error::NoContainer(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The name of a project as the older generation makes it: it does not tell.
fn old_name(folder: &Path, said: Option<String>) -> Result<String> {
    let file = folder.join(".env");
    let unreadable = |error: crate::disk::Error| Error::Unreadable {
        path: short(&file.to_string_lossy()),
        message: short(&error.to_string()),
    };
    let text = local::read_text(&local::real_path(&file), 1 << 20).map_err(unreadable)?.unwrap_or_default();
    let mut by_file = text.lines().filter_map(|line| line.trim().strip_prefix("COMPOSE_PROJECT_NAME="));
    let by_file = by_file.next_back().map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
    let by_folder = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = said.filter(|name| !name.is_empty()).or(by_file.filter(|name| !name.is_empty())).unwrap_or_else(by_folder);
    let plain: String =
        name.to_lowercase().chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c)).collect();
    Ok(if plain.is_empty() { "default".to_owned() } else { plain })
}

/// Is compose a part of Docker's command line here?
pub fn is_plugin() -> bool {
    let hearing = Hearing { limit: READING, stop: None, say: None };
    run(Command::new("docker").args(["compose", "version"]), "docker compose version", hearing).is_ok_and(|ended| ended.success)
}

/// The newer generation calls things as the older one did.
fn is_compatible() -> bool {
    let said = std::env::var("COMPOSE_COMPATIBILITY").unwrap_or_default().to_ascii_lowercase();
    matches!(said.as_str(), "1" | "t" | "true" | "y" | "yes")
}

fn is_no_plugin(line: &str) -> bool {
    ["unknown command", "is not a docker command", "unknown shorthand flag", "unknown flag"]
        .iter()
        .any(|part| line.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{Health, State};

    #[test]
    fn labels_are_claims() {
        let container = |labels: &[(&str, &str)]| Container {
            id: "1".to_owned(),
            name: "x".to_owned(),
            image_id: String::new(),
            image_name: String::new(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            state: State {
                word: String::new(),
                is_running: true,
                is_restarting: false,
                health: Health::Unchecked,
                started: None,
                restarts: 0,
                exit_code: 0,
            },
            created: None,
            mounts: Vec::new(),
            working_dir: String::new(),
        };
        let here = Path::new("/p");
        for (labels, project, expected) in [
            (&[(SERVICE, "web"), (FOLDER, "/p")][..], None, Some("web")),
            (&[(SERVICE, "web"), (FOLDER, "/p/../evil")], None, None),
            (&[(SERVICE, "web"), (PROJECT, "lab"), (FOLDER, "/q")], None, None),
            (&[(SERVICE, "web"), (PROJECT, "lab"), (FOLDER, "/q")], Some("lab"), None),
            (&[(SERVICE, "web"), (PROJECT, "lab"), (FOLDER, "/p")], Some("lab"), Some("web")),
            (&[(SERVICE, "web"), (PROJECT, "other"), (FOLDER, "/p")], Some("lab"), None),
            (&[(SERVICE, "web"), (FOLDER, "/p"), (ONE_OFF, "True")], None, None),
            (&[(FOLDER, "/p")], None, None),
        ] {
            assert_eq!(service_of(&container(labels), here, project), expected, "{labels:?}");
        }
    }

    #[test]
    fn no_other_project_is_meant_and_nothing_is_removed() {
        for words in [&["docker", "compose"][..], &["docker-compose"]] {
            let (folder, name) = (PathBuf::from("/p"), Some("aaa".to_owned()));
            let (services, host) = (BTreeMap::new(), "unix:///s".to_owned());
            let project = Project { folder, name, services, words: words.to_vec().leak(), files: vec!["/p/x.yml".into()], host };
            let command = project.command(&["up"]);
            let typed: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
            assert!(typed.join(" ").ends_with("-p aaa -f /p/x.yml up"), "{typed:?}");
            assert!(command.get_envs().any(|set| set == ("COMPOSE_REMOVE_ORPHANS".as_ref(), Some("0".as_ref()))));
            let line = project.line(&[project.shown("up web")]);
            assert!(line.starts_with("cd /p && export DOCKER_HOST=unix:///s COMPOSE_REMOVE_ORPHANS=0"), "{line}");
            assert!(line.ends_with(&format!(" && {} -p aaa -f /p/x.yml up web", words.join(" "))), "{line}");
            let up = project.up_words("web", false, false).join(" ");
            let pull = if words.len() > 1 { " --pull never" } else { "" };
            assert_eq!(up, format!("up --no-start --no-deps --no-build{pull} --force-recreate web"));
        }
    }

    #[test]
    fn both_forms_of_compose_are_understood() {
        let json = r#"{"name":"lab","services":{"web":{"build":{"context":"/p/web","dockerfile":"Dockerfile"},
            "develop":{"watch":[{"action":"sync","path":"/p/web/src","target":"/app","ignore":["x/"]}]},"networks":{"default":null}},
            "db":{"image":"db:1"}}}"#;
        let yaml = "networks: {}\nservices:\n  web:\n    build:\n      context: /p/web\n  db:\n    image: db:1\n  old:\n    build: /p/old\nversion: '3.9'\n";
        let read = |text: &str| serde_saphyr::from_str::<Config>(text).expect(text);
        let config = read(json);
        assert_eq!(config.name.as_deref(), Some("lab"));
        let watch = &config.services["web"].develop.as_ref().expect("a list").watch[0];
        assert_eq!((watch.action.as_str(), watch.target.as_deref(), watch.ignore.len()), ("sync", Some("/app"), 1));
        for config in [config, read(yaml)] {
            let context = |name: &str| config.services.get(name).and_then(|service| service.build.clone()?.context);
            assert_eq!((context("web").as_deref(), context("db")), (Some("/p/web"), None));
        }
        assert_eq!(read(yaml).services["old"].build.clone().expect("short").context.as_deref(), Some("/p/old"));
    }
}
