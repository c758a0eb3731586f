//! A million clients that leave, each at a random point, and nothing of them stays.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::HttpClassify;
use dashpot_limit::{Head, LimitLayer, ResponseBody, ResponseFuture, policy::Fixed};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Empty;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{runtime::Builder, time::advance};
use tower::{Layer, Service};

const LIMIT: u32 = 8;
const TOKENS: u32 = 80;
/// More than there are slots and tokens, so that some wait and some are refused.
const CLIENTS: usize = 32;
/// One key more than has a limit of its own.
const KEYS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];
const PARTITIONS: [Option<&str>; 3] = [None, Some("0"), Some("1")];
const MILLI: Duration = Duration::from_millis(1);

/// Where clients leave.
const STAGES: [&str; 7] =
    ["unpolled", "waiting", "before the head", "with the head", "in mid-body", "at the end", "refused"];
const REFUSED: usize = STAGES.len() - 1;

type Counts = [usize; STAGES.len()];

#[derive(Clone, Default)]
struct Ask {
    key: Option<&'static str>,
    partition: Option<&'static str>,
    cost: u32,
    /// Whether it came through to the model.
    called: Arc<AtomicBool>,
}

/// Takes two polls for a head, and five for a body.
#[derive(Clone)]
struct Model;

struct Answering {
    pending: bool,
}

struct Words {
    left: u8,
    pending: bool,
}

impl Service<Request<Empty<Bytes>>> for Model {
    type Response = Response<Words>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Answering {
        request.extensions().get::<Ask>().unwrap().called.store(true, Relaxed);
        Answering { pending: true }
    }
}

impl Future for Answering {
    type Output = Result<Response<Words>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.pending, false) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Response::new(Words { left: 2, pending: true })))
    }
}

impl Body for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.pending, false) {
            return Poll::Pending;
        }
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        (self.left, self.pending) = (left, left > 0);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"word ")))))
    }
}

struct Client {
    answer: Answer,
    called: Arc<AtomicBool>,
    /// An index of [`STAGES`].
    stage: usize,
}

enum Answer {
    Future(ResponseFuture<Model, Empty<Bytes>, HttpClassify>),
    Body(ResponseBody<Words, HttpClassify>),
}

impl Client {
    fn new(layer: &LimitLayer, ask: Ask) -> Self {
        let called = ask.called.clone();
        let mut request = Request::default();
        request.extensions_mut().insert(ask);
        Self { answer: Answer::Future(layer.layer(Model).call(request)), called, stage: 0 }
    }

    /// Polls once, and says whether there is more to come.
    fn poll(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match &mut self.answer {
            Answer::Future(future) => match Pin::new(future).poll(&mut cx) {
                Poll::Pending => self.stage = if self.called.load(Relaxed) { 2 } else { 1 },
                Poll::Ready(Ok(answer)) if answer.status() == StatusCode::OK => {
                    self.answer = Answer::Body(answer.into_body());
                    self.stage = 3;
                }
                Poll::Ready(Ok(_)) => {
                    self.stage = REFUSED;
                    return false;
                }
            },
            Answer::Body(body) => match Pin::new(body).poll_frame(&mut cx) {
                Poll::Ready(None) => {
                    self.stage = 5;
                    return false;
                }
                Poll::Ready(Some(_)) | Poll::Pending => self.stage = 4,
            },
        }
        true
    }

    fn is_admitted(&mut self) -> bool {
        self.poll() && self.called.load(Relaxed)
    }
}

fn layer() -> LimitLayer {
    LimitLayer::with_policy(Fixed::new(LIMIT))
        .keyed(KEYS.len() - 2, |head| ask(head).key.map(Into::into))
        .partitions([("0", 0.5), ("1", 0.25)], |head| ask(head).partition)
        .tokens(TOKENS, |head| ask(head).cost)
        .wait(8, 4 * MILLI)
}

fn ask<'a>(head: &Head<'a>) -> &'a Ask {
    head.extensions().get().unwrap()
}

/// Clients come and leave at random until so many have left: how many at which stage. Where the clock stands still,
/// `tick` moves it.
async fn storm(layer: &LimitLayer, seed: u64, at_once: usize, cancels: usize, tick: Duration) -> Counts {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut clients: Vec<(Client, u32)> = Vec::new();
    let mut counts = [0; STAGES.len()];
    let mut polls = 0_usize;
    while counts[..REFUSED].iter().sum::<usize>() < cancels {
        if clients.len() < at_once {
            let ask = Ask {
                key: KEYS[random.random_range(0..KEYS.len())],
                partition: PARTITIONS[random.random_range(0..PARTITIONS.len())],
                cost: random.random_range(0..TOKENS / 4),
                ..Ask::default()
            };
            // Seven polls see the end of an answer.
            clients.push((Client::new(layer, ask), random.random_range(0..10)));
        }
        let at = random.random_range(0..clients.len());
        let (client, patience) = &mut clients[at];
        let stays = patience.checked_sub(1).is_some_and(|left| {
            *patience = left;
            client.poll()
        });
        if !stays {
            let (client, _) = clients.swap_remove(at);
            counts[client.stage] += 1;
        }
        polls += 1;
        if !tick.is_zero() && polls.is_multiple_of(at_once) {
            let (keyed, default) = (layer.keyed_handle().stats(), layer.handle().stats());
            let all = keyed.iter().map(|(_, stats)| stats).chain([&default]);
            let counted: usize = all.map(|stats| stats.in_flight as usize + stats.waiting).sum();
            assert!(counted <= clients.len(), "{counted} of {}", clients.len());
            advance(tick).await;
        }
    }
    counts
}

/// Nobody is left in any limit, and each admits what it did at first.
fn check(layer: &LimitLayer, counts: &Counts) {
    for (stage, count) in STAGES.iter().zip(counts) {
        assert!(*count > counts[..REFUSED].iter().sum::<usize>() / 100, "{stage} in {counts:?}");
    }
    let keys = layer.keyed_handle();
    let keyed: Vec<_> = keys.stats().iter().map(|(key, _)| (key.clone(), keys.get(key).unwrap())).collect();
    assert_eq!(keyed.len(), KEYS.len() - 2);
    for handle in keyed.iter().map(|(_, handle)| handle).chain([&layer.handle()]) {
        let stats = handle.stats();
        assert_eq!((stats.in_flight, stats.waiting, stats.tokens.unwrap().in_flight), (0, 0, 0), "{stats:?}");
        assert!(handle.partitions().iter().all(|partition| partition.in_flight == 0), "{handle:?}");
    }
    for key in KEYS.into_iter().filter(|key| key.is_none_or(|key| keys.get(key).is_some())) {
        let ask = || Ask { key, ..Ask::default() };
        let mut all = Client::new(layer, Ask { cost: TOKENS, ..ask() });
        assert!(all.is_admitted(), "{key:?}: all tokens are there");
        drop(all);
        let mut clients: Vec<_> = (0..LIMIT).map(|_| Client::new(layer, ask())).collect();
        assert!(clients.iter_mut().all(Client::is_admitted), "{key:?}: all slots are there");
        let mut next = Client::new(layer, ask());
        assert!(!next.is_admitted(), "{key:?}: there are no more");
        drop(clients.pop());
        assert!(next.is_admitted(), "{key:?}: who waits gets the next");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_million_cancels_on_one_thread_leave_nothing_in_flight() {
    let layer = layer();
    let counts = storm(&layer, 1, CLIENTS, 500_000, MILLI).await;
    check(&layer, &counts);
}

#[test]
fn half_a_million_cancels_on_four_threads_leave_nothing_in_flight() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let layer = layer();
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| {
                let storm = storm(&layer, seed, CLIENTS / 4, 125_000, Duration::ZERO);
                scope.spawn(|| runtime.block_on(storm))
            })
            .collect();
        for thread in threads {
            for (sum, count) in counts.iter_mut().zip(thread.join().unwrap()) {
                *sum += count;
            }
        }
    });
    let _runtime = runtime.enter();
    check(&layer, &counts);
}
