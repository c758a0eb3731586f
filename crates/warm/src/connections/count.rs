use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::Uri;
use tokio::sync::watch;

tokio::task_local! {
    /// Whose ping is polled: of connections with this address in memory.
    static PINGS: usize;
}

/// The connections to one upstream.
#[derive(Debug)]
pub(super) struct Count {
    uri: Uri,
    /// No ping opens more.
    pub(super) max: usize,
    now: watch::Sender<Now>,
    // Both are for display only: nothing is read by what they say.
    opened: AtomicU64,
    closed: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) opening: usize,
    pub(super) open: usize,
}

impl Count {
    pub(super) fn new(uri: Uri, max: usize) -> Self {
        Self {
            uri,
            max,
            now: watch::Sender::default(),
            opened: AtomicU64::default(),
            closed: AtomicU64::default(),
        }
    }

    /// Runs what may not open more than the most.
    pub(super) async fn pings<T>(self: &Arc<Self>, run: impl Future<Output = T>) -> T {
        PINGS.scope(Arc::as_ptr(self) as usize, run).await
    }

    pub(super) fn is_of(&self, uri: &Uri) -> bool {
        let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
        self.uri.scheme() == uri.scheme() && host(&self.uri) == host(uri) && port(&self.uri) == port(uri)
    }

    /// One more is to be opened; `None` if that is for a ping, and there are enough.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Line> {
        let is_ping = PINGS.try_with(|&pings| pings == Arc::as_ptr(self) as usize).unwrap_or(false);
        let has_room = self.now.send_if_modified(|now| {
            let has_room = !is_ping || now.opening + now.open < self.max;
            now.opening += usize::from(has_room);
            has_room
        });
        has_room.then(|| Line { count: self.clone(), is_open: false })
    }

    pub(super) fn now(&self) -> Now {
        *self.now.borrow()
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    pub(super) fn closed(&self) -> u64 {
        self.closed.load(Relaxed)
    }

    /// Waits until it is so.
    pub(super) async fn until(&self, is_so: impl FnMut(&Now) -> bool) {
        // Its sender is here: it does not end.
        let _ = self.now.subscribe().wait_for(is_so).await;
    }
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

/// A connection that is open, or about to be.
#[derive(Debug)]
pub(super) struct Line {
    count: Arc<Count>,
    is_open: bool,
}

impl Line {
    pub(super) fn opens(mut self) -> Self {
        self.is_open = true;
        self.count.opened.fetch_add(1, Relaxed);
        self.count.now.send_modify(|now| {
            now.opening -= 1;
            now.open += 1;
        });
        self
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_open {
            self.count.closed.fetch_add(1, Relaxed);
        }
        self.count.now.send_modify(|now| {
            let of = if self.is_open { &mut now.open } else { &mut now.opening };
            *of -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(uri: &'static str) -> Arc<Count> {
        Arc::new(Count::new(Uri::from_static(uri), 2))
    }

    #[tokio::test]
    async fn pings_open_no_more_than_the_most_and_users_what_they_need() {
        let count = count("http://gpu/");
        let users = [count.begin().map(Line::opens), count.begin()];
        assert_eq!(count.now(), Now { opening: 1, open: 1 });
        assert!(count.pings(async { count.begin() }).await.is_none());
        let other = self::count("http://other/");
        assert!(count.pings(async { other.begin() }).await.is_some(), "of others it says nothing");
        let third = count.begin();
        assert!(third.is_some());
        drop((users, third));
        assert_eq!((count.now(), count.opened(), count.closed()), (Now::default(), 1, 1));
        assert!(count.pings(async { count.begin() }).await.is_some());
    }

    #[test]
    fn an_upstream_is_known_by_its_scheme_host_and_port() {
        let count = count("https://GPU/health");
        for (uri, is_of) in
            [("https://gpu:443/", true), ("https://gpu:8443/", false), ("http://gpu:443/", false)]
        {
            assert_eq!(count.is_of(&Uri::from_static(uri)), is_of, "{uri}");
        }
    }
}
