//! State files and configuration, outside the roots.
use std::path::Path;

use super::{Error, ErrorKind, Result};

/// Renames within one file system; what stood at `to` is replaced.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|source| Error::new("rename", from.display(), ErrorKind::Other, source))
}
