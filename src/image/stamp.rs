//! What a build has to be told, so that its image can be checked: the commit, the repository, and the tree of its context.

use super::evidence::{CONTEXT, REVISION, SOURCE};
use super::source::public;

/// The stamps of one build: keys and words. None of them holds a space or a sign of a shell, so that `$(driftless image stamp)`
/// comes out whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub pairs: Vec<(&'static str, String)>,
}

/// What is known of the tree that is built.
pub struct Built<'a> {
    /// The whole name of the commit that is checked out.
    pub commit: &'a str,
    /// The tree of the context in it.
    pub tree: Option<&'a str>,
    /// Does the context on the disk differ from that commit?
    pub dirty: bool,
    /// The URL of the remote, as it is set.
    pub remote: Option<&'a str>,
}

impl Stamp {
    pub fn of(built: &Built<'_>) -> Stamp {
        let dirty = if built.dirty { "-dirty" } else { "" };
        let mut pairs = vec![(REVISION, format!("{}{dirty}", built.commit))];
        pairs.extend(built.remote.and_then(public).map(|source| (SOURCE, source)));
        // A tree that is not clean is not the tree of that commit. An empty word takes the place of what the base may have said.
        let tree = built.tree.filter(|_| !built.dirty).unwrap_or_default();
        pairs.push((CONTEXT, tree.to_owned()));
        Stamp { pairs }
    }

    /// For `docker build`, in one line.
    pub fn arguments(&self, annotations: bool) -> String {
        let mut words: Vec<String> = self.pairs.iter().map(|(key, word)| format!("--label {key}={word}")).collect();
        if annotations {
            let said = self.pairs.iter().filter(|(_, word)| !word.is_empty());
            words.extend(said.map(|(key, word)| format!("--annotation index,manifest:{key}={word}")));
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_fit_into_a_line_of_a_shell() {
        let built = Built { commit: "abc", tree: Some("def"), dirty: false, remote: Some("git@github.com:a/b.git") };
        assert_eq!(
            Stamp::of(&built).arguments(false),
            "--label org.opencontainers.image.revision=abc --label org.opencontainers.image.source=https://github.com/a/b \
             --label dev.driftless.context=def"
        );
        let dirty = Built { dirty: true, remote: Some("/srv/$(reboot)"), ..built };
        assert_eq!(
            Stamp::of(&dirty).arguments(true),
            "--label org.opencontainers.image.revision=abc-dirty --label dev.driftless.context= \
             --annotation index,manifest:org.opencontainers.image.revision=abc-dirty"
        );
    }
}
