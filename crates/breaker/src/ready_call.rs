use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    /// Waits until a service is ready, and calls it.
    pub struct ReadyCall<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R, F> {
        Waiting { service: S, request: Option<R> },
        Called { #[pin] future: F },
    }
}

impl<S: Service<R>, R> ReadyCall<S, R> {
    pub(crate) fn new(service: S, request: R) -> Self {
        Self { state: State::Waiting { service, request: Some(request) } }
    }
}

impl<S: Service<R>, R> Future for ReadyCall<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let future = match this.state.as_mut().project() {
                StateProjection::Waiting { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    service.call(request.take().expect("not polled after it is ready"))
                }
                StateProjection::Called { future } => return future.poll(cx),
            };
            this.state.set(State::Called { future });
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for ReadyCall<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyCall").finish_non_exhaustive()
    }
}
