//! One repository at a registry: which digest a tag has now, and what stands behind a digest.
//!
//! Invariants. What is answered for a digest has that digest. A credential does not follow a redirect to another host. Nothing
//! is asked again without a pause, and not for longer than the caller waits.

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::cause::{Cause, Error, Kind, Result, login, odd, rate_limited, unreachable};
use super::credentials::{Credential, Keychain};
use super::http::{Asked, Http, Method, Question, Reply};
use super::login::{Challenge, meet};
use super::reference::{Reference, is_digest};
use super::store::Store;
use super::url::{Safety, Url};

/// All kinds of manifests. A registry answers 404 to a kind that is not named here.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// No document that is read is longer, in bytes.
pub const DOCUMENT: u64 = 4 << 20;
/// Steps from host to host, logins and pauses of one question.
const HOPS: u32 = 5;
/// The pause where a registry that is out of order says nothing of one, or of none at all; and how many there are for one question.
const BREATH: Duration = Duration::from_millis(500);
const BREATHS: u32 = 2;

/// What a tag leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    At {
        digest: String,
    },
    /// The registry says that there is none.
    Missing,
}

pub struct Registry<'a> {
    http: &'a Http,
    reference: &'a Reference,
    safety: Safety,
    keychain: &'a Keychain,
    stop: &'a std::sync::atomic::AtomicBool,
    store: &'a Store,
    /// How long may be waited in all.
    patience: Cell<Duration>,
    authorization: RefCell<Option<String>>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    notes: Vec<String>,
    /// Was anything asked yet?
    began: bool,
    /// Did it ask for a login, and had we one?
    challenged: bool,
    known_here: bool,
    rate_left: Option<u64>,
}

/// What belongs to a registry besides its name.
pub struct Access<'a> {
    pub http: &'a Http,
    pub safety: Safety,
    pub keychain: &'a Keychain,
    pub stop: &'a std::sync::atomic::AtomicBool,
    pub store: &'a Store,
    /// How long a registry that asks for patience may keep us.
    pub patience: Duration,
}

impl<'a> Registry<'a> {
    pub fn new(reference: &'a Reference, access: &Access<'a>) -> Registry<'a> {
        Registry {
            http: access.http,
            reference,
            safety: access.safety,
            keychain: access.keychain,
            stop: access.stop,
            store: access.store,
            patience: Cell::new(access.patience),
            authorization: RefCell::new(None),
            state: RefCell::new(State::default()),
        }
    }

    pub fn asked(&self) -> Asked {
        self.http.asked()
    }

    /// What is left of the limit that it has for us, where it said so.
    pub fn rate_left(&self) -> Option<u64> {
        self.state.borrow().rate_left
    }

    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.state.borrow_mut().notes)
    }

    /// Which digest the reference has now: one HEAD, and one GET where that tells nothing.
    pub fn resolve(&self) -> Result<Tag> {
        let path = self.manifest(self.reference.version());
        let reply = self.ask(Method::Head, &path, Some(MANIFESTS))?;
        if reply.status == 200
            && let Some(digest) = reply.header("docker-content-digest").filter(|digest| is_digest(digest))
        {
            self.agrees(digest)?;
            return Ok(Tag::At { digest: digest.to_owned() });
        }
        if !matches!(reply.status, 200 | 404 | 405) {
            return Err(self.refused(&reply));
        }
        let reply = self.ask(Method::Get, &path, Some(MANIFESTS))?;
        match reply.status {
            200 => {
                let digest = digest_of(&reply.body);
                self.agrees(&digest)?;
                self.store.keep(&digest, &reply.body);
                Ok(Tag::At { digest })
            }
            404 if is_of_a_registry(&reply) => self.missing(),
            404 => Err(odd(&self.reference.host, "404, and no registry says so")),
            _ => Err(self.refused(&reply)),
        }
    }

    /// What was asked for by its digest has that digest.
    fn agrees(&self, digest: &str) -> Result<()> {
        match &self.reference.digest {
            Some(named) if named != digest => Err(odd(&self.reference.host, "another digest than was asked for")),
            _ => Ok(()),
        }
    }

    /// Nothing of that name: or so it is said to somebody without a login. Who is shown the repository is told the truth.
    fn missing(&self) -> Result<Tag> {
        let is_told_all = {
            let state = self.state.borrow();
            !state.challenged || state.known_here
        };
        let tags = format!("/v2/{}/tags/list?n=1", self.reference.repository);
        if is_told_all || self.ask(Method::Get, &tags, None)?.status == 200 {
            return Ok(Tag::Missing);
        }
        Err(login(&self.reference.host, "it says that there is no such image, which it may say to everybody without a login"))
    }

    /// A manifest by its digest, from the disk where it was read before.
    pub fn manifest_of(&self, digest: &str) -> Result<Vec<u8>> {
        self.document(digest, &self.manifest(digest), Some(MANIFESTS))
    }

    /// Another document by its digest.
    pub fn blob_of(&self, digest: &str) -> Result<Vec<u8>> {
        self.document(digest, &format!("/v2/{}/blobs/{digest}", self.reference.repository), None)
    }

    fn manifest(&self, version: &str) -> String {
        format!("/v2/{}/manifests/{version}", self.reference.repository)
    }

    fn document(&self, digest: &str, path: &str, accept: Option<&'static str>) -> Result<Vec<u8>> {
        if !is_digest(digest) {
            return Err(odd(&self.reference.host, "a digest of a kind that is not known here"));
        }
        if let Some(kept) = self.store.find(digest) {
            return Ok(kept);
        }
        let reply = self.ask(Method::Get, path, accept)?;
        match reply.status {
            200 if digest_of(&reply.body) == digest => {
                self.store.keep(digest, &reply.body);
                Ok(reply.body)
            }
            200 => Err(odd(&self.reference.host, "a document that has not the digest that it is named by")),
            404 => Err(odd(&self.reference.host, "a part of the image is missing there")),
            _ => Err(self.refused(&reply)),
        }
    }

    fn refused(&self, reply: &Reply) -> Error {
        odd(&self.reference.host, &format!("status {}", reply.status))
    }

    /// Asks until there is an answer of this registry: past logins, redirects and pauses.
    fn ask(&self, method: Method, path: &str, accept: Option<&'static str>) -> Result<Reply> {
        let home = Url::new(self.safety, self.reference.reached(), path);
        self.log_in_as_before(&home)?;
        let (mut url, mut logins, mut hops, mut breaths) = (home.clone(), 0, 0, 0);
        loop {
            let authorization = self.authorization.borrow().clone().filter(|_| url.is_at(&home));
            let question =
                Question { method, url: &url, accept, authorization: authorization.as_deref(), form: None, limit: DOCUMENT };
            let reply = self.http.ask(&question)?;
            self.note_rate(&reply);
            match reply.status {
                // A token may have run out meanwhile: it is asked for once more.
                401 if url.is_at(&home) && logins < 2 => {
                    logins += 1;
                    self.log_in(&home, &reply, authorization.is_some())?;
                }
                401 | 403 => return Err(login(&self.reference.host, self.why_denied())),
                301 | 302 | 303 | 307 | 308 if hops < HOPS => {
                    hops += 1;
                    let next =
                        reply.header("location").and_then(|location| url.follow(location)).filter(|next| url.may_lead_to(next));
                    url = next.ok_or_else(|| odd(&self.reference.host, "a redirect to a place that is not safe"))?;
                }
                status if status == 429 || status >= 500 => {
                    breaths += 1;
                    let after = retry_after(&reply);
                    let unwell = || unreachable(&url.host, &format!("it answers {status}"));
                    let error = if status == 429 { rate_limited(&url.host, after) } else { unwell() };
                    if breaths > BREATHS {
                        return Err(error);
                    }
                    self.wait_for(after, error)?;
                }
                _ => return Ok(reply),
            }
        }
    }

    fn why_denied(&self) -> &'static str {
        if self.state.borrow().known_here {
            "the login that is kept for it has no right to this image, or there is no such image"
        } else {
            "without a login it shows no such image"
        }
    }

    fn log_in(&self, home: &Url, reply: &Reply, again: bool) -> Result<()> {
        let challenge = Challenge::of(reply.all("www-authenticate"));
        let challenge =
            challenge.ok_or_else(|| login(&self.reference.host, "it asks for a login of a kind that is not known here"))?;
        if again && challenge == Challenge::Basic {
            return Err(login(&self.reference.host, "the login that is kept for it is not taken"));
        }
        self.log_in_with(home, &challenge)?;
        self.store.note_challenge(&self.reference.host, &challenge);
        Ok(())
    }

    fn log_in_with(&self, home: &Url, challenge: &Challenge) -> Result<()> {
        let found = self.keychain.find(&self.reference.host, &self.reference.repository, self.stop)?;
        {
            let mut state = self.state.borrow_mut();
            if !state.challenged {
                state.notes.extend(found.notes);
            }
            state.challenged = true;
            state.known_here = found.credential.is_some();
        }
        let credential: Option<&Credential> = found.credential.as_ref();
        let met = meet(self.http, home, &self.reference.repository, challenge, credential)?;
        *self.authorization.borrow_mut() = Some(met);
        Ok(())
    }

    /// A registry that asked for a login last time will ask again: that question is saved. Where it is another one by now, it says so.
    fn log_in_as_before(&self, home: &Url) -> Result<()> {
        let is_first = !std::mem::replace(&mut self.state.borrow_mut().began, true);
        let Some(challenge) = self.store.find_challenge(&self.reference.host).filter(|_| is_first) else { return Ok(()) };
        match self.log_in_with(home, &challenge) {
            Err(Error::Stopped) => Err(Error::Stopped),
            Err(Error::Unknown(_)) => {
                self.store.forget_challenge(&self.reference.host);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn note_rate(&self, reply: &Reply) {
        let left = reply.header("ratelimit-remaining").and_then(|text| text.split(';').next()?.trim().parse().ok());
        if left.is_some() {
            self.state.borrow_mut().rate_left = left;
        }
    }

    /// Waits as long as it was asked to, unless that is more than anybody here has; then `error` it is.
    fn wait_for(&self, time: Option<Duration>, error: Error) -> Result<()> {
        let time = time.unwrap_or(BREATH).max(BREATH);
        let Some(left) = self.patience.get().checked_sub(time) else { return Err(error) };
        self.patience.set(left);
        self.http.pause(time)
    }
}

/// Does a registry say that there is none, rather than whoever stands before it or at its place?
fn is_of_a_registry(reply: &Reply) -> bool {
    if reply.header("docker-distribution-api-version").is_some() {
        return true;
    }
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let mut codes = body["errors"].as_array().into_iter().flatten().filter_map(|error| error["code"].as_str());
    codes.any(|code| ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"].contains(&code))
}

/// `Retry-After`, in seconds or as a date.
pub fn retry_after(reply: &Reply) -> Option<Duration> {
    parse_retry(reply.header("retry-after")?, SystemTime::now())
}

fn parse_retry(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

/// The name of a document: what it holds.
pub fn digest_of(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Is it what keeps a document from being read, rather than the way to it?
pub fn is_about_content(error: &Error) -> bool {
    matches!(error, Error::Unknown(Cause { kind: Kind::Answer, .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_asked_for_in_seconds_or_by_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("-1", None),
            ("99999999999999999999", None),
            ("soon", None),
        ] {
            assert_eq!(parse_retry(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_document_is_named_by_what_it_holds() {
        assert_eq!(digest_of(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
