//! One exchange with a model whose every step takes 100 ms, and what the limit's policy is told of it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::ReleaseAt;
use dashpot_core::{BodyReport, Deadline, Outcome};
use dashpot_limit::LimitLayer;
use dashpot_testkit::body::{BodyError, Scripted};
use http::{HeaderMap, HeaderValue, Request, Response, response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use crate::recorder::{Recorder, Told};

pub(crate) const STEP: Duration = Duration::from_millis(100);

pub(crate) type Answer = Result<Response<Scripted>, &'static str>;

/// A body with a frame for each of these words, one every 100 ms, of which the first comes with the head.
pub(crate) fn words(words: &[&'static str]) -> Scripted {
    let (first, rest) = words.split_first().unwrap();
    rest.iter().fold(Scripted::new().data(*first), |body, word| body.wait(STEP).data(*word))
}

pub(crate) fn whole(body: Scripted) -> Answer {
    Ok(Response::new(body))
}

pub(crate) fn events(body: Scripted) -> Answer {
    built(Response::builder().header("content-type", "text/event-stream"), body)
}

pub(crate) fn grpc(body: Scripted) -> Answer {
    built(Response::builder().header("content-type", "application/grpc"), body)
}

pub(crate) fn status(code: u16) -> Answer {
    built(Response::builder().status(code), Scripted::new().data("no").exact())
}

pub(crate) fn built(head: response::Builder, body: Scripted) -> Answer {
    Ok(head.body(body).unwrap())
}

pub(crate) fn grpc_status(code: u16) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(code))])
}

/// As if a layer further in read the body, and reported what the words mean.
pub(crate) fn read(answer: Answer) -> Answer {
    answer.map(|mut answer| {
        answer.extensions_mut().insert(BodyReport::default());
        answer
    })
}

/// A body whose words are reported before they go out.
struct Read {
    body: Scripted,
    report: Option<BodyReport>,
}

impl Body for Read {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(report), Some(Ok(frame))) = (&self.report, &frame) {
            match frame.data_ref().map(Bytes::as_ref) {
                Some(b"content") => report.set_first_content(STEP),
                Some(b"usage") => report.set_output_tokens(7),
                Some(b"done") => report.set_outcome(Outcome::Success),
                Some(b"overloaded") => report.set_outcome(Outcome::Overload { retry_after: None }),
                Some(b"limited") => {
                    report.set_outcome(Outcome::RateLimited { quota: false, retry_after: None });
                }
                Some(b"failed") => report.set_outcome(Outcome::Failure),
                _ => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Client {
    /// To the end.
    Reads,
    /// Once the head is there, without a look at the body.
    DropsBody,
    /// After so many milliseconds, wherever the answer is.
    LeavesAfter(u64),
}

pub(crate) struct Exchange {
    pub(crate) answer: Answer,
    /// Until the head comes.
    pub(crate) delay: Duration,
    pub(crate) client: Client,
    /// The request's deadline, counted from its start.
    pub(crate) deadline: Option<Duration>,
    pub(crate) release_at: ReleaseAt,
}

impl Exchange {
    pub(crate) fn new(answer: Answer) -> Self {
        Self { answer, delay: STEP, client: Client::Reads, deadline: None, release_at: ReleaseAt::End }
    }

    /// What is told of it. Whatever it is, one has left in the end and nobody is in flight.
    pub(crate) async fn told(self) -> Vec<Told> {
        let recorder = Recorder::default();
        let layer = LimitLayer::with_policy(recorder.clone()).release_at(self.release_at);
        let (delay, answer) = (self.delay, Arc::new(Mutex::new(Some(self.answer))));
        let service = layer.layer(service_fn(move |_: Request<Full<Bytes>>| {
            let answer = answer.lock().unwrap().take().unwrap();
            async move {
                sleep(delay).await;
                answer.map(|answer| {
                    let report = answer.extensions().get().cloned();
                    answer.map(|body| Read { body, report })
                })
            }
        }));
        let start = Instant::now().into_std();
        let mut request = Request::default();
        if let Some(after) = self.deadline {
            request.extensions_mut().insert(Deadline::at(start + after));
        }
        let patience = match self.client {
            Client::LeavesAfter(millis) => Duration::from_millis(millis),
            Client::Reads | Client::DropsBody => 100 * STEP,
        };
        let _ = timeout(patience, async {
            if let Ok(answer) = service.oneshot(request).await
                && self.client != Client::DropsBody
            {
                let _ = answer.into_body().collect().await;
            }
        })
        .await;
        let told = recorder.told(start);
        assert_eq!(told.iter().map(|(.., departed)| departed).sum::<u32>(), 1, "{told:?}");
        let stats = layer.handle().stats();
        assert_eq!((stats.in_flight, stats.admitted), (0, 1));
        told
    }
}
