//! The real disk of Windows.

use std::path::Path;
use std::sync::Arc;

use super::{Error, ErrorKind, Result, Root};

/// Opens the folder at `path` as a root. `remote`: it lies on a network drive.
pub fn open_root(path: &Path, _remote: bool) -> Result<Arc<dyn Root>> {
    Err(Error::new("open", path.display(), ErrorKind::Unsupported, std::io::ErrorKind::Unsupported.into()))
}

/// Does this error say that the root is not reachable?
pub fn is_gone(_error: &std::io::Error, _remote: bool) -> bool {
    false
}
