//! The other end: asking a watch process from another program.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::Address;

/// Within this time a living process begins to answer: nothing that it does keeps it from that.
const BEGINNING: Duration = Duration::from_secs(5);
/// How soon a signal is heard while nothing comes.
const EAR: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there, or the process does not answer, or ended in the middle.
    #[error("the watch process does not answer: {0}")]
    Silent(io::Error),
    #[error("stopped")]
    Stopped,
}

/// What is asked.
pub struct Ask<'a> {
    method: Method,
    path: &'a str,
    body: String,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Ask<'a> {
        Ask { method: Method::GET, path, body: String::new() }
    }

    pub fn post(path: &'a str, body: String) -> Ask<'a> {
        Ask { method: Method::POST, path, body }
    }
}

/// One event of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    pub event: String,
    pub data: String,
}

/// Asks and waits for the whole answer: its status and its text.
///
/// # Errors
/// [`Error::Silent`].
pub fn ask(address: &Address, ask: &Ask<'_>) -> Result<(u16, String), Error> {
    block_on(async {
        let response = begin(address, ask, "application/json").await?;
        let status = response.status().as_u16();
        let body =
            timeout(BEGINNING, response.into_body().collect()).await.map_err(|_| silent("it began an answer and stopped"))?;
        let bytes = body.map_err(silent)?.to_bytes();
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    })
}

/// Asks for a stream of events and hands each to `hear`, until that says `false` or the stream ends, also with its process.
///
/// # Errors
/// [`Error::Silent`] also where nothing came for as long as `silence`.
pub fn listen(
    address: &Address,
    ask: &Ask<'_>,
    silence: Option<Duration>,
    stop: &AtomicBool,
    hear: &mut dyn FnMut(Heard) -> bool,
) -> Result<(), Error> {
    block_on(async {
        let response = begin(address, ask, "text/event-stream").await?;
        if !response.status().is_success() {
            let bytes = response.into_body().collect().await.map_err(silent)?.to_bytes();
            hear(Heard { event: "refused".to_owned(), data: String::from_utf8_lossy(&bytes).into_owned() });
            return Ok(());
        }
        let (mut body, mut rest, mut quiet) = (response.into_body(), Vec::new(), Duration::ZERO);
        loop {
            let frame = match timeout(EAR, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                // A process that ends has no time to end its streams.
                Ok(None | Some(Err(_))) => return Ok(()),
                Err(_) if stop.load(Ordering::Relaxed) => return Err(Error::Stopped),
                Err(_) => {
                    quiet += EAR;
                    if silence.is_some_and(|silence| quiet >= silence) {
                        return Err(silent(format!("nothing came for {} s", quiet.as_secs())));
                    }
                    continue;
                }
            };
            quiet = Duration::ZERO;
            rest.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
            while let Some(heard) = next(&mut rest) {
                if !hear(heard) {
                    return Ok(());
                }
            }
        }
    })
}

/// Takes one whole event from what came; comments are passed over.
fn next(rest: &mut Vec<u8>) -> Option<Heard> {
    loop {
        let end = rest.windows(2).position(|two| two == b"\n\n")?;
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest.drain(..end + 2);
        let field = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().to_owned()));
        if let (Some(event), Some(data)) = (field("event:"), field("data:")) {
            return Some(Heard { event, data });
        }
    }
}

async fn begin(address: &Address, ask: &Ask<'_>, accept: &str) -> Result<Response<Incoming>, Error> {
    let mut request =
        Request::builder().method(ask.method.clone()).uri(ask.path).header(HOST, "localhost").header(ACCEPT, accept);
    if let Address::Tcp { token, .. } = address {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(Bytes::from(ask.body.clone()))).map_err(silent)?;
    timeout(BEGINNING, async {
        match address {
            #[cfg(unix)]
            Address::Unix(path) => {
                send(TokioIo::new(tokio::net::UnixStream::connect(path).await.map_err(Error::Silent)?), request).await
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(silent("this system has no such sockets")),
            Address::Tcp { at, .. } => send(TokioIo::new(TcpStream::connect(at).await.map_err(Error::Silent)?), request).await,
        }
    })
    .await
    .map_err(|_| silent("nothing came within 5 s"))?
}

async fn send<I>(io: I, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(io).await.map_err(silent)?;
    tokio::task::spawn_local(connection);
    sender.send_request(request).await.map_err(silent)
}

fn silent(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Silent(io::Error::other(error))
}

fn block_on<T>(ask: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Silent)?;
    tokio::task::LocalSet::new().block_on(&runtime, ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_from_the_stream_one_by_one_however_they_are_cut() {
        let stream = b": nobody\n\nevent: progress\ndata: {\"a\":1}\n\nevent:done\ndata:{}\n\nevent: half";
        for cut in 1..stream.len() {
            let (mut rest, mut heard) = (Vec::new(), Vec::new());
            for piece in stream.chunks(cut) {
                rest.extend_from_slice(piece);
                heard.extend(std::iter::from_fn(|| next(&mut rest)));
            }
            let expected = [("progress", "{\"a\":1}"), ("done", "{}")];
            let heard: Vec<_> = heard.iter().map(|heard| (heard.event.as_str(), heard.data.as_str())).collect();
            assert_eq!(heard, expected, "in pieces of {cut}");
        }
    }
}
