use bytes::Bytes;
use dashpot_core::Rejection;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;

use super::{
    BoxError, Found, ResumeBody, ResumeLayer, Store, StreamKey, id::random_stream, opening::Opening,
    owner::Owner, tape::Tape,
};
use crate::head;

/// Whether it is another's, or never was, nobody is told.
const GONE: Rejection =
    Rejection::new("resume", "there is nothing that can be resumed from this Last-Event-ID")
        .with_status(StatusCode::GONE);

const BROKEN: Rejection =
    Rejection::new("resume", "the stream broke off after this Last-Event-ID").with_status(StatusCode::GONE);

/// An exchange whose answer may be a stream to keep.
#[derive(Debug)]
pub(super) struct Exchange<St> {
    pub(super) owner: Owner,
    pub(super) layer: ResumeLayer<St>,
}

impl<St: Store> Exchange<St> {
    /// Makes room for the answer, if it is a stream of events.
    pub(super) fn open<B>(self, response: Response<B>) -> Response<ResumeBody<B, St>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut head, body) = response.into_parts();
        let is_stream = head.status == StatusCode::OK
            && head::is_event_stream(&head.headers)
            && !head::is_encoded(&head.headers)
            && !body.is_end_stream();
        if !is_stream {
            return Response::from_parts(head, ResumeBody::passing(body));
        }
        let Self { owner, layer: ResumeLayer { store, max_event, counters } } = self;
        let room = random_stream().and_then(|stream| {
            let recorder = store.record(StreamKey { stream, owner: owner.to_key() })?;
            Some((Tape::new(stream, max_event, counters.clone()), recorder))
        });
        let Some((tape, recorder)) = room else {
            counters.count(|cells| &cells.no_room);
            tracing::debug!("no room: an event stream cannot be resumed");
            return Response::from_parts(head, ResumeBody::passing(body));
        };
        head::forget_bytes(&mut head.headers);
        Response::from_parts(head, ResumeBody::opening(Opening::new(body, tape, recorder, counters)))
    }
}

impl<St: Store> ResumeLayer<St> {
    /// The answer to who came back.
    pub(super) fn answer<B>(&self, found: Found<St::Follower>) -> Response<ResumeBody<B, St>> {
        match found {
            Found::More(follower) => {
                self.counters.count(|cells| &cells.resumed);
                tracing::debug!("a client came back to its stream");
                let mut answer = Response::new(ResumeBody::following(follower));
                let event_stream = HeaderValue::from_static("text/event-stream");
                answer.headers_mut().insert(header::CONTENT_TYPE, event_stream);
                head::harden(answer.headers_mut());
                answer
            }
            Found::Over => {
                self.counters.count(|cells| &cells.over);
                let mut answer = Response::new(ResumeBody::made(Bytes::new()));
                *answer.status_mut() = StatusCode::NO_CONTENT;
                for_this_client(answer)
            }
            Found::Broken => self.refuse(BROKEN),
            Found::Gone => self.refuse(GONE),
        }
    }

    fn refuse<B>(&self, why: Rejection) -> Response<ResumeBody<B, St>> {
        self.counters.count(|cells| &cells.refused);
        tracing::debug!(why = why.reason(), "a client came back for nothing");
        for_this_client(why.problem().map(|words| ResumeBody::made(words.into())))
    }
}

/// Caches keep 204 and 410 unless they are told not to, and may give them to who asks for the stream anew.
fn for_this_client<B>(mut answer: Response<B>) -> Response<B> {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
