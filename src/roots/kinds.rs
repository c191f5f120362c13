//! Which file systems lie on another machine, by the names that kernels give them. Tables; nothing is asked.

/// Where a file system keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Local,
    /// On another machine, by this protocol.
    Network(&'static str),
    /// On the host of this virtual machine: answers are cached and events missing as on a network.
    Host(&'static str),
    /// An automount point with nothing mounted yet.
    OnDemand,
    /// A FUSE program that is not in the tables.
    Assumed,
}

impl Place {
    pub(super) fn is_network(self) -> bool {
        self != Place::Local
    }
}

/// Types of the kernel, and subtypes of FUSE.
const NETWORK: &[(&str, &str)] = &[
    ("9p", "9P"),
    ("acfs", "a cluster file system"),
    ("afp", "AFP"),
    ("afpfs", "AFP"),
    ("afs", "AFS"),
    ("beegfs", "BeeGFS"),
    ("blobfuse", "Azure Blob Storage"),
    ("blobfuse2", "Azure Blob Storage"),
    ("ceph", "Ceph"),
    ("ceph-fuse", "Ceph"),
    ("cifs", "SMB"),
    ("coda", "Coda"),
    ("curlftpfs", "FTP"),
    ("davfs", "WebDAV"),
    ("davfs2", "WebDAV"),
    ("fhgfs", "BeeGFS"),
    ("ftp", "FTP"),
    ("gcsfuse", "Google Cloud Storage"),
    ("gfs2", "a cluster file system"),
    ("glusterfs", "GlusterFS"),
    ("google-drive-ocamlfuse", "Google Drive"),
    ("goofys", "S3"),
    ("gpfs", "GPFS"),
    ("gvfsd-fuse", "GVfs, where the desktop puts its network places"),
    ("juicefs", "JuiceFS"),
    ("lustre", "Lustre"),
    ("mfs", "MooseFS"),
    ("mount-s3", "S3"),
    ("moosefs", "MooseFS"),
    ("ncp", "NCP"),
    ("ncpfs", "NCP"),
    ("nfs", "NFS"),
    ("nfs3", "NFS"),
    ("nfs4", "NFS"),
    ("ocfs2", "a cluster file system"),
    ("onedriver", "OneDrive"),
    ("orangefs", "OrangeFS"),
    ("panfs", "PanFS"),
    ("pvfs2", "OrangeFS"),
    ("rclone", "rclone"),
    ("s3fs", "S3"),
    ("seaweedfs", "SeaweedFS"),
    ("smb2", "SMB"),
    ("smb3", "SMB"),
    ("smbfs", "SMB"),
    ("smbnetfs", "SMB"),
    ("sshfs", "SFTP"),
    ("webdav", "WebDAV"),
    ("wekafs", "WekaFS"),
    ("xtreemfs", "XtreemFS"),
];

const HOST: &[(&str, &str)] = &[
    ("drvfs", "a Windows drive"),
    ("fakeowner", "Docker Desktop's file sharing"),
    ("grpcfuse", "Docker Desktop's file sharing"),
    ("osxfs", "Docker Desktop's file sharing"),
    ("prl_fs", "a Parallels shared folder"),
    ("vboxsf", "a VirtualBox shared folder"),
    ("virtiofs", "a virtiofs share"),
    ("vmhgfs", "a VMware shared folder"),
    ("vmhgfs-fuse", "a VMware shared folder"),
];

/// Subtypes of FUSE that keep their files on this machine's disks.
const LOCAL_FUSE: &[&str] = &[
    "apfs",
    "apfs-fuse",
    "archivemount",
    "bindfs",
    "ciopfs",
    "cryfs",
    "disorderfs",
    "dislocker",
    "dwarfs",
    "encfs",
    "erofsfuse",
    "exfat",
    "exfat-fuse",
    "ext2",
    "ext4fuse",
    "fuse-ext2",
    "fuse-overlayfs",
    "fuse-zip",
    "fuse2fs",
    "fuseiso",
    "gocryptfs",
    "hfsfuse",
    "lowntfs-3g",
    "lxcfs",
    "mergerfs",
    "mhddfs",
    "ntfs",
    "ntfs-3g",
    "overlayfs",
    "portal",
    "posixovl",
    "ratarmount",
    "securefs",
    "snapfuse",
    "squashfuse",
    "squashfuse_ll",
    "unionfs",
    "unionfs-fuse",
    "veracrypt",
    "zfs-fuse",
];

/// Where a file system of this kind lies. `kind` is as the kernel says it (`fuse.sshfs`), `source` what was mounted.
pub(super) fn place(kind: &str, source: &[u8]) -> Place {
    let subtype = kind.strip_prefix("fuse.");
    let name = subtype.unwrap_or(kind);
    if let Some(&(_, what)) = NETWORK.iter().find(|(known, _)| *known == name) {
        return Place::Network(what);
    }
    if let Some(&(_, what)) = HOST.iter().find(|(known, _)| *known == name) {
        return Place::Host(what);
    }
    match (kind, subtype) {
        ("autofs", _) => Place::OnDemand,
        // A block device of this machine: exFAT, NTFS.
        ("fuseblk", _) => Place::Local,
        ("fuse" | "macfuse" | "osxfuse", _) => unnamed_fuse(source),
        (_, Some(subtype)) if LOCAL_FUSE.contains(&subtype) => Place::Local,
        (_, Some(_)) => Place::Assumed,
        // Kernels hold few network file systems and many local ones, and every one of the few is in the table.
        _ => Place::Local,
    }
}

/// FUSE without a subtype, where only the source tells: davfs2 shows its address, lowntfs-3g its image.
fn unnamed_fuse(source: &[u8]) -> Place {
    if source.starts_with(b"http://") || source.starts_with(b"https://") {
        return Place::Network("WebDAV");
    }
    if source.starts_with(b"sshfs#") {
        return Place::Network("SFTP");
    }
    if source.starts_with(b"/") && !source.starts_with(b"//") && !source.starts_with(b"/dev/fuse") {
        return Place::Local;
    }
    Place::Assumed
}
