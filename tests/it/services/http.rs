//! A small HTTP server of a test's own, on the loopback address: each connection is one request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What somebody asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What he is answered.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

impl Response {
    pub fn of(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
        let headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.into() }
    }
}

/// The server. Its thread goes with the test's process; what it was asked stays to be looked at.
pub struct Served {
    pub port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Served {
    /// `None` as an answer: the connection is left open without one.
    pub fn start(answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> Served {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let book = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, book) = (Arc::clone(&answer), Arc::clone(&book));
                thread::spawn(move || serve(stream, &*answer, &book));
            }
        });
        Served { port, asked }
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All that was asked since the last look.
    pub fn take_asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().expect("no panic in there"))
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Option<Response>, book: &Mutex<Vec<Request>>) {
    let Some(request) = read(&stream) else { return };
    book.lock().expect("no panic in there").push(request.clone());
    let Some(response) = answer(&request) else {
        // Until the other side gives up.
        let _ = stream.read(&mut [0]);
        return;
    };
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", response.status);
    for (key, value) in &response.headers {
        head.push_str(&format!("{key}: {value}\r\n"));
    }
    if !response.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case("content-length")) {
        head.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    }
    head.push_str("\r\n");
    let body = if request.method == "HEAD" { &[][..] } else { &response.body };
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((key, value)) = line.trim_end().split_once(':') else { break };
        headers.push((key.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut request.body).ok()?;
    Some(request)
}

/// Asks a server on this machine as `request` says, with a port of its own.
pub fn pass_on(port: u16, request: &Request) -> Response {
    let url = format!("http://127.0.0.1:{port}{}", request.path);
    let mut asked = ureq::http::Request::builder().method(&request.method[..]).uri(url);
    for (key, value) in request.headers.iter().filter(|(key, _)| !["host", "content-length"].contains(&&key.to_lowercase()[..])) {
        asked = asked.header(key, value);
    }
    let agent = agent();
    let asked = asked.body(request.body.clone()).expect("a request");
    let answer = if request.method == "POST" || request.method == "PUT" || request.method == "PATCH" {
        agent.run(asked)
    } else {
        agent.run(asked.map(|_| ()))
    };
    let mut answer = answer.expect("the server behind answers");
    let keep = |key: &str| !["connection", "transfer-encoding"].contains(&&key.to_lowercase()[..]);
    let headers = answer.headers().iter().filter(|(key, _)| keep(key.as_str()));
    let headers = headers.map(|(key, value)| (key.to_string(), value.to_str().expect("text").to_owned())).collect();
    Response { status: answer.status().as_u16(), headers, body: answer.body_mut().read_to_vec().expect("its body") }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None).build().new_agent()
}
