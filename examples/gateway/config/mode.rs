use dashpot::sse::{self, ModeLayer};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mode {
    upstream: Asked,
    unless_said: Answer,
    pub(super) max_bytes: usize,
}

impl Mode {
    pub(crate) fn layer(&self) -> ModeLayer {
        let layer = ModeLayer::new(self.max_bytes).unless_said(match self.unless_said {
            Answer::Stream => sse::Mode::Stream,
            Answer::Whole => sse::Mode::Whole,
        });
        match self.upstream {
            Asked::AsCaller => layer,
            Asked::Stream => layer.upstream(sse::Mode::Stream),
            Asked::Whole => layer.upstream(sse::Mode::Whole),
        }
    }
}

impl Default for Mode {
    fn default() -> Self {
        Self { upstream: Asked::AsCaller, unless_said: Answer::Whole, max_bytes: 8 << 20 }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    AsCaller,
    Stream,
    Whole,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Stream,
    Whole,
}
