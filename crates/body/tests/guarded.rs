//! Each way a body can end, and what its guard is told.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use dashpot_body::{End, Guard, Guarded, ReleaseAt};
use dashpot_testkit::body::{BodyError, Scripted};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};

/// What a guard was told, in order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Word>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Release,
    Trailers,
    End(End),
}

use Word::{Release, Trailers};

const COMPLETE: Word = Word::End(End::Complete);
const ERROR: Word = Word::End(End::Error);
const DROPPED: Word = Word::End(End::Dropped);

impl Told {
    fn say(&self, word: Word) {
        self.0.lock().unwrap().push(word);
    }

    fn words(&self) -> Vec<Word> {
        self.0.lock().unwrap().clone()
    }
}

impl Guard for Told {
    fn release(&mut self) {
        self.say(Release);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        assert_eq!(trailers, &some_trailers());
        self.say(Trailers);
    }

    fn end(self, end: End) {
        self.say(Word::End(end));
    }
}

fn some_trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))])
}

fn guarded<B: Body>(body: B, release_at: ReleaseAt) -> (Guarded<B, Told>, Told) {
    let told = Told::default();
    (Guarded::new(body, told.clone(), release_at), told)
}

/// Whether there is a frame, or an error.
fn poll(body: &mut (impl Body + Unpin)) -> Poll<bool> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())).map(|polled| polled.is_some())
}

#[tokio::test]
async fn frames_trailers_and_hints_pass_unchanged() {
    let script = || Scripted::new().data("one").data("").data("two").trailers(some_trailers()).exact();
    let (mut body, mut plain) = (guarded(script(), ReleaseAt::End).0, script());
    loop {
        assert_eq!(body.size_hint().exact(), plain.size_hint().exact());
        assert_eq!(body.is_end_stream(), plain.is_end_stream());
        let (ours, theirs) = (body.frame().await, plain.frame().await);
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        if ours.is_none() {
            break;
        }
    }
}

#[tokio::test]
async fn none_completes_a_body() {
    let (mut body, told) = guarded(Scripted::new().data("a"), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [], "it could go on");
    assert!(body.frame().await.is_none());
    assert_eq!(told.words(), [Release, COMPLETE]);
    drop(body);
    assert_eq!(told.words(), [Release, COMPLETE]);
}

#[tokio::test]
async fn trailers_complete_a_body_since_servers_stop_there() {
    let (mut body, told) = guarded(Scripted::new().data("a").trailers(some_trailers()), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [Trailers, Release, COMPLETE]);
}

#[tokio::test]
async fn the_last_frame_completes_a_body_that_says_so() {
    let (mut body, told) = guarded(Scripted::new().data("a").data("b").eager(), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), []);
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [Release, COMPLETE]);
    assert!(body.frame().await.is_none());
}

#[test]
fn a_body_that_is_over_from_the_start_ends_unpolled() {
    let (_body, told) = guarded(Empty::<Bytes>::new(), ReleaseAt::FirstByte);
    assert_eq!(told.words(), [Release, COMPLETE]);
}

#[tokio::test]
async fn all_bytes_of_an_exact_length_complete_a_body_that_is_dropped() {
    let (mut body, told) = guarded(Scripted::new().data("a").data("b").exact(), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [], "trailers may come");
    drop(body);
    assert_eq!(told.words(), [Release, COMPLETE]);
}

#[tokio::test]
async fn trailers_after_an_exact_length_are_seen() {
    let (mut body, told) =
        guarded(Scripted::new().data("a").trailers(some_trailers()).exact(), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [Trailers, Release, COMPLETE]);
}

#[tokio::test]
async fn an_error_after_an_exact_length_counts() {
    let (mut body, told) = guarded(Scripted::new().data("a").error("late").exact(), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap_err();
    assert_eq!(told.words(), [Release, ERROR]);
}

#[tokio::test]
async fn an_exact_length_that_is_missed_is_an_error_to_its_end_and_a_drop_before() {
    let short = || Liar { hint: SizeHint::with_exact(5), body: Scripted::new().data("abc") };
    let (body, told) = guarded(short(), ReleaseAt::End);
    body.collect().await.unwrap();
    assert_eq!(told.words(), [Release, ERROR]);

    let (mut body, told) = guarded(short(), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(told.words(), [Release, DROPPED]);
}

#[tokio::test]
async fn more_bytes_than_the_exact_length_are_no_error_of_the_guard() {
    let long = Liar { hint: SizeHint::with_exact(2), body: Scripted::new().data("abc") };
    let (body, told) = guarded(long, ReleaseAt::End);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    assert_eq!(told.words(), [Release, COMPLETE]);
}

#[test]
fn an_exact_length_of_zero_needs_no_poll() {
    let (body, told) = guarded(Scripted::new().exact(), ReleaseAt::End);
    assert!(!body.is_end_stream());
    assert_eq!(told.words(), [], "trailers may come");
    drop(body);
    assert_eq!(told.words(), [Release, COMPLETE]);
}

#[tokio::test]
async fn an_error_ends_a_body() {
    let (mut body, told) = guarded(Scripted::new().data("a").error("boom"), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyError("boom"));
    assert_eq!(told.words(), [Release, ERROR]);
}

#[tokio::test]
async fn a_drop_before_the_end_is_told_as_such() {
    let (body, told) = guarded(Scripted::new().data("a"), ReleaseAt::End);
    drop(body);
    assert_eq!(told.words(), [Release, DROPPED], "never polled");

    let (mut body, told) = guarded(Scripted::new().data("a").forever(), ReleaseAt::End);
    body.frame().await.unwrap().unwrap();
    assert!(poll(&mut body).is_pending());
    drop(body);
    assert_eq!(told.words(), [Release, DROPPED]);
}

#[tokio::test]
async fn the_inner_body_is_not_polled_after_its_end() {
    for script in [Scripted::new(), Scripted::new().error("boom")] {
        let probe = script.probe();
        let (mut body, _) = guarded(script, ReleaseAt::End);
        let _ = body.frame().await;
        for _ in 0..3 {
            assert!(body.frame().await.is_none());
        }
        assert_eq!((probe.polls(), probe.polls_after_end()), (1, 0));
    }
}

#[tokio::test]
async fn an_end_that_shows_only_between_polls_is_seen() {
    // As an HTTP/2 body whose empty last frame comes after its head.
    let mut inner = Liar { hint: SizeHint::default(), body: Scripted::new().data("").eager() };
    let (body, told) = guarded(&mut inner, ReleaseAt::End);
    assert_eq!(told.words(), []);
    drop(body);
    assert_eq!(told.words(), [Release, DROPPED]);
    inner.frame().await.unwrap().unwrap();
    let (body, told) = guarded(inner, ReleaseAt::End);
    drop(body);
    assert_eq!(told.words(), [Release, COMPLETE]);
}

#[test]
fn a_body_that_panics_ends_once_and_is_left_alone() {
    let (mut body, told) = guarded(Panics, ReleaseAt::End);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut body))).is_err());
    assert_eq!(told.words(), []);
    assert_eq!(poll(&mut body), Poll::Ready(false), "not polled again");
    drop(body);
    assert_eq!(told.words(), [Release, DROPPED]);
}

#[tokio::test]
async fn the_release_comes_when_it_was_asked_for() {
    let script = || Scripted::new().data("").data("a").data("b");
    let (body, told) = guarded(script(), ReleaseAt::Head);
    assert_eq!(told.words(), [Release]);
    body.collect().await.unwrap();
    assert_eq!(told.words(), [Release, COMPLETE]);

    let (mut body, told) = guarded(script(), ReleaseAt::FirstByte);
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [], "an empty frame is no byte");
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [Release]);
    body.collect().await.unwrap();
    assert_eq!(told.words(), [Release, COMPLETE]);

    let (body, told) = guarded(Scripted::new().data(""), ReleaseAt::FirstByte);
    body.collect().await.unwrap();
    assert_eq!(told.words(), [Release, COMPLETE], "no byte came");
}

#[test]
fn an_answer_without_a_body_is_complete_when_it_is_dropped_unread() {
    let answer = |method: &Method, status: StatusCode| {
        let told = Told::default();
        let mut answer = Response::new(Scripted::new().data("a body that is not sent"));
        *answer.status_mut() = status;
        drop(Guarded::response(method, answer, told.clone(), ReleaseAt::End));
        told.words()
    };
    let (get, head, connect) = (&Method::GET, &Method::HEAD, &Method::CONNECT);
    for (method, status) in [(head, 200), (head, 500), (get, 101), (get, 204), (get, 304), (connect, 200)] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(answer(method, status), [Release, COMPLETE], "{method} {status}");
    }
    for (method, status) in [(get, 200), (get, 206), (get, 404), (connect, 502)] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(answer(method, status), [Release, DROPPED], "{method} {status}");
    }
}

#[tokio::test]
async fn a_body_that_is_sent_although_the_head_says_otherwise_is_held_to_its_end() {
    let told = Told::default();
    let answer = Response::builder()
        .status(204)
        .header("content-length", "3")
        .body(Scripted::new().data("abc").data("d"));
    let answer = Guarded::response(&Method::GET, answer.unwrap(), told.clone(), ReleaseAt::End);
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(told.words(), [], "as hyper sends it over HTTP/2");
    drop(body);
    assert_eq!(told.words(), [Release, DROPPED]);
}

#[tokio::test]
async fn a_content_length_stands_in_for_a_size_hint() {
    let answer = |length: &'static str| {
        let told = Told::default();
        let answer = Response::builder().header("content-length", length);
        let answer = answer.body(Scripted::new().data("abc")).unwrap();
        (Guarded::response(&Method::GET, answer, told.clone(), ReleaseAt::End).into_body(), told)
    };
    for (length, dropped, polled_on) in
        [("3", COMPLETE, COMPLETE), ("4", DROPPED, ERROR), ("three", DROPPED, COMPLETE)]
    {
        let (mut body, told) = answer(length);
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(told.words(), [Release, dropped], "{length}");
        let (body, told) = answer(length);
        body.collect().await.unwrap();
        assert_eq!(told.words(), [Release, polled_on], "{length}");
    }
}

#[test]
fn auto_traits_are_those_of_body_and_guard() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Guarded<Full<Bytes>, Told>>();
}

/// A body with a size hint that need not be true.
struct Liar {
    hint: SizeHint,
    body: Scripted,
}

impl Body for Liar {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

struct Panics;

impl Body for Panics {
    type Data = Box<dyn Buf>;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BodyError>>> {
        panic!("as a body may");
    }
}
