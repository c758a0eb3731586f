//! Who is compared, and how each is started.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{client::Target, cores::Cores, process::Process, support};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The model server itself.
    Direct,
    Nginx,
    /// Our gateway with all that can be off.
    Bare,
    /// Our gateway with all layers.
    Full,
    Portkey,
    LiteLlm,
}

/// What a layer that cannot be off is set to where it is not to matter, and what must not matter where all are on: the
/// model server takes as many as come, and all of them at once from the start.
const UNLIMITED: [(&str, &str); 4] = [
    ("DASHPOT_GATEWAY_LIMIT__INITIAL", "4000"),
    ("DASHPOT_GATEWAY_LIMIT__MIN", "4000"),
    ("DASHPOT_GATEWAY_LIMIT__MAX", "4000"),
    ("DASHPOT_GATEWAY_WARM__MAX_WAITING", "4000"),
];

const NOTHING: [(&str, &str); 2] =
    [("DASHPOT_GATEWAY_SSE__HARDEN_HEADERS", "false"), ("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "0")];

const EVERYTHING: [(&str, &str); 6] = [
    ("DASHPOT_GATEWAY_CACHE__MAX_BYTES", "67108864"),
    ("DASHPOT_GATEWAY_DEADLINE__HEADER", "x-request-timeout-ms"),
    ("DASHPOT_GATEWAY_SSE__PEEK_FIRST_MS", "100"),
    ("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "30000"),
    ("DASHPOT_GATEWAY_WARM__SERVER", "openai"),
    ("DASHPOT_GATEWAY_WARM__MODEL", "dashpot-small"),
];

impl Contestant {
    pub(crate) const ALL: [Self; 6] =
        [Self::Direct, Self::Nginx, Self::Bare, Self::Full, Self::Portkey, Self::LiteLlm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "directly",
            Self::Nginx => "nginx",
            Self::Bare => "ours, no layers",
            Self::Full => "ours, all layers",
            Self::Portkey => "Portkey",
            Self::LiteLlm => "LiteLLM",
        }
    }

    /// By what name it can be left out.
    pub(crate) fn flag(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx"),
            Self::Bare => Some("bare"),
            Self::Full => Some("full"),
            Self::Portkey => Some("portkey"),
            Self::LiteLlm => Some("litellm"),
            Self::Direct => None,
        }
    }

    /// Whether it was set up.
    pub(crate) fn check(self) -> Result<(), String> {
        match (self.program(), self.flag()) {
            (Some(program), Some(flag)) if !program.is_file() => Err(format!(
                "{} is missing ({}): run cargo xtask bench gateway, which sets it up, or with --without {flag}",
                self.name(),
                program.display(),
            )),
            _ => Ok(()),
        }
    }

    fn program(self) -> Option<PathBuf> {
        let target = support::target();
        match self {
            Self::Direct => None,
            Self::Nginx => Some(installed("nginx")),
            Self::Bare | Self::Full => Some(support::example("gateway")),
            Self::Portkey => {
                Some(target.join("portkey/node_modules/@portkey-ai/gateway/build/start-server.js"))
            }
            Self::LiteLlm => Some(target.join("litellm/bin/litellm")),
        }
    }

    /// Starts it in front of a model server; it may not answer yet.
    pub(crate) fn start(self, cores: &Cores, upstream: &str) -> Result<(Target, Option<Process>), String> {
        let Some(program) = self.program() else { return Ok((Target::new(upstream), None)) };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port()?;
        let mut target = Target::new(&format!("127.0.0.1:{port}"));
        let mut command = match self {
            Self::Portkey => Command::new("node"),
            _ => Command::new(&program),
        };
        command.current_dir(folder.path());
        let write = |name: &str, template: &str| {
            let place = folder.path().to_string_lossy();
            let text = template.replace("FOLDER", &place).replace("UPSTREAM", upstream);
            let file = folder.path().join(name);
            fs::write(&file, text.replace("PORT", &port.to_string())).map_err(|error| error.to_string())?;
            Ok::<_, String>(file)
        };
        match self {
            Self::Direct => {}
            Self::Nginx => {
                let file = write("nginx.conf", include_str!("nginx.conf"))?;
                command.args(["-e", "stderr", "-c"]).arg(file);
            }
            Self::Bare | Self::Full => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                command
                    .arg("--config")
                    .arg(root.join("examples/gateway/gateway.toml"))
                    .env("DASHPOT_GATEWAY_LISTEN", format!("127.0.0.1:{port}"))
                    .env("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", format!("http://{upstream}"))
                    .env("RUST_LOG", "warn")
                    .envs(UNLIMITED)
                    .envs(if self == Self::Full { &EVERYTHING[..] } else { &NOTHING }.iter().copied());
            }
            Self::Portkey => {
                command.arg(program).args([&format!("--port={port}"), "--headless"]);
                target.headers.extend([
                    ("x-portkey-provider", "openai".into()),
                    ("x-portkey-custom-host", format!("http://{upstream}/v1")),
                ]);
            }
            Self::LiteLlm => {
                let file = write("litellm.yaml", include_str!("litellm.yaml"))?;
                command.arg("--config").arg(file).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
                command.env("LITELLM_TELEMETRY", "False").env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
            }
        }
        let process = cores.contestant(|| Process::start(&mut command, folder))?;
        Ok((target, Some(process)))
    }
}

/// Nobody else is likely to take it in the moment until it is used.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| error.to_string())
}

/// The program's file. Debian keeps servers where only root looks for programs.
fn installed(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/local/sbin".into(), "/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| program.into())
}
