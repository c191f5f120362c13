//! The arguments of `image`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Image {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub what: What,
}

/// Which clone, and what in it is built.
#[derive(Debug, Args)]
pub struct Place {
    /// Work with the clone that this folder lies in
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub dir: Option<PathBuf>,
    /// The folder that the image is built from; without it the whole work tree
    #[arg(long, value_name = "DIR", global = true)]
    pub context: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Was the image that the registry has built from the commit that counts?
    Check(Box<Check>),
    /// Print what a build has to be told, so that its image can be checked
    Stamp(Stamp),
}

#[derive(Debug, Args)]
pub struct Check {
    /// The image, like ghcr.io/team/app:latest; without it the one of `[image]` in driftless.toml
    #[arg(value_name = "REF")]
    pub reference: Option<String>,
    /// The commit that counts: `upstream` (what the branch's remote has now), `head`, or any commit; without it upstream where there is one
    #[arg(long, value_name = "COMMIT")]
    pub against: Option<String>,
    /// Only the image for this platform, like linux/arm64; without it all
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// How long a commit may wait to be built, like 20m; without it not at all
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub grace: Option<Duration>,
    /// A label, annotation or variable of the image that names the commit, besides the usual ones; several times
    #[arg(long, value_name = "NAME")]
    pub key: Vec<String>,
    /// A URL that means this repository, besides its remotes; several times
    #[arg(long, value_name = "URL")]
    pub source: Vec<String>,
    /// Believe only what names this repository
    #[arg(long)]
    pub require_source: bool,
    /// An image from a tree that was not clean is as good as one of its commit
    #[arg(long)]
    pub allow_dirty: bool,
    /// Compare with the image that the container engine of this machine has, too
    #[arg(long)]
    pub local: bool,
    /// Do not ask the repository's remote
    #[arg(long)]
    pub no_fetch: bool,
    /// Reach this registry by plain HTTP; this machine itself always is; several times
    #[arg(long, value_name = "HOST[:PORT]")]
    pub plain_http: Vec<String>,
    /// A file with certificates of authorities that the registry's may be signed by, besides the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How long a registry that asks for patience is waited for, like 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10s")]
    pub wait: Duration,
}

#[derive(Debug, Args)]
pub struct Stamp {
    /// The same as annotations, for builders that write them (docker buildx)
    #[arg(long)]
    pub annotations: bool,
}

impl Default for Check {
    fn default() -> Check {
        Check {
            reference: None,
            against: None,
            platform: None,
            grace: None,
            key: Vec::new(),
            source: Vec::new(),
            require_source: false,
            allow_dirty: false,
            local: false,
            no_fetch: false,
            plain_http: Vec::new(),
            ca: None,
            wait: Duration::from_secs(10),
        }
    }
}

impl What {
    /// The name in `schema`.
    pub fn name(&self) -> &'static str {
        match self {
            What::Check(_) => "image.check",
            What::Stamp(_) => "image.stamp",
        }
    }
}
