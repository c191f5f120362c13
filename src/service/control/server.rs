//! The server: routes to the deciding thread, on a thread of their own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use axum::Router;
use axum::extract::{Request as Asking, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};
use tokio_stream::{Stream, StreamExt};

use super::wire::{Asked, Done, Ran, Told, Words, name_of};
use super::{Hub, address, metrics};
use crate::disk::clock::random;
use crate::disk::local;
use crate::engine::report::{Progress, Report, Work};
use crate::model::shown::tame_json;
use crate::model::side::PerSide;
use crate::service::{Answer, Event, Handle, Phase, lock};

/// Lines of progress that a slow reader may be behind.
const AHEAD: usize = 64;

/// A server that listens; it ends with this value, and its socket and token go.
pub struct Server {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    files: Vec<PathBuf>,
    /// Where it listens on TCP, if it does.
    pub tcp: Option<SocketAddr>,
}

/// What each route is given.
#[derive(Clone)]
struct Desk {
    handle: Handle,
    hub: Hub,
    words: Arc<dyn Words>,
}

/// Listens for as long as the value lives: on the pair's socket, where the system has such and its path has room in an address,
/// else on any port of the loopback. `listen` adds TCP on the loopback.
///
/// # Errors
/// What keeps it from listening.
pub fn serve(state: &Path, listen: Option<SocketAddr>, handle: Handle, hub: Hub, words: Arc<dyn Words>) -> io::Result<Server> {
    if listen.is_some_and(|at| !at.ip().is_loopback()) {
        return Err(io::Error::other("only addresses of this machine are listened on, like 127.0.0.1:0"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let routes = routes(Desk { handle, hub, words });
    let (end, ended) = oneshot::channel();
    let mut server = Server { end: Some(end), thread: None, files: Vec::new(), tcp: None };
    let _inside = runtime.enter();
    let mut servings = tokio::task::JoinSet::new();
    let (socket, token_file) = (address::socket(state), address::token_file(state));
    let fits = fits(&socket);
    #[cfg(unix)]
    if fits {
        let listener = unix::bind(&socket)?;
        server.files.push(socket);
        let routes = routes.clone();
        servings.spawn_on(async move { axum::serve(listener, routes).await }, runtime.handle());
    }
    // One that died left it: its port may be another program's by now, which is to be sent no token.
    drop(local::remove_file(&token_file));
    if let Some(at) = listen.or_else(|| (!fits).then(|| SocketAddr::from(([127, 0, 0, 1], 0)))) {
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        let (at, token) = (listener.local_addr()?, new_token()?);
        local::create_private_text(&token_file, &format!("{at} {token}\n")).map_err(io::Error::other)?;
        server.files.push(token_file);
        server.tcp = Some(at);
        let guarded = routes.layer(middleware::from_fn_with_state(Arc::new(token), with_token));
        let listener = TcpListener::from_std(listener)?;
        servings.spawn_on(async move { axum::serve(listener, guarded).await }, runtime.handle());
    }
    drop(_inside);
    let serving = move || {
        runtime.block_on(async move {
            let _servings = servings;
            let _ = ended.await;
        });
    };
    server.thread = Some(thread::Builder::new().name("control".to_owned()).spawn(serving)?);
    Ok(server)
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.files.iter().for_each(|file| drop(local::remove_file(file)));
    }
}

/// Bytes of a request; the limit of axum's own readers.
const LARGEST: u64 = 2 << 20;

/// Can a socket be made there?
fn fits(path: &Path) -> bool {
    // Longer paths have no room in a socket's address.
    const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
    cfg!(unix) && path.as_os_str().len() <= LONGEST
}

fn new_token() -> io::Result<String> {
    let mut bits = [0; 32];
    random(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/sync", post(sync))
        .route("/pause", post(async |State(desk): State<Desk>| desk.handle.pause(true)))
        .route("/resume", post(async |State(desk): State<Desk>| desk.handle.pause(false)))
        .route("/stop", post(async |State(desk): State<Desk>| desk.handle.stop()))
        .route("/conflicts", get(conflicts))
        .route("/events", get(events))
        .route("/metrics", get(figures))
        .route("/healthz", get(health))
        .layer(middleware::from_fn(small_enough))
        .with_state(desk)
}

/// By its own word, before it is asked to send: who is refused while sending may not hear why.
async fn small_enough(asking: Asking, next: Next) -> Response {
    let told = asking.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|bytes| bytes > LARGEST) {
        return said(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
    }
    next.run(asking).await
}

/// Over TCP everybody on this machine can knock.
async fn with_token(State(token): State<Arc<String>>, asking: Asking, next: Next) -> Response {
    let given = asking.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let known = given.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| same(given, &token));
    if known { next.run(asking).await } else { said(StatusCode::UNAUTHORIZED, "the token is missing or wrong") }
}

/// Compares in a time that does not tell where two texts differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn said(status: StatusCode, message: &str) -> Response {
    (status, object(&json!({ "message": message }))).into_response()
}

/// Names of files stand in messages and reports, and the answer may be printed on a terminal.
fn text(value: &impl Serialize) -> String {
    tame_json(&serde_json::to_string(value).expect("text keys only"))
}

fn object(value: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text(value)).into_response()
}

fn line(event: &str, value: &impl Serialize) -> Line {
    Line::default().event(event).data(text(value))
}

async fn status(State(desk): State<Desk>) -> Response {
    object(&desk.handle.snapshot())
}

async fn figures(State(desk): State<Desk>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, metrics::text(&desk.handle.snapshot())).into_response()
}

async fn health(State(desk): State<Desk>) -> Response {
    let shown = desk.handle.snapshot();
    let status = match shown.phase {
        Phase::Offline | Phase::Stuck => StatusCode::SERVICE_UNAVAILABLE,
        Phase::Starting | Phase::Idle | Phase::Running | Phase::Paused => StatusCode::OK,
    };
    said(status, shown.message.as_deref().unwrap_or(shown.phase.word()))
}

async fn conflicts(State(desk): State<Desk>) -> Response {
    // The manifest is read, which is no work for the thread that serves.
    let words = desk.words.clone();
    match tokio::task::spawn_blocking(move || words.conflicts()).await {
        Ok(Ok(object)) => ([(header::CONTENT_TYPE, "application/json")], object).into_response(),
        Ok(Err(message)) => said(StatusCode::INTERNAL_SERVER_ERROR, &message),
        Err(error) => said(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The body is read as JSON whatever its type is called, so that a script needs no header.
async fn sync(State(desk): State<Desk>, headers: HeaderMap, body: String) -> Response {
    let parsed = if body.trim().is_empty() { Ok(Asked::default()) } else { serde_json::from_str(&body) };
    let asked: Asked = match parsed {
        Ok(asked) => asked,
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let request = match desk.words.request(&asked) {
        Ok(request) => request,
        Err(message) => return said(StatusCode::BAD_REQUEST, &message),
    };
    let (done, heard) = (Arc::new(Mutex::new(PerSide::default())), desk.hub.0.subscribe());
    let (reply, answer) = oneshot::channel();
    desk.handle.sync(request, move |answer| drop(reply.send(answer)));
    let wants = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if wants.contains("text/event-stream") {
        let lines = told_while(heard, answer, desk.words.clone(), asked);
        return Sse::new(lines).into_response();
    }
    let listening = tokio::spawn(listen(heard, done.clone()));
    let answer = answer.await;
    listening.abort();
    let ending = match answer {
        Ok(Ok(report)) => ending(&*desk.words, &report, *lock(&done), &asked),
        Ok(Err(message)) => return said(StatusCode::INTERNAL_SERVER_ERROR, &message),
        Err(_) => return said(StatusCode::SERVICE_UNAVAILABLE, "the watch process has ended"),
    };
    if wants.contains("text/plain") {
        return ending.text.into_response();
    }
    object(&ending.report)
}

fn ending(words: &dyn Words, report: &Report, done: PerSide<Work>, asked: &Asked) -> Done {
    let reported = words.report(report, done, asked);
    Done { exit_code: reported.exit_code, report: reported.raw(), text: reported.text }
}

/// Keeps the last word about what was done, until the run ends.
async fn listen(mut heard: broadcast::Receiver<Event>, done: Arc<Mutex<PerSide<Work>>>) {
    loop {
        match heard.recv().await {
            Ok(Event::Progress(Progress::Doing { done: told })) => *lock(&done) = told,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Progress, line by line, then the end.
fn told_while(
    mut heard: broadcast::Receiver<Event>,
    mut answer: oneshot::Receiver<Answer>,
    words: Arc<dyn Words>,
    asked: Asked,
) -> impl Stream<Item = Result<Line, Infallible>> {
    let (send, lines) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut done = PerSide::default();
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    let line = match answer {
                        Ok(Ok(report)) => line("done", &ending(&*words, &report, done, &asked)),
                        Ok(Err(message)) => line("failed", &json!({ "message": message })),
                        Err(_) => return,
                    };
                    let _ = send.send(Ok(line)).await;
                    return;
                }
                event = heard.recv() => {
                    let Ok(Event::Progress(progress)) = event else { continue };
                    if let Progress::Doing { done: told } = progress {
                        done = told;
                    }
                    // Who asked has gone; the run goes on.
                    if send.send(Ok(line("progress", &Told::from(progress)))).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    ReceiverStream::new(lines)
}

/// Everything that happens, from now on; first how things stand.
async fn events(State(desk): State<Desk>) -> Sse<impl Stream<Item = Result<Line, Infallible>>> {
    let snapshot = |desk: &Desk| line("status", &desk.handle.snapshot());
    // Subscribed before the first word, so that nothing falls between the two.
    let told = BroadcastStream::new(desk.hub.0.subscribe());
    let first = tokio_stream::once(snapshot(&desk));
    let later = told.map(move |event| match event {
        // Some were missed: how things stand says what counts.
        Err(_) | Ok(Event::Changed | Event::Ready) => snapshot(&desk),
        Ok(event) => {
            let name = name_of(&event);
            match event {
                Event::Progress(progress) => line(name, &Told::from(progress)),
                Event::Ran { report, whole, .. } => {
                    let reported = desk.words.report(&report, PerSide::default(), &Asked::default());
                    line(name, &Ran { whole, report: reported.raw() })
                }
                Event::Failed(message) => line(name, &json!({ "message": message })),
                Event::Changed | Event::Ready => unreachable!("told above"),
            }
        }
    });
    Sse::new(first.chain(later).map(Ok)).keep_alive(KeepAlive::default())
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::path::Path;

    use tokio::net::UnixListener;

    use crate::disk::local;

    /// The pair's lock of the watch process is held: what stands there is of one that died.
    pub fn bind(path: &Path) -> io::Result<UnixListener> {
        if local::is_taken(path) {
            local::remove_file(path).map_err(io::Error::other)?;
        }
        // The state folder is this user's alone, so that nobody comes in before the mode is set.
        let listener = UnixListener::bind(path)?;
        rustix::fs::chmod(path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
        Ok(listener)
    }
}
