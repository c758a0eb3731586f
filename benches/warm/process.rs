//! A real process, which is this program started anew.

use std::{
    error::Error,
    fmt::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dashpot::warm::{
    WarmLayer,
    starter::{Ask, Http, Process},
};
use dashpot_testkit::cold_server::{ColdServer, write_model};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{process::Command, task::JoinSet, time::Instant};
use tower::{Layer, ServiceExt};

type Hyper = Client<HttpConnector, Full<Bytes>>;
type Failed = Box<dyn Error + Send + Sync>;

const RUNS: usize = 10;
const HERD: u32 = 200;

/// Is the server, if this was started as one.
pub(crate) fn serve_if_told() -> Result<(), Box<dyn Error>> {
    let Ok(port) = std::env::var("COLD_PORT") else { return Ok(()) };
    let model = std::env::var_os("COLD_MODEL").ok_or("it has no model")?;
    ColdServer::default().run(port.parse()?, &PathBuf::from(model))?;
    Ok(())
}

pub(crate) fn run(megabytes: usize) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("model");
    write_model(&model, megabytes << 20)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut text = format!("\na process that reads and checks {megabytes} MiB: its first token, ms\n");
    runtime
        .block_on(async {
            states(&model, &mut text).await?;
            let _ = writeln!(
                text,
                "\n{HERD} requests within a second, while it starts; the server has 4 slots and 64 places"
            );
            let layers = [
                ("ramp: 4, to 32 in 5 s", (Duration::from_secs(5), 4, 32)),
                ("no ramp", (Duration::ZERO, 1, 1)),
            ];
            for (name, ramp) in layers {
                herd(&model, name, ramp, &mut text).await?;
            }
            Ok::<_, Failed>(())
        })
        .map_err(|error| -> Box<dyn Error> { error })?;
    Ok(text)
}

struct Upstream {
    port: u16,
    client: Hyper,
    model: PathBuf,
}

impl Upstream {
    fn new(model: &Path) -> Result<Self, Failed> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { port, client: Client::builder(TokioExecutor::new()).build_http(), model: model.into() })
    }

    fn uri(&self, path: &str) -> Uri {
        format!("http://127.0.0.1:{}{path}", self.port).parse().expect("a port and a path")
    }

    fn command(&self) -> Result<Command, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("COLD_PORT", self.port.to_string()).env("COLD_MODEL", &self.model).kill_on_drop(true);
        Ok(command)
    }

    async fn ask(&self, path: &str) -> Result<Bytes, Failed> {
        let answer = self.client.get(self.uri(path)).await?;
        Ok(answer.into_body().collect().await?.to_bytes())
    }

    async fn up(&self) {
        while self.ask("/health").await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How long an inference takes, in milliseconds.
    async fn token(&self, since: Instant) -> Result<f64, Failed> {
        self.ask("/infer").await?;
        Ok(Instant::now().saturating_duration_since(since).as_secs_f64() * 1e3)
    }
}

/// The first token of one that does not run, of one that is loaded, of one that is primed, and of one that is used.
async fn states(model: &Path, text: &mut String) -> Result<(), Failed> {
    let [mut cold, mut loaded, mut primed, mut warm] = [const { Vec::new() }; 4];
    for _ in 0..RUNS {
        let upstream = Upstream::new(model)?;
        let begin = Instant::now();
        let mut child = upstream.command()?.spawn()?;
        upstream.up().await;
        cold.push(upstream.token(begin).await?);
        child.kill().await?;

        let upstream = Upstream::new(model)?;
        let mut child = upstream.command()?.spawn()?;
        upstream.up().await;
        upstream.ask("/load").await?;
        loaded.push(upstream.token(Instant::now()).await?);
        primed.push(upstream.token(Instant::now()).await?);
        for _ in 0..100 {
            warm.push(upstream.token(Instant::now()).await?);
        }
        child.kill().await?;
    }
    for (name, mut times) in [("cold", cold), ("loaded", loaded), ("primed", primed), ("warm", warm)] {
        let [p50, p99] = [0.5, 0.99].map(|share| percentile(&mut times, share));
        let _ = writeln!(text, "{name:8} | p50 {p50:8.1} | p99 {p99:8.1} | {} times", times.len());
    }
    Ok(())
}

async fn herd(model: &Path, name: &str, ramp: (Duration, u32, u32), text: &mut String) -> Result<(), Failed> {
    let (mut times, mut errors, mut peaks) = (Vec::new(), 0, Vec::new());
    for _ in 0..3 {
        let upstream = Arc::new(Upstream::new(model)?);
        let asks = Http::new(upstream.client.clone())
            .probe(Ask::get(upstream.uri("/health")))
            .prime(Ask::get(upstream.uri("/infer")));
        let start = upstream.clone();
        let command = move |_: &str| start.command().expect("this program has a path");
        let (window, least, most) = ramp;
        let layer = WarmLayer::new(Process::new(command, asks))
            .hold(HERD, Duration::from_secs(60))
            .ramp(window, least, most);
        let mut herd = JoinSet::new();
        for n in 0..HERD {
            let (service, uri) = (layer.layer(upstream.client.clone()), upstream.uri("/infer"));
            herd.spawn(async move {
                tokio::time::sleep(Duration::from_millis(5) * n).await;
                let begin = Instant::now();
                let answer = service.oneshot(Request::get(uri).body(Full::default())?).await?;
                let status = answer.status();
                answer.into_body().collect().await?;
                Ok::<_, Failed>((status, Instant::now().saturating_duration_since(begin).as_secs_f64() * 1e3))
            });
        }
        for answer in herd.join_all().await {
            match answer {
                Ok((StatusCode::OK, time)) => times.push(time),
                Ok(_) | Err(_) => errors += 1,
            }
        }
        let peak: u32 = String::from_utf8_lossy(&upstream.ask("/peak").await?).parse()?;
        peaks.push(peak);
    }
    let [p50, p99] = [0.5, 0.99].map(|share| percentile(&mut times, share));
    let asked = 3 * HERD;
    let _ = writeln!(
        text,
        "{name:22} | p50 {p50:7.0} ms | p99 {p99:7.0} ms | {errors} errors of {asked} | at the server at once {peaks:?}"
    );
    Ok(())
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (times.len() as f64 * share) as usize;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
