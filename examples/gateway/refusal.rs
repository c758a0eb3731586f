//! An answer of the gateway's own, in the words of the API that the client speaks.

use axum::body::Body;
use dashpot::{core::Rejection, wire::dialect::Dialect};
use http::{HeaderValue, Request, Response, StatusCode, header};

#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) dialect: Dialect,
    pub(crate) status: StatusCode,
    pub(crate) why: String,
}

impl Refusal {
    /// A refusal of a request. Where it has no dialect, OpenAI's shape is the one that most clients know.
    pub(crate) fn of<B>(request: &Request<B>, status: StatusCode, why: impl Into<String>) -> Self {
        let dialect = Dialect::from_path(request.uri().path()).unwrap_or(Dialect::OpenAiChat);
        Self { dialect, status, why: why.into() }
    }

    /// What a layer has refused, and when to try again. It knows no dialect, but where it stands there is one.
    pub(crate) fn rejected(dialect: Dialect, rejection: &Rejection) -> Response<Body> {
        let refusal = Self { dialect, status: rejection.status(), why: rejection.reason().into() };
        // One each would fill the log just when there is too much to do; the metrics count them.
        tracing::debug!(dialect = dialect.name(), layer = rejection.layer(), refusal.why, "refused");
        let mut response = refusal.answer();
        for name in ["retry-after", "retry-after-ms"] {
            if let Some(value) = rejection.problem().headers().get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let Self { dialect, status, why } = &self;
        let (dialect_name, code) = (dialect.name(), status.as_u16());
        if status.is_server_error() {
            tracing::warn!(dialect = dialect_name, status = code, why, "answered for the upstream");
        } else {
            // What clients do wrong must not fill the log of those who run the gateway.
            tracing::info!(dialect = dialect_name, status = code, why, "refused");
        }
        self.answer()
    }

    fn answer(self) -> Response<Body> {
        let Self { dialect, status, why } = self;
        let (dialect_name, code) = (dialect.name(), status.as_u16());
        metrics::counter!("gateway_refused_total", "dialect" => dialect_name, "status" => code.to_string())
            .increment(1);
        let mut response = Response::new(Body::from(dialect.error_body(code, &why)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
