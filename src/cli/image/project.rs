//! `[image]` in the `driftless.toml` at the top of the work tree. The file is shared, so it names what is checked, and never how a
//! registry is reached or who asks.

use std::path::Path;

use serde::Deserialize;

use crate::cli::failure::Failure;
use crate::disk::local;
use crate::model::shown::short;

/// No such file is longer, in bytes.
const MOST: u64 = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Project {
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub context: Option<String>,
    pub against: Option<String>,
    pub platform: Option<String>,
    pub grace: Option<String>,
    pub keys: Vec<String>,
    pub sources: Vec<String>,
    pub require_source: bool,
    pub allow_dirty: bool,
}

/// What the file says; nothing where there is none. `top` is that of the work tree.
pub fn read(top: &Path) -> Result<Project, Failure> {
    let Some(text) = local::read_text(&top.join("driftless.toml"), MOST)? else { return Ok(Project::default()) };
    parse(&text).map_err(|why| {
        Failure::failed(format!("driftless.toml: {}.", short(&why)))
            .advise("Nothing was asked. Mend it and run the command again; docs/image.md lists the keys of [image].")
    })
}

fn parse(text: &str) -> Result<Project, String> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| format!("is no valid TOML: {}", error.message()))?;
    let Some(image) = table.remove("image") else { return Ok(Project::default()) };
    let project = Project::deserialize(image).map_err(|error| format!("[image]: {}", error.message()))?;
    match &project.grace {
        Some(grace) if humantime::parse_duration(grace).is_err() => Err(format!("[image]: `{grace}` is no time like 20m")),
        _ => Ok(project),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_its_mistakes_are_named() {
        let project = parse("ignore = []\n[image]\nref = 'ghcr.io/a/b'\ngrace = '20m'\nkeys = ['x']\n").expect("valid");
        assert_eq!((project.reference.as_deref(), project.grace.as_deref()), (Some("ghcr.io/a/b"), Some("20m")));
        assert_eq!(parse("").expect("valid").reference, None);
        for (text, part) in [
            ("[image]\nreff = 'x'", "unknown field `reff`"),
            ("[image]\ngrace = 'soon'", "`soon` is no time"),
            ("[image]\nplain_http = ['x']", "unknown field"),
            ("[image]\nca = 'x'", "unknown field"),
            ("image = 1", "[image]"),
            ("[image", "no valid TOML"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(part), "{why}");
        }
    }
}
