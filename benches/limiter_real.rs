//! Limits in front of a real server: the testkit's simulated model server over HTTP/1.1, driven open-loop.
//!
//! `cargo bench --bench limiter_real --features peers` runs all rows for 60 seconds each, `-- --seconds 10` is a quick
//! look, and `-- step/dashpot` runs the rows whose name has that in it. Without `peers` there are only our own limit and
//! none. All of them see the same requests at the same times, half as many again as the model can answer.
//!
//! * `streams`: a model with 32 slots, every answer streamed.
//! * `whole`: the same, every answer in one piece.
//! * `step`: after a third of the time half of the slots are gone, and after another third they are back. The load stays.
//!
//! Times are a tenth of what they would be with a hosted model. What finds no slot at its limit is refused and not tried
//! again. Clients leave when nothing has come for a second (`whole`: when the answer is not there after five).
//!
//! * goodput: answers that were there in the end and whose first token came within 150 ms, as a part of what the model
//!   could have answered. For whole answers the time of their other tokens is taken off.
//! * first: the time to that first token, of answers that came. left: clients that gave up, as a part of all. shed: refused.
//! * down, up: seconds from a step until over one second 90 % of the slots are at work, and no more than half as many
//!   requests as there are slots wait for one.
//! * peak: the most that were at the server at once.

use std::time::Duration;

use dashpot::{limit::LimitLayer, sse::SsePassthroughLayer};
use tower::Layer;

use crate::{
    client::HttpClient,
    report::Report,
    scenario::{SCENARIOS, Scenario},
};

#[path = "limiter_real/client.rs"]
mod client;
#[cfg(feature = "peers")]
#[path = "limiter_real/peers.rs"]
mod peers;
#[path = "limiter_real/report.rs"]
mod report;
#[path = "limiter_real/run.rs"]
mod run;
#[path = "limiter_real/scenario.rs"]
mod scenario;

/// What to run.
struct Bench {
    seconds: f64,
    filter: String,
}

impl Bench {
    fn from_args() -> Self {
        let mut bench = Self { seconds: 60.0, filter: String::new() };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // What cargo passes.
                "--bench" => {}
                "--seconds" => {
                    let seconds = args.next().and_then(|seconds| seconds.parse().ok());
                    bench.seconds = seconds.expect("--seconds wants a number");
                }
                _ => bench.filter = arg,
            }
        }
        bench
    }

    async fn compare(&self, scenario: &Scenario) {
        let sse = SsePassthroughLayer::new;
        self.row(scenario, "dashpot", |client| LimitLayer::new().layer(sse().layer(client))).await;
        self.row(scenario, "no limit", |client| client).await;
        #[cfg(feature = "peers")]
        {
            let slots = scenario::SLOTS;
            self.row(scenario, "tower, right", |client| peers::tower(client, slots)).await;
            self.row(scenario, "tower, 4 times", |client| peers::tower(client, 4 * slots)).await;
            self.row(scenario, "tower-acc Vegas", peers::acc).await;
            self.row(scenario, "tower-acc Gradient2", peers::acc_gradient).await;
            self.row(scenario, "tower-resilience Vegas", peers::resilience).await;
        }
    }

    #[allow(clippy::print_stdout, reason = "the report of a bench")]
    async fn row<S: client::Limited>(
        &self,
        scenario: &Scenario,
        name: &str,
        limit: impl FnOnce(HttpClient) -> S,
    ) {
        let name = format!("{}/{name}", scenario.name);
        if !name.contains(&self.filter) {
            return;
        }
        let run = run::run(scenario, Duration::from_secs_f64(self.seconds), limit(client::http())).await;
        println!("{name:30} {}", Report::new(&run));
    }
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
async fn main() {
    // Each request that is at the server holds two.
    rlimit::increase_nofile_limit(u64::MAX).expect("a process may raise its soft limit");
    let bench = Bench::from_args();
    println!("{:30} {}", "", Report::HEAD);
    for scenario in &SCENARIOS {
        bench.compare(scenario).await;
    }
}
