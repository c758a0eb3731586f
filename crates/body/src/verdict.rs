use dashpot_core::{BodyReport, Classify, Outcome, is_grpc};
use http::{HeaderMap, Response, header};

use crate::End;

/// What an answer says about its exchange, collected from the head to the end of the body.
///
/// For guards that must know whether the upstream did well, and not only that a body is over. The first of these that
/// says something counts, but for an allowance that is spent, of which only the body can tell: the head; the trailers; the [`BodyReport`] of a layer further in that understands the body;
/// how the body ended. A gRPC answer that ends without trailers has failed, as the protocol has it.
#[derive(Clone, Debug)]
pub struct Verdict<C> {
    classify: C,
    read_trailers: fn(&C, &HeaderMap) -> Option<Outcome>,
    stated: Option<Outcome>,
    report: Option<BodyReport>,
    form: Form,
}

/// How a body comes, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Events,
    Grpc,
}

impl Form {
    // One look at the headers: this is on the path of every answer.
    #[inline]
    fn of(headers: &HeaderMap) -> Self {
        let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Self::Whole };
        let content_type = content_type.as_bytes();
        let is = |name: &[u8]| {
            content_type.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        if is(b"text/event-stream") {
            Self::Events
        } else if is(b"application/grpc") && is_grpc(headers) {
            Self::Grpc
        } else {
            Self::Whole
        }
    }
}

impl<C> Verdict<C> {
    /// Begins with the head of `response`.
    #[inline]
    pub fn new<B, E>(classify: C, response: &Response<B>) -> Self
    where
        C: Classify<Response<B>, E>,
    {
        let stated = classify.response(response);
        Self {
            classify,
            read_trailers: C::trailers,
            stated,
            report: response.extensions().get().cloned(),
            form: Form::of(response.headers()),
        }
    }

    /// What the head, or trailers since, have said.
    #[must_use]
    pub fn stated(&self) -> Option<Outcome> {
        self.stated
    }

    /// What a layer further in writes about the body; it goes on while the body passes.
    #[must_use]
    pub fn report(&self) -> Option<&BodyReport> {
        self.report.as_ref()
    }

    /// Whether the body comes piece by piece, as event streams and gRPC messages do: then its first piece says how long
    /// the answer took to begin, and its end how long it was.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.form != Form::Whole
    }

    /// Trailers pass.
    pub fn trailers(&mut self, trailers: &HeaderMap) {
        self.stated = self.stated.or_else(|| (self.read_trailers)(&self.classify, trailers));
    }

    /// The outcome of an exchange whose body ended like this.
    #[must_use]
    #[inline]
    pub fn outcome(&self, end: End) -> Outcome {
        let reported = self.report.as_ref().and_then(|report| report.outcome());
        match (self.stated, reported) {
            // Whether it is a matter of moments or of a bill only the body says.
            (
                Some(Outcome::RateLimited { retry_after, .. }),
                Some(Outcome::RateLimited { quota: true, retry_after: later }),
            ) => Outcome::RateLimited { quota: true, retry_after: retry_after.or(later) },
            (Some(Outcome::Ignored), Some(quota @ Outcome::RateLimited { quota: true, .. })) => quota,
            (Some(outcome), _) | (None, Some(outcome)) => outcome,
            (None, None) => match end {
                End::Complete if self.form == Form::Grpc => Outcome::Failure,
                End::Complete => Outcome::Success,
                End::Error => Outcome::Failure,
                End::Dropped => Outcome::Ignored,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use dashpot_core::HttpClassify;
    use http::HeaderValue;

    use super::*;

    fn verdict(head: http::response::Builder) -> Verdict<HttpClassify> {
        Verdict::new::<_, ()>(HttpClassify, &head.body(()).unwrap())
    }

    #[test]
    fn the_end_decides_where_nothing_else_does() {
        let verdict = verdict(Response::builder());
        assert_eq!(verdict.outcome(End::Complete), Outcome::Success);
        assert_eq!(verdict.outcome(End::Error), Outcome::Failure);
        assert_eq!(verdict.outcome(End::Dropped), Outcome::Ignored);
    }

    #[test]
    fn what_the_head_says_stays_however_the_body_ends() {
        let verdict = verdict(Response::builder().status(503));
        for end in [End::Complete, End::Error, End::Dropped] {
            assert_eq!(verdict.outcome(end), Outcome::Overload { retry_after: None });
        }
    }

    #[test]
    fn a_report_knows_more_than_the_end() {
        let report = BodyReport::default();
        let verdict = verdict(Response::builder().extension(report.clone()));
        assert_eq!(verdict.outcome(End::Complete), Outcome::Success, "nothing was reported");
        report.set_outcome(Outcome::Failure);
        assert_eq!(verdict.outcome(End::Complete), Outcome::Failure, "an error event, in order");
        report.set_outcome(Outcome::Success);
        assert_eq!(verdict.outcome(End::Dropped), Outcome::Success, "the marker of the end had come");
    }

    #[test]
    fn streams_are_told_by_their_content_type() {
        let is_stream =
            |content_type| verdict(Response::builder().header("content-type", content_type)).is_stream();
        assert!(is_stream("text/event-stream; charset=utf-8") && is_stream("application/grpc+proto"));
        assert!(!is_stream("application/json") && !is_stream("application/grpc-web"));
        assert!(!verdict(Response::builder()).is_stream());
    }

    #[test]
    fn grpc_without_trailers_has_failed() {
        let head = || Response::builder().header("content-type", "application/grpc");
        let mut verdict = verdict(head());
        assert_eq!(verdict.outcome(End::Complete), Outcome::Failure);
        assert_eq!(verdict.outcome(End::Dropped), Outcome::Ignored);
        verdict.trailers(&HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]));
        assert_eq!(verdict.outcome(End::Complete), Outcome::Success);
    }
}
