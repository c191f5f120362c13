//! `image`: one file a command; here is what they share.

pub mod check;
mod engine;
mod history;
mod project;
mod stamp;
pub mod text;

pub use text::sentence;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::cli::args::image::{Image, What};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::settings::gates::Gate;
use crate::cli::{Answer, Context, trust};
use crate::disk::local;
use crate::git;
use crate::git::repository::Repository;

pub fn run(context: &Context, typed: &Image) -> Result<Answer, Failure> {
    let current = &context.place.here;
    let folder = typed.place.dir.as_ref().map_or_else(|| current.clone(), |dir| current.join(dir));
    if !local::is_folder(&folder) {
        return Err(Failure::failed(format!("There is no folder {}.", shown(&folder))));
    }
    let clone = trust::clone_of(&context.place, &folder)?;
    agreed(&clone, &typed.what)?;
    let site = Site {
        context: typed.place.context.as_ref().map(|built| folder.join(built)),
        folder: clone.top.unwrap_or(folder),
        state: context.place.state.clone(),
        stop: context.stop.shared(),
    };
    let answer = match &typed.what {
        What::Check(check) => check::run(context, &site, check),
        What::Stamp(stamp) => stamp::run(context, &site, stamp),
    };
    answer.map_err(|failure| match failure.exit {
        Exit::Signal(_) => Failure { exit: Exit::interrupted(context.stop.signal()), ..failure },
        _ => failure,
    })
}

/// Nobody aims these commands at git, which they start.
fn agreed(clone: &trust::Clone, what: &What) -> Result<(), Failure> {
    if clone.top.is_none() && !clone.is_own() {
        return Err(Failure::refused("This folder lies in no git repository.").advise("Run this in a clone with a work tree."));
    }
    if clone.is_agreed(Gate::Image)? {
        return Ok(());
    }
    let exit = if matches!(what, What::Check(_)) { Exit::Unchecked } else { Exit::Refused };
    let said = format!("Nothing was asked: {}.", trust::NOT_AGREED);
    Err(Failure { exit, ..Failure::failed(said) }.advise(clone.how_to_agree(Gate::Image)))
}

/// Where a check looks, whoever asks for it.
pub struct Site {
    /// Lies in the work tree.
    pub folder: PathBuf,
    /// The folder that is built; `None`: as the project says, else the whole work tree.
    pub context: Option<PathBuf>,
    /// The program's state folder: documents of registries are kept there.
    pub state: PathBuf,
    pub stop: Arc<AtomicBool>,
}

impl Site {
    /// Does the project, the top of whose work tree this is, name an image?
    pub fn names_an_image(&self) -> Result<bool, Failure> {
        Ok(project::read(&self.folder)?.reference.is_some())
    }

    fn repository(&self) -> Result<Repository, Failure> {
        Ok(Repository::open(&git::Git::new(&self.folder, Arc::clone(&self.stop)))?)
    }

    /// The build context below the top of the work tree; empty where it is the top. `project` is the one of `driftless.toml`.
    fn build_context(&self, repository: &Repository, project: Option<&str>) -> Result<String, Failure> {
        let whole = match (&self.context, project) {
            (Some(named), _) => named.clone(),
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
