use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Asked, Guard, ReleaseAt, Tracked};

pin_project! {
    /// A body that holds a guard to its end, and tells the guard how it ended.
    ///
    /// Frames, trailers, `size_hint` and `is_end_stream` are those of the inner body.
    ///
    /// # Cancel safety
    ///
    /// The guard is told before the inner body is dropped. Dropped before its end, it tells the guard [`End::Dropped`](crate::End::Dropped); so it does when a poll of the inner body panicked.
    #[derive(Debug)]
    pub struct Guarded<B, G>
    where
        B: Body,
        G: Guard,
    {
        #[pin]
        body: Tracked<B>,
        held: Held<G>,
    }

    impl<B, G> PinnedDrop for Guarded<B, G>
    where
        B: Body,
        G: Guard,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // Asks the body only if nobody knows yet.
            if !this.held.is_over() {
                this.held.end(this.body.end_if_dropped());
            }
        }
    }
}

impl<B: Body, G: Guard> Guarded<B, G> {
    /// Holds `guard` to the end of `body`. A body that is over already ends here, so it need not be polled.
    pub fn new(body: B, guard: G, release_at: ReleaseAt) -> Self {
        Self::of(Tracked::new(body), guard, release_at)
    }

    /// Holds `guard` to the end of the body of `response`, the answer to a request that `asked` so.
    ///
    /// Beyond [`new`](Self::new) it knows what the head says, as [`Tracked::answer`] does.
    #[inline]
    pub fn response(
        asked: impl Into<Asked>,
        response: Response<B>,
        guard: G,
        release_at: ReleaseAt,
    ) -> Response<Self> {
        let (head, body) = response.into_parts();
        let body = Self::of(Tracked::answer(body, asked.into(), &head), guard, release_at);
        Response::from_parts(head, body)
    }

    #[inline]
    fn of(body: Tracked<B>, mut guard: G, release_at: ReleaseAt) -> Self {
        // Many bodies are over already, and their guards need not be moved.
        if let Some(end) = body.end() {
            guard.release();
            guard.end(end);
            return Self { body, held: Held { guard: None, release_at: None } };
        }
        Self { body, held: Held::new(guard, release_at) }
    }
}

impl<B: Body, G: Guard> Body for Guarded<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Poll::Ready(polled) = this.body.as_mut().poll_frame(cx) else {
            if let Some(guard) = &mut this.held.guard {
                guard.pending();
            }
            return Poll::Pending;
        };
        if let Some(Ok(frame)) = &polled {
            this.held.frame(frame);
        }
        if let Some(end) = this.body.end() {
            this.held.end(end);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A guard, and how far it is through its life.
#[derive(Debug)]
struct Held<G> {
    guard: Option<G>,
    /// `None` once it was told to release.
    release_at: Option<ReleaseAt>,
}

impl<G: Guard> Held<G> {
    fn new(guard: G, release_at: ReleaseAt) -> Self {
        let mut held = Self { guard: Some(guard), release_at: Some(release_at) };
        if release_at == ReleaseAt::Head {
            held.release();
        }
        held
    }

    fn is_over(&self) -> bool {
        self.guard.is_none()
    }

    fn frame<D: Buf>(&mut self, frame: &Frame<D>) {
        if let Some(data) = frame.data_ref() {
            if data.has_remaining() {
                if let Some(guard) = &mut self.guard {
                    guard.data();
                }
                if self.release_at == Some(ReleaseAt::FirstByte) {
                    self.release();
                }
            }
        } else if let (Some(trailers), Some(guard)) = (frame.trailers_ref(), &mut self.guard) {
            guard.trailers(trailers);
        }
    }

    fn release(&mut self) {
        // Taken first, so that a guard that panics is not told again.
        if self.release_at.take().is_some()
            && let Some(guard) = &mut self.guard
        {
            guard.release();
        }
    }

    fn end(&mut self, end: crate::End) {
        self.release();
        if let Some(guard) = self.guard.take() {
            guard.end(end);
        }
    }
}
