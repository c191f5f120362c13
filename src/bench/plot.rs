//! Where things lie: the project on the side where it is changed, and a copy for each tool on the other.

use std::path::{Path, PathBuf};

use super::findings::Size;
use super::grow::{Content, grow};
use super::peer::{OURS, Tool};
use super::profile::{Blueprint, Texture};
use super::{Error, Progress, Project, Request, Stopped, Way, change};
use crate::disk::ground::{self, Ground, Kind};

/// The project, below the ground of its side.
pub const PROJECT: &str = "project";
/// What a scenario took out of the project for a while.
pub const ASIDE: &str = "aside";
/// What is made where no file of the project is long enough.
pub const HUGE: &str = "bench-huge.bin";

/// The ground on both sides.
pub struct Plot {
    pub staging: Ground,
    pub network: Ground,
    pub way: Way,
    pub census: Census,
}

/// What a walk through the project found.
#[derive(Clone, Debug, Default)]
pub struct Census {
    pub files: u64,
    pub folders: u64,
    pub bytes: u64,
    /// The folder at the top with the most files, and how many.
    pub fullest: Option<(PathBuf, u64)>,
    pub longest: Option<(PathBuf, u64)>,
}

impl Plot {
    /// Empty grounds on both sides, with the project of that size on its own.
    pub fn make(request: &Request, files: Option<u64>, told: &dyn Fn(Progress), stopped: &Stopped) -> Result<(Plot, u64), Error> {
        let (staging, network) = (Ground::make(&request.staging)?, Ground::make(&request.network)?);
        let mut plot = Plot { staging, network, way: request.way, census: Census::default() };
        let mut odd = 0;
        match &request.project {
            Project::Made(profile) => {
                let blueprint = Blueprint::new(*profile, files, request.bytes, request.seed);
                let all = Some(blueprint.files());
                let told = |files| told(Progress::Making { files, all });
                grow(plot.source(), Path::new(PROJECT), &blueprint, &told, stopped)?;
            }
            Project::Copied(folder) => {
                told(Progress::Making { files: 0, all: None });
                odd = plot.source().copy_in(folder, Path::new(PROJECT), OURS, &|| stopped.is_set())?;
                stopped.check()?;
            }
        }
        plot.count()?;
        Ok((plot, odd))
    }

    /// The ground of the side on which the project is changed.
    pub fn source(&self) -> &Ground {
        if self.way == Way::Up { &self.staging } else { &self.network }
    }

    pub fn target(&self) -> &Ground {
        if self.way == Way::Up { &self.network } else { &self.staging }
    }

    /// The project itself, whatever lies before it.
    pub fn project(&self) -> PathBuf {
        self.source().at(PROJECT)
    }

    /// A tool's copy itself.
    pub fn copy_of(&self, tool: Tool) -> PathBuf {
        self.target().at(tool.word())
    }

    pub fn count(&mut self) -> Result<(), Error> {
        self.census = census(&self.project())?;
        Ok(())
    }

    pub fn size(&self) -> Size {
        Size { files: self.census.files, folders: self.census.folders, bytes: self.census.bytes }
    }

    /// The file for changes of huge files; it is made where no file of the project is long enough.
    pub fn huge(&mut self, at_least: u64) -> Result<(PathBuf, u64), Error> {
        if let Some((path, length)) = self.census.longest.clone().filter(|(_, length)| *length >= at_least) {
            return Ok((path, length));
        }
        let below = Path::new(PROJECT).join(HUGE);
        self.source().write(&below, &mut Content::new(Texture::Noise, at_least, 1), change::moment(0))?;
        self.count()?;
        Ok((HUGE.into(), at_least))
    }

    /// Lets go of both grounds; an error says what stayed behind.
    pub fn remove(self) -> Result<(), Error> {
        let staging = self.staging.remove();
        self.network.remove()?;
        Ok(staging?)
    }
}

/// What is in this folder.
pub fn census(project: &Path) -> Result<Census, Error> {
    let mut found = Census::default();
    let mut here: (PathBuf, u64) = Default::default();
    ground::walk(project, OURS, &mut |path, seen| {
        let top = path.iter().next().unwrap_or_default();
        if here.0 != Path::new(top) {
            here = (top.into(), 0);
        }
        match seen.kind {
            Kind::Folder => found.folders += 1,
            Kind::File => {
                found.files += 1;
                found.bytes += seen.length;
                here.1 += u64::from(path != Path::new(top));
                if found.longest.as_ref().is_none_or(|(_, length)| seen.length > *length) {
                    found.longest = Some((path.to_path_buf(), seen.length));
                }
                if here.1 > found.fullest.as_ref().map_or(0, |(_, files)| *files) {
                    found.fullest = Some(here.clone());
                }
            }
            Kind::Link | Kind::Other => {}
        }
        Ok(true)
    })?;
    Ok(found)
}
