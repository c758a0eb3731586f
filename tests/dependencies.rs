//! The direction of dependencies: `examples, tests, benches -> dashpot -> {feature crates} -> {body, wire} -> core`.
//!
//! Feature crates never know each other; but the stores of one know it. The test reads `cargo metadata`, and a crate that it does not know is a
//! violation until it has been given its place here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

/// Where a crate stands; each may use what stands lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Uses nothing of ours.
    Tool,
    Core,
    Foundation,
    /// For tests of what stands above, so a normal dependency of none.
    Testkit,
    Feature,
    /// For tests of the cache and of its stores, so a normal dependency of none.
    CacheTestkit,
    /// What a feature crate can keep things in.
    Store,
    Facade,
    Root,
}

fn place(name: &str) -> Option<Place> {
    Some(match name {
        "xtask" => Place::Tool,
        "dashpot-core" => Place::Core,
        "dashpot-body" | "dashpot-wire" => Place::Foundation,
        "dashpot-testkit" => Place::Testkit,
        "dashpot-testkit-cache" => Place::CacheTestkit,
        "dashpot-breaker" | "dashpot-cache" | "dashpot-deadline" | "dashpot-embed" | "dashpot-limit"
        | "dashpot-sse" | "dashpot-warm" => Place::Feature,
        "dashpot-cache-postgres" | "dashpot-cache-redis" => Place::Store,
        "dashpot" => Place::Facade,
        "dashpot-workspace" => Place::Root,
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: Option<String>,
    license: Option<String>,
    rust_version: Option<String>,
    /// `Some([])` is `publish = false`.
    publish: Option<Vec<String>>,
    manifest_path: PathBuf,
    features: BTreeMap<String, Vec<String>>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` is a normal dependency.
    kind: Option<String>,
    uses_default_features: bool,
}

impl Package {
    fn is_published(&self) -> bool {
        self.publish.is_none()
    }

    /// What is wrong with this package's dependencies and features, in words.
    fn violations(&self) -> Vec<String> {
        let name = &self.name;
        let Some(place) = place(name) else {
            return vec![format!("{name} has no place yet: give it one in tests/dependencies.rs")];
        };
        let mut violations = Vec::new();
        for Dependency { name: other, kind, uses_default_features } in &self.dependencies {
            if place == Place::Tool {
                violations.push(format!("{name} is std only, but depends on {other}"));
            }
            if let Some(why) = forbidden(name, place, other, kind.as_deref()) {
                violations.push(format!("{name} must not depend on {other}: {why}"));
            }
            if *uses_default_features {
                violations.push(format!("{name} uses the default features of {other}"));
            }
        }
        if self.features.get("default").is_some_and(|features| !features.is_empty()) {
            violations.push(format!("{name} has default features"));
        }
        violations
    }

    /// What a published package lacks; reads its folder.
    fn lacks(&self) -> Vec<&'static str> {
        let folder = self.manifest_path.parent().expect("a manifest is in a folder");
        let described = self.description.as_ref().is_some_and(|text| text.len() > 20);
        [
            (described, "a description"),
            (self.license.as_deref() == Some("MIT OR Apache-2.0"), "the licence"),
            (self.rust_version.is_some(), "a rust-version"),
            (folder.join("README.md").is_file(), "README.md"),
            (folder.join("CHANGELOG.md").is_file(), "CHANGELOG.md"),
        ]
        .into_iter()
        .filter_map(|(is_there, what)| (!is_there).then_some(what))
        .collect()
    }
}

/// Why the crate `name` at `from` must not depend on `other`.
fn forbidden(name: &str, from: Place, other: &str, kind: Option<&str>) -> Option<&'static str> {
    let normal = kind != Some("dev");
    let of_the_cache = matches!(from, Place::CacheTestkit | Place::Store);
    if of_the_cache && place(other) == Some(Place::Feature) && other != "dashpot-cache" {
        return Some("it is for the cache, and for nothing else");
    }
    if other == "tower" && normal && from != Place::Root {
        return Some("tower-layer and tower-service are enough outside of tests");
    }
    if !other.starts_with("dashpot") && other != "xtask" {
        return None;
    }
    match place(other) {
        None => Some("it has no place yet"),
        Some(Place::Tool) => Some("it is a program"),
        Some(Place::Testkit | Place::CacheTestkit) if normal => Some("the testkit is for tests"),
        // Its own tests may use it whatever it stands beside: cargo builds the crate first, then its tests.
        Some(Place::Testkit) => None,
        Some(Place::CacheTestkit) if name == "dashpot-cache" => None,
        Some(to) if to < from => None,
        Some(to) if to == from => Some("they stand side by side"),
        Some(_) => Some("the arrow runs the other way"),
    }
}

fn cargo_metadata() -> Metadata {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn dependencies_run_one_way() {
    let violations: Vec<_> = cargo_metadata().packages.iter().flat_map(Package::violations).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn every_published_crate_has_what_a_stranger_looks_for() {
    for package in cargo_metadata().packages.iter().filter(|package| package.is_published()) {
        assert_eq!(package.lacks(), [""; 0], "{}", package.name);
    }
}

#[test]
fn every_crate_of_the_folder_is_a_member_that_follows_the_lints() {
    let packages = cargo_metadata().packages;
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    for folder in folders.read_dir().unwrap() {
        let manifest = folder.unwrap().path().join("Cargo.toml");
        assert!(packages.iter().any(|package| package.manifest_path == manifest), "{}", manifest.display());
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true\n"), "{}", manifest.display());
    }
}

#[test]
fn versions_stand_in_the_workspace_only() {
    for Package { manifest_path, .. } in cargo_metadata().packages {
        let manifest: toml::Table = std::fs::read_to_string(&manifest_path).unwrap().parse().unwrap();
        let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
        let dependencies = tables.into_iter().filter_map(|table| manifest.get(table)?.as_table()).flatten();
        for (name, value) in dependencies {
            let inherits = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            assert!(inherits, "{}: {name} must say workspace = true", manifest_path.display());
        }
    }
}

/// A graph as it should be, to be broken.
fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
    let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency {
        name: name.into(),
        kind: kind.map(str::to_owned),
        uses_default_features: false,
    };
    Package {
        name: name.into(),
        description: None,
        license: None,
        rust_version: None,
        publish: None,
        manifest_path: "/nowhere/Cargo.toml".into(),
        features: [].into(),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

#[test]
fn the_checker_accepts_the_graph_of_the_design() {
    for package in [
        package("dashpot-core", &[("http", None), ("proptest", Some("dev"))]),
        package("dashpot-wire", &[("dashpot-core", None), ("dashpot-testkit", Some("dev"))]),
        package("dashpot-sse", &[("dashpot-core", None), ("dashpot-wire", None), ("tower", Some("dev"))]),
        package("dashpot-testkit", &[("dashpot-core", None), ("dashpot-wire", None), ("tower", Some("dev"))]),
        package("dashpot-cache", &[("dashpot-core", None), ("dashpot-testkit-cache", Some("dev"))]),
        package("dashpot-testkit-cache", &[("dashpot-core", None), ("dashpot-cache", None)]),
        package("dashpot-cache-redis", &[("dashpot-cache", None), ("dashpot-testkit-cache", Some("dev"))]),
        package(
            "dashpot",
            &[
                ("dashpot-cache-redis", None),
                ("dashpot-core", None),
                ("dashpot-body", None),
                ("dashpot-sse", None),
            ],
        ),
        package("dashpot-workspace", &[("dashpot", Some("dev")), ("dashpot-testkit", Some("dev"))]),
        package("xtask", &[]),
    ] {
        assert_eq!(package.violations(), [""; 0]);
    }
}

#[test]
fn the_checker_catches_every_kind_of_violation() {
    for (name, dependency, kind, violation) in [
        ("dashpot-core", "dashpot-body", None, "the arrow runs the other way"),
        ("dashpot-wire", "dashpot-sse", Some("dev"), "the arrow runs the other way"),
        ("dashpot-wire", "dashpot-body", None, "they stand side by side"),
        ("dashpot-sse", "dashpot", Some("dev"), "the arrow runs the other way"),
        ("dashpot-sse", "dashpot-testkit", None, "the testkit is for tests"),
        ("dashpot-sse", "dashpot-testkit", Some("build"), "the testkit is for tests"),
        ("dashpot-testkit", "dashpot-sse", Some("dev"), "the arrow runs the other way"),
        ("dashpot-sse", "dashpot-limit", None, "they stand side by side"),
        ("dashpot-sse", "dashpot-new", None, "it has no place yet"),
        ("dashpot-cache", "dashpot-cache-redis", None, "the arrow runs the other way"),
        ("dashpot-cache-redis", "dashpot-cache-postgres", None, "they stand side by side"),
        ("dashpot-cache-redis", "dashpot-sse", None, "it is for the cache, and for nothing else"),
        ("dashpot-cache-redis", "dashpot-testkit-cache", None, "the testkit is for tests"),
        ("dashpot-testkit-cache", "dashpot-sse", None, "it is for the cache, and for nothing else"),
        ("dashpot-sse", "dashpot-testkit-cache", Some("dev"), "the arrow runs the other way"),
        ("dashpot", "xtask", None, "it is a program"),
        ("dashpot-sse", "tower", None, "tower-layer and tower-service are enough outside of tests"),
    ] {
        let violations = package(name, &[(dependency, kind)]).violations();
        assert_eq!(violations, [format!("{name} must not depend on {dependency}: {violation}")]);
    }
    assert_eq!(
        package("xtask", &[("serde", None)]).violations(),
        ["xtask is std only, but depends on serde"]
    );
    let unplaced = package("dashpot-new", &[]).violations();
    assert_eq!(unplaced, ["dashpot-new has no place yet: give it one in tests/dependencies.rs"]);
}

#[test]
fn the_checker_catches_default_features_and_missing_files() {
    let mut package = package("dashpot-sse", &[("http", None)]);
    package.dependencies[0].uses_default_features = true;
    package.features.insert("default".into(), vec!["metrics".into()]);
    assert_eq!(
        package.violations(),
        ["dashpot-sse uses the default features of http", "dashpot-sse has default features"]
    );
    let lacks = ["a description", "the licence", "a rust-version", "README.md", "CHANGELOG.md"];
    assert_eq!(package.lacks(), lacks);
}
