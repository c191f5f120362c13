//! The arguments of `bench`.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::bench::Way;
use crate::bench::peer::Tool;
use crate::bench::profile::Profile;
use crate::bench::scenario::Scenario;
use crate::cli::settings::value::{Kind, Value};

#[derive(Debug, Args)]
pub struct Bench {
    /// What the made-up project looks like: source code, a laboratory with databases and instruments' files, very many tiny files,
    /// one huge file
    #[arg(long, value_enum, default_value_t = Look::Code)]
    pub profile: Look,
    /// Measure on a copy of this folder instead; it is only read
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "files", "bytes", "scale", "seed"])]
    pub project: Option<PathBuf>,
    /// How many files the project has, like 500 or 10k; without it what its profile usually has
    #[arg(long, value_name = "N", value_parser = number)]
    pub files: Option<u64>,
    /// What all files have together, like 200MiB; without it what its profile usually has
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub bytes: Option<u64>,
    /// Measure projects of these sizes, like 10k,100k,1M, and tell how time and memory grow
    #[arg(long, value_name = "LIST", value_parser = number, value_delimiter = ',', conflicts_with = "files")]
    pub scale: Vec<u64>,
    /// The same number makes the same project
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What is measured; without it everything
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub scenarios: Vec<What>,
    /// Which other tools are measured in turn: those that are installed, if nothing is said; `none`
    #[arg(long, value_name = "LIST", value_parser = peers(), value_delimiter = ',', hide_possible_values = false)]
    pub peers: Vec<String>,
    /// How often each scenario is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How many files `changed`, `conflicts` and `flush` change
    #[arg(long, value_name = "N", default_value = "10", value_parser = number)]
    pub changed: u64,
    /// How many files `event` saves in each round
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub events: u32,
    /// How long the file of `append` and `middle` is at least
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub huge: u64,
    /// Where the network roots are made, in a folder that is removed at the end: a mounted share; without it beside staging
    #[arg(long, value_name = "DIR")]
    pub network: Option<PathBuf>,
    /// The same for staging; without it the folder for temporary files
    #[arg(long, value_name = "DIR")]
    pub staging: Option<PathBuf>,
    /// On which side the project changes: in staging (up) or on the network root (down)
    #[arg(long, value_enum, default_value_t = Direction::Up)]
    pub way: Direction,
    /// Make the network root far away: each request to it waits so many milliseconds, and is counted (Linux; 0 only counts)
    #[arg(long, value_name = "MS", value_parser = wait)]
    pub latency: Option<Duration>,
    /// How many requests wait side by side
    #[arg(long, value_name = "N", default_value_t = 64, requires = "latency", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub latency_width: u16,
    /// How long the system believes what the far root told of names and attributes, like 20s; 0s: not at all
    #[arg(long, value_name = "DURATION", default_value = "1s", requires = "latency", value_parser = humantime::parse_duration)]
    pub latency_cache: Duration,
    /// Write a page with plots into this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A profile as it is typed.
#[derive(Clone, Copy, Debug)]
pub struct Look(pub Profile);

#[expect(non_upper_case_globals, reason = "a default that reads like a variant")]
impl Look {
    const Code: Look = Look(Profile::Code);
}

impl ValueEnum for Look {
    fn value_variants<'a>() -> &'a [Look] {
        static ALL: [Look; Profile::ALL.len()] = {
            let mut all = [Look::Code; Profile::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = Look(Profile::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word()))
    }
}

/// A scenario as it is typed.
#[derive(Clone, Copy, Debug)]
pub struct What(pub Scenario);

impl ValueEnum for What {
    fn value_variants<'a>() -> &'a [What] {
        static ALL: [What; Scenario::ALL.len()] = {
            let mut all = [What(Scenario::First); Scenario::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = What(Scenario::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word()).help(self.0.sentence()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    Up,
    Down,
}

impl Direction {
    pub fn way(self) -> Way {
        match self {
            Direction::Up => Way::Up,
            Direction::Down => Way::Down,
        }
    }
}

/// No peer at all.
const NONE: &str = "none";

fn peers() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new([NONE].into_iter().chain(Tool::PEERS.map(Tool::word)))
}

impl Bench {
    /// Ourselves, then the peers that were named, or all.
    pub fn tools(&self) -> Vec<Tool> {
        let wanted = |tool: &Tool| self.peers.is_empty() || self.peers.iter().any(|name| name == tool.word());
        [Tool::Driftless].into_iter().chain(Tool::PEERS.into_iter().filter(wanted)).collect()
    }

    /// In the order in which they are measured.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let wanted = |scenario: &Scenario| self.scenarios.is_empty() || self.scenarios.iter().any(|what| what.0 == *scenario);
        Scenario::ALL.into_iter().filter(wanted).collect()
    }
}

/// `500`, `10k`, `1M`.
fn number(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number
        .filter(|number| (1..=100_000_000).contains(number))
        .ok_or_else(|| "a number from 1 to 100M, like 500, 10k or 1M".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    match Kind::Size.parse(text) {
        Ok(Value::Size(Some(bytes))) if bytes > 0 => Ok(bytes),
        _ => Err("a size, like 64KiB, 200MiB or 4GiB".to_owned()),
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    let known = text.parse::<f64>().ok().filter(|ms| (0.0..=10_000.0).contains(ms));
    known.map(|ms| Duration::from_secs_f64(ms / 1000.0)).ok_or_else(|| "milliseconds from 0 to 10000, like 5 or 0.5".to_owned())
}

/// As the shell would need it to be typed again, nearly: for people.
pub fn typed(words: impl Iterator<Item = impl AsRef<OsStr>>) -> String {
    let quoted = |word: &OsStr| {
        let word = word.to_string_lossy();
        if word.contains([' ', '\'', '"', '$', '&']) { format!("'{}'", word.replace('\'', "'\\''")) } else { word.into_owned() }
    };
    words.map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_waits() {
        let good = [("1", 1), ("500", 500), ("10k", 10_000), ("1M", 1_000_000)];
        good.iter().for_each(|(text, expected)| assert_eq!(number(text), Ok(*expected), "{text}"));
        ["", "0", "k", "1.5k", "-1", "1G", "101M", "99999999999999999999"]
            .iter()
            .for_each(|bad| assert!(number(bad).is_err(), "{bad}"));
        assert_eq!(wait("2.5"), Ok(Duration::from_micros(2_500)));
        ["-1", "NaN", "inf", "10001", "5ms"].iter().for_each(|bad| assert!(wait(bad).is_err(), "{bad}"));
        assert_eq!(size("64KiB"), Ok(64 << 10));
        ["0", "auto", "much"].iter().for_each(|bad| assert!(size(bad).is_err(), "{bad}"));
    }
}
