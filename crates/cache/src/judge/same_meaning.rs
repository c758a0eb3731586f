use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use dashpot_core::{Embedding, cosine};
use tower_service::Service;

use super::Comparison;
use crate::{flight::BoxError, verify::guard};

/// A judge to whom an answer is right if it means the same to an embedder as the one that the upstream gives now, and the
/// [guard] finds nothing said outright that differs: numbers, names, a yes and a no.
///
/// Answers that are longer than the embedder reads, or than 16 KiB, are not judged. If those are wrong more often than others, what is learned
/// says nothing about them.
#[derive(Clone, Debug)]
pub struct SameMeaning<E> {
    embedder: E,
    cosine: f32,
}

/// Longer ones, in bytes, are not judged: the guard reads where others wait, some milliseconds for as much as this.
const LONGEST: usize = 16 << 10;

impl<E> SameMeaning<E> {
    /// A judge by this embedder, such as the one of [`Similar`](crate::Similar), and with this cosine as the least: 0.9 is
    /// strict with most of them.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[must_use]
    pub fn new(embedder: E, cosine: f32) -> Self {
        assert!((0.0..=1.0).contains(&cosine), "a threshold is from 0 to 1, and this is {cosine}");
        Self { embedder, cosine }
    }
}

impl<E> Service<Comparison> for SameMeaning<E>
where
    E: Service<Vec<Arc<str>>, Response = Vec<Option<Embedding>>> + Clone + Send + 'static,
    E::Future: Send,
    E::Error: Into<BoxError>,
{
    type Response = bool;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<bool, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // What the guard refuses is not embedded, and needs no embedder that is ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Comparison) -> Self::Future {
        let (mut embedder, least) = (self.embedder.clone(), self.cosine);
        Box::pin(async move {
            if asked.kept_answer.len().max(asked.fresh_answer.len()) > LONGEST {
                return Err("an answer is too long to be read here".into());
            }
            if guard::check(&asked.kept_answer, &asked.fresh_answer).is_err() {
                return Ok(false);
            }
            poll_fn(|cx| embedder.poll_ready(cx)).await.map_err(Into::into)?;
            let answers = vec![asked.kept_answer, asked.fresh_answer];
            match &embedder.call(answers).await.map_err(Into::into)?[..] {
                [Some(kept), Some(fresh)] => Ok(cosine(kept.vector(), fresh.vector()) >= least),
                _ => Err("an answer is longer than the embedder reads".into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn judge(kept: &str, fresh: &str) -> Result<bool, BoxError> {
        let embedder = service_fn(async |texts: Vec<Arc<str>>| {
            let embed = |text: &Arc<str>| match &**text {
                text if text.len() > 60 => None,
                text if text.contains("light") => Embedding::new(&[1.0, 0.0]),
                _ => Embedding::new(&[0.0, 1.0]),
            };
            Ok::<_, BoxError>(texts.iter().map(embed).collect())
        });
        let [question, kept_answer, fresh_answer] = ["Why?", kept, fresh].map(Arc::from);
        let asked = Comparison { kept_question: Arc::clone(&question), question, kept_answer, fresh_answer };
        SameMeaning::new(embedder, 0.9).oneshot(asked).await
    }

    #[tokio::test]
    async fn what_means_the_same_and_contradicts_nothing_is_right() {
        let kept = "The light is scattered.";
        assert!(judge(kept, "It scatters the light.").await.unwrap());
        assert!(!judge(kept, "The light is not scattered.").await.unwrap());
        assert!(!judge(kept, "It reflects the sea.").await.unwrap());
        let endless = format!("{kept} {}", "2 ".repeat(LONGEST));
        assert!(judge(kept, &endless).await.is_err(), "nor the guard so much more");
        let long = format!("{kept}{}", " ".repeat(60));
        assert!(judge(kept, &long).await.is_err(), "the embedder does not read so much");
    }
}
