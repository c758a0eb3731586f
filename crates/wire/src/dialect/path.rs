use super::Dialect;

pub(super) fn dialect(path: &str) -> Option<Dialect> {
    let path = without_query(path);
    if gemini(path).is_some() {
        return Some(Dialect::Gemini);
    }
    // The longer ends come first.
    [
        ("/chat/completions", Dialect::OpenAiChat),
        ("/completions", Dialect::OpenAiCompletions),
        ("/responses", Dialect::OpenAiResponses),
        ("/embeddings", Dialect::OpenAiEmbeddings),
        // With its version: `/threads/{id}/messages` is another API.
        ("/v1/messages", Dialect::AnthropicMessages),
    ]
    .into_iter()
    .find_map(|(end, dialect)| path.ends_with(end).then_some(dialect))
}

/// The model that the path names, if any: Gemini's, or a deployment of Azure OpenAI.
pub(super) fn model(path: &str) -> Option<&str> {
    let path = without_query(path);
    let deployment = || path.split_once("/deployments/")?.1.split('/').next();
    gemini(path).map(|(model, _)| model).or_else(deployment).filter(|model| !model.is_empty())
}

/// Whether the path of a Gemini request asks for a stream.
pub(super) fn is_stream(path: &str) -> bool {
    gemini(without_query(path)).is_some_and(|(_, stream)| stream)
}

/// The model and whether a stream is asked for, of `models/{model}:{method}` (a tuned model is under `tunedModels/`).
fn gemini(path: &str) -> Option<(&str, bool)> {
    let (resource, method) = path.rsplit_once(':')?;
    let stream = match method {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => return None,
    };
    Some((resource.rsplit('/').next()?, stream))
}

fn without_query(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_the_dialect_whatever_its_prefix() {
        for (path, expected) in [
            ("/v1/chat/completions", Some(Dialect::OpenAiChat)),
            ("/openai/deployments/gpt/chat/completions?api-version=2024-10-21", Some(Dialect::OpenAiChat)),
            ("/v1/chat/completions/", Some(Dialect::OpenAiChat)),
            ("/v1/completions", Some(Dialect::OpenAiCompletions)),
            ("/v1/responses", Some(Dialect::OpenAiResponses)),
            ("/v1/embeddings", Some(Dialect::OpenAiEmbeddings)),
            ("/anthropic/v1/messages?beta=true", Some(Dialect::AnthropicMessages)),
            ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", Some(Dialect::Gemini)),
            ("/v1/projects/p/locations/l/publishers/google/models/g:generateContent", Some(Dialect::Gemini)),
            ("/v1beta/models/g:embedContent", None),
            ("/v1/messages/count_tokens", None),
            ("/v1/threads/t/messages", None),
            ("/v1/responses/resp_1", None),
            ("/v1/mycompletions", None),
            ("completions", None),
            ("/", None),
            ("", None),
            ("?/v1/completions", None),
        ] {
            assert_eq!(dialect(path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_can_name_the_model() {
        assert_eq!(model("/v1beta/models/g-2.5:streamGenerateContent?alt=sse"), Some("g-2.5"));
        assert_eq!(model("/openai/deployments/gpt/chat/completions"), Some("gpt"));
        assert_eq!(model("/v1/models/:generateContent"), None);
        assert_eq!(model("/v1/chat/completions"), None);
        assert!(is_stream("/v1beta/models/g:streamGenerateContent"));
        assert!(!is_stream("/v1beta/models/g:generateContent"));
    }
}
