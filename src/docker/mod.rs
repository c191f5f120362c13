//! The only door to a container engine (Docker, or Podman by its Docker interface): questions with a deadline, answers as values.
//!
//! Invariants. Callers see plain blocking calls: a small runtime lives inside, one thread wide, and only while a call waits, so
//! nothing here may be called from within another one. Nothing is guessed: an answer that cannot be read is an error of its own
//! ([`Error::Answer`]), and no error is ever an absence but the engine's own word for one. Names go into addresses only after
//! they were found to be names. What an engine says is somebody else's text: tame in errors, raw in values.

mod address;
mod archive;
mod container;
mod error;
mod image;

pub use address::{Address, Surroundings, find};
#[cfg(test)]
pub use container::State;
pub use container::{Change, Container, Health, Mount, MountKind};
pub use error::{Error, Result};

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::Docker;
use tokio::runtime::{Builder, Runtime};

use crate::disk::clock::Moment;
use error::Subject;

/// How long an engine may take for what it knows by heart.
const QUICK: Duration = Duration::from_secs(15);
/// How long it may take where it has to look at many files.
const SLOW: Duration = Duration::from_secs(120);
/// How often a waiting call looks whether it was stopped.
const LISTEN: Duration = Duration::from_millis(50);

/// An engine that answered.
pub struct Engine {
    docker: Docker,
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    address: Address,
    version: Version,
}

/// What an engine says of itself. Raw text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub engine: String,
    pub api: String,
    /// As images name it: `linux`.
    pub os: String,
    /// As images name it: `amd64`.
    pub arch: String,
    pub is_podman: bool,
}

impl Engine {
    /// Connects to the engine at `address` and asks who it is. Setting `stop` ends every call that waits.
    pub fn connect(address: Address, stop: Arc<AtomicBool>) -> Result<Engine> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(Error::Runtime)?;
        let docker = {
            let _inside = runtime.enter();
            open(&address).map_err(|error| error::told("connect", &Subject::Engine(&address.url), error))?
        };
        let mut engine = Engine { docker, runtime, stop, address, version: Version::default() };
        let said = engine.call("version", &Subject::Engine(&engine.address.url), QUICK, engine.docker.version())?;
        let is_podman = said.components.iter().flatten().any(|part| part.name.to_ascii_lowercase().contains("podman"));
        engine.version = Version {
            engine: said.version.unwrap_or_default(),
            api: said.api_version.unwrap_or_default(),
            os: said.os.unwrap_or_default(),
            arch: said.arch.unwrap_or_default(),
            is_podman,
        };
        Ok(engine)
    }

    /// The same engine for what may not be broken off: it hears no stop.
    pub fn steady(&self) -> Result<Engine> {
        Engine::connect(self.address.clone(), Arc::default())
    }

    /// The name of the machine that the engine runs on, and its kernel. Raw text.
    pub fn machine(&self) -> Result<(String, String)> {
        let said = self.call("info", &Subject::Engine(&self.address.url), QUICK, self.docker.info())?;
        Ok((said.name.unwrap_or_default(), said.kernel_version.unwrap_or_default()))
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Waits for an answer, and no longer than `limit`.
    fn call<T>(
        &self,
        verb: &'static str,
        subject: &Subject<'_>,
        limit: Duration,
        answer: impl Future<Output = std::result::Result<T, bollard::errors::Error>>,
    ) -> Result<T> {
        self.wait(verb, limit, answer)?.map_err(|error| error::told(verb, subject, error))
    }

    fn wait<T>(&self, verb: &'static str, limit: Duration, answer: impl Future<Output = T>) -> Result<T> {
        self.runtime.block_on(async {
            let (mut answer, began) = (pin!(answer), Moment::now());
            loop {
                if let Ok(answer) = tokio::time::timeout(LISTEN, &mut answer).await {
                    return Ok(answer);
                }
                if self.stop.load(Ordering::SeqCst) {
                    return Err(Error::Stopped);
                }
                if began.elapsed() >= limit {
                    return Err(Error::Silent { verb, seconds: limit.as_secs() });
                }
            }
        })
    }
}

fn open(address: &Address) -> std::result::Result<Docker, bollard::errors::Error> {
    let (limit, version) = (SLOW.as_secs(), bollard::API_DEFAULT_VERSION);
    let url = address.url.as_str();
    match url.split_once("://") {
        #[cfg(unix)]
        Some(("unix", _)) => Docker::connect_with_unix(url, limit, version),
        #[cfg(windows)]
        Some(("npipe", _)) => Docker::connect_with_named_pipe(url, limit, version),
        Some(("tcp" | "http", _)) => Docker::connect_with_http(url, limit, version),
        _ => Err(bollard::errors::Error::UnsupportedURISchemeError { uri: url.to_owned() }),
    }
}
