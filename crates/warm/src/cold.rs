use std::{error::Error, io};

use dashpot_core::Rejection;
use http::{Response, StatusCode, Version};

/// Tells whether an answer shows that its upstream is not there any more, and has to be started again.
///
/// A closure that takes a `Result<&R, &E>` is one.
pub trait IsCold<R, E> {
    /// Whether this answer does; the call has then done nothing, and may be repeated.
    fn is_cold(&self, answer: Result<&R, &E>) -> bool;
}

impl<F, R, E> IsCold<R, E> for F
where
    F: Fn(Result<&R, &E>) -> bool,
{
    fn is_cold(&self, answer: Result<&R, &E>) -> bool {
        self(answer)
    }
}

/// Of the codes of gRPC.
const UNAVAILABLE: &str = "14";

/// The default: 503 and gRPC's `UNAVAILABLE` in place of an answer, unless a layer of ours has said so, and a
/// [refused](is_refused) connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpIsCold;

impl<B, E: Error + 'static> IsCold<Response<B>, E> for HttpIsCold {
    #[inline]
    fn is_cold(&self, answer: Result<&Response<B>, &E>) -> bool {
        match answer {
            Ok(response) => {
                let is_unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE
                    // The status is among the headers only of an answer without any message. And all gRPC is HTTP/2.
                    || response.version() == Version::HTTP_2
                        && response.headers().get("grpc-status").is_some_and(|status| status == UNAVAILABLE);
                is_unavailable && response.extensions().get::<Rejection>().is_none()
            }
            Err(error) => is_refused(error),
        }
    }
}

/// Whether the error, or what it came from, is a connection that was refused: no byte of the request was sent.
#[must_use]
pub fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let is_refused = match error.kind() {
                io::ErrorKind::ConnectionRefused => true,
                // Without its file a Unix socket cannot even refuse. What is not the system's word is about something else.
                io::ErrorKind::NotFound => error.raw_os_error().is_some(),
                _ => false,
            };
            if is_refused {
                return true;
            }
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Client(io::Error);

    impl fmt::Display for Client {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("it did not work")
        }
    }

    impl Error for Client {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_refused_connection_and_a_503_that_is_not_ours_are_cold() {
        let client = |kind: io::ErrorKind| Client(kind.into());
        let is_cold = |error: &Client| HttpIsCold.is_cold(Err::<&Response<()>, _>(error));
        assert!(is_cold(&client(io::ErrorKind::ConnectionRefused)));
        assert!(!is_cold(&client(io::ErrorKind::ConnectionReset)), "bytes may have been sent");

        let missing = std::fs::File::open("/no/such/socket").unwrap_err();
        assert!(is_cold(&Client(missing)) && !is_cold(&client(io::ErrorKind::NotFound)));

        let answers = |response: Response<()>| HttpIsCold.is_cold(Ok::<_, &Client>(&response));
        let status = |status| Response::builder().status(status).body(()).unwrap();
        assert!(answers(status(503)));
        assert!(!answers(status(500)) && !answers(status(200)));
        assert!(!answers(Rejection::new("limit", "full").problem().map(drop)));

        let grpc = |status| {
            Response::builder().version(Version::HTTP_2).header("grpc-status", status).body(()).unwrap()
        };
        assert!(answers(grpc("14")));
        assert!(!answers(grpc("0")) && !answers(grpc("8")));
        assert!(!answers(Rejection::new("limit", "full").grpc()));
    }
}
