use http::HeaderMap;

/// What a [`Guarded`](crate::Guarded) body holds to its end: a permit, a counter, a clock.
///
/// `release` and `end` are each called exactly once, in this order. All of them run inside `poll_frame` or `drop`, so they
/// must neither block nor panic.
///
/// A closure that takes an [`End`] is a guard.
pub trait Guard {
    /// What was held may be given back; called at the chosen [`ReleaseAt`].
    fn release(&mut self) {}

    /// A frame with bytes in it passes. Called before [`release`](Self::release) where both are due.
    fn data(&mut self) {}

    /// Whoever polls the body has to wait for its next frame.
    fn pending(&mut self) {}

    /// Trailers pass. Called before [`end`](Self::end), and not at all for most bodies.
    fn trailers(&mut self, trailers: &HeaderMap) {
        let _ = trailers;
    }

    /// The body is over, in this way.
    fn end(self, end: End);
}

impl<F: FnOnce(End)> Guard for F {
    fn end(self, end: End) {
        self(end);
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// All of it was handed on.
    Complete,
    /// The body gave an error, or ended before the length that it had stated.
    Error,
    /// Whoever polled it let go of it before its end: mostly a client that left. Says nothing about the body.
    Dropped,
}

/// When a guard is told to [`release`](Guard::release).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReleaseAt {
    /// When the body is made, so with the head of the response.
    Head,
    /// With the first frame that has bytes in it; at the end if none comes.
    FirstByte,
    /// Right before [`end`](Guard::end).
    #[default]
    End,
}
