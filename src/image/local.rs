//! Has the engine the image that the registry has? Right for both ways in which engines store images.
//!
//! The older store knows an image by the digest of its configuration, the newer one by that of its manifest or index; and an
//! index with attestations gets another digest with each build. So digests of every kind are compared, and layers where the
//! engine's store is one of manifests.

use super::contents::{Contents, Image, is_for};
use super::finding::Severity;
use super::reference::Reference;
use crate::model::time::Time;
use crate::model::utc::parse_rfc3339;

/// What the engine has under the name. Raw text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// As the engine knows it.
    pub id: String,
    /// `NAME@DIGEST`s under which it was pulled or pushed.
    pub digests: Vec<String>,
    /// The digest of the manifest or index, where the engine stores these.
    pub manifest: Option<String>,
    pub layers: Vec<String>,
    /// Like `linux/arm64`.
    pub platform: String,
    pub created: Option<Time>,
}

/// What was found at the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    Held(Held),
    Absent,
    /// A sentence without a full stop.
    Unknown(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Same,
    /// Another digest around the same layers.
    SameLayers,
    Differs,
    /// Made on this machine, and never pushed to or pulled from there.
    LocalOnly,
    Absent,
    CouldNotTell,
}

/// How the engine's image lies to the registry's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    pub matches: Match,
    pub id: Option<String>,
    /// Was the registry's made later, where both say when?
    pub registry_is_newer: Option<bool>,
    /// Why it could not be told.
    pub message: Option<String>,
}

impl Match {
    pub fn word(self) -> &'static str {
        match self {
            Match::Same => "same",
            Match::SameLayers => "same_layers",
            Match::Differs => "differs",
            Match::LocalOnly => "local_only",
            Match::Absent => "absent",
            Match::CouldNotTell => "could_not_tell",
        }
    }

    pub fn severity(self) -> Severity {
        match self {
            Match::Same | Match::SameLayers => Severity::InStep,
            Match::CouldNotTell => Severity::CouldNotTell,
            _ => Severity::Drift,
        }
    }
}

/// Compares them; `contents` is what the registry has, `None` where it has nothing of that name.
pub fn compare(reference: &Reference, contents: Option<&Contents>, engine: Engine) -> Local {
    let held = match engine {
        Engine::Held(held) => held,
        Engine::Absent => return Local { matches: Match::Absent, id: None, registry_is_newer: None, message: None },
        Engine::Unknown(message) => {
            return Local { matches: Match::CouldNotTell, id: None, registry_is_newer: None, message: Some(message) };
        }
    };
    // Either may leave the variant out.
    let fits = |image: &&Image| is_for(&image.platform, &held.platform) || is_for(&held.platform, &image.platform);
    let image = contents.and_then(|contents| contents.images.iter().find(fits));
    let made = image.and_then(|image| image.created.as_deref()).and_then(parse_rfc3339);
    let registry_is_newer = made.zip(held.created).map(|(there, here)| there > here);
    let matches = judge(reference, contents, image, &held);
    Local { matches, id: Some(held.id), registry_is_newer, message: None }
}

fn judge(reference: &Reference, contents: Option<&Contents>, image: Option<&Image>, held: &Held) -> Match {
    let name = reference.name();
    let known: Vec<&str> = held.digests.iter().filter_map(|digest| digest.strip_prefix(&name)?.strip_prefix('@')).collect();
    let names: Vec<&str> =
        contents.map(|contents| &contents.digest[..]).into_iter().chain(image.map(|image| &image.digest[..])).collect();
    let own = [Some(&held.id), held.manifest.as_ref()];
    let by_digest = |name: &&str| known.contains(name) || own.iter().flatten().any(|own| own == name);
    if names.iter().any(by_digest) || image.is_some_and(|image| image.config == held.id) {
        return Match::Same;
    }
    let same_layers = image.is_some_and(|image| !image.layers.is_empty() && image.layers == held.layers);
    match held.manifest {
        Some(_) if same_layers => Match::SameLayers,
        _ if known.is_empty() => Match::LocalOnly,
        _ => Match::Differs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_any_of_its_digests() {
        let text = |text: &str| text.to_owned();
        let reference = Reference::parse("h.io/app:latest").expect("a name");
        let image = |platform: &str, digest: &str, config: &str| Image {
            platform: text(platform),
            digest: text(digest),
            config: text(config),
            layers: vec![text("layer")],
            ..Image::default()
        };
        let images = vec![image("linux/amd64", "amd", "config"), image("linux/arm64/v8", "arm", "config-arm")];
        let contents = Contents { digest: text("index"), images, ..Contents::default() };
        let held = |id: &str, digest: Option<&str>, manifest: Option<&str>, layer: &str| Held {
            id: text(id),
            digests: digest.map(text).into_iter().collect(),
            manifest: manifest.map(text),
            layers: vec![text(layer)],
            platform: text("linux/amd64"),
            created: None,
        };
        for (held, expected) in [
            // The older store: the configuration's digest is its name.
            (held("config", None, None, "layer"), Match::Same),
            (held("other", Some("h.io/app@index"), None, "x"), Match::Same),
            (held("other", Some("h.io/app@amd"), None, "x"), Match::Same),
            (held("other", Some("h.io/app@arm"), None, "x"), Match::Differs),
            (held("other", Some("h.io/app@old"), None, "layer"), Match::Differs),
            (held("other", Some("h.io/app2@index"), None, "x"), Match::LocalOnly),
            (held("other", None, None, "layer"), Match::LocalOnly),
            (held("config-arm", None, None, "x"), Match::LocalOnly),
            // The newer one: a manifest's or an index's.
            (held("index", None, Some("index"), "x"), Match::Same),
            (held("amd", None, Some("amd"), "x"), Match::Same),
            (held("built", Some("h.io/app@built"), Some("built"), "layer"), Match::SameLayers),
            (held("built", Some("h.io/app@built"), Some("built"), "x"), Match::Differs),
        ] {
            assert_eq!(compare(&reference, Some(&contents), Engine::Held(held.clone())).matches, expected, "{held:?}");
        }
        assert_eq!(compare(&reference, Some(&contents), Engine::Absent).matches, Match::Absent);
        assert_eq!(compare(&reference, None, Engine::Held(held("x", None, None, "layer"))).matches, Match::LocalOnly);
        let unknown = compare(&reference, None, Engine::Unknown(text("gone")));
        assert_eq!((unknown.matches.severity(), unknown.message.as_deref()), (Severity::CouldNotTell, Some("gone")));
    }

    #[test]
    fn the_later_one_is_the_newer() {
        let reference = Reference::parse("h.io/app").expect("a name");
        let image =
            Image { platform: "linux/amd64".to_owned(), created: Some("2026-01-02T00:00:00Z".to_owned()), ..Image::default() };
        let contents = Contents { images: vec![image], ..Contents::default() };
        for (created, expected) in [("2026-01-01T00:00:00Z", true), ("2026-01-02T00:00:00.5+00:00", false)] {
            let created = parse_rfc3339(created);
            let held = Held { platform: "linux/amd64".to_owned(), created, ..Held::default() };
            assert_eq!(compare(&reference, Some(&contents), Engine::Held(held)).registry_is_newer, Some(expected));
        }
    }
}
