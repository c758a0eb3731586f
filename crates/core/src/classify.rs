use http::{HeaderMap, Response, StatusCode};

use crate::{Outcome, Rejection, is_grpc, retry_after};

/// Tells what a service's answer means, for the layers that learn from it.
///
/// `R` is the response, `E` the error of the service.
pub trait Classify<R, E> {
    /// The outcome, if the head of the response decides it; `None` if only the body can.
    fn response(&self, response: &R) -> Option<Outcome>;

    /// The outcome of a call that gave no response.
    fn error(&self, error: &E) -> Outcome;

    /// The outcome that trailers state; `None` if they state none.
    fn trailers(&self, trailers: &HeaderMap) -> Option<Outcome> {
        let _ = trailers;
        None
    }
}

/// The default: HTTP status, gRPC status, `Retry-After`, and [`Rejection`], as the table at [`Outcome`] says.
///
/// A response that carries a [`Rejection`] was made by a layer of ours and says nothing about the upstream: Ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpClassify;

impl<B, E> Classify<Response<B>, E> for HttpClassify {
    fn response(&self, response: &Response<B>) -> Option<Outcome> {
        if response.extensions().get::<Rejection>().is_some() {
            return Some(Outcome::Ignored);
        }
        let headers = response.headers();
        match response.status() {
            // A gRPC answer without a body has its trailers in the head.
            StatusCode::OK if is_grpc(headers) => grpc_outcome(headers),
            status if status.is_success() => None,
            StatusCode::TOO_MANY_REQUESTS => {
                Some(Outcome::RateLimited { quota: false, retry_after: retry_after(headers) })
            }
            // 529: "overloaded", as Anthropic's API uses it.
            status if matches!(status.as_u16(), 503 | 504 | 529) => {
                Some(Outcome::Overload { retry_after: retry_after(headers) })
            }
            status if status.is_client_error() => Some(Outcome::Ignored),
            status if status.is_informational() || status.is_redirection() => Some(Outcome::Success),
            _ => Some(Outcome::Failure),
        }
    }

    fn error(&self, _: &E) -> Outcome {
        Outcome::Failure
    }

    fn trailers(&self, trailers: &HeaderMap) -> Option<Outcome> {
        grpc_outcome(trailers)
    }
}

/// Maps `grpc-status`; codes as in the gRPC status code list. What is no known code is UNKNOWN, as gRPC has it.
fn grpc_outcome(headers: &HeaderMap) -> Option<Outcome> {
    const UNKNOWN: u8 = 2;
    let code = headers.get("grpc-status")?.to_str().ok().and_then(|code| code.parse().ok());
    let retry_after = retry_after(headers);
    Some(match code.unwrap_or(UNKNOWN) {
        0 => Outcome::Success,
        4 | 14 => Outcome::Overload { retry_after },
        8 => Outcome::RateLimited { quota: false, retry_after },
        // Cancelled, and what the caller got wrong.
        1 | 3 | 5..=7 | 9..=12 | 16 => Outcome::Ignored,
        _ => Outcome::Failure,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn classify(builder: http::response::Builder) -> Option<Outcome> {
        let response = builder.body(()).unwrap();
        Classify::<_, ()>::response(&HttpClassify, &response)
    }

    fn status(code: u16) -> http::response::Builder {
        Response::builder().status(code)
    }

    #[test]
    fn a_status_maps_as_the_table_says() {
        assert_eq!(classify(status(200)), None, "the body decides");
        assert_eq!(classify(status(204)), None);
        assert_eq!(classify(status(101)), Some(Outcome::Success));
        assert_eq!(classify(status(304)), Some(Outcome::Success));
        for code in [400, 401, 403, 404, 408, 413, 422, 499] {
            assert_eq!(classify(status(code)), Some(Outcome::Ignored), "{code}");
        }
        for code in [500, 501, 502, 505, 599] {
            assert_eq!(classify(status(code)), Some(Outcome::Failure), "{code}");
        }
        for code in [503, 504, 529] {
            assert_eq!(classify(status(code)), Some(Outcome::Overload { retry_after: None }), "{code}");
        }
    }

    #[test]
    fn a_hint_travels_with_the_outcome() {
        let limited = Outcome::RateLimited { quota: false, retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(classify(status(429).header("retry-after", "7")), Some(limited));
        let overload = Outcome::Overload { retry_after: Some(Duration::from_millis(250)) };
        assert_eq!(classify(status(529).header("retry-after-ms", "250")), Some(overload));
    }

    #[test]
    fn a_refusal_of_our_own_is_ignored() {
        let response = Rejection::new("limit", "full").problem();
        assert_eq!(Classify::<_, ()>::response(&HttpClassify, &response), Some(Outcome::Ignored));
    }

    #[test]
    fn grpc_is_judged_by_its_trailers_wherever_they_are() {
        let grpc = || status(200).header("content-type", "application/grpc+proto");
        assert_eq!(classify(grpc()), None);
        assert_eq!(classify(grpc().header("grpc-status", "13")), Some(Outcome::Failure));
        assert_eq!(classify(status(200).header("grpc-status", "13")), None, "not gRPC");
        let unavailable = status(503).header("content-type", "application/grpc").header("grpc-status", "0");
        assert_eq!(
            classify(unavailable),
            Some(Outcome::Overload { retry_after: None }),
            "not from a gRPC server"
        );
        for odd in ["256", "-1", "x", ""] {
            assert_eq!(classify(grpc().header("grpc-status", odd)), Some(Outcome::Failure), "{odd}");
        }
        let expected = [
            (0, Outcome::Success),
            (1, Outcome::Ignored),
            (2, Outcome::Failure),
            (3, Outcome::Ignored),
            (4, Outcome::Overload { retry_after: None }),
            (8, Outcome::RateLimited { quota: false, retry_after: None }),
            (12, Outcome::Ignored),
            (14, Outcome::Overload { retry_after: None }),
            (15, Outcome::Failure),
            (99, Outcome::Failure),
        ];
        for (code, outcome) in expected {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from(code));
            let said = Classify::<Response<()>, ()>::trailers(&HttpClassify, &trailers);
            assert_eq!(said, Some(outcome), "{code}");
        }
    }
}
