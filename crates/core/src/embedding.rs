use std::{fmt, ops::Range, sync::Arc};

/// What a text means, as an embedder sees it: a direction, so that texts which mean the same point the same way.
///
/// Embedders are Tower services from `Vec<Arc<str>>` to `Vec<Option<Embedding>>`, one for each text in the same order;
/// `None` for a text that is longer than the embedder reads, since a part of a text means something else.
#[derive(Clone, PartialEq)]
pub struct Embedding {
    vector: Arc<[f32]>,
    tokens: Option<Arc<Tokens>>,
}

impl Embedding {
    /// An embedding that points where `vector` does; it is brought to length 1.
    ///
    /// `None` if it points nowhere: it is empty, has no length, or a number in it is not finite.
    #[must_use]
    pub fn new(vector: &[f32]) -> Option<Self> {
        unit(vector).map(|vector| Self { vector: vector.into(), tokens: None })
    }

    /// The same with what each token means in its place.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens: Some(Arc::new(tokens)), ..self }
    }

    /// Of length 1, so that the [`cosine`] of two is their product.
    #[must_use]
    pub fn vector(&self) -> &Arc<[f32]> {
        &self.vector
    }

    /// How much memory it takes, in bytes, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let tokens = self.tokens.as_ref().map_or(0, |tokens| {
            size_of::<Tokens>() + size_of_val(&*tokens.spans) + size_of_val(&*tokens.states)
        });
        size_of::<Self>() + size_of_val(&*self.vector) + tokens
    }

    /// What each token means in its place, from embedders that tell.
    #[must_use]
    pub fn tokens(&self) -> Option<&Arc<Tokens>> {
        self.tokens.as_ref()
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.tokens.as_ref().map_or(0, |tokens| tokens.spans.len());
        f.debug_struct("Embedding").field("dimensions", &self.vector.len()).field("tokens", &tokens).finish()
    }
}

/// What each token of a text means in its place: an embedder's last states, before they are pooled into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    spans: Vec<Range<usize>>,
    states: Vec<f32>,
}

impl Tokens {
    /// Tokens at these places of the text, in bytes, with the state of each; those are brought to length 1.
    ///
    /// `None` if a state points nowhere, or they are not all as long.
    #[must_use]
    pub fn new<'s>(tokens: impl IntoIterator<Item = (Range<usize>, &'s [f32])>) -> Option<Self> {
        let (mut spans, mut states, mut dimensions) = (Vec::new(), Vec::new(), None);
        for (span, state) in tokens {
            if *dimensions.get_or_insert(state.len()) != state.len() {
                return None;
            }
            spans.push(span);
            states.extend(unit(state)?);
        }
        Some(Self { spans, states })
    }

    /// Each token's place in the text, in bytes, and its state, of length 1.
    pub fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[f32])> {
        let dimensions = self.states.len().checked_div(self.spans.len()).unwrap_or_default().max(1);
        self.spans.iter().cloned().zip(self.states.chunks_exact(dimensions))
    }
}

/// The cosine of the angle between two vectors of length 1, from -1 to 1; of vectors of different lengths, 0.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    // Eight sums that do not wait for each other.
    let (mut sums, (a, a_rest), (b, b_rest)) = ([0.0_f32; 8], a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// The vector of length 1 in the same direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let is_one = length.is_finite() && length > 0.0;
    is_one.then(|| vector.iter().map(|&x| (f64::from(x) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_is_a_direction() {
        let embedding = Embedding::new(&[3.0, 4.0]).unwrap();
        assert_eq!(**embedding.vector(), [0.6, 0.8]);
        assert_eq!(embedding, Embedding::new(&[6.0, 8.0]).unwrap());
        assert_eq!(**Embedding::new(&[1e-30, 0.0]).unwrap().vector(), [1.0, 0.0]);
        for nowhere in [&[][..], &[0.0], &[f32::NAN], &[1.0, f32::INFINITY]] {
            assert_eq!(Embedding::new(nowhere), None, "{nowhere:?}");
        }
    }

    #[test]
    fn tokens_keep_their_places_and_become_directions() {
        let tokens = Tokens::new([(0..2, &[2.0, 0.0][..]), (2..5, &[0.0, 5.0])]).unwrap();
        let all: Vec<_> = tokens.iter().collect();
        assert_eq!(all, [(0..2, &[1.0, 0.0][..]), (2..5, &[0.0, 1.0])]);
        assert_eq!(Tokens::new([(0..1, &[1.0][..]), (1..2, &[1.0, 2.0])]), None);
        assert_eq!(Tokens::new([(0..1, &[0.0][..])]), None);
        assert_eq!(Tokens::new([]).unwrap().iter().count(), 0);
    }

    #[test]
    fn the_cosine_is_the_product_of_directions() {
        let line: Vec<f32> = (0..19).map(|i| i as f32 - 9.0).collect();
        let embedding = Embedding::new(&line).unwrap();
        let opposite = Embedding::new(&line.iter().map(|x| -x).collect::<Vec<_>>()).unwrap();
        assert!((cosine(embedding.vector(), embedding.vector()) - 1.0).abs() < 1e-6);
        assert!((cosine(embedding.vector(), opposite.vector()) + 1.0).abs() < 1e-6);
        assert_eq!(cosine(&[1.0], &[1.0, 0.0]), 0.0);
    }
}
