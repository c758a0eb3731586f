//! A call to the upstream, as the flights make it.

use std::{any::Any, future::poll_fn, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use crate::{
    Entry, RequestBody,
    commit::may_keep,
    flight::{AnyBody, BoxError, Call},
    turn::{Turn, Whose},
};

/// That another process has answered: in the extensions of a head that has nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere(pub(crate) Arc<Entry>);

/// A call that is made when it is first polled, and when it is our turn.
pub(crate) fn call<S, ReqBody, B>(
    mut ready: S,
    request: Request<RequestBody<ReqBody>>,
    turn: Option<Turn>,
) -> Call
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let any = |error| Box::new(error) as Box<dyn Any + Send>;
    Box::pin(async move {
        let whose = match &turn {
            Some(turn) => turn.ask().await,
            None => Whose::Ours,
        };
        let found = match (whose, &turn) {
            (Whose::Over(entry), _) => Some(entry),
            (Whose::Theirs, Some(turn)) => {
                ready = unready(&ready);
                let found = turn.wait().await;
                if found.is_none() {
                    poll_fn(|cx| ready.poll_ready(cx)).await.map_err(any)?;
                }
                found
            }
            _ => None,
        };
        if let Some(entry) = found {
            let mut head = Response::new(AnyBody::default());
            head.extensions_mut().insert(Elsewhere(entry));
            return Ok(head);
        }
        let answer = ready.call(request).await.map_err(any)?;
        if let Some(turn) = turn.filter(|_| !may_keep(answer.status(), answer.headers())) {
            // Nobody is to wait for the end of what is not kept.
            turn.held.give_up();
        }
        Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
    })
}

/// The same service, that has reserved nothing: one that is ready and waits would hold what others could use.
pub(crate) fn unready<S: Clone>(ready: &S) -> S {
    ready.clone()
}
