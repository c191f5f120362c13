//! Where an image says what it was built from, the strongest first.
//!
//! Annotations and provenance belong to the image that they stand on; labels and variables may have come down from its base.

use super::contents::{Contents, Image, Words};
use super::history::Search;
use super::source::{is_same, without_user};

pub const REVISION: &str = "org.opencontainers.image.revision";
pub const SOURCE: &str = "org.opencontainers.image.source";
/// The tree of the build context, as git names it: `image stamp` writes it.
pub const CONTEXT: &str = "dev.driftless.context";
const LEGACY_REVISION: &str = "org.label-schema.vcs-ref";
const LEGACY_SOURCE: &str = "org.label-schema.vcs-url";

/// Where it stands. The order is that of trust.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    IndexAnnotation,
    ManifestAnnotation,
    Provenance,
    Label,
    /// A label, annotation or variable that the user named, or an older custom.
    Key(String),
    Tag,
}

impl Origin {
    pub fn word(&self) -> String {
        match self {
            Origin::IndexAnnotation => "index annotation".to_owned(),
            Origin::ManifestAnnotation => "manifest annotation".to_owned(),
            Origin::Provenance => "provenance".to_owned(),
            Origin::Label => "label".to_owned(),
            Origin::Key(key) => format!("key {key}"),
            Origin::Tag => "tag".to_owned(),
        }
    }

    /// May it have come down from the base image?
    pub fn is_inherited(&self) -> bool {
        matches!(self, Origin::Label | Origin::Key(_))
    }
}

/// Whose repository it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Ours,
    Foreign,
    Unsaid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    High,
    Medium,
    Low,
}

/// One place that names a commit, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub origin: Origin,
    /// `None`: for all platforms.
    pub platform: Option<String>,
    /// As it stands there. Whoever pushed the image wrote it: to be tamed before it is shown. `None` where the place is one that
    /// somebody named and no commit stands there: it may be a password.
    pub word: Option<String>,
    pub source: Option<String>,
    pub whose: Whose,
    /// The digits in the word; `None` where it names no commit.
    pub hex: Option<String>,
    /// The tree was not clean when it was built.
    pub dirty: bool,
    /// What the digits come to here; `None` where nobody looked.
    pub found: Option<Search>,
}

impl Evidence {
    pub fn trust(&self) -> Trust {
        match (&self.origin, self.whose) {
            (Origin::IndexAnnotation | Origin::ManifestAnnotation | Origin::Provenance, _) => Trust::High,
            (Origin::Label | Origin::Key(_), Whose::Ours) => Trust::Medium,
            _ => Trust::Low,
        }
    }

    /// The commit here that it names.
    pub fn commit(&self) -> Option<&str> {
        match &self.found {
            Some(Search::Commit(commit)) => Some(commit),
            _ => None,
        }
    }
}

impl Trust {
    pub fn word(self) -> &'static str {
        match self {
            Trust::High => "high",
            Trust::Medium => "medium",
            Trust::Low => "low",
        }
    }
}

impl Whose {
    pub fn word(self) -> &'static str {
        match self {
            Whose::Ours => "ours",
            Whose::Foreign => "foreign",
            Whose::Unsaid => "unsaid",
        }
    }
}

/// What is looked for.
pub struct Look<'a> {
    /// The tag that was asked for.
    pub tag: Option<&'a str>,
    /// Further keys that name the commit.
    pub keys: &'a [String],
    /// Those of them that may be variables, too.
    pub variables: &'a [String],
    /// URLs that mean our repository.
    pub ours: &'a [String],
}

/// All that the image says, the strongest first.
pub fn gather(contents: &Contents, look: &Look<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    found.extend(of(look, Origin::IndexAnnotation, None, &contents.annotations, REVISION, SOURCE));
    for image in &contents.images {
        of_image(&mut found, image, look);
    }
    let tag = look.tag.and_then(|tag| tag_names(tag).map(|hex| (tag, hex)));
    found.extend(tag.map(|(tag, hex)| Evidence { hex: Some(hex), ..new(look, Origin::Tag, None, tag, None) }));
    found.sort_by(|one, other| one.origin.cmp(&other.origin));
    found
}

fn of_image(found: &mut Vec<Evidence>, image: &Image, look: &Look<'_>) {
    let platform = Some(&image.platform);
    found.extend(of(look, Origin::ManifestAnnotation, platform, &image.annotations, REVISION, SOURCE));
    if let Some(provenance) = &image.provenance {
        found.push(new(look, Origin::Provenance, platform, &provenance.revision, provenance.source.as_deref()));
    }
    found.extend(of(look, Origin::Label, platform, &image.labels, REVISION, SOURCE));
    for key in look.keys {
        let variables = look.variables.contains(key).then_some(&image.environment);
        let mut places = [&image.labels, &image.annotations].into_iter().chain(variables);
        let stands = places.find(|place| place.contains_key(key));
        found.extend(stands.and_then(|words| of(look, Origin::Key(key.clone()), platform, words, key, SOURCE)));
    }
    found.extend(of(look, Origin::Key(LEGACY_REVISION.to_owned()), platform, &image.labels, LEGACY_REVISION, LEGACY_SOURCE));
}

fn of(look: &Look<'_>, origin: Origin, platform: Option<&String>, words: &Words, key: &str, source: &str) -> Option<Evidence> {
    let word = words.get(key).filter(|word| !word.trim().is_empty())?;
    Some(new(look, origin, platform, word, words.get(source).map(String::as_str)))
}

fn new(look: &Look<'_>, origin: Origin, platform: Option<&String>, word: &str, source: Option<&str>) -> Evidence {
    let source = source.map(str::trim).filter(|source| !source.is_empty());
    let whose = match source {
        None => Whose::Unsaid,
        Some(source) if look.ours.iter().any(|ours| is_same(ours, source)) => Whose::Ours,
        Some(_) => Whose::Foreign,
    };
    let (hex, dirty) = names(word);
    let source = source.map(without_user);
    let is_told = hex.is_some() || !matches!(&origin, Origin::Key(key) if key != LEGACY_REVISION);
    let word = is_told.then(|| word.to_owned());
    Evidence { origin, platform: platform.cloned(), word, source, whose, hex, dirty, found: None }
}

/// The commit that a word names, and whether the tree was dirty. A word that is no number in hexadecimal is no commit: a
/// branch of that name says what is there now, not what was built.
fn names(word: &str) -> (Option<String>, bool) {
    let word = word.trim();
    let clean = ["-dirty", "+dirty", ".dirty"].iter().find_map(|end| word.strip_suffix(end));
    let hex = clean.unwrap_or(word);
    (is_hex(hex).then(|| hex.to_ascii_lowercase()), clean.is_some())
}

/// `sha-1a2b3c4`, a whole name, or the end of what `git describe` says.
fn tag_names(tag: &str) -> Option<String> {
    let whole = matches!(tag.len(), 40 | 64).then_some(tag);
    let hex = tag.strip_prefix("sha-").or(whole).or_else(|| tag.rsplit_once("-g").map(|(_, hex)| hex))?;
    is_hex(hex).then(|| hex.to_ascii_lowercase())
}

fn is_hex(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "1a2b3c4d5e6f70819203a4b5c6d7e8f901234567";

    #[test]
    fn only_digits_name_a_commit() {
        for (word, expected) in [
            (FULL, (Some(FULL), false)),
            (" 1A2B3C4 ", (Some("1a2b3c4"), false)),
            ("1a2b3c4-dirty", (Some("1a2b3c4"), true)),
            ("1a2b3c4+dirty", (Some("1a2b3c4"), true)),
            ("main", (None, false)),
            ("HEAD", (None, false)),
            ("refs/heads/deadbeef", (None, false)),
            ("abc", (None, false)),
            ("-1234567", (None, false)),
        ] {
            let (hex, dirty) = names(word);
            assert_eq!((hex.as_deref(), dirty), expected, "{word}");
        }
    }

    #[test]
    fn a_tag_names_a_commit_by_custom_only() {
        for (tag, expected) in [
            ("sha-1a2b3c4", Some("1a2b3c4")),
            (FULL, Some(FULL)),
            ("v1.2-14-g1a2b3c4", Some("1a2b3c4")),
            ("20241231", None),
            ("1a2b3c4", None),
            ("latest", None),
            ("sha-latest", None),
        ] {
            assert_eq!(tag_names(tag).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn what_is_not_inherited_comes_first() {
        let words =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Words>();
        let image = Image {
            platform: "linux/amd64".to_owned(),
            labels: words(&[
                (REVISION, "aaaaaaa"),
                (SOURCE, "https://me:pw@h/base"),
                (LEGACY_REVISION, "bbbbbbb"),
                ("built", "ccccccc"),
            ]),
            annotations: words(&[(REVISION, "ddddddd"), (SOURCE, "git@h:ours.git")]),
            provenance: Some(super::super::contents::Provenance { revision: "eeeeeee".to_owned(), source: None }),
            ..Image::default()
        };
        let contents = Contents { annotations: words(&[(REVISION, "fffffff")]), images: vec![image], ..Contents::default() };
        let look =
            Look { tag: Some("sha-0123456"), keys: &["built".to_owned()], variables: &[], ours: &["https://h/ours".to_owned()] };
        let found = gather(&contents, &look);
        let told: Vec<_> = found.iter().map(|one| (one.word.as_deref().unwrap_or_default(), one.whose, one.trust())).collect();
        assert_eq!(
            told,
            [
                ("fffffff", Whose::Unsaid, Trust::High),
                ("ddddddd", Whose::Ours, Trust::High),
                ("eeeeeee", Whose::Unsaid, Trust::High),
                ("aaaaaaa", Whose::Foreign, Trust::Low),
                ("ccccccc", Whose::Foreign, Trust::Low),
                ("bbbbbbb", Whose::Unsaid, Trust::Low),
                ("sha-0123456", Whose::Unsaid, Trust::Low),
            ]
        );
        assert_eq!(found[3].source.as_deref(), Some("https://h/base"));
    }

    #[test]
    fn a_word_that_is_no_commit_is_not_told_of_what_somebody_named() {
        let words =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Words>();
        let image = Image {
            labels: words(&[(REVISION, "main"), ("label", "hunter2")]),
            environment: words(&[("DB_PASSWORD", "hunter2"), ("TOKEN", "deadbeef01")]),
            ..Image::default()
        };
        let contents = Contents { images: vec![image], ..Contents::default() };
        let keys = ["label", "DB_PASSWORD", "TOKEN"].map(str::to_owned);
        let told = |variables: &[String]| {
            let found = gather(&contents, &Look { tag: None, keys: &keys, variables, ours: &[] });
            found.into_iter().map(|one| one.word.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(&[]), "main -");
        assert_eq!(told(&keys), "main - deadbeef01 -");
    }
}
