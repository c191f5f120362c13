//! One tool with its copy of the project: run, measured, held against the project.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::findings::{Reading, Traffic};
use super::layer::Layer;
use super::peer::{OURS, Purpose, Roots, Tool};
use super::plot::{PROJECT, Plot};
use super::{Error, Far, Stopped, Way};
use crate::disk::{ground, local, meter};
use crate::roots::mounts;

/// Of what a tool said at its failure so much is told.
const SAID: usize = 400;
/// Where a tool's output goes, in its state folder.
const OUTPUT: &str = "bench-stdout";
const COMPLAINTS: &str = "bench-stderr";

/// A reading, or why there is none.
pub type Turn = Result<Reading, String>;

pub struct Stand {
    pub tool: Tool,
    pub program: PathBuf,
    pub roots: Roots,
    far: Option<Far>,
    layer: Option<Layer>,
    /// Its copy is as the project is.
    pub in_step: bool,
}

impl Stand {
    /// An empty copy.
    pub fn make(tool: Tool, program: PathBuf, plot: &Plot, far: Option<Far>) -> Result<Stand, Error> {
        let mount = plot.staging.at("mount").join(tool.word());
        let behind = far.map(|_| mount);
        let (mut source, mut target) = (plot.project(), plot.copy_of(tool));
        if let Some(mount) = behind {
            *(if plot.way == Way::Up { &mut target } else { &mut source }) = mount;
        }
        let is_far = far.is_some() || mounts::detect(&plot.network.at("")).is_ok_and(|verdict| verdict.may_hang());
        let roots = Roots { source, target, state: plot.staging.at("state").join(tool.word()), way: plot.way, far: is_far };
        let mut stand = Stand { tool, program, roots, far, layer: None, in_step: false };
        stand.empty(plot)?;
        Ok(stand)
    }

    /// Takes the copy away, and all that the tool remembers.
    pub fn empty(&mut self, plot: &Plot) -> Result<(), Error> {
        self.layer = None;
        plot.target().clear(Path::new(self.tool.word()))?;
        plot.target().make_folder(Path::new(self.tool.word()))?;
        plot.staging.clear(&Path::new("state").join(self.tool.word()))?;
        if self.tool == Tool::Driftless {
            plot.source().clear(&Path::new(PROJECT).join(OURS))?;
        }
        self.in_step = false;
        self.tool.prepare(&self.roots)
    }

    /// A fresh mount of the layer, where there is one: what the last turn left in the system's caches is gone.
    pub fn mount(&mut self, plot: &Plot) -> Result<(), Error> {
        let Some(far) = self.far else { return Ok(()) };
        // Before the next one: it is mounted in the same place.
        self.layer = None;
        let mount = plot.staging.make_folder(&Path::new("mount").join(self.tool.word()))?;
        let behind = if plot.way == Way::Up { plot.copy_of(self.tool) } else { plot.project() };
        self.layer = Some(Layer::mount(&behind, &mount, far.wait, far.width, far.caches).map_err(Error::Layer)?);
        Ok(())
    }

    pub fn unmount(&mut self) {
        self.layer = None;
    }

    /// What reached the network root since the last [`Stand::clear_counts`].
    pub fn traffic(&self) -> Option<Traffic> {
        let counts = self.layer.as_ref()?.counts();
        Some(Traffic { calls: counts.calls, read: counts.read, written: counts.written })
    }

    pub fn clear_counts(&self) {
        if let Some(layer) = &self.layer {
            layer.clear();
        }
    }

    /// Runs it once, on a fresh mount.
    pub fn turn(&mut self, plot: &Plot, purpose: Purpose, stopped: &Stopped) -> Result<Turn, Error> {
        self.mount(plot)?;
        self.run(plot, purpose, stopped)
    }

    /// Runs it once, with the mount as it is.
    pub fn run(&mut self, plot: &Plot, purpose: Purpose, stopped: &Stopped) -> Result<Turn, Error> {
        let words = self.tool.words(&self.program, &self.roots, purpose);
        [plot.staging.path(), plot.network.path()].into_iter().for_each(meter::settle);
        self.clear_counts();
        let mut command = self.tool.command(&words, &self.roots);
        command.stdout(self.file(OUTPUT)?).stderr(self.file(COMPLAINTS)?);
        let used = meter::run(&mut command, &stopped.0).map_err(|source| self.cannot_start(source))?;
        let Some(status) = used.status else { return Err(Error::Stopped) };
        let network = self.traffic();
        self.in_step = false;
        if !status.code().is_some_and(|code| self.tool.is_well(purpose, code)) {
            return Ok(Err(format!("{status}: {}", self.last_words())));
        }
        Ok(Ok(Reading { wall: used.wall, cpu: used.cpu, peak: used.peak, written: used.written, network }))
    }

    /// The same, and then its copy is held against the project: a tool that leaves a difference was not fast.
    pub fn bring(&mut self, plot: &Plot, purpose: Purpose, stopped: &Stopped) -> Result<Turn, Error> {
        let turn = self.turn(plot, purpose, stopped)?;
        Ok(turn.and_then(|reading| self.hold(plot).map(|()| reading)))
    }

    /// Is the copy as the project is? Both are looked at themselves, not through a layer.
    pub fn hold(&mut self, plot: &Plot) -> Result<(), String> {
        match ground::differences(&plot.project(), &plot.copy_of(self.tool), OURS) {
            Ok((0, _)) => {
                self.in_step = true;
                Ok(())
            }
            Ok((count, first)) => {
                let first = first.unwrap_or_default();
                Err(format!("it ended well and left {count} differences, the first at {}", first.display()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Brings it in step where it is not, unmeasured.
    pub fn catch_up(&mut self, plot: &Plot, stopped: &Stopped) -> Result<Result<(), String>, Error> {
        if self.in_step {
            return Ok(Ok(()));
        }
        if self.tool == Tool::Lsyncd {
            // It does so at its start.
            return Ok(Ok(()));
        }
        if self.tool == Tool::Cp {
            // It knows no deletes.
            self.empty(plot)?;
        }
        Ok(self.bring(plot, Purpose::Bring, stopped)?.map(drop))
    }

    /// What the command of the last turn printed.
    pub fn output(&self) -> String {
        local::read_text(&self.roots.state.join(OUTPUT), 1 << 20).ok().flatten().unwrap_or_default()
    }

    /// A new file for what the tool says, in its own state folder.
    pub fn file(&self, name: &str) -> Result<Stdio, Error> {
        let path = self.roots.state.join(name);
        if local::is_taken(&path) {
            local::remove_file(&path)?;
        }
        Ok(local::create_private_file(&path)?.into())
    }

    pub fn complaints(&self) -> Result<Stdio, Error> {
        self.file(COMPLAINTS)
    }

    /// The end of what it complained of, on one line.
    pub fn last_words(&self) -> String {
        let path = self.roots.state.join(COMPLAINTS);
        let length = local::length_and_time(&path).map_or(0, |(length, _)| length);
        let bytes = ground::part(&path, length.saturating_sub(SAID as u64), SAID).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() { "it said nothing".to_owned() } else { text }
    }

    pub fn cannot_start(&self, source: std::io::Error) -> Error {
        Error::Start { name: self.tool.word().to_owned(), source }
    }

    pub fn command(&self, words: &[OsString]) -> std::process::Command {
        self.tool.command(words, &self.roots)
    }
}
