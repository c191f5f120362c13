use super::*;
use crate::roots::reach::Reach;

fn reach() -> Reach {
    Reach::new(std::time::Duration::from_secs(20), std::sync::Arc::default())
}

/// A state folder with the pairs `(name, network, staging)`, roots below `dir`.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(pairs: &[(&str, &str, &str)]) -> World {
        let world = World { dir: tempfile::tempdir().expect("a temporary folder") };
        for (name, network, staging) in pairs {
            let [network, staging] = [network, staging].map(|root| world.at(root));
            std::fs::create_dir_all(&network).expect("new");
            let pair =
                Pair { name: (*name).to_owned(), state: world.at("state").join(name), staging, network, others: Vec::new() };
            create(&pair).expect("new");
        }
        world
    }

    fn at(&self, below: &str) -> PathBuf {
        local::real_path(self.dir.path()).join(below)
    }

    fn place(&self, here: &str) -> Place {
        Place { state: self.at("state"), staging: self.at("chosen"), here: self.at(here), note: None, reach: reach() }
    }

    fn roots(&self, network: &str, staging: &str) -> Choice {
        Choice { network: Some(self.at(network)), staging: Some(self.at(staging)), pair: None }
    }
}

fn named(name: &str) -> Choice {
    Choice { pair: Some(name.to_owned()), ..Choice::default() }
}

fn name_and_new(chosen: Result<Chosen, Failure>) -> Result<(String, bool), u8> {
    chosen.map(|chosen| (chosen.pair.name, chosen.new)).map_err(|failure| failure.exit.code())
}

#[test]
fn a_pair_is_found_by_roots_by_name_and_by_the_current_folder() {
    let world = World::new(&[("a", "na", "sa"), ("b", "nb", "sb"), ("b-2", "nb", "sb2")]);
    let pick = |here: &str, choice: &Choice| name_and_new(choose(&world.place(here), choice, IfNew::Refuse));
    let found = |name: &str| Ok((name.to_owned(), false));
    let here = Choice::default();
    assert_eq!(pick("", &world.roots("na", "sa")), found("a"));
    assert_eq!(pick("", &named("b")), found("b"));
    assert_eq!(pick("", &named("c")), Err(2));
    assert_eq!(pick("", &named("../state/a")), Err(2));
    assert_eq!(pick("sa/deep/er", &here), found("a"));
    assert_eq!(pick("na", &here), found("a"));
    assert_eq!(pick("sb2", &here), found("b-2"));
    assert_eq!(pick("nb/x", &here), Err(2), "two pairs have this network root");
    assert_eq!(pick("", &here), Err(2));
    assert_eq!(pick("sab", &here), Err(2), "a whole name decides");
    assert_eq!(pick("", &Choice { staging: Some(world.at("sb2")), ..here.clone() }), found("b-2"));
    assert_eq!(pick("", &Choice { network: Some(world.at("nb")), ..here.clone() }), Err(2));
    assert_eq!(pick("", &Choice { network: Some("../x/../na".into()), ..here.clone() }), Err(2), "x is not there");
    std::fs::create_dir(world.at("x")).expect("new");
    assert_eq!(pick("x", &Choice { network: Some("../na".into()), ..here }), found("a"));
    assert_eq!(pick("", &world.roots("na", "new")), Err(2), "nothing is created on the way");
}

#[test]
fn pairing_with_something_else_is_refused() {
    let world = World::new(&[("a", "na", "sa")]);
    let pick =
        |network: &str, staging: &str, if_new| name_and_new(choose(&world.place(""), &world.roots(network, staging), if_new));
    let init = IfNew::Pair { name: None };
    for if_new in [init, IfNew::PairIfBothAreFree] {
        assert_eq!(pick("na", "sa", if_new), Ok(("a".to_owned(), false)));
        assert_eq!(pick("nz", "sz", if_new), Ok(("nz".to_owned(), true)));
        assert_eq!(pick("nz", "sa", if_new), Err(4), "a staging root belongs to one pair");
        assert_eq!(pick("nz", "sa/in", if_new), Err(4), "inside another staging root");
        assert_eq!(pick("na/in", "sz", if_new), Err(4), "inside another network root");
        assert_eq!(pick("", "sz", if_new), Err(4), "around another network root");
    }
    assert_eq!(pick("na", "sz", IfNew::PairIfBothAreFree), Err(4));
    assert_eq!(pick("na", "sz", init), Ok(("na".to_owned(), true)), "any number of pairs may share a network root");
    assert_eq!(pick("na", "sa", IfNew::Pair { name: Some("b") }), Err(4));
    assert_eq!(pick("nz", "sz", IfNew::Pair { name: Some("a") }), Err(4), "the name is taken");
    assert_eq!(pick("nz", "sz", IfNew::Pair { name: Some("x/y") }), Err(2));
}

#[test]
fn the_state_folder_is_never_inside_a_root() {
    let world = World::new(&[]);
    std::fs::create_dir(world.at("state")).expect("new");
    let chosen = choose(&world.place(""), &world.roots("n", "state/.."), IfNew::PairIfBothAreFree);
    assert_eq!(name_and_new(chosen), Err(4));
}

#[test]
fn a_name_is_made_unique_and_given_back() {
    let world = World::new(&[("lab", "x/lab", "s1")]);
    let chosen = choose(&world.place(""), &world.roots("y/lab", "s2"), IfNew::PairIfBothAreFree).expect("free");
    assert_eq!((chosen.pair.name.as_str(), chosen.new), ("lab-2", true));
    assert!(!chosen.pair.state.exists() && !chosen.pair.staging.exists(), "choosing writes nothing");
    create(&chosen.pair).expect("new");
    let again = choose(&world.place(""), &world.roots("y/lab", "s2"), IfNew::PairIfBothAreFree).expect("known");
    let known = Pair { others: Vec::new(), ..chosen.pair.clone() };
    assert_eq!(again, Chosen { pair: known, new: false });
    forget(&chosen.pair);
    assert!(!chosen.pair.state.exists());
}

#[test]
fn a_damaged_pair_file_is_an_error_that_names_it() {
    let world = World::new(&[("a", "na", "sa"), ("b", "nb", "sb")]);
    std::fs::write(world.at("state/a/pair.toml"), "network = \n").expect("writable");
    let failure = choose(&world.place("nb"), &Choice::default(), IfNew::Refuse).expect_err("a could be meant");
    assert_eq!(failure.exit.code(), 1);
    let file = Path::new("state").join("a").join("pair.toml");
    assert!(failure.message.contains(&format!("{}:1: ", file.display())), "{}", failure.message);
    assert!(choose(&world.place("nb"), &named("b"), IfNew::Refuse).is_ok(), "another pair by its name still works");
}

#[test]
fn an_unnamed_staging_folder_is_stable_across_runs() {
    let world = World::new(&[("a", "na", "sa")]);
    let place = world.place("");
    assert_eq!(default_staging(&place, Path::new("na"), None).expect("known"), world.at("sa"));
    assert_eq!(default_staging(&place, &world.at("nz"), None).expect("new"), world.at("chosen/nz"));
    assert_eq!(default_staging(&place, &world.at("na"), Some("c")).expect("new"), world.at("chosen/c"));
}
