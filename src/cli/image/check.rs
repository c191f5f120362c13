//! `image check`: the registry and git are asked at the same time, then judged.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::history::{Clone, cause};
use super::{Site, engine, project, read_file, text};
use crate::cli::args::image::Check;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Answer, Context, json};
use crate::git;
use crate::git::ancestry;
use crate::git::names::Target;
use crate::git::remote;
use crate::git::repository::Repository;
use crate::git::state::Ask;
use crate::image::cause::{Cause, Error};
use crate::image::check::{Question, Seen, could_not_tell, judge, look};
use crate::image::credentials::Keychain;
use crate::image::finding::{Finding, Severity};
use crate::image::history::Against;
use crate::image::http::{Http, safety};
use crate::image::local::{Engine as Held, compare};
use crate::image::reference::{Reference, is_host};
use crate::image::registry::Access;
use crate::image::store::Store;

/// How registries are reached; nothing of it comes from a file that others write.
struct Way {
    plain: Vec<String>,
    authority: Option<Vec<u8>>,
    wait: Duration,
    documents: PathBuf,
}

/// What the commit is that counts.
enum Counts {
    Upstream(Target),
    Head,
    Named(String),
}

pub fn run(context: &Context, site: &Site, typed: &Check) -> Result<Answer, Failure> {
    let finding = find(site, typed)?;
    let exit = exit(finding.severity());
    Ok(context.answer(exit, || json::image_check(&finding, exit), || text::finding(&finding, context.paint)))
}

/// The same with nothing written into the clone. The remote is asked where it stands; a commit that is not here yet is not fetched, and
/// then nobody can tell.
pub fn find_untouched(site: &Site) -> Result<Finding, Failure> {
    let repository = site.repository()?;
    let mut typed = Check { no_fetch: true, ..Check::default() };
    let upstream = matches!(project::read(&repository.top)?.against.as_deref(), None | Some("upstream"));
    if let Some(target) = repository.target(repository.branch()?.as_deref(), None, None)?.filter(|_| upstream)
        && let Some(tip) = remote::probe(&repository, &target)?
    {
        if ancestry::find(&repository, None, tip.as_str(), Ask::Nobody)? == ancestry::Named::Nothing {
            let message = format!("The clone has not the commit {tip} that {target} has, and nothing is fetched into a copy.");
            return Err(Failure { exit: Exit::Unchecked, ..Failure::failed(message) }
                .advise("driftless git sync in the project, and run it again"));
        }
        typed.against = Some(tip.to_string());
    }
    find(site, &typed)
}

/// The whole check as a value, for whoever wants to know: the command, a gate, a report of all drifts. An error is a mistake of the
/// caller's (no repository, no image named, no such commit) or a signal; everything else is in the finding.
pub fn find(site: &Site, typed: &Check) -> Result<Finding, Failure> {
    if let Some(typed) = &typed.reference {
        named(typed)?;
    }
    let repository = site.repository()?;
    let shared = project::read(&repository.top)?;
    let context = site.build_context(&repository, shared.context.as_deref())?;
    let target = repository.target(repository.branch()?.as_deref(), None, None)?;
    let counts = counts(typed.against.as_deref().or(shared.against.as_deref()), target.as_ref())?;
    let question = question(typed, &shared, context, matches!(counts, Counts::Head))?;
    let ask = if typed.no_fetch { Ask::Nobody } else { Ask::Remote };
    let way = Way {
        plain: typed.plain_http.clone(),
        authority: typed.ca.as_deref().map(read_file).transpose()?.map(String::into_bytes),
        wait: typed.wait,
        documents: site.state.join(".documents"),
    };
    if let Some(host) = way.plain.iter().find(|host| !is_host(host)) {
        return Err(Failure::usage(format!("`{}` is no host with a port.", crate::model::shown::short(host))));
    }
    // Neither waits for the other: the slower of both is how long it takes.
    let (against, seen, held) = thread::scope(|scope| {
        let seen = scope.spawn(|| ask_registry(site, &question, &way));
        let held = typed.local.then(|| scope.spawn(|| engine::held(&question.reference, &site.stop)));
        (against(&repository, &counts, ask), seen.join(), held.map(thread::ScopedJoinHandle::join))
    });
    let seen = seen.map_err(|_| Failure::failed("A thread of ours broke off."))?;
    let clone = Clone {
        repository: &repository,
        origin: ancestry::Origin::of(&repository, target.as_ref()),
        ask,
        context: &question.context,
        urls: ancestry::remotes(&repository)?,
    };
    let contents = seen.1.as_ref().and_then(|seen| seen.contents.clone());
    let told_all = seen.0.is_ok();
    let judged = finding(&question, seen, against?, &clone).and_then(|mut finding| {
        // What the registry has must be known before anything is compared with it.
        if let (Some(held), true) = (held, told_all) {
            let held = held.unwrap_or_else(|_| Ok(Held::Unknown("a thread of ours broke off".to_owned())))?;
            finding.local = Some(compare(&question.reference, contents.as_ref(), held));
        }
        Ok(finding)
    });
    judged.map_err(|_| {
        let stopped = Failure { exit: Exit::interrupted(None), ..Failure::failed("Stopped.") };
        stopped.advise("Nothing was changed; run it again.")
    })
}

pub fn exit(severity: Severity) -> Exit {
    match severity {
        Severity::InStep => Exit::Done,
        Severity::Drift => Exit::Drift,
        Severity::CouldNotTell => Exit::Unchecked,
    }
}

fn counts(typed: Option<&str>, target: Option<&Target>) -> Result<Counts, Failure> {
    match (typed, target) {
        (None | Some("upstream"), Some(target)) => Ok(Counts::Upstream(target.clone())),
        (None | Some("head"), _) => Ok(Counts::Head),
        (Some("upstream"), None) => {
            Err(Failure::refused("Nothing says which branch of which remote goes with what is checked out.")
                .advise("Nothing was asked. Name a commit with --against, or `git branch --set-upstream-to=REMOTE/BRANCH`."))
        }
        (Some(named), _) => Ok(Counts::Named(named.to_owned())),
    }
}

fn question(typed: &Check, shared: &project::Project, context: String, against_head: bool) -> Result<Question, Failure> {
    let reference = typed.reference.as_deref().or(shared.reference.as_deref());
    let reference = reference.ok_or_else(|| {
        Failure::usage("No image is named.")
            .advise("Name one: driftless image check REF; or for good, `ref` of [image] in driftless.toml.")
    })?;
    let all = |typed: &[String], shared: &[String]| typed.iter().chain(shared).cloned().collect();
    let grace = shared.grace.as_deref().and_then(|grace| humantime::parse_duration(grace).ok());
    Ok(Question {
        reference: named(reference)?,
        platform: typed.platform.clone().or_else(|| shared.platform.clone()),
        keys: all(&typed.key, &shared.keys),
        // Whoever may write the shared file is not told what else stands in an image.
        variables: typed.key.clone(),
        sources: all(&typed.source, &shared.sources),
        grace: typed.grace.or(grace).unwrap_or_default(),
        require_source: typed.require_source || shared.require_source,
        allow_dirty: typed.allow_dirty || shared.allow_dirty,
        context,
        against_head,
    })
}

fn named(reference: &str) -> Result<Reference, Failure> {
    Reference::parse(reference).map_err(|error| Failure::usage(format!("{error}.")))
}

fn ask_registry(site: &Site, question: &Question, way: &Way) -> (Result<(), Error>, Option<Seen>) {
    let host = question.reference.reached();
    let http = match Http::new(host, way.authority.clone(), Arc::clone(&site.stop)) {
        Ok(http) => http,
        Err(error) => return (Err(error), None),
    };
    let store = Store::at(way.documents.clone());
    let access = Access {
        http: &http,
        safety: safety(host, &way.plain, way.authority.is_some()),
        keychain: &Keychain::of_user(),
        stop: &site.stop,
        store: &store,
        patience: way.wait,
    };
    let (asked, seen) = look(question, &access);
    (asked, Some(seen))
}

/// The commit that counts, or why nobody can say now which it is. An error is a mistake of whoever typed it.
fn against(repository: &Repository, counts: &Counts, ask: Ask) -> Result<Result<Against, Error>, Failure> {
    let (name, commit) = match counts {
        Counts::Upstream(target) => {
            let tip = if ask == Ask::Remote { remote::look(repository, target) } else { remote::known(repository, target) };
            let tip = match tip {
                Ok(tip) => tip,
                Err(error @ (git::Error::Disk(_) | git::Error::NoGit(_))) => return Err(error.into()),
                Err(error) => return Ok(Err(cause(error))),
            };
            // Without a question to the remote, the user's own last fetch is as good.
            let own = || repository.commit(&format!("refs/remotes/{}/{}", target.remote, target.branch));
            (target.to_string(), if tip.is_none() && ask == Ask::Nobody { own()? } else { tip })
        }
        Counts::Head => ("HEAD".to_owned(), repository.commit("HEAD")?),
        Counts::Named(named) => (crate::model::shown::short(named), repository.commit(named)?),
    };
    let none =
        || Failure::refused(format!("There is no commit {name}.")).advise("Nothing was asked. Name another with --against.");
    let commit = commit.ok_or_else(none)?;
    Ok(Ok(Against { name, commit: commit.to_string() }))
}

/// Only `Stopped` is an error.
fn finding(
    question: &Question,
    seen: (Result<(), Error>, Option<Seen>),
    against: Result<Against, Error>,
    clone: &Clone<'_>,
) -> Result<Finding, Error> {
    let (asked, seen) = seen;
    let told = |result: Result<(), Error>| match result {
        Ok(()) => Ok(None),
        Err(Error::Unknown(cause)) => Ok(Some(cause)),
        Err(Error::Stopped) => Err(Error::Stopped),
    };
    let registry: Option<Cause> = told(asked)?;
    let (against, repository) = match against {
        Ok(against) => (Some(against), None),
        Err(error) => (None, told(Err(error))?),
    };
    match (registry, repository, against, seen) {
        (None, None, Some(against), Some(seen)) => judge(question, seen, against, clone),
        (Some(cause), other, against, seen) => {
            let mut finding = could_not_tell(question, seen, against, cause);
            finding.notes.extend(other.map(|other| other.message));
            Ok(finding)
        }
        (None, cause, against, seen) => {
            let cause = cause.expect("one of both failed");
            Ok(could_not_tell(question, seen, against, cause))
        }
    }
}
