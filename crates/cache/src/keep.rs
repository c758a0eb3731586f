/// Which answers are kept beside those that ended by themselves. Those that a filter cut off, that refuse, or that are errors
/// never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    pub(crate) tool_calls: bool,
    pub(crate) cut_off: bool,
}

impl Keep {
    /// Answers that call tools, or that tools of the provider had a part in.
    #[must_use]
    pub const fn tool_calls(self) -> Self {
        Self { tool_calls: true, ..self }
    }

    /// Answers that ended at the most tokens that they may have.
    #[must_use]
    pub const fn cut_off(self) -> Self {
        Self { cut_off: true, ..self }
    }
}
