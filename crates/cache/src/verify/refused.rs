use std::{error::Error, fmt};

/// Why an answer is not given for another question than its own: the first rule that found a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// The rule's name, one of [`RULES`](Self::RULES).
    pub rule: &'static str,
}

impl Refused {
    /// All names of rules, in the order in which they are asked.
    pub const RULES: [&'static str; 21] = [
        "similarity",
        "code",
        "quote",
        "sign",
        "number",
        "unit",
        "language",
        "date",
        "negation",
        "opposite",
        "kind",
        "scope",
        "name",
        "order",
        "question",
        "owner",
        "tense",
        "duty",
        "choice",
        "addition",
        "alignment",
    ];

    pub(crate) const fn by(rule: &'static str) -> Self {
        Self { rule }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the texts differ by the rule of {}", self.rule)
    }
}

impl Error for Refused {}
