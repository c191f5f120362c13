//! What the commands of `image` tell.

use serde::Serialize;

use super::line;
use crate::cli::exit::Exit;
use crate::cli::image::sentence;
use crate::image::evidence::Evidence;
use crate::image::finding::{Finding, State};
use crate::image::history::{Distance, Relation};
use crate::image::stamp::Stamp;

#[derive(Serialize)]
struct ImageItem<'a> {
    #[serde(rename = "ref")]
    reference: String,
    digest: Option<&'a str>,
    created: Option<&'a str>,
    platforms: Vec<PlatformItem<'a>>,
}

#[derive(Serialize)]
struct PlatformItem<'a> {
    platform: &'a str,
    digest: &'a str,
    revision: Option<&'a str>,
}

#[derive(Serialize)]
struct RepositoryItem<'a> {
    against: &'a str,
    commit: &'a str,
}

#[derive(Serialize)]
struct DistanceItem<'a> {
    relation: &'static str,
    behind: u64,
    in_context: u64,
    ahead: u64,
    exact: bool,
    oldest_age_ms: Option<u64>,
    subjects: &'a [String],
}

#[derive(Serialize)]
struct EvidenceItem<'a> {
    from: String,
    platform: Option<&'a str>,
    word: Option<&'a str>,
    source: Option<&'a str>,
    whose: &'static str,
    trust: &'static str,
    dirty: bool,
    commit: Option<&'a str>,
}

#[derive(Serialize)]
struct LocalItem<'a> {
    state: &'static str,
    id: Option<&'a str>,
    registry_is_newer: Option<bool>,
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct RequestsItem {
    head: u32,
    get: u32,
    token: u32,
}

/// How image and repository lie to each other.
pub fn image_check(finding: &Finding, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        state: &'static str,
        severity: &'static str,
        fatal: Option<&'static str>,
        cause: Option<&'static str>,
        message: String,
        image: ImageItem<'a>,
        repository: Option<RepositoryItem<'a>>,
        built_from: Option<&'a str>,
        distance: Option<DistanceItem<'a>>,
        evidence: Vec<EvidenceItem<'a>>,
        disagreement: bool,
        local: Option<LocalItem<'a>>,
        notes: &'a [String],
        requests: RequestsItem,
        rate_limit_remaining: Option<u64>,
        mend: Option<String>,
    }
    let cause = match &finding.state {
        State::CouldNotTell(cause) => Some(cause.kind.word()),
        _ => None,
    };
    line(&Object {
        schema: "driftless.image.check/1",
        exit_code: exit.code(),
        state: finding.state.word(),
        severity: finding.severity().word(),
        fatal: finding.state.fatal(),
        cause,
        message: sentence(finding),
        image: image(finding),
        repository: finding.against.as_ref().map(|against| RepositoryItem { against: &against.name, commit: &against.commit }),
        built_from: finding.commit.as_deref(),
        distance: finding.distance.as_ref().map(distance),
        evidence: finding.evidence.iter().map(evidence).collect(),
        disagreement: finding.disagreement,
        local: finding.local.as_ref().map(|local| LocalItem {
            state: local.matches.word(),
            id: local.id.as_deref(),
            registry_is_newer: local.registry_is_newer,
            message: local.message.as_deref(),
        }),
        notes: &finding.notes,
        requests: RequestsItem { head: finding.asked.head, get: finding.asked.get, token: finding.asked.token },
        rate_limit_remaining: finding.rate_left,
        mend: finding.mend(),
    })
}

fn image(finding: &Finding) -> ImageItem<'_> {
    let platforms = finding.platforms.iter().map(|platform| PlatformItem {
        platform: &platform.platform,
        digest: &platform.digest,
        revision: platform.revision.as_deref(),
    });
    ImageItem {
        reference: finding.reference.to_string(),
        digest: finding.digest.as_deref(),
        created: finding.created.as_deref(),
        platforms: platforms.collect(),
    }
}

fn distance(distance: &Distance) -> DistanceItem<'_> {
    DistanceItem {
        relation: match distance.relation {
            Relation::Behind => "behind",
            Relation::Ahead => "ahead",
            Relation::Diverged => "diverged",
        },
        behind: distance.behind,
        in_context: distance.in_context,
        ahead: distance.ahead,
        exact: distance.exact,
        oldest_age_ms: distance.oldest.map(|oldest| u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX)),
        subjects: &distance.subjects,
    }
}

fn evidence(one: &Evidence) -> EvidenceItem<'_> {
    EvidenceItem {
        from: one.origin.word(),
        platform: one.platform.as_deref(),
        word: one.word.as_deref(),
        source: one.source.as_deref(),
        whose: one.whose.word(),
        trust: one.trust().word(),
        dirty: one.dirty,
        commit: one.commit(),
    }
}

/// What a build has to be told.
pub fn image_stamp(stamp: &Stamp, annotations: bool, dirty: bool, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        dirty: bool,
        labels: serde_json::Map<String, serde_json::Value>,
        arguments: Vec<&'a str>,
    }
    let arguments = stamp.arguments(annotations);
    let labels = stamp.pairs.iter().map(|(key, word)| ((*key).to_owned(), word.clone().into()));
    line(&Object {
        schema: "driftless.image.stamp/1",
        exit_code: exit.code(),
        dirty,
        labels: labels.collect(),
        arguments: arguments.split(' ').collect(),
    })
}
