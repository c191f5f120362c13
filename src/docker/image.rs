//! Images as the engine has them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::ContainerConfig;
use bollard::query_parameters::{CommitContainerOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder};

use super::container::named;
use super::error::{Error, Result, Subject};
use super::{Engine, QUICK};
use crate::model::shown::short;
use crate::model::time::Time;
use crate::model::utc::parse_rfc3339;

/// How long an engine may take to write down a container's files: there may be many of them.
const LONG: Duration = Duration::from_secs(1_800);

/// One image. Raw text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The digest by which this engine knows it; which one depends on how it stores images (configuration, manifest or index).
    pub id: String,
    /// `NAME:TAG`s that mean it.
    pub tags: Vec<String>,
    /// `NAME@DIGEST`s as registries know it.
    pub digests: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub created: Option<Time>,
    pub os: String,
    pub arch: String,
    pub variant: String,
    /// The digests of its layers' content, the lowest first.
    pub layers: Vec<String>,
    /// The kind and digest of what the engine holds, where it says so (a store of manifests).
    pub descriptor: Option<(String, String)>,
    pub working_dir: String,
    pub volumes: Vec<String>,
    /// Instructions that are carried out where another image is built on it.
    pub on_build: Vec<String>,
}

impl Engine {
    /// The image that `reference` (a name with a tag or digest, or an id) means here.
    pub fn image(&self, reference: &str) -> Result<Image> {
        let subject = Subject::Image(reference);
        let said = self.call("image inspect", &subject, QUICK, self.docker.inspect_image(referenced(reference)?))?;
        let config = said.config.unwrap_or_default();
        let descriptor = said.descriptor.and_then(|found| Some((found.media_type.unwrap_or_default(), found.digest?)));
        Ok(Image {
            id: said.id.ok_or_else(|| Error::Answer { verb: "image inspect", message: "no id".to_owned() })?,
            tags: said.repo_tags.unwrap_or_default(),
            digests: said.repo_digests.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            created: said.created.as_deref().and_then(parse_rfc3339),
            os: said.os.unwrap_or_default(),
            arch: said.architecture.unwrap_or_default(),
            variant: said.variant.unwrap_or_default(),
            layers: said.root_fs.and_then(|root| root.layers).unwrap_or_default(),
            descriptor,
            working_dir: config.working_dir.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default(),
            on_build: config.on_build.unwrap_or_default(),
        })
    }

    /// Gives the image `reference` the name `name:tag` too; what had that name before loses it.
    pub fn tag(&self, reference: &str, name: &str, tag: &str) -> Result<()> {
        let (subject, options) = (Subject::Image(reference), TagImageOptionsBuilder::default().repo(name).tag(tag).build());
        self.call("tag", &subject, QUICK, self.docker.tag_image(referenced(reference)?, Some(options)))
    }

    /// Makes the image `name:tag` of a container as it is now, with what was written inside it and one more label, and returns its id.
    /// One that runs is held still meanwhile.
    pub fn commit(&self, container: &str, name: &str, tag: &str, label: (&str, &str)) -> Result<String> {
        let labels = HashMap::from([(label.0.to_owned(), label.1.to_owned())]);
        let options =
            CommitContainerOptionsBuilder::default().container(named(container)?).repo(name).tag(tag).pause(true).build();
        let answer =
            self.docker.commit_container(options, ContainerConfig { labels: Some(labels), ..ContainerConfig::default() });
        self.call("commit", &Subject::Container(container), LONG, answer).map(|said| said.id)
    }

    /// Takes the name `reference` from its image, where that has another one; the last name is left.
    pub fn untag(&self, reference: &str) -> Result<()> {
        if self.image(reference)?.tags.len() < 2 {
            return Ok(());
        }
        let (subject, options) = (Subject::Image(reference), RemoveImageOptionsBuilder::default().noprune(true).build());
        self.call("untag", &subject, QUICK, self.docker.remove_image(referenced(reference)?, Some(options), None)).map(drop)
    }
}

/// Only what is a reference goes into an address: `..` would lead to another question.
fn referenced(text: &str) -> Result<&str> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/:@[]".contains(&byte);
    let dots = text.split('/').any(|part| matches!(part, "" | "." | ".."));
    if text.bytes().all(letters) && !dots { Ok(text) } else { Err(Error::Name(short(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_go_into_an_address() {
        for good in ["busybox", "a/b:1", "h:5000/a/b@sha256:00ff", "sha256:00ff", "[::1]:5000/a:1"] {
            assert_eq!(referenced(good).expect(good), good);
        }
        for bad in ["", "../containers/x", "a/../b", "a?b", "a#b", "a b", "a%2fb", "a//b", "/a", "a\nb", "ä"] {
            assert!(referenced(bad).is_err(), "{bad:?}");
        }
    }
}
