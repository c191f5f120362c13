//! `git pending`: publishes that are not at the remote, tried again or given up.

use super::{Here, shown, some, sync};
use crate::cli::args::git::{OnConflict, Pending};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::deliver::{Delivery, Errand, deliver};
use crate::git::kept::{Kept, drop_one, find, list, wait_again};
use crate::git::lock::{self, Which};
use crate::git::names::Kind;
use crate::git::push::Hooks;
use crate::git::repository::Repository;
use crate::model::shown::{short, tame};

pub fn run(here: &Here<'_>, typed: &Pending) -> Result<Answer, Failure> {
    let repository = here.repository()?;
    match typed {
        Pending::List => {
            let all = list(&repository)?;
            Ok(here.context.answer(Exit::Done, || json::git_pending(&all), || listed(&all)))
        }
        Pending::Show { id } => {
            let kept = find(&repository, id)?;
            Ok(here.context.answer(Exit::Done, || json::git_pending(std::slice::from_ref(&kept)), || whole(&kept)))
        }
        Pending::Retry { id, all, on_conflict, retry_for } => {
            let chosen = if *all { list(&repository)? } else { named(&repository, id)? };
            let delivery = retry(here, &repository, &chosen, *on_conflict, *retry_for)?;
            let exit = exit(&delivery);
            let text = || match sync::delivered(&delivery, false) {
                text if text.is_empty() => "Nothing waits.\n".to_owned(),
                text => text,
            };
            Ok(here.context.answer(exit, || json::git_retried(&chosen, &delivery, exit), text))
        }
        Pending::Drop { id } => {
            let chosen = named(&repository, id)?;
            let held = lock::take(&repository, Which::Writer, "pending drop", here.wait())?;
            chosen.iter().try_for_each(|kept| drop_one(&repository, &held, kept))?;
            Ok(here.context.answer(Exit::Done, || json::git_dropped(&chosen), || dropped(&chosen)))
        }
    }
}

/// All of the ids are looked up before anything is done about one.
fn named(repository: &Repository, ids: &[String]) -> Result<Vec<Kept>, Failure> {
    Ok(ids.iter().map(|id| find(repository, id)).collect::<Result<_, _>>()?)
}

fn retry(
    here: &Here<'_>,
    repository: &Repository,
    chosen: &[Kept],
    policy: Option<OnConflict>,
    retry_for: std::time::Duration,
) -> Result<Delivery, Failure> {
    let held = lock::take(repository, Which::Writer, "pending retry", here.wait())?;
    let mut whole = Delivery::default();
    let mut targets = Vec::new();
    for kept in chosen {
        wait_again(repository, &held, kept, policy.map(OnConflict::policy))?;
        if !targets.contains(&kept.target) {
            targets.push(kept.target.clone());
        }
    }
    for target in targets {
        let errand = Errand { mine: None, beside: None, retry_for, hooks: Hooks::No };
        let delivery = deliver(repository, &target, &held, &errand)?;
        whole.outcomes.extend(delivery.outcomes);
        whole.left = whole.left.or(delivery.left);
    }
    Ok(whole)
}

fn exit(delivery: &Delivery) -> Exit {
    match &delivery.left {
        None => sync::exit(delivery),
        Some(why) if why.is_passing() => Exit::Offline,
        Some(crate::git::Error::Refused { .. }) => Exit::Refused,
        Some(_) => Exit::Failed,
    }
}

fn paths(kept: &Kept) -> Vec<Vec<u8>> {
    kept.publish.changes.iter().map(|change| change.path.clone()).collect()
}

fn listed(all: &[Kept]) -> String {
    if all.is_empty() {
        return "Nothing waits, and nothing is kept.\n".to_owned();
    }
    let item = |kept: &Kept| {
        let subject = short(kept.publish.message.lines().next().unwrap_or_default());
        let (id, state, time, target) = (&kept.publish.id, kept.state(), &kept.time, &kept.target);
        format!("{id}  {state}  {time}  {target}\n  {subject}\n  {}\n", some(&paths(kept)))
    };
    let items: String = all.iter().map(item).collect();
    let help = if all.iter().all(|kept| kept.kind == Kind::Pending) {
        "The next publish, tick or sync takes along what waits.\n"
    } else {
        "What waits goes along with the next publish; the others with `driftless git pending retry ID`, or `drop ID`.\n"
    };
    format!("{items}{help}")
}

fn whole(kept: &Kept) -> String {
    let Kept { name, time, target, publish, .. } = kept;
    let mut text = format!("{}  {}  {time}  {target}\n", publish.id, kept.state());
    text.push_str(&format!("commit {}, --on-conflict {}\n\n", publish.commit, publish.policy.word()));
    text.extend(publish.message.trim_end().lines().map(|line| format!("    {}\n", tame(line))));
    text.push('\n');
    for change in &publish.changes {
        let what = match (&change.before, &change.after) {
            (None, _) => "new",
            (_, None) => "deleted",
            _ => "changed",
        };
        text.push_str(&format!("  {what:8} {}\n", shown(&change.path)));
    }
    format!("{text}\nIts contents: git show {name}\n")
}

fn dropped(all: &[Kept]) -> String {
    let line = |kept: &Kept| {
        let commit = &kept.publish.commit;
        format!("Dropped {} of {}: its commit was {commit}.\n", kept.publish.id, some(&paths(kept)))
    };
    let lines: String = all.iter().map(line).collect();
    let number = count(all.len() as u64, "commit");
    format!("{lines}Until git cleans up, `git branch NAME COMMIT` takes it back ({number}).\n")
}
