use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{End, Tracked};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{Observer, watch::Watch};

pin_project! {
    /// The inner service's body: the same frames, trailers, `size_hint` and `is_end_stream`, watched if it is a stream of
    /// events.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body at once. A stream that had not said that it is complete then counts as
    /// [`End::ClientGone`](crate::End::ClientGone).
    pub struct ResponseBody<B, O = ()>
    where
        B: Body,
        O: Observer,
    {
        #[pin]
        body: Tracked<B>,
        watch: Option<Watch<O>>,
    }

    impl<B, O> PinnedDrop for ResponseBody<B, O>
    where
        B: Body,
        O: Observer,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(watch) = this.watch.take() {
                watch.end(this.body.end_if_dropped(), Instant::now());
            }
        }
    }
}

impl<B: Body, O: Observer> ResponseBody<B, O> {
    pub(crate) fn unwatched(body: B) -> Self {
        Self { body: Tracked::new(body), watch: None }
    }

    pub(crate) fn watched(body: Tracked<B>, watch: Watch<O>) -> Self {
        let mut watch = Some(watch);
        if let Some(end) = body.end()
            && let Some(watch) = watch.take()
        {
            watch.end(end, Instant::now());
        }
        Self { body, watch }
    }
}

impl<B: Body<Data = Bytes>, O: Observer> Body for ResponseBody<B, O> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let polled = ready!(this.body.as_mut().poll_frame(cx));
        let Some(watch) = this.watch else { return Poll::Ready(polled) };

        let news = match &polled {
            Some(Ok(frame)) => frame.data_ref().is_some_and(|data| watch.data(data)),
            Some(Err(_)) => {
                watch.reset();
                false
            }
            None => false,
        };
        let end = this.body.end();
        // The clock is read only where there is something to tell, and once.
        if news || end.is_some() {
            let now = Instant::now();
            watch.tell(now);
            if let Some(end) = end
                && let Some(watch) = this.watch.take()
            {
                watch.end(end, now);
            }
        }
        // At the stated length nobody polls on, and an outer body that is dropped then asks before this one is.
        if let Some(watch) = this.watch
            && this.body.end_if_dropped() == End::Complete
        {
            watch.foresee(End::Complete);
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

impl<B: Body + fmt::Debug, O: Observer> fmt::Debug for ResponseBody<B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("body", &self.body)
            .field("watched", &self.watch.is_some())
            .finish()
    }
}
