use dashpot_core::{Embedding, cosine};

use super::{Refused, align::Alignment, guard, pairing::Pairing, reading::Reading};

/// Decides whether the answer to one question is an answer to another, from what both say and mean.
///
/// The thresholds of [`default`](Self::default) are those that `cargo xtask bench cache-quality` shows, for the all-MiniLM-L6-v2
/// of `dashpot-embed`. Cosines of other models mean something else: look at them there, or learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verify {
    similar: f32,
    added: f32,
    replaced: f32,
    reworded: f32,
}

/// Of how many words of content a question is whose cosine is taken as it is.
const FEW_WORDS: f32 = 6.0;

/// How far two questions are from being refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// From 0 to 1; what is below one half is [refused](Verify::check).
    pub value: f32,
    /// The rule that would refuse first.
    pub rule: &'static str,
}

impl Default for Verify {
    fn default() -> Self {
        Self { similar: 0.75, added: 0.93, replaced: 0.53, reworded: 0.4 }
    }
}

impl Verify {
    /// What the cosine of two texts has to be at least. Default 0.75.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[must_use]
    pub fn similar(self, cosine: f32) -> Self {
        Self { similar: valid(cosine), ..self }
    }

    /// What it has to be at least if one of the texts has words of content that the other lacks, and lacks none itself; or if
    /// the embedder does not tell what each word means. Default 0.93.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[must_use]
    pub fn added(self, cosine: f32) -> Self {
        Self { added: valid(cosine), ..self }
    }

    /// How close the only two words have to be that are not shared. Default 0.53.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[must_use]
    pub fn replaced(self, cosine: f32) -> Self {
        Self { replaced: valid(cosine), ..self }
    }

    /// How close each word has to be to one of the other text, where more than two are not shared. Default 0.4.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[must_use]
    pub fn reworded(self, cosine: f32) -> Self {
        Self { reworded: valid(cosine), ..self }
    }

    /// Whether the answer to `kept` may be given to `question`. The order of the two makes no difference.
    ///
    /// # Errors
    ///
    /// The rule that refused.
    pub fn check(&self, question: (&str, &Embedding), kept: (&str, &Embedding)) -> Result<Score, Refused> {
        let score = self.score(question, kept)?;
        if score.value >= 0.5 { Ok(score) } else { Err(Refused::by(score.rule)) }
    }

    /// The same for who has a threshold of their own, such as a [`Learned`](super::Learned) one: of all rules only the guard's
    /// refuse.
    ///
    /// # Errors
    ///
    /// The rule of the [guard] that refused.
    pub fn score(&self, question: (&str, &Embedding), kept: (&str, &Embedding)) -> Result<Score, Refused> {
        let cosine = cosine(question.1.vector(), kept.1.vector());
        // Most candidates are far away; the guard is not asked about those.
        let floor = Score::of("similarity", cosine, self.similar);
        if floor.value < 0.25 {
            return Err(Refused::by("similarity"));
        }
        let (a, b) = (Reading::new(question.0), Reading::new(kept.0));
        let pairing = Pairing::new(&a, &b);
        guard::check_read(&a, &b, &pairing)?;
        let tokens = (question.1.tokens().map(|tokens| &**tokens), kept.1.tokens().map(|tokens| &**tokens));
        let rest = match Alignment::new((&a, tokens.0), (&b, tokens.1), &pairing) {
            Alignment::Same => return Ok(floor),
            // The more words there are, the less one of them turns the whole.
            Alignment::Added(words) => {
                let dilution = (words as f32 / FEW_WORDS).max(1.0);
                Score::of("addition", 1.0 - (1.0 - cosine) * dilution, self.added)
            }
            // Words of a language that is not known are not known to the embedder.
            Alignment::Replaced(_) | Alignment::Reworded(_)
                if tokens.0.is_none() || tokens.1.is_none() || !a.has_small || !b.has_small =>
            {
                Score::of("addition", cosine, self.added)
            }
            Alignment::Replaced(closeness) => Score::of("alignment", closeness, self.replaced),
            Alignment::Reworded(closeness) => Score::of("alignment", closeness, self.reworded),
            Alignment::Unlike => Score::of("alignment", -1.0, self.reworded),
        };
        Ok(if rest.value < floor.value { rest } else { floor })
    }
}

impl Score {
    /// One half at the threshold, 1 at a cosine of 1, and 0 at none.
    fn of(rule: &'static str, cosine: f32, threshold: f32) -> Self {
        let value = if cosine >= threshold {
            0.5 + 0.5 * (cosine - threshold) / (1.0 - threshold).max(f32::EPSILON)
        } else {
            0.5 * cosine / threshold
        };
        Self { value: value.clamp(0.0, 1.0), rule }
    }
}

fn valid(cosine: f32) -> f32 {
    assert!((0.0..=1.0).contains(&cosine), "a threshold is from 0 to 1, and this is {cosine}");
    cosine
}
