//! Whether how long a caller waits tells them what another tenant has asked.

use std::time::Duration;

use dashpot::{
    cache::{CacheLayer, FlatIndex, MemoryStore, Similar},
    core::Embedding,
};
use fastrand::Rng;
use http::{HeaderValue, Request};
use http_body_util::Full;
use tokio::{runtime::Runtime, time::Instant};
use tower::{Layer, service_fn};

use super::{Upstream, answer, ask, tenant};

const TRIALS: usize = 4000;
const RESAMPLES: usize = 1000;

/// In each trial one tenant asks something, and then another does: the same, or something else; which of the two is drawn. All
/// questions are new otherwise, so that whoever asks second has a miss. How long that takes is compared.
#[allow(clippy::print_stdout, reason = "the report of a bench")]
pub(crate) fn report(runtime: &Runtime) {
    let mut random = Rng::with_seed(1);
    let embed = async |texts: Vec<std::sync::Arc<str>>| {
        let hash =
            |text: &str| text.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
        let vector = |text: &str| -> Vec<f32> {
            let seed = hash(text);
            (0..384).map(|n| (seed.wrapping_mul(2 * n + 1) >> 8) as f32 - (1 << 23) as f32).collect()
        };
        Ok::<_, std::convert::Infallible>(texts.iter().map(|text| Embedding::new(&vector(text))).collect())
    };
    let similar = Similar::new(service_fn(embed), "a hash", FlatIndex::new(100_000));
    let layer = CacheLayer::new(MemoryStore::new(1 << 30), tenant).similar(similar);
    let (mut service, handle) = (layer.layer(Upstream(answer())), layer.handle());
    let mut times: [Vec<Duration>; 2] = [const { Vec::new() }; 2];
    for (trial, other) in (0..TRIALS).zip(TRIALS..) {
        let is_known = random.bool();
        let first = question("one", if is_known { trial } else { other });
        let second = question("another", trial);
        runtime.block_on(async {
            let stored = handle.stats().stored;
            ask(&mut service, first).await;
            while handle.stats().stored == stored {
                tokio::task::yield_now().await;
            }
            let begun = Instant::now();
            ask(&mut service, second).await;
            times[usize::from(is_known)].push(Instant::now() - begun);
            while handle.stats().stored == stored + 1 {
                tokio::task::yield_now().await;
            }
        });
    }
    assert_eq!(handle.stats().misses as usize, 2 * TRIALS, "nobody has what another was answered");
    let [new, known] = times.map(|times| times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>());
    let mut differences: Vec<f64> = (0..RESAMPLES)
        .map(|_| median(&resample(&known, &mut random)) - median(&resample(&new, &mut random)))
        .collect();
    differences.sort_by(f64::total_cmp);
    let [low, high] = [25, 975].map(|per_mille| differences[RESAMPLES * per_mille / 1000] * 1e6);
    println!(
        "two tenants, {TRIALS} questions: a miss takes {:.1} µs (median), and {:.1} µs if the other has asked the same;\n\
         the difference is {low:+.2} to {high:+.2} µs (95 % of {RESAMPLES} resamples), and of a question of each kind that of the\n\
         second kind is slower {:.1} % of the time\n",
        median(&new) * 1e6,
        median(&known) * 1e6,
        slower(&new, &known) * 100.0,
    );
}

fn question(tenant: &'static str, number: usize) -> Request<Full<bytes::Bytes>> {
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"What is number {number}?"}}]}}"#);
    let mut request =
        Request::post("/v1/chat/completions").body(Full::from(body)).expect("it is well-formed");
    request.headers_mut().insert("x-tenant", HeaderValue::from_static(tenant));
    request
}

fn resample(of: &[f64], random: &mut Rng) -> Vec<f64> {
    of.iter().map(|_| of[random.usize(0..of.len())]).collect()
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    let middle = times.len() / 2;
    *times.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// How often one of the second is slower than one of the first: a half, if neither tells anything.
fn slower(first: &[f64], second: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        first.iter().map(|&time| (time, false)).chain(second.iter().map(|&time| (time, true))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut before, mut slower) = (0_usize, 0_usize);
    for (_, is_second) in all {
        if is_second { slower += before } else { before += 1 }
    }
    slower as f64 / (first.len() * second.len()) as f64
}
