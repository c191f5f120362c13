//! Tables of mountinfo texts and what follows from them.

use super::*;
use crate::model::mutants::hostile;
use crate::roots::mounts::detect;
use proptest::prelude::*;

const ROOT: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n";

fn on(lines: &str, path: &str) -> Verdict {
    judge(format!("{ROOT}{lines}").as_bytes(), Path::new(path), &mut |_, _| None)
}

/// `type source` of one mount on /m, and whether it is a network one and what the reason names.
#[test]
fn each_kind_of_file_system() {
    let rows = [
        ("ext4 /dev/sda1", false, "file system of this machine"),
        ("xfs /dev/sda1", false, "this machine"),
        ("btrfs /dev/sda1", false, "this machine"),
        ("zfs pool/home", false, "this machine"),
        ("tmpfs tmpfs", false, "this machine"),
        ("overlay overlay", false, "this machine"),
        ("vfat /dev/sdb1", false, "this machine"),
        ("nfs server:/export", true, "NFS"),
        ("nfs4 server:/export", true, "\"server:/export\""),
        ("cifs //server/share", true, "SMB"),
        ("smb3 //server/share", true, "SMB"),
        ("smbfs //server/share", true, "SMB"),
        ("9p host0", true, "9P"),
        ("afs AFS", true, "AFS"),
        ("ceph 10.0.0.1:6789:/", true, "Ceph"),
        ("lustre mgs@tcp:/fs", true, "Lustre"),
        ("gpfs gpfs0", true, "GPFS"),
        ("glusterfs gl:/vol", true, "Gluster"),
        ("beegfs beegfs_nodev", true, "BeeGFS"),
        ("orangefs tcp://o:3334/pvfs2-fs", true, "OrangeFS"),
        ("ncpfs NW/u", true, "NCP"),
        ("coda Coda", true, "Coda"),
        ("davfs https://dav.example", true, "WebDAV"),
        ("virtiofs mytag", true, "host"),
        ("vboxsf share", true, "VirtualBox"),
        ("prl_fs share", true, "Parallels"),
        ("vmhgfs .host:/", true, "VMware"),
        ("fuse.vmhgfs-fuse vmhgfs-fuse", true, "VMware"),
        ("fuse.sshfs lab@plat:/dir", true, "SFTP"),
        ("fuse.rclone :webdav{x}:", true, "rclone"),
        ("fuse.s3fs s3fs", true, "S3"),
        ("fuse.smbnetfs smbnetfs", true, "SMB"),
        ("fuse.glusterfs gl:/vol", true, "Gluster"),
        ("fuse.gvfsd-fuse gvfsd-fuse", true, "GVfs"),
        ("fuse.google-drive-ocamlfuse x", true, "Google Drive"),
        ("fuse.nfs4 faultfs", true, "NFS"),
        ("fuse http://127.0.0.1:8080/", true, "WebDAV"),
        ("fuse https://dav.example/", true, "WebDAV"),
        ("fuse //server/share", true, "not known to be local"),
        ("fuse something", true, "not known to be local"),
        ("fuse /images/disk.ntfs", false, "this machine"),
        ("fuse.brandnewfs x", true, "not known to be local"),
        ("fuseblk /dev/sdc1", false, "this machine"),
        ("fuse.ntfs-3g /dev/sdc1", false, "this machine"),
        ("fuse.lowntfs-3g /images/i", false, "this machine"),
        ("fuse.exfat /dev/sdc1", false, "this machine"),
        ("fuse.fuse-overlayfs fuse-overlayfs", false, "this machine"),
        ("fuse.encfs encfs", false, "this machine"),
        ("fuse.gocryptfs /home/u/secret", false, "this machine"),
        ("fuse.cryfs cryfs@/home/u/secret", false, "this machine"),
        ("fuse.mergerfs a:b", false, "this machine"),
        ("fuse.bindfs /home/u/x", false, "this machine"),
        ("fuse.squashfuse squashfuse", false, "this machine"),
        ("autofs systemd-1", true, "on demand"),
    ];
    for (kind_and_source, network, reason) in rows {
        let verdict = on(&format!("40 27 0:50 / /m rw shared:1 - {kind_and_source} rw\n"), "/m/project");
        assert_eq!(verdict.network, network, "{kind_and_source}: {}", verdict.reason);
        assert!(verdict.reason.contains(reason), "{kind_and_source}: {}", verdict.reason);
        assert_eq!(verdict.mount_point, Path::new("/m"), "{kind_and_source}");
        assert!(kind_and_source.starts_with(&format!("{} {}", verdict.file_system, verdict.source)), "{verdict:?}");
    }
}

/// Which mount a path is on: lines below the root's, path, mount point, type.
#[test]
fn the_mount_that_the_kernel_would_come_to() {
    let nfs_and_below = "40 27 0:50 / /m rw - nfs4 s:/e rw\n41 40 0:51 / /m/fast rw - tmpfs tmpfs rw\n";
    let rows = [
        ("", "/home/u", "/", "ext4"),
        (nfs_and_below, "/m", "/m", "nfs4"),
        (nfs_and_below, "/m/x", "/m", "nfs4"),
        (nfs_and_below, "/m/fast/x", "/m/fast", "tmpfs"),
        (nfs_and_below, "/m/faster", "/m", "nfs4"),
        (nfs_and_below, "/mm", "/", "ext4"),
        (nfs_and_below, "/m/../home", "/", "ext4"),
        (nfs_and_below, "/home/./../m/x", "/m", "nfs4"),
        // The order of the lines is not the order of the mounts.
        ("41 40 0:51 / /m/fast rw - tmpfs t rw\n40 27 0:50 / /m rw - nfs4 s:/e rw\n", "/m/fast", "/m/fast", "tmpfs"),
        // A later mount over the same point.
        ("40 27 0:50 / /m rw - nfs4 s:/e rw\n41 40 0:51 / /m rw - ext4 /dev/b rw\n", "/m/x", "/m", "ext4"),
        // Two over the same point with the same parent, as shared mounts make them.
        ("40 27 0:50 / /m rw - ext4 /dev/b rw\n41 27 0:51 / /m rw - nfs4 s:/e rw\n", "/m/x", "/m", "nfs4"),
        // A mount hidden by a later one over its parent.
        ("40 27 0:50 / /m/a rw - ext4 /dev/b rw\n41 27 0:51 / /m rw - nfs4 s:/e rw\n", "/m/b", "/m", "nfs4"),
        (
            "39 27 0:49 / /m rw - ext4 /dev/a rw\n40 39 0:50 / /m/a rw - ext4 /dev/b rw\n41 39 0:51 / /m rw - nfs4 s:/e rw\n",
            "/m/a/x",
            "/m",
            "nfs4",
        ),
        // Automounted: the trigger, and what it mounted over itself.
        ("40 27 0:50 / /m rw - autofs /etc/auto rw\n41 40 0:51 / /m rw - nfs4 s:/e rw\n", "/m/x", "/m", "nfs4"),
        ("40 27 0:50 / /net rw - autofs -hosts rw\n41 40 0:51 / /net/s/e rw - nfs4 s:/e rw\n", "/net/s/e/x", "/net/s/e", "nfs4"),
        ("40 27 0:50 / /net rw - autofs -hosts rw\n", "/net/s/e/x", "/net", "autofs"),
        ("40 27 0:50 / /boot rw - autofs systemd-1 rw\n41 40 8:1 / /boot rw - vfat /dev/sda1 rw\n", "/boot/x", "/boot", "vfat"),
        // A bind mount of a folder of a share.
        (
            "40 27 0:50 / /m rw - nfs4 s:/e rw\n41 27 0:50 /lab /home/u/lab rw master:3 - nfs4 s:/e rw\n",
            "/home/u/lab/x",
            "/home/u/lab",
            "nfs4",
        ),
        // Octal escapes: a blank, a tab, a backslash; and what only looks like one.
        ("40 27 0:50 / /m\\040a\\011b\\134c rw - nfs4 s:/e rw\n", "/m a\tb\\c/x", "/m a\tb\\c", "nfs4"),
        ("40 27 0:50 / /m\\09 rw - nfs4 s:/e rw\n", "/m\\09/x", "/m\\09", "nfs4"),
        // Optional fields in any number, and none.
        ("40 27 0:50 / /m rw shared:1 master:2 propagate_from:3 unbindable - nfs4 s:/e rw\n", "/m/x", "/m", "nfs4"),
        // Lines that are none.
        ("\n40\n40 x y\n40 27 0:50 / /m rw nfs4\n40 27 0:50 / relative rw - nfs4 s:/e rw\n", "/m/x", "/", "ext4"),
    ];
    for (lines, path, point, kind) in rows {
        let verdict = on(lines, path);
        assert_eq!((verdict.mount_point.as_path(), verdict.file_system.as_str()), (Path::new(point), kind), "{path} in\n{lines}");
    }
}

#[test]
fn tables_without_a_root_or_that_make_no_sense() {
    let mut nowhere = |_: &Path, _: &Verdict| None;
    let empty = judge(b"", Path::new("/home/u"), &mut nowhere);
    assert!(empty.network && empty.reason.contains("taken for"), "{empty:?}");
    // Inside a chroot the root's own mount is not shown, those below are.
    let chroot = b"40 27 0:50 / /m rw - nfs4 s:/e rw\n41 27 0:51 / /proc rw - proc proc rw\n";
    assert_eq!(judge(chroot, Path::new("/m/x"), &mut nowhere).file_system, "nfs4");
    // The first file system lies below the root's; both are on /.
    let stacked = b"1 1 0:2 / / rw - rootfs rootfs rw\n27 1 0:3 / / rw - nfs4 s:/root rw\n";
    assert_eq!(judge(stacked, Path::new("/home"), &mut nowhere).file_system, "nfs4");
    // A ring of parents.
    let ring = b"1 2 0:2 / / rw - ext4 a rw\n2 1 0:3 / / rw - xfs b rw\n";
    assert!(judge(ring, Path::new("/home"), &mut nowhere).network);
}

#[test]
fn links_are_followed_and_never_asked_about_on_the_network() {
    let lines = format!("{ROOT}40 27 0:50 / /net/lab rw - nfs4 s:/e rw\n");
    let links = [
        ("/home/u/lab", "/net/lab"),
        ("/home/u/up", "../../net/lab/deep"),
        ("/home/u/two", "up/x"),
        ("/home/u/loop", "loop"),
        ("/home/u/here", "there"),
    ];
    let mut read_link = |path: &Path, _: &Verdict| {
        assert!(!path.starts_with("/net/lab"), "asked about {path:?}");
        links.iter().find(|(link, _)| Path::new(link) == path).map(|(_, target)| PathBuf::from(target))
    };
    let rows = [
        ("/home/u/lab", true),
        ("/home/u/lab/x/y", true),
        ("/home/u/up", true),
        ("/home/u/two/z", true),
        ("/net/lab/x", true),
        ("/home/u/loop/x", false),
        ("/home/u/here/x", false),
        ("/home/u/lab/../other", false),
    ];
    for (path, network) in rows {
        assert_eq!(judge(lines.as_bytes(), Path::new(path), &mut read_link).network, network, "{path}");
    }
}

#[test]
fn a_layer_is_where_its_folder_is() {
    let lines = "40 27 0:50 / /m rw - nfs4 s:/e rw\n41 27 0:51 / /clear rw - fuse.gocryptfs /m/secret rw\n\
                 42 27 0:52 / /bound rw - fuse.bindfs /home/x rw\n";
    let verdict = on(lines, "/clear/x");
    assert!(verdict.network && verdict.reason.contains("gocryptfs") && verdict.reason.contains("NFS"), "{verdict:?}");
    assert!(!on(lines, "/bound/x").network);
}

#[test]
fn fuse_is_told_from_what_only_sounds_like_it() {
    let kinds =
        [("fuse", true), ("fuseblk", true), ("fuse.sshfs", true), ("virtiofs", false), ("fusectl", false), ("nfs4", false)];
    for (kind, fuse) in kinds {
        assert_eq!(on(&format!("40 27 0:50 / /m rw - {kind} s rw\n"), "/m").is_fuse(), fuse, "{kind}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernels_own_table_is_read() {
    let verdict = detect(Path::new("/proc/self")).expect("a mount table");
    assert_eq!((verdict.file_system.as_str(), verdict.network), ("proc", false));
}

#[test]
fn options_are_those_of_the_mount_that_is_on_top() {
    let lines = "30 27 0:40 / /m rw,nosuid shared:1 - nfs4 srv:/x rw,vers=4.2,acregmax=5\n\
                 31 30 0:41 / /m ro,relatime - nfs4 srv:/y ro,hard\n\
                 32 27 0:42 / /other rw - nfs4 srv:/z rw,soft\n";
    let text = format!("{ROOT}{lines}");
    let of = |path: &str| options(text.as_bytes(), &on(lines, path));
    assert_eq!(of("/m/in").as_deref(), Some("ro,relatime,hard"));
    assert_eq!(of("/other").as_deref(), Some("rw,soft"));
    assert_eq!(of("/").as_deref(), Some("rw,relatime,discard"));
    assert_eq!(options(b"no table", &on(lines, "/m")), None);
}

proptest! {
    /// A table that makes no sense, links that lead round and round, and points that no path has.
    #[test]
    fn any_table_gives_an_answer(
        text in hostile(&[
            "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n36 21 0:50 / /mnt/lab rw,noatime master:1 - fuse.sshfs lab7:/srv rw,user_id=0\n",
            "21 21 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:6 / /mnt/a\\040b ro - nfs4 s:/x rw\n23 22 0:7 / /mnt/a\\040b rw - overlay / rw\n",
        ]),
        path in hostile(&["/mnt/lab/x", "/mnt/a b", "/mnt/../etc"]),
        target in hostile(&["/mnt/lab", "../x", "."]),
    ) {
        let path = PathBuf::from("/").join(OsString::from_vec(path));
        let target = PathBuf::from(OsString::from_vec(target));
        let found = judge(&text, &path, &mut |_, _| Some(target.clone()));
        prop_assert!(found.mount_point.is_absolute() || found.mount_point.as_os_str().is_empty());
        options(&text, &found);
    }
}

#[test]
fn a_place_on_its_file_system_is_the_same_in_every_table_that_shows_it() {
    let here = Mounts::read(format!("{ROOT}30 27 0:40 /vol /p/data rw - nfs s:/x rw\n").as_bytes());
    let there = Mounts::read(
        b"90 80 0:55 / / rw - overlay overlay rw\n91 90 254:0 /p/live /app rw - ext4 /dev/vda rw\n\
          92 91 254:0 /p/a\\040b//deleted /app/a rw - ext4 /dev/vda rw\n93 90 0:40 /vol/d /d rw - nfs s:/x rw\n",
    );
    for (path, place, same) in [
        ("/p/live", "/app", true),
        ("/p/live/x/y", "/app/x/y", true),
        ("/p/live/a", "/app/a", false),
        ("/p/a b", "/app/a", false),
        ("/p/other", "/app", false),
        ("/p/live", "/", false),
        ("/p/data/d/x", "/d/x", true),
        ("/p/data/x", "/d/x", false),
    ] {
        let (here, there) = (here.spot(Path::new(path)), there.spot(Path::new(place)));
        assert_eq!(here == there, same, "{here:?} {there:?}");
        assert!(here.is_some() && there.is_some());
    }
    assert_eq!(there.points(Path::new("/app")), [Path::new(""), Path::new("a")]);
    assert_eq!(Mounts::read(b"nonsense").spot(Path::new("/")), None);
}
