//! Where each dialect's events say what.

use crate::json::Paths;

/// What is found at a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// A string that is content unless empty.
    Content,
    /// The same, and the caller is to call a tool.
    ToolCall,
    /// The type of an item, some of which ask the caller to call a tool.
    Item,
    /// Where a shell is that an item calls.
    Host,
    /// A word for why the model stopped.
    Finish,
    /// The type of the event.
    Type,
    /// An error if it is there.
    Error,
    /// A word or number for what kind of error.
    ErrorWord,
    /// A number of tokens.
    Count(Count),
}

/// A number of tokens, as the dialects state them; each states at most one under each name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Input,
    /// Input that is not in `Input`.
    MoreInput,
    /// Input that came from a cache.
    Cached,
    Output,
    /// Output that is not in `Output`.
    MoreOutput,
}

impl Count {
    pub(super) const LEN: usize = Self::MoreOutput as usize + 1;
}

/// OpenAI chat completions and completions. `reasoning_content` (DeepSeek, vLLM) and `reasoning` (OpenRouter, vLLM)
/// are not OpenAI's.
pub(super) static CHAT: Paths<Field> = Paths::new(&[
    ("choices/delta/audio/data", Field::Content),
    ("choices/delta/audio/transcript", Field::Content),
    ("choices/delta/content", Field::Content),
    // Mistral's, which gives a list of parts.
    ("choices/delta/content/text", Field::Content),
    ("choices/delta/function_call/arguments", Field::Content),
    ("choices/delta/function_call/name", Field::Content),
    ("choices/delta/reasoning", Field::Content),
    ("choices/delta/reasoning_content", Field::Content),
    ("choices/delta/refusal", Field::Content),
    ("choices/delta/tool_calls/custom/input", Field::Content),
    ("choices/delta/tool_calls/custom/name", Field::Content),
    ("choices/delta/tool_calls/function/arguments", Field::Content),
    ("choices/delta/tool_calls/function/name", Field::Content),
    ("choices/finish_reason", Field::Finish),
    ("choices/text", Field::Content),
    ("error", Field::Error),
    ("error/code", Field::ErrorWord),
    ("error/type", Field::ErrorWord),
    ("usage/completion_tokens", Field::Count(Count::Output)),
    ("usage/prompt_tokens", Field::Count(Count::Input)),
    ("usage/prompt_tokens_details/cached_tokens", Field::Count(Count::Cached)),
]);

/// OpenAI responses. Only events of types `response.*.delta` have a `delta`.
pub(super) static RESPONSES: Paths<Field> = Paths::new(&[
    ("code", Field::ErrorWord),
    ("delta", Field::Content),
    ("error", Field::Error),
    ("error/code", Field::ErrorWord),
    ("error/type", Field::ErrorWord),
    ("item/environment/type", Field::Host),
    ("item/name", Field::Content),
    ("item/type", Field::Item),
    ("partial_image_b64", Field::Content),
    ("response/error", Field::Error),
    ("response/error/code", Field::ErrorWord),
    ("response/error/type", Field::ErrorWord),
    ("response/incomplete_details/reason", Field::Finish),
    ("response/usage/input_tokens", Field::Count(Count::Input)),
    ("response/usage/input_tokens_details/cached_tokens", Field::Count(Count::Cached)),
    ("response/usage/output_tokens", Field::Count(Count::Output)),
    ("type", Field::Type),
]);

/// Anthropic messages. The counts in `message_delta` replace those in `message_start`.
pub(super) static ANTHROPIC: Paths<Field> = Paths::new(&[
    ("content_block/data", Field::Content),
    ("content_block/name", Field::Content),
    ("content_block/text", Field::Content),
    ("content_block/thinking", Field::Content),
    ("delta/partial_json", Field::Content),
    ("delta/stop_reason", Field::Finish),
    ("delta/text", Field::Content),
    ("delta/thinking", Field::Content),
    ("error", Field::Error),
    ("error/type", Field::ErrorWord),
    ("message/usage/cache_creation_input_tokens", Field::Count(Count::MoreInput)),
    ("message/usage/cache_read_input_tokens", Field::Count(Count::Cached)),
    ("message/usage/input_tokens", Field::Count(Count::Input)),
    ("message/usage/output_tokens", Field::Count(Count::Output)),
    ("type", Field::Type),
    ("usage/cache_creation_input_tokens", Field::Count(Count::MoreInput)),
    ("usage/cache_read_input_tokens", Field::Count(Count::Cached)),
    ("usage/input_tokens", Field::Count(Count::Input)),
    ("usage/output_tokens", Field::Count(Count::Output)),
]);

/// Gemini. Thoughts are counted apart from candidates, and what tools gave back apart from the prompt.
pub(super) static GEMINI: Paths<Field> = Paths::new(&[
    ("candidates/content/parts/codeExecutionResult/output", Field::Content),
    ("candidates/content/parts/executableCode/code", Field::Content),
    ("candidates/content/parts/functionCall/name", Field::ToolCall),
    ("candidates/content/parts/inlineData/data", Field::Content),
    ("candidates/content/parts/text", Field::Content),
    ("candidates/finishReason", Field::Finish),
    ("error", Field::Error),
    ("error/code", Field::ErrorWord),
    ("error/status", Field::ErrorWord),
    ("promptFeedback/blockReason", Field::Finish),
    ("usageMetadata/cachedContentTokenCount", Field::Count(Count::Cached)),
    ("usageMetadata/candidatesTokenCount", Field::Count(Count::Output)),
    ("usageMetadata/promptTokenCount", Field::Count(Count::Input)),
    ("usageMetadata/thoughtsTokenCount", Field::Count(Count::MoreOutput)),
    ("usageMetadata/toolUsePromptTokenCount", Field::Count(Count::MoreInput)),
]);
