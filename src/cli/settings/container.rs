//! The table `container` of a `driftless.toml`: what `container check` takes where nobody says anything else.
//!
//! The file is shared and so not trusted: it names containers that are only looked at, and files below its own folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::Mistake;
use super::{Error, FILE_LIMIT, PROJECT_FILE};
use crate::model::shown::short;
use crate::roots::reach::Reach;

/// What the table says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// A container.
    #[serde(default)]
    pub name: Option<String>,
    /// A compose service.
    #[serde(default)]
    pub service: Option<String>,
    /// `LOCAL:PLACE`.
    #[serde(default)]
    pub map: Vec<String>,
    /// Files and folders to compare; none: all.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// The folder of the file.
    #[serde(skip)]
    pub folder: PathBuf,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    container: Option<Container>,
}

/// The table in the nearest `driftless.toml`, from `here` upwards.
pub fn container(reach: &Reach, here: &Path) -> Result<Option<Container>, Error> {
    for folder in here.ancestors() {
        let file = folder.join(PROJECT_FILE);
        if let Some(text) = reach.read_text(&file, FILE_LIMIT)? {
            return Ok(read(&file, &text)?);
        }
    }
    Ok(None)
}

fn read(file: &Path, text: &str) -> Result<Option<Container>, Mistake> {
    let mistake = |at: usize, message: String| {
        let line = 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        Mistake { file: file.to_path_buf(), line, message }
    };
    let read: File =
        toml::from_str(text).map_err(|error| mistake(error.span().map_or(0, |span| span.start), short(error.message())))?;
    let Some(mut found) = read.container else { return Ok(None) };
    let locals = found.map.iter().map(|map| Path::new(map.rsplit_once(":/").map_or(map.as_str(), |(local, _)| local)));
    // On Windows `/etc` is whole but for its drive.
    let leads_out = |path: &Path| {
        path.has_root() || path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir)
    };
    if let Some(out) = locals.chain(found.files.iter().map(PathBuf::as_path)).find(|path| leads_out(path)) {
        let message = format!("`container`: `{}` leads out of the folder of this file", short(&out.to_string_lossy()));
        return Err(mistake(text.find("container").unwrap_or_default(), message));
    }
    found.folder = file.parent().unwrap_or(Path::new("/")).to_path_buf();
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_leads_nowhere_else() {
        let file = Path::new("/p/driftless.toml");
        let text = "ignore = []\n[container]\nservice = \"web\"\nmap = [\"./src:/app\"]\nfiles = [\"a.py\"]\n[git]\nx = 1\n";
        let found = read(file, text).expect("valid").expect("a table");
        let expected = Container {
            service: Some("web".to_owned()),
            map: vec!["./src:/app".to_owned()],
            files: vec!["a.py".into()],
            folder: "/p".into(),
            ..Container::default()
        };
        assert_eq!(found, expected);
        assert_eq!(read(file, "ignore = []"), Ok(None));
        for (text, part) in [
            ("\n[container]\nservise = \"web\"", "3: unknown field `servise`"),
            ("[container]\nfiles = [\"../x\"]", "1: `container`: `../x` leads out"),
            ("[container]\nmap = [\"/etc:/etc\"]", "1: `container`: `/etc` leads out"),
            ("[container]\nmap = [\"/etc/passwd\"]", "leads out"),
        ] {
            let mistake = read(file, text).expect_err(text).to_string();
            assert!(mistake.contains(part), "{text:?}: {mistake}");
        }
    }
}
