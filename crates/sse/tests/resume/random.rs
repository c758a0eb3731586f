//! Whatever clients do, and in whatever order: what each has seen has no gap and nothing twice, or it is told.

use dashpot_sse::resume::Memory;
use dashpot_testkit::body::Scripted;
use http_body_util::BodyExt;
use proptest::prelude::*;

use crate::support::{Body, SECOND, Upstream};

#[derive(Clone, Debug)]
enum Do {
    /// A client reads so many frames, if they come within a second.
    Read(usize, u32),
    /// Its connection breaks.
    Cut(usize),
    Wait(u32),
}

fn things() -> impl Strategy<Value = Vec<Do>> {
    let thing = prop_oneof![
        4 => (0..3_usize, 1..30_u32).prop_map(|(client, count)| Do::Read(client, count)),
        2 => (0..3_usize).prop_map(Do::Cut),
        1 => (0..20_u32).prop_map(Do::Wait),
    ];
    prop::collection::vec(thing, 1..60)
}

#[derive(Default)]
struct Client {
    body: Option<Body>,
    id: Option<String>,
    seen: u32,
    is_told: bool,
}

impl Client {
    /// Comes back, if it is not there.
    async fn come(&mut self, upstream: &Upstream) {
        let Some(id) = self.id.as_ref().filter(|_| self.body.is_none() && !self.is_told) else { return };
        let answer = upstream.back(id).await;
        match answer.status().as_u16() {
            200 => self.body = Some(answer.into_body()),
            204 => assert_eq!(self.seen, EVENTS, "it has all of it"),
            status => {
                assert_eq!(status, 410);
                self.is_told = true;
            }
        }
    }

    async fn read(&mut self, count: u32) {
        let Some(body) = &mut self.body else { return };
        for _ in 0..count {
            let Ok(frame) = tokio::time::timeout(SECOND, body.frame()).await else { return };
            match frame {
                None => {
                    assert_eq!(self.seen, EVENTS, "the end comes early");
                    self.body = None;
                    return;
                }
                Some(Err(_)) => {
                    (self.body, self.is_told) = (None, true);
                    return;
                }
                Some(Ok(frame)) => {
                    let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
                    let (id, rest) = text.strip_prefix("id: ").unwrap().split_once('\n').unwrap();
                    self.seen += 1;
                    assert!(
                        rest.starts_with(&format!("data: {} ", self.seen)),
                        "{rest} after {}",
                        self.seen - 1
                    );
                    self.id = Some(id.into());
                }
            }
        }
    }
}

const EVENTS: u32 = 120;

/// What the clients have seen at the end, and whether each was told that there is a gap.
async fn run(things: Vec<Do>, sizes: Vec<usize>, waits: Vec<u32>, clients: usize) -> Vec<(u32, bool)> {
    let script = (1..=EVENTS).zip(sizes.into_iter().cycle()).zip(waits.into_iter().cycle());
    let script = script.fold(Scripted::new(), |script, ((number, size), wait)| {
        let script = if wait == 0 { script } else { script.wait(wait * SECOND / 10) };
        script.data(format!("data: {number} {}\n\n", "x".repeat(size)))
    });
    // What two hundred bytes cost, ten times.
    let bounds = Memory { stream_bytes: 3300, ..Memory::default() };
    let upstream = Upstream::within(bounds, [script]);
    let mut all: Vec<Client> = (0..clients).map(|_| Client::default()).collect();
    all[0].body = Some(upstream.begin().await);
    all[0].read(1).await;
    for client in 1..clients {
        (all[client].id, all[client].seen) = (all[0].id.clone(), 1);
    }
    for thing in things {
        match thing {
            Do::Read(client, count) => {
                let client = &mut all[client % clients];
                client.come(&upstream).await;
                client.read(count).await;
            }
            Do::Cut(client) => all[client % clients].body = None,
            Do::Wait(seconds) => tokio::time::sleep(seconds * SECOND).await,
        }
    }
    for client in &mut all {
        client.come(&upstream).await;
        client.read(EVENTS * 100).await;
        client.come(&upstream).await;
    }
    all.into_iter().map(|client| (client.seen, client.is_told)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Alone, and back in time each time, it misses nothing.
    #[test]
    fn one_client_sees_all_of_it(
        things in things(),
        sizes in prop::collection::vec(0..900_usize, 1..10),
        waits in prop::collection::vec(0..8_u32, 1..10),
    ) {
        let in_time = things.into_iter().filter(|thing| !matches!(thing, Do::Wait(_))).collect();
        prop_assert_eq!(block_on(run(in_time, sizes, waits, 1)), [(EVENTS, false)]);
    }

    #[test]
    fn of_many_each_sees_all_of_it_or_is_told(
        things in things(),
        sizes in prop::collection::vec(0..900_usize, 1..10),
        waits in prop::collection::vec(0..8_u32, 1..10),
    ) {
        for (seen, is_told) in block_on(run(things, sizes, waits, 3)) {
            prop_assert!(seen == EVENTS || is_told, "{} and no word", seen);
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}
