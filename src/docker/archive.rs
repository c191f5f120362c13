//! A folder or file of a container as a tar stream, running or not.
//!
//! The engine holds the container's lock until the stream is read or dropped: read it fast, and do the work elsewhere.

use std::io::{self, Read};
use std::pin::Pin;
use std::time::Duration;

use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder};
use tokio_stream::{Stream, StreamExt};

use super::container::named;
use super::error::{Error, Result, Subject, told};
use super::{Engine, QUICK, SLOW};

/// How long a stream that has begun may stand still.
const SILENCE: Duration = Duration::from_secs(30);

type Chunk = Box<dyn AsRef<[u8]> + Send>;
type Chunks = Pin<Box<dyn Stream<Item = std::result::Result<Chunk, bollard::errors::Error>> + Send>>;

pub struct Archive<'a> {
    engine: &'a Engine,
    chunks: Chunks,
    chunk: Option<Chunk>,
    /// How much of the chunk was read.
    read: usize,
}

impl Engine {
    /// What lies at `path` in the container, by a tar stream whose first name is the last one of `path`. The names in it
    /// are the container's: to be compared, never to be written to.
    pub fn archive(&self, container: &str, path: &str) -> Result<Archive<'_>> {
        let (subject, container) = (Subject::File { container, path }, named(container)?);
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let chunks = self.docker.download_from_container(container, Some(options));
        let mut chunks: Chunks = Box::pin(chunks.map(|chunk| chunk.map(|bytes| Box::new(bytes) as Chunk)));
        // The first one tells whether there is anything: an engine that has to look for long says nothing until then.
        let first = self.wait("archive", SLOW, chunks.next())?;
        let chunk = first.transpose().map_err(|error| told("archive", &subject, error))?;
        Ok(Archive { engine: self, chunks, chunk, read: 0 })
    }

    /// Proves that the engine can look into the container: where a folder that was mounted into it is gone, some engines say of
    /// every file that it is not there.
    pub fn sees(&self, container: &str) -> Result<()> {
        let options = ContainerArchiveInfoOptionsBuilder::default().path("/").build();
        let answer = self.docker.get_container_archive_info(named(container)?, Some(options));
        match self.call("archive", &Subject::File { container, path: "/" }, QUICK, answer) {
            Ok(_) => Ok(()),
            Err(Error::NoFile { .. }) => {
                let message = "it cannot look into the container; a folder that was mounted into it may be gone".to_owned();
                Err(Error::Engine { verb: "archive", status: 404, message })
            }
            Err(error) => Err(error),
        }
    }
}

impl Read for Archive<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(chunk) = &self.chunk else { return Ok(0) };
            let rest = &(**chunk).as_ref()[self.read..];
            if !rest.is_empty() || buffer.is_empty() {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                self.read += count;
                return Ok(count);
            }
            let next = self.engine.wait("archive", SILENCE, self.chunks.next()).map_err(broken)?;
            let at = Subject::Engine(&self.engine.address.url);
            (self.chunk, self.read) = (next.transpose().map_err(|error| broken(told("archive", &at, error)))?, 0);
        }
    }
}

fn broken(error: Error) -> io::Error {
    let kind = if matches!(error, Error::Silent { .. }) { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}
