use std::path::Path;

use crate::workspace::{Workspace, which};

pub(crate) mod cargo_tool;
mod debian;
mod fow_cache;
pub(crate) mod model;
pub(crate) mod onnx;
mod portkey;
pub(crate) mod postgres;
pub(crate) mod python;
pub(crate) mod redis;
mod wheels;

/// Something a command needs that cargo does not bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provision {
    Curl,
    Python,
    Chromium,
    Nginx,
    HaProxy,
    Model,
    Onnx,
    Redis,
    RediSearch,
    Postgres,
    FowCache,
    WordNet,
    Faiss,
    LiteLlm,
    Portkey,
    CargoDeny,
    SemverChecks,
}

impl Provision {
    pub(crate) const ALL: [Self; 17] = [
        Self::Curl,
        Self::Python,
        Self::Chromium,
        Self::Nginx,
        Self::HaProxy,
        Self::Model,
        Self::Onnx,
        Self::Redis,
        Self::RediSearch,
        Self::Postgres,
        Self::FowCache,
        Self::WordNet,
        Self::Faiss,
        Self::LiteLlm,
        Self::Portkey,
        Self::CargoDeny,
        Self::SemverChecks,
    ];

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|provision| provision.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("--without {name}: there is no such provision; there are {names}")
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "python",
            Self::Chromium => "chromium",
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Model => "model",
            Self::Onnx => "onnx",
            Self::Redis => "redis",
            Self::RediSearch => "redisearch",
            Self::Postgres => "postgres",
            Self::FowCache => "fow-cache",
            Self::WordNet => "wordnet",
            Self::Faiss => "faiss",
            Self::LiteLlm => "litellm",
            Self::Portkey => "portkey",
            Self::CargoDeny => "cargo-deny",
            Self::SemverChecks => "semver-checks",
        }
    }

    /// The files in a `tests/` that cannot run without it.
    pub(crate) fn tests(self) -> &'static [&'static str] {
        match self {
            Self::Curl => &["curl", "examples", "proxies"],
            Self::Python => &["accumulators", "browser", "clients", "sdk"],
            Self::Chromium => &["browser", "clients"],
            Self::Nginx | Self::HaProxy => &["proxies"],
            Self::Model => &["minilm", "onnx"],
            Self::Onnx => &["onnx"],
            Self::Redis => &["redis", "servers", "stores"],
            Self::RediSearch => &["redis", "servers"],
            Self::Postgres => &["postgres", "servers", "stores"],
            Self::FowCache
            | Self::WordNet
            | Self::Faiss
            | Self::LiteLlm
            | Self::Portkey
            | Self::CargoDeny
            | Self::SemverChecks => &[],
        }
    }

    /// What did not happen without it.
    pub(crate) fn missed(self) -> String {
        match self.tests() {
            [] if self == Self::FowCache => {
                "benches/cache_quality.rs and benches/index.rs had no questions to ask".into()
            }
            [] if self == Self::WordNet => "benches/index.rs had no texts".into(),
            [] if self == Self::Faiss => "benches/index.rs did not measure faiss".into(),
            [] if matches!(self, Self::LiteLlm | Self::Portkey) => "benches/gateway.rs ran without it".into(),
            [] if self == Self::SemverChecks => "nothing was compared with the release before".into(),
            [] => "bans, licenses and sources were not checked".into(),
            [one] => format!("tests/{one}.rs was not run"),
            more => format!("tests/{{{}}}.rs were not run", more.join(",")),
        }
    }

    /// Finds it, or installs it; quick when it is there.
    pub(crate) fn ensure(self, workspace: &Workspace) -> Result<(), String> {
        if self.is_here(workspace) {
            return Ok(());
        }
        self.install(workspace)
            .and_then(|()| if self.is_here(workspace) { Ok(()) } else { Err("still not usable".into()) })
            .map_err(|reason| format!("{0} is missing: {reason} (or run with --without {0})", self.name()))
    }

    fn is_here(self, workspace: &Workspace) -> bool {
        match self {
            Self::Curl => which("curl").is_some(),
            Self::Python => python::TESTS.is_here(workspace),
            Self::Chromium => which("chromium").is_some() && which("chromedriver").is_some(),
            Self::Nginx => server("nginx"),
            Self::HaProxy => server("haproxy"),
            Self::Model => model::is_here(workspace),
            Self::Onnx => onnx::is_here(workspace),
            Self::Redis => redis::is_here(workspace),
            Self::RediSearch => redis::is_module_here(workspace),
            Self::Postgres => postgres::is_here(workspace),
            Self::FowCache => fow_cache::is_here(workspace),
            Self::WordNet => Path::new("/usr/share/wordnet/data.noun").is_file(),
            Self::Faiss => python::FAISS.is_here(workspace),
            Self::LiteLlm => python::LITELLM.is_here(workspace),
            Self::Portkey => portkey::is_here(workspace),
            Self::CargoDeny => cargo_tool::DENY.program(workspace).is_some(),
            Self::SemverChecks => cargo_tool::SEMVER_CHECKS.program(workspace).is_some(),
        }
    }

    fn install(self, workspace: &Workspace) -> Result<(), String> {
        match self {
            Self::Curl => debian::install(&["curl"]),
            Self::Python => python::TESTS.install(workspace),
            Self::Chromium => debian::install(&["chromium", "chromium-driver"]),
            Self::Nginx => debian::install(&["nginx"]),
            Self::HaProxy => debian::install(&["haproxy"]),
            Self::Model => model::install(workspace),
            Self::Onnx => onnx::install(workspace),
            Self::Redis => redis::install(workspace),
            Self::RediSearch => redis::install_module(workspace),
            Self::Postgres => postgres::install(workspace),
            Self::FowCache => fow_cache::install(workspace),
            Self::WordNet => debian::install(&["wordnet-base"]),
            Self::Faiss => python::FAISS.install(workspace),
            Self::LiteLlm => python::LITELLM.install(workspace),
            Self::Portkey => portkey::install(workspace),
            Self::CargoDeny => cargo_tool::DENY.install(workspace),
            Self::SemverChecks => cargo_tool::SEMVER_CHECKS.install(workspace),
        }
    }
}

/// Whether a server is installed. Debian keeps them where only root looks for programs.
fn server(name: &str) -> bool {
    let folders = ["/usr/local/sbin", "/usr/sbin"].map(Path::new);
    which(name).is_some() || folders.iter().any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_its_provision() {
        for provision in Provision::ALL {
            assert_eq!(Provision::named(provision.name()), Ok(provision));
        }
    }

    #[test]
    fn what_was_missed_is_said_by_file() {
        assert_eq!(Provision::Chromium.missed(), "tests/{browser,clients}.rs were not run");
        assert_eq!(Provision::Python.missed(), "tests/{accumulators,browser,clients,sdk}.rs were not run");
    }

    #[test]
    fn every_test_that_needs_a_provision_exists() {
        let workspace = Workspace::find().unwrap();
        for test in Provision::ALL.into_iter().flat_map(Provision::tests) {
            assert!(workspace.tests().iter().any(|name| name == test), "{test}");
        }
    }
}
