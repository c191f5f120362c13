//! A clone where there is none yet: made beside its place and renamed into it, so that a kill leaves no half of one there.

use std::path::Path;

use super::Here;
use crate::cli::failure::{Failure, shown};
use crate::disk::{checkout, local};
use crate::git::credentials::{self, Source};
use crate::git::names::fresh_id;

/// Does nothing where a repository is there.
pub fn where_there_is_none(here: &Here<'_>, folder: &Path, url: Option<&str>) -> Result<(), Failure> {
    if local::is_taken(&folder.join(".git")) {
        return Ok(());
    }
    let Some(url) = url.map(str::to_owned).or_else(credentials::github_repository) else { return Ok(()) };
    if !local::is_vacant(folder) {
        return Err(Failure::refused(format!("{} is no repository, and not empty.", shown(folder)))
            .advise("Nothing was changed. Name an empty folder with -C, or one that does not exist yet."));
    }
    if has_password(&url) {
        return Err(Failure::usage("The URL holds a password, which everybody on this machine could read.")
            .advise("Leave it out, and give it by a credential helper, --token-file or GITHUB_TOKEN."));
    }
    let parent = folder.parent().unwrap_or(folder);
    local::make_folders(parent)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = parent.join(format!(".{name}.cloning-{}", fresh_id()?));
    let mut git = here.git(parent);
    credentials::lend(&mut git, &Source { file: here.place.token_file.as_deref() }, &url)?;
    let mut words = vec!["clone", "--quiet", "--no-tags"];
    if let Some(branch) = &here.place.branch {
        words.extend(["--branch", branch]);
    }
    words.extend(["--", &url]);
    let cloned = git.call(&words).arg(&beside).limit(std::time::Duration::from_secs(3600)).ok();
    let moved = cloned.map_err(Failure::from).and_then(|_| {
        if local::is_taken(folder) {
            local::remove_folder(folder)?;
        }
        Ok(checkout::move_to_free_place(&beside, folder)?)
    });
    moved.inspect_err(|_| drop(checkout::remove_own_folder(&beside)))
}

fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_found() {
        for (url, expected) in [
            ("https://u:p@host/x", true),
            ("https://host/a:b@c", false),
            ("https://u@host/x", false),
            ("git@host:x", false),
            ("/a/b", false),
        ] {
            assert_eq!(has_password(url), expected, "{url}");
        }
    }
}
