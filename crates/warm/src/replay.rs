use http::Request;

/// Keeps a copy of a request, for the case that its upstream turns out to be cold.
pub trait Replay<B> {
    /// The copy; `None` if there is to be none.
    fn copy(&self, request: &Request<B>) -> Option<Request<B>>;
}

/// Keeps none: the client gets what the upstream says.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplay;

impl<B> Replay<B> for NoReplay {
    #[inline]
    fn copy(&self, _: &Request<B>) -> Option<Request<B>> {
        None
    }
}

/// Clones each request: for bodies that are cheap to clone, such as `Full<Bytes>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneReplay;

impl<B: Clone> Replay<B> for CloneReplay {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
