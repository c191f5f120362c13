//! Documents of registries on this machine's disk, by their digests: what was read once is never asked for again.
//!
//! Invariants. The folder is this user's alone. What is found there is believed only where it has the digest that it is named
//! by; everything else counts as not there. A disk that is full costs requests, nothing else.

use std::path::PathBuf;

use super::login::Challenge;
use super::registry::{DOCUMENT, digest_of};
use crate::disk::local;

/// More are not kept; the oldest go first.
const FILES: usize = 400;

/// No challenge is longer, in bytes.
const CHALLENGE: u64 = 16 << 10;

pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Made when something is kept.
    pub fn at(folder: PathBuf) -> Store {
        Store { folder }
    }

    pub fn find(&self, digest: &str) -> Option<Vec<u8>> {
        let text = local::read_text(&self.place(digest), DOCUMENT).ok()??;
        (digest_of(text.as_bytes()) == digest).then(|| text.into_bytes())
    }

    pub fn keep(&self, digest: &str, document: &[u8]) {
        // Nothing but JSON is read here, so nothing else is kept.
        let Ok(text) = std::str::from_utf8(document) else { return };
        if let Err(error) = local::make_private_folder(&self.folder).and_then(|()| local::write_text(&self.place(digest), text)) {
            tracing::debug!(%error, "a document of a registry is not kept");
        }
        self.tidy();
    }

    /// What a registry asked for when it wanted a login. Not what for: that is another image's business.
    pub fn note_challenge(&self, host: &str, challenge: &Challenge) {
        let kept = match challenge {
            Challenge::Bearer { realm, service, .. } => {
                Challenge::Bearer { realm: realm.clone(), service: service.clone(), scope: None }
            }
            Challenge::Basic => Challenge::Basic,
        };
        let text = serde_json::to_string(&kept).expect("it has text keys only");
        let _ = local::make_private_folder(&self.folder).and_then(|()| local::write_text(&self.challenge_of(host), &text));
    }

    pub fn find_challenge(&self, host: &str) -> Option<Challenge> {
        serde_json::from_str(&local::read_text(&self.challenge_of(host), CHALLENGE).ok()??).ok()
    }

    pub fn forget_challenge(&self, host: &str) {
        let _ = local::remove_file(&self.challenge_of(host));
    }

    fn challenge_of(&self, host: &str) -> PathBuf {
        // No host has that sign in its name: two of them never share a file, and no login goes where another one wants it.
        self.folder.join(format!("challenge-{}", host.replace(':', "_")))
    }

    fn place(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.replace(':', "-"))
    }

    fn tidy(&self) {
        let mut files = local::files(&self.folder).unwrap_or_default();
        files.sort_by_key(|(_, age)| *age);
        for (file, _) in files.into_iter().skip(FILES) {
            // Another process may have been faster.
            let _ = local::remove_file(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_its_digest_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path().join("documents"));
        let digest = digest_of(b"{}");
        assert_eq!(store.find(&digest), None);
        store.keep(&digest, b"{}");
        assert_eq!(store.find(&digest).as_deref(), Some(&b"{}"[..]));
        std::fs::write(store.place(&digest), "{\"a\":1}").expect("written");
        assert_eq!(store.find(&digest), None);
        let odd = digest_of(b"\xff");
        store.keep(&odd, b"\xff");
        assert_eq!(store.find(&odd), None);
    }

    #[test]
    fn a_challenge_is_kept_without_the_image_that_it_was_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path().join("documents"));
        let of = |scope: Option<&str>| Challenge::Bearer {
            realm: "https://a/t".to_owned(),
            service: None,
            scope: scope.map(str::to_owned),
        };
        assert_eq!(store.find_challenge("[::1]:5"), None);
        store.note_challenge("[::1]:5", &of(Some("repository:a:pull")));
        assert_eq!(store.find_challenge("[::1]:5"), Some(of(None)));
        assert_eq!(store.find_challenge("[::1]:6"), None);
        store.note_challenge("h-5", &of(None));
        assert_eq!(store.find_challenge("h:5"), None, "another host's");
        store.forget_challenge("[::1]:5");
        assert_eq!(store.find_challenge("[::1]:5"), None);
    }

    #[test]
    fn the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path().to_owned());
        for number in 0..FILES + 5 {
            let path = folder.path().join(format!("sha256-{number}"));
            std::fs::write(&path, "x").expect("written");
            let time = filetime::FileTime::from_unix_time(1_000_000 + i64::try_from(number).expect("small"), 0);
            filetime::set_file_mtime(&path, time).expect("a time");
        }
        store.keep(&digest_of(b"{}"), b"{}");
        assert_eq!(local::files(folder.path()).expect("listed").len(), FILES);
        assert!(!folder.path().join("sha256-0").exists() && folder.path().join("sha256-404").exists());
        assert!(store.find(&digest_of(b"{}")).is_some());
    }
}
