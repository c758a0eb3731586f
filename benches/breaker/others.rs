//! The breakers of other crates in the table. To all of them a status from 500 on is a failure.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use failsafe::futures::CircuitBreaker;
use tower::{BoxError, Service, ServiceExt, service_fn};

use crate::{
    contestants::{Contestant, boxed},
    peers,
    upstream::{Answer, Asked, Upstream},
};

pub(crate) const ALL: [Contestant; 4] = [
    Contestant {
        name: "tower-resilience",
        make: |upstream| {
            boxed(peers::resilience(upstream, |result| result.as_ref().is_ok_and(has_failed), None))
        },
    },
    Contestant {
        name: "tower-circuitbreaker",
        make: |upstream| {
            // Its service cannot be cloned.
            let breaker = peers::tower(upstream, |result| result.as_ref().is_ok_and(has_failed));
            boxed(Shared(Arc::new(Mutex::new(breaker))))
        },
    },
    Contestant {
        name: "recloser",
        make: |upstream| {
            let breaker = peers::recloser();
            boxed(service_fn(move |request| {
                let call = breaker.call(exchange(upstream.clone(), request));
                async { call.await.map_err(|_| BoxError::from("it failed, or was refused")) }
            }))
        },
    },
    Contestant {
        name: "failsafe",
        make: |upstream| {
            let breaker = peers::failsafe();
            boxed(service_fn(move |request| {
                let call = breaker.call(Box::pin(exchange(upstream.clone(), request)));
                async { call.await.map_err(|_| BoxError::from("it failed, or was refused")) }
            }))
        },
    },
];

fn has_failed(answer: &Answer) -> bool {
    answer.status().is_server_error()
}

/// For those that know failures from errors only.
async fn exchange(upstream: Upstream, request: Asked) -> Result<Answer, ()> {
    let Ok(answer) = upstream.oneshot(request).await;
    if has_failed(&answer) { Err(()) } else { Ok(answer) }
}

struct Shared<S>(Arc<Mutex<S>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Service<Asked>> Service<Asked> for Shared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.lock().expect("no call panics").poll_ready(cx)
    }

    fn call(&mut self, request: Asked) -> S::Future {
        self.0.lock().expect("no call panics").call(request)
    }
}
