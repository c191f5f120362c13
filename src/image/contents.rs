//! What an image says of itself: annotations, labels, provenance, for each platform. A function of its digest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cause::{Result, odd};
use super::reference::is_digest;
use super::registry::{DOCUMENT, Registry, is_about_content};

/// Images of one index; more are no image of a project.
const PLATFORMS: usize = 64;
/// No word that is read as evidence is longer, in letters.
const WORD: usize = 300;

/// Keys and words as they stand there, cut to a length that somebody would read.
pub type Words = BTreeMap<String, String>;

/// All that stands behind one digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub digest: String,
    /// Those of the index, where there is one.
    pub annotations: Words,
    /// One for each platform that was asked for.
    pub images: Vec<Image>,
    /// Sentences without a full stop.
    pub notes: Vec<String>,
}

/// The image for one platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Like `linux/arm64/v8`.
    pub platform: String,
    pub digest: String,
    pub annotations: Words,
    pub labels: Words,
    pub environment: Words,
    pub provenance: Option<Provenance>,
    /// The digest of its configuration: how the engine's older store names it.
    pub config: String,
    /// The digests of its unpacked layers.
    pub layers: Vec<String>,
    pub created: Option<String>,
}

/// What BuildKit noted of the repository that it built from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    pub revision: String,
    pub source: Option<String>,
}

/// A manifest that an index lists.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// As it stands there; it may be none.
    digest: String,
    /// `None`: its configuration says it.
    platform: Option<String>,
    /// Where it is an attestation: the manifest that it is about.
    attests: Option<String>,
}

/// Reads what stands behind `digest`; of an index only the images for `platform`, where one is named.
pub fn read(registry: &Registry<'_>, host: &str, digest: &str, platform: Option<&str>) -> Result<Contents> {
    let document = parse(host, &registry.manifest_of(digest)?)?;
    let mut contents = Contents { digest: digest.to_owned(), ..Contents::default() };
    let Some(entries) = entries(&document) else {
        let image = image(registry, host, digest, &document, None)?;
        if platform.is_none_or(|wanted| is_for(&image.platform, wanted)) {
            contents.images.push(image);
        }
        return Ok(contents);
    };
    contents.annotations = words(&document["annotations"]);
    let (attestations, images): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.attests.is_some());
    let is_wanted = |of: &str| platform.is_none_or(|wanted| is_for(of, wanted));
    let wanted: Vec<Entry> = images.into_iter().filter(|entry| entry.platform.as_deref().is_none_or(is_wanted)).collect();
    if wanted.len() > PLATFORMS {
        return Err(odd(host, &format!("an index of more than {PLATFORMS} images")));
    }
    for entry in wanted {
        let manifest = parse(host, &registry.manifest_of(&entry.digest)?)?;
        let mut image = image(registry, host, &entry.digest, &manifest, entry.platform.as_deref())?;
        if !is_named(&image.platform) {
            return Err(odd(host, "an index with an image for no platform"));
        }
        if !is_wanted(&image.platform) {
            continue;
        }
        let about = attestations.iter().filter(|attestation| attestation.attests.as_ref() == Some(&entry.digest));
        for attestation in about.take(4) {
            match provenance(registry, host, &attestation.digest) {
                Ok(found) => image.provenance = image.provenance.or(found),
                // It says nothing that could be used; the way to it was open.
                Err(error) if is_about_content(&error) => contents.notes.push(format!("an attestation cannot be read: {error}")),
                Err(error) => return Err(error),
            }
        }
        contents.images.push(image);
    }
    Ok(contents)
}

fn parse(host: &str, document: &[u8]) -> Result<Value> {
    let parsed: Value = serde_json::from_slice(document).map_err(|_| odd(host, "a document that is no JSON"))?;
    if parsed.is_object() { Ok(parsed) } else { Err(odd(host, "a document that is no manifest")) }
}

/// The images and attestations of an index; `None` where it is none.
fn entries(document: &Value) -> Option<Vec<Entry>> {
    let listed = document["manifests"].as_array()?;
    Some(listed.iter().filter_map(entry).collect())
}

/// `None` for what says itself that it is no image: a signature, a list of parts. Whatever else is not understood is kept, so that
/// whoever reads it stumbles.
fn entry(listed: &Value) -> Option<Entry> {
    let digest = listed["digest"].as_str().map(cut).unwrap_or_default();
    let annotations = words(&listed["annotations"]);
    let attestation = annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest");
    let attests = attestation.then(|| annotations.get("vnd.docker.reference.digest").cloned().unwrap_or_default());
    let platform = Some(platform_of(&listed["platform"])).filter(|platform| is_named(platform));
    let is_artifact = platform.is_none() && listed["artifactType"].as_str().is_some_and(|kind| !kind.is_empty());
    (attests.is_some() || !is_artifact).then_some(Entry { digest, platform, attests })
}

fn is_named(platform: &str) -> bool {
    !platform.split('/').any(|part| part == "unknown")
}

fn platform_of(value: &Value) -> String {
    let part = |name: &str| value[name].as_str().filter(|text| !text.is_empty()).map(cut);
    let (os, architecture) = (part("os"), part("architecture"));
    let mut platform =
        format!("{}/{}", os.unwrap_or_else(|| "unknown".to_owned()), architecture.unwrap_or_else(|| "unknown".to_owned()));
    if let Some(variant) = part("variant") {
        platform = format!("{platform}/{variant}");
    }
    platform
}

/// `linux/arm64` is meant by `linux/arm64/v8`, too, and not the other way round.
pub fn is_for(platform: &str, wanted: &str) -> bool {
    platform.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn image(registry: &Registry<'_>, host: &str, digest: &str, manifest: &Value, platform: Option<&str>) -> Result<Image> {
    let config = manifest["config"]["digest"].as_str().filter(|config| is_digest(config));
    let config = config.ok_or_else(|| odd(host, "a manifest of a kind that is not known here"))?.to_owned();
    let document = parse(host, &registry.blob_of(&config)?)?;
    let settings = &document["config"];
    let environment = settings["Env"].as_array().into_iter().flatten().filter_map(|item| item.as_str()?.split_once('='));
    let layers = document["rootfs"]["diff_ids"].as_array().into_iter().flatten();
    Ok(Image {
        platform: platform.map_or_else(|| platform_of(&document), str::to_owned),
        digest: digest.to_owned(),
        annotations: words(&manifest["annotations"]),
        labels: words(&settings["Labels"]),
        environment: environment.map(|(name, value)| (cut(name), cut(value))).collect(),
        provenance: None,
        config,
        layers: layers.filter_map(|layer| layer.as_str().map(str::to_owned)).collect(),
        created: document["created"].as_str().map(cut),
    })
}

fn provenance(registry: &Registry<'_>, host: &str, digest: &str) -> Result<Option<Provenance>> {
    let manifest = parse(host, &registry.manifest_of(digest)?)?;
    for layer in manifest["layers"].as_array().into_iter().flatten().take(16) {
        let kind = layer["annotations"]["in-toto.io/predicate-type"].as_str().unwrap_or_default();
        let fits = layer["size"].as_u64().is_some_and(|size| size <= DOCUMENT);
        if let (true, true, Some(digest)) = (kind.starts_with("https://slsa.dev/provenance/"), fits, layer["digest"].as_str()) {
            let found = vcs(&parse(host, &registry.blob_of(digest)?)?);
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// The repository in a provenance of either version.
fn vcs(statement: &Value) -> Option<Provenance> {
    let predicate = &statement["predicate"];
    let places = [
        &predicate["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]["vcs"],
        &predicate["runDetails"]["metadata"]["buildkit_metadata"]["vcs"],
    ];
    let vcs = places.into_iter().find(|place| place["revision"].is_string())?;
    Some(Provenance { revision: cut(vcs["revision"].as_str()?), source: vcs["source"].as_str().map(cut) })
}

fn words(value: &Value) -> Words {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((cut(key), cut(value.as_str()?)))).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(WORD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_index_lists_images_and_what_attests_them() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let index = json!({"manifests": [
            {"digest": digest("a"), "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": digest("b"), "platform": {"os": "unknown", "architecture": "unknown"},
             "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest("a")}},
            {"digest": digest("c"), "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": "sha256:short", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": digest("d"), "artifactType": "application/vnd.example"},
            7,
        ]});
        let found = entries(&index).expect("an index");
        let told: Vec<_> = found.iter().map(|entry| (entry.platform.as_deref(), entry.attests.clone())).collect();
        let expected =
            [(Some("linux/arm64/v8"), None), (None, Some(digest("a"))), (None, None), (Some("linux/amd64"), None), (None, None)];
        assert_eq!(told, expected);
        assert_eq!(entries(&json!({"config": {}})), None);
    }

    #[test]
    fn a_platform_without_a_variant_means_all_of_them() {
        assert!(is_for("linux/arm64/v8", "linux/arm64") && is_for("linux/amd64", "linux/amd64"));
        assert!(!is_for("linux/arm64", "linux/arm64/v8") && !is_for("linux/arm64", "linux/arm"));
    }

    #[test]
    fn both_versions_of_provenance_name_the_repository() {
        let vcs_value = json!({"revision": "abc", "source": "https://h/r"});
        let expected = Some(Provenance { revision: "abc".to_owned(), source: Some("https://h/r".to_owned()) });
        let old = json!({"predicate": {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": vcs_value}}}});
        let new = json!({"predicate": {"runDetails": {"metadata": {"buildkit_metadata": {"vcs": vcs_value}}}}});
        assert_eq!((vcs(&old), vcs(&new)), (expected.clone(), expected));
        assert_eq!(vcs(&json!({"predicate": []})), None);
    }

    #[test]
    fn words_are_strings_and_short() {
        let found = words(&json!({"a": "b", "c": 1, "d": null, "e": "x".repeat(9_000)}));
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!(found["e"].len(), WORD);
        assert!(words(&json!(null)).is_empty());
    }
}
