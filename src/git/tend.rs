//! Keeping a clone in shape that only programs write to: git's own maintenance, which every command of ours switches off for
//! itself, and refs that a killed process left.
//!
//! At most once an hour, so that it costs a publish nothing; under no lock; and never while something is displaced, of which
//! objects may be the only copy.

use super::error::Result;
use super::pending;
use super::repository::Repository;
use crate::disk::{clock, local};

/// Seconds between two.
const PAUSE: i64 = 3600;

/// Does what is due. No work is worth less where it fails.
pub fn tend(repository: &Repository) {
    if let Err(error) = try_to(repository) {
        tracing::warn!(%error, "the clone was not tended");
    }
}

fn try_to(repository: &Repository) -> Result<()> {
    let stamp = repository.own_folder()?.join("tended");
    let now = clock::now().parts().0;
    let last: Option<i64> = local::read_text(&stamp, 100).ok().flatten().and_then(|text| text.trim().parse().ok());
    if last.is_some_and(|last| (last..last.saturating_add(PAUSE)).contains(&now)) {
        return Ok(());
    }
    local::write_text(&stamp, &format!("{now}\n"))?;
    pending::sweep(repository)?;
    if !local::folders(&repository.common.join("driftless/displaced"))?.is_empty() {
        return Ok(());
    }
    if set_by_user(repository, "maintenance.auto")?.is_some_and(|value| matches!(&value[..], "false" | "no" | "off" | "0")) {
        return Ok(());
    }
    // As the user has it, and git where he says nothing.
    let threshold = format!("gc.auto={}", set_by_user(repository, "gc.auto")?.as_deref().unwrap_or("6700"));
    let words = ["-c", &threshold, "maintenance", "run", "--auto", "--quiet"];
    repository.git.call(&words).ok().map(drop)
}

/// A setting without what our own commands say of it.
fn set_by_user(repository: &Repository, key: &str) -> Result<Option<String>> {
    let output = repository.git.call(&["config", "-z", "--show-scope", "--get-all", key]).run()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields: Vec<&str> = text.split('\0').collect();
    let of_user = fields.chunks_exact(2).rev().find(|pair| pair[0] != "command");
    Ok(of_user.map(|pair| pair[1].to_owned()))
}
