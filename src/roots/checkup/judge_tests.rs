use super::judge::{self, Names};
use super::{Check, Health, Role};
use crate::disk::{ErrorKind, Space};
use crate::model::side::Side;
use crate::roots::mounts::Verdict;

use Health::{Degraded, Limited, Ok, Problem, Unknown};

const SECOND: i64 = 1_000_000_000;

fn on(kind: &str, source: &str, network: bool) -> Verdict {
    Verdict { network, file_system: kind.into(), mount_point: "/m".into(), source: source.into(), reason: "why.".into() }
}

#[track_caller]
fn stands(check: &Check, status: Health, part: &str) {
    assert_eq!(check.status, status, "{check:?}");
    assert!(check.value.contains(part), "{part:?} in {check:?}");
    // Whoever is told of a limit is told what follows; what stops sync has a way out.
    assert!(status == Ok || status == Unknown || check.meaning.is_some() || check.mend.is_some(), "{check:?}");
    assert!(status != Problem || check.mend.is_some(), "{check:?}");
}

#[test]
fn a_flush_is_believed_by_what_stands_behind_the_mount() {
    for (kind, source, options, file, folder, status) in [
        ("ext4", "/dev/sda", "rw", true, true, Ok),
        ("ext4", "/dev/sda", "rw,nobarrier", true, true, Degraded),
        ("cifs", "//s/x", "rw,nostrictsync", true, true, Degraded),
        ("nfs4", "s:/x", "rw,hard", true, true, Ok),
        ("nfs4", "s:/x", "rw", true, false, Limited),
        ("tmpfs", "tmpfs", "rw", true, true, Degraded),
        ("fuse.sshfs", "s:/x", "rw", true, true, Ok),
        ("fuse.sshfs", "s:/x", "rw", false, true, Degraded),
        ("fuse.rclone", "r:", "rw", true, true, Degraded),
        ("fuse", "http://s/", "rw", true, true, Degraded),
        ("fuse", "/images/disk", "rw", true, true, Ok),
    ] {
        let check = judge::flush(&on(kind, source, true), Some(options), file, folder);
        assert_eq!(check.status, status, "{kind} {source} {options}: {check:?}");
    }
}

#[test]
fn answers_of_network_mounts_have_an_age() {
    stands(&judge::age(&on("ext4", "/dev/sda", false), Some("rw")), Ok, "none");
    stands(&judge::age(&on("nfs4", "s:/x", true), Some("rw,acregmax=5,hard")), Limited, "acregmax=5");
    stands(&judge::age(&on("cifs", "//s", true), Some("rw,actimeo=30")), Limited, "actimeo=30");
    stands(&judge::age(&on("fuse.sshfs", "s:", true), Some("rw,user_id=0")), Limited, "20 s");
    stands(&judge::age(&on("fuse.other", "s:", true), None), Limited, "not known");
}

#[test]
fn room_and_rights() {
    stands(&judge::place(&on("nfs4", "s:/x", true), Role::Of(Side::Staging)), Degraded, "network");
    stands(&judge::place(&on("nfs4", "s:/x", true), Role::Of(Side::Network)), Ok, "network");
    stands(&judge::place(&on("ext4", "/dev/sda", false), Role::Of(Side::Staging)), Ok, "local");
    let space = |free, total, free_files| judge::space(&Space { free, total, free_files }, &on("ext4", "/dev/sda", false));
    stands(&space(1 << 40, 1 << 41, Some(1 << 20))[0], Ok, "1.0 TiB free of 2.0 TiB");
    stands(&space(5 << 20, 1 << 41, None)[0], Limited, "5.0 MiB");
    stands(&space(0, 1 << 41, None)[0], Problem, "0 B");
    stands(&space(0, 0, None)[0], Unknown, "does not tell");
    stands(&space(1 << 40, 1 << 41, Some(0))[1], Problem, "no file");
    stands(&space(1 << 40, 1 << 41, Some(10))[1], Limited, "10 files");
    for (role, part) in [(Role::Of(Side::Network), "down"), (Role::Of(Side::Staging), "no sync"), (Role::Folder, "into")] {
        let check = judge::not_writable(role, ErrorKind::ReadOnly, "read-only file system");
        stands(&check, Problem, "read-only");
        assert!(check.meaning.as_ref().is_some_and(|meaning| meaning.contains(part)), "{check:?}");
    }
    assert_eq!(
        [0, 1023, 1024, 1536, 1 << 30, u64::MAX].map(judge::bytes),
        ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 GiB", "16383.9 PiB"]
    );
}

#[test]
fn times_and_clocks() {
    for (step, status, part) in
        [(1, Ok, "1 ns"), (100, Ok, "100 ns"), (10_000_000, Ok, "10 ms"), (SECOND, Limited, "1 s"), (2 * SECOND, Limited, "2 s")]
    {
        stands(&judge::granularity(step), status, part);
    }
    stands(&judge::clock(10_000_000, -SECOND), Ok, "as this machine's");
    stands(&judge::clock(10_000_000, 30 * SECOND), Ok, "30 s ahead");
    stands(&judge::clock(2 * SECOND, -858_869_916 * SECOND), Limited, "made-up");
    stands(&judge::clock(SECOND, -7_200 * SECOND), Limited, "7200 s behind");
}

#[test]
fn locks_matter_to_staging_and_odd_names_to_their_paths() {
    stands(&judge::locks(Some(false), Role::Of(Side::Staging)), Problem, "do not");
    stands(&judge::locks(None, Role::Of(Side::Network)), Limited, "do not");
    stands(&judge::locks(Some(true), Role::Folder), Ok, "work");
    stands(&judge::names(&Names::NotTried), Unknown, "not tried");
    stands(&judge::names(&Names::Tried { refused: vec![] }), Ok, "any");
    stands(&judge::names(&Names::Tried { refused: vec!["a colon", "a newline"] }), Limited, "a colon, a newline");
    stands(&judge::longest_name(Some(143)), Limited, "143");
    stands(&judge::file_size("vfat", None), Limited, "4 GiB");
    stands(&judge::file_size("ext4", Some(true)), Ok, "over");
    stands(&judge::replace(Some(false)), Problem, "cannot");
    stands(&judge::events(Some(true), true), Limited, "this machine");
    stands(&judge::watches(Some(8_192)), Limited, "8192");
    stands(&judge::open_files(Some(100)), Limited, "100");
}
