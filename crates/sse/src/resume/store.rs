use std::{
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;

/// Keeps the events of streams for those who come back. [`MemoryStore`](super::MemoryStore) is one.
///
/// A store on another machine lets a client come back to another process than the one it left. What waits for a network
/// there waits in the futures and `poll` functions; the rest must not block.
pub trait Store: Clone + Send + Sync + 'static {
    /// Writes one stream.
    type Recorder: Recorder<Follower = Self::Follower>;
    /// Reads one stream for one client.
    type Follower: Follower;
    /// What has become of a stream.
    type Find: Future<Output = Found<Self::Follower>>;

    /// Makes room for a new stream; `None` if there is none. To make it, no stream that is there may lose anything.
    fn record(&self, key: StreamKey) -> Option<Self::Recorder>;

    /// Looks for what came after event number `after`.
    ///
    /// A key that is not the very one of the recorder is [`Found::Gone`]: so its owner is none who was told.
    fn find(&self, key: StreamKey, after: u64) -> Self::Find;
}

/// Which stream, and whose: both must be the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamKey {
    /// Random; in the ids.
    pub stream: u128,
    /// Whoever may read it; made of credentials, so not to be shown, and to be compared as it is.
    pub owner: Box<[u8]>,
}

// The owner may be a secret, and to know the stream is half of what it takes to read it.
impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(..)")
    }
}

/// What a stream was found to be.
#[derive(Debug)]
pub enum Found<F> {
    /// There is more, or will be.
    More(F),
    /// It has ended as it should, and the client has all of it.
    Over,
    /// It broke off, and the client has all that there was.
    Broken,
    /// It is not there, is another's, or what comes next is no longer kept.
    Gone,
}

/// Writes one stream. Dropped before [`finish`](Self::finish), it breaks off, and is forgotten.
pub trait Recorder: Send + Unpin + 'static {
    /// What the first client follows with.
    type Follower: Follower;

    /// The first client, from the beginning.
    fn follow(&mut self) -> Self::Follower;

    /// Ready when more is wanted: somebody can read it, or there is room to keep it for who may come back.
    ///
    /// Polled again before each look at the upstream, and with it: an error, that nobody came back in time, wakes the task
    /// too.
    fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Abandoned>>;

    /// Adds an event with its number, counted from 1, or what stands between two events.
    fn append(&mut self, event: Option<u64>, bytes: Bytes);

    /// From now on nobody can come back. Who follows now can go on.
    fn give_up(&mut self);

    /// The stream is over. The future ends when there is nothing left to do for it.
    fn finish(self, end: End) -> impl Future<Output = ()> + Send;
}

/// How a stream ended.
#[derive(Clone, Debug)]
pub enum End {
    /// As a body should, with these trailers.
    Complete(Option<HeaderMap>),
    /// With an error.
    Broken,
}

/// Nobody follows, and nobody came back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

/// Reads one stream for one client, who is there until this is dropped.
pub trait Follower: Send + Unpin + 'static {
    /// What comes next.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next>;

    /// Whether [`poll_next`](Self::poll_next) could only say [`End::Complete`] without trailers.
    fn is_over(&self) -> bool;
}

/// What a follower reads.
#[derive(Clone, Debug)]
pub enum Next {
    /// An event, or what stands between two.
    Bytes(Bytes),
    /// Nothing more.
    End(End),
    /// What comes next is kept no more, as the client was too slow; or it had to make place for others.
    Overtaken,
}
