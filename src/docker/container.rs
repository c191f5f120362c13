//! Containers as the engine has them.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ChangeType, ContainerInspectResponse, HealthStatusEnum, HostConfig, MountPoint};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StartContainerOptions,
};
use tokio_stream::StreamExt;

use super::error::{Error, Result, Subject, told};
use super::{Engine, QUICK, SLOW};
use crate::model::shown::short;
use crate::model::time::Time;
use crate::model::utc::parse_rfc3339;

/// One container. Raw text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    /// Without the slash that the engine puts before it.
    pub name: String,
    /// The id of the image that it was made of.
    pub image_id: String,
    /// The name of that image as it was given then.
    pub image_name: String,
    pub labels: BTreeMap<String, String>,
    pub state: State,
    pub created: Option<Time>,
    pub mounts: Vec<Mount>,
    pub working_dir: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The engine's own word: `running`, `exited`, `created`, …
    pub word: String,
    pub is_running: bool,
    /// It is started anew again and again.
    pub is_restarting: bool,
    pub health: Health,
    pub started: Option<Time>,
    pub restarts: i64,
    pub exit_code: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nobody checks.
    Unchecked,
    Starting,
    Healthy,
    Unhealthy,
}

/// Something that lies over a folder or file of the container's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub kind: MountKind,
    /// Where in the container.
    pub target: String,
    /// The host's path of a bind mount.
    pub source: String,
    /// The name of a volume; of an anonymous one 64 hexadecimal digits.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    Bind,
    Volume,
    Memory,
    Other,
}

impl Mount {
    /// Made with the container and known by no name of a person's.
    pub fn is_anonymous(&self) -> bool {
        self.kind == MountKind::Volume && self.name.len() == 64 && self.name.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// What became of a path since the container was made of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Modified,
    Added,
    Deleted,
}

impl Engine {
    /// The container by name or by (the beginning of) its id.
    pub fn container(&self, name: &str) -> Result<Container> {
        let question = self.docker.inspect_container(named(name)?, None::<InspectContainerOptions>);
        let said = self.call("inspect", &Subject::Container(name), QUICK, question)?;
        read(said).ok_or_else(|| Error::Answer { verb: "inspect", message: "it has no id, image or state".to_owned() })
    }

    /// The number of its first process on the engine's machine; `None` where it has none.
    pub fn main_process(&self, name: &str) -> Result<Option<u32>> {
        let question = self.docker.inspect_container(named(name)?, None::<InspectContainerOptions>);
        let said = self.call("inspect", &Subject::Container(name), QUICK, question)?;
        let number = said.state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
        Ok(number.filter(|number| *number > 0))
    }

    /// The paths in which the container differs from its image, in its own layer: what lies on mounts is not seen.
    pub fn changes(&self, name: &str) -> Result<BTreeMap<String, Change>> {
        let question = self.docker.container_changes(named(name)?);
        let said = self.call("changes", &Subject::Container(name), SLOW, question)?;
        let change = |kind| match kind {
            ChangeType::_0 => Change::Modified,
            ChangeType::_1 => Change::Added,
            ChangeType::_2 => Change::Deleted,
        };
        Ok(said.unwrap_or_default().into_iter().map(|found| (found.path, change(found.kind))).collect())
    }

    /// The ids of the containers that carry all these labels, running or not.
    pub fn labelled(&self, labels: &[(&str, &str)]) -> Result<Vec<String>> {
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let filters = HashMap::from([("label", labels)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let at = Subject::Engine(&self.address.url);
        let said = self.call("list containers", &at, QUICK, self.docker.list_containers(Some(options)))?;
        Ok(said.into_iter().filter_map(|found| found.id).collect())
    }

    /// Starts a container as it is.
    pub fn start(&self, id: &str) -> Result<()> {
        let answer = self.docker.start_container(named(id)?, None::<StartContainerOptions>);
        self.call("start", &Subject::Container(id), SLOW, answer)
    }

    pub fn rename(&self, id: &str, name: &str) -> Result<()> {
        let options = RenameContainerOptionsBuilder::default().name(named(name)?).build();
        self.call("rename", &Subject::Container(id), QUICK, self.docker.rename_container(named(id)?, options))
    }

    /// Ends a container and takes it away, with all that was written inside it. Its volumes stay.
    pub fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        self.call("remove", &Subject::Container(id), SLOW, self.docker.remove_container(named(id)?, Some(options)))
    }

    /// The last `lines` that the container wrote. Raw text.
    pub fn last_words(&self, name: &str, lines: usize) -> Result<String> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let mut said = Box::pin(self.docker.logs(named(name)?, Some(options)));
        let mut text = Vec::new();
        while let Some(part) = self.wait("logs", QUICK, said.next())? {
            let part = part.map_err(|error| told("logs", &Subject::Container(name), error))?;
            text.extend_from_slice(part.as_ref());
            if text.len() > MOST_WORDS {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Bytes of a log that are kept.
const MOST_WORDS: usize = 1 << 20;

fn read(said: ContainerInspectResponse) -> Option<Container> {
    let state = said.state?;
    let config = said.config.unwrap_or_default();
    let health = match state.health.and_then(|health| health.status) {
        None | Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE) => Health::Unchecked,
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
    };
    let state = State {
        word: state.status.map(|status| status.to_string()).unwrap_or_default(),
        is_running: state.running?,
        is_restarting: state.restarting.unwrap_or_default(),
        health,
        started: state.started_at.as_deref().and_then(parse_rfc3339),
        restarts: said.restart_count.unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
    };
    Some(Container {
        id: said.id?,
        name: said.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image_id: said.image?,
        image_name: config.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state,
        created: said.created.as_deref().and_then(parse_rfc3339),
        mounts: mounts(said.mounts.unwrap_or_default(), said.host_config),
        working_dir: config.working_dir.unwrap_or_default(),
    })
}

/// Folders in memory that were asked for by `--tmpfs` stand in another list than all other mounts.
fn mounts(points: Vec<MountPoint>, host: Option<HostConfig>) -> Vec<Mount> {
    let kind = |point: &MountPoint| match point.typ.as_deref() {
        Some("bind") => MountKind::Bind,
        Some("volume") => MountKind::Volume,
        Some("tmpfs") => MountKind::Memory,
        _ => MountKind::Other,
    };
    let mut mounts: Vec<Mount> = Vec::new();
    for point in points {
        let (kind, target) = (kind(&point), point.destination.unwrap_or_default());
        mounts.push(Mount { kind, target, source: point.source.unwrap_or_default(), name: point.name.unwrap_or_default() });
    }
    for target in host.and_then(|host| host.tmpfs).unwrap_or_default().into_keys() {
        if mounts.iter().all(|mount| mount.target != target) {
            mounts.push(Mount { kind: MountKind::Memory, target, source: String::new(), name: String::new() });
        }
    }
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts
}

/// Only what is a name goes into an address: `..` would lead to another question.
pub(super) fn named(text: &str) -> Result<&str> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && text.bytes().all(letters) { Ok(text) } else { Err(Error::Name(short(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_go_into_an_address() {
        for good in ["web", "a.b_c-1", "0f3a"] {
            assert_eq!(named(good).expect(good), good);
        }
        for bad in ["", "..", ".", "a/b", "../x", "a?b", "a%2f", "-x", "a b", "é"] {
            assert!(named(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn folders_in_memory_are_seen_wherever_they_stand() {
        let tmpfs = HashMap::from([("/run".to_owned(), String::new()), ("/x".to_owned(), String::new())]);
        let host = HostConfig { tmpfs: Some(tmpfs), ..HostConfig::default() };
        let point = MountPoint { typ: Some("tmpfs".to_owned()), destination: Some("/x".to_owned()), ..MountPoint::default() };
        let found = mounts(vec![point], Some(host));
        let found: Vec<_> = found.iter().map(|mount| (mount.target.as_str(), mount.kind)).collect();
        assert_eq!(found, [("/run", MountKind::Memory), ("/x", MountKind::Memory)]);
    }
}
