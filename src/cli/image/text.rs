//! A finding for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cli::render::{Paint, count};
use crate::image::evidence::Evidence;
use crate::image::finding::{Finding, Severity, State};
use crate::image::history::{Distance, Relation};
use crate::image::local::{Local, Match};
use crate::model::shown::short;

/// The FATAL line or one sentence, then both commits, the distance, what mends it.
pub fn finding(finding: &Finding, paint: Paint) -> String {
    let mut text = match (finding.state.fatal(), finding.severity()) {
        (Some(fatal), _) => format!("{}\n", paint.bad(fatal)),
        (None, Severity::Drift) => format!("{}\n", paint.bad("The container engine has not the image that the registry has.")),
        (None, Severity::CouldNotTell) if finding.state.severity() == Severity::InStep => {
            format!("{}\n", paint.warn("Could not tell what the container engine has."))
        }
        (None, Severity::CouldNotTell) => format!("{}\n", paint.warn(&format!("Could not tell: {}.", sentence(finding)))),
        (None, Severity::InStep) => format!("{}\n", paint.bold(&format!("In step: {}.", sentence(finding)))),
    };
    if finding.state.fatal().is_some() {
        let _ = writeln!(text, "  why         {}", sentence(finding));
    }
    let repository = finding.against.as_ref().map(|against| format!("{}  {}", against.commit, short(&against.name)));
    let _ = writeln!(text, "  repository  {}", repository.unwrap_or_else(|| "its commit could not be found out".to_owned()));
    let digest = finding.digest.as_deref().map_or_else(String::new, |digest| format!(" ({digest})"));
    let _ = writeln!(text, "  image       {}  {}{digest}", image_commit(finding), finding.reference);
    if let Some(distance) = &finding.distance {
        let _ = writeln!(text, "  distance    {}", apart(distance));
        for subject in &distance.subjects {
            let _ = writeln!(text, "              {}", short(subject));
        }
    }
    if let Some(local) = &finding.local {
        let _ = writeln!(text, "  engine      {}", at_engine(local));
    }
    for one in finding.evidence.iter().take(12) {
        let _ = writeln!(text, "  evidence    {}", told(one));
    }
    if matches!(finding.state, State::PartialPlatforms) {
        for platform in finding.platforms.iter().take(12) {
            let revision = platform.revision.as_deref().unwrap_or("names no commit");
            let _ = writeln!(text, "  platform    {}  {}", short(&platform.platform), short(revision));
        }
    }
    if finding.disagreement {
        text.push_str("  note        the evidence does not agree\n");
    }
    for note in &finding.notes {
        let _ = writeln!(text, "  note        {}", short(note));
    }
    if let Some(mend) = finding.mend() {
        let _ = writeln!(text, "  to mend it  {mend}");
    }
    text
}

fn image_commit(finding: &Finding) -> String {
    let stands = finding.evidence.iter().find_map(|one| one.hex.clone());
    match (&finding.commit, &finding.state) {
        (Some(commit), _) => commit.clone(),
        (None, State::Missing) => "none".to_owned(),
        (None, State::Unlabelled | State::PartialPlatforms | State::CouldNotTell(_)) => "not known".to_owned(),
        (None, _) => stands.unwrap_or_else(|| "not known".to_owned()),
    }
}

/// Without a full stop.
pub fn sentence(finding: &Finding) -> String {
    match &finding.state {
        State::InStep => "the image is built from this commit".to_owned(),
        State::InStepByTree => "the image is built from another commit with the same build context".to_owned(),
        State::Pending => "the image is behind, and its build has time left".to_owned(),
        State::Behind => "the image is built from an older commit".to_owned(),
        State::Ahead => "the image is built from a newer commit".to_owned(),
        State::Diverged => "the image is built from a commit that is not in this history".to_owned(),
        State::DirtyBuild => "the image is built from a work tree with changes that were not committed".to_owned(),
        State::Unlabelled => "nothing in the image names the commit that it is built from".to_owned(),
        State::Foreign => "the image names another repository; its labels may have come down from its base image".to_owned(),
        State::UnknownRevision => "the image names a commit that neither this clone nor its remote has".to_owned(),
        State::Missing => "the registry has no such image".to_owned(),
        State::PartialPlatforms => "not all platforms of the image are built from the same commit".to_owned(),
        State::CouldNotTell(cause) => cause.message.clone(),
    }
}

fn apart(distance: &Distance) -> String {
    let least = if distance.exact { "" } else { "at least " };
    let behind = format!("{least}{}, {} in the build context", count(distance.behind, "commit"), distance.in_context);
    let waits = distance.oldest.map_or_else(String::new, |oldest| format!("; the oldest waits for {}", age(oldest)));
    match distance.relation {
        Relation::Behind => format!("{behind}{waits}"),
        Relation::Ahead => format!("{least}{} ahead", count(distance.ahead, "commit")),
        Relation::Diverged => format!("{least}{} of its own; behind by {behind}{waits}", count(distance.ahead, "commit")),
    }
}

fn at_engine(local: &Local) -> String {
    let newer = match local.registry_is_newer {
        Some(true) => "; the registry's is newer",
        Some(false) => "; the registry's is not newer",
        None => "",
    };
    match local.matches {
        Match::Same => "has the registry's image".to_owned(),
        Match::SameLayers => "has the same layers under another digest".to_owned(),
        Match::Differs => format!("has another image than the registry{newer}"),
        Match::LocalOnly => format!("has an image that was made here and never pushed{newer}"),
        Match::Absent => "has no such image".to_owned(),
        Match::CouldNotTell => format!("could not be asked: {}", short(local.message.as_deref().unwrap_or_default())),
    }
}

/// Roughly: two parts are enough.
fn age(time: Duration) -> String {
    let whole = humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn told(one: &Evidence) -> String {
    let mut text = format!("{}: {}", short(&one.origin.word()), short(one.word.as_deref().unwrap_or("names no commit")));
    if let Some(platform) = &one.platform {
        let _ = write!(text, "  {}", short(platform));
    }
    if let Some(source) = &one.source {
        let _ = write!(text, "  of {}", short(source));
    }
    let _ = write!(text, "  ({} trust)", one.trust().word());
    text
}
