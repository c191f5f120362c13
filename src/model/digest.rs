//! The content digest: XXH3, 128 bits. It tells versions apart; it is no defence against forged content.

use std::fmt;

/// The digest of a file's whole content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

/// The name the manifest stores beside its digests.
pub const ALGORITHM: &str = "xxh3-128";

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A digest in the making: feed it the content in order.
#[derive(Default)]
pub struct Digesting(Box<xxhash_rust::xxh3::Xxh3>);

impl Digesting {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> Digest {
        Digest(self.0.digest128().to_be_bytes())
    }

    /// Ready for the next file, without a new allocation.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// The digest of content that is in memory.
pub fn of(bytes: &[u8]) -> Digest {
    Digest(xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_the_digest_of_the_whole() {
        let whole: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let mut digesting = Digesting::default();
        whole.chunks(777).for_each(|piece| digesting.update(piece));
        assert_eq!(digesting.finish(), of(&whole));
        digesting.reset();
        assert_eq!(digesting.finish(), of(b""));
    }
}
