//! Staged copies of projects.

use serde::Serialize;

use super::{Head, PathText, line};
use crate::cli::exit::Exit;
use crate::cli::staging::Copy;
use crate::engine::request::Pair;

#[derive(Serialize)]
struct Item<'a> {
    pair: &'a str,
    staging: PathText,
    network: PathText,
    made_here: bool,
    state: &'static str,
    unsent: Option<u64>,
}

/// The staged copies of this machine.
pub fn copies(copies: &[Copy]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        copies: Vec<Item<'a>>,
    }
    fn item(copy: &Copy) -> Item<'_> {
        let Pair { name, staging, network, .. } = &copy.pair;
        let (staging, network) = (PathText::whole(staging), PathText::whole(network));
        let Copy { made_here, state, unsent, .. } = copy;
        Item { pair: name, staging, network, made_here: *made_here, state: state.word(), unsent: *unsent }
    }
    line(&Object { schema: "driftless.staging/1", exit_code: 0, copies: copies.iter().map(item).collect() })
}

/// One that is gone.
pub fn copy_removed(pair: &Pair, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        staging: PathText,
    }
    line(&Object { head: Head::of("driftless.staging/1", &pair.name, exit), staging: PathText::whole(&pair.staging) })
}
