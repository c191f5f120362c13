//! A clone where there is none yet: made beside its place and renamed into it, so that a kill leaves no half of one there.

use std::path::Path;

use super::Here;
use crate::cli::failure::{Failure, shown};
use crate::disk::{checkout, clock, local};
use crate::git::Error;
use crate::git::credentials::{self, Source};
use crate::git::lock::Holder;
use crate::git::names::fresh_id;
use crate::git::remote::judged;
use crate::git::repository::Repository;
use crate::model::shown::short;
use crate::model::utc;

/// Does nothing where a repository is there.
pub fn where_there_is_none(here: &Here<'_>, folder: &Path, url: Option<&str>) -> Result<(), Failure> {
    if local::is_taken(&folder.join(".git")) {
        return Ok(());
    }
    // A workflow that runs in a subfolder of its clone means that clone; who names a URL may want one within another.
    let is_within = || local::is_folder(folder) && Repository::open(&here.git(folder)).is_ok();
    let Some(url) = url.map(str::to_owned).or_else(|| credentials::github_repository().filter(|_| !is_within())) else {
        return Ok(());
    };
    if !local::is_vacant(folder) {
        return Err(Failure::refused(format!("{} is no repository, and not empty.", shown(folder)))
            .advise("Nothing was changed. Name an empty folder with -C, or one that does not exist yet."));
    }
    if has_secret(&url) {
        return Err(Failure::usage("The URL holds a password or a token, which everybody on this machine could read.")
            .advise("Leave it out, and give it by a credential helper, --token-file or GITHUB_TOKEN."));
    }
    let parent = folder.parent().unwrap_or(folder);
    local::make_folders(parent)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    sweep(parent, &name);
    let outer = parent.join(format!(".{name}.cloning-{}", fresh_id()?));
    local::make_private_folder(&outer)?;
    // As long as it is held, somebody works there.
    let held = local::Lock::try_take(&outer.join("lock"), &Holder::me("clone", clock::now()).text())?;
    let beside = outer.join("clone");
    let mut git = here.git(parent);
    git.fit()?;
    credentials::lend(&mut git, &Source { file: here.place.token_file.as_deref() }, &url)?;
    let mut words = vec!["clone", "--quiet", "--no-tags"];
    if let Some(branch) = &here.place.branch {
        words.extend(["--branch", branch]);
    }
    words.extend(["--", &url]);
    let cloned = git.call(&words).arg(&beside).limit(std::time::Duration::from_secs(3600)).ok();
    let cloned = cloned.map_err(|error| match error {
        Error::Git { verb, message } => judged(&short(&url), &verb, &message),
        other => other,
    });
    let moved = cloned.map_err(Failure::from).and_then(|_| {
        if local::is_taken(folder) {
            local::remove_folder(folder)?;
        }
        Ok(checkout::move_to_free_place(&beside, folder)?)
    });
    drop(checkout::remove_own_folder(&outer));
    drop(held);
    moved
}

/// What clones left that were killed: ours by their names and their locks, of this machine, and nobody holds those.
fn sweep(parent: &Path, name: &str) {
    let prefix = format!(".{name}.cloning-");
    for folder in local::folders(parent).unwrap_or_default() {
        let place = parent.join(&folder);
        let lock = place.join("lock");
        let id = folder.to_str().and_then(|text| text.strip_prefix(&prefix));
        let is_ours = id.is_some_and(|id| utc::parse_compact(id.as_bytes()).is_some());
        let is_of_here = || local::Lock::holder(&lock).is_some_and(|text| Holder::parse(&text).host == local::host_name());
        if is_ours && is_of_here() && local::Lock::is_held(&lock) == Some(false) {
            drop(checkout::remove_own_folder(&place));
        }
    }
}

/// A password, or a user's name that is longer than names are: a token.
fn has_secret(url: &str) -> bool {
    const LONGEST_NAME: usize = 32;
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let user = rest.split('/').next().and_then(|authority| authority.rsplit_once('@')).map_or("", |(user, _)| user);
    let is_token = scheme.starts_with("http") && (user.len() > LONGEST_NAME || user.contains('_'));
    user.contains(':') || is_token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_url_is_found() {
        for (url, expected) in [
            ("https://u:p@host/x", true),
            ("https://host/a:b@c", false),
            ("https://u@host/x", false),
            ("https://ghp_0123456789@host/x", true),
            ("https://0123456789abcdef0123456789abcdef0123@host/x", true),
            ("ssh://git_user@host/x", false),
            ("git@host:x", false),
            ("/a/b", false),
        ] {
            assert_eq!(has_secret(url), expected, "{url}");
        }
    }
}
