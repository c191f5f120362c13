//! Single requests: one goes out, its answer comes back whole, or not at all.
//!
//! Invariants. No redirect is followed here and no credential is chosen here. An answer has a limit in bytes and in time.
//! Errors name the host alone: a path or query may hold a signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::cause::{Error, Result, odd, unreachable};
use super::reference::is_loopback;
use super::url::{Safety, Url};
use crate::disk::local;

/// How long a connection may take to be made, and a whole answer to come.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// No list of certificates is longer, in bytes.
const CERTIFICATES: u64 = 4 << 20;
/// Folders where engines look for the certificates of single registries.
const CERTS_D: [&str; 2] = ["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// How many requests went out, by what they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub head: u32,
    pub get: u32,
    /// For tokens.
    pub token: u32,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Head,
    Get,
    /// A question for a token, and its form where it has one.
    Token,
}

pub struct Question<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub accept: Option<&'static str>,
    pub authorization: Option<&'a str>,
    pub form: Option<String>,
    /// The longest answer, in bytes.
    pub limit: u64,
}

/// What came back, whatever its status.
pub struct Reply {
    pub status: u16,
    headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header's text, where it is plain.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }
}

/// Makes requests.
pub struct Http {
    far: Agent,
    /// For this machine itself: never by way of a proxy.
    near: Agent,
    stop: Arc<AtomicBool>,
    counts: [AtomicU32; 3],
}

impl Http {
    /// `host` is the one whose own certificates count beside the system's; `authority` is a file with more of them.
    pub fn new(host: &str, authority: Option<Vec<u8>>, stop: Arc<AtomicBool>) -> Result<Http> {
        let roots = roots(host, authority)?;
        let tls = TlsConfig::builder().root_certs(roots).build();
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(CONNECT))
                .timeout_global(Some(ANSWER))
                .user_agent(concat!("driftless/", env!("CARGO_PKG_VERSION")))
                .tls_config(tls.clone())
        };
        let (far, near) = (config().build().new_agent(), config().proxy(None).build().new_agent());
        Ok(Http { far, near, stop, counts: Default::default() })
    }

    pub fn asked(&self) -> Asked {
        let [head, get, token] = [0, 1, 2].map(|which: usize| self.counts[which].load(Ordering::SeqCst));
        Asked { head, get, token }
    }

    /// Asks once.
    pub fn ask(&self, question: &Question<'_>) -> Result<Reply> {
        let which = match question.method {
            Method::Head => 0,
            Method::Get => 1,
            Method::Token => 2,
        };
        self.counts[which].fetch_add(1, Ordering::SeqCst);
        let host = question.url.host.clone();
        let request = request(question).ok_or_else(|| odd(&host, "its words fit into no request"))?;
        let agent = if is_loopback(&host) { self.near.clone() } else { self.far.clone() };
        let (told, heard) = bounded(1);
        let limit = question.limit;
        // In a thread of its own: nobody who presses Ctrl-C waits for a registry. It ends by its own limits.
        thread::spawn(move || {
            let _ = told.send(send(&agent, request, limit));
        });
        let answer = loop {
            match heard.recv_timeout(Duration::from_millis(20)) {
                Ok(answer) => break answer,
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::SeqCst) => return Err(Error::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(odd(&host, "it broke our reading off")),
            }
        };
        answer.map_err(|error| told_error(&host, &error))
    }

    /// Waits, unless somebody stops us.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            if self.stop.load(Ordering::SeqCst) {
                return Err(Error::Stopped);
            }
            thread::sleep((time - began.elapsed().min(time)).min(Duration::from_millis(20)));
        }
        Ok(())
    }
}

fn request(question: &Question<'_>) -> Option<Request<String>> {
    let method = match (question.method, &question.form) {
        (Method::Head, _) => "HEAD",
        (_, Some(_)) => "POST",
        (_, None) => "GET",
    };
    let mut request = Request::builder().method(method).uri(question.url.whole());
    if let Some(accept) = question.accept {
        request = request.header("Accept", accept);
    }
    if let Some(authorization) = question.authorization {
        request = request.header("Authorization", authorization);
    }
    if question.form.is_some() {
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
    }
    request.body(question.form.clone().unwrap_or_default()).ok()
}

fn send(agent: &Agent, request: Request<String>, limit: u64) -> std::result::Result<Reply, ureq::Error> {
    // A body, also an empty one, is no part of a GET or HEAD.
    let answer = if request.method() == "POST" { agent.run(request)? } else { agent.run(request.map(|_| ()))? };
    let (parts, body) = answer.into_parts();
    let body = body.into_with_config().limit(limit).read_to_vec()?;
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
}

fn told_error(host: &str, error: &ureq::Error) -> Error {
    match error {
        ureq::Error::HostNotFound => unreachable(host, "its name is not known"),
        ureq::Error::Timeout(_) => unreachable(host, "no answer in time"),
        ureq::Error::ConnectionFailed => unreachable(host, "the connection failed"),
        ureq::Error::Io(source) => untrusted(host, &source.to_string()),
        ureq::Error::Tls(why) => untrusted(host, why),
        ureq::Error::Rustls(why) => untrusted(host, &why.to_string()),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            unreachable(host, "its proxy does not let us through")
        }
        ureq::Error::BodyExceedsLimit(limit) => odd(host, &format!("more than {limit} bytes")),
        ureq::Error::LargeResponseHeader(..) => odd(host, "headers without an end"),
        _ => odd(host, "no HTTP"),
    }
}

fn untrusted(host: &str, why: &str) -> Error {
    let error = unreachable(host, why);
    let certificate = ["certificate", "UnknownIssuer", "NotValidForName"].iter().any(|word| why.contains(word));
    match error {
        Error::Unknown(mut cause) if certificate => {
            cause.mend = "If it is a registry with a certificate authority of its own, name that with --ca FILE.".to_owned();
            Error::Unknown(cause)
        }
        error => error,
    }
}

/// The system's certificates, those that engines have for this registry, and those that were named.
fn roots(host: &str, authority: Option<Vec<u8>>) -> Result<RootCerts> {
    let mut own: Vec<Certificate<'static>> = Vec::new();
    for folder in CERTS_D {
        for (file, _) in local::files(&std::path::Path::new(folder).join(host)).unwrap_or_default() {
            if file.extension().is_some_and(|ending| ending == "crt") {
                let text = local::read_text(&file, CERTIFICATES).ok().flatten().unwrap_or_default();
                own.extend(certificates(text.as_bytes()));
            }
        }
    }
    if let Some(named) = authority {
        let named: Vec<_> = certificates(&named).collect();
        if named.is_empty() {
            return Err(unreachable(host, "the file that --ca names holds no certificate"));
        }
        own.extend(named);
    }
    // Nothing is read for a registry that is not reached by an encrypted line anyway.
    if own.is_empty() && is_loopback(host) {
        return Ok(RootCerts::WebPki);
    }
    let system = rustls_native_certs::load_native_certs().certs;
    own.extend(system.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()));
    Ok(if own.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&own) })
}

fn certificates(pem: &[u8]) -> impl Iterator<Item = Certificate<'static>> {
    parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    })
}

/// Where requests for a host go: by an encrypted line, unless it is this machine or was named as plain.
pub fn safety(host: &str, plain: &[String], has_authority: bool) -> Safety {
    let named = plain.iter().any(|named| named.eq_ignore_ascii_case(host));
    let here = is_loopback(host)
        && !has_authority
        && !CERTS_D.iter().any(|folder| local::is_folder(&std::path::Path::new(folder).join(host)));
    if named || here { Safety::Plain } else { Safety::Encrypted }
}
