//! `driftless status`.

use super::args;
use super::exit::Exit;
use super::failure::Failure;
use super::sync::{here, looked};
use super::{Answer, Call, eprintln_quietly};
use super::{json, pairs, render, settings};
use crate::engine;

pub fn status(call: &Call, typed: &args::Status) -> Result<Answer, Failure> {
    let chosen = pairs::choose(&typed.choice, &here())?;
    chosen.warnings.iter().for_each(|warning| eprintln_quietly(warning));
    let pair = &chosen.pair;
    let settings = settings::of_pair(pair, settings::keys::Layer::new(), std::env::vars_os())?;
    let status = engine::status(pair, &settings.options, settings.policy, call.stop.flag())?;
    let exit = match (&status.report, typed.exit_code) {
        (_, false) => Exit::Done,
        (Some(report), true) => looked(report),
        (None, true) => Exit::Unchecked,
    };
    Ok(Answer { text: render::status(pair, &status, call.common.verbose), json: json::status(pair, &status), exit })
}
