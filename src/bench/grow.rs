//! Makes the files of a project as its blueprint says.

use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::profile::{Blueprint, File, Texture, mixed};
use super::{Error, Stopped};
use crate::disk::ground::Ground;
use crate::sqlite;

/// The files of a project in the folder `below`; `told` is told how many there are.
pub fn grow(ground: &Ground, below: &Path, blueprint: &Blueprint, told: &dyn Fn(u64), stopped: &Stopped) -> Result<(), Error> {
    ground.make_folder(below)?;
    for number in 0..blueprint.files() {
        stopped.check()?;
        let file = blueprint.file(number);
        make(ground, &below.join(&file.path), &file)?;
        told(number + 1);
    }
    Ok(())
}

fn make(ground: &Ground, path: &Path, file: &File) -> Result<(), Error> {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(file.modified);
    if file.texture == Texture::Database {
        path.parent().map_or(Ok(Default::default()), |folder| ground.make_folder(folder))?;
        sqlite::sample::write(&ground.at(path), file.length, file.seed)?;
        return Ok(ground.touch(path, modified)?);
    }
    Ok(ground.write(path, &mut Content::new(file.texture, file.length, file.seed), modified)?)
}

/// The bytes of one file.
pub struct Content {
    texture: Texture,
    chance: u64,
    left: u64,
    /// Made and not handed out yet.
    piece: Vec<u8>,
    at: usize,
}

/// So much is made at a time.
const PIECE: usize = 8192;

impl Content {
    pub fn new(texture: Texture, length: u64, seed: u64) -> Content {
        Content { texture, chance: mixed(seed), left: length, piece: Vec::with_capacity(PIECE + 64), at: 0 }
    }

    fn next(&mut self) -> u64 {
        // xorshift64*: quick, and never stuck at zero because it does not begin there.
        let mut chance = self.chance | 1;
        chance ^= chance >> 12;
        chance ^= chance << 25;
        chance ^= chance >> 27;
        self.chance = chance;
        chance.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn refill(&mut self) {
        self.piece.clear();
        self.at = 0;
        while self.piece.len() < PIECE {
            let chance = self.next();
            match self.texture {
                Texture::Noise | Texture::Database => self.piece.extend_from_slice(&chance.to_le_bytes()),
                Texture::Table => {
                    let (whole, part) = (chance % 400, chance >> 32 & 0x3ff);
                    let end = if chance >> 60 == 0 { '\n' } else { ',' };
                    self.piece.extend_from_slice(format!("{whole}.{part:03}{end}").as_bytes());
                }
                Texture::Words => {
                    const SYLLABLES: [&str; 16] = [
                        "re", "con", "file", "(", "sync", "er", " ", "in", "out", " = ", "data", ") ", "the ", "node", ".", "\n",
                    ];
                    for shift in (0..64).step_by(4) {
                        self.piece.extend_from_slice(SYLLABLES[(chance >> shift & 15) as usize].as_bytes());
                    }
                }
            }
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && self.left > 0 {
            self.refill();
        }
        let count = buffer.len().min(self.piece.len() - self.at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_its_length_its_seed_and_its_texture() {
        let made = |texture, length, seed| {
            let mut bytes = Vec::new();
            Content::new(texture, length, seed).read_to_end(&mut bytes).expect("bytes");
            bytes
        };
        for texture in [Texture::Words, Texture::Table, Texture::Noise] {
            for length in [0, 1, 20, 8191, 8192, 8193, 100_001] {
                assert_eq!(made(texture, length, 5).len() as u64, length, "{texture:?}");
            }
            assert_eq!(made(texture, 50_000, 5), made(texture, 50_000, 5));
            assert_ne!(made(texture, 50_000, 5), made(texture, 50_000, 6));
            // A shorter one is the beginning of a longer one: a snapshot of a table.
            assert_eq!(made(texture, 30_000, 5), made(texture, 50_000, 5)[..30_000]);
        }
        assert!(made(Texture::Table, 10_000, 1).iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b'\n')));
    }

    #[test]
    fn the_same_seed_makes_the_same_files_databases_included() {
        use super::super::profile::Profile;
        use crate::disk::ground;
        let place = tempfile::tempdir().expect("a folder");
        let grounds: Vec<Ground> = [7, 7, 8]
            .map(|seed| {
                let ground = Ground::make(place.path()).expect("made");
                let blueprint = Blueprint::new(Profile::Lab, Some(61), Some(400_000), seed);
                grow(&ground, Path::new("project"), &blueprint, &|_| {}, &Stopped(Default::default())).expect("grown");
                ground
            })
            .into();
        let [one, same, other] = [0, 1, 2].map(|number: usize| {
            let (mut all, top) = (Vec::new(), grounds[number].at("project"));
            ground::walk(&top, "", &mut |path, seen| {
                let content = ground::part(&top.join(path), 0, 1 << 24).unwrap_or_default();
                let modified = (seen.kind == ground::Kind::File).then_some(seen.modified);
                all.push((path.to_path_buf(), modified, content));
                Ok(true)
            })
            .expect("walked");
            all
        });
        assert!(one == same, "two trees of one seed differ");
        assert!(one != other, "another seed makes the same tree");
        assert!(one.iter().any(|(path, ..)| path.ends_with("results.db")));
    }
}
