//! Whose word does git take in a folder? Git starts what the settings of a repository name: filters, commands of ssh, helpers, hooks.
//! Where others can write those settings (a root of a pair, a network drive), a command that is not aimed at git starts none, until
//! `pair.toml` agrees.
//!
//! Invariants. Git is not started here, and nothing is written. What is looked at is all that git would take settings from: the clone's
//! top, its `.git` and, where that leads elsewhere, what it leads to.

use std::path::{Path, PathBuf};

use crate::cli::drift::Finding;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs;
use crate::cli::place::Place;
use crate::cli::settings::gates::Gate;
use crate::cli::settings::{self, PAIR_FILE};
use crate::engine::request::Pair;
use crate::roots::own;
use crate::roots::reach::Reach;

/// What a `.git` that is a file says of the folder that it stands for, and what that says of the common one, is one line.
const LINE: u64 = 8192;
/// Who has it in a folder synchronises it, whether this machine's state folder knows the pair or not.
const MARKER: &str = "root.toml";

/// Whose settings those of a clone are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// On a disk of this machine, and carried by no pair.
    Own,
    /// Others can write them.
    Others(Vec<Holder>),
}

/// What holds a part of a clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A root of one of these pairs.
    Pairs(Vec<Pair>),
    /// A root of a pair that is not known here, or a network drive.
    Unknown,
}

/// A folder, and the clone that git would find from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clone {
    /// Where git has to be started: what is below it is not looked at, and could pass for a repository. `None`: there is no clone.
    pub top: Option<PathBuf>,
    pub whose: Whose,
}

/// Finds the clone above `folder`, by what git looks for.
pub fn clone_of(place: &Place, folder: &Path) -> Result<Clone, Failure> {
    among(&place.reach, &pairs::known(place)?, folder)
}

/// The same with the pairs that are known.
pub fn among(reach: &Reach, pairs: &[Pair], folder: &Path) -> Result<Clone, Failure> {
    let folder = reach.real_path(folder)?;
    let mut top = None;
    for above in folder.ancestors() {
        if reach.is_taken(&above.join(".git"))? {
            top = Some(above.to_path_buf());
            break;
        }
    }
    let parts = match &top {
        Some(top) => parts(reach, top)?,
        None => vec![folder],
    };
    let mut holders = Vec::new();
    for part in &parts {
        holders.extend(holder(reach, pairs, part)?);
    }
    Ok(Clone { top, whose: if holders.is_empty() { Whose::Own } else { Whose::Others(holders) } })
}

impl Clone {
    pub fn is_own(&self) -> bool {
        self.whose == Whose::Own
    }

    /// May a look that is for `gate` start git here?
    pub fn is_agreed(&self, gate: Gate) -> Result<bool, Failure> {
        let Whose::Others(holders) = &self.whose else { return Ok(true) };
        for holder in holders {
            let Holder::Pairs(pairs) = holder else { return Ok(false) };
            let mut agreed = false;
            for pair in pairs {
                agreed |= settings::own_gates(pair)?.agrees_to(gate);
            }
            if !agreed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is said where it may not, for those who ask for a part.
    pub fn not_agreed(&self, gate: Gate) -> Finding {
        let mut finding = Finding::could_not_tell(NOT_AGREED);
        finding.mend = Some(self.how_to_agree(gate));
        finding
    }

    /// Where the word is to be written.
    pub fn how_to_agree(&self, gate: Gate) -> String {
        let known = match &self.whose {
            Whose::Others(holders) => holders.iter().find_map(|holder| match holder {
                Holder::Pairs(pairs) => pairs.first(),
                Holder::Unknown => None,
            }),
            Whose::Own => None,
        };
        let gate = gate.word();
        match known {
            Some(pair) => {
                let file = shown(&pair.state.join(PAIR_FILE));
                format!("where you trust all who may write there: [gates] with {gate} = \"warn\" in {file}")
            }
            None => format!(
                "`driftless git state`, where you trust all who may write there; for good: pair the folder with `driftless init`, and write \
                 [gates] with {gate} = \"warn\" into its pair.toml"
            ),
        }
    }
}

pub const NOT_AGREED: &str = "git was not started: others can write the settings of the repository here, which may start programs, and \
                              pair.toml does not agree to that";

/// All folders from which git takes settings; those that a link or a line leads to, too.
fn parts(reach: &Reach, top: &Path) -> Result<Vec<PathBuf>, Failure> {
    let named = reach.real_path(&top.join(".git"))?;
    let mut parts = vec![top.to_path_buf(), named.clone()];
    let folder = match reach.is_folder(&named)? {
        true => named,
        false => {
            let Some(text) = reach.read_text(&named, LINE)? else { return Ok(parts) };
            let Some(led) = text.trim_end().strip_prefix("gitdir: ") else { return Ok(parts) };
            reach.real_path(&top.join(led))?
        }
    };
    parts.push(folder.clone());
    if let Some(text) = reach.read_text(&folder.join("commondir"), LINE)? {
        parts.push(reach.real_path(&folder.join(text.trim_end()))?);
    }
    Ok(parts)
}

fn holder(reach: &Reach, pairs: &[Pair], part: &Path) -> Result<Option<Holder>, Failure> {
    let holds = |pair: &&Pair| part.starts_with(&pair.network) || part.starts_with(&pair.staging);
    let of_pairs: Vec<Pair> = pairs.iter().filter(holds).cloned().collect();
    if !of_pairs.is_empty() {
        return Ok(Some(Holder::Pairs(of_pairs)));
    }
    if reach.detect(part).map_err(|error| Failure::failed(error.to_string()))?.network {
        return Ok(Some(Holder::Unknown));
    }
    for above in part.ancestors() {
        if reach.is_taken(&above.join(own::FOLDER).join(MARKER))? {
            return Ok(Some(Holder::Unknown));
        }
    }
    Ok(None)
}
