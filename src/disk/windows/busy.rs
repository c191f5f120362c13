//! Which program has a file open, for people: asked of Windows' Restart Manager when a call has failed for good.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use windows_sys::Win32::System::RestartManager as rm;

use crate::disk::clock::Moment;

/// So long a process asks within a minute: an answer takes some time, and a thousand files may be in use.
const ENOUGH: Duration = Duration::from_secs(3);
const MINUTE: Duration = Duration::from_secs(60);
/// Since when, and how long it asked.
static SPENT: Mutex<Option<(Moment, Duration)>> = Mutex::new(None);
/// Programs that are named.
const MOST: usize = 3;

/// A sentence about who has the file at `path` open; `None` where that is not to be learnt.
pub(super) fn holders(path: &str) -> Option<String> {
    let began = Moment::now();
    let spend = |more: Duration| {
        let mut spent = SPENT.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before) = spent.filter(|(since, _)| since.elapsed() < MINUTE).unwrap_or((began, Duration::ZERO));
        *spent = Some((since, before + more));
        before
    };
    if spend(Duration::ZERO) > ENOUGH {
        return None;
    }
    let names = ask(path);
    spend(began.elapsed());
    sentence(&names?)
}

fn sentence(names: &[String]) -> Option<String> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("it is open in {}", names.join(", "))),
        (false, more) => Some(format!("it is open in {} and {more} more", names.join(", "))),
    }
}

fn ask(path: &str) -> Option<Vec<String>> {
    let path: Vec<u16> = path.encode_utf16().chain([0]).collect();
    let mut session = 0;
    let mut key = [0; rm::CCH_RM_SESSION_KEY as usize + 1];
    // SAFETY: both are ours; the key has room for the length that the system documents.
    if unsafe { rm::RmStartSession(&mut session, 0, key.as_mut_ptr()) } != 0 {
        return None;
    }
    let files = [path.as_ptr()];
    // SAFETY: one file name, which ends in NUL and lives through the call; no programs, no services.
    let known = unsafe { rm::RmRegisterResources(session, 1, files.as_ptr(), 0, std::ptr::null(), 0, std::ptr::null()) } == 0;
    let mut programs = vec![rm::RM_PROCESS_INFO::default(); 16];
    let (mut needed, mut count, mut reasons) = (0, programs.len() as u32, 0);
    // SAFETY: the list is as long as `count` says; the system writes no more, and says in `count` how many it wrote.
    let told = known && unsafe { rm::RmGetList(session, &mut needed, &mut count, programs.as_mut_ptr(), &mut reasons) } == 0;
    // SAFETY: the session is open; nothing of it is used after this.
    unsafe { rm::RmEndSession(session) };
    let others = programs.iter().take(count as usize).filter(|program| program.Process.dwProcessId != std::process::id());
    let names = others.map(|program| text(&program.strAppName));
    told.then(|| names.collect())
}

fn text(units: &[u16]) -> String {
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_once_and_not_too_many() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(sentence(&names("Word")), Some("it is open in Word".to_owned()));
        assert_eq!(sentence(&names("b a b")), Some("it is open in a, b".to_owned()));
        assert_eq!(sentence(&names("e d c b a")), Some("it is open in a, b, c and 2 more".to_owned()));
        assert_eq!(sentence(&[]), None);
        assert_eq!(sentence(&[String::new()]), None);
        assert_eq!(text(&[97, 98, 0, 99]), "ab");
    }
}
