//! PATH arguments to root-relative paths: absolute inside either root; or relative to the current folder where that
//! lies in a root; else relative to the root. Anything outside both roots is wrong usage.

use std::path::{Component, Path, PathBuf};

use crate::cli::failure::{Failure, shown};
use crate::cli::place::Place;
use crate::engine::request::Pair;
use crate::model::native;
use crate::model::path::RelPath;
use crate::roots::reach::Reach;

/// Resolves what was typed. A whole root among them is the root path.
pub fn resolve(pair: &Pair, place: &Place, typed: &[PathBuf]) -> Result<Vec<RelPath>, Failure> {
    typed.iter().map(|path| resolve_one(pair, &place.here, path, &place.reach)).collect()
}

fn resolve_one(pair: &Pair, here: &Path, typed: &Path, reach: &Reach) -> Result<RelPath, Failure> {
    let outside = || {
        Failure::usage(format!("{} lies in neither root of the pair {}.", shown(typed), pair.name)).advise(format!(
            "The roots are {} (network) and {} (staging).",
            shown(&pair.network),
            shown(&pair.staging)
        ))
    };
    if typed.as_os_str().is_empty() {
        return Err(Failure::usage("A PATH is empty."));
    }
    let in_root = [&pair.staging, &pair.network].into_iter().any(|root| here.starts_with(root));
    let whole = match (typed.is_absolute(), in_root) {
        (true, _) => typed.to_path_buf(),
        (false, true) => here.join(typed),
        (false, false) => pair.network.join(typed),
    };
    let whole = without_dots(&whole);
    match below_a_root(pair, &whole) {
        Some(path) => Ok(path),
        None => below_a_root(pair, &real_parent(&whole, reach)?).ok_or_else(outside),
    }
}

fn below_a_root(pair: &Pair, whole: &Path) -> Option<RelPath> {
    let below = [&pair.staging, &pair.network].into_iter().find_map(|root| whole.strip_prefix(root).ok())?;
    RelPath::parse(&native::slashed(below)).ok()
}

/// The last name is kept: a link is synchronised itself, it stands for nothing else.
fn real_parent(whole: &Path, reach: &Reach) -> Result<PathBuf, Failure> {
    Ok(match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => reach.real_path(parent)?.join(name),
        _ => whole.to_path_buf(),
    })
}

/// `a/./b/../c` is `a/c`, by the letters alone.
fn without_dots(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            part => whole.push(part),
        }
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn reach() -> Reach {
        Reach::new(Duration::from_secs(20), Arc::default())
    }

    #[cfg(windows)]
    #[test]
    fn paths_are_found_by_letter_by_share_and_with_either_slash() {
        let pair = Pair {
            name: "p".to_owned(),
            state: r"C:\state\p".into(),
            staging: r"C:\r\staging".into(),
            network: r"\\srv\lab\net".into(),
            others: Vec::new(),
        };
        for (here, typed, expected) in [
            (r"C:\", r"C:\r\staging\a\b", Some("a/b")),
            (r"C:\", "c:/r/staging/a/b", Some("a/b")),
            (r"C:\", r"\\srv\lab\net\a", Some("a")),
            (r"C:\", r"\\srv\lab\network", None),
            (r"C:\", r"a\b", Some("a/b")),
            (r"C:\", r"..\a", None),
            (r"C:\r\staging\sub", r"..\a", Some("a")),
            (r"C:\r\staging\sub", ".", Some("sub")),
            (r"\\srv\lab\net\sub", r"a/b\c", Some("sub/a/b/c")),
        ] {
            let found = resolve_one(&pair, Path::new(here), Path::new(typed), &reach()).ok().map(|path| path.to_string());
            assert_eq!(found.as_deref(), expected, "{typed} in {here}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_found_in_either_root_or_refused() {
        let pair = Pair {
            name: "p".to_owned(),
            state: "/state/p".into(),
            staging: "/r/staging".into(),
            network: "/r/net".into(),
            others: Vec::new(),
        };
        for (here, typed, expected) in [
            ("/", "/r/staging/a/b", Some("a/b")),
            ("/", "/r/net/a", Some("a")),
            ("/", "/r/net", Some("")),
            ("/", "/r/net/", Some("")),
            ("/", "/r/network", None),
            ("/", "/r/net/../secret", None),
            ("/", "a/b", Some("a/b")),
            ("/", "./a/", Some("a")),
            ("/", "../a", None),
            ("/r/staging/sub", "a", Some("sub/a")),
            ("/r/staging/sub", "../a", Some("a")),
            ("/r/staging/sub", ".", Some("sub")),
            ("/r/staging/sub", "../..", None),
            ("/r/net/sub", "../../staging/x", Some("x")),
            ("/r/net/sub", "", None),
        ] {
            let found = resolve_one(&pair, Path::new(here), Path::new(typed), &reach()).ok().map(|path| path.to_string());
            assert_eq!(found.as_deref(), expected, "{typed} in {here}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_root_is_recognised_through_a_link_and_a_link_in_it_is_kept() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let real = dir.path().canonicalize().expect("there");
        std::fs::create_dir_all(real.join("staging/sub")).expect("new");
        std::os::unix::fs::symlink(real.join("staging"), real.join("way")).expect("new");
        std::os::unix::fs::symlink("/etc", real.join("staging/sub/link")).expect("new");
        let pair = Pair {
            name: "p".to_owned(),
            state: real.join("s"),
            staging: real.join("staging"),
            network: real.join("net"),
            others: Vec::new(),
        };
        let found = resolve_one(&pair, Path::new("/"), &real.join("way/sub/link"), &reach()).expect("inside");
        assert_eq!(found.to_string(), "sub/link");
    }
}
