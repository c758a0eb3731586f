//! Questions to services of others, that must neither hang nor panic in here.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
};

use tower_service::Service;

use crate::flight::BoxError;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A service that says yes or no, whatever its type.
pub(crate) trait Ask<Q>: Send + Sync {
    fn ask(&self, question: Q) -> BoxFuture<'static, Result<bool, BoxError>>;
}

impl<Q, S> Ask<Q> for S
where
    Q: Send + 'static,
    S: Service<Q, Response = bool> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    fn ask(&self, question: Q) -> BoxFuture<'static, Result<bool, BoxError>> {
        let mut service = self.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            service.call(question).await.map_err(Into::into)
        })
    }
}

/// What comes of a future; `None` if it panicked.
pub(crate) async fn caught<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // What panicked is only dropped from then on.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        task::Context,
    };

    use super::*;

    /// That may be called only when it said that it is ready, as the contract is; clones are not.
    #[derive(Debug, Default)]
    struct Strict(bool);

    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self(false)
        }
    }

    impl Service<u8> for Strict {
        type Response = bool;
        type Error = Infallible;
        type Future = Ready<Result<bool, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.0 = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: u8) -> Self::Future {
            ready(Ok(std::mem::take(&mut self.0)))
        }
    }

    #[tokio::test]
    async fn who_is_asked_is_ready_first() {
        for _ in 0..2 {
            assert!(Strict::default().ask(0).await.unwrap());
        }
    }
}
