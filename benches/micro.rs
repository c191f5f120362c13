//! How long single parts take: `cargo bench --bench micro`. What they are is told in `docs/benchmarks/micro.md`.

#![expect(clippy::disallowed_methods, reason = "makes the folders that are measured")]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use driftless::measured::parts::{self, CONTENT, Pair, Part};

/// Files that the parts of the model are about.
const MODEL_FILES: u64 = 2_000;
/// Files of the pairs.
const FILES: usize = 1_000;
/// Files in the manifest that is read.
const ROWS: u64 = 10_000;

fn measure(criterion: &mut Criterion, part: &mut Part) {
    criterion.bench_function(part.name, |bencher| {
        // One at a time: what is made ready (files that are removed, rows that are copied) is not to wait in the caches.
        bencher.iter_batched(&mut part.prepare, |ready| black_box(ready()), BatchSize::PerIteration);
    });
}

/// A pair below `place`, with its files on these sides.
fn pair(place: &Path, sides: &[&str]) -> Pair {
    let names: Vec<String> = (0..FILES).map(|n| format!("file {n:04}.csv")).collect();
    for side in ["staging", "network"] {
        fs::create_dir_all(place.join(side).join(".driftless")).expect("a root");
    }
    fs::create_dir(place.join("state")).expect("a folder");
    for (side, name) in sides.iter().flat_map(|side| names.iter().map(move |name| (side, name))) {
        fs::write(place.join(side).join(name), CONTENT).expect("a file");
    }
    Pair { staging: place.join("staging"), network: place.join("network"), state: place.join("state"), names }
}

fn main() {
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(3)).sample_size(40).configure_from_args();
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = |name: &str| {
        let folder = place.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        folder
    };
    let mut all = parts::pure(MODEL_FILES);
    all.push(parts::load(&folder("load"), ROWS).expect("a manifest"));
    all.push(parts::store(&folder("store")).expect("a manifest"));
    all.push(parts::scan(&pair(&folder("scan"), &["staging", "network"])).expect("roots"));
    all.push(parts::copy(pair(&folder("copy"), &["staging"])).expect("roots"));
    for part in &mut all {
        measure(&mut criterion, part);
    }
    criterion.final_summary();
}
