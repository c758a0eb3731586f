use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri};
use http_body::{Body, SizeHint};

/// What can be known of a request before its body is read.
pub struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    body_size: SizeHint,
}

impl<'a> Head<'a> {
    /// Of this request.
    #[must_use]
    pub fn of<B: Body>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
            body_size: request.body().size_hint(),
        }
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The request's URI.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The request's headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What layers further out have found out, such as the [`Tenant`](dashpot_core::Tenant).
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// What the request's body says of its own size, in bytes.
    #[must_use]
    pub fn body_size(&self) -> SizeHint {
        self.body_size
    }
}

/// Without headers and extensions, which may hold secrets.
impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", self.method)
            .field("uri", self.uri)
            .field("body_size", &self.body_size)
            .finish_non_exhaustive()
    }
}
