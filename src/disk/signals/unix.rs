//! What this process was started with, of signals, and who gets them.

/// Is the signal of this number ignored, as `nohup` has it? Whoever catches such a one takes back what its user asked for.
pub fn is_ignored(number: i32) -> bool {
    let mut found = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action the call only writes the old one, into memory that is large enough and of its type; zeroes are
    // a valid value of it, for the case that the call fails.
    let found = unsafe {
        libc::sigaction(number, std::ptr::null(), found.as_mut_ptr());
        found.assume_init()
    };
    found.sa_sigaction == libc::SIG_IGN
}

/// Does this process lead its session? A leader outside of our pid namespace (`docker exec`) has the number 0 here, which rustix
/// holds to be impossible.
pub fn leads_session() -> bool {
    // SAFETY: the calls take and give numbers only.
    unsafe { libc::getsid(0) == libc::getpid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_library_ignores_is_ignored() {
        assert!(is_ignored(libc::SIGPIPE));
        assert!(!is_ignored(libc::SIGUSR1));
    }
}
