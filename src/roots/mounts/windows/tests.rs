use super::*;

/// Drives as they might be.
struct Drives;

impl Ask for Drives {
    fn drive(&self, letter: char) -> Drive {
        match letter {
            'Z' | 'Y' => Drive::Remote,
            'X' | 'W' => Drive::Nowhere,
            _ => Drive::OfThisMachine,
        }
    }

    fn device(&self, letter: char) -> Option<OsString> {
        let device = match letter {
            'C' => r"\Device\ImageOfTheStart",
            'D' | 'E' => r"\Device\HarddiskVolume3",
            'G' => r"\Device\Volume{2f}",
            'S' => r"\??\D:\work",
            'T' => r"\??\UNC\nas\share",
            'U' => r"\??\S:\deeper",
            'L' => r"\??\L:\",
            'V' => r"\??\C:",
            'Y' => r"\Device\WebDavRedirector\;Y:0000\dav.example\DavWWWRoot",
            'Z' => r"\Device\LanmanRedirector\;Z:000000000004\nas\share",
            _ => return None,
        };
        Some(device.into())
    }

    fn share(&self, letter: char) -> Option<OsString> {
        (letter == 'Z').then(|| r"\\nas\share".into())
    }

    fn remembered(&self, letter: char) -> Option<OsString> {
        (letter == 'X').then(|| r"\\nas\old".into())
    }

    fn volume(&self, path: &Path) -> Option<(PathBuf, String)> {
        let kind = if path.starts_with(r"E:\") || path.starts_with(r"G:\") { "FAT32" } else { "NTFS" };
        let point = if path.starts_with(r"D:\mounted") { r"D:\mounted\".into() } else { format!("{}\\", &path.to_str()?[..2]) };
        Some((PathBuf::from(point), kind.to_owned()))
    }

    fn home(&self) -> Option<char> {
        Some('C')
    }
}

#[test]
fn each_kind_of_drive_and_share_is_told() {
    for (path, network, kind, point, says) in [
        (r"C:\Users\me", false, "NTFS", r"C:\", "a disk of this machine"),
        (r"c:\Users\me", false, "NTFS", r"c:\", "a disk of this machine"),
        (r"\\?\D:\a", false, "NTFS", r"\\\", "a disk of this machine"),
        (r"D:\mounted\a", false, "NTFS", r"D:\mounted\", "a disk"),
        (r"E:\a", false, "FAT32", r"E:\", "a disk"),
        (r"G:\My Drive", true, "FAT32", r"G:\", "served by a program"),
        (r"S:\in", false, "NTFS", r"D:\", r#"S: stands for "D:\work\" (subst)"#),
        (r"T:\in", true, "smb", r"\\nas\share\", "(subst)"),
        (r"U:\in", false, "NTFS", r"D:\", r#"U: stands for "S:\deeper\""#),
        (r"V:\in", false, "NTFS", r"C:\", "subst"),
        (r"Z:\project", true, "smb", r"Z:\", r"mapped to \\nas\share"),
        (r"z:\project", true, "smb", r"Z:\", r"mapped to \\nas\share"),
        (r"Y:\project", true, "webdav", r"Y:\", "WebDAV"),
        (r"X:\project", true, "unknown", r"X:\", r"\\nas\old works everywhere"),
        (r"W:\project", true, "unknown", r"W:\", "There is no drive W:"),
        (r"\\nas\share\a", true, "smb", r"\\nas\share\", "a share of another machine"),
        (r"\\?\UNC\nas\share\a", true, "smb", r"\\nas\share\", "a share"),
        (r"\\?\unc\nas\share\a", true, "unknown", r"\\?\unc\", "cannot be told"),
        (r"\\?\GLOBALROOT\Device\Mup\nas\share", true, "unknown", r"\\?\GLOBALROOT\", "cannot be told"),
        (r"\\wsl$\Ubuntu\home\me", true, "9p", r"\\wsl$\Ubuntu\", "the WSL distribution Ubuntu"),
        (r"\\WSL.localhost\Debian\home", true, "9p", r"\\WSL.localhost\Debian\", "WSL"),
        (r"\\wsl$\docker-desktop-data\x", true, "9p", r"\\wsl$\docker-desktop-data\", "no place for a project"),
        (r"\\tsclient\C\a", true, "rdpdr", r"\\tsclient\C\", "remote desktop"),
        (r"\\dav.example@SSL\DavWWWRoot\a", true, "webdav", r"\\dav.example@SSL\DavWWWRoot\", "WebDAV"),
    ] {
        let verdict = judge(Path::new(path), &Drives, MOST_STEPS).expect(path);
        assert_eq!((verdict.network, verdict.file_system.as_str()), (network, kind), "{path}: {verdict:?}");
        if !path.starts_with(r"\\?\D") {
            assert_eq!(verdict.mount_point.as_os_str(), point, "{path}");
        }
        assert!(verdict.reason.contains(says), "{path}: {}", verdict.reason);
    }
    for odd in [r"L:\loop", r"\\.\COM1"] {
        assert!(judge(Path::new(odd), &Drives, MOST_STEPS).is_err(), "{odd}");
    }
}

#[test]
fn the_drive_of_windows_is_never_on_the_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let verdict = super::super::detect(folder.path()).expect("a verdict");
    assert!(!verdict.network, "{verdict:?}");
    let home = std::env::var("SystemRoot").expect("Windows is somewhere");
    let verdict = super::super::detect(&Path::new(&home).join("no such folder")).expect("a verdict");
    assert!(!verdict.network, "{verdict:?}");
}
