use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

use super::count::{Count, Line};

/// Opens connections as the connector within does, and counts those to one upstream.
#[derive(Clone, Debug)]
pub struct Connector<C> {
    inner: C,
    count: Arc<Count>,
}

impl<C> Connector<C> {
    pub(super) fn new(inner: C, count: Arc<Count>) -> Self {
        Self { inner, count }
    }
}

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri>,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Counted<C::Response>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Connecting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let line = if self.count.is_of(&uri) {
            match self.count.begin() {
                Some(line) => Some(line),
                None => return Connecting { inner: None, line: None },
            }
        } else {
            None
        };
        Connecting { inner: Some(self.inner.call(uri)), line }
    }
}

pin_project_lite::pin_project! {
    /// A connection that is about to be open.
    #[derive(Debug)]
    pub struct Connecting<F> {
        // `None` if there are enough.
        #[pin]
        inner: Option<F>,
        line: Option<Line>,
    }
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Counted<T>, Box<dyn Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Ready(Err(NoRoom(()).into())) };
        let result = ready!(inner.poll(cx));
        let line = this.line.take();
        Poll::Ready(match result {
            Ok(io) => Ok(Counted { io, _line: line.map(Line::opens) }),
            Err(error) => Err(error.into()),
        })
    }
}

/// A connection that counts for as long as it is there.
#[derive(Debug)]
pub struct Counted<T> {
    io: T,
    _line: Option<Line>,
}

impl<T: Read + Unpin> Read for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

impl<T: Connection> Connection for Counted<T> {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}

/// Enough connections are open: for a ping no further one is.
#[derive(Debug)]
pub struct NoRoom(());

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many connections are open as were asked for")
    }
}

impl Error for NoRoom {}
