//! The model server through all its phases, the times included in which it is not there.

use std::{net::SocketAddr, time::Duration};

use dashpot_testkit::model_server::{ColdStart, Config, Distribution, ModelServer};

use crate::scenario::{Cold, Normal, Phase};

pub(crate) struct Model {
    address: SocketAddr,
    slots: usize,
    /// `None`: it is down.
    server: Option<ModelServer>,
    /// Requests to those that were ended.
    received: u64,
}

impl Model {
    pub(crate) fn start(normal: &Normal) -> Self {
        let server = start(([127, 0, 0, 1], 0).into(), normal.slots, None);
        Self { address: server.addr(), slots: normal.slots, server: Some(server), received: 0 }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far.
    pub(crate) fn received(&self) -> u64 {
        self.received + self.server.as_ref().map_or(0, |server| server.stats().received)
    }

    /// From now on it is as this phase says, or as always.
    pub(crate) async fn turn(&mut self, phase: Option<&Phase>) {
        let (down, cold) = phase.map_or((false, None), |phase| (phase.down, phase.cold));
        if down || cold.is_some() {
            self.received = self.received();
            if let Some(server) = self.server.take() {
                server.shutdown().await;
            }
        }
        if down {
            return;
        }
        let server = self.server.get_or_insert_with(|| start(self.address, self.slots, cold));
        server.set_faults(phase.map(Phase::faults).unwrap_or_default());
        server.set_concurrency(phase.and_then(|phase| phase.slots).unwrap_or(self.slots));
        server.set_time_scale(phase.and_then(|phase| phase.time_scale).unwrap_or(1.0));
    }
}

/// Half the times of the testkit's idea of a hosted model, and answers of 20 to 80 tokens.
fn start(listen: SocketAddr, slots: usize, cold: Option<Cold>) -> ModelServer {
    let config = Config {
        listen,
        ttft_ms: Distribution::LogNormal { median: 150.0, sigma: 0.4 },
        gap_ms: Distribution::LogNormal { median: 10.0, sigma: 0.3 },
        output_tokens: Distribution::Uniform { low: 20.0, high: 80.0 },
        concurrency: Some(slots),
        cold_start: cold.map(|Cold { load_ms, reject }| ColdStart {
            load: Duration::from_millis(load_ms),
            idle: None,
            reject,
        }),
        ..Config::default()
    };
    ModelServer::start(config).expect("its address is free")
}
