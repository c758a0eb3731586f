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

use crate::{Observer, watch::Watch, whole::Whole};

pin_project! {
    /// The inner service's body: the same frames, trailers, `size_hint` and `is_end_stream`, watched if it is a stream of
    /// events, or an answer of a known dialect that comes whole.
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
        watching: Watching<O>,
    }

    impl<B, O> PinnedDrop for ResponseBody<B, O>
    where
        B: Body,
        O: Observer,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Watching::Stream(watch) = std::mem::replace(this.watching, Watching::Nothing) {
                watch.end(this.body.end_if_dropped(), Instant::now());
            }
        }
    }
}

/// What is looked at, until it is over.
enum Watching<O> {
    Stream(Watch<O>),
    Whole(Whole),
    Nothing,
}

impl<B: Body, O: Observer> ResponseBody<B, O> {
    pub(crate) fn unwatched(body: B) -> Self {
        Self { body: Tracked::new(body), watching: Watching::Nothing }
    }

    pub(crate) fn watched(body: Tracked<B>, watch: Watch<O>) -> Self {
        if let Some(end) = body.end() {
            watch.end(end, Instant::now());
            return Self { body, watching: Watching::Nothing };
        }
        Self { body, watching: Watching::Stream(watch) }
    }

    pub(crate) fn whole(body: Tracked<B>, whole: Whole) -> Self {
        Self { body, watching: Watching::Whole(whole) }
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
        let watch = match this.watching {
            Watching::Stream(watch) => watch,
            Watching::Whole(whole) => {
                if let Some(data) = polled.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    whole.data(data);
                }
                // At the stated length nobody polls on.
                if this.body.end_if_dropped() == End::Complete
                    && let Watching::Whole(whole) = std::mem::replace(this.watching, Watching::Nothing)
                {
                    whole.end();
                }
                return Poll::Ready(polled);
            }
            Watching::Nothing => return Poll::Ready(polled),
        };

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
            if let Some(end) = end {
                if let Watching::Stream(watch) = std::mem::replace(this.watching, Watching::Nothing) {
                    watch.end(end, now);
                }
                return Poll::Ready(polled);
            }
        }
        // At the stated length nobody polls on, and an outer body that is dropped then asks before this one is.
        if this.body.end_if_dropped() == End::Complete {
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
            .field("watched", &!matches!(self.watching, Watching::Nothing))
            .finish()
    }
}
