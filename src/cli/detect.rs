//! `driftless detect`.

use super::Answer;
use super::args;
use super::exit::Exit;
use super::failure::{Failure, shown};
use crate::roots::mounts;

pub fn detect(typed: &args::Detect) -> Result<Answer, Failure> {
    let path = std::path::absolute(&typed.path).map_err(|error| Failure::failed(format!("{}: {error}", shown(&typed.path))))?;
    let verdict = mounts::detect(&path).map_err(|error| Failure::failed(error.to_string()))?;
    let (word, then) = if verdict.network {
        ("needs staging", "Tools work on a local copy: pair it with `driftless init --network`.")
    } else {
        ("is local", "It is used where it is: no copy, nothing to do.")
    };
    let text = format!(
        "{} {word}.\n  reason       {}\n  file system  {}\n  mounted at   {}\n  source       {}\n  {then}\n",
        shown(&typed.path),
        verdict.reason,
        verdict.file_system.escape_debug(),
        shown(&verdict.mount_point),
        verdict.source.escape_debug()
    );
    let json = serde_json::json!({
        "outcome": "done", "path": path.to_string_lossy(), "needs_staging": verdict.network, "reason": verdict.reason,
        "file_system": verdict.file_system, "mount_point": verdict.mount_point.to_string_lossy(), "source": verdict.source,
    });
    Ok(Answer { text, json, exit: Exit::Done })
}
