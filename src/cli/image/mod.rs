//! `image`: one file a command; here is what they share.

mod check;
mod history;
mod project;
mod stamp;
mod text;

pub use text::sentence;

use std::path::{Path, PathBuf};

use crate::cli::args::image::{Image, Place, What};
use crate::cli::failure::{Failure, shown};
use crate::cli::{Answer, Context};
use crate::disk::local;
use crate::git;
use crate::git::repository::Repository;

pub fn run(context: &Context, typed: &Image) -> Result<Answer, Failure> {
    let here = Here { context, place: &typed.place };
    match &typed.what {
        What::Check(check) => check::run(&here, check),
        What::Stamp(stamp) => stamp::run(&here, stamp),
    }
}

/// Where the command was given.
struct Here<'a> {
    context: &'a Context,
    place: &'a Place,
}

impl Here<'_> {
    fn folder(&self) -> PathBuf {
        let current = &self.context.place.here;
        self.place.dir.as_ref().map_or_else(|| current.clone(), |dir| current.join(dir))
    }

    fn repository(&self) -> Result<Repository, Failure> {
        let folder = self.folder();
        if !local::is_folder(&folder) {
            return Err(Failure::failed(format!("There is no folder {}.", shown(&folder))));
        }
        Ok(Repository::open(&git::Git::new(&folder, self.context.stop.shared()))?)
    }

    /// The build context below the top of the work tree; empty where it is the top. `project` is the one of `driftless.toml`.
    fn build_context(&self, repository: &Repository, project: Option<&str>) -> Result<String, Failure> {
        let whole = match (&self.place.context, project) {
            (Some(typed), _) => self.folder().join(typed),
            (None, Some(project)) => repository.top.join(project),
            (None, None) => return Ok(String::new()),
        };
        let whole = local::real_path(&whole);
        if whole == repository.top {
            return Ok(String::new());
        }
        let outside = || Failure::usage(format!("The build context {} is no folder of the work tree.", shown(&whole)));
        let below = repository.below_top(&whole).filter(|_| local::is_folder(&whole)).ok_or_else(outside)?;
        String::from_utf8(below).map_err(|_| outside())
    }
}

/// A file that the user named.
fn read_file(path: &Path) -> Result<String, Failure> {
    let text = local::read_text(&local::real_path(path), 4 << 20)?;
    text.ok_or_else(|| Failure::usage(format!("There is no file {}.", shown(path))))
}
