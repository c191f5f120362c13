//! `driftless conflicts`.

use super::args;
use super::exit::Exit;
use super::failure::Failure;
use super::sync::here;
use super::{Answer, json, pairs, render};
use crate::engine;

pub fn conflicts(typed: &args::Conflicts) -> Result<Answer, Failure> {
    let args::Conflicts::List { choice } = typed;
    let chosen = pairs::choose(choice, &here())?;
    let kept = engine::conflicts(&chosen.pair)?;
    let exit = if kept.is_empty() { Exit::Done } else { Exit::Conflicts };
    Ok(Answer { text: render::conflicts(&kept), json: json::conflicts(&chosen.pair, &kept), exit })
}
