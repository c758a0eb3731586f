use dashpot_core::{Embedding, Tokens};

use crate::tokenizer::Piece;

/// The mean of all states, those at the ends too; and the states between the ends.
///
/// `None` if one points nowhere.
pub(crate) fn pool(pieces: &[Piece], states: &[f32], dimensions: usize) -> Option<Embedding> {
    let mut sum = vec![0.0; dimensions];
    for state in states.chunks_exact(dimensions) {
        for (sum, x) in sum.iter_mut().zip(state) {
            *sum += x;
        }
    }
    let between = states.chunks_exact(dimensions).skip(1);
    let tokens = Tokens::new(pieces.iter().map(|(_, span)| span.clone()).zip(between))?;
    Some(Embedding::new(&sum)?.with_tokens(tokens))
}
