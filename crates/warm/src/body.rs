use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::{Asked, Guarded, ReleaseAt};
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{loading::Loading, permit::Permit};

pin_project! {
    /// The inner service's body, at whose end its upstream is idle again; or the words of a refusal; or comments until
    /// there is an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is over.
    pub struct ResponseBody<B, F>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B, F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B, F>
    where
        B: Body,
    {
        Held { #[pin] body: Guarded<B, Permit> },
        Refusal { words: Bytes },
        Loading { loading: Pin<Box<Loading<B, F>>> },
    }
}

impl<B: Body, F> ResponseBody<B, F> {
    #[inline]
    pub(crate) fn held(asked: Asked, response: Response<B>, permit: Permit) -> Response<Self> {
        Guarded::response(asked, response, permit, ReleaseAt::End)
            .map(|body| Self { kind: Kind::Held { body } })
    }

    pub(crate) fn refusal(words: Bytes) -> Self {
        Self { kind: Kind::Refusal { words } }
    }

    /// The inner service's body, if it is one.
    pub(crate) fn into_held(self) -> Option<Guarded<B, Permit>> {
        match self.kind {
            Kind::Held { body } => Some(body),
            Kind::Refusal { .. } | Kind::Loading { .. } => None,
        }
    }

    /// An event stream that begins now, and goes on as the answer does.
    pub(crate) fn loading(answer: F, every: Duration) -> Response<Self> {
        let loading = Box::pin(Loading::new(answer, every));
        let mut response = Response::new(Self { kind: Kind::Loading { loading } });
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl<B, F, E> Body for ResponseBody<B, F>
where
    B: Body<Data = Bytes>,
    F: Future<Output = Result<Response<Self>, E>>,
{
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Held { body } => body.poll_frame(cx),
            KindProjection::Refusal { words } => {
                let words = std::mem::take(words);
                Poll::Ready((!words.is_empty()).then(|| Ok(Frame::data(words))))
            }
            KindProjection::Loading { loading } => loading.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Held { body } => body.is_end_stream(),
            Kind::Refusal { words } => words.is_empty(),
            Kind::Loading { loading } => loading.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Held { body } => body.size_hint(),
            Kind::Refusal { words } => SizeHint::with_exact(words.len() as u64),
            Kind::Loading { .. } => SizeHint::default(),
        }
    }
}

impl<B: Body, F> fmt::Debug for ResponseBody<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
