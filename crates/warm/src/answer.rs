use std::{error::Error, future::poll_fn, pin::pin};

use bytes::Buf;
use http_body::Body;

use crate::starter::StartError;

/// In bytes, of which an empty frame counts for one: no probe has more to say, and no first token. A body that is always ready
/// and has no end would never give its thread back, and so let no timeout see to it.
const MAX_ANSWER: usize = 1 << 20;

/// Reads an answer of which only the end matters, so that its connection is free again. An error if it is too long.
pub(crate) async fn read_to_end<B>(body: B) -> Result<(), StartError>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (mut body, mut read) = (pin!(body), 0);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| StartError::from(error.into()))?;
        read += frame.data_ref().map_or(0, Buf::remaining).max(1);
        if read > MAX_ANSWER {
            return Err("its answer does not end".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use bytes::Bytes;
    use http_body::Frame;

    use super::*;

    /// So many frames of so many bytes, each of which is there at once.
    struct Ready(usize, usize);

    impl Body for Ready {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
            self.0 = left;
            Poll::Ready(Some(Ok(Frame::data(vec![0; self.1].into()))))
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_always_ready_and_has_no_end_is_let_be() {
        for endless in [Ready(usize::MAX, 0), Ready(usize::MAX, 9000), Ready(2, MAX_ANSWER)] {
            assert!(read_to_end(endless).await.is_err());
        }
        for short in [Ready(0, 0), Ready(1000, 0), Ready(1, MAX_ANSWER)] {
            assert!(read_to_end(short).await.is_ok());
        }
    }
}
