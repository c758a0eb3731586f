//! Counts each exchange until the end of its body, not until its head: a stream is in flight as long as it flows.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use dashpot::body::{End, Guard, Guarded, ReleaseAt};
use metrics::{counter, gauge};

/// One exchange in flight; whatever becomes of it, it is counted out when this is dropped.
struct Exchange {
    status: u16,
    end: End,
}

/// Axum middleware that holds an [`Exchange`] from the request to the end of the response's body.
pub(crate) async fn track(request: Request, next: Next) -> Response {
    gauge!("gateway_exchanges_in_flight").increment(1);
    // Until there is a head, being dropped means that the client left.
    let mut exchange = Exchange { status: 0, end: End::Dropped };
    let method = request.method().clone();
    let response = next.run(request).await;
    exchange.status = response.status().as_u16();
    Guarded::response(&method, response, exchange, ReleaseAt::End).map(Body::new)
}

impl Guard for Exchange {
    fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        gauge!("gateway_exchanges_in_flight").decrement(1);
        let end = match self.end {
            End::Complete => "complete",
            End::Error => "error",
            End::Dropped => "dropped",
        };
        counter!("gateway_exchanges_total", "status" => self.status.to_string(), "end" => end).increment(1);
    }
}
