//! A real process that reads and checks a file before it can answer. It is this program, started anew.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod children;
mod groups;
mod kills;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dashpot_testkit::cold_server::{ColdServer, write_model};
use dashpot_warm::{
    Handle, HttpIsCold, Replay, WarmLayer, WarmState,
    policy::Fixed,
    starter::{Ask, Http, Process},
};
use groups::is_gone;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{process::Command, task::JoinSet, time::timeout};
use tower::{Layer, ServiceExt};

type Hyper = Client<HttpConnector, Full<Bytes>>;
type Starter = Arc<Process<Http<Hyper>>>;

const LONG: Duration = Duration::from_secs(30);

/// Not a test: the server, if it is told to be.
#[test]
#[allow(clippy::zombie_processes, reason = "it is to be left behind")]
fn serves_when_it_is_told_to() {
    let Some(port) = std::env::var("COLD_PORT").ok().and_then(|port| port.parse().ok()) else { return };
    let millis = |name| Duration::from_millis(std::env::var(name).unwrap().parse().unwrap());
    if std::env::var_os("COLD_CHILD").is_some() {
        // Somebody that it leaves behind.
        std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    }
    let server = ColdServer {
        boot: millis("COLD_BOOT"),
        inference: millis("COLD_INFERENCE"),
        ..ColdServer::default()
    };
    server.run(port, &PathBuf::from(std::env::var_os("COLD_MODEL").unwrap())).unwrap();
}

struct World {
    folder: TempDir,
    port: u16,
    client: Hyper,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        write_model(&folder.path().join("model"), 1 << 20).unwrap();
        // Whoever had it is gone: nobody else is likely to take it at once.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    fn uri(&self, path: &str) -> Uri {
        format!("http://127.0.0.1:{}{path}", self.port).parse().unwrap()
    }

    fn starter(&self, boot: u64, inference: u64) -> Starter {
        let asks = Http::new(self.client.clone())
            .probe(Ask::get(self.uri("/health")))
            .prime(Ask::post(self.uri("/infer"), |_| "{}".into()))
            .sleep(Ask::get(self.uri("/health")));
        let (port, model) = (self.port.to_string(), self.folder.path().join("model"));
        let command = move |_: &str| command(&port, &model, boot, inference);
        Arc::new(Process::new(command, asks).grace(Duration::from_secs(2)))
    }

    fn request(&self) -> Request<Full<Bytes>> {
        Request::post(self.uri("/infer")).body(Full::default()).unwrap()
    }
}

fn command(port: &str, model: &Path, boot: u64, inference: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "serves_when_it_is_told_to", "--nocapture", "--test-threads=1"])
        .env("COLD_PORT", port)
        .env("COLD_MODEL", model)
        .env("COLD_CHILD", "yes")
        .env("COLD_BOOT", boot.to_string())
        .env("COLD_INFERENCE", inference.to_string())
        .stdout(Stdio::null());
    command
}

async fn ask<R>(layer: &WarmLayer<HttpIsCold, R>, world: &World) -> StatusCode
where
    R: Replay<Full<Bytes>> + Clone,
{
    let answer = layer.layer(world.client.clone()).oneshot(world.request());
    let answer = timeout(LONG, answer).await.unwrap().unwrap();
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    status
}

async fn reaches(handle: &Handle, state: WarmState) {
    let mut changes = handle.subscribe();
    while changes.state() != state {
        timeout(LONG, changes.changed()).await.unwrap_or_else(|_| panic!("never {state}"));
    }
}

fn pid(starter: &Starter) -> Pid {
    Pid::from_raw(starter.pid("").unwrap().cast_signed()).unwrap()
}

#[tokio::test]
async fn a_process_is_started_primed_and_stopped_with_all_that_it_has_started() {
    let world = World::new();
    let starter = world.starter(100, 1);
    let layer = WarmLayer::new(starter.clone()).policy(Fixed::new(Duration::from_millis(300)));
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
    let group = pid(&starter);
    let start = layer.handle().stats().last_start.unwrap();
    assert!(start.probe >= Duration::from_millis(50), "{start:?}");
    reaches(&layer.handle(), WarmState::Cold).await;
    assert_eq!(starter.pid(""), None);
    is_gone(group).await;
}

#[tokio::test]
async fn a_crash_of_an_idle_process_is_seen_and_it_is_started_again_before_anybody_asks() {
    let world = World::new();
    let starter = world.starter(0, 1);
    let layer =
        WarmLayer::new(starter.clone()).ramp(Duration::ZERO, 1, 1).retry(Duration::from_millis(20), LONG);
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
    let first = pid(&starter);
    kill_process(first, Signal::KILL).unwrap();
    let handle = layer.handle();
    timeout(LONG, async {
        while handle.stats().starts < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_ne!(pid(&starter), first);
    is_gone(first).await;
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
    assert_eq!(handle.stats().held, 1, "only the very first had to wait");
}

#[test]
fn when_the_runtime_goes_no_process_is_left() {
    let world = World::new();
    let starter = world.starter(0, 1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let group = runtime.block_on(async {
        let layer = WarmLayer::new(starter.clone());
        layer.handle().warm();
        assert!(timeout(LONG, layer.handle().subscribe().ready()).await.unwrap());
        pid(&starter)
    });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(is_gone(group));
    assert_eq!(starter.pid(""), None, "it would be taken for alive, and its number may be another's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_that_comes_while_it_loads_meets_one_start_and_no_error() {
    let world = Arc::new(World::new());
    let starter = world.starter(200, 2);
    let layer = WarmLayer::new(starter.clone()).hold(256, LONG);
    let mut herd = JoinSet::new();
    for n in 0..200 {
        let (layer, world) = (layer.clone(), world.clone());
        herd.spawn(async move {
            tokio::time::sleep(Duration::from_millis(n)).await;
            ask(&layer, &world).await
        });
    }
    let answers = herd.join_all().await;
    assert!(answers.iter().all(|&status| status == StatusCode::OK), "{answers:?}");
    assert_eq!(layer.handle().stats().starts, 1);
    let peak =
        world.client.get(world.uri("/peak")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let peak: u32 = std::str::from_utf8(&peak).unwrap().parse().unwrap();
    assert!(peak <= 32, "{peak}");
}
