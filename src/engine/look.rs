//! The look of one run: the scan over both roots, with the base read through the manifest.

use super::error::Error;
use super::open::Session;
use super::report::Progress;
use super::request::Request;
use super::store::Store;
use crate::disk::{ErrorKind, Root};
use crate::manifest::{self, Reader, key};
use crate::model::digest::Digest;
use crate::model::entry::Stamp;
use crate::model::listing::{FolderId, Listing, Row};
use crate::model::path::{Name, RelPath};
use crate::model::shown::short;
use crate::model::side::{PerSide, Side};
use crate::model::traits::Traits;
use crate::model::vouch::{Effort, vouches};
use crate::scan::{self, BaseReader, Scope, Sight};

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The base as the scan reads it; nothing where there is none yet.
pub(super) struct Base {
    reader: Option<Reader>,
    /// Set where what the reader could not read is damaged.
    damaged: Arc<AtomicBool>,
    /// Where the reader goes back to.
    pool: Arc<Pool>,
}

type Pool = Mutex<Vec<Option<Reader>>>;

fn lock(pool: &Pool) -> MutexGuard<'_, Vec<Option<Reader>>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Base {
    fn drop(&mut self) {
        lock(&self.pool).push(self.reader.take());
    }
}

impl Base {
    pub fn of(reader: Option<Reader>) -> Base {
        Base { reader, damaged: Arc::default(), pool: Arc::default() }
    }

    fn read<T: Default>(&self, read: impl FnOnce(&Reader) -> manifest::Result<T>) -> Result<T, String> {
        self.reader.as_ref().map_or(Ok(T::default()), read).map_err(|error| {
            self.damaged.fetch_or(error.is_damage(), Ordering::Relaxed);
            error.to_string()
        })
    }
}

impl BaseReader for Base {
    fn folder(&mut self, folder: FolderId) -> Result<Listing<Row>, String> {
        self.read(|reader| reader.folder(folder))
    }

    fn find(&mut self, path: &RelPath) -> Result<Option<Row>, String> {
        self.read(|reader| reader.find(path))
    }

    fn vouched(&mut self, path: &RelPath, side: Side, stamp: &Stamp, traits: &Traits) -> Result<Option<Digest>, String> {
        let found = self.read(|reader| if reader.may_vouch() { reader.vouched(path, side) } else { Ok(None) })?;
        Ok(found.filter(|found| vouches(Some(&found.recorded), stamp, traits)).map(|found| found.digest))
    }
}

/// Looks at both roots, telling how far it is.
pub(super) fn look(
    session: &Session<'_>,
    request: &Request,
    seen: &PerSide<AtomicU64>,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Sight, Error> {
    let met = session.store.meta(key::FIRST_SYNC_ENDED)?.is_some();
    // Times are trusted while the two folders meet, which is until a whole run came to its end.
    let effort = match (request.verify, request.trust_times && !met) {
        (true, _) => Effort::Verify,
        (false, true) => Effort::TrustTimes,
        (false, false) => Effort::Normal,
    };
    let unchanged = session.store.meta(key::PATTERNS)?.as_deref() == Some(session.patterns_text.as_str());
    let targets = request.targets();
    let scope = Scope {
        roots: &session.roots,
        traits: &session.traits,
        patterns: &session.patterns,
        patterns_unchanged: unchanged,
        stale_base: session.stale_base,
        from_base: None,
        effort,
        targets: targets.as_deref(),
        hints: request.hints.is_some(),
        entering: &|side, path| session.options.watched.enter(side, path),
        threads: width(session, request),
        stop,
        seen,
    };
    // One for each worker, opened here: the writer's connection stays with this thread.
    let pool: Pool = (0..scope.threads).map(|_| session.reader()).collect::<Result<Vec<_>, Error>>()?.into();
    let (pool, damaged) = (Arc::new(pool), Arc::new(AtomicBool::new(false)));
    let readers = || -> Result<Box<dyn BaseReader>, String> {
        let reader = lock(&pool).pop();
        let reader = reader.ok_or("more workers than readers of the base")?;
        Ok(Box::new(Base { reader, damaged: Arc::clone(&damaged), pool: Arc::clone(&pool) }))
    };
    let done = AtomicBool::new(false);
    let sight = thread::scope(|threads| {
        let teller = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                tell(Progress::Looking { seen: seen.as_ref().map(|count| count.load(Ordering::Relaxed)) });
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        let _told = Told { done: &done, teller: teller.thread() };
        scan::scan(&scope, &readers)
    });
    if let (Store::Writing(manifest), Some(Some(reader))) = (&session.store, lock(&pool).pop()) {
        manifest.keep_reader(reader);
    }
    sight.map_err(|error| match error {
        scan::Error::Gone { side, source } => Error::Offline { side, message: source.to_string() },
        scan::Error::Base(message) if !damaged.load(Ordering::Relaxed) => Error::Base(message),
        error @ (scan::Error::Base(_) | scan::Error::Circle(_)) => {
            manifest::Error::Damaged { path: manifest::path(&session.pair.state), message: error.to_string() }.into()
        }
        scan::Error::Stopped => Error::Stopped,
    })
}

/// Ends the telling, also where the look ends by a panic.
struct Told<'a> {
    done: &'a AtomicBool,
    teller: &'a thread::Thread,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        self.teller.unpark();
    }
}

impl Session<'_> {
    /// A view of the base for one worker; nothing where there is no base yet.
    fn reader(&self) -> Result<Option<Reader>, Error> {
        Ok(match &self.store {
            Store::Writing(manifest) => Some(manifest.reader()?),
            Store::Reading(Some(_)) => Reader::open(&self.pair.state)?,
            Store::Reading(None) => None,
        })
    }
}

/// Fewer places are looked at, and what changed there carried, before another worker has begun.
const FEW: usize = 32;

/// Workers for a far root: as many at least, and at most.
const FAR: std::ops::RangeInclusive<usize> = 8..=32;
/// One for each of these that a call takes: so long does the other work at a file keep a core busy.
const SHARE: Duration = Duration::from_micros(250);

/// Workers: the cores, and more where answers come from far away.
pub(super) fn width(session: &Session<'_>, request: &Request) -> usize {
    static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(2, usize::from));
    if request.hints.as_ref().is_some_and(|hints| hints.len() < FEW) {
        return 1;
    }
    let cores = *CORES;
    let far = Side::BOTH.into_iter().filter(|&side| session.traits[side].remote);
    let wide = far.map(|side| (session.round_trips[side].as_micros() / SHARE.as_micros()) as usize).max();
    let by_itself = wide.map_or(cores.min(8), |wide| wide.clamp(*FAR.start(), *FAR.end()).max(cores));
    session.options.threads.unwrap_or(by_itself).max(1)
}

/// More than any sensible file of settings.
const SHARED_LIMIT: usize = 1 << 20;

/// The lists of patterns in the network root's `driftless.toml`.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub ignore: Option<Vec<String>>,
    pub append: Option<Vec<String>>,
    pub whole: Option<Vec<String>>,
}

/// The patterns of the network root's `driftless.toml`; none where there is no such file. The command line
/// checks the whole file; here only the lists are taken, and a file that cannot be read stops the run: with other
/// patterns it could carry what is not to be carried.
pub(super) fn shared_patterns(network: &dyn Root) -> Result<Shared, Error> {
    let at = Error::disk_at(Side::Network);
    let folder = network.folder(&RelPath::root()).map_err(&at)?;
    let name = Name::new(b"driftless.toml").expect("one name without a slash");
    let mut file = match folder.read(&name) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::Absent => return Ok(Shared::default()),
        Err(error) => return Err(at(error)),
    };
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut piece).map_err(&at)?;
        bytes.extend_from_slice(&piece[..count]);
        if count == 0 || bytes.len() > SHARED_LIMIT {
            break;
        }
    }
    parse_shared(&bytes)
}

/// An error for what is longer than the limit: half of the patterns would let through what the other half holds back.
fn parse_shared(bytes: &[u8]) -> Result<Shared, Error> {
    let broken = |message: &str| Error::Shared { path: "driftless.toml".to_owned(), message: message.to_owned() };
    if bytes.len() > SHARED_LIMIT {
        return Err(broken("it is larger than 1 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| broken(&error.to_string()))?;
    // The message alone: with the line that is wrong it would hold what somebody else wrote.
    let table: toml::Table = toml::from_str(text).map_err(|error| broken(&short(error.message())))?;
    let list = |key: &str| {
        let Some(list) = table.get(key) else { return Ok(None) };
        let texts = |items: &Vec<toml::Value>| items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        let patterns: Option<Vec<String>> = list.as_array().and_then(texts);
        patterns.map(Some).ok_or_else(|| broken(&format!("`{key}` is not a list of strings")))
    };
    Ok(Shared { ignore: list("ignore")?, append: list("append")?, whole: list("whole")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile, is_tame};
    use proptest::prelude::*;

    #[test]
    fn a_file_that_is_too_long_is_not_read_by_half() {
        let long = format!("ignore = [\"a\"]\n#{}\nwhole = []", " ".repeat(SHARED_LIMIT));
        assert!(parse_shared(long.as_bytes()).is_err_and(|error| error.to_string().contains("1 MiB")));
        assert!(parse_shared(&long.as_bytes()[..SHARED_LIMIT]).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_shared_settings_or_a_line(
            bytes in hostile(&["ignore = [\"*.tmp\"]\nappend = []\n[gates]\nx.y = 1\n", "whole = [\".git\"]\nconflict = \"hold\"\n"]),
        ) {
            if let Err(error) = parse_shared(&bytes) {
                prop_assert!(is_tame(&error.to_string()), "{error}");
            }
        }
    }
}
