use base64::{Engine, engine::general_purpose::STANDARD};
use dashpot_core::Embedding;
use http::StatusCode;
use serde::Deserialize;

use super::{BadAnswer, UpstreamError};

/// What an answer has to be, to answer the question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) texts: usize,
    pub(super) dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Expected {
    /// The most bytes that an answer may have: 8,000 numbers of 32 characters for each text, and a page around.
    pub(super) fn most_bytes(self) -> usize {
        self.texts.saturating_mul(256 << 10).saturating_add(64 << 10)
    }

    /// The vectors of an answer, in the order of the texts.
    pub(super) fn read(self, body: &[u8]) -> Result<Vec<Option<Embedding>>, BadAnswer> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| BadAnswer(error.to_string()))?;
        if answer.data.len() != self.texts {
            return Err(BadAnswer(format!("{} vectors for {} texts", answer.data.len(), self.texts)));
        }
        let mut embeddings = vec![None; self.texts];
        let mut dimensions = self.dimensions;
        for (position, item) in answer.data.into_iter().enumerate() {
            let index = item.index.unwrap_or(position);
            let Some(place) = embeddings.get_mut(index).filter(|place| place.is_none()) else {
                return Err(BadAnswer(format!("a vector of text {index}, which has one or does not exist")));
            };
            let vector = item.embedding.numbers()?;
            let expected = *dimensions.get_or_insert(vector.len());
            if vector.len() != expected {
                return Err(BadAnswer(format!("a vector of {} numbers, not {expected}", vector.len())));
            }
            let embedding = Embedding::new(&vector);
            *place = Some(embedding.ok_or_else(|| BadAnswer("a vector that points nowhere".into()))?);
        }
        Ok(embeddings)
    }
}

impl Vector {
    fn numbers(self) -> Result<Vec<f32>, BadAnswer> {
        let text = match self {
            Self::Numbers(numbers) => return Ok(numbers),
            Self::Base64(text) => text,
        };
        let bytes = STANDARD.decode(text).map_err(|error| BadAnswer(error.to_string()))?;
        let (numbers, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(BadAnswer(format!("{} bytes, which are not four for each number", bytes.len())));
        }
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// What an upstream said in place of an answer; of what is not understood, the beginning.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> UpstreamError {
    let message = match serde_json::from_slice(body) {
        Ok(Refusal { error: Message { message } }) => message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
    };
    UpstreamError::new(status, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Expected = Expected { texts: 2, dimensions: None };

    fn error(expected: Expected, body: &str) -> String {
        expected.read(body.as_bytes()).unwrap_err().0
    }

    #[test]
    fn vectors_come_out_in_the_order_of_the_texts() {
        let body =
            r#"{"object":"list","data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[3.0,4.0]}]}"#;
        let read = TWO.read(body.as_bytes()).unwrap();
        assert_eq!(read, [Embedding::new(&[0.6, 0.8]), Embedding::new(&[0.0, 1.0])]);
    }

    #[test]
    fn numbers_in_base64_are_the_same_numbers() {
        let encoded = STANDARD.encode([3.0_f32, 4.0].map(f32::to_le_bytes).concat());
        let body = format!(r#"{{"data":[{{"embedding":"{encoded}"}},{{"embedding":[3,4]}}]}}"#);
        let read = TWO.read(body.as_bytes()).unwrap();
        assert_eq!(read[0], read[1]);
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_said() {
        assert_eq!(error(TWO, r#"{"data":[]}"#), "0 vectors for 2 texts");
        let twice = r#"{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}"#;
        assert_eq!(error(TWO, twice), "a vector of text 1, which has one or does not exist");
        let beyond = r#"{"data":[{"index":2,"embedding":[1]},{"index":1,"embedding":[1]}]}"#;
        assert_eq!(error(TWO, beyond), "a vector of text 2, which has one or does not exist");
        let uneven = r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#;
        assert_eq!(error(TWO, uneven), "a vector of 2 numbers, not 1");
        let nowhere = r#"{"data":[{"embedding":[0]},{"embedding":[1]}]}"#;
        assert_eq!(error(TWO, nowhere), "a vector that points nowhere");
        let three = Expected { texts: 2, dimensions: Some(3) };
        assert_eq!(error(three, uneven), "a vector of 1 numbers, not 3");
        let bytes = r#"{"data":[{"embedding":"AAA="},{"embedding":"AAA="}]}"#;
        assert_eq!(error(TWO, bytes), "2 bytes, which are not four for each number");
        assert!(error(TWO, "nonsense").contains("line 1"));
    }

    #[test]
    fn of_a_refusal_the_message_is_kept() {
        let said = refusal(StatusCode::BAD_REQUEST, br#"{"error":{"message":"too long","type":"x"}}"#);
        assert_eq!(said, UpstreamError::new(StatusCode::BAD_REQUEST, "too long".into()));
        let said = refusal(StatusCode::BAD_GATEWAY, "é".repeat(300).as_bytes());
        assert_eq!(said, UpstreamError::new(StatusCode::BAD_GATEWAY, "é".repeat(100)));
    }
}
