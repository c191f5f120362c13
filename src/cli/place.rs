//! Where the state of all pairs lies on this machine, and where the command was given.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cli::failure::{Failure, shown};
use crate::cli::settings::variable;
use crate::disk::{is_gone, local};
use crate::roots::mounts;
use crate::roots::reach::Reach;

#[cfg(unix)]
#[path = "place/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "place/windows.rs"]
mod system;

/// The state folder and the current folder.
#[derive(Clone, Debug)]
pub struct Place {
    /// One folder a pair below it.
    pub state: PathBuf,
    /// Where staging folders are made that nobody named.
    pub staging: PathBuf,
    /// The current folder, without links.
    pub here: PathBuf,
    /// Said where the state folder is not the one that was meant.
    pub note: Option<String>,
    /// How paths that may hang are asked.
    pub reach: Reach,
}

impl Place {
    pub fn find(reach: Reach) -> Result<Place, Failure> {
        let here = here()?;
        let meant = state_folder(variable).ok_or_else(no_home)?;
        let (state, note) = on_a_local_disk(here.join(meant), &mut lies_on_network)?;
        let data = here.join(data_folder(variable).ok_or_else(no_home)?);
        let state = local::real_path(&state);
        // One on a network drive is refused by who needs it, and may hang.
        let staging = if lies_on_network(&data)?.is_some() { data } else { local::real_path(&data) };
        Ok(Place { state, staging, here, note, reach })
    }
}

/// The current folder. On a mount that is dead the system does not tell it any more, but the shell that stood there before does.
pub fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir().map(system::settled).or_else(|error| {
        let told = variable("PWD").map(PathBuf::from).filter(|path| path.is_absolute() && is_gone(&error, true));
        told.ok_or_else(|| {
            Failure::failed(format!("The current folder cannot be read: {error}."))
                .advise("Change to another folder and run again.")
        })
    })
}

fn no_home() -> Failure {
    Failure::failed(format!("There is no place for the state folder: neither DRIFTLESS_HOME nor {} is set.", system::HOME))
        .advise("Set DRIFTLESS_HOME to a folder on a local disk.")
}

fn state_folder(variable: impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    let own = variable("DRIFTLESS_HOME").map(PathBuf::from);
    own.or_else(|| system::state_folder(&variable))
}

fn data_folder(variable: impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    let set = variable(STAGING_HOME).map(PathBuf::from);
    let own = set.or_else(|| Some(PathBuf::from(variable("DRIFTLESS_HOME")?).join(".staging")));
    own.or_else(|| system::data_folder(&variable))
}

/// The variable that names the folder for staging folders.
pub const STAGING_HOME: &str = "DRIFTLESS_STAGING_HOME";

/// SQLite's shared memory does not work on network mounts, and home folders of clusters are such. There, a folder on
/// this machine's own disk is taken, which outlives a reboot, and said.
fn on_a_local_disk(
    meant: PathBuf,
    on_network: &mut dyn FnMut(&Path) -> Result<Option<String>, Failure>,
) -> Result<(PathBuf, Option<String>), Failure> {
    let Some(reason) = on_network(&meant)? else { return Ok((meant, None)) };
    let own = system::spare().filter(|own| matches!(on_network(own), Ok(None)));
    let Some(own) = own else {
        return Err(Failure::failed(format!("The state folder {} lies on a network drive ({reason}).", shown(&meant)))
            .advise("Set DRIFTLESS_HOME to a folder on a local disk."));
    };
    let note = format!(
        "the state folder {} lies on a network drive ({reason}); {} is used instead. Set DRIFTLESS_HOME to choose another",
        shown(&meant),
        shown(&own)
    );
    local::make_private_folder(&own)?;
    Ok((own, Some(note)))
}

/// Why `path` counts as being on a network drive; `None` where it does not.
fn lies_on_network(path: &Path) -> Result<Option<String>, Failure> {
    let verdict = mounts::detect(path).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(verdict.network.then_some(verdict.reason))
}

/// A name for a folder in the state folder: what people may call a pair.
pub fn valid_name(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && !name.contains(odd) && name.trim() == name
}

/// The nearest valid name to a folder's.
pub fn name_of_folder(folder: Option<&OsStr>) -> String {
    let name = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = name.replace(|c: char| c.is_control() || matches!(c, '/' | '\\'), "_");
    let mut plain = plain.trim().trim_start_matches('.').to_owned();
    while plain.len() > 90 {
        plain.pop();
    }
    if valid_name(plain.trim()) { plain.trim().to_owned() } else { "pair".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(windows)]
    #[test]
    fn the_state_folder_lies_in_the_part_of_the_profile_that_does_not_travel() {
        let local = |name: &'static str| (name == "LOCALAPPDATA").then(|| OsString::from(r"C:\u\l"));
        assert_eq!(state_folder(local), Some(PathBuf::from(r"C:\u\l\driftless")));
        assert_eq!(data_folder(local), Some(PathBuf::from(r"C:\u\l\driftless\.staging")));
        assert_eq!(state_folder(|name| (name == "DRIFTLESS_HOME").then(|| r"D:\d".into())), Some(PathBuf::from(r"D:\d")));
        assert_eq!(state_folder(|_| None), None);
        let all = &mut |_: &Path| Ok(Some("a share".to_owned()));
        assert_eq!(on_a_local_disk(r"H:\d".into(), all).expect_err("none is local").exit.code(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_state_folder_follows_the_variables_in_their_order() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |wanted: &'static str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        };
        for (variables, expected) in [
            (&[("DRIFTLESS_HOME", "/d"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")][..], Some("/d")),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")], Some("/x/driftless")),
            (&[("XDG_STATE_HOME", "x"), ("HOME", "/h")], Some("/h/.local/state/driftless")),
            (&[("HOME", "/h")], Some("/h/.local/state/driftless")),
            (&[], None),
        ] {
            assert_eq!(state_folder(set(variables)), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_state_folder_on_a_network_drive_is_replaced_and_named() {
        let mut on_network = |path: &Path| Ok(path.starts_with("/home").then(|| "nfs4".to_owned()));
        let (kept, note) = on_a_local_disk("/local/d".into(), &mut on_network).expect("local");
        assert_eq!((kept, note), (PathBuf::from("/local/d"), None));
        let all = &mut |_: &Path| Ok(Some("nfs4".to_owned()));
        assert_eq!(on_a_local_disk("/home/d".into(), all).expect_err("none is local").exit.code(), 1);
        let (moved, note) = on_a_local_disk("/home/d".into(), &mut on_network).expect("a local one is found");
        let note = note.expect("said");
        assert!(note.contains("/home/d") && note.contains(&moved.display().to_string()), "{note}");
    }

    #[test]
    fn names_are_made_of_what_folders_are_called() {
        for (folder, expected) in [("lab", "lab"), (".hidden", "hidden"), ("a\nb", "a_b"), ("...", "pair"), (" x ", "x")] {
            let name = name_of_folder(Some(OsStr::new(folder)));
            assert_eq!(name, expected);
            assert!(valid_name(&name));
        }
        assert_eq!(name_of_folder(None), "pair");
        assert!(valid_name(&name_of_folder(Some(OsStr::new(&"é".repeat(120))))));
        for bad in ["", ".", "..", "a/b", "a\0", " a"] {
            assert!(!valid_name(bad), "{bad:?}");
        }
    }
}
