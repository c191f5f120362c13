//! What the check of an image asks of git, answered by the room that knows it.

use std::time::Duration;

use crate::disk::clock;
use crate::git;
use crate::git::ancestry::{self, Named, Origin};
use crate::git::names::Oid;
use crate::git::repository::Repository;
use crate::git::state::{Ask, Relation};
use crate::image::cause::{Cause, Error, Kind, Result};
use crate::image::history::{self, Distance, History, Search};

/// A commit that claims to be made later than this from now says nothing of its age.
const SKEW: i64 = 300;

pub struct Clone<'a> {
    pub repository: &'a Repository,
    /// Where commits that are not here are asked for.
    pub origin: Option<Origin>,
    pub ask: Ask,
    /// Below the top; empty is all.
    pub context: &'a str,
    pub urls: Vec<String>,
}

impl History for Clone<'_> {
    fn remotes(&self) -> Vec<String> {
        self.urls.clone()
    }

    fn find(&self, hex: &str) -> Result<Search> {
        let found = ancestry::find(self.repository, self.origin.as_ref(), hex, self.ask).map_err(cause)?;
        match found {
            Named::Commit(commit) => Ok(Search::Commit(commit.to_string())),
            Named::Nothing => Ok(Search::Nothing),
            Named::Several => Ok(Search::Several),
            Named::Unasked => Err(Cause {
                kind: Kind::Unreachable,
                message: "the commit that the image names is not here, and the remote was not asked for it".to_owned(),
                mend: "Run it without --no-fetch.".to_owned(),
            }
            .into()),
        }
    }

    fn tree(&self, commit: &str) -> Result<Option<String>> {
        let tree = ancestry::tree_of(self.repository, commit, self.context).map_err(cause)?;
        Ok(tree.map(|tree| tree.to_string()))
    }

    fn distance(&self, image: &str, repository: &str) -> Result<Distance> {
        let oid = |text: &str| Oid::parse(text).expect("git named it itself");
        let (first, second) = (oid(image), oid(repository));
        let gap = ancestry::gap(self.repository, self.origin.as_ref(), &first, &second, self.context, self.ask).map_err(cause)?;
        let relation = match gap.relation {
            Relation::Behind => history::Relation::Behind,
            Relation::Ahead => history::Relation::Ahead,
            _ => history::Relation::Diverged,
        };
        let now = clock::now().parts().0;
        let waits = |since: i64| u64::try_from(now - since).ok().or((since - now <= SKEW).then_some(0)).map(Duration::from_secs);
        Ok(Distance {
            relation,
            behind: gap.behind,
            in_context: gap.in_folder,
            ahead: gap.ahead,
            exact: gap.exact,
            oldest: gap.oldest.and_then(waits),
            subjects: gap.subjects,
        })
    }
}

/// An error of git as a reason why something could not be told. Its texts are redacted and tame.
pub fn cause(error: git::Error) -> Error {
    let (kind, mend) = match &error {
        git::Error::Stopped => return Error::Stopped,
        git::Error::Unreachable { .. } | git::Error::Silent { .. } | git::Error::Outrun { .. } | git::Error::Busy { .. } => {
            (Kind::Unreachable, "Run it again when the remote answers; --no-fetch takes what is known here.".to_owned())
        }
        git::Error::Login { .. } => {
            (Kind::Login, "Credentials are those of git: an ssh key or agent, or a credential helper.".to_owned())
        }
        git::Error::Refused { advice, .. } => (Kind::Shallow, advice.clone()),
        _ => (Kind::Answer, "Look at the repository with git.".to_owned()),
    };
    Cause { kind, message: error.to_string(), mend }.into()
}
