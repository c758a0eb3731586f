use serde::Deserialize;

pub(crate) use word_piece::Piece;
use word_piece::WordPiece;

use crate::{LoadError, folder::Folder};

mod word_piece;
mod words;

/// No longer text is read, in bytes: with fewer word pieces than a window has, it is made of spaces, or of words that nobody
/// knows, and to take it apart would keep others waiting.
const LONGEST: usize = 128 << 10;

/// Takes a text apart as a model of sentence-transformers wants it, if all of it fits.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    word_piece: WordPiece,
    /// How many tokens a text may have, those at its ends too.
    positions: usize,
}

#[derive(Deserialize)]
struct SentenceBert {
    max_seq_length: usize,
}

impl Tokenizer {
    /// From the content of `tokenizer.json`, and from `sentence_bert_config.json`.
    pub(crate) fn new(folder: Folder<'_>, file: &[u8]) -> Result<Self, LoadError> {
        let SentenceBert { max_seq_length } = folder.json("sentence_bert_config.json")?;
        let word_piece = WordPiece::new(file).map_err(|reason| folder.unfit("tokenizer.json", reason))?;
        Ok(Self { word_piece, positions: max_seq_length })
    }

    /// Whether a model of so many positions and so many different tokens can take what comes out.
    pub(crate) fn check(
        &self,
        folder: Folder<'_>,
        positions: usize,
        vocabulary: usize,
    ) -> Result<(), LoadError> {
        if !(2..=positions).contains(&self.positions) {
            let reason = format!("max_seq_length is {}, and there are {positions} positions", self.positions);
            return Err(folder.unfit("sentence_bert_config.json", reason));
        }
        if self.highest() as usize >= vocabulary {
            return Err(folder.unfit("tokenizer.json", "it has more tokens than the model"));
        }
        Ok(())
    }

    /// Whether as many tokens as a text may have can come out. Of the model nothing is asked.
    #[cfg(feature = "ort")]
    pub(crate) fn check_positions(&self, folder: Folder<'_>) -> Result<(), LoadError> {
        let most = LONGEST + self.word_piece.ends().len();
        if !(2..=most).contains(&self.positions) {
            let reason = format!("max_seq_length is {}, and is to be 2 to {most}", self.positions);
            return Err(folder.unfit("sentence_bert_config.json", reason));
        }
        Ok(())
    }

    /// How many tokens a text may have, those at its ends too.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// How many pieces a text may have.
    pub(crate) fn window(&self) -> usize {
        self.positions - self.word_piece.ends().len()
    }

    /// The highest number of a token.
    pub(crate) fn highest(&self) -> u32 {
        self.word_piece.highest()
    }

    /// `None` of a text that is too long.
    pub(crate) fn pieces(&self, text: &str) -> Option<Vec<Piece>> {
        (text.len() <= LONGEST).then(|| self.word_piece.pieces(text, self.window())).flatten()
    }

    /// The numbers of the pieces, between the tokens that stand at the ends of each text.
    pub(crate) fn numbers(&self, pieces: &[Piece]) -> impl Iterator<Item = u32> {
        let [first, last] = self.word_piece.ends();
        [first].into_iter().chain(pieces.iter().map(|(number, _)| *number)).chain([last])
    }
}
