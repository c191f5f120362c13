//! What made-up projects look like: which files there are, how long each is, and what is in it. A function of a seed and a
//! number, so that a million files need no memory and the same words make the same tree everywhere.

use std::f64::consts::E;

/// A kind of project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Source code: many small texts in deep folders.
    Code,
    /// A laboratory: tables, databases, files of instruments, snapshots.
    Lab,
    /// Very many files of 20 bytes.
    TinyMillion,
    /// One file that has nearly everything.
    HugeFile,
}

impl Profile {
    pub const ALL: [Profile; 4] = [Profile::Code, Profile::Lab, Profile::TinyMillion, Profile::HugeFile];

    pub fn word(self) -> &'static str {
        match self {
            Profile::Code => "code",
            Profile::Lab => "lab",
            Profile::TinyMillion => "tiny-million",
            Profile::HugeFile => "huge-file",
        }
    }

    /// How many files it has where nobody says.
    pub fn usual_files(self) -> u64 {
        match self {
            Profile::Code => 10_000,
            Profile::Lab => 3_000,
            Profile::TinyMillion => 1_000_000,
            Profile::HugeFile => 8,
        }
    }
}

/// What the bytes of a file are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texture {
    /// Lines of words.
    Words,
    /// Rows of numbers.
    Table,
    /// Nothing that could be made shorter: what instruments and cameras write.
    Noise,
    /// An SQLite database.
    Database,
}

/// One file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Below the project, with `/`.
    pub path: String,
    pub length: u64,
    pub texture: Texture,
    /// What its content is made from.
    pub seed: u64,
    /// Seconds since 1970.
    pub modified: u64,
}

/// A whole project, file by file.
#[derive(Clone, Debug)]
pub struct Blueprint {
    profile: Profile,
    files: u64,
    seed: u64,
    /// By how much each file is longer than its profile says.
    stretch: f64,
}

/// Files of one folder, in `code` and `tiny-million`.
const CODE_FOLDER: u64 = 14;
const TINY_FOLDER: u64 = 1000;
/// Files of one experiment in `lab`.
const EXPERIMENT: u64 = 60;
const KIB: f64 = 1024.0;

const WORDS: [&str; 32] = [
    "align", "assay", "batch", "buffer", "cache", "client", "config", "core", "count", "driver", "engine", "export", "filter",
    "format", "graph", "import", "index", "layout", "merge", "model", "network", "parser", "plate", "queue", "reader", "sample",
    "server", "signal", "store", "table", "view", "writer",
];

/// The areas of a code project, by how many of a hundred folders are in each, with the endings of their files.
const AREAS: [(&str, u64, &[&str]); 5] = [
    ("src", 45, &["rs", "py", "c", "h", "ts"]),
    ("vendor", 22, &["js", "json", "js", "md"]),
    ("tests", 18, &["py", "rs", "json"]),
    ("docs", 10, &["md", "rst", "svg"]),
    ("assets", 5, &["png", "woff2"]),
];

impl Blueprint {
    /// `bytes` is what all files have together, nearly; without it what is usual.
    pub fn new(profile: Profile, files: Option<u64>, bytes: Option<u64>, seed: u64) -> Blueprint {
        let files = files.unwrap_or(profile.usual_files()).max(1);
        let plain = Blueprint { profile, files, seed, stretch: 1.0 };
        let Some(bytes) = bytes else { return plain };
        let natural = plain.bytes().max(1);
        Blueprint { stretch: bytes as f64 / natural as f64, ..plain }
    }

    pub fn files(&self) -> u64 {
        self.files
    }

    /// What all files have together; databases are a page longer or shorter.
    pub fn bytes(&self) -> u64 {
        (0..self.files).map(|number| self.file(number).length).sum()
    }

    pub fn file(&self, number: u64) -> File {
        let chance = mixed(self.seed ^ mixed(number.wrapping_add(1)));
        let file = match self.profile {
            Profile::Code => code(number, chance, self.seed),
            Profile::Lab => lab(number, chance),
            Profile::TinyMillion => tiny(number, chance),
            Profile::HugeFile => huge(number, chance),
        };
        let length = (file.length as f64 * self.stretch).round().max(1.0) as u64;
        File { length, modified: 1_600_000_000 + chance % 50_000_000, ..file }
    }
}

/// splitmix64: equal numbers to equal ones, neighbours to far ones.
pub fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn word(chance: u64) -> &'static str {
    WORDS[(chance % WORDS.len() as u64) as usize]
}

/// Lengths as they are found: most are near the middle, few are many times as long.
fn spread(chance: u64, middle: f64, sigma: f64, longest: f64) -> u64 {
    let uniform = |salt: u64| mixed(chance ^ salt) as f64 / u64::MAX as f64;
    // Four of them are as good as a normal distribution here.
    let normal = (uniform(1) + uniform(2) + uniform(3) + uniform(4) - 2.0) * 1.732;
    (middle * E.powf(sigma * normal)).clamp(1.0, longest) as u64
}

fn made(path: String, length: u64, texture: Texture, seed: u64) -> File {
    File { path, length, texture, seed, modified: 0 }
}

fn code(number: u64, chance: u64, seed: u64) -> File {
    let folder = number / CODE_FOLDER;
    let mut share = mixed(seed ^ mixed(folder)) % 100;
    let area = AREAS.iter().find(|(_, of_hundred, _)| {
        let here = share < *of_hundred;
        share = share.saturating_sub(*of_hundred);
        here
    });
    let (name, _, endings) = area.unwrap_or(&AREAS[0]);
    let mut path = (*name).to_owned();
    // Folders nest as the digits of their number do.
    let mut left = folder;
    while left > 0 {
        path = format!("{path}/{}", word(mixed(left % 6) ^ seed));
        left /= 6;
    }
    let ending = endings[(chance % endings.len() as u64) as usize];
    path = format!("{path}/{}_{}_{number:04}.{ending}", word(chance >> 8), word(chance >> 16));
    match ending {
        "png" | "woff2" => made(path, spread(chance, 24.0 * KIB, 1.0, 2048.0 * KIB), Texture::Noise, chance),
        _ => made(path, spread(chance, 3.0 * KIB, 1.3, 1024.0 * KIB), Texture::Words, chance),
    }
}

fn lab(number: u64, chance: u64) -> File {
    let (experiment, part) = (number / EXPERIMENT, number % EXPERIMENT);
    let (month, day) = (1 + experiment / 28 % 12, 1 + experiment % 28);
    let top = format!("{}-{month:02}-{day:02}_plate-{experiment:03}", 2021 + experiment / 336);
    let well = |number: u64| format!("{}{:02}", char::from(b'A' + (number / 6 % 8) as u8), 1 + number % 6);
    match part {
        0 => made(format!("{top}/results.db"), spread(chance, 192.0 * KIB, 0.6, 4096.0 * KIB), Texture::Database, chance),
        1 => made(format!("{top}/raw/scan.raw"), spread(chance, 2048.0 * KIB, 0.5, 16384.0 * KIB), Texture::Noise, chance),
        2 => made(format!("{top}/raw/stack.tif"), spread(chance, 1024.0 * KIB, 0.5, 8192.0 * KIB), Texture::Noise, chance),
        3 => made(format!("{top}/notes.md"), spread(chance, 2.0 * KIB, 0.7, 64.0 * KIB), Texture::Words, chance),
        4 => made(format!("{top}/workflow_state.json"), spread(chance, KIB, 0.4, 16.0 * KIB), Texture::Words, chance),
        5..=32 => {
            made(format!("{top}/tables/{}.csv", well(part)), spread(chance, 9.0 * KIB, 0.9, 512.0 * KIB), Texture::Table, chance)
        }
        33..=44 => {
            let path = format!("{top}/images/{}.png", well(part));
            made(path, spread(chance, 48.0 * KIB, 0.6, 1024.0 * KIB), Texture::Noise, chance)
        }
        // A table as it was: the same beginning, less of it.
        45..=52 => {
            let path = format!("{top}/.snapshots/{:02}/{}.csv", part - 44, well(part));
            made(path, spread(chance, 6.0 * KIB, 0.9, 256.0 * KIB), Texture::Table, mixed(experiment))
        }
        _ => made(
            format!("{top}/logs/step-{:02}.log", part - 52),
            spread(chance, 3.0 * KIB, 1.0, 128.0 * KIB),
            Texture::Words,
            chance,
        ),
    }
}

fn tiny(number: u64, chance: u64) -> File {
    let folder = number / TINY_FOLDER;
    made(format!("part-{}/folder-{folder:04}/file-{:03}.txt", folder % 10, number % TINY_FOLDER), 20, Texture::Words, chance)
}

fn huge(number: u64, chance: u64) -> File {
    match number {
        0 => made("acquisition/stack.raw".to_owned(), 1 << 30, Texture::Noise, chance),
        _ => made(format!("acquisition/parts/tile-{number:04}.txt"), 512, Texture::Words, chance),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_is_the_same_project_and_another_is_another() {
        for profile in Profile::ALL {
            let files =
                |seed| (0..200).map(|number| Blueprint::new(profile, Some(200), None, seed).file(number)).collect::<Vec<_>>();
            assert_eq!(files(7), files(7), "{profile:?}");
            assert_ne!(files(7), files(8), "{profile:?}");
        }
    }

    #[test]
    fn no_name_is_given_twice_or_is_a_folder_too() {
        for profile in Profile::ALL {
            let blueprint = Blueprint::new(profile, Some(5_000), None, 1);
            let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
            for number in 0..blueprint.files() {
                let path = blueprint.file(number).path;
                folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
                assert!(files.insert(path.clone()), "{path}");
            }
            assert!(files.is_disjoint(&folders), "{profile:?}");
            assert!(folders.len() > 1, "{profile:?} {folders:?}");
        }
    }

    #[test]
    fn all_files_together_have_what_was_asked_for() {
        for profile in Profile::ALL {
            for bytes in [1 << 20, 50 << 20] {
                let got = Blueprint::new(profile, Some(300), Some(bytes), 3).bytes();
                assert!(got.abs_diff(bytes) < bytes / 50, "{profile:?}: {got} of {bytes}");
            }
        }
    }

    #[test]
    fn a_project_of_code_is_of_the_usual_size() {
        let mean = Blueprint::new(Profile::Code, None, None, 1).bytes() / Profile::Code.usual_files();
        assert!((4_000..16_000).contains(&mean), "{mean} bytes a file");
    }
}
