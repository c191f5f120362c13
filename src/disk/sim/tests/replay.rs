//! The same seed tells the same story, and the books agree with the names after every step of it.

use super::*;
use crate::disk::sim::{Crash, Seed, User, weather};
use crate::disk::{Onto, Reader, clock};
use crate::model::digest::{self, Digest};

const PATHS: [&str; 8] = ["a", "b", "f", "f/a", "f/b", "f/g", "f/g/a", ".driftless/trash/a"];

fn pick(draws: &mut Seed) -> &'static str {
    PATHS[draws.below(PATHS.len() as u64) as usize]
}

fn edit(user: &User, draws: &mut Seed) {
    let (at, to) = (pick(draws), pick(draws));
    let bytes = draws.draw().to_le_bytes();
    // What cannot be done at the moment is not.
    let _ = match draws.below(10) {
        0..=2 => user.write(at, &bytes),
        3 => user.replace(at, &bytes),
        4 => user.append(at, &bytes),
        5 => user.delete_all(at),
        6 => user.rename(at, to),
        7 => user.make_folder(at),
        8 => user.swap(at, to),
        _ => user.link(at, to),
    };
}

fn copy(reader: &mut dyn Reader, to: &dyn Folder, temp: &Name) -> Result<()> {
    let (mut writer, mut buffer) = (to.stage(temp)?, [0; 5]);
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            count => writer.write_all(&buffer[..count])?,
        }
    }
    writer.finish(reader.opened().mtime, Some(0o644), true).map(drop)
}

/// Something that an engine could do: a copy, a move, a look, a removal.
fn act(from: &dyn Root, to: &dyn Root, draws: &mut Seed) -> Result<()> {
    let (at, other) = (path(pick(draws)), path(pick(draws)));
    let (parent, file) = at.parent().zip(at.name()).expect("a path below the root");
    let target = to.folder(&parent)?;
    match draws.below(6) {
        0 | 1 => {
            let temp = name(&format!(".dl~{}", draws.below(1_000)));
            copy(&mut *from.folder(&parent)?.read(&file)?, &*target, &temp)?;
            target.rename(&temp, &file, Onto::File)?;
            target.flush()
        }
        2 => to.rename(&at, &other, Onto::Nothing),
        3 => to.link(&at, &other),
        4 => target.remove_file(&file),
        _ => target.list().and_then(|_| target.look(&file, Freshness::Cached)).map(drop),
    }
}

fn agree(volume: &Volume) {
    volume.with(|inner, at| {
        let medium = inner.seats[at].own();
        assert_eq!(medium.counts, medium.counted(), "{:?}", inner.log.last());
    });
}

/// 300 steps in bad weather with users, crashes and outages; the log, and what is left.
fn story(seed: u64) -> (Vec<String>, Vec<String>, usize, Digest) {
    let world = World::new(seed);
    let volumes = [world.volume("staging", Habits::LOCAL), world.volume("network", Habits::SSHFS)];
    let mut draws = world.draws();
    for volume in &volumes {
        volume.user().make_folders(".driftless/trash").expect("made");
        volume.user().make_folders("f/g").expect("made");
        volume.plan(weather(5_000));
    }
    let (users, mut between) = (volumes.each_ref().map(Volume::user), world.draws());
    world.before_each(move |_| {
        if between.chance(100_000) {
            edit(&users[between.below(2) as usize], &mut between);
        }
        None
    });
    for _ in 0..300 {
        edit(&volumes[draws.below(2) as usize].user(), &mut draws);
        match draws.below(20) {
            0 => world.crash(Crash::Killed),
            1 => world.crash(Crash::Power),
            2 => volumes[1].remount(),
            _ => {}
        }
        volumes.iter().for_each(Volume::returns);
        let roots = volumes.each_ref().map(root);
        let turned = draws.below(2) as usize;
        let _ = act(&*roots[turned], &*roots[1 - turned], &mut draws);
        volumes.iter().for_each(agree);
    }
    let shown = volumes.iter().flat_map(|volume| volume.lines(super::super::Show { own: true, ..Default::default() })).collect();
    let whole = digest::of(format!("{:?}", world.losses()).as_bytes());
    (world.log(), shown, world.losses().len(), whole)
}

/// What the machine's clocks and chance say, before and after calls, pauses and an explicit advance.
fn moments(seed: u64) -> [i64; 5] {
    let world = World::new(seed);
    let volume = world.volume("volume", Habits::LOCAL);
    let _held = world.hold();
    let mut chance = [0; 8];
    clock::random(&mut chance).expect("bytes");
    let began = clock::now();
    write(&*top(&volume), "file", b"x", false).expect("written");
    let wrote = clock::now();
    clock::pause(std::time::Duration::from_secs(5));
    volume.user().write("late", b"x").expect("written");
    let late = look(&*top(&volume), "late", Freshness::Fresh).expect("there").stamp.mtime;
    world.advance(60 * SECONDS);
    [i64::from_le_bytes(chance), began.0, wrote.0, late.0, clock::now().0]
}

#[test]
fn the_machine_and_the_world_share_a_clock_that_is_held() {
    let [chance, began, wrote, late, last] = moments(1);
    assert!(began < wrote && wrote - began < SECOND, "a call takes a moment");
    assert!((5 * SECOND - 10_000_000..6 * SECOND).contains(&(late - wrote)), "a pause passes on the volume too: {late} {wrote}");
    assert!((60 * SECOND..61 * SECOND).contains(&(last - late)));
    assert_eq!(moments(1), [chance, began, wrote, late, last]);
    assert_ne!(moments(2)[0], chance);
    assert!(clock::now().0.abs_diff(last) > SECONDS, "the machine's own clock is back");
}

#[test]
fn a_seed_replays_its_story() {
    let mut losses = 0;
    for seed in 0..6 {
        let (one, two) = (story(seed), story(seed));
        assert!(one.0.len() > 300, "{} calls", one.0.len());
        for (at, (first, second)) in one.0.iter().zip(&two.0).enumerate() {
            assert_eq!(first, second, "line {at} of seed {seed}");
        }
        assert_eq!(one, two, "seed {seed}");
        losses += one.2;
    }
    assert_ne!(story(1).0, story(2).0);
    assert!(losses > 0, "an engine that looks at nothing loses something");
}
