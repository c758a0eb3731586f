use std::{
    error::Error,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use http::{Request, Response};
use http_body::Body;
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};
use tower_service::Service;

use super::layer::Shared;
use crate::{answer::read_to_end, permit::now, starter::StartError};

/// A ping that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The task: sends what is due, each once at a time.
pub(super) async fn run<F>(shared: Arc<Shared>, send: impl Fn(Arc<str>) -> F)
where
    F: Future<Output = Result<(), StartError>> + Send + 'static,
{
    let mut pings = JoinSet::new();
    loop {
        let at = now();
        let (due, next) = {
            let mut counted = shared.lock();
            let due = counted.known.due(at);
            counted.pings += due.len() as u64;
            (due, counted.known.next())
        };
        for key in due {
            let ping = send(key.clone());
            pings.spawn(async move { (key, at, timeout(TIMEOUT, ping).await) });
        }
        if let Some((key, at, result)) = wait(&shared, next, &mut pings).await {
            let is_read = matches!(result, Ok(Ok(())));
            if let Ok(Err(error)) = result {
                tracing::warn!(prefix = &*key, %error, "a prompt cache could not be pinged");
            }
            let mut counted = shared.lock();
            counted.failed += u64::from(!is_read);
            counted.known.ended(&key, at, is_read);
        }
    }
}

/// Until the next is due, somebody has come, or a ping is over.
async fn wait<T: 'static>(shared: &Shared, next: Option<Instant>, pings: &mut JoinSet<T>) -> Option<T> {
    let mut news = pin!(shared.news.notified());
    let mut timer = pin!(next.map(|at| sleep_until(at.into())));
    poll_fn(|cx| {
        // One that has panicked is as good as one that is under way for ever.
        while let Poll::Ready(Some(over)) = pings.poll_join_next(cx) {
            if let Ok(over) = over {
                return Poll::Ready(Some(over));
            }
        }
        let is_late = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready());
        if is_late || news.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

/// Sends a request and reads its answer to the end.
pub(super) async fn ping<S, Q, B>(mut client: S, request: Request<Q>) -> Result<(), StartError>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    poll_fn(|cx| client.poll_ready(cx)).await.map_err(|error| StartError::from(error.into()))?;
    let answer = client.call(request).await.map_err(|error| StartError::from(error.into()))?;
    let status = answer.status();
    read_to_end(answer.into_body()).await?;
    if status.is_success() { Ok(()) } else { Err(StartError::from(format!("it answers {status}"))) }
}
