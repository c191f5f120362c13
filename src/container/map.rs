//! Which local files belong where in a container: named by a person, by compose's `develop.watch`, by bind mounts, or guessed from the
//! `COPY` lines of the image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compose::Service;
pub use super::dockerfile::brings_files;
use super::dockerfile::{self, Copies, Copy};
use super::error::{Error, Result};
use super::ignore::Ignore;
use crate::disk::local;
use crate::docker::{Container, MountKind};
use crate::model::native;
use crate::model::shown::short;

/// No Dockerfile and no `.dockerignore` is longer.
const MOST: u64 = 1 << 20;

/// A local file or folder and its place in the container.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// A whole path.
    pub local: PathBuf,
    /// A whole path, as [`inside`] writes it.
    pub inside: String,
    pub said_by: SaidBy,
    /// What is left out.
    pub scopes: Vec<Scope>,
    /// Rights were given on the way: they are not compared.
    pub own_modes: bool,
}

/// Patterns and the folder from which they count.
#[derive(Clone, Debug)]
pub struct Scope {
    pub top: PathBuf,
    pub ignore: Arc<Ignore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// A person, by `--map` or in the settings.
    Person,
    /// Compose's `develop.watch`.
    Watch,
    /// Guessed from the lines of the Dockerfile.
    Copies,
    /// A bind mount of the container.
    Mount,
}

impl SaidBy {
    /// The word for JSON.
    pub fn word(self) -> &'static str {
        match self {
            SaidBy::Person => "given",
            SaidBy::Watch => "watch",
            SaidBy::Copies => "inferred",
            SaidBy::Mount => "mount",
        }
    }
}

/// The mappings of a container and what could not be followed.
#[derive(Clone, Debug, Default)]
pub struct Map {
    pub mappings: Vec<Mapping>,
    /// What brings files into the container that are not known here: lines of the Dockerfile, or all of it. Raw text.
    pub not_followed: Vec<String>,
    /// The image that the Dockerfile stands on.
    pub base: Option<String>,
}

impl Map {
    fn unread(what: String) -> Map {
        Map { not_followed: vec![what], ..Map::default() }
    }
}

impl Mapping {
    /// Is this local path left out?
    pub fn leaves_out(&self, path: &Path) -> bool {
        self.scopes
            .iter()
            .any(|scope| path.strip_prefix(&scope.top).is_ok_and(|below| scope.ignore.ignores(&native::slashed(below))))
    }

    pub fn may_bring_back(&self) -> bool {
        self.scopes.iter().any(|scope| scope.ignore.may_bring_back())
    }
}

/// A whole path in a container, without `.`, `..`, doubled slashes and a slash at the end.
pub fn inside(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// `LOCAL:/WHERE` as typed, `LOCAL` from the folder `here`.
pub fn typed(text: &str, here: &Path) -> Result<Mapping> {
    let at = text.rfind(":/").filter(|at| *at > 0);
    let at =
        at.ok_or_else(|| Error::Asked(format!("`{}` does not say what belongs where; write it like ./src:/app", short(text))))?;
    let local = local::real_path(&here.join(&text[..at]));
    let scopes = nearest_ignore(&local, here)?;
    let (target, name) = (&text[at + 1..], local.file_name().unwrap_or_default().to_string_lossy());
    let under = target.ends_with('/') && !local::is_folder(&local);
    let target = if under { inside(&format!("{target}{name}")) } else { inside(target) };
    Ok(Mapping { local, inside: target, said_by: SaidBy::Person, scopes, own_modes: false })
}

/// The `.dockerignore` of the nearest folder from `local` up to `top`.
fn nearest_ignore(local: &Path, top: &Path) -> Result<Vec<Scope>> {
    for folder in local.ancestors() {
        if let Some(scope) = scope(folder, &folder.join(".dockerignore"))? {
            return Ok(vec![scope]);
        }
        if folder == top || !folder.starts_with(top) {
            break;
        }
    }
    Ok(Vec::new())
}

fn scope(top: &Path, file: &Path) -> Result<Option<Scope>> {
    let Some(text) = read(file)? else { return Ok(None) };
    let ignore = Ignore::parse(&text).map_err(|error| unreadable(file, &error))?;
    Ok(Some(Scope { top: top.to_path_buf(), ignore: Arc::new(ignore) }))
}

fn read(path: &Path) -> Result<Option<String>> {
    local::read_text(&local::real_path(path), MOST).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Unreadable { path: short(&path.to_string_lossy()), message: short(&error.to_string()) }
}

/// What compose says of a service: by the image that it builds and, over that, by its `develop.watch`, which need not name all that the
/// image was made of. `project` is the folder from which paths count.
pub fn of_service(service: &Service, project: &Path) -> Result<Map> {
    let said = service.build.as_ref().and_then(|build| build.context.as_deref());
    let context = said.map(|context| local::real_path(&project.join(context))).filter(|context| local::is_folder(context));
    let name = service.build.as_ref().and_then(|build| build.dockerfile.clone()).unwrap_or_else(|| "Dockerfile".to_owned());
    let mut scopes = Vec::new();
    if let Some(context) = &context {
        let beside = context.join(format!("{name}.dockerignore"));
        scopes.extend(match scope(context, &beside)? {
            Some(scope) => Some(scope),
            None => scope(context, &context.join(".dockerignore"))?,
        });
    }
    let mut map = match (&service.build, &context) {
        (None, _) => Map::default(),
        (Some(_), None) => Map::unread(format!("the build context {}, which is no folder here", said.unwrap_or("."))),
        (Some(build), Some(context)) => {
            let text = match &build.dockerfile_inline {
                Some(text) => Some(text.clone()),
                None => read(&context.join(&name))?,
            };
            match text.and_then(|text| dockerfile::read(&text, build.target.as_deref(), &build.args)) {
                Some(copies) => of_copies(copies, context, &scopes),
                None => Map::unread(format!("what {name} says, which is not here or has no such stage")),
            }
        }
    };
    watched(service, project, &scopes, &mut map)?;
    Ok(map)
}

fn watched(service: &Service, project: &Path, scopes: &[Scope], map: &mut Map) -> Result<()> {
    for rule in service.develop.iter().flat_map(|develop| &develop.watch).filter(|rule| rule.action.starts_with("sync")) {
        let Some(target) = &rule.target else { continue };
        let local = local::real_path(&project.join(&rule.path));
        let own = Ignore::of(rule.ignore.iter().map(String::as_str)).map_err(|error| unreadable(&local, &error))?;
        let own = Scope { top: local.clone(), ignore: Arc::new(own) };
        let scopes = scopes.iter().cloned().chain([own]).collect();
        map.mappings.push(Mapping { local, inside: inside(target), said_by: SaidBy::Watch, scopes, own_modes: false });
    }
    Ok(())
}

fn of_copies(copies: Copies, context: &Path, scopes: &[Scope]) -> Map {
    let mut map = Map { mappings: Vec::new(), not_followed: copies.not_followed, base: copies.base };
    for copy in &copies.copies {
        let sources = sources(copy, context);
        if sources.is_empty() {
            map.not_followed.push(format!("COPY {} {}", copy.from, copy.to));
        }
        for local in sources {
            let name = local.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let under = copy.into && !local::is_folder(&local);
            let place = if under { inside(&format!("{}/{name}", copy.to)) } else { copy.to.clone() };
            let (scopes, own_modes) = (scopes.to_vec(), copy.own_modes);
            map.mappings.push(Mapping { local, inside: place, said_by: SaidBy::Copies, scopes, own_modes });
        }
    }
    map
}

/// The files and folders that one source means: more than one where it is a pattern.
fn sources(copy: &Copy, context: &Path) -> Vec<PathBuf> {
    if !copy.from.contains(['*', '?', '[']) {
        let local = context.join(&copy.from);
        // One that is not here is told as absent, not left out.
        return vec![local];
    }
    let (folder, pattern) = copy.from.rsplit_once('/').unwrap_or(("", &copy.from));
    // A pattern in a folder's name is not followed.
    let Ok(pattern) = Ignore::of([pattern]) else { return Vec::new() };
    let folder = context.join(folder);
    let names = local::names(&folder).unwrap_or_default();
    names.iter().filter(|name| pattern.ignores(name.as_encoded_bytes())).map(|name| folder.join(name)).collect()
}

/// Bind mounts of folders and files of the project: what is there is what the container sees.
pub fn of_mounts(container: &Container, project: &Path) -> Map {
    let binds =
        container.mounts.iter().filter(|mount| mount.kind == MountKind::Bind && Path::new(&mount.source).starts_with(project));
    let mapping = |mount: &crate::docker::Mount| Mapping {
        local: PathBuf::from(&mount.source),
        inside: inside(&mount.target),
        said_by: SaidBy::Mount,
        scopes: Vec::new(),
        own_modes: false,
    };
    Map { mappings: binds.map(mapping).collect(), ..Map::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::compose::{Build, Develop, Watch};
    use std::fs;

    #[test]
    fn places_are_written_in_one_way() {
        for (typed, expected) in [("/app/", "/app"), ("app//x/./y/../z", "/app/x/z"), ("/..", "/"), ("", "/")] {
            assert_eq!(inside(typed), expected);
        }
    }

    fn told(map: &Map, top: &Path) -> Vec<String> {
        let below =
            |path: &Path| path.strip_prefix(top).map(|path| path.display().to_string().replace('\\', "/")).unwrap_or_default();
        map.mappings
            .iter()
            .map(|mapping| format!("{}:{} {}", below(&mapping.local), mapping.inside, mapping.said_by.word()))
            .collect()
    }

    #[test]
    fn a_service_says_what_belongs_where() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let top = local::real_path(place.path());
        for (name, text) in [
            (
                "web/Dockerfile",
                "FROM a\nWORKDIR /app\nCOPY src ./src\nCOPY *.txt main.py ./\nCOPY gone /gone\nCOPY --from=x a b\n",
            ),
            ("web/.dockerignore", "*.log\n"),
            ("web/src/a.py", ""),
            ("web/one.txt", ""),
            ("web/two.txt", ""),
            ("web/main.py", ""),
        ] {
            fs::create_dir_all(top.join(name).parent().expect("a parent")).expect("folders");
            fs::write(top.join(name), text).expect("a file");
        }
        let build = Build { context: Some("web".to_owned()), ..Build::default() };
        let mut service = Service { build: Some(build), ..Service::default() };
        let map = of_service(&service, &top).expect("read");
        let expected = [
            "web/src:/app/src inferred",
            "web/one.txt:/app/one.txt inferred",
            "web/two.txt:/app/two.txt inferred",
            "web/main.py:/app/main.py inferred",
            "web/gone:/gone inferred",
        ];
        assert_eq!((told(&map, &top), map.not_followed.len()), (expected.map(str::to_owned).to_vec(), 1));
        assert!(map.mappings[0].leaves_out(&top.join("web/x.log")));
        fs::write(top.join("web/Dockerfile.dockerignore"), "src\n").expect("a file");
        let map = of_service(&service, &top).expect("read");
        assert!(!map.mappings[0].leaves_out(&top.join("web/x.log")) && map.mappings[0].leaves_out(&top.join("web/src/a.py")));
        let rule = |action: &str, target: Option<&str>| Watch {
            action: action.to_owned(),
            path: "web/src".to_owned(),
            target: target.map(str::to_owned),
            ignore: vec!["cache/".to_owned()],
        };
        service.develop = Some(Develop { watch: vec![rule("rebuild", None), rule("sync+restart", Some("/app/src"))] });
        let map = of_service(&service, &top).expect("read");
        // What the rule does not name is in the image all the same.
        let expected = [&expected.map(str::to_owned)[..], &["web/src:/app/src watch".to_owned()]].concat();
        assert_eq!((told(&map, &top), map.not_followed.len()), (expected, 1));
        assert!(map.mappings[5].leaves_out(&top.join("web/src/cache/x")));
        // A Dockerfile that is not here says nothing, and that is not the same as nothing to say.
        fs::remove_file(top.join("web/Dockerfile")).expect("removed");
        let map = of_service(&service, &top).expect("read");
        assert_eq!((told(&map, &top), map.not_followed.len()), (vec!["web/src:/app/src watch".to_owned()], 1));
        for context in ["https://example.org/x.git", "git@example.org:x", "gone"] {
            service.build = Some(Build { context: Some(context.to_owned()), ..Build::default() });
            assert_eq!(of_service(&service, &top).expect("read").not_followed.len(), 1, "{context}");
        }
        service.build = None;
        assert_eq!(of_service(&service, &top).expect("read").not_followed.len(), 0);
    }

    #[test]
    fn a_typed_place_is_whole_in_the_container() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let here = local::real_path(place.path());
        // Windows has no such name.
        let name = if cfg!(windows) { "a-b" } else { "a:b" };
        fs::create_dir(here.join(name)).expect("a folder");
        fs::write(here.join(".dockerignore"), "x").expect("a file");
        let mapping = typed(&format!("{name}:/app/"), &here).expect("typed");
        assert_eq!((mapping.local, mapping.inside.as_str(), mapping.scopes.len()), (here.join(name), "/app", 1));
        fs::write(here.join("x"), "").expect("a file");
        assert_eq!(typed("x:/app/", &here).expect("typed").inside, "/app/x");
        for bad in ["a", "a:b", ":/a", ""] {
            assert!(typed(bad, &here).is_err(), "{bad:?}");
        }
    }
}
