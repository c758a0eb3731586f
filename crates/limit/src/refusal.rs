use std::sync::Arc;

use bytes::Bytes;
use dashpot_core::{Rejection, is_grpc};
use http::{HeaderMap, Response};

/// Makes the answer to a request that is refused, from its headers.
pub(crate) type Refuse = Arc<dyn Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync>;

/// A gRPC status for gRPC, else a problem document.
pub(crate) fn default(rejection: Rejection, headers: &HeaderMap) -> Response<Bytes> {
    if is_grpc(headers) {
        rejection.grpc().map(|()| Bytes::new())
    } else {
        rejection.problem().map(Bytes::from)
    }
}
