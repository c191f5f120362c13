//! `image stamp`: what a build has to be told.

use super::{Site, project};
use crate::cli::args::image::Stamp as Typed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Answer, Context, json};
use crate::git::ancestry;
use crate::git::tree::{Untracked, status};
use crate::image::stamp::{Built, Stamp};

pub fn run(context: &Context, site: &Site, typed: &Typed) -> Result<Answer, Failure> {
    let repository = site.repository()?;
    let shared = project::read(&repository.top)?;
    let built = site.build_context(&repository, shared.context.as_deref())?;
    let head = repository.head()?;
    let Some(commit) = head.commit else {
        return Err(Failure::refused("There is no commit yet.").advise("Commit what is to be built, then build it."));
    };
    let tree = ancestry::tree_of(&repository, commit.as_str(), &built)?;
    let within: &[&str] = if built.is_empty() { &[] } else { &[&built] };
    let status = status(&repository, Untracked::Folders, within)?;
    let dirty = !status.dirty.is_empty() || !status.untracked.is_empty();
    let target = repository.target(head.branch.as_deref(), None, None)?;
    let remote = target.map_or_else(|| "origin".to_owned(), |target| target.remote);
    let remote = repository.setting(&format!("remote.{remote}.url"));
    let tree = tree.as_ref().map(|tree| tree.as_str());
    let stamp = Stamp::of(&Built { commit: commit.as_str(), tree, dirty, remote });
    let exit = Exit::Done;
    Ok(context.answer(
        exit,
        || json::image_stamp(&stamp, typed.annotations, dirty, exit),
        || stamp.arguments(typed.annotations) + "\n",
    ))
}
